//! The arguments of `text_to_audio`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::api::speech::{
    AudioFormat, AudioSetting, Effects, Emotion, Mix, PronunciationDict, SoundEffect, SpeechSubmit,
    StreamOptions, VoiceSetting,
};
use crate::mcp::{JobOptions, ToolError};
use crate::media::SubtitleFormat;
use crate::speech::rules::{Manner, check_pauses};
use crate::telemetry::is_blank;

/// T2A v2 > text: below 10,000 characters in one request, and streamed above 3,000.
const SHORT_LIMIT: usize = 9_999;
const STREAM_ABOVE: usize = 3_000;

/// T2A async > text: the longest text in the request itself.
const INLINE_LIMIT: usize = 50_000;

/// T2A async > audio_setting.audio_sample_rate: opus has its own rates.
const OPUS_RATES: &[u32] = &[8000, 12000, 16000, 24000, 48000];

/// T2A v2 > audio_setting.sample_rate, audio_setting.bitrate.
const SAMPLE_RATES: &[u32] = &[8000, 16000, 22050, 24000, 32000, 44100];
const BITRATES: &[u32] = &[32000, 64000, 128_000, 256_000];

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct SpeechInput {
    /// What to say, up to 50,000 characters; <#0.5#> pauses 0.5 s (0.01-99.99).
    text: Option<String>,
    /// In place of text: .txt (UTF-8, below 1,000,000 characters) or .zip; path, URL or minimax://. Works with
    /// subtitles, not voice_mix.
    text_file: Option<String>,
    /// Id from list_voices. Default: by language_boost or the text's language, mostly a woman; English:
    /// English_expressive_narrator.
    voice_id: Option<String>,
    /// speech-2.8-hd (default), speech-2.8-turbo (cheaper), speech-2.6-hd, speech-2.6-turbo, speech-02-hd,
    /// speech-02-turbo.
    model: Option<String>,
    /// Speed, 0.5-2, default 1.
    #[schemars(extend("minimum" = 0.5, "maximum" = 2))]
    speed: Option<f64>,
    /// Loudness, above 0 to 10, default 1.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 10))]
    vol: Option<f64>,
    /// Pitch, -12 to 12, default 0.
    #[schemars(range(min = -12, max = 12))]
    pitch: Option<i32>,
    /// Default: from the text. fluent, whisper: only speech-2.6-hd (then the default), speech-2.6-turbo.
    emotion: Option<Emotion>,
    /// The text's language, as French or Chinese,Yue, or auto. Persian, Filipino, Tamil: not with speech-02-hd, -turbo,
    /// speech-01-hd, -turbo.
    pub(crate) language_boost: Option<String>,
    /// Default mp3. pcmu: mu-law. voice_modify_* and sound_effects need mp3, wav or flac.
    #[serde(default)]
    pub(crate) format: AudioFormat,
    /// Hz, default 32000 (not 12000, 48000). opus with text_file or above 9,999 characters: 8000, 12000, 16000,
    /// 24000 (default), 48000.
    #[schemars(with = "Option<i32>", extend("enum" = [8000, 12000, 16000, 22050, 24000, 32000, 44100, 48000], "default" = 32000))]
    sample_rate: Option<u32>,
    /// Bits per second, default 128000; mp3 only.
    #[serde(default = "bits")]
    #[schemars(with = "i32", extend("enum" = BITRATES))]
    bitrate: u32,
    /// 1 (mono, default) or 2 channels.
    #[serde(default = "mono")]
    #[schemars(range(min = 1, max = 2))]
    pub(crate) channel: u8,
    /// 2 to 4 voices by weight (1-100) in place of voice_id; text up to 9,999 characters.
    #[schemars(length(max = 4))]
    voice_mix: Option<Vec<VoiceShare>>,
    /// Entries original/replacement, as omg/oh my god.
    pronunciation: Option<Vec<String>>,
    /// true: reads numbers and dates better.
    pub(crate) text_normalization: Option<bool>,
    /// -100 (deep) to 100 (bright).
    #[schemars(range(min = -100, max = 100))]
    voice_modify_pitch: Option<i32>,
    /// -100 (strong) to 100 (soft).
    #[schemars(range(min = -100, max = 100))]
    voice_modify_intensity: Option<i32>,
    /// -100 (rich) to 100 (crisp).
    #[schemars(range(min = -100, max = 100))]
    voice_modify_timbre: Option<i32>,
    /// One effect on the voice. Default: none.
    sound_effects: Option<SoundEffect>,
    /// Timed text as a second file. Default none.
    #[serde(default)]
    pub(crate) subtitles: Subtitles,
    /// true: MiniMax's AI mark.
    watermark: Option<bool>,
    #[serde(flatten)]
    pub(super) job: JobOptions,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Subtitles {
    #[default]
    None,
    Json,
    Srt,
    Vtt,
}

impl Subtitles {
    pub(crate) fn format(self) -> Option<SubtitleFormat> {
        match self {
            Self::None => None,
            Self::Json => Some(SubtitleFormat::Json),
            Self::Srt => Some(SubtitleFormat::Srt),
            Self::Vtt => Some(SubtitleFormat::Vtt),
        }
    }
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct VoiceShare {
    voice_id: String,
    #[schemars(range(min = 1, max = 100), with = "i32")]
    weight: u32,
}

fn bits() -> u32 {
    128_000
}

fn mono() -> u8 {
    1
}

/// Where the text comes from, and so which endpoint of MiniMax it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source<'a> {
    /// One request.
    Short(&'a str),
    /// A task.
    Long(&'a str),
    /// A task, with an upload before it.
    File(&'a str),
}

impl SpeechInput {
    pub(super) fn manner(&self) -> Manner<'_> {
        Manner {
            voice_id: self.voice_id.as_deref(),
            model: self.model.as_deref(),
            speed: self.speed,
            vol: self.vol,
            pitch: self.pitch,
            emotion: self.emotion,
            language_boost: self.language_boost.as_deref(),
        }
    }

    pub(super) fn source(&self) -> Result<Source<'_>, ToolError> {
        let text = match (&self.text, &self.text_file) {
            (None, None) => return Err(ToolError::argument("text", "is missing; give text or text_file")),
            (Some(_), Some(_)) => {
                return Err(ToolError::argument("text_file", "excludes text; give one of the two"));
            }
            (None, Some(file)) => return Ok(Source::File(file)),
            (Some(text), None) => text,
        };
        match text.chars().count() {
            1..=SHORT_LIMIT if !is_blank(text) => Ok(Source::Short(text)),
            1..=INLINE_LIMIT if !is_blank(text) => Ok(Source::Long(text)),
            length => {
                let problem = format!(
                    "has {length} characters; it needs 1 to {INLINE_LIMIT}. Give a longer one as text_file"
                );
                Err(ToolError::argument("text", problem))
            }
        }
    }

    /// T2A v2 > Streaming: these formats, no watermark, effects only in mp3. Subtitles are documented only without
    /// streaming.
    pub(super) fn may_stream(&self, text: &str) -> bool {
        let format = matches!(self.format, AudioFormat::Mp3 | AudioFormat::Pcm | AudioFormat::Flac);
        let effects = self.effects().is_none() || self.format == AudioFormat::Mp3;
        let plain = self.subtitles == Subtitles::None && self.watermark().is_none();
        text.chars().count() > STREAM_ABOVE && format && effects && plain
    }

    pub(super) fn submit(&self, text: &str, model: &str, voice: VoiceSetting, stream: bool) -> SpeechSubmit {
        let mix = self.voice_mix.clone().unwrap_or_default();
        SpeechSubmit {
            model: model.to_owned(),
            text: text.to_owned(),
            stream,
            stream_options: stream.then_some(StreamOptions { exclude_aggregated_audio: true }),
            voice_setting: VoiceSetting { text_normalization: self.text_normalization, ..voice },
            audio_setting: AudioSetting {
                sample_rate: self.rate(false),
                bitrate: self.bitrate(),
                format: self.format,
                channel: self.channel,
            },
            pronunciation_dict: self.pronunciations(),
            timbre_weights: mix
                .into_iter()
                .map(|VoiceShare { voice_id, weight }| Mix { voice_id: voice_id.trim().to_owned(), weight })
                .collect(),
            language_boost: self.language_boost.clone(),
            voice_modify: self.effects(),
            subtitle_enable: self.subtitles.format().map(|_| true),
            output_format: (!stream).then_some("url"),
            aigc_watermark: self.watermark(),
        }
    }

    pub(super) fn check(&self, source: Source<'_>) -> Result<(), ToolError> {
        let long = !matches!(source, Source::Short(_));
        if let Source::Short(text) | Source::Long(text) = source {
            check_pauses("text", text)?;
        }
        if self.is_mixed() && self.voice_id.is_some() {
            return Err(ToolError::argument("voice_mix", "excludes voice_id; give one of the two"));
        }
        if self.is_mixed() && long {
            let problem = format!("is for up to {SHORT_LIMIT} characters as text; use voice_id here");
            return Err(ToolError::argument("voice_mix", problem));
        }
        let legal = if long && self.format == AudioFormat::Opus { OPUS_RATES } else { SAMPLE_RATES };
        if let Some(rate) = self.sample_rate.filter(|rate| !legal.contains(rate)) {
            let legal = legal.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let problem = format!("is {rate}; for this text and format it must be one of {legal}");
            return Err(ToolError::argument("sample_rate", problem));
        }
        let pairs = self.pronunciation.iter().flatten();
        if let Some(pair) = pairs.into_iter().find(|pair| !is_pair(pair)) {
            let problem = format!("has the entry `{pair}`; each is written original/replacement");
            return Err(ToolError::argument("pronunciation", problem));
        }
        let modified = self.effects().is_some();
        if modified && !matches!(self.format, AudioFormat::Mp3 | AudioFormat::Wav | AudioFormat::Flac) {
            let problem = "must be mp3, wav or flac with voice_modify_* and sound_effects";
            return Err(ToolError::argument("format", problem));
        }
        Ok(())
    }

    /// Every voice that the call names, with the argument that names it.
    pub(super) fn voices(&self) -> impl Iterator<Item = (String, &str)> {
        let single = self.voice_id.iter().map(|id| ("voice_id".to_owned(), id.as_str()));
        let mixed = self.voice_mix.iter().flatten().enumerate();
        single.chain(mixed.map(|(at, share)| (format!("voice_mix[{at}].voice_id"), share.voice_id.as_str())))
    }

    pub(super) fn is_mixed(&self) -> bool {
        self.voice_mix.as_ref().is_some_and(|mix| !mix.is_empty())
    }

    /// The requested sample rate, or else 32,000 (24,000 for long texts in opus, which do not allow 32,000).
    pub(crate) fn rate(&self, long: bool) -> u32 {
        let default = if long && self.format == AudioFormat::Opus { 24_000 } else { 32_000 };
        self.sample_rate.unwrap_or(default)
    }

    /// Sent only if it is true.
    pub(crate) fn watermark(&self) -> Option<bool> {
        self.watermark.filter(|wanted| *wanted)
    }

    pub(crate) fn bitrate(&self) -> Option<u32> {
        (self.format == AudioFormat::Mp3).then_some(self.bitrate)
    }

    pub(crate) fn pronunciations(&self) -> Option<PronunciationDict> {
        self.pronunciation.clone().map(|tone| PronunciationDict { tone })
    }

    pub(crate) fn effects(&self) -> Option<Effects> {
        let effects = Effects {
            pitch: self.voice_modify_pitch,
            intensity: self.voice_modify_intensity,
            timbre: self.voice_modify_timbre,
            sound_effects: self.sound_effects,
        };
        let any = effects.pitch.is_some()
            || effects.intensity.is_some()
            || effects.timbre.is_some()
            || effects.sound_effects.is_some();
        any.then_some(effects)
    }
}

fn is_pair(pair: &str) -> bool {
    pair.split_once('/')
        .is_some_and(|(original, replacement)| !original.is_empty() && !replacement.is_empty())
}

#[cfg(test)]
mod tests;
