//! Files: media that a caller gives, results that are downloaded, verified and stored, and a bucket in place of the folder.

pub mod bucket;
pub mod download;
pub mod media;
pub mod stills;

#[cfg(feature = "crash-points")]
use minimax_mcp_base::crash;
use minimax_mcp_base::{clock, config};
