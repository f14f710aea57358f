//! Links that only a browser with a log-in can fetch.

use std::path::PathBuf;

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::{Value, json};

use crate::harness::World;
use crate::http::{Served, call, make};
use crate::s3;

/// What a host answers to a request without a log-in, and a word of the refusal.
fn walls() -> [(Act, &'static str); 4] {
    let status = |status: u16| Act::Status {
        status,
        body: "log in first".to_owned(),
        content_type: None,
        headers: std::collections::BTreeMap::new(),
    };
    let page = |body: &str| Act::Raw { body: body.to_owned() };
    [
        (status(401), "HTTP 401"),
        (status(403), "HTTP 403"),
        (page("<!DOCTYPE html><html><body>Sign in to continue</body></html>"), "web page"),
        (page("<html><head><title>Log in</title></head></html>"), "web page"),
    ]
}

/// A call of each tool that fetches a link itself.
fn calls(link: &Value) -> Vec<(&'static str, Value)> {
    vec![
        ("understand_image", json!({ "prompt": "x", "image_url": link })),
        ("upload_file", json!({ "file": link, "purpose": "video_generation_input" })),
        ("speech_to_text", json!({ "file": link })),
        ("voice_clone", json!({ "file": link, "voice_id": "AdaVoice2026" })),
        ("text_to_audio", json!({ "text_file": link })),
    ]
}

#[tokio::test]
async fn a_link_that_needs_a_login_is_recognized_and_the_error_asks_to_download_it() {
    let world = World::new().await;
    let made = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    let (link, bought) = (made["files"][0]["url"].clone(), world.bought());
    for (wall, word) in walls() {
        world.sandbox.script(vec![Rule::always("/cdn/", wall)]);
        let mut calls = calls(&link);
        calls.push(("download_file", json!({ "url": link })));
        for (tool, arguments) in calls {
            let refusal = world.refusal(tool, arguments).await;
            for part in ["log-in", word, "download it and give the local path"] {
                assert!(refusal.contains(part), "{tool}: {refusal}");
            }
            assert!(!refusal.contains("/uploads"), "{tool}: {refusal}");
        }
    }
    assert_eq!(world.bought(), bought);
    let saved = s3::results(&world.out());
    let is_visible = |path: &&PathBuf| !path.file_name().unwrap().to_string_lossy().starts_with('.');
    assert_eq!(saved.iter().filter(is_visible).count(), 1, "a page is not saved as a file");
    // A link that has expired is told apart where the host tells it.
    world.sandbox.script(vec![Rule::always(
        "/cdn/",
        Act::Status {
            status: 404,
            body: String::new(),
            content_type: None,
            headers: std::collections::BTreeMap::new(),
        },
    )]);
    for (tool, arguments) in [
        ("understand_image", json!({ "prompt": "x", "image_url": link })),
        ("download_file", json!({ "url": link })),
    ] {
        let refusal = world.refusal(tool, arguments).await;
        assert!(refusal.contains("expired") && !refusal.contains("log-in"), "{tool}: {refusal}");
    }
}

#[tokio::test]
async fn a_link_into_a_private_network_is_refused_with_another_way_to_give_the_file() {
    let (world, served) = (World::new().await, Served::open().await);
    for link in ["https://chat.internal/a.png", "https://files.local/a.png", "https://192.168.1.4/a.png"] {
        let mut calls = calls(&json!(link));
        calls.extend([
            ("generate_video", json!({ "prompt": "x", "first_frame_image": link })),
            ("text_to_image", json!({ "prompt": "x", "subject_reference": link })),
            ("music_generation", json!({ "prompt": "A calm song", "model": "music-cover", "reference_audio": link })),
            ("chat", json!({ "messages": [{ "role": "user", "content": "x", "media": [format!("image:{link}")] }] })),
        ]);
        for (tool, arguments) in calls {
            let refusal = world.refusal(tool, arguments.clone()).await;
            assert!(refusal.contains("download it and give the local path"), "{tool} {link}: {refusal}");
            let refusal = call(&served.base, None, tool, arguments).await["result"].to_string();
            for part in ["download it and hand it in", &format!("{}/uploads", served.base)] {
                assert!(refusal.contains(part), "{tool} {link}: {refusal}");
            }
        }
    }
    assert!(world.sandbox.requests().is_empty() && served.sandbox.requests().is_empty());
    served.end().await;
}

#[tokio::test]
async fn the_error_for_a_caller_over_http_explains_how_to_upload_the_file() {
    let served = Served::open().await;
    let made = make(&served.base, None, "text_to_image", json!({ "prompt": "A fox" })).await;
    let link = made["files"][0]["url"].clone();
    for (wall, word) in walls() {
        served.sandbox.script(vec![Rule::always("/cdn/", wall)]);
        for (tool, arguments) in calls(&link) {
            let answer = call(&served.base, None, tool, arguments).await;
            let refusal = answer["result"].to_string();
            assert_eq!(answer["result"]["isError"], true, "{tool}: {answer}");
            for part in ["log-in", word, "download it and hand it in", &format!("{}/uploads", served.base)] {
                assert!(refusal.contains(part), "{tool}: {refusal}");
            }
        }
    }
    served.end().await;
}
