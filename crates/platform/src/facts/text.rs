//! Text models, and the options that each protocol supports (platform docs > Text).

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use super::{Facts, Price, overlay};
use crate::money::{Currency, Decimal, Money};

/// The tables of `text.json`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Text {
    default: String,
    priority_factor: Decimal,
    search: Price,
    sensitive: Vec<String>,
    error_types: BTreeMap<String, u16>,
    protocols: Vec<TextProtocol>,
    models: Vec<TextModel>,
}

/// The options that one chat protocol supports.
#[derive(Debug, Default, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the columns of a table")]
pub struct TextProtocol {
    /// The value of `api`.
    pub api: String,
    /// The least and the greatest value.
    pub temperature: (f64, f64),
    /// The least and the greatest value.
    pub top_p: (f64, f64),
    /// If true, the least values of `temperature` and `top_p` are themselves not allowed.
    #[serde(default)]
    pub above_zero: bool,
    /// If true, thinking can be switched on and off.
    pub thinking: bool,
    /// If true, the protocol has `effort`.
    pub efforts: bool,
    /// If true, the protocol has `service_tier`.
    pub tiers: bool,
    /// If true, MiniMax can search the web.
    pub web_search: bool,
    /// If true, the protocol accepts videos.
    pub video: bool,
    /// Allowed types of `response_format`.
    pub formats: Vec<String>,
}

/// Whether a model thinks before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Thinking {
    /// Always; it cannot be switched off.
    Always,
    /// The request decides.
    Switch,
    /// Never.
    Never,
}

/// A text model.
#[derive(Debug, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the columns of a table")]
#[serde(deny_unknown_fields)]
pub struct TextModel {
    /// The id on the wire.
    pub model: String,
    /// The most tokens of input and output together.
    pub context: u64,
    /// The most output tokens.
    pub max_output: u32,
    /// If true, the model accepts images, and videos unless [`Self::video_blind`].
    #[serde(default)]
    pub sees: bool,
    /// If true, the model accepts no videos.
    #[serde(default)]
    pub video_blind: bool,
    /// Whether the model thinks.
    pub thinking: Thinking,
    /// Whether a call without the option thinks, in words.
    #[serde(default)]
    thinking_default: Option<String>,
    /// If true, this is an older model that MiniMax still serves.
    #[serde(default)]
    pub legacy: bool,
    /// If true, MiniMax's list of models is not expected to contain it: a retired model, or an old name.
    #[serde(default)]
    pub unlisted: bool,
    /// Allowed values of `effort`, in every protocol that has it.
    #[serde(default)]
    efforts: Vec<String>,
    /// Allowed values of `effort` in the Responses protocol, if they differ.
    #[serde(default)]
    responses_efforts: Vec<String>,
    /// The model's own effort for a call that names none. It is not sent.
    #[serde(default)]
    pub effort: Option<String>,
    /// If true, a `tool_choice` other than auto reportedly has no effect.
    #[serde(default)]
    pub tool_choice_ignored: bool,
    /// If true, the native protocol accepts `response_format` with this model.
    #[serde(default)]
    pub formats: bool,
    /// What a caller should know about the model.
    #[serde(default)]
    pub note: Option<String>,
    /// Prices by size of the input, smallest first.
    #[serde(default)]
    per_million: Vec<Tier>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tier {
    up_to: Option<u64>,
    #[serde(rename = "USD")]
    usd: Option<Amounts>,
    #[serde(rename = "CNY")]
    cny: Option<Amounts>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Amounts {
    input: Decimal,
    output: Decimal,
    cache_read: Option<Decimal>,
    cache_write: Option<Decimal>,
}

/// The price of a million tokens. An absent price is unknown.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the columns of a table")]
pub struct TokenPrice {
    pub input: Money,
    pub output: Money,
    pub cache_read: Option<Money>,
    pub cache_write: Option<Money>,
}

impl TextModel {
    /// The allowed values of `effort` in a protocol.
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
            limits.push(format!(
                "more expensive above {} input tokens and with service_tier priority",
                grouped(most)
            ));
        }
        limits.extend(self.note.clone());
        limits
    }

    /// The price per million tokens of input and output, for the smallest inputs. `None` if it is unknown.
    pub fn price_list(&self, currency: Currency) -> Option<String> {
        let price = self.price(0, currency)?;
        Some(format!("{} / {} per 1M tokens in / out", price.input, price.output))
    }

