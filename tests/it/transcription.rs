//! `speech_to_text`, in every format.

use std::fs;

use minimax_mcp::sandbox::{Act, Request, Rule};
use serde_json::{Value, json};

use crate::harness::{World, quick};
use crate::s3;
use crate::voice::wav;

fn sent(world: &World) -> Vec<Request> {
    world.sandbox.requests().into_iter().filter(|request| request.path == "/v1/speech_to_text").collect()
}

fn saved(view: &Value) -> String {
    String::from_utf8(s3::content(&view["files"][0]["path"])).unwrap()
}

#[tokio::test]
async fn a_recording_becomes_a_text_and_a_file() {
    let world = World::with(quick(), &[("MINIMAX_REGION", "cn")]).await;
    let file = wav(&world.out().join("talk.wav"), 36);
    // The official JavaScript server uses this name.
    let view = world.make("speech_to_text", json!({ "audioFile": file })).await;
    let bytes = fs::metadata(&file).unwrap().len();
    assert_eq!(
        world.last_body(),
        json!({ "model": "asr-1.0", "response_format": "json", "file": { "filename": "talk.wav", "bytes": bytes } })
    );
    assert_eq!((&view["kind"], &view["status"]), (&json!("transcription"), &json!("succeeded")));
    assert_eq!(view["text"], "This is talk.wav. It was heard in any language.");
    assert_eq!(saved(&view), view["text"]);
    assert_eq!(view["files"][0]["mime_type"], "text/plain");
    assert!(view["files"][0]["path"].as_str().unwrap().contains(".txt"));
    assert_eq!(view["usage"]["duration"], 36.0);
    // The price is 2.50 yuan an hour.
    assert_eq!((&view["cost"]["estimated"], &view["cost"]["actual"]), (&json!(0.025), &json!(0.025)));
}

#[tokio::test]
async fn every_format_arrives_under_its_own_ending_with_its_own_times() {
    let world = World::new().await;
    let file = wav(&world.out().join("talk.wav"), 10);
    for (format, wire, ending, mime, begins) in [
        ("text", "json", ".txt", "text/plain", "This is"),
        ("json", "json", ".json", "application/json", "{"),
        ("verbose_json", "verbose_json", ".json", "application/json", "{"),
        ("srt", "srt", ".srt", "application/x-subrip", "1\n00:00:00,000 --> "),
        ("vtt", "vtt", ".vtt", "text/vtt", "WEBVTT\n\n00:00:00.000 --> "),
    ] {
        let arguments =
            json!({ "file": file, "format": format, "language": "English", "timestamps": "word" });
        let view = world.make("speech_to_text", arguments).await;
        let body = world.last_body();
        assert_eq!(body["response_format"], wire);
        let timed = format != "text" && format != "json";
        assert_eq!(body.get("timestamp_level"), timed.then(|| json!("word")).as_ref(), "{format}");
        assert_eq!(view["warnings"].to_string().contains("timestamps"), !timed, "{format}: {view}");
        let content = saved(&view);
        assert!(content.starts_with(begins), "{format}: {content}");
        assert_eq!(view["files"][0]["mime_type"], mime);
        assert!(view["files"][0]["path"].as_str().unwrap().ends_with(ending));
        // The language is a header, which the sandbox echoes. It does not accept a field for it.
        if format.starts_with("vtt") || format.starts_with("srt") {
            assert!(view["text"].as_str().unwrap().contains("-->\u{20}"), "{view}");
        } else {
            assert_eq!(view["text"], "This is talk.wav. It was heard in en.");
        }
    }
    let verbose = world.make("speech_to_text", json!({ "file": file, "format": "verbose_json" })).await;
    let content: Value = serde_json::from_str(&saved(&verbose)).unwrap();
    assert_eq!(content["segments"].as_array().unwrap().len(), 2);
    assert_eq!(verbose["usage"], json!({ "duration": 10.0, "n_speakers": 1 }));
    assert!(verbose["cost"].get("estimated").is_none());
}

#[tokio::test]
async fn speech_of_an_earlier_job_is_transcribed_and_links_are_fetched_by_the_server() {
    let world = World::new().await;
    let spoken = world.make("text_to_audio", json!({ "text": "Hello there", "format": "flac" })).await;
    for file in [&spoken["files"][0]["uri"], &spoken["files"][0]["url"]] {
        let view = world.make("speech_to_text", json!({ "file": file })).await;
        assert_eq!(view["status"], "succeeded");
        assert!(world.last_body()["file"]["filename"].as_str().unwrap().contains(".flac"));
    }
    let refusal = world.refusal("speech_to_text", json!({ "file": "https://169.254.169.254/a.mp3" })).await;
    assert!(refusal.contains("`file`"), "{refusal}");
    assert_eq!(world.bought(), 3);
}

