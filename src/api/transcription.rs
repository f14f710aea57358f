//! Text from speech (platform docs > Speech to text).

use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use reqwest::multipart::{Form, Part};
use reqwest::{Body, RequestBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::file::SLOWEST_UPLOAD;
use super::{ApiError, Client, Endpoint};

const TRANSCRIBE: Endpoint = Endpoint::post("/v1/speech_to_text", 300).carrying(16 * 1024 * 1024);

/// The form of `POST /v1/speech_to_text`, less the recording.
#[derive(Debug, Clone, Serialize)]
pub struct TranscriptionSubmit {
    /// `asr-1.0`.
    pub model: String,
    /// A code such as `en`; left out, any and several. A request header, not a field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What comes back.
    pub format: TranscriptFormat,
    /// How finely the text is timed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp_level: Option<Timestamps>,
    /// What the recording is called, with the extension of its real type: MiniMax judges by it.
    pub name: String,
    /// Its real type.
    pub mime: &'static str,
    /// Its length in bytes.
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are the values on the wire, and `text`")]
pub enum TranscriptFormat {
    #[default]
    Text,
    Json,
    VerboseJson,
    Srt,
    Vtt,
}

impl TranscriptFormat {
    /// `response_format`; the bare text comes inside JSON.
    fn wire(self) -> &'static str {
        match self {
            Self::Text | Self::Json => "json",
            Self::VerboseJson => "verbose_json",
            Self::Srt => "srt",
            Self::Vtt => "vtt",
        }
    }

    /// The ending of the file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Json | Self::VerboseJson => "json",
            Self::Srt => "srt",
            Self::Vtt => "vtt",
        }
    }

    /// The MIME type.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Json | Self::VerboseJson => "application/json",
            Self::Srt => "application/x-subrip",
            Self::Vtt => "text/vtt",
        }
    }

    fn is_subtitles(self) -> bool {
        matches!(self, Self::Srt | Self::Vtt)
    }

    /// Whether each part of the text comes with its time.
    pub fn is_timed(self) -> bool {
        self.is_subtitles() || self == Self::VerboseJson
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are the values on the wire")]
pub enum Timestamps {
    Sentence,
    Word,
}

/// What was heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcript {
    /// What was said; subtitles with their times.
    pub text: String,
    /// The content of the file in the format that was asked for.
    pub content: String,
    /// Seconds that are billed, where the format tells.
    pub seconds: Option<f64>,
    /// What MiniMax counted.
    pub usage: Option<Value>,
}

impl Client {
    /// Writes down what is said in a recording, which is sent piece by piece.
    pub async fn transcribe<S>(
        &self,
        submit: &TranscriptionSubmit,
        recording: S,
    ) -> Result<Transcript, ApiError>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    {
        let part = Part::stream_with_length(Body::wrap_stream(recording), submit.bytes);
        let part = part.file_name(submit.name.clone()).mime_str(submit.mime);
        let part = part.map_err(|error| self.lost(TRANSCRIBE.path, error))?;
        let mut form = Form::new().text("model", submit.model.clone());
        form = form.text("response_format", submit.format.wire());
        if let Some(level) = submit.timestamp_level {
            form = form.text("timestamp_level", if level == Timestamps::Word { "word" } else { "sentence" });
        }
        let form = form.part("file", part);
        let patience = TRANSCRIBE.timeout + Duration::from_secs(submit.bytes / SLOWEST_UPLOAD);
        let fill =
            |request: RequestBuilder| request.headers(headers(submit)).multipart(form).timeout(patience);
        if submit.format.is_subtitles() {
            return self
                .send_for_text(&TRANSCRIBE, fill)
                .await
                .and_then(|body| subtitles(submit.format, &body));
        }
        let answer: Value = self.send(&TRANSCRIBE, TRANSCRIBE.path, fill).await?;
        heard(submit.format, &answer)
    }
}

fn headers(submit: &TranscriptionSubmit) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let language = submit.language.as_deref().and_then(|code| HeaderValue::from_str(code).ok());
    headers.extend(language.map(|code| (HeaderName::from_static("language"), code)));
    if submit.format.is_subtitles() {
        headers.insert(ACCEPT, HeaderValue::from_static("text/plain, text/vtt, application/json"));
    }
    headers
}

fn heard(format: TranscriptFormat, answer: &Value) -> Result<Transcript, ApiError> {
    let Some(text) = answer.get("text").and_then(Value::as_str) else {
        return Err(not_a_transcript("a success without text"));
    };
    let seconds = answer.get("duration").and_then(Value::as_f64);
    let content = match format {
        TranscriptFormat::Text => text.to_owned(),
        _ => serde_json::to_string_pretty(answer).unwrap_or_default(),
    };
    let mut usage = json!({});
    for name in ["duration", "n_speakers"] {
        if let (Some(value), Some(usage)) = (answer.get(name), usage.as_object_mut()) {
            usage.insert(name.to_owned(), value.clone());
        }
    }
    Ok(Transcript { text: text.to_owned(), content, seconds, usage: Some(usage) })
}

/// A page of a proxy's is no subtitles; none at all are what silence has.
fn subtitles(format: TranscriptFormat, body: &str) -> Result<Transcript, ApiError> {
    let body = body.trim_start_matches('\u{feff}');
    let right = match format {
        TranscriptFormat::Vtt => body.starts_with("WEBVTT"),
        _ => body.contains("-->"),
    };
    if !right && !body.trim().is_empty() {
        return Err(not_a_transcript("what came are no subtitles"));
    }
    Ok(Transcript { text: body.trim().to_owned(), content: body.to_owned(), seconds: None, usage: None })
}

fn not_a_transcript(why: &str) -> ApiError {
    ApiError::Shape { path: TRANSCRIBE.path, why: why.to_owned(), trace_id: None }
}
