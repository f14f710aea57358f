//! Cross-origin requests (CORS), so that web pages of allowed origins can call this server.
//!
//! A browser asks for permission first, without a token, and hides every response that does not name the page's origin,
//! errors too. Pages of other origins get no such header, and their requests are refused.
//!
//! tower-http's `CorsLayer` answers every OPTIONS request with 200, before the host and the origin are checked, so it
//! does not fit.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::access::Access;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, DELETE, OPTIONS");

/// The request headers that this server reads.
const ACCEPTED: &[&str] = &[
    "accept",
    "authorization",
    "baggage",
    "cache-control",
    "content-disposition",
    "content-type",
    "if-none-match",
    "if-range",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "range",
    "traceparent",
    "tracestate",
    "x-mcp-readonly",
    "x-mcp-tools",
    "x-mcp-toolsets",
    "x-minimax-api-key",
    "x-request-id",
];

/// The response headers that a page may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "mcp-session-id, mcp-protocol-version, www-authenticate, retry-after, x-request-id, content-disposition, \
     content-length, content-range, accept-ranges, etag",
);

/// How long a browser may keep the permission, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("3600");

const PRIVATE_NETWORK_ASKED: HeaderName = HeaderName::from_static("access-control-request-private-network");
const PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// The most further headers that a page may ask for.
const MOST_ASKED: usize = 64;

/// Middleware for all routes: answers preflights, and adds the headers that let an allowed page read a response.
pub async fn cors(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let origin = access.page(request.headers()).cloned();
    let is_preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let permission = (is_preflight && origin.is_some() && access.is_here(request.uri(), request.headers()))
        .then(|| permission(request.headers()));
    let mut response = match permission {
        Some(headers) => (StatusCode::NO_CONTENT, headers).into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    response
}

/// The headers that permit the request that a page announces. The origin is trusted, so its pages may send further
/// headers, such as parameters of tools (`Mcp-Param-…`) and the headers of their tracing.
fn permission(asked: &HeaderMap) -> HeaderMap {
    let further = asked.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let further = further.filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(','));
    let further = further.filter_map(|name| name.trim().to_ascii_lowercase().parse::<HeaderName>().ok());
    let further: BTreeSet<_> = further.take(MOST_ASKED).map(|name| name.to_string()).collect();
    let known = ACCEPTED.iter().map(|name| (*name).to_owned());
    let further = further.into_iter().filter(|name| !ACCEPTED.contains(&name.as_str()));
    let names = known.chain(further).collect::<Vec<_>>().join(", ");
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    if let Ok(names) = HeaderValue::from_str(&names) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    // Private network access: a page on the internet calls a server in the user's own network.
    if asked.get(PRIVATE_NETWORK_ASKED).is_some_and(|value| value == "true") {
        headers.insert(PRIVATE_NETWORK, HeaderValue::from_static("true"));
    }
    headers
}
