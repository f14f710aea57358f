//! Facts about MiniMax as data with a date: models and their allowed values, prices, limits, voices, error codes.
//!
//! The tables are `facts.json`, `offer.json`, `plan.json`, `text.json` and `voices.json` beside this file. No code makes a
//! decision about a single model. A model that is not in the tables is accepted: its name is sent unchanged, and
//! its limits and price are unknown.

mod limits;
mod music;
mod names;
mod offer;
mod overlay;
mod plan;
pub mod task_words;
mod text;
mod user_file;
mod video_extras;
mod voices;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::money::{Currency, Decimal, Money};

pub use limits::Limit;
use limits::TextLimit;
pub use music::{Closing, MusicModel};
pub use names::ModelKind;
pub use offer::{Offer, Rule, Site, Upload, Vision, offer};
pub use plan::{Plan, PlanRefusal, plan};
use text::Text;
pub use text::{TextModel, TextProtocol, Thinking, TokenPrice};
pub use user_file::install;
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

/// The models of calls that name none. Those of videos depend on the mode, and text and music have defaults of their own.
#[derive(Debug, Default, Deserialize)]
struct DefaultModels {
    image: String,
    speech: String,
}

/// The kind of failure that a code stands for. It decides who must act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Key, permission or region.
    Auth,
    /// Balance or plan.
    Quota,
    /// An argument.
    Input,
    /// The content was refused.
    Content,
    /// Too many requests. MiniMax did not accept this one.
    Rate,
    /// A fault at MiniMax. Whether it accepted the request is unknown.
    Server,
    /// This program sent a request that MiniMax does not understand.
    Crate,
}

/// A `base_resp.status_code` (platform docs > error codes).
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the columns of a table")]
pub struct Code {
    pub code: i64,
    pub meaning: String,
    /// What happened, as the beginning of a sentence.
    #[serde(default)]
    pub what: Option<String>,
    /// If true, the key may be one of another region.
    #[serde(default)]
    pub key: bool,
    pub class: Class,
    pub advice: String,
}

/// The meaning of an HTTP status when the body has no code.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the columns of a table")]
pub struct HttpStatus {
    pub status: u16,
    /// A word that the message must contain, for a status with more than one meaning.
    #[serde(default)]
    pub says: Option<String>,
    /// What happened, as the beginning of a sentence.
    #[serde(default)]
    pub what: Option<String>,
    /// If true, the key may be one of another region.
    #[serde(default)]
    pub key: bool,
    pub class: Class,
    pub advice: String,
}

/// An amount in both currencies. An absent amount is unknown, never 0.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
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

/// Which of the two video APIs serves a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// `/v1/video_generation`: Hailuo and the 01 series.
    V1,
    /// `/v2/video_generation`: the H3 family.
    V2,
}

/// The API that serves the new models of a family, by the prefix of their names.
#[derive(Debug, Deserialize)]
struct Family {
    prefix: String,
    protocol: Protocol,
}

/// What a video is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The prompt alone.
    Text,
    /// The first image of the video.
    FirstFrame,
    /// The last image of the video, with or without a first one.
    LastFrame,
    /// A face to show (V1).
    Subject,
    /// Images, videos and audio as references (V2).
    Reference,
}

impl Mode {
    /// The name of the mode, for a person.
    pub fn words(self) -> &'static str {
        match self {
            Self::Text => "text to video",
            Self::FirstFrame => "a first frame",
            Self::LastFrame => "a last frame",
            Self::Subject => "subject_reference",
            Self::Reference => "reference media",
        }
    }
}

/// A resolution and its allowed durations. The first of each list is the default.
#[derive(Debug, Deserialize)]
pub struct Size {
    /// `768P`, `2K`, …
    pub resolution: String,
    /// Durations in seconds.
    pub durations: Vec<u32>,
}

/// A video model (Video Generation > models and parameters).
#[derive(Debug, Deserialize)]
pub struct VideoModel {
    /// The id on the wire.
    pub model: String,
    /// The API that serves it.
    pub protocol: Protocol,
    /// The modes that it supports, with their sizes.
    pub modes: BTreeMap<Mode, Vec<Size>>,
    /// Modes on which MiniMax's documents contradict each other.
    #[serde(default)]
    pub doubtful: Vec<Mode>,
    /// If true, the model accepts `fast_pretreatment`.
    #[serde(default)]
    pub fast_pretreatment: bool,
    /// If true, the model accepts `extra.prompt_expansion_mode`.
    #[serde(default)]
    pub prompt_expansion: bool,
    /// If true, a reference video needs a `ratio` other than `adaptive`.
    #[serde(default)]
    pub explicit_ratio: bool,
    #[serde(default)]
    per_clip: Vec<ClipPrice>,
    #[serde(default)]
    per_second: Vec<SecondPrice>,
    #[serde(default)]
    extra_image: Option<ExtraImage>,
}

#[derive(Debug, Deserialize)]
struct ClipPrice {
    resolution: String,
    duration: u32,
    #[serde(flatten)]
    price: Price,
}

#[derive(Debug, Deserialize)]
struct SecondPrice {
    resolution: String,
    #[serde(flatten)]
    price: Price,
}

#[derive(Debug, Deserialize)]
struct ExtraImage {
    over: u32,
    #[serde(flatten)]
    price: Price,
}

