//! A log of received requests, for tests to inspect.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::engine::lock::lock;

/// How many requests are kept. The oldest are dropped first.
const LIMIT: usize = 10_000;

/// The longest string in a recorded body. A longer one is replaced by its beginning, length and hash: it is usually a picture
/// in base64, and ten thousand of those would not fit into memory.
const LONGEST: usize = 16 * 1024;

/// A request that the sandbox received. The API key is never part of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The JSON body; `null` if there was none. A form is recorded as
    /// `{"purpose": "…", "file": {"filename": "…", "bytes": 1}}`, anything else as `{"bytes": …}`. Very long strings are
    /// abbreviated.
    pub body: Value,
    /// Whether it had an `Authorization` or `x-api-key` header.
    pub authorized: bool,
    /// Identifies the key without revealing it; see [`key_fingerprint`]. Empty without a key.
    #[serde(default, alias = "key_print")]
    pub key_fingerprint: String,
    /// The `User-Agent` header.
    #[serde(default)]
    pub agent: String,
    /// The HTTP status of the response; `None` if there was none yet.
    pub status: Option<u16>,
    /// When it arrived, in Unix milliseconds.
    #[serde(default)]
    pub at_ms: u64,
    /// MiniMax's error code, if the response was an error. Many of those have status 200.
    pub code: Option<i64>,
}

/// The requests received so far.
#[derive(Debug, Default)]
pub(crate) struct RequestLog(Mutex<Rows>);

#[derive(Debug, Default)]
struct Rows {
    rows: VecDeque<Request>,
    /// How many rows were dropped, which is also the number of the first row.
    dropped: usize,
}

impl RequestLog {
    /// Records a request on arrival. The returned number is for [`RequestLog::answered`].
    pub fn arrived(&self, request: Request) -> usize {
        let mut rows = lock(&self.0);
        if rows.rows.len() >= LIMIT {
            rows.rows.pop_front();
            rows.dropped += 1;
        }
        rows.rows.push_back(request);
        rows.dropped + rows.rows.len() - 1
    }

    pub fn answered(&self, number: usize, status: u16, code: Option<i64>) {
        let mut rows = lock(&self.0);
        let place = number.checked_sub(rows.dropped);
        if let Some(row) = place.and_then(|place| rows.rows.get_mut(place)) {
            row.status = Some(status);
            row.code = code;
        }
    }

    pub fn all(&self) -> Vec<Request> {
        lock(&self.0).rows.iter().cloned().collect()
    }
}

/// A body for the log. Forms have [`crate::engine::request::Form::summary`] instead.
pub(crate) fn body(content_type: &str, bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    match serde_json::from_slice(bytes) {
        Ok(value) => abbreviated(value),
        Err(_) => json!({"bytes": bytes.len(), "content_type": content_type}),
    }
}

fn abbreviated(value: Value) -> Value {
    match value {
        Value::String(text) if text.len() > LONGEST => Value::String(abbreviation(&text)),
        Value::Array(items) => items.into_iter().map(abbreviated).collect(),
        Value::Object(fields) => Value::Object(
            fields.into_iter().map(|(name, value)| (name, abbreviated(value))).collect::<Map<_, _>>(),
        ),
        other => other,
    }
}

fn abbreviation(text: &str) -> String {
    let start: String = text.chars().take(40).collect();
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()));
    format!("{start}… ({} bytes, sha256 {hash})", text.len())
}

/// The first 16 hex digits of the SHA-256 of a key, for comparison with [`Request::key_fingerprint`].
pub fn key_fingerprint(key: &str) -> String {
    if key.is_empty() {
        return String::new();
    }
    data_encoding::HEXLOWER.encode(&Sha256::digest(key)).chars().take(16).collect()
}

/// Redacts the key wherever it appears in the recorded request. Very short keys are left alone, because they would match
/// unrelated text.
pub(crate) fn without_key(request: Request, key: &str) -> Request {
    const SHORTEST_KEY: usize = 8;
    if key.len() < SHORTEST_KEY {
        return request;
    }
    Request { path: request.path.replace(key, "***"), body: redacted(request.body, key), ..request }
}

fn redacted(value: Value, key: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace(key, "***")),
        Value::Array(items) => items.into_iter().map(|item| redacted(item, key)).collect(),
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| (name.replace(key, "***"), redacted(value, key)))
                .collect(),
        ),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_with_the_former_name_of_the_fingerprint_can_be_read() {
        let row = json!({"method": "GET", "path": "/", "body": null, "authorized": true, "key_print": "ab",
            "status": 200, "code": null});
        let request: Request = serde_json::from_value(row).unwrap();
        assert_eq!(request.key_fingerprint, "ab");
    }
}
