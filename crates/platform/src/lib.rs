//! The MiniMax platform: its API, its rate limits, and dated tables of its models, prices, voices and codes.

pub mod api;
pub mod facts;
pub mod rate_limit;
pub mod response;

#[cfg(feature = "crash-points")]
use minimax_mcp_base::crash;
use minimax_mcp_base::{money, telemetry};
