//! Tampered links to results.

use super::stage::{ADA, BOB, Process, get, on_stage};
use serde_json::{Value, json};

/// The path and query of a result's link.
fn link(file: &Value) -> String {
    let url = file["download_url"].as_str().unwrap();
    url[url.find("/files/").unwrap()..].to_owned()
}

fn picture(program: &Process, token: &str) -> (String, Value) {
    let view = program.make(token, "text_to_image", json!({ "prompt": "A door", "n": 2 }));
    (view["job_id"].as_str().unwrap().to_owned(), view["files"].clone())
}

#[test]
fn no_path_leads_out_of_the_results() {
    on_stage(|stage| {
        let program = &stage.program;
        let (job, files) = picture(program, ADA);
        let good = link(&files[0]);
        assert_eq!(program.ask(get(&good, "")).unwrap().status, 200);
        let (path, query) = good.split_once('?').unwrap();
        let name = path.rsplit('/').next().unwrap();
        let data = "data/jobs.sqlite3";
        for bad in [
            format!("/files/{job}/../{job}/{name}"),
            format!("/files/./{job}/{name}"),
            format!("/files//{job}/{name}"),
            format!("/files/{job}//{name}"),
            format!("/files/{job}/{name}/.."),
            format!("/files/%2e%2e/{job}/{name}"),
            format!("/files/{job}/%2e%2e%2f{job}%2f{name}"),
            format!("/files/{job}/%2e%2e/%2e%2e/{data}"),
            format!("/files/{job}/..%2f..%2f{data}"),
            format!("/files/{job}/..%5c..%5cdata%5cjobs.sqlite3"),
            format!("/files/{job}/..\\..\\data\\jobs.sqlite3"),
            format!("/files/{job}/%252e%252e%252f{data}"),
            format!("/files/{job}/%c0%ae%c0%ae%c0%af{data}"),
            format!("/files/{job}/{name}%00"),
            format!("/files/{job}/{name}%00.jpg"),
            format!("/files/{job}/%00"),
            format!("/files/{job}/%"),
            format!("/files/{job}/%ff%fe"),
            format!("/files/{job}/%2fetc%2fpasswd"),
            format!("/files/{job}/file:%2f%2f%2fetc%2fpasswd"),
            format!("/files/{job}/C:%5cwindows%5cwin.ini"),
            format!("/files/{job}/%5c%5cevil.example%5cshare"),
            format!("/files/{job}/{}", name.to_uppercase()),
            format!("/files/{}/{name}", job.to_uppercase()),
            format!("/files/{job}/"),
            format!("/files/{job}"),
            "/files/".to_owned(),
            format!("/FILES/{job}/{name}"),
        ] {
            let status = program.ask(get(&format!("{bad}?{query}"), "")).unwrap().status;
            // Clients resolve dot segments. Unresolved, they match nothing.
            assert!([400, 404].contains(&status), "{bad}: {status}");
        }
    });
}

#[test]
fn a_link_opens_only_its_own_file_and_only_if_the_link_is_unchanged() {
    on_stage(|stage| {
        let program = &stage.program;
        let (ada, files) = picture(program, ADA);
        let (bob, others) = picture(program, BOB);
        let good = link(&files[0]);
        let (path, query) = good.split_once('?').unwrap();
        let pairs: Vec<_> = query.split('&').map(|pair| pair.split_once('=').unwrap()).collect();
        let [("expires", expires), ("signature", signature)] = pairs[..] else { panic!("{query}") };
        let later = expires.parse::<i64>().unwrap() + 1;
        let mut flipped = signature.to_owned();
        flipped.replace_range(5..6, if signature[5..6] == *"A" { "B" } else { "A" });
        let other = link(&others[0]);
        let other_query = other.split_once('?').unwrap().1;
        for bad in [
            format!("{path}?expires={later}&signature={signature}"),
            format!("{path}?expires=-{expires}&signature={signature}"),
            format!("{path}?expires=0&signature={signature}"),
            format!("{path}?expires=9223372036854775807&signature={signature}"),
            format!("{path}?expires=99999999999999999999&signature={signature}"),
            format!("{path}?expires={expires}.0&signature={signature}"),
            format!("{path}?expires={expires}&signature={flipped}"),
            format!("{path}?expires={expires}&signature={}", &signature[..signature.len() - 1]),
            format!("{path}?expires={expires}&signature={signature}A"),
            format!("{path}?expires={expires}&signature={signature}="),
            format!("{path}?expires={expires}&signature={}", signature.to_lowercase()),
            format!("{path}?expires={expires}&signature="),
            format!("{path}?expires={expires}&signature={}", "A".repeat(43)),
            format!("{path}?expires={expires}&signature={}", "A".repeat(30_000)),
            format!("{path}?expires={expires}"),
            format!("{path}?signature={signature}"),
            format!("{path}?expires={expires}&expires={later}&signature={signature}"),
            format!("{path}?{query}&signature={flipped}"),
            path.to_owned(),
            // Another file, another caller's file, and each with the other's signature.
            link(&files[1]).replace(link(&files[1]).split_once('?').unwrap().1, query),
            good.replace(&ada, &bob),
            format!("{path}?{other_query}"),
            other.replace(other_query, query),
        ] {
            assert_ne!(bad, good);
            let answer = program.ask(get(&bad, "")).unwrap();
            assert!([400, 404].contains(&answer.status), "{bad}: {}", answer.status);
            assert!(answer.body.len() < 400 && !answer.text().contains(signature), "{bad}");
        }
        assert_eq!(program.ask(get(&good, "")).unwrap().status, 200);
        assert_eq!(program.ask(get(&other, "")).unwrap().status, 200);
    });
}