impl VideoModel {
    /// The price of a clip with `images` input images. `None` if the table has no price.
    pub fn price(&self, resolution: &str, seconds: u32, images: u32, currency: Currency) -> Option<Money> {
        let clip = self.per_clip.iter().find(|row| row.resolution == resolution && row.duration == seconds);
        if let Some(row) = clip {
            return row.price.in_currency(currency);
        }
        let row = self.per_second.iter().find(|row| row.resolution == resolution)?;
        let base = row.price.in_currency(currency)?.times(seconds)?;
        let total = match &self.extra_image {
            Some(rule) if images > rule.over => {
                base.checked_add(rule.price.in_currency(currency)?.times(images - rule.over)?)?
            }
            _ => base,
        };
        Some(total.rounded())
    }
}

impl VideoModel {
    /// The price list in words. `None` if the table has no price.
    pub fn price_list(&self, currency: Currency) -> Option<String> {
        let clips = self.per_clip.iter().filter_map(|row| {
            let amount = row.price.in_currency(currency)?.amount();
            Some(format!("{} {} s {amount}", row.resolution, row.duration))
        });
        let seconds = self.per_second.iter().filter_map(|row| {
            Some(format!("{} {} a second", row.resolution, row.price.in_currency(currency)?))
        });
        let extra = self.extra_image.iter().filter_map(|row| {
            Some(format!("each input image above {} {}", row.over, row.price.in_currency(currency)?))
        });
        let words: Vec<_> = clips.chain(seconds).chain(extra).collect();
        (!words.is_empty()).then(|| words.join(", "))
    }
}

/// The compiled-in tables, with the user's overlay (see [`install`]).
pub fn facts() -> &'static Facts {
    static FACTS: OnceLock<Facts> = OnceLock::new();
    // The file is compiled in, and a test parses it, so the fallback is never used.
    FACTS.get_or_init(|| overlay::table("facts.json"))
}

impl Facts {
    /// The row of a `base_resp` code.
    pub fn code(&self, code: i64) -> Option<&Code> {
        self.codes.iter().find(|row| row.code == code)
    }

    /// Every known `base_resp` code.
    pub fn codes(&self) -> &[Code] {
        &self.codes
    }

    /// The row of an HTTP status, for this message.
    pub fn http(&self, status: u16, message: &str) -> Option<&HttpStatus> {
        let said = |row: &&HttpStatus| row.says.as_ref().is_none_or(|word| message.contains(word.as_str()));
        self.http.iter().filter(|row| row.status == status).find(said)
    }

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

    /// A video model by its name, as people and gateways write it.
    pub fn video(&self, model: &str) -> Option<&VideoModel> {
        let id = self.canonical(model);
        self.video.iter().find(|row| row.model == id)
    }

    /// Every row of the image table.
    pub fn image_rows(&self) -> &[ImageModel] {
        &self.image
    }

    /// Every row of the speech table.
    pub fn speech_rows(&self) -> &[SpeechModel] {
        &self.speech
    }

    /// Every row of the video table.
    pub fn video_rows(&self) -> &[VideoModel] {
        &self.video
    }

    /// The short names of a model id.
    pub fn aliases_of(&self, model: &str) -> Vec<String> {
        self.aliases.iter().filter(|(_, id)| *id == model).map(|(alias, _)| alias.clone()).collect()
    }

    /// The ids of the video models that support `mode`.
    pub fn video_models(&self, mode: Mode) -> impl Iterator<Item = &str> {
        self.video.iter().filter(move |row| row.modes.contains_key(&mode)).map(|row| row.model.as_str())
    }

    /// The API to use for a model that is not in the table.
    pub fn protocol_of_unknown(&self, model: &str) -> Protocol {
        let id = self.canonical(model);
        let family = self.unknown_video.iter().find(|family| names::begins(&id, &family.prefix));
        family.map_or(Protocol::V1, |family| family.protocol)
    }

    /// The default image model.
    pub fn image_default(&self) -> &str {
        &self.default_models.image
    }

    /// The default speech model.
    pub fn speech_default(&self) -> &str {
        &self.default_models.speech
    }

    /// The default model of a mode.
    pub fn video_default(&self, mode: Mode) -> &str {
        self.video_by_mode.get(&mode).map_or("MiniMax-Hailuo-2.3", String::as_str)
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

    #[test]
    fn prices_follow_the_price_page() {
        for (model, resolution, seconds, images, price) in [
            ("MiniMax-H3", "2K", 8, 0, Some("$1.04")),
            ("MiniMax-H3", "768P", 5, 7, Some("$0.48")),
            ("MiniMax-Hailuo-2.3", "768P", 6, 1, Some("$0.28")),
            ("MiniMax-H3-Max", "480P", 10, 0, Some("$0.50")),
            ("MiniMax-H3-Max", "768P", 5, 2, Some("$0.40")),
            ("MiniMax-H3-Max", "768P", 5, 4, Some("$0.548")),
            ("MiniMax-H3-Lite", "768P", 5, 0, None),
        ] {
            let found = facts().video(model).unwrap().price(resolution, seconds, images, Currency::Usd);
            assert_eq!(found.map(|price| price.to_string()).as_deref(), price, "{model} {resolution}");
        }
        let more_images = facts().video("MiniMax-H3-Max").unwrap().price("768P", 5, 4, Currency::Cny);
        assert_eq!(more_images, None, "the price of more images is known in USD alone");
    }
}
