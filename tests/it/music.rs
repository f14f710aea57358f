//! `music_generation` and `generate_lyrics`.

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::{Value, json};

use crate::harness::{World, text};
use crate::s3;

const SONG: &str = "https://example.com/song.mp3";
const LYRICS: &str =
    "[Verse]\nStreetlights glow, the night wind sighs\n[Chorus]\nPush the door, the coffee is warm";

/// A file with about ten seconds of audio.
async fn sound(world: &World) -> Value {
    let spoken = "The quick brown fox jumps over the lazy dog. ".repeat(4);
    world.make("text_to_audio", json!({ "text": spoken })).await["files"][0]["uri"].clone()
}

#[tokio::test]
async fn a_song_is_a_file_of_the_length_that_minimax_reports() {
    let world = World::new().await;
    let view = world.make("music_generation", json!({ "prompt": "Indie folk", "lyrics": LYRICS })).await;
    assert_eq!((&view["status"], &view["kind"]), (&json!("succeeded"), &json!("music")));
    assert_eq!(view["model"], "music-3.0");
    let file = &view["files"][0];
    assert_eq!(file["mime_type"], "audio/mpeg");
    let (seen, told) =
        (file["duration_ms"].as_f64().unwrap(), view["usage"]["music_duration"].as_f64().unwrap());
    assert!(told > 3000.0 && (seen - told).abs() < 200.0, "{seen} and {told}");
    assert_eq!((&view["cost"]["estimated"], &view["cost"]["actual"]), (&json!(0.15), &json!(0.15)));
    assert_eq!(s3::content(&file["path"]).len(), view["usage"]["music_size"]);
    assert_eq!(
        world.last_body(),
        json!({
            "model": "music-3.0", "prompt": "Indie folk", "lyrics": LYRICS, "output_format": "url",
            "audio_setting": { "sample_rate": 44100, "bitrate": 256_000, "format": "mp3" },
        })
    );
}

#[tokio::test]
async fn every_option_reaches_minimax() {
    let world = World::new().await;
    let arguments = json!({
        "prompt": "Calm piano", "model": "music-2.6", "is_instrumental": true, "format": "wav", "sample_rate": 16000,
        "watermark": true,
    });
    let view = world.make("music_generation", arguments).await;
    assert_eq!(view["files"][0]["mime_type"], "audio/wav");
    assert_eq!(
        world.last_body(),
        json!({
            "model": "music-2.6", "prompt": "Calm piano", "output_format": "url",
            "audio_setting": { "sample_rate": 16000, "format": "wav" }, "is_instrumental": true,
            "aigc_watermark": true,
        })
    );
    let arguments = json!({ "prompt": "Rain", "lyrics_optimizer": true, "format": "pcm" });
    let view = world.make("music_generation", arguments).await;
    let path = std::path::Path::new(view["files"][0]["path"].as_str().unwrap());
    assert_eq!(path.extension().unwrap(), "pcm");
    assert_eq!(world.last_body()["lyrics_optimizer"], true);
    world.make("music_generation", json!({ "lyrics": LYRICS, "bitrate": 64000 })).await;
    assert_eq!(world.last_body()["audio_setting"]["bitrate"], 64000);
}

#[tokio::test]
async fn a_cover_of_a_link_or_a_file_goes_out_in_the_field_for_it() {
    let world = World::new().await;
    let arguments = json!({ "prompt": "Jazz with a warm bass", "reference_audio": SONG });
    let view = world.make("music_generation", arguments).await;
    assert_eq!((&view["status"], &view["model"]), (&json!("succeeded"), &json!("music-cover")));
    assert_eq!(
        world.last_body(),
        json!({
            "model": "music-cover", "prompt": "Jazz with a warm bass", "output_format": "url",
            "audio_setting": { "sample_rate": 44100, "bitrate": 256_000, "format": "mp3" }, "audio_url": SONG,
        })
    );
    assert_eq!(view["cost"], json!({ "currency": "USD" }), "the price of a cover is not known");
    let file = sound(&world).await;
    let arguments = json!({ "prompt": "Jazz with a warm bass", "reference_audio": file });
    world.make("music_generation", arguments).await;
    let body = world.last_body();
    // Plain base64 and not a data URL. An MP3 frame starts with 0xfff.
    assert!(body["audio_base64"].as_str().unwrap().starts_with("//"), "{body}");
    assert!(body.get("audio_url").is_none());
}

