//! Reads answers with one odd value, because a paid result must not be lost for it.

use std::borrow::Cow;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads a field other than the result. A wrong type becomes the default.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_default())
}

/// Reads an id or a count that MiniMax sends as a number or as a string, depending on the endpoint. Empty for anything
/// else.
pub(crate) fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Number(serde_json::Number),
        Nothing(IgnoredAny),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::Text(text) => text,
        Either::Number(number) => {
            whole_number(&number).map_or_else(|| number.to_string(), |whole| whole.to_string())
        }
        Either::Nothing(_) => String::new(),
    })
}

/// A whole number that is written with a fraction, such as `7.0`, as long as a double has every digit of it.
fn whole_number(number: &serde_json::Number) -> Option<i64> {
    let float =
        number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15)?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
    Some(float as i64)
}

/// JSON without the values that a strict parser refuses: `NaN`, `Infinity` and numbers outside the range of a double
/// become `null`, half of a surrogate pair becomes U+FFFD, and so do bytes that are not UTF-8. Control characters in a
/// string are escaped.
pub(crate) fn readable(body: &[u8]) -> Vec<u8> {
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

/// An object that ends in the middle, with an end: `None` if it does not. A value that was cut is left out, because a part
/// of a number is another number; a text that was cut ends with U+FFFD, which makes it a damaged one.
pub(crate) fn closed(body: &[u8]) -> Option<Vec<u8>> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    if body.first() != Some(&b'{') {
        return None;
    }
    // What is open, and how much of it was open behind the last whole value.
    let (mut open, mut end, mut open_then) = (Vec::new(), 0, 0);
    let (mut at, mut before, mut in_word) = (0, b'{', false);
    let mut damaged = None;
    while let Some(byte) = body.get(at) {
        let is_letter = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        if in_word && !is_letter {
            (end, open_then) = (at, open.len());
        }
        in_word = is_letter;
        match byte {
            b'{' | b'[' => {
                open.push(if *byte == b'{' { b'}' } else { b']' });
                (end, open_then) = (at + 1, open.len());
            }
            b'}' | b']' => {
                open.pop();
                (end, open_then) = (at + 1, open.len());
                if open.is_empty() {
                    return None;
                }
            }
            b'"' => {
                let is_name = open.last() == Some(&b'}') && matches!(before, b'{' | b',');
                match text_end(body.get(at..).unwrap_or_default()) {
                    Ok(length) if is_name => at += length - 1,
                    Ok(length) => {
                        at += length - 1;
                        (end, open_then) = (at + 1, open.len());
                    }
                    Err(length) => {
                        damaged = (!is_name).then_some(at + length);
                        break;
                    }
                }
            }
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            before = *byte;
        }
        at += 1;
    }
    let mut closed = body.get(..damaged.unwrap_or(end))?.to_vec();
    if damaged.is_some() {
        closed.extend_from_slice("\u{fffd}\"".as_bytes());
        open_then = open.len();
    }
    closed.extend(open.get(..open_then)?.iter().rev());
    Some(closed)
}

/// The length of the text that the bytes begin with. `Err` with the length of its readable part if it has no end.
fn text_end(bytes: &[u8]) -> Result<usize, usize> {
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        at += match byte {
            b'"' => return Ok(at + 1),
            b'\\' => {
                let length = if bytes.get(at + 1) == Some(&b'u') { 6 } else { 2 };
                if at + length > bytes.len() {
                    return Err(at);
                }
                length
            }
            _ => 1,
        };
    }
    // A letter may be cut in its middle.
    let whole = bytes.utf8_chunks().next().map_or(0, |chunk| chunk.valid().len());
    Err(if bytes.len() - whole < 4 { whole } else { bytes.len() })
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
    fn an_object_that_ends_in_the_middle_has_what_came_whole_and_marks_a_text_that_was_cut() {
        for (cut, meant) in [
            (r#"{"task_id":"4711","base_r"#, json!({ "task_id": "4711" })),
            (r#"{"task_id":"4711""#, json!({ "task_id": "4711" })),
            (r#"{"task_id":"47"#, json!({ "task_id": "47\u{fffd}" })),
            (r#"{"task_id":47"#, json!({})),
            (r#"{"task_id":4711,"#, json!({ "task_id": 4711 })),
            (r#"{"a":[1,{"b":"x"},{"c":tru"#, json!({ "a": [1, { "b": "x" }, {}] })),
            (r#"{"a":["x","y\u00"#, json!({ "a": ["x", "y\u{fffd}"] })),
            (r#"{"a":"x\"#, json!({ "a": "x\u{fffd}" })),
            (r#"{"a":{"b":"#, json!({ "a": {} })),
            ("\u{feff} {\"a\":\"狐", json!({ "a": "狐\u{fffd}" })),
            ("{", json!({})),
        ] {
            let read: Value = serde_json::from_slice(&closed(cut.as_bytes()).unwrap()).unwrap();
            assert_eq!(read, meant, "{cut}");
        }
        let letter = [br#"{"a":""#.as_slice(), &"狐".as_bytes()[..2]].concat();
        assert_eq!(closed(&letter).unwrap(), "{\"a\":\"\u{fffd}\"}".as_bytes());
        for other in ["", "text", "[1", "\"a", r#"{"a":1}"#, r#"{"a":1} {"b"#] {
            assert_eq!(closed(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn whatever_is_cut_off_an_object_the_rest_is_json() {
        let whole = json!({ "a": ["x\"y", -1.5e3, true, null, { "狐": "\\" }], "b": { "c": [] }, "d": "e" })
            .to_string();
        for end in 1..whole.len() {
            let closed = closed(&whole.as_bytes()[..end]).unwrap();
            let text = String::from_utf8_lossy(&closed);
            assert!(serde_json::from_slice::<Value>(&closed).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_stays_none() {
        for body in
            [&b"<html>\xff</html>"[..], b"", b"\"", b"\"\\", b"\"\\u", b"\"\\ud83", b"{\"a\":", b"not", b"-"]
        {
            assert!(serde_json::from_slice::<Value>(&readable(body)).is_err(), "{body:?}");
        }
    }
}
