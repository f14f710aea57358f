//! MiniMax's rate limits (platform docs > Rate limits).

use serde::Deserialize;

use super::{Facts, names};

/// The limit of one rate-limit group. Limits differ between accounts. These are the usual ones; the adaptive limiter
/// learns the rest from refusals.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The name of the group, in words for a person.
    pub group: String,
    /// Requests per [`Self::seconds`]. `None` means no limit.
    #[serde(default)]
    pub count: Option<u32>,
    /// The count on the China host, if it differs.
    #[serde(default)]
    pub cn: Option<u32>,
    /// The length of the window in seconds.
    #[serde(default = "a_minute")]
    pub seconds: f64,
    /// How many requests may leave at once after a pause. Absent means a small default.
    #[serde(default)]
    pub burst: Option<u32>,
    /// How many requests may be in flight at once.
    #[serde(default)]
    pub in_flight: Option<u32>,
    /// If true, [`Self::in_flight`] counts tasks until they end, not requests until they are answered.
    #[serde(default)]
    pub tasks: bool,
    /// If true, the requests of the group buy nothing, such as polls and lists.
    #[serde(default)]
    pub free: bool,
    /// If true, the limit is kept even if the settings turn rate limits off.
    #[serde(default)]
    pub always: bool,
    /// The month of MiniMax's documentation, `YYYY-MM`. Empty if the limit is our own generous bound.
    #[serde(default)]
    pub as_of: String,
}

fn a_minute() -> f64 {
    60.0
}

/// The rate-limit group of a family of text models.
#[derive(Debug, Deserialize)]
pub(super) struct TextLimit {
    prefix: String,
    group: String,
}

impl Facts {
    /// The limit of a group.
    pub fn limit(&self, group: &str) -> Option<&Limit> {
        self.limits.iter().find(|row| row.group == group)
    }

    /// The group of a text model: that of the longest matching prefix.
    pub fn text_group(&self, model: &str) -> &str {
        let family = self.text_limits.iter().filter(|row| names::begins(model, &row.prefix));
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
        assert_eq!(facts().text_group("minimax-m2.1"), "text M2");
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
