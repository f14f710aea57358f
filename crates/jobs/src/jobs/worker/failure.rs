//! The failures that job records name.

use crate::api::{ApiError, Blame};
use crate::store::Failure;

/// An error of MiniMax or of the connection.
pub(super) fn failure(error: &ApiError) -> Failure {
    Failure {
        message: error.plain(),
        blame: error.blame(),
        // The details come last.
        advice: [Some(error.advice()), error.details()].into_iter().flatten().collect::<Vec<_>>().join(" "),
        code: error.code(),
        trace_id: error.trace_id().map(str::to_owned),
    }
}

/// A request that did not leave, because its record could not be kept from other servers.
pub(super) fn too_late() -> Failure {
    Failure {
        message: "the server was suspended or could not reach its database before the request left; nothing was bought"
            .to_owned(),
        blame: Blame::Transient,
        advice: "Call the tool again with the same arguments; its idempotency_key is free again.".to_owned(),
        code: None,
        trace_id: None,
    }
}

/// The text of an error without an answer, with the id that MiniMax's support asks for.
pub(super) fn traced(error: &ApiError) -> String {
    match error.details() {
        Some(details) => format!("{} {details}", error.plain()),
        None => error.plain(),
    }
}

/// A task that ended at MiniMax without a result.
pub(super) fn ended(code: Option<i64>, message: &str) -> Failure {
    let message = message.to_owned();
    match code {
        Some(_) => failure(&ApiError::Refused {
            at: "".into(),
            status: 200,
            code,
            message,
            trace_id: None,
            retry_after: None,
        }),
        None => Failure {
            message: if message.is_empty() {
                "MiniMax reports that the task failed, without a reason".to_owned()
            } else {
                format!("MiniMax reports that the task failed: {message}")
            },
            blame: Blame::Transient,
            advice: "Make it again, or change the prompt.".to_owned(),
            code: None,
            trace_id: None,
        },
    }
}

/// MiniMax has finished a task but names no file.
pub(super) fn done_without_file(trace_id: Option<String>) -> Failure {
    Failure {
        message: "the task is done at MiniMax, but MiniMax names no file, so nothing can be downloaded. It may be billed"
            .to_owned(),
        blame: Blame::Crate,
        advice: "Do not buy it again before MiniMax's support has looked at the task: tell the user to send them the \
                 task id, and the trace id if there is one."
            .to_owned(),
        code: None,
        trace_id,
    }
}

/// MiniMax has made what was ordered, but its links cannot be fetched.
pub(super) fn made_without_link(trace_id: Option<String>, odd: &str) -> Failure {
    Failure {
        message: format!(
            "MiniMax made the result, but its link is empty or cut{odd}, so nothing can be downloaded. It may be billed"
        ),
        blame: Blame::Crate,
        advice: "Do not buy it again before MiniMax's support has looked at it: tell the user to send them the trace id, \
                 if there is one, and the time."
            .to_owned(),
        code: None,
        trace_id,
    }
}

/// MiniMax says that it withheld the result.
pub(super) fn withheld(message: &str) -> Failure {
    Failure {
        message: format!("MiniMax answered, but {message}"),
        blame: Blame::Caller,
        advice: "Rephrase the prompt and make it again.".to_owned(),
        code: None,
        trace_id: None,
    }
}
