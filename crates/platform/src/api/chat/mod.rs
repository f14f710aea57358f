//! Text models (platform docs > Text), over the four protocols that MiniMax supports.
//!
//! A conversation is stored in its protocol's own format. The model's messages go back unchanged, because the model
//! otherwise loses its chain of thought. Each protocol therefore has three parts: `turns` converts the caller's
//! [`Turn`]s, `body` builds a request, and a `Reader` assembles the streamed answer.

mod anthropic;
mod openai;
mod recount;
mod responses;
mod stream;
mod think;
mod turn;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiError, Client, Endpoint};
pub use stream::ChatStream;
pub(super) use turn::usage_cost;
pub use turn::{Ask, Delta, Function, Medium, Protocol, Reply, Speaker, ToolCall, Turn, Usage};

impl Protocol {
    /// Converts the caller's turns into this protocol's messages.
    pub fn turns(self, turns: &[Turn]) -> Vec<Value> {
        match self {
            Self::OpenAi | Self::Native => openai::turns(turns),
            Self::Anthropic => anthropic::turns(turns),
            Self::Responses => responses::turns(turns),
        }
    }

    /// The ids of all tool calls in a conversation, and the ids of those that have a result.
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

impl Ask {
    /// The body to send.
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

    /// The size of the body in bytes.
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
        // Counting bytes cannot fail.
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

static MESSAGES_COUNT: Endpoint = Endpoint::post("/anthropic/v1/messages/count_tokens", 60);
static GATEWAY_COUNT: Endpoint = Endpoint::post("/v1/messages/count_tokens", 60);
static RESPONSES_COUNT: Endpoint = Endpoint::post("/v1/responses/input_tokens", 60);

impl Client {
    /// Counts the input tokens of a request. Free.
    ///
    /// chat/completions and the native protocol have no endpoint for this. Their messages are converted to the
    /// Responses protocol, without thinking, and counted there.
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
        let body = ask.question();
        let other = (ask.protocol == Protocol::Anthropic).then_some(&GATEWAY_COUNT);
        let Answer { input_tokens } =
            self.at_either(endpoint, other, |endpoint| self.post(endpoint, &body)).await?;
        Ok(input_tokens)
    }
}

/// Splits a complete text that may have thinking in it into the thinking and the answer.
pub fn without_thinking(said: &str) -> (String, String) {
    let mut reply = Reply::default();
    think::fill(&mut reply, said, "");
    (reply.reasoning, reply.text)
}

/// The answer in a text that may have thinking in it.
pub(super) fn answer_text(said: &str, beside: &str) -> String {
    let mut reply = Reply::default();
    think::fill(&mut reply, said, beside);
    reply.text.trim().to_owned()
}
