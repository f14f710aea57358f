//! The way in: every request is read, recorded, struck by a fault if one is due, processed, and answered.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use super::answer::{Refusal, too_large};
use super::call::{Arrival, Form};
use super::fault::Act;
use super::platform::{Platform, new_token, now_ms};
use super::spoil::{spoilt, unprocessed};
use super::{account, chat, embed, models, search, socket, speech_long, vision};
use super::{
    control, file, image, link, music, record, speech, template, transcription, video, video_extras,
    video_v2, voice,
};

/// The connection is to end without a (whole) answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection was ended on purpose")]
pub(super) struct Dropped;

/// Every endpoint that is here, for the answer to a request for one that is not.
pub(super) const PATHS: &[&str] = &[
    "POST /v1/image_generation",
    "POST /v1/t2a_v2",
    "POST /v1/music_generation",
    "POST /v1/music_cover_preprocess",
    "POST /v1/lyrics_generation",
    "GET /ws/v1/t2a_v2",
    "GET /ws/v1/t2a_v2_bidi",
    "POST /v1/t2a_async_v2",
    "GET /v1/query/t2a_async_query_v2",
    "POST /v1/chat/completions",
    "POST /v1/text/chatcompletion_v2",
    "POST /v1/responses",
    "POST /v1/responses/input_tokens",
    "POST /anthropic/v1/messages",
    "POST /anthropic/v1/messages/count_tokens",
    "POST /v1/video_generation",
    "GET /v1/query/video_generation",
    "POST /v1/video_template_generation",
    "GET /v1/query/video_template_generation",
    "POST /v2/video_generation",
    "POST /v2/h3_context_ir",
    "POST /v2/video_regeneration",
    "DELETE /v2/video_generation/{task_id}",
    "GET /v2/query/video_generation",
    "GET /v2/query/video_generation/{task_id}",
    "POST /v1/files/upload",
    "GET /v1/files/list",
    "GET /v1/files/retrieve",
    "GET /v1/files/retrieve_content",
    "POST /v1/files/delete",
    "POST /v1/get_voice",
    "POST /v1/voice_clone",
    "POST /v1/voice_design",
    "POST /v1/delete_voice",
    "POST /v1/speech_to_text",
    "GET /v1/models",
    "GET /v1/models/{id}",
    "GET /anthropic/v1/models",
    "GET /anthropic/v1/models/{id}",
    "POST /v1/coding_plan/search",
    "POST /v1/coding_plan/vlm",
    "GET /v1/token_plan/remains",
    "GET /account/query_balance",
    "POST /v1/embeddings",
];

/// The largest body: a V2 video may carry 64 MB of data URLs ("Video generation V2").
const BODY_LIMIT: usize = 64 << 20;
/// The largest upload: a video to understand may have 512 MB ("File upload"); and a little for the form
/// around it.
const UPLOAD_LIMIT: usize = (512 << 20) + 4096;

pub(super) fn router(platform: Arc<Platform>) -> Router {
    Router::new()
        .merge(image::routes())
        .merge(chat::routes())
        .merge(speech::routes())
        .merge(music::routes())
        .merge(speech_long::routes())
        .merge(socket::routes())
        .merge(video::routes())
        .merge(template::routes())
        .merge(video_v2::routes())
        .merge(video_extras::routes())
        .merge(file::routes())
        .merge(voice::routes())
        .merge(transcription::routes())
        .merge(account::routes())
        .merge(embed::routes())
        .merge(models::routes())
        .merge(search::routes())
        .merge(vision::routes())
        .merge(link::routes())
        .merge(control::routes())
        .fallback(missing)
        .method_not_allowed_fallback(missing)
        .with_state(platform)
}

async fn missing(method: Method, uri: Uri) -> impl IntoResponse {
    let wanted = format!("{method} {}", uri.path());
    let alike = |known: &&&str| {
        let prefix = known.chars().zip(wanted.chars()).take_while(|(a, b)| a == b).count();
        let suffix = known.chars().rev().zip(wanted.chars().rev()).take_while(|(a, b)| a == b).count();
        prefix + suffix
    };
    let closest = PATHS.iter().max_by_key(alike).copied().unwrap_or_default();
    (StatusCode::NOT_FOUND, format!("The sandbox has no {wanted}. The closest it has is {closest}.\n"))
}

