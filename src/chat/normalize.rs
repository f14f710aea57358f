//! Converts arguments of `chat` in the style of other APIs into ours, before they are validated.
//!
//! Arguments that cannot be converted stay unchanged, and validation refuses them.

use rmcp::model::JsonObject;
use serde_json::{Value, json};

use crate::arguments::json_text;

/// Arguments without an effect on the number of input tokens.
const NOT_COUNTED: &[&str] = &[
    "thinking",
    "effort",
    "temperature",
    "top_p",
    "max_tokens",
    "tool_choice",
    "response_format",
    "service_tier",
    "dry_run",
];

/// Normalizes the arguments of `count_tokens`: like those of `chat`, without the arguments that are not counted.
pub(crate) fn count_tokens(given: JsonObject) -> JsonObject {
    let mut given = chat(given);
    given.retain(|name, _| !NOT_COUNTED.contains(&name.as_str()));
    given
}

/// Normalizes the arguments of `chat`.
pub(crate) fn chat(mut given: JsonObject) -> JsonObject {
    for name in ["messages", "tools"] {
        if let Some(Value::String(text)) = given.get(name)
            && let Some(list @ Value::Array(_)) = json_text::read(text)
        {
            given.insert(name.to_owned(), list);
        }
    }
    each(&mut given, "messages", message);
    each(&mut given, "tools", function);
    word(&mut given, "thinking", |value| match value.get("type").unwrap_or(value) {
        Value::Bool(on) => Some(json!(if *on { "on" } else { "off" })),
        Value::String(text) => match text.as_str() {
            "enabled" | "adaptive" => Some(json!("on")),
            "disabled" => Some(json!("off")),
            _ => None,
        },
        _ => None,
    });
    word(&mut given, "tool_choice", |value| value.get("type").cloned());
    word(&mut given, "response_format", |value| {
        value.as_str().filter(|text| !text.trim_start().starts_with('{')).map(|kind| json!({ "type": kind }))
    });
    word(&mut given, "response_format", |value| json_text::read(value.as_str()?));
    given
}

fn each(given: &mut JsonObject, name: &str, change: fn(&mut JsonObject)) {
    let items = given.get_mut(name).and_then(Value::as_array_mut);
    items.into_iter().flatten().filter_map(Value::as_object_mut).for_each(change);
}

fn word(given: &mut JsonObject, name: &str, read: impl Fn(&Value) -> Option<Value>) {
    if let Some(plain) = given.get(name).and_then(read) {
        given.insert(name.to_owned(), plain);
    }
}

/// Converts a list of content parts into `content` and `media`, and flattens calls inside `function`.
fn message(message: &mut JsonObject) {
    if let Some(Value::Array(parts)) = message.get("content")
        && let Some((text, media)) = read_parts(parts)
    {
        message.insert("content".to_owned(), json!(text));
        if !media.is_empty() {
            let kept = message.get("media").and_then(Value::as_array).cloned().unwrap_or_default();
            message.insert("media".to_owned(), kept.into_iter().chain(media).collect());
        }
    }
    each(message, "tool_calls", |call| {
        if let Some(Value::Object(function)) = call.shift_remove("function") {
            call.extend(function);
        }
        call.shift_remove("type");
        call.shift_remove("index");
        word(call, "arguments", |value| value.is_object().then(|| json!(value.to_string())));
    });
}

/// The text and the media of parts, if all of them can be read.
fn read_parts(parts: &[Value]) -> Option<(String, Vec<Value>)> {
    let (mut text, mut media) = (Vec::new(), Vec::new());
    for part in parts {
        let url = |name: &str| {
            let holder = part.get(name)?;
            holder.as_str().or_else(|| holder.get("url")?.as_str()).map(str::to_owned)
        };
        match part.get("type").and_then(Value::as_str)? {
            "text" | "input_text" | "output_text" => text.push(part.get("text")?.as_str()?),
            "image_url" | "input_image" => media.push(json!(format!("image:{}", url("image_url")?))),
            "video_url" | "input_video" => media.push(json!(format!("video:{}", url("video_url")?))),
            kind @ ("image" | "video") => {
                media.push(json!(format!("{kind}:{}", source(part.get("source")?)?)));
            }
            _ => return None,
        }
    }
    Some((text.join("\n"), media))
}

fn source(source: &Value) -> Option<String> {
    if let Some(url) = source.get("url").and_then(Value::as_str) {
        return Some(url.to_owned());
    }
    Some(format!("data:{};base64,{}", source.get("media_type")?.as_str()?, source.get("data")?.as_str()?))
}

/// Flattens a function inside `function`, and renames `input_schema`.
fn function(tool: &mut JsonObject) {
    if tool.get("function").is_some_and(Value::is_object)
        && let Some(Value::Object(function)) = tool.shift_remove("function")
    {
        tool.extend(function);
    }
    if tool.get("type").is_some_and(|kind| kind == "function" || kind == "custom") {
        tool.shift_remove("type");
    }
    tool.shift_remove("strict");
    if let Some(schema) = tool.shift_remove("input_schema") {
        tool.insert("parameters".to_owned(), schema);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(plain: fn(JsonObject) -> JsonObject, given: &Value) -> Value {
        Value::Object(plain(given.as_object().unwrap().clone()))
    }

    #[test]
    fn the_forms_of_other_apis_are_converted() {
        let theirs = json!({
            "messages": [
                { "role": "user", "content": [
                    { "type": "text", "text": "What is this?" },
                    { "type": "image_url", "image_url": { "url": "https://x/y.png" } },
                    { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AA==" } },
                ] },
                { "role": "assistant", "tool_calls": [
                    { "id": "c1", "type": "function", "function": { "name": "f", "arguments": { "a": 1 } } },
                ] },
            ],
            "tools": [
                { "type": "function", "function": { "name": "f", "parameters": {} } },
                { "name": "g", "input_schema": { "type": "object" } },
            ],
            "thinking": { "type": "enabled" },
            "tool_choice": { "type": "none" },
            "response_format": "json_object",
        });
        let ours = json!({
            "messages": [
                { "role": "user", "content": "What is this?",
                  "media": ["image:https://x/y.png", "image:data:image/png;base64,AA=="] },
                { "role": "assistant", "tool_calls": [{ "id": "c1", "name": "f", "arguments": "{\"a\":1}" }] },
            ],
            "tools": [{ "name": "f", "parameters": {} }, { "name": "g", "parameters": { "type": "object" } }],
            "thinking": "on",
            "tool_choice": "none",
            "response_format": { "type": "json_object" },
        });
        assert_eq!(read(chat, &theirs), ours);
        assert_eq!(read(chat, &json!({ "thinking": "disabled" })), json!({ "thinking": "off" }));
        assert_eq!(read(count_tokens, &json!({ "prompt": "x", "top_p": 1 })), json!({ "prompt": "x" }));
    }

    #[test]
    fn an_unknown_part_stays_unchanged_for_the_validation() {
        let odd = json!({ "messages": [{ "role": "user", "content": [{ "type": "input_audio" }] }] });
        assert_eq!(read(chat, &odd), odd);
    }
}
