//! The HTTP client for MiniMax: one method for each endpoint. `Client::send` is the one place that recognizes both
//! of MiniMax's error formats.
//!
//! A method returns only what a caller can act on. Wire types stay inside the method that parses them.

pub mod account;
pub mod chat;
pub mod embed;
#[cfg(any(fuzzing, feature = "entry-points"))]
pub mod entry_points;
mod error;
pub mod file;
mod gateway;
pub mod image;
mod key;
mod models;
pub mod music;
mod observed;
mod page;
pub mod probe;
mod purchase;
pub mod queued;
mod reported_cost;
pub mod retry;
pub mod search;
pub mod speech;
pub mod speech_long;
pub mod speech_socket;
pub mod speech_stream;
mod target;
pub mod task;
pub mod template;
pub mod transcription;
mod transport;
pub mod video;
pub mod video_extras;
pub mod video_v2;
pub mod vision;
pub mod voice;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::{Accepted, ApiError, Blame};
pub use key::KeyFile;
use key::Keys;
use reported_cost::reported_cost;
use retry::READ_LIMIT;
pub use target::Target;

use crate::facts::Class;
use crate::money::Money;
use crate::rate_limit::{RateLimiter, RateLimits, group};
use crate::response::body::{Unread, read, read_lifting};
use crate::response::envelope::{Envelope, trailing_code};
use crate::response::lifted::Lifted;
pub use crate::response::raw::RawAnswer;
use crate::response::tolerant::{self, lenient, or_default};
use crate::telemetry::{self, Metrics};

/// What the client needs to know about an endpoint.
#[derive(Debug)]
pub struct Endpoint {
    method: Method,
    path: &'static str,
    /// How long an answer may take, first byte to last (client rules, transport).
    timeout: Duration,
    /// The largest response body in bytes. It is far above any real response, and keeps an endless one out of memory.
    longest: usize,
    /// The rate-limit group of the requests that the client itself queues.
    group: &'static str,
    /// Whether a response may contain long audio in hex.
    has_audio: bool,
}

/// The longest id that is accepted from MiniMax, in characters.
const LONGEST_ID: usize = 256;

/// The largest response of an endpoint that returns links and texts, in bytes.
const USUAL: usize = 2 * 1024 * 1024;

impl Endpoint {
    const fn get(path: &'static str) -> Self {
        Self {
            method: Method::GET,
            path,
            timeout: READ_LIMIT,
            longest: USUAL,
            group: group::READS,
            has_audio: false,
        }
    }

    const fn delete(path: &'static str) -> Self {
        Self {
            method: Method::DELETE,
            path,
            timeout: READ_LIMIT,
            longest: USUAL,
            group: group::READS,
            has_audio: false,
        }
    }

    const fn post(path: &'static str, seconds: u64) -> Self {
        Self {
            method: Method::POST,
            path,
            timeout: Duration::from_secs(seconds),
            longest: USUAL,
            group: group::OTHER,
            has_audio: false,
        }
    }

    /// A POST that costs nothing. Its caller waits for it, so it has the timeout of a read.
    const fn free_post(path: &'static str) -> Self {
        Self::post(path, READ_LIMIT.as_secs())
    }

    /// Puts an endpoint that polls a task into its own rate-limit group.
    const fn polled_in(mut self, group: &'static str) -> Self {
        self.group = group;
        self
    }

    /// Raises the size limit of an endpoint whose response may contain the media itself.
    const fn with_media(mut self, longest: usize) -> Self {
        self.longest = longest;
        self
    }

    /// Raises the size limit of an endpoint whose response may contain audio in hex, which is decoded on arrival.
    const fn with_audio(mut self, longest: usize) -> Self {
        self.has_audio = true;
        self.with_media(longest)
    }
}

/// A client for one host and one key. It opens no connection before the first request.
#[derive(Debug)]
pub struct Client {
    host: String,
    /// The host as errors name it.
    site: Arc<target::Host>,
    /// Whether a gateway has MiniMax's own paths for the Anthropic protocol, once that is known.
    own_paths: Arc<Mutex<Option<bool>>>,
    keys: Arc<Keys>,
    http: OnceLock<reqwest::Client>,
    rate_limiter: Arc<RateLimiter>,
    metrics: Arc<Metrics>,
}

impl Client {
    /// `host` is scheme, host and port, as in `https://api.minimax.io`.
    pub fn new(host: impl Into<String>, key: Option<SecretString>) -> Self {
        Self::with_limits(host, key, RateLimits::default())
    }

    /// Like [`Self::new`], with other rate limits.
    pub fn with_limits(host: impl Into<String>, key: Option<SecretString>, limits: RateLimits) -> Self {
        // reqwest is built without a TLS provider. A second installation fails, which is harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let host = host.into();
        Self {
            site: target::Host::of(&host),
            own_paths: Arc::default(),
            host,
            keys: Keys::new(key, None).into(),
            http: OnceLock::new(),
            rate_limiter: RateLimiter::new(limits),
            metrics: Arc::default(),
        }
    }

