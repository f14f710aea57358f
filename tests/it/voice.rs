//! `voice_clone`, `voice_design`.

use std::fs;
use std::path::Path;

use minimax_mcp::sandbox::{Act, Request, Rule};
use serde_json::{Value, json};

use crate::harness::{World, quick};
use crate::media::files;
use crate::s3;

/// Writes a WAV file of silence.
pub fn wav(path: &Path, seconds: u32) -> String {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, files::wav(seconds)).unwrap();
    path.display().to_string()
}

pub fn recording(world: &World, name: &str, seconds: u32) -> String {
    wav(&world.out().join(name), seconds)
}

pub fn requests(world: &World, path: &str) -> Vec<Request> {
    world.sandbox.requests().into_iter().filter(|request| request.path == path).collect()
}

fn with(one: &Value, other: Value) -> Value {
    let mut all = one.as_object().unwrap().clone();
    all.extend(other.as_object().unwrap().clone());
    Value::Object(all)
}

#[tokio::test]
async fn a_clone_with_every_option_is_sent_as_documented_and_speaks_its_demo() {
    let world = World::new().await;
    let (file, clip) = (recording(&world, "me.wav", 12), recording(&world, "clip.wav", 5));
    let view = world
        .make(
            "voice_clone",
            json!({
                "voice_id": "MyVoice001", "file": file, "text": "A gentle breeze.", "model": "speech-2.8-turbo",
                "prompt_audio": clip, "prompt_text": "This is me.", "need_noise_reduction": true,
                "need_volume_normalization": false, "accuracy": 0.5, "text_validation": "Hello there.",
                "language_boost": "English", "is_url": false,
            }),
        )
        .await;
    let uploads = requests(&world, "/v1/files/upload");
    let purposes: Vec<_> = uploads.iter().map(|upload| upload.body["purpose"].as_str().unwrap()).collect();
    assert_eq!(purposes, ["prompt_audio", "voice_clone"]);
    assert_eq!(uploads[1].body["file"]["filename"], "me.wav");
    let body = world.last_body();
    assert!(body["file_id"].is_i64() && body["clone_prompt"]["prompt_audio"].is_i64(), "{body}");
    assert_eq!(
        body,
        json!({
            "file_id": body["file_id"], "voice_id": "MyVoice001",
            "clone_prompt": { "prompt_audio": body["clone_prompt"]["prompt_audio"], "prompt_text": "This is me." },
            "text": "A gentle breeze.", "model": "speech-2.8-turbo", "language_boost": "English",
            "text_validation": "Hello there.", "accuracy": 0.5, "need_noise_reduction": true,
            "need_volume_normalization": false,
        })
    );
    assert_eq!(
        (&view["status"], &view["voice_id"], &view["kind"]),
        (&json!("succeeded"), &json!("MyVoice001"), &json!("voice"))
    );
    let demo = &view["files"][0];
    assert_eq!(demo["mime_type"], "audio/wav");
    assert!(s3::content(&demo["path"]).starts_with(b"RIFF"));
    assert!(demo["url_expires_at"].is_string());
    // Sixteen characters at 60 USD a million. The voice itself is billed at its first use.
    assert_eq!((&view["cost"]["estimated"], &view["cost"]["actual"]), (&json!(0.00096), &json!(0.00096)));
    let warnings = view["warnings"].to_string();
    for part in ["7 days", "$1.50", "first use"] {
        assert!(warnings.contains(part), "{warnings}");
    }
}

#[tokio::test]
async fn without_a_text_the_result_is_only_the_voice() {
    let world = World::new().await;
    let file = recording(&world, "me.wav", 10);
    let view = world.make("voice_clone", json!({ "voice_id": "MyVoice001", "file": file })).await;
    assert_eq!((&view["status"], &view["voice_id"]), (&json!("succeeded"), &json!("MyVoice001")));
    assert_eq!(view["files"], Value::Null);
    assert_eq!(view["cost"]["actual"], 0.0);
    let body = world.last_body();
    assert_eq!(body, json!({ "file_id": body["file_id"], "voice_id": "MyVoice001" }));
    let silent =
        json!({ "voice_id": "MyVoice002", "file": recording(&world, "a.wav", 10), "model": "speech-2.6-hd" });
    let view = world.make("voice_clone", silent).await;
    assert!(view["warnings"].to_string().contains("model was not sent"), "{view}");
    assert!(world.last_body().get("model").is_none());
}

