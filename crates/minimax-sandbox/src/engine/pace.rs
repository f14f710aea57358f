//! The speed of a sandbox.

use serde::{Deserialize, Serialize};

/// The speed of a sandbox. In JSON, omitted fields have their defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pace {
    /// How many status queries answer "not yet" before a task is done.
    pub polls: u32,
    /// The minimum time from submission to completion of a task, in seconds.
    pub seconds: f64,
    /// How long every POST waits before it is answered, in milliseconds.
    pub delay_ms: u64,
    /// How long every download link is valid, in seconds, instead of the documented 1, 9 or 24 hours.
    pub link_seconds: Option<u64>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { polls: 3, seconds: 1.5, delay_ms: 0, link_seconds: None }
    }
}
