//! Speech to text.

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::voice::wav;
use super::{World, read};

async fn transcribe(world: &World, fields: &[(&str, &str)], name: &str, bytes: Vec<u8>) -> (u16, Value) {
    let mut form = Form::new();
    let mut request = world.request(Method::POST, "/v1/speech_to_text");
    for (name, value) in fields {
        match *name {
            "language" => request = request.header("language", *value),
            name => form = form.text(name.to_owned(), (*value).to_owned()),
        }
    }
    let part = Part::bytes(bytes).file_name(name.to_owned());
    read(request.multipart(form.part("file", part)).send().await.unwrap()).await
}

#[tokio::test]
async fn the_language_is_a_header_and_the_length_is_that_of_the_recording() {
    let world = World::new().await;
    let fields = [("model", "asr-1.0"), ("language", "yue")];
    let (status, answer) = transcribe(&world, &fields, "me.wav", wav(3)).await;
    assert_eq!((status, &answer["duration"]), (200, &json!(3.0)));
    assert_eq!(answer["text"], "This is me.wav. It was heard in yue.");
    assert_eq!(
        world.sandbox.paid()[0].body,
        json!({"model": "asr-1.0", "file": {"filename": "me.wav", "bytes": 24_044}})
    );
}

#[tokio::test]
async fn words_have_times_of_their_own() {
    let world = World::new().await;
    let fields = [("model", "asr-1.0"), ("response_format", "vtt"), ("timestamp_level", "word")];
    let (_, subtitles) = transcribe(&world, &fields, "me.wav", wav(9)).await;
    let subtitles = subtitles.as_str().unwrap();
    assert!(subtitles.starts_with("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nThis\n\n"), "{subtitles}");
    assert_eq!(subtitles.matches("-->").count(), 9);
}

#[tokio::test]
async fn errors_of_transcriptions_have_an_envelope() {
    let world = World::new().await;
    let model = ("model", "asr-1.0");
    for (fields, name, bytes, status, named) in [
        (vec![], "me.wav", wav(1), 400, "model is required"),
        (vec![("model", "asr-2.0")], "me.wav", wav(1), 400, "model"),
        (vec![model, ("language", "Klingon")], "me.wav", wav(1), 400, "language"),
        (vec![model, ("lang", "en")], "me.wav", wav(1), 400, "lang"),
        (vec![model, ("response_format", "text")], "me.wav", wav(1), 400, "response_format"),
        (vec![model, ("timestamp_level", "letter")], "me.wav", wav(1), 400, "timestamp_level"),
        (vec![model], "me.pcm", wav(1), 400, "must end in one of"),
        (vec![model], "me.wav", b"no sound".to_vec(), 400, "not audio"),
        (vec![model], "me.wav", wav(501), 400, "audio duration 501.0s exceeds the limit of 500s (2013)"),
        (vec![model], "#sensitive.wav", wav(1), 422, "(1026)"),
        (vec![model], "me.wav", vec![0; (50 << 20) + 8192], 413, "too large"),
    ] {
        let (found, answer) = transcribe(&world, &fields, name, bytes).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(found == status && message.contains(named), "{fields:?} {name} got {found} {answer}");
    }
    assert!(world.sandbox.paid().is_empty());
}
