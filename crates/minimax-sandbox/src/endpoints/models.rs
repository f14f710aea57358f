//! The text models ("Models", "Models (Anthropic)").

use axum::Json;
use axum::extract::Path;
use serde_json::{Value, json};

use crate::engine::errors::ApiError;
use crate::engine::request::Call;
use crate::engine::routes::Routes;

/// Id, creation time in Unix seconds, and the same time in the form of Anthropic's protocol.
const MODELS: &[(&str, u64, &str)] = &[
    ("MiniMax-M3.1-Flash", 1_792_281_600, "2026-10-18T00:00:00Z"),
    ("MiniMax-M3", 1_780_272_000, "2026-06-01T00:00:00Z"),
    ("MiniMax-M2.1", 1_766_448_000, "2025-12-23T00:00:00Z"),
    ("MiniMax-M2", 1_761_523_200, "2025-10-27T00:00:00Z"),
    // Not in any documentation: clients must cope with new models.
    ("MiniMax-M4-Preview", 1_795_219_200, "2026-11-21T00:00:00Z"),
];

/// "Models (Anthropic) > limit".
const PAGE: usize = 20;

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/v1/models", list)
        .get("/v1/models/{id}", one)
        .get("/anthropic/v1/models", list_anthropic)
        .get("/anthropic/v1/models/{id}", one_anthropic)
}

type Model = (&'static str, u64, &'static str);

fn openai((id, created, _): &Model) -> Value {
    json!({"id": id, "object": "model", "created": created, "owned_by": "minimax"})
}

fn anthropic((id, _, created): &Model) -> Value {
    json!({"id": id, "created_at": created, "display_name": id, "type": "model"})
}

fn named(id: &str) -> Result<&'static Model, ApiError> {
    let unknown = || ApiError::no_model(format_args!("model {id:?} does not exist"));
    MODELS.iter().find(|model| model.0 == id).ok_or_else(unknown)
}

async fn list(call: Call) -> Result<Json<Value>, ApiError> {
    call.query(&[])?;
    let models: Vec<_> = MODELS.iter().map(openai).collect();
    Ok(Json(json!({"object": "list", "data": models})))
}

async fn one(Path(id): Path<String>, call: Call) -> Result<Json<Value>, ApiError> {
    call.query(&[])?;
    Ok(Json(openai(named(&id)?)))
}

async fn list_anthropic(call: Call) -> Result<Json<Value>, ApiError> {
    let query = call.query(&["limit", "after_id", "before_id"])?;
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let limit = match value("limit").map(str::parse::<usize>) {
        None => PAGE,
        Some(Ok(limit @ 1..=1000)) => limit,
        Some(_) => return Err(ApiError::invalid("limit must be an integer from 1 to 1000")),
    };
    let place = |id: &str| MODELS.iter().position(|model| model.0 == id);
    let start = value("after_id").and_then(place).map_or(0, |place| place + 1);
    let end = value("before_id").and_then(place).unwrap_or(MODELS.len());
    let page: Vec<_> = MODELS.iter().take(end).skip(start).take(limit).collect();
    let ids = [page.first(), page.last()].map(|model| model.map(|model| model.0));
    let models: Vec<_> = page.iter().map(|model| anthropic(model)).collect();
    Ok(Json(json!({
        "data": models, "first_id": ids.first(), "has_more": start + page.len() < end, "last_id": ids.last(),
    })))
}

async fn one_anthropic(Path(id): Path<String>, call: Call) -> Result<Json<Value>, ApiError> {
    call.query(&[])?;
    Ok(Json(anthropic(named(&id)?)))
}
