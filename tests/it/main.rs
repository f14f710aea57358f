//! The only test binary: one module a subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    clippy::default_trait_access,
    clippy::similar_names,
    reason = "clippy's own exceptions do not cover helpers of tests, and a test may block its own thread"
)]

// A sandbox, a server in front of it and a client, in one process; and the real program as a child.
mod harness;

// The import rule, and that no file of this folder is forgotten.
mod architecture;
// The catalogue as clients see it.
mod catalogue;
// README and the table of settings.
mod readme;
// The example of a client's configuration.
mod example_config;
// Files, links and folders.
mod media;
// The imitation of MiniMax by itself.
mod sandbox;
// One tool each, through client, server and sandbox.
mod chat;
mod image;
mod speech;
mod video;
// Jobs that outlive calls and processes.
mod jobs;
// What went wrong, and what the caller is told.
mod faults;
// The protocol on stdin and stdout, byte by byte.
mod stdio;
