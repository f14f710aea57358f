//! Speech: short texts in one request, long texts as a task, live speech over a WebSocket.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Order;
use super::listener::Listener;
use super::outcome::{HOUR, Made, Outcome, Sound, recorded, sound};
use crate::api::speech::{AudioFormat, SpeechSubmit};
use crate::api::speech_long::LongSpeech;
use crate::api::speech_socket::LiveSpeech;
use crate::api::task::Ready;
use crate::api::{ApiError, Client};
use crate::media::SubtitleFormat;
use crate::money::Decimal;
use crate::rate_limit::group;
use crate::store::{JobFile, Kind, Route, Task, Wrapped};

/// A text to be spoken.
#[derive(Debug)]
pub enum SpeechOrder {
    /// In one request.
    Short {
        /// The body.
        submit: SpeechSubmit,
        /// The format of the subtitles.
        subtitles: Option<SubtitleFormat>,
    },
    /// As a task.
    Long {
        /// The body.
        submit: LongSpeech,
        /// The format of the subtitles.
        subtitles: Option<SubtitleFormat>,
        /// A hash of the uploaded text, for the record. The id of an upload differs each time.
        content: Option<String>,
    },
    /// Played while it is made.
    Live {
        /// The first message, and the text.
        submit: LiveSpeech,
        /// Where it is played.
        listener: Option<Listener>,
    },
}

impl Order for SpeechOrder {
    fn kind(&self) -> Kind {
        Kind::Speech
    }

    fn group(&self) -> &'static str {
        match self {
            Self::Long { .. } => group::OTHER,
            Self::Short { .. } | Self::Live { .. } => group::SPEECH,
        }
    }

    fn is_task(&self) -> bool {
        matches!(self, Self::Long { .. })
    }

    /// Adds what the body does not have: the text of a live session, the subtitle format.
    fn record(&self) -> Value {
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

    fn send<'a>(&'a mut self, api: &'a Client) -> BoxFuture<'a, Result<Outcome, ApiError>> {
        speak(api, self).boxed()
    }
}

async fn speak(api: &Client, order: &mut SpeechOrder) -> Result<Outcome, ApiError> {
    match order {
        SpeechOrder::Short { submit, .. } if submit.stream => {
            let stream = api.speak_streamed(submit).await?;
            Ok(Outcome::Sound(Sound { stream, format: submit.audio_setting.format, listener: None }))
        }
        SpeechOrder::Live { submit, listener } => {
            let since = Instant::now();
            let stream = api.speak_live(submit).await?;
            let listener = listener.take().map(|listener| (listener, since));
            Ok(Outcome::Sound(Sound { stream, format: submit.audio_setting.format, listener }))
        }
        SpeechOrder::Short { submit, subtitles } => short(api, submit, *subtitles).await.map(Outcome::Made),
        SpeechOrder::Long { submit, .. } => {
            let submitted = api.submit_long_speech(submit).await?;
            let usage = submitted.characters.map(|count| json!({ "usage_characters": count }));
            let task = Task { route: Route::SpeechAsync, id: submitted.task_id };
            let (file_id, units) = (submitted.file_id, submitted.characters.map(Decimal::from));
            Ok(Outcome::Counted { task, file_id, units, usage })
        }
    }
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
    let units = speech.characters.map(Decimal::from);
    Ok(Made { units, usage: speech.usage, cut: speech.cut, ..made })
}

pub(crate) fn sound_file(format: AudioFormat) -> JobFile {
    JobFile {
        name: format!("speech.{}", format.extension()),
        mime_type: format.mime().to_owned(),
        ..JobFile::default()
    }
}

/// Turns a finished task into the link of its archive.
pub(super) async fn collect(api: &Client, ready: Ready) -> Result<Option<Made>, ApiError> {
    let file_id = ready.file_id.unwrap_or_default();
    let Some(url) = api.retrieve_file(&file_id).await?.download_url else { return Ok(None) };
    let file = JobFile {
        name: "speech.tar".to_owned(),
        mime_type: "application/x-tar".to_owned(),
        file_id: Some(file_id),
        wrapped: Wrapped::Archive,
        ..JobFile::default()
    };
    Ok(Some(Made { files: vec![file.linked(url, Some(9 * HOUR))], ..Made::default() }))
}
