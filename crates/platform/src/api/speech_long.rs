//! Speech from long texts, which MiniMax makes as a task (platform docs > T2A async).

use serde::Serialize;
use serde_json::Value;

use super::exchange::Beside;
use super::speech::{AudioFormat, Effects, PronunciationDict, VoiceSetting};
use super::task::{self, Ending, Polled, Progress, Ready, ending};
use super::{ApiError, Client, Endpoint, group, lenient};
use crate::response::envelope::count;

const SUBMIT: Endpoint = Endpoint::post("/v1/t2a_async_v2", 60);
const QUERY: Endpoint = Endpoint::get("/v1/query/t2a_async_query_v2").polled_in(group::LONG_SPEECH_POLLS);

/// The body of `POST /v1/t2a_async_v2`: exactly one of `text` and `text_file_id`.
#[derive(Debug, Clone, Serialize)]
pub struct LongSpeech {
    /// A speech model, such as `speech-2.8-hd`.
    pub model: String,
    /// At most 50,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A file uploaded with the purpose `t2a_async_input`; a number on the wire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_file_id: Option<i64>,
    /// The voice and how it speaks, with `english_normalization`.
    pub voice_setting: VoiceSetting,
    /// The audio format.
    pub audio_setting: LongAudio,
    /// How to pronounce certain words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pronunciation_dict: Option<PronunciationDict>,
    /// The name of a language, or `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language_boost: Option<String>,
    /// Changes to the voice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice_modify: Option<Effects>,
    /// Marks the audio as AI-generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aigc_watermark: Option<bool>,
}

/// The audio format (T2A async > audio_setting).
#[derive(Debug, Clone, Serialize)]
pub struct LongAudio {
    /// In Hz. Opus has its own set of rates.
    pub audio_sample_rate: u32,
    /// In bits per second; mp3 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<u32>,
    /// Codec and container.
    pub format: AudioFormat,
    /// 1 or 2. MiniMax's default here is 2, unlike for short texts.
    pub channel: u8,
}

/// A submitted long text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LongSubmitted {
    /// The id to poll.
    pub task_id: String,
    /// The id of the result's file, if MiniMax names it at once.
    pub file_id: Option<String>,
    /// The billed characters.
    pub characters: Option<u64>,
}

impl Client {
    /// Submits a long text.
    pub async fn submit_long_speech(&self, submit: &LongSpeech) -> Result<LongSubmitted, ApiError> {
        let read = |answer: Value, _: &mut Beside| {
            let field = |name: &str| answer.get(name).or_else(|| answer.get("data")?.get(name));
            let id = field("file_id").and_then(|id| lenient(id).ok()).and_then(task::file_id);
            Ok(LongSubmitted {
                task_id: task::task_id(&answer)?,
                file_id: id.filter(|id| !id.contains('\u{fffd}')),
                characters: field("usage_characters").and_then(count).and_then(|count| count.try_into().ok()),
            })
        };
        self.buy(&SUBMIT, |request| request.json(submit), read).await
    }

    /// Polls the task of a long text.
    pub async fn query_long_speech(&self, task_id: &str) -> Result<Progress, ApiError> {
        let Polled { answer, trace_id, .. } = self.poll(&QUERY, QUERY.path, &[("task_id", task_id)]).await?;
        let task = task::unwrapped(&answer).unwrap_or(&answer);
        Ok(match ending(task::word(task)) {
            Some(Ending::Succeeded) => {
                let id = task.get("file_id").and_then(|id| lenient(id).ok()).and_then(task::file_id);
                match id {
                    Some(file_id) => {
                        Progress::Ready(Box::new(Ready { file_id: Some(file_id), ..Ready::default() }))
                    }
                    None => Progress::Empty { trace_id },
                }
            }
            Some(Ending::Failed) => self.failed(&answer, task),
            Some(Ending::Expired) => {
                let message = "its result has expired; MiniMax keeps long speech for nine hours".to_owned();
                Progress::Failed { code: None, message }
            }
            Some(Ending::Cancelled) => Progress::Cancelled,
            None => Progress::Pending(self.clean(task::word(task))),
        })
    }
}