#[tokio::test]
async fn a_cover_with_other_words_is_preprocessed_first() {
    let world = World::new().await;
    let file = sound(&world).await;
    let arguments = json!({ "prompt": "Jazz with a warm bass", "lyrics": LYRICS, "reference_audio": file });
    let view = world.make("music_generation", arguments).await;
    assert_eq!(view["status"], "succeeded");
    let sent: Vec<_> = world
        .sandbox
        .requests()
        .into_iter()
        .filter(|request| request.path.starts_with("/v1/music"))
        .collect();
    let paths: Vec<_> = sent.iter().map(|request| request.path.as_str()).collect();
    assert_eq!(paths, ["/v1/music_cover_preprocess", "/v1/music_generation"]);
    assert_eq!(sent[0].body["model"], "music-cover");
    assert!(sent[0].body["audio_base64"].is_string());
    let feature = sent[1].body["cover_feature_id"].clone();
    assert!(feature.is_string());
    assert_eq!(
        sent[1].body,
        json!({
            "model": "music-cover", "prompt": "Jazz with a warm bass", "lyrics": LYRICS, "output_format": "url",
            "audio_setting": { "sample_rate": 44100, "bitrate": 256_000, "format": "mp3" },
            "cover_feature_id": feature,
        })
    );
}

#[tokio::test]
async fn a_preprocess_that_fails_leaves_nothing_bought_and_nothing_unknown() {
    let world = World::new().await;
    world
        .sandbox
        .script(vec![Rule { times: Some(9), ..Rule::once("/v1/music_cover_preprocess", Act::ResetAfter) }]);
    let arguments = json!({ "prompt": "Jazz with a warm bass", "lyrics": LYRICS, "reference_audio": SONG });
    let result = world.call("music_generation", arguments).await;
    let view = result.structured_content.clone().unwrap();
    assert_eq!((&view["status"], world.bought()), (&json!("failed"), 0), "{}", text(&result));
    assert_eq!(view["error"]["kind"], "wait");
}

