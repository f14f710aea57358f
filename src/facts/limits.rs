//! How many requests MiniMax takes (platform docs > Rate limits).

use serde::Deserialize;

use super::Facts;

/// What one group of requests is limited to. Limits differ from account to account: these are those of a usual
/// one, and a refusal teaches better.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Limit {
    /// What is limited together, in words for a person.
    pub group: String,
    /// Requests within [`Self::seconds`]; `None` for any number.
    #[serde(default)]
    pub count: Option<u32>,
    /// The same on the China host, where it differs.
    #[serde(default)]
    pub cn: Option<u32>,
    /// The length of the window.
    #[serde(default = "a_minute")]
    pub seconds: f64,
    /// How many may leave at once after a rest; a few if it does not say.
    #[serde(default)]
    pub burst: Option<u32>,
    /// How many may be under way at once.
    #[serde(default)]
    pub in_flight: Option<u32>,
    /// Whether [`Self::in_flight`] counts tasks until they end, not requests until they are answered.
    #[serde(default)]
    pub tasks: bool,
    /// Nothing is bought: a look, a list.
    #[serde(default)]
    pub free: bool,
    /// It holds whatever the settings say.
    #[serde(default)]
    pub always: bool,
    /// When MiniMax's documents said so, `YYYY-MM`; empty for a generous bound of ours.
    #[serde(default)]
    pub as_of: String,
}

fn a_minute() -> f64 {
    60.0
}

/// Which group the models of a family are limited with.
#[derive(Debug, Deserialize)]
pub(super) struct TextLimit {
    prefix: String,
    group: String,
}

impl Facts {
    /// What a group of requests is limited to.
    pub fn limit(&self, group: &str) -> Option<&Limit> {
        self.limits.iter().find(|row| row.group == group)
    }

    /// The group of a text model: the row with the longest beginning of its name.
    pub fn text_group(&self, model: &str) -> &str {
        let family = self.text_limits.iter().filter(|row| model.starts_with(&row.prefix));
        family.max_by_key(|row| row.prefix.len()).map_or("text", |row| row.group.as_str())
    }
}

#[cfg(test)]
mod tests {
    use crate::facts::facts;

    #[test]
    fn a_text_model_is_limited_with_its_family() {
        assert_eq!(facts().text_group("MiniMax-M3.1-Flash"), "text M3.1");
        assert_eq!(facts().text_group("MiniMax-M3"), "text M3");
        assert_eq!(facts().text_group("MiniMax-M2.7-highspeed"), "text M2");
        assert_eq!(facts().text_group("abab-7"), "text");
    }

    #[test]
    fn every_limit_can_be_kept() {
        assert!(!facts().limits.is_empty());
        for row in &facts().limits {
            assert!(row.count.is_some_and(|count| count > 0), "{}", row.group);
            assert!(row.in_flight.is_some_and(|most| most > 0) && row.seconds > 0.0, "{}", row.group);
            assert!([0, 7].contains(&row.as_of.len()), "{}", row.group);
        }
        for row in &facts().text_limits {
            assert!(facts().limit(&row.group).is_some(), "{}", row.group);
        }
    }
}
