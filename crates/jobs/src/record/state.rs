//! The life of a job as a value: no clock, no I/O.
//!
//! ```text
//! submitting ─┬─ task ──→ running ──┬─→ fetching ──→ done
//!             ├─ result ────────────┘      ↑  (links known, files being downloaded)
//!             ├─ refused ──→ failed        └── again, on request
//!             └─ no answer ─→ unknown
//! ```

use serde::{Deserialize, Serialize};

use crate::api::Blame;
use crate::facts::task_words;

/// Where a job is. Stored as JSON, so a variant or field that has been released stays readable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "snake_case")]
pub enum State {
    /// Recorded. The request is being sent, or waits in its queue.
    Submitting {
        /// The request may have left this machine.
        sent: bool,
        /// Why it waits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        held: Option<String>,
    },
    /// MiniMax works on it.
    Running {
        /// What to poll.
        task: Task,
        /// MiniMax's own word for its state.
        word: String,
        /// Failed polls in a row.
        #[serde(default)]
        misses: u32,
        /// Why the last poll failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trouble: Option<String>,
        /// What a person has to do before a poll can succeed, such as fixing the key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        advice: Option<String>,
    },
    /// MiniMax is done and has billed; the files are being downloaded.
    Fetching {
        /// The task, with which new links can be requested.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<Task>,
    },
    /// Over, with a result.
    Done {
        /// The task, with which new links can be requested.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<Task>,
        /// Fewer results than asked for.
        #[serde(default)]
        partial: bool,
    },
    /// Over, without a result.
    Failed {
        /// What happened.
        failure: Failure,
        /// The task, if MiniMax had taken it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<Task>,
    },
    /// No longer polled.
    Cancelled {
        /// The task, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<Task>,
        /// MiniMax also stopped, so nothing is billed.
        at_minimax: bool,
    },
    /// The request left and no answer came back, or MiniMax no longer says what became of it.
    Unknown {
        /// What is known.
        why: String,
        /// The task, if its id is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<Task>,
    },
}

/// A task at MiniMax.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Which endpoint knows it.
    pub route: Route,
    /// MiniMax's id.
    pub id: String,
}

/// The endpoint that knows a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// `/v1/query/video_generation`
    VideoV1,
    /// `/v2/query/video_generation/{id}`
    VideoV2,
    /// `/v1/query/video_template_generation`
    VideoTemplate,
    /// `/v1/query/t2a_async_query_v2`
    SpeechAsync,
}

impl Route {
    /// MiniMax's words for a task that is not done, in lower case.
    fn open_words(self) -> &'static [&'static str] {
        match self {
            Self::VideoV1 | Self::VideoTemplate => task_words::VIDEO_V1,
            Self::VideoV2 => task_words::VIDEO_V2,
            Self::SpeechAsync => task_words::LONG_SPEECH,
        }
    }
}

/// How a job ended without a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What happened.
    pub message: String,
    /// Who can do something about it.
    pub blame: Blame,
    /// What to do next.
    pub advice: String,
    /// MiniMax's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    /// What MiniMax's support asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The request is about to leave.
    Leaving,
    /// It waits in its queue, or MiniMax throttled it. It will be sent.
    Held(String),
    /// MiniMax took it and gave a task id.
    Accepted(Task),
    /// A poll: not done.
    Pending(String),
    /// A poll that failed.
    PollFailed {
        /// Why.
        why: String,
        /// What a person has to do before a poll can succeed.
        advice: Option<String>,
    },
    /// The result is there; its links are known.
    Made,
    /// The downloads have ended.
    Fetched {
        /// Fewer results than asked for.
        partial: bool,
    },
    /// Resume: poll again, or download again.
    Again,
    /// It ended without a result.
    Failed(Failure),
    /// A caller has cancelled it.
    Cancelled {
        /// MiniMax stopped too.
        at_minimax: bool,
    },
    /// The request may have arrived, and there is no answer; or MiniMax no longer knows.
    Lost(String),
    /// The process that was submitting died.
    Orphaned,
}

impl State {
    /// The word of an adopted or resumed task before its first poll.
    pub const UNSEEN: &str = "not looked at yet";

    /// The word of a task that MiniMax has just taken.
    const SUBMITTED: &str = "submitted";

    /// The beginning of the reason of a job that waits in its queue for the first time.
    pub const IN_LINE: &str = "it waits for its turn";

    /// Before anything has left.
    pub const NEW: Self = Self::Submitting { sent: false, held: None };

    /// MiniMax works on the task, and the last poll did not fail.
    pub fn running(task: Task, word: String) -> Self {
        Self::Running { task, word, misses: 0, trouble: None, advice: None }
    }

