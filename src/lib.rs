//! An MCP server that gives any MCP client the MiniMax (Hailuo) platform.
//!
//! # Bird's eye
//!
//! A client calls a tool; [`mcp`] brings the call to it, [`tools`] turns it into a request that MiniMax reads, checked
//! to the last value; [`jobs`] writes a record, sends the request once, watches what becomes of it and brings the files
//! home; the call answers with the finished job, or with the running one when its patience is over.
//!
//! # Layers
//!
//! `serve` (bytes) → `tools` (what a model sees) → `mcp` (the protocol) → `jobs` (time and money) → `store` (records) →
//! `api` (HTTP). Beside them `config` (settings), `facts` (models, prices, error codes: data), `media` (files and links in and out of this
//! machine), `permits` (what each caller may use of what all share), `money` (amounts, and how they are rounded), `telemetry` (figures, log lines, traces), `clock` (the
//! time); `cli` on top. The simulator of MiniMax, for tests, demos and `--sandbox`, is a crate of its own:
//! `crates/minimax-sandbox`.
//! `tests/it/architecture.rs` keeps the direction of imports.
//!
//! # Invariants, as absences
//!
//! * Only `mcp`, `tools`, `serve` and `cli` know MCP; only `api` and `media` make HTTP requests, and `telemetry` to a collector.
//! * `jobs` knows no peer and no progress token: information goes up as return values and `watch` channels.
//! * `minimax-sandbox` does not depend on this crate, so a field that `api` misspells is not misspelt there too.
//! * Only `store` knows SQL; it sends no request and knows no tool.
//! * No job's request leaves before its record is on disk, and no request that costs money is sent again unless
//!   MiniMax provably did not take it.
//! * No module but `cli` reads the environment.
//! * Nothing but the protocol is written to stdout while serving.

pub mod api;
pub mod cli;
mod clock;
pub mod config;
#[cfg(feature = "crash-points")]
mod crash;
pub mod facts;
pub mod jobs;
pub mod mcp;
pub mod media;
pub mod money;
pub mod permits;
pub mod serve;
pub mod store;
pub mod telemetry;
pub mod tools;

/// The simulator of MiniMax, for demos and tests.
#[cfg(feature = "sandbox")]
pub use minimax_sandbox as sandbox;
