//! A request as a handler sees it: the key has been checked, the body is at hand.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::{HeaderMap, header};
use serde_json::{Map, Value, json};

use super::answer::{BAD_KEY, NO_KEY, Refusal};
use super::platform::Platform;
use super::record;

/// What `front` knows about a request, on its way to the handler.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    pub record: record::Request,
    pub trace: String,
    pub form: Option<Form>,
}

/// A request with a good key.
#[derive(Debug)]
pub(super) struct Call {
    /// The id of this exchange, for `trace_id` in a body and the `Trace-Id` header.
    pub trace: String,
    /// The form of a `multipart/form-data` body.
    pub form: Option<Form>,
    record: record::Request,
    content_type: String,
    body: Bytes,
    query: Vec<(String, String)>,
}

impl FromRequest<Arc<Platform>> for Call {
    type Rejection = Refusal;

    async fn from_request(request: Request, platform: &Arc<Platform>) -> Result<Self, Refusal> {
        check_key(request.headers(), request.uri().path(), platform.key.as_deref())?;
        let (mut parts, body) = request.into_parts();
        let arrival = parts.extensions.remove::<Arrival>();
        let Arrival { record, trace, form } =
            arrival.ok_or_else(|| Refusal::internal(&"a request came in by another door"))?;
        let body =
            axum::body::to_bytes(body, usize::MAX).await.map_err(|failure| Refusal::internal(&failure))?;
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

/// "Authentication": `Authorization: Bearer <key>`, or `x-api-key` where Anthropic's API is spoken. None is 1004, a
/// wrong one 2049.
fn check_key(headers: &HeaderMap, path: &str, good: Option<&str>) -> Result<(), Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(header::AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
    let other = text("x-api-key").filter(|_| path.starts_with("/anthropic/"));
    let key = bearer.or(other).map_or("", str::trim);
    match good {
        _ if key.is_empty() => Err(Refusal::of(NO_KEY)),
        Some(good) if good != key => Err(Refusal::of(BAD_KEY)),
        _ => Ok(()),
    }
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

impl Call {
    /// The body, which must be a JSON object that says so.
    pub fn json(&self) -> Result<Map<String, Value>, Refusal> {
        let kind = self.content_type.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(Refusal::invalid(format_args!(
                "Content-Type must be application/json, not {kind:?}"
            )));
        }
        serde_json::from_slice(&self.body)
            .map_err(|problem| Refusal::invalid(format_args!("the body is not a JSON object: {problem}")))
    }

    /// The query, in which only these parameters may stand.
    pub fn query(&self, known: &[&str]) -> Result<&[(String, String)], Refusal> {
        match self.query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(Refusal::invalid(format_args!("unknown query parameter {name}"))),
            None => Ok(&self.query),
        }
    }

    /// The one parameter of a query that has and needs just one.
    pub fn only(&self, name: &str) -> Result<&str, Refusal> {
        match self.query(&[name])? {
            [(_, value)] if !value.is_empty() => Ok(value),
            _ => Err(Refusal::invalid(format_args!("{name} is required, once, in the query"))),
        }
    }

    /// The request as the list of paid ones keeps it. Only an accepted request is paid for, and that answers
    /// 200.
    pub fn bill(&self) -> record::Request {
        record::Request { status: Some(200), ..self.record.clone() }
    }
}

/// A `multipart/form-data` body.
#[derive(Debug, Clone)]
pub(super) struct Form(pub Vec<Part>);

/// One part of it.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub name: String,
    pub filename: Option<String>,
    pub bytes: Bytes,
}

impl Form {
    /// The form, if the body is one. One that cannot be read is one without parts.
    pub async fn read(headers: &HeaderMap, body: &Bytes) -> Option<Self> {
        let kind = content_type(headers);
        if !kind.starts_with("multipart/form-data") {
            return None;
        }
        let mut request = Request::new(Body::from(body.clone()));
        request.headers_mut().insert(header::CONTENT_TYPE, headers.get(header::CONTENT_TYPE)?.clone());
        // Forms of more than 2 MB are refused otherwise; `front` has looked at the size already.
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

    /// The form as it is recorded: files by name and size only.
    pub fn summary(&self) -> Value {
        let entry = |part: &Part| match &part.filename {
            Some(name) => json!({"filename": name, "bytes": part.bytes.len()}),
            None => Value::String(String::from_utf8_lossy(&part.bytes).chars().take(1000).collect()),
        };
        Value::Object(self.0.iter().map(|part| (part.name.clone(), entry(part))).collect())
    }
}
