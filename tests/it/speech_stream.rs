//! `text_to_audio` with streaming: the audio is written to disk while it arrives.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use minimax_mcp::sandbox::{Act, Options, Rule, Sandbox};
use serde_json::{Value, json};

use crate::harness::{Program, World, quick};
use crate::s3;

fn text() -> String {
    "The quick brown fox jumps over the lazy dog. ".repeat(67)
}

fn call() -> Value {
    json!({ "text": text(), "speed": 2, "sample_rate": 8000 })
}

/// Everything in the output folder, including partial files.
fn results(out: &Path) -> Vec<String> {
    let files = s3::results(out);
    files.iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

/// A stream of these events.
fn events(events: &[Value]) -> Act {
    let lines: Vec<_> = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let body = lines.concat();
    Act::Status {
        status: 200,
        body,
        content_type: Some("text/event-stream".into()),
        headers: BTreeMap::default(),
    }
}

const MP3: &str = "fffb9064000000000000";

fn piece() -> Value {
    json!({ "data": { "audio": MP3, "status": 1 }, "base_resp": { "status_code": 0, "status_msg": "" } })
}

fn last(audio: &str) -> Value {
    json!({
        "data": { "audio": audio, "status": 2 }, "extra_info": { "usage_characters": 3000 },
        "base_resp": { "status_code": 0, "status_msg": "success" },
    })
}

fn refusal(code: i64) -> Value {
    json!({ "data": null, "base_resp": { "status_code": code, "status_msg": "no" } })
}

#[tokio::test]
async fn a_text_of_more_than_three_thousand_characters_is_streamed_to_disk() {
    let world = World::new().await;
    let view = world.make("text_to_audio", call()).await;
    assert_eq!(view["status"], "succeeded", "{view}");
    let body = world.last_body();
    assert_eq!(body["stream"], true);
    assert_eq!(body["stream_options"], json!({ "exclude_aggregated_audio": true }));
    assert!(body.get("output_format").is_none());
    let file = &view["files"][0];
    assert!(file.get("url").is_none(), "there is no link to a stream");
    let size = view["usage"]["audio_size"].as_u64().unwrap();
    assert_eq!(file["bytes"], size);
    assert_eq!(s3::content(&file["path"]).len() as u64, size);
    assert_eq!(view["cost"]["actual"], view["cost"]["estimated"]);
    assert_eq!(results(&world.out()).len(), 1);
}

#[tokio::test]
async fn speech_that_cannot_be_streamed_or_should_be_a_link_is_requested_in_one_response() {
    let world = World::new().await;
    let mut wav = call();
    wav["format"] = json!("wav");
    world.make("text_to_audio", wav).await;
    assert_eq!(world.last_body()["stream"], false);
    let world = World::with(quick(), &[("MINIMAX_API_RESOURCE_MODE", "url")]).await;
    let view = world.make("text_to_audio", call()).await;
    assert_eq!(world.last_body()["output_format"], "url");
    assert!(view["files"][0]["url"].is_string());
}

#[tokio::test]
async fn a_broken_stream_leaves_an_unknown_job_and_a_file_that_is_named_incomplete() {
    let world = World::new().await;
    world.sandbox.script(vec![Rule::once("/v1/t2a_v2", Act::Truncate { bytes: 50_000 })]);
    let refusal = world.refusal("text_to_audio", call()).await;
    assert!(refusal.contains("unknown") && refusal.contains("are kept in a file"), "{refusal}");
    let left = results(&world.out());
    assert!(left.len() == 1 && left[0].ends_with("-incomplete.mp3"), "{left:?}");
    assert_eq!(world.bought(), 1, "and it is not bought again");
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_stream_reports_the_partial_audio_and_that_it_may_be_billed() {
    let world = World::new().await;
    world.sandbox.script(vec![Rule::once("/v1/t2a_v2", events(&[piece(), piece(), refusal(1027)]))]);
    let said = world.refusal("text_to_audio", call()).await;
    for part in ["failed", "1027", "20 bytes", "may be billed"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(results(&world.out()).is_empty());
    assert_eq!(world.sandbox.requests().len(), 1);
}

#[tokio::test]
async fn a_refusal_before_the_first_sound_is_a_refusal_like_any_other() {
    let world = World::new().await;
    world.sandbox.script(vec![
        Rule::once("/v1/t2a_v2", events(&[refusal(1002)])),
        Rule::once("/v1/t2a_v2", Act::Refuse { code: 1002, message: None, retry_after: Some(0) }),
    ]);
    let view = world.make("text_to_audio", call()).await;
    assert_eq!(view["status"], "succeeded", "rate limits are waited out: {view}");
    world.sandbox.script(vec![Rule::once("/v1/t2a_v2", events(&[refusal(1008)]))]);
    let said = world.refusal("text_to_audio", call()).await;
    assert!(said.contains("1008") && !said.contains("billed"), "{said}");
}

#[tokio::test]
async fn audio_that_is_repeated_at_the_end_is_saved_once() {
    let world = World::new().await;
    let whole = format!("{MP3}{MP3}");
    for (script, bytes) in [
        (events(&[piece(), piece(), last(&whole)]), 20),
        (events(&[piece(), last("")]), 10),
        (events(&[last(MP3)]), 10),
        (Act::Raw { body: last(MP3).to_string() }, 10),
    ] {
        world.sandbox.script(vec![Rule::once("/v1/t2a_v2", script)]);
        let view = world.make("text_to_audio", call()).await;
        assert_eq!(view["files"][0]["bytes"], bytes, "{view}");
    }
}

#[tokio::test]
async fn a_stream_without_its_last_event_is_not_a_result() {
    let world = World::new().await;
    world.sandbox.script(vec![Rule::once("/v1/t2a_v2", events(&[piece()]))]);
    let said = world.refusal("text_to_audio", call()).await;
    assert!(said.contains("unknown") && said.contains("before the sound did"), "{said}");
    assert!(results(&world.out()).is_empty());
}

/// Kills the real program with SIGKILL while the audio is being streamed.
#[tokio::test]
async fn a_server_killed_during_a_stream_leaves_an_unknown_job_and_no_final_file() {
    if crate::s3::leaves_out("the folder for results") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(Options { pace: quick(), ..Options::default() }).await.unwrap();
    sandbox.script(vec![Rule::once("/v1/t2a_v2", Act::Drip { bytes_per_second: 20_000 })]);
    let (url, path) = (sandbox.url(), dir.path().to_owned());
    let end = tokio::task::spawn_blocking(move || {
        let mut program = Program::at(&url, &path);
        program.initialize("2025-06-18");
        let mut arguments = call();
        arguments["wait_seconds"] = json!(0);
        let first = program.call("text_to_audio", arguments);
        let half = || results(&path.join("out")).iter().any(|name| name.contains(".part"));
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while !half() {
            assert!(std::time::Instant::now() < end, "nothing was written");
            std::thread::sleep(Duration::from_millis(20));
        }
        program.kill();
        let finals: Vec<_> =
            results(&path.join("out")).into_iter().filter(|name| !name.contains(".part")).collect();
        assert!(finals.is_empty(), "{finals:?}");
        let mut program = Program::at(&url, &path);
        program.initialize("2025-06-18");
        let job = first["structuredContent"]["job_id"].clone();
        program.call("get_job", json!({ "job_id": job, "wait_seconds": 60 }))
    })
    .await
    .unwrap();
    assert_eq!(end["structuredContent"]["status"], "unknown", "{end}");
    assert_eq!(sandbox.paid().len(), 1);
    sandbox.stop().await;
}
