//! Tasks: MiniMax's answers to a submit and to a poll, for all endpoints that make their result later.

use serde::Serialize;
use serde_json::Value;

use super::{ApiError, Client, Endpoint, LONGEST_ID, lenient};
use crate::response::envelope::{count, trailing_code};

/// The result of a poll.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// Not done, with MiniMax's status.
    Pending(String),
    /// Done.
    Ready(Box<Ready>),
    /// Done, but the answer names no file, link or text.
    Empty {
        /// The trace id, which MiniMax's support asks for.
        trace_id: Option<String>,
    },
    /// Ended without a result.
    Failed {
        /// MiniMax's error code.
        code: Option<i64>,
        /// MiniMax's message.
        message: String,
    },
    /// Cancelled by this program or by another one.
    Cancelled,
}

/// A result that can be downloaded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ready {
    /// V1: the id of the file, for which a link can be requested.
    pub file_id: Option<String>,
    /// V2 and templates: the link itself.
    pub url: Option<String>,
    /// Context-IR: the enriched prompt.
    pub text: Option<String>,
    /// In pixels.
    pub width: Option<u32>,
    /// In pixels.
    pub height: Option<u32>,
    /// The usage that MiniMax reports.
    pub usage: Option<Value>,
    /// The model that MiniMax reports.
    pub model: Option<String>,
}

impl Client {
    /// Submits a task and returns its id.
    pub(super) async fn submit_task(
        &self,
        endpoint: &Endpoint,
        body: &impl Serialize,
    ) -> Result<String, ApiError> {
        self.buy(endpoint, |request| request.json(body), |answer: Value, _| task_id(&answer)).await
    }
}

/// The answer to a poll.
pub(super) struct Polled {
    pub(super) answer: Value,
    /// The trace id, which MiniMax's support asks for.
    pub(super) trace_id: Option<String>,
}

impl Client {
    /// Polls a task. An answer without its status is an error: nothing can be read from it.
    pub(super) async fn poll(
        &self,
        endpoint: &Endpoint,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Polled, ApiError> {
        let (answer, trace_id): (Value, _) = self.read_traced(endpoint, path, query).await?;
        if unwrapped(&answer).is_some() {
            return Ok(Polled { answer, trace_id });
        }
        let body = answer.to_string();
        let why = self.not_json(body.as_bytes(), "it has no status of the task");
        Err(ApiError::Shape {
            at: self.at(endpoint.path),
            why,
            trace_id,
            answer: self.kept(body.into_bytes()),
        })
    }

    /// A task that failed, with MiniMax's reason.
    pub(super) fn failed(&self, answer: &Value, task: &Value) -> Progress {
        let (code, message) = failure(answer, task);
        Progress::Failed { code, message: self.clean(&message) }
    }
}

/// The places in which an answer may have its fields. MiniMax documents the first two.
const WRAPPERS: &[&str] =
    &["", "/task", "/data", "/result", "/data/task", "/result/task", "/output", "/tasks/0", "/items/0"];

/// The fields of a poll's answer, whatever they are wrapped in. `None` if no task is in it.
pub(super) fn unwrapped(answer: &Value) -> Option<&Value> {
    let mut places = WRAPPERS.iter().filter_map(|place| answer.pointer(place));
    places.find(|place| {
        ["status", "state", "task_status"].iter().any(|name| place.get(name).is_some_and(Value::is_string))
    })
}

/// MiniMax's word for the state of a task.
pub(super) fn word(task: &Value) -> &str {
    ["status", "state", "task_status"].iter().find_map(|name| task.get(name)?.as_str()).unwrap_or_default()
}

/// Why a task failed, in MiniMax's words. The places are those of both versions, and of gateways.
pub(super) fn failure(answer: &Value, task: &Value) -> (Option<i64>, String) {
    let holders = [task, answer];
    let errors = holders.iter().filter_map(|holder| holder.get("error"));
    let bases = holders.iter().filter_map(|holder| holder.get("base_resp"));
    let names = [
        "message",
        "status_msg",
        "msg",
        "reason",
        "error_message",
        "error_msg",
        "fail_reason",
        "failed_reason",
    ];
    let mut texts = errors.clone().chain(bases.clone()).chain(holders).filter_map(|holder| match holder {
        Value::String(text) => Some(text.as_str()),
        holder => names.iter().find_map(|name| holder.get(name)?.as_str()),
    });
    let says = |text: &&str| !text.trim().is_empty() && !text.trim().eq_ignore_ascii_case("success");
    let (message, trailing) = trailing_code(texts.find(says).unwrap_or_default());
    let fields = ["code", "status_code", "error_code"];
    let mut coded = errors
        .chain(bases)
        .chain(holders)
        .flat_map(|holder| fields.map(|name| holder.get(name).and_then(count)));
    let code = coded.find_map(|code| code.filter(|code| *code != 0));
    (code.or(trailing), message.to_owned())
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Succeeded,
    Failed,
    Expired,
    Cancelled,
}

/// How a task with this status ended; `None` while it is open. MiniMax's endpoints, versions and callbacks spell the words
/// differently: `Success` and `succeeded`, `Fail` and `failed`.
pub(super) fn ending(status: &str) -> Option<Ending> {
    let word = status.trim().to_lowercase();
    match word.as_str() {
        word if word.starts_with("succe") => Some(Ending::Succeeded),
        word if word.starts_with("fail") => Some(Ending::Failed),
        "expired" => Some(Ending::Expired),
        "cancelled" | "canceled" => Some(Ending::Cancelled),
        _ => None,
    }
}

/// The id of a file; `None` for the empty text and the zero that stand for no file.
pub(super) fn file_id(id: String) -> Option<String> {
    Some(id).filter(|id| !id.is_empty() && id.bytes().any(|byte| byte != b'0'))
}

/// The task id in the answer to a submit. Without a usable one the task cannot be polled, although it may have been
/// billed.
pub(super) fn task_id(answer: &Value) -> Result<String, String> {
    let named = |place: &&str| {
        let holder = answer.pointer(place)?;
        // The `id` beside other fields is that of the request.
        let names: &[&str] = if place.ends_with("task") { &["task_id", "id"] } else { &["task_id"] };
        names.iter().find_map(|name| {
            let id = lenient(holder.get(name)?).ok()?;
            (!id.trim().is_empty()).then(|| id.trim().to_owned())
        })
    };
    let id = WRAPPERS.iter().find_map(named).unwrap_or_default();
    match id.chars().count() {
        0 => Err("a success without task_id".to_owned()),
        _ if id.contains('\u{fffd}') => Err("a task_id that is cut or damaged".to_owned()),
        length if length > LONGEST_ID => Err(format!("a task_id of {length} characters")),
        _ => Ok(id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_is_recognized_in_every_spelling() {
        for (word, expected) in [
            ("Success", Some(Ending::Succeeded)),
            (" SUCCEEDED\n", Some(Ending::Succeeded)),
            ("Fail", Some(Ending::Failed)),
            ("failure", Some(Ending::Failed)),
            ("Expired", Some(Ending::Expired)),
            ("canceled", Some(Ending::Cancelled)),
            ("Cancelled", Some(Ending::Cancelled)),
            ("", None),
            ("Processing", None),
            ("unsuccessful", None),
        ] {
            assert_eq!(ending(word), expected, "{word}");
        }
    }
}
