//! Corners of the protocol: what comes too early or twice, ids and parameters of other kinds, and names that do not
//! exist.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::Program;
use crate::http::{Served, answer, post, web};
use crate::http_protocol::{Events, modern};
use crate::stdio::{modern_meta, on_stage};

const PATIENCE: Duration = Duration::from_secs(60);

fn hello(version: &str) -> Value {
    json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "raw", "version": "0" } })
}

fn note() -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 99 } })
}

fn message(answer: &Value) -> &str {
    answer["error"]["message"].as_str().unwrap_or_else(|| panic!("an error: {answer}"))
}

#[test]
fn nothing_that_comes_before_initialize_ends_the_session() {
    on_stage(|stage| {
        let mut program = stage.program();
        let call = json!({ "name": "text_to_image", "arguments": { "prompt": "x" } });
        for _ in 0..2 {
            assert_eq!(program.request("ping", json!({}))["result"], json!({}));
            let probe = program.request("server/discover", json!({ "_meta": modern_meta() }));
            assert!(probe["result"]["supportedVersions"].is_array(), "{probe}");
            program.send(&note());
            program.send(&json!({ "jsonrpc": "2.0", "id": 5, "result": {} }));
            for method in ["tools/list", "tools/call", "no/such/method"] {
                let early = program.request(method, call.clone());
                assert_eq!(early["error"]["code"], -32602, "{early}");
                let parts =
                    ["`initialize` first", "io.modelcontextprotocol/protocolVersion", "nothing was sent"];
                assert!(parts.iter().all(|part| message(&early).contains(part)), "{early}");
            }
            let wrong = program.request("initialize", json!({ "protocolVersion": 5 }));
            assert!(message(&wrong).contains("`protocolVersion` is a number"), "{wrong}");
        }
        assert_eq!(program.initialize("2025-06-18")["result"]["protocolVersion"], "2025-06-18");
        assert_eq!(stage.sandbox.requests().len(), 0);
    });
}

