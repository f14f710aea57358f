//! The protocol on stdin and stdout, at the byte level, with the real program.

use std::time::{Duration, Instant};

use minimax_mcp::sandbox::{Options, Sandbox};
use serde_json::{Value, json};

use crate::harness::{Program, quick};

const MODERN: &str = "2026-07-28";

/// The `_meta` of every request in the new protocol version.
pub fn modern_meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "raw", "version": "0" },
    })
}

pub struct Stage {
    pub sandbox: Sandbox,
    pub dir: tempfile::TempDir,
}

/// Runs `play` with a sandbox on its own runtime, so that the test may block.
pub fn on_stage<T>(play: impl FnOnce(&Stage) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let sandbox = runtime.block_on(Sandbox::start(Options { pace: quick(), ..Options::default() })).unwrap();
    let stage = Stage { sandbox, dir: tempfile::tempdir().unwrap() };
    let outcome = play(&stage);
    runtime.block_on(stage.sandbox.stop());
    outcome
}

impl Stage {
    pub fn program(&self) -> Program {
        Program::at(&self.sandbox.url(), self.dir.path())
    }
}

#[test]
fn every_legacy_revision_is_spoken() {
    on_stage(|stage| {
        for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
            let mut program = stage.program();
            let answer = program.initialize(version);
            assert_eq!(answer["result"]["protocolVersion"], version);
            assert_eq!(answer["result"]["serverInfo"]["name"], "minimax-mcp");
            assert!(answer["result"]["instructions"].as_str().unwrap().contains("get_job"));
            let list = program.request("tools/list", json!({}));
            let count = crate::harness::offered();
            assert_eq!(list["result"]["tools"].as_array().unwrap().len(), count, "{version}");
            assert!(list["result"].get("ttlMs").is_none(), "a field of a later revision");
            let image = program.call("text_to_image", json!({ "prompt": "A fox" }));
            assert!(
                image["content"][0]["text"].as_str().unwrap().contains("succeeded"),
                "{version}: {image}"
            );
        }
    });
}

#[test]
fn the_modern_revision_is_spoken_without_a_handshake() {
    on_stage(|stage| {
        let mut program = stage.program();
        let discovered = program.request("server/discover", json!({ "_meta": modern_meta() }));
        let versions = discovered["result"]["supportedVersions"].to_string();
        assert!(versions.contains(MODERN), "{discovered}");
        let list = program.request("tools/list", json!({ "_meta": modern_meta() }));
        assert_eq!(list["result"]["resultType"], "complete");
        assert_eq!(list["result"]["ttlMs"], 300_000);
        assert_eq!(list["result"]["cacheScope"], "public");
        let arguments =
            json!({ "name": "text_to_image", "arguments": { "prompt": "A fox" }, "_meta": modern_meta() });
        let image = program.request("tools/call", arguments);
        assert_eq!(image["result"]["structuredContent"]["status"], "succeeded", "{image}");
    });
}

#[test]
fn a_job_started_in_one_era_is_found_in_the_other() {
    on_stage(|stage| {
        let mut legacy = stage.program();
        legacy.initialize("2024-11-05");
        let made = legacy.call("text_to_image", json!({ "prompt": "A fox" }));
        let mut modern = stage.program();
        let arguments = json!({ "job_id": made["structuredContent"]["job_id"] });
        let found = modern.request(
            "tools/call",
            json!({ "name": "get_job", "arguments": arguments, "_meta": modern_meta() }),
        );
        let (found, made) = (&found["result"]["structuredContent"], &made["structuredContent"]);
        assert_eq!(crate::s3::without_links(found), crate::s3::without_links(made));
    });
}

#[test]
fn an_unknown_tool_is_a_protocol_error_and_bad_arguments_are_a_result() {
    on_stage(|stage| {
        let mut program = stage.program();
        program.initialize("2025-06-18");
        let unknown = program.request("tools/call", json!({ "name": "no_such_tool", "arguments": {} }));
        assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
        assert!(unknown["error"]["message"].as_str().unwrap().contains("text_to_image"));
        for (name, meant) in [
            ("Text_To_Image", "text_to_image"),
            ("TEXT_TO_AUDIO", "text_to_audio"),
            ("textToImage", "text_to_image"),
            ("text-to-image", "text_to_image"),
        ] {
            let unknown = program.request("tools/call", json!({ "name": name, "arguments": {} }));
            let told = format!("unknown tool `{name}`; did you mean `{meant}`?");
            assert_eq!(unknown["error"]["message"], told, "{unknown}");
        }
        let bad = program.request(
            "tools/call",
            json!({ "name": "text_to_image", "arguments": { "prompt": 5, "n": "x" } }),
        );
        assert_eq!(bad["result"]["isError"], true, "{bad}");
        let method = program.request("no/such/method", json!({}));
        assert_eq!(method["error"]["code"], -32601, "{method}");
    });
}

