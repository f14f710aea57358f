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
///
/// "Processed" means: taken, billed and made, whatever arrives of it.
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
    /// The connection ends when the headers have come and nothing of the body has been read.
    ResetUnread,
    /// The connection ends before the request is processed.
    ResetBefore,
    /// The request is processed (and billed), but the connection ends without an answer.
    ResetAfter,
    /// Processed; the headers promise the whole body, and the connection ends after so many bytes of it.
    Truncate { bytes: usize },
    /// The same without a length: the chunks break off.
    CutChunks { bytes: usize },
    /// Processed; the headers promise the whole body, and after so many bytes of it nothing more comes.
    Freeze { bytes: usize },
    /// Processed; after so many bytes of the answer comes this instead of the rest, and a proper end.
    Splice {
        bytes: usize,
        #[serde(default)]
        tail: String,
    },
    /// Processed; the answer has these headers over its own. A `content-length` may lie.
    Relabel { headers: BTreeMap<String, String> },
    /// Answered with status 200 and this body. Not processed.
    Raw { body: String },
    /// Answered with bytes that need not be text. Not processed.
    Bytes {
        #[serde(default = "ok")]
        status: u16,
        /// The body in base64.
        base64: String,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// Answered with status 200 and a body too large to be written here. Not processed.
    Flood {
        head: String,
        /// What is repeated.
        unit: String,
        /// How often; without end if not given.
        #[serde(default)]
        times: Option<u64>,
        #[serde(default)]
        tail: String,
    },
    /// Processed, and answered slowly.
    Drip { bytes_per_second: u64 },
    /// Processed (and billed), and never answered.
    Stall,
}

fn ok() -> u16 {
    200
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
