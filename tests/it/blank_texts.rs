//! A blank text is refused like an empty one, before anything is sent.

use serde_json::json;

use crate::harness::World;

#[tokio::test]
async fn a_text_without_a_visible_character_is_not_bought() {
    let world = World::new().await;
    let clean = json!({ "voice_design": { "prompt": "A calm voice", "preview_text": "Hello" } });
    for blank in ["   ", "\0\0", "\u{200b}\u{feff}", "\n\u{2060}\t", "\u{202e} \u{7f}"] {
        for (tool, name) in [
            ("chat", "prompt"),
            ("web_search", "query"),
            ("text_to_image", "prompt"),
            ("text_to_audio", "text"),
            ("speak", "text"),
            ("generate_video", "prompt"),
            ("voice_design", "prompt"),
            ("voice_design", "preview_text"),
        ] {
            let mut order = clean.get(tool).cloned().unwrap_or_else(|| json!({}));
            order[name] = json!(blank);
            let refusal = world.refusal(tool, order).await;
            assert!(refusal.contains("Nothing was sent or billed"), "{tool} {name} {blank:?}: {refusal}");
        }
    }
    assert_eq!(world.sandbox.requests().len(), 0);
    // Letters of every script, and signs, are visible.
    for text in ["狐", "🦊", "؟", "…"] {
        world.make("text_to_image", json!({ "prompt": text, "dry_run": true })).await;
    }
}