#[test]
fn the_error_about_parameters_of_a_wrong_form_names_the_form() {
    on_stage(|stage| {
        let mut program = stage.program();
        program.initialize("2025-06-18");
        for (method, parameters, word) in [
            ("tools/call", json!({ "name": "text_to_image", "arguments": "A fox" }), "an object"),
            ("tools/call", json!({ "name": "text_to_image", "arguments": ["A fox"] }), "an object"),
            ("tools/call", json!({ "arguments": {} }), "`name`"),
            ("prompts/get", json!({}), "`name`"),
            ("resources/read", json!({ "uri": 5 }), "`uri`"),
            ("completion/complete", json!({ "ref": { "type": "x" } }), "`argument`"),
        ] {
            let answer = program.request(method, parameters);
            assert_eq!(answer["error"]["code"], -32602, "{method}: {answer}");
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(message.contains(method) && message.contains(word), "{answer}");
        }
        assert_eq!(stage.sandbox.requests().len(), 0);
    });
}

#[test]
fn progress_is_sent_to_those_who_ask_and_only_to_them() {
    on_stage(|stage| {
        let mut program = stage.program();
        program.initialize("2025-06-18");
        let call = |token: Option<&str>| {
            let meta = token.map_or_else(|| json!({}), |token| json!({ "progressToken": token }));
            json!({ "name": "text_to_image", "arguments": { "prompt": "A fox" }, "_meta": meta })
        };
        for token in [None, Some("t1")] {
            let id = program.post("tools/call", call(token));
            let mut notes = Vec::new();
            loop {
                let message = program.next(Duration::from_secs(60)).unwrap();
                if message["id"] == id {
                    break;
                }
                assert_eq!(message["method"], "notifications/progress", "{message}");
                notes.push(message["params"]["progressToken"].clone());
            }
            assert_eq!(notes.is_empty(), token.is_none());
            assert!(notes.iter().all(|seen| Some(seen.as_str().unwrap()) == token));
        }
    });
}

#[test]
fn a_client_that_disconnects_silently_is_not_an_error() {
    on_stage(|stage| {
        let mut program = stage.program();
        assert!(program.hang_up().success());
        assert!(!stage.dir.path().join("data").exists(), "starting has no side effects");
        assert!(!stage.dir.path().join("out").exists());
        assert_eq!(stage.sandbox.requests().len(), 0);
    });
}

#[test]
fn a_stray_notification_before_the_first_request_ends_nothing() {
    on_stage(|stage| {
        let mut program = stage.program();
        program.send(
            &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 9 } }),
        );
        program.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        assert_eq!(program.initialize("2025-06-18")["result"]["protocolVersion"], "2025-06-18");
    });
}

#[test]
fn disconnecting_ends_the_program_soon_even_while_a_video_is_made() {
    on_stage(|stage| {
        let mut pace = quick();
        pace.seconds = 600.0;
        stage.sandbox.set_pace(pace);
        let mut program = stage.program();
        program.initialize("2025-06-18");
        let first = program.call("generate_video", json!({ "prompt": "A fox", "async_mode": true }));
        assert_eq!(first["structuredContent"]["status"], "running", "{first}");
        let start = Instant::now();
        assert!(program.hang_up().success());
        assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    });
}

