//! Helpers for reading and writing the JSON of the chat protocols.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// A rough token count of a JSON value. Media in base64 count as one token each.
pub(crate) fn tokens(value: &Value) -> usize {
    fn letters(value: &Value) -> usize {
        match value {
            Value::String(text) if text.len() > 4096 && !text.contains(' ') => 4,
            Value::String(text) => text.len() + 2,
            Value::Array(items) => items.iter().map(letters).sum::<usize>() + 2,
            Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + letters(value)).sum(),
            other => other.to_string().len(),
        }
    }
    letters(value) / 4 + 1
}

/// A list field of a checked body; empty if missing.
pub(crate) fn list<'a>(body: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    body.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A string field of a value; empty if missing.
pub(crate) fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A substitute for the signature of thinking, and for encrypted thinking. It matches only exactly the same thinking.
pub(crate) fn seal(thoughts: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(thoughts.as_bytes()))
}

/// Splits a text into pieces of about seven bytes, so that words and tags are cut at arbitrary places.
pub(crate) fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = (7..=rest.len()).find(|end| rest.is_char_boundary(*end)).unwrap_or(rest.len());
        let (piece, more) = rest.split_at(end);
        pieces.push(piece);
        rest = more;
    }
    pieces
}
