//! The start of the program: clients start it only to inspect it, start it twice at once, and send unusual messages.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::Program;
use crate::stdio::{Stage, modern_meta, on_stage};

/// Longer than the server waits before it resumes earlier jobs.
const SETTLED: Duration = Duration::from_millis(1300);

fn discover(program: &mut Program) -> Value {
    program.request("server/discover", json!({ "_meta": modern_meta() }))
}

/// Everything below a folder.
fn below(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().map(Result::unwrap);
    entries.map(|entry| entry.path().display().to_string()).collect()
}

#[test]
fn an_inspected_server_needs_no_file_no_port_and_no_network() {
    if crate::postgres::leaves_out("a server without a database server") {
        return;
    }
    on_stage(|stage| {
        let mut program = stage.program();
        assert_eq!(program.next(SETTLED), None, "stdout is the protocol's, and nothing was asked");
        program.initialize("2025-11-25");
        for method in ["ping", "tools/list", "prompts/list", "resources/templates/list"] {
            let answer = program.request(method, json!({}));
            assert!(answer["result"].is_object(), "{method}: {answer}");
        }
        let models = program.call("list_models", json!({ "kind": "video" }));
        assert_ne!(models["isError"], true, "{models}");
        let rehearsed = program.call("text_to_image", json!({ "prompt": "A fox", "dry_run": true }));
        assert_ne!(rehearsed["isError"], true, "{rehearsed}");
        assert_no_port(&program);
        assert_eq!(below(&stage.dir.path().join("data")), Vec::<String>::new(), "records");
        assert_eq!(below(&stage.dir.path().join("home")), Vec::<String>::new(), "its home");
        assert_eq!(stage.sandbox.requests().len(), 0, "nothing has to be asked for");
        assert!(program.hang_up().success());
    });
}

/// Checks that the program has no internet socket.
#[cfg(target_os = "linux")]
fn assert_no_port(program: &Program) {
    let process = Path::new("/proc").join(program.child.id().to_string());
    let sockets: Vec<_> = std::fs::read_dir(process.join("fd"))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let rows = std::fs::read_to_string(process.join("net").join(table)).unwrap_or_default();
        let open = rows.lines().skip(1).filter_map(|row| row.split_whitespace().nth(9));
        let ours: Vec<_> = open.filter(|inode| sockets.iter().any(|socket| socket == inode)).collect();
        assert!(ours.is_empty(), "{table}: {ours:?}");
    }
}

/// Other systems have no such table to read.
#[cfg(not(target_os = "linux"))]
fn assert_no_port(_: &Program) {}

#[test]
fn a_second_server_that_is_started_and_stopped_disturbs_nothing() {
    on_stage(|stage| {
        let mut working = stage.program();
        working.initialize("2025-11-25");
        let made = working.call("text_to_image", json!({ "prompt": "A fox" }));
        let mut probe = stage.program();
        assert!(discover(&mut probe)["result"]["supportedVersions"].is_array());
        assert!(probe.hang_up().success());
        let mut killed = stage.program();
        discover(&mut killed);
        killed.kill();
        let again = working.call("text_to_image", json!({ "prompt": "A hare" }));
        assert_eq!(again["structuredContent"]["status"], "succeeded", "{again}");
        let job = made["structuredContent"]["job_id"].clone();
        let found = working.call("get_job", json!({ "job_id": job }));
        assert_eq!(found["structuredContent"]["status"], "succeeded", "{found}");
        assert_eq!(stage.sandbox.paid().len(), 2);
    });
}

#[test]
fn a_client_that_has_only_sent_discover_may_continue_in_any_revision() {
    on_stage(|stage| {
        let mut older = stage.program();
        discover(&mut older);
        assert_eq!(older.initialize("2025-06-18")["result"]["protocolVersion"], "2025-06-18");
        let list = older.request("tools/list", json!({}));
        assert!(list["result"]["tools"].is_array() && list["result"]["resultType"].is_null(), "{list}");
        let mut newer = stage.program();
        discover(&mut newer);
        let list = newer.request("tools/list", json!({ "_meta": modern_meta() }));
        assert_eq!(list["result"]["resultType"], "complete", "{list}");
    });
}

