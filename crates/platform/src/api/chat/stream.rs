//! Streams an answer: turns events into deltas, and assembles the answer so far.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use reqwest::header;
use secrecy::ExposeSecret;
use serde_json::Value;
use sse_stream::{Error, SseStream};
use tokio::time::timeout;

use super::turn::{Ask, Delta, Protocol, Reply, text};
use super::{anthropic, openai, responses, think};
use crate::api::exchange::{header_text, retry_after};
use crate::api::reported_cost::reported_cost;
use crate::api::{ApiError, Client, Envelope, RawAnswer};
use crate::facts::facts;
use crate::money::Money;
use crate::response::body::Unread;
use crate::response::sse::{self, Pieces};

/// The largest streamed answer in bytes, far above any real one.
const MAX_ANSWER: usize = 96 * 1024 * 1024;

/// The longest wait for MiniMax to start answering.
const FIRST: Duration = Duration::from_secs(300);

/// The longest silence within an answer (client rules > transport).
const IDLE: Duration = Duration::from_secs(120);

/// The longest wait for the usage after the last text.
const REST: Duration = Duration::from_secs(10);

/// How many bytes are kept to recognize an error that is not an event.
const HEAD: usize = 2048;

/// A streamed answer. Dropping it closes the request to MiniMax.
pub struct ChatStream<'a> {
    client: &'a Client,
    protocol: Protocol,
    /// The path that was asked.
    path: &'static str,
    /// The cost that a gateway gave in a header.
    cost: Option<Money>,
    events: BoxStream<'a, Result<String, Error>>,
    /// The first bytes, in case they are not events.
    head: Arc<Mutex<Vec<u8>>>,
    /// Whether the body has ended.
    at_end: Arc<AtomicBool>,
    reader: Reader,
    trace: Option<String>,
    /// Whether the stream has ended.
    ended: bool,
}

impl std::fmt::Debug for ChatStream<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatStream").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum Reader {
    OpenAi(Box<openai::Reader>),
    Anthropic(anthropic::Reader),
    Responses(responses::Reader),
}

impl Reader {
    fn new(protocol: Protocol) -> Self {
        match protocol {
            Protocol::OpenAi | Protocol::Native => Self::OpenAi(Box::default()),
            Protocol::Anthropic => Self::Anthropic(anthropic::Reader::default()),
            Protocol::Responses => Self::Responses(responses::Reader::default()),
        }
    }

    fn take(&mut self, event: &Value) -> Vec<Delta> {
        match self {
            Self::OpenAi(reader) => reader.take(event),
            Self::Anthropic(reader) => reader.take(event),
            Self::Responses(reader) => reader.take(event),
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Self::OpenAi(reader) => reader.is_over(),
            Self::Anthropic(reader) => reader.is_over(),
            Self::Responses(reader) => reader.is_over(),
        }
    }
}

