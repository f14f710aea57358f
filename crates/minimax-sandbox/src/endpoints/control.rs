//! `/_sandbox/*`: controls the sandbox over HTTP, for tests in another process or language. Needs no key.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::engine::faults::Rule;
use crate::engine::pace::Pace;
use crate::engine::rate_limits::RateLimit;
use crate::engine::request_log::Request;
use crate::engine::state::AppState;

pub(crate) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/_sandbox/requests", get(requests))
        .route("/_sandbox/paid", get(paid))
        .route("/_sandbox/script", post(script))
        .route("/_sandbox/pace", post(pace))
        .route("/_sandbox/limits", post(limits))
}

/// Why a control request is invalid.
type Problem = (StatusCode, String);

/// The requests to return.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Filter {
    /// Only requests that arrived at this time or later, in Unix milliseconds.
    since_ms: u64,
}

async fn requests(State(state): State<Arc<AppState>>, filter: Query<Filter>) -> Json<Vec<Request>> {
    let mut rows = state.requests.all();
    rows.retain(|row| row.at_ms >= filter.since_ms);
    Json(rows)
}

async fn paid(State(state): State<Arc<AppState>>) -> Json<Vec<Request>> {
    Json(state.store.paid())
}

async fn script(State(state): State<Arc<AppState>>, body: Bytes) -> Result<Json<Value>, Problem> {
    let rules: Vec<Rule> = read(&body)?;
    let count = rules.len();
    state.faults.replace(rules);
    Ok(Json(json!({"rules": count})))
}

async fn limits(State(state): State<Arc<AppState>>, body: Bytes) -> Result<Json<Value>, Problem> {
    let limits: Vec<RateLimit> = read(&body)?;
    let count = limits.len();
    state.limits.replace(limits);
    Ok(Json(json!({"limits": count})))
}

async fn pace(State(state): State<Arc<AppState>>, body: Bytes) -> Result<Json<Pace>, Problem> {
    let pace: Pace = read(&body)?;
    state.set_pace(pace.clone());
    Ok(Json(pace))
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|problem| (StatusCode::BAD_REQUEST, format!("{problem}\n")))
}
