//! The digest that identifies a call, and the arguments that its record keeps.

use rmcp::RoleServer;
use rmcp::model::JsonObject;
use rmcp::service::RequestContext;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Arguments that do not change what is ordered.
const HOW_TO_WAIT: &[&str] = &["wait_seconds", "async_mode", "idempotency_key"];

/// Longer arguments, in bytes of JSON, are not kept.
const LONGEST: usize = 64 * 1024;

/// A hash of the tool's name and the arguments, without those that only say how to wait.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallDigest(pub(crate) String);

impl CallDigest {
    pub(crate) fn of(tool: &str, arguments: &JsonObject) -> Self {
        let mut told = arguments.clone();
        for name in HOW_TO_WAIT {
            told.shift_remove(*name);
        }
        let told = serde_json::json!([tool, told]).to_string();
        Self(data_encoding::HEXLOWER.encode(&Sha256::digest(told)))
    }

    /// The digest that the pipeline attached to a call.
    pub(crate) fn attached_to(call: &RequestContext<RoleServer>) -> Self {
        call.extensions.get::<Self>().cloned().unwrap_or_default()
    }
}

/// The arguments of a call, so that it can be repeated. `None` if they are too long.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallArguments(pub(crate) Option<Value>);

impl CallArguments {
    pub(crate) fn of(arguments: &JsonObject) -> Self {
        let is_kept = |(name, value): &(&String, &Value)| {
            name.as_str() != "dry_run" && !HOW_TO_WAIT.contains(&name.as_str()) && !has_media(value)
        };
        let kept = arguments.iter().filter(is_kept).map(|(name, value)| (name.clone(), value.clone()));
        let kept = Value::Object(kept.collect());
        Self(Some(kept).filter(|kept| kept.to_string().len() <= LONGEST))
    }

    /// The arguments that the pipeline attached to a call.
    pub(crate) fn attached_to(call: &RequestContext<RoleServer>) -> Self {
        call.extensions.get::<Self>().cloned().unwrap_or_default()
    }
}

/// Whether a value is, or contains, a `data:` URI: someone's picture or voice.
fn has_media(value: &Value) -> bool {
    match value {
        Value::String(text) => text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("data:")),
        Value::Array(values) => values.iter().any(has_media),
        Value::Object(fields) => fields.values().any(has_media),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_keeps_the_order_without_its_media() {
        let kept = |arguments: Value| CallArguments::of(arguments.as_object().unwrap()).0;
        let given = json!({ "prompt": "x", "n": 2, "wait_seconds": 5, "dry_run": true, "idempotency_key": "k",
            "subject_reference": "DATA:image/png;base64,AA", "frames": ["/a.png", "data:,x"], "list": ["/a.png"] });
        assert_eq!(kept(given), Some(json!({ "prompt": "x", "n": 2, "list": ["/a.png"] })));
        assert_eq!(kept(json!({ "prompt": "x".repeat(LONGEST) })), None);
    }
}
