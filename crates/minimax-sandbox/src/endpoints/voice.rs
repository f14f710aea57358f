//! `/v1/get_voice`, `/v1/voice_clone`, `/v1/voice_design`, `/v1/delete_voice` ("Voice clone", "Voice design",
//! "Get voice", "Delete voice").

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use crate::endpoints::speech::fields::{LANGUAGES, MODELS};
use crate::engine::blocking::run_blocking;
use crate::engine::clock::{HOUR, now};
use crate::engine::errors::{
    ASR_MISMATCH, ApiError, BAD_VOICE, NO_CLONING, PROMPT_MISMATCH, PROMPT_TOO_LONG, VOICE_LENGTH,
    VOICE_TAKEN, success,
};
use crate::engine::field_rules::{
    FILLED, Field, Kind, TEXT, check, int, optional, reject_sensitive, required, text,
};
use crate::engine::journal::{Entry, StoredFile, StoredVoice};
use crate::engine::request::Call;
use crate::engine::routes::Routes;
use crate::engine::state::AppState;
use crate::media::duration;
use crate::media::score::{Prosody, melody, play, wide};
use crate::media::sound::{Format, Setting, Sound};

const CLONED: &str = "voice_cloning";
const DESIGNED: &str = "voice_generation";

/// How long unused voices are kept, in seconds ("Voice clone > Notes").
const WEEK: u64 = 7 * 24 * HOUR;

/// Some system voices: id, name and description. One has no description, one is not in any documentation.
const SYSTEM: &[(&str, &str, &[&str])] = &[
    ("Chinese (Mandarin)_Reliable_Executive", "沉稳高管", &["一位沉稳可靠的中年男性高管声音"]),
    ("female-shaonv", "少女", &[]),
    (
        "English_expressive_narrator",
        "Expressive Narrator",
        &["An expressive adult male voice", "for audiobooks"],
    ),
    ("English_radiant_girl", "Radiant Girl", &["A radiant young girl"]),
    ("English_Trustworthy_Man", "Trustworthy Man", &["A trustworthy man"]),
    ("Spanish_SereneElder", "Serene Elder", &["A serene elder"]),
    ("Thai_Brand_New_Voice", "Brand New Voice", &["Newer than every list"]),
];

const GET_FIELDS: &[Field] =
    &[required("voice_type", Kind::OneOf(&["system", "voice_cloning", "voice_generation", "all"]))];
const DELETE_FIELDS: &[Field] =
    &[required("voice_type", Kind::OneOf(&[CLONED, DESIGNED])), required("voice_id", FILLED)];

/// "Voice clone > Request".
const CLONE_FIELDS: &[Field] = &[
    required("file_id", ID),
    required("voice_id", TEXT),
    optional("clone_prompt", Kind::Object(PROMPT)),
    optional("text", Kind::Text { min: 1, max: 1000 }),
    optional("model", Kind::OneOf(MODELS)),
    optional("language_boost", Kind::OneOfOrNull(LANGUAGES)),
    optional("text_validation", Kind::Text { min: 1, max: 200 }),
    optional("accuracy", Kind::Number { min: 0.0, max: 1.0 }),
    optional("need_noise_reduction", Kind::Bool),
    optional("need_volume_normalization", Kind::Bool),
    optional("aigc_watermark", Kind::Bool),
];
const ID: Kind = Kind::Int { min: 1, max: i64::MAX };
const PROMPT: &[Field] = &[required("prompt_audio", ID), required("prompt_text", FILLED)];

/// "Voice design > Request".
const DESIGN_FIELDS: &[Field] = &[
    required("prompt", FILLED),
    required("preview_text", Kind::Text { min: 1, max: 500 }),
    optional("voice_id", FILLED),
    optional("aigc_watermark", Kind::Bool),
];

pub(crate) fn routes() -> Routes {
    Routes::new()
        .post("/v1/get_voice", list)
        .post("/v1/voice_clone", clone)
        .post("/v1/voice_design", design)
        .post("/v1/delete_voice", delete)
}

async fn list(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let body = call.json()?;
    check(&body, GET_FIELDS)?;
    let wanted = text(&body, "voice_type");
    let mut answer = Map::new();
    if matches!(wanted, "system" | "all") {
        let shown = |(id, name, description): &(&str, &str, &[&str])| json!({"voice_id": id, "voice_name": name, "description": description, "created_time": "1970-01-01"});
        answer.insert("system_voice".into(), SYSTEM.iter().map(shown).collect());
    }
    let own: Vec<_> = state.store.voices().into_iter().filter(|voice| voice.used).collect();
    for kind in [CLONED, DESIGNED].into_iter().filter(|kind| wanted == "all" || wanted == *kind) {
        let voices: Vec<_> = own.iter().filter(|voice| voice.kind == kind).map(shown).collect();
        // MiniMax uses both forms for an empty list.
        let none = if kind == CLONED { Value::Null } else { json!([]) };
        answer.insert(kind.into(), if voices.is_empty() { none } else { json!(voices) });
    }
    answer.insert("base_resp".into(), success());
    Ok(Json(Value::Object(answer)))
}

