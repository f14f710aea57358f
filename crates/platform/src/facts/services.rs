//! Facts besides the models: MiniMax's hosts, upload limits, and prices of single calls.

use std::sync::OnceLock;

use serde::{Deserialize, Deserializer};

use super::{Price, overlay};

/// The tables of `services.json`.
#[derive(Debug, Default, Deserialize)]
pub struct Services {
    calls: Vec<Call>,
    /// The chat model that describes images when the plan's vision endpoint is not available.
    pub vision: Vision,
    /// The codes that mean that the key has no plan, or a plan that does not cover the call.
    pub no_plan: Vec<i64>,
    /// MiniMax's own hosts. Any other host is a gateway.
    #[serde(default)]
    pub hosts: Vec<Site>,
    uploads: Vec<Upload>,
}

/// The price of one call of a tool.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    alias: String,
    #[serde(default)]
    each: Price,
}

/// A chat model that accepts images. Its price is in the table of text models.
#[derive(Debug, Default, Deserialize)]
#[expect(missing_docs, reason = "the columns of a table")]
#[serde(deny_unknown_fields)]
pub struct Vision {
    pub model: String,
}

/// One of MiniMax's own hosts (platform docs > hosts).
#[derive(Debug, Deserialize)]
pub struct Site {
    /// The host name.
    pub id: String,
    /// The value of `MINIMAX_REGION`.
    pub region: String,
    /// Where keys of the region are made. Only the first host of a region has them.
    #[serde(default)]
    pub platforms: Vec<String>,
}

/// The rules for uploads with one purpose (File Management > upload).
#[derive(Debug, Deserialize)]
pub struct Upload {
    /// The value of `purpose` on the wire.
    pub purpose: String,
    /// One rule per kind of file. Empty for purposes that only MiniMax writes.
    pub rules: Vec<Rule>,
    /// Who uses the file, in words.
    #[serde(rename = "for")]
    pub used_by: String,
    /// MiniMax deletes the file after this many days.
    pub kept_days: Option<u32>,
    /// If true, the file can be deleted earlier.
    #[serde(default)]
    pub deletable: bool,
}

/// The limits for one kind of file.
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

/// Leaks the list. Tables live as long as the program, and limits are compared by reference.
fn kept<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static [&'static str], D::Error> {
    let mimes: Vec<String> = Vec::deserialize(deserializer)?;
    let leaked: Vec<&'static str> = mimes.into_iter().map(|mime| &*mime.leak()).collect();
    Ok(leaked.leak())
}

/// The tables of `services.json`, with the user's overlay.
pub fn services() -> &'static Services {
    static SERVICES: OnceLock<Services> = OnceLock::new();
    SERVICES.get_or_init(|| overlay::table("services.json"))
}

impl Services {
    /// The price of one call of a tool.
    pub fn each(&self, tool: &str) -> Price {
        self.calls.iter().find(|row| row.alias == tool).map_or_else(Price::default, |row| row.each)
    }

    /// MiniMax's own host of this name.
    pub fn host(&self, name: &str) -> Option<&Site> {
        self.hosts.iter().find(|site| site.id.eq_ignore_ascii_case(name))
    }

    /// All upload purposes.
    pub fn purposes(&self) -> &[Upload] {
        &self.uploads
    }

    /// The rules of one purpose.
    pub fn purpose(&self, word: &str) -> Option<&Upload> {
        self.uploads.iter().find(|row| row.purpose == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;

    #[test]
    fn the_tables_parse() {
        let services: Services = serde_json::from_str(include_str!("services.json")).unwrap();
        let price = services.each("understand_image").in_currency(Currency::Usd).unwrap();
        assert_eq!(price.to_string(), "$0.01");
        assert_eq!(services.purpose("voice_clone").unwrap().rules.len(), 1);
    }
}
