//! Values as models write them: numbers with their unit, switches as words, ratios in other forms.

use rmcp::model::JsonObject;
use serde_json::{Number, Value};

use super::names::closest;

/// Other spellings of values, such as the Chinese words that MiniMax documents.
const VALUES: &[(&str, &str)] = &[
    ("漫画", "comic"),
    ("manga", "comic"),
    ("元气", "lively"),
    ("中世纪", "medieval"),
    ("水彩", "watercolour"),
    ("watercolor", "watercolour"),
    ("square", "1:1"),
    ("landscape", "16:9"),
    ("portrait", "9:16"),
];

/// A unit, and how many of the parameter's own units it is.
type Unit = (&'static str, f64);

/// Units that may follow a number.
const UNITS: &[(&[&str], &[Unit])] = &[
    (
        &["duration", "wait_seconds"],
        &[
            ("s", 1.0),
            ("sec", 1.0),
            ("secs", 1.0),
            ("second", 1.0),
            ("seconds", 1.0),
            ("m", 60.0),
            ("min", 60.0),
            ("mins", 60.0),
            ("minute", 60.0),
            ("minutes", 60.0),
        ],
    ),
    (&["width", "height", "max_side"], &[("px", 1.0), ("pixel", 1.0), ("pixels", 1.0)]),
    (&["sample_rate"], &[("hz", 1.0), ("khz", 1000.0), ("k", 1000.0)]),
    (&["bitrate"], &[("bps", 1.0), ("kbps", 1000.0), ("kbit/s", 1000.0), ("k", 1000.0)]),
    (&["speed", "vol"], &[("x", 1.0)]),
];

/// A whole number, as the parameter has it.
pub(super) fn integer(name: &str, value: &Value) -> Option<Value> {
    let number = number(name, value)?;
    if number.is_i64() || number.is_u64() {
        return Some(number);
    }
    let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9e15)?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
    Some(Value::from(float as i64))
}

pub(super) fn number(name: &str, value: &Value) -> Option<Value> {
    match value {
        Value::Number(_) => Some(value.clone()),
        Value::String(text) => {
            let text = text.trim();
            let whole = text.parse::<i64>().ok().map(Number::from);
            let any = whole.or_else(|| Number::from_f64(text.parse().ok()?));
            any.or_else(|| with_unit(name, text)).map(Value::Number)
        }
        _ => None,
    }
}

fn with_unit(name: &str, text: &str) -> Option<Number> {
    let (_, units) = UNITS.iter().find(|(names, _)| names.contains(&name))?;
    let end = text.find(|letter: char| !(letter.is_ascii_digit() || matches!(letter, '.' | '-' | '+')))?;
    let (amount, unit) = text.split_at(end);
    let unit = unit.trim().to_lowercase();
    let (_, factor) = units.iter().find(|(known, _)| *known == unit)?;
    Number::from_f64(amount.parse::<f64>().ok()? * factor)
}

pub(super) fn boolean(value: &Value) -> Option<Value> {
    match value {
        Value::Bool(_) => Some(value.clone()),
        Value::Number(number) => match number.as_i64() {
            Some(1) => Some(true.into()),
            Some(0) => Some(false.into()),
            _ => None,
        },
        Value::String(text) => match text.trim().to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true.into()),
            "false" | "no" | "off" | "0" => Some(false.into()),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn string(value: Value) -> Option<Value> {
    match value {
        Value::String(_) => Some(value),
        // Ids are often written as numbers.
        Value::Number(number) => Some(Value::String(number.to_string())),
        _ => None,
    }
}

/// The value as the enum spells it, or an error that lists the enum.
pub(super) fn one_of(schema: &JsonObject, value: Value) -> Result<Value, String> {
    let Some(set) = schema.get("enum").and_then(Value::as_array) else { return Ok(value) };
    if set.contains(&value) {
        return Ok(value);
    }
    let text = value.as_str().unwrap_or_default().trim().to_lowercase();
    let meant = VALUES.iter().find(|(word, _)| *word == text).map_or(text.as_str(), |(_, value)| value);
    // A resolution is often written without its letter.
    let spellings = [meant, &format!("{meant}p")].map(str::to_owned);
    let spelt = set
        .iter()
        .find(|legal| legal.as_str().is_some_and(|legal| spellings.contains(&legal.to_lowercase())));
    if let Some(spelt) = spelt {
        return Ok(spelt.clone());
    }
    let near = near(set, &value);
    if let Some((same, 0.0)) = near {
        return Ok(same.clone());
    }
    let words: Vec<_> = set.iter().map(shown).collect();
    let hint = near.map(|(value, _)| shown(value));
    let hint = hint.or_else(|| closest(words.iter().map(String::as_str), &text).map(str::to_owned));
    let hint = hint.map(|close| format!("; did you mean `{close}`?")).unwrap_or_default();
    Err(format!("it must be one of {}{hint}", words.join(", ")))
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The nearest value of a set of ratios or numbers, and its distance: 0 if it is the same.
fn near<'a>(set: &'a [Value], value: &Value) -> Option<(&'a Value, f64)> {
    let wanted = magnitude(value)?;
    let rated = set.iter().filter_map(|legal| Some((legal, (magnitude(legal)? / wanted).ln().abs())));
    let (nearest, distance) = rated.min_by(|a, b| a.1.total_cmp(&b.1))?;
    // Rounded ratios such as 1.78 are the same. Rounded numbers are others.
    Some((nearest, if nearest.is_string() && distance < 0.003 { 0.0 } else { distance }))
}

/// The size of a number, or of a ratio: `16:9`, `16/9`, `16x9` or `1.78`.
fn magnitude(value: &Value) -> Option<f64> {
    let size = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.split_once([':', '/', 'x', 'X', '×']) {
            Some((width, height)) => {
                Some(width.trim().parse::<f64>().ok()? / height.trim().parse::<f64>().ok()?)
            }
            None => text.trim().parse().ok(),
        },
        _ => None,
    };
    size.filter(|size| size.is_finite() && *size > 0.0)
}

