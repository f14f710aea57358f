//! Purchases of voices: cloned from a recording, or designed from a description.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::Order;
use super::outcome::{Made, Outcome, recorded, sound};
use crate::api::voice::{CloneSubmit, DesignSubmit};
use crate::api::{ApiError, Client};
use crate::money::Decimal;
use crate::rate_limit::group;
use crate::store::{JobFile, Kind};
use crate::telemetry::quoted;

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
    let (name, mime_type) = ("voice-demo.wav".to_owned(), "audio/wav".to_owned());
    let file = JobFile { name, mime_type, ..JobFile::default() };
    // How long the link is valid is not documented; links of other sounds are valid for a day.
    let mut made = cloned.demo.map(|demo| sound(file, demo)).unwrap_or_default();
    made.warnings.extend(cloned.sensitive.map(|kind| {
        format!("MiniMax marked the input as sensitive (type {kind}); it may refuse to speak with this voice")
    }));
    made.warnings.extend(cloned.odd.map(|odd| no_sound("demo", &odd)));
    // Without a text to speak, nothing is billed until the voice is used.
    let units = if order.submit.text.is_some() { cloned.characters } else { Some(0) };
    Ok(Outcome::Made(Made {
        voice_id: Some(order.submit.voice_id.clone()),
        units: units.map(Decimal::from),
        usage: cloned.usage,
        ..made
    }))
}

async fn design(api: &Client, submit: &DesignSubmit) -> Result<Outcome, ApiError> {
    let designed = api.design_voice(submit).await?;
    let (name, mime_type) = ("voice-trial.mp3".to_owned(), "audio/mpeg".to_owned());
    let file = JobFile { name, mime_type, ..JobFile::default() };
    // The voice exists and is paid for, with or without its trial.
    let mut made = match (designed.trial, designed.odd) {
        (Some(trial), _) => sound(file, trial),
        (None, Some(odd)) => Made { warnings: vec![no_sound("trial audio", &odd)], ..Made::default() },
        (None, None) => Made { warnings: vec!["MiniMax sent no trial audio".to_owned()], ..Made::default() },
    };
    (made.voice_id, made.cut) = (Some(designed.voice_id), designed.cut);
    Ok(Outcome::Made(made))
}

/// The warning about a text that is no sound. The text may be a link that was cut.
fn no_sound(what: &str, odd: &str) -> String {
    format!("the {what} could not be read: MiniMax sent {} in its place", quoted(odd))
}
