//! The request that a handler gets: its key is checked, and its body is in memory.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::{HeaderMap, Method, header};
use serde_json::{Map, Value, json};

use crate::engine::errors::{ApiError, BAD_KEY, NO_KEY, NOT_IN_PLAN};
use crate::engine::request_log;
use crate::engine::state::AppState;

/// The data that `server` attaches to a request for its handler.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub record: request_log::Request,
    pub trace: String,
    pub form: Option<Form>,
}

/// An API call with a valid key.
#[derive(Debug)]
pub(crate) struct Call {
    /// The id of this call, for `trace_id` in the body and the `Trace-Id` header.
    pub trace: String,
    /// The body, if it is `multipart/form-data`.
    pub form: Option<Form>,
    record: request_log::Request,
    content_type: String,
    body: Bytes,
    query: Vec<(String, String)>,
}

impl FromRequest<Arc<AppState>> for Call {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Arc<AppState>) -> Result<Self, ApiError> {
        let path = request.uri().path();
        let key = check_key(&request, state.key.as_deref())?;
        if key.starts_with(PLAN_KEY) && request.method() == Method::POST && NOT_IN_PLANS.contains(&path) {
            return Err(ApiError::of(NOT_IN_PLAN));
        }
        let (mut parts, body) = request.into_parts();
        let arrival = parts.extensions.remove::<Arrival>();
        let Arrival { record, trace, form } =
            arrival.ok_or_else(|| ApiError::internal(&"the request did not pass through `server`"))?;
        let body =
            axum::body::to_bytes(body, usize::MAX).await.map_err(|failure| ApiError::internal(&failure))?;
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self {
            trace,
            form,
            record,
            content_type: content_type(&parts.headers).to_owned(),
            body,
            query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        })
    }
}

/// The beginning of the keys of plans.
const PLAN_KEY: &str = "sk-cp-";

/// The endpoints that the plan of the sandbox, a Token Plan, does not include.
const NOT_IN_PLANS: &[&str] = &[
    "/v1/video_generation",
    "/v2/video_generation",
    "/v2/video_regeneration",
    "/v2/h3_context_ir",
    "/v1/voice_clone",
    "/v1/voice_design",
];

/// "Authentication": `Authorization: Bearer <key>`, or `x-api-key` on Anthropic's paths. A missing key is 1004, a wrong
/// one 2049. A key such as `sandbox-1008` asks for that error.
fn check_key<'a>(request: &'a Request, good: Option<&str>) -> Result<&'a str, ApiError> {
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let bearer = text(header::AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
    let other = text("x-api-key").filter(|_| request.uri().path().starts_with("/anthropic/"));
    let key = bearer.or(other).map_or("", str::trim);
    if let Some(code) = key.strip_prefix("sandbox-").and_then(|code| code.parse::<i64>().ok()) {
        // A bad key is refused everywhere. Other errors concern orders, and reading still works, as at MiniMax.
        let everywhere = matches!(code, NO_KEY | BAD_KEY);
        return if everywhere || request.method() == Method::POST {
            Err(ApiError::of(code))
        } else {
            Ok(key)
        };
    }
    match good {
        _ if key.is_empty() => Err(ApiError::of(NO_KEY)),
        Some(good) if good != key => Err(ApiError::of(BAD_KEY)),
        _ => Ok(key),
    }
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

impl Call {
    /// The body, which must be a JSON object with a matching content type.
    pub fn json(&self) -> Result<Map<String, Value>, ApiError> {
        let kind = self.content_type.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(ApiError::invalid(format_args!(
                "Content-Type must be application/json, not {kind:?}"
            )));
        }
        serde_json::from_slice(&self.body)
            .map_err(|problem| ApiError::invalid(format_args!("the body is not a JSON object: {problem}")))
    }

    /// The query, which may contain only these parameters.
    pub fn query(&self, known: &[&str]) -> Result<&[(String, String)], ApiError> {
        match self.query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(ApiError::invalid(format_args!("unknown query parameter {name}"))),
            None => Ok(&self.query),
        }
    }

    /// The value of the query's only parameter, which is required.
    pub fn only(&self, name: &str) -> Result<&str, ApiError> {
        match self.query(&[name])? {
            [(_, value)] if !value.is_empty() => Ok(value),
            _ => Err(ApiError::invalid(format_args!("{name} is required, once, in the query"))),
        }
    }

    /// The request in the form of the list of billed requests. Only accepted requests are billed, and those return 200.
    pub fn bill(&self) -> request_log::Request {
        request_log::Request { status: Some(200), ..self.record.clone() }
    }
}

/// A `multipart/form-data` body.
#[derive(Debug, Clone)]
pub(crate) struct Form(pub Vec<Part>);

/// One part of it.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub name: String,
    pub filename: Option<String>,
    pub bytes: Bytes,
}

impl Form {
    /// The form, if the body is one. An unreadable form has no parts.
    pub async fn read(headers: &HeaderMap, body: &Bytes) -> Option<Self> {
        let kind = content_type(headers);
        if !kind.starts_with("multipart/form-data") {
            return None;
        }
        let mut request = Request::new(Body::from(body.clone()));
        request.headers_mut().insert(header::CONTENT_TYPE, headers.get(header::CONTENT_TYPE)?.clone());
        // axum's own limit is 2 MB; `server` has already checked the size.
        DefaultBodyLimit::disable().apply(&mut request);
        let mut parts = Vec::new();
        if let Ok(mut multipart) = Multipart::from_request(request, &()).await {
            while let Ok(Some(field)) = multipart.next_field().await {
                let name = field.name().unwrap_or_default().to_owned();
                let filename = field.file_name().map(ToOwned::to_owned);
                let Ok(bytes) = field.bytes().await else { break };
                parts.push(Part { name, filename, bytes });
            }
        }
        Some(Self(parts))
    }

    /// The form for the request log. Files are reduced to name and size.
    pub fn summary(&self) -> Value {
        let entry = |part: &Part| match &part.filename {
            Some(name) => json!({"filename": name, "bytes": part.bytes.len()}),
            None => Value::String(String::from_utf8_lossy(&part.bytes).chars().take(1000).collect()),
        };
        Value::Object(self.0.iter().map(|part| (part.name.clone(), entry(part))).collect())
    }
}
