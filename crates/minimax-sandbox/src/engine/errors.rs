//! Error responses. MiniMax has three formats; the path decides which one applies.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// The format of an error response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorFormat {
    /// HTTP 200 and a `base_resp` with a code ("Error codes").
    BaseResp,
    /// An HTTP status and an envelope; the code is in parentheses at the end of the message.
    Envelope,
    /// An HTTP status and Anthropic's envelope, without a code ("Anthropic API > Errors").
    Anthropic,
}

/// Path prefixes of endpoints that use [`ErrorFormat::Envelope`].
const ENVELOPED: &[&str] =
    &["/v2/", "/v1/speech_to_text", "/v1/chat/completions", "/v1/responses", "/v1/models"];

impl ErrorFormat {
    pub fn of(path: &str) -> Self {
        if path.starts_with("/anthropic/") {
            return Self::Anthropic;
        }
        if ENVELOPED.iter().any(|prefix| path.starts_with(prefix)) { Self::Envelope } else { Self::BaseResp }
    }
}

/// An API error. `server` renders it once the path, and so the format, is known.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub code: i64,
    pub message: String,
    /// Seconds for a `Retry-After` header.
    pub retry_after: Option<u64>,
    /// Additional fields next to `base_resp`.
    beside: Option<Box<Value>>,
    /// Overrides the format that belongs to the path.
    format: Option<ErrorFormat>,
    /// If true, something that the request names does not exist. Anthropic's format has its own status for that.
    not_found: bool,
}

pub(crate) const UNKNOWN: i64 = 1000;
pub(crate) const NO_KEY: i64 = 1004;
pub(crate) const SENSITIVE_INPUT: i64 = 1026;
pub(crate) const SENSITIVE_OUTPUT: i64 = 1027;
pub(crate) const INVISIBLE: i64 = 1042;
pub(crate) const ASR_MISMATCH: i64 = 1043;
pub(crate) const PROMPT_MISMATCH: i64 = 1044;
pub(crate) const INVALID: i64 = 2013;
pub(crate) const VOICE_LENGTH: i64 = 2037;
pub(crate) const NO_CLONING: i64 = 2038;
pub(crate) const VOICE_TAKEN: i64 = 2039;
pub(crate) const PROMPT_TOO_LONG: i64 = 2048;
pub(crate) const BAD_VOICE: i64 = 20132;
pub(crate) const BAD_KEY: i64 = 2049;
pub(crate) const NOT_IN_PLAN: i64 = 2061;
pub(crate) const NO_PLAN: i64 = 2062;

/// Code, HTTP status in envelopes, `error.type` and default message ("Error codes"). A code that is missing here is
/// sent with status 400.
const CODES: &[(i64, u16, &str, &str)] = &[
    (UNKNOWN, 500, "server_error", "internal error"),
    (1001, 500, "server_error", "request timeout"),
    (1002, 429, "rate_limit_error", "rate limit, please retry later"),
    (
        NO_KEY,
        401,
        "authorized_error",
        "login fail: Please carry the API secret key in the 'Authorization' field of the request header",
    ),
    (1008, 402, "insufficient_balance_error", "insufficient balance"),
    (1013, 500, "server_error", "internal error"),
    (1024, 500, "server_error", "internal error"),
    (SENSITIVE_INPUT, 422, "unprocessable_entity_error", "the description contains sensitive content"),
    (SENSITIVE_OUTPUT, 422, "unprocessable_entity_error", "the generated content is sensitive"),
    (1028, 402, "insufficient_balance_error", "quota exhausted"),
    (1030, 402, "insufficient_balance_error", "quota exhausted"),
    (1033, 500, "server_error", "system error"),
    (1039, 429, "rate_limit_error", "token limit, please retry later"),
    (1041, 429, "rate_limit_error", "connection limit, please retry later"),
    (INVISIBLE, 400, "bad_request_error", "invisible character ratio exceeds 10%"),
    (ASR_MISMATCH, 400, "bad_request_error", "voice clone asr similarity check failed"),
    (PROMPT_MISMATCH, 400, "bad_request_error", "voice clone prompt similarity check failed"),
    (INVALID, 400, "bad_request_error", "invalid params"),
    (VOICE_LENGTH, 400, "bad_request_error", "voice duration too short or too long"),
    (NO_CLONING, 400, "bad_request_error", "voice clone forbidden"),
    (VOICE_TAKEN, 400, "bad_request_error", "voice clone voice id duplicate"),
    (2045, 429, "rate_limit_error", "rate growth limit, please retry later"),
    (PROMPT_TOO_LONG, 400, "bad_request_error", "prompt audio too long"),
    (BAD_VOICE, 400, "bad_request_error", "invalid samples or voice_id"),
    (BAD_KEY, 401, "authorized_error", "invalid api key"),
    (2056, 402, "insufficient_balance_error", "usage limit exceeded"),
    (NOT_IN_PLAN, 402, "insufficient_balance_error", "your current plan does not support this model"),
    (NO_PLAN, 402, "insufficient_balance_error", "no active token plan"),
];

