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

pub mod chat;
pub mod cli;
pub mod gallery;
pub mod mcp;
pub mod notify;
pub mod result;
pub mod serve;
pub mod speech;
pub mod tools;
pub mod viewer;

pub use minimax_mcp_arguments::arguments;
use minimax_mcp_base::clock;
#[cfg(feature = "crash-points")]
use minimax_mcp_base::crash;
pub use minimax_mcp_base::{config, money, permits, telemetry};
use minimax_mcp_documents::documents;
use minimax_mcp_files::stills;
pub use minimax_mcp_files::{bucket, download, media};
pub use minimax_mcp_jobs::{jobs, record, store};
pub use minimax_mcp_platform::{api, facts, rate_limit};
use minimax_mcp_texts::texts;

/// The simulator of MiniMax, for demos and tests.
#[cfg(feature = "sandbox")]
pub use minimax_sandbox as sandbox;
