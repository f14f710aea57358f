//! What a speech model accepts (voice, speed, volume, pitch, emotion, language), and what a text costs.

use crate::api::speech::{Emotion, VoiceSetting};
use crate::config::{Defaults, Region};
use crate::facts::language::default_voice;
use crate::facts::{ModelKind, SpeechModel, facts};
use crate::jobs::Cost;
use crate::mcp::ToolError;
use crate::mcp::model_name::{ModelNames, fitting, unknown_model};
use crate::money::Currency;

/// T2A v2 > language_boost.
pub(crate) const LANGUAGES: &[&str] = &[
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

/// The voice and manner that the caller gives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner<'a> {
    pub(crate) voice_id: Option<&'a str>,
    pub(crate) model: Option<&'a str>,
    pub(crate) speed: Option<f64>,
    pub(crate) vol: Option<f64>,
    pub(crate) pitch: Option<i32>,
    pub(crate) emotion: Option<Emotion>,
    pub(crate) language_boost: Option<&'a str>,
}

impl Manner<'_> {
    /// The model's id, and warnings.
    pub(crate) fn check(
        &self,
        defaults: &Defaults,
        names: ModelNames,
    ) -> Result<(String, Vec<String>), ToolError> {
        let (model, mut warnings) = if let Some(model) = self.model {
            (names.named(ModelKind::Speech, model)?, Vec::new())
        } else {
            let usual = defaults.speech_model.as_deref().unwrap_or(facts().speech_default());
            let current = facts().speech_rows().iter().filter(|row| row.note.is_none());
            let current = current.map(|row| row.model.as_str());
            fitting(names.sent(usual), current, |model| self.lack(facts().speech(model)?))
        };
        self.check_ranges()?;
        warnings.extend(self.check_model(&model)?);
        Ok((model, warnings))
    }

    /// The first requested option that the model lacks, as the end of a sentence.
    fn lack(&self, row: &SpeechModel) -> Option<String> {
        let emotion = self.emotion.map(Emotion::word);
        let emotion = emotion.filter(|emotion| !row.emotions.iter().any(|known| known == emotion));
        let language =
            self.language_boost.filter(|language| row.not_languages.iter().any(|it| it == language));
        let emotion = emotion.map(|emotion| format!("does not have the emotion {emotion}"));
        emotion.or_else(|| language.map(|language| format!("does not speak {language}")))
    }

    /// The caller's voice, or the default voice for the text; empty if voices are `mixed`.
    pub(crate) fn voice(
        &self,
        defaults: &Defaults,
        region: Region,
        text: Option<&str>,
        mixed: bool,
    ) -> VoiceSetting {
        let voice_id = match self.voice_id {
            // Trimmed, like the id that was checked.
            Some(voice) => voice.trim(),
            None if mixed => "",
            None => match &defaults.voice_id {
                Some(voice) => voice,
                None => default_voice(text, self.language_boost, region == Region::Cn),
            },
        };
        let (speed, vol, pitch, emotion) = (self.speed, self.vol, self.pitch, self.emotion);
        VoiceSetting { voice_id: voice_id.to_owned(), speed, vol, pitch, emotion, ..VoiceSetting::default() }
    }

    fn check_ranges(&self) -> Result<(), ToolError> {
        let wrong = |field: &str, problem: String| Err(ToolError::argument(field, problem));
        if let Some(speed) = self.speed.filter(|speed| !(0.5..=2.0).contains(speed)) {
            return wrong("speed", format!("is {speed}; must be 0.5 to 2"));
        }
        if let Some(vol) = self.vol.filter(|vol| *vol <= 0.0 || *vol > 10.0) {
            return wrong("vol", format!("is {vol}; must be above 0 and at most 10"));
        }
        if let Some(language) = self.language_boost.filter(|language| !LANGUAGES.contains(language)) {
            let legal = LANGUAGES.join(", ");
            return wrong("language_boost", format!("is {language}; must be one of {legal}"));
        }
        Ok(())
    }

    fn check_model(&self, model: &str) -> Result<Vec<String>, ToolError> {
        let Some(row) = facts().speech(model) else {
            return Ok(vec![unknown_model(model)]);
        };
        let legal = |emotion: &Emotion| row.emotions.iter().any(|legal| legal == emotion.word());
        if let Some(emotion) = self.emotion.filter(|emotion| !legal(emotion)) {
            let problem = format!("is {}; {model} takes {}", emotion.word(), row.emotions.join(", "));
            return Err(ToolError::argument("emotion", problem));
        }
        let lacks = |language: &&str| row.not_languages.iter().any(|lacking| lacking == language);
        if let Some(language) = self.language_boost.filter(lacks) {
            let problem = format!("is {language}, which {model} lacks; use speech-2.8-hd or speech-2.6-hd");
            return Err(ToolError::argument("language_boost", problem));
        }
        Ok(row.note.iter().map(|note| format!("{model} {note}")).collect())
    }
}

/// Checks the pauses `<#x#>`, in seconds (T2A v2 > text). Refuses one that MiniMax would refuse or read aloud.
pub(crate) fn check_pauses(field: &str, text: &str) -> Result<(), ToolError> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("<#") {
        let Some((pause, behind)) = after.split_once("#>") else { return Ok(()) };
        if !is_pause(pause) {
            let shown: String = pause.chars().take(20).collect();
            let problem = format!(
                "has the pause <#{shown}#>; a pause is 0.01 to 99.99 seconds with at most two decimals, as in <#0.5#>"
            );
            return Err(ToolError::argument(field, problem));
        }
        if behind.trim_start().starts_with("<#") {
            let problem =
                format!("has two pauses in a row, at <#{pause}#>; put words between them or add them up");
            return Err(ToolError::argument(field, problem));
        }
        rest = behind;
    }
    Ok(())
}

