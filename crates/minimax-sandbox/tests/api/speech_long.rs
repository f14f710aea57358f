//! Long speech.

use std::io::Read;

use serde_json::{Value, json};

use super::{World, with};

fn long() -> Value {
    json!({ "model": "speech-2.8-hd", "text": "Good morning. World!", "voice_setting": { "voice_id": "a" } })
}

#[tokio::test]
async fn the_archive_has_the_audio_its_subtitles_and_its_description() {
    let world = World::new().await;
    let (_, task) = world.post("/v1/t2a_async_v2", long()).await;
    assert_eq!(task["usage_characters"], 20);
    let (_, done) = world.get(&format!("/v1/query/t2a_async_query_v2?task_id={}", task["task_id"])).await;
    assert_eq!(done["status"], "Success");
    let (_, file) = world.get(&format!("/v1/files/retrieve?file_id={}", done["file_id"])).await;
    let bytes = world.bytes(&file["file"]["download_url"]).await;
    let mut archive = tar::Archive::new(bytes.as_slice());
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let ending = entry.path().unwrap().extension().unwrap().to_str().unwrap().to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        found.push((ending, content));
    }
    let endings: Vec<_> = found.iter().map(|(ending, _)| ending.as_str()).collect();
    assert_eq!(endings, ["mp3", "titles", "extra"]);
    let titles: Value = serde_json::from_slice(&found[1].1).unwrap();
    assert_eq!(titles[1]["text"], "World!");
    let extra: Value = serde_json::from_slice(&found[2].1).unwrap();
    assert_eq!((&extra["audio_channel"], &extra["audio_size"]), (&json!(2), &json!(found[0].1.len())));
}

#[tokio::test]
async fn a_wrong_request_is_refused_by_the_name_of_the_field() {
    let world = World::new().await;
    for (fields, named) in [
        (json!({ "text": "x".repeat(50_001) }), "text"),
        (json!({ "text_file_id": 5 }), "exactly one"),
        (json!({ "stream": true }), "unknown field stream"),
        (json!({ "output_format": "url" }), "unknown field output_format"),
        (json!({ "subtitle_enable": true }), "unknown field subtitle_enable"),
        (json!({ "voice_setting": { "voice_id": "a", "text_normalization": true } }), "text_normalization"),
        (json!({ "audio_setting": { "sample_rate": 32000 } }), "audio_setting.sample_rate"),
        (json!({ "audio_setting": { "audio_sample_rate": 48000 } }), "audio_sample_rate"),
        (json!({ "audio_setting": { "audio_sample_rate": 32000, "format": "opus" } }), "audio_sample_rate"),
    ] {
        world.refuses("/v1/t2a_async_v2", with(&long(), fields), named).await;
    }
    let mut file = long();
    file.as_object_mut().unwrap().remove("text");
    world.refuses("/v1/t2a_async_v2", file.clone(), "exactly one").await;
    world.refuses("/v1/t2a_async_v2", with(&file, json!({ "text_file_id": 5 })), "not a file").await;
    world.refuses("/v1/t2a_async_v2", with(&file, json!({ "text_file_id": "5" })), "text_file_id").await;
}

#[tokio::test]
async fn an_eleventh_query_within_a_second_is_refused() {
    let world = World::new().await;
    let (_, task) = world.post("/v1/t2a_async_v2", long()).await;
    let path = format!("/v1/query/t2a_async_query_v2?task_id={}", task["task_id"]);
    let answers = futures_util::future::join_all((0..12).map(|_| world.get(&path))).await;
    let codes: Vec<_> = answers.iter().map(|(_, answer)| &answer["base_resp"]["status_code"]).collect();
    assert!(codes.contains(&&json!(1002)) && codes.contains(&&json!(0)), "{codes:?}");
}
