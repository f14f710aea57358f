//! `text_to_audio`.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::service::RequestContext;
use rmcp::{RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Draft, JobOptions, JobView, Server, ToolError};
use crate::api::{
    AudioFormat, AudioSetting, Effects, Emotion, Mix, PronunciationDict, SoundEffect, SpeechSubmit,
    VoiceSetting,
};
use crate::config::Defaults;
use crate::facts::facts;
use crate::jobs::{Cost, Paid};

/// T2A v2 > text: below 10,000 characters.
const TEXT_LIMIT: usize = 9_999;

/// T2A v2 > audio_setting.sample_rate, audio_setting.bitrate.
const SAMPLE_RATES: [u32; 6] = [8000, 16000, 22050, 24000, 32000, 44100];
const BITRATES: [u32; 4] = [32000, 64000, 128_000, 256_000];

/// T2A v2 > language_boost.
pub(super) const LANGUAGES: &[&str] = &[
    "auto",
    "Chinese",
    "Chinese,Yue",
    "English",
    "Arabic",
    "Russian",
    "Spanish",
    "French",
    "Portuguese",
    "German",
    "Turkish",
    "Dutch",
    "Ukrainian",
    "Vietnamese",
    "Indonesian",
    "Japanese",
    "Italian",
    "Korean",
    "Thai",
    "Polish",
    "Romanian",
    "Greek",
    "Czech",
    "Finnish",
    "Hindi",
    "Bulgarian",
    "Danish",
    "Hebrew",
    "Malay",
    "Persian",
    "Slovak",
    "Swedish",
    "Croatian",
    "Filipino",
    "Hungarian",
    "Norwegian",
    "Slovenian",
    "Catalan",
    "Nynorsk",
    "Tamil",
    "Afrikaans",
];

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct SpeechInput {
    /// What to say, below 10,000 characters. <#0.5#> is a pause in seconds.
    text: String,
    /// Who says it. Default female-shaonv.
    voice_id: Option<String>,
    /// speech-2.8-hd (default), -2.8-turbo, -2.6-hd, -2.6-turbo, -02-hd, -02-turbo.
    model: Option<String>,
    /// 0.5-2, default 1.
    #[schemars(range(min = 0.5, max = 2.0))]
    speed: Option<f64>,
    /// Volume, above 0 up to 10, default 1.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 10))]
    vol: Option<f64>,
    /// Semitones, -12 to 12, default 0.
    #[schemars(range(min = -12, max = 12))]
    pitch: Option<i32>,
    /// Left out: found from the text. fluent, whisper: 2.6 models only.
    emotion: Option<Emotion>,
    /// A language such as English or Chinese,Yue; default auto.
    #[serde(default = "auto")]
    language_boost: String,
    /// Default mp3.
    #[serde(default)]
    format: AudioFormat,
    /// Hz, default 32000.
    #[serde(default = "rate")]
    #[schemars(extend("enum" = SAMPLE_RATES))]
    sample_rate: u32,
    /// mp3 only, default 128000.
    #[serde(default = "bits")]
    #[schemars(extend("enum" = BITRATES))]
    bitrate: u32,
    /// 1 mono (default), 2 stereo.
    #[serde(default = "mono")]
    #[schemars(range(min = 1, max = 2))]
    channel: u8,
    /// Up to 4 voices mixed, instead of voice_id.
    #[schemars(length(max = 4))]
    voice_mix: Option<Vec<VoiceShare>>,
    /// original/replacement pairs, e.g. omg/oh my god.
    pronunciation: Option<Vec<String>>,
    /// Read numbers as a person would.
    text_normalization: Option<bool>,
    /// -100 deep to 100 bright.
    #[schemars(range(min = -100, max = 100))]
    voice_modify_pitch: Option<i32>,
    /// -100 strong to 100 soft.
    #[schemars(range(min = -100, max = 100))]
    voice_modify_intensity: Option<i32>,
    /// -100 rich to 100 crisp.
    #[schemars(range(min = -100, max = 100))]
    voice_modify_timbre: Option<i32>,
    /// Effect on the voice.
    sound_effects: Option<SoundEffect>,
    /// Mark as AI-made.
    #[serde(default)]
    watermark: bool,
    #[serde(flatten)]
    job: JobOptions,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct VoiceShare {
    voice_id: String,
    /// 1-100.
    #[schemars(range(min = 1, max = 100))]
    weight: u32,
}

fn auto() -> String {
    "auto".to_owned()
}

fn rate() -> u32 {
    32_000
}

fn bits() -> u32 {
    128_000
}

fn mono() -> u8 {
    1
}

#[tool_router(router = speech_tools, vis = "pub(super)")]
impl Server {
    /// Speak a text and save it as an audio file. Costs money.
    #[tool(
        title = "Text to audio",
        output_schema = JobView::schema(),
        annotations(read_only_hint = false, destructive_hint = false, idempotent_hint = false, open_world_hint = false)
    )]
    async fn text_to_audio(
        &self,
        Parameters(input): Parameters<SpeechInput>,
        call: RequestContext<RoleServer>,
    ) -> Result<JobView, ToolError> {
        if !input.job.dry_run {
            self.ready()?;
        }
        let (submit, warnings) = input.submit(&self.config().defaults)?;
        let draft = Draft {
            model: submit.model.clone(),
            prompt: submit.text.clone(),
            cost: cost(&submit, self.config().currency()),
            paid: Paid::Speech(submit),
            warnings,
        };
        self.buy("text_to_audio", draft, input.job, &call).await
    }
}

