//! An MCP server that gives any MCP client the MiniMax (Hailuo) platform.
//!
//! # Overview
//!
//! A client calls a tool. [`mcp`] checks the call and runs the tool; the tool in [`tools`] turns it into a checked request to
//! MiniMax; [`jobs`] writes a record, sends the request once, polls its task and downloads the files. The call answers with
//! the finished job, or with the running one when the time to wait is over.
//!
//! # Layers
//!
//! ARCHITECTURE.md lists the modules in layers and says what each knows; `tests/it/architecture.rs` keeps the direction of
//! imports. The simulator of MiniMax, for tests, demos and `--sandbox`, is a crate of its own: `crates/minimax-sandbox`.
//!
//! # Invariants, as absences
//!
//! * Only `arguments`, `result`, `mcp`, what is above them, and `viewer` know MCP.
//! * Only four modules send HTTP requests: `api` to MiniMax, `download` to links and the operator's addresses, `bucket` to
//!   the bucket, and `telemetry` to a collector.
//! * `jobs` knows no peer and no progress token: information goes up as return values and `watch` channels.
//! * `minimax-sandbox` does not depend on this crate, so a field that `api` misspells is not misspelt there too.
//! * Only `store` knows SQL; it sends no request and knows no tool.
//! * No job's request leaves before its record is on disk, and no request that costs money is sent again unless
//!   MiniMax provably did not take it.
//! * No module but `cli` reads the environment.
//! * Nothing but the protocol is written to stdout while serving.

pub mod api;
pub mod arguments;
pub mod bucket;
pub mod chat;
pub mod cli;
mod clock;
pub mod config;
#[cfg(feature = "crash-points")]
mod crash;
pub mod download;
pub mod facts;
pub mod gallery;
pub mod jobs;
pub mod mcp;
pub mod media;
pub mod money;
pub mod notify;
pub mod permits;
pub mod rate_limit;
pub mod record;
pub mod result;
pub mod serve;
pub mod speech;
mod stills;
pub mod store;
pub mod telemetry;
mod texts;
pub mod tools;
pub mod viewer;

/// The simulator of MiniMax, for demos and tests.
#[cfg(feature = "sandbox")]
pub use minimax_sandbox as sandbox;
