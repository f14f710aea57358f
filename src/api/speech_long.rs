//! Speech from long texts, as a task (platform docs > T2A async).

use serde::{Deserialize, Serialize};

use super::{
    ApiError, AudioFormat, Client, Effects, Endpoint, Progress, PronunciationDict, Ready, VoiceSetting,
    group, lenient,
};

const SUBMIT: Endpoint = Endpoint::post("/v1/t2a_async_v2", 60);
const QUERY: Endpoint = Endpoint::get("/v1/query/t2a_async_query_v2").looked_at(group::LONG_SPEECH_LOOKS);

/// The body of `POST /v1/t2a_async_v2`: exactly one of `text` and `text_file_id`.
#[derive(Debug, Clone, Serialize)]
pub struct LongSpeech {
    /// `speech-2.8-hd` and the like.
    pub model: String,
    /// At most 50,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A file that was uploaded for `t2a_async_input`; a number on the wire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_file_id: Option<i64>,
    /// Who speaks and how; here with `english_normalization`.
    pub voice_setting: VoiceSetting,
    /// What the file is like.
    pub audio_setting: LongAudio,
    /// How words are said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pronunciation_dict: Option<PronunciationDict>,
    /// A language's name, or `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language_boost: Option<String>,
    /// Changes to the voice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice_modify: Option<Effects>,
    /// Marks the sound as machine-made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aigc_watermark: Option<bool>,
}

/// What the file is like (T2A async > audio_setting).
#[derive(Debug, Clone, Serialize)]
pub struct LongAudio {
    /// Hz; opus has rates of its own.
    pub audio_sample_rate: u32,
    /// Bits a second; mp3 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<u32>,
    /// Coding and container.
    pub format: AudioFormat,
    /// 1 or 2. MiniMax takes 2 if it is left out, unlike for short texts.
    pub channel: u8,
}

/// MiniMax took a long text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// What to ask about.
    pub task_id: String,
    /// The file that it will be in, where MiniMax names it at once.
    pub file_id: Option<String>,
    /// Characters that are billed.
    pub characters: Option<u64>,
}

impl Client {
    /// Hands a long text in.
    pub async fn submit_long_speech(&self, submit: &LongSpeech) -> Result<Submitted, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default, deserialize_with = "lenient")]
            task_id: String,
            #[serde(default, deserialize_with = "lenient")]
            file_id: String,
            usage_characters: Option<u64>,
        }
        let Answer { task_id, file_id, usage_characters } = self.post(&SUBMIT, submit).await?;
        let task_id = super::video::task(SUBMIT.path, task_id)?;
        let file_id = Some(file_id).filter(|id| !id.is_empty());
        Ok(Submitted { task_id, file_id, characters: usage_characters })
    }

    /// Looks at a long text's task.
    pub async fn query_long_speech(&self, task_id: &str) -> Result<Progress, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            status: String,
            #[serde(default, deserialize_with = "lenient")]
            file_id: String,
        }
        let Answer { status, file_id } = self.get(&QUERY, &[("task_id", task_id)]).await?;
        // `Success` in today's documents, `success` in older ones.
        Ok(match status.to_lowercase().as_str() {
            "success" if !file_id.is_empty() => {
                Progress::Ready(Box::new(Ready { file_id: Some(file_id), ..Ready::default() }))
            }
            "failed" | "fail" => {
                Progress::Failed { code: None, message: "it failed, without a reason".to_owned() }
            }
            "expired" => {
                let message = "its result has expired; MiniMax keeps long speech for nine hours".to_owned();
                Progress::Failed { code: None, message }
            }
            _ => Progress::Pending(status),
        })
    }
}
