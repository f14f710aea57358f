//! Purchases of voices: cloned from a recording, or designed from a description.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::Order;
use super::outcome::{HOUR, Made, Outcome, recorded};
use crate::api::clip::hex;
use crate::api::voice::{CloneSubmit, DesignSubmit};
use crate::api::{ApiError, Client};
use crate::money::Decimal;
use crate::rate_limit::group;
use crate::store::{JobFile, Kind};

/// A voice to be cloned.
#[derive(Debug)]
pub struct VoiceClone {
    /// The body.
    pub submit: CloneSubmit,
    /// Describes the recording. Its id at MiniMax differs with each upload.
    pub file: String,
    /// Describes the prompt recording.
    pub prompt: Option<String>,
}

impl Order for VoiceClone {
    fn kind(&self) -> Kind {
        Kind::Voice
    }

    fn group(&self) -> &'static str {
        group::CLONING
    }

    /// Names the recordings by their description.
    fn record(&self) -> Value {
        let mut body = serde_json::to_value(&self.submit).unwrap_or_default();
        if let Some(body) = body.as_object_mut() {
            body.insert("file_id".to_owned(), json!(self.file));
            if let Some(prompt) = body.get_mut("clone_prompt").and_then(Value::as_object_mut) {
                prompt.insert("prompt_audio".to_owned(), json!(self.prompt));
            }
        }
        body
    }

    fn send<'a>(&'a mut self, api: &'a Client) -> BoxFuture<'a, Result<Outcome, ApiError>> {
        clone(api, self).boxed()
    }
}

impl Order for DesignSubmit {
    fn kind(&self) -> Kind {
        Kind::Voice
    }

    fn group(&self) -> &'static str {
        group::DESIGN
    }

    fn record(&self) -> Value {
        recorded(self)
    }

    fn send<'a>(&'a mut self, api: &'a Client) -> BoxFuture<'a, Result<Outcome, ApiError>> {
        design(api, self).boxed()
    }
}

async fn clone(api: &Client, order: &VoiceClone) -> Result<Outcome, ApiError> {
    let cloned = api.clone_voice(&order.submit).await?;
    let file = cloned.demo_audio.map(|url| {
        let (name, mime_type) = ("voice-demo.wav".to_owned(), "audio/wav".to_owned());
        // How long this link is valid is not documented; links of other sounds are valid for a day.
        JobFile { name, mime_type, ..JobFile::default() }.linked(url, Some(24 * HOUR))
    });
    let warning = cloned.sensitive.map(|kind| {
        format!("MiniMax marked the input as sensitive (type {kind}); it may refuse to speak with this voice")
    });
    // Without a text to speak, nothing is billed until the voice is used.
    let units = if order.submit.text.is_some() { cloned.characters } else { Some(0) };
    Ok(Outcome::Made(Made {
        files: file.into_iter().collect(),
        voice_id: Some(order.submit.voice_id.clone()),
        warnings: warning.into_iter().collect(),
        units: units.map(Decimal::from),
        usage: cloned.usage,
        ..Made::default()
    }))
}

async fn design(api: &Client, submit: &DesignSubmit) -> Result<Outcome, ApiError> {
    let designed = api.design_voice(submit).await?;
    let (trial, is_whole) = hex(&designed.trial_audio);
    let mut made = Made { voice_id: Some(designed.voice_id), ..Made::default() };
    // The voice exists and is paid for, with or without its trial.
    match trial {
        trial if is_whole && trial.is_empty() => made.warnings.push("MiniMax sent no trial audio".to_owned()),
        trial if is_whole => {
            let (name, mime_type) = ("voice-trial.mp3".to_owned(), "audio/mpeg".to_owned());
            made.files.push(JobFile { name, mime_type, ..JobFile::default() });
            made.bytes.push((0, trial));
        }
        _ => made.warnings.push("the trial audio could not be read: it is not hex".to_owned()),
    }
    Ok(Outcome::Made(made))
}