#[tokio::test]
async fn nothing_that_comes_before_initialize_ends_a_session_of_the_older_transport() {
    let served = Served::open().await;
    let response = web().get(format!("{}/sse", served.base)).send().await.unwrap();
    let mut events = Events::of(response);
    let address = format!("{}{}", served.base, events.next().await.1);
    let say =
        async |body: &Value| assert_eq!(web().post(&address).json(body).send().await.unwrap().status(), 202);
    say(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).await;
    assert!(events.next().await.1.contains("\"result\":{}"));
    say(&note()).await;
    say(&json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" })).await;
    let early: Value = serde_json::from_str(&events.next().await.1).unwrap();
    assert!(early["id"] == 2 && message(&early).contains("`initialize` first"), "{early}");
    say(&json!({ "jsonrpc": "2.0", "id": 3, "method": "initialize", "params": hello("2024-11-05") })).await;
    assert!(events.next().await.1.contains("\"protocolVersion\":\"2024-11-05\""));
    served.end().await;
}

#[test]
fn every_revision_that_is_asked_for_gets_one_that_has_initialize() {
    on_stage(|stage| {
        for asked in ["1999-01-01", "2026-07-28", "9999-12-31", "", "latest", "2025-06-18 "] {
            let mut program = stage.program();
            assert_eq!(program.initialize(asked)["result"]["protocolVersion"], "2025-11-25", "{asked}");
            assert_eq!(program.request("ping", json!({}))["result"], json!({}), "{asked}");
        }
    });
}

/// Bridges pass on the `initialize` of each client that connects to them.
#[test]
fn a_second_initialize_agrees_on_a_revision_again_and_the_session_keeps_to_it() {
    on_stage(|stage| {
        let mut program = stage.program();
        let fields = |list: &Value| list["result"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        for (asked, agreed, titles) in [
            ("2025-11-25", "2025-11-25", true),
            ("9999-12-31", "2025-11-25", true),
            ("2026-07-28", "2025-11-25", true),
            ("2024-11-05", "2024-11-05", false),
        ] {
            assert_eq!(program.initialize(asked)["result"]["protocolVersion"], agreed);
            let list = program.request("tools/list", json!({}));
            assert_eq!(fields(&list), ["tools"], "{asked}: fields of a later revision");
            assert_eq!(list["result"]["tools"][0].get("title").is_some(), titles, "{asked}");
            assert_eq!(program.request("ping", json!({}))["result"], json!({}), "{asked}");
        }
    });
}

/// Sends each message and returns its answer.
fn told(program: &mut Program, message: &str) -> Value {
    program.send_raw(message);
    program.next(PATIENCE).unwrap_or_else(|| panic!("no answer to {message}"))
}

#[test]
fn an_id_of_another_kind_is_refused_and_buys_nothing() {
    on_stage(|stage| {
        let mut program = stage.program();
        program.initialize("2025-06-18");
        for (id, kind) in [
            ("null", "null"),
            ("1.5", "a number that is no integer"),
            ("99999999999999999999", "a number that is no integer"),
            ("true", "a boolean"),
            ("[1]", "an array"),
            (r#"{"a":1}"#, "an object"),
        ] {
            for rest in [
                r#""method":"tools/call","params":{"name":"text_to_image","arguments":{"prompt":"x"}}"#,
                r#""method":"tools/call","params":"x""#,
                r#""method":"ping""#,
                r#""method":"notifications/cancelled","params":{"requestId":1}"#,
            ] {
                let answer = told(&mut program, &format!(r#"{{"jsonrpc":"2.0","id":{id},{rest}}}"#));
                assert_eq!(
                    (&answer["error"]["code"], answer.get("id")),
                    (&json!(-32600), Some(&Value::Null))
                );
                assert!(message(&answer).contains(&format!("`id` is {kind}")), "{answer}");
            }
        }
        for id in ["-3", "0", "\"\"", "9007199254740993"] {
            let answer = told(&mut program, &format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#));
            assert_eq!(answer["id"].to_string(), id, "{answer}");
        }
        // A notification is not answered, whatever it is called.
        program.send_raw(
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"text_to_image","arguments":{"prompt":"x"}}}"#,
        );
        assert_eq!(program.request("ping", json!({}))["result"], json!({}));
        assert_eq!(stage.sandbox.requests().len(), 0);
    });
}

#[tokio::test]
async fn an_id_of_another_kind_is_refused_over_http_and_a_notification_buys_nothing() {
    let served = Served::open().await;
    let call = json!({ "name": "text_to_image", "arguments": { "prompt": "x" } });
    for id in [Value::Null, json!(1.5), json!(true), json!([1]), json!({})] {
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": call });
        let response = post(&served.base, None, &body).send().await.unwrap();
        assert_eq!(response.status(), 400, "{id}");
        let refusal: Value = response.json().await.unwrap();
        assert_eq!((&refusal["error"]["code"], refusal.get("id")), (&json!(-32600), Some(&Value::Null)));
        assert!(message(&refusal).contains("the `id` is"), "{refusal}");
    }
    let mut body = json!({ "jsonrpc": "2.0", "method": "tools/call", "params": call });
    assert_eq!(post(&served.base, None, &body).send().await.unwrap().status(), 202);
    body["params"]["_meta"] = modern_meta();
    let newest = modern(&served.base, "tools/call", Some("text_to_image"), json!({})).json(&body);
    assert_eq!(newest.send().await.unwrap().status(), 202);
    assert_eq!(served.sandbox.requests().len(), 0);
    served.end().await;
}

#[test]
fn completion_of_what_does_not_exist_names_what_does() {
    on_stage(|stage| {
        let mut program = stage.program();
        program.initialize("2025-11-25");
        let mut complete = |about: Value, argument: &str| {
            let argument = json!({ "name": argument, "value": "" });
            program.request("completion/complete", json!({ "ref": about, "argument": argument }))
        };
        let prompt = |name: &str| json!({ "type": "ref/prompt", "name": name });
        let resource = |uri: &str| json!({ "type": "ref/resource", "uri": uri });
        for (about, argument, words) in [
            (prompt("nobody"), "voice_id", "narrate, storyboard"),
            (prompt("narrate"), "nothing", "it takes text, voice_id, format"),
            (
                resource("minimax://nothing/{x}"),
                "job_id",
                "minimax://jobs/{job_id}, minimax://files/{job_id}/{name}",
            ),
            (resource("minimax://jobs/{job_id}"), "name", "it has job_id"),
            (json!({ "type": "ref/tool", "name": "chat" }), "model", "ref/prompt"),
        ] {
            let refused = complete(about, argument);
            assert_eq!(refused["error"]["code"], -32602, "{refused}");
            assert!(message(&refused).contains(words), "{refused}");
        }
        for (about, argument, has) in [
            (prompt("narrate"), "voice_id", true),
            (prompt("narrate"), "text", false),
            (resource("minimax://jobs/{job_id}"), "job_id", false),
            (resource("minimax://files/{job_id}/{name}"), "name", false),
        ] {
            let found = complete(about, argument);
            let values = found["result"]["completion"]["values"].as_array().unwrap();
            assert_eq!(!values.is_empty(), has, "{argument}: {found}");
        }
    });
}

#[test]
fn a_log_level_is_refused_with_the_way_to_the_log() {
    on_stage(|stage| {
        let mut program = stage.program();
        let opened = program.initialize("2025-11-25");
        assert!(opened["result"]["capabilities"].get("logging").is_none(), "{opened}");
        for params in [json!({ "level": "info" }), json!({ "level": "loud" }), json!({})] {
            let refused = program.request("logging/setLevel", params);
            assert_eq!(refused["error"]["code"], -32601);
            assert!(message(&refused).contains("MINIMAX_LOG"), "{refused}");
        }
    });
}

#[test]
fn progress_tokens_of_every_legal_type_come_back_and_others_are_no_obstacle() {
    on_stage(|stage| {
        let mut program = stage.program();
        program.initialize("2025-06-18");
        for (token, is_legal) in [
            (json!("t"), true),
            (json!(""), true),
            (json!(0), true),
            (json!(-7), true),
            (json!(1.5), false),
            (json!(true), false),
            (json!([]), false),
            (json!({ "a": 1 }), false),
            (Value::Null, false),
        ] {
            let meta = json!({ "progressToken": token, "x.example/unknown": { "a": [1] } });
            let call = json!({ "name": "text_to_image", "arguments": { "prompt": "x" }, "_meta": meta });
            let id = program.post("tools/call", call);
            let mut notes = Vec::new();
            let result = loop {
                let message = program.next(PATIENCE).expect("an answer");
                if message["id"] == id {
                    break message;
                }
                notes.push(message["params"]["progressToken"].clone());
            };
            assert_eq!(result["result"]["structuredContent"]["status"], "succeeded", "{result}");
            assert_eq!(!notes.is_empty(), is_legal, "{token}: {notes:?}");
            assert!(notes.iter().all(|note| *note == token), "{token}: {notes:?}");
        }
    });
}

#[test]
fn resources_prompts_and_tasks_that_do_not_exist_are_errors_of_the_caller() {
    on_stage(|stage| {
        let mut program = stage.program();
        program.initialize("2025-11-25");
        let long = format!("minimax://jobs/{}", "x".repeat(100_000));
        for uri in [
            "",
            "x",
            "file:///etc/passwd",
            "minimax://",
            "minimax://jobs/../x",
            "minimax://files/a/b?bytes=9-1",
            &long,
        ] {
            for method in ["resources/read", "resources/subscribe"] {
                let refused = program.request(method, json!({ "uri": uri }));
                assert_eq!(refused["error"]["code"], -32002, "{method} {uri:.50}: {refused:.200}");
            }
            assert_eq!(program.request("resources/unsubscribe", json!({ "uri": uri }))["result"], json!({}));
        }
        for params in [
            json!({ "name": "nobody" }),
            json!({ "name": "narrate", "arguments": { "nothing": "x" } }),
            json!({ "name": "narrate", "arguments": { "text": ["x"] } }),
            json!({ "name": "narrate", "arguments": "x" }),
            json!({}),
        ] {
            let refused = program.request("prompts/get", params);
            assert_eq!(refused["error"]["code"], -32602, "{refused}");
        }
        for method in ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] {
            for cursor in [json!("x"), json!(5), json!(true), json!({}), json!(["a"])] {
                let refused = program.request(method, json!({ "cursor": cursor }));
                assert_eq!(refused["error"]["code"], -32602, "{method} {cursor}: {refused}");
            }
        }
        // Tasks of revision 2025-11-25 are another protocol, which this server does not declare.
        for (method, code) in [("tasks/list", -32601), ("tasks/result", -32601), ("tasks/get", -32602)] {
            assert_eq!(program.request(method, json!({}))["error"]["code"], code, "{method}");
        }
        let call = json!({ "name": "text_to_image", "arguments": { "prompt": "x", "dry_run": true }, "task": { "ttl": 1 } });
        let result = program.request("tools/call", call);
        assert!(result["result"]["content"].is_array(), "the result itself, and no task: {result}");
        assert_eq!(stage.sandbox.requests().len(), 0);
    });
}

#[tokio::test]
async fn a_revision_that_does_not_exist_is_refused_with_those_that_do() {
    let served = Served::open().await;
    let ping = json!({ "jsonrpc": "2.0", "id": 7, "method": "ping" });
    let ask = |versions: &[&str]| {
        let request = web().post(format!("{}/mcp", served.base)).json(&ping);
        versions.iter().fold(request, |request, version| request.header("MCP-Protocol-Version", *version))
    };
    for (versions, words) in [
        (&["9999-01-01"][..], "2024-11-05, 2025-03-26, 2025-06-18, 2025-11-25, 2026-07-28"),
        (&[""], "2025-11-25"),
        (&["2025-06-18", "2026-07-28"], "several MCP-Protocol-Version headers (2025-06-18, 2026-07-28)"),
    ] {
        let response = ask(versions).send().await.unwrap();
        assert_eq!(response.status(), 400, "{versions:?}");
        let refusal: Value = response.json().await.unwrap();
        assert!(refusal["id"] == 7 && message(&refusal).contains(words), "{refusal}");
    }
    assert_eq!(answer(ask(&["2025-06-18", "2025-06-18"]).send().await.unwrap()).await["result"], json!({}));
    for (path, words) in
        [("/sse", "GET /sse"), ("/messages", "the address that GET /sse gives"), ("/mcp", "POST to /mcp")]
    {
        let refused = web().delete(format!("{}{path}", served.base)).send().await.unwrap();
        assert_eq!(refused.status(), 405);
        assert!(refused.text().await.unwrap().contains(words), "{path}");
    }
    served.end().await;
}
