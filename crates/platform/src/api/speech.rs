//! Speech from text (platform docs > T2A v2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::exchange::Beside;
use super::{ApiError, Client, Endpoint};
use crate::response::clip::{self, Clip};
use crate::response::envelope::{count, usable_link};

pub(super) const T2A: Endpoint = Endpoint::post("/v1/t2a_v2", 120).with_audio(96 * 1024 * 1024);

/// The body of `POST /v1/t2a_v2`.
#[derive(Debug, Clone, Serialize)]
pub struct SpeechSubmit {
    /// A speech model, such as `speech-2.8-hd`.
    pub model: String,
    /// Fewer than 10,000 characters.
    pub text: String,
    /// Streams the audio; see [`Client::speak_streamed`].
    pub stream: bool,
    /// Only with `stream`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
    /// The voice and how it speaks.
    pub voice_setting: VoiceSetting,
    /// The audio format.
    pub audio_setting: AudioSetting,
    /// How to pronounce certain words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pronunciation_dict: Option<PronunciationDict>,
    /// A mix of up to four voices. `voice_setting.voice_id` must then be empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timbre_weights: Vec<Mix>,
    /// The name of a language, or `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language_boost: Option<String>,
    /// Changes to the voice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice_modify: Option<Effects>,
    /// Requests a subtitle file with one entry for each sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subtitle_enable: Option<bool>,
    /// `url` without `stream`. After a crash of this server a link still works; bytes in a response would be lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_format: Option<&'static str>,
    /// Marks the audio as AI-generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aigc_watermark: Option<bool>,
}

/// Options of a stream (T2A v2 > stream_options).
#[derive(Debug, Clone, Serialize)]
pub struct StreamOptions {
    /// If true, the last event does not repeat all of the audio.
    pub exclude_aggregated_audio: bool,
}

/// The voice and how it speaks (T2A v2 > voice_setting).
#[derive(Debug, Clone, Default, Serialize)]
pub struct VoiceSetting {
    /// A system, cloned or designed voice. Empty for a mix of voices.
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
    /// If absent, MiniMax infers it from the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emotion: Option<Emotion>,
    /// Reads numbers the way people say them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_normalization: Option<bool>,
    /// The same option under the name that long texts and WebSockets use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub english_normalization: Option<bool>,
}

/// The audio format (T2A v2 > audio_setting).
#[derive(Debug, Clone, Serialize)]
pub struct AudioSetting {
    /// In Hz.
    pub sample_rate: u32,
    /// In bits per second; mp3 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<u32>,
    /// Codec and container.
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
    /// The value on the wire.
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
    /// The extension of the file's name.
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

/// Pronunciations, as `original/replacement` pairs.
#[derive(Debug, Clone, Serialize)]
pub struct PronunciationDict {
    /// A replacement is text, or pinyin or IPA in parentheses.
    pub tone: Vec<String>,
}

/// One voice of a mix.
#[derive(Debug, Clone, Serialize)]
pub struct Mix {
    /// The voice's id.
    pub voice_id: String,
    /// 1 to 100.
    pub weight: u32,
}

/// Changes to the voice (T2A v2 > voice_modify), each from -100 to 100.
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

/// The result of one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Speech {
    /// A link, valid for 24 hours, or the bytes if MiniMax sends them although a link was requested.
    pub audio: Clip,
    /// In milliseconds.
    pub length_ms: Option<u64>,
    /// The billed characters.
    pub characters: Option<u64>,
    /// A link to the subtitles, if they were requested.
    pub subtitles: Option<String>,
    /// `extra_info`, unchanged.
    pub usage: Option<Value>,
    /// Why the audio may not be complete.
    pub cut: Option<&'static str>,
}

impl Client {
    /// Speaks a text and waits for it.
    pub async fn speak(&self, submit: &SpeechSubmit) -> Result<Speech, ApiError> {
        let read = |answer: Value, beside: &mut Beside| {
            let found = clip::sound(&answer);
            let cut = clip::cut(clip::status(&answer), found.as_ref());
            let none = clip::none(found.as_ref());
            let audio = found.and_then(|found| found.clip(&mut beside.lifted)).ok_or(none)?;
            let extra = answer.get("extra_info").filter(|extra| !extra.is_null());
            let number = |name: &str| count(extra?.get(name)?)?.try_into().ok();
            let subtitles = answer.pointer("/data/subtitle_file").or_else(|| answer.get("subtitle_file"));
            Ok(Speech {
                audio,
                length_ms: number("audio_length"),
                characters: number("usage_characters"),
                subtitles: subtitles.and_then(Value::as_str).and_then(usable_link),
                usage: extra.cloned(),
                cut,
            })
        };
        self.buy(&T2A, |request| request.json(submit), read).await
    }
}