#[test]
fn a_paid_request_on_its_way_is_answered_before_the_program_ends() {
    on_stage(|stage| {
        let mut pace = quick();
        pace.delay_ms = 8000;
        stage.sandbox.set_pace(pace);
        let mut program = stage.program();
        program.initialize("2025-06-18");
        program.post("tools/call", json!({ "name": "text_to_image", "arguments": { "prompt": "A fox" } }));
        let end = Instant::now() + Duration::from_secs(20);
        while stage.sandbox.requests().is_empty() {
            assert!(Instant::now() < end, "the request never left");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(program.hang_up().success());
        let mut next = stage.program();
        next.initialize("2025-06-18");
        let list = next.call("list_jobs", json!({}));
        let job = list["structuredContent"]["jobs"][0]["job_id"].clone();
        let found = next.call("get_job", json!({ "job_id": job }));
        assert_eq!(found["structuredContent"]["status"], "succeeded", "{found}");
        assert_eq!(stage.sandbox.paid().len(), 1);
    });
}

#[test]
fn help_fits_on_one_screen() {
    let output =
        std::process::Command::new(env!("CARGO_BIN_EXE_minimax-mcp")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.lines().count() <= 40 && help.lines().all(|line| line.chars().count() <= 120), "{help}");
    insta::assert_snapshot!("help", help);
}

#[test]
fn the_demo_shows_all_three_and_its_files_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_minimax-mcp"))
        .args(["demo", "--out"])
        .arg(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    for part in [
        "image · succeeded",
        "speech · succeeded",
        "video · succeeded",
        "… video: processing",
        "link: file://",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    let mut endings: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path().extension().unwrap().to_str().unwrap().to_owned())
        .collect();
    endings.sort();
    assert_eq!(endings, ["jpg", "mp3", "mp4"]);
}

/// A request line with a prompt of this size.
fn with_a_prompt_of(bytes: usize, id: u64) -> String {
    let arguments = json!({ "prompt": "x".repeat(bytes) });
    let parameters = json!({ "name": "text_to_image", "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": parameters }).to_string()
}

#[test]
fn a_request_of_sixteen_mebibytes_is_read_and_a_larger_one_is_refused_with_its_id() {
    on_stage(|stage| {
        let mut program = stage.program();
        program.initialize("2025-06-18");
        let frame = with_a_prompt_of(0, 1001).len() + 1;
        program.send_raw(&with_a_prompt_of((16 << 20) - frame, 1001));
        let read = program.answer(1001);
        assert_eq!(read["result"]["isError"], true, "{read}");
        assert!(read["result"]["content"][0]["text"].as_str().unwrap().contains("`prompt`"), "{read}");
        for (bytes, id) in [((16 << 20) - frame + 1, 1002), (64 << 20, 1003)] {
            program.send_raw(&with_a_prompt_of(bytes, id));
            let refused = program.answer(id);
            assert_eq!(refused["error"]["code"], -32600, "{refused}");
            assert!(refused["error"]["message"].as_str().unwrap().contains("16 MiB"), "{refused}");
        }
        let image = program.call("text_to_image", json!({ "prompt": "A fox" }));
        assert_eq!(image["structuredContent"]["status"], "succeeded", "{image}");
        assert_eq!(stage.sandbox.paid().len(), 1);
    });
}

#[test]
fn a_request_whose_id_is_open_buys_nothing_and_the_first_one_s_answer_is_its_own() {
    on_stage(|stage| {
        stage.sandbox.set_pace(minimax_mcp::sandbox::Pace { delay_ms: 5_000, ..quick() });
        let mut program = stage.program();
        program.initialize("2025-06-18");
        let order = |id: &Value, prompt: &str| {
            let call = json!({ "name": "text_to_image", "arguments": { "prompt": prompt } });
            json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": call }).to_string()
        };
        let mut burst: Vec<_> = (0..5).map(|turn| order(&json!(77), &format!("picture {turn}"))).collect();
        // A string id differs from a number id.
        burst.push(order(&json!("77"), "a text for an id"));
        program.send_raw(&burst.join("\n"));
        let (mut answers, mut refusals) = (Vec::new(), 0);
        while answers.len() < 2 || refusals < 4 {
            let message = program.next(Duration::from_secs(60)).expect("an answer");
            if let Some(error) = message.get("error") {
                // The error has no id, because it would be taken for the response to the first request.
                assert!(message.get("id").unwrap_or(&Value::Null).is_null(), "{message}");
                assert_eq!(error["code"], -32600, "{message}");
                assert!(error["message"].as_str().unwrap().contains("77"), "{message}");
                refusals += 1;
            } else {
                answers.push(message);
            }
        }
        for (id, prompt) in [(json!(77), "picture 0"), (json!("77"), "a text for an id")] {
            let answer = answers.iter().find(|answer| answer["id"] == id).expect("one of each");
            let view = &answer["result"]["structuredContent"];
            assert_eq!(view["status"], "succeeded", "{answer}");
            let bought =
                stage.sandbox.paid().iter().filter(|request| request.body["prompt"] == prompt).count();
            assert_eq!(bought, 1, "{prompt}");
        }
        assert_eq!(stage.sandbox.paid().len(), 2);
        // After the response, the id is free again: as soon as the server knows that its line was written, which may be
        // a moment after the client has read it.
        let next = (0..50).find_map(|_| {
            program.send_raw(&order(&json!(77), "the next one"));
            let message = program.next(Duration::from_secs(60)).expect("an answer");
            message.get("error").is_none().then_some(message)
        });
        assert_eq!(next.expect("the id is free")["result"]["structuredContent"]["status"], "succeeded");
    });
}

#[test]
fn a_cancelled_request_keeps_its_id_until_it_has_ended() {
    on_stage(|stage| {
        stage.sandbox.set_pace(minimax_mcp::sandbox::Pace { delay_ms: 1_000, ..quick() });
        let mut program = stage.program();
        program.initialize("2025-06-18");
        let order = json!({ "jsonrpc": "2.0", "id": 5, "method": "tools/call",
            "params": { "name": "chat", "arguments": { "prompt": "x" } } });
        let cancel =
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 5 } });
        program.send_raw(&order.to_string());
        let end = Instant::now() + Duration::from_secs(20);
        while stage.sandbox.requests().is_empty() {
            assert!(Instant::now() < end, "the request never left");
            std::thread::sleep(Duration::from_millis(10));
        }
        program.send_raw(&format!("{cancel}\n{order}"));
        let refused = program.next(Duration::from_secs(60)).expect("an answer");
        assert!(refused["error"]["message"].as_str().unwrap().contains("not answered yet"), "{refused}");
        // The client can only find out by trying again.
        loop {
            program.send_raw(r#"{"jsonrpc":"2.0","id":5,"method":"ping"}"#);
            let answer = program.next(Duration::from_secs(60)).expect("an answer");
            if answer["id"] == 5 {
                assert_eq!(answer["result"], json!({}), "{answer}");
                break;
            }
            assert!(Instant::now() < end, "{answer}");
            std::thread::sleep(Duration::from_millis(50));
        }
    });
}

