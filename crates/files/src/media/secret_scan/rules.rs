//! The table of patterns. One pass over a text finds the keywords of all rules. Each pattern is tried only around its
//! keywords, so the time is linear in the length of the text.

use std::sync::{LazyLock, OnceLock};

use aho_corasick::AhoCorasick;
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

use super::finding::Finding;
use super::value::Value;

/// How many bytes before a keyword a pattern is tried on.
const BEFORE: usize = 512;
/// How many bytes from a keyword on a pattern is tried on.
const BEHIND: usize = 8 * 1024;
/// A match that starts at a keyword ends within this many bytes.
const LONGEST: usize = 4 * 1024;

/// A pattern for one kind of secret. Patterns match bytes: `.` and classes match bytes, and `\w` is ASCII.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    id: String,
    /// The kind of secret, with its article.
    what: String,
    /// Every match contains one of these.
    keywords: Vec<String>,
    pattern: String,
    /// The condition on the first group that matched.
    #[serde(default)]
    value: Value,
    /// If true, the pattern is so specific that it does not occur by chance in an image.
    #[serde(default)]
    exact: bool,
    /// One of these must occur anywhere in the text as well.
    #[serde(default)]
    with: Vec<String>,
    #[serde(skip)]
    compiled: OnceLock<Option<Regex>>,
}

impl Rule {
    /// Compiles the pattern on first use. Most patterns are never used.
    fn regex(&self) -> Option<&Regex> {
        let compile = || RegexBuilder::new(&self.pattern).unicode(false).build().ok();
        self.compiled.get_or_init(compile).as_ref()
    }

    /// The position of the first match between `start` and `end`. The surrounding text counts for `^` and `\b`.
    fn find(&self, text: &[u8], start: usize, end: usize) -> Option<usize> {
        let (text, regex) = (text.get(..end)?, self.regex()?);
        let mut at = start;
        while let Some(found) = regex.captures_at(text, at) {
            let whole = found.get(0)?;
            let value = found.iter().skip(1).flatten().next().unwrap_or(whole);
            let quoted = value.start().checked_sub(1).and_then(|before| text.get(before));
            let quoted = quoted.is_some_and(|byte| matches!(byte, b'"' | b'\'' | b'>'));
            if self.value.fits(value.as_bytes(), quoted) {
                return Some(whole.start());
            }
            at = whole.end().max(whole.start() + 1);
            if at > end {
                return None;
            }
        }
        None
    }
}

struct Table {
    rules: Vec<Rule>,
    automaton: Option<AhoCorasick>,
    /// For each keyword, by its number in the automaton, the rules that use it and its spelling there.
    owners: Vec<Vec<(usize, String)>>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let rules: Vec<Rule> = serde_json::from_str(include_str!("rules.json")).unwrap_or_default();
    let mut keywords: Vec<String> = Vec::new();
    let mut owners: Vec<Vec<(usize, String)>> = Vec::new();
    for (number, rule) in rules.iter().enumerate() {
        for keyword in rule.keywords.iter().chain(&rule.with) {
            let lower = keyword.to_ascii_lowercase();
            let place = keywords.iter().position(|known| *known == lower).unwrap_or_else(|| {
                keywords.push(lower);
                owners.push(Vec::new());
                keywords.len() - 1
            });
            if let Some(owners) = owners.get_mut(place) {
                owners.push((number, keyword.clone()));
            }
        }
    }
    let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(&keywords).ok();
    Table { rules, automaton, owners }
});

/// The first secret in a text. With `exact_alone`, only exact rules are used.
pub(super) fn scan(text: &[u8], exact_alone: bool) -> Option<Finding> {
    let table = &*TABLE;
    let found = |rule: &'static Rule, at| Finding::at(&rule.id, &rule.what, text, at);
    // The position up to which each rule has been tried.
    let mut tried = vec![0; table.rules.len()];
    let mut near = vec![false; table.rules.len()];
    for hit in table.automaton.as_ref()?.find_overlapping_iter(text) {
        for (number, keyword) in table.owners.get(hit.pattern().as_usize())? {
            let (rule, tried) = (table.rules.get(*number)?, tried.get_mut(*number)?);
            if exact_alone && !rule.exact || hit.start() + LONGEST <= *tried {
                continue;
            }
            if rule.exact
                && !rule.pattern.starts_with("(?i")
                && text.get(hit.range()) != Some(keyword.as_bytes())
            {
                continue;
            }
            if !rule.with.is_empty() {
                let seen = near.get_mut(*number)?;
                *seen = *seen || rule.with.contains(keyword);
                continue;
            }
            let start = hit.start().saturating_sub(BEFORE);
            let end = hit.start().saturating_add(BEHIND).min(text.len());
            if let Some(at) = rule.find(text, start, end) {
                return Some(found(rule, at));
            }
            *tried = if end == text.len() { usize::MAX } else { end };
        }
    }
    let mut companions = table.rules.iter().zip(near).filter(|(_, near)| *near);
    companions.find_map(|(rule, _)| rule.find(text, 0, text.len()).map(|at| found(rule, at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_can_be_used() {
        let rules: Vec<Rule> = serde_json::from_str(include_str!("rules.json")).unwrap();
        let mut ids: Vec<_> = rules.iter().map(|rule| &rule.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), rules.len(), "ids are unique");
        for rule in &rules {
            let compiled = RegexBuilder::new(&rule.pattern).unicode(false).build();
            assert!(compiled.is_ok(), "{}: {}", rule.id, compiled.unwrap_err());
            assert!(!rule.keywords.is_empty() && !rule.what.is_empty(), "{}", rule.id);
        }
        assert!(TABLE.automaton.is_some() && TABLE.rules.len() == rules.len());
    }
}
