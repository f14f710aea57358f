//! Subtitles for audio.

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::{Value, json};

use crate::harness::{World, quick};
use crate::s3;

async fn made(world: &World, subtitles: &str) -> (Value, String) {
    let view =
        world.make("text_to_audio", json!({ "text": "One & two. Three!", "subtitles": subtitles })).await;
    assert_eq!(view["status"], "succeeded", "{view}");
    let text = String::from_utf8(s3::content(&view["files"][1]["path"])).unwrap();
    (view, text)
}

#[tokio::test]
async fn a_sound_and_its_subtitles_have_one_name() {
    let world = World::new().await;
    let (view, text) = made(&world, "srt").await;
    let path = |index: usize| view["files"][index]["path"].as_str().unwrap().to_owned();
    assert_eq!(path(0).strip_suffix(".mp3").unwrap(), path(1).strip_suffix(".srt").unwrap());
    assert_eq!(view["files"][1]["mime_type"], "application/x-subrip");
    assert!(text.starts_with("1\n00:00:00,000 --> 00:00:00,"), "{text}");
    assert!(text.contains("\nOne & two.\n\n2\n") && text.ends_with("\nThree!\n\n"), "{text}");
    assert_eq!(world.last_body()["subtitle_enable"], true);
    assert!(world.last_body().get("subtitles").is_none());
}

#[tokio::test]
async fn webvtt_and_json_are_there_too() {
    let world = World::new().await;
    let (_, text) = made(&world, "vtt").await;
    assert!(text.starts_with("WEBVTT\n\n1\n00:00:00.000 --> ") && text.contains("One &amp; two."), "{text}");
    let (view, text) = made(&world, "json").await;
    let lines: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(lines[1]["text"], "Three!");
    assert_eq!(view["files"][1]["mime_type"], "application/json");
}

#[tokio::test]
async fn with_subtitles_none_no_subtitles_are_requested() {
    let world = World::new().await;
    let view = world.make("text_to_audio", json!({ "text": "One.", "subtitles": "none" })).await;
    assert_eq!(view["files"].as_array().unwrap().len(), 1);
    assert!(world.last_body().get("subtitle_enable").is_none());
}

#[tokio::test]
async fn subtitles_that_cannot_be_converted_are_kept_unchanged() {
    let world = World::new().await;
    world.sandbox.script(vec![Rule::always("/cdn/", Act::Raw { body: "{\"lines\": 1}".into() })]);
    let view = world.make("text_to_audio", json!({ "text": "One.", "subtitles": "srt" })).await;
    let path = view["files"][1]["path"].as_str().unwrap();
    assert_eq!(s3::content(&view["files"][1]["path"]), b"{\"lines\": 1}");
    assert!(path.contains(".json") && view["warnings"].to_string().contains("kept as they came"), "{view}");
    assert!(view["files"][0].get("path").is_none(), "and the same text is no sound");
}

#[tokio::test]
async fn in_url_mode_the_subtitles_are_minimax_s_link() {
    if crate::s3::leaves_out("the folder for results") {
        return;
    }
    let world = World::with(quick(), &[("MINIMAX_API_RESOURCE_MODE", "url")]).await;
    let view = world.make("text_to_audio", json!({ "text": "One.", "subtitles": "srt" })).await;
    assert!(view["files"][1]["url"].as_str().unwrap().contains(".json"), "{view}");
    assert_eq!(view["files"][1]["mime_type"], "application/json");
    assert!(view["warnings"].to_string().contains("srt"), "{view}");
    let saved =
        world.make("text_to_audio", json!({ "text": "One.", "subtitles": "srt", "output_directory": "x" }));
    assert_eq!(saved.await["files"][1]["mime_type"], "application/x-subrip");
}
