//! What stands beside the models: uploads and their limits, prices of single calls, and models in short.

use std::sync::OnceLock;

use serde::{Deserialize, Deserializer};

use super::{Price, overlay};

/// The tables of `offer.json`.
#[derive(Debug, Default, Deserialize)]
pub struct Offer {
    calls: Vec<Call>,
    /// The chat model that looks at images when the plan's own endpoint is out of reach.
    pub vision: Vision,
    /// Codes with which MiniMax says that a key has no plan, or none that covers the call.
    pub no_plan: Vec<i64>,
    uploads: Vec<Upload>,
    other_models: Vec<OtherModel>,
}

/// The price of one call of a tool.
#[derive(Debug, Deserialize)]
struct Call {
    alias: String,
    #[serde(default)]
    each: Price,
}

/// A chat model with eyes, and what a million of its tokens costs.
#[derive(Debug, Default, Deserialize)]
#[expect(missing_docs, reason = "the columns of a table")]
pub struct Vision {
    pub model: String,
    #[serde(default)]
    pub input: Price,
    #[serde(default)]
    pub output: Price,
}

/// What may be uploaded for a purpose (File Management > upload).
#[derive(Debug, Deserialize)]
pub struct Upload {
    /// The word on the wire.
    pub purpose: String,
    /// Each sort of file has its own; none for purposes that MiniMax alone writes to.
    pub rules: Vec<Rule>,
    /// What takes the file, in words.
    #[serde(rename = "for")]
    pub used_by: String,
    /// MiniMax deletes it after so many days.
    pub kept_days: Option<u32>,
    /// Whether it can be deleted before.
    #[serde(default)]
    pub deletable: bool,
}

/// What a file has to be like.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the columns of a table")]
pub struct Rule {
    #[serde(deserialize_with = "kept")]
    pub mimes: &'static [&'static str],
    pub max_bytes: u64,
    pub edge: Option<(u32, u32)>,
    pub ratio: Option<(f64, f64)>,
    pub milliseconds: Option<(u64, u64)>,
    pub characters: Option<u64>,
}

/// Tables live as long as the program, and limits are compared by reference.
fn kept<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static [&'static str], D::Error> {
    let mimes: Vec<String> = Vec::deserialize(deserializer)?;
    let leaked: Vec<&'static str> = mimes.into_iter().map(|mime| &*mime.leak()).collect();
    Ok(leaked.leak())
}

/// A model of which only the essentials are kept, in words.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the columns of a table")]
pub struct OtherModel {
    pub model: String,
    pub kind: String,
    pub legal: Vec<String>,
    #[serde(default)]
    pub unit: String,
    #[serde(rename = "in", default)]
    pub price: Price,
    #[serde(default)]
    pub out: Price,
}

/// The tables of `offer.json`, with the user's rows over them.
pub fn offer() -> &'static Offer {
    static OFFER: OnceLock<Offer> = OnceLock::new();
    OFFER.get_or_init(|| overlay::table("offer.json"))
}

impl Offer {
    /// What one call of a tool costs.
    pub fn each(&self, tool: &str) -> Price {
        self.calls.iter().find(|row| row.alias == tool).map_or_else(Price::default, |row| row.each)
    }

    /// Every purpose of a file.
    pub fn purposes(&self) -> &[Upload] {
        &self.uploads
    }

    /// A purpose by its word.
    pub fn purpose(&self, word: &str) -> Option<&Upload> {
        self.uploads.iter().find(|row| row.purpose == word)
    }

    /// Models that have no table of their own.
    pub fn models(&self) -> &[OtherModel] {
        &self.other_models
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_parse() {
        let offer: Offer = serde_json::from_str(include_str!("offer.json")).unwrap();
        assert_eq!(offer.each("understand_image").usd, Some(0.01));
        assert_eq!(offer.purpose("voice_clone").unwrap().rules.len(), 1);
    }
}
