//! Sessions for hosts with MCP Apps, without state.
//!
//! Before revision 2026-07-28 a client declares only in `initialize` that it shows the viewer, and this transport keeps
//! nothing between requests. So the answer to such an `initialize` has a session id that marks the client, and later
//! requests send the id back, to any replica. The id grants nothing. Other clients get no session.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use rmcp::model::ClientCapabilities;
use serde::Deserialize;

use super::admission::LARGEST_BODY;
use crate::viewer::{self, Declared};

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// The beginning of these session ids.
const MARK: &str = "apps-";

/// The longest `initialize` that is read here, in bytes. Real ones have a few hundred.
const LONGEST: usize = 64 * 1024;

#[derive(Deserialize)]
struct Opening {
    method: String,
    params: OpeningParams,
}

#[derive(Deserialize)]
struct OpeningParams {
    capabilities: ClientCapabilities,
}

/// Middleware for messages: marks the requests of a session whose client shows the viewer, and opens such sessions.
pub async fn sessions(mut request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let given = request.headers().get(SESSION);
    if given.is_some_and(|id| id.as_bytes().starts_with(MARK.as_bytes())) {
        request.extensions_mut().insert(Declared);
    }
    let (parts, body) = request.into_parts();
    // `admit` has read and checked the body.
    let body = to_bytes(body, LARGEST_BODY).await.unwrap_or_default();
    let opens = body.len() <= LONGEST && declares(&body);
    let mut response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if opens
        && response.status().is_success()
        && let Some(id) = fresh()
    {
        response.headers_mut().insert(SESSION, id);
    }
    response
}

/// Whether a message is an `initialize` that declares the extension.
fn declares(body: &[u8]) -> bool {
    let opening = serde_json::from_slice::<Opening>(body);
    opening.is_ok_and(|it| it.method == "initialize" && viewer::is_declared(&it.params.capabilities))
}

fn fresh() -> Option<HeaderValue> {
    let mut bits = [0_u8; 16];
    getrandom::fill(&mut bits).ok()?;
    HeaderValue::from_str(&format!("{MARK}{}", data_encoding::HEXLOWER.encode(&bits))).ok()
}