#[test]
fn a_request_of_too_many_values_is_refused_with_its_id_before_it_is_parsed() {
    on_stage(|stage| {
        let mut program = stage.program();
        program.initialize("2025-06-18");
        let zeros = format!("[{}0]", "0,".repeat(6_000_000));
        let keys = (0..700_000).fold(String::new(), |keys, n| keys + &format!("\"{n}\":0,"));
        let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
        for (inside, words) in [
            (zeros, "200000 JSON values"),
            (format!("[{}[]]", "[],".repeat(4_000_000)), "200000 JSON values"),
            (format!("{{{keys}\"x\":0}}"), "200000 JSON values"),
            (deep, "nested more than 100"),
        ] {
            for (id, line) in [
                (
                    json!(1001),
                    format!(r#"{{"jsonrpc":"2.0","id":1001,"method":"ping","params":{{"x":{inside}}}}}"#),
                ),
                (
                    json!("a"),
                    format!(
                        r#"{{"method":"tools/call","params":{{"name":"chat","arguments":{{"messages":{inside}}}}},"id":"a","jsonrpc":"2.0"}}"#
                    ),
                ),
            ] {
                program.send_raw(&line);
                let refused = program.next(Duration::from_secs(60)).expect("an answer");
                assert_eq!((&refused["id"], &refused["error"]["code"]), (&id, &json!(-32600)), "{refused}");
                assert!(refused["error"]["message"].as_str().unwrap().contains(words), "{refused}");
            }
        }
        let image = program.call("text_to_image", json!({ "prompt": "A fox" }));
        assert_eq!(image["structuredContent"]["status"], "succeeded", "{image}");
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", program.child.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB"));
        let peak = peak.map(|peak| peak.trim().parse::<u64>().unwrap() / 1024);
        assert!(peak.is_none_or(|peak| peak < 200), "{peak:?} MiB");
    });
}
