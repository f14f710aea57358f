//! `POST /v1/coding_plan/search` (not in the documentation; as MiniMax's own MCP server uses it).

use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::answer::{Refusal, success};
use super::call::Call;
use super::check::{FILLED, Field, check, decent, required, text};
use super::platform::{Platform, aside};
use super::store::Entry;

const FIELDS: &[Field] = &[required("q", FILLED)];

pub(super) fn routes() -> Router<Arc<Platform>> {
    Router::new().route("/v1/coding_plan/search", post(search))
}

async fn search(State(platform): State<Arc<Platform>>, call: Call) -> Result<Json<Value>, Refusal> {
    let body = call.json()?;
    check(&body, FIELDS)?;
    let query = text(&body, "q").to_owned();
    decent(&query)?;
    let bill = call.bill();
    aside(move || Ok(platform.store.add(&Entry::paid(bill, None, None))?)).await?;
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
