//! What every part of minimax-mcp builds on, and what depends on none of them.
//!
//! `crate::` leads to a part of minimax-mcp by its name in all packages; ARCHITECTURE.md says which package has which parts.

pub mod clock;
pub mod config;
#[cfg(feature = "crash-points")]
pub mod crash;
pub mod money;
pub mod permits;
pub mod telemetry;
