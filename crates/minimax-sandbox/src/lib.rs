//! A simulator of the MiniMax (Hailuo) API on a loopback port, for tests and demos.
//!
//! It answers as documented by MiniMax, rejects the requests that MiniMax rejects, and links to real media files that it
//! draws and encodes itself. Nothing leaves the machine, and nothing costs money.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use minimax_sandbox::{Act, Options, Rule, Sandbox};
//!
//! let sandbox = Sandbox::start(Options::default()).await?;
//! // The first image request is rejected with MiniMax's rate-limit code.
//! let act = Act::Refuse { code: 1002, message: None, retry_after: Some(1) };
//! sandbox.script(vec![Rule::once("/v1/image_generation", act)]);
//! // Point the client under test at `sandbox.url()`, with any API key. Then:
//! assert!(sandbox.paid().is_empty());
//! sandbox.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! # The path of a request
//!
//! `server` reads and records it, asks `engine::faults` whether to inject a fault, and passes it to its handler in
//! `endpoints`. The handler checks the body against a field table (`engine::field_rules`), makes the media (`media`), and
//! appends an entry to the journal (`engine::journal`). `engine::errors` renders errors.
//!
//! To add an endpoint, write a field table and a handler in a file of `endpoints`, and add the path to its `routes()`. A new
//! file also needs a line in `routes`.
//!
//! The crate shares no code with any client, on purpose: a field that a client misspells is not misspelt here too.
//!
//! # Words that control the outcome
//!
//! In a prompt or text, `#sensitive` is rejected, `#failtask` makes a task fail, `#partial` blocks one of several images, and
//! `#closed` is answered as for an account without music generation. For voices, `#forbidden` in a file name or text is
//! error 2038, and `#mismatch` in a transcript is 1043 or 1044. A recording named `#silence` contains no speech, and one
//! named `#long` a lot. `endpoints::chat` and `endpoints::speech::t2a_websocket` list further words.

mod endpoints;
mod engine;
mod listener;
mod media;
mod routes;
mod server;

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::task::TaskTracker;

pub use crate::engine::faults::{Act, Rule};
pub use crate::engine::pace::Pace;
pub use crate::engine::rate_limits::RateLimit;
pub use crate::engine::request_log::{Request, key_fingerprint};

use crate::engine::state::AppState;
use crate::engine::store::Store;

/// The options of a sandbox. The default suits tests: any free port, temporary state, any API key, fast tasks.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The loopback port. 0 means the port on which `dir` was last served, or any free one.
    pub port: u16,
    /// The folder for tasks, files and media. `None` uses a temporary folder that [`Sandbox::stop`] removes.
    pub dir: Option<PathBuf>,
    /// The only accepted API key. `None` accepts any key that is not empty.
    pub key: Option<String>,
    /// The speed of the sandbox.
    pub pace: Pace,
}

/// A running sandbox. Dropping it stops it too, but only [`Sandbox::stop`] waits for requests in flight.
#[derive(Debug)]
pub struct Sandbox {
    state: Arc<AppState>,
    connections: TaskTracker,
}

impl Sandbox {
    /// Starts a sandbox on 127.0.0.1, never on another address. Needs a tokio runtime.
    ///
    /// Fails if `options.port` is in use or `options.dir` cannot be written.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let store = Store::open(options.dir)?;
        let listener = listener::bind(options.port, &store).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let state = Arc::new(AppState::new(base, options.key, options.pace, store)?);
        let connections = TaskTracker::new();
        connections.spawn(listener::accept(listener, Arc::clone(&state), connections.clone()));
        Ok(Self { state, connections })
    }

    /// The base URL, such as `http://127.0.0.1:4321`, without a trailing slash.
    pub fn url(&self) -> String {
        self.state.base.clone()
    }

    /// All endpoints, in the form `GET /v1/files/list`. Variable parts of a path are in braces.
    pub fn endpoints() -> &'static [String] {
        &routes::ENDPOINTS
    }

    /// The received requests in order of arrival; at most the latest 10,000. They never contain API keys.
    pub fn requests(&self) -> Vec<Request> {
        self.state.requests.all()
    }

    /// The requests that MiniMax would have billed, in order, including those of earlier sandboxes on the same `dir`.
    pub fn paid(&self) -> Vec<Request> {
        self.state.store.paid()
    }

    /// Replaces the fault rules. An empty list removes them.
    pub fn script(&self, rules: Vec<Rule>) {
        self.state.faults.replace(rules);
    }

    /// Replaces the rate limits. An empty list removes them. Rejected requests have code 1002 or 1041 in
    /// [`Self::requests`].
    pub fn set_limits(&self, limits: Vec<RateLimit>) {
        self.state.limits.replace(limits);
    }

    /// How many text-model answers are being streamed.
    pub fn streaming(&self) -> usize {
        self.state.streaming.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Changes the pace, even for running tasks.
    pub fn set_pace(&self, pace: Pace) {
        self.state.set_pace(pace);
    }

    /// Stops listening, closes all connections, waits for requests in flight, and removes temporary state.
    pub async fn stop(self) {
        self.state.stopping.cancel();
        self.connections.close();
        self.connections.wait().await;
        self.state.work.close();
        self.state.work.wait().await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.state.stopping.cancel();
    }
}
