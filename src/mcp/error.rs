//! A failed call, worded for the model that has to decide what to do next.

use rmcp::ErrorData;
use rmcp::handler::server::tool::IntoCallToolResult;
use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock, JsonObject, MetaObject};

use crate::api::{Accepted, ApiError, Blame, RawAnswer};
use crate::config::ConfigError;
use crate::jobs::StoreError;
use crate::media::units::size;
use crate::result::job_view::{ASK_USER, ErrorView, JobView, sentence};
use crate::telemetry;

/// The error kind of a call that a setting forbids.
pub(crate) const OPERATOR: &str = "settings";

/// Why no key pays for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unpaid {
    /// The caller should have brought a key.
    #[error(
        "each request to this server must include its own MiniMax key, once, in the header X-MiniMax-Api-Key, and this \
         request has none, so nothing was sent"
    )]
    Missing,
    /// The caller should not have brought one.
    #[error(
        "the request includes a key in the header X-MiniMax-Api-Key, and this server does not use the keys of its \
         callers, so nothing was sent"
    )]
    Unwanted,
    /// The server has work for as many keys as it can hold.
    #[error("this server is working for as many keys as it can hold, so nothing was sent")]
    Full,
}

impl Unpaid {
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Missing => {
                "Ask the user to add the header X-MiniMax-Api-Key, with their key as its value, to this server's entry \
                 in the client's configuration (keys: platform.minimax.io for the global region, platform.minimax.cn \
                 for China; its region must be the one that this server is set to)."
            }
            Self::Unwanted => {
                "If the server's own key may pay, ask the user to remove the header X-MiniMax-Api-Key from the client's \
                 configuration. If callers should pay with their own keys, ask the server's operator to set \
                 MINIMAX_MCP_CALLER_KEYS to true."
            }
            Self::Full => "Call again in a few minutes.",
        }
    }
}

/// Why a call failed before it had a result.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// One argument is wrong.
    #[error("`{field}` {problem}")]
    Argument {
        /// The parameter's name in the schema.
        field: String,
        /// The rule and the allowed values.
        problem: String,
    },

    /// The arguments do not fit the tool's schema.
    #[error("{problem}")]
    Arguments {
        /// The tool.
        tool: String,
        /// What is wrong, and the allowed values.
        problem: String,
    },

    /// A setting cannot be used.
    #[error("this server's settings are wrong: {}", listed(.0))]
    Config(Vec<ConfigError>),

    /// There is no key. If a setting looks like one, the note says why it does not count.
    #[error("no MiniMax API key is set{}, so nothing was sent", .0.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
    NoKey(Option<String>),

    /// The key of the request is missing, unwanted, or one too many.
    #[error(transparent)]
    Unpaid(#[from] Unpaid),

    /// The job records cannot be read or written.
    #[error(transparent)]
    Records(#[from] StoreError),

    /// A limit or a person refused the price.
    #[error("{message}")]
    Money {
        /// What forbids it, with the price.
        message: String,
        /// Who can fix it.
        kind: &'static str,
        /// What to do next.
        advice: String,
    },

    /// The caller has reached its rate of calls.
    #[error(
        "the token `{name}` has made its {rate} tool calls of this minute; its next call is accepted in {seconds} s, so \
         nothing was done or billed"
    )]
    TooOften {
        /// The token's name.
        name: String,
        /// Calls a minute.
        rate: u32,
        /// Until the next call is accepted, rounded up.
        seconds: u64,
    },

    /// The caller has reached its limit of calls that read media.
    #[error(
        "{places} calls of this caller are already reading media, which is the limit, so nothing was done or billed"
    )]
    Busy {
        /// The limit.
        places: usize,
    },

    /// The client cancelled the call before its paid request had left.
    #[error("the call was cancelled, so nothing was bought")]
    Cancelled,

    /// Not a failure: the client has to ask a person, and call again with the answer. The pipeline returns the question
    /// that is attached to the call.
    #[error("a person must be asked first")]
    Ask,

    /// MiniMax refused the request, or could not be reached.
    #[error(transparent)]
    Api(#[from] ApiError),

    /// As [`Self::Api`], for a call that is billed at once.
    #[error(transparent)]
    Bought(ApiError),

    /// A file could not be transferred.
    #[error("the file did not arrive: {0}")]
    Transfer(String),

    /// Nothing has this id.
    #[error("there is no {what}")]
    NotFound {
        /// What was looked for.
        what: String,
        /// Where it can be found.
        advice: String,
    },
}

