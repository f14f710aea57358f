//! The texts of `setup`, `login`, `logout` and `doctor`, in English and Chinese. Each text is a function, so the compiler
//! checks its values.

pub mod doctor;
pub mod login;
pub mod setup;

use std::sync::OnceLock;

/// A language of these commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// English.
    En,
    /// Chinese, simplified.
    Zh,
}

/// The option of a command that speaks several languages.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct LanguageOption {
    /// The language of the output. By default Chinese if LC_ALL, LC_MESSAGES or LANG names it, else English.
    #[arg(long, value_enum)]
    pub lang: Option<Language>,
}

/// The language of this run, set before the first text.
static SPOKEN: OnceLock<Language> = OnceLock::new();

impl Language {
    /// The language of the environment: that of the first of these variables that is set.
    pub fn of(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .find_map(|name| lookup(name).filter(|value| !value.trim().is_empty()));
        match locale {
            Some(locale) if locale.trim().to_ascii_lowercase().starts_with("zh") => Self::Zh,
            _ => Self::En,
        }
    }

    /// Makes this the language of all texts. Only the first call counts.
    pub fn speak(self) {
        let _ = SPOKEN.set(self);
    }
}

/// The language of this run.
fn spoken() -> Language {
    SPOKEN.get().copied().unwrap_or(Language::En)
}

/// Makes a function for each text: `name(value, …) { "English with {value}", "Chinese with {value}" }`.
macro_rules! texts {
    ($($name:ident($($value:ident),*) { $english:literal, $chinese:literal })*) => {
        $(
            #[doc = concat!("`", $english, "`")]
            pub fn $name($($value: impl std::fmt::Display),*) -> String {
                match crate::texts::spoken() {
                    crate::texts::Language::En => format!($english),
                    crate::texts::Language::Zh => format!($chinese),
                }
            }
        )*

        /// Every text of this file: its name, and both languages.
        #[cfg(test)]
        pub(crate) const ALL: &[(&str, &str, &str)] = &[$((stringify!($name), $english, $chinese)),*];
    };
}
use texts;

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of a text that are the same in every language: placeholders, and commands and names in backticks.
    fn fixed_parts(text: &str) -> Vec<String> {
        let between = |open: char, close: char| -> Vec<String> {
            let parts = text.split(open).skip(1);
            parts.filter_map(|rest| Some(rest.split_once(close)?.0.to_owned())).collect()
        };
        let commands = text.split('`').skip(1).step_by(2).map(str::to_owned);
        let mut parts: Vec<_> = between('{', '}').into_iter().chain(commands).collect();
        parts.sort();
        parts.dedup();
        parts
    }

    #[test]
    fn every_text_has_both_languages_with_the_same_placeholders_and_commands() {
        let all = [doctor::ALL, login::ALL, setup::ALL].concat();
        assert!(all.len() > 100, "{}", all.len());
        for (name, english, chinese) in &all {
            assert_eq!(fixed_parts(english), fixed_parts(chinese), "{name}");
            let is_chinese =
                |text: &str| text.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter));
            assert!(!english.trim().is_empty() && !is_chinese(english), "{name}: {english}");
            // A text with only placeholders and names may be the same in both.
            assert!(!chinese.is_ascii() || english == chinese, "{name}: {chinese}");
        }
        let mut names: Vec<_> = all.iter().map(|(name, ..)| name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all.len(), "each name is used once");
    }

    #[test]
    fn the_first_variable_that_is_set_names_the_language() {
        let of = |given: &[(&str, &str)]| {
            Language::of(|name| {
                given.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(of(&[]), Language::En);
        for locale in ["zh_CN.UTF-8", "zh", "zh-Hans", "ZH_TW"] {
            assert_eq!(of(&[("LANG", locale)]), Language::Zh, "{locale}");
        }
        assert_eq!(of(&[("LC_ALL", "C.UTF-8"), ("LANG", "zh_CN.UTF-8")]), Language::En);
        assert_eq!(of(&[("LC_ALL", ""), ("LC_MESSAGES", "zh_CN"), ("LANG", "en_GB")]), Language::Zh);
        assert_eq!(of(&[("LANG", "de_DE.UTF-8")]), Language::En);
    }
}
