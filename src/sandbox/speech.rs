//! `POST /v1/t2a_v2` ("T2A v2"), whole and streamed.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures_util::stream;
use serde_json::{Map, Value, json};

use super::answer::{INVISIBLE, Refusal, base_resp, success};
use super::call::Call;
use super::check::{FILLED, Field, Kind, TEXT, check, decent, flag, int, optional, required, text};
use super::link::HOUR;
use super::media::score::{Manner, Piece, melody, pieces, play, wide};
use super::media::sound::{Format, Setting, Sound};
use super::platform::{Platform, aside};
use super::store::Entry;
use super::voice;

pub(super) const MODELS: &[&str] = &[
    "speech-2.8-hd",
    "speech-2.8-turbo",
    "speech-2.6-hd",
    "speech-2.6-turbo",
    "speech-02-hd",
    "speech-02-turbo",
    "speech-01-hd",
    "speech-01-turbo",
];

/// "T2A v2 > Request".
const FIELDS: &[Field] = &[
    required("model", Kind::OneOf(MODELS)),
    required("text", Kind::Text { min: 1, max: 9999 }),
    optional("stream", Kind::Bool),
    optional("stream_options", Kind::Object(&[optional("exclude_aggregated_audio", Kind::Bool)])),
    required("voice_setting", Kind::Object(VOICE)),
    optional("audio_setting", Kind::Object(AUDIO)),
    optional("pronunciation_dict", Kind::Object(&[optional("tone", ANY_TEXTS)])),
    optional("timbre_weights", Kind::List { min: 1, max: 4, item: &Kind::Object(TIMBRE) }),
    optional("language_boost", Kind::OneOfOrNull(LANGUAGES)),
    optional("voice_modify", Kind::Object(MODIFY)),
    optional("subtitle_enable", Kind::Bool),
    optional("subtitle_type", Kind::OneOf(&["sentence", "word", "word_streaming"])),
    optional("output_format", Kind::OneOf(&["hex", "url"])),
    optional("aigc_watermark", Kind::Bool),
];
pub(super) const ANY_TEXTS: Kind = Kind::List { min: 0, max: usize::MAX, item: &FILLED };
const VOICE: &[Field] = &[
    optional("voice_id", TEXT),
    optional("speed", Kind::Number { min: 0.5, max: 2.0 }),
    optional("vol", Kind::Positive { max: 10.0 }),
    optional("pitch", Kind::Int { min: -12, max: 12 }),
    optional("emotion", Kind::OneOf(EMOTIONS)),
    optional("text_normalization", Kind::Bool),
    optional("latex_read", Kind::Bool),
];
pub(super) const EMOTIONS: &[&str] =
    &["happy", "sad", "angry", "fearful", "disgusted", "surprised", "calm", "fluent", "whisper"];
pub(super) const AUDIO: &[Field] = &[
    optional("sample_rate", Kind::IntOf(&[8000, 16_000, 22_050, 24_000, 32_000, 44_100])),
    optional("bitrate", Kind::IntOf(&[32_000, 64_000, 128_000, 256_000])),
    optional("format", Kind::OneOf(&["mp3", "pcm", "flac", "wav", "pcmu_raw", "pcmu_wav", "opus"])),
    optional("channel", Kind::IntOf(&[1, 2])),
    optional("force_cbr", Kind::Bool),
];
pub(super) const TIMBRE: &[Field] =
    &[required("voice_id", FILLED), required("weight", Kind::Int { min: 1, max: 100 })];
const HUNDRED: Kind = Kind::Int { min: -100, max: 100 };
pub(super) const MODIFY: &[Field] = &[
    optional("pitch", HUNDRED),
    optional("intensity", HUNDRED),
    optional("timbre", HUNDRED),
    optional(
        "sound_effects",
        Kind::OneOf(&["spacious_echo", "auditorium_echo", "lofi_telephone", "robotic"]),
    ),
];
/// "T2A v2 > language_boost".
pub(super) const LANGUAGES: &[&str] = &[
    "Chinese",
    "Chinese,Yue",
    "English",
    "Arabic",
    "Russian",
    "Spanish",
    "French",
    "Portuguese",
    "German",
    "Turkish",
    "Dutch",
    "Ukrainian",
    "Vietnamese",
    "Indonesian",
    "Japanese",
    "Italian",
    "Korean",
    "Thai",
    "Polish",
    "Romanian",
    "Greek",
    "Czech",
    "Finnish",
    "Hindi",
    "Bulgarian",
    "Danish",
    "Hebrew",
    "Malay",
    "Persian",
    "Slovak",
    "Swedish",
    "Croatian",
    "Filipino",
    "Hungarian",
    "Norwegian",
    "Slovenian",
    "Catalan",
    "Nynorsk",
    "Tamil",
    "Afrikaans",
    "auto",
];

/// How many bytes of sound one streamed event carries.
pub(super) const CHUNK: usize = 8192;

pub(super) fn routes() -> Router<Arc<Platform>> {
    Router::new().route("/v1/t2a_v2", post(speak))
}

