//! From a text to a message: checks that it is JSON and estimates how much memory it will take, before it is parsed.
//!
//! A one-digit number takes two bytes on the wire and about two hundred in memory. Values are therefore counted before
//! a message is parsed. The counter runs on serde_json's reader and stores nothing.

use std::fmt;

use rmcp::ErrorData;
use rmcp::model::{ClientJsonRpcMessage, ErrorCode, RequestId};
use serde::Deserialize;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Deserializer, Value};

use super::outline::Outline;
use super::readable_id::readable_id;

/// The most values and keys in one message. Parsed, they take up to 80 MiB, which a server with 1 GiB can spare for
/// several callers at once. A conversation of ten thousand messages has fewer than a hundred thousand.
pub const MOST_VALUES: usize = 200_000;

/// The deepest nesting of arrays and objects. JSON Schemas, the deepest input of any tool, have about a dozen levels.
pub const DEEPEST: usize = 100;

/// The memory for each value or key during parsing, in bytes. Measured with the protocol's types: 230 in lists, 400 in
/// small objects.
const EACH_VALUE: usize = 400;

/// The measured number of copies of each byte while a message is parsed and handled.
const COPIES: usize = 5;

/// Why a message is refused before parsing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// It is not JSON, for this reason.
    Syntax(String),
    /// It has more than [`MOST_VALUES`].
    Values,
    /// It is nested more than [`DEEPEST`] times.
    Depth,
}

impl Unfit {
    /// The code of the JSON-RPC error.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Syntax(_) => ErrorCode::PARSE_ERROR,
            Self::Values | Self::Depth => ErrorCode::INVALID_REQUEST,
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(problem) => {
                write!(f, "the message is not JSON: {problem}; nothing was sent or billed")
            }
            Self::Values => write!(
                f,
                "the message has more than {MOST_VALUES} JSON values; nothing was sent or billed; give media as URLs or \
                 files, and long lists in parts"
            ),
            Self::Depth => write!(
                f,
                "the message is nested more than {DEEPEST} times; nothing was sent or billed; give it with fewer arrays \
                 and objects within each other"
            ),
        }
    }
}

/// Checks that a text is JSON, and counts its values and keys.
pub fn count(text: &[u8]) -> Result<usize, Unfit> {
    let mut seen = Seen { values: 0, unfit: None };
    let mut reader = Deserializer::from_slice(text);
    let read = Count { seen: &mut seen, depth: 0 }.deserialize(&mut reader).and_then(|()| reader.end());
    match (seen.unfit, read) {
        (Some(unfit), _) => Err(unfit),
        (None, Ok(())) => Ok(seen.values),
        (None, Err(problem)) => Err(Unfit::Syntax(problem.to_string())),
    }
}

/// The memory in bytes that a message of this size takes while it is handled.
pub fn in_memory(bytes: usize, values: usize) -> usize {
    bytes.saturating_mul(COPIES).saturating_add(values.saturating_mul(EACH_VALUE))
}

/// The longest message in which parameters are repaired, in bytes.
const LONGEST_REPAIRED: usize = 64 * 1024;

/// A request whose parameters the protocol library may not understand.
#[derive(Deserialize)]
struct Request {
    method: String,
    params: Option<Params>,
}

#[derive(Deserialize)]
struct Params {
    cursor: Option<Value>,
    arguments: Option<Value>,
}

/// The message with two kinds of parameters converted for the protocol library. `None` if it has none of them:
///
/// - A `cursor` that is not a string. The library would drop it silently and start the list again. As a string it is
///   refused, like every cursor that no list gave.
/// - `arguments` that are an object in a string, as in the function calls of OpenAI's API. Some clients pass it on.
pub fn repaired(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() > LONGEST_REPAIRED {
        return None;
    }
    let Request { method, params } = serde_json::from_slice(text).ok()?;
    let Params { cursor, arguments } = params?;
    let (name, value) = if method.ends_with("/list") {
        ("cursor", Value::String(cursor.filter(|cursor| !cursor.is_string())?.to_string()))
    } else if method == "tools/call" {
        let object = serde_json::from_str(arguments?.as_str()?).ok().filter(Value::is_object)?;
        ("arguments", object)
    } else {
        return None;
    };
    let mut message: Value = serde_json::from_slice(text).ok()?;
    *message.get_mut("params")?.get_mut(name)? = value;
    serde_json::to_vec(&message).ok()
}

/// A text that is not a message: the id for the answer, and the error.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) id: Option<RequestId>,
    pub(super) error: ErrorData,
}

/// Reads a message from valid JSON. `None` for a notification that cannot be read, because notifications are never
/// answered (JSON-RPC 2.0, section 4.1).
pub(super) fn message(text: &[u8]) -> Option<Result<ClientJsonRpcMessage, Unread>> {
    let mended = repaired(text);
    let text = mended.as_deref().unwrap_or(text);
    let error = match serde_json::from_slice(text) {
        Ok(message) => return Some(Ok(message)),
        Err(error) => error,
    };
    let outline = Outline::of(text);
    if outline.is_notification() {
        tracing::debug!(%error, "a notification cannot be read");
        return None;
    }
    let id = readable_id(text);
    if let Some(error) = outline.problem() {
        return Some(Err(Unread { id, error }));
    }
    let why = format!(
        "the text is JSON, but no MCP message such as {{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \
         \"tools/list\"}}: {error}"
    );
    Some(Err(Unread { id, error: ErrorData::invalid_request(why, None) }))
}

struct Seen {
    values: usize,
    unfit: Option<Unfit>,
}

struct Count<'a> {
    seen: &'a mut Seen,
    depth: usize,
}

impl Count<'_> {
    fn one<E: serde::de::Error>(&mut self) -> Result<(), E> {
        self.seen.values = self.seen.values.saturating_add(1);
        if self.seen.values > MOST_VALUES {
            self.seen.unfit = Some(Unfit::Values);
            return Err(E::custom("too many values"));
        }
        Ok(())
    }

    fn inside<E: serde::de::Error>(&mut self) -> Result<Count<'_>, E> {
        self.one()?;
        let depth = self.depth.saturating_add(1);
        if depth > DEEPEST {
            self.seen.unfit = Some(Unfit::Depth);
            return Err(E::custom("nested too deeply"));
        }
        Ok(Count { seen: self.seen, depth })
    }

    fn again(&mut self) -> Count<'_> {
        Count { seen: self.seen, depth: self.depth }
    }
}

impl<'de> DeserializeSeed<'de> for Count<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Count<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: serde::de::Error>(mut self, _: bool) -> Result<(), E> {
        self.one()
    }

    fn visit_i64<E: serde::de::Error>(mut self, _: i64) -> Result<(), E> {
        self.one()
    }

    fn visit_u64<E: serde::de::Error>(mut self, _: u64) -> Result<(), E> {
        self.one()
    }

    fn visit_f64<E: serde::de::Error>(mut self, _: f64) -> Result<(), E> {
        self.one()
    }

    fn visit_str<E: serde::de::Error>(mut self, _: &str) -> Result<(), E> {
        self.one()
    }

    fn visit_unit<E: serde::de::Error>(mut self) -> Result<(), E> {
        self.one()
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let mut inside = self.inside()?;
        while items.next_element_seed(inside.again())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<(), A::Error> {
        let mut inside = self.inside()?;
        // A key takes as much memory as a value, so it counts like one.
        while fields.next_key_seed(inside.again())?.is_some() {
            fields.next_value_seed(inside.again())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
