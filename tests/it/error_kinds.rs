//! The kind of an error, which every tool says in the same place, whatever ended the call.

use minimax_mcp::sandbox::{Act, Rule};
use minimax_mcp::tools;
use serde_json::{Value, json};

use crate::harness::{Program, World};
use crate::http::{Served, answer, call, post};
use crate::http_protocol::modern;
use crate::stdio::on_stage;

const KINDS: &[&str] = &["argument", "settings", "wait", "ask_user", "bug"];

/// The names in an answer to `tools/list`.
fn names(list: &Value) -> Vec<String> {
    let tools = list["result"]["tools"].as_array().unwrap();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

/// Checks an error, and returns its kind.
fn kind(tool: &str, result: &Value) -> String {
    assert_eq!(result["isError"], true, "{tool}: {result}");
    let in_meta = result["_meta"]["minimax-mcp/kind"].as_str().unwrap_or_else(|| panic!("{tool}: {result}"));
    let content = &result["structuredContent"];
    if tool == "view_media" {
        assert!(content.is_null(), "it has no structured content: {result}");
    } else {
        assert_eq!(content["error"]["kind"], in_meta, "{tool}: {result}");
        let text = result["content"][0]["text"].as_str().unwrap();
        let said = content["error"]["message"].as_str().unwrap();
        assert!(text.contains(said.trim_end_matches('.')), "{tool}: {result}");
        assert!(content["next"].is_string(), "{tool}: {result}");
    }
    assert!(KINDS.contains(&in_meta), "{tool}: {in_meta}");
    in_meta.to_owned()
}

/// Some clients check the structured content of errors against the output schema too.
#[test]
fn an_error_fits_the_output_schema_of_every_tool() {
    for tool in tools::catalogue().tools() {
        let Some(schema) = tool.output_schema else { continue };
        let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        assert!(required.iter().all(|name| name == "next"), "{}: {required:?}", tool.name);
        assert_eq!(schema["properties"]["error"]["type"], "object", "{}", tool.name);
        assert_eq!(schema["properties"]["next"]["type"], "string", "{}", tool.name);
    }
}

#[test]
fn a_wrong_argument_is_of_the_kind_argument_for_every_tool_and_revision() {
    on_stage(|stage| {
        for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
            let mut program = stage.program();
            program.initialize(version);
            let all = names(&program.request("tools/list", json!({})));
            assert_eq!(all.len(), crate::harness::offered());
            for tool in &all {
                let result = program.call(tool, json!({ "no_such_argument": 1 }));
                if version < "2025-06-18" {
                    assert!(result.get("structuredContent").is_none(), "{version} {tool}: {result}");
                    assert_eq!(result["_meta"]["minimax-mcp/kind"], "argument", "{version} {tool}: {result}");
                    assert_eq!(result["isError"], true, "{version} {tool}: {result}");
                } else {
                    assert_eq!(kind(tool, &result), "argument", "{version} {tool}");
                }
            }
        }
        assert_eq!(stage.sandbox.requests().len(), 0);
    });
}

#[tokio::test]
async fn a_wrong_argument_is_of_the_kind_argument_for_every_tool_over_http() {
    let served = Served::open().await;
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let all = names(&answer(post(&served.base, None, &list).send().await.unwrap()).await);
    assert!(all.len() > 20, "{all:?}");
    for tool in all {
        let wrong = json!({ "no_such_argument": 1 });
        let said = call(&served.base, None, &tool, wrong.clone()).await;
        assert_eq!(kind(&tool, &said["result"]), "argument", "{tool}");
        let params = json!({ "name": tool, "arguments": wrong });
        let newest = modern(&served.base, "tools/call", Some(&tool), params).send().await.unwrap();
        assert_eq!(kind(&tool, &answer(newest).await["result"]), "argument", "{tool}");
    }
    served.end().await;
}

/// A call of each tool that asks MiniMax something.
fn calls() -> Vec<(&'static str, Value)> {
    vec![
        ("text_to_image", json!({ "prompt": "x" })),
        ("chat", json!({ "prompt": "x" })),
        ("count_tokens", json!({ "prompt": "x", "api": "anthropic" })),
        ("web_search", json!({ "query": "x" })),
        ("list_files", json!({ "purpose": "retrieval" })),
        ("get_file", json!({ "file_id": "1" })),
        ("generate_lyrics", json!({ "prompt": "x" })),
        ("list_video_tasks", json!({})),
    ]
}

#[tokio::test]
async fn a_refused_key_is_of_the_kind_settings_for_paid_and_free_tools() {
    let world = World::new().await;
    for (tool, path, arguments) in [
        ("text_to_image", "/v1/image_generation", json!({ "prompt": "x" })),
        ("get_file", "/v1/files/retrieve", json!({ "file_id": "1" })),
        ("list_voices", "/v1/get_voice", json!({ "voice_type": "all" })),
    ] {
        let refuse = Act::Refuse { code: 1004, message: None, retry_after: None };
        world.sandbox.script(vec![Rule::always(path, refuse)]);
        let result = serde_json::to_value(world.call(tool, arguments).await).unwrap();
        assert_eq!(kind(tool, &result), "settings", "{tool}");
    }
}

#[test]
fn a_missing_key_is_of_the_kind_settings_for_every_tool_that_needs_one() {
    on_stage(|stage| {
        let path = |name: &str| stage.dir.path().join(name).display().to_string();
        let environment = [
            ("HOME", path("home")),
            ("MINIMAX_API_HOST", stage.sandbox.url()),
            ("MINIMAX_SANDBOX", "true".to_owned()),
            ("MINIMAX_MCP_BASE_PATH", path("out")),
            ("MINIMAX_DATA_DIR", path("data")),
        ];
        let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut program = Program::start(&[], &environment);
        program.initialize("2025-11-25");
        for (tool, arguments) in calls() {
            let result = program.call(tool, arguments);
            assert_eq!(kind(tool, &result), "settings", "{tool}");
        }
    });
}
