//! The sandbox over HTTP, for tests that run it in another process. No key is needed.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::platform::Platform;
use super::{Ceiling, Pace, Request, Rule};

pub(super) fn routes() -> Router<Arc<Platform>> {
    Router::new()
        .route("/_sandbox/requests", get(requests))
        .route("/_sandbox/paid", get(paid))
        .route("/_sandbox/script", post(script))
        .route("/_sandbox/pace", post(pace))
        .route("/_sandbox/limits", post(limits))
}

/// Why a control request was not understood.
type Problem = (StatusCode, String);

/// Which requests are wanted.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    /// Those that came then or later, in Unix milliseconds.
    since_ms: u64,
}

async fn requests(State(platform): State<Arc<Platform>>, wanted: Query<Wanted>) -> Json<Vec<Request>> {
    let mut rows = platform.record.all();
    rows.retain(|row| row.at_ms >= wanted.since_ms);
    Json(rows)
}

async fn paid(State(platform): State<Arc<Platform>>) -> Json<Vec<Request>> {
    Json(platform.store.paid())
}

async fn script(State(platform): State<Arc<Platform>>, body: Bytes) -> Result<Json<Value>, Problem> {
    let rules: Vec<Rule> = read(&body)?;
    let count = rules.len();
    platform.faults.replace(rules);
    Ok(Json(json!({"rules": count})))
}

async fn limits(State(platform): State<Arc<Platform>>, body: Bytes) -> Result<Json<Value>, Problem> {
    let ceilings: Vec<Ceiling> = read(&body)?;
    let count = ceilings.len();
    platform.limits.replace(ceilings);
    Ok(Json(json!({"limits": count})))
}

async fn pace(State(platform): State<Arc<Platform>>, body: Bytes) -> Result<Json<Pace>, Problem> {
    let pace: Pace = read(&body)?;
    platform.set_pace(pace.clone());
    Ok(Json(pace))
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|problem| (StatusCode::BAD_REQUEST, format!("{problem}\n")))
}
