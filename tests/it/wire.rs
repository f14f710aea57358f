//! The messages on the wire by protocol revision, and those that are accepted from clients that deviate from the
//! specification.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::Program;
use crate::http::{Served, answer, post, web};
use crate::stdio::{Stage, modern_meta, on_stage};

const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// Every name of a field in a message, at any depth.
fn fields(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                found.push(name.clone());
                // Schemas and structured content name their fields themselves.
                if !["inputSchema", "outputSchema", "structuredContent"].contains(&name.as_str()) {
                    fields(value, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, found)),
        _ => {}
    }
}

/// The first revision with each field and content type (changelogs of the specification).
const SINCE: &[(&str, &str)] = &[
    ("annotations", "2025-03-26"),
    ("completions", "2025-03-26"),
    ("title", "2025-06-18"),
    ("outputSchema", "2025-06-18"),
    ("structuredContent", "2025-06-18"),
    ("resource_link", "2025-06-18"),
    ("icons", "2025-11-25"),
    ("websiteUrl", "2025-11-25"),
    ("ttlMs", "2026-07-28"),
    ("cacheScope", "2026-07-28"),
    ("resultType", "2026-07-28"),
    ("extensions", "2026-07-28"),
];

/// Checks that a message has no field that its revision does not know, and collects the ones it has.
fn check(version: &str, message: &Value, seen: &mut Vec<String>) {
    let mut found = Vec::new();
    fields(message, &mut found);
    let types = message["result"]["content"].as_array().into_iter().flatten();
    found.extend(types.filter_map(|block| Some(block["type"].as_str()?.to_owned())));
    for (name, since) in SINCE {
        let has = found.iter().any(|field| field == name);
        assert!(!has || version >= *since, "{version} does not know {name}: {message}");
        if has {
            seen.push((*name).to_owned());
        }
    }
}

fn texts(result: &Value) -> String {
    let blocks = result["content"].as_array().unwrap().iter();
    blocks.filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
}

/// The requests whose answers differ by revision.
fn requests() -> Vec<(&'static str, Value)> {
    let call = |name: &str, arguments: Value| json!({ "name": name, "arguments": arguments });
    vec![
        ("tools/list", json!({})),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("prompts/list", json!({})),
        ("prompts/get", json!({ "name": "narrate", "arguments": { "text": "Hello" } })),
        ("resources/read", json!({ "uri": "minimax://models" })),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "narrate" }, "argument": { "name": "format", "value": "" } }),
        ),
        ("tools/call", call("text_to_image", json!({ "prompt": "A fox", "n": 2 }))),
        ("tools/call", call("text_to_audio", json!({ "text": "Hello" }))),
        ("tools/call", call("chat", json!({ "prompt": "Hello" }))),
        ("tools/call", call("list_models", json!({}))),
        ("tools/call", call("get_job", json!({ "job_id": "no-such-job" }))),
        ("tools/call", call("text_to_image", json!({ "prompt": "x", "dry_run": true }))),
    ]
}

#[test]
fn no_revision_gets_a_field_or_a_content_type_that_it_does_not_know() {
    on_stage(|stage| {
        for version in LEGACY {
            let mut program = stage.program();
            let mut seen = Vec::new();
            check(version, &program.initialize(version), &mut seen);
            for (method, params) in requests() {
                let answer = program.request(method, params);
                assert!(answer.get("error").is_none(), "{version} {method}: {answer}");
                check(version, &answer, &mut seen);
            }
            for (name, since) in SINCE.iter().filter(|(_, since)| *since < "2026-07-28") {
                let has = seen.iter().any(|field| field == name);
                assert_eq!(has, version >= *since, "{version}: {name}");
            }
        }
        let mut program = stage.program();
        let mut seen = Vec::new();
        check(
            "2026-07-28",
            &program.request("server/discover", json!({ "_meta": modern_meta() })),
            &mut seen,
        );
        for (method, mut params) in requests() {
            params["_meta"] = modern_meta();
            check("2026-07-28", &program.request(method, params), &mut seen);
        }
        for (name, _) in SINCE {
            assert!(seen.iter().any(|field| field == name), "the newest revision has {name}");
        }
    });
}

