//! `POST /v1/music_generation` and `POST /v1/music_cover_preprocess` ("Music generation", "Music cover preprocess").
//!
//! Since MiniMax closed music to new customers, accounts are of two kinds. Here every account may buy, unless the
//! prompt says `#closed`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::answer::{Refusal, success};
use super::call::Call;
use super::check::{FILLED, Field, Kind, TEXT, check, decent, flag, int, optional, required, text};
use super::cover;
use super::link::HOUR;
use super::media::score::{Manner, melody, play};
use super::media::sound::{Format, Setting, Sound};
use super::platform::{Platform, aside};
use super::speech::streamed;
use super::store::Entry;

/// Not in the plan: what accounts without music are told.
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

pub(super) fn routes() -> Router<Arc<Platform>> {
    Router::new()
        .route("/v1/music_generation", post(generate))
        .route("/v1/music_cover_preprocess", post(preprocess))
        .route("/v1/lyrics_generation", post(lyrics))
}

/// What an account without music is told, and anybody who asks for a model that was stopped.
fn open(body: &Map<String, Value>) -> Result<(), Refusal> {
    let model = text(body, "model");
    if model.ends_with("-free") {
        return Err(Refusal::invalid(format_args!("model {model} is no longer available")));
    }
    if text(body, "prompt").contains("#closed") {
        return Err(Refusal::of(NOT_IN_PLAN));
    }
    decent(text(body, "prompt"))?;
    decent(text(body, "lyrics"))
}

async fn generate(State(platform): State<Arc<Platform>>, call: Call) -> Result<Response, Refusal> {
    let body = call.json()?;
    check(&body, FIELDS)?;
    combine(&body)?;
    open(&body)?;
    let setting = setting(&body);
    let name = format!("music-{}.{}", call.trace, setting.format.ending());
    let (maker, order, bill, kept) = (Arc::clone(&platform), body.clone(), call.bill(), name.clone());
    let sound = aside(move || {
        if text(&order, "model") == COVER {
            cover::check(&maker, &order)?;
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
        platform.link(&name, 24 * HOUR)
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

/// What the field table cannot say.
fn combine(body: &Map<String, Value>) -> Result<(), Refusal> {
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
        Some((_, rule)) => Err(Refusal::invalid(rule)),
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

/// A melody as long as its words; one without words is as long as a few lines.
fn compose(body: &Map<String, Value>, setting: Setting) -> Result<Sound, Refusal> {
    let words = text(body, "lyrics");
    let without = format!("{} ", text(body, "prompt")).repeat(2).chars().take(300).collect::<String>();
    let sung = if words.trim().is_empty() { &without } else { words };
    let notes = melody(sung, Manner { speed: 0.8, pitch: 3 });
    let samples = play(&notes, setting.render_rate(), 1.0);
    setting.encode(&samples).map_err(|failure| Refusal::internal(&failure))
}

/// The same sound has the same id.
async fn preprocess(State(platform): State<Arc<Platform>>, call: Call) -> Result<Json<Value>, Refusal> {
    let body = call.json()?;
    check(&body, PREPROCESS)?;
    if body.contains_key("audio_url") == body.contains_key("audio_base64") {
        return Err(Refusal::invalid("exactly one of audio_url and audio_base64 is required"));
    }
    let (id, seconds) = aside(move || {
        let seconds = cover::reference(&platform, &body)?;
        let sound = [text(&body, "audio_url"), text(&body, "audio_base64")].concat();
        let id = data_encoding::HEXLOWER.encode(&Sha256::digest(sound)).chars().take(32).collect::<String>();
        cover::keep(&platform, &id)?;
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

async fn lyrics(State(platform): State<Arc<Platform>>, call: Call) -> Result<Json<Value>, Refusal> {
    let body = call.json()?;
    check(&body, LYRICS)?;
    let edited = text(&body, "lyrics");
    if text(&body, "mode") == "edit" && edited.trim().is_empty() {
        return Err(Refusal::invalid("lyrics are required by mode edit"));
    }
    open(&body)?;
    let bill = call.bill();
    aside(move || Ok(platform.store.add(&Entry::paid(bill, None, None))?)).await?;
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
