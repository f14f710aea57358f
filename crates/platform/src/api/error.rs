//! Errors from MiniMax and from the connection to it: class, blame, advice, and whether they may have been billed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::target::Target;
use crate::facts::{Class, facts};
use crate::response::raw::RawAnswer;

/// A request that returned no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApiError {
    /// No key is set, so nothing was sent.
    #[error("no API key is set")]
    NoKey,

    /// Nothing was sent, because the rate-limit queue is too long.
    #[error("nothing was sent, because the queue for {group} is too long: {why}")]
    Held {
        /// The rate-limit group.
        group: &'static str,
        /// Its position in the queue, and the limit that it waits for.
        why: String,
        /// The expected wait, in words.
        wait: String,
    },

    /// No connection was made, so MiniMax has not seen the request.
    #[error("{why}")]
    Unsent {
        /// The endpoint and its host.
        at: Target,
        /// What happened, as a sentence.
        why: String,
    },

    /// The request may have arrived, but no complete response came back.
    #[error("The connection{} was lost before MiniMax had answered: {why}", to(at))]
    Lost {
        /// The endpoint and its host.
        at: Target,
        /// What happened, as the end of a sentence.
        why: String,
        /// The part of a successful response that had arrived.
        answer: Option<RawAnswer>,
    },

    /// A free read that MiniMax did not answer in time.
    #[error("MiniMax has not answered within {seconds} s. The request was free and changed nothing")]
    Unanswered {
        /// The limit.
        seconds: u64,
    },

    /// MiniMax returned an error (platform docs > error codes).
    #[error("{}", refused(at, *code, *status, message))]
    Refused {
        /// The endpoint and its host.
        at: Target,
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
    #[error("The answer{} does not match MiniMax's documentation: {why}", of(at))]
    Shape {
        /// The endpoint and its host.
        at: Target,
        /// How it differs from the documentation.
        why: String,
        /// The trace id, which MiniMax's support asks for.
        trace_id: Option<String>,
        /// The response.
        answer: Option<RawAnswer>,
    },
}

fn to(at: &Target) -> String {
    at.host().map(|host| format!(" to {host}")).unwrap_or_default()
}

fn of(at: &Target) -> String {
    at.host().map(|host| format!(" of {host}")).unwrap_or_default()
}

/// What happened in plain words, and MiniMax's own message unless it says the same. For logs and notes, which have no
/// [`ApiError::details`], with the code and the host.
fn refused(at: &Target, code: Option<i64>, status: u16, message: &str) -> String {
    let place = if is_missing(at, code, status, message) { String::new() } else { at.at() };
    said(at, code, status, message, &format!("{}{place}", number(code, status)))
}

/// The code, or the status of an error without one, in parentheses. The status of a success says nothing.
fn number(code: Option<i64>, status: u16) -> String {
    match code {
        Some(code) => format!(" (error {code})"),
        None if (200..300).contains(&status) => String::new(),
        None => format!(" (HTTP {status})"),
    }
}

fn said(at: &Target, code: Option<i64>, status: u16, message: &str, place: &str) -> String {
    if is_missing(at, code, status, message) {
        return format!("The gateway{} does not have the endpoint {}{place}", at.at(), at.path());
    }
    let row = code.and_then(|code| facts().code(code));
    let http = facts().http(status, message).filter(|_| code.is_none());
    let what = row.and_then(|row| row.what.as_deref()).or(http.and_then(|row| row.what.as_deref()));
    let what = what.unwrap_or("MiniMax refused the request");
    let known = format!("{what} {}", row.map(|row| row.meaning.as_str()).unwrap_or_default());
    if message.is_empty() || repeats(&known, message) {
        return format!("{what}{place}");
    }
    format!("{what}{place}: {message}")
}

/// Whether every word of `message` is in `said`.
fn repeats(said: &str, message: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let said = words(said);
    words(message).iter().all(|word| said.contains(word))
}

/// Whether a gateway answered that it does not have the endpoint. Nothing was billed then.
fn is_missing(at: &Target, code: Option<i64>, status: u16, message: &str) -> bool {
    let no_model = facts().http(status, message).is_none_or(|row| row.says.is_none());
    at.is_gateway() && code.is_none() && matches!(status, 404 | 405) && no_model
}

/// Whether the API did not accept the key, perhaps because it is of another region.
fn is_about_key(code: Option<i64>, status: u16, message: &str) -> bool {
    match code.and_then(|code| facts().code(code)) {
        Some(row) => row.key,
        None => facts().http(status, message).is_some_and(|row| row.key),
    }
}

/// What to do if a gateway does not have an endpoint.
fn gateway_advice(path: &str) -> String {
    let chat = ["/messages", "/responses", "/chatcompletion_v2", "/count_tokens", "/input_tokens"];
    if chat.iter().any(|end| path.ends_with(end)) {
        return "Nothing was billed. Use `api: openai`, the protocol that gateways have; tokens are counted only where the \
                gateway counts them."
            .to_owned();
    }
    "Nothing was billed. Only MiniMax's own API has this endpoint. Behind this gateway use chat with `api: openai`, or take \
     MINIMAX_API_HOST out of the settings."
        .to_owned()
}

