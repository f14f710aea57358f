//! The name of a model in a call.

use crate::facts::{ModelKind, facts};
use crate::mcp::ToolError;
use crate::telemetry;

/// The id of the model that a caller names. Refuses a name that is almost a known id: MiniMax would refuse it, and its
/// price would be unknown.
pub(crate) fn model_id(kind: ModelKind, name: &str) -> Result<String, ToolError> {
    match facts().near(kind, name) {
        Some(close) => {
            let problem = format!("is {}; did you mean {close}?", telemetry::quoted(name));
            Err(ToolError::argument("model", problem))
        }
        None => Ok(facts().canonical(name)),
    }
}

/// The warning about a model that may be newer than the tables.
pub(crate) fn unknown_model(model: &str) -> String {
    format!("the model {model} is not in the tables of this server; it is sent as it is")
}
