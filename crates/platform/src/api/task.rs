//! Tasks: MiniMax's answers to a submit and to a poll, for all endpoints that make their result later.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ApiError, Client, Endpoint, LONGEST_ID, lenient};

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
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default, deserialize_with = "lenient")]
            task_id: String,
        }
        let answer: Answer = self.post(endpoint, body).await?;
        task_id(endpoint.path, answer.task_id)
    }
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

/// Checks the task id of a submit. Without a usable one the task cannot be polled, although it may have been billed.
pub(super) fn task_id(path: &'static str, id: String) -> Result<String, ApiError> {
    let why = match id.chars().count() {
        0 => "a success without task_id".to_owned(),
        length if length > LONGEST_ID => format!("a task_id of {length} characters"),
        _ => return Ok(id),
    };
    Err(ApiError::Shape { at: path.into(), why, trace_id: None })
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
