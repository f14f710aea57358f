//! The system voices and their languages, which `get_voice` does not return and which can be listed without a key.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use super::{Price, overlay};

/// The table of voices (FAQ > System Voice ID List).
#[derive(Debug, Default, Deserialize)]
pub struct Voices {
    /// The day on which the table was read, `YYYY-MM-DD`.
    pub as_of: String,
    languages: Vec<Language>,
    /// The voice of each language, by code, for a text whose caller names none.
    #[serde(default, rename = "default_voices")]
    defaults: BTreeMap<String, String>,
    /// The system voices, by language, in MiniMax's order.
    pub system: Vec<SystemVoice>,
}

/// A language of voices or of transcriptions.
#[derive(Debug, Deserialize)]
pub struct Language {
    /// The ISO 639 code, as speech-to-text expects it.
    pub code: String,
    names: Vec<String>,
    #[serde(default)]
    also: Vec<String>,
}

/// A voice that every account can use.
#[derive(Debug, Deserialize)]
pub struct SystemVoice {
    /// The id on the wire; case matters.
    pub id: String,
    /// The name for a person.
    pub name: String,
    /// The [`Language::code`] of the voice.
    pub language: String,
    /// A description of the voice. Often empty.
    pub description: String,
    /// Absent if MiniMax's name and description do not reveal it.
    #[serde(default)]
    pub gender: Option<Gender>,
}

/// The sex of a voice, including children's voices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gender {
    /// A woman or a girl.
    Female,
    /// A man or a boy.
    Male,
}

impl Gender {
    /// The word in lists and searches.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Female => "female",
            Self::Male => "male",
        }
    }
}

/// Prices of cloned and designed voices (price page > Audio).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoicePrices {
    /// MiniMax deletes a voice that was not used within this many days.
    #[serde(default = "a_week")]
    pub unused_days: u32,
    /// The price of a cloned voice, charged on its first use.
    pub clone_first_use: Price,
    /// The price of a designed voice, charged on its first use.
    pub design_first_use: Price,
    /// The price of a million characters of a designed voice's preview.
    pub preview_per_million: Price,
}

fn a_week() -> u32 {
    7
}

/// A speech-to-text model (Speech to text).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TranscriptionModel {
    /// The id on the wire.
    pub model: String,
    /// Allowed values of the `language` header.
    pub languages: Vec<String>,
    /// The price of an hour of audio.
    pub per_hour: Price,
}

impl Language {
    /// The usual name.
    pub fn name(&self) -> &str {
        self.names.first().unwrap_or(&self.code)
    }

    fn is(&self, word: &str) -> bool {
        let all = self.names.iter().chain(&self.also).chain([&self.code]);
        all.into_iter().any(|known| known.eq_ignore_ascii_case(word))
    }
}

/// The voices, with the user's overlay.
pub fn voices() -> &'static Voices {
    static VOICES: OnceLock<Voices> = OnceLock::new();
    // The file is compiled in, and a test parses it, so the fallback is never used.
    VOICES.get_or_init(|| overlay::table("voices.json"))
}

impl Voices {
    /// A voice by id.
    pub fn get(&self, id: &str) -> Option<&SystemVoice> {
        self.system.iter().find(|voice| voice.id == id)
    }

    /// The default voice of a language, by its code.
    pub fn default_for(&self, code: &str) -> Option<&str> {
        self.defaults.get(code).map(String::as_str)
    }

    /// A language by name or code, in any case.
    pub fn language(&self, word: &str) -> Option<&Language> {
        self.languages.iter().find(|language| language.is(word.trim()))
    }

    /// The language of a voice, from the table or else from the start of its id, as in `Thai_female_1`. Ids that
    /// users choose reveal no language.
    pub fn language_of(&self, id: &str) -> Option<&Language> {
        match self.get(id) {
            Some(voice) => self.language(&voice.language),
            None => id.split_once('_').and_then(|(before, _)| self.language(before)),
        }
    }

    /// The names of all languages.
    pub fn language_names(&self) -> impl Iterator<Item = &str> {
        self.languages.iter().map(Language::name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_voice_has_a_name_a_known_language_and_a_unique_id() {
        let table: Voices = serde_json::from_str(include_str!("voices.json")).unwrap();
        let mut ids = std::collections::BTreeSet::new();
        for voice in &table.system {
            assert!(!voice.name.is_empty(), "{}", voice.id);
            assert!(table.language(&voice.language).is_some(), "{}", voice.id);
            assert!(ids.insert(&voice.id), "{} is listed twice", voice.id);
        }
        assert_eq!(table.system.len(), 372);
        for language in table.system.iter().map(|voice| &voice.language) {
            let default = table.default_for(language).and_then(|id| table.get(id)).unwrap();
            assert_eq!(&default.language, language);
        }
    }

    #[test]
    fn most_voices_have_a_gender_and_no_description_contradicts_it() {
        let table: Voices = serde_json::from_str(include_str!("voices.json")).unwrap();
        let known = table.system.iter().filter(|voice| voice.gender.is_some()).count();
        assert!(known * 10 > table.system.len() * 7, "{known}");
        for voice in &table.system {
            let said = format!("{} {} {}", voice.id, voice.name, voice.description).to_lowercase();
            let is =
                |word: &str| said.split(|letter: char| !letter.is_alphanumeric()).any(|part| part == word);
            for gender in [Gender::Female, Gender::Male] {
                assert!(!is(gender.word()) || voice.gender == Some(gender), "{}", voice.id);
            }
        }
    }

    #[test]
    fn a_language_is_found_by_its_names_and_codes() {
        for word in ["zh", "ZH-CN", "mandarin", "Chinese (Mandarin)", "chinese"] {
            assert_eq!(voices().language(word).unwrap().code, "zh", "{word}");
        }
        assert_eq!(voices().language("Chinese,Yue").unwrap().name(), "Cantonese");
        assert!(voices().language("Klingon").is_none());
    }

    #[test]
    fn the_id_of_an_unknown_voice_reveals_its_language() {
        assert_eq!(voices().language_of("Thai_Someone_New").unwrap().code, "th");
        assert_eq!(voices().language_of("female-shaonv").unwrap().code, "zh");
        assert_eq!(voices().language_of("Santa_Claus").unwrap().code, "en");
        assert!(voices().language_of("MyVoice_001").is_none());
    }
}