/// Lines that are not requests. A response may say so, but must not have an id.
const RUBBISH: &[&str] = &[
    "",
    "   ",
    "Listening on port 8765",
    "{",
    "[]",
    "[1, 2]",
    "5",
    "null",
    "\"text\"",
    "{}",
    "\u{feff}{}",
    r#"{"jsonrpc":"1.0","id":901,"method":"ping"}"#,
    r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
    r#"{"jsonrpc":"2.0","id":902,"method":5}"#,
    r#"{"jsonrpc":"2.0","id":903,"result":{}}"#,
    r#"{"jsonrpc":"2.0","id":904,"error":{"code":1,"message":"?"}}"#,
    r#"[{"jsonrpc":"2.0","id":905,"method":"ping"}]"#,
];

fn send_rubbish(program: &mut Program) {
    for line in RUBBISH {
        program.send_raw(line);
    }
    // This is nested too deeply for a parser, and longer than usual lines.
    program.send_raw(&"[".repeat(1 << 20));
}

#[test]
fn lines_of_rubbish_before_the_first_request_and_after_it_end_nothing() {
    on_stage(|stage| {
        let mut program = stage.program();
        send_rubbish(&mut program);
        assert_eq!(program.initialize("2025-06-18")["result"]["protocolVersion"], "2025-06-18");
        send_rubbish(&mut program);
        let id = program.post("ping", json!({}));
        loop {
            let answer = program.next(Duration::from_secs(60)).expect("an answer");
            if answer["id"] == id {
                assert!(answer["result"].is_object(), "{answer}");
                break;
            }
            assert!([-32600, -32700].contains(&answer["error"]["code"].as_i64().unwrap()), "{answer}");
            // JSON that is no message may still have an id that can be read.
            assert!(answer["id"].is_null() || answer["error"]["code"] == -32600, "{answer}");
        }
        assert!(program.hang_up().success());
        assert_eq!(below(&stage.dir.path().join("data")), Vec::<String>::new());
    });
}

/// A line in the wrong encoding, and one that is cut off at the end of the input.
#[test]
fn bytes_that_are_not_text_and_an_unfinished_last_line_are_not_errors() {
    on_stage(|stage| {
        let mut program = stage.program();
        program.initialize("2025-06-18");
        program.send_bytes(b"\xff\xfe\x00\x80\n");
        assert!(program.request("ping", json!({}))["result"].is_object());
        program.send_bytes(br#"{"jsonrpc":"2.0","id":77,"meth"#);
        assert!(program.hang_up().success());
    });
}

#[cfg(unix)]
fn terminate(program: &Program) {
    let id = program.child.id().to_string();
    let sent = std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(sent.success());
}

/// Sets a pace at which no task ends.
#[cfg(unix)]
fn for_ever(stage: &Stage) {
    let mut pace = crate::harness::quick();
    pace.seconds = 600.0;
    stage.sandbox.set_pace(pace);
}

#[cfg(unix)]
#[test]
fn a_signal_to_a_server_that_was_only_inspected_is_a_clean_exit() {
    on_stage(|stage| {
        let mut program = stage.program();
        discover(&mut program);
        terminate(&program);
        assert!(program.ended().success());
        assert_eq!(below(&stage.dir.path().join("data")), Vec::<String>::new());
    });
}

#[cfg(unix)]
#[test]
fn a_signal_while_a_video_is_made_ends_the_program_soon_and_the_next_one_has_the_job() {
    on_stage(|stage| {
        for_ever(stage);
        let mut program = stage.program();
        program.initialize("2025-06-18");
        let order = json!({ "prompt": "A fox", "async_mode": true });
        let first = program.call("generate_video", order)["structuredContent"].clone();
        assert_eq!(first["status"], "running", "{first}");
        let waits =
            json!({ "name": "get_job", "arguments": { "job_id": first["job_id"], "wait_seconds": 50 } });
        program.post("tools/call", waits);
        terminate(&program);
        assert!(program.ended().success());
        stage.sandbox.set_pace(crate::harness::quick());
        let mut next = stage.program();
        next.initialize("2025-06-18");
        let wanted = json!({ "job_id": first["job_id"], "wait_seconds": 50 });
        let found = next.call("get_job", wanted)["structuredContent"].clone();
        assert_eq!(found["job_id"], first["job_id"]);
        assert_ne!(found["status"], "failed", "{found}");
        assert_eq!(stage.sandbox.paid().len(), 1);
    });
}
