//! Music, covers and lyrics.

use serde_json::{Value, json};

use super::voice::wav;
use super::{World, data_url, with};

fn song() -> Value {
    json!({"model": "music-3.0", "prompt": "folk", "lyrics": "[verse]\nStreetlights glow, the night wind sighs"})
}

#[tokio::test]
async fn a_song_comes_as_hex_or_as_a_link_to_a_real_sound() {
    let world = World::new().await;
    let (_, answer) = world.post("/v1/music_generation", song()).await;
    let bytes = data_encoding::HEXLOWER.decode(answer["data"]["audio"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(answer["extra_info"]["music_size"], bytes.len());
    assert_eq!((&answer["data"]["status"], &answer["analysis_info"]), (&json!(2), &Value::Null));
    let setting = json!({"format": "wav", "sample_rate": 16000});
    let body = with(&song(), json!({"output_format": "url", "audio_setting": setting}));
    let (_, answer) = world.post("/v1/music_generation", body).await;
    let bytes = world.bytes(&answer["data"]["audio"]).await;
    assert_eq!(&bytes[..4], b"RIFF");
    assert_eq!(answer["extra_info"]["music_sample_rate"], 16000);
    let stream =
        world.try_post("/v1/music_generation", &with(&song(), json!({"stream": true}))).await.unwrap();
    let text = stream.text().await.unwrap();
    assert!(
        text.starts_with("data: ") && text.contains("\"status\":1") && text.contains("\"music_duration\"")
    );
}

#[tokio::test]
async fn a_wrong_music_request_is_refused() {
    let world = World::new().await;
    let cover = json!({"model": "music-cover", "prompt": "jazz with a warm bass", "lyrics": null});
    let cover = |fields: Value| {
        let mut body = with(&cover, fields);
        body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        body
    };
    let link = "https://example.com/a.mp3";
    let short = data_encoding::BASE64.encode(&wav(2));
    for (body, named) in [
        (with(&song(), json!({"model": "music-9"})), "model"),
        (with(&song(), json!({"duration": 60})), "unknown field duration"),
        (with(&song(), json!({"lyrics": ""})), "lyrics are required"),
        (with(&song(), json!({"lyrics": "x".repeat(3501)})), "lyrics"),
        (with(&song(), json!({"audio_setting": {"sample_rate": 48000}})), "audio_setting.sample_rate"),
        (with(&song(), json!({"audio_url": link})), "only for music-cover"),
        (with(&song(), json!({"model": "music-2.5", "is_instrumental": true})), "is_instrumental"),
        (json!({"model": "music-3.0", "is_instrumental": true}), "prompt is required"),
        (with(&song(), json!({"stream": true, "output_format": "url"})), "streamed"),
        (with(&song(), json!({"model": "music-3.0-free"})), "no longer available"),
        (cover(json!({})), "exactly one of"),
        (cover(json!({"audio_url": link, "audio_base64": "AAAA"})), "exactly one of"),
        (cover(json!({"audio_url": link, "prompt": "jazz"})), "prompt must have 10 to 300"),
        (cover(json!({"audio_url": link, "lyrics": "la"})), "lyrics must have 10 to 1000"),
        (cover(json!({"cover_feature_id": "x"})), "lyrics are required"),
        (cover(json!({"cover_feature_id": "x", "lyrics": "la la la la la"})), "not known"),
        (cover(json!({"audio_base64": data_url("audio/wav", &wav(8))})), "base64"),
        (cover(json!({"audio_base64": short})), "2.0 s long"),
    ] {
        world.refuses("/v1/music_generation", body, named).await;
    }
    let (_, closed) = world.post("/v1/music_generation", with(&song(), json!({"prompt": "#closed"}))).await;
    assert_eq!(closed["base_resp"]["status_code"], 2061);
    assert!(world.sandbox.paid().is_empty());
}

#[tokio::test]
async fn the_same_sound_is_the_same_feature_and_makes_a_cover() {
    let world = World::new().await;
    let sound = data_encoding::BASE64.encode(&wav(8));
    let body = json!({"model": "music-cover", "audio_base64": sound});
    let (_, first) = world.post("/v1/music_cover_preprocess", body.clone()).await;
    let (_, second) = world.post("/v1/music_cover_preprocess", body.clone()).await;
    assert_eq!(first["cover_feature_id"], second["cover_feature_id"]);
    assert_eq!(first["audio_duration"], 8.0);
    let structure: Value = serde_json::from_str(first["structure_result"].as_str().unwrap()).unwrap();
    assert_eq!(structure["segments"][0]["end"], 8.0);
    assert!(world.sandbox.paid().is_empty(), "a preprocess is free");
    let cover = json!({
        "model": "music-cover", "prompt": "jazz with a warm bass", "lyrics": "la la la la la",
        "cover_feature_id": first["cover_feature_id"],
    });
    let (_, answer) = world.post("/v1/music_generation", cover).await;
    assert_eq!(answer["base_resp"]["status_code"], 0, "{answer}");
    let bad = with(&body, json!({"audio_url": "https://example.com/a.mp3"}));
    let (_, answer) = world.post("/v1/music_cover_preprocess", bad).await;
    assert_eq!(answer["base_resp"]["status_code"], 2013);
}

#[tokio::test]
async fn lyrics_are_written_edited_and_refused() {
    let world = World::new().await;
    for (body, named) in [
        (json!({"prompt": "rain"}), "mode is required"),
        (json!({"mode": "sing", "prompt": "rain"}), "mode"),
        (json!({"mode": "edit", "prompt": "rain"}), "lyrics are required"),
        (json!({"mode": "write_full_song", "prompt": "x".repeat(2001)}), "prompt"),
        (json!({"mode": "write_full_song", "model": "x"}), "unknown field model"),
    ] {
        world.refuses("/v1/lyrics_generation", body, named).await;
    }
    let (_, written) =
        world.post("/v1/lyrics_generation", json!({"mode": "write_full_song", "title": "Grey"})).await;
    assert_eq!(written["song_title"], "Grey");
    let edit = json!({"mode": "edit", "lyrics": "[Verse]\nla", "prompt": "longer"});
    let (_, edited) = world.post("/v1/lyrics_generation", edit).await;
    assert!(edited["lyrics"].as_str().unwrap().starts_with("[Verse]\nla\n"));
    assert_eq!(world.sandbox.paid().len(), 2);
}
