//! The HTTP client for MiniMax: one method for each endpoint. This file has the client itself; `exchange` sends a request and
//! judges its response.
//!
//! A method returns only what a caller can act on. Wire types stay inside the method that parses them.

// Modules: `just modules` writes these lines.
pub mod account;
pub mod chat;
pub mod embed;
#[cfg(any(fuzzing, feature = "entry-points"))]
pub mod entry_points;
mod error;
mod exchange;
pub mod file;
mod gateway;
pub mod image;
mod key;
mod models;
pub mod music;
mod observed;
mod page;
pub mod probe;
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
// End of the modules.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use reqwest::Method;
use secrecy::SecretString;

pub use error::{Accepted, ApiError, Blame};
pub use key::KeyFile;
use key::Keys;
use retry::READ_LIMIT;
pub use target::Target;

use crate::facts::Class;
use crate::rate_limit::{RateLimiter, RateLimits, group};
use crate::response::body::{Unread, read};
use crate::response::envelope::{Envelope, trailing_code};
pub use crate::response::raw::RawAnswer;
use crate::response::tolerant::{lenient, or_default};
use crate::telemetry::Metrics;

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
}
