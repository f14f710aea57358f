//! `POST /v1/coding_plan/vlm` (not in the documentation; as MiniMax's own MCP server uses it), and as much of
//! `POST /v1/chat/completions` as looking at one image takes.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::answer::{Refusal, success};
use super::call::Call;
use super::check::{FILLED, Field, Kind, check, decent, optional, required, text};
use super::input::{self, Rules};
use super::platform::{Platform, aside, now};
use super::store::Entry;

const FIELDS: &[Field] =
    &[required("prompt", FILLED), optional("image_url", FILLED), optional("file_id", FILLED)];

const CHAT: &[Field] = &[
    required("model", Kind::OneOf(&["MiniMax-M3"])),
    required("messages", Kind::List { min: 1, max: 1, item: &Kind::Object(MESSAGE) }),
    optional("thinking", Kind::Object(&[required("type", Kind::OneOf(&["adaptive", "disabled"]))])),
    optional("max_completion_tokens", Kind::Int { min: 1, max: 524_288 }),
];
const MESSAGE: &[Field] = &[
    required("role", Kind::OneOf(&["user"])),
    required("content", Kind::List { min: 1, max: 2, item: &Kind::Object(PART) }),
];
const PART: &[Field] = &[
    required("type", Kind::OneOf(&["text", "image_url"])),
    optional("text", FILLED),
    optional("image_url", Kind::Object(&[required("url", FILLED)])),
];

/// The size is that of the older of two clients; they differ.
const IMAGE: Rules = Rules {
    types: &["image/jpeg", "image/png", "image/webp"],
    largest: 20 << 20,
    sides: (1, u32::MAX),
    ratio: (0.0, f64::MAX),
    uploads: false,
};
/// "Chat > image_url".
const CHAT_IMAGE: Rules = Rules { largest: 10 << 20, ..IMAGE };

pub(super) fn routes() -> Router<Arc<Platform>> {
    Router::new().route("/v1/coding_plan/vlm", post(look)).route("/v1/chat/completions", post(chat))
}

/// Looks at a picture: its size is what there is to say of it.
fn described(platform: &Platform, field: &str, url: &str, rules: &Rules) -> Result<String, Refusal> {
    if !url.starts_with("data:") {
        return Err(Refusal::invalid(format_args!("{field} must be a data URL")));
    }
    let picture = input::picture(platform, field, url, rules)?;
    Ok(picture.map_or_else(
        || "An image.".to_owned(),
        |picture| format!("An image of {} by {} pixels.", picture.width(), picture.height()),
    ))
}

async fn look(State(platform): State<Arc<Platform>>, call: Call) -> Result<Json<Value>, Refusal> {
    let body = call.json()?;
    check(&body, FIELDS)?;
    decent(text(&body, "prompt"))?;
    if body.contains_key("image_url") == body.contains_key("file_id") {
        return Err(Refusal::invalid("exactly one of image_url and file_id is required"));
    }
    let bill = call.bill();
    let content = aside(move || {
        let content = match body.get("file_id").and_then(Value::as_str) {
            Some(id) => {
                let known = id.parse().ok().and_then(|id| platform.store.file(id));
                known.ok_or_else(|| Refusal::invalid(format_args!("file_id {id} does not exist")))?;
                "An uploaded image.".to_owned()
            }
            None => described(&platform, "image_url", text(&body, "image_url"), &IMAGE)?,
        };
        platform.store.add(&Entry::paid(bill, None, None))?;
        Ok(content)
    })
    .await?;
    Ok(Json(json!({"content": content, "base_resp": success()})))
}

async fn chat(State(platform): State<Arc<Platform>>, call: Call) -> Result<Json<Value>, Refusal> {
    let body = call.json()?;
    check(&body, CHAT)?;
    let (id, bill) = (call.trace.clone(), call.bill());
    let content = aside(move || {
        let content = seen(&platform, &body)?;
        platform.store.add(&Entry::paid(bill, None, None))?;
        Ok(content)
    })
    .await?;
    let message = json!({"content": content, "role": "assistant", "name": "MiniMax AI", "audio_content": ""});
    Ok(Json(json!({
        "id": id,
        "choices": [{"finish_reason": "stop", "index": 0, "message": message}],
        "created": now().as_secs(), "model": "MiniMax-M3", "object": "chat.completion",
        "usage": {"total_tokens": 1100, "total_characters": 0, "prompt_tokens": 1000, "completion_tokens": 100,
            "prompt_tokens_details": {"cached_tokens": 0}},
        "input_sensitive": false, "output_sensitive": false,
        "base_resp": {"status_code": 0, "status_msg": ""},
    })))
}

/// The answer to the parts of the one message.
fn seen(platform: &Platform, body: &Map<String, Value>) -> Result<String, Refusal> {
    let parts = body.get("messages").and_then(|messages| messages.pointer("/0/content"));
    let mut words = Vec::new();
    for part in parts.and_then(Value::as_array).into_iter().flatten() {
        let url = part.pointer("/image_url/url").and_then(Value::as_str);
        match (part.get("type").and_then(Value::as_str), url) {
            (Some("image_url"), Some(url)) if url.starts_with("mm_file://") => {
                words.push("An upload.".to_owned());
            }
            (Some("image_url"), Some(url)) => {
                words.push(described(platform, "image_url.url", url, &CHAT_IMAGE)?);
            }
            (Some("text"), None) => decent(part.get("text").and_then(Value::as_str).unwrap_or_default())?,
            _ => return Err(Refusal::invalid("a part must have what its type names")),
        }
    }
    Ok(words.join(" "))
}
