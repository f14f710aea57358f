//! What MiniMax shows for each of two keys: lists have both, and an id is used with the key that sees it.

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::{Value, json};

use super::{BALANCE, PLAN, refuse, sent, world};
use crate::harness::{World, text};

const FILES: &str = "/v1/files/list";
const FILE: &str = "/v1/files/retrieve";
const VOICES: &str = "/v1/get_voice";
const TASKS: &str = "/v2/query/video_generation";
const MODELS: &str = "/v1/models";

fn answer(path: &str, body: Value, key: &str) -> Rule {
    let mut body = body;
    body["base_resp"] = json!({ "status_code": 0, "status_msg": "success" });
    Rule::always(path, Act::Raw { body: body.to_string() }).for_key(key)
}

fn file(id: u64) -> Value {
    json!({ "file_id": id, "bytes": 5, "created_at": 1_700_000_000, "filename": "a.mp3", "purpose": "voice_clone" })
}

fn voice(id: &str) -> Value {
    json!({ "voice_id": id, "description": [], "created_time": "2026-01-01" })
}

fn task(id: &str) -> Value {
    json!({ "id": id, "model": "MiniMax-H3", "status": "succeeded", "task_type": "generation",
        "created_at": jiff::Timestamp::now().as_second() - 60, "resolution": "768P", "duration": 6 })
}

/// Each list: its tool, its arguments, its endpoint, where its rows and their ids are, and the bodies that the plan and
/// the balance get. Both have the row `both`.
type List = (&'static str, Value, &'static str, [&'static str; 2], [Value; 2], [&'static str; 3]);

fn lists() -> Vec<List> {
    vec![
        (
            "list_files",
            json!({ "purpose": "voice_clone" }),
            FILES,
            ["files", "file_id"],
            [json!({ "files": [file(1), file(3)] }), json!({ "files": [file(2), file(3)] })],
            ["1", "2", "3"],
        ),
        (
            "list_voices",
            json!({ "voice_type": "voice_cloning" }),
            VOICES,
            ["voices", "voice_id"],
            [
                json!({ "voice_cloning": [voice("of-plan"), voice("of-both")] }),
                json!({ "voice_cloning": [voice("of-balance"), voice("of-both")] }),
            ],
            ["of-plan", "of-balance", "of-both"],
        ),
        (
            "list_video_tasks",
            json!({}),
            TASKS,
            ["tasks", "task_id"],
            [
                json!({ "items": [task("11"), task("13")], "total": 2 }),
                json!({ "items": [task("12"), task("13")], "total": 2 }),
            ],
            ["11", "12", "13"],
        ),
        (
            "list_models",
            json!({ "kind": "text" }),
            MODELS,
            ["models", "model"],
            [
                json!({ "data": [{ "id": "MiniMax-P" }, { "id": "MiniMax-B" }] }),
                json!({ "data": [{ "id": "MiniMax-M9" }, { "id": "MiniMax-B" }] }),
            ],
            ["MiniMax-P", "MiniMax-M9", "MiniMax-B"],
        ),
    ]
}

#[tokio::test]
async fn ids_of_either_key_are_listed_once_with_the_key_if_only_one_has_them() {
    let world = world(&[]).await;
    for (tool, arguments, path, [rows, id], [plan, balance], [of_plan, of_balance, of_both]) in lists() {
        world.sandbox.script(vec![answer(path, plan, PLAN), answer(path, balance, BALANCE)]);
        let list = world.make(tool, arguments).await;
        let found = list[rows].as_array().unwrap();
        for (wanted, key) in
            [(of_plan, json!("plan")), (of_balance, json!("balance")), (of_both, Value::Null)]
        {
            let matching: Vec<_> = found.iter().filter(|row| row[id] == wanted).collect();
            assert_eq!(matching.len(), 1, "{tool} {wanted}: {list}");
            // A model is bought with the key that the table of plans names, not with the one that lists it.
            assert!(tool == "list_models" || matching[0]["key"] == key, "{tool} {wanted}: {list}");
        }
    }
}

