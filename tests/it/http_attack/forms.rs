//! Forms that are huge outside the file.

use std::time::{Duration, Instant};

use super::stage::{ADA, Process, Socket, on_stage};

const MEBIBYTE: usize = 1 << 20;

/// The start of a request with a form.
fn head(boundary: &str, length: &str) -> String {
    format!(
        "POST /uploads HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADA}\r\n\
         Content-Type: multipart/form-data; boundary={boundary}\r\n{length}\r\n\r\n"
    )
}

const FILE: &str =
    "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nOnce upon a time.\r\n";

/// Sends a form that starts with `start` and repeats `piece` for 200 MiB, or until the program stops reading. Returns
/// the status and how many mebibytes it accepted.
fn endless(program: &Process, start: &str, piece: &str) -> (Option<u16>, usize) {
    let mut socket = program.connect();
    socket.say(head("x", &format!("Content-Length: {}", 200 * MEBIBYTE)));
    socket.say(start);
    let piece = piece.repeat(MEBIBYTE / piece.len());
    let mut taken = 0;
    while taken < 200 && socket.say(&piece) {
        taken += 1;
    }
    (socket.answer().map(|answer| answer.status), taken)
}

#[test]
fn the_parts_of_a_form_around_a_file_are_bounded_and_cost_nothing() {
    on_stage(|stage| {
        let program = &stage.program;
        let start = Instant::now();
        let with_name = "--x\r\nContent-Disposition: form-data; name=\"a";
        for (begin, piece) in [
            // Several kinds of preamble.
            ("", "y"),
            ("", "\r\n"),
            ("", "--"),
            ("", "\r\n--y"),
            // Headers of a part: a long name, a long value, and many headers.
            ("--x\r\n", "y"),
            ("--x\r\nX: ", "y"),
            ("--x\r\n", "a: b\r\n"),
            (with_name, "y"),
            (&format!("{with_name}\"; filename=\""), "y"),
            // Text after a boundary.
            ("--x", " "),
            // A large field that is not a file, and many such fields.
            (&format!("{with_name}\"\r\n\r\n"), "y"),
            (&format!("{with_name}\"\r\n\r\n"), "\r\n--"),
            ("", "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n"),
            // Text after the file, and after the form.
            (&format!("{FILE}--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n"), "y"),
            (&format!("{FILE}--x--\r\n"), "y"),
            (FILE, FILE),
        ] {
            let (status, taken) = endless(program, begin, piece);
            // A client that is still sending may see the connection close before it sees the response.
            assert!(
                status.is_none_or(|status| [400, 413].contains(&status)),
                "{begin:?} {piece:?}: {status:?}"
            );
            assert!(taken < 32, "{begin:?} {piece:?}: {taken} MiB were taken");
            program.serves_bob();
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
        if let Some(peak) = program.peak() {
            eprintln!("peak: {peak} MiB");
            assert!(peak < 150, "{peak} MiB");
        }
    });
}

fn sent(program: &Process, boundary: &str, body: &str) -> (u16, String) {
    let mut socket: Socket = program.connect();
    socket.say(head(boundary, &format!("Content-Length: {}", body.len())) + body);
    let answer = socket.answer().unwrap();
    (answer.status, answer.text())
}

#[test]
fn a_form_is_taken_or_refused_as_a_whole() {
    on_stage(|stage| {
        let program = &stage.program;
        let field = |bytes: usize| {
            format!("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{}\r\n", "y".repeat(bytes))
        };
        let end = "--x--\r\n";
        for (form, status, words) in [
            (format!("{FILE}{end}"), 201, ""),
            (format!("A preamble.\r\n{}{FILE}{}{end}An epilogue.", field(20_000), field(20_000)), 201, ""),
            (format!("{}{FILE}{end}", field(100_000)), 413, "65536 bytes besides its file"),
            (format!("{FILE}{}{end}", field(100_000)), 413, "65536 bytes besides its file"),
            (format!("{FILE}{end}{}", "y".repeat(100_000)), 413, "65536 bytes besides its file"),
            (format!("{}{FILE}{end}", field(0).repeat(40)), 413, "32 parts"),
            (format!("{FILE}{FILE}{end}"), 400, "one file"),
            (
                FILE.replace("\r\n\r\n", &format!("\r\nX: {}\r\n\r\n", "y".repeat(9_000))) + end,
                413,
                "8192 bytes",
            ),
            (format!("{}{end}", field(5)), 400, "no field with a file"),
            (FILE.to_owned(), 400, "Nothing was kept"),
        ] {
            let (found, text) = sent(program, "x", &form);
            assert_eq!(found, status, "{form:.200}: {text}");
            assert!(text.contains(words), "{text}");
        }
        let long = "y".repeat(300);
        assert_eq!(sent(program, &long, &format!("{FILE}{end}").replace("--x", &format!("--{long}"))).0, 400);
        if crate::s3::leaves_out("the folder for uploads") {
            return;
        }
        let kept = std::fs::read_dir(stage.dir.path().join("data/uploads")).unwrap().flatten();
        let kept = kept.flat_map(|owner| std::fs::read_dir(owner.path()).unwrap().flatten());
        assert_eq!(kept.filter(|entry| entry.path().is_dir()).count(), 2, "what was refused is gone");
    });
}
