//! Answers each client in a format that it accepts.
//!
//! The protocol requires clients to accept JSON and event streams, and rmcp refuses others. Many clients send `*/*`, only
//! JSON, or nothing. They get one JSON message: the response, without the notifications before it.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::{FutureExt as _, StreamExt as _};
use mediatype::{MediaType, MediaTypeList, ReadParams as _};
use rmcp::model::{ErrorCode, ProtocolVersion, RequestId};
use serde_json::Value;
use sse_stream::SseStream;

use super::format::{EVENTS, Format, JSON, is};
use super::keepalive::{begin_in_time, events_of};
use super::rpc::{MessageId, of_message, refusal};
use crate::telemetry::display;

/// The `Accept` header of every request after this layer.
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

/// The header with the revision of a message.
const REVISION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// The method that only an event stream can answer. Clients of its revision repeat the method in a header.
const LISTEN: &str = "subscriptions/listen";

/// Middleware for messages: checks `Content-Type` and `Accept`, and answers in the format that the client accepts.
pub async fn negotiate(mut request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let id = request.extensions().get::<MessageId>().and_then(|MessageId(id)| id.clone());
    let format = match agreed(request.headers(), id.as_ref()) {
        Ok(format) => format,
        Err(refusal) => return *refusal,
    };
    let listens = request.headers().get("mcp-method").is_some_and(|method| method == LISTEN);
    if listens && format == Format::Message {
        let text = format!("{LISTEN} is answered with an event stream, so Accept must name {EVENTS}");
        return refusal(StatusCode::NOT_ACCEPTABLE, ErrorCode::INVALID_REQUEST, &text, id.as_ref());
    }
    request.headers_mut().insert(ACCEPT, BOTH);
    let answer = next.run(request).then(move |response| format.fit(response, id));
    begin_in_time(answer, format).await
}

/// The format of the response to a message with these headers, or the refusal.
pub(super) fn agreed(headers: &HeaderMap, id: Option<&RequestId>) -> Result<Format, Box<Response>> {
    let refuse =
        |status| move |text: String| Box::new(refusal(status, ErrorCode::INVALID_REQUEST, &text, id));
    check_type(headers).map_err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE))?;
    check_revision(headers).map_err(refuse(StatusCode::BAD_REQUEST))?;
    Format::accepted(headers).map_err(refuse(StatusCode::NOT_ACCEPTABLE))
}

/// Refuses a message with different revisions, because the service would take the first.
fn check_revision(headers: &HeaderMap) -> Result<(), String> {
    let mut given = headers.get_all(REVISION).iter();
    let first = given.next();
    match given.find(|other| Some(*other) != first) {
        Some(_) => {
            let given = display(&shown(headers, &REVISION), 128);
            Err(format!("the request has several MCP-Protocol-Version headers ({given}); send one"))
        }
        None => Ok(()),
    }
}

/// Refuses a message of another `Content-Type`. A web page may send other types without a preflight.
fn check_type(headers: &HeaderMap) -> Result<(), String> {
    let given = shown(headers, &CONTENT_TYPE);
    let kind = MediaType::parse(given.trim()).ok();
    match kind {
        Some(kind) if essence(&kind) == ("application".to_owned(), "json".to_owned()) => Ok(()),
        _ if given.is_empty() => Err(format!("Content-Type is missing; it must be {JSON}")),
        _ => Err(format!("Content-Type is `{}`; it must be {JSON}", display(&given, 128))),
    }
}

impl Format {
    /// The format that the `Accept` headers allow (RFC 9110, section 12.5.1). Clients that do not name event streams
    /// may not be able to read them, so they get JSON.
    fn accepted(headers: &HeaderMap) -> Result<Self, String> {
        let given = shown(headers, &ACCEPT);
        let ranges: Vec<_> = MediaTypeList::new(&given).flatten().collect();
        if given.trim().is_empty() {
            return Ok(Self::Message);
        }
        // How precise the best range is, and whether it allows the type.
        let allowed = |main: &str, sub: &str| {
            let precision = |range: &MediaType<'_>| match essence(range) {
                (a, b) if a == main && b == sub => Some(3),
                (a, b) if a == main && b == "*" => Some(2),
                (a, b) if a == "*" && b == "*" => Some(1),
                _ => None,
            };
            let fitting = ranges.iter().filter_map(|range| Some((precision(range)?, is_allowed(range))));
            fitting.max_by_key(|(precision, _)| *precision).filter(|(_, allowed)| *allowed)
        };
        match (allowed("application", "json"), allowed("text", "event-stream")) {
            (Some(_), Some((2.., _))) => Ok(Self::Either),
            (Some(_), _) => Ok(Self::Message),
            (None, Some(_)) => Ok(Self::Events),
            (None, None) => Err(format!(
                "Accept is `{}`, and responses are {JSON} or {EVENTS}: send `Accept: {JSON}, {EVENTS}`",
                display(&given, 128)
            )),
        }
    }

    /// Turns a response into one of this format.
    async fn fit(self, response: Response, id: Option<RequestId>) -> Response {
        let (is_json, is_stream) = (is(&response, JSON), is(&response, EVENTS));
        if !response.status().is_success() {
            return match response.status() {
                _ if is_json => response,
                StatusCode::UNSUPPORTED_MEDIA_TYPE => no_message(response, id).await,
                StatusCode::BAD_REQUEST => with_revisions(response, id).await,
                _ => of_message(response, id.as_ref()),
            };
        }
        match self {
            Self::Message if is_stream => message_of(response, id).await,
            Self::Events if is_json => stream_of(response),
            _ => response,
        }
    }
}

