//! Batches: several messages in one array. Of the protocol's revisions, only 2025-03-26 has them.
//!
//! The messages of a batch are handled like messages that came by themselves. Only the answers differ: they go out
//! together, as one array, when the last one is there.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, JsonRpcMessage, ProtocolVersion, RequestId, ServerResult,
};
use rmcp::service::TxJsonRpcMessage;
use rmcp::{ErrorData, RoleServer};

use super::outline::Outline;
use super::readable_id::{readable_id, value_end};

/// The most messages of a batch.
pub const MOST_ENTRIES: usize = 50;

/// The only revision with batches.
pub const REVISION: ProtocolVersion = ProtocolVersion::V_2025_03_26;

/// Whether a text is an array.
pub fn is_batch(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(b"[")
}

/// The messages of a batch as texts, in their order. The batch must be valid JSON. `revision` is the sender's, if it is
/// known.
pub fn entries<'a>(text: &'a [u8], revision: Option<&str>) -> Result<Vec<&'a [u8]>, ErrorData> {
    if revision != Some(REVISION.as_str()) {
        let given = match revision {
            Some(given) => format!("this message is of revision {given}"),
            None => "no revision was agreed on with `initialize`".to_owned(),
        };
        return Err(refused(&format!(
            "lists of messages (batches) exist only in protocol revision {REVISION}, and {given}"
        )));
    }
    let entries = items(text).unwrap_or_default();
    if entries.is_empty() {
        return Err(refused(&format!("the list has no message; it must have 1 to {MOST_ENTRIES}")));
    }
    if entries.len() > MOST_ENTRIES {
        return Err(refused(&format!("the list has more than {MOST_ENTRIES} messages")));
    }
    let mut ids = HashSet::new();
    for entry in &entries {
        if Outline::of(entry).method.as_deref() == Some("initialize") {
            return Err(refused(
                "`initialize` must not be in a list, because it decides how the messages after it are read",
            ));
        }
        if let Some(id) = readable_id(entry)
            && !ids.insert(id.clone())
        {
            let id: String = id.to_string().chars().take(64).collect();
            return Err(refused(&format!(
                "two requests of the list have the id {id}, and could not be told apart"
            )));
        }
    }
    Ok(entries)
}

fn refused(why: &str) -> ErrorData {
    let text = format!("{why}; nothing was sent or billed; send each message by itself");
    ErrorData::invalid_request(text, None)
}

/// The items of an array, at most one more than a batch may have.
fn items(text: &[u8]) -> Option<Vec<&[u8]>> {
    let mut rest = text.trim_ascii_start().strip_prefix(b"[")?;
    let mut items = Vec::new();
    if rest.trim_ascii_start().starts_with(b"]") {
        return Some(items);
    }
    while items.len() <= MOST_ENTRIES {
        let (item, more) = rest.split_at_checked(value_end(rest)?)?;
        items.push(item.trim_ascii());
        let Some(next) = more.strip_prefix(b",") else { break };
        rest = next;
    }
    Some(items)
}

/// The batches of one session that are not answered yet. A handle: cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct Batches(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    /// The revision that the last `initialize` agreed on.
    revision: Option<ProtocolVersion>,
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    /// The requests without an answer.
    waiting: Vec<RequestId>,
    answered: Vec<RequestId>,
    answers: Vec<String>,
}

/// The answers of a batch, ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Complete {
    /// The requests that are answered.
    pub ids: Vec<RequestId>,
    /// One array.
    pub text: String,
}

impl Batches {
    fn table(&self) -> MutexGuard<'_, Table> {
        // The table is valid even if a thread panicked while it held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The revision of the session, if `initialize` has agreed on one.
    pub fn revision(&self) -> Option<ProtocolVersion> {
        self.table().revision.clone()
    }

    /// Notes a message that is sent, in case it agrees on a revision.
    pub fn sends(&self, message: &TxJsonRpcMessage<RoleServer>) {
        if let JsonRpcMessage::Response(response) = message
            && let ServerResult::InitializeResult(result) = &response.result
        {
            self.table().revision = Some(result.protocol_version.clone());
        }
    }

    /// Registers a batch: the requests that wait for an answer, and the answers that are there already.
    pub fn open(&self, waiting: Vec<RequestId>, answers: Vec<String>) -> Option<Complete> {
        let open = Open { waiting, answered: Vec::new(), answers };
        if open.waiting.is_empty() {
            return open.complete();
        }
        self.table().open.push(open);
        None
    }

    /// Whether the answer to a request belongs to a batch.
    pub fn wait_for(&self, id: &RequestId) -> bool {
        self.table().open.iter().any(|open| open.waiting.contains(id))
    }

    /// Keeps an answer until its batch is complete.
    pub fn answer(&self, id: &RequestId, text: String) -> Option<Complete> {
        self.remove(id, |open| {
            open.answered.push(id.clone());
            open.answers.push(text);
        })
    }

