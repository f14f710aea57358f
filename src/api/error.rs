//! Errors from MiniMax and from the connection to it: class, blame, advice, and whether they may have been billed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::facts::{Class, facts};

/// A request that returned no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApiError {
    /// No key is set, so nothing was sent.
    #[error("no API key is set")]
    NoKey,

    /// Nothing was sent, because the rate-limit queue is too long.
    #[error("nothing was sent, because the line for {group} is long: {why}")]
    Held {
        /// The rate-limit group.
        group: &'static str,
        /// Its position in the queue, and the limit that it waits for.
        why: String,
        /// The expected wait, in words.
        wait: String,
    },

    /// No connection was made, so MiniMax has not seen the request.
    #[error("MiniMax could not be reached: {why}")]
    Unsent {
        /// The endpoint.
        path: &'static str,
        /// The chain of causes.
        why: String,
    },

    /// The request may have arrived, but no complete response came back.
    #[error("{path}: the connection was lost before MiniMax had answered: {why}")]
    Lost {
        /// The endpoint.
        path: &'static str,
        /// The chain of causes.
        why: String,
    },

    /// A free read that MiniMax did not answer in time.
    #[error("MiniMax has not answered within {seconds} s. The request was free and changed nothing")]
    Unanswered {
        /// The limit.
        seconds: u64,
    },

    /// MiniMax returned an error (platform docs > error codes).
    #[error("{path}: MiniMax refused{}: {message}", code_words(*code, *status))]
    Refused {
        /// The endpoint.
        path: &'static str,
        /// The HTTP status. Most V1 errors have 200.
        status: u16,
        /// `base_resp.status_code`, or the number at the end of the envelope's message.
        code: Option<i64>,
        /// MiniMax's message, without the key.
        message: String,
        /// The trace id, which MiniMax's support asks for.
        trace_id: Option<String>,
        /// How long MiniMax asked to wait.
        retry_after: Option<Duration>,
    },

    /// A successful response that cannot be parsed.
    #[error("{path}: MiniMax's answer is not what its documentation says: {why}")]
    Shape {
        /// The endpoint.
        path: &'static str,
        /// How it differs from the documentation.
        why: String,
        /// The trace id, which MiniMax's support asks for.
        trace_id: Option<String>,
    },
}

fn code_words(code: Option<i64>, status: u16) -> String {
    match code {
        Some(code) => match facts().code(code) {
            Some(row) => format!(" with code {code}, {}", row.meaning),
            None => format!(" with code {code}"),
        },
        None => format!(" with HTTP {status}"),
    }
}

/// Who can do something about an [`ApiError`]. Stored in job records, so a word never changes, and one that a later
/// version writes is read as [`Blame::Crate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Blame {
    /// The caller. Another prompt or option may work.
    Caller,
    /// The operator of the server: key, balance, region or network.
    Operator,
    /// No one. The same call may succeed later.
    #[serde(rename = "weather")]
    Transient,
    /// The developers of this program: MiniMax changed its API, or this program has a bug.
    #[serde(other)]
    Crate,
}

impl Blame {
    /// The word that job records use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Operator => "operator",
            Self::Transient => "weather",
            Self::Crate => "crate",
        }
    }
}

/// Whether MiniMax accepted a request that returned no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It did not, so nothing was billed.
    No,
    /// It may have, so it may have been billed.
    Unknown,
}

impl ApiError {
    /// The error's class, from the table of codes or else from the HTTP status.
    pub fn class(&self) -> Class {
        match self {
            Self::NoKey => Class::Auth,
            Self::Held { .. } => Class::Rate,
            Self::Unsent { .. } | Self::Lost { .. } | Self::Unanswered { .. } => Class::Server,
            Self::Shape { .. } => Class::Crate,
            Self::Refused { code: Some(code), .. } if facts().code(*code).is_some() => {
                facts().code(*code).map_or(Class::Crate, |row| row.class)
            }
            Self::Refused { status, message, .. } => match facts().http(*status, message) {
                Some(row) => row.class,
                None if *status >= 500 || *status == 408 => Class::Server,
                None => Class::Crate,
            },
        }
    }

