//! How MiniMax says no. There are two dialects; which one is spoken depends on the path.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// The two dialects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// HTTP 200 and a `base_resp` with a code ("Error codes").
    BaseResp,
    /// An HTTP status and an envelope, with the code in brackets at the end of the message.
    Envelope,
    /// An HTTP status and Anthropic's envelope, without a code ("Anthropic API > Errors").
    Anthropic,
}

/// The paths that speak in envelopes. Everything else answers 200 with a `base_resp`.
const ENVELOPED: &[&str] =
    &["/v2/", "/v1/speech_to_text", "/v1/chat/completions", "/v1/responses", "/v1/models"];

impl Family {
    pub fn of(path: &str) -> Self {
        if path.starts_with("/anthropic/") {
            return Self::Anthropic;
        }
        if ENVELOPED.iter().any(|prefix| path.starts_with(prefix)) { Self::Envelope } else { Self::BaseResp }
    }
}

/// A refusal, not yet in a dialect: `front` words it once the path is known.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub code: i64,
    pub message: String,
    /// Seconds for a `Retry-After` header.
    pub retry_after: Option<u64>,
    /// Fields that stand beside `base_resp`.
    beside: Option<Box<Value>>,
    /// Where an endpoint leaves the dialect of its path.
    family: Option<Family>,
    /// What was named is not there, which Anthropic's dialect has a status for.
    absent: bool,
}

pub(super) const UNKNOWN: i64 = 1000;
pub(super) const NO_KEY: i64 = 1004;
pub(super) const SENSITIVE_INPUT: i64 = 1026;
pub(super) const SENSITIVE_OUTPUT: i64 = 1027;
pub(super) const INVISIBLE: i64 = 1042;
pub(super) const ASR_MISMATCH: i64 = 1043;
pub(super) const PROMPT_MISMATCH: i64 = 1044;
pub(super) const INVALID: i64 = 2013;
pub(super) const VOICE_LENGTH: i64 = 2037;
pub(super) const NO_CLONING: i64 = 2038;
pub(super) const VOICE_TAKEN: i64 = 2039;
pub(super) const PROMPT_TOO_LONG: i64 = 2048;
pub(super) const BAD_VOICE: i64 = 20132;
pub(super) const BAD_KEY: i64 = 2049;

/// Code, HTTP status, `error.type` and usual message ("Error codes"; the statuses are those of the envelope).
/// A code that is not here is a 400.
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
    (2061, 402, "insufficient_balance_error", "your current plan does not support this model"),
];

impl Refusal {
    /// A refusal with the usual words of its code.
    pub fn of(code: i64) -> Self {
        let usual = CODES.iter().find(|row| row.0 == code).map_or("request refused", |row| row.3);
        Self { code, message: usual.to_owned(), retry_after: None, beside: None, family: None, absent: false }
    }

    /// 2013: something about the request is wrong. `problem` names the field.
    pub fn invalid(problem: impl std::fmt::Display) -> Self {
        Self { message: format!("invalid params, {problem}"), ..Self::of(INVALID) }
    }

    /// 2013, and 404 in Anthropic's dialect: the model is not there.
    pub fn no_model(problem: impl std::fmt::Display) -> Self {
        Self { absent: true, ..Self::invalid(problem) }
    }

    /// 1000: something is wrong with the sandbox itself, such as a full disk.
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

    /// With other fields beside `base_resp`, such as `"data": null`.
    pub fn beside(self, fields: Value) -> Self {
        Self { beside: Some(Box::new(fields)), ..self }
    }

    /// In this dialect, whatever the path speaks.
    pub fn spoken_as(self, family: Family) -> Self {
        Self { family: Some(family), ..self }
    }

    /// The refusal in words, as it goes out.
    pub fn render(&self, path: &str, trace: &str) -> Response {
        let mut response = match self.family.unwrap_or(Family::of(path)) {
            Family::BaseResp => Json(self.base_resp()).into_response(),
            Family::Envelope => self.envelope(trace),
            Family::Anthropic => self.anthropic(trace),
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
        (status, Json(self.enveloped(trace))).into_response()
    }

    fn status(&self) -> (u16, &'static str) {
        let row = CODES.iter().find(|row| row.0 == self.code);
        row.map_or((400, "bad_request_error"), |row| (row.1, row.2))
    }

    fn anthropic_status(&self) -> u16 {
        if self.absent { 404 } else { self.status().0 }
    }

    /// The envelope alone, as it also comes in the middle of a stream.
    pub fn enveloped(&self, trace: &str) -> Value {
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
        (status, Json(self.in_anthropic_words(trace))).into_response()
    }

    /// Anthropic's envelope alone, as it also comes in the middle of a stream.
    pub fn in_anthropic_words(&self, trace: &str) -> Value {
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

impl From<std::io::Error> for Refusal {
    /// The disk of the sandbox is the only one that fails.
    fn from(failure: std::io::Error) -> Self {
        Self::internal(&failure)
    }
}

impl IntoResponse for Refusal {
    /// An empty answer that carries the refusal to `front`, which knows the path and so the dialect.
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}

/// 413, which has no code of its own ("Errors").
pub(super) fn too_large(bytes: usize, path: &str, trace: &str) -> Response {
    let message = format!("request body too large: it exceeds the limit of {bytes} bytes");
    let error = match Family::of(path) {
        Family::Anthropic => json!({"type": "request_too_large", "message": message}),
        _ => json!({"type": "invalid_request_error", "message": message, "http_code": "413"}),
    };
    let body = json!({"type": "error", "error": error, "request_id": trace});
    (StatusCode::PAYLOAD_TOO_LARGE, Json(body)).into_response()
}

/// The `base_resp` of an answer.
pub(super) fn base_resp(code: i64, message: &str) -> Value {
    json!({"status_code": code, "status_msg": message})
}

/// The `base_resp` of success.
pub(super) fn success() -> Value {
    base_resp(0, "success")
}
