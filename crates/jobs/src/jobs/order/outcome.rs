//! What a paid request brings, and helpers for several kinds of purchase.

use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use super::listener::Listener;
use crate::api::speech::AudioFormat;
use crate::api::speech_stream::SoundStream;
use crate::money::Decimal;
use crate::response::clip::Clip;
use crate::store::{JobFile, Task};

/// What MiniMax answers to a request that it took.
pub enum Outcome {
    /// It works on the task.
    Task(Task),
    /// It works on the task, and has already said what it bills.
    Counted {
        /// What to poll.
        task: Task,
        /// The id of the file to come, where MiniMax names it at once.
        file_id: Option<String>,
        /// In units of `Cost::unit`.
        units: Option<Decimal>,
        /// As MiniMax reported it.
        usage: Option<Value>,
    },
    /// It is done.
    Made(Made),
    /// The audio arrives while it is made.
    Sound(Sound),
}

/// Audio that is still arriving.
pub struct Sound {
    /// Its chunks.
    pub stream: SoundStream,
    /// Its format.
    pub format: AudioFormat,
    /// Where the chunks are heard, and when the request left.
    pub listener: Option<(Listener, Instant)>,
}

/// A result whose files are still to be downloaded.
#[derive(Debug, Default)]
pub struct Made {
    /// One entry for each file. It has a link, or its content is in `bytes`.
    pub files: Vec<JobFile>,
    /// Content that came in the answer itself, by position in `files`.
    pub bytes: Vec<(usize, Vec<u8>)>,
    /// A text.
    pub text: Option<String>,
    /// A voice.
    pub voice_id: Option<String>,
    /// What the caller should know.
    pub warnings: Vec<String>,
    /// How many of the ordered results are missing.
    pub missing: u32,
    /// How many were made but have no link that can be fetched.
    pub unusable: u32,
    /// What is in the place of their links.
    pub odd: Vec<String>,
    /// The trace id, which MiniMax's support asks for.
    pub trace_id: Option<String>,
    /// Why the result may not be complete, although MiniMax handed it over.
    pub cut: Option<&'static str>,
    /// What is billed, in units of `Cost::unit`.
    pub units: Option<Decimal>,
    /// Inputs that are billed in addition, in units of `Cost::input`.
    pub inputs: Decimal,
    /// As MiniMax reported it.
    pub usage: Option<Value>,
    /// The model that MiniMax reports, if the caller named none.
    pub model: Option<String>,
}

pub(in crate::jobs) const HOUR: i64 = 3_600_000;

/// The body for the record, without its media.
pub(super) fn recorded(submit: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(submit).unwrap_or_default();
    elide(&mut value);
    value
}

/// Replaces data URLs and base64 by their size.
fn elide(value: &mut Value) {
    if let Some(Value::String(text)) = value.get_mut("audio_base64") {
        *text = format!("… ({} characters)", text.len());
    }
    match value {
        Value::String(text) if text.starts_with("data:") => {
            let kind = text.split(';').next().unwrap_or_default();
            *value = Value::String(format!("{kind};… ({} characters)", text.len()));
        }
        Value::Array(items) => items.iter_mut().for_each(elide),
        Value::Object(fields) => fields.values_mut().for_each(elide),
        _ => {}
    }
}

/// Audio as a result. The request asks for a link; if bytes come instead, they are kept, because they are paid for.
pub(super) fn sound(file: JobFile, audio: Clip) -> Made {
    match audio {
        Clip::Link(url) => Made { files: vec![file.linked(url, Some(24 * HOUR))], ..Made::default() },
        Clip::Bytes(bytes) => Made { files: vec![file], bytes: vec![(0, bytes)], ..Made::default() },
    }
}
