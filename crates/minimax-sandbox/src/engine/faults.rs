//! Faults that tests set.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::engine::lock::lock;
use crate::engine::request_log::key_fingerprint;

/// A fault to inject. Rules are tried in order; the first one that applies to a request acts on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// A prefix of the request path.
    pub path: String,
    /// The method; `None` for any.
    #[serde(default)]
    pub method: Option<String>,
    /// The [fingerprint](crate::key_fingerprint) of the key; `None` for any.
    #[serde(default)]
    pub key: Option<String>,
    /// How many requests it acts on; `None` for all.
    #[serde(default)]
    pub times: Option<u32>,
    /// How many matching requests pass before the first one it acts on.
    #[serde(default)]
    pub skip: u32,
    /// The fault.
    pub act: Act,
}

/// A fault. In JSON: `{"refuse": {"code": 1002}}` or `"reset_after"`.
///
/// "Processed" means accepted, billed and executed, whether or not the client receives the response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the field names say it all")]
pub enum Act {
    /// An error with this code, in the format of the path. Not processed.
    Refuse {
        code: i64,
        #[serde(default)]
        message: Option<String>,
        /// Seconds for a `Retry-After` header.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// This response, as a proxy in between might send it. Not processed.
    Status {
        status: u16,
        #[serde(default)]
        body: String,
        #[serde(default)]
        content_type: Option<String>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// Processed after a delay.
    Delay { ms: u64 },
    /// The connection is closed after the headers, before the body is read. Not processed.
    ResetUnread,
    /// The connection is closed after the body. Not processed.
    ResetBefore,
    /// Processed, but the connection is closed without a response.
    ResetAfter,
    /// Processed; `Content-Length` covers the whole body, but the connection is closed after this many bytes of it.
    Truncate { bytes: usize },
    /// Processed; the chunked body breaks off after this many bytes.
    CutChunks { bytes: usize },
    /// Processed; `Content-Length` covers the whole body, but nothing follows after this many bytes of it.
    Freeze { bytes: usize },
    /// Processed; after this many bytes of the body, `tail` replaces the rest. The response ends properly.
    Splice {
        bytes: usize,
        #[serde(default)]
        tail: String,
    },
    /// Processed; these headers replace those of the response. A false `content-length` is allowed.
    Relabel { headers: BTreeMap<String, String> },
    /// Status 200 and this body. Not processed.
    Raw { body: String },
    /// A response body that need not be text. Not processed.
    Bytes {
        #[serde(default = "ok_status")]
        status: u16,
        /// The body in base64.
        base64: String,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// Status 200 and a very large body, generated while it is sent. Not processed.
    Flood {
        head: String,
        /// The text that is repeated.
        unit: String,
        /// How often it is repeated; `None` for endlessly.
        #[serde(default)]
        times: Option<u64>,
        #[serde(default)]
        tail: String,
    },
    /// Processed; the body is sent slowly.
    Drip { bytes_per_second: u64 },
    /// Processed; the response is sent when the rules are replaced. Tests use it to act in between.
    Hold,
    /// Processed, but never answered.
    Stall,
}

fn ok_status() -> u16 {
    200
}

/// Ends the connection without a complete response.
#[derive(Debug, thiserror::Error)]
#[error("the connection was closed on purpose")]
pub(crate) struct Dropped;

/// The active rules.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Mutex<Vec<Rule>>,
    /// Notifies responses that are held.
    replaced: Notify,
}

impl Faults {
    pub fn replace(&self, rules: Vec<Rule>) {
        *lock(&self.rules) = rules;
        self.replaced.notify_waiters();
    }

    /// Completes when the rules are replaced. Counts from this call, not from the first await.
    pub fn replaced(&self) -> Notified<'_> {
        self.replaced.notified()
    }

    /// The fault for this request, if any. Counts the request against `skip` and `times`.
    pub fn next_act(&self, method: &str, path: &str, key: &str) -> Option<Act> {
        let mut rules = lock(&self.rules);
        let matching = rules.iter_mut().filter(|rule| rule.matches(method, path, key));
        matching.into_iter().find_map(Rule::next_act)
    }
}

impl Rule {
    /// Acts on the next request whose path starts with `path`.
    pub fn once(path: impl Into<String>, act: Act) -> Self {
        Self { times: Some(1), ..Self::always(path, act) }
    }

    /// Acts on every request whose path starts with `path`.
    pub fn always(path: impl Into<String>, act: Act) -> Self {
        Self { path: path.into(), method: None, key: None, times: None, skip: 0, act }
    }

    /// Acts only on requests with this key.
    #[must_use]
    pub fn for_key(self, key: &str) -> Self {
        Self { key: Some(key_fingerprint(key)), ..self }
    }

    fn matches(&self, method: &str, path: &str, key: &str) -> bool {
        path.starts_with(&self.path)
            && self.key.as_ref().is_none_or(|own| own == key)
            && self.method.as_ref().is_none_or(|own| own.eq_ignore_ascii_case(method))
    }

    fn next_act(&mut self) -> Option<Act> {
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
