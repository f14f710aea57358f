//! Texts about orders that may have been bought: none makes a model buy the same thing twice.

use minimax_mcp::sandbox::{Act, Pace, Rule};
use serde_json::json;

use crate::harness::{World, quick, text};

/// A sentence that could lead a model to buy the same thing twice.
fn invites(text: &str) -> Option<&str> {
    let sentences = text.split(['.', ';', '\n']);
    let allowed = ["is not sent again", "user decide", "Do not buy it again", "another idempotency_key"];
    let mut again = sentences.filter(|sentence| {
        let words = sentence.to_lowercase();
        ["again", "retry", "once more"].iter().any(|word| words.contains(word))
    });
    again.find(|sentence| !allowed.iter().any(|words| sentence.contains(words)))
}

#[tokio::test]
async fn no_text_about_an_order_that_may_be_bought_invites_to_buy_it_again() {
    let long = "A sentence of a long story. ".repeat(500);
    for (tool, path, arguments) in [
        ("text_to_image", "/v1/image_generation", json!({ "prompt": "A fox" })),
        ("generate_video", "/v1/video_generation", json!({ "prompt": "A fox" })),
        ("generate_video", "/v2/video_generation", json!({ "prompt": "A fox", "model": "h3" })),
        ("text_to_audio", "/v1/t2a_v2", json!({ "text": "Hello." })),
        ("text_to_audio", "/v1/t2a_async_v2", json!({ "text": long })),
        ("music_generation", "/v1/music_generation", json!({ "prompt": "Piano", "is_instrumental": true })),
        ("voice_design", "/v1/voice_design", json!({ "prompt": "A calm voice", "preview_text": "Hello." })),
        ("chat", "/v1/chat/completions", json!({ "prompt": "Hi" })),
        ("web_search", "/v1/coding_plan/search", json!({ "query": "foxes" })),
        ("generate_lyrics", "/v1/lyrics_generation", json!({ "prompt": "Rain" })),
    ] {
        let world = World::with(Pace { polls: 1000, seconds: 600.0, ..quick() }, &[]).await;
        // The order was taken and its answer lost, or MiniMax had a fault.
        for act in [
            Act::ResetAfter,
            Act::Truncate { bytes: 9 },
            Act::Refuse { code: 1001, message: None, retry_after: None },
        ] {
            world.sandbox.script(vec![Rule::once(path, act.clone())]);
            let said = text(&world.call(tool, arguments.clone()).await);
            assert_eq!(invites(&said), None, "{tool} {act:?}: {said}");
            assert!(said.contains("user decide"), "{tool} {act:?}: {said}");
        }
        world.sandbox.script(Vec::new());
        // A job that runs.
        let mut waits = arguments;
        if !["chat", "web_search", "generate_lyrics"].contains(&tool) {
            waits["wait_seconds"] = json!(0);
            let said = text(&world.call(tool, waits).await);
            assert_eq!(invites(&said), None, "{tool}: {said}");
            // What comes with the answer may be finished by then.
            assert!(said.contains("get_job") || said.contains("· succeeded"), "{tool}: {said}");
        }
    }
}
