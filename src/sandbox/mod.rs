//! A MiniMax to talk to when there is none: the API on a loopback port, for demos and tests.
//!
//! It answers what the documentation says MiniMax answers, refuses what MiniMax refuses, and hands out links
//! to real media files that it draws, hums and films itself. Nothing leaves the machine and nothing is paid
//! for.
//!
//! It uses nothing of the rest of this crate, on purpose: a field that the client misspells is not misspelt
//! here too.
//!
//! How a request travels: `front` reads and records it, asks `fault` whether something should go wrong, and
//! passes it to the routes of one capability (`image`, `speech`, `voice`, …). A
//! capability checks the body against its field table (`check`), makes the media (`media`), and writes one
//! line into the journal (`store`). `answer` words every refusal.
//!
//! To add an endpoint: write a field table and a handler in the file of its capability, and name the path in
//! its `routes()` and in `front::PATHS`. A new capability adds its `routes()` in `front::router`.
//!
//! Words in a prompt or text decide what comes of it: `#sensitive` is refused, `#failtask` makes a task fail,
//! `#partial` blocks one of several pictures, and `#closed` is answered as if the account had no music. In the
//! name of a recording or the text of a voice `#forbidden` is 2038; `#mismatch` in the text that a recording
//! should have is 1043 or 1044; a recording called `#silence` says nothing, and one called `#long` very much.
//! Those that text models understand are listed in `chat`.

mod account;
mod answer;
mod base_video;
mod call;
mod chat;
mod check;
mod content;
mod control;
mod cover;
mod embed;
mod fault;
mod file;
mod front;
mod image;
mod input;
mod limit;
mod link;
mod listen;
mod media;
mod models;
mod music;
mod platform;
mod record;
mod search;
mod socket;
mod speech;
mod speech_long;
mod spoil;
mod store;
mod task;
mod template;
mod transcription;
mod video;
mod video_extras;
mod video_v2;
mod vision;
mod voice;

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio_util::task::TaskTracker;

pub use self::fault::{Act, Rule};
pub use self::limit::Ceiling;
pub use self::record::{Request, key_print};

use self::platform::Platform;

/// How a sandbox is set up. `Options::default()` suits a test: any free port, state that vanishes, any key, a
/// quick pace.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The loopback port; 0 for the port that `dir` was served on before, or else any free one.
    pub port: u16,
    /// Where tasks, files and media are kept. `None` keeps them in a temporary folder that [`Sandbox::stop`]
    /// removes.
    pub dir: Option<PathBuf>,
    /// The one key that is good. `None` takes any key that is not empty.
    pub key: Option<String>,
    /// How fast things happen.
    pub pace: Pace,
}

/// How fast a sandbox works. A field that is left out in JSON has its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pace {
    /// How many status queries answer "not yet" before a task is done.
    pub polls: u32,
    /// How many seconds after its submit a task can be done at the earliest.
    pub seconds: f64,
    /// How many milliseconds every POST waits before it is answered.
    pub delay_ms: u64,
    /// How many seconds every link lives, in place of the documented 1, 9 or 24 hours.
    pub link_seconds: Option<u64>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { polls: 3, seconds: 1.5, delay_ms: 0, link_seconds: None }
    }
}

/// A running sandbox. Dropping it ends it too, but only [`Sandbox::stop`] waits for what is under way.
#[derive(Debug)]
pub struct Sandbox {
    platform: Arc<Platform>,
    connections: TaskTracker,
}

impl Sandbox {
    /// Starts a sandbox on 127.0.0.1 (never on another address). Needs a tokio runtime.
    ///
    /// Fails when `options.port` is taken, or when `options.dir` cannot be written.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let store = store::Store::open(options.dir)?;
        let listener = listen::bind(options.port, &store).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let platform = Arc::new(Platform::new(base, options.key, options.pace, store)?);
        let connections = TaskTracker::new();
        connections.spawn(listen::accept(listener, Arc::clone(&platform), connections.clone()));
        Ok(Self { platform, connections })
    }

    /// The base URL, like `http://127.0.0.1:4321`, without a slash at its end.
    pub fn url(&self) -> String {
        self.platform.base.clone()
    }

    /// Every endpoint that there is, as `GET /v1/files/list`; what varies in a path stands in braces.
    pub fn endpoints() -> &'static [&'static str] {
        front::PATHS
    }

    /// What was received so far, in the order of arrival; the latest 10,000. Keys are never part of it.
    pub fn requests(&self) -> Vec<Request> {
        self.platform.record.all()
    }

    /// What was accepted and would have been billed, in order, also by earlier sandboxes on the same `dir`.
    pub fn paid(&self) -> Vec<Request> {
        self.platform.store.paid()
    }

    /// Replaces the faults to come; an empty list ends them. See [`Rule`].
    pub fn script(&self, rules: Vec<Rule>) {
        self.platform.faults.replace(rules);
    }

    /// Replaces the rate limits; an empty list ends them. What they refuse has the code 1002 or 1041 in
    /// [`Self::requests`].
    pub fn set_limits(&self, ceilings: Vec<Ceiling>) {
        self.platform.limits.replace(ceilings);
    }

    /// How many answers of text models are being streamed now.
    pub fn streaming(&self) -> usize {
        self.platform.streaming.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Changes the pace from now on, for tasks under way too.
    pub fn set_pace(&self, pace: Pace) {
        self.platform.set_pace(pace);
    }

    /// Stops listening, ends every connection, and waits for work that was accepted. Temporary state is
    /// removed.
    pub async fn stop(self) {
        self.platform.stopping.cancel();
        self.connections.close();
        self.connections.wait().await;
        self.platform.work.close();
        self.platform.work.wait().await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.platform.stopping.cancel();
    }
}