    /// Notes a received message, in case it cancels a request of a batch, which then gets no answer.
    pub fn received(&self, message: &ClientJsonRpcMessage) -> Option<Complete> {
        match message {
            JsonRpcMessage::Notification(note) => match &note.notification {
                ClientNotification::CancelledNotification(note) => {
                    self.remove(note.params.request_id.as_ref()?, |_| {})
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Stops waiting for a request. Returns its batch if that is complete now.
    fn remove(&self, id: &RequestId, change: impl FnOnce(&mut Open)) -> Option<Complete> {
        let mut table = self.table();
        let at = table.open.iter().position(|open| open.waiting.contains(id))?;
        let open = table.open.get_mut(at)?;
        open.waiting.retain(|waiting| waiting != id);
        change(open);
        if !open.waiting.is_empty() {
            return None;
        }
        table.open.swap_remove(at).complete()
    }
}

impl Open {
    /// A batch of notifications alone has no answer.
    fn complete(self) -> Option<Complete> {
        let text = array(&self.answers)?;
        Some(Complete { ids: self.answered, text })
    }
}

/// Answers as one array; `None` if there is none.
pub fn array(answers: &[String]) -> Option<String> {
    (!answers.is_empty()).then(|| format!("[{}]", answers.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Option<&str> = Some("2025-03-26");

    #[test]
    fn a_batch_is_split_where_its_messages_end() {
        let split = |text: &str| {
            let entries = entries(text.as_bytes(), HERE).unwrap();
            entries.into_iter().map(|entry| String::from_utf8(entry.to_vec()).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(
            split(r#" [ {"id":1,"a":"],[\"{"} ,{"b":[1,{"c":[]}]},5 , "x,y",[] ]"#),
            [r#"{"id":1,"a":"],[\"{"}"#, r#"{"b":[1,{"c":[]}]}"#, "5", "\"x,y\"", "[]",]
        );
        assert_eq!(split(&format!("[{}0]", "0,".repeat(MOST_ENTRIES - 1))).len(), MOST_ENTRIES);
    }

    #[test]
    fn a_batch_that_is_refused_says_why_and_what_to_do() {
        let many = format!("[{}0]", "0,".repeat(MOST_ENTRIES));
        for (text, revision, word) in [
            ("[1]", None, "no revision was agreed on"),
            ("[1]", Some("2024-11-05"), "revision 2024-11-05"),
            ("[1]", Some("2025-06-18"), "only in protocol revision 2025-03-26"),
            ("[ ]", HERE, "no message"),
            (many.as_str(), HERE, "more than 50"),
            (r#"[{"id":1,"method":"ping"},{"id":2,"method":"initialize"}]"#, HERE, "`initialize`"),
            (r#"[{"id":"a","method":"ping"},{"method":"x"},{"id":"a","method":"ping"}]"#, HERE, "the id a"),
        ] {
            let error = entries(text.as_bytes(), revision).unwrap_err();
            assert!(error.message.contains(word) && error.message.contains("by itself"), "{error:?}");
            assert_eq!(error.code.0, -32600);
        }
        // An id that is a number and one that is a text differ.
        assert!(entries(br#"[{"id":1,"method":"ping"},{"id":"1","method":"ping"}]"#, HERE).is_ok());
    }

    #[test]
    fn answers_are_kept_until_the_last_one_or_its_cancellation() {
        let (one, two) = (RequestId::Number(1), RequestId::Number(2));
        let cancel = |id: u32| {
            let text = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
            );
            serde_json::from_str::<ClientJsonRpcMessage>(&text).unwrap()
        };
        let batches = Batches::default();
        assert_eq!(batches.open(vec![one.clone(), two.clone()], vec!["0".to_owned()]), None);
        assert!(batches.wait_for(&one) && !batches.wait_for(&RequestId::Number(3)));
        assert_eq!(batches.answer(&two, "2".to_owned()), None);
        assert_eq!(batches.received(&cancel(2)), None, "it has its answer");
        let complete = batches.answer(&one, "1".to_owned()).unwrap();
        assert_eq!((complete.text.as_str(), complete.ids), ("[0,2,1]", vec![two.clone(), one.clone()]));
        assert!(!batches.wait_for(&one));
        assert_eq!(batches.open(vec![one.clone(), two.clone()], Vec::new()), None);
        assert_eq!(batches.answer(&one, "1".to_owned()), None);
        assert_eq!(batches.received(&cancel(2)).unwrap().text, "[1]");
        assert_eq!(batches.open(vec![one], Vec::new()), None);
        assert_eq!(batches.received(&cancel(1)), None, "there is nothing to say");
        assert_eq!(batches.open(Vec::new(), Vec::new()), None, "notifications are not answered");
    }
}
