//! Speech.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::{World, little, speech, with};

#[tokio::test]
async fn speech_is_mp3_in_hex_and_its_description_is_true() {
    let world = World::new().await;
    let (_, answer) = world.post("/v1/t2a_v2", speech()).await;
    let sound = HEXLOWER.decode(answer["data"]["audio"].as_str().unwrap().as_bytes()).unwrap();
    // MPEG-1 layer III; 128 kbit/s at 32 kHz; mono.
    assert_eq!((sound[0], sound[1] & 0xfe), (0xff, 0xfa));
    assert_eq!((sound[2] & 0xfc, sound[3] >> 6), (0x98, 3));
    let extra = &answer["extra_info"];
    assert_eq!(extra["audio_size"], sound.len());
    assert_eq!(extra["usage_characters"], 20);
    assert_eq!(extra["word_count"], 16);
    assert_eq!((&extra["audio_format"], &extra["bitrate"]), (&json!("mp3"), &json!(128_000)));
    let seconds = extra["audio_length"].as_f64().unwrap() / 1000.0;
    assert!((1.2..1.5).contains(&seconds), "20 letters took {seconds} s");
    let by_size = f64::from(u32::try_from(sound.len()).unwrap()) * 8.0 / 128_000.0;
    assert!((by_size - seconds).abs() < 0.15, "{by_size} s of MP3 for {seconds} s");
    assert_eq!(answer["data"]["status"], 2);
    assert!(answer["trace_id"].is_string());
}

#[tokio::test]
async fn every_format_is_what_it_is_called() {
    let world = World::new().await;
    for (format, magic, rate_at) in [
        ("wav", &b"RIFF"[..], Some(24)),
        ("pcmu_wav", b"RIFF", Some(24)),
        ("flac", b"fLaC", None),
        ("opus", b"OggS", Some(40)),
        ("mp3", b"\xff\xf3", None),
    ] {
        let audio = json!({"audio_setting": {"format": format, "sample_rate": 24_000, "channel": 2}});
        let (_, answer) = world.post("/v1/t2a_v2", with(&speech(), audio)).await;
        let sound = HEXLOWER.decode(answer["data"]["audio"].as_str().unwrap().as_bytes()).unwrap();
        assert_eq!(&sound[..magic.len()], magic, "{format}");
        if let Some(at) = rate_at {
            assert_eq!(little(&sound, at), 24_000, "{format}");
        }
        assert_eq!(answer["extra_info"]["audio_channel"], 2);
    }
    for (format, frame) in [("pcm", 4), ("pcmu_raw", 2)] {
        let audio = json!({"audio_setting": {"format": format, "sample_rate": 8000, "channel": 2}});
        let (_, answer) = world.post("/v1/t2a_v2", with(&speech(), audio)).await;
        let bytes = answer["data"]["audio"].as_str().unwrap().len() / 2;
        let milliseconds = answer["extra_info"]["audio_length"].as_u64().unwrap();
        assert!((bytes as u64 / frame / 8).abs_diff(milliseconds) <= 1, "{format}");
    }
}

#[tokio::test]
async fn speech_takes_as_long_as_its_text() {
    let world = World::new().await;
    let length = async |text: &str, speed: f64| {
        let body = json!({"text": text, "voice_setting": {"voice_id": "a", "speed": speed}});
        let (_, answer) = world.post("/v1/t2a_v2", with(&speech(), body)).await;
        answer["extra_info"]["audio_length"].as_u64().unwrap()
    };
    let sixty = "a".repeat(60);
    assert_eq!(length(&sixty, 1.0).await, 4000);
    assert_eq!(length(&sixty, 2.0).await, 2000);
    assert_eq!(length(&format!("{sixty}<#1.5#>{sixty}"), 1.0).await, 9500);
    assert_eq!(length("你好你好你", 1.0).await, 1000);
    assert_eq!(length("a", 1.0).await, 300);
}

#[tokio::test]
async fn speech_by_link_comes_with_subtitles() {
    let world = World::new().await;
    let fields = json!({"output_format": "url", "subtitle_enable": true, "text": "One. Two."});
    let (_, answer) = world.post("/v1/t2a_v2", with(&speech(), fields)).await;
    let sound = world.bytes(&answer["data"]["audio"]).await;
    assert_eq!(answer["extra_info"]["audio_size"], sound.len());
    let lines: Value = world.fetch(&answer["data"]["subtitle_file"]).await.json().await.unwrap();
    assert_eq!((&lines[0]["text"], &lines[1]["text"]), (&json!("One."), &json!("Two.")));
    assert_eq!(lines[0]["time_end"], lines[1]["time_begin"]);
    assert_eq!(lines[1]["time_end"], answer["extra_info"]["audio_length"]);
}

