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

use super::exchange::Beside;
use super::file::SLOWEST_UPLOAD;
use super::{ApiError, Client, Endpoint};

const TRANSCRIBE: Endpoint = Endpoint::post("/v1/speech_to_text", 300).with_media(16 * 1024 * 1024);

/// The form of `POST /v1/speech_to_text`, without the recording.
#[derive(Debug, Clone, Serialize)]
pub struct TranscriptionSubmit {
    /// `asr-1.0`.
    pub model: String,
    /// A code such as `en`, sent as a header. Without one, MiniMax detects the language or languages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The format of the transcript.
    pub format: TranscriptFormat,
    /// The granularity of the timestamps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp_level: Option<Timestamps>,
    /// The name of the recording. Its extension must fit the content, because MiniMax takes the type from it.
    pub name: String,
    /// The MIME type of the content.
    pub mime: &'static str,
    /// The size in bytes.
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
    /// The value of `response_format`. Plain text is requested as JSON, which contains it.
    fn wire(self) -> &'static str {
        match self {
            Self::Text | Self::Json => "json",
            Self::VerboseJson => "verbose_json",
            Self::Srt => "srt",
            Self::Vtt => "vtt",
        }
    }

    /// The extension of the file's name.
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

    /// Whether the format has timestamps.
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

/// The result of a transcription.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcript {
    /// The text. Subtitles keep their timestamps.
    pub text: String,
    /// The content of the file.
    pub content: String,
    /// The format of the content. It may differ from the requested one.
    pub format: TranscriptFormat,
    /// The billed seconds, if the format reports them.
    pub seconds: Option<f64>,
    /// The usage that MiniMax reports.
    pub usage: Option<Value>,
    /// It ends in the middle.
    pub is_cut: bool,
}

impl Client {
    /// Transcribes a recording, which is sent as a stream.
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
        let success =
            self.observed(TRANSCRIBE.path, self.exchange(&TRANSCRIBE, TRANSCRIBE.path, fill)).await?;
        let found = subtitles(submit.format, &String::from_utf8_lossy(&success.body));
        if let Some(subtitles) = found {
            return Ok(Transcript { is_cut: success.broken.is_some(), ..subtitles });
        }
        let format = if submit.format.is_subtitles() { TranscriptFormat::Text } else { submit.format };
        self.bought(TRANSCRIBE.path, success, |answer: Value, beside: &mut Beside| {
            Ok(Transcript { is_cut: beside.is_cut, ..heard(format, &answer)? })
        })
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

fn heard(format: TranscriptFormat, answer: &Value) -> Result<Transcript, String> {
    let text =
        ["/text", "/data/text", "/result/text"].iter().find_map(|place| answer.pointer(place)?.as_str());
    let Some(text) = text else { return Err("a success without text".to_owned()) };
    let seconds = answer.get("duration").and_then(|value| match value {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_f64(),
    });
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
    Ok(Transcript { text: text.to_owned(), content, format, seconds, usage: Some(usage), is_cut: false })
}

/// The subtitles in an answer, in either format: they are paid for even if the other format was requested. `None` if the
/// answer is something else, such as JSON or a proxy's error page.
fn subtitles(wanted: TranscriptFormat, body: &str) -> Option<Transcript> {
    let body = body.trim_start_matches('\u{feff}');
    let text = body.trim();
    let format = if text.starts_with("WEBVTT") {
        TranscriptFormat::Vtt
    } else if text.contains("-->") && text.starts_with(|first: char| first.is_ascii_digit()) {
        TranscriptFormat::Srt
    } else if text.is_empty() && wanted.is_subtitles() {
        // A silent recording has no subtitles.
        wanted
    } else {
        return None;
    };
    let (text, content) = (text.to_owned(), body.to_owned());
    Some(Transcript { text, content, format, seconds: None, usage: None, is_cut: false })
}
