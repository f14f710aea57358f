//! Speech, by whichever of MiniMax's roads the text needs.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::paid::{Answer, HOUR, Made, Sound, recorded, sound};
use crate::api::{ApiError, AudioFormat, Client, LiveSpeech, LongSpeech, Ready, SpeechSubmit};
use crate::media::{Player, SubtitleFormat};
use crate::store::{JobFile, Route, Task, Wrapped};

/// A text to be spoken.
#[derive(Debug, Clone)]
pub enum SpeechOrder {
    /// In one request.
    Short {
        /// The body.
        submit: SpeechSubmit,
        /// What its subtitles are to be.
        subtitles: Option<SubtitleFormat>,
    },
    /// As a task.
    Long {
        /// The body.
        submit: LongSpeech,
        /// What its subtitles are to be.
        subtitles: Option<SubtitleFormat>,
        /// What was uploaded, as a hash: the id of an upload is another one each time.
        content: Option<String>,
    },
    /// Aloud, while it is made.
    Live {
        /// The first message, and the text.
        submit: LiveSpeech,
        /// Who plays it.
        player: Option<Player>,
    },
}

impl SpeechOrder {
    /// Sends it. Once.
    pub(super) async fn send(&self, api: &Client) -> Result<Answer, ApiError> {
        match self {
            Self::Short { submit, .. } if submit.stream => {
                let stream = api.speak_streamed(submit).await?;
                let format = submit.audio_setting.format;
                Ok(Answer::Sound(Sound { stream, format, player: None }))
            }
            Self::Live { submit, player } => {
                let since = Instant::now();
                let stream = api.speak_live(submit).await?;
                let format = submit.audio_setting.format;
                let player = player.clone().map(|player| (player, since));
                Ok(Answer::Sound(Sound { stream, format, player }))
            }
            Self::Short { submit, subtitles } => short(api, submit, *subtitles).await.map(Answer::Made),
            Self::Long { submit, .. } => {
                let submitted = api.submit_long_speech(submit).await?;
                let usage = submitted.characters.map(|count| json!({ "usage_characters": count }));
                let task = Task { route: Route::SpeechAsync, id: submitted.task_id };
                let (file_id, units) = (submitted.file_id, submitted.characters.map(number));
                Ok(Answer::Counted { task, file_id, units, usage })
            }
        }
    }

    /// The body as it is kept, with what of the order is not in it.
    pub(super) fn record(&self) -> Value {
        let (mut record, subtitles) = match self {
            Self::Live { submit, .. } => {
                let mut record = recorded(submit);
                if let Some(fields) = record.as_object_mut() {
                    fields.insert("text".into(), json!(submit.text));
                }
                (record, &None)
            }
            Self::Short { submit, subtitles } => (recorded(submit), subtitles),
            Self::Long { submit, subtitles, content } => {
                let mut record = recorded(submit);
                if let (Some(content), Some(fields)) = (content, record.as_object_mut()) {
                    fields.shift_remove("text_file_id");
                    fields.insert("text_file".into(), json!(content));
                }
                (record, subtitles)
            }
        };
        if let (Some(format), Some(fields)) = (subtitles, record.as_object_mut()) {
            fields.insert("subtitles".into(), json!(format.extension()));
        }
        record
    }
}

#[expect(clippy::cast_precision_loss, reason = "a text has fewer than 2^52 characters")]
pub(super) fn number(count: u64) -> f64 {
    count as f64
}

async fn short(
    api: &Client,
    submit: &SpeechSubmit,
    subtitles: Option<SubtitleFormat>,
) -> Result<Made, ApiError> {
    let speech = api.speak(submit).await?;
    let mut file = sound_file(submit.audio_setting.format);
    file.duration_ms = speech.length_ms;
    let mut made = sound(file, speech.audio);
    match (subtitles, speech.subtitles) {
        (Some(format), Some(url)) => {
            let (name, mime_type) = (format!("subtitles.{}", format.extension()), format.mime().to_owned());
            let file = JobFile { name, mime_type, wrapped: Wrapped::Cues, ..JobFile::default() };
            made.files.push(file.linked(url, Some(24 * HOUR)));
        }
        (Some(_), None) => made.warnings.push("MiniMax sent no subtitles along".to_owned()),
        (None, _) => {}
    }
    let units = speech.characters.map(number);
    Ok(Made { units, usage: speech.usage, ..made })
}

pub(super) fn sound_file(format: AudioFormat) -> JobFile {
    JobFile {
        name: format!("speech.{}", format.extension()),
        mime_type: format.mime().to_owned(),
        ..JobFile::default()
    }
}

/// Turns a finished task into the link of its archive.
pub(super) async fn collect(api: &Client, ready: Ready) -> Result<Made, ApiError> {
    let file_id = ready.file_id.unwrap_or_default();
    let url = api.retrieve_file(&file_id).await?.download_url;
    let Some(url) = url else {
        let why = "a finished task without a link".to_owned();
        return Err(ApiError::Shape { at: "/v1/files/retrieve".into(), why, trace_id: None });
    };
    let file = JobFile {
        name: "speech.tar".to_owned(),
        mime_type: "application/x-tar".to_owned(),
        file_id: Some(file_id),
        wrapped: Wrapped::Archive,
        ..JobFile::default()
    };
    Ok(Made { files: vec![file.linked(url, Some(9 * HOUR))], ..Made::default() })
}