impl SpeechInput {
    fn submit(&self, defaults: &Defaults) -> Result<(SpeechSubmit, Vec<String>), ToolError> {
        let default_model = defaults.speech_model.as_deref().unwrap_or("speech-2.8-hd");
        let model = facts().canonical(self.model.as_deref().unwrap_or(default_model));
        let length = self.text.chars().count();
        if self.text.trim().is_empty() || length > TEXT_LIMIT {
            let problem = format!(
                "has {length} characters; it needs 1 to {TEXT_LIMIT}. Split a longer text at paragraphs"
            );
            return Err(ToolError::argument("text", problem));
        }
        self.check_ranges()?;
        self.check_mixtures()?;
        let warnings = self.check_model(&model)?;
        let default_voice = defaults.voice_id.as_deref().unwrap_or("female-shaonv");
        let mix = self.voice_mix.clone().unwrap_or_default();
        let voice_id = match &self.voice_id {
            Some(voice) => voice.clone(),
            None if mix.is_empty() => default_voice.to_owned(),
            None => String::new(),
        };
        let submit = SpeechSubmit {
            model,
            text: self.text.clone(),
            stream: false,
            voice_setting: VoiceSetting {
                voice_id,
                speed: self.speed,
                vol: self.vol,
                pitch: self.pitch,
                emotion: self.emotion,
                text_normalization: self.text_normalization,
            },
            audio_setting: AudioSetting {
                sample_rate: self.sample_rate,
                bitrate: (self.format == AudioFormat::Mp3).then_some(self.bitrate),
                format: self.format,
                channel: self.channel,
            },
            pronunciation_dict: self.pronunciation.clone().map(|tone| PronunciationDict { tone }),
            timbre_weights: mix
                .into_iter()
                .map(|VoiceShare { voice_id, weight }| Mix { voice_id, weight })
                .collect(),
            language_boost: Some(self.language_boost.clone()),
            voice_modify: self.effects(),
            output_format: "url",
            aigc_watermark: self.watermark.then_some(true),
        };
        Ok((submit, warnings))
    }

    fn check_ranges(&self) -> Result<(), ToolError> {
        let wrong = |field: &str, problem: String| Err(ToolError::argument(field, problem));
        if let Some(speed) = self.speed.filter(|speed| !(0.5..=2.0).contains(speed)) {
            return wrong("speed", format!("is {speed}; it is 0.5 to 2"));
        }
        if let Some(vol) = self.vol.filter(|vol| *vol <= 0.0 || *vol > 10.0) {
            return wrong("vol", format!("is {vol}; it is above 0 and at most 10"));
        }
        if !LANGUAGES.contains(&self.language_boost.as_str()) {
            return wrong(
                "language_boost",
                format!("is {}; it is one of {}", self.language_boost, LANGUAGES.join(", ")),
            );
        }
        Ok(())
    }

