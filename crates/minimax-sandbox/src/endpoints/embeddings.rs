//! `POST /v1/embeddings`, which is no longer documented.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::engine::blocking::run_blocking;
use crate::engine::errors::{ApiError, success};
use crate::engine::field_rules::{FILLED, Field, Kind, check, required};
use crate::engine::journal::Entry;
use crate::engine::request::Call;
use crate::engine::routes::Routes;
use crate::engine::state::AppState;

const DIMENSIONS: usize = 1536;

const FIELDS: &[Field] = &[
    required("model", Kind::OneOf(&["embo-01"])),
    required("type", Kind::OneOf(&["db", "query"])),
    required("texts", Kind::List { min: 1, max: usize::MAX, item: &FILLED }),
];

pub(crate) fn routes() -> Routes {
    Routes::new().post("/v1/embeddings", embed)
}

/// A vector that depends only on the text and has no meaning.
fn vector(text: &str) -> Vec<f64> {
    let digest = Sha256::digest(text.as_bytes());
    let bytes = digest.iter().cycle().take(DIMENSIONS);
    bytes
        .enumerate()
        .map(|(place, byte)| f64::from(byte.wrapping_add(place.to_le_bytes()[0])) / 1024.0)
        .collect()
}

async fn embed(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    // Clients call it with and without a group id.
    call.query(&["GroupId"])?;
    let body = call.json()?;
    check(&body, FIELDS)?;
    let texts: Vec<_> = body.get("texts").and_then(Value::as_array).into_iter().flatten().collect();
    let vectors: Vec<_> = texts.iter().filter_map(|text| text.as_str()).map(vector).collect();
    let tokens: usize =
        texts.iter().filter_map(|text| text.as_str()).map(|text| text.len().div_ceil(4)).sum();
    let bill = call.bill();
    run_blocking(move || Ok(state.store.add(&Entry::paid(bill, None, None))?)).await?;
    Ok(Json(json!({"vectors": vectors, "total_tokens": tokens, "base_resp": success()})))
}