#[test]
fn a_link_ends_after_a_day_and_get_job_gives_a_fresh_one() {
    if crate::postgres::leaves_out("this machine's clock, which servers with PostgreSQL do not follow") {
        return;
    }
    on_stage(|stage| {
        let (job, files) = picture(&stage.program, ADA);
        let old = link(&files[0]);
        let tomorrow = [("MINIMAX_CRASH_CLOCK", "90000000")];
        let later = Process::start(&stage.sandbox.url(), stage.dir.path(), &tomorrow);
        assert_eq!(later.ask(get(&old, "")).unwrap().status, 410);
        let fresh = link(&later.make(ADA, "get_job", json!({ "job_id": job }))["files"][0]);
        assert_eq!(later.ask(get(&fresh, "")).unwrap().status, 200);
        later.log_is_discreet();
    });
}

#[test]
fn ranges_without_end_cost_no_more_than_the_file() {
    on_stage(|stage| {
        let program = &stage.program;
        let (_, files) = picture(program, ADA);
        let (good, size) = (link(&files[0]), files[0]["bytes"].as_u64().unwrap());
        let spread: Vec<_> = (0..5_000).map(|at| format!("{}-{}", 2 * at, 2 * at)).collect();
        let bombs = [
            format!("bytes={}", "0-,".repeat(10_000).trim_end_matches(',')),
            format!("bytes={}", "0-0,".repeat(10_000).trim_end_matches(',')),
            format!("bytes={}", spread.join(",")),
            format!("bytes={}", "-1,".repeat(10_000).trim_end_matches(',')),
            "bytes=0-18446744073709551615".to_owned(),
            "bytes=18446744073709551615-".to_owned(),
            "bytes=18446744073709551616-".to_owned(),
            "bytes=-18446744073709551615".to_owned(),
            "bytes=5-2".to_owned(),
            "bytes=-0".to_owned(),
            "bytes=--1".to_owned(),
            "bytes=0--1".to_owned(),
            "bytes=".to_owned(),
            "bytes".to_owned(),
            "lines=0-1".to_owned(),
            "bytes=\u{661}-\u{662}".to_owned(),
        ];
        for bomb in bombs {
            let answer = program.ask(get(&good, &format!("Range: {bomb}\r\n"))).unwrap();
            assert!([200, 206, 416].contains(&answer.status), "{bomb:.60}: {}", answer.status);
            assert!(answer.body.len() as u64 <= size, "{bomb:.60}");
        }
        let twice = program.ask(get(&good, "Range: bytes=0-0\r\nRange: bytes=5-9\r\n")).unwrap();
        assert!(twice.body.len() as u64 <= size);
        let head = get(&good, "").replacen("GET", "HEAD", 1);
        let mut socket = program.connect();
        socket.say(format!("{head}{}", get("/healthz", "")));
        let answer = socket.head().unwrap();
        assert_eq!((answer.status, answer.header("content-length")), (200, Some(size.to_string().as_str())));
        assert_eq!(socket.answer().unwrap().text(), "ok\n", "nothing but the head came");
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let ask = get(&good, "Content-Length: 0\r\n").replacen("GET", method, 1);
            assert_eq!(program.ask(ask).unwrap().status, 405, "{method}");
        }
        assert_eq!(program.ask(get(&good, "")).unwrap().body.len() as u64, size);
    });
}

#[test]
fn a_result_is_never_a_page_of_this_server() {
    on_stage(|stage| {
        let (_, files) = picture(&stage.program, ADA);
        let answer = stage.program.ask(get(&link(&files[0]), "")).unwrap();
        assert_eq!(answer.header("content-type"), Some("image/jpeg"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(answer.header("content-security-policy").is_some_and(|policy| policy.contains("sandbox")));
    });
}

#[cfg(unix)]
#[test]
fn a_result_that_was_replaced_by_a_link_to_a_secret_is_gone() {
    if crate::s3::leaves_out("the folder for results") {
        return;
    }
    on_stage(|stage| {
        let (_, files) = picture(&stage.program, ADA);
        let out = stage.dir.path().join("out");
        let size = files[0]["bytes"].as_u64().unwrap();
        let secret = stage.dir.path().join("secret");
        std::fs::write(&secret, vec![b's'; usize::try_from(size).unwrap()]).unwrap();
        for entry in std::fs::read_dir(&out).unwrap().map(Result::unwrap) {
            std::fs::remove_file(entry.path()).unwrap();
            std::os::unix::fs::symlink(&secret, entry.path()).unwrap();
        }
        let answer = stage.program.ask(get(&link(&files[0]), "")).unwrap();
        assert!([404, 410].contains(&answer.status), "{}", answer.status);
    });
}
