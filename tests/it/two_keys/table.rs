//! One table of all tools: the key that their requests use if both keys are set. What the table says is written here a
//! second time, because the test must not follow the data that it checks.

use std::collections::{BTreeMap, BTreeSet};

use minimax_mcp::sandbox::Rule;
use serde_json::{Value, json};

use super::{LOOK, refuse, sent, world};
use crate::harness::text;
use crate::money::paid_calls;
use crate::voice::recording;

const PLAN: &[&str] = &["plan"];
const BALANCE: &[&str] = &["balance"];
const BOTH_KEYS: &[&str] = &["balance", "plan"];
/// Nothing leaves for MiniMax.
const NONE: &[&str] = &[];

/// Each tool, and the keys that its requests use.
const TABLE: &[(&str, &[&str])] = &[
    // What plans include (contract, 10.5).
    ("chat", PLAN),
    ("count_tokens", PLAN),
    ("understand_image", PLAN),
    ("web_search", PLAN),
    ("text_to_image", PLAN),
    ("text_to_audio", PLAN),
    ("speak", PLAN),
    // What plans exclude, or do not mention.
    ("speech_to_text", BALANCE),
    ("embed_text", BALANCE),
    ("generate_video", BALANCE),
    ("generate_video_from_template", BALANCE),
    ("enhance_video_prompt", BALANCE),
    ("regenerate_video", BALANCE),
    ("voice_clone", BALANCE),
    ("voice_design", BALANCE),
    ("music_generation", BALANCE),
    ("generate_lyrics", BALANCE),
    // Free requests, with both keys.
    ("check_account", BOTH_KEYS),
    ("list_voices", BOTH_KEYS),
    ("list_files", BOTH_KEYS),
    ("get_file", BOTH_KEYS),
    ("delete_file", BOTH_KEYS),
    ("delete_voice", BOTH_KEYS),
    ("query_video_generation", BOTH_KEYS),
    ("list_video_tasks", BOTH_KEYS),
    ("list_models", BOTH_KEYS),
    // The key depends on the tools that use the file.
    ("upload_file", BALANCE),
    // Free, from the records or from the disk.
    ("list_jobs", NONE),
    ("get_job", NONE),
    ("cancel_job", NONE),
    ("view_media", NONE),
    ("play_audio", NONE),
    ("download_file", NONE),
];

fn row(tool: &str) -> Option<&'static [&'static str]> {
    TABLE.iter().find(|(name, _)| *name == tool).map(|(_, keys)| *keys)
}

