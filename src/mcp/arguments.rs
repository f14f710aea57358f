//! Turns arguments as models write them into arguments as the schema has them.
//!
//! Names that other MiniMax servers use are accepted: camelCase, and the aliases below. Values with one possible meaning
//! are converted: `"6"` to 6, `"768p"` to `768P`, one string to a list of one. Everything else is refused with the
//! parameter's name, the rule and the legal values. Each tool is checked in the same way, because a refusal must not
//! depend on what a client has checked.

use std::fmt::{self, Write as _};

use rmcp::model::JsonObject;
use serde_json::{Number, Value};

use crate::mcp::{json_text, lengths};

/// Other names of parameters. A parameter's own name wins over an alias.
const ALIASES: &[(&str, &str)] = &[
    ("voice", "voice_id"),
    ("volume", "vol"),
    ("audio_format", "format"),
    ("image_url", "first_frame_image"),
    ("first_frame", "first_frame_image"),
    ("last_frame", "last_frame_image"),
    ("subject_image", "subject_reference"),
    ("reference_image", "subject_reference"),
    ("video_length", "duration"),
    ("video_ratio", "ratio"),
    ("image_ratio", "aspect_ratio"),
    ("wait", "wait_seconds"),
    ("out_dir", "output_directory"),
    ("image_source", "image_url"),
    ("audio_file", "file"),
];

/// Other spellings of values, and English words for values that are Chinese in the API.
const VALUES: &[(&str, &str)] = &[
    ("comic", "漫画"),
    ("manga", "漫画"),
    ("lively", "元气"),
    ("medieval", "中世纪"),
    ("watercolour", "水彩"),
    ("watercolor", "水彩"),
];

/// The most mistakes that an error lists.
const MOST_PROBLEMS: usize = 6;

/// Gives the arguments the schema's names and types, or lists everything that is wrong with them.
pub(crate) fn in_order(schema: &JsonObject, given: JsonObject) -> Result<JsonObject, String> {
    let mut problems = Vec::new();
    let empty = JsonObject::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let mut named = JsonObject::new();
    for (name, value) in split_image_size(properties, given, &mut problems) {
        if is_enough(&problems) {
            break;
        }
        match canonical(properties, &name) {
            Some(real) if named.contains_key(real) => {
                problems.push(format!("`{name}` and `{real}` are the same parameter; give it once"));
            }
            Some(real) => {
                named.insert(real.to_owned(), value);
            }
            None => problems.push(unknown(properties, &name)),
        }
    }
    let checked = object(schema, named, "", &mut problems);
    if problems.is_empty() {
        return Ok(checked);
    }
    if is_enough(&problems) {
        problems.truncate(MOST_PROBLEMS);
        problems.push("and more".to_owned());
    }
    Err(problems.join("; "))
}

/// Whether there are more problems than are listed, so that looking for others is of no use.
fn is_enough(problems: &[String]) -> bool {
    problems.len() > MOST_PROBLEMS
}

fn canonical<'a>(properties: &'a JsonObject, name: &str) -> Option<&'a str> {
    let find = |wanted: &str| properties.keys().find(|key| *key == wanted).map(String::as_str);
    let snake = snake_case(name);
    find(name).or_else(|| find(&snake)).or_else(|| {
        let (_, real) = ALIASES.iter().find(|(alias, _)| *alias == snake)?;
        find(real)
    })
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

fn unknown(properties: &JsonObject, name: &str) -> String {
    let shown: String = name.chars().take(64).collect();
    if let Some(close) = closest(properties.keys().map(String::as_str), &shown) {
        return format!("there is no parameter `{shown}`; did you mean `{close}`?");
    }
    let all: Vec<_> = properties.keys().map(String::as_str).collect();
    format!("there is no parameter `{shown}`; there are {}", all.join(", "))
}

