//! Refusals in the format of the route: JSON-RPC errors for messages, and JSON objects for files.

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use rmcp::model::{ErrorCode, RequestId};
use serde_json::{Value, json};

/// The longest text of a refusal, in bytes.
const LONGEST: usize = 64 * 1024;

/// The refusal of methods other than POST at `/mcp`.
const NOT_POST: &str = "Send messages with POST to /mcp. This transport keeps no sessions, so there is no stream to GET \
                        and nothing to DELETE";

/// The refusal of methods that a route does not have.
fn other_method(path: &str) -> &'static str {
    match path {
        "/sse" => "Open a stream with GET /sse",
        "/messages" => "Send messages with POST to the address that GET /sse gives",
        _ => NOT_POST,
    }
}

/// The id of a message, passed on with its request and with its refusal; `None` if it has no readable id.
#[derive(Debug, Clone)]
pub struct MessageId(pub Option<RequestId>);

/// A JSON-RPC error. The id is null if it is not known (JSON-RPC 2.0, section 5).
pub fn refusal(status: StatusCode, code: ErrorCode, text: &str, id: Option<&RequestId>) -> Response {
    (status, Json(error(code, text, None, id))).into_response()
}

/// A response whose body is this JSON text.
pub fn of_json(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

fn error(code: ErrorCode, text: &str, data: Option<Value>, id: Option<&RequestId>) -> Value {
    let mut body = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": text } });
    if let (Some(data), Some(Value::Object(error))) = (data, body.get_mut("error")) {
        error.insert("data".to_owned(), data);
    }
    body
}

/// Adds the id of its message to a refusal.
pub fn of_message(mut response: Response, id: Option<&RequestId>) -> Response {
    response.extensions_mut().insert(MessageId(id.cloned()));
    response
}

/// The format of errors on a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// A JSON-RPC error.
    Rpc,
    /// `{"error": {"message": …}}`
    Object,
}

impl Format {
    /// `None` for routes that people and probes read.
    fn of(request: &Request) -> Option<Self> {
        match request.uri().path().trim_start_matches('/').split('/').next()? {
            "mcp" | "messages" | "sse" => Some(Self::Rpc),
            // A browser shows the text to a person.
            "uploads" | "files" if !wants_page(request.headers()) => Some(Self::Object),
            _ => None,
        }
    }

    fn body(self, status: StatusCode, text: &str, wait: Option<u64>, id: Option<&RequestId>) -> Value {
        let data = wait.map(|seconds| json!({ "retry_after_seconds": seconds }));
        match self {
            Self::Rpc => {
                let at_fault = status.is_server_error();
                let code = if at_fault { ErrorCode::INTERNAL_ERROR } else { ErrorCode::INVALID_REQUEST };
                error(code, text, data, id)
            }
            Self::Object => {
                let mut error = json!({ "status": status.as_u16(), "message": text });
                if let (Some(Value::Object(data)), Some(fields)) = (data, error.as_object_mut()) {
                    fields.extend(data);
                }
                json!({ "error": error })
            }
        }
    }
}

/// Middleware for all routes: turns a refusal that is plain text into the format of its route. Its headers stay.
pub async fn in_format(request: Request, next: Next) -> Response {
    let (format, other_method) = (Format::of(&request), other_method(request.uri().path()));
    let response = next.run(request).await;
    match format {
        Some(format) if is_text_refusal(&response) => formatted(format, response, other_method).await,
        _ => response,
    }
}

/// A refusal of a message as a JSON-RPC error, if it is plain text.
pub async fn as_error(response: Response) -> Response {
    if is_text_refusal(&response) { formatted(Format::Rpc, response, NOT_POST).await } else { response }
}

async fn formatted(format: Format, response: Response, other_method: &str) -> Response {
    let (mut parts, body) = response.into_parts();
    let text = to_bytes(body, LONGEST).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let text = match text.trim() {
        _ if format == Format::Rpc && parts.status == StatusCode::METHOD_NOT_ALLOWED => other_method,
        "" => parts.status.canonical_reason().unwrap_or("the request was refused"),
        text => text,
    };
    let wait = parts.headers.get(header::RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.parse().ok());
    let id = parts.extensions.get::<MessageId>().and_then(|MessageId(id)| id.as_ref());
    let body = format.body(parts.status, text, wait, id).to_string();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(parts, Body::from(body))
}

fn is_text_refusal(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_text = kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    is_text && (response.status().is_client_error() || response.status().is_server_error())
}

fn wants_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.into_iter().any(|value| value.to_ascii_lowercase().contains("text/html"))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    async fn ask(path: &str, accept: &str, refusal: fn() -> Response) -> (HeaderMap, String) {
        let app = Router::new().fallback(async move || refusal()).layer(from_fn(in_format));
        let request = Request::get(path).header("accept", accept).body(Body::empty()).unwrap();
        let response = TowerToHyperService::new(app).call(request).await.unwrap();
        assert!(!response.status().is_success());
        let headers = response.headers().clone();
        let body = to_bytes(response.into_body(), LONGEST).await.unwrap();
        (headers, String::from_utf8(body.to_vec()).unwrap())
    }

    fn busy() -> Response {
        (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], "Try again.\n").into_response()
    }

    fn named() -> Response {
        of_message((StatusCode::TOO_MANY_REQUESTS, "Slower.\n").into_response(), Some(&RequestId::Number(7)))
    }

    #[tokio::test]
    async fn each_route_has_its_format_and_the_headers_stay() {
        for path in ["/mcp", "/messages?sessionId=a", "/sse"] {
            let (headers, body) = ask(path, "*/*", busy).await;
            assert_eq!(headers["retry-after"], "5");
            assert_eq!(headers["content-type"], "application/json");
            assert_eq!(
                body,
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"Try again.","data":{"retry_after_seconds":5}}}"#
            );
            let (_, body) = ask(path, "text/html", named).await;
            assert_eq!(body, r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32600,"message":"Slower."}}"#);
        }
        for path in ["/uploads?name=a", "/uploads/a/b", "/files/a/b"] {
            let (headers, body) = ask(path, "*/*", busy).await;
            assert_eq!(headers["retry-after"], "5");
            assert_eq!(
                body, r#"{"error":{"status":503,"message":"Try again.","retry_after_seconds":5}}"#,
                "{path}"
            );
            assert_eq!(ask(path, "text/html,*/*", busy).await.1, "Try again.\n");
        }
        for path in ["/", "/healthz", "/mcpx", "/filesystem"] {
            assert_eq!(ask(path, "*/*", busy).await.1, "Try again.\n", "{path}");
        }
        let (_, empty) = ask("/mcp", "*/*", || StatusCode::METHOD_NOT_ALLOWED.into_response()).await;
        assert!(empty.contains("with POST to /mcp"), "{empty}");
        let (_, own) = ask("/mcp", "*/*", || (StatusCode::BAD_REQUEST, Json(1)).into_response()).await;
        assert_eq!(own, "1");
    }
}
