//! Text models (platform docs > Text), over the four protocols that MiniMax speaks.
//!
//! A conversation is kept in its protocol's own words: what the model said goes back exactly as it came, because
//! the chain of thought is lost otherwise. So a protocol here is three things: how a [`Turn`] of the caller's is
//! written (`turns`), what a request looks like (`body`), and a reader of its stream.

mod anthropic;
mod openai;
mod recount;
mod responses;
mod stream;
mod think;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{ApiError, Client, Endpoint};
pub use stream::ChatStream;

/// Which of MiniMax's four dialects a conversation is held in.
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

    /// The protocol of a value of `api`.
    pub fn named(word: &str) -> Option<Self> {
        [Self::OpenAi, Self::Anthropic, Self::Native, Self::Responses]
            .into_iter()
            .find(|protocol| protocol.word() == word)
    }

    fn path(self) -> &'static str {
        match self {
            Self::OpenAi => "/v1/chat/completions",
            Self::Anthropic => "/anthropic/v1/messages",
            Self::Native => "/v1/text/chatcompletion_v2",
            Self::Responses => "/v1/responses",
        }
    }

    /// Turns of the caller's in this protocol's words.
    pub fn turns(self, turns: &[Turn]) -> Vec<Value> {
        match self {
            Self::OpenAi | Self::Native => openai::turns(turns),
            Self::Anthropic => anthropic::turns(turns),
            Self::Responses => responses::turns(turns),
        }
    }

    /// The ids of all calls in a conversation, and of all calls that have a result.
    pub fn calls(self, messages: &[Value]) -> (Vec<String>, Vec<String>) {
        let read = match self {
            Self::OpenAi | Self::Native => openai::calls,
            Self::Anthropic => anthropic::calls,
            Self::Responses => responses::calls,
        };
        let (mut calls, mut results) = (Vec::new(), Vec::new());
        for message in messages {
            read(message, &mut calls, &mut results);
        }
        (calls, results)
    }
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the roles")]
pub enum Speaker {
    System,
    User,
    Assistant,
    Tool,
}

/// One message of a caller's.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// Who speaks.
    pub role: Speaker,
    /// The words; of a tool its result.
    pub text: String,
    /// What it shows.
    pub media: Vec<Medium>,
    /// Which call a tool's result answers.
    pub tool_call_id: Option<String>,
    /// Calls of an assistant that the caller repeats itself.
    pub tool_calls: Vec<ToolCall>,
}

/// A picture or a film: a URL, a data URL or `mm_file://ID`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are what they say")]
pub enum Medium {
    Image(String),
    Video(String),
}

/// A function that the model wants called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// To be given back with the result.
    pub id: String,
    /// Which function.
    pub name: String,
    /// A JSON object as text.
    pub arguments: String,
}

/// A function that the model may have called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// What it is called.
    pub name: String,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON Schema of its arguments.
    #[serde(default)]
    pub parameters: Map<String, Value>,
}

/// A request to a text model, checked: what the protocol has no word for is not in it.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The dialect.
    pub protocol: Protocol,
    /// The model's id.
    pub model: String,
    /// What it is told beforehand.
    pub system: Option<String>,
    /// The conversation in the protocol's words, oldest first.
    pub messages: Vec<Value>,
    /// On or off; `None` leaves it to the model.
    pub thinking: Option<bool>,
    /// How hard it thinks.
    pub effort: Option<String>,
    /// As documented for the protocol.
    pub temperature: Option<f64>,
    /// As documented for the protocol.
    pub top_p: Option<f64>,
    /// The longest answer, thinking included.
    pub max_tokens: Option<u32>,
    /// What it may call.
    pub tools: Vec<Function>,
    /// `auto` or `none`.
    pub tool_choice: Option<String>,
    /// Whether MiniMax may search the web for it.
    pub web_search: bool,
    /// As the caller gave it.
    pub response_format: Option<Value>,
    /// `standard` or `priority`.
    pub service_tier: Option<String>,
}