    /// A short name for the kind of error, for metrics and logs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NoKey => "no_key",
            Self::Held { .. } => "held",
            Self::Unsent { .. } => "unsent",
            Self::Lost { .. } => "lost",
            Self::Unanswered { .. } => "unanswered",
            Self::Shape { .. } => "unreadable",
            Self::Refused { .. } => match self.class() {
                Class::Auth => "auth",
                Class::Quota => "quota",
                Class::Input => "input",
                Class::Content => "content",
                Class::Rate => "rate",
                Class::Server => "server",
                Class::Crate => "unheard_of",
            },
        }
    }

    /// Who can do something about the error.
    pub fn blame(&self) -> Blame {
        match self.class() {
            Class::Auth | Class::Quota => Blame::Operator,
            Class::Input | Class::Content => Blame::Caller,
            Class::Rate | Class::Server => Blame::Transient,
            Class::Crate => Blame::Crate,
        }
    }

    /// Whether a paid request that failed with this error may have been billed.
    pub fn accepted(&self) -> Accepted {
        match self {
            Self::Lost { .. } | Self::Shape { .. } => Accepted::Unknown,
            Self::Refused { .. } if self.class() == Class::Server => Accepted::Unknown,
            // An unlisted code or status does not tell whether the request was billed.
            Self::Refused { .. } if self.class() == Class::Crate && self.is_unheard_of() => Accepted::Unknown,
            Self::NoKey
            | Self::Held { .. }
            | Self::Unsent { .. }
            | Self::Unanswered { .. }
            | Self::Refused { .. } => Accepted::No,
        }
    }

    fn is_unheard_of(&self) -> bool {
        match self {
            Self::Refused { code: Some(code), status, message, .. } => {
                facts().code(*code).is_none() && facts().http(*status, message).is_none()
            }
            Self::Refused { code: None, status, message, .. } => facts().http(*status, message).is_none(),
            _ => false,
        }
    }

    /// What a person or a model should do next.
    pub fn advice(&self) -> String {
        let advice = self.usual_advice();
        match self {
            Self::Refused { path, code: Some(code), .. } => match facts().closing(path, *code) {
                Some(closing) => format!("{advice} {}", closing.note),
                None => advice,
            },
            _ => advice,
        }
    }

    fn usual_advice(&self) -> String {
        let table = match self {
            Self::Unsent { .. } => {
                return "Check the network, HTTPS_PROXY and MINIMAX_API_HOST, then call again.".to_owned();
            }
            Self::Held { wait, .. } => {
                return format!(
                    "Nothing was bought. Call again in about {wait}, and with fewer calls at once."
                );
            }
            Self::NoKey | Self::Lost { .. } | Self::Unanswered { .. } | Self::Shape { .. } => None,
            Self::Refused { code, status, message, .. } => code
                .and_then(|code| facts().code(code))
                .map(|row| row.advice.clone())
                .or_else(|| facts().http(*status, message).map(|row| row.advice.clone())),
        };
        table.unwrap_or_else(|| match self.blame() {
            Blame::Caller => "Fix the argument that the message names.".to_owned(),
            Blame::Operator => "Set MINIMAX_API_KEY in this server's configuration; keys are made at platform.minimax.io (global) or platform.minimax.cn (China).".to_owned(),
            Blame::Transient => "MiniMax, or the way to it, has trouble: call again in a minute.".to_owned(),
            Blame::Crate => "Check MINIMAX_API_HOST. If it is right, MiniMax has changed its API: report it with the trace id.".to_owned(),
        })
    }

    /// The start of a response that could not be parsed.
    pub fn answer(&self) -> Option<&str> {
        match self {
            Self::Shape { why, .. } => Some(why),
            _ => None,
        }
    }

    /// MiniMax's error code.
    pub fn code(&self) -> Option<i64> {
        match self {
            Self::Refused { code, .. } => *code,
            _ => None,
        }
    }

    /// The trace id, which MiniMax's support asks for.
    pub fn trace_id(&self) -> Option<&str> {
        match self {
            Self::Refused { trace_id, .. } | Self::Shape { trace_id, .. } => trace_id.as_deref(),
            _ => None,
        }
    }

    /// How long MiniMax asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
