//! Text models and what each protocol has words for (platform docs > Text).

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use super::{Facts, Price, overlay, rounded};

/// The tables of `text.json`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Text {
    default: String,
    priority_factor: f64,
    search: Price,
    sensitive: Vec<String>,
    error_types: BTreeMap<String, u16>,
    protocols: Vec<TextProtocol>,
    models: Vec<TextModel>,
}

/// What a protocol has words for.
#[derive(Debug, Default, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the columns of a table")]
pub struct TextProtocol {
    /// The value of `api`.
    pub api: String,
    /// Least and greatest.
    pub temperature: (f64, f64),
    /// Least and greatest.
    pub top_p: (f64, f64),
    /// The least value itself is refused, of both.
    #[serde(default)]
    pub above_zero: bool,
    /// Whether thinking can be switched.
    pub thinking: bool,
    /// Whether `effort` can be sent.
    pub efforts: bool,
    /// Whether `service_tier` can be sent.
    pub tiers: bool,
    /// Whether MiniMax can search the web.
    pub web_search: bool,
    /// Whether films can be shown.
    pub video: bool,
    /// Types of `response_format`.
    pub formats: Vec<String>,
}

/// Whether a model thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Thinking {
    /// It cannot be kept from it.
    Always,
    /// As it is told.
    Switch,
    /// It does not.
    Never,
}

/// A text model.
#[derive(Debug, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the columns of a table")]
pub struct TextModel {
    /// The id on the wire.
    pub model: String,
    /// Tokens in and out together.
    pub context: u64,
    /// Tokens out.
    pub max_output: u32,
    /// Whether it takes pictures and films.
    #[serde(default)]
    pub sees: bool,
    /// Whether it takes no films all the same.
    #[serde(default)]
    pub video_blind: bool,
    /// Whether it thinks.
    pub thinking: Thinking,
    /// In words, whether a call that does not say so thinks.
    #[serde(default)]
    thinking_default: Option<String>,
    /// An older model that MiniMax still serves.
    #[serde(default)]
    pub legacy: bool,
    /// MiniMax is not expected to list it: a retired model, or an old name.
    #[serde(default)]
    pub unlisted: bool,
    /// Legal efforts, in every protocol that has them.
    #[serde(default)]
    efforts: Vec<String>,
    /// Legal efforts in the Responses protocol, where they differ.
    #[serde(default)]
    responses_efforts: Vec<String>,
    /// The effort of a call that names none; the model's own default is the dearest.
    #[serde(default)]
    pub effort: Option<String>,
    /// `tool_choice` other than auto is reported to have no effect.
    #[serde(default)]
    pub tool_choice_ignored: bool,
    /// Whether the native protocol takes a `response_format` for it.
    #[serde(default)]
    pub formats: bool,
    /// What a caller should know.
    #[serde(default)]
    pub note: Option<String>,
    /// By size of the input, smallest first.
    #[serde(default)]
    per_million: Vec<Tier>,
}

#[derive(Debug, Deserialize)]
struct Tier {
    up_to: Option<u64>,
    #[serde(rename = "USD")]
    usd: Option<TokenPrice>,
    #[serde(rename = "CNY")]
    cny: Option<TokenPrice>,
}

/// Per million tokens. What is not known is absent.
#[derive(Debug, Clone, Copy, Deserialize)]
#[expect(missing_docs, reason = "the columns of a table")]
pub struct TokenPrice {
    pub input: f64,
    pub output: f64,
    pub cache_read: Option<f64>,
    pub cache_write: Option<f64>,
}

impl TextModel {
    /// The legal efforts in a protocol.
    pub fn efforts(&self, api: &str) -> &[String] {
        if api == "responses" && !self.responses_efforts.is_empty() {
            return &self.responses_efforts;
        }
        &self.efforts
    }

    /// The limits and options of the model, in words.
    pub fn limits(&self) -> Vec<String> {
        let mut limits = Vec::new();
        if self.legacy {
            limits.push("legacy".to_owned());
        }
        let (context, output) = (grouped(self.context), grouped(self.max_output.into()));
        limits.push(format!("context {context} tokens, output up to {output}"));
        limits.push(match (self.sees, self.video_blind) {
            (true, false) => "input: text, images, videos".to_owned(),
            (true, true) => "input: text, images".to_owned(),
            (false, _) => "input: text".to_owned(),
        });
        let mut thinking = match self.thinking {
            Thinking::Always => "thinking: always on".to_owned(),
            Thinking::Switch => "thinking: on or off".to_owned(),
            Thinking::Never => "thinking: none".to_owned(),
        };
        if let Some(default) = &self.thinking_default {
            thinking = format!("{thinking}; default {default}");
        }
        if !self.efforts.is_empty() {
            let default =
                self.effort.as_ref().map(|effort| format!(" (default {effort})")).unwrap_or_default();
            thinking = format!("{thinking}; effort {}{default}", self.efforts.join(", "));
        }
        limits.push(thinking);
        if self.tool_choice_ignored {
            limits.push("tool_choice: auto only".to_owned());
        }
        if let Some(most) = self.per_million.first().and_then(|tier| tier.up_to) {
            limits
                .push(format!("dearer above {} input tokens and with service_tier priority", grouped(most)));
        }
        limits.extend(self.note.clone());
        limits
    }

