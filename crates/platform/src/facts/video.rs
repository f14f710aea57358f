//! Video models (platform docs > Video Generation): the modes and sizes that each supports, and its prices.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Facts, Price, names};
use crate::money::{Currency, Decimal, Money};

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
pub(super) struct Family {
    prefix: String,
    protocol: Protocol,
}

/// What a video is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Only the prompt.
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
#[serde(deny_unknown_fields)]
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

// Written out, because a flattened `Price` would let unknown currencies pass without a word.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClipPrice {
    resolution: String,
    duration: u32,
    #[serde(rename = "USD")]
    usd: Option<Decimal>,
    #[serde(rename = "CNY")]
    cny: Option<Decimal>,
}

impl ClipPrice {
    fn in_currency(&self, currency: Currency) -> Option<Money> {
        Price { usd: self.usd, cny: self.cny }.in_currency(currency)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecondPrice {
    resolution: String,
    #[serde(rename = "USD")]
    usd: Option<Decimal>,
    #[serde(rename = "CNY")]
    cny: Option<Decimal>,
}

impl SecondPrice {
    fn in_currency(&self, currency: Currency) -> Option<Money> {
        Price { usd: self.usd, cny: self.cny }.in_currency(currency)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExtraImage {
    over: u32,
    #[serde(rename = "USD")]
    usd: Option<Decimal>,
    #[serde(rename = "CNY")]
    cny: Option<Decimal>,
}

impl ExtraImage {
    fn in_currency(&self, currency: Currency) -> Option<Money> {
        Price { usd: self.usd, cny: self.cny }.in_currency(currency)
    }
}

impl VideoModel {
    /// The price of a clip with `images` input images. `None` if the table has no price.
    pub fn price(&self, resolution: &str, seconds: u32, images: u32, currency: Currency) -> Option<Money> {
        let clip = self.per_clip.iter().find(|row| row.resolution == resolution && row.duration == seconds);
        if let Some(row) = clip {
            return row.in_currency(currency);
        }
        let row = self.per_second.iter().find(|row| row.resolution == resolution)?;
        let base = row.in_currency(currency)?.times(seconds)?;
        let total = match &self.extra_image {
            Some(rule) if images > rule.over => {
                base.checked_add(rule.in_currency(currency)?.times(images - rule.over)?)?
            }
            _ => base,
        };
        Some(total.rounded())
    }

    /// The price list in words. `None` if the table has no price.
    pub fn price_list(&self, currency: Currency) -> Option<String> {
        let clips = self.per_clip.iter().filter_map(|row| {
            let amount = row.in_currency(currency)?.amount();
            Some(format!("{} {} s {amount}", row.resolution, row.duration))
        });
        let seconds = self
            .per_second
            .iter()
            .filter_map(|row| Some(format!("{} {} a second", row.resolution, row.in_currency(currency)?)));
        let extra = self.extra_image.iter().filter_map(|row| {
            Some(format!("each input image above {} {}", row.over, row.in_currency(currency)?))
        });
        let words: Vec<_> = clips.chain(seconds).chain(extra).collect();
        (!words.is_empty()).then(|| words.join(", "))
    }
}

impl Facts {
    /// A video model by its name, as people and gateways write it.
    pub fn video(&self, model: &str) -> Option<&VideoModel> {
        let id = self.canonical(model);
        self.video.iter().find(|row| row.model == id)
    }

    /// Every row of the video table.
    pub fn video_rows(&self) -> &[VideoModel] {
        &self.video
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

    /// The default model of a mode.
    pub fn video_default(&self, mode: Mode) -> &str {
        self.video_by_mode.get(&mode).map_or("MiniMax-Hailuo-2.3", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::facts;

    #[test]
    fn an_amount_in_an_unknown_currency_is_an_error() {
        let clip = serde_json::from_str::<ClipPrice>(r#"{"resolution": "2K", "duration": 6, "usd": 0.3}"#);
        let second = serde_json::from_str::<SecondPrice>(r#"{"resolution": "2K", "EUR": 0.3}"#);
        let image = serde_json::from_str::<ExtraImage>(r#"{"over": 5, "usd": 0.3}"#);
        for error in [clip.unwrap_err(), second.unwrap_err(), image.unwrap_err()] {
            assert!(error.to_string().contains("unknown field"), "{error}");
        }
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