impl Ask {
    /// The body that leaves.
    pub fn body(&self) -> Value {
        let mut body = self.question();
        if let Some(fields) = body.as_object_mut() {
            fields.insert("stream".to_owned(), json!(true));
            if matches!(self.protocol, Protocol::OpenAi | Protocol::Native) {
                fields.insert("stream_options".to_owned(), json!({ "include_usage": true }));
            }
        }
        body
    }

    /// How many bytes that is.
    pub fn size(&self) -> usize {
        #[derive(Default)]
        struct Count(usize);
        impl std::io::Write for Count {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0 = self.0.saturating_add(bytes.len());
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut count = Count::default();
        // Counting does not fail.
        let _ = serde_json::to_writer(&mut count, &self.body());
        count.0
    }

    fn question(&self) -> Value {
        match self.protocol {
            Protocol::OpenAi | Protocol::Native => openai::body(self),
            Protocol::Anthropic => anthropic::body(self),
            Protocol::Responses => responses::body(self),
        }
    }
}

/// What a piece of a stream brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// Words of the answer.
    Text(String),
    /// Words of the thinking.
    Reasoning(String),
    /// A function is being called.
    Tool(String),
    /// A sign of life.
    Nothing,
}

/// An answer, as far as it has come.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reply {
    /// The answer.
    pub text: String,
    /// What the model thought before it.
    pub reasoning: String,
    /// What it wants called.
    pub tool_calls: Vec<ToolCall>,
    /// `stop`, `length`, `tool_calls`, `content_filter`, or what MiniMax says.
    pub finish_reason: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// What MiniMax's support asks for.
    pub id: Option<String>,
    /// What was counted.
    pub usage: Option<Usage>,
    /// The answer in the protocol's words, complete, to go back with the next turn.
    pub messages: Vec<Value>,
    /// What the caller should know.
    pub warnings: Vec<String>,
}

/// Tokens. What is not counted is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// All that went in, cached or not.
    pub input: u64,
    /// All that came out, thinking included.
    pub output: u64,
    /// How much of the output was thinking.
    pub reasoning: Option<u64>,
    /// How much of the input was read from the cache.
    pub cache_read: Option<u64>,
    /// How much of the input was written to it.
    pub cache_write: Option<u64>,
    /// Searches of the web.
    pub searches: Option<u64>,
}

const MESSAGES_COUNT: Endpoint = Endpoint::post("/anthropic/v1/messages/count_tokens", 60);
const RESPONSES_COUNT: Endpoint = Endpoint::post("/v1/responses/input_tokens", 60);

impl Client {
    /// The input tokens of a request. Free.
    ///
    /// chat/completions and the native protocol have no counter of their own: their messages are counted in the
    /// words of the Responses protocol, without the thinking that they carry.
    pub async fn count_tokens(&self, ask: &Ask) -> Result<u64, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            input_tokens: u64,
        }
        let (endpoint, ask) = match ask.protocol {
            Protocol::Anthropic => (&MESSAGES_COUNT, ask.clone()),
            Protocol::Responses => (&RESPONSES_COUNT, ask.clone()),
            Protocol::OpenAi | Protocol::Native => (&RESPONSES_COUNT, recount::as_responses(ask)),
        };
        let Answer { input_tokens } = self.post(endpoint, &ask.question()).await?;
        Ok(input_tokens)
    }
}

/// A request in the making.
struct Body(Map<String, Value>);

impl Body {
    fn of(ask: &Ask) -> Self {
        let mut body = Self(Map::new());
        body.put("model", Some(ask.model.as_str()));
        body
    }

    /// Sets a field, unless there is nothing to say.
    fn put(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
    }
}

/// A string field; empty when it is not there.
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A count, absent when it is not there or no number.
fn count(value: &Value, pointer: &str) -> Option<u64> {
    value.pointer(pointer).and_then(Value::as_u64)
}

/// `data:image/png;base64,…` → its type and its base64.
fn data_url(url: &str) -> Option<(&str, &str)> {
    url.strip_prefix("data:")?.split_once(";base64,")
}

/// Arguments of a call as an object; a model may write something that is none.
fn arguments_object(arguments: &str) -> Value {
    let parsed = serde_json::from_str(arguments).ok().filter(Value::is_object);
    parsed.unwrap_or_else(|| Value::Object(Map::new()))
}
