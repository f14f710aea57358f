//! What a conversation consists of, and a request and its answer, in every protocol.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::reported_cost::dollars;
use crate::money::Money;

/// The protocol of a conversation, one of MiniMax's four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the variants are the values of `api`")]
pub enum Protocol {
    #[default]
    OpenAi,
    Anthropic,
    Native,
    Responses,
}

impl Protocol {
    /// The value of `api`.
    pub fn word(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Native => "native",
            Self::Responses => "responses",
        }
    }

    /// The protocol for a value of `api`.
    pub fn named(word: &str) -> Option<Self> {
        [Self::OpenAi, Self::Anthropic, Self::Native, Self::Responses]
            .into_iter()
            .find(|protocol| protocol.word() == word)
    }

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::OpenAi => "/v1/chat/completions",
            Self::Anthropic => "/anthropic/v1/messages",
            Self::Native => "/v1/text/chatcompletion_v2",
            Self::Responses => "/v1/responses",
        }
    }

    /// The path that gateways use, if it differs.
    pub(super) fn gateway_path(self) -> Option<&'static str> {
        (self == Self::Anthropic).then_some("/v1/messages")
    }
}

/// The role of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the roles")]
pub enum Speaker {
    System,
    User,
    Assistant,
    Tool,
}

/// One message from the caller.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// The role of a message.
    pub role: Speaker,
    /// The text, or the result of a tool call.
    pub text: String,
    /// Images and videos.
    pub media: Vec<Medium>,
    /// For a tool result, the id of the call.
    pub tool_call_id: Option<String>,
    /// Tool calls of an assistant message that the caller supplies itself.
    pub tool_calls: Vec<ToolCall>,
}

/// An image or a video, as a URL, data URL or `mm_file://ID`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are what they say")]
pub enum Medium {
    Image(String),
    Video(String),
}

/// A tool call from the model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// The id to return with the result.
    pub id: String,
    /// The function's name.
    pub name: String,
    /// A JSON object as a string.
    pub arguments: String,
}

/// A function that the model may call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// The function's name.
    pub name: String,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON Schema of its arguments.
    #[serde(default)]
    pub parameters: Map<String, Value>,
}

/// A validated request to a text model. It sets only what its protocol supports.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The protocol.
    pub protocol: Protocol,
    /// The model's id.
    pub model: String,
    /// The system prompt.
    pub system: Option<String>,
    /// The conversation in the protocol's format, oldest message first.
    pub messages: Vec<Value>,
    /// Thinking on or off. `None` leaves it to the model.
    pub thinking: Option<bool>,
    /// The thinking effort.
    pub effort: Option<String>,
    /// As documented for the protocol.
    pub temperature: Option<f64>,
    /// As documented for the protocol.
    pub top_p: Option<f64>,
    /// The most output tokens, including thinking.
    pub max_tokens: Option<u32>,
    /// The functions that the model may call.
    pub tools: Vec<Function>,
    /// `auto` or `none`.
    pub tool_choice: Option<String>,
    /// Whether MiniMax may search the web.
    pub web_search: bool,
    /// As the caller passed it.
    pub response_format: Option<Value>,
    /// `standard` or `priority`.
    pub service_tier: Option<String>,
}

/// One piece of a streamed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// Text of the answer.
    Text(String),
    /// Text of the thinking.
    Reasoning(String),
    /// The model is calling this function.
    Tool(String),
    /// Nothing to show, but the model is still working.
    Nothing,
}

/// An answer, complete or as far as it was received.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reply {
    /// The answer.
    pub text: String,
    /// The model's thinking.
    pub reasoning: String,
    /// The functions to call.
    pub tool_calls: Vec<ToolCall>,
    /// `stop`, `length`, `tool_calls`, `content_filter`, or another value from MiniMax.
    pub finish_reason: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// The id that MiniMax's support asks for.
    pub id: Option<String>,
    /// The token counts.
    pub usage: Option<Usage>,
    /// The complete answer in the protocol's format, to be sent back with the next turn.
    pub messages: Vec<Value>,
    /// Warnings for the caller.
    pub warnings: Vec<String>,
    /// The cost that a gateway reports, in US dollars.
    pub cost: Option<Money>,
}

/// Token counts. A count that MiniMax does not report is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// All input tokens, cached or not.
    pub input: u64,
    /// All output tokens, including thinking.
    pub output: u64,
    /// The output tokens that were thinking.
    pub reasoning: Option<u64>,
    /// The input tokens that were read from the cache.
    pub cache_read: Option<u64>,
    /// The input tokens that were written to the cache.
    pub cache_write: Option<u64>,
    /// The number of web searches.
    pub searches: Option<u64>,
}

/// The cost in an answer's usage, which some gateways add.
pub(in crate::api) fn usage_cost(usage: &Value) -> Option<Money> {
    match usage.get("cost")? {
        Value::String(text) => dollars(text),
        Value::Number(number) => dollars(&number.to_string()),
        _ => None,
    }
}

/// A request body under construction.
pub(super) struct Body(pub(super) Map<String, Value>);

impl Body {
    pub(super) fn of(ask: &Ask) -> Self {
        let mut body = Self(Map::new());
        body.put("model", Some(ask.model.as_str()));
        body
    }

    /// Sets a field, unless the value is `None`.
    pub(super) fn put(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
    }
}

/// A string field, or an empty string.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A count, or `None` if it is missing or not a number.
pub(super) fn count(value: &Value, pointer: &str) -> Option<u64> {
    match value.pointer(pointer)? {
        Value::String(text) => text.trim().parse().ok(),
        number => number.as_u64(),
    }
}

/// Splits `data:image/png;base64,…` into the type and the base64.
pub(super) fn data_url(url: &str) -> Option<(&str, &str)> {
    url.strip_prefix("data:")?.split_once(";base64,")
}

/// The arguments of a call as an object. Models may write something else, which becomes an empty object.
pub(super) fn arguments_object(arguments: &str) -> Value {
    let parsed = serde_json::from_str(arguments).ok().filter(Value::is_object);
    parsed.unwrap_or_else(|| Value::Object(Map::new()))
}
