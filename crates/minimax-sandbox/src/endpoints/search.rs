//! `POST /v1/coding_plan/search`. Undocumented; this is the form that MiniMax's own MCP server uses.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::engine::blocking::run_blocking;
use crate::engine::errors::{ApiError, success};
use crate::engine::field_rules::{FILLED, Field, check, reject_sensitive, required, text};
use crate::engine::journal::Entry;
use crate::engine::request::Call;
use crate::engine::routes::Routes;
use crate::engine::state::AppState;

const FIELDS: &[Field] = &[required("q", FILLED)];

pub(crate) fn routes() -> Routes {
    Routes::new().post("/v1/coding_plan/search", search)
}

async fn search(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let body = call.json()?;
    check(&body, FIELDS)?;
    let query = text(&body, "q").to_owned();
    reject_sensitive(&query)?;
    let bill = call.bill();
    run_blocking(move || Ok(state.store.add(&Entry::paid(bill, None, None))?)).await?;
    let page = |number: u32| {
        json!({
            "title": format!("{query}, page {number}"),
            "link": format!("https://example.com/{number}"),
            "snippet": format!("What page {number} says about {query}."),
            "date": format!("2026-10-{number:02}"),
        })
    };
    let found: Vec<_> = if query.contains("#nothing") { Vec::new() } else { (1..=3).map(page).collect() };
    let related = [json!({"query": format!("{query} explained")})];
    Ok(Json(json!({"organic": found, "related_searches": related, "base_resp": success()})))
}
