//! `POST /v1/coding_plan/vlm` (not in the documentation; as MiniMax's own MCP server uses it).

use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::answer::{Refusal, success};
use super::call::Call;
use super::check::{FILLED, Field, check, decent, optional, required, text};
use super::input::{self, Rules};
use super::platform::{Platform, aside};
use super::store::Entry;

const FIELDS: &[Field] =
    &[required("prompt", FILLED), optional("image_url", FILLED), optional("file_id", FILLED)];

/// The size is that of the older of two clients; they differ.
const IMAGE: Rules = Rules {
    types: &["image/jpeg", "image/png", "image/webp"],
    largest: 20 << 20,
    sides: (1, u32::MAX),
    ratio: (0.0, f64::MAX),
    uploads: false,
};
pub(super) fn routes() -> Router<Arc<Platform>> {
    Router::new().route("/v1/coding_plan/vlm", post(look))
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
