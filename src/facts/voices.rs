//! The system voices and their languages: what `get_voice` does not tell, and what is known without a key.

use std::sync::OnceLock;

use serde::Deserialize;

use super::{Price, overlay};

/// The table of voices (FAQ > System Voice ID List).
#[derive(Debug, Default, Deserialize)]
pub struct Voices {
    /// The day of the table, `YYYY-MM-DD`.
    pub as_of: String,
    languages: Vec<Language>,
    /// In MiniMax's order, by language.
    pub system: Vec<SystemVoice>,
}

/// A language that voices speak or recordings are transcribed in.
#[derive(Debug, Deserialize)]
pub struct Language {
    /// ISO 639, as speech-to-text takes it.
    pub code: String,
    names: Vec<String>,
    #[serde(default)]
    also: Vec<String>,
}

/// A voice that every account has.
#[derive(Debug, Deserialize)]
pub struct SystemVoice {
    /// The id on the wire; case matters.
    pub id: String,
    /// As a person would call it.
    pub name: String,
    /// The [`Language::code`].
    pub language: String,
    /// What it sounds like; often empty.
    pub description: String,
}

/// What voices of one's own cost (price page > Audio).
#[derive(Debug, Default, Deserialize)]
pub struct VoicePrices {
    /// A cloned voice, when it is first used.
    pub clone_first_use: Price,
    /// A designed voice, when it is first used.
    pub design_first_use: Price,
    /// Per million characters of a designed voice's preview.
    pub preview_per_million: Price,
}

/// A model that writes down what is spoken (Speech to text).
#[derive(Debug, Default, Deserialize)]
pub struct TranscriptionModel {
    /// The id on the wire.
    pub model: String,
    /// Legal values of the `language` header.
    pub languages: Vec<String>,
    /// Per hour of sound.
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

/// The voices, with the user's rows over the compiled-in ones.
pub fn voices() -> &'static Voices {
    static VOICES: OnceLock<Voices> = OnceLock::new();
    // The file is compiled in and a test parses it, so the fallback is never seen.
    VOICES.get_or_init(|| overlay::table("voices.json"))
}

impl Voices {
    /// A voice by id.
    pub fn get(&self, id: &str) -> Option<&SystemVoice> {
        self.system.iter().find(|voice| voice.id == id)
    }

    /// A language by name or code, however it is written.
    pub fn language(&self, word: &str) -> Option<&Language> {
        self.languages.iter().find(|language| language.is(word.trim()))
    }

    /// The language of a voice: by the table, or else by what its id begins with, as in `Thai_female_1`. Ids of
    /// users' own say nothing.
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
    fn every_voice_has_a_name_and_a_language_of_the_table_and_an_id_of_its_own() {
        let table: Voices = serde_json::from_str(include_str!("voices.json")).unwrap();
        let mut ids = std::collections::BTreeSet::new();
        for voice in &table.system {
            assert!(!voice.name.is_empty(), "{}", voice.id);
            assert!(table.language(&voice.language).is_some(), "{}", voice.id);
            assert!(ids.insert(&voice.id), "{} is there twice", voice.id);
        }
        assert_eq!(table.system.len(), 372);
    }

    #[test]
    fn a_language_goes_by_its_names_and_codes() {
        for word in ["zh", "ZH-CN", "mandarin", "Chinese (Mandarin)", "chinese"] {
            assert_eq!(voices().language(word).unwrap().code, "zh", "{word}");
        }
        assert_eq!(voices().language("Chinese,Yue").unwrap().name(), "Cantonese");
        assert!(voices().language("Klingon").is_none());
    }

    #[test]
    fn a_voice_that_is_not_in_the_table_tells_its_language_by_its_id() {
        assert_eq!(voices().language_of("Thai_Someone_New").unwrap().code, "th");
        assert_eq!(voices().language_of("female-shaonv").unwrap().code, "zh");
        assert_eq!(voices().language_of("Santa_Claus").unwrap().code, "en");
        assert!(voices().language_of("MyVoice_001").is_none());
    }
}
