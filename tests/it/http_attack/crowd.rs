//! Many connections, slow connections, and clients that do not read their responses.

use std::time::Duration;

use super::stage::{ADA, BOB, PATIENCE, Process, Socket, TYPES, get, on_stage, post, request};
use crate::crash::until;
use minimax_mcp::sandbox::{Options, Pace, Sandbox};
use serde_json::json;

use crate::harness::quick;

/// The number of connections that this process can open beside the other tests.
fn many() -> usize {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit};
        let few = getrlimit(Resource::Nofile).current.is_some_and(|files| files < 8192);
        if few { 100 } else { 1000 }
    }
    #[cfg(not(unix))]
    1000
}

#[test]
fn a_call_is_answered_despite_a_thousand_silent_connections() {
    on_stage(|stage| {
        let idle: Vec<_> = (0..many()).map(|_| stage.program.connect()).collect();
        stage.program.is_well();
        let picture = stage.program.make(ADA, "text_to_image", json!({ "prompt": "A quiet street" }));
        assert_eq!(picture["status"], "succeeded");
        drop(idle);
    });
}

#[test]
fn a_call_is_answered_despite_hundreds_of_unfinished_requests() {
    on_stage(|stage| {
        let program = &stage.program;
        let half_a_head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-A: b";
        let half_a_body = format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADA}\r\n{TYPES}Content-Length: 100\r\n\r\n{{"
        );
        let half_a_chunk = format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADA}\r\n{TYPES}\
             Transfer-Encoding: chunked\r\n\r\n10\r\n{{"
        );
        let starts = [half_a_head, &half_a_body, &half_a_chunk];
        let slow: Vec<_> = (0..many() / 2)
            .map(|index| {
                let mut socket = program.connect();
                let which = if index < 60 { index % 3 } else { 0 };
                socket.say(starts[which]);
                socket
            })
            .collect();
        program.is_well();
        drop(slow);
    });
}

/// Small image files that decode to large ones, whose work must not delay other callers.
#[test]
fn pictures_of_one_caller_delay_no_other() {
    on_stage(|stage| {
        let flat = ::image::DynamicImage::new_rgb8(4000, 4000);
        let mut bytes = std::io::Cursor::new(Vec::new());
        flat.write_to(&mut bytes, ::image::ImageFormat::WebP).unwrap();
        let uri = format!("data:image/webp;base64,{}", data_encoding::BASE64.encode(bytes.get_ref()));
        assert!(uri.len() < 10_000, "{}", uri.len());
        let look = || stage.program.call(ADA, "view_media", json!({ "uri": uri }))["result"].clone();
        let (answers, beside) = std::thread::scope(|scope| {
            let looks: Vec<_> = (0..80).map(|_| scope.spawn(look)).collect();
            let mut beside = 0;
            // While an image is processed, another caller's calls are answered.
            while looks.iter().any(|look| !look.is_finished()) {
                assert!(stage.program.make(BOB, "list_jobs", json!({}))["jobs"].is_array());
                beside += 1;
            }
            let picture = stage.program.make(BOB, "text_to_image", json!({ "prompt": "A quiet street" }));
            assert_eq!(picture["status"], "succeeded");
            (looks.into_iter().map(|look| look.join().unwrap()).collect::<Vec<_>>(), beside)
        });
        let refused: Vec<_> = answers.iter().filter(|answer| answer["isError"] == true).collect();
        assert!(!refused.is_empty() && refused.len() < answers.len(), "{} of 80", refused.len());
        assert!(refused.iter().all(|answer| answer.to_string().contains("Try again")), "{refused:?}");
        assert!(beside > 0);
    });
}

#[test]
fn endless_bodies_take_a_bounded_amount_of_memory() {
    on_stage(|stage| {
        let endless = format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADA}\r\n{TYPES}\
             Transfer-Encoding: chunked\r\n\r\n"
        );
        let mut open = Vec::new();
        let refused = loop {
            let mut socket = stage.program.connect();
            socket.say(format!("{}1\r\n{{\r\n", endless.replace("Host", "Expect: 100-continue\r\nHost")));
            let head = socket.head().unwrap();
            if head.status != 100 {
                break head;
            }
            open.push(socket);
            assert!(open.len() < 100, "there is no end to it");
        };
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
        stage.program.is_well();
        drop(open);
        let ping = request("ping", json!({}));
        let whole = format!("{endless}{:x}\r\n{ping}\r\n0\r\n\r\n", ping.len());
        until("there is room again", || stage.program.ask(&whole).is_some_and(|answer| answer.status == 200));
    });
}

