//! The outline of a message that may not be parseable: its method, and the kind of its parameters.

use std::borrow::Cow;
use std::fmt;

use rmcp::ErrorData;
use rmcp::model::RequestId;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::mcp;

/// The fields of a request or notification, without their content.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Outline {
    pub(super) method: Option<String>,
    #[serde(default, deserialize_with = "given")]
    id: Option<Id>,
    params: Option<Kind>,
    result: Option<IgnoredAny>,
    error: Option<IgnoredAny>,
}

impl Outline {
    /// The outline of a JSON text; an empty one if the text is not a message.
    pub(super) fn of(text: &[u8]) -> Self {
        serde_json::from_slice(text).unwrap_or_default()
    }

    /// Whether the message has a method and no id. An id of the wrong kind is an id.
    pub(super) fn is_notification(&self) -> bool {
        self.method.is_some() && self.id.is_none()
    }

    /// Whether the message has a method and an id.
    pub(super) fn is_request(&self) -> bool {
        self.method.is_some() && self.id.is_some()
    }

    /// The error for an id that no answer can have, and for parameters that are not an object, which every method requires.
    pub(super) fn problem(&self) -> Option<ErrorData> {
        let is_answer = self.result.is_some() || self.error.is_some();
        let method = self.method.as_ref().filter(|_| !is_answer)?;
        if let Some(Id::Wrong(kind)) = &self.id {
            let text = format!(
                "the `id` is {kind}; it must be a string or an integer; nothing was sent or billed (a message without \
                 `id` is a notification, which is not answered)"
            );
            return Some(ErrorData::invalid_request(text, None));
        }
        match self.params.as_ref()? {
            Kind::Object { meta: None } => None,
            Kind::Object { meta: Some(kind) } => {
                let text = format!("`_meta` is {kind}; it must be an object, if given");
                Some(ErrorData::invalid_params(text, None))
            }
            params => params.words().map(|kind| mcp::wrong_kind(method, kind)),
        }
    }
}

/// Whether the id of a message is legal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Id {
    Right,
    /// The kind that it has instead of a string or an integer.
    Wrong(&'static str),
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Ok(match &value {
            Value::Null => Self::Wrong("null"),
            Value::Bool(_) => Self::Wrong("a boolean"),
            Value::Array(_) => Self::Wrong("an array"),
            Value::Object(_) => Self::Wrong("an object"),
            Value::String(_) => Self::Right,
            // The library decides which numbers are integers.
            Value::Number(_) if RequestId::deserialize(&value).is_ok() => Self::Right,
            Value::Number(_) => Self::Wrong("a number that is no integer of 64 bits"),
        })
    }
}

/// Reads a field that is present, even if it is null.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Id>, D::Error> {
    Id::deserialize(deserializer).map(Some)
}

/// The kind of a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The kind of its `_meta`, if that is not an object.
    Object {
        meta: Option<&'static str>,
    },
    Array,
    String,
    Number,
    Boolean,
}

impl Kind {
    /// The kind of a value in words; `None` for an object.
    fn words(self) -> Option<&'static str> {
        match self {
            Self::Object { .. } => None,
            Self::Array => Some("an array"),
            Self::String => Some("a string"),
            Self::Number => Some("a number"),
            Self::Boolean => Some("a boolean"),
        }
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfAny)
    }
}

struct OfAny;

impl<'de> Visitor<'de> for OfAny {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Kind, A::Error> {
        let mut meta = None;
        while let Some(name) = fields.next_key::<Cow<'_, str>>()? {
            if name == "_meta" {
                meta = fields.next_value::<Option<Kind>>()?.and_then(Kind::words);
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Kind::Object { meta })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Kind::Array)
    }

    fn visit_str<E>(self, _: &str) -> Result<Kind, E> {
        Ok(Kind::String)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Kind, E> {
        Ok(Kind::Boolean)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Kind, E> {
        Ok(Kind::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Kind, E> {
        Ok(Kind::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Kind, E> {
        Ok(Kind::Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_that_are_not_an_object_are_reported_for_any_method() {
        for (params, kind) in [
            ("[]", Some("an array")),
            ("[{\"a\":[1]}]", Some("an array")),
            ("\"x\"", Some("a string")),
            ("7", Some("a number")),
            ("-1", Some("a number")),
            ("1.5", Some("a number")),
            ("true", Some("a boolean")),
            ("null", None),
            ("{\"a\":{\"b\":[]}}", None),
        ] {
            for method in ["ping", "tools/call", "of nobody"] {
                let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
                let told = Outline::of(text.as_bytes()).problem().map(|error| error.message);
                assert_eq!(told.is_some(), kind.is_some(), "{text}");
                assert!(
                    told.is_none_or(
                        |told| told.contains(&format!("`params` is {}", kind.unwrap_or_default()))
                    )
                );
            }
        }
        for (meta, kind) in
            [("5", Some("a number")), ("[]", Some("an array")), ("null", None), ("{\"a\":1}", None)]
        {
            let text =
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"a":[1],"_meta":{meta}}}}}"#);
            let told = Outline::of(text.as_bytes()).problem().map(|error| error.message.into_owned());
            assert_eq!(
                told,
                kind.map(|kind| format!("`_meta` is {kind}; it must be an object, if given")),
                "{text}"
            );
        }
        for no_request in [r#"{"id":1,"result":{},"params":[]}"#, r#"{"id":1,"params":[]}"#, "[]", "7"] {
            assert!(Outline::of(no_request.as_bytes()).problem().is_none(), "{no_request}");
        }
    }
}
