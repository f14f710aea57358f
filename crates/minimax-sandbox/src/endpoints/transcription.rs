//! `POST /v1/speech_to_text` ("Speech to text").

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::engine::blocking::run_blocking;
use crate::engine::errors::{ApiError, SENSITIVE_INPUT};
use crate::engine::journal::Entry;
use crate::engine::request::{Call, Form, Part};
use crate::engine::routes::Routes;
use crate::engine::state::AppState;
use crate::media::duration;

/// The maximum size of a request: 50 MB of audio, and some room for the form.
pub(crate) const UPLOAD_LIMIT: usize = (50 << 20) + 4096;
/// The maximum length of a recording, in seconds.
const LONGEST: f64 = 500.0;

const ENDINGS: &[&str] = &["wav", "aiff", "aif", "flac", "m4a", "mp3", "aac", "opus", "ogg"];
/// "Speech to text > language", a request header.
const LANGUAGES: &[&str] = &[
    "zh", "yue", "en", "ja", "ko", "th", "vi", "id", "ms", "fil", "ar", "tr", "fr", "de", "es", "it", "pt",
    "pl", "ru", "uk",
];

/// The text fields of the form and their allowed values.
const FIELDS: &[(&str, &[&str])] = &[
    ("model", &["asr-1.0"]),
    ("response_format", &["json", "verbose_json", "srt", "vtt"]),
    ("timestamp_level", &["", "sentence", "word"]),
    ("stream", &["false"]),
];

pub(crate) fn routes() -> Routes {
    Routes::new().post("/v1/speech_to_text", transcribe)
}

async fn transcribe(
    State(state): State<Arc<AppState>>,
    headers: HeaderMap,
    call: Call,
) -> Result<Response, ApiError> {
    let bill = call.bill();
    let form = call.form.ok_or_else(|| ApiError::invalid("Content-Type must be multipart/form-data"))?;
    let language = headers.get("language").map(|value| value.to_str().unwrap_or("?").to_owned());
    if let Some(language) = language.as_deref().filter(|code| !code.is_empty() && !LANGUAGES.contains(code)) {
        return Err(ApiError::invalid(format_args!("language {language:?} is not supported")));
    }
    let recording = Recording::read(form)?;
    let trace = call.trace;
    run_blocking(move || {
        let seconds =
            duration::seconds(&recording.file.bytes).ok_or_else(|| ApiError::invalid("file is not audio"))?;
        if seconds > LONGEST {
            return Err(ApiError::invalid(format_args!(
                "audio duration {seconds:.1}s exceeds the limit of {LONGEST}s"
            )));
        }
        let name = recording.file.filename.clone().unwrap_or_default();
        if name.contains("#sensitive") {
            return Err(
                ApiError::of(SENSITIVE_INPUT).saying("audio content contains sensitive content".into())
            );
        }
        state.store.add(&Entry::paid(bill, None, None))?;
        Ok(recording.answer(&sentences(&name, language.as_deref()), seconds, &trace))
    })
    .await
}

/// A checked form.
struct Recording {
    format: String,
    by_word: bool,
    file: Part,
}

impl Recording {
    fn read(form: Form) -> Result<Self, ApiError> {
        let mut given: Vec<(String, String)> = Vec::new();
        let mut file = None;
        for part in form.0 {
            let twice = given.iter().any(|(name, _)| *name == part.name);
            if part.name == "file" && file.is_none() {
                file = Some(part);
                continue;
            }
            let row = FIELDS.iter().find(|(name, _)| *name == part.name).filter(|_| !twice);
            let Some((name, legal)) = row else {
                return Err(ApiError::invalid(format_args!("unknown or repeated form field {}", part.name)));
            };
            let value = String::from_utf8_lossy(&part.bytes).into_owned();
            if !legal.contains(&value.as_str()) {
                return Err(ApiError::invalid(format_args!("{name} must be one of {}", legal.join(", "))));
            }
            given.push(((*name).to_owned(), value));
        }
        let value =
            |name: &str| given.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        if value("model").is_none() {
            return Err(ApiError::invalid("model is required"));
        }
        let file = file.ok_or_else(|| ApiError::invalid("file is required"))?;
        let name = file.filename.clone().unwrap_or_default();
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
        if !ENDINGS.contains(&ending.as_str()) {
            return Err(ApiError::invalid(format_args!(
                "file {name:?} must end in one of {}",
                ENDINGS.join(", ")
            )));
        }
        let (format, by_word) =
            (value("response_format").unwrap_or("json").to_owned(), value("timestamp_level") == Some("word"));
        Ok(Self { format, by_word, file })
    }

    fn answer(&self, sentences: &[String], seconds: f64, trace: &str) -> Response {
        let text = sentences.join(" ");
        let parts: Vec<&str> = if self.by_word {
            sentences.iter().flat_map(|sentence| sentence.split_whitespace()).collect()
        } else {
            sentences.iter().map(String::as_str).collect()
        };
        let times = times(&parts, seconds);
        let plain = |kind: &'static str, body: String| ([(header::CONTENT_TYPE, kind)], body).into_response();
        match self.format.as_str() {
            "verbose_json" => {
                let segment = |(id, (start, end, text)): (usize, &(f64, f64, &str))| json!({"id": id, "start": start, "end": end, "speaker": "S1", "text": text});
                let segments: Vec<Value> = times.iter().enumerate().map(segment).collect();
                axum::Json(json!({
                    "text": text, "duration": seconds, "n_speakers": 1, "segments": segments, "trace_id": trace,
                }))
                .into_response()
            }
            "srt" => plain("text/plain; charset=utf-8", subtitles(&times, ',')),
            "vtt" => plain("text/vtt; charset=utf-8", format!("WEBVTT\n\n{}", subtitles(&times, '.'))),
            _ => axum::Json(json!({"text": text, "duration": seconds, "trace_id": trace})).into_response(),
        }
    }
}

/// The transcribed sentences: the file name and the requested language.
fn sentences(name: &str, language: Option<&str>) -> Vec<String> {
    if name.contains("#silence") {
        return Vec::new();
    }
    let language = language.filter(|code| !code.is_empty()).unwrap_or("any language");
    let mut heard = vec![format!("This is {name}."), format!("It was heard in {language}.")];
    if name.contains("#long") {
        heard.extend((0..1500).map(|number| format!("Sentence {number} of many.")));
    }
    heard
}

/// Divides the time evenly.
#[expect(clippy::cast_precision_loss, reason = "a few thousand words")]
fn times<'a>(parts: &[&'a str], seconds: f64) -> Vec<(f64, f64, &'a str)> {
    let each = seconds / parts.len().max(1) as f64;
    let at = |number: usize| (each * number as f64 * 1000.0).round() / 1000.0;
    parts.iter().enumerate().map(|(number, part)| (at(number), at(number + 1), *part)).collect()
}

fn subtitles(times: &[(f64, f64, &str)], point: char) -> String {
    let mut text = String::new();
    for (number, (start, end, part)) in times.iter().enumerate() {
        if point == ',' {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", number + 1);
        }
        let _ = writeln!(text, "{} --> {}\n{part}\n", clock(*start, point), clock(*end, point));
    }
    text
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 500 seconds")]
fn clock(seconds: f64, point: char) -> String {
    let millis = (seconds * 1000.0).round() as u64;
    let (whole, rest) = (millis / 1000, millis % 1000);
    format!("{:02}:{:02}:{:02}{point}{rest:03}", whole / 3600, whole / 60 % 60, whole % 60)
}
