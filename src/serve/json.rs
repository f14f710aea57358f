//! Checks that a text is JSON and estimates how much memory it will take, before it is parsed.
//!
//! A one-digit number takes two bytes on the wire and about two hundred in memory. Values are therefore counted before
//! a message is parsed. The counter runs on serde_json's reader and stores nothing.

use std::fmt;

use rmcp::model::ErrorCode;
use serde::Deserialize;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Deserializer, Value};

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

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A text without its byte order mark, which JSON parsers may ignore (RFC 8259, section 8.1).
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

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
struct Outline {
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
    let Outline { method, params } = serde_json::from_slice(text).ok()?;
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
mod tests {
    use super::*;

    fn read(message: &str) -> Option<Value> {
        Some(serde_json::from_slice(&repaired(message.as_bytes())?).unwrap())
    }

    #[test]
    fn a_cursor_that_is_not_a_string_becomes_one() {
        for (cursor, text) in
            [("5", "5"), ("1.5", "1.5"), ("true", "true"), ("{}", "{}"), (r#"["a"]"#, "[\"a\"]")]
        {
            for method in ["tools/list", "resources/list", "resources/templates/list", "prompts/list"] {
                let read = read(&format!(
                    r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{"_meta":{{"a":1}},"cursor":{cursor}}}}}"#
                ));
                let read = read.unwrap();
                assert_eq!(
                    (&read["params"]["cursor"], &read["params"]["_meta"]["a"]),
                    (&text.into(), &1.into())
                );
                assert_eq!((&read["id"], &read["method"]), (&7.into(), &method.into()));
            }
        }
        for message in [
            r#"{"id":7,"method":"tools/list","params":{"cursor":"abc"}}"#,
            r#"{"id":7,"method":"tools/list","params":{"cursor":null}}"#,
            r#"{"id":7,"method":"tools/list","params":{}}"#,
            r#"{"id":7,"method":"tools/list","params":null}"#,
            r#"{"id":7,"method":"tools/list"}"#,
            r#"{"id":7,"method":"tools/call","params":{"cursor":5}}"#,
            r#"{"id":7,"result":{"cursor":5}}"#,
            "[1]",
        ] {
            assert_eq!(read(message), None, "{message}");
        }
    }

    #[test]
    fn arguments_in_a_string_become_an_object() {
        let call = |arguments: &str| {
            format!(r#"{{"id":7,"method":"tools/call","params":{{"name":"chat","arguments":{arguments}}}}}"#)
        };
        let message = read(&call(r#""{\"prompt\": \"a \\u00e9\"}""#)).unwrap();
        assert_eq!(
            (&message["params"]["arguments"]["prompt"], &message["params"]["name"]),
            (&"a é".into(), &"chat".into())
        );
        for arguments in ["{}", "null", r#""""#, r#""words""#, r#""[1]""#, r#""5""#, r#""{bad""#, "5", "[]"] {
            assert_eq!(read(&call(arguments)), None, "{arguments}");
        }
        let long = format!("\"{{\\\"a\\\":\\\"{}\\\"}}\"", "x".repeat(LONGEST_REPAIRED));
        assert_eq!(read(&call(&long)), None);
    }

    #[test]
    fn every_kind_of_value_and_every_key_counts() {
        for (text, values) in [
            ("0", 1),
            (r#""\u0041\n""#, 1),
            ("[]", 1),
            ("[0,1.5,-7,true,null,\"x\"]", 7),
            (r#"{"a":0,"b":{"c":[{}]}}"#, 8),
        ] {
            assert_eq!(count(text.as_bytes()), Ok(values), "{text}");
        }
    }

    #[test]
    fn invalid_json_is_detected_at_any_depth() {
        for text in [
            &b""[..],
            b"Listening on port 8765",
            b"[0,0,x",
            b"{bad",
            b"{} {}",
            br#"{"a":{"b":[1e400]}}"#,
            br#"{"a":NaN}"#,
            br#"{"a":-Infinity}"#,
            br#"{"a":"\ud83d"}"#,
            br#"{"\udc00":1}"#,
            b"{\"a\":\"\xff\xfe\"}",
            b"{\"a\":\"\x01\"}",
            br#"{"a":1,}"#,
            br#"{"a":"cut"#,
        ] {
            let unfit = count(text).unwrap_err();
            assert!(matches!(unfit, Unfit::Syntax(_)), "{unfit}");
            assert_eq!(unfit.code(), ErrorCode::PARSE_ERROR);
        }
    }

    #[test]
    fn a_message_with_too_many_values_is_refused_at_the_limit_and_not_at_its_end() {
        let list = |count: usize| format!("[{}0]", "0,".repeat(count - 2));
        assert_eq!(count(list(MOST_VALUES).as_bytes()), Ok(MOST_VALUES));
        for text in [
            list(MOST_VALUES + 1),
            // These never end, and the counter stops before it would notice.
            format!("[{}", "[],".repeat(MOST_VALUES)),
            format!("{{{}", r#""":"","#.repeat(MOST_VALUES)),
            format!("{{{}", r#""":{"":[]},"#.repeat(MOST_VALUES)),
            format!("[{}", "\"\\u0000\",".repeat(MOST_VALUES)),
        ] {
            assert_eq!(count(text.as_bytes()), Err(Unfit::Values), "{text:.20}");
        }
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(count(nested(DEEPEST).as_bytes()), Ok(DEEPEST));
        assert_eq!(count(nested(DEEPEST + 1).as_bytes()), Err(Unfit::Depth));
        assert_eq!(count("{\"\":".repeat(1_000_000).as_bytes()), Err(Unfit::Depth));
    }
}
