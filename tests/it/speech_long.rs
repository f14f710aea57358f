//! `text_to_audio` for long texts: the task, its archive, and the files in it.

use std::fs;
use std::path::PathBuf;

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::{Value, json};

use crate::harness::{World, quick};
use crate::s3;

fn long() -> String {
    "The quick brown fox jumps over the lazy dog. ".repeat(230)
}

/// Writes a text file in a readable folder.
fn input(world: &World, name: &str, bytes: &[u8]) -> PathBuf {
    fs::create_dir_all(world.out()).unwrap();
    let path = world.out().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// The files in the output folder, including partial ones.
fn results(world: &World) -> Vec<String> {
    let files = s3::results(&world.out());
    let mut names: Vec<_> =
        files.iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_text_of_more_than_ten_thousand_characters_is_a_task_and_its_result_is_a_sound() {
    let world = World::new().await;
    let view = world.make("text_to_audio", json!({ "text": long() })).await;
    assert_eq!(view["status"], "succeeded", "{view}");
    assert!(view["task_id"].is_string());
    let files = view["files"].as_array().unwrap();
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(files[0]["mime_type"], "audio/mpeg");
    assert!(files[0]["uri"].as_str().unwrap().ends_with("/speech.mp3"));
    assert!(files[0]["duration_ms"].as_u64().unwrap() > 1000);
    assert!(files[0].get("url").is_none(), "the archive's link is not the sound's");
    assert_eq!(view["usage"]["usage_characters"], 10_350);
    assert!(view["usage"]["audio_length"].is_u64(), "from the archive: {}", view["usage"]);
    assert_eq!(view["cost"]["actual"], 1.035);
    let path = files[0]["path"].as_str().unwrap();
    assert_eq!(results(&world), [PathBuf::from(path).file_name().unwrap().to_str().unwrap()]);
    assert_eq!(world.sandbox.paid().len(), 1);
}

#[tokio::test]
async fn the_request_has_the_documented_body() {
    let world = World::new().await;
    world.make("text_to_audio", json!({ "text": long(), "voice_id": "narrator" })).await;
    assert_eq!(
        world.last_body(),
        json!({
            "model": "speech-2.8-hd", "text": long(), "voice_setting": { "voice_id": "narrator" },
            "audio_setting": { "audio_sample_rate": 32000, "bitrate": 128_000, "format": "mp3", "channel": 1 },
        })
    );
    let arguments = json!({
        "text": long(), "model": "speech-2.6-turbo", "speed": 1.5, "vol": 2, "pitch": -3, "emotion": "fluent",
        "language_boost": "English", "format": "wav", "sample_rate": 8000, "channel": 2,
        "pronunciation": ["omg/oh my god"], "text_normalization": true, "voice_modify_pitch": 10,
        "voice_modify_intensity": -10, "voice_modify_timbre": 5, "sound_effects": "robotic", "watermark": true,
    });
    world.make("text_to_audio", arguments).await;
    assert_eq!(
        world.last_body(),
        json!({
            "model": "speech-2.6-turbo", "text": long(),
            "voice_setting": {
                "voice_id": "English_expressive_narrator", "speed": 1.5, "vol": 2.0, "pitch": -3, "emotion": "fluent",
                "english_normalization": true,
            },
            "audio_setting": { "audio_sample_rate": 8000, "format": "wav", "channel": 2 },
            "pronunciation_dict": { "tone": ["omg/oh my god"] }, "language_boost": "English",
            "voice_modify": { "pitch": 10, "intensity": -10, "timbre": 5, "sound_effects": "robotic" },
            "aigc_watermark": true,
        })
    );
}

#[tokio::test]
async fn every_format_comes_out_of_the_archive_and_opus_has_its_own_rate() {
    let world = World::new().await;
    for (format, ending) in
        [("flac", "flac"), ("pcm", "pcm"), ("pcmu_raw", "ulaw"), ("pcmu_wav", "wav"), ("opus", "opus")]
    {
        let view = world.make("text_to_audio", json!({ "text": long(), "format": format })).await;
        let path = view["files"][0]["path"].as_str().unwrap();
        assert!(path.ends_with(&format!(".{ending}")), "{format}: {view}");
        let rate = if format == "opus" { 24_000 } else { 32_000 };
        assert_eq!(world.last_body()["audio_setting"]["audio_sample_rate"], rate, "{format}");
    }
}

#[tokio::test]
async fn a_text_file_is_counted_uploaded_and_sent_by_its_id() {
    let world = World::new().await;
    let path = input(&world, "book.txt", "Er war einmal. 你好。".as_bytes());
    let arguments = json!({ "text_file": path, "subtitles": "vtt" });
    let dry = with(&arguments, json!({ "dry_run": true }));
    let priced = world.make("text_to_audio", dry).await;
    assert_eq!(priced["cost"]["estimated"], 0.002);
    assert_eq!(world.sandbox.requests().len(), 0, "a dry run sends nothing");
    let view = world.make("text_to_audio", arguments).await;
    assert_eq!(view["status"], "succeeded", "{view}");
    let upload = world.sandbox.requests().into_iter().find(|seen| seen.path == "/v1/files/upload").unwrap();
    assert_eq!(
        upload.body,
        json!({ "purpose": "t2a_async_input", "file": { "filename": "text.txt", "bytes": 24 } })
    );
    let body = world.last_body();
    assert!(body["text_file_id"].is_i64() && body.get("text").is_none(), "{body}");
    assert_eq!(view["files"].as_array().unwrap().len(), 2);
    let lines = String::from_utf8(s3::content(&view["files"][1]["path"])).unwrap();
    assert!(lines.starts_with("WEBVTT\n\n1\n00:00:00.000 --> "), "{lines}");
    assert!(lines.contains("你好。"));
}

#[tokio::test]
async fn the_same_key_and_file_are_one_order_though_each_upload_has_its_own_number() {
    let world = World::new().await;
    let path = input(&world, "book.txt", b"Once upon a time.");
    let arguments = json!({ "text_file": path, "idempotency_key": "k" });
    let first = world.make("text_to_audio", arguments.clone()).await;
    let second = world.make("text_to_audio", arguments).await;
    assert_eq!(first["job_id"], second["job_id"]);
    assert_eq!(world.bought(), 1);
    assert!(!second["warnings"].to_string().contains("other arguments"), "{second}");
}

#[tokio::test]
async fn an_archive_of_texts_is_sent_unchanged_and_has_no_known_price() {
    let world = World::new().await;
    let path = input(&world, "book.zip", &crate::uploads::zip(&["one.txt", "two.txt"]));
    let view = world.make("text_to_audio", json!({ "text_file": path })).await;
    assert_eq!(view["status"], "succeeded", "{view}");
    assert!(view["cost"].get("estimated").is_none());
    assert!(view["cost"]["actual"].is_number());
}

#[tokio::test]
async fn a_wrong_file_costs_nothing_and_says_what_would_be_right() {
    let world = World::new().await;
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("latin.txt", [&[b'a'; 5000][..], b"caf\xe9"].concat(), "byte 5003"),
        ("huge.txt", vec![b'x'; 1_000_000], "1 to 999999"),
        ("picture.txt", b"\x89PNG\r\n\x1a\n____".to_vec(), "text or ZIP"),
        ("blank.txt", b" \n ".to_vec(), "1 to 999999"),
    ];
    for (name, bytes, part) in cases {
        let path = input(&world, name, &bytes);
        let refusal = world.refusal("text_to_audio", json!({ "text_file": path })).await;
        assert!(refusal.contains("`text_file`") && refusal.contains(part), "{name}: {refusal}");
    }
    for (given, part) in [("book.txt", "absolute path"), ("/etc/passwd", "outside the folders")] {
        let refusal = world.refusal("text_to_audio", json!({ "text_file": given })).await;
        assert!(refusal.contains(part), "{given}: {refusal}");
    }
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[tokio::test]
async fn a_task_that_fails_or_expires_is_a_failed_job() {
    let world = World::new().await;
    for (word, said) in [("#failtask", "failed"), ("#expiretask", "expired")] {
        let refusal = world.refusal("text_to_audio", json!({ "text": format!("{word} {}", long()) })).await;
        assert!(refusal.contains(said), "{word}: {refusal}");
    }
}

/// An expired link to the archive and then a connection error must not lose the paid result.
#[tokio::test]
async fn an_archive_that_does_not_arrive_at_first_is_fetched_again() {
    let world = World::new().await;
    let gone = Act::Status {
        status: 403,
        body: String::new(),
        content_type: None,
        headers: std::collections::BTreeMap::default(),
    };
    world.sandbox.script(vec![Rule::once("/cdn/", gone), Rule::once("/cdn/", Act::Truncate { bytes: 2000 })]);
    let view = world.make("text_to_audio", json!({ "text": long() })).await;
    assert_eq!(view["status"], "succeeded", "{view}");
    assert_eq!(results(&world).len(), 1, "nothing half-written is left");
    assert_eq!(world.bought(), 1);
}

#[tokio::test]
async fn an_archive_without_the_sound_stays_reachable_by_its_link() {
    let world = World::new().await;
    world.sandbox.script(vec![Rule::always("/cdn/", Act::Raw { body: "[]".into() })]);
    let view = world.make("text_to_audio", json!({ "text": long() })).await;
    assert!(view["files"][0]["url"].as_str().unwrap().contains(".tar"), "{view}");
    assert!(view["warnings"].to_string().contains("the archive"), "{view}");
    world.sandbox.script(Vec::new());
    let again = world.make("get_job", json!({ "job_id": view["job_id"] })).await;
    assert_eq!(again["files"][0]["mime_type"], "audio/mpeg", "{again}");
}

#[tokio::test]
async fn in_url_mode_the_link_of_the_archive_is_the_result() {
    let world = World::with(quick(), &[("MINIMAX_API_RESOURCE_MODE", "url")]).await;
    let view = world.make("text_to_audio", json!({ "text": long() })).await;
    let file = &view["files"][0];
    assert_eq!(file["mime_type"], "application/x-tar");
    assert!(file.get("path").is_none() && file["url"].is_string());
    assert!(view["warnings"].to_string().contains("tar"), "{view}");
}

#[tokio::test]
async fn many_tasks_do_not_ask_more_than_ten_times_a_second() {
    let world = World::new().await;
    let calls =
        (0..6).map(|number| world.make("text_to_audio", json!({ "text": format!("{number} {}", long()) })));
    for view in futures_util::future::join_all(calls).await {
        assert_eq!(view["status"], "succeeded", "{view}");
    }
    let refused = world.sandbox.requests().into_iter().filter(|seen| seen.code == Some(1002)).count();
    assert_eq!(refused, 0);
}

fn with(base: &Value, fields: Value) -> Value {
    let mut body = base.clone();
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}
