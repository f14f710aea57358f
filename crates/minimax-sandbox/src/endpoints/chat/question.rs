//! A chat request, independent of its protocol.

use crate::engine::errors::ApiError;
use crate::engine::field_rules::reject_sensitive;

/// Models that answer. Retired models do not ("Models").
const MODELS: &[&str] = &[
    FLASH,
    "MiniMax-M3.1-Flash-Preview",
    M3,
    "MiniMax-M2.1",
    "MiniMax-M2.1-highspeed",
    "MiniMax-M2.1-lightning",
    "MiniMax-M2",
];
pub(crate) const FLASH: &str = "MiniMax-M3.1-Flash";
pub(crate) const M3: &str = "MiniMax-M3";

/// A request, independent of its protocol.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent option of the request")]
pub(crate) struct Question {
    pub model: String,
    pub stream: bool,
    /// The system prompt.
    pub system: String,
    /// The number of messages.
    pub messages: usize,
    /// The text of the last user message.
    pub last: String,
    /// Function results that follow the last assistant message.
    pub results: Vec<String>,
    /// Whether the client sent back the thinking that preceded the function calls.
    pub remembered: bool,
    pub thinks: bool,
    pub tools: Vec<String>,
    pub searches: bool,
    /// Descriptions of the images and videos in the last user message.
    pub seen: Vec<String>,
    /// The maximum length of the answer, in tokens.
    pub max_tokens: Option<i64>,
    /// Input tokens, and how many of them belong to the last message.
    pub input: usize,
    pub input_last: usize,
}

impl Question {
    /// Input tokens read from the cache: for long inputs, everything before the last message ("Prompt caching").
    pub fn cached(&self) -> usize {
        if self.input >= 512 { self.input.saturating_sub(self.input_last) } else { 0 }
    }

    /// Rejects unknown models and sensitive text.
    pub fn check(&self) -> Result<(), ApiError> {
        if !MODELS.contains(&self.model.as_str()) {
            return Err(ApiError::no_model(format_args!("unknown model {:?}", self.model)));
        }
        reject_sensitive(&self.last)
    }

    pub fn accepts_media(&self) -> bool {
        self.model.starts_with("MiniMax-M3")
    }
}
