//! One request and its response. Only here does a response become `Ok` or `Err`, in both of MiniMax's error formats.
//!
//! What can be read of an odd answer to a paid request is used, and one that cannot be read is kept whole in the error.

use std::time::{Duration, SystemTime};

use reqwest::{RequestBuilder, Response, StatusCode, header};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ApiError;
use super::reported_cost::reported_cost;
use super::{Client, Endpoint, LONGEST_ID};
use crate::money::Money;
use crate::response::body::{Unread, read, read_lifting};
use crate::response::envelope::Envelope;
use crate::response::lifted::Lifted;
use crate::response::raw::{RawAnswer, whole_again};
use crate::response::tolerant;
use crate::telemetry;

/// What is wrong with an answer that ends in the middle, where its beginning is not enough.
pub(super) const CUT: &str = "it ends in the middle";

/// A shorter answer, such as `{}` or `null`, has nothing that could be kept.
const LEAST: usize = 8;

/// What belongs to an answer besides its fields.
pub(super) struct Beside {
    /// Sounds that were decoded as they came.
    pub(super) lifted: Lifted,
    /// The trace id, which MiniMax's support asks for.
    pub(super) trace_id: Option<String>,
    /// The answer ends in the middle.
    pub(super) is_cut: bool,
}

impl Client {
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        endpoint: &Endpoint,
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        self.send(endpoint, endpoint.path, |request| request.json(body)).await
    }

    /// Sends a request and parses its response. Only here does a response become `Ok` or `Err`.
    ///
    /// V1 endpoints report most errors as HTTP 200 with a nonzero `base_resp` code. V2, speech-to-text and the
    /// compatible chat APIs use HTTP statuses and an error envelope. Any endpoint may use either.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        endpoint: &Endpoint,
        path: &str,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<T, ApiError> {
        Ok(self.send_traced(endpoint, path, fill).await?.0)
    }

    pub(super) async fn send_traced<T: DeserializeOwned>(
        &self,
        endpoint: &Endpoint,
        path: &str,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<(T, Option<String>), ApiError> {
        let Success { body, trace_id, broken, .. } =
            self.observed(endpoint.path, self.exchange(endpoint, path, fill)).await?;
        let parsed = self.parse(endpoint.path, trace_id.clone(), &body);
        match (parsed, broken) {
            (Ok(answer), _) => Ok((answer, trace_id)),
            (Err(error), Some(lost)) => Err(lost.with_answer(error.answer().cloned().map(RawAnswer::part))),
            (Err(error), None) => Err(error),
        }
    }

    /// Parses a response, or one event of a streamed response, and reports an error in either format.
    pub(super) fn decode<T: DeserializeOwned>(
        &self,
        path: &'static str,
        status: StatusCode,
        trace: Option<String>,
        retry_after: Option<Duration>,
        body: &[u8],
    ) -> Result<T, ApiError> {
        let trace_id = self.judge(path, status, trace, retry_after, body)?;
        self.parse(path, trace_id, body)
    }

    pub(super) fn parse<T: DeserializeOwned>(
        &self,
        path: &'static str,
        trace_id: Option<String>,
        body: &[u8],
    ) -> Result<T, ApiError> {
        whole(body).map_err(|error| {
            let (why, answer) = (self.unparsed(body, &error), self.kept(body.to_vec()));
            ApiError::Shape { at: self.at(path), why, trace_id, answer }
        })
    }

    /// Why a body is not the JSON that was expected.
    pub(super) fn unparsed(&self, body: &[u8], error: &serde_json::Error) -> String {
        // The parse error quotes the response, which may be long.
        let problem: String = self.clean(&error.to_string()).chars().take(300).collect();
        self.not_json(body, &problem)
    }

    /// Sends a request and returns the body if the response is not an error.
    pub(super) async fn exchange(
        &self,
        endpoint: &Endpoint,
        path: &str,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Success, ApiError> {
        let key = self.keys.current().ok_or(ApiError::NoKey)?;
        let request = self
            .http()?
            .request(endpoint.method.clone(), format!("{}{path}", self.host))
            .timeout(endpoint.timeout)
            .header(header::ACCEPT, "application/json")
            .bearer_auth(key.expose_secret());
        let lost = |error: reqwest::Error| self.lost(endpoint.path, error);
        let response = fill(request).send().await.map_err(lost)?;
        let (status, trace, retry_after) =
            (response.status(), header_text(&response, "trace-id"), retry_after(&response));
        if let Some(to) = header_text(&response, "location").filter(|_| status.is_redirection()) {
            let (at, status, message) = (self.at(endpoint.path), status.as_u16(), self.clean(&to));
            return Err(ApiError::Refused { at, status, code: None, message, trace_id: trace, retry_after });
        }
        let cost = reported_cost(response.headers());
        let arrived = if endpoint.has_audio {
            read_lifting(response, endpoint.longest).await
        } else {
            read(response, endpoint.longest).await.map(|body| (body, Lifted::default()))
        };
        let (body, lifted, broken) = match arrived {
            Ok((body, lifted)) => (body, lifted, None),
            // What arrived may be enough.
            Err(Unread::Broken(error, body, lifted)) if status.is_success() && !body.is_empty() => {
                (body, lifted, Some(lost(error)))
            }
            Err(Unread::Broken(error, ..)) => return Err(lost(error)),
            Err(Unread::Endless(body)) => {
                return Err(ApiError::Shape {
                    at: self.at(endpoint.path),
                    why: format!("the answer is larger than {} bytes", endpoint.longest),
                    trace_id: trace,
                    answer: self.kept(body).filter(|_| status.is_success()).map(RawAnswer::part),
                });
            }
        };
        let trace_id = self.judge(endpoint.path, status, trace, retry_after, &body)?;
        Ok(Success { body, lifted, trace_id, cost, broken })
    }

    /// Fails if the response is an error in either format. Otherwise returns the trace id, which MiniMax's support
    /// asks for.
    pub(super) fn judge(
        &self,
        path: &'static str,
        status: StatusCode,
        trace: Option<String>,
        retry_after: Option<Duration>,
        body: &[u8],
    ) -> Result<Option<String>, ApiError> {
        let cut = || tolerant::closed(body).and_then(|closed| whole(&closed).ok());
        let envelope: Envelope = whole(body).ok().or_else(cut).unwrap_or_default();
        let bare = envelope.bare();
        let (refusal, trace_id) = envelope.read(trace);
        let trace_id = trace_id.map(|trace| self.clean(&trace).chars().take(LONGEST_ID).collect());
        if refusal.is_none() && status.is_success() {
            return Ok(trace_id);
        }
        let (code, message) = refusal.or(bare).unwrap_or_else(|| (None, self.describe_body(body)));
        let (status, message) = (status.as_u16(), self.clean(&message));
        Err(ApiError::Refused { at: self.at(path), status, code, message, trace_id, retry_after })
    }

    /// Makes a text from MiniMax safe to show: one line without the key, control characters or excess length.
    pub(super) fn clean(&self, text: &str) -> String {
        telemetry::display(&self.keys.hidden_in(text), 2000)
    }

    /// Sends a paid request that brings a job's result or its task. `read` returns what is wrong with the answer if it has
    /// nothing of what was bought.
    pub(super) async fn buy<T: DeserializeOwned, R>(
        &self,
        endpoint: &Endpoint,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
        read: impl FnOnce(T, &mut Beside) -> Result<R, String>,
    ) -> Result<R, ApiError> {
        let exchange = self.exchange(endpoint, endpoint.path, fill);
        let success = self.observed(endpoint.path, exchange).await?;
        self.bought(endpoint.path, success, read)
    }

    /// Reads the answer to a paid request.
    pub(super) fn bought<T: DeserializeOwned, R>(
        &self,
        path: &'static str,
        success: Success,
        read: impl FnOnce(T, &mut Beside) -> Result<R, String>,
    ) -> Result<R, ApiError> {
        let Success { body, lifted, trace_id, broken, .. } = success;
        let mut beside = Beside { lifted, trace_id: trace_id.clone(), is_cut: broken.is_some() };
        let parsed = whole(&body).or_else(|error| {
            let closed = tolerant::closed(&body).and_then(|closed| whole(&closed).ok());
            beside.is_cut |= closed.is_some();
            closed.ok_or(error)
        });
        let why = match parsed {
            Ok(answer) => match read(answer, &mut beside) {
                Ok(result) => return Ok(result),
                Err(why) => why,
            },
            Err(error) => self.unparsed(&body, &error),
        };
        let answer = self.kept(whole_again(body, &beside.lifted));
        Err(match broken {
            Some(lost) => lost.with_answer(answer.map(RawAnswer::part)),
            None => ApiError::Shape { at: self.at(path), why, trace_id, answer },
        })
    }

    /// Keeps an answer. `None` if it is too short to have anything.
    pub(super) fn kept(&self, body: Vec<u8>) -> Option<RawAnswer> {
        if body.trim_ascii().len() < LEAST {
            return None;
        }
        // An answer may be large, and is copied only if it has a key.
        let text = String::from_utf8_lossy(&body);
        let hidden = self.keys.are_in(&text).then(|| self.keys.hidden_in(&text).into_bytes());
        Some(RawAnswer::new(hidden.unwrap_or(body)))
    }
}

/// A response that is not an error.
pub(super) struct Success {
    pub(super) body: Vec<u8>,
    /// The audio that marks in the body stand for.
    pub(super) lifted: Lifted,
    pub(super) trace_id: Option<String>,
    /// The cost that a gateway reports, in US dollars.
    pub(super) cost: Option<Money>,
    /// The connection broke before the end of the body.
    pub(super) broken: Option<ApiError>,
}

/// Parses the first JSON value of a body. Ignores a byte order mark before it and anything after it.
pub(super) fn whole<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let first = |body: &[u8]| {
        let mut values = serde_json::Deserializer::from_slice(body).into_iter();
        values.next().unwrap_or_else(|| serde_json::from_slice(b""))
    };
    match first(body) {
        Err(error) if error.is_syntax() => first(&tolerant::readable(body)).map_err(|_| error),
        read => read,
    }
}

pub(super) fn header_text(response: &Response, name: &str) -> Option<String> {
    Some(response.headers().get(name)?.to_str().ok()?.to_owned())
}

/// Parses `Retry-After`, in seconds or as a date. Anything else, or a date in the past, is `None`.
pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    let value = header_text(response, "retry-after")?;
    match value.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(value.trim()).ok()?.duration_since(SystemTime::now()).ok(),
    }
}

#[cfg(test)]
mod tests;