impl Client {
    /// Sends a request to a text model. When this returns `Ok`, MiniMax has accepted the request.
    pub async fn chat(&self, ask: &Ask) -> Result<ChatStream<'_>, ApiError> {
        let (own, other) = (ask.protocol.path(), ask.protocol.gateway_path());
        self.at_either(own, other, |path| self.observed(path, self.open_chat(path, ask))).await
    }

    async fn open_chat(&self, path: &'static str, ask: &Ask) -> Result<ChatStream<'_>, ApiError> {
        let key = self.keys.current().ok_or(ApiError::NoKey)?;
        let request = self
            .http()?
            .post(format!("{}{path}", self.host))
            .header(header::ACCEPT, "text/event-stream")
            .bearer_auth(key.expose_secret())
            .header(header::CONTENT_TYPE, "application/json")
            // Images make the body large. Send a string, so that the JSON value is dropped before the request.
            .body(ask.body().to_string());
        let silent = |_| ApiError::Lost {
            at: self.at(path),
            why: format!("nothing arrived for {} s", FIRST.as_secs()),
            answer: None,
        };
        let response = timeout(FIRST, request.send()).await.map_err(silent)?;
        let response = response.map_err(|error| self.lost(path, error))?;
        self.answering(ask.protocol, path, response).await
    }

    /// Reads a response, streamed or not.
    pub(in crate::api) async fn answering(
        &self,
        protocol: Protocol,
        path: &'static str,
        response: reqwest::Response,
    ) -> Result<ChatStream<'_>, ApiError> {
        let cost = reported_cost(response.headers());
        let trace = header_text(&response, "trace-id");
        let kind = header_text(&response, header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let mut stream = ChatStream {
            client: self,
            protocol,
            path,
            cost,
            events: futures_util::stream::empty().boxed(),
            head: Arc::default(),
            at_end: Arc::default(),
            reader: Reader::new(protocol),
            trace,
            ended: false,
        };
        let (status, wait) = (response.status(), retry_after(&response));
        let lost = |why: &str| ApiError::Lost { at: self.at(path), why: why.to_owned(), answer: None };
        let silent = format!("nothing arrived for {} s", IDLE.as_secs());
        let (first, pieces) = timeout(IDLE, sse::begun(response)).await.map_err(|_| lost(&silent))?;
        if status.is_success() && sse::is_events(first, &kind) {
            stream.events = events(pieces, Arc::clone(&stream.head), Arc::clone(&stream.at_end));
            return Ok(stream);
        }
        // This is an error, or the response of a proxy that does not stream.
        let body = timeout(IDLE, sse::collected(pieces, MAX_ANSWER))
            .await
            .map_err(|_| lost("the answer stopped in the middle"))?;
        let kept = |body: Vec<u8>| self.kept(body).filter(|_| status.is_success());
        let body = match body {
            Ok(body) => body,
            // The connection may have broken after the last byte.
            Err(Unread::Broken(_, body, _)) if crate::api::exchange::whole::<Value>(&body).is_ok() => body,
            Err(Unread::Broken(_, body, _) | Unread::Endless(body)) => {
                return Err(lost("the answer broke off").with_answer(kept(body).map(RawAnswer::part)));
            }
        };
        let answer: Value = self.decode(path, status, stream.trace.clone(), wait, &body)?;
        stream.reader.take(&answer);
        stream.ended = true;
        if stream.reader.is_over() {
            Ok(stream)
        } else {
            Err(stream.shape("it is not the answer of a text model").with_answer(kept(body)))
        }
    }
}

/// The data of each event. Fails when the body exceeds [`MAX_ANSWER`].
fn events<'a>(
    pieces: Pieces,
    head: Arc<Mutex<Vec<u8>>>,
    at_end: Arc<AtomicBool>,
) -> BoxStream<'a, Result<String, Error>> {
    let mut total = 0_usize;
    let bytes = pieces.map_err(std::io::Error::other).map(move |piece| {
        let piece: Bytes = piece?;
        total = total.saturating_add(piece.len());
        if total > MAX_ANSWER {
            return Err(std::io::Error::other(format!("it is larger than {MAX_ANSWER} bytes")));
        }
        let mut head = head.lock().unwrap_or_else(PoisonError::into_inner);
        let room = HEAD.saturating_sub(head.len()).min(piece.len());
        head.extend_from_slice(piece.get(..room).unwrap_or_default());
        Ok(piece)
    });
    let lines = sse::lines(bytes, at_end);
    SseStream::from_bytes_stream(lines).try_filter_map(|event| std::future::ready(Ok(event.data))).boxed()
}

