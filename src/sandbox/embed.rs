//! `POST /v1/embeddings` (no longer in the documentation).

use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::answer::{Refusal, success};
use super::call::Call;
use super::check::{FILLED, Field, Kind, check, required};
use super::platform::{Platform, aside};
use super::store::Entry;

const DIMENSIONS: usize = 1536;

const FIELDS: &[Field] = &[
    required("model", Kind::OneOf(&["embo-01"])),
    required("type", Kind::OneOf(&["db", "query"])),
    required("texts", Kind::List { min: 1, max: usize::MAX, item: &FILLED }),
];

pub(super) fn routes() -> Router<Arc<Platform>> {
    Router::new().route("/v1/embeddings", post(embed))
}

/// The same text has the same vector; nothing else is promised of it.
fn vector(text: &str) -> Vec<f64> {
    let digest = Sha256::digest(text.as_bytes());
    let bytes = digest.iter().cycle().take(DIMENSIONS);
    bytes
        .enumerate()
        .map(|(place, byte)| f64::from(byte.wrapping_add(place.to_le_bytes()[0])) / 1024.0)
        .collect()
}

async fn embed(State(platform): State<Arc<Platform>>, call: Call) -> Result<Json<Value>, Refusal> {
    // Seen with and without the id of a group.
    call.query(&["GroupId"])?;
    let body = call.json()?;
    check(&body, FIELDS)?;
    let texts: Vec<_> = body.get("texts").and_then(Value::as_array).into_iter().flatten().collect();
    let vectors: Vec<_> = texts.iter().filter_map(|text| text.as_str()).map(vector).collect();
    let tokens: usize =
        texts.iter().filter_map(|text| text.as_str()).map(|text| text.len().div_ceil(4)).sum();
    let bill = call.bill();
    aside(move || Ok(platform.store.add(&Entry::paid(bill, None, None))?)).await?;
    Ok(Json(json!({"vectors": vectors, "total_tokens": tokens, "base_resp": success()})))
}
