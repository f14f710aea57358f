//! The requests of one session that are in flight, until their response is sent.
//!
//! Responses wait until the client reads them. Without a limit, a client that sends requests and never reads would
//! fill the memory. Of two requests in flight with the same id only one could be answered, so the second one, which
//! may cost money, is not started.

use std::collections::HashMap;
use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::model::{ClientJsonRpcMessage, ClientNotification, JsonRpcMessage, RequestId};
use rmcp::service::TxJsonRpcMessage;
use tokio::sync::watch;

use crate::permits::Reservation;

/// The requests in flight of one session. A handle: cloning is cheap.
#[derive(Debug, Clone)]
pub struct InFlight {
    open: Arc<watch::Sender<Open>>,
    most: usize,
}

#[derive(Debug, Default)]
struct Open {
    requests: HashMap<RequestId, Entry>,
    /// The next serial number, which tells requests with the same id apart.
    next: u64,
}

#[derive(Debug)]
struct Entry {
    serial: u64,
    /// The handler has returned.
    ended: bool,
    /// The client cancelled the request before it had a response, so there will be none.
    cancelled: bool,
    /// The response waits to be sent.
    queued: bool,
    /// The memory reserved for the response until it is sent.
    held: Option<Reservation>,
}

/// Why a request is not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Another request with this id is in flight.
    SameId,
    /// This many requests, the limit, are in flight.
    Full(usize),
}

/// Travels with a request. When the last clone is dropped, the request's handler has returned.
#[derive(Debug, Clone)]
pub struct Handling {
    _ending: Arc<Ending>,
}

#[derive(Debug)]
struct Ending {
    of: InFlight,
    id: RequestId,
    serial: u64,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.of.update(&self.id, |entry| {
            let same = entry.serial == self.serial;
            entry.ended |= same;
            same && entry.cancelled && !entry.queued
        });
    }
}

impl InFlight {
    /// Allows at most `most` requests in flight.
    pub fn new(most: usize) -> Self {
        Self { open: Arc::default(), most }
    }

    /// Registers a request, unless its id is in flight or the limit is reached.
    pub fn enter(&self, id: &RequestId, held: Option<Reservation>) -> Result<Handling, Refused> {
        let mut outcome = Err(Refused::SameId);
        self.open.send_if_modified(|open| {
            if open.requests.contains_key(id) {
                return false;
            }
            if open.requests.len() >= self.most {
                outcome = Err(Refused::Full(self.most));
                return false;
            }
            open.next = open.next.wrapping_add(1);
            let serial = open.next;
            let entry = Entry { serial, ended: false, cancelled: false, queued: false, held };
            open.requests.insert(id.clone(), entry);
            outcome = Ok(serial);
            true
        });
        let ending = |serial| Ending { of: self.clone(), id: id.clone(), serial };
        outcome.map(|serial| Handling { _ending: Arc::new(ending(serial)) })
    }

    /// Whether a request with this id is in flight.
    pub fn is_open(&self, id: &RequestId) -> bool {
        self.open.borrow().requests.contains_key(id)
    }

    /// Notes a received message, in case it is a cancellation. A request that is cancelled before it has a response
    /// gets none and stays in flight until its handler returns. A response that already waits is still sent.
    pub fn received(&self, message: &ClientJsonRpcMessage) {
        if let JsonRpcMessage::Notification(note) = message
            && let ClientNotification::CancelledNotification(note) = &note.notification
            && let Some(id) = &note.params.request_id
        {
            self.update(id, |entry| {
                entry.cancelled |= !entry.queued;
                entry.cancelled && entry.ended
            });
        }
    }

    /// Notes that the response to a request waits to be sent, and its size.
    pub fn queued(&self, id: &RequestId, bytes: usize) {
        self.update(id, |entry| {
            entry.queued = true;
            if let Some(held) = &entry.held {
                held.count(bytes);
            }
            false
        });
    }

    /// Removes a request whose response was sent.
    pub fn left(&self, id: &RequestId) {
        self.update(id, |_| true);
    }

    /// Completes when no request is in flight.
    pub async fn none(&self) {
        let _ = self.open.subscribe().wait_for(|open| open.requests.is_empty()).await;
    }

    /// Changes an entry, and removes it if `change` returns true.
    fn update(&self, id: &RequestId, change: impl FnOnce(&mut Entry) -> bool) {
        let mut gone = None;
        self.open.send_if_modified(|open| {
            if open.requests.get_mut(id).is_some_and(change) {
                gone = open.requests.remove(id);
            }
            gone.is_some()
        });
    }
}

/// The id of the request that a message answers.
pub fn answered(message: &TxJsonRpcMessage<RoleServer>) -> Option<&RequestId> {
    match message {
        JsonRpcMessage::Response(answer) => Some(&answer.id),
        JsonRpcMessage::Error(error) => error.id.as_ref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 4;

    fn number(id: i64) -> RequestId {
        RequestId::Number(id)
    }

    fn cancel(id: i64) -> ClientJsonRpcMessage {
        let text = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_client_with_too_many_requests_in_flight_must_read_responses_first() {
        let open = InFlight::new(MOST);
        let handling: Vec<_> = (0..4).map(|id| open.enter(&number(id), None).unwrap()).collect();
        assert_eq!(open.enter(&number(4), None).unwrap_err(), Refused::Full(MOST));
        assert_eq!(open.enter(&number(0), None).unwrap_err(), Refused::SameId);
        drop(handling);
        open.queued(&number(0), 1);
        assert_eq!(open.enter(&number(4), None).unwrap_err(), Refused::Full(MOST), "it was not read");
        open.left(&number(0));
        assert!(open.enter(&number(0), None).is_ok());
    }

    #[test]
    fn ids_that_look_alike_are_different() {
        let open = InFlight::new(MOST);
        let _number = open.enter(&number(77), None).unwrap();
        let _text = open.enter(&RequestId::String("77".into()), None).unwrap();
        assert_eq!(open.enter(&number(77), None).unwrap_err(), Refused::SameId);
    }

    #[test]
    fn a_cancelled_request_is_in_flight_until_its_handler_returns_or_its_answer_is_sent() {
        let open = InFlight::new(MOST);
        let handling = open.enter(&number(1), None).unwrap();
        open.received(&cancel(1));
        assert_eq!(open.enter(&number(1), None).unwrap_err(), Refused::SameId, "it is worked on");
        drop(handling);
        let again = open.enter(&number(1), None).unwrap();
        // This one has a response and is cancelled too late.
        drop(again);
        open.queued(&number(1), 1);
        open.received(&cancel(1));
        assert_eq!(open.enter(&number(1), None).unwrap_err(), Refused::SameId, "its answer waits");
        open.left(&number(1));
        // This one is cancelled after its handler returned and before its response is queued.
        drop(open.enter(&number(1), None).unwrap());
        open.received(&cancel(1));
        assert!(open.enter(&number(1), None).is_ok());
    }

    #[test]
    fn work_that_continues_after_its_answer_does_not_end_a_later_request_with_the_same_id() {
        let open = InFlight::new(MOST);
        let first = open.enter(&number(1), None).unwrap();
        open.queued(&number(1), 1);
        open.left(&number(1));
        let _second = open.enter(&number(1), None).unwrap();
        open.received(&cancel(1));
        drop(first);
        assert_eq!(open.enter(&number(1), None).unwrap_err(), Refused::SameId);
    }
}