#[test]
fn an_older_client_finds_paths_and_addresses_in_the_text() {
    on_stage(|stage| {
        for version in ["2024-11-05", "2025-03-26"] {
            let mut program = stage.program();
            program.initialize(version);
            let made = program.call("text_to_image", json!({ "prompt": "A fox", "n": 2 }));
            let said = texts(&made);
            let paths = said.lines().filter_map(|line| line.strip_prefix("Saved to ")?.split(" (").next());
            let saved = paths.filter(|path| crate::s3::place(&json!(path.trim())).is_file()).count();
            assert_eq!(saved, 2, "{said}");
            assert_eq!(said.matches("minimax://files/").count(), 2, "{said}");
            assert!(said.contains("succeeded") && said.contains("Cost: "), "{said}");
        }
    });
}

#[tokio::test]
async fn over_http_the_header_names_the_revision_and_without_one_it_is_2025_03_26() {
    let served = Served::open().await;
    let body = |arguments: Value| {
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "text_to_image", "arguments": arguments } })
    };
    for header in [None, Some("2024-11-05"), Some("2025-03-26"), Some("2025-06-18"), Some("2025-11-25")] {
        let request = web()
            .post(format!("{}/mcp", served.base))
            .header("Accept", "application/json, text/event-stream")
            .json(&body(json!({ "prompt": "A fox" })));
        let request = match header {
            Some(version) => request.header("MCP-Protocol-Version", version),
            None => request,
        };
        let answer = answer(request.send().await.unwrap()).await;
        check(header.unwrap_or("2025-03-26"), &answer, &mut Vec::new());
        let is_new = header.is_some_and(|version| version >= "2025-06-18");
        assert_eq!(answer["result"].get("structuredContent").is_some(), is_new, "{header:?}: {answer}");
        assert!(texts(&answer["result"]).contains("minimax://files/"), "{answer}");
    }
    served.end().await;
}

#[test]
fn arguments_that_clients_add_to_every_call_are_dropped_and_mistakes_are_still_refused() {
    on_stage(|stage| {
        let mut program = stage.program();
        program.initialize("2025-06-18");
        let mut called = |tool: &str, arguments: Value| {
            let result = program.call(tool, arguments);
            (result["isError"] == true, texts(&result))
        };
        let n8n = json!({ "toolCallId": "call_x", "sessionId": "a", "action": "sendMessage", "chatInput": "hi", "tool": "t" });
        let image = |more: Value| {
            let mut arguments = json!({ "prompt": "x", "dry_run": true });
            arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            arguments
        };
        for (tool, arguments) in [
            ("list_models", n8n.clone()),
            ("check_account", n8n.clone()),
            ("check_account", json!({ "random_string": "dummy" })),
            ("text_to_image", image(n8n.clone())),
            ("text_to_image", image(json!({ "_meta": { "progressToken": 1 }, "__user__": { "id": 1 } }))),
            ("text_to_image", image(json!({ "task_progress": "- [x] image", "wait_for_previous": true }))),
            ("text_to_image", image(json!({ "toolSummary": "an image", "explanation": "because" }))),
        ] {
            let (failed, said) = called(tool, arguments.clone());
            assert!(!failed, "{tool} {arguments}: {said}");
        }
        for (arguments, meant) in [
            (json!({ "hieght": 512 }), "`height`"),
            (json!({ "toolCallId": "c", "promt": "x" }), "`prompt`"),
            (json!({ "aspectRation": "1:1" }), "`aspect_ratio`"),
        ] {
            let (failed, said) = called("text_to_image", image(arguments.clone()));
            assert!(failed && said.contains(&format!("did you mean {meant}?")), "{arguments}: {said}");
            assert!(!said.contains("?."), "{said}");
        }
    });
}

