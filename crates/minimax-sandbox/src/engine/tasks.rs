//! Asynchronous tasks. Progress depends on how often a task was polled and how old it is.

use std::collections::HashMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::engine::clock::now_ms;
use crate::engine::errors::SENSITIVE_OUTPUT;
use crate::engine::lock::lock;

/// An accepted task. Its outcome is decided on acceptance; only the report of it is delayed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Task {
    pub id: String,
    pub kind: Kind,
    /// Unix milliseconds.
    pub created_ms: u64,
    /// The request fields that the status response repeats.
    pub request: Map<String, Value>,
    pub outcome: Outcome,
    #[serde(default)]
    pub done: bool,
    #[serde(default)]
    pub cancelled: bool,
}

impl Task {
    pub fn new(id: String, kind: Kind, request: Map<String, Value>, outcome: Outcome) -> Self {
        Self { id, kind, created_ms: now_ms(), request, outcome, done: false, cancelled: false }
    }
}

/// The endpoint that a task belongs to. Other endpoints do not know its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Video,
    Template,
    VideoV2,
    Speech,
}

/// How a task ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Made {
        /// The name of the result in the media folder.
        media: String,
        /// The id of its file, if the API gives one.
        file_id: Option<i64>,
        width: u32,
        height: u32,
    },
    /// A text, such as an enhanced prompt.
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

impl Outcome {
    /// The outcome of a task whose prompt contains `#failtask`.
    pub fn sensitive_output() -> Self {
        Self::Failed { code: SENSITIVE_OUTPUT, message: "output sensitive".to_owned() }
    }
}

/// The progress of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Not done yet; polled this many times so far.
    Waiting(u32),
    Done,
    Cancelled,
}

/// How often each task was polled. In memory only: after a restart, unfinished tasks wait again.
#[derive(Debug, Default)]
pub(crate) struct Polls(Mutex<HashMap<String, u32>>);

impl Polls {
    pub fn count(&self, id: &str) -> u32 {
        lock(&self.0).get(id).copied().unwrap_or_default()
    }

    pub fn add(&self, id: &str) {
        let mut polls = lock(&self.0);
        let count = polls.entry(id.to_owned()).or_default();
        *count = count.saturating_add(1);
    }
}