#[tokio::test]
async fn a_key_that_fails_does_not_hide_what_the_other_has_and_is_named() {
    let world = world(&[]).await;
    for (tool, arguments, path, [rows, id], [plan, balance], [of_plan, of_balance, _]) in lists() {
        for (code, key, broken, body, other, shown) in [
            (2049, PLAN, "MINIMAX_PLAN_KEY", balance.clone(), BALANCE, of_balance),
            (1004, BALANCE, "MINIMAX_API_KEY", plan.clone(), PLAN, of_plan),
            (1000, PLAN, "MINIMAX_PLAN_KEY", balance.clone(), BALANCE, of_balance),
        ] {
            let failing = Rule::always(path, refuse(code)).for_key(key);
            world.sandbox.script(vec![failing, answer(path, body, other)]);
            let result = world.call(tool, arguments.clone()).await;
            let told = text(&result);
            assert_ne!(result.is_error, Some(true), "{tool} {code}: {told}");
            let list = result.structured_content.as_ref().unwrap();
            assert!(list[rows].as_array().unwrap().iter().any(|row| row[id] == shown), "{tool}: {list}");
            assert!(told.contains(broken), "{tool} {code}: {told}");
        }
        world.sandbox.script(vec![Rule::always(path, refuse(2049))]);
        let result = world.call(tool, arguments).await;
        // The models of the table need no key.
        assert!(tool == "list_models" || result.is_error == Some(true), "{tool}: {}", text(&result));
    }
}

/// Which keys the requests to a path had that are the last of a call.
async fn key_of_call(world: &World, tool: &'static str, arguments: Value, path: &str) -> Vec<&'static str> {
    let start = world.sandbox.requests().len();
    world.call(tool, arguments).await;
    let sent = sent(&world.sandbox, start);
    sent.into_iter().filter(|(sent, _)| sent == path).map(|(_, key)| key).collect()
}

#[tokio::test]
async fn an_unknown_id_is_used_with_the_key_that_sees_it() {
    let world = world(&[]).await;
    for (key, other, name) in [(PLAN, BALANCE, "plan"), (BALANCE, PLAN, "balance")] {
        world.sandbox.script(vec![
            answer(FILE, json!({ "file": file(7) }), key),
            Rule::always(FILE, refuse(2013)).for_key(other),
            answer(VOICES, json!({ "voice_cloning": [voice("mine")] }), key),
            answer(VOICES, json!({ "voice_cloning": [] }), other),
            answer("/v2/query/video_generation/77", json!({ "task": task("77") }), key),
            Rule::always("/v2/query/video_generation/77", refuse(2013)).for_key(other),
        ]);
        let film = ["mm_file://7"];
        for (tool, arguments, path) in [
            ("get_file", json!({ "file_id": "7" }), FILE),
            ("delete_file", json!({ "file_id": "7", "purpose": "voice_clone" }), "/v1/files/delete"),
            ("delete_voice", json!({ "voice_id": "mine" }), "/v1/delete_voice"),
            ("text_to_audio", json!({ "text": "Hello", "voice_id": "mine" }), "/v1/t2a_v2"),
            ("voice_clone", json!({ "voice_id": "NewVoice2026", "file": "mm_file://7" }), "/v1/voice_clone"),
            (
                "generate_video",
                json!({ "prompt": "A fox", "reference_videos": film, "wait_seconds": 0 }),
                "/v2/video_generation",
            ),
            (
                "regenerate_video",
                json!({ "task_id": "77", "wait_seconds": 0, "idempotency_key": name }),
                "/v2/video_regeneration",
            ),
        ] {
            let keys = key_of_call(&world, tool, arguments, path).await;
            assert_eq!(keys.last(), Some(&name), "{tool} {path}: {keys:?}");
        }
    }
    // Keys of one account both see it: the one that is entitled buys.
    world.sandbox.script(vec![Rule::always(
        VOICES,
        Act::Raw {
            body: json!({ "voice_cloning": [voice("ours")], "base_resp": { "status_code": 0 } }).to_string(),
        },
    )]);
    let spoken = json!({ "text": "Hello", "voice_id": "ours" });
    assert_eq!(key_of_call(&world, "text_to_audio", spoken.clone(), "/v1/t2a_v2").await, ["plan"]);
    // A dry run sends nothing.
    let start = world.sandbox.requests().len();
    let mut dry = spoken;
    dry["dry_run"] = json!(true);
    world.make("text_to_audio", dry).await;
    assert_eq!(world.sandbox.requests().len(), start);
}
