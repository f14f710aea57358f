//! Voices.

use data_encoding::HEXLOWER;
use minimax_sandbox::{Options, Pace};
use serde_json::{Value, json};

use super::{World, at_once, speech, with};

/// Uploads a recording of this many seconds.
pub async fn recording(world: &World, purpose: &str, name: &str, seconds: u32) -> Value {
    world.upload(purpose, name, wav(seconds)).await.1["file"]["file_id"].clone()
}

/// A WAV file with this many seconds of silence.
pub fn wav(seconds: u32) -> Vec<u8> {
    let data = 8000 * seconds;
    let mut file = b"RIFF".to_vec();
    file.extend((36 + data).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data");
    file.extend(data.to_le_bytes());
    file.resize(44 + data as usize, 0x80);
    file
}

async fn code(world: &World, path: &str, body: Value) -> i64 {
    world.post(path, body).await.1["base_resp"]["status_code"].as_i64().unwrap()
}

async fn own(world: &World, kind: &str) -> Value {
    world.post("/v1/get_voice", json!({"voice_type": kind})).await.1[kind].clone()
}

#[tokio::test]
async fn a_wrong_clone_is_refused_with_the_code_of_its_mistake() {
    let world = World::new().await;
    let file = recording(&world, "voice_clone", "me.wav", 12).await;
    let clip = recording(&world, "prompt_audio", "clip.wav", 5).await;
    let good = json!({"file_id": file, "voice_id": "MyVoice001"});
    let changed = |fields| with(&good, fields);
    let prompt = |audio: &Value| json!({"clone_prompt": {"prompt_audio": audio, "prompt_text": "Hello."}});
    for (body, expected) in [
        (changed(json!({"speed": 1})), 2013),
        (changed(json!({"file_id": file.to_string()})), 2013),
        (changed(json!({"file_id": 1})), 2013),
        (changed(json!({"file_id": clip})), 2013),
        (changed(json!({"text": "Hello"})), 2013),
        (changed(json!({"text": "x".repeat(1001), "model": "speech-2.8-hd"})), 2013),
        (changed(json!({"accuracy": 1.1})), 2013),
        (changed(json!({"clone_prompt": {"prompt_audio": clip}})), 2013),
        (changed(json!({"voice_id": "short"})), 20132),
        (changed(json!({"voice_id": "MyVoice00-"})), 20132),
        (changed(json!({"voice_id": "English_radiant_girl"})), 2039),
        (changed(json!({"file_id": recording(&world, "voice_clone", "a.wav", 9).await})), 2037),
        (changed(json!({"file_id": recording(&world, "voice_clone", "a.wav", 301).await})), 2037),
        (changed(prompt(&recording(&world, "prompt_audio", "a.wav", 8).await)), 2048),
        (changed(json!({"text_validation": "#mismatch"})), 1043),
    ] {
        assert_eq!(code(&world, "/v1/voice_clone", body.clone()).await, expected, "{body}");
    }
    assert!(world.sandbox.paid().is_empty());
    let demo = json!({"text": "Hello there", "model": "speech-2.8-hd"});
    let (_, answer) = world.post("/v1/voice_clone", with(&changed(prompt(&clip)), demo)).await;
    assert!(world.bytes(&answer["demo_audio"]).await.starts_with(b"RIFF"));
    assert_eq!(answer["extra_info"]["usage_characters"], 11);
    assert_eq!(code(&world, "/v1/voice_clone", good).await, 2039);
}

#[tokio::test]
async fn a_voice_is_listed_once_it_was_used_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::at(dir.path()).await;
    let file = recording(&world, "voice_clone", "me.wav", 12).await;
    let clone = json!({"file_id": file, "voice_id": "MyVoice001"});
    let (_, answer) = world.post("/v1/voice_clone", clone).await;
    assert_eq!((&answer["demo_audio"], answer.get("extra_info")), (&json!(""), None));
    let design = json!({"prompt": "A voice", "preview_text": "Hello"});
    let (_, designed) = world.post("/v1/voice_design", design).await;
    let trial = HEXLOWER.decode(designed["trial_audio"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!((trial[0], trial[1] & 0xfe), (0xff, 0xfa));
    assert_eq!(own(&world, "voice_cloning").await, Value::Null);
    assert_eq!(own(&world, "voice_generation").await, json!([]));
    let mixed = json!({
        "voice_setting": {},
        "timbre_weights": [
            {"voice_id": "MyVoice001", "weight": 1}, {"voice_id": designed["voice_id"], "weight": 1},
        ],
    });
    world.post("/v1/t2a_v2", with(&speech(), mixed)).await;
    world.sandbox.stop().await;
    let world = World::with(Options {
        dir: Some(dir.path().to_owned()),
        pace: Pace { link_seconds: None, ..at_once() },
        ..Options::default()
    })
    .await;
    assert_eq!(own(&world, "voice_cloning").await[0]["voice_id"], "MyVoice001");
    assert_eq!(own(&world, "voice_generation").await[0]["voice_id"], designed["voice_id"]);
    for (kind, expected) in [("voice_generation", 2013), ("voice_cloning", 0), ("voice_cloning", 2013)] {
        let body = json!({"voice_type": kind, "voice_id": "MyVoice001"});
        assert_eq!(code(&world, "/v1/delete_voice", body).await, expected, "{kind}");
    }
    assert_eq!(own(&world, "voice_cloning").await, Value::Null);
}

#[tokio::test]
async fn requests_about_voices_are_checked() {
    let world = World::new().await;
    for (path, body, named) in [
        ("/v1/get_voice", json!({}), "voice_type"),
        ("/v1/get_voice", json!({"voice_type": "mine"}), "voice_type"),
        ("/v1/delete_voice", json!({"voice_type": "system", "voice_id": "x"}), "voice_type"),
        ("/v1/delete_voice", json!({"voice_type": "voice_cloning", "voice_id": "x"}), "voice_id"),
        ("/v1/voice_design", json!({"prompt": "x"}), "preview_text"),
        ("/v1/voice_design", json!({"prompt": "x", "preview_text": "x".repeat(501)}), "preview_text"),
        ("/v1/voice_design", json!({"prompt": "x", "preview_text": "x", "model": "x"}), "model"),
    ] {
        world.refuses(path, body, named).await;
    }
    let forbidden = json!({"prompt": "#forbidden", "preview_text": "x"});
    assert_eq!(code(&world, "/v1/voice_design", forbidden).await, 2038);
    assert_eq!(
        world.post("/v1/get_voice", json!({"voice_type": "system"})).await.1.get("voice_cloning"),
        None
    );
}
