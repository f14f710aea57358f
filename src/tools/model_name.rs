//! The name of a model in a call.

use crate::facts::{ModelKind, facts};
use crate::mcp::{Server, ToolError};
use crate::telemetry;

/// The names that the host of this server expects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ModelNames {
    /// A gateway has names of its own, so it gets each name as it was given.
    gateway: bool,
}

impl ModelNames {
    pub(crate) fn of(server: &Server) -> Self {
        Self { gateway: server.api().is_gateway() }
    }

    /// The name to send for a model that a caller names. MiniMax gets its own id. A name that is almost a known id is
    /// refused: MiniMax would refuse it, and its price would be unknown.
    pub(crate) fn named(self, kind: ModelKind, name: &str) -> Result<String, ToolError> {
        match facts().near(kind, name).filter(|_| !self.gateway) {
            Some(close) => {
                let problem = format!("is {}; did you mean {close}?", telemetry::quoted(name));
                Err(ToolError::argument("model", problem))
            }
            None => Ok(self.sent(name)),
        }
    }

    /// The name to send for a model, without a check.
    pub(crate) fn sent(self, name: &str) -> String {
        if self.gateway { name.trim().to_owned() } else { facts().canonical(name) }
    }
}

#[cfg(test)]
impl ModelNames {
    pub(crate) const MINIMAX: Self = Self { gateway: false };
}

/// The warning about a model that may be newer than the tables.
pub(crate) fn unknown_model(model: &str) -> String {
    format!("the model {model} is not in the tables of this server; it is sent as it is")
}