fn closest<'a>(candidates: impl Iterator<Item = &'a str>, word: &str) -> Option<&'a str> {
    let rated = candidates.map(|candidate| (strsim::jaro_winkler(candidate, word), candidate));
    rated
        .filter(|(score, _)| *score > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// `image_size: "1024x768"` → `width` and `height`.
fn split_image_size(
    properties: &JsonObject,
    mut given: JsonObject,
    problems: &mut Vec<String>,
) -> JsonObject {
    let name = ["image_size", "imageSize"].into_iter().find(|name| given.contains_key(*name));
    let Some(name) =
        name.filter(|_| properties.contains_key("width") && !properties.contains_key("image_size"))
    else {
        return given;
    };
    let size = given.shift_remove(name);
    let parts = size.as_ref().and_then(Value::as_str).and_then(|size| size.split_once(['x', 'X', '*', '×']));
    let pixels =
        parts.and_then(|(w, h)| Some((w.trim().parse::<u32>().ok()?, h.trim().parse::<u32>().ok()?)));
    match pixels {
        Some((width, height)) => {
            given.insert("width".to_owned(), width.into());
            given.insert("height".to_owned(), height.into());
        }
        None => problems.push(format!("`{name}` is written WIDTHxHEIGHT, for example 1024x768")),
    }
    given
}

fn object(schema: &JsonObject, given: JsonObject, path: &str, problems: &mut Vec<String>) -> JsonObject {
    let empty = JsonObject::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    // A nested object searches only its own problems. Searching all of them would be quadratic in long lists.
    let own = if path.is_empty() { 0 } else { problems.len() };
    let mut checked = JsonObject::new();
    for (name, value) in given {
        if is_enough(problems) {
            break;
        }
        let name = canonical(properties, &name).map_or(name, str::to_owned);
        let full = join(path, &name);
        // Clients fill optional parameters with null or nothing; both mean "not given".
        let blank = value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
        if blank && !required.contains(&name.as_str()) {
            continue;
        }
        match properties.get(&name).and_then(Value::as_object) {
            Some(schema) => {
                if let Some(value) = fit(schema, value, &full, problems) {
                    checked.insert(name, value);
                }
            }
            None => problems.push(format!("{path} {}", unknown(properties, &name)).trim_start().to_owned()),
        }
    }
    for name in required.into_iter().filter(|name| !checked.contains_key(*name)) {
        let full = join(path, name);
        let told = problems.iter().skip(own).any(|problem| problem.contains(&format!("`{full}`")));
        if !told {
            let about = properties.get(name).and_then(|property| property.get("description")?.as_str());
            problems
                .push(format!("`{full}` is missing. {}", about.unwrap_or_default()).trim_end().to_owned());
        }
    }
    checked
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Converts and checks one value; `None` after a problem.
fn fit(schema: &JsonObject, value: Value, path: &str, problems: &mut Vec<String>) -> Option<Value> {
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    let shown = show(&value);
    let converted = match kind {
        "integer" => integer(&value),
        "number" => number(&value),
        "boolean" => boolean(&value),
        "string" => string(value),
        "array" => return array(schema, value, path, problems),
        "object" => match value {
            Value::Object(given) if schema.contains_key("properties") => {
                let before = problems.len();
                let checked = object(schema, given, path, problems);
                return (problems.len() == before).then_some(Value::Object(checked));
            }
            Value::Object(given) => Some(Value::Object(given)),
            _ => None,
        },
        _ => Some(value),
    };
    let Some(value) = converted else {
        problems.push(format!("`{path}` is {shown}; must be {}", kind_words(kind)));
        return None;
    };
    // The length comes first, and what is too long is not repeated.
    if let Some(problem) = too_long(schema, &value) {
        problems.push(format!("`{path}` {problem}"));
        return None;
    }
    let checked = one_of(schema, value).and_then(|value| in_range(schema, value));
    checked.map_err(|legal| problems.push(format!("`{path}` is {shown}; {legal}"))).ok()
}

fn too_long(schema: &JsonObject, value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let most = lengths::of_text(text, schema.get("maxLength")?.as_u64()?);
    // A text has at least as many bytes as characters, and most texts need no counting.
    if text.len() as u64 <= most {
        return None;
    }
    let length = text.chars().count() as u64;
    let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(1);
    (length > most).then(|| format!("has {length} characters; it takes {least} to {most}"))
}

fn integer(value: &Value) -> Option<Value> {
    let number = number(value)?;
    if number.is_i64() || number.is_u64() {
        return Some(number);
    }
    let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9e15)?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
    Some(Value::from(float as i64))
}

fn number(value: &Value) -> Option<Value> {
    match value {
        Value::Number(_) => Some(value.clone()),
        Value::String(text) => {
            let text = text.trim();
            let whole = text.parse::<i64>().ok().map(Number::from);
            whole.or_else(|| Number::from_f64(text.parse().ok()?)).map(Value::Number)
        }
        _ => None,
    }
}

fn boolean(value: &Value) -> Option<Value> {
    match value {
        Value::Bool(_) => Some(value.clone()),
        Value::String(text) => text.trim().to_lowercase().parse().ok().map(Value::Bool),
        _ => None,
    }
}

fn string(value: Value) -> Option<Value> {
    match value {
        Value::String(_) => Some(value),
        // Ids are often written as numbers.
        Value::Number(number) => Some(Value::String(number.to_string())),
        _ => None,
    }
}

fn array(schema: &JsonObject, value: Value, path: &str, problems: &mut Vec<String>) -> Option<Value> {
    let items = match value {
        Value::Array(items) => items,
        Value::String(text) => match json_text::read(&text) {
            Some(Value::Array(items)) => items,
            _ => vec![Value::String(text)],
        },
        other => vec![other],
    };
    let most = schema.get("maxItems").and_then(Value::as_u64).and_then(|most| usize::try_from(most).ok());
    if let Some(most) = most.filter(|most| items.len() > *most) {
        problems.push(format!("`{path}` has {} items; at most {most} are allowed", items.len()));
        return None;
    }
    let Some(schema) = schema.get("items").and_then(Value::as_object) else {
        return Some(Value::Array(items));
    };
    let before = problems.len();
    let mut checked = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        if is_enough(problems) {
            break;
        }
        checked.extend(fit(schema, item, &format!("{path}[{index}]"), problems));
    }
    (problems.len() == before).then_some(Value::Array(checked))
}