#[test]
fn callers_that_vanish_at_any_point_leave_nothing_open() {
    on_stage(|stage| {
        let call = request(
            "tools/call",
            json!({ "name": "text_to_image", "arguments": { "prompt": "x", "dry_run": true } }),
        );
        let whole = post("/mcp", ADA, &call);
        let sse = get("/sse", &format!("Authorization: Bearer {ADA}\r\n"));
        for text in [&whole, &sse] {
            for end in (1..=text.len()).step_by(text.len() / 40) {
                stage.program.connect().say(&text[..end]);
            }
            for _ in 0..20 {
                stage.program.connect().say(text);
            }
        }
    });
}

/// The shell sets a hard limit on open files, which the program cannot raise.
#[cfg(unix)]
#[test]
fn connections_leave_enough_file_handles_for_calls() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sandbox = runtime.block_on(Sandbox::start(Options { pace: quick(), ..Options::default() })).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let plain = crate::crash::command(&sandbox.url(), dir.path(), &[]);
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", "ulimit -n 200; exec \"$0\" \"$@\""]).arg(plain.get_program()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let program = Process::run(command, dir.path(), &[]);
    let crowd: Vec<_> = (0..100).map(|_| program.connect()).collect();
    let call = json!({ "name": "text_to_image", "arguments": { "prompt": "A full house", "n": 4 } });
    let mut late = program.connect();
    late.say(post("/mcp", ADA, &request("tools/call", call)));
    let view = late.answer().unwrap().message()["result"]["structuredContent"].clone();
    assert_eq!(view["status"], "succeeded", "{view}");
    assert!(program.files().is_none_or(|files| files < 150), "{:?}", program.files());
    drop(crowd);
    program.is_well();
    assert!(!program.log().contains("os error 24"), "it never ran out of files: {}", program.log());
    runtime.block_on(sandbox.stop());
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_in_good_order_whatever_is_connected() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pace = Pace { seconds: 600.0, polls: 1, ..quick() };
    let sandbox = runtime.block_on(Sandbox::start(Options { pace, ..Options::default() })).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut program = Process::start(&sandbox.url(), dir.path(), &[]);
    let film = json!({ "name": "generate_video", "arguments": { "prompt": "A long night" } });
    let mut waiting = program.connect();
    waiting.say(post("/mcp", ADA, &request("tools/call", film)));
    assert_eq!(waiting.head().unwrap().status, 200);
    let mut streams: Vec<Socket> = Vec::new();
    for start in [
        get("/sse", &format!("Authorization: Bearer {ADA}\r\n")),
        String::new(),
        "GET /healthz HTTP/1.1\r\nHo".to_owned(),
        format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADA}\r\n{TYPES}Content-Length: 9\r\n\r\n{{"
        ),
    ] {
        let mut socket = program.connect();
        socket.say(start);
        streams.push(socket);
    }
    until("the job is on its way", || sandbox.paid().len() == 1);
    let id = program.child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let answer = waiting.event_with("structuredContent");
    assert!(answer.contains("job_id"), "{answer}");
    until("it ends", || program.child.try_wait().unwrap().is_some());
    assert!(program.child.try_wait().unwrap().unwrap().success());
    program.log_is_discreet();
    let next = Process::start(&sandbox.url(), dir.path(), &[]);
    let jobs = next.make(ADA, "list_jobs", json!({}))["jobs"].clone();
    assert_eq!(jobs.as_array().map(Vec::len), Some(1), "{jobs}");
    assert_eq!(sandbox.paid().len(), 1);
    drop(next);
    runtime.block_on(sandbox.stop());
}

impl Socket {
    /// The data of the next event that contains `word`.
    fn event_with(&mut self, word: &str) -> String {
        let end = std::time::Instant::now() + PATIENCE;
        while let Some(data) = self.event() {
            if data.contains(word) {
                return data;
            }
            assert!(std::time::Instant::now() < end, "no event with {word}");
        }
        panic!("the stream ended without {word}");
    }
}

/// Takes longer than ordinary tests, because it waits for the real program's time limits:
/// `cargo test --test it http_attack::crowd -- --ignored`.
#[ignore = "takes half a minute: cargo test --test it http_attack::crowd -- --ignored"]
#[test]
fn the_program_closes_silent_and_unfinished_connections() {
    on_stage(|stage| {
        let mut idle = stage.program.connect();
        let mut head = stage.program.connect();
        head.say("GET /healthz HTTP/1.1\r\nHost: loc");
        let mut body = stage.program.connect();
        body.say(format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADA}\r\n{TYPES}Content-Length: 9\r\n\r\n{{"
        ));
        std::thread::sleep(Duration::from_secs(20));
        assert!(idle.is_closed() && head.is_closed());
        assert!(body.answer().is_some_and(|answer| answer.status >= 400));
    });
}
