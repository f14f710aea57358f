//! Converts a text into sound, subtitles and the description of both.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Map, Value, json};

use crate::engine::errors::{ApiError, base_resp, success};
use crate::engine::field_rules::{int, text};
use crate::media::score::{Piece, Prosody, melody, pieces, play, wide};
use crate::media::sound::{Format, Setting, Sound};

/// How many bytes of sound a streamed event contains.
pub(crate) const CHUNK: usize = 8192;

pub(crate) fn setting(body: &Map<String, Value>) -> Setting {
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

pub(crate) fn synthesize(body: &Map<String, Value>, setting: Setting) -> Result<Sound, ApiError> {
    let voice = body.get("voice_setting");
    let number = |name: &str| voice.and_then(|voice| voice.get(name)).and_then(Value::as_f64).unwrap_or(1.0);
    let pitch = voice.and_then(|voice| voice.get("pitch")).and_then(Value::as_i64).unwrap_or_default();
    let pitch = i32::try_from(pitch).unwrap_or_default();
    let notes = melody(text(body, "text"), Prosody { speed: number("speed"), pitch });
    let samples = play(&notes, setting.render_rate(), number("vol"));
    setting.encode(&samples).map_err(|failure| ApiError::internal(&failure))
}

/// "T2A v2 > extra_info". `usage_characters` is the billed amount; Chinese, Japanese and Korean count double.
pub(crate) fn extra_info(body: &Map<String, Value>, setting: Setting, sound: &Sound) -> Value {
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
pub(crate) fn invisible_ratio(spoken: &str) -> f64 {
    let invisible = |letter: &char| {
        letter.is_control() && !letter.is_whitespace()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{feff}')
    };
    let count = spoken.chars().filter(invisible).count();
    count as f64 / spoken.chars().count().max(1) as f64
}

/// Subtitles by sentence, with time in proportion to length ("T2A v2 > subtitle_file").
pub(crate) fn subtitles(spoken: &str, milliseconds: u64) -> Value {
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

/// "T2A v2 > Streaming": pieces with status 1, then one event with status 2, which repeats everything if `repeat`.
pub(crate) fn streamed(bytes: &[u8], repeat: bool, extra: &Value, trace: &str) -> Response {
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