/// The value as the enum spells it, or an error that lists the enum.
fn one_of(schema: &JsonObject, value: Value) -> Result<Value, String> {
    let Some(set) = schema.get("enum").and_then(Value::as_array) else { return Ok(value) };
    if set.contains(&value) {
        return Ok(value);
    }
    let text = value.as_str().unwrap_or_default().to_lowercase();
    let meant = VALUES.iter().find(|(word, _)| *word == text).map_or(text.as_str(), |(_, value)| value);
    let spelt = set.iter().find(|legal| legal.as_str().is_some_and(|legal| legal.to_lowercase() == meant));
    if let Some(spelt) = spelt {
        return Ok(spelt.clone());
    }
    let words: Vec<_> =
        set.iter().map(|legal| legal.as_str().map_or_else(|| legal.to_string(), str::to_owned)).collect();
    let hint = closest(words.iter().map(String::as_str), &text);
    let hint = hint.map(|close| format!("; did you mean `{close}`?")).unwrap_or_default();
    Err(format!("it is one of {}{hint}", words.join(", ")))
}

fn in_range(schema: &JsonObject, value: Value) -> Result<Value, String> {
    let bound = |word: &str| schema.get(word).and_then(Value::as_f64);
    let (least, most, above) = (bound("minimum"), bound("maximum"), bound("exclusiveMinimum"));
    let Some(number) = value.as_f64() else { return Ok(value) };
    let inside = least.is_none_or(|least| number >= least)
        && most.is_none_or(|most| number <= most)
        && above.is_none_or(|above| number > above);
    if inside {
        return Ok(value);
    }
    Err(match (least, above, most) {
        (Some(least), _, Some(most)) => format!("it is {least} to {most}"),
        (_, Some(above), Some(most)) => format!("it is above {above} and at most {most}"),
        (Some(least), ..) => format!("it is at least {least}"),
        (_, Some(above), _) => format!("it is above {above}"),
        (.., Some(most)) => format!("it is at most {most}"),
        (None, None, None) => "it is out of range".to_owned(),
    })
}

/// The beginning of a value. No more of it is written than is shown.
fn show(value: &Value) -> String {
    let mut shown = Beginning { text: String::new(), left: SHOWN };
    match write!(shown, "{value}") {
        Ok(()) => shown.text,
        Err(_) => format!("{}…", shown.text),
    }
}

/// Characters of a value that an error repeats.
const SHOWN: usize = 60;

/// Refuses what is longer than there is room for.
struct Beginning {
    text: String,
    left: usize,
}

impl fmt::Write for Beginning {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for letter in more.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(letter);
        }
        Ok(())
    }
}

