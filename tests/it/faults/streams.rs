//! Streamed audio and answers that break off: the part that arrived is paid for and kept.

use minimax_mcp::sandbox::{Act, Rule};
use rmcp::model::CallToolResult;
use serde_json::{Value, json};

use super::clock::{Clock, until_over};
use crate::harness::World;
use crate::s3;

const T2A: &str = "/v1/t2a_v2";
const CHAT: &str = "/v1/chat/completions";

/// A text that is long enough to be streamed.
fn long_text() -> Value {
    json!({ "text": "The fox sleeps in the sun. ".repeat(112), "wait_seconds": 240 })
}

/// Checks that interrupted audio is kept under a name that says so. Returns its size.
fn kept(result: &CallToolResult) -> usize {
    let view = result.structured_content.clone().unwrap();
    assert_eq!(result.is_error, Some(true), "{view}");
    let path =
        view["files"][0]["path"].as_str().unwrap_or_else(|| panic!("nothing is kept: {view}")).to_owned();
    assert!(path.ends_with("-incomplete.mp3"), "{path}");
    let message = view["error"]["message"].as_str().unwrap();
    assert!(message.contains("are kept in a file"), "{message}");
    s3::content(&view["files"][0]["path"]).len()
}

#[tokio::test]
async fn the_beginning_of_broken_streamed_audio_is_kept() {
    let world = World::new().await;
    let clock = Clock::start();
    let sound = format!("fffb9064{}", "00".repeat(5000));
    let piece =
        json!({ "data": { "audio": sound, "status": 1 }, "base_resp": { "status_code": 0 } }).to_string();
    let refused = json!({ "data": null, "base_resp": { "status_code": 1027, "status_msg": "sensitive" } });
    let odd = json!({ "data": { "audio": "no hex", "status": 1 } });
    // Two valid events, and then something else.
    let then = |what: &str| Act::Status {
        status: 200,
        body: format!("data: {piece}\n\ndata: {piece}\n\n{what}"),
        content_type: Some("text/event-stream".to_owned()),
        headers: Default::default(),
    };
    for (act, status, silent) in [
        (Act::CutChunks { bytes: 60_000 }, "unknown", false),
        (Act::Freeze { bytes: 60_000 }, "unknown", true),
        (then(""), "unknown", false),
        (then(&format!("data: {refused}\n\n")), "failed", false),
        (then("data: {\"data\": garbage\n\n"), "unknown", false),
        (then(&format!("data: {odd}\n\n")), "unknown", false),
    ] {
        world.sandbox.script(vec![Rule::always(T2A, act.clone())]);
        let (before, bought) = (world.sandbox.requests().len(), world.bought());
        let call = async { until_over(&world, world.call("text_to_audio", long_text()).await).await };
        let result = clock.hurry(&world, (T2A, silent), || world.bought() > bought, call).await;
        let bytes = kept(&result);
        assert!((4096..60_000).contains(&bytes), "{act:?}: {bytes}");
        assert_eq!(result.structured_content.unwrap()["status"], status, "{act:?}");
        assert_eq!(world.sandbox.requests().len(), before + 1, "{act:?}");
    }
}

#[tokio::test]
async fn an_event_without_end_fills_no_memory() {
    let world = World::new().await;
    let before = resident();
    for unit in ["x", "data: x\n", ": a comment\n"] {
        let body = unit.repeat(64 * 1024 / unit.len());
        let act = Act::Flood { head: "data: {\"".into(), unit: body, times: Some(3000), tail: String::new() };
        world.sandbox.script(vec![Rule::once(T2A, act)]);
        let result = world.call("text_to_audio", long_text()).await;
        let view = result.structured_content.unwrap();
        assert_eq!(view["status"], "unknown", "{view}");
    }
    if let (Some(before), Some(after)) = (before, resident()) {
        assert!(after.saturating_sub(before) < 600 << 20, "{before} → {after}");
    }
}

/// The memory in use, in bytes, if `/proc` exists.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}

#[tokio::test]
async fn the_beginning_of_broken_live_audio_is_kept() {
    let world = World::new().await;
    let clock = Clock::start();
    for (word, status) in
        [("#cut", "unknown"), ("#silence", "unknown"), ("#garbage", "unknown"), ("#failtask", "failed")]
    {
        let text = format!("{} {word} And one more sentence.", "The fox sleeps in the sun, ".repeat(6));
        let before = world.bought();
        let call = async { until_over(&world, world.call("speak", json!({ "text": text })).await).await };
        let made = || world.bought() > before;
        let result = clock.hurry(&world, ("/ws/", word == "#silence"), made, call).await;
        assert!(kept(&result) > 1000, "{word}");
        assert_eq!(result.structured_content.unwrap()["status"], status, "{word}");
        assert_eq!(world.bought(), before + 1, "{word}");
    }
}

#[tokio::test]
async fn a_broken_chat_answer_keeps_its_partial_text() {
    let world = World::new().await;
    let clock = Clock::start();
    let refused =
        json!({ "type": "error", "error": { "type": "server_error", "message": "internal (1000)" } });
    let splice = |tail: String| Act::Splice { bytes: 2500, tail };
    for (act, silent) in [
        (Act::CutChunks { bytes: 2500 }, false),
        (Act::Freeze { bytes: 2500 }, true),
        (splice(String::new()), false),
        (splice(format!("\n\ndata: {refused}\n\n")), false),
        (splice("\n\ndata: {\"choices\": garbage\n\n".to_owned()), false),
    ] {
        world.sandbox.script(vec![Rule::always(CHAT, act.clone())]);
        let (before, bought) = (world.sandbox.requests().len(), world.bought());
        let call = world.call("chat", json!({ "prompt": "Tell me of foxes" }));
        let result = clock.hurry(&world, (CHAT, silent), || world.bought() > bought, call).await;
        let view = result.structured_content.unwrap();
        assert_eq!(result.is_error, Some(true), "{act:?}: {view}");
        let words = [&view["reasoning"], &view["text"]].map(|words| words.as_str().unwrap_or_default().len());
        assert!(words.iter().sum::<usize>() > 0, "{act:?}: {view}");
        assert!(view["next"].as_str().unwrap().contains("billed"), "{act:?}: {view}");
        assert_eq!(world.sandbox.requests().len(), before + 1, "{act:?}");
    }
}
