//! The headers with which a request chooses its tools.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use rmcp::model::ErrorCode;

use super::rpc::{MessageId, refusal};
use crate::mcp::{Caller, Choice, Server};

/// Middleware: limits the caller's tools to those that the headers choose.
pub async fn choose(State(server): State<Server>, mut request: Request, next: Next) -> Response {
    let choice = Choice {
        toolsets: list(request.headers(), "x-mcp-toolsets"),
        tools: list(request.headers(), "x-mcp-tools"),
        read_only: list(request.headers(), "x-mcp-readonly"),
    };
    if let Some(caller) = request.extensions_mut().get_mut::<Caller>() {
        match server.chosen(caller, &choice) {
            Ok(tools) => caller.tools = tools,
            Err(text) => {
                let id = request.extensions().get::<MessageId>().and_then(|MessageId(id)| id.as_ref());
                return refusal(StatusCode::BAD_REQUEST, ErrorCode::INVALID_PARAMS, &text, id);
            }
        }
    }
    next.run(request).await
}

/// All values of a header as one list; `None` without the header.
fn list(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let values: Vec<_> = values.collect();
    (!values.is_empty()).then(|| values.join(","))
}
