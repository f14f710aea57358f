//! Things that go wrong, on request.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::platform::lock;

/// A fault to come. Rules are tried in order; the first that applies to a request acts on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// How the path of the request begins.
    pub path: String,
    /// The method, if it matters.
    #[serde(default)]
    pub method: Option<String>,
    /// How many requests it acts on; `None` for every one.
    #[serde(default)]
    pub times: Option<u32>,
    /// How many matching requests pass untouched before the first it acts on.
    #[serde(default)]
    pub skip: u32,
    /// What goes wrong.
    pub act: Act,
}

/// What goes wrong. In JSON `{"refuse": {"code": 1002}}`, `"reset_after"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are named for what they are")]
pub enum Act {
    /// Refused with a code, worded as the path's endpoints word it. Not processed.
    Refuse {
        code: i64,
        #[serde(default)]
        message: Option<String>,
        /// Seconds for a `Retry-After` header.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// Answered with this, as a proxy in between might. Not processed.
    Status {
        status: u16,
        #[serde(default)]
        body: String,
        #[serde(default)]
        content_type: Option<String>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// Processed, this much later.
    Delay { ms: u64 },
    /// The connection ends before the request is processed.
    ResetBefore,
    /// The request is processed (and billed), but the connection ends without an answer.
    ResetAfter,
    /// Processed; the headers promise the whole body, and the connection ends after so many bytes of it.
    Truncate { bytes: usize },
    /// Answered with status 200 and this body. Not processed.
    Raw { body: String },
    /// Processed, and answered slowly.
    Drip { bytes_per_second: u64 },
    /// Processed (and billed), and never answered.
    Stall,
}

/// The rules in force.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Rule>>);

impl Faults {
    pub fn replace(&self, rules: Vec<Rule>) {
        *lock(&self.0) = rules;
    }

    /// What should go wrong with this request. Counts it against `skip` and `times`.
    pub fn strike(&self, method: &str, path: &str) -> Option<Act> {
        let mut rules = lock(&self.0);
        let matching = rules.iter_mut().filter(|rule| rule.matches(method, path));
        matching.into_iter().find_map(Rule::strike)
    }
}

impl Rule {
    /// Acts on the next request whose path begins like this.
    pub fn once(path: impl Into<String>, act: Act) -> Self {
        Self { times: Some(1), ..Self::always(path, act) }
    }

    /// Acts on every request whose path begins like this.
    pub fn always(path: impl Into<String>, act: Act) -> Self {
        Self { path: path.into(), method: None, times: None, skip: 0, act }
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        path.starts_with(&self.path)
            && self.method.as_ref().is_none_or(|own| own.eq_ignore_ascii_case(method))
    }

    fn strike(&mut self) -> Option<Act> {
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        if let Some(times) = &mut self.times {
            *times = times.checked_sub(1)?;
        }
        Some(self.act.clone())
    }
}