async fn speak(State(platform): State<Arc<Platform>>, call: Call) -> Result<Response, Refusal> {
    let body = call.json()?;
    check(&body, FIELDS)?;
    combine(&body)?;
    decent(text(&body, "text"))?;
    if invisible_ratio(text(&body, "text")) > 0.1 {
        return Err(Refusal::of(INVISIBLE).beside(json!({"data": null, "trace_id": call.trace})));
    }
    let setting = setting(&body);
    let names = Names::of(&body, setting, &call.trace);
    let (maker, order, bill, kept) = (Arc::clone(&platform), body.clone(), call.bill(), names.clone());
    let sound = aside(move || {
        let sound = utter(&order, setting)?;
        kept.keep(&maker, &order, &sound)?;
        let entry = Entry::paid(bill, None, None);
        maker.store.add(&entry)?;
        voice::spoken_with(&maker, &order)?;
        Ok(sound)
    })
    .await?;
    let extra = extra_info(&body, setting, &sound);
    if flag(&body, "stream") {
        let whole = !body
            .get("stream_options")
            .and_then(Value::as_object)
            .is_some_and(|options| flag(options, "exclude_aggregated_audio"));
        return Ok(streamed(&sound.bytes, whole, &extra, &call.trace));
    }
    let link = |name: &String| platform.link(name, 24 * HOUR);
    let hex = || data_encoding::HEXLOWER.encode(&sound.bytes);
    let mut data = json!({"audio": names.sound.as_ref().map_or_else(hex, link), "status": 2});
    if let (Some(name), Some(fields)) = (&names.subtitles, data.as_object_mut()) {
        fields.insert("subtitle_file".into(), json!(link(name)));
    }
    let answer = json!({"data": data, "extra_info": extra, "trace_id": call.trace, "base_resp": success()});
    Ok(Json(answer).into_response())
}

/// The names of the files that a request leaves behind, if any.
#[derive(Clone)]
struct Names {
    sound: Option<String>,
    subtitles: Option<String>,
}

impl Names {
    fn of(body: &Map<String, Value>, setting: Setting, trace: &str) -> Self {
        let name = |ending| format!("speech-{trace}.{ending}");
        let by_link = text(body, "output_format") == "url";
        Self {
            sound: by_link.then(|| name(setting.format.ending())),
            subtitles: flag(body, "subtitle_enable").then(|| name("json")),
        }
    }

    fn keep(&self, platform: &Platform, body: &Map<String, Value>, sound: &Sound) -> Result<(), Refusal> {
        let lines = || subtitles(text(body, "text"), sound.milliseconds).to_string().into_bytes();
        let files = [
            self.sound.as_ref().map(|name| (name, sound.bytes.clone())),
            self.subtitles.as_ref().map(|name| (name, lines())),
        ];
        for (name, bytes) in files.into_iter().flatten() {
            platform.store.keep(name, &bytes)?;
        }
        Ok(())
    }
}

/// What the field table cannot say.
pub(super) fn combine(body: &Map<String, Value>) -> Result<(), Refusal> {
    let empty = Map::new();
    let part = |name: &str| body.get(name).and_then(Value::as_object).unwrap_or(&empty);
    let (voice, audio) = (part("voice_setting"), part("audio_setting"));
    let (model, emotion) = (text(body, "model"), text(voice, "emotion"));
    let format = if audio.contains_key("format") { text(audio, "format") } else { "mp3" };
    let stream = flag(body, "stream");
    let rules = [
        (
            body.contains_key("timbre_weights") && !text(voice, "voice_id").is_empty(),
            "voice_setting.voice_id must be empty when timbre_weights are given",
        ),
        (
            !body.contains_key("timbre_weights") && text(voice, "voice_id").is_empty(),
            "voice_setting.voice_id is required",
        ),
        (
            matches!(emotion, "fluent" | "whisper") && !model.starts_with("speech-2.6"),
            "voice_setting.emotion fluent and whisper are only for the speech-2.6 models",
        ),
        (
            model.starts_with("speech-0")
                && matches!(text(body, "language_boost"), "Persian" | "Filipino" | "Tamil"),
            "language_boost Persian, Filipino and Tamil are not for the speech-01 and speech-02 models",
        ),
        (
            body.contains_key("voice_modify") && !matches!(format, "mp3" | "wav" | "flac"),
            "voice_modify needs audio_setting.format mp3, wav or flac",
        ),
        (body.contains_key("voice_modify") && stream && format != "mp3", "voice_modify streams only as mp3"),
        (stream && format.ends_with("wav"), "audio_setting.format wav cannot be streamed"),
        (stream && text(body, "output_format") == "url", "output_format url cannot be streamed"),
        (!stream && body.contains_key("stream_options"), "stream_options need stream"),
        (
            !stream && text(body, "subtitle_type") == "word_streaming",
            "subtitle_type word_streaming needs stream",
        ),
    ];
    match rules.iter().find(|(broken, _)| *broken) {
        Some((_, rule)) => Err(Refusal::invalid(rule)),
        None => pauses(text(body, "text")),
    }
}