/// Who can do something about an [`ApiError`]. Job records store it, so its words never change. A word from a later
/// version is read as [`Blame::Crate`].
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
            // Only the operator can choose another host.
            Class::Crate if self.is_missing_endpoint() || self.is_redirect() => Blame::Operator,
            Class::Crate => Blame::Crate,
        }
    }

    /// Whether a gateway answered that it does not have the endpoint. Nothing was billed then.
    pub fn is_missing_endpoint(&self) -> bool {
        match self {
            Self::Refused { at, code, status, message, .. } => is_missing(at, *code, *status, message),
            _ => false,
        }
    }

    /// Whether the host sent the request elsewhere. Redirects are not followed.
    fn is_redirect(&self) -> bool {
        matches!(self, Self::Refused { code: None, status: 301 | 302 | 307 | 308, .. })
    }

    /// What happened, with the code, and without what [`Self::details`] says.
    pub fn plain(&self) -> String {
        match self {
            Self::Refused { at, status, code, message, .. } => {
                said(at, *code, *status, message, &number(*code, *status))
            }
            _ => self.to_string(),
        }
    }

    /// What MiniMax's support needs and [`Self::plain`] does not say: host, endpoint and trace id.
    pub fn details(&self) -> Option<String> {
        let at = match self {
            Self::NoKey | Self::Held { .. } | Self::Unanswered { .. } => return None,
            Self::Unsent { at, .. }
            | Self::Lost { at, .. }
            | Self::Shape { at, .. }
            | Self::Refused { at, .. } => at,
        };
        let plain = self.plain();
        let is_new = |part: &&str| !part.is_empty() && !plain.contains(part);
        let host = at.host().filter(is_new).map(|host| format!("host {host}"));
        let path = Some(at.path()).filter(is_new).map(|path| format!("endpoint {path}"));
        let trace = self.trace_id().map(|trace| format!("trace id {trace}"));
        let parts: Vec<_> = [host, path, trace].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| format!("({})", parts.join(", ")))
    }

    /// Whether a paid request that failed with this error may have been billed.
    pub fn accepted(&self) -> Accepted {
        match self {
            // Some hosts redirect once they have done what was asked.
            Self::Lost { .. } | Self::Shape { .. } | Self::Refused { code: None, status: 301 | 302, .. } => {
                Accepted::Unknown
            }
            Self::Refused { .. } if self.class() == Class::Server => Accepted::Unknown,
            // An unlisted code or status does not tell whether the request was billed.
            Self::Refused { .. } if self.class() == Class::Crate && self.is_unlisted() => Accepted::Unknown,
            Self::NoKey
            | Self::Held { .. }
            | Self::Unsent { .. }
            | Self::Unanswered { .. }
            | Self::Refused { .. } => Accepted::No,
        }
    }

    fn is_unlisted(&self) -> bool {
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
            Self::Refused { at, code: Some(code), .. } => match facts().closing(at.path(), *code) {
                Some(closing) => format!("{advice} {}", closing.note),
                None => advice,
            },
            _ => advice,
        }
    }

    fn usual_advice(&self) -> String {
        let table = match self {
            Self::Unsent { .. } => {
                return "Check your network, HTTPS_PROXY or MINIMAX_API_HOST, then call again.".to_owned();
            }
            Self::Refused { at, .. } if self.is_missing_endpoint() => return gateway_advice(at.path()),
            Self::Held { wait, .. } => {
                return format!(
                    "Nothing was bought. Call again in about {wait}, and with fewer calls at once."
                );
            }
            Self::NoKey | Self::Lost { .. } | Self::Unanswered { .. } | Self::Shape { .. } => None,
            Self::Refused { at, code, status, message, .. } if is_about_key(*code, *status, message) => {
                Some(at.key_advice())
            }
            Self::Refused { code, status, message, .. } => code
                .and_then(|code| facts().code(code))
                .map(|row| row.advice.clone())
                .or_else(|| facts().http(*status, message).map(|row| row.advice.clone())),
        };
        table.unwrap_or_else(|| match self.blame() {
            Blame::Caller => "Fix the argument that the message names.".to_owned(),
            Blame::Operator => "Set MINIMAX_API_KEY in this server's configuration; keys are made at platform.minimax.io (global) or platform.minimax.cn (China).".to_owned(),
            Blame::Transient => "MiniMax or the network has a temporary problem: call again in a minute.".to_owned(),
            Blame::Crate => "Check MINIMAX_API_HOST. If it is right, MiniMax has changed its API: report it with the trace id.".to_owned(),
        })
    }

    /// What is wrong with a response that could not be parsed, and its start.
    pub fn unread(&self) -> Option<&str> {
        match self {
            Self::Shape { why, .. } => Some(why),
            _ => None,
        }
    }

    /// What arrived of a successful response that could not be used.
    pub fn answer(&self) -> Option<&RawAnswer> {
        match self {
            Self::Shape { answer, .. } | Self::Lost { answer, .. } => answer.as_ref(),
            _ => None,
        }
    }

    /// The same error with the response that could not be used.
    #[must_use]
    pub fn with_answer(mut self, arrived: Option<RawAnswer>) -> Self {
        if let Self::Shape { answer, .. } | Self::Lost { answer, .. } = &mut self {
            *answer = arrived.or(answer.take());
        }
        self
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