fn kind_words(kind: &str) -> &str {
    match kind {
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "string" => "a text",
        "object" => "an object",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> JsonObject {
        let schema = json!({
            "type": "object",
            "required": ["prompt"],
            "properties": {
                "prompt": { "type": "string", "description": "What to show." },
                "first_frame_image": { "type": "string" },
                "width": { "type": "integer", "minimum": 512, "maximum": 2048 },
                "height": { "type": "integer" },
                "vol": { "type": "number", "exclusiveMinimum": 0, "maximum": 10 },
                "resolution": { "type": "string", "enum": ["768P", "2K"] },
                "flag": { "type": "boolean" },
                "refs": { "type": "array", "maxItems": 2, "items": { "type": "string" } },
                "mix": { "type": "array", "items": {
                    "type": "object",
                    "required": ["voice_id"],
                    "properties": { "voice_id": { "type": "string" }, "weight": { "type": "integer", "minimum": 1 } },
                } },
            },
        });
        schema.as_object().unwrap().clone()
    }

    fn order(given: &Value) -> Result<Value, String> {
        in_order(&schema(), given.as_object().unwrap().clone()).map(Value::Object)
    }

    #[test]
    fn names_of_other_servers_are_understood() {
        let ours = json!({ "prompt": "x", "first_frame_image": "u", "vol": 2 });
        for theirs in [
            json!({ "prompt": "x", "firstFrameImage": "u", "volume": 2 }),
            json!({ "prompt": "x", "image_url": "u", "vol": 2 }),
            json!({ "prompt": "x", "imageUrl": "u", "vol": 2 }),
        ] {
            assert_eq!(order(&theirs).unwrap(), ours);
        }
        assert_eq!(
            order(&json!({ "prompt": "x", "image_size": "1024x768" })).unwrap(),
            json!({ "prompt": "x", "width": 1024, "height": 768 })
        );
    }

    #[test]
    fn values_that_can_mean_one_thing_only_are_understood() {
        let given = json!({
            "prompt": "x", "width": "512", "resolution": "768p", "flag": "true", "refs": "a", "height": 7.0
        });
        let meant = json!({
            "prompt": "x", "width": 512, "resolution": "768P", "flag": true, "refs": ["a"], "height": 7
        });
        assert_eq!(order(&given).unwrap(), meant);
        assert_eq!(
            order(&json!({ "prompt": "x", "flag": null, "resolution": "" })).unwrap(),
            json!({ "prompt": "x" })
        );
        assert_eq!(
            order(&json!({ "prompt": "x", "refs": "[\"a\",\"b\"]" })).unwrap()["refs"],
            json!(["a", "b"])
        );
    }

    #[test]
    fn a_million_mistakes_are_refused_in_as_few_words_as_seven() {
        let many: serde_json::Map<String, Value> =
            (0..10_000).map(|n| (format!("no {n}"), n.into())).collect();
        for given in [
            json!({ "prompt": "x", "refs": "x", "mix": vec![0; 10_000] }),
            json!({ "prompt": "x", "mix": vec![json!({ "weight": 0, "x": 0 }); 10_000] }),
            json!({ "prompt": "x", "mix": [many] }),
            json!(many),
        ] {
            let problem = order(&given).unwrap_err();
            assert!(problem.ends_with("; and more") && problem.len() < 2_000, "{problem}");
        }
    }

    #[test]
    fn a_refusal_names_the_parameter_the_rule_and_the_legal_values() {
        for (given, parts) in [
            (json!({}), vec!["`prompt` is missing", "What to show."]),
            (json!({ "prompt": "x", "widht": 600 }), vec!["`widht`", "did you mean `width`"]),
            (json!({ "prompt": "x", "zzz": 600 }), vec!["`zzz`", "first_frame_image, width"]),
            (json!({ "prompt": "x", "width": 100 }), vec!["`width` is 100", "512 to 2048"]),
            (json!({ "prompt": "x", "vol": 0 }), vec!["`vol` is 0", "above 0 and at most 10"]),
            (json!({ "prompt": "x", "resolution": "4K" }), vec!["`resolution`", "768P, 2K"]),
            (json!({ "prompt": "x", "flag": "perhaps" }), vec!["`flag`", "true or false"]),
            (json!({ "prompt": "x", "refs": ["a", "b", "c"] }), vec!["`refs` has 3", "at most 2"]),
            (
                json!({ "prompt": "x", "mix": [{ "weight": 0 }] }),
                vec!["`mix[0].weight` is 0", "`mix[0].voice_id` is missing"],
            ),
            (json!({ "prompt": ["x"] }), vec!["`prompt`", "a text"]),
            (json!({ "prompt": "x", "vol": 1, "volume": 2 }), vec!["`volume` and `vol`"]),
        ] {
            let problem = order(&given).unwrap_err();
            for part in parts {
                assert!(problem.contains(part), "{given}: {problem}");
            }
        }
    }
}
