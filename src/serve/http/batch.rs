//! Batches at `/mcp`: each message of the array is handled as if it had been posted by itself, and the answers are one
//! array. It has no notifications, like every answer in JSON.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CONTENT_LENGTH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::future::join_all;

use super::accept::{agreed, stream_of};
use super::admission::{Admission, LARGEST_BODY};
use super::format::{Format, JSON};
use super::keepalive::begin_in_time;
use super::rpc::{MessageId, as_error, of_json, refusal};
use crate::serve::batch::{self, REVISION};
use crate::serve::json;
use crate::serve::outline::Outline;
use crate::serve::readable_id::readable_id;

/// Middleware for messages: takes batches apart.
pub async fn unpack(State(admission): State<Admission>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    // `admit` has already read and checked the body.
    let body = to_bytes(body, LARGEST_BODY).await.unwrap_or_default();
    if !batch::is_batch(&body) {
        return next.run(Request::from_parts(parts, Body::from(body))).await;
    }
    let format = match agreed(&parts.headers, None) {
        Ok(format) => format,
        Err(refusal) => return *refusal,
    };
    let entries = match batch::entries(&body, Some(&revision(&parts.headers))) {
        Ok(entries) => entries,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, error.code, &error.message, None),
    };
    if let Some(refusal) = admission.admit_more(&parts, entries.len().saturating_sub(1)).await {
        return refusal;
    }
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(ACCEPT, HeaderValue::from_static(JSON));
    let has_request = entries.iter().any(|entry| Outline::of(entry).is_request());
    let all: Vec<_> =
        entries.into_iter().map(|entry| answer(parts.clone(), body.slice_ref(entry), next.clone())).collect();
    let answer = async move {
        let answers: Vec<_> = join_all(all).await.into_iter().flatten().collect();
        let Some(text) = batch::array(&answers) else { return StatusCode::ACCEPTED.into_response() };
        let status = if has_request { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        let response = of_json(status, text);
        if format == Format::Events && has_request { stream_of(response) } else { response }
    };
    begin_in_time(answer, if format == Format::Events { format } else { Format::Message }).await
}

/// The revision of a request that is not the newest: clients of 2025-03-26 do not name it.
fn revision(headers: &HeaderMap) -> String {
    let named = headers.get_all("mcp-protocol-version").iter();
    let named = named.map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
    named
        .reduce(|all, one| if all == one { all } else { format!("{all}, {one}") })
        .unwrap_or_else(|| REVISION.to_string())
}

/// The answer to a message, if it has one.
async fn answer(mut parts: Parts, entry: Bytes, next: Next) -> Option<String> {
    let outline = Outline::of(&entry);
    let entry = json::repaired(&entry).map_or(entry, Bytes::from);
    let id = readable_id(&entry);
    let response = if let Some(error) = outline.problem() {
        refusal(StatusCode::BAD_REQUEST, error.code, &error.message, id.as_ref())
    } else {
        parts.extensions.insert(MessageId(id));
        next.run(Request::from_parts(parts, Body::from(entry))).await
    };
    // A notification is never answered (JSON-RPC 2.0, section 4.1).
    if outline.is_notification() {
        return None;
    }
    // An answer has no limit of its own: the call has limited it.
    let body = to_bytes(as_error(response).await.into_body(), usize::MAX).await.ok()?;
    let text = String::from_utf8(body.trim_ascii().to_vec()).ok()?;
    Some(text).filter(|text| !text.is_empty())
}
