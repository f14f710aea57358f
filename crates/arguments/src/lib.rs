//! The arguments of tools: what models write becomes what the JSON Schema of the tool asks for.

pub mod arguments;

use minimax_mcp_base::telemetry;
