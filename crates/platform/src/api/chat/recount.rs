//! Converts chat/completions messages to the Responses protocol, which can count tokens.

use serde_json::{Value, json};

use super::turn::{Ask, Protocol, text};

/// The same request, without the thinking of earlier answers.
pub(super) fn as_responses(ask: &Ask) -> Ask {
    Ask {
        protocol: Protocol::Responses,
        messages: ask.messages.iter().flat_map(items).collect(),
        // These do not affect the input tokens, and the Responses protocol has other rules for them.
        response_format: None,
        temperature: None,
        top_p: None,
        thinking: None,
        effort: None,
        ..ask.clone()
    }
}

fn items(message: &Value) -> Vec<Value> {
    let role = text(message, "role");
    if role == "tool" {
        let id = text(message, "tool_call_id");
        return vec![
            json!({ "type": "function_call_output", "call_id": id, "output": message.get("content") }),
        ];
    }
    let content = match message.get("content") {
        Some(Value::Array(found)) => found.iter().map(part).collect(),
        Some(found) => found.clone(),
        None => json!(""),
    };
    let calls = message.get("tool_calls").and_then(Value::as_array);
    let said = content != "" || calls.is_none();
    let words = said.then(|| json!({ "type": "message", "role": role, "content": content }));
    let call = |call: &Value| {
        let (id, function) = (text(call, "id"), call.get("function").unwrap_or(&Value::Null));
        json!({ "type": "function_call", "call_id": id, "name": function.get("name"), "arguments": function.get("arguments") })
    };
    words.into_iter().chain(calls.into_iter().flatten().map(call)).collect()
}

fn part(part: &Value) -> Value {
    match text(part, "type") {
        "image_url" => json!({ "type": "input_image", "image_url": part.pointer("/image_url/url") }),
        "video_url" => json!({ "type": "input_video", "video_url": part.pointer("/video_url/url") }),
        _ => json!({ "type": "input_text", "text": part.get("text") }),
    }
}