    fn check_mixtures(&self) -> Result<(), ToolError> {
        let mixed = self.voice_mix.as_ref().is_some_and(|mix| !mix.is_empty());
        if mixed && self.voice_id.is_some() {
            return Err(ToolError::argument("voice_mix", "excludes voice_id; give one of the two"));
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

    fn check_model(&self, model: &str) -> Result<Vec<String>, ToolError> {
        let Some(row) = facts().speech(model) else {
            return Ok(vec![format!(
                "the model {model} is not in the tables of this server; it is sent as it is"
            )]);
        };
        if let Some(emotion) =
            self.emotion.filter(|emotion| !row.emotions.iter().any(|legal| legal == emotion.word()))
        {
            let problem = format!("is {}; {model} takes {}", emotion.word(), row.emotions.join(", "));
            return Err(ToolError::argument("emotion", problem));
        }
        if row.not_languages.contains(&self.language_boost) {
            let problem = format!(
                "is {}, which {model} lacks; use speech-2.8-hd or speech-2.6-hd",
                self.language_boost
            );
            return Err(ToolError::argument("language_boost", problem));
        }
        Ok(Vec::new())
    }

    fn effects(&self) -> Option<Effects> {
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

fn cost(submit: &SpeechSubmit, currency: &str) -> Cost {
    let million = facts().speech(&submit.model).and_then(|row| row.per_million.in_currency(currency));
    let mut cost =
        Cost { currency: currency.to_owned(), unit: million.map(|price| price / 1e6), ..Cost::default() };
    cost.estimated = cost.of(f64::from(billed_characters(&submit.text)));
    cost.basis =
        million.map(|price| format!("{price} {currency} a million characters, prices of {}", facts().as_of));
    cost
}

/// A Chinese character counts twice (price page > T2A).
pub(super) fn billed_characters(text: &str) -> u32 {
    let han = |letter: char| matches!(letter, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}');
    let count = text.chars().map(|letter| if han(letter) { 2 } else { 1 }).sum::<usize>();
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn submit(arguments: Value) -> Result<(SpeechSubmit, Vec<String>), String> {
        let input: SpeechInput = serde_json::from_value(arguments).unwrap();
        input.submit(&Defaults::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn bad_combinations_name_the_argument_and_the_way_out() {
        for (arguments, parts) in [
            (json!({ "text": " " }), ["`text`", "1 to 9999"]),
            (json!({ "text": "x".repeat(10_000) }), ["10000", "Split"]),
            (json!({ "text": "x", "emotion": "whisper" }), ["`emotion`", "speech-2.8-hd takes happy"]),
            (json!({ "text": "x", "language_boost": "Klingon" }), ["`language_boost`", "Afrikaans"]),
            (
                json!({ "text": "x", "language_boost": "Tamil", "model": "speech-02-hd" }),
                ["`language_boost`", "2.8-hd"],
            ),
            (
                json!({ "text": "x", "voice_id": "a", "voice_mix": [{ "voice_id": "b", "weight": 1 }] }),
                ["`voice_mix`", "voice_id"],
            ),
            (json!({ "text": "x", "pronunciation": ["omg"] }), ["`pronunciation`", "original/replacement"]),
            (
                json!({ "text": "x", "format": "opus", "sound_effects": "robotic" }),
                ["`format`", "mp3, wav or flac"],
            ),
        ] {
            let problem = submit(arguments.clone()).unwrap_err();
            assert!(parts.iter().all(|part| problem.contains(part)), "{arguments}: {problem}");
        }
    }

    #[test]
    fn emotion_is_sent_only_when_it_was_given() {
        let (plain, _) = submit(json!({ "text": "x" })).unwrap();
        assert!(serde_json::to_value(&plain).unwrap()["voice_setting"].get("emotion").is_none());
        let (sad, _) = submit(json!({ "text": "x", "emotion": "sad" })).unwrap();
        assert_eq!(serde_json::to_value(&sad).unwrap()["voice_setting"]["emotion"], "sad");
    }

    #[test]
    fn chinese_characters_are_billed_twice() {
        assert_eq!(billed_characters("abc 你好"), 8);
        let (submit, _) = submit(json!({ "text": "x".repeat(1000) })).unwrap();
        assert_eq!(cost(&submit, "USD").estimated, Some(0.1));
    }
}
