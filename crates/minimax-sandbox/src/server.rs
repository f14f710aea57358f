//! Handles a request: reads and records it, injects a fault if one is due, runs the handler, and renders errors.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use crate::endpoints::{files, transcription};
use crate::engine::clock::now_ms;
use crate::engine::errors::{ApiError, too_large};
use crate::engine::fault_injection::{damaged, early_response};
use crate::engine::faults::{Act, Dropped};
use crate::engine::ids::new_token;
use crate::engine::request::{Arrival, Form};
use crate::engine::request_log;
use crate::engine::state::AppState;

/// The maximum size of a body: a V2 video may have 64 MB of data URLs ("Video generation V2").
const BODY_LIMIT: usize = 64 << 20;

/// Answers one request, or closes its connection.
pub(crate) async fn answer(
    state: Arc<AppState>,
    router: Router,
    request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    let trace = new_token();
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    if path.starts_with("/_sandbox/") {
        return Ok(process(&state, router, Request::from_parts(parts, Body::new(body))).await);
    }
    let limit = match path.as_str() {
        "/v1/files/upload" => files::UPLOAD_LIMIT,
        "/v1/speech_to_text" => transcription::UPLOAD_LIMIT,
        _ => BODY_LIMIT,
    };
    let replaced = state.faults.replaced();
    let act = state.faults.next_act(parts.method.as_str(), &path, &fingerprint(&parts.headers));
    if act == Some(Act::ResetUnread) {
        state.requests.arrived(recorded(&parts.method, &parts.uri, &parts.headers, &Bytes::new(), None));
        return Err(Dropped);
    }
    let Ok(bytes) = axum::body::to_bytes(Body::new(body), limit).await else {
        return Ok(too_large(limit, &path, &trace));
    };
    let form = Form::read(&parts.headers, &bytes).await;
    let seen = recorded(&parts.method, &parts.uri, &parts.headers, &bytes, form.as_ref());
    let number = state.requests.arrived(seen.clone());
    let slow = if parts.method == Method::POST { state.pace().delay_ms } else { 0 };
    if let Some(response) = early_response(act.as_ref())? {
        return Ok(finished(&state, number, &path, &trace, response));
    }
    // Held until the response is ready, because the request is in flight until then.
    let _permits = match state.limits.admit(parts.method.as_str(), &path) {
        Ok(permits) => permits,
        Err(error) => return Ok(finished(&state, number, &path, &trace, error.into_response())),
    };
    if let Some(Act::Delay { ms }) = act {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    parts.extensions.insert(Arrival { record: seen, trace: trace.clone(), form });
    let response = process(&state, router, Request::from_parts(parts, Body::from(bytes))).await;
    tokio::time::sleep(Duration::from_millis(slow)).await;
    match act {
        Some(Act::ResetAfter) => Err(Dropped),
        Some(Act::Stall) => {
            state.stopping.cancelled().await;
            Err(Dropped)
        }
        Some(Act::Hold) => {
            tokio::select! {
                () = replaced => Ok(finished(&state, number, &path, &trace, response)),
                () = state.stopping.cancelled() => Err(Dropped),
            }
        }
        Some(act) => damaged(&state, act, finished(&state, number, &path, &trace, response)).await,
        None => Ok(finished(&state, number, &path, &trace, response)),
    }
}

/// Processes a request to completion even if the client hangs up, because accepted requests are billed.
async fn process(state: &Arc<AppState>, router: Router, request: Request<Body>) -> Response<Body> {
    let work = state.work.spawn(async move { TowerToHyperService::new(router).call(request).await });
    match work.await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(failure) => ApiError::internal(&failure).into_response(),
    }
}

fn bearer(headers: &HeaderMap) -> &str {
    let text = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.trim_start_matches("Bearer ").trim()
}

fn fingerprint(headers: &HeaderMap) -> String {
    let other = || headers.get("x-api-key").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = bearer(headers);
    request_log::key_fingerprint(if key.is_empty() { other() } else { key })
}

fn recorded(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    bytes: &Bytes,
    form: Option<&Form>,
) -> request_log::Request {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = bearer(headers);
    let authorized = headers.contains_key(header::AUTHORIZATION) || headers.contains_key("x-api-key");
    let body = form.map_or_else(|| request_log::body(text("content-type"), bytes), Form::summary);
    let path = uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let request = request_log::Request {
        method: method.to_string(),
        path,
        body,
        authorized,
        key_fingerprint: fingerprint(headers),
        agent: text(header::USER_AGENT.as_str()).to_owned(),
        status: None,
        at_ms: now_ms(),
        code: None,
    };
    request_log::without_key(request, key)
}

/// Renders an error in the format of the path, adds the trace id, and records the outcome.
fn finished(
    state: &AppState,
    number: usize,
    path: &str,
    trace: &str,
    response: Response<Body>,
) -> Response<Body> {
    let error = response.extensions().get::<ApiError>().cloned();
    let mut response = error.as_ref().map_or(response, |error| error.render(path, trace));
    if path.starts_with("/v1/")
        && let Ok(value) = HeaderValue::from_str(trace)
    {
        response.headers_mut().insert(HeaderName::from_static("trace-id"), value);
    }
    state.requests.answered(number, response.status().as_u16(), error.map(|error| error.code));
    response
}