/// The key in a result's `_meta` that holds its error word, for programs. The schemas of most results have no field for it.
pub(crate) const ERROR_WORD: &str = "minimax-mcp/error";

/// The key in a result's `_meta` that holds its error kind, as `error.kind` in the structured content does.
/// Clients of early revisions get no structured content.
const ERROR_KIND: &str = "minimax-mcp/kind";

/// Adds the error kind to a result's `_meta`.
pub(crate) fn classify(result: &mut CallToolResult) {
    let content = result.structured_content.as_ref().filter(|_| result.is_error == Some(true));
    let Some(kind) = content.and_then(|content| content.pointer("/error/kind")).cloned() else { return };
    result.meta.get_or_insert_default().insert(ERROR_KIND.to_owned(), kind);
}

/// The longest message and the longest advice, in characters. A list of allowed values has about a thousand.
const LONGEST: usize = 4000;

/// The most bytes of an answer that an error quotes. What was paid for may be in an answer that cannot be read.
const ANSWER_SHOWN: usize = 20_000;

/// The beginning of the advice after a call that failed and cost nothing.
pub(crate) const NOTHING_SENT: &str = "Nothing was sent or billed.";

/// What to do after a failed paid request. Retrying one that MiniMax may have accepted could pay twice.
pub(crate) fn advice_in_doubt(error: &ApiError) -> String {
    if error.accepted() == Accepted::Unknown && error.blame() == Blame::Transient {
        return "Let the user decide whether to call again; the platform's billing page shows what was billed.".to_owned();
    }
    error.advice()
}