#[test]
fn names_and_values_that_models_guess_are_understood() {
    on_stage(|stage| {
        let mut program = stage.program();
        program.initialize("2025-06-18");
        let mut tried = |tool: &str, mut arguments: Value| {
            arguments["dry_run"] = json!("yes");
            let result = program.call(tool, arguments);
            (result["isError"] == true, texts(&result))
        };
        for (tool, arguments) in [
            (
                "generate_video",
                json!({ "prompt": "x", "model": "minimax-h3", "aspect_ratio": "9:16", "duration": "6s" }),
            ),
            ("generate_video", json!({ "prompt": "x", "model": "minimax/Hailuo-02", "size": "768p" })),
            ("text_to_image", json!({ "prompt": "x", "ratio": "16:9", "num_images": "2" })),
            ("text_to_image", json!({ "prompt": "x", "size": "1024x768", "count": 1 })),
            ("text_to_image", json!({ "prompt": "x", "model": "Image-01", "aspect_ratio": "landscape" })),
            (
                "text_to_audio",
                json!({ "text": "x", "voice": "female-shaonv", "output_format": "mp3", "volume": "2" }),
            ),
            ("music_generation", json!({ "prompt": "x", "instrumental": "true", "audio_format": "mp3" })),
        ] {
            let (failed, said) = tried(tool, arguments.clone());
            assert!(!failed, "{tool} {arguments}: {said}");
            assert!(!said.contains("not in the tables"), "{tool} {arguments}: {said}");
        }
        let (failed, said) = tried("text_to_image", json!({ "prompt": "x", "aspect_ratio": "5:4" }));
        assert!(failed && said.contains("did you mean `4:3`? "), "{said}");
        let (failed, said) = tried("text_to_image", json!({ "prompt": "x", "wait_seconds": 500 }));
        assert!(!failed && said.contains("wait_seconds was cut to 240"), "{said}");
        let (failed, said) = tried("text_to_image", json!({ "prompt": "x", "wait_seconds": -5 }));
        assert!(failed && said.contains("0 to 240"), "{said}");
    });
}

#[test]
fn a_cursor_that_no_list_gave_is_an_error_in_each_list() {
    on_stage(|stage| {
        let mut program = stage.program();
        program.initialize("2025-11-25");
        for method in ["tools/list", "resources/list", "resources/templates/list", "prompts/list"] {
            let texts = ["abc", "1", "17.job", "eyJvZmZzZXQiOjB9"].map(Value::from);
            // The protocol library would drop a cursor that is not text, and list the first page again.
            let others = [json!(1), json!(1.5), json!(true), json!({ "page": 2 }), json!(["abc"])];
            for cursor in texts.into_iter().chain(others) {
                let answer = program.request(method, json!({ "cursor": cursor }));
                assert_eq!(answer["error"]["code"], -32602, "{method} {cursor}: {answer}");
                assert!(answer["error"]["message"].as_str().unwrap().contains("`cursor`"), "{answer}");
            }
            assert!(program.request(method, json!({})).get("result").is_some(), "{method}");
        }
        for tool in ["list_jobs", "list_voices", "list_files", "list_video_tasks"] {
            for cursor in ["abc", "1", "2", "17.5", "9999999999999.x"] {
                let result = program.call(tool, json!({ "cursor": cursor }));
                let said = texts(&result);
                assert!(result["isError"] == true && said.contains("`cursor`"), "{tool} {cursor}: {said}");
                assert!(said.contains(tool), "{said}");
            }
        }
    });
}