#[tokio::test]
async fn a_request_that_no_model_supports_costs_nothing() {
    let world = World::new().await;
    let file = sound(&world).await;
    let short = world.make("text_to_audio", json!({ "text": "Hi" })).await["files"][0]["uri"].clone();
    let bought = world.sandbox.requests().len();
    let cover = "Jazz with a warm bass";
    for (arguments, parts) in [
        (json!({}), ["`lyrics` is missing", "is_instrumental: true"]),
        (json!({ "prompt": "x" }), ["`lyrics` is missing", "lyrics_optimizer: true"]),
        (json!({ "lyrics": "x".repeat(3501) }), ["`lyrics` has 3501", "1 to 3500"]),
        (json!({ "lyrics": "x", "prompt": "x".repeat(2001) }), ["`prompt` has 2001", "1 to 2000"]),
        (json!({ "is_instrumental": true }), ["`prompt` has 0", "1 to 2000"]),
        (json!({ "lyrics_optimizer": true }), ["`prompt` has 0", "1 to 2000"]),
        (json!({ "prompt": "x", "is_instrumental": true, "lyrics": "x" }), ["`lyrics`", "instrumental"]),
        (
            json!({ "prompt": "x", "lyrics_optimizer": true, "lyrics": "x" }),
            ["`lyrics_optimizer`", "leave out"],
        ),
        (
            json!({ "prompt": "x", "lyrics_optimizer": true, "is_instrumental": true }),
            ["`lyrics_optimizer`", "excludes"],
        ),
        (
            json!({ "prompt": "x", "model": "music-2.5", "is_instrumental": true }),
            ["`is_instrumental`", "music-3.0"],
        ),
        (
            json!({ "prompt": "short", "model": "music-2.0", "lyrics": LYRICS }),
            ["`prompt` has 5", "10 to 300"],
        ),
        (json!({ "model": "music-2.0", "lyrics": "x".repeat(601) }), ["`lyrics` has 601", "10 to 600"]),
        (json!({ "model": "music-cover", "prompt": cover }), ["`reference_audio` is missing", "music-3.0"]),
        (
            json!({ "model": "music-3.0", "reference_audio": SONG, "prompt": cover }),
            ["`model` is music-3.0", "music-cover"],
        ),
        (json!({ "reference_audio": SONG, "prompt": "short" }), ["`prompt` has 5", "10 to 300"]),
        (json!({ "reference_audio": SONG }), ["`prompt` has 0", "10 to 300"]),
        (
            json!({ "reference_audio": SONG, "prompt": cover, "lyrics": "short" }),
            ["`lyrics` has 5", "10 to 1000"],
        ),
        (
            json!({ "reference_audio": SONG, "prompt": cover, "is_instrumental": true }),
            ["`is_instrumental`", "music-cover"],
        ),
        (json!({ "reference_audio": short, "prompt": cover }), ["`reference_audio` is 0", "6 to 360"]),
        (json!({ "reference_audio": "mm_file://1", "prompt": cover }), ["`reference_audio`", "uploaded"]),
        (json!({ "lyrics": "x", "sample_rate": 48000 }), ["`sample_rate` is 48000", "44100"]),
        (json!({ "lyrics": "x", "bitrate": 1 }), ["`bitrate` is 1", "256000"]),
        (json!({ "lyrics": "x", "format": "flac" }), ["`format`", "mp3, wav, pcm"]),
        (json!({ "lyrics": "x", "duration": 60 }), ["`duration`", "no parameter"]),
    ] {
        let refusal = world.refusal("music_generation", arguments.clone()).await;
        assert!(parts.iter().all(|part| refusal.contains(part)), "{arguments}: {refusal}");
    }
    let dry = json!({ "reference_audio": file, "prompt": cover, "lyrics": LYRICS, "dry_run": true });
    world.make("music_generation", dry).await;
    assert_eq!(world.sandbox.requests().len(), bought);
}

/// MiniMax closed music to new customers. An error that may be caused by this says so.
#[tokio::test]
async fn an_account_without_music_is_told_that_music_was_closed() {
    let world = World::new().await;
    let song = json!({ "prompt": "Folk #closed", "lyrics": LYRICS });
    for (tool, arguments) in
        [("music_generation", song), ("generate_lyrics", json!({ "prompt": "Rain #closed" }))]
    {
        let result = world.call(tool, arguments).await;
        let said = text(&result);
        assert_eq!(result.is_error, Some(true), "{said}");
        assert!(
            said.contains("2061") && said.contains("2026-08-20") && said.contains("new customers"),
            "{said}"
        );
    }
    let other = json!({ "lyrics": "#sensitive words for a song" });
    let said = text(&world.call("music_generation", other).await);
    assert!(said.contains("1026") && !said.contains("2026-08-20"), "{said}");
    assert_eq!(world.bought(), 0);
}

#[tokio::test]
async fn a_free_model_that_was_stopped_is_refused_before_anything_is_sent() {
    let world = World::new().await;
    for (arguments, offered) in [
        (json!({ "lyrics": LYRICS, "model": "music-3.0-free" }), "use music-3.0, music-2.6"),
        (json!({ "lyrics": LYRICS, "model": "Music-2.6-Free" }), "use music-3.0, music-2.6"),
        (json!({ "prompt": "A quiet song", "model": "music-cover-free" }), "use music-cover"),
    ] {
        let refusal = world.refusal("music_generation", arguments).await;
        assert!(refusal.contains("has stopped") && refusal.contains(offered), "{refusal}");
        assert!(refusal.contains("2026-08-20"), "{refusal}");
    }
    assert_eq!(world.sandbox.requests().len(), 0);
    let new =
        world.make("music_generation", json!({ "lyrics": "x", "model": "music-4.0", "dry_run": true })).await;
    assert!(new["warnings"][0].as_str().unwrap().contains("not in the tables"));
}

