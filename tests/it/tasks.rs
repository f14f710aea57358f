//! The tasks extension: a task instead of a long wait, for clients that support it.

use std::path::Path;
use std::time::Duration;

use minimax_mcp::sandbox::{Options, Pace, Sandbox};
use serde_json::{Value, json};

use crate::harness::{Program, quick};
use crate::s3;

fn meta(extensions: &Value) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "raw", "version": "0" },
        "io.modelcontextprotocol/clientCapabilities": { "extensions": extensions },
    })
}

fn with_tasks() -> Value {
    meta(&json!({ "io.modelcontextprotocol/tasks": {} }))
}

fn call(program: &mut Program, meta: &Value, tool: &str, arguments: Value) -> Value {
    program.request("tools/call", json!({ "name": tool, "arguments": arguments, "_meta": meta }))["result"]
        .clone()
}

fn get(program: &mut Program, id: &str) -> Value {
    program.request("tasks/get", json!({ "taskId": id, "_meta": with_tasks() }))
}

/// Runs `play` with its own folder and a sandbox at `pace`.
fn on_stage(pace: Pace, play: impl FnOnce(&Sandbox, &Path)) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let sandbox = runtime.block_on(Sandbox::start(Options { pace, ..Options::default() })).unwrap();
    play(&sandbox, dir.path());
    runtime.block_on(sandbox.stop());
}

#[test]
fn a_video_is_a_task_that_the_next_process_knows() {
    let pace = Pace { polls: 8, ..quick() };
    on_stage(pace, |sandbox, dir| {
        let mut program = Program::at(&sandbox.url(), dir);
        let task = call(&mut program, &with_tasks(), "generate_video", json!({ "prompt": "waves" }));
        assert_eq!((&task["resultType"], &task["status"]), (&json!("task"), &json!("working")), "{task}");
        assert!(task["pollIntervalMs"].as_u64().unwrap() >= 1000);
        let id = task["taskId"].as_str().unwrap().to_owned();
        assert_eq!(get(&mut program, &id)["result"]["status"], "working");
        program.kill();

        let mut program = Program::at(&sandbox.url(), dir);
        let done = loop {
            let task = get(&mut program, &id)["result"].clone();
            if task["status"] != "working" {
                break task;
            }
            std::thread::sleep(Duration::from_millis(200));
        };
        assert_eq!(done["status"], "completed", "{done}");
        let view = &done["result"]["structuredContent"];
        assert_eq!((&view["job_id"], &view["status"]), (&json!(id), &json!("succeeded")));
        assert!(s3::place(&view["files"][0]["path"]).is_file());
        assert!(done["result"]["content"][0]["text"].as_str().unwrap().contains("succeeded"));
        assert_eq!(sandbox.paid().len(), 1);
    });
}

#[test]
fn a_quick_call_is_answered_at_once_even_if_the_client_supports_tasks() {
    on_stage(quick(), |sandbox, dir| {
        let mut program = Program::at(&sandbox.url(), dir);
        let result = call(&mut program, &with_tasks(), "text_to_image", json!({ "prompt": "x" }));
        assert_eq!(result["structuredContent"]["status"], "succeeded", "{result}");
        assert_eq!(result["resultType"], "complete");
    });
}

#[test]
fn a_client_that_does_not_ask_for_tasks_gets_none() {
    on_stage(Pace { polls: 30, ..quick() }, |sandbox, dir| {
        let mut program = Program::at(&sandbox.url(), dir);
        let arguments = json!({ "prompt": "x", "async_mode": true });
        let result = call(&mut program, &meta(&json!({})), "generate_video", arguments);
        assert_eq!(result["structuredContent"]["status"], "running", "{result}");
        let id = result["structuredContent"]["job_id"].as_str().unwrap();
        let refused = program.request("tasks/get", json!({ "taskId": id, "_meta": meta(&json!({})) }));
        assert_eq!(refused["error"]["code"], -32021, "{refused}");
    });
    on_stage(Pace { polls: 30, ..quick() }, |sandbox, dir| {
        let mut program = Program::at(&sandbox.url(), dir);
        let client = json!({ "name": "raw", "version": "0" });
        // An older client that declares an extension which its protocol version does not have.
        let capabilities = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
        let hello =
            json!({ "protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": client });
        program.request("initialize", hello);
        program.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        let result = program.call("generate_video", json!({ "prompt": "x", "async_mode": true }));
        assert_eq!(result["structuredContent"]["status"], "running", "{result}");
    });
}

#[test]
fn a_task_can_be_cancelled_and_a_failure_is_a_result() {
    on_stage(Pace { polls: 60, ..quick() }, |sandbox, dir| {
        let mut program = Program::at(&sandbox.url(), dir);
        let arguments = json!({ "prompt": "x", "model": "MiniMax-H3" });
        let task = call(&mut program, &with_tasks(), "generate_video", arguments);
        let id = task["taskId"].as_str().unwrap();
        let given_up = program.request("tasks/cancel", json!({ "taskId": id, "_meta": with_tasks() }));
        assert_eq!(given_up["result"]["resultType"], "complete", "{given_up}");
        assert_eq!(get(&mut program, id)["result"]["status"], "cancelled");

        let task = call(&mut program, &with_tasks(), "generate_video", json!({ "prompt": "[fail] x" }));
        let refused = task["isError"] == true || task["status"] == "working";
        assert!(refused, "{task}");
        for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
            let parameters = json!({ "taskId": "video-nobody", "inputResponses": {}, "_meta": with_tasks() });
            let unknown = program.request(method, parameters);
            assert_eq!(unknown["error"]["code"], -32602, "{method}: {unknown}");
        }
    });
}
