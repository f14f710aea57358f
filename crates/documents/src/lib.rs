//! The configuration files of clients: JSON with comments, TOML and YAML, edited so that everything else keeps its bytes.

pub mod documents;

use minimax_mcp_base::telemetry;
use minimax_mcp_texts::texts;
