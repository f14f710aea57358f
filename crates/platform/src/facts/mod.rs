//! Facts about MiniMax as data with a date: models and their allowed values, prices, limits, voices, error codes.
//!
//! The tables are beside this file: `facts.json` (models, prices, limits, codes), `text.json` (chat models and their prices),
//! `services.json` (hosts, uploads, prices of single calls), `plan.json` (what plans include) and `voices.json`. No code makes a
//! decision about a single model. A model that is not in the tables is accepted: its name is sent unchanged, and its limits and
//! price are unknown.

mod codes;
pub mod language;
mod limits;
mod music;
mod names;
mod overlay;
mod plan;
mod services;
pub mod task_words;
mod text;
mod user_file;
mod video;
mod video_extras;
mod voices;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::money::{Currency, Decimal, Money};

pub use codes::{Class, Code, HttpStatus};
pub use limits::Limit;
use limits::TextLimit;
pub use music::{Closing, MusicModel};
pub use names::ModelKind;
pub use plan::{Plan, PlanRefusal, plan};
pub use services::{Rule, Services, Site, Upload, Vision, services};
use text::Text;
pub use text::{TextModel, TextProtocol, Thinking, TokenPrice};
pub use user_file::install;
use video::Family;
pub use video::{Mode, Protocol, Size, VideoModel};
pub use video_extras::{ContextIr, Regeneration, Template};
pub use voices::{Gender, Language, SystemVoice, TranscriptionModel, VoicePrices, Voices, voices};

/// The tables of `facts.json`.
#[derive(Debug, Default, Deserialize)]
pub struct Facts {
    /// The last day on which the tables were compared with MiniMax's documentation, `YYYY-MM-DD`.
    pub as_of: String,
    /// Short names of models, with the ids that MiniMax expects.
    aliases: BTreeMap<String, String>,
    default_models: DefaultModels,
    codes: Vec<Code>,
    http: Vec<HttpStatus>,
    limits: Vec<Limit>,
    text_limits: Vec<TextLimit>,
    image: Vec<ImageModel>,
    speech: Vec<SpeechModel>,
    /// Prices of cloned and designed voices.
    pub voice: VoicePrices,
    /// The speech-to-text model.
    pub transcription: TranscriptionModel,
    video: Vec<VideoModel>,
    video_by_mode: BTreeMap<Mode, String>,
    unknown_video: Vec<Family>,
    closings: Vec<Closing>,
    music: Vec<MusicModel>,
    lyrics_each: Price,
    templates: Vec<Template>,
    context_ir: ContextIr,
    regeneration: Regeneration,
}

/// The models of calls that name none. Video defaults depend on the mode, and text and music have their own defaults.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DefaultModels {
    image: String,
    speech: String,
}

/// An amount in both currencies. An absent amount is unknown, never 0.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object of amounts, such as {\"USD\": 0.1, \"CNY\": 0.7}")]
pub struct Price {
    #[serde(rename = "USD")]
    usd: Option<Decimal>,
    #[serde(rename = "CNY")]
    cny: Option<Decimal>,
}

impl Price {
    /// The amount in one currency.
    pub fn in_currency(&self, currency: Currency) -> Option<Money> {
        let amount = match currency {
            Currency::Usd => self.usd,
            Currency::Cny => self.cny,
        };
        amount.map(|amount| Money::new(amount, currency))
    }
}

/// An image model (Image Generation > model).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageModel {
    /// The id on the wire.
    pub model: String,
    /// Allowed `aspect_ratio`s.
    pub aspect_ratios: Vec<String>,
    /// If true, the model accepts `width` and `height`.
    pub sizes: bool,
    /// If true, the model accepts `style`.
    pub styles: bool,
    /// The price of one image.
    #[serde(default)]
    pub each: Price,
}

/// A speech model (T2A v2 > model).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeechModel {
    /// The id on the wire.
    pub model: String,
    /// Allowed `emotion`s.
    pub emotions: Vec<String>,
    /// Values of `language_boost` that the model does not accept.
    #[serde(default)]
    pub not_languages: Vec<String>,
    /// What a caller should know about the model.
    #[serde(default)]
    pub note: Option<String>,
    /// The price of a million billed characters.
    #[serde(default)]
    pub per_million: Price,
}

/// The compiled-in tables, with the user's overlay (see [`install`]).
pub fn facts() -> &'static Facts {
    static FACTS: OnceLock<Facts> = OnceLock::new();
    // The file is compiled in, and a test parses it, so the fallback is never used.
    FACTS.get_or_init(|| overlay::table("facts.json"))
}

impl Facts {
    /// An image model by its name, as people and gateways write it.
    pub fn image(&self, model: &str) -> Option<&ImageModel> {
        let id = self.canonical(model);
        self.image.iter().find(|row| row.model == id)
    }

    /// A speech model by its name, as people and gateways write it.
    pub fn speech(&self, model: &str) -> Option<&SpeechModel> {
        let id = self.canonical(model);
        self.speech.iter().find(|row| row.model == id)
    }

    /// Every row of the image table.
    pub fn image_rows(&self) -> &[ImageModel] {
        &self.image
    }

    /// Every row of the speech table.
    pub fn speech_rows(&self) -> &[SpeechModel] {
        &self.speech
    }

    /// The short names of a model id.
    pub fn aliases_of(&self, model: &str) -> Vec<String> {
        self.aliases.iter().filter(|(_, id)| *id == model).map(|(alias, _)| alias.clone()).collect()
    }

    /// The default image model.
    pub fn image_default(&self) -> &str {
        &self.default_models.image
    }

    /// The default speech model.
    pub fn speech_default(&self) -> &str {
        &self.default_models.speech
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_parse_and_every_default_model_can_do_its_mode() {
        let facts: Facts = serde_json::from_str(include_str!("facts.json")).unwrap();
        for (mode, model) in &facts.video_by_mode {
            assert!(facts.video(model).unwrap().modes.contains_key(mode), "{model}");
        }
        assert!(
            facts.image(facts.image_default()).is_some() && facts.speech(facts.speech_default()).is_some()
        );
        assert!(facts.codes().iter().any(|row| row.code == 1002 && row.class == Class::Rate));
    }
}