    /// A client for the same host with another key. It has its own queues and shares the metrics.
    #[must_use]
    pub fn beside(&self, key: Option<SecretString>, limits: RateLimits) -> Self {
        Self {
            metrics: Arc::clone(&self.metrics),
            site: Arc::clone(&self.site),
            own_paths: Arc::clone(&self.own_paths),
            ..Self::with_limits(self.host.clone(), key, limits)
        }
    }

    /// The same client for a host that is not MiniMax's own and has the same paths, such as the sandbox.
    #[must_use]
    pub fn with_own_paths(self) -> Self {
        Self { site: self.site.with_own_paths(), ..self }
    }

    /// The same client with a key file that is read again when MiniMax refuses the key.
    #[must_use]
    pub fn with_key_file(self, file: Option<KeyFile>) -> Self {
        let keys = Keys::new(self.keys.current(), file);
        Self { keys: keys.into(), ..self }
    }

    /// How many keys the client has had. Read before a request, it tells [`Self::has_newer_key`] which one was used.
    pub fn key_count(&self) -> usize {
        self.keys.count()
    }

    /// Whether MiniMax refused the key of a request, and the client has a newer key now. Reads the key file again.
    pub async fn has_newer_key(&self, used: usize, error: &ApiError) -> bool {
        if !matches!(error, ApiError::Refused { .. }) || error.class() != Class::Auth {
            return false;
        }
        // Another request may have found the new key in the meantime.
        if self.keys.count() == used {
            self.keys.read_again().await;
        }
        self.keys.count() > used
    }

    /// An endpoint of this host.
    fn at(&self, path: &'static str) -> Target {
        Target::new(path, &self.site)
    }

    /// Whether the host is on this machine, where a proxy cannot reach it.
    fn is_local(&self) -> bool {
        let name = self.host.split_once("://").map_or("", |(_, name)| name);
        ["127.", "[::1]", "localhost"].iter().any(|home| name.starts_with(home))
    }

    /// Whether the client has a key.
    pub fn has_key(&self) -> bool {
        self.keys.current().is_some()
    }

    fn http(&self) -> Result<&reqwest::Client, ApiError> {
        if let Some(client) = self.http.get() {
            return Ok(client);
        }
        let built = self.build(false)?;
        Ok(self.http.get_or_init(|| built))
    }

    /// Builds the HTTP client. `http1` is for WebSockets, which need the HTTP/1 upgrade.
    fn build(&self, http1: bool) -> Result<reqwest::Client, ApiError> {
        let built = reqwest::Client::builder()
            .user_agent(concat!("minimax-mcp/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .tcp_nodelay(true)
            // The server may close a long-idle connection just as a request is sent on it. The request's outcome
            // would then be unknown.
            .pool_idle_timeout(Duration::from_secs(20))
            // A redirect could send the key to another host, and a paid POST must not be sent twice.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never());
        #[cfg(feature = "crash-points")]
        let built = built.user_agent(crate::crash::user_agent());
        // The user's proxy cannot reach ports on this machine.
        let built = if self.is_local() { built.no_proxy() } else { built };
        let built = if http1 { built.http1_only() } else { built };
        built.build().map_err(|error| ApiError::Unsent {
            at: self.at(""),
            why: format!("The HTTP client cannot be built: {error}"),
        })
    }

    async fn post<T: DeserializeOwned>(
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
    async fn send<T: DeserializeOwned>(
        &self,
        endpoint: &Endpoint,
        path: &str,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<T, ApiError> {
        Ok(self.send_traced(endpoint, path, fill).await?.0)
    }

    async fn send_traced<T: DeserializeOwned>(
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
    fn decode<T: DeserializeOwned>(
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

    fn parse<T: DeserializeOwned>(
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
    fn unparsed(&self, body: &[u8], error: &serde_json::Error) -> String {
        // The parse error quotes the response, which may be long.
        let problem: String = self.clean(&error.to_string()).chars().take(300).collect();
        self.not_json(body, &problem)
    }

    /// Sends a request and returns the body if the response is not an error.
    async fn exchange(
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
    fn judge(
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
    fn clean(&self, text: &str) -> String {
        telemetry::display(&self.keys.hidden_in(text), 2000)
    }
}

/// A response that is not an error.
struct Success {
    body: Vec<u8>,
    /// The audio that marks in the body stand for.
    lifted: Lifted,
    trace_id: Option<String>,
    /// The cost that a gateway reports, in US dollars.
    cost: Option<Money>,
    /// The connection broke before the end of the body.
    broken: Option<ApiError>,
}

/// Parses the first JSON value of a body. Ignores a byte order mark before it and anything after it.
fn whole<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
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

fn header_text(response: &Response, name: &str) -> Option<String> {
    Some(response.headers().get(name)?.to_str().ok()?.to_owned())
}

/// Parses `Retry-After`, in seconds or as a date. Anything else, or a date in the past, is `None`.
fn retry_after(response: &Response) -> Option<Duration> {
    let value = header_text(response, "retry-after")?;
    match value.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(value.trim()).ok()?.duration_since(SystemTime::now()).ok(),
    }
}
