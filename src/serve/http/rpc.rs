//! Refusals as JSON-RPC errors, for messages that do not get as far as the protocol.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use rmcp::model::{ErrorCode, RequestId};
use serde_json::json;

/// The id of a message, passed on with its request; `None` if it has none that can be read.
#[derive(Debug, Clone)]
pub struct MessageId(pub Option<RequestId>);

/// A JSON-RPC error. The id is null if it is not known (JSON-RPC 2.0, section 5).
pub fn refusal(status: StatusCode, code: ErrorCode, text: &str, id: Option<&RequestId>) -> Response {
    let body = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": text } });
    (status, Json(body)).into_response()
}