/// Two whole numbers, from `1024x768`.
pub(super) fn pixels(value: &Value) -> Option<(u32, u32)> {
    let (width, height) = value.as_str()?.split_once(['x', 'X', '*', '×'])?;
    Some((width.trim().parse().ok()?, height.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_may_have_the_unit_of_its_parameter() {
        for (name, text, meant) in [
            ("duration", json!("6s"), Some(json!(6))),
            ("duration", json!("6 seconds"), Some(json!(6))),
            ("duration", json!(" 10 "), Some(json!(10))),
            ("wait_seconds", json!("2 min"), Some(json!(120))),
            ("width", json!("1024px"), Some(json!(1024))),
            ("sample_rate", json!("32 kHz"), Some(json!(32_000))),
            ("bitrate", json!("128kbps"), Some(json!(128_000))),
            ("duration", json!("six"), None),
            ("duration", json!("6 px"), None),
            ("duration", json!("s"), None),
            ("n", json!("2s"), None),
            ("n", json!("NaN"), None),
            ("n", json!([2]), None),
        ] {
            assert_eq!(integer(name, &text), meant, "{name}: {text}");
        }
        assert_eq!(number("speed", &json!("1.2x")), Some(json!(1.2)));
    }

    #[test]
    fn switches_may_be_words_and_digits() {
        for (value, meant) in [
            (json!("True"), Some(true)),
            (json!("no"), Some(false)),
            (json!("on"), Some(true)),
            (json!(0), Some(false)),
            (json!("1"), Some(true)),
            (json!("perhaps"), None),
            (json!(2), None),
        ] {
            assert_eq!(boolean(&value), meant.map(Value::Bool), "{value}");
        }
    }

    #[test]
    fn a_ratio_is_found_by_its_value_and_a_wrong_one_gets_the_nearest() {
        let ratios = json!({ "enum": ["1:1", "16:9", "4:3", "3:2", "2:3", "3:4", "9:16", "21:9"] });
        let resolutions = json!({ "enum": ["768P", "1080P", "2K"] });
        let rates = json!({ "enum": [8000, 16_000, 32_000, 44_100] });
        let of = |schema: &Value, value: Value| one_of(schema.as_object().unwrap(), value);
        for (schema, given, meant) in [
            (&ratios, json!("16x9"), json!("16:9")),
            (&ratios, json!("16/9"), json!("16:9")),
            (&ratios, json!("1920:1080"), json!("16:9")),
            (&ratios, json!("1.78"), json!("16:9")),
            (&ratios, json!("1"), json!("1:1")),
            (&ratios, json!("portrait"), json!("9:16")),
            (&resolutions, json!("1080"), json!("1080P")),
            (&resolutions, json!("2k"), json!("2K")),
        ] {
            assert_eq!(of(schema, given.clone()).unwrap(), meant, "{given}");
        }
        for (schema, given, nearest) in [
            (&ratios, json!("5:4"), "4:3"),
            (&ratios, json!("4:5"), "3:4"),
            (&ratios, json!("2:1"), "16:9"),
            (&ratios, json!("32:9"), "21:9"),
            (&ratios, json!("1:2"), "9:16"),
            (&rates, json!(48_000), "44100"),
            (&resolutions, json!("1080i"), "1080P"),
        ] {
            let told = of(schema, given.clone()).unwrap_err();
            assert!(told.ends_with(&format!("did you mean `{nearest}`?")), "{given}: {told}");
        }
        assert!(!of(&ratios, json!("wide")).unwrap_err().contains("did you mean"));
    }
}
