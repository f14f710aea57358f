//! What may come before a session has begun.
//!
//! The protocol library ends a session in which anything but a request comes first, and its error for a request that
//! comes too early names only what the newest revision asks for. Some clients send notifications early, or probe with a
//! request before they initialize.

use rmcp::ErrorData;
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, GetMeta as _, JsonRpcMessage, ProtocolVersion};

use crate::mcp;

/// Whether a session has begun.
#[derive(Debug, Default)]
pub struct Opening {
    is_over: bool,
}

/// What to do with a message.
#[derive(Debug)]
pub enum Early {
    Pass,
    /// It means nothing before the session has begun.
    Drop,
    Refuse(ErrorData),
}

impl Opening {
    /// What to do with the next message of the session.
    pub fn check(&mut self, message: &ClientJsonRpcMessage) -> Early {
        if let Some(problem) = mcp::initialize_problem(message) {
            return Early::Refuse(problem);
        }
        if self.is_over {
            return Early::Pass;
        }
        let JsonRpcMessage::Request(request) = message else { return Early::Drop };
        match &request.request {
            ClientRequest::InitializeRequest(_) => {
                self.is_over = true;
                Early::Pass
            }
            ClientRequest::PingRequest(_) | ClientRequest::DiscoverRequest(_) => Early::Pass,
            other => {
                let missing = other.get_meta().missing_required_keys(&ProtocolVersion::V_2026_07_28);
                if !missing.is_empty() {
                    let text = format!(
                        "the session has not begun: send `initialize` first (revisions up to 2025-11-25), or give each \
                         request the `_meta` of revision 2026-07-28, in which this one lacks {}; nothing was sent or \
                         billed",
                        missing.join(" and ")
                    );
                    return Early::Refuse(ErrorData::invalid_params(text, None));
                }
                let version = other.get_meta().protocol_version();
                self.is_over =
                    version.is_some_and(|version| ProtocolVersion::KNOWN_VERSIONS.contains(&version));
                Early::Pass
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn is_dropped(opening: &mut Opening, message: Value) -> bool {
        match opening.check(&serde_json::from_value(message).unwrap()) {
            Early::Pass => false,
            Early::Drop => true,
            Early::Refuse(error) => panic!("{error:?}"),
        }
    }

    #[test]
    fn a_session_begins_with_initialize_or_with_a_request_of_the_newest_revision() {
        let note =
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
        let request = |method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let meta = |version: &str| {
            json!({ "_meta": { "io.modelcontextprotocol/protocolVersion": version,
                "io.modelcontextprotocol/clientCapabilities": {} } })
        };
        let client = json!({ "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "x", "version": "0" } });
        for (first, begins) in [
            (request("ping", json!({})), false),
            (request("server/discover", meta("2026-07-28")), false),
            (request("tools/list", meta("1999-01-01")), false),
            (request("tools/list", meta("2026-07-28")), true),
            (request("initialize", client), true),
        ] {
            let mut opening = Opening::default();
            assert!(is_dropped(&mut opening, note.clone()));
            assert!(!is_dropped(&mut opening, first.clone()), "{first}");
            assert_eq!(is_dropped(&mut opening, note.clone()), !begins, "{first}");
        }
        let early = serde_json::from_value(request("tools/call", json!({ "name": "chat" }))).unwrap();
        let Early::Refuse(error) = Opening::default().check(&early) else { panic!("it came too early") };
        let parts = ["`initialize` first", "io.modelcontextprotocol/clientCapabilities", "nothing was sent"];
        assert!(parts.iter().all(|part| error.message.contains(part)), "{error:?}");
    }
}
