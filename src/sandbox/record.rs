//! What was received, for tests to look at.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::platform::lock;

/// More than this many requests are not remembered; the oldest go first.
const LIMIT: usize = 10_000;

/// Longer strings in bodies are recorded by their beginning, length and hash: they are pictures in base64,
/// and ten thousand of them would not fit into memory.
const LONGEST: usize = 16 * 1024;

/// A request that a sandbox received. The key is not part of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The JSON body. `null` without one; of a form `{"purpose": "…", "file": {"filename": "…", "bytes": 1}}`;
    /// anything else as `{"bytes": …}`. Very long strings are abbreviated.
    pub body: Value,
    /// Whether an `Authorization` or `x-api-key` header came with it.
    pub authorized: bool,
    /// What tells the key that came with it from others: the beginning of its SHA-256, in hexadecimal. Empty without one.
    #[serde(default)]
    pub key_print: String,
    /// What the client calls itself: the `User-Agent` header.
    #[serde(default)]
    pub agent: String,
    /// The HTTP status of the answer; `None` when none was given (yet).
    pub status: Option<u16>,
    /// When it came, in Unix milliseconds.
    #[serde(default)]
    pub at_ms: u64,
    /// MiniMax's code, when the answer was a refusal. Many of those have status 200.
    pub code: Option<i64>,
}

/// The requests so far.
#[derive(Debug, Default)]
pub(super) struct Record(Mutex<Rows>);

#[derive(Debug, Default)]
struct Rows {
    rows: VecDeque<Request>,
    /// How many have been forgotten, which is the ticket of the first row.
    forgotten: usize,
}

impl Record {
    /// Remembers a request on arrival. The ticket is for [`Record::answered`].
    pub fn arrived(&self, request: Request) -> usize {
        let mut rows = lock(&self.0);
        if rows.rows.len() >= LIMIT {
            rows.rows.pop_front();
            rows.forgotten += 1;
        }
        rows.rows.push_back(request);
        rows.forgotten + rows.rows.len() - 1
    }

    pub fn answered(&self, ticket: usize, status: u16, code: Option<i64>) {
        let mut rows = lock(&self.0);
        let place = ticket.checked_sub(rows.forgotten);
        if let Some(row) = place.and_then(|place| rows.rows.get_mut(place)) {
            row.status = Some(status);
            row.code = code;
        }
    }

    pub fn all(&self) -> Vec<Request> {
        lock(&self.0).rows.iter().cloned().collect()
    }
}

/// A body as it is recorded. Multipart is summed up by `file.rs` and replaces this later.
pub(super) fn body(content_type: &str, bytes: &[u8]) -> Value {
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

/// What tells a key from others, for [`Request::key_print`].
pub fn key_print(key: &str) -> String {
    if key.is_empty() {
        return String::new();
    }
    data_encoding::HEXLOWER.encode(&Sha256::digest(key)).chars().take(16).collect()
}

/// Takes a key out of what is recorded, wherever it turns up. A few letters are no key and would match too
/// much.
pub(super) fn without_key(request: Request, key: &str) -> Request {
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
