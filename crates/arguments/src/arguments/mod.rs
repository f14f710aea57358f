//! Turns arguments as models write them into arguments as the schema has them.
//!
//! Names that other MiniMax servers use are accepted, and names that clients add to every call are dropped (`names`).
//! Values with one possible meaning are converted: `"6s"` to 6, `"768p"` to `768P`, one string to a list of one
//! (`values`). Everything else is refused with the parameter's name, the rule and the allowed values. Every call is
//! checked here, because a refusal must not depend on what the client has checked.

pub mod json_text;
pub mod lengths;
mod names;
pub mod schema;
mod values;

use std::fmt::{self, Write as _};

use rmcp::model::JsonObject;
use serde_json::Value;

use crate::telemetry::is_blank;
use names::{canonical, is_envelope, may_mean_dry_run, snake_case, unknown};
use values::{boolean, integer, number, one_of, pixels, string};

/// Parameters that are reduced to their maximum, with a note, while others are refused. A caller can wait again after a
/// shorter wait.
const CUT: &[&str] = &["wait_seconds"];

/// The parameter that keeps a call from buying.
const DRY_RUN: &str = "dry_run";

/// The most mistakes that an error lists.
const MOST_PROBLEMS: usize = 6;

/// Arguments that fit their schema.
#[derive(Debug, Default)]
pub struct Checked {
    /// The arguments, in the types of the schema.
    pub arguments: JsonObject,
    /// What the caller should know about them.
    pub notes: Vec<String>,
}

/// The problems and notes so far.
#[derive(Debug, Default)]
struct Findings {
    problems: Vec<String>,
    notes: Vec<String>,
}

impl Findings {
    /// Whether there are already more problems than an error lists, so that the search can stop.
    fn is_enough(&self) -> bool {
        self.problems.len() > MOST_PROBLEMS
    }

    fn wrong(&mut self, problem: String) {
        self.problems.push(problem);
    }
}

/// [`in_order`] for the benches.
#[cfg(feature = "entry-points")]
pub fn check(schema: &JsonObject, given: JsonObject) -> Result<JsonObject, String> {
    in_order(schema, given).map(|checked| checked.arguments)
}

/// Gives the arguments the schema's names and types, or lists everything that is wrong with them.
pub fn in_order(schema: &JsonObject, given: JsonObject) -> Result<Checked, String> {
    let mut findings = Findings::default();
    let empty = JsonObject::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let mut named = JsonObject::new();
    let given = names::unwrapped(properties, given);
    for (name, value) in split_size(properties, given, &mut findings) {
        if findings.is_enough() {
            break;
        }
        match canonical(properties, &name) {
            Some(real) if named.get(real).is_some_and(|first| *first != value) => {
                findings.wrong(format!("`{name}` and `{real}` are the same parameter; give it once"));
            }
            Some(real) => {
                named.insert(real.to_owned(), value);
            }
            None if is_envelope(&name) && !may_mean_dry_run(&name, &value) => {}
            None => findings.wrong(unknown(properties, &name)),
        }
    }
    let arguments = object(schema, named, "", &mut findings);
    let Findings { mut problems, notes } = findings;
    if problems.is_empty() {
        return Ok(Checked { arguments, notes });
    }
    if problems.len() > MOST_PROBLEMS {
        problems.truncate(MOST_PROBLEMS);
        problems.push("and more".to_owned());
    }
    Err(without_repeats(&problems))
}

/// The problems as one text. A part that several problems share, such as the list of all parameters, appears once.
fn without_repeats(problems: &[String]) -> String {
    let mut said: Vec<&str> = Vec::new();
    for part in problems.iter().flat_map(|problem| problem.split("; ")) {
        if !said.contains(&part) {
            said.push(part);
        }
    }
    said.join("; ")
}

