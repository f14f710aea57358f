//! Request ids, for the client, the log and the tools.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use crate::telemetry::RequestId;

const NAME: HeaderName = HeaderName::from_static("x-request-id");

/// Middleware: gives every request and its response an id. Keeps the client's id if it is valid.
pub async fn identify(mut request: Request, next: Next) -> Response {
    let given = request.headers().get(NAME).and_then(|id| id.to_str().ok()).and_then(RequestId::given);
    let id = given.unwrap_or_else(RequestId::fresh);
    request.extensions_mut().insert(id.clone());
    let method = request.method().clone();
    let mut response = next.run(request).await;
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        tracing::debug!(request = id.as_str(), %method, status = status.as_u16(), "turned away");
    }
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(NAME, id);
    }
    response
}