fn shown(voice: &StoredVoice) -> Value {
    json!({"voice_id": voice.id, "description": [], "created_time": day(voice.created_at)})
}

fn day(seconds: u64) -> String {
    let at = jiff::Timestamp::from_second(i64::try_from(seconds).unwrap_or_default()).unwrap_or_default();
    at.to_string().chars().take(10).collect()
}

async fn delete(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let body = call.json()?;
    check(&body, DELETE_FIELDS)?;
    let id = text(&body, "voice_id");
    let voice = existing(&state, id).filter(|voice| voice.kind == text(&body, "voice_type"));
    let voice = voice.ok_or_else(|| ApiError::invalid(format_args!("voice_id {id:?} does not exist")))?;
    state.store.add(&Entry::VoiceDeleted(voice.id.clone()))?;
    let created = day(voice.created_at);
    Ok(Json(json!({"voice_id": voice.id, "created_time": created, "base_resp": success()})))
}

/// A cloned or designed voice, unless it expired unused.
fn existing(state: &AppState, id: &str) -> Option<StoredVoice> {
    let fresh = |voice: &StoredVoice| now().as_secs().saturating_sub(voice.created_at) < WEEK;
    state.store.voice(id).filter(|voice| voice.used || fresh(voice))
}

/// Records that a speech request used these voices.
pub(crate) fn mark_voices_used(state: &AppState, speech: &Map<String, Value>) -> Result<(), ApiError> {
    let single = speech.get("voice_setting").and_then(|setting| setting.get("voice_id"));
    let mixed = speech.get("timbre_weights").and_then(Value::as_array).into_iter().flatten();
    let ids = mixed.filter_map(|voice| voice.get("voice_id")).chain(single).filter_map(Value::as_str);
    for id in ids {
        if existing(state, id).is_some_and(|voice| !voice.used) {
            state.store.add(&Entry::VoiceUsed(id.to_owned()))?;
        }
    }
    Ok(())
}

async fn clone(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let body = call.json()?;
    check(&body, CLONE_FIELDS)?;
    let bill = call.bill();
    let trace = call.trace;
    let answer = run_blocking(move || {
        let prompt = body.get("clone_prompt").and_then(Value::as_object);
        check_clone(&state, &body, prompt)?;
        let spoken = text(&body, "text");
        let demo = if spoken.is_empty() { None } else { Some(synthesize(spoken, Format::Wav)?) };
        let name = format!("voice-{trace}.wav");
        if let Some(demo) = &demo {
            state.store.keep(&name, &demo.bytes)?;
        }
        state.store.add(&Entry::paid_voice(bill, new_voice(text(&body, "voice_id"), CLONED)))?;
        let mut answer = json!({
            "input_sensitive": false, "input_sensitive_type": 0, "demo_audio": "", "base_resp": success(),
        });
        if let (Some(demo), Some(fields)) = (demo, answer.as_object_mut()) {
            fields.insert("demo_audio".into(), json!(state.link(&name, 24 * HOUR)));
            fields.insert("extra_info".into(), extra_info(spoken, &demo));
        }
        Ok(answer)
    })
    .await?;
    Ok(Json(answer))
}

/// Rules that the field table cannot express.
fn check_clone(
    state: &AppState,
    body: &Map<String, Value>,
    prompt: Option<&Map<String, Value>>,
) -> Result<(), ApiError> {
    if !body.contains_key("model") && body.contains_key("text") {
        return Err(ApiError::invalid("model is required with text"));
    }
    let id = text(body, "voice_id");
    if !is_good_id(id) {
        return Err(ApiError::of(BAD_VOICE).saying(format!("invalid voice_id {id:?}")));
    }
    if is_taken(state, id) {
        return Err(ApiError::of(VOICE_TAKEN));
    }
    let (file, seconds) = recording(state, body, "file_id", "voice_clone")?;
    if !(10.0..=300.0).contains(&seconds) {
        return Err(ApiError::of(VOICE_LENGTH));
    }
    if file.filename.contains("#forbidden") || text(body, "text").contains("#forbidden") {
        return Err(ApiError::of(NO_CLONING));
    }
    if text(body, "text_validation").contains("#mismatch") {
        return Err(ApiError::of(ASR_MISMATCH));
    }
    if let Some(prompt) = prompt {
        let (_, seconds) = recording(state, prompt, "prompt_audio", "prompt_audio")?;
        if seconds >= 8.0 {
            return Err(ApiError::of(PROMPT_TOO_LONG));
        }
        if text(prompt, "prompt_text").contains("#mismatch") {
            return Err(ApiError::of(PROMPT_MISMATCH));
        }
    }
    reject_sensitive(text(body, "text"))
}

