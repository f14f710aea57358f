//! What the client of a session has asked and not been told yet.
//!
//! Answers of a session wait for their client to read the stream. Without a bound on them, a client that asks and never
//! reads fills the memory.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use rmcp::RoleServer;
use rmcp::model::{ClientJsonRpcMessage, ClientNotification, JsonRpcMessage, RequestId};
use rmcp::service::TxJsonRpcMessage;

/// Requests of one session at once.
const MOST: usize = 64;

/// Ids of requests whose answers have not left yet.
#[derive(Debug, Clone, Default)]
pub struct Unanswered(Arc<Mutex<HashSet<RequestId>>>);

impl Unanswered {
    fn ids(&self) -> MutexGuard<'_, HashSet<RequestId>> {
        // A poisoned set is still a set of ids.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for this message, which is noted if it has to be answered.
    pub fn note(&self, message: &ClientJsonRpcMessage) -> Result<(), (StatusCode, String)> {
        match message {
            JsonRpcMessage::Request(request) => self.enter(&request.id),
            JsonRpcMessage::Notification(note) => {
                // What was cancelled is not answered.
                if let ClientNotification::CancelledNotification(note) = &note.notification
                    && let Some(id) = &note.params.request_id
                {
                    self.ids().remove(id);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn enter(&self, id: &RequestId) -> Result<(), (StatusCode, String)> {
        let mut ids = self.ids();
        if ids.contains(id) {
            let text = format!("The request {id} is not answered yet; another one needs another id.\n");
            return Err((StatusCode::CONFLICT, text));
        }
        if ids.len() >= MOST {
            let text = format!("{MOST} requests are not answered yet; read the stream first.\n");
            return Err((StatusCode::TOO_MANY_REQUESTS, text));
        }
        ids.insert(id.clone());
        Ok(())
    }

    /// An answer has left.
    pub fn left(&self, message: &TxJsonRpcMessage<RoleServer>) {
        let id = match message {
            JsonRpcMessage::Response(answer) => Some(&answer.id),
            JsonRpcMessage::Error(error) => error.id.as_ref(),
            _ => None,
        };
        if let Some(id) = id {
            self.ids().remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> ClientJsonRpcMessage {
        serde_json::from_str(text).unwrap()
    }

    fn ping(id: usize) -> ClientJsonRpcMessage {
        message(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#))
    }

    #[test]
    fn a_client_may_ask_so_much_and_then_has_to_listen_or_to_cancel() {
        let unanswered = Unanswered::default();
        for id in 0..MOST {
            assert_eq!(unanswered.note(&ping(id)), Ok(()));
        }
        assert_eq!(unanswered.note(&ping(MOST)).unwrap_err().0, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(unanswered.note(&ping(0)).unwrap_err().0, StatusCode::CONFLICT);
        unanswered.left(&serde_json::from_str(r#"{"jsonrpc":"2.0","id":0,"result":{}}"#).unwrap());
        assert_eq!(unanswered.note(&ping(0)), Ok(()));
        let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}"#;
        assert_eq!(unanswered.note(&message(cancel)), Ok(()));
        assert_eq!(unanswered.note(&ping(MOST)), Ok(()));
        assert_eq!(unanswered.note(&ping(MOST + 1)).unwrap_err().0, StatusCode::TOO_MANY_REQUESTS);
    }
}
