//! Voices that are bought: cloned from a recording, designed from a description.

use serde_json::{Value, json};

use super::paid::{HOUR, Made};
use crate::api::{ApiError, Client, CloneSubmit, DesignSubmit};
use crate::store::JobFile;

/// A voice to be cloned.
#[derive(Debug, Clone)]
pub struct Clone {
    /// What is sent.
    pub submit: CloneSubmit,
    /// What the recording is: its id at MiniMax is another with each upload.
    pub file: String,
    /// What the prompt recording is.
    pub prompt: Option<String>,
}

impl Clone {
    /// The body with the recordings by name and size.
    pub(super) fn record(&self) -> Value {
        let mut body = serde_json::to_value(&self.submit).unwrap_or_default();
        if let Some(body) = body.as_object_mut() {
            body.insert("file_id".to_owned(), json!(self.file));
            if let Some(prompt) = body.get_mut("clone_prompt").and_then(Value::as_object_mut) {
                prompt.insert("prompt_audio".to_owned(), json!(self.prompt));
            }
        }
        body
    }
}

pub(super) async fn clone(api: &Client, order: &Clone) -> Result<Made, ApiError> {
    let cloned = api.clone_voice(&order.submit).await?;
    let file = cloned.demo_audio.map(|url| {
        let (name, mime_type) = ("voice-demo.wav".to_owned(), "audio/wav".to_owned());
        // How long the link lives is not documented; other sounds' links live a day.
        JobFile { name, mime_type, ..JobFile::default() }.linked(url, Some(24 * HOUR))
    });
    let warning = cloned.sensitive.map(|kind| {
        format!("MiniMax marked the input as sensitive (type {kind}); it may refuse to speak with this voice")
    });
    #[expect(clippy::cast_precision_loss, reason = "a text has fewer than 2^52 characters")]
    let counted = cloned.characters.map(|count| count as f64);
    // Without a text to speak nothing is billed before the voice is used.
    let units = if order.submit.text.is_some() { counted } else { Some(0.0) };
    Ok(Made {
        files: file.into_iter().collect(),
        voice_id: Some(order.submit.voice_id.clone()),
        warnings: warning.into_iter().collect(),
        units,
        usage: cloned.usage,
        ..Made::default()
    })
}

pub(super) async fn design(api: &Client, submit: &DesignSubmit) -> Result<Made, ApiError> {
    let designed = api.design_voice(submit).await?;
    let trial = data_encoding::HEXLOWER_PERMISSIVE.decode(designed.trial_audio.as_bytes());
    let mut made = Made { voice_id: Some(designed.voice_id), ..Made::default() };
    match trial {
        Ok(trial) if !trial.is_empty() => {
            let (name, mime_type) = ("voice-trial.mp3".to_owned(), "audio/mpeg".to_owned());
            made.files.push(JobFile { name, mime_type, ..JobFile::default() });
            made.bytes.push((0, trial));
        }
        // The voice is there and paid for, whatever became of its trial.
        Ok(_) => made.warnings.push("MiniMax sent no trial audio".to_owned()),
        Err(error) => made.warnings.push(format!("the trial audio could not be read: {error}")),
    }
    Ok(made)
}