/// "Voice clone > voice_id".
fn is_good_id(id: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    let length = id.chars().count();
    (8..=256).contains(&length)
        && id.chars().all(plain)
        && id.chars().next().is_some_and(|first| first.is_ascii_alphabetic())
        && !id.ends_with(['-', '_'])
}

fn is_taken(state: &AppState, id: &str) -> bool {
    existing(state, id).is_some() || SYSTEM.iter().any(|(known, ..)| *known == id)
}

/// An uploaded recording and its length in seconds.
fn recording(
    state: &AppState,
    body: &Map<String, Value>,
    field: &str,
    purpose: &str,
) -> Result<(StoredFile, f64), ApiError> {
    let id = int(body, field, 0);
    let missing = || ApiError::invalid(format_args!("{field} {id} does not exist"));
    let file = state.store.file(id).ok_or_else(missing)?;
    if file.purpose != purpose {
        return Err(ApiError::invalid(format_args!("{field} {id} is for {}, not {purpose}", file.purpose)));
    }
    let bytes = std::fs::read(state.store.media(&file.media).unwrap_or_default())?;
    let seconds = duration::seconds(&bytes);
    Ok((file, seconds.ok_or_else(|| ApiError::of(BAD_VOICE).saying("invalid samples".to_owned()))?))
}

fn new_voice(id: &str, kind: &str) -> StoredVoice {
    StoredVoice { id: id.to_owned(), kind: kind.to_owned(), created_at: now().as_secs(), used: false }
}

async fn design(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let body = call.json()?;
    check(&body, DESIGN_FIELDS)?;
    reject_sensitive(text(&body, "prompt"))?;
    reject_sensitive(text(&body, "preview_text"))?;
    if text(&body, "prompt").contains("#forbidden") {
        return Err(ApiError::of(NO_CLONING));
    }
    let asked = text(&body, "voice_id");
    if !asked.is_empty() && is_taken(&state, asked) {
        return Err(ApiError::of(VOICE_TAKEN));
    }
    let suffix: String = call.trace.chars().take(8).collect();
    let today = day(now().as_secs()).replace('-', "");
    let id = if asked.is_empty() { format!("ttv-voice-{today}-{suffix}") } else { asked.to_owned() };
    let bill = call.bill();
    let answer = run_blocking(move || {
        let trial = synthesize(text(&body, "preview_text"), Format::Mp3)?;
        state.store.add(&Entry::paid_voice(bill, new_voice(&id, DESIGNED)))?;
        let trial = data_encoding::HEXLOWER.encode(&trial.bytes);
        Ok(json!({"trial_audio": trial, "voice_id": id, "base_resp": success()}))
    })
    .await?;
    Ok(Json(answer))
}

fn synthesize(spoken: &str, format: Format) -> Result<Sound, ApiError> {
    let setting = Setting { format, rate: 32_000, channels: 1, bitrate: 128_000 };
    let notes = melody(spoken, Prosody { speed: 1.0, pitch: 0 });
    let samples = play(&notes, setting.render_rate(), 1.0);
    setting.encode(&samples).map_err(|failure| ApiError::internal(&failure))
}

fn extra_info(spoken: &str, sound: &Sound) -> Value {
    json!({
        "audio_length": sound.milliseconds,
        "audio_sample_rate": 32_000,
        "audio_size": sound.bytes.len(),
        "bitrate": sound.bitrate,
        "word_count": spoken.chars().filter(|letter| letter.is_alphanumeric()).count(),
        "usage_characters": spoken.chars().map(|letter| if wide(letter) { 2 } else { 1 }).sum::<usize>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_the_rule_of_the_documentation() {
        for good in ["MyVoice001", "a2345678", "A-b_c-d-e-9"] {
            assert!(is_good_id(good), "{good}");
        }
        for bad in ["short", "1Voice001", "MyVoice00_", "MyVoice00-", "My Voice 1", "МойГолос1"] {
            assert!(!is_good_id(bad), "{bad}");
        }
    }
}