#[tokio::test]
async fn streamed_speech_arrives_in_pieces_and_is_repeated_at_the_end() {
    let world = World::new().await;
    for (exclude, repeats) in [(false, true), (true, false)] {
        let fields = json!({"stream": true, "stream_options": {"exclude_aggregated_audio": exclude}});
        let response = world.try_post("/v1/t2a_v2", &with(&speech(), fields)).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let text = response.text().await.unwrap();
        let events: Vec<Value> = text
            .split_terminator("\n\n")
            .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
            .collect();
        let (last, pieces) = events.split_last().unwrap();
        assert!(pieces.len() > 1 && pieces.iter().all(|piece| piece["data"]["status"] == 1));
        let joined: String = pieces.iter().map(|piece| piece["data"]["audio"].as_str().unwrap()).collect();
        assert_eq!(last["data"]["status"], 2);
        assert_eq!(last["data"]["audio"], if repeats { joined.as_str() } else { "" });
        assert_eq!(last["extra_info"]["audio_size"], joined.len() / 2);
    }
}

#[tokio::test]
async fn a_wrong_speech_request_is_refused_by_the_name_of_the_field() {
    let world = World::new().await;
    let voice = |fields: Value| json!({"voice_setting": with(&json!({"voice_id": "a"}), fields)});
    let mix = json!([{"voice_id": "a", "weight": 1}]);
    for (fields, named) in [
        (json!({"model": "speech-3"}), "model"),
        (json!({"text": "x".repeat(10_000)}), "text"),
        (json!({"voice": "a"}), "unknown field voice"),
        (voice(json!({"speed": 2.5})), "voice_setting.speed"),
        (voice(json!({"vol": 0})), "voice_setting.vol"),
        (voice(json!({"pitch": 1.5})), "voice_setting.pitch"),
        (voice(json!({"emotion": "neutral"})), "voice_setting.emotion"),
        (voice(json!({"emotion": "whisper"})), "speech-2.6"),
        (voice(json!({"english_normalization": true})), "english_normalization"),
        (json!({"voice_setting": {}}), "voice_id is required"),
        (json!({"timbre_weights": mix}), "voice_id must be empty"),
        (json!({"timber_weights": mix}), "timber_weights"),
        (json!({"audio_setting": {"sample_rate": 48_000}}), "audio_setting.sample_rate"),
        (json!({"audio_setting": {"bitrate": 128}}), "audio_setting.bitrate"),
        (json!({"audio_setting": {"format": "ogg"}}), "audio_setting.format"),
        (json!({"language_boost": "english"}), "language_boost"),
        (json!({"model": "speech-02-hd", "language_boost": "Tamil"}), "Tamil"),
        (json!({"voice_modify": {"pitch": 5}, "audio_setting": {"format": "opus"}}), "voice_modify"),
        (json!({"stream": true, "audio_setting": {"format": "wav"}}), "wav"),
        (json!({"stream": true, "output_format": "url"}), "output_format"),
        (json!({"text": "a<#100#>b"}), "pause"),
        (json!({"text": "a<#1#><#1#>b"}), "pause"),
        (json!({"text": "a<#1#>"}), "pause"),
    ] {
        world.refuses("/v1/t2a_v2", with(&speech(), fields), named).await;
    }
}

#[tokio::test]
async fn chinese_counts_double_and_invisible_text_is_refused() {
    let world = World::new().await;
    let (_, answer) = world.post("/v1/t2a_v2", with(&speech(), json!({"text": "你好, ok"}))).await;
    assert_eq!(answer["extra_info"]["usage_characters"], 8);
    let (status, answer) =
        world.post("/v1/t2a_v2", with(&speech(), json!({"text": "a\u{200b}\u{200b}b"}))).await;
    assert_eq!((status, &answer["base_resp"]["status_code"]), (200, &json!(1042)));
    assert_eq!(answer.get("data"), Some(&Value::Null));
}
