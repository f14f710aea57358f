//! `notifications/cancelled`: the client cancels one of its requests by the id.
//!
//! The transport has no sessions, so the notification is a separate request without a connection to the cancelled one. A
//! cancelled request ends as if its connection had closed: it buys nothing more, and a job that it started continues.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt as _;
use rmcp::model::{ErrorCode, RequestId};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::held::holding;
use super::rpc::{MessageId, refusal};
use crate::mcp::Caller;

/// The largest notification that is read here, in bytes.
const LARGEST: usize = 16 * 1024;

/// The caller, the client's program and the id of a request. The program distinguishes clients that share a token, because
/// they may use the same ids.
type Key = (String, Option<HeaderValue>, RequestId);

/// The requests of all callers that have no complete response yet. A handle: cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct Cancellable {
    open: Arc<Mutex<HashMap<Key, HashMap<u64, CancellationToken>>>>,
    number: Arc<AtomicU64>,
}

/// A request that can be cancelled until this is dropped.
struct Open {
    all: Cancellable,
    key: Key,
    number: u64,
    token: CancellationToken,
}

impl Cancellable {
    fn table(&self) -> MutexGuard<'_, HashMap<Key, HashMap<u64, CancellationToken>>> {
        // The table is valid even if a thread panicked while it held the lock.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, key: Key) -> Open {
        let (number, token) = (self.number.fetch_add(1, Ordering::Relaxed), CancellationToken::new());
        self.table().entry(key.clone()).or_default().insert(number, token.clone());
        Open { all: self.clone(), key, number, token }
    }

    /// Cancels the request with this key. If two requests have it, neither is cancelled, because either may be meant.
    fn cancel(&self, key: &Key) {
        let table = self.table();
        let mut meant = table.get(key).into_iter().flat_map(HashMap::values);
        if let (Some(token), None) = (meant.next(), meant.next()) {
            token.cancel();
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut table = self.all.table();
        if let Some(open) = table.get_mut(&self.key) {
            open.remove(&self.number);
            if open.is_empty() {
                table.remove(&self.key);
            }
        }
    }
}

/// Middleware for messages: handles `notifications/cancelled`, and ends the cancelled requests.
pub async fn cancellable(State(all): State<Cancellable>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let caller = request.extensions().get::<Caller>().map(|caller| caller.limited_as().to_owned());
    let program = request.headers().get(header::USER_AGENT).cloned();
    let id = request.extensions().get::<MessageId>().and_then(|MessageId(id)| id.clone());
    let key = |id| (caller.unwrap_or_default(), program, id);
    let Some(id) = id else {
        let (parts, body) = request.into_parts();
        // `admit` has already read the body and limited its size.
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        if let Some(id) = cancelled(&body) {
            all.cancel(&key(id));
        }
        return next.run(Request::from_parts(parts, Body::from(body))).await;
    };
    let open = all.enter(key(id.clone()));
    let token = open.token.clone();
    let Some(response) = token.run_until_cancelled(next.run(request)).await else {
        let text = "the request was cancelled; nothing more is bought for it";
        return refusal(StatusCode::OK, ErrorCode::INVALID_REQUEST, text, Some(&id));
    };
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    let ended = open.token.clone().cancelled_owned();
    let response =
        response.map(|body| Body::from_stream(Box::pin(body.into_data_stream().take_until(ended))));
    holding(response, open, None)
}

/// The id that a notification cancels.
fn cancelled(body: &[u8]) -> Option<RequestId> {
    #[derive(Deserialize)]
    struct Notification {
        method: String,
        params: Params,
    }
    #[derive(Deserialize)]
    struct Params {
        #[serde(rename = "requestId")]
        request_id: RequestId,
    }
    let body = Some(body).filter(|body| body.len() <= LARGEST)?;
    let Notification { method, params } = serde_json::from_slice(body).ok()?;
    (method == "notifications/cancelled").then_some(params.request_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(caller: &str, program: &'static str, id: i64) -> Key {
        (caller.to_owned(), Some(HeaderValue::from_static(program)), RequestId::Number(id))
    }

    #[test]
    fn a_request_is_cancelled_by_its_caller_and_program_and_only_if_it_is_the_only_one_with_its_id() {
        let all = Cancellable::default();
        let open = all.enter(key("ada", "a", 7));
        for other in [key("bob", "a", 7), key("ada", "b", 7), key("ada", "a", 8)] {
            all.cancel(&other);
        }
        assert!(!open.token.is_cancelled());
        let second = all.enter(key("ada", "a", 7));
        all.cancel(&key("ada", "a", 7));
        assert!(!open.token.is_cancelled() && !second.token.is_cancelled());
        drop(second);
        all.cancel(&key("ada", "a", 7));
        assert!(open.token.is_cancelled());
        drop(open);
        assert!(all.table().is_empty(), "nothing is left");
    }

    #[test]
    fn only_a_notification_with_an_id_cancels() {
        let id = |text: &str| cancelled(text.as_bytes()).map(|id| serde_json::to_string(&id).unwrap());
        let note =
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a","reason":"x"}}"#;
        assert_eq!(id(note).as_deref(), Some("\"a\""));
        for text in [
            r#"{"method":"notifications/cancelled","params":{}}"#,
            r#"{"method":"notifications/cancelled"}"#,
            r#"{"method":"notifications/initialized","params":{"requestId":1}}"#,
            r#"{"method":"notifications/cancelled","params":{"requestId":[1]}}"#,
            "",
        ] {
            assert_eq!(id(text), None, "{text}");
        }
    }
}
