//! Field tables: the allowed fields of a request body as data, and the check against them.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::engine::errors::{ApiError, SENSITIVE_INPUT};

/// One field of a request body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    name: &'static str,
    required: bool,
    kind: Kind,
}

/// The allowed values of a field. Ranges are inclusive unless stated otherwise.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Anything: the endpoint checks it itself, or MiniMax ignores it.
    Any,
    /// Any object.
    Map,
    Bool,
    /// A string; the length is in characters, not bytes.
    Text {
        min: usize,
        max: usize,
    },
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// One of these strings, or null.
    OneOfOrNull(&'static [&'static str]),
    /// An integer. `2.0` is not one.
    Int {
        min: i64,
        max: i64,
    },
    /// One of these integers.
    IntOf(&'static [i64]),
    Number {
        min: f64,
        max: f64,
    },
    /// A number above zero.
    Positive {
        max: f64,
    },
    Object(&'static [Field]),
    /// A list; `min` and `max` are item counts.
    List {
        min: usize,
        max: usize,
        item: &'static Kind,
    },
}

/// Any string.
pub(crate) const TEXT: Kind = Kind::Text { min: 0, max: usize::MAX };
/// A non-empty string.
pub(crate) const FILLED: Kind = Kind::Text { min: 1, max: usize::MAX };

pub(crate) const fn required(name: &'static str, kind: Kind) -> Field {
    Field { name, required: true, kind }
}

pub(crate) const fn optional(name: &'static str, kind: Kind) -> Field {
    Field { name, required: false, kind }
}

/// Checks a body against its table. The error names the field by its path, such as `voice_setting.speed`.
pub(crate) fn check(body: &Map<String, Value>, fields: &[Field]) -> Result<(), ApiError> {
    object(body, fields, "").map_err(ApiError::invalid)
}

/// Checks an object at `path` within a body.
pub(crate) fn check_at(body: &Value, fields: &[Field], path: &str) -> Result<(), ApiError> {
    let body = body.as_object().ok_or_else(|| ApiError::invalid(format_args!("{path} must be an object")))?;
    object(body, fields, path).map_err(ApiError::invalid)
}

fn object(body: &Map<String, Value>, fields: &[Field], path: &str) -> Result<(), String> {
    let full = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    if let Some(name) = body.keys().find(|name| fields.iter().all(|field| field.name != name.as_str())) {
        return Err(format!("unknown field {}", full(name)));
    }
    for field in fields {
        match body.get(field.name) {
            Some(found) => value(found, field.kind, &full(field.name))?,
            None if field.required => return Err(format!("{} is required", full(field.name))),
            None => {}
        }
    }
    Ok(())
}

fn value(found: &Value, kind: Kind, path: &str) -> Result<(), String> {
    let fits = match kind {
        Kind::Any => true,
        Kind::Map => found.is_object(),
        Kind::Bool => found.is_boolean(),
        Kind::Text { min, max } => {
            found.as_str().is_some_and(|text| (min..=max).contains(&text.chars().count()))
        }
        Kind::OneOf(names) => found.as_str().is_some_and(|text| names.contains(&text)),
        Kind::OneOfOrNull(names) => {
            found.is_null() || found.as_str().is_some_and(|text| names.contains(&text))
        }
        Kind::Int { min, max } => found.as_i64().is_some_and(|number| (min..=max).contains(&number)),
        Kind::IntOf(numbers) => found.as_i64().is_some_and(|number| numbers.contains(&number)),
        Kind::Number { min, max } => found.as_f64().is_some_and(|number| (min..=max).contains(&number)),
        Kind::Positive { max } => found.as_f64().is_some_and(|number| number > 0.0 && number <= max),
        Kind::Object(fields) => {
            return match found.as_object() {
                Some(body) => object(body, fields, path),
                None => Err(format!("{path} must be an object")),
            };
        }
        Kind::List { min, max, item } => match found.as_array() {
            Some(items) if (min..=max).contains(&items.len()) => {
                return items
                    .iter()
                    .enumerate()
                    .try_for_each(|(index, entry)| value(entry, *item, &format!("{path}[{index}]")));
            }
            _ => false,
        },
    };
    if fits { Ok(()) } else { Err(format!("{path} must be {}, not {}", wanted(kind), shown(found))) }
}

fn wanted(kind: Kind) -> String {
    match kind {
        Kind::Any => "anything".to_owned(),
        Kind::Bool => "true or false".to_owned(),
        Kind::Text { min, max: usize::MAX } => format!("a string of at least {min} characters"),
        Kind::Text { min, max } => format!("a string of {min} to {max} characters"),
        Kind::OneOf(names) => format!("one of {}", names.join(", ")),
        Kind::OneOfOrNull(names) => format!("null or one of {}", names.join(", ")),
        Kind::Int { min, max } => format!("an integer from {min} to {max}"),
        Kind::IntOf(numbers) => {
            let mut text = "one of".to_owned();
            for number in numbers {
                // Writing to a string cannot fail.
                let _ = write!(text, " {number}");
            }
            text
        }
        Kind::Number { min, max } => format!("a number from {min} to {max}"),
        Kind::Positive { max } => format!("a number above 0 and up to {max}"),
        Kind::Object(_) | Kind::Map => "an object".to_owned(),
        Kind::List { min, max, .. } => format!("a list of {min} to {max} items"),
    }
}

/// A value as error messages show it; long ones are summarised.
fn shown(found: &Value) -> String {
    match found {
        Value::Array(items) => format!("a list of {} items", items.len()),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) if text.chars().count() > 40 => {
            format!("a string of {} characters", text.chars().count())
        }
        other => other.to_string(),
    }
}

/// A string field of a checked body; empty if missing.
pub(crate) fn text<'a>(body: &'a Map<String, Value>, name: &str) -> &'a str {
    body.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// An integer field of a checked body.
pub(crate) fn int(body: &Map<String, Value>, name: &str, otherwise: i64) -> i64 {
    body.get(name).and_then(Value::as_i64).unwrap_or(otherwise)
}

/// A boolean field of a checked body; false if missing.
pub(crate) fn flag(body: &Map<String, Value>, name: &str) -> bool {
    body.get(name).and_then(Value::as_bool).unwrap_or_default()
}

/// 1026 if the text contains `#sensitive`.
pub(crate) fn reject_sensitive(text: &str) -> Result<(), ApiError> {
    if text.contains("#sensitive") { Err(ApiError::of(SENSITIVE_INPUT)) } else { Ok(()) }
}
