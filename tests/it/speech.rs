//! `text_to_audio`, from the call to the file.

use serde_json::json;

use crate::harness::World;
use crate::s3;

#[tokio::test]
async fn a_sentence_is_a_file_of_the_length_that_minimax_reports() {
    let world = World::new().await;
    let view =
        world.make("text_to_audio", json!({ "text": "The quick brown fox jumps over the lazy dog." })).await;
    assert_eq!(view["status"], "succeeded");
    let file = &view["files"][0];
    assert_eq!(file["mime_type"], "audio/mpeg");
    let (seen, told) =
        (file["duration_ms"].as_f64().unwrap(), view["usage"]["audio_length"].as_f64().unwrap());
    assert!((seen - told).abs() < 100.0, "{seen} and {told}");
    assert_eq!(view["cost"]["actual"], view["cost"]["estimated"]);
    assert!(s3::content(&file["path"]).len() > 1000);
}

#[tokio::test]
async fn the_request_has_the_documented_body() {
    let world = World::new().await;
    world.make("text_to_audio", json!({ "text": "Hello", "voice": "English_expressive_narrator" })).await;
    assert_eq!(
        world.last_body(),
        json!({
            "model": "speech-2.8-hd", "text": "Hello", "stream": false,
            "voice_setting": { "voice_id": "English_expressive_narrator" },
            "audio_setting": { "sample_rate": 32000, "bitrate": 128_000, "format": "mp3", "channel": 1 },
            "output_format": "url",
        })
    );
    let arguments = json!({
        "text": "Hello", "model": "speech-2.6-turbo", "speed": 1.5, "volume": 2, "pitch": -3, "emotion": "whisper",
        "language_boost": "English", "audio_format": "wav", "sample_rate": 44100, "channel": 2,
        "voice_mix": [{ "voice_id": "a", "weight": 60 }, { "voice_id": "b", "weight": 40 }],
        "pronunciation": ["omg/oh my god"], "text_normalization": true, "voice_modify_pitch": 10,
        "voice_modify_intensity": -10, "voice_modify_timbre": 5, "sound_effects": "robotic", "watermark": true,
    });
    world.make("text_to_audio", arguments).await;
    assert_eq!(
        world.last_body(),
        json!({
            "model": "speech-2.6-turbo", "text": "Hello", "stream": false,
            "voice_setting": {
                "voice_id": "", "speed": 1.5, "vol": 2.0, "pitch": -3, "emotion": "whisper", "text_normalization": true
            },
            "audio_setting": { "sample_rate": 44100, "format": "wav", "channel": 2 },
            "pronunciation_dict": { "tone": ["omg/oh my god"] },
            "timbre_weights": [{ "voice_id": "a", "weight": 60 }, { "voice_id": "b", "weight": 40 }],
            "language_boost": "English",
            "voice_modify": { "pitch": 10, "intensity": -10, "timbre": 5, "sound_effects": "robotic" },
            "output_format": "url", "aigc_watermark": true,
        })
    );
}

#[tokio::test]
async fn every_format_arrives_under_its_own_ending() {
    let world = World::new().await;
    for (format, ending, mime) in [
        ("mp3", "mp3", "audio/mpeg"),
        ("wav", "wav", "audio/wav"),
        ("flac", "flac", "audio/flac"),
        ("pcm", "pcm", ""),
        ("pcmu_raw", "ulaw", ""),
        ("pcmu_wav", "wav", "audio/wav"),
        ("opus", "opus", "audio/ogg"),
    ] {
        let rate = if format == "opus" { 16000 } else { 32000 };
        let view = world
            .make("text_to_audio", json!({ "text": "Hello", "format": format, "sample_rate": rate }))
            .await;
        let file = &view["files"][0];
        assert!(file["path"].as_str().unwrap().ends_with(&format!(".{ending}")), "{format}: {file}");
        if !mime.is_empty() {
            assert_eq!(file["mime_type"], mime, "{format}");
        }
    }
}

#[tokio::test]
async fn audio_that_arrives_as_hex_is_saved_too() {
    let world = World::new().await;
    let body = json!({
        "data": { "audio": "49443304000000000000fffb90640000", "status": 2 },
        "extra_info": { "audio_length": 10, "usage_characters": 5 },
        "base_resp": { "status_code": 0, "status_msg": "success" },
    });
    let act = minimax_mcp::sandbox::Act::Raw { body: body.to_string() };
    world.sandbox.script(vec![minimax_mcp::sandbox::Rule::once("/v1/t2a_v2", act)]);
    let view = world.make("text_to_audio", json!({ "text": "Hello" })).await;
    assert_eq!(view["status"], "succeeded", "{view}");
    assert_eq!(s3::content(&view["files"][0]["path"]).len(), 16);
}

#[tokio::test]
async fn bad_arguments_cost_nothing_and_the_error_names_the_allowed_values() {
    let world = World::new().await;
    for (arguments, parts) in [
        (json!({ "text": "x".repeat(50_001) }), ["`text`", "50000"]),
        (json!({ "text": "x", "speed": 3 }), ["`speed` is 3", "0.5 to 2"]),
        (json!({ "text": "x", "vol": 0 }), ["`vol` is 0", "at most 10"]),
        (json!({ "text": "x", "pitch": 13 }), ["`pitch` is 13", "-12 to 12"]),
        (json!({ "text": "x", "emotion": "neutral" }), ["`emotion`", "happy, sad"]),
        (
            json!({ "text": "x", "emotion": "fluent", "model": "speech-2.8-hd" }),
            ["`emotion` is fluent", "speech-2.8-hd takes"],
        ),
        (json!({ "text": "x", "sample_rate": 48000 }), ["`sample_rate` is 48000", "44100"]),
        (json!({ "text": "x", "format": "aac" }), ["`format`", "pcmu_wav"]),
        (
            json!({ "text": "x", "voice_mix": [{ "voice_id": "a", "weight": 0 }] }),
            ["`voice_mix[0].weight` is 0", "1 to 100"],
        ),
    ] {
        let refusal = world.refusal("text_to_audio", arguments.clone()).await;
        assert!(parts.iter().all(|part| refusal.contains(part)), "{arguments}: {refusal}");
    }
    assert_eq!(world.sandbox.requests().len(), 0);
}
