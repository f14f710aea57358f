//! What tells one call from another.

use rmcp::RoleServer;
use rmcp::model::JsonObject;
use rmcp::service::RequestContext;
use sha2::{Digest, Sha256};

/// A hash of the tool's name and the arguments, without those that only say how to wait.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallDigest(pub(crate) String);

impl CallDigest {
    pub(crate) fn of(tool: &str, arguments: &JsonObject) -> Self {
        let mut told = arguments.clone();
        for name in ["wait_seconds", "async_mode", "idempotency_key"] {
            told.shift_remove(name);
        }
        let told = serde_json::json!([tool, told]).to_string();
        Self(data_encoding::HEXLOWER.encode(&Sha256::digest(told)))
    }

    /// The digest that the pipeline attached to a call.
    pub(crate) fn attached_to(call: &RequestContext<RoleServer>) -> Self {
        call.extensions.get::<Self>().cloned().unwrap_or_default()
    }
}