/// Main type and subtype, in lower case.
fn essence(kind: &MediaType<'_>) -> (String, String) {
    (kind.ty.as_str().to_ascii_lowercase(), kind.subty.as_str().to_ascii_lowercase())
}

/// Whether a range has no weight, or one above zero.
fn is_allowed(range: &MediaType<'_>) -> bool {
    let weight = range.params().find(|(name, _)| name.as_str().eq_ignore_ascii_case("q"));
    weight.is_none_or(|(_, value)| value.as_str().parse::<f64>().is_ok_and(|weight| weight > 0.0))
}

/// All values of a header, as one list.
fn shown(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    values.collect::<Vec<_>>().join(", ")
}

/// The refusal of a body that is not an MCP message. The service refuses it with 415, which would blame the
/// `Content-Type`.
async fn no_message(response: Response, id: Option<RequestId>) -> Response {
    let text = to_bytes(response.into_body(), 64 * 1024).await.unwrap_or_default();
    let text = format!(
        "the body is JSON, but no MCP message such as {{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \
         \"tools/list\"}}: {}",
        String::from_utf8_lossy(&text)
    );
    refusal(StatusCode::BAD_REQUEST, ErrorCode::INVALID_REQUEST, &text, id.as_ref())
}

/// A refusal in plain text. One that is about the revision gets those that the server has.
async fn with_revisions(response: Response, id: Option<RequestId>) -> Response {
    let text = to_bytes(response.into_body(), 64 * 1024).await.unwrap_or_default();
    let mut text = String::from_utf8_lossy(&text).trim().to_owned();
    if text.contains("MCP-Protocol-Version") {
        let known = ProtocolVersion::KNOWN_VERSIONS.iter().map(ProtocolVersion::as_str);
        text = format!("{text}; it must be one of {}", known.collect::<Vec<_>>().join(", "));
    }
    refusal(StatusCode::BAD_REQUEST, ErrorCode::INVALID_REQUEST, &text, id.as_ref())
}

/// The response in an event stream, without the notifications before it.
async fn message_of(response: Response, id: Option<RequestId>) -> Response {
    let mut events = SseStream::from_bytes_stream(response.into_body().into_data_stream());
    while let Some(Ok(event)) = events.next().await {
        let Some(data) = event.data else { continue };
        let is_answer = serde_json::from_str::<Value>(&data)
            .is_ok_and(|message| message.get("result").or_else(|| message.get("error")).is_some());
        if is_answer {
            return ([(CONTENT_TYPE, JSON)], data).into_response();
        }
    }
    let text =
        "the server is stopping, or the call ended without an answer; list_jobs shows what was started";
    refusal(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::INTERNAL_ERROR, text, id.as_ref())
}

/// A JSON message as an event stream.
pub(super) fn stream_of(response: Response) -> Response {
    let events = events_of(response).map(Ok::<_, std::convert::Infallible>);
    ([(CONTENT_TYPE, EVENTS)], Body::from_stream(events)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_format_follows_accept_and_is_json_if_streams_are_not_named() {
        for (values, format) in [
            (&["application/json, text/event-stream"][..], Format::Either),
            (&["text/event-stream", "application/json"], Format::Either),
            (&["TEXT/Event-Stream; q=0.5, Application/JSON;charset=utf-8"], Format::Either),
            (&["*/*, text/event-stream"], Format::Either),
            (&["text/*, application/json"], Format::Either),
            (&[], Format::Message),
            (&[""], Format::Message),
            (&["*/*"], Format::Message),
            (&["application/*"], Format::Message),
            (&["application/json"], Format::Message),
            (&["application/json, application/mcp+json"], Format::Message),
            (&["application/json, text/event-stream;q=0"], Format::Message),
            (&["text/event-stream; q=0.0, */*"], Format::Message),
            (&["text/html, image/gif, *; q=.2, */*; q=.2"], Format::Message),
            (&["text/html", "application/json;q=0.1"], Format::Message),
            (&["text/*"], Format::Events),
            (&["text/event-stream"], Format::Events),
            (&["*/*, application/json;q=0"], Format::Events),
        ] {
            assert_eq!(Format::accepted(&headers(&ACCEPT, values)), Ok(format), "{values:?}");
        }
        for value in [
            "text/html",
            "application/xml, image/*",
            "*/*;q=0",
            "application/mcp+json",
            "json",
            "application/jsonp",
        ] {
            let refusal = Format::accepted(&headers(&ACCEPT, &[value])).unwrap_err();
            assert!(refusal.contains(&format!("Accept is `{value}`")), "{refusal}");
            assert!(refusal.contains("application/json, text/event-stream"), "{refusal}");
        }
    }

    #[test]
    fn a_message_must_be_declared_as_json() {
        for kind in
            ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\""]
        {
            assert_eq!(check_type(&headers(&CONTENT_TYPE, &[kind])), Ok(()), "{kind}");
        }
        for kind in
            ["", "text/plain", "application/jsonp", "text/plain; application/json", "\"application/json\""]
        {
            let refusal = check_type(&headers(&CONTENT_TYPE, &[kind])).unwrap_err();
            assert!(refusal.starts_with("Content-Type") && refusal.contains(kind), "{refusal}");
        }
    }
}