/// Splits `size: "1024x768"` or `image_size` into `width` and `height`. A ratio instead becomes the `aspect_ratio`.
fn split_size(properties: &JsonObject, mut given: JsonObject, findings: &mut Findings) -> JsonObject {
    if !properties.contains_key("width") {
        return given;
    }
    let is_size = |name: &String| ["size", "image_size"].contains(&snake_case(name).as_str());
    let Some(name) = given.keys().find(|name| is_size(name) && !properties.contains_key(*name)).cloned()
    else {
        return given;
    };
    let Some(size) = given.shift_remove(&name).filter(|size| !size.is_null()) else { return given };
    if let Some(real) = ["width", "height"].into_iter().find(|real| given.contains_key(*real)) {
        findings.wrong(format!("`{name}` and `{real}` say the same; give one of them"));
        return given;
    }
    match pixels(&size) {
        Some((width, height)) => {
            given.insert("width".to_owned(), width.into());
            given.insert("height".to_owned(), height.into());
        }
        None if size.as_str().is_some_and(|size| size.contains(':')) => {
            given.insert("aspect_ratio".to_owned(), size);
        }
        None => findings.wrong(format!("`{name}` must be WIDTHxHEIGHT, for example 1024x768")),
    }
    given
}

fn object(schema: &JsonObject, given: JsonObject, path: &str, findings: &mut Findings) -> JsonObject {
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
    let own = if path.is_empty() { 0 } else { findings.problems.len() };
    let mut checked = JsonObject::new();
    for (name, value) in given {
        if findings.is_enough() {
            break;
        }
        let name = canonical(properties, &name).map_or(name, str::to_owned);
        let full = join(path, &name);
        // Clients fill parameters with null or an empty text; both mean "not given". A required text reaches its tool, whose
        // message has the limits. An id that shows nothing names nothing.
        let is_text = required.contains(&name.as_str()) && !name.ends_with("_id");
        // A call that may have meant a dry run must not buy.
        let is_kept = is_text || full == DRY_RUN;
        if value.is_null() || (!is_kept && value.as_str().is_some_and(is_blank)) {
            continue;
        }
        match properties.get(&name).and_then(Value::as_object) {
            Some(schema) => {
                if let Some(value) = fit(schema, value, &full, findings) {
                    checked.insert(name, value);
                }
            }
            None => findings.wrong(format!("{path} {}", unknown(properties, &name)).trim_start().to_owned()),
        }
    }
    for name in required.into_iter().filter(|name| !checked.contains_key(*name)) {
        let full = join(path, name);
        let told = findings.problems.iter().skip(own).any(|problem| problem.contains(&format!("`{full}`")));
        if !told {
            let about = properties.get(name).and_then(|property| property.get("description")?.as_str());
            findings
                .wrong(format!("`{full}` is missing. {}", about.unwrap_or_default()).trim_end().to_owned());
        }
    }
    checked
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Converts and checks one value; `None` after a problem.
fn fit(schema: &JsonObject, value: Value, path: &str, findings: &mut Findings) -> Option<Value> {
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    let shown = show(&value);
    let converted = match kind {
        "integer" => integer(name_in(path), &value),
        "number" => number(name_in(path), &value),
        "boolean" => boolean(&value),
        "string" => string(value),
        "array" => return array(schema, value, path, findings),
        "object" => match value {
            Value::Object(given) if schema.contains_key("properties") => {
                let before = findings.problems.len();
                let checked = object(schema, given, path, findings);
                return (findings.problems.len() == before).then_some(Value::Object(checked));
            }
            Value::Object(given) => Some(Value::Object(given)),
            // Some models and clients write objects as text.
            Value::String(text) => match json_text::read(&text) {
                Some(object @ Value::Object(_)) => return fit(schema, object, path, findings),
                _ => None,
            },
            _ => None,
        },
        _ => Some(value),
    };
    let Some(value) = converted else {
        findings.wrong(format!("`{path}` is {shown}; it must be {}", kind_words(kind)));
        return None;
    };
    // The length is checked first, so that no error repeats a text that is too long.
    if let Some(problem) = too_long(schema, &value) {
        findings.wrong(format!("`{path}` {problem}"));
        return None;
    }
    let value = cut(schema, value, path, findings);
    let checked = one_of(schema, value).and_then(|value| in_range(schema, value));
    checked.map_err(|legal| findings.wrong(format!("`{path}` is {shown}; {legal}"))).ok()
}

/// The name of a parameter, from its path.
fn name_in(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// Reduces a number to its maximum, if its parameter is in [`CUT`].
fn cut(schema: &JsonObject, value: Value, path: &str, findings: &mut Findings) -> Value {
    let most = schema.get("maximum").filter(|_| CUT.contains(&path));
    match most {
        Some(most) if value.as_f64() > most.as_f64() => {
            findings.notes.push(format!("{path} was cut to {most}, the most that one call waits"));
            most.clone()
        }
        _ => value,
    }
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
    (length > most).then(|| format!("has {length} characters; it must have {least} to {most}"))
}

fn array(schema: &JsonObject, value: Value, path: &str, findings: &mut Findings) -> Option<Value> {
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
        findings.wrong(format!("`{path}` has {} items; at most {most} are allowed", items.len()));
        return None;
    }
    let Some(schema) = schema.get("items").and_then(Value::as_object) else {
        return Some(Value::Array(items));
    };
    let before = findings.problems.len();
    let mut checked = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        if findings.is_enough() {
            break;
        }
        checked.extend(fit(schema, item, &format!("{path}[{index}]"), findings));
    }
    (findings.problems.len() == before).then_some(Value::Array(checked))
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
        (Some(least), _, Some(most)) => format!("it must be {least} to {most}"),
        (_, Some(above), Some(most)) => format!("it must be above {above} and at most {most}"),
        (Some(least), ..) => format!("it must be at least {least}"),
        (_, Some(above), _) => format!("it must be above {above}"),
        (.., Some(most)) => format!("it must be at most {most}"),
        (None, None, None) => "it must be in range".to_owned(),
    })
}

