//! Tasks that take their time: how far one is depends on how often it was asked for and how old it is.

use std::collections::HashMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::answer::Refusal;
use super::platform::{Platform, lock, now};
use super::store::Entry;

/// An accepted task. What it will come to was settled when it was accepted; only the telling takes time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Task {
    pub id: String,
    pub kind: Kind,
    /// Unix milliseconds.
    pub created_ms: u64,
    /// What of the request the status answer repeats.
    pub request: Map<String, Value>,
    pub outcome: Outcome,
    #[serde(default)]
    pub done: bool,
    #[serde(default)]
    pub cancelled: bool,
}

/// Which endpoint a task belongs to. An id is unknown to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Video,
    Template,
    VideoV2,
    Speech,
}

/// How a task ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Made {
        /// The name of the video in the media folder.
        media: String,
        /// The id of its file, where the API gives one.
        file_id: Option<i64>,
        width: u32,
        height: u32,
    },
    /// A text, such as a richer prompt.
    Written {
        text: String,
        prompt_tokens: u64,
        completion_tokens: u64,
    },
    Failed {
        code: i64,
        message: String,
    },
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not done, and asked for so many times before.
    Waiting(u32),
    Done,
    Cancelled,
}

/// How often each task was asked for. Not kept: after a restart a task that is not done waits anew.
#[derive(Debug, Default)]
pub(super) struct Polls(Mutex<HashMap<String, u32>>);

impl Platform {
    /// A task of this kind.
    pub fn task(&self, id: &str, kind: Kind) -> Option<Task> {
        self.store.task(id).filter(|task| task.kind == kind)
    }

    /// How far a task is, without asking in the sense of the pace.
    pub fn stage(&self, task: &Task) -> Stage {
        let asked = lock(&self.polls.0).get(&task.id).copied().unwrap_or_default();
        let pace = self.pace();
        let age_ms = u64::try_from(now().as_millis()).unwrap_or(u64::MAX).saturating_sub(task.created_ms);
        let ripe = std::time::Duration::from_millis(age_ms).as_secs_f64() >= pace.seconds;
        match task {
            Task { cancelled: true, .. } => Stage::Cancelled,
            Task { done: true, .. } => Stage::Done,
            _ if asked >= pace.polls && ripe => Stage::Done,
            // Queued for the first quarter of the way.
            _ if asked.saturating_mul(4) < pace.polls => Stage::Waiting(0),
            _ => Stage::Waiting(asked),
        }
    }

    /// How far a task is, for a status query: it brings the task on.
    pub fn poll(&self, task: &Task) -> Result<Stage, Refusal> {
        let stage = self.stage(task);
        match stage {
            Stage::Waiting(_) => {
                let mut polls = lock(&self.polls.0);
                let asked = polls.entry(task.id.clone()).or_default();
                *asked = asked.saturating_add(1);
            }
            Stage::Done if !task.done => {
                let entry = Entry::Done(task.id.clone());
                self.store.add(&entry)?;
            }
            Stage::Done | Stage::Cancelled => {}
        }
        Ok(stage)
    }
}
