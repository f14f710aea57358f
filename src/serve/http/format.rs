//! The formats of responses.

use axum::http::header::CONTENT_TYPE;
use axum::response::Response;

pub(super) const JSON: &str = "application/json";
pub(super) const EVENTS: &str = "text/event-stream";

/// The format of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON message.
    Message,
    /// An event stream.
    Events,
    /// Either one, as the response requires.
    Either,
}

impl Format {
    /// The `Content-Type`.
    pub fn kind(self) -> &'static str {
        if self == Self::Message { JSON } else { EVENTS }
    }
}

/// Whether a response is of a type.
pub fn is(response: &Response, kind: &str) -> bool {
    let given = response.headers().get(CONTENT_TYPE).and_then(|given| given.to_str().ok());
    given.is_some_and(|given| given.starts_with(kind))
}
