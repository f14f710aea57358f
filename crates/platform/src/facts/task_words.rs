//! MiniMax's words for the states of an unfinished task.

/// The words for tasks of video V1 and of templates, in lower case (documentation of 2026-11-21).
pub const VIDEO_V1: &[&str] = &["preparing", "queueing", "processing"];

/// The words for tasks of video V2.
pub const VIDEO_V2: &[&str] = &["queued", "running"];

/// The words for tasks of long speech.
pub const LONG_SPEECH: &[&str] = &["processing"];
