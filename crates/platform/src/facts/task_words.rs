//! What MiniMax calls the states of a task that is not done.

/// The words for tasks of video V1 and of templates, in lower case (documentation of 2026-11-21).
pub const VIDEO_V1: &[&str] = &["preparing", "queueing", "processing"];

/// Those for tasks of video V2.
pub const VIDEO_V2: &[&str] = &["queued", "running"];

/// Those for long speech.
pub const LONG_SPEECH: &[&str] = &["processing"];
