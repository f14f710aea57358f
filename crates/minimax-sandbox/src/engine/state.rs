//! The state of a running sandbox, shared by all endpoints.

use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use axum::body::Bytes;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::engine::clock::{now, now_ms};
use crate::engine::errors::ApiError;
use crate::engine::faults::Faults;
use crate::engine::journal::Entry;
use crate::engine::lock::lock;
use crate::engine::pace::Pace;
use crate::engine::rate_limits::RateLimits;
use crate::engine::request_log::RequestLog;
use crate::engine::signed_links::LinkSigner;
use crate::engine::store::Store;
use crate::engine::tasks::{Kind, Polls, Stage, Task};

/// The state of a running sandbox. `store` and `links` are on disk, the rest is in memory.
#[derive(Debug)]
pub(crate) struct AppState {
    /// The base URL, without a trailing slash.
    pub base: String,
    /// The only accepted API key. `None` accepts any key.
    pub key: Option<String>,
    pub store: Store,
    pub links: LinkSigner,
    pub requests: RequestLog,
    pub faults: Faults,
    pub limits: RateLimits,
    pub polls: Polls,
    /// The most recently drawn videos, keyed by their inputs.
    pub video_cache: Mutex<VecDeque<(String, Bytes)>>,
    /// When long-speech tasks were queried within the last second.
    pub speech_queries: Mutex<Vec<Duration>>,
    /// Requests being processed. They run to completion even if the client hangs up.
    pub work: TaskTracker,
    pub stopping: CancellationToken,
    /// How many text-model answers are being streamed.
    pub streaming: AtomicUsize,
    pace: Mutex<Pace>,
}

impl AppState {
    pub fn new(base: String, key: Option<String>, pace: Pace, store: Store) -> io::Result<Self> {
        let links = LinkSigner::open(store.dir())?;
        Ok(Self {
            base,
            key,
            store,
            links,
            requests: RequestLog::default(),
            faults: Faults::default(),
            limits: RateLimits::default(),
            polls: Polls::default(),
            video_cache: Mutex::default(),
            speech_queries: Mutex::default(),
            work: TaskTracker::new(),
            stopping: CancellationToken::new(),
            streaming: AtomicUsize::new(0),
            pace: Mutex::new(pace),
        })
    }

    pub fn pace(&self) -> Pace {
        lock(&self.pace).clone()
    }

    pub fn set_pace(&self, pace: Pace) {
        *lock(&self.pace) = pace;
    }

    /// A signed link to a media file, valid for `seconds` unless the pace overrides it.
    pub fn link(&self, name: &str, seconds: u64) -> String {
        let life = self.pace().link_seconds.unwrap_or(seconds);
        self.links.sign(&self.base, name, now().as_secs().saturating_add(life))
    }

    /// The task with this id, if it is of this kind.
    pub fn task(&self, id: &str, kind: Kind) -> Option<Task> {
        self.store.task(id).filter(|task| task.kind == kind)
    }

    /// The progress of a task. Does not count as a poll.
    pub fn stage(&self, task: &Task) -> Stage {
        let polled = self.polls.count(&task.id);
        let pace = self.pace();
        let age = Duration::from_millis(now_ms().saturating_sub(task.created_ms));
        match task {
            Task { cancelled: true, .. } => Stage::Cancelled,
            Task { done: true, .. } => Stage::Done,
            _ if polled >= pace.polls && age.as_secs_f64() >= pace.seconds => Stage::Done,
            // Queued for the first quarter of the polls.
            _ if polled.saturating_mul(4) < pace.polls => Stage::Waiting(0),
            _ => Stage::Waiting(polled),
        }
    }

    /// The progress of a task, for a status query. Each query advances the task.
    pub fn poll(&self, task: &Task) -> Result<Stage, ApiError> {
        let stage = self.stage(task);
        match stage {
            Stage::Waiting(_) => self.polls.add(&task.id),
            Stage::Done if !task.done => self.store.add(&Entry::Done(task.id.clone()))?,
            Stage::Done | Stage::Cancelled => {}
        }
        Ok(stage)
    }
}