/// As the function calls of OpenAI's API have them, and as some models repeat the name of the field.
#[test]
fn arguments_in_a_text_or_in_another_object_are_read() {
    on_stage(|stage| {
        let mut program = stage.program();
        program.initialize("2025-11-25");
        let call = |arguments: Value| json!({ "name": "list_models", "arguments": arguments });
        let plain = program.request("tools/call", call(json!({ "kind": "image" })));
        assert!(texts(&plain["result"]).contains("image-01"), "{plain}");
        for arguments in [
            json!(r#"{"kind": "image"}"#),
            json!({ "args": { "kind": "image" } }),
            json!({ "input": { "kind": "IMAGE" }, "toolCallId": "call_1" }),
            json!({ "parameters": r#"{"kind": "image"}"# }),
        ] {
            let answer = program.request("tools/call", call(arguments.clone()));
            assert_eq!(answer["result"], plain["result"], "{arguments}");
        }
        for (arguments, said) in [
            (json!("image"), "`arguments`"),
            (json!({ "args": { "kind": "image" }, "kind": "text" }), "no parameter `args`"),
            (json!({ "args": { "sort": "image" } }), "no parameter `sort`"),
        ] {
            let answer = program.request("tools/call", call(arguments.clone())).to_string();
            assert!(answer.contains(said), "{arguments}: {answer}");
        }
    });
}

/// `initialize` as Claude Desktop sends it.
fn desktop() -> Value {
    json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {
            "roots": {},
            "extensions": { "io.modelcontextprotocol/ui": { "mimeTypes": ["text/html;profile=mcp-app"] } },
        },
        "clientInfo": { "name": "claude-ai", "title": "Claude", "version": "0.1.0", "websiteUrl": "https://claude.ai" },
    })
}

/// Wrong shapes of `initialize`, and what the error must name.
fn wrong_shapes() -> Vec<(Option<Value>, &'static [&'static str])> {
    let without = |name: &str| {
        let mut params = desktop();
        params.as_object_mut().unwrap().shift_remove(name);
        Some(params)
    };
    let with = |pointer: &str, value: Value| {
        let mut params = desktop();
        *params.pointer_mut(pointer).unwrap() = value;
        Some(params)
    };
    vec![
        (None, &["`params`", "object"]),
        (without("protocolVersion"), &["`protocolVersion` is missing", "2025-11-25"]),
        (without("clientInfo"), &["`clientInfo` is missing", "object"]),
        (without("capabilities"), &["`capabilities` is missing", "object"]),
        (with("/protocolVersion", json!(1)), &["`protocolVersion` is a number", "string"]),
        (with("/clientInfo", json!("claude")), &["`clientInfo` is a string", "object"]),
        (with("/clientInfo/version", json!(1)), &["`clientInfo.version` is a number; it must be a string"]),
        (
            with("/capabilities", json!({ "experimental": { "x": true } })),
            &["`capabilities.experimental.x` is a boolean; it must be an object"],
        ),
        (
            with("/capabilities", json!({ "extensions": { "y": [] } })),
            &["`capabilities.extensions.y` is an array; it must be an object"],
        ),
    ]
}

fn initialize(params: Option<Value>) -> Value {
    let mut message = json!({ "jsonrpc": "2.0", "id": 7, "method": "initialize" });
    if let Some(params) = params {
        message["params"] = params;
    }
    message
}

fn names(answer: &Value, parts: &[&str]) {
    let said = answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{answer}"));
    assert!(parts.iter().all(|part| said.contains(part)), "{parts:?}: {said}");
    assert!(!said.contains("_meta"), "{said}");
    assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(-32602), &json!(7)), "{answer}");
}

/// An answer within five seconds.
fn told(program: &mut Program, message: &Value) -> Value {
    program.send(message);
    program.next(Duration::from_secs(5)).expect("an answer")
}

#[test]
fn an_initialize_of_a_wrong_shape_is_answered_with_the_field_and_the_session_can_still_open() {
    on_stage(|stage| {
        for (params, parts) in wrong_shapes() {
            let mut program = stage.program();
            names(&told(&mut program, &initialize(params)), parts);
            // A client that ignores the error must not end the server.
            program.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
            let right = told(&mut program, &initialize(Some(desktop())));
            assert_eq!(right["result"]["protocolVersion"], "2025-11-25", "{right}");
        }
    });
}

#[test]
fn an_unknown_version_gets_the_newest_that_has_initialize() {
    on_stage(|stage: &Stage| {
        for (asked, agreed) in [
            ("2099-01-01", "2025-11-25"),
            ("", "2025-11-25"),
            ("DRAFT-2025-v2", "2025-11-25"),
            ("2026-07-28", "2025-11-25"),
            ("2025-03-26", "2025-03-26"),
        ] {
            let mut program = stage.program();
            let mut params = desktop();
            params["protocolVersion"] = json!(asked);
            let answer = told(&mut program, &initialize(Some(params)));
            assert_eq!(answer["result"]["protocolVersion"], agreed, "{asked}: {answer}");
        }
    });
}

