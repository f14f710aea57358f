//! Reads answers with one odd value, because a paid result must not be lost for it.

use std::borrow::Cow;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads a field other than the result. A wrong type becomes the default.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_default())
}

/// Reads an id or a count that MiniMax sends as a number or as a string, depending on the endpoint. Empty for anything
/// else.
pub(super) fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Number(serde_json::Number),
        Nothing(IgnoredAny),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::Text(text) => text,
        Either::Number(number) => number.to_string(),
        Either::Nothing(_) => String::new(),
    })
}

/// JSON without the values that a strict parser refuses: `NaN`, `Infinity` and numbers outside the range of a double
/// become `null`, half of a surrogate pair becomes U+FFFD, and so do bytes that are not UTF-8. Control characters in a
/// string are escaped.
pub(super) fn readable(body: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(body);
    let mut readable = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string(rest, &mut readable),
            '-' | '+' | '.' | '0'..='9' | 'a'..='z' | 'A'..='Z' => word(rest, &mut readable),
            other => {
                readable.push(other);
                other.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    readable.into_bytes()
}

/// Copies the number or word that a text begins with, and returns its length.
fn word(text: &str, readable: &mut String) -> usize {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '+' | '.');
    let word = text.split(|letter| !is_part(letter)).next().unwrap_or_default();
    // Rust parses all of these as numbers that are not finite.
    let is_out_of_range = word.parse::<f64>().is_ok_and(|number| !number.is_finite());
    readable.push_str(if is_out_of_range { "null" } else { word });
    word.len()
}

/// Copies the string that a text begins with, and returns its length.
fn string(text: &str, readable: &mut String) -> usize {
    readable.push('"');
    let mut at = 1;
    while let Some(letter) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = text.get(at..).unwrap_or_default();
        let (copy, length): (Cow<'_, str>, usize) = match letter {
            '"' => {
                readable.push('"');
                return at + 1;
            }
            '\\' => escape(rest),
            control if control < ' ' => (format!("\\u{:04x}", u32::from(control)).into(), 1),
            other => (rest.get(..other.len_utf8()).unwrap_or_default().into(), other.len_utf8()),
        };
        readable.push_str(&copy);
        at += length;
    }
    at
}

/// The escape that a text begins with, and how much of the text it stands for.
fn escape(text: &str) -> (Cow<'_, str>, usize) {
    let unit = |at: usize| {
        let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let is_low = |unit: Option<u16>| unit.is_some_and(|unit| (0xDC00..0xE000).contains(&unit));
    let length = match unit(0) {
        Some(0xD800..0xDC00) if is_low(unit(6)) => 12,
        Some(0xD800..0xE000) => return ("\\ufffd".into(), 6),
        Some(_) => 6,
        None => 1 + text.chars().nth(1).map_or(0, char::len_utf8),
    };
    (text.get(..length).unwrap_or(text).into(), length)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_odd_value_does_not_lose_the_others() {
        for (odd, expected) in [
            (&b"NaN"[..], json!(null)),
            (b"-Infinity", json!(null)),
            (b"Infinity", json!(null)),
            (b"1e400", json!(null)),
            (b"-1.5E+999", json!(null)),
            (br#""cut \ud83d""#, json!("cut \u{fffd}")),
            (br#""\ude00\ud83dx""#, json!("\u{fffd}\u{fffd}x")),
            (br#""\ud83d\ude00""#, json!("😀")),
            (b"\"\xe7\x8b\"", json!("\u{fffd}")),
            (b"\"a\nb\"", json!("a\nb")),
            (br#""NaN \" 1e400 \\""#, json!("NaN \" 1e400 \\")),
            (br#"[1.5e3,-0,true,null,"\u72d0"]"#, json!([1500.0, -0.0, true, null, "狐"])),
        ] {
            let body = [br#"{"audio":"49","odd":"#, odd, br#","status":2}"#].concat();
            let read: Value = serde_json::from_slice(&readable(&body)).unwrap();
            assert_eq!(read, json!({ "audio": "49", "odd": expected, "status": 2 }));
        }
    }

    #[test]
    fn a_field_beside_the_result_may_have_any_type() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Answer {
            #[serde(default, deserialize_with = "lenient")]
            id: String,
            #[serde(default, deserialize_with = "or_default")]
            title: Option<String>,
        }
        for (value, id, title) in [
            ("\"7\"", "7", Some("7")),
            ("7", "7", None),
            ("null", "", None),
            ("true", "", None),
            ("[1]", "", None),
            ("{\"a\":1}", "", None),
        ] {
            let read: Answer = serde_json::from_str(&format!(r#"{{"id":{value},"title":{value}}}"#)).unwrap();
            assert_eq!(read, Answer { id: id.to_owned(), title: title.map(str::to_owned) }, "{value}");
        }
    }

    #[test]
    fn invalid_json_stays_invalid() {
        for body in
            [&b"<html>\xff</html>"[..], b"", b"\"", b"\"\\", b"\"\\u", b"\"\\ud83", b"{\"a\":", b"not", b"-"]
        {
            assert!(serde_json::from_slice::<Value>(&readable(body)).is_err(), "{body:?}");
        }
    }
}