#[tokio::test]
async fn every_tool_uses_the_key_of_the_table_and_a_used_up_window_never_moves_to_the_balance() {
    let world = world(&[("MINIMAX_TOOLSETS", "all,legacy")]).await;
    let mut calls = paid_calls(&world);
    let paid: BTreeSet<_> = calls.iter().map(|(tool, _)| *tool).collect();
    let made = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    let (file, sound) = (made["files"][0]["path"].clone(), recording(&world, "them.wav", 12));
    calls.extend([
        ("count_tokens", json!({ "prompt": "Hello" })),
        ("check_account", json!({})),
        ("list_voices", json!({})),
        ("list_files", json!({})),
        ("list_models", json!({ "kind": "text" })),
        ("get_file", json!({ "file_id": "4711" })),
        ("delete_file", json!({ "file_id": "4711", "purpose": "voice_clone" })),
        ("delete_voice", json!({ "voice_id": "OfNobody01" })),
        ("query_video_generation", json!({ "task_id": "4711" })),
        ("list_video_tasks", json!({})),
        ("upload_file", json!({ "file": sound, "purpose": "voice_clone" })),
        ("list_jobs", json!({})),
        ("get_job", json!({ "job_id": made["job_id"] })),
        ("cancel_job", json!({ "job_id": made["job_id"] })),
        ("view_media", json!({ "uri": file })),
    ]);
    let mut paths = BTreeMap::new();
    let mut wrong = Vec::new();
    for (tool, arguments) in &calls {
        let before = (world.sandbox.requests().len(), world.sandbox.paid().len());
        let result = world.call(tool, arguments.clone()).await;
        let all = sent(&world.sandbox, before.0);
        // Before something is bought, both keys may be asked about an id that the records do not have.
        let is_look = |path: &str| {
            paid.contains(tool)
                && (path == LOOK || (*tool == "regenerate_video" && path.contains("/v2/query/")))
        };
        let used: BTreeSet<_> = all.iter().filter(|(path, _)| !is_look(path)).map(|(_, key)| *key).collect();
        let expected: BTreeSet<_> = row(tool).unwrap_or(NONE).iter().copied().collect();
        // In tests there is no loudspeaker, and no finished H3 task.
        let is_possible = !["speak", "regenerate_video"].contains(tool) || !used.is_empty();
        if used != expected && is_possible {
            wrong.push(format!("{tool}: {used:?}, not {expected:?}: {all:?} {}", text(&result)));
        }
        if let Some(order) = world.sandbox.paid().get(before.1) {
            paths.insert(*tool, order.path.split('?').next().unwrap().to_owned());
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");

    // Each order that the plan pays is refused because its window is used up.
    let planned: Vec<_> = calls
        .iter()
        .filter(|(tool, _)| row(tool) == Some(PLAN))
        .filter_map(|(tool, arguments)| Some((*tool, arguments, paths.get(tool)?)))
        .collect();
    assert!(planned.len() >= 5, "{planned:?}");
    for (tool, arguments, path) in planned {
        world.sandbox.script(vec![Rule::always(path, refuse(2056))]);
        let (start, bought) = (world.sandbox.requests().len(), world.bought());
        let told = text(&world.call(tool, arguments.clone()).await);
        assert!(told.contains("2056") && told.contains("MINIMAX_PLAN_OVERFLOW=balance"), "{tool}: {told}");
        let orders: Vec<_> =
            sent(&world.sandbox, start).into_iter().filter(|(sent, _)| sent == path).collect();
        assert_eq!(orders, [(path.clone(), "plan")], "{tool}: once, and never with the other key");
        assert_eq!(world.bought(), bought, "{tool}");
    }
    world.sandbox.script(Vec::new());

    // What the tables tell the model is the same.
    for (kind, key) in [("image", "plan"), ("speech", "plan"), ("video", "balance"), ("music", "balance")] {
        let list = world.make("list_models", json!({ "kind": kind })).await;
        let models = list["models"].as_array().unwrap();
        // Plans name audio, and not recognition.
        let speaks = |row: &&Value| row["model"] != "asr-1.0";
        let mut models = models.iter().filter(speaks).peekable();
        assert!(models.peek().is_some() && models.all(|row| row["bought_with"] == key), "{kind}: {list}");
    }
    let list = world.make("list_models", json!({ "kind": "text" })).await;
    let of_plan = ["MiniMax-M3.1-Flash", "MiniMax-M3.1-Flash-Preview", "MiniMax-M3"];
    for model in list["models"].as_array().unwrap() {
        let is_in_plan = of_plan.iter().any(|name| model["model"] == **name);
        assert_eq!(model["bought_with"], if is_in_plan { "plan" } else { "balance" }, "{model}");
    }
    let account = world.make("check_account", json!({})).await;
    assert_eq!(account["key_kind"], "both", "{account}");
    assert!(account["windows"].is_array() && account["balance"].is_object(), "{account}");
    let keys: BTreeSet<_> =
        account["spending"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap()).collect();
    assert_eq!(keys, BTreeSet::from(["balance", "plan"]), "{account}");
}

#[test]
fn every_tool_has_a_row_in_the_table() {
    let tools: BTreeSet<_> =
        minimax_mcp::tools::catalogue().tools().into_iter().map(|tool| tool.name.to_string()).collect();
    let rows: BTreeSet<_> = TABLE.iter().map(|(tool, _)| (*tool).to_owned()).collect();
    assert_eq!(tools, rows);
    let table: Value =
        serde_json::from_str(include_str!("../../../crates/platform/src/facts/plan.json")).unwrap();
    for entry in table["plan"]["entitlements"].as_array().unwrap() {
        assert!(rows.contains(entry["id"].as_str().unwrap()), "{entry}");
    }
}