/// Whether a text is a number from 0.01 to 99.99 with at most two decimals.
fn is_pause(text: &str) -> bool {
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let shape = digits(whole) && digits(places) && whole.len() <= 2 && places.len() <= 2;
    let is_zero = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    shape && !is_zero
}

/// The number of characters that are billed for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Characters {
    /// By the price page (T2A): a Chinese character counts twice.
    billed: u32,
    /// At most: MiniMax counts other letters twice too, and does not document which.
    most: u32,
}

impl Characters {
    pub(crate) fn of(text: &str) -> Self {
        let han = |letter: char| matches!(letter, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}');
        let count = |twice: fn(char) -> bool| {
            let count = text.chars().map(|letter| if twice(letter) { 2 } else { 1 }).sum::<usize>();
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        Self { billed: count(han), most: count(|letter| !letter.is_ascii()) }
    }

    /// The number in words.
    pub(crate) fn words(self) -> String {
        match self.billed {
            1 => "1 character".to_owned(),
            count => format!("{count} characters"),
        }
    }

    /// Sets the estimated and the highest price, if the price of a character is known.
    pub(crate) fn price(self, cost: &mut Cost) {
        cost.estimated = cost.of(self.billed);
        cost.most = cost.of(self.most).filter(|_| self.most > self.billed);
    }
}

/// The price of `characters`, if their number is known.
pub(crate) fn cost(model: &str, characters: Option<Characters>, currency: Currency) -> Cost {
    let million = facts().speech(model).and_then(|row| row.per_million.in_currency(currency));
    let mut cost = Cost { unit: million.map(|price| price.per(1_000_000)), ..Cost::unknown(currency) };
    if let Some(characters) = characters {
        characters.price(&mut cost);
    }
    cost.basis = million.map(|price| format!("{price} a million characters, prices of {}", facts().as_of));
    cost
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Money;

    #[test]
    fn an_emotion_or_a_language_chooses_a_model_unless_the_caller_names_one() {
        let check = |usual: &str, named: Option<&'static str>, emotion, language| {
            let manner = Manner {
                voice_id: None,
                model: named,
                speed: None,
                vol: None,
                pitch: None,
                emotion,
                language_boost: language,
            };
            let defaults = Defaults { speech_model: Some(usual.to_owned()), ..Defaults::default() };
            manner.check(&defaults, ModelNames::MINIMAX)
        };
        for (usual, emotion, language, chosen, note) in [
            ("speech-2.8-hd", Some(Emotion::Whisper), None, "speech-2.6-hd", "the emotion whisper"),
            ("speech-02-turbo", None, Some("Tamil"), "speech-2.8-hd", "does not speak Tamil"),
            ("speech-2.6-turbo", Some(Emotion::Whisper), None, "speech-2.6-turbo", ""),
        ] {
            let (model, warnings) = check(usual, None, emotion, language).unwrap();
            assert_eq!(model, chosen);
            assert_eq!(warnings.len(), usize::from(!note.is_empty()), "{warnings:?}");
            assert!(warnings.iter().all(|warning| warning.contains(note) && warning.contains(usual)));
        }
        assert!(check("speech-2.8-hd", Some("speech-2.8-hd"), Some(Emotion::Whisper), None).is_err());
        assert!(check("speech-2.8-hd", Some("speech-02-hd"), None, Some("Tamil")).is_err());
    }

    #[test]
    fn a_pause_that_minimax_does_not_accept_is_refused_with_the_range() {
        for text in ["a<#0.01#>b", "a<#99.99#>b", "a <#1#> b <#.5#> c", "a <# b", "2 <#> 3", "a<#0.50#>b"] {
            assert!(check_pauses("text", text).is_ok(), "{text}");
        }
        for (text, part) in [
            ("a<#0#>b", "<#0#>"),
            ("a<#0.00#>b", "<#0.00#>"),
            ("a<#0.001#>b", "0.01 to 99.99"),
            ("a<#100#>b", "0.01 to 99.99"),
            ("a<#-1#>b", "<#-1#>"),
            ("a<#x#>b", "as in <#0.5#>"),
            ("a<##>b", "<##>"),
            ("a<#1.5s#>b", "<#1.5s#>"),
            ("a<#1#> <#2#>b", "two pauses in a row"),
        ] {
            let problem = check_pauses("text", text).unwrap_err().to_string();
            assert!(problem.starts_with("`text`") && problem.contains(part), "{text}: {problem}");
        }
    }

    #[test]
    fn chinese_characters_are_billed_twice() {
        let of = |text: &str| (Characters::of(text).billed, Characters::of(text).most);
        assert_eq!(of("abc 你好"), (8, 8));
        let cost_of = |text: &str| cost("speech-2.8-hd", Some(Characters::of(text)), Currency::Usd);
        let usd = |millionths| Some(Money::from_millionths(millionths, Currency::Usd));
        assert_eq!((cost_of(&"x".repeat(1000)).estimated, cost_of("x").most), (usd(100_000), None));
        // Kana and Hangul may be counted twice as well, so that price is reserved.
        assert_eq!(of("かな 한글"), (5, 9));
        assert_eq!((cost_of("かな 한글").estimated, cost_of("かな 한글").most), (usd(500), usd(900)));
        assert_eq!(cost("speech-2.8-hd", None, Currency::Usd).estimated, None);
    }
}