    /// The whole state machine. An event that does not fit the state is ignored, so a late event never undoes an end.
    #[must_use]
    pub fn after(self, seen: Seen) -> Self {
        let task = self.task().cloned();
        match (self, seen) {
            (Self::Submitting { .. }, Seen::Leaving) => Self::Submitting { sent: true, held: None },
            (Self::Submitting { .. }, Seen::Held(why)) => Self::Submitting { sent: false, held: Some(why) },
            // An answer counts even after the job was called unknown.
            (Self::Submitting { .. } | Self::Unknown { .. }, Seen::Accepted(task)) => {
                Self::running(task, Self::SUBMITTED.to_owned())
            }
            (Self::Submitting { .. } | Self::Unknown { .. } | Self::Running { .. }, Seen::Made) => {
                Self::Fetching { task }
            }
            (
                Self::Submitting { .. } | Self::Unknown { .. } | Self::Running { .. },
                Seen::Failed(failure),
            ) => Self::Failed { failure, task },
            (Self::Submitting { sent: false, .. }, Seen::Orphaned) => Self::Failed {
                failure: Failure {
                    message: "the server stopped before the request left; nothing was bought".to_owned(),
                    blame: Blame::Transient,
                    advice: "Call the tool again with the same arguments; its idempotency_key is free again."
                        .to_owned(),
                    code: None,
                    trace_id: None,
                },
                task: None,
            },
            (Self::Submitting { sent: true, .. }, Seen::Orphaned) => Self::Unknown {
                why: "the server stopped while the request was on its way".to_owned(),
                task: None,
            },
            (Self::Submitting { .. } | Self::Running { .. }, Seen::Lost(why)) => Self::Unknown { why, task },
            (
                Self::Unknown { task: Some(task), .. }
                | Self::Cancelled { task: Some(task), at_minimax: false },
                Seen::Again,
            ) => Self::running(task, Self::UNSEEN.to_owned()),
            (Self::Running { task, .. }, Seen::Pending(word)) => Self::running(task, word),
            (Self::Running { task, word, misses, .. }, Seen::PollFailed { why, advice }) => {
                Self::Running { task, word, misses: misses.saturating_add(1), trouble: Some(why), advice }
            }
            (Self::Fetching { task }, Seen::Fetched { partial }) => Self::Done { task, partial },
            (Self::Done { task, .. }, Seen::Again) => Self::Fetching { task },
            // A request that MiniMax may have taken cannot be stopped without a task id, so it is not called cancelled.
            (
                Self::Submitting { sent: false, .. }
                | Self::Running { .. }
                | Self::Unknown { task: Some(_), .. },
                Seen::Cancelled { at_minimax },
            ) => Self::Cancelled { task, at_minimax },
            (state, _) => state,
        }
    }

    /// MiniMax's word for the state of a running task, if MiniMax does not document that word.
    pub fn unfamiliar_word(&self) -> Option<&str> {
        let Self::Running { task, word, .. } = self else { return None };
        let ours = [Self::UNSEEN, Self::SUBMITTED].contains(&word.as_str());
        let documented = task.route.open_words().iter().any(|known| known.eq_ignore_ascii_case(word));
        (!ours && !documented).then_some(word)
    }

    /// Whether a record in this state accepts the spooled state `known`, because that is later or names a paid result.
    pub fn gives_way_to(&self, known: &Self) -> bool {
        let has_result = matches!(known, Self::Running { .. } | Self::Fetching { .. } | Self::Done { .. });
        let is_made = matches!(known, Self::Fetching { .. } | Self::Done { .. });
        match self {
            Self::Submitting { .. } => known != self,
            Self::Unknown { task: None, .. } => {
                !matches!(known, Self::Submitting { .. } | Self::Unknown { task: None, .. })
            }
            Self::Cancelled { task: None, .. } | Self::Failed { task: None, .. } => has_result,
            Self::Running { .. } => known.task() == self.task() && !matches!(known, Self::Running { .. }),
            Self::Unknown { .. } | Self::Cancelled { at_minimax: false, .. } => {
                known.task() == self.task() && is_made
            }
            Self::Fetching { .. } => known.task() == self.task() && matches!(known, Self::Done { .. }),
            Self::Done { .. } | Self::Failed { .. } | Self::Cancelled { .. } => false,
        }
    }

    /// The task at MiniMax, if there is one.
    pub fn task(&self) -> Option<&Task> {
        match self {
            Self::Running { task, .. } => Some(task),
            Self::Fetching { task }
            | Self::Done { task, .. }
            | Self::Failed { task, .. }
            | Self::Cancelled { task, .. }
            | Self::Unknown { task, .. } => task.as_ref(),
            Self::Submitting { .. } => None,
        }
    }

    /// Whether nothing more will happen by itself.
    pub fn is_over(&self) -> bool {
        !matches!(self, Self::Submitting { .. } | Self::Running { .. } | Self::Fetching { .. })
    }

    /// The word for it in a job view, and in the store's index.
    pub fn status(&self) -> &'static str {
        match self {
            Self::Submitting { .. } => "submitting",
            Self::Running { .. } | Self::Fetching { .. } => "running",
            Self::Done { partial: false, .. } => "succeeded",
            Self::Done { partial: true, .. } => "partial",
            Self::Failed { .. } => "failed",
            Self::Cancelled { .. } => "cancelled",
            Self::Unknown { .. } => "unknown",
        }
    }
}

/// Every word that [`State::status`] can return.
pub const STATUSES: &[&str] =
    &["submitting", "running", "succeeded", "partial", "failed", "cancelled", "unknown"];

#[cfg(test)]
mod tests;
