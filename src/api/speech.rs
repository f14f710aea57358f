//! Speech from text (platform docs > T2A v2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ApiError, Client, Clip, Endpoint};

pub(super) const T2A: Endpoint = Endpoint::post("/v1/t2a_v2", 120).carrying(96 * 1024 * 1024);

/// The body of `POST /v1/t2a_v2`.
#[derive(Debug, Clone, Serialize)]
pub struct Submit {
    /// `speech-2.8-hd` and the like.
    pub model: String,
    /// Below 10,000 characters.
    pub text: String,
    /// The sound comes piece by piece; see [`Client::speak_streamed`].
    pub stream: bool,
    /// For a stream alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
    /// Who speaks and how.
    pub voice_setting: VoiceSetting,
    /// What the file is like.
    pub audio_setting: AudioSetting,
    /// How words are said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pronunciation_dict: Option<PronunciationDict>,
    /// Up to four voices in one; `voice_setting.voice_id` is empty then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timbre_weights: Vec<Mix>,
    /// A language's name, or `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language_boost: Option<String>,
    /// Changes to the voice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice_modify: Option<Effects>,
    /// Asks for a subtitle file by the sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subtitle_enable: Option<bool>,
    /// `url` where it is not streamed: a link outlives a crash of ours, bytes in an answer do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_format: Option<&'static str>,
    /// Marks the sound as machine-made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aigc_watermark: Option<bool>,
}

/// How a stream is cut up (T2A v2 > stream_options).
#[derive(Debug, Clone, Serialize)]
pub struct StreamOptions {
    /// The last event does not repeat the whole sound.
    pub exclude_aggregated_audio: bool,
}

/// Who speaks and how (T2A v2 > voice_setting).
#[derive(Debug, Clone, Default, Serialize)]
pub struct VoiceSetting {
    /// A system, cloned or designed voice; empty when voices are mixed.
    pub voice_id: String,
    /// 0.5 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
    /// Above 0, at most 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vol: Option<f64>,
    /// Semitones, -12 to 12; an integer on the wire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pitch: Option<i32>,
    /// Left out, MiniMax finds it from the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emotion: Option<Emotion>,
    /// Reads numbers as a person would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_normalization: Option<bool>,
    /// The same, under the name that it has for long texts and on WebSockets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub english_normalization: Option<bool>,
}

/// What the file is like (T2A v2 > audio_setting).
#[derive(Debug, Clone, Serialize)]
pub struct AudioSetting {
    /// Hz.
    pub sample_rate: u32,
    /// Bits a second; mp3 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<u32>,
    /// Coding and container.
    pub format: AudioFormat,
    /// 1 or 2.
    pub channel: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are the values on the wire")]
pub enum Emotion {
    Happy,
    Sad,
    Angry,
    Fearful,
    Disgusted,
    Surprised,
    Calm,
    Fluent,
    Whisper,
}

impl Emotion {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Happy => "happy",
            Self::Sad => "sad",
            Self::Angry => "angry",
            Self::Fearful => "fearful",
            Self::Disgusted => "disgusted",
            Self::Surprised => "surprised",
            Self::Calm => "calm",
            Self::Fluent => "fluent",
            Self::Whisper => "whisper",
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are the values on the wire")]
pub enum AudioFormat {
    #[default]
    Mp3,
    Wav,
    Flac,
    Pcm,
    PcmuRaw,
    PcmuWav,
    Opus,
}

impl AudioFormat {
    /// The ending of the file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Mp3 => "mp3",
            Self::Wav | Self::PcmuWav => "wav",
            Self::Flac => "flac",
            Self::Pcm => "pcm",
            Self::PcmuRaw => "ulaw",
            Self::Opus => "opus",
        }
    }

    /// The MIME type.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Mp3 => "audio/mpeg",
            Self::Wav | Self::PcmuWav => "audio/wav",
            Self::Flac => "audio/flac",
            Self::Pcm => "audio/pcm",
            Self::PcmuRaw => "audio/basic",
            Self::Opus => "audio/opus",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are the values on the wire")]
pub enum SoundEffect {
    SpaciousEcho,
    AuditoriumEcho,
    LofiTelephone,
    Robotic,
}

/// `original/replacement` pairs.
#[derive(Debug, Clone, Serialize)]
pub struct PronunciationDict {
    /// The replacement is a text, or pinyin or IPA in parentheses.
    pub tone: Vec<String>,
}

/// One voice of a mixture.
#[derive(Debug, Clone, Serialize)]
pub struct Mix {
    /// A voice.
    pub voice_id: String,
    /// 1 to 100.
    pub weight: u32,
}

/// Changes to the voice (T2A v2 > voice_modify); -100 to 100 each.
#[derive(Debug, Clone, Default, Serialize)]
#[expect(missing_docs, reason = "the fields are those on the wire")]
pub struct Effects {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pitch: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intensity: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timbre: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound_effects: Option<SoundEffect>,
}

/// What one request made.
#[derive(Debug, Clone, PartialEq)]
pub struct Speech {
    /// A link, valid for 24 hours; or the bytes should MiniMax answer with them after all.
    pub audio: Clip,
    /// Milliseconds.
    pub length_ms: Option<u64>,
    /// Characters that are billed.
    pub characters: Option<u64>,
    /// A link to subtitles by the sentence, if they were asked for.
    pub subtitles: Option<String>,
    /// `extra_info` as it came.
    pub usage: Option<Value>,
}

impl Client {
    /// Speaks a text and waits for it.
    pub async fn speak(&self, submit: &Submit) -> Result<Speech, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            // `null` is documented for refusals; one that comes with success is a broken promise.
            data: Option<Data>,
            extra_info: Option<Value>,
        }
        #[derive(Deserialize)]
        struct Data {
            audio: Option<Clip>,
            audio_url: Option<Clip>,
            subtitle_file: Option<String>,
        }
        let answer: Answer = self.post(&T2A, submit).await?;
        let (audio, subtitles) = answer.data.map_or((None, None), |data| {
            (data.audio.filter(|clip| !clip.is_empty()).or(data.audio_url), data.subtitle_file)
        });
        let Some(audio) = audio else {
            let why = "a success without audio".to_owned();
            return Err(ApiError::Shape { path: T2A.path, why, trace_id: None });
        };
        let number = |name: &str| answer.extra_info.as_ref()?.get(name)?.as_u64();
        Ok(Speech {
            audio,
            length_ms: number("audio_length"),
            characters: number("usage_characters"),
            subtitles: subtitles.filter(|link| !link.is_empty()),
            usage: answer.extra_info.clone(),
        })
    }
}