/// Answers one request, or ends its connection.
pub(super) async fn answer(
    platform: Arc<Platform>,
    router: Router,
    request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    let trace = new_token();
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    if path.starts_with("/_sandbox/") {
        return Ok(process(&platform, router, Request::from_parts(parts, Body::new(body))).await);
    }
    let limit = match path.as_str() {
        "/v1/files/upload" => UPLOAD_LIMIT,
        "/v1/speech_to_text" => transcription::LIMIT + 4096,
        _ => BODY_LIMIT,
    };
    let act = platform.faults.strike(parts.method.as_str(), &path);
    if act == Some(Act::ResetUnread) {
        platform.record.arrived(recorded(&parts.method, &parts.uri, &parts.headers, &Bytes::new(), None));
        return Err(Dropped);
    }
    let Ok(bytes) = axum::body::to_bytes(Body::new(body), limit).await else {
        return Ok(too_large(limit, &path, &trace));
    };
    let form = Form::read(&parts.headers, &bytes).await;
    let seen = recorded(&parts.method, &parts.uri, &parts.headers, &bytes, form.as_ref());
    let ticket = platform.record.arrived(seen.clone());
    let slow = if parts.method == Method::POST { platform.pace().delay_ms } else { 0 };
    if let Some(response) = unprocessed(act.as_ref())? {
        return Ok(finished(&platform, ticket, &path, &trace, response));
    }
    // Held until the answer is made: so long the request is under way.
    let _admitted = match platform.limits.admit(parts.method.as_str(), &path) {
        Ok(admitted) => admitted,
        Err(refusal) => return Ok(finished(&platform, ticket, &path, &trace, refusal.into_response())),
    };
    if let Some(Act::Delay { ms }) = act {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    parts.extensions.insert(Arrival { record: seen, trace: trace.clone(), form });
    let response = process(&platform, router, Request::from_parts(parts, Body::from(bytes))).await;
    tokio::time::sleep(Duration::from_millis(slow)).await;
    match act {
        Some(Act::ResetAfter) => Err(Dropped),
        Some(Act::Stall) => {
            platform.stopping.cancelled().await;
            Err(Dropped)
        }
        Some(act) => spoilt(&platform, act, finished(&platform, ticket, &path, &trace, response)).await,
        None => Ok(finished(&platform, ticket, &path, &trace, response)),
    }
}

/// Processes a request to its end even if the client hangs up: what was accepted is billed and made.
async fn process(platform: &Arc<Platform>, router: Router, request: Request<Body>) -> Response<Body> {
    let work = platform.work.spawn(async move { TowerToHyperService::new(router).call(request).await });
    match work.await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(failure) => Refusal::internal(&failure).into_response(),
    }
}

fn recorded(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    bytes: &Bytes,
    form: Option<&Form>,
) -> record::Request {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = text(header::AUTHORIZATION.as_str()).trim_start_matches("Bearer ").trim();
    let authorized = headers.contains_key(header::AUTHORIZATION) || headers.contains_key("x-api-key");
    let body = form.map_or_else(|| record::body(text("content-type"), bytes), Form::summary);
    let path = uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let request = record::Request {
        method: method.to_string(),
        path,
        body,
        authorized,
        key_print: record::key_print(if key.is_empty() { text("x-api-key") } else { key }),
        agent: text(header::USER_AGENT.as_str()).to_owned(),
        status: None,
        at_ms: now_ms(),
        code: None,
    };
    record::without_key(request, key)
}

/// Words a refusal in the dialect of the path, adds the trace id, and notes the outcome.
fn finished(
    platform: &Platform,
    ticket: usize,
    path: &str,
    trace: &str,
    response: Response<Body>,
) -> Response<Body> {
    let refusal = response.extensions().get::<Refusal>().cloned();
    let mut response = refusal.as_ref().map_or(response, |refusal| refusal.render(path, trace));
    if path.starts_with("/v1/")
        && let Ok(value) = HeaderValue::from_str(trace)
    {
        response.headers_mut().insert(HeaderName::from_static("trace-id"), value);
    }
    platform.record.answered(ticket, response.status().as_u16(), refusal.map(|refusal| refusal.code));
    response
}