#[tokio::test]
async fn a_recording_may_be_an_earlier_result_a_data_uri_a_link_or_an_upload() {
    let world = World::new().await;
    let spoken = world.make("text_to_audio", json!({ "text": "Hello <#10#> there, this is long." })).await;
    let (uri, url) = (&spoken["files"][0]["uri"], &spoken["files"][0]["url"]);
    let bytes = fs::read(recording(&world, "a.wav", 11)).unwrap();
    let data = format!("data:audio/mp3;base64,{}", data_encoding::BASE64.encode(&bytes));
    for (number, file) in [uri.clone(), url.clone(), json!(data)].into_iter().enumerate() {
        let view = world
            .make("voice_clone", json!({ "voice_id": format!("MyVoice00{number}"), "file": file }))
            .await;
        assert_eq!(view["status"], "succeeded");
    }
    let uploads = requests(&world, "/v1/files/upload");
    let named = |at: usize| uploads[at].body["file"]["filename"].as_str().unwrap();
    assert!(named(0).contains(".mp3") && named(1).contains(".mp3"));
    // The bytes decide, whatever type the data URI declares.
    assert_eq!(named(2), "input.wav");
    let id = world.last_body()["file_id"].clone();
    let again = json!({ "voice_id": "MyVoice009", "file": format!("mm_file://{id}") });
    assert_eq!(world.make("voice_clone", again).await["status"], "succeeded");
    assert_eq!(world.last_body()["file_id"], id);
    assert_eq!(requests(&world, "/v1/files/upload").len(), 3);
}

#[tokio::test]
async fn sound_in_an_mp4_file_is_m4a_whatever_brand_the_recorder_wrote() {
    let world = World::new().await;
    // A phone's recording: the brand of a video, a movie header of 12 s, and one track without video.
    let atom = |name: &[u8], content: &[u8]| {
        let mut atom = u32::try_from(content.len() + 8).unwrap().to_be_bytes().to_vec();
        atom.extend(name);
        atom.extend(content);
        atom
    };
    let mut header = vec![0_u8; 100];
    header[12..16].copy_from_slice(&1000_u32.to_be_bytes());
    header[16..20].copy_from_slice(&12_000_u32.to_be_bytes());
    let track = atom(b"trak", &atom(b"tkhd", &[0; 84]));
    let movie = atom(b"moov", &[atom(b"mvhd", &header), track].concat());
    let file = [atom(b"ftyp", b"mp42\0\0\0\0isommp42"), movie, atom(b"mdat", &[7; 4096])].concat();
    let path = world.out().join("phone.m4a");
    fs::create_dir_all(world.out()).unwrap();
    fs::write(&path, &file).unwrap();
    let dry = json!({ "voice_id": "MyVoice001", "file": path.display().to_string(), "dry_run": true });
    assert!(world.make("voice_clone", dry).await["next"].as_str().unwrap().starts_with("Dry run"));
    // It passes our checks and is sent with the right extension. The sandbox then finds no samples in it.
    let refusal = world
        .refusal("voice_clone", json!({ "voice_id": "MyVoice001", "file": path.display().to_string() }))
        .await;
    assert!(refusal.contains("20132"), "{refusal}");
    assert_eq!(requests(&world, "/v1/files/upload")[0].body["file"]["filename"], "phone.m4a");
}