/// "T2A v2 > text": `<#x#>` with x from 0.01 to 99.99, between speech, never two in a row.
fn pauses(spoken: &str) -> Result<(), Refusal> {
    let pieces = pieces(spoken);
    let is_rest = |piece: &&Piece<'_>| matches!(piece, Piece::Rest(_));
    if pieces.iter().any(|piece| matches!(piece, Piece::Rest(x) if !(0.01..=99.99).contains(x))) {
        return Err(Refusal::invalid("text: a pause <#x#> must be 0.01 to 99.99 seconds"));
    }
    if pieces.windows(2).any(|pair| pair.iter().all(|piece| is_rest(&piece))) {
        return Err(Refusal::invalid("text: two pauses must not follow each other"));
    }
    if pieces.first().iter().chain(&pieces.last()).any(is_rest) {
        return Err(Refusal::invalid("text: a pause must stand between speech"));
    }
    Ok(())
}

pub(super) fn setting(body: &Map<String, Value>) -> Setting {
    let empty = Map::new();
    let audio = body.get("audio_setting").and_then(Value::as_object).unwrap_or(&empty);
    let number = |name, otherwise| u32::try_from(int(audio, name, otherwise)).unwrap_or_default();
    Setting {
        format: Format::named(text(audio, "format")),
        rate: number("sample_rate", 32_000),
        channels: u16::try_from(int(audio, "channel", 1)).unwrap_or(1),
        bitrate: number("bitrate", 128_000),
    }
}

pub(super) fn utter(body: &Map<String, Value>, setting: Setting) -> Result<Sound, Refusal> {
    let voice = body.get("voice_setting");
    let number = |name: &str| voice.and_then(|voice| voice.get(name)).and_then(Value::as_f64).unwrap_or(1.0);
    let pitch = voice.and_then(|voice| voice.get("pitch")).and_then(Value::as_i64).unwrap_or_default();
    let pitch = i32::try_from(pitch).unwrap_or_default();
    let notes = melody(text(body, "text"), Manner { speed: number("speed"), pitch });
    let samples = play(&notes, setting.render_rate(), number("vol"));
    setting.encode(&samples).map_err(|failure| Refusal::internal(&failure))
}

/// "T2A v2 > extra_info". `usage_characters` is what is billed: Chinese, Japanese and Korean count double.
pub(super) fn extra_info(body: &Map<String, Value>, setting: Setting, sound: &Sound) -> Value {
    let spoken = text(body, "text");
    let format = body.get("audio_setting").and_then(|audio| audio.get("format")?.as_str()).unwrap_or("mp3");
    let letters = || pieces(spoken).into_iter().filter_map(speech).flat_map(str::chars);
    json!({
        "audio_length": sound.milliseconds,
        "audio_sample_rate": setting.rate,
        "audio_size": sound.bytes.len(),
        "bitrate": sound.bitrate,
        "word_count": letters().filter(|letter| letter.is_alphanumeric()).count(),
        "invisible_character_ratio": invisible_ratio(spoken),
        "usage_characters": letters().map(|letter| if wide(letter) { 2 } else { 1 }).sum::<usize>(),
        "audio_format": format,
        "audio_channel": setting.channels,
    })
}

fn speech(piece: Piece<'_>) -> Option<&str> {
    match piece {
        Piece::Speech(speech) => Some(speech),
        Piece::Rest(_) => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most a million characters")]
pub(super) fn invisible_ratio(spoken: &str) -> f64 {
    let invisible = |letter: &char| {
        letter.is_control() && !letter.is_whitespace()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{feff}')
    };
    let count = spoken.chars().filter(invisible).count();
    count as f64 / spoken.chars().count().max(1) as f64
}

/// Subtitles by sentence, the time shared out by length ("T2A v2 > subtitle_file").
pub(super) fn subtitles(spoken: &str, milliseconds: u64) -> Value {
    let sentences: Vec<&str> = spoken.split_inclusive(['.', '!', '?', '。', '！', '？', '\n']).collect();
    let total = spoken.chars().count().max(1) as u64;
    let mut before = 0;
    let lines = sentences.into_iter().map(|sentence| {
        let begin = before * milliseconds / total;
        before += sentence.chars().count() as u64;
        json!({"text": sentence.trim(), "time_begin": begin, "time_end": before * milliseconds / total})
    });
    lines.collect()
}

/// "T2A v2 > Streaming": pieces with status 1, then one event with status 2 that repeats everything.
pub(super) fn streamed(bytes: &[u8], repeat: bool, extra: &Value, trace: &str) -> Response {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let mut events: Vec<String> = bytes
        .chunks(CHUNK)
        .map(|chunk| {
            let data = json!({"audio": hex(chunk), "status": 1});
            event(&json!({"data": data, "trace_id": trace, "base_resp": base_resp(0, "")}))
        })
        .collect();
    let last = json!({"audio": if repeat { hex(bytes) } else { String::new() }, "status": 2});
    events
        .push(event(&json!({"data": last, "extra_info": extra, "trace_id": trace, "base_resp": success()})));
    let body = Body::from_stream(stream::iter(events.into_iter().map(Ok::<_, Infallible>)));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}