impl ChatStream<'_> {
    /// The next deltas; `None` when the answer is complete. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<Vec<Delta>>, ApiError> {
        if self.ended {
            return Ok(None);
        }
        let over = self.reader.is_over();
        let patience = if over { REST } else { IDLE };
        let next = timeout(patience, self.events.next()).await;
        let data = match next {
            // Some gateways keep the connection alive with events that have no data.
            Ok(Some(Ok(data))) if data.trim().is_empty() && !over => return Ok(Some(Vec::new())),
            Ok(Some(Ok(data))) if !matches!(data.trim(), "" | "[DONE]") => data,
            // The answer is complete; only the usage is missing.
            _ if over => {
                self.ended = true;
                return Ok(None);
            }
            Ok(Some(Ok(_))) => return Err(self.lost("it ended without a reason")),
            Ok(None) => return Err(self.broken("the stream ended in the middle")),
            Ok(Some(Err(Error::Body(error)))) => return Err(self.lost(&error.to_string())),
            Ok(Some(Err(error))) => return Err(self.broken(&error.to_string())),
            Err(_) => return Err(self.lost(&format!("nothing arrived for {} s", IDLE.as_secs()))),
        };
        let Ok(event) = crate::api::exchange::whole::<Value>(data.as_bytes()) else {
            if self.at_end.load(Ordering::Relaxed) {
                return Err(self.broken("the stream ended in the middle of an event"));
            }
            let why = format!("an event is not JSON: {data}");
            return Err(self.shape(&why).with_answer(self.client.kept(data.into_bytes())));
        };
        if let Some(refused) = self.refusal(&event) {
            return Err(refused);
        }
        let deltas = self.reader.take(&event);
        if let Reader::Responses(reader) = &self.reader
            && let Some((code, message)) = reader.failure()
        {
            return Err(self.refused(&code, &message));
        }
        Ok(Some(deltas))
    }

    /// The answer so far.
    pub fn reply(self) -> Reply {
        let mut reply = match self.reader {
            Reader::OpenAi(reader) => reader.reply(),
            Reader::Anthropic(reader) => reader.reply(),
            Reader::Responses(reader) => reader.reply(),
        };
        // A request has input, and an answer has output: a count of zero was not counted, which is not free.
        let is_empty = reply.text.is_empty() && reply.reasoning.is_empty() && reply.tool_calls.is_empty();
        reply.usage = reply.usage.filter(|usage| usage.input > 0 && (usage.output > 0 || is_empty));
        reply.id = self.trace.or(reply.id);
        reply.cost = self.cost.or(reply.cost);
        if let Some(note) = think::unparsed_call(&reply) {
            reply.warnings.push(note);
        }
        if reply.text.is_empty()
            && reply.tool_calls.is_empty()
            && reply.finish_reason.as_deref() == Some("length")
        {
            reply.warnings.push("max_tokens was used up by reasoning, so there is no answer".to_owned());
        }
        reply
    }

    /// The error in an event, which follows a status of 200.
    fn refusal(&self, event: &Value) -> Option<ApiError> {
        let envelope: Envelope = serde_json::from_value(event.clone()).unwrap_or_default();
        let (refusal, trace_id) = envelope.read(self.trace.clone());
        if let Some((code, message)) = refusal {
            let error = &event["error"];
            let status =
                text(error, "http_code").parse().ok().or_else(|| facts().status_of(text(error, "type")));
            return Some(ApiError::Refused {
                at: self.client.at(self.path),
                status: status.unwrap_or(200),
                code,
                message: self.client.clean(&message),
                trace_id,
                retry_after: None,
            });
        }
        let flat = text(event, "type") == "error";
        flat.then(|| self.refused(text(event, "code"), text(event, "message")))
    }

    /// A failure that the Responses protocol reported.
    fn refused(&self, word: &str, message: &str) -> ApiError {
        let (message, code) = crate::api::trailing_code(message);
        ApiError::Refused {
            at: self.client.at(self.path),
            status: facts().status_of(word).unwrap_or(500),
            code: code.or_else(|| word.parse().ok()),
            message: self.client.clean(message),
            trace_id: self.trace.clone(),
            retry_after: None,
        }
    }

    /// The error for a stream that cannot be parsed, which may be an error response in plain JSON.
    fn broken(&self, why: &str) -> ApiError {
        let head = self.head.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let refusal = crate::api::exchange::whole::<Value>(&head).ok().and_then(|event| self.refusal(&event));
        refusal.unwrap_or_else(|| self.lost(why).with_answer(self.client.kept(head).map(RawAnswer::part)))
    }

    fn lost(&self, why: &str) -> ApiError {
        ApiError::Lost { at: self.client.at(self.path), why: self.client.clean(why), answer: None }
    }

    fn shape(&self, why: &str) -> ApiError {
        let why = self.client.clean(why);
        ApiError::Shape { at: self.client.at(self.path), why, trace_id: self.trace.clone(), answer: None }
    }
}

#[cfg(test)]
mod tests;