impl ApiError {
    /// An error with the default message of its code.
    pub fn of(code: i64) -> Self {
        let default = CODES.iter().find(|row| row.0 == code).map_or("request refused", |row| row.3);
        Self {
            code,
            message: default.to_owned(),
            retry_after: None,
            beside: None,
            format: None,
            not_found: false,
        }
    }

    /// 2013: invalid parameters. `problem` names the field.
    pub fn invalid(problem: impl std::fmt::Display) -> Self {
        Self { message: format!("invalid params, {problem}"), ..Self::of(INVALID) }
    }

    /// 2013, or 404 in Anthropic's format: unknown model.
    pub fn no_model(problem: impl std::fmt::Display) -> Self {
        Self { not_found: true, ..Self::invalid(problem) }
    }

    /// 2013: unknown task id, or a task of another endpoint.
    pub fn unknown_task() -> Self {
        Self::of(INVALID).saying("invalid params, invalid task_id".to_owned())
    }

    /// 1000: the sandbox itself failed, for example because the disk is full.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::warn!("the sandbox failed: {cause}");
        Self { message: format!("internal error: {cause}"), ..Self::of(UNKNOWN) }
    }

    pub fn saying(self, message: String) -> Self {
        Self { message, ..self }
    }

    pub fn retry_after(self, seconds: Option<u64>) -> Self {
        Self { retry_after: seconds, ..self }
    }

    /// Adds fields next to `base_resp`, such as `"data": null`.
    pub fn beside(self, fields: Value) -> Self {
        Self { beside: Some(Box::new(fields)), ..self }
    }

    /// Uses this format regardless of the path.
    pub fn in_format(self, format: ErrorFormat) -> Self {
        Self { format: Some(format), ..self }
    }

    /// The HTTP response for this error.
    pub fn render(&self, path: &str, trace: &str) -> Response {
        let mut response = match self.format.unwrap_or(ErrorFormat::of(path)) {
            ErrorFormat::BaseResp => Json(self.base_resp()).into_response(),
            ErrorFormat::Envelope => self.envelope(trace),
            ErrorFormat::Anthropic => self.anthropic(trace),
        };
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn base_resp(&self) -> Value {
        let mut body = self.beside.as_deref().cloned().unwrap_or_else(|| json!({}));
        if let Some(fields) = body.as_object_mut() {
            fields.insert("base_resp".into(), base_resp(self.code, &self.message));
        }
        body
    }

    fn envelope(&self, trace: &str) -> Response {
        let status = StatusCode::from_u16(self.status().0).unwrap_or(StatusCode::BAD_REQUEST);
        (status, Json(self.envelope_body(trace))).into_response()
    }

    fn status(&self) -> (u16, &'static str) {
        let row = CODES.iter().find(|row| row.0 == self.code);
        row.map_or((400, "bad_request_error"), |row| (row.1, row.2))
    }

    fn anthropic_status(&self) -> u16 {
        if self.not_found { 404 } else { self.status().0 }
    }

    /// The envelope without its HTTP status, as it also appears inside a stream.
    pub fn envelope_body(&self, trace: &str) -> Value {
        let (status, kind) = self.status();
        json!({
            "type": "error",
            "error": {
                "type": kind,
                "message": format!("{} ({})", self.message, self.code),
                "http_code": status.to_string(),
            },
            "request_id": trace,
        })
    }

    fn anthropic(&self, trace: &str) -> Response {
        let status = StatusCode::from_u16(self.anthropic_status()).unwrap_or(StatusCode::BAD_REQUEST);
        (status, Json(self.anthropic_body(trace))).into_response()
    }

    /// Anthropic's envelope without its HTTP status, as it also appears inside a stream.
    pub fn anthropic_body(&self, trace: &str) -> Value {
        let kind = match self.anthropic_status() {
            401 => "authentication_error",
            402 | 403 => "permission_error",
            404 => "not_found_error",
            429 => "rate_limit_error",
            500 => "api_error",
            529 => "overloaded_error",
            _ => "invalid_request_error",
        };
        json!({"type": "error", "request_id": trace, "error": {"type": kind, "message": self.message}})
    }
}

impl From<std::io::Error> for ApiError {
    /// I/O errors can only come from the disk of the sandbox itself.
    fn from(failure: std::io::Error) -> Self {
        Self::internal(&failure)
    }
}

impl IntoResponse for ApiError {
    /// An empty response that carries the error to `server`, which knows the path and renders it.
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}

/// 413, which has no MiniMax code ("Errors").
pub(crate) fn too_large(bytes: usize, path: &str, trace: &str) -> Response {
    let message = format!("request body too large: it exceeds the limit of {bytes} bytes");
    let error = match ErrorFormat::of(path) {
        ErrorFormat::Anthropic => json!({"type": "request_too_large", "message": message}),
        _ => json!({"type": "invalid_request_error", "message": message, "http_code": "413"}),
    };
    let body = json!({"type": "error", "error": error, "request_id": trace});
    (StatusCode::PAYLOAD_TOO_LARGE, Json(body)).into_response()
}

/// The `base_resp` of a response.
pub(crate) fn base_resp(code: i64, message: &str) -> Value {
    json!({"status_code": code, "status_msg": message})
}

/// The `base_resp` of a successful response.
pub(crate) fn success() -> Value {
    base_resp(0, "success")
}
