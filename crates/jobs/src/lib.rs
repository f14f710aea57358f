//! Durable jobs: a record on disk before the request leaves, one request, and a result that is delivered whole.
//!
//! This package knows nothing of MCP: information goes up as return values and `watch` channels.

pub mod jobs;
pub mod record;
pub mod store;

#[cfg(feature = "crash-points")]
use minimax_mcp_base::crash;
use minimax_mcp_base::{clock, money, telemetry};
use minimax_mcp_files::{bucket, download, media};
use minimax_mcp_platform::{api, facts, rate_limit, response};
