//! What is sent for which arguments, and what is refused.

use serde_json::{Value, json};

use super::*;
use crate::config::{Defaults, Region};
use crate::mcp::model_name::ModelNames;

fn submit(arguments: Value) -> Result<Value, String> {
    let input: SpeechInput = serde_json::from_value(arguments).unwrap();
    let checked = || {
        let source = input.source()?;
        let (model, _) = input.manner().check(&Defaults::default(), ModelNames::MINIMAX)?;
        input.check(source)?;
        let text = input.text.as_deref().unwrap_or_default();
        let voice = input.manner().voice(&Defaults::default(), Region::Global, Some(text), input.is_mixed());
        Ok(input.submit(text, &model, voice, input.may_stream(text)))
    };
    checked()
        .map(|submit| serde_json::to_value(submit).unwrap())
        .map_err(|error: ToolError| error.to_string())
}

#[test]
fn the_error_about_a_bad_combination_names_the_argument_and_a_fix() {
    for (arguments, parts) in [
        (json!({ "text": " " }), ["`text`", "1 to 50000"]),
        (json!({ "text": "x".repeat(50_001) }), ["50001", "text_file"]),
        (json!({}), ["`text`", "text_file"]),
        (json!({ "text": "x", "text_file": "/x" }), ["`text_file`", "one of the two"]),
        (
            json!({ "text": "x", "emotion": "whisper", "model": "speech-2.8-hd" }),
            ["`emotion`", "speech-2.8-hd takes happy"],
        ),
        (json!({ "text": "a<#0#>b" }), ["`text`", "0.01 to 99.99"]),
        (json!({ "text": "x", "model": "2.8-turbo" }), ["`model`", "did you mean speech-2.8-turbo?"]),
        (json!({ "text": "x", "language_boost": "Klingon" }), ["`language_boost`", "Afrikaans"]),
        (
            json!({ "text": "x", "language_boost": "Tamil", "model": "speech-02-hd" }),
            ["`language_boost`", "2.8-hd"],
        ),
        (
            json!({ "text": "x", "voice_id": "a", "voice_mix": [{ "voice_id": "b", "weight": 1 }] }),
            ["`voice_mix`", "voice_id"],
        ),
        (
            json!({ "text": "x".repeat(10_000), "voice_mix": [{ "voice_id": "b", "weight": 1 }] }),
            ["`voice_mix`", "9999"],
        ),
        (json!({ "text": "x", "pronunciation": ["omg"] }), ["`pronunciation`", "original/replacement"]),
        (json!({ "text": "x", "sample_rate": 12000, "format": "opus" }), ["`sample_rate`", "44100"]),
        (
            json!({ "text": "x".repeat(10_000), "sample_rate": 32000, "format": "opus" }),
            ["`sample_rate`", "8000, 12000, 16000, 24000, 48000"],
        ),
        (
            json!({ "text": "x", "format": "opus", "sound_effects": "robotic" }),
            ["`format`", "mp3, wav or flac"],
        ),
    ] {
        let problem = submit(arguments.clone()).unwrap_err();
        assert!(parts.iter().all(|part| problem.contains(part)), "{arguments}: {problem}");
    }
}

#[test]
fn emotion_is_sent_only_when_it_was_given() {
    let plain = submit(json!({ "text": "x" })).unwrap();
    assert!(plain["voice_setting"].get("emotion").is_none());
    assert_eq!(submit(json!({ "text": "x", "emotion": "sad" })).unwrap()["voice_setting"]["emotion"], "sad");
}

#[test]
fn the_voice_fits_the_text_and_language_boost_is_sent_only_when_it_was_given() {
    for (text, voice) in
        [("Hello there, friend.", "English_expressive_narrator"), ("你好，世界", "female-shaonv")]
    {
        let sent = submit(json!({ "text": text })).unwrap();
        assert_eq!(sent["voice_setting"]["voice_id"], voice);
        assert!(sent.get("language_boost").is_none(), "{sent}");
    }
    let sent = submit(json!({ "text": "Hello there, friend.", "language_boost": "French" })).unwrap();
    assert_eq!(sent["language_boost"], "French");
    assert_eq!(sent["voice_setting"]["voice_id"], "French_FemaleAnchor");
}

#[test]
fn only_requests_that_can_be_streamed_are_streamed() {
    let text = "x".repeat(3001);
    let streams = |fields: Value| {
        let mut arguments = json!({ "text": text });
        arguments.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        submit(arguments).unwrap()["stream"] == true
    };
    for fields in [
        json!({}),
        json!({ "format": "pcm" }),
        json!({ "format": "flac" }),
        json!({ "voice_modify_pitch": 1 }),
    ] {
        assert!(streams(fields.clone()), "{fields}");
    }
    for fields in [
        json!({ "text": "x".repeat(3000) }),
        json!({ "format": "wav" }),
        json!({ "format": "opus" }),
        json!({ "format": "flac", "voice_modify_pitch": 1 }),
        json!({ "watermark": true }),
        json!({ "subtitles": "srt" }),
    ] {
        assert!(!streams(fields.clone()), "{fields}");
    }
}
