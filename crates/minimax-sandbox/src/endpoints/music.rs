//! `POST /v1/music_generation`, `/v1/music_cover_preprocess` and `/v1/lyrics_generation` ("Music generation", "Music cover
//! preprocess", "Lyrics generation").
//!
//! MiniMax closed music generation to new customers. Here every account has it, unless the prompt contains `#closed`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::endpoints::music_reference;
use crate::endpoints::speech::synthesis::streamed;
use crate::engine::blocking::run_blocking;
use crate::engine::clock::HOUR;
use crate::engine::errors::{ApiError, success};
use crate::engine::field_rules::{
    FILLED, Field, Kind, TEXT, check, flag, int, optional, reject_sensitive, required, text,
};
use crate::engine::journal::Entry;
use crate::engine::request::Call;
use crate::engine::routes::Routes;
use crate::engine::state::AppState;
use crate::media::score::{Prosody, melody, play};
use crate::media::sound::{Format, Setting, Sound};

/// The error code for accounts without music generation.
const NOT_IN_PLAN: i64 = 2061;

const COVER: &str = "music-cover";
const MODELS: &[&str] = &[
    "music-3.0",
    "music-2.6",
    COVER,
    "music-3.0-free",
    "music-2.6-free",
    "music-cover-free",
    "music-2.5+",
    "music-2.5",
    "music-2.0",
    "music-1.5",
];

/// "Music generation > Request".
const FIELDS: &[Field] = &[
    required("model", Kind::OneOf(MODELS)),
    optional("prompt", Kind::Text { min: 0, max: 2000 }),
    optional("lyrics", Kind::Text { min: 0, max: 3500 }),
    optional("stream", Kind::Bool),
    optional("output_format", Kind::OneOf(&["hex", "url"])),
    optional("audio_setting", Kind::Object(AUDIO)),
    optional("aigc_watermark", Kind::Bool),
    optional("lyrics_optimizer", Kind::Bool),
    optional("is_instrumental", Kind::Bool),
    optional("audio_url", FILLED),
    optional("audio_base64", FILLED),
    optional("cover_feature_id", FILLED),
];
const AUDIO: &[Field] = &[
    optional("sample_rate", Kind::IntOf(&[16_000, 24_000, 32_000, 44_100])),
    optional("bitrate", Kind::IntOf(&[32_000, 64_000, 128_000, 256_000])),
    optional("format", Kind::OneOf(&["mp3", "wav", "pcm"])),
];

/// "Music cover preprocess > Request".
const PREPROCESS: &[Field] = &[
    required("model", Kind::OneOf(&[COVER])),
    optional("audio_url", FILLED),
    optional("audio_base64", FILLED),
];

/// "Lyrics generation > Request".
const LYRICS: &[Field] = &[
    required("mode", Kind::OneOf(&["write_full_song", "edit"])),
    optional("prompt", Kind::Text { min: 0, max: 2000 }),
    optional("lyrics", Kind::Text { min: 0, max: 3500 }),
    optional("title", TEXT),
];

pub(crate) fn routes() -> Routes {
    Routes::new()
        .post("/v1/music_generation", generate)
        .post("/v1/music_cover_preprocess", preprocess)
        .post("/v1/lyrics_generation", lyrics)
}

/// Rejects retired models, accounts without music generation, and sensitive text.
fn check_access(body: &Map<String, Value>) -> Result<(), ApiError> {
    let model = text(body, "model");
    if model.ends_with("-free") {
        return Err(ApiError::invalid(format_args!("model {model} is no longer available")));
    }
    if text(body, "prompt").contains("#closed") {
        return Err(ApiError::of(NOT_IN_PLAN));
    }
    reject_sensitive(text(body, "prompt"))?;
    reject_sensitive(text(body, "lyrics"))
}

async fn generate(State(state): State<Arc<AppState>>, call: Call) -> Result<Response, ApiError> {
    let body = call.json()?;
    check(&body, FIELDS)?;
    check_combinations(&body)?;
    check_access(&body)?;
    let setting = setting(&body);
    let name = format!("music-{}.{}", call.trace, setting.format.ending());
    let (maker, order, bill, kept) = (Arc::clone(&state), body.clone(), call.bill(), name.clone());
    let sound = run_blocking(move || {
        if text(&order, "model") == COVER {
            music_reference::check(&maker, &order)?;
        }
        let sound = compose(&order, setting)?;
        maker.store.keep(&kept, &sound.bytes)?;
        let entry = Entry::paid(bill, None, None);
        maker.store.add(&entry)?;
        Ok(sound)
    })
    .await?;
    let extra = json!({
        "music_duration": sound.milliseconds,
        "music_sample_rate": setting.rate,
        "music_channel": setting.channels,
        "bitrate": sound.bitrate,
        "music_size": sound.bytes.len(),
    });
    if flag(&body, "stream") {
        return Ok(streamed(&sound.bytes, true, &extra, &call.trace));
    }
    let audio = if text(&body, "output_format") == "url" {
        state.link(&name, 24 * HOUR)
    } else {
        data_encoding::HEXLOWER.encode(&sound.bytes)
    };
    let answer = json!({
        "data": {"audio": audio, "status": 2},
        "trace_id": call.trace,
        "extra_info": extra,
        "analysis_info": null,
        "base_resp": success(),
    });
    Ok(Json(answer).into_response())
}

