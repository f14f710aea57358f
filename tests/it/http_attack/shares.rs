//! One caller, or clients without a token, that try to take every connection.

use super::stage::{ADA, BOB, Process, Socket, TYPES, get, on_stage, post, request};
use minimax_mcp::sandbox::{Options, Pace, Sandbox};
use serde_json::{Value, json};

use crate::harness::quick;

/// One caller's share of 64 connections.
#[cfg(unix)]
const SHARE: usize = 16;

/// Runs `play` with a program that may have few connections, because the shell limits its open files.
#[cfg(unix)]
fn in_a_small_house(play: impl FnOnce(&Process, &Sandbox)) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pace = Pace { seconds: 600.0, polls: 1, ..quick() };
    let sandbox = runtime.block_on(Sandbox::start(Options { pace, ..Options::default() })).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let plain = crate::crash::command(&sandbox.url(), dir.path(), &[]);
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", "ulimit -n 256; exec \"$0\" \"$@\""]).arg(plain.get_program()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let program = Process::run(command, dir.path(), &[]);
    play(&program, &sandbox);
    program.serves_bob();
    assert!(!program.log().contains("os error 24"), "it never ran out of files");
    program.log_is_discreet();
    runtime.block_on(sandbox.stop());
}

fn listen(filter: &Value) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "raw", "version": "0" } });
    let body = request("subscriptions/listen", json!({ "notifications": filter, "_meta": meta }));
    format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADA}\r\n{TYPES}\
         MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: subscriptions/listen\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(unix)]
#[test]
fn one_caller_never_holds_the_last_connections_whatever_it_asks_for() {
    in_a_small_house(|program, _| {
        let film = json!({ "name": "generate_video", "arguments": { "prompt": "x", "wait_seconds": 240 } });
        let half = format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADA}\r\n{TYPES}Content-Length: 100\r\n\r\n{{"
        );
        let upload = format!(
            "POST /uploads HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADA}\r\nContent-Length: 100\r\n\r\nOnce"
        );
        for (what, ask) in [
            ("streams that say nothing", listen(&json!({}))),
            ("streams of a list", listen(&json!({ "toolsListChanged": true }))),
            ("sessions", get("/sse", &format!("Authorization: Bearer {ADA}\r\n"))),
            ("calls that wait", post("/mcp", ADA, &request("tools/call", film))),
            ("messages that do not come", half),
            ("uploads that do not come", upload),
        ] {
            let mut open: Vec<Socket> = Vec::new();
            for _ in 0..SHARE * 3 {
                let mut socket = program.connect();
                socket.say(&ask);
                open.push(socket);
            }
            program.serves_bob();
            // Connections beyond the share are refused. The program decides which ones.
            let mut more = program.connect();
            more.say(get("/metrics", &format!("Authorization: Bearer {ADA}\r\n")));
            let refused = more.answer().unwrap();
            assert_eq!(refused.status, 503, "{what}: {refused:?}");
            assert!(
                refused.header("retry-after").is_some() && refused.text().contains("one caller"),
                "{refused:?}"
            );
            assert_eq!(program.ask(get("/readyz", "")).unwrap().status, 200, "{what}");
            program.serves_bob();
            drop(open);
            crate::crash::until("the connections are free again", || {
                let ping = post("/mcp", ADA, &request("ping", json!({})));
                program.ask(ping).is_some_and(|answer| answer.status == 200)
            });
        }
    });
}

#[cfg(unix)]
#[test]
fn unauthenticated_clients_never_hold_the_last_connections() {
    in_a_small_house(|program, sandbox| {
        let half = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-A: b";
        let wrong = post("/mcp", "wrong", "");
        let mut crowd = Vec::new();
        let mut waiting = program.connect();
        let film = json!({ "name": "generate_video", "arguments": { "prompt": "x", "wait_seconds": 240 } });
        waiting.say(post("/mcp", ADA, &request("tools/call", film)));
        assert_eq!(waiting.head().unwrap().status, 200);
        for start in ["", half, &wrong, "\r\n"] {
            for _ in 0..150 {
                let mut socket = program.connect();
                socket.say(start);
                crowd.push(socket);
            }
            program.serves_bob();
            assert_eq!(program.ask(get("/healthz", "")).unwrap().status, 200);
        }
        // An earlier call is still answered.
        crate::crash::until("the order is there", || sandbox.paid().len() == 1);
        let cancel = |job: &Value| program.make(ADA, "cancel_job", json!({ "job_id": job }));
        let jobs = program.make(ADA, "list_jobs", json!({}));
        cancel(&jobs["jobs"][0]["job_id"]);
        let mut answer = String::new();
        while !answer.contains("cancelled") {
            answer = waiting.event().expect("an answer");
        }
    });
}

#[cfg(unix)]
#[test]
fn all_attacks_at_once_do_not_delay_another_caller() {
    in_a_small_house(|program, _| {
        let zeros = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"x":[{}0]}}}}"#,
            "0,".repeat(190_000)
        );
        let asks = [
            listen(&json!({})),
            get("/sse", &format!("Authorization: Bearer {ADA}\r\n")),
            post("/mcp", ADA, &zeros),
            post("/mcp", ADA, &request("tools/list", json!({}))),
            get("/healthz", ""),
            String::new(),
        ];
        let mut open = Vec::new();
        for turn in 0..120 {
            let mut socket = program.connect();
            socket.say(&asks[turn % asks.len()]);
            open.push(socket);
            if turn % 20 == 0 {
                program.serves_bob();
                let picture = program.make(BOB, "text_to_image", json!({ "prompt": "x" }));
                assert_eq!(picture["status"], "succeeded");
            }
        }
    });
}

#[test]
fn one_caller_s_requests_are_counted_and_another_s_are_not_touched() {
    on_stage(|stage| {
        let program = &stage.program;
        let mut socket = program.connect();
        let ask = get("/mcp", &format!("Authorization: Bearer {ADA}\r\n")).repeat(100);
        let (mut asked, mut refused) = (0, None);
        while asked < 20_000 && refused.is_none() {
            socket.say(&ask);
            let answers: Vec<_> = (0..100).map(|_| socket.answer().unwrap()).collect();
            asked += answers.len();
            refused = answers.into_iter().find(|answer| answer.status == 429);
        }
        let refused = refused.unwrap_or_else(|| panic!("{asked} requests"));
        assert!(asked > 5_000, "{asked}");
        // A client that reads JSON-RPC finds the reason, and how long to wait.
        let message: Value = serde_json::from_str(&refused.text()).unwrap();
        let seconds = refused.header("retry-after").unwrap().parse::<u64>().unwrap();
        assert_eq!(message["error"]["data"]["retry_after_seconds"], seconds, "{message}");
        assert!(message["error"]["message"].as_str().unwrap().contains("Too many requests"), "{message}");
        program.serves_bob();
        crate::crash::until("it may ask again", || {
            program.ask(post("/mcp", ADA, &request("ping", json!({})))).unwrap().status == 200
        });
        std::thread::sleep(std::time::Duration::from_millis(500));
    });
}