/// The beginning of a value. Writing stops there, because a value may be huge.
fn show(value: &Value) -> String {
    let mut shown = Beginning { text: String::new(), left: SHOWN };
    match write!(shown, "{value}") {
        Ok(()) => shown.text,
        Err(_) => format!("{}…", shown.text),
    }
}

/// Characters of a value that an error repeats.
const SHOWN: usize = 60;

/// A writer that fails once `left` is used up.
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
                "wait_seconds": { "type": "integer", "minimum": 0, "maximum": 240 },
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
        in_order(&schema(), given.as_object().unwrap().clone())
            .map(|checked| Value::Object(checked.arguments))
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
        for name in ["image_size", "imageSize", "size"] {
            assert_eq!(
                order(&json!({ "prompt": "x", name: "1024x768" })).unwrap(),
                json!({ "prompt": "x", "width": 1024, "height": 768 })
            );
        }
        let twice = json!({ "prompt": "x", "size": "1024x768", "width": 512 });
        assert!(order(&twice).unwrap_err().contains("`size` and `width`"));
    }

    #[test]
    fn names_that_clients_add_to_every_call_are_dropped_and_mistakes_are_not() {
        let n8n =
            json!({ "prompt": "x", "toolCallId": "c", "sessionId": "s", "_meta": {}, "chatInput": "y" });
        assert_eq!(order(&n8n).unwrap(), json!({ "prompt": "x" }));
        let mistake = json!({ "prompt": "x", "toolCallId": "c", "hieght": 600 });
        assert!(order(&mistake).unwrap_err().contains("did you mean `height`?"));
    }

    #[test]
    fn a_wait_that_is_too_long_is_cut_with_a_note_and_a_negative_one_is_refused() {
        let given =
            |seconds: Value| json!({ "prompt": "x", "wait_seconds": seconds }).as_object().unwrap().clone();
        for long in [json!(500), json!("500"), json!("10 min"), json!(1e12)] {
            let checked = in_order(&schema(), given(long.clone())).unwrap();
            assert_eq!(checked.arguments["wait_seconds"], 240, "{long}");
            assert_eq!(checked.notes, ["wait_seconds was cut to 240, the most that one call waits"]);
        }
        assert!(in_order(&schema(), given(json!(240))).unwrap().notes.is_empty());
        assert!(in_order(&schema(), given(json!(-1))).unwrap_err().contains("0 to 240"));
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