    /// The price per million tokens of input and output, for the smallest inputs; `None` where it is unknown.
    pub fn price_list(&self, currency: &str) -> Option<String> {
        let price = self.price(0, currency)?;
        Some(format!("{} / {} {currency} per 1M tokens in / out", price.input, price.output))
    }

    /// The price for an input of so many tokens.
    pub fn price(&self, input: u64, currency: &str) -> Option<TokenPrice> {
        let tier = self.per_million.iter().find(|tier| tier.up_to.is_none_or(|most| input <= most))?;
        if currency == "CNY" { tier.cny } else { tier.usd }
    }
}

impl TokenPrice {
    /// What so many tokens cost: fresh input, output, read from the cache, written to it. Cached tokens of unknown
    /// price are counted as fresh: never too little.
    pub fn of(&self, [fresh, output, read, written]: [u64; 4]) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "no request has 2^52 tokens")]
        let part = |tokens: u64, price: f64| tokens as f64 * price / 1e6;
        part(fresh, self.input)
            + part(output, self.output)
            + part(read, self.cache_read.unwrap_or(self.input))
            + part(written, self.cache_write.unwrap_or(self.input))
    }
}

/// `1000000` → `1,000,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

fn tables() -> &'static Text {
    static TEXT: OnceLock<Text> = OnceLock::new();
    // The file is compiled in and a test parses it, so the fallback is never seen.
    TEXT.get_or_init(|| overlay::table("text.json"))
}

impl Facts {
    /// A text model by id.
    pub fn text(&self, model: &str) -> Option<&'static TextModel> {
        tables().models.iter().find(|row| row.model == model)
    }

    /// Every known text model.
    pub fn text_models(&self) -> &'static [TextModel] {
        &tables().models
    }

    /// The model of a call that names none.
    pub fn text_default(&self) -> &'static str {
        &tables().default
    }

    /// What a protocol has words for.
    pub fn text_protocol(&self, api: &str) -> Option<&'static TextProtocol> {
        tables().protocols.iter().find(|row| row.api == api)
    }

    /// The protocols that can do something.
    pub fn text_protocols(&self, can: fn(&TextProtocol) -> bool) -> String {
        let names = tables().protocols.iter().filter(|row| can(row)).map(|row| row.api.as_str());
        names.collect::<Vec<_>>().join(", ")
    }

    /// A request of the dearer tier costs so many times as much.
    pub fn priority_factor(&self) -> f64 {
        tables().priority_factor
    }

    /// What `searches` of the web cost.
    pub fn searches(&self, searches: u64, currency: &str) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "no request has 2^52 searches")]
        tables().search.in_currency(currency).map(|each| rounded(each * searches as f64))
    }

    /// What `input_sensitive_type` and `output_sensitive_type` mean.
    pub fn sensitive(&self, kind: u64) -> Option<&'static str> {
        tables().sensitive.get(usize::try_from(kind).ok()?).map(String::as_str)
    }

    /// The HTTP status that an `error.type` goes with, for an error inside a stream.
    pub fn status_of(&self, error_type: &str) -> Option<u16> {
        tables().error_types.get(error_type).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts;
    use super::*;

    #[test]
    fn the_tables_parse_and_the_default_model_is_in_them() {
        let text: Text = serde_json::from_str(include_str!("text.json")).unwrap();
        assert!(text.models.iter().any(|row| row.model == text.default));
        assert_eq!(text.protocols.len(), 4);
        for row in &text.models {
            assert!(row.effort.as_ref().is_none_or(|effort| row.efforts.contains(effort)), "{}", row.model);
        }
    }

    #[test]
    fn prices_follow_the_price_page() {
        let m3 = facts().text("MiniMax-M3").unwrap();
        let price =
            |input, currency, tokens| m3.price(input, currency).map(|price| rounded(price.of(tokens)));
        assert_eq!(price(100_000, "USD", [1_000_000, 1_000_000, 1_000_000, 0]), Some(1.56));
        assert_eq!(price(600_000, "CNY", [1_000_000, 0, 0, 0]), Some(4.2));
        assert!(facts().text("MiniMax-M1").unwrap().price(1, "USD").is_none());
        assert_eq!(facts().searches(3, "CNY"), Some(0.09));
    }
}