/// Rules that the field table cannot express.
fn check_combinations(body: &Map<String, Value>) -> Result<(), ApiError> {
    let model = text(body, "model");
    let count = |name: &str| text(body, name).trim().chars().count();
    let (prompt, words) = (count("prompt"), count("lyrics"));
    let (cover, old) = (model.starts_with(COVER), matches!(model, "music-2.0" | "music-1.5"));
    let optional_lyrics = model.starts_with("music-3.0") || model.starts_with("music-2.6");
    let (instrumental, optimizer) = (flag(body, "is_instrumental"), flag(body, "lyrics_optimizer"));
    let references = ["audio_url", "audio_base64", "cover_feature_id"];
    let references = references.iter().filter(|name| body.contains_key(**name)).count();
    let rules = [
        (!cover && references > 0, "audio_url, audio_base64 and cover_feature_id are only for music-cover"),
        (cover && references != 1, "exactly one of audio_url, audio_base64 and cover_feature_id is required"),
        (cover && !(10..=300).contains(&prompt), "prompt must have 10 to 300 characters for music-cover"),
        (
            cover && words > 0 && !(10..=1000).contains(&words),
            "lyrics must have 10 to 1000 characters for music-cover",
        ),
        (body.contains_key("cover_feature_id") && words == 0, "lyrics are required with cover_feature_id"),
        (
            !optional_lyrics && (instrumental || optimizer),
            "is_instrumental and lyrics_optimizer are not for this model",
        ),
        (
            old && prompt > 0 && !(10..=300).contains(&prompt),
            "prompt must have 10 to 300 characters for this model",
        ),
        (old && !(10..=600).contains(&words), "lyrics must have 10 to 600 characters for this model"),
        ((instrumental || optimizer) && prompt == 0, "prompt is required"),
        (!cover && !instrumental && !optimizer && words == 0, "lyrics are required"),
        (
            flag(body, "stream") && text(body, "output_format") == "url",
            "output_format url cannot be streamed",
        ),
        (flag(body, "stream") && flag(body, "aigc_watermark"), "aigc_watermark cannot be streamed"),
    ];
    match rules.iter().find(|(broken, _)| *broken) {
        Some((_, rule)) => Err(ApiError::invalid(rule)),
        None => Ok(()),
    }
}

fn setting(body: &Map<String, Value>) -> Setting {
    let empty = Map::new();
    let audio = body.get("audio_setting").and_then(Value::as_object).unwrap_or(&empty);
    let number = |name, otherwise| u32::try_from(int(audio, name, otherwise)).unwrap_or_default();
    Setting {
        format: Format::named(text(audio, "format")),
        rate: number("sample_rate", 44_100),
        channels: 2,
        bitrate: number("bitrate", 256_000),
    }
}

/// A melody as long as its lyrics. Without lyrics it is as long as a few lines.
fn compose(body: &Map<String, Value>, setting: Setting) -> Result<Sound, ApiError> {
    let words = text(body, "lyrics");
    let without = format!("{} ", text(body, "prompt")).repeat(2).chars().take(300).collect::<String>();
    let sung = if words.trim().is_empty() { &without } else { words };
    let notes = melody(sung, Prosody { speed: 0.8, pitch: 3 });
    let samples = play(&notes, setting.render_rate(), 1.0);
    setting.encode(&samples).map_err(|failure| ApiError::internal(&failure))
}

/// Returns the same id for the same sound.
async fn preprocess(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let body = call.json()?;
    check(&body, PREPROCESS)?;
    if body.contains_key("audio_url") == body.contains_key("audio_base64") {
        return Err(ApiError::invalid("exactly one of audio_url and audio_base64 is required"));
    }
    let (id, seconds) = run_blocking(move || {
        let seconds = music_reference::reference(&state, &body)?;
        let sound = [text(&body, "audio_url"), text(&body, "audio_base64")].concat();
        let id = data_encoding::HEXLOWER.encode(&Sha256::digest(sound)).chars().take(32).collect::<String>();
        music_reference::keep(&state, &id)?;
        Ok((id, seconds))
    })
    .await?;
    let structure =
        json!({"num_segments": 1, "segments": [{"start": 0.0, "end": seconds, "label": "verse"}]});
    Ok(Json(json!({
        "cover_feature_id": id,
        "formatted_lyrics": "[verse]\nLa la la, la la la",
        "structure_result": structure.to_string(),
        "audio_duration": seconds,
        "trace_id": call.trace,
        "base_resp": success(),
    })))
}

async fn lyrics(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let body = call.json()?;
    check(&body, LYRICS)?;
    let edited = text(&body, "lyrics");
    if text(&body, "mode") == "edit" && edited.trim().is_empty() {
        return Err(ApiError::invalid("lyrics are required by mode edit"));
    }
    check_access(&body)?;
    let bill = call.bill();
    run_blocking(move || Ok(state.store.add(&Entry::paid(bill, None, None))?)).await?;
    let theme = text(&body, "prompt");
    let written = if edited.is_empty() {
        format!("[Verse]\n{theme}, I sing of you\n[Chorus]\nOh {theme}, oh {theme}\n[Outro]\nGood night")
    } else {
        format!("{edited}\n[Outro]\n{theme}")
    };
    let title = if text(&body, "title").is_empty() { "A Song" } else { text(&body, "title") };
    Ok(Json(json!({
        "song_title": title,
        "style_tags": "folk, acoustic, warm",
        "lyrics": written,
        "base_resp": success(),
    })))
}