#[tokio::test]
async fn music_that_arrives_as_hex_is_saved_too() {
    let world = World::new().await;
    let body = json!({
        "data": { "audio": "49443304000000000000fffb90640000", "status": 2 },
        "extra_info": { "music_duration": 10 }, "base_resp": { "status_code": 0, "status_msg": "success" },
    });
    world.sandbox.script(vec![Rule::once("/v1/music_generation", Act::Raw { body: body.to_string() })]);
    let view = world.make("music_generation", json!({ "lyrics": LYRICS })).await;
    assert_eq!(s3::content(&view["files"][0]["path"]).len(), 16);
}

#[tokio::test]
async fn lyrics_come_with_title_style_and_price() {
    let world = World::new().await;
    let arguments = json!({ "prompt": "Rain", "title": "Grey" });
    let result = world.call("generate_lyrics", arguments).await;
    let view = result.structured_content.clone().unwrap();
    assert_eq!(world.last_body(), json!({ "mode": "write_full_song", "prompt": "Rain", "title": "Grey" }));
    assert_eq!((&view["title"], &view["cost"]["actual"]), (&json!("Grey"), &json!(0.01)));
    assert!(view["lyrics"].as_str().unwrap().starts_with("[Verse]\nRain"));
    let said = text(&result);
    for part in [&view["title"], &view["style_tags"], &view["lyrics"], &view["next"]] {
        assert!(said.contains(part.as_str().unwrap()), "{said}");
    }
    let song = json!({ "prompt": view["style_tags"], "lyrics": view["lyrics"] });
    assert_eq!(world.make("music_generation", song).await["status"], "succeeded");
    world.make("generate_lyrics", json!({ "prompt": "Add an end", "lyrics": LYRICS })).await;
    assert_eq!(world.last_body(), json!({ "mode": "edit", "prompt": "Add an end", "lyrics": LYRICS }));
}

#[tokio::test]
async fn lyrics_are_bought_once_and_only_if_they_can_be_written() {
    let world = World::new().await;
    for (arguments, parts) in [
        (json!({}), ["`prompt` is missing", "Theme"]),
        (json!({ "prompt": "x".repeat(2001) }), ["`prompt` has 2001", "1 to 2000"]),
        (json!({ "prompt": "x", "lyrics": "x".repeat(3501) }), ["`lyrics` has 3501", "1 to 3500"]),
        (json!({ "prompt": "x", "mode": "edit" }), ["`lyrics` is missing", "edit"]),
        (json!({ "prompt": "x", "mode": "write_full_song", "lyrics": "y" }), ["`lyrics`", "mode edit"]),
        (json!({ "prompt": "x", "mode": "rap" }), ["`mode`", "write_full_song, edit"]),
    ] {
        let refusal = world.refusal("generate_lyrics", arguments.clone()).await;
        assert!(parts.iter().all(|part| refusal.contains(part)), "{arguments}: {refusal}");
    }
    assert_eq!(world.sandbox.requests().len(), 0);
    // Without a response it may have been billed, so it is not retried.
    world.sandbox.script(vec![Rule::once("/v1/lyrics_generation", Act::ResetAfter)]);
    let refusal = world.refusal("generate_lyrics", json!({ "prompt": "Rain" })).await;
    assert!(refusal.contains("lost") && refusal.contains("/v1/lyrics_generation"), "{refusal}");
    assert_eq!(world.bought(), 1);
    // A throttled request was not accepted, so it is retried.
    let act = Act::Refuse { code: 1002, message: None, retry_after: Some(0) };
    world.sandbox.script(vec![Rule::once("/v1/lyrics_generation", act)]);
    world.make("generate_lyrics", json!({ "prompt": "Rain" })).await;
    assert_eq!(world.bought(), 2);
}