fn listed(problems: &[ConfigError]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl ToolError {
    /// A wrong argument: its name, and the rule with the allowed values.
    pub fn argument(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Argument { field: field.into(), problem: problem.into() }
    }

    /// The error kind: who can fix it.
    fn kind(&self) -> &'static str {
        match self {
            // Waiting and retrying could pay twice.
            Self::Bought(error) if error.accepted() == Accepted::Unknown => ASK_USER,
            Self::Money { kind, .. } => kind,
            _ => ErrorView::kind(self.blame()),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Argument { .. } | Self::Arguments { .. } | Self::NotFound { .. } => Blame::Caller,
            Self::Config(_) | Self::NoKey(_) | Self::Records(_) | Self::Money { .. } | Self::Ask => {
                Blame::Operator
            }
            Self::Unpaid(Unpaid::Missing | Unpaid::Unwanted) => Blame::Operator,
            Self::Transfer(_)
            | Self::TooOften { .. }
            | Self::Busy { .. }
            | Self::Cancelled
            | Self::Unpaid(Unpaid::Full) => Blame::Transient,
            Self::Api(error) | Self::Bought(error) => error.blame(),
        }
    }

    /// What to do now.
    pub(crate) fn advice(&self) -> String {
        match self {
            Self::Argument { .. } => "Nothing was sent or billed. Fix the argument and call again.".to_owned(),
            Self::Arguments { tool, .. } => {
                format!("Nothing was sent or billed. Fix the arguments and call {tool} again.")
            }
            Self::Config(_) => "Ask the user to correct the server's configuration and to restart it.".to_owned(),
            Self::NoKey(_) => "Ask the user to set MINIMAX_API_KEY in this server's configuration (keys: \
                platform.minimax.io for the global region, platform.minimax.cn with MINIMAX_REGION=cn for China) \
                and to restart it."
                .to_owned(),
            Self::Unpaid(why) => why.advice().to_owned(),
            Self::Records(error) => format!("Nothing was sent or billed. Tell the user: {}", error.advice()),
            Self::Transfer(_) => "Nothing was billed. Call again.".to_owned(),
            Self::Bought(error) if error.accepted() == Accepted::Unknown => format!(
                "MiniMax may have accepted and billed the request; it is not sent again automatically. {}",
                advice_in_doubt(error)
            ),
            Self::Api(error) | Self::Bought(error) => error.advice(),
            Self::NotFound { advice, .. } | Self::Money { advice, .. } => advice.clone(),
            Self::TooOften { seconds, .. } => format!(
                "Call again in {seconds} s. The server's operator can raise `rate` in the file that \
                 MINIMAX_MCP_TOKEN_FILE names."
            ),
            Self::Busy { .. } => "Try again in a few seconds, with fewer calls at once.".to_owned(),
            Self::Cancelled => "Nothing was bought. Inputs that were uploaded stay at MiniMax.".to_owned(),
            Self::Ask => String::new(),
        }
    }

    /// What to do now, and then the details that MiniMax's support asks for.
    fn next(&self) -> String {
        let details = match self {
            Self::Api(error) | Self::Bought(error) => error.details(),
            _ => None,
        };
        [Some(self.advice()), details].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// The error word: what failed, for metrics and programs.
    fn word(&self) -> &'static str {
        match self {
            Self::Argument { .. } | Self::Arguments { .. } => "argument",
            Self::Config(_) => "settings",
            Self::NoKey(_) | Self::Unpaid(_) => "no_key",
            Self::Records(_) => "records",
            Self::Money { .. } => "money",
            Self::TooOften { .. } => "rate",
            Self::Busy { .. } => "busy",
            Self::Cancelled => "cancelled",
            Self::Ask => telemetry::ASKED,
            Self::Api(error) | Self::Bought(error) => error.word(),
            Self::Transfer(_) => "transfer",
            Self::NotFound { .. } => "not_found",
        }
    }

    pub(crate) fn view(&self) -> ErrorView {
        let (code, trace_id) = match self {
            Self::Api(error) | Self::Bought(error) => (error.code(), error.trace_id().map(str::to_owned)),
            _ => (None, None),
        };
        let message = match self {
            Self::Api(error) | Self::Bought(error) => error.plain(),
            _ => self.to_string(),
        };
        ErrorView { message, kind: self.kind(), code, trace_id }
    }

    /// The `isError` result.
    pub(crate) fn into_response(self) -> CallToolResponse {
        let word = self.word();
        telemetry::failed(word);
        let (mut error, next) = (self.view(), telemetry::plain(&self.next(), LONGEST));
        // The message may repeat arguments and answers of hosts, which may contain anything.
        error.message = telemetry::plain(&error.message, LONGEST);
        let mut blocks = Vec::new();
        if let Self::Bought(error_of) = &self
            && let Some(answer) = error_of.answer().filter(|answer| !is_page(answer))
        {
            let quoted = answer.quoted(ANSWER_SHOWN);
            let all = size(answer.bytes().len() as u64);
            let what = match (quoted.len() < answer.bytes().len(), answer.is_part()) {
                (true, _) => format!("The first {} of the {all} that came are", size(quoted.len() as u64)),
                (false, true) => "What came of the answer is".to_owned(),
                (false, false) => "The answer is".to_owned(),
            };
            error.message = format!("{} {what} quoted above.", sentence(&error.message));
            blocks.push(ContentBlock::text(telemetry::plain(&quoted, ANSWER_SHOWN)));
        }
        blocks.push(ContentBlock::text(error.lines(&next)));
        let mut result = CallToolResult::error(blocks);
        result.structured_content = serde_json::to_value(JobView::error(error, next)).ok();
        result.meta = Some(MetaObject(JsonObject::from_iter([(ERROR_WORD.to_owned(), word.into())])));
        result.into()
    }
}

/// Whether an answer is the page of a server in between, whose title the error says.
fn is_page(answer: &RawAnswer) -> bool {
    answer.bytes().trim_ascii_start().starts_with(b"<")
}

impl IntoCallToolResult for ToolError {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        Ok(self.into_response())
    }
}
