//! `chat` and `count_tokens`.

pub(crate) mod normalize;
pub(crate) mod pricing;
pub(crate) mod request;
pub(crate) mod rules;
pub(crate) mod stream;
pub(crate) mod view;

use rmcp::handler::server::tool::schema_for_output;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::JsonObject;
use rmcp::service::RequestContext;
use rmcp::{RoleServer, tool, tool_router};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::api::Protocol;
use crate::config::Toolset;
use crate::mcp::ToolSpec;
use crate::mcp::{Server, ToolError};
use crate::tools::chat::request::{Purpose, Talk, read_messages};
use crate::tools::chat::view::{ChatView, Tokens};

pub(crate) const TOOLS: &[ToolSpec] = &[
    ToolSpec { normalize: Some(normalize::chat), ..ToolSpec::immediate("chat", Toolset::Text) },
    ToolSpec { normalize: Some(normalize::count_tokens), ..ToolSpec::free("count_tokens", Toolset::Text) },
];

#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct ChatInput {
    /// The question.
    pub(crate) prompt: Option<String>,
    /// Instead of prompt.
    pub(crate) messages: Option<Vec<Message>>,
    /// System prompt.
    pub(crate) system: Option<String>,
    /// Default MiniMax-M3.1-Flash.
    pub(crate) model: Option<String>,
    /// Default openai.
    pub(crate) api: Option<Protocol>,
    /// off: MiniMax-M3.
    pub(crate) thinking: Option<Switch>,
    /// M3.1: default medium.
    #[schemars(extend("enum" = ["low", "medium", "high", "xhigh", "max"]))]
    pub(crate) effort: Option<String>,
    /// 0-2.
    #[schemars(range(min = 0, max = 2))]
    pub(crate) temperature: Option<f64>,
    /// 0-1.
    #[schemars(range(min = 0, max = 1))]
    pub(crate) top_p: Option<f64>,
    /// 1-524288.
    #[schemars(range(min = 1, max = 524_288))]
    pub(crate) max_tokens: Option<u32>,
    /// name, description, parameters.
    #[serde(default)]
    #[schemars(schema_with = "objects")]
    pub(crate) tools: Option<Vec<JsonObject>>,
    /// Default auto.
    #[schemars(extend("enum" = ["auto", "none"]))]
    pub(crate) tool_choice: Option<String>,
    /// api anthropic, responses.
    pub(crate) web_search: Option<bool>,
    /// type: json_object; api openai.
    #[serde(default)]
    #[schemars(schema_with = "object")]
    pub(crate) response_format: Option<JsonObject>,
    /// priority: 1.5 x price.
    #[schemars(extend("enum" = ["standard", "priority"]))]
    pub(crate) service_tier: Option<String>,
    /// Continues that one.
    pub(crate) conversation_id: Option<String>,
    /// Only price it.
    #[serde(default)]
    #[schemars(extend("x-quiet" = true))]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Switch {
    Auto,
    On,
    Off,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Message {
    #[schemars(extend("enum" = ["user", "assistant", "system", "tool"]))]
    pub(crate) role: String,
    pub(crate) content: Option<String>,
    /// Images, videos: path or URL.
    pub(crate) media: Option<Vec<String>>,
    pub(crate) tool_call_id: Option<String>,
    #[serde(default)]
    #[schemars(schema_with = "objects")]
    pub(crate) tool_calls: Option<Vec<JsonObject>>,
}

/// As [`ChatInput`], less what has no bearing on the input; `chat_form` takes the rest out.
#[derive(Debug, Deserialize, JsonSchema)]
struct CountInput {
    /// As chat.
    prompt: Option<String>,
    /// As chat.
    #[serde(default)]
    #[schemars(schema_with = "objects")]
    messages: Option<Vec<JsonObject>>,
    /// As chat.
    system: Option<String>,
    /// As chat.
    model: Option<String>,
    /// As chat.
    api: Option<Protocol>,
    /// As chat.
    #[serde(default)]
    #[schemars(schema_with = "objects")]
    #[schemars(extend("x-quiet" = true))]
    tools: Option<Vec<JsonObject>>,
    /// As chat.
    #[schemars(extend("x-quiet" = true))]
    web_search: Option<bool>,
    /// As chat.
    conversation_id: Option<String>,
}

/// What is in them is checked by `chat_request`, to keep the catalogue small.
fn objects(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "object" } })
}

fn object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object" })
}

#[tool_router(router = chat_tools, vis = "pub(crate)")]
impl Server {
    /// One answer of a MiniMax text model. Costs money.
    #[tool(
        title = "Chat",
        output_schema = schema_for_output::<ChatView>(),
        annotations(read_only_hint = false, destructive_hint = false, idempotent_hint = false, open_world_hint = true)
    )]
    async fn chat(
        &self,
        Parameters(input): Parameters<ChatInput>,
        call: RequestContext<RoleServer>,
    ) -> Result<ChatView, ToolError> {
        if input.dry_run {
            let Talk { ask, warnings, .. } = self.talk(&input, Purpose::Rehearse).await?;
            let cost = self.counted("chat", self.chat_ceiling(&ask));
            return Ok(ChatView::rehearsed(ask.model, &cost, warnings));
        }
        self.ready()?;
        // What is shown may have to be uploaded; whether the call may be bought is known before.
        if self.is_limited() && input.messages.iter().flatten().any(|message| message.media.is_some()) {
            let rehearsed = self.talk(&input, Purpose::Rehearse).await?;
            self.admit("chat", &rehearsed.ask.model, &self.chat_ceiling(&rehearsed.ask), &call).await?;
        }
        let talk = self.talk(&input, Purpose::Buy).await?;
        self.answer(talk, &call).await
    }

    /// Input tokens of a chat call, before it is bought. Free.
    #[tool(
        title = "Count tokens",
        output_schema = schema_for_output::<Tokens>(),
        annotations(read_only_hint = true, destructive_hint = false, idempotent_hint = true, open_world_hint = false)
    )]
    async fn count_tokens(&self, Parameters(input): Parameters<CountInput>) -> Result<Tokens, ToolError> {
        self.ready()?;
        let CountInput { prompt, messages, system, model, api, tools, web_search, conversation_id } = input;
        let input = ChatInput {
            prompt,
            messages: messages.map(|messages| read_messages(&messages)).transpose()?,
            system,
            model,
            api,
            tools,
            web_search,
            conversation_id,
            ..ChatInput::default()
        };
        let talk = self.talk(&input, Purpose::Count).await?;
        self.count(talk).await
    }
}
