//! What a job that ended without a result says.

use crate::api::{ApiError, Blame};
use crate::store::Failure;

/// What MiniMax, or the way to it, did.
pub(super) fn failure(error: &ApiError) -> Failure {
    Failure {
        message: error.to_string(),
        blame: error.blame(),
        // The details come last.
        advice: [Some(error.advice()), error.details()].into_iter().flatten().collect::<Vec<_>>().join(" "),
        code: error.code(),
        trace_id: error.trace_id().map(str::to_owned),
    }
}

/// What is known of a request whose answer said nothing, with what MiniMax's support can find it by.
pub(super) fn traced(error: &ApiError) -> String {
    match error.details() {
        Some(details) => format!("{error} {details}"),
        None => error.to_string(),
    }
}

/// A task that MiniMax took and that ended without a result.
pub(super) fn ended(code: Option<i64>, message: &str) -> Failure {
    let message = message.to_owned();
    let refused =
        ApiError::Refused { at: "".into(), status: 200, code, message, trace_id: None, retry_after: None };
    match code {
        Some(_) => failure(&refused),
        None => Failure {
            message: refused.to_string(),
            blame: Blame::Transient,
            advice: "Make it again, or change the prompt.".to_owned(),
            code: None,
            trace_id: None,
        },
    }
}

/// Nothing was handed over, by MiniMax's own account.
pub(super) fn withheld(message: &str) -> Failure {
    Failure {
        message: format!("MiniMax answered, but {message}"),
        blame: Blame::Caller,
        advice: "Rephrase the prompt and make it again.".to_owned(),
        code: None,
        trace_id: None,
    }
}
