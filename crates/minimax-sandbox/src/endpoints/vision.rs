//! `POST /v1/coding_plan/vlm`. Undocumented; this is the form that MiniMax's own MCP server uses.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::engine::blocking::run_blocking;
use crate::engine::errors::{ApiError, success};
use crate::engine::field_rules::{FILLED, Field, check, optional, reject_sensitive, required, text};
use crate::engine::journal::Entry;
use crate::engine::media_input;
use crate::engine::media_input::MediaRules;
use crate::engine::request::Call;
use crate::engine::routes::Routes;
use crate::engine::state::AppState;

const FIELDS: &[Field] =
    &[required("prompt", FILLED), optional("image_url", FILLED), optional("file_id", FILLED)];

/// MiniMax's clients disagree on the maximum size; this is the older one's.
const IMAGE: MediaRules = MediaRules {
    types: &["image/jpeg", "image/png", "image/webp"],
    largest: 20 << 20,
    sides: (1, u32::MAX),
    ratio: (0.0, f64::MAX),
    uploads: false,
};

pub(crate) fn routes() -> Routes {
    Routes::new().post("/v1/coding_plan/vlm", describe)
}

/// Describes an image by its dimensions.
fn described(state: &AppState, field: &str, url: &str, rules: &MediaRules) -> Result<String, ApiError> {
    if !url.starts_with("data:") {
        return Err(ApiError::invalid(format_args!("{field} must be a data URL")));
    }
    let picture = media_input::picture(state, field, url, rules)?;
    Ok(picture.map_or_else(
        || "An image.".to_owned(),
        |picture| format!("An image of {} by {} pixels.", picture.width(), picture.height()),
    ))
}

async fn describe(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let body = call.json()?;
    check(&body, FIELDS)?;
    reject_sensitive(text(&body, "prompt"))?;
    if body.contains_key("image_url") == body.contains_key("file_id") {
        return Err(ApiError::invalid("exactly one of image_url and file_id is required"));
    }
    let bill = call.bill();
    let content = run_blocking(move || {
        let content = match body.get("file_id").and_then(Value::as_str) {
            Some(id) => {
                let known = id.parse().ok().and_then(|id| state.store.file(id));
                known.ok_or_else(|| ApiError::invalid(format_args!("file_id {id} does not exist")))?;
                "An uploaded image.".to_owned()
            }
            None => described(&state, "image_url", text(&body, "image_url"), &IMAGE)?,
        };
        state.store.add(&Entry::paid(bill, None, None))?;
        Ok(content)
    })
    .await?;
    Ok(Json(json!({"content": content, "base_resp": success()})))
}