    /// The price for an input of this many tokens.
    pub fn price(&self, input: u64, currency: Currency) -> Option<TokenPrice> {
        let tier = self.per_million.iter().find(|tier| tier.up_to.is_none_or(|most| input <= most))?;
        let amounts = match currency {
            Currency::Usd => tier.usd.as_ref(),
            Currency::Cny => tier.cny.as_ref(),
        }?;
        let price = |amount| Money::new(amount, currency);
        Some(TokenPrice {
            input: price(amounts.input),
            output: price(amounts.output),
            cache_read: amounts.cache_read.map(price),
            cache_write: amounts.cache_write.map(price),
        })
    }
}

impl TokenPrice {
    /// The cost of these tokens: fresh input, output, cache reads, cache writes. Cached tokens without a known price
    /// are charged as fresh input, so the estimate is never too low. `None` for numbers that no request has.
    pub fn of(&self, [fresh, output, read, written]: [u64; 4]) -> Option<Money> {
        let parts = [
            self.output.times(output)?,
            self.cache_read.unwrap_or(self.input).times(read)?,
            self.cache_write.unwrap_or(self.input).times(written)?,
        ];
        let millions = parts.into_iter().try_fold(self.input.times(fresh)?, Money::checked_add)?;
        Some(millions.per(1_000_000))
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
    // The file is compiled in, and a test parses it, so the fallback is never used.
    TEXT.get_or_init(|| overlay::table("text.json"))
}

impl Facts {
    /// A text model by id.
    pub fn text(&self, model: &str) -> Option<&'static TextModel> {
        let id = self.canonical(model);
        tables().models.iter().find(|row| row.model == id)
    }

    /// Every known text model.
    pub fn text_models(&self) -> &'static [TextModel] {
        &tables().models
    }

    /// The default model.
    pub fn text_default(&self) -> &'static str {
        &tables().default
    }

    /// The options that a protocol supports.
    pub fn text_protocol(&self, api: &str) -> Option<&'static TextProtocol> {
        tables().protocols.iter().find(|row| row.api == api)
    }

    /// The names of the protocols that satisfy `can`.
    pub fn text_protocols(&self, can: fn(&TextProtocol) -> bool) -> String {
        let names = tables().protocols.iter().filter(|row| can(row)).map(|row| row.api.as_str());
        names.collect::<Vec<_>>().join(", ")
    }

    /// The names of the protocols, the default first.
    pub fn text_protocol_names(&self) -> impl Iterator<Item = &str> {
        tables().protocols.iter().map(|row| row.api.as_str())
    }

    /// The factor on the price of a request with the priority tier.
    pub fn priority_factor(&self) -> Decimal {
        tables().priority_factor
    }

    /// The price of this many web searches.
    pub fn searches(&self, searches: u64, currency: Currency) -> Option<Money> {
        tables().search.in_currency(currency)?.times(searches)
    }

    /// The meaning of `input_sensitive_type` and `output_sensitive_type`.
    pub fn sensitive(&self, kind: u64) -> Option<&'static str> {
        tables().sensitive.get(usize::try_from(kind).ok()?).map(String::as_str)
    }

    /// The HTTP status that belongs to an `error.type`, for an error inside a stream.
    pub fn status_of(&self, error_type: &str) -> Option<u16> {
        tables().error_types.get(error_type).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts;
    use super::*;
    use crate::money::Currency::{Cny, Usd};

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
    fn an_amount_in_an_unknown_currency_is_an_error() {
        for row in
            [r#"{"usd": {"input": 1, "output": 2}}"#, r#"{"USD": {"input": 1, "output": 2, "cached": 3}}"#]
        {
            let error = serde_json::from_str::<Tier>(row).unwrap_err();
            assert!(error.to_string().contains("unknown field"), "{error}");
        }
    }

    #[test]
    fn prices_follow_the_price_page() {
        let m3 = facts().text("MiniMax-M3").unwrap();
        let price =
            |input, currency, tokens| m3.price(input, currency).unwrap().of(tokens).unwrap().to_string();
        assert_eq!(price(100_000, Usd, [1_000_000, 1_000_000, 1_000_000, 0]), "$1.56");
        assert_eq!(price(600_000, Cny, [1_000_000, 0, 0, 0]), "¥4.20");
        // A token that was read from the cache costs less than what results show.
        assert_eq!(price(1, Usd, [0, 0, 1, 0]), "$0.00000006");
        assert!(facts().text("MiniMax-M1").unwrap().price(1, Usd).is_none());
        assert_eq!(facts().searches(3, Cny).unwrap().to_string(), "¥0.09");
        assert_eq!(m3.price(1, Usd).unwrap().of([u64::MAX; 4]), None);
    }
}