#[tokio::test]
async fn arguments_are_checked_before_anything_is_sent() {
    let world = World::new().await;
    let file = recording(&world, "me.wav", 12);
    let (short, long) = (recording(&world, "short.wav", 9), recording(&world, "long.wav", 301));
    let text = world.out().join("a.wav");
    fs::write(&text, "not a recording").unwrap();
    let good = json!({ "voice_id": "MyVoice001", "file": file });
    for (change, parts) in [
        (json!({ "voice_id": "short" }), vec!["`voice_id`", "8 to 256"]),
        (json!({ "voice_id": "1Voice001" }), vec!["`voice_id`", "begin with a letter"]),
        (json!({ "voice_id": "MyVoice00_" }), vec!["`voice_id`", "end with"]),
        (json!({ "voice_id": "My Voice 001" }), vec!["`voice_id`", "letters, digits, - and _"]),
        (json!({ "file": short }), vec!["`file` is 9 s long", "10 to 300"]),
        (json!({ "file": long }), vec!["`file` is 301 s long", "10 to 300"]),
        (json!({ "file": text.display().to_string() }), vec!["`file` is a text file", "MP3, M4A or WAV"]),
        (json!({ "file": "/nowhere/at/all.wav" }), vec!["`file`"]),
        (json!({ "text": "x".repeat(1001) }), vec!["`text` has 1001", "1 to 1000"]),
        (
            json!({ "prompt_audio": file, "prompt_text": "Hello." }),
            vec!["`prompt_audio` is 12 s long", "7.9"],
        ),
        (json!({ "prompt_audio": short }), vec!["`prompt_text` is missing", "prompt_audio"]),
        (json!({ "prompt_text": "Hello." }), vec!["`prompt_audio` is missing", "prompt_text"]),
        (json!({ "accuracy": 1.5, "text_validation": "x" }), vec!["`accuracy` is 1.5", "0 to 1"]),
        (json!({ "accuracy": 0.5 }), vec!["`accuracy`", "text_validation"]),
        (json!({ "text_validation": "x".repeat(201) }), vec!["`text_validation` has 201", "1 to 200"]),
        (json!({ "language_boost": "Klingon" }), vec!["`language_boost` is Klingon", "Afrikaans"]),
        (
            json!({ "text": "x", "model": "speech-02-hd", "language_boost": "Tamil" }),
            vec!["`language_boost` is Tamil", "speech-2.8-hd"],
        ),
    ] {
        let refusal = world.refusal("voice_clone", with(&good, change.clone())).await;
        assert!(parts.iter().all(|part| refusal.contains(part)), "{change}: {refusal}");
    }
    for (arguments, parts) in [
        (json!({ "prompt": " ", "preview_text": "x" }), ["`prompt`", "is"]),
        (json!({ "prompt": "x", "preview_text": "x".repeat(501) }), ["`preview_text` has 501", "1 to 500"]),
    ] {
        let refusal = world.refusal("voice_design", arguments.clone()).await;
        assert!(parts.iter().all(|part| refusal.contains(part)), "{arguments}: {refusal}");
    }
    let dry = world.make("voice_clone", with(&good, json!({ "dry_run": true, "text": "Hello" }))).await;
    assert_eq!(dry["cost"]["estimated"], 0.0005);
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[tokio::test]
async fn minimax_s_objection_to_a_clone_is_reported_with_advice() {
    let world = World::new().await;
    let (file, clip) = (recording(&world, "me.wav", 12), recording(&world, "clip.wav", 5));
    let good = json!({ "voice_id": "MyVoice001", "file": file });
    world.make("voice_clone", good.clone()).await;
    let forbidden = recording(&world, "my #forbidden.wav", 12);
    let fresh = json!({ "voice_id": "MyVoice002", "file": file });
    for (arguments, code, advice) in [
        (good, "2039", "id"),
        (with(&fresh, json!({ "file": forbidden })), "2038", "identity"),
        (with(&fresh, json!({ "text_validation": "#mismatch" })), "1043", "really spoken"),
        (with(&fresh, json!({ "prompt_audio": clip, "prompt_text": "#mismatch." })), "1044", "prompt_text"),
        (with(&fresh, json!({ "text": "#sensitive" })), "1026", "Rephrase"),
        (with(&fresh, json!({ "file": "mm_file://12345" })), "2013", "12345"),
    ] {
        let refusal = world.refusal("voice_clone", arguments.clone()).await;
        assert!(refusal.contains(code) && refusal.contains(advice), "{arguments}: {refusal}");
    }
    assert_eq!(world.bought(), 1);
}

#[tokio::test]
async fn an_answer_that_was_lost_leaves_the_clone_unknown_and_it_is_sent_once() {
    let world = World::new().await;
    world.sandbox.script(vec![Rule::once("/v1/voice_clone", Act::ResetAfter)]);
    let file = recording(&world, "me.wav", 12);
    let result = world.call("voice_clone", json!({ "voice_id": "MyVoice001", "file": file })).await;
    assert_eq!(result.structured_content.unwrap()["status"], "unknown");
    assert_eq!(requests(&world, "/v1/voice_clone").len(), 1);
}

#[tokio::test]
async fn a_key_repeats_a_clone_as_the_same_order_though_each_upload_has_another_id() {
    let world = World::new().await;
    let file = recording(&world, "me.wav", 12);
    let order = json!({ "voice_id": "MyVoice001", "file": file, "idempotency_key": "one" });
    let first = world.make("voice_clone", order.clone()).await;
    let again = world.make("voice_clone", order).await;
    assert_eq!(first["job_id"], again["job_id"]);
    assert!(!again["warnings"].to_string().contains("other arguments"), "{again}");
    assert_eq!(world.bought(), 1);
}

#[tokio::test]
async fn both_shapes_of_a_sensitive_input_become_a_warning() {
    let world = World::new().await;
    let file = recording(&world, "me.wav", 12);
    for (number, (sensitive, kind)) in [
        (json!({ "input_sensitive": true, "input_sensitive_type": 3 }), Some("type 3")),
        (json!({ "input_sensitive": { "type": 5 } }), Some("type 5")),
        (json!({ "input_sensitive": { "type": 0 } }), None),
        (json!({ "input_sensitive": false, "input_sensitive_type": 0 }), None),
        (json!({}), None),
    ]
    .into_iter()
    .enumerate()
    {
        let body =
            with(&sensitive, json!({ "demo_audio": "", "base_resp": { "status_code": 0 } })).to_string();
        world.sandbox.script(vec![Rule::once("/v1/voice_clone", Act::Raw { body })]);
        let view = world
            .make("voice_clone", json!({ "voice_id": format!("MyVoice00{number}"), "file": file }))
            .await;
        let warnings = view["warnings"].to_string();
        match kind {
            Some(kind) => assert!(warnings.contains(kind), "{sensitive}: {warnings}"),
            None => assert!(!warnings.contains("sensitive"), "{sensitive}: {warnings}"),
        }
    }
}

#[tokio::test]
async fn a_designed_voice_comes_with_its_trial_and_its_id() {
    let world = World::with(quick(), &[("MINIMAX_REGION", "cn")]).await;
    let order = json!({ "prompt": "A young voice, gentle, slow", "preview_text": "Once upon a time" });
    let view = world.make("voice_design", order.clone()).await;
    assert_eq!(world.last_body(), order);
    assert!(view["voice_id"].as_str().unwrap().starts_with("ttv-voice-"), "{view}");
    let trial = &view["files"][0];
    assert_eq!(trial["mime_type"], "audio/mpeg");
    assert!(s3::content(&trial["path"]).len() > 1000);
    assert!(!view.to_string().contains("trial_audio"));
    assert!(view["warnings"].to_string().contains("7 days"));
    assert_eq!(view["cost"]["estimated"], json!(9.9032), "{view}");
    let own = with(&order, json!({ "voice_id": "ttv-mine" }));
    assert_eq!(world.make("voice_design", own.clone()).await["voice_id"], "ttv-mine");
    assert_eq!(world.last_body(), own);
    let refusal = world.refusal("voice_design", own).await;
    assert!(refusal.contains("2039"), "{refusal}");
}

#[tokio::test]
async fn a_voice_is_not_lost_with_a_trial_that_cannot_be_read() {
    let world = World::new().await;
    let order = json!({ "prompt": "A voice", "preview_text": "Hello" });
    for (trial, warning) in [(json!("xyz"), "could not be read"), (json!(null), "no trial")] {
        let body = json!({ "trial_audio": trial, "voice_id": "ttv-1", "base_resp": { "status_code": 0 } });
        let act = Act::Raw { body: body.to_string() };
        world.sandbox.script(vec![Rule::once("/v1/voice_design", act)]);
        let view = world.make("voice_design", order.clone()).await;
        assert_eq!((&view["status"], &view["voice_id"]), (&json!("succeeded"), &json!("ttv-1")));
        assert!(view["warnings"].to_string().contains(warning), "{view}");
    }
}

/// MiniMax publishes no price for the trial in USD, and the voice itself has one.
#[tokio::test]
async fn the_price_of_a_designed_voice_is_known() {
    let world = World::with(quick(), &[("MINIMAX_BUDGET_CALL", "2")]).await;
    let order = json!({ "prompt": "A voice", "preview_text": "Hello" });
    let refusal = world.refusal("voice_design", order.clone()).await;
    assert!(refusal.contains("costs $3 at most") && refusal.contains("not published"), "{refusal}");
    let world = World::new().await;
    let view = world.make("voice_design", order).await;
    assert_eq!(view["cost"]["estimated"], json!(3.0), "{view}");
}

#[tokio::test]
async fn a_voice_that_was_not_made_is_not_said_to_be_used_within_a_week() {
    let world = World::new().await;
    let refuse = |code| Act::Refuse { code, message: None, retry_after: None };
    let file = recording(&world, "me.wav", 12);
    let clone = json!({ "voice_id": "VoiceOfMine1", "file": file });
    let design = json!({ "prompt": "A deep voice", "preview_text": "Hello" });
    for (tool, path, order) in
        [("voice_clone", "/v1/voice_clone", clone), ("voice_design", "/v1/voice_design", design)]
    {
        let uses = |view: &Value| view["warnings"].to_string().contains("within 7 days");
        world.sandbox.script(vec![Rule::once(path, refuse(1008))]);
        let failed = world.call(tool, order.clone()).await.structured_content.unwrap();
        assert!(failed["status"] == "failed" && !uses(&failed), "{tool}: {failed}");
        let made = world.make(tool, order).await;
        assert!(made["status"] == "succeeded" && uses(&made), "{tool}: {made}");
    }
}