#[tokio::test]
async fn arguments_are_checked_before_anything_is_sent() {
    let world = World::new().await;
    let file = wav(&world.out().join("talk.wav"), 10);
    let long = wav(&world.out().join("long.wav"), 501);
    let large = world.out().join("large.wav");
    fs::copy(&file, &large).unwrap();
    fs::File::options().write(true).open(&large).unwrap().set_len(50 * 1024 * 1024 + 1).unwrap();
    let picture = world.out().join("picture.mp3");
    fs::write(&picture, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01").unwrap();
    for (arguments, parts) in [
        (json!({ "file": long }), ["`file` is 501 s long", "0 to 500"]),
        (json!({ "file": large.display().to_string() }), ["`file` is 52,428,801 bytes", "52,428,800"]),
        (json!({ "file": picture.display().to_string() }), ["`file` is a PNG file", "MP3, M4A, WAV, FLAC"]),
        (json!({ "file": "mm_file://123" }), ["`file`", "path"]),
        (json!({ "file": file, "language": "Klingon" }), ["`language` is Klingon", "zh, yue, en"]),
        (json!({ "file": file, "language": "el" }), ["`language` is el", "zh, yue, en"]),
        (json!({ "file": file, "format": "docx" }), ["`format`", "verbose_json"]),
        (json!({ "file": file, "timestamps": "letter" }), ["`timestamps`", "sentence, word"]),
    ] {
        let refusal = world.refusal("speech_to_text", arguments.clone()).await;
        assert!(parts.iter().all(|part| refusal.contains(part)), "{arguments}: {refusal}");
    }
    world.make("speech_to_text", json!({ "file": file, "dry_run": true })).await;
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[tokio::test]
async fn a_throttled_transcription_sends_the_whole_recording_again() {
    let world = World::new().await;
    // The file is larger than one read, so a retry must start again from the beginning.
    let file = wav(&world.out().join("talk.wav"), 60);
    let refused = Act::Refuse { code: 1002, message: None, retry_after: None };
    world.sandbox.script(vec![Rule::once("/v1/speech_to_text", refused)]);
    let view = world.make("speech_to_text", json!({ "file": file, "wait_seconds": 60 })).await;
    assert_eq!(view["status"], "succeeded");
    let sent = sent(&world);
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].body, sent[1].body);
    assert_eq!((sent[0].status, world.bought()), (Some(429), 1));
}

#[tokio::test]
async fn an_answer_that_was_lost_is_never_bought_again() {
    let world = World::new().await;
    let file = wav(&world.out().join("talk.wav"), 10);
    for act in [Act::ResetAfter, Act::Raw { body: "<html>a proxy</html>".to_owned() }] {
        let before = sent(&world).len();
        world.sandbox.script(vec![Rule::once("/v1/speech_to_text", act.clone())]);
        let result = world.call("speech_to_text", json!({ "file": file, "format": "srt" })).await;
        assert_eq!(result.structured_content.unwrap()["status"], "unknown", "{act:?}");
        assert_eq!(sent(&world).len(), before + 1);
    }
}

#[tokio::test]
async fn refusals_in_an_envelope_name_who_must_act() {
    let world = World::new().await;
    let file = wav(&world.out().join("my #sensitive talk.wav"), 10);
    for format in ["text", "vtt"] {
        let refusal = world.refusal("speech_to_text", json!({ "file": file, "format": format })).await;
        for part in ["1026", "sensitive", "Rephrase"] {
            assert!(refusal.contains(part), "{refusal}");
        }
    }
    for (code, turn) in [(1004, "MINIMAX_API_KEY"), (1008, "Top up")] {
        let refused = Act::Refuse { code, message: None, retry_after: None };
        world.sandbox.script(vec![Rule::once("/v1/speech_to_text", refused)]);
        let refusal = world.refusal("speech_to_text", json!({ "file": file })).await;
        assert!(refusal.contains(&code.to_string()) && refusal.contains(turn), "{refusal}");
    }
    let body = json!({ "type": "error", "error": {
        "type": "invalid_request_error", "http_code": "413",
        "message": "request body too large: 88200078 bytes exceeds limit of 52428800 bytes",
    } });
    let act =
        Act::Status { status: 413, body: body.to_string(), content_type: None, headers: Default::default() };
    world.sandbox.script(vec![Rule::once("/v1/speech_to_text", act)]);
    let refusal = world.refusal("speech_to_text", json!({ "file": file })).await;
    assert!(refusal.contains("too large"), "{refusal}");
    assert_eq!(world.bought(), 0);
}

#[tokio::test]
async fn silence_is_an_empty_transcript_and_says_so() {
    let world = World::new().await;
    let file = wav(&world.out().join("#silence.wav"), 10);
    for format in ["text", "srt"] {
        let view = world.make("speech_to_text", json!({ "file": file, "format": format })).await;
        assert_eq!((&view["status"], &view["text"]), (&json!("succeeded"), &json!("")));
        assert_eq!(view["files"], Value::Null);
        assert!(view["warnings"].to_string().contains("no speech"), "{view}");
    }
}

#[tokio::test]
async fn a_long_transcript_is_cut_in_the_answer_and_whole_in_the_file() {
    let world = World::new().await;
    let file = wav(&world.out().join("#long.wav"), 10);
    let view = world.make("speech_to_text", json!({ "file": file })).await;
    let (text, whole) = (view["text"].as_str().unwrap(), saved(&view));
    let length = whole.chars().count();
    assert!(length > 10_000);
    assert!(text.ends_with(&format!("[10000 of {length} characters; the file has all]")));
    assert!(whole.starts_with(&text[..10_000]));
}
