//! Names of models in the spelling of people and of other models.

use minimax_mcp::facts::facts;
use serde_json::{Value, json};

use crate::harness::World;

async fn priced(world: &World, tool: &'static str, mut arguments: Value) -> Value {
    arguments["dry_run"] = json!(true);
    world.make(tool, arguments).await
}

#[tokio::test]
async fn a_known_model_is_found_in_any_case_with_its_price() {
    let world = World::new().await;
    for (tool, arguments, model, price) in [
        ("generate_video", json!({ "prompt": "x", "model": "minimax-h3" }), "MiniMax-H3", 0.4),
        (
            "generate_video",
            json!({ "prompt": "x", "model": "minimax-hailuo-2.3" }),
            "MiniMax-Hailuo-2.3",
            0.28,
        ),
        (
            "generate_video",
            json!({ "prompt": "x", "model": "minimax/MINIMAX-H3-MAX" }),
            "MiniMax-H3-Max",
            0.4,
        ),
        ("text_to_image", json!({ "prompt": "x", "model": "Image-01" }), "image-01", 0.0035),
        ("text_to_audio", json!({ "text": "x", "model": "SPEECH-2.8-HD" }), "speech-2.8-hd", 0.0001),
        (
            "music_generation",
            json!({ "prompt": "x", "model": "Music-3.0", "is_instrumental": true }),
            "music-3.0",
            0.15,
        ),
    ] {
        let view = priced(&world, tool, arguments).await;
        assert_eq!(view["model"], model, "{view}");
        assert_eq!(view["cost"]["estimated"], json!(price), "{model}: {view}");
        assert!(
            view.get("warnings").is_none_or(|notes| !notes.to_string().contains("not in the tables")),
            "{view}"
        );
    }
    let chat =
        priced(&world, "chat", json!({ "prompt": "x", "model": "minimax-m3", "max_tokens": 10 })).await;
    assert_eq!(chat["model"], "MiniMax-M3", "{chat}");
    assert!(chat["cost"]["estimated"].is_number(), "{chat}");
}

#[tokio::test]
async fn input_images_of_h3_max_above_the_second_are_in_the_price() {
    let world = World::new().await;
    let image = "https://example.com/a.png";
    let order =
        json!({ "prompt": "x", "model": "h3_max", "duration": 5, "reference_images": vec![image; 4] });
    let refusal = world.refusal("generate_video", order.clone()).await;
    assert!(refusal.contains("did you mean MiniMax-H3-Max?"), "{refusal}");
    let mut order = order;
    order["model"] = json!("MiniMax-H3-Max");
    let view = priced(&world, "generate_video", order).await;
    assert_eq!(view["cost"]["estimated"], json!(0.548), "{view}");
}

#[tokio::test]
async fn a_near_miss_is_named_before_anything_is_sent_and_an_unknown_model_is_sent() {
    let world = World::new().await;
    for (tool, arguments, meant) in [
        ("generate_video", json!({ "prompt": "x", "model": "Hailuo_02" }), "MiniMax-Hailuo-02"),
        ("text_to_image", json!({ "prompt": "x", "model": "image_01" }), "image-01"),
        ("text_to_audio", json!({ "text": "x", "model": "2.6-hd" }), "speech-2.6-hd"),
        ("speak", json!({ "text": "x", "model": "speech-2.8hd" }), "speech-2.8-hd"),
        ("music_generation", json!({ "prompt": "x", "model": "music3.0" }), "music-3.0"),
    ] {
        let refusal = world.refusal(tool, arguments).await;
        assert!(refusal.contains(&format!("did you mean {meant}?")), "{tool}: {refusal}");
    }
    assert_eq!(world.sandbox.requests().len(), 0);
    let view = priced(&world, "generate_video", json!({ "prompt": "x", "model": "MiniMax-H4" })).await;
    assert!(view["warnings"].to_string().contains("not in the tables"), "{view}");
}

#[tokio::test]
async fn a_model_that_is_no_longer_documented_is_taken_with_a_warning() {
    let world = World::new().await;
    for model in ["speech-2.5-hd-preview", "speech-2.5-turbo-preview"] {
        let view = priced(&world, "text_to_audio", json!({ "text": "Hello", "model": model })).await;
        assert!(view["warnings"].to_string().contains("older preview"), "{view}");
        assert!(view["cost"]["estimated"].is_number(), "{view}");
    }
}

/// What tools say about models is in the tables too.
#[test]
fn every_model_that_a_tool_names_is_in_the_tables() {
    let starts = ["MiniMax-H", "MiniMax-M", "image-0", "speech-", "music-", "S2V-", "T2V-", "I2V-"];
    let mut named = 0;
    for tool in minimax_mcp::tools::catalogue().tools() {
        let text = format!("{} {}", tool.description.unwrap_or_default(), json!(tool.input_schema));
        let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || "-.+".contains(letter)));
        for word in words.map(|word| word.trim_matches(['.', '-'])) {
            if starts.iter().any(|start| word.starts_with(start)) {
                assert!(facts().knows(word), "{} names {word}", tool.name);
                named += 1;
            }
        }
    }
    assert!(named > 5, "{named}");
}