#[tokio::test]
async fn over_http_initialize_is_checked_in_the_same_way() {
    let served = Served::open().await;
    let sent = |message: Value| {
        let request = web()
            .post(format!("{}/mcp", served.base))
            .header("Accept", "application/json, text/event-stream")
            .json(&message);
        async move { answer(request.send().await.unwrap()).await }
    };
    for (params, parts) in wrong_shapes() {
        names(&sent(initialize(params)).await, parts);
    }
    let hello = sent(initialize(Some(desktop()))).await;
    assert_eq!(hello["result"]["protocolVersion"], "2025-11-25", "{hello}");
    let mut params = desktop();
    params["protocolVersion"] = json!("2099-01-01");
    assert_eq!(sent(initialize(Some(params))).await["result"]["protocolVersion"], "2025-11-25");
    for cursor in [json!("x"), json!(2), json!([])] {
        let list =
            json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": { "cursor": cursor } });
        let wrong = answer(post(&served.base, None, &list).send().await.unwrap()).await;
        assert_eq!((&wrong["id"], &wrong["error"]["code"]), (&json!(7), &json!(-32602)), "{cursor}: {wrong}");
    }
    let text = json!({ "kind": "image" }).to_string();
    let call = json!({ "jsonrpc": "2.0", "id": 8, "method": "tools/call", "params": { "name": "list_models", "arguments": text } });
    let models = answer(post(&served.base, None, &call).send().await.unwrap()).await;
    assert!(texts(&models["result"]).contains("image-01"), "{models}");
    served.end().await;
}

#[test]
fn the_newest_revision_has_no_initialize() {
    on_stage(|stage| {
        let mut program = stage.program();
        let answer = program.request("initialize", json!({ "_meta": modern_meta() }));
        assert_eq!(answer["error"]["code"], -32601, "{answer}");
    });
}

/// Some hosts give a model the text alone.
#[test]
fn the_text_of_each_list_has_ids_places_and_the_next_step() {
    on_stage(|stage| {
        let mut program = stage.program();
        program.initialize("2025-11-25");
        let image =
            program.call("text_to_image", json!({ "prompt": "A red door" }))["structuredContent"].clone();
        let video = program.call("generate_video", json!({ "prompt": "waves", "wait_seconds": 60 }))["structuredContent"].clone();
        let said = texts(&program.call("list_jobs", json!({})));
        for part in [&image["job_id"], &image["files"][0]["path"], &video["job_id"], &video["task_id"]] {
            assert!(said.contains(part.as_str().unwrap()), "{part}: {said}");
        }
        for part in ["succeeded", "A red door", " ago", "Cost: $0.28", "get_job with a job_id"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        for (tool, parts) in [
            ("list_voices", ["female-shaonv", "Give a voice_id"]),
            ("list_models", ["MiniMax-H3", "image-01"]),
            ("check_account", ["available", "Spent"]),
        ] {
            let result = program.call(tool, json!({}));
            let said = texts(&result);
            assert!(parts.iter().all(|part| said.contains(part)), "{tool}: {said}");
        }
        let voices = program.call("list_voices", json!({ "limit": 2 }));
        let said = texts(&voices);
        for voice in voices["structuredContent"]["voices"].as_array().unwrap() {
            assert!(said.contains(voice["voice_id"].as_str().unwrap()), "{said}");
        }
    });
}

/// Hosts hand image and audio blocks to models that cannot take them, so only `view_media` has one.
#[test]
fn results_have_no_media_but_links_unless_they_were_asked_for() {
    on_stage(|stage| {
        let mut program = stage.program();
        program.initialize("2025-11-25");
        let kinds = |result: &Value| -> Vec<String> {
            let blocks = result["content"].as_array().unwrap().iter();
            blocks.map(|block| block["type"].as_str().unwrap().to_owned()).collect()
        };
        for (tool, arguments) in [
            ("text_to_image", json!({ "prompt": "x" })),
            ("generate_video", json!({ "prompt": "x", "wait_seconds": 60 })),
            ("text_to_audio", json!({ "text": "Hello" })),
            ("voice_design", json!({ "prompt": "A calm voice", "preview_text": "Hello" })),
            ("music_generation", json!({ "prompt": "x", "is_instrumental": true })),
        ] {
            let result = program.call(tool, arguments);
            assert_ne!(result["isError"], true, "{tool}: {result}");
            let kinds = kinds(&result);
            assert!(kinds.iter().all(|kind| kind == "text" || kind == "resource_link"), "{tool}: {kinds:?}");
            assert!(kinds.iter().any(|kind| kind == "resource_link"), "{tool}: {kinds:?}");
        }
        let image = program.call("text_to_image", json!({ "prompt": "x" }))["structuredContent"].clone();
        let seen = program.call("view_media", json!({ "uri": image["files"][0]["uri"] }));
        assert!(kinds(&seen).contains(&"image".to_owned()), "{:?}", kinds(&seen));
        assert!(seen.get("structuredContent").is_none(), "hosts drop images beside it");
    });
}
