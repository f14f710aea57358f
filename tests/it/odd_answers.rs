//! Answers of MiniMax with one odd value. A paid result is kept, and an error is never mistaken for a success.

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::{Value, json};

use crate::harness::World;
use crate::s3;
use crate::voice::recording;

fn answers(world: &World, path: &str, body: &str) {
    world.sandbox.script(vec![Rule::once(path, Act::Raw { body: body.to_owned() })]);
}

fn with(mut arguments: Value, name: &str, value: &str) -> Value {
    arguments[name] = json!(value);
    arguments
}

const ODD: [&str; 9] = ["NaN", "-Infinity", "1e400", r#""\ud83d""#, "7", "-1.5", "true", "[1]", r#"{"a":1}"#];

#[tokio::test]
async fn an_odd_value_beside_the_result_does_not_lose_what_was_paid_for() {
    let world = World::new().await;
    let file = recording(&world, "me.wav", 12);
    let ok = r#""base_resp":{"status_code":0}"#;
    let sound = "49443304".repeat(200);
    for (index, odd) in ODD.into_iter().enumerate() {
        let clone = json!({ "voice_id": format!("MyVoice00{index}"), "file": file, "text": "Hello." });
        for (tool, arguments, path, body) in [
            (
                "voice_clone",
                clone,
                "/v1/voice_clone",
                format!(r#"{{"demo_audio":{odd},"extra_info":{odd},{ok}}}"#),
            ),
            (
                "voice_design",
                json!({ "prompt": "A voice", "preview_text": "Hello" }),
                "/v1/voice_design",
                format!(r#"{{"voice_id":"ttv-{index}","trial_audio":{odd},"trace_id":{odd},{ok}}}"#),
            ),
            (
                "text_to_audio",
                json!({ "text": "Hello", "format": "pcm" }),
                "/v1/t2a_v2",
                format!(
                    r#"{{"data":{{"audio":"{sound}","subtitle_file":{odd}}},"extra_info":{odd},"trace_id":{odd},{ok}}}"#
                ),
            ),
            (
                "music_generation",
                json!({ "prompt": "Folk", "lyrics": "[Verse]\nla la la", "format": "pcm" }),
                "/v1/music_generation",
                format!(r#"{{"data":{{"audio":"{sound}"}},"extra_info":{odd},"trace_id":{odd},{ok}}}"#),
            ),
        ] {
            let arguments = with(arguments, "idempotency_key", &format!("{tool} {index}"));
            answers(&world, path, &body);
            let view = world.make(tool, arguments).await;
            assert_eq!(view["status"], "succeeded", "{tool} {odd}: {view}");
        }
        let long = json!({ "text": "Hello. ".repeat(1500), "wait_seconds": 0 });
        answers(
            &world,
            "/v1/t2a_async_v2",
            &format!(r#"{{"task_id":"10{index}","usage_characters":{odd},{ok}}}"#),
        );
        let view = world.make("text_to_audio", long).await;
        assert_eq!(view["task_id"], format!("10{index}"), "{odd}: {view}");
        answers(
            &world,
            "/v1/coding_plan/search",
            &format!(
                r#"{{"organic":[{{"title":{odd},"link":"https://a.example/b","date":{odd}}}],"related_searches":{odd},{ok}}}"#
            ),
        );
        let found = world.make("web_search", json!({ "query": "fox" })).await;
        assert!(found.to_string().contains("https://a.example/b"), "{odd}: {found}");
        answers(
            &world,
            "/v1/lyrics_generation",
            &format!(r#"{{"song_title":{odd},"style_tags":{odd},"lyrics":"[Verse] la",{ok}}}"#),
        );
        let written = world.make("generate_lyrics", json!({ "prompt": "Rain" })).await;
        assert!(written.to_string().contains("[Verse] la"), "{odd}: {written}");
    }
}

#[tokio::test]
async fn an_error_with_an_odd_value_is_still_an_error() {
    let world = World::new().await;
    let clone = json!({ "voice_id": "MyVoice001", "file": recording(&world, "me.wav", 12) });
    answers(&world, "/v1/voice_clone", r#"{"base_resp":{"status_code":2038,"status_msg":"cut \ud83d"}}"#);
    let refusal = world.refusal("voice_clone", clone.clone()).await;
    assert!(refusal.contains("2038"), "{refusal}");
    // An answer without any field of the documentation says nothing about a voice.
    answers(&world, "/v1/voice_clone", "{}");
    let result = world.call("voice_clone", clone).await;
    assert_eq!(result.structured_content.unwrap()["status"], "unknown");
}

#[tokio::test]
async fn damaged_audio_is_kept_up_to_the_damage_and_called_incomplete() {
    let world = World::new().await;
    let sound = "49443304".repeat(5000);
    for (damage, status, bytes) in
        [("\\n", "succeeded", 20_000), ("4", "partial", 20_000), ("zz49", "partial", 20_000)]
    {
        let body =
            format!(r#"{{"data":{{"audio":"{sound}{damage}","status":2}},"base_resp":{{"status_code":0}}}}"#);
        answers(&world, "/v1/t2a_v2", &body);
        let order =
            json!({ "text": "Hello", "format": "pcm", "idempotency_key": format!("damage {damage}") });
        let view = world.make("text_to_audio", order).await;
        assert_eq!(view["status"], status, "{damage:?}: {view}");
        assert_eq!(s3::content(&view["files"][0]["path"]).len(), bytes);
        assert_eq!(view["warnings"].to_string().contains("damaged"), status == "partial", "{view}");
    }
}

#[tokio::test]
async fn a_transcript_in_another_format_than_the_requested_one_is_kept() {
    let world = World::new().await;
    let file = recording(&world, "me.wav", 12);
    let srt = "1\n00:00:00,100 --> 00:00:01,660\nHello\n";
    for (format, body, ending, text) in [
        ("vtt", srt, ".srt", "Hello"),
        ("srt", "WEBVTT\n\n00:00:00.100 --> 00:00:01.660\nHello", ".vtt", "Hello"),
        ("vtt", r#"{"text":"Hello","duration":1.6}"#, ".txt", "Hello"),
        ("text", srt, ".srt", "Hello"),
    ] {
        answers(&world, "/v1/speech_to_text", body);
        let view = world.make("speech_to_text", json!({ "file": file, "format": format })).await;
        assert_eq!(view["status"], "succeeded", "{format} {body}");
        assert!(view["text"].as_str().unwrap().contains(text), "{view}");
        assert!(view["files"][0]["path"].as_str().unwrap().ends_with(ending), "{view}");
        assert!(view["warnings"].to_string().contains("was requested"), "{view}");
    }
}

#[tokio::test]
async fn one_link_without_a_list_is_an_image() {
    let world = World::new().await;
    let made = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    let link = &made["files"][0]["url"];
    answers(
        &world,
        "/v1/image_generation",
        &json!({ "data": { "image_urls": link }, "base_resp": { "status_code": 0 } }).to_string(),
    );
    let view = world.make("text_to_image", json!({ "prompt": "Another fox" })).await;
    assert_eq!(view["status"], "succeeded", "{view}");
}

#[tokio::test]
async fn a_cancelled_task_has_ended_in_either_spelling() {
    for word in ["cancelled", "Canceled"] {
        let world = World::new().await;
        let body = json!({ "task": { "id": "1", "status": word, "error": "a text", "content": null } });
        let act = Act::Raw { body: body.to_string() };
        world.sandbox.script(vec![Rule::once("/v2/query/video_generation/", act)]);
        let result = world.call("generate_video", json!({ "prompt": "A fox", "model": "MiniMax-H3" })).await;
        assert_eq!(result.structured_content.unwrap()["status"], "cancelled", "{word}");
    }
}

#[tokio::test]
async fn a_required_id_that_shows_nothing_is_missing() {
    let world = World::new().await;
    for (tool, name) in [("delete_voice", "voice_id"), ("cancel_job", "job_id"), ("delete_file", "file_id")] {
        for blank in [json!(""), json!(" \n"), json!("\u{200b}"), Value::Null] {
            let refusal = world.refusal(tool, json!({ name: blank })).await;
            assert!(refusal.starts_with(&format!("`{name}` is missing")), "{tool} {blank}: {refusal}");
        }
    }
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[tokio::test]
async fn a_number_that_is_nearly_allowed_is_refused_and_never_replaced() {
    let world = World::new().await;
    for (name, value) in [("sample_rate", 8001), ("sample_rate", 44_099), ("bitrate", 128_001)] {
        let refusal = world.refusal("text_to_audio", json!({ "text": "Hello", name: value })).await;
        assert!(refusal.contains(&format!("`{name}` is {value}")), "{refusal}");
    }
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[tokio::test]
async fn a_name_in_the_first_line_is_plain() {
    let world = World::new().await;
    let order = json!({ "prompt": "Hello", "model": "a\u{202e}b\u{1b}[31m\nc" });
    let result = world.call("count_tokens", order).await;
    let text = crate::harness::text(&result);
    assert!(!text.contains(['\u{202e}', '\u{1b}']), "{text:?}");
}
