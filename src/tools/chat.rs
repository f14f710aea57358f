//! `chat` and `count_tokens`.

use rmcp::handler::server::tool::schema_for_output;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::JsonObject;
use rmcp::service::RequestContext;
use rmcp::{RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;

use super::chat_view::{ChatView, Tokens};
use super::{Server, ToolError};
use crate::api::Protocol;

#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(super) struct ChatInput {
    /// The question; or use messages.
    pub(super) prompt: Option<String>,
    /// What is new, oldest first. Tool results: role tool.
    pub(super) messages: Option<Vec<Message>>,
    /// What the model is told first.
    pub(super) system: Option<String>,
    /// MiniMax-M3.1-Flash (default), MiniMax-M3.
    pub(super) model: Option<String>,
    /// Protocol, default openai.
    pub(super) api: Option<Protocol>,
    /// Default auto. off: M3.
    pub(super) thinking: Option<Switch>,
    /// Of thinking; M3.1 default medium.
    #[schemars(extend("enum" = ["minimal", "low", "medium", "high", "xhigh", "max"]))]
    pub(super) effort: Option<String>,
    /// 0-2; native, responses: up to 1.
    #[schemars(range(min = 0.0, max = 2.0))]
    pub(super) temperature: Option<f64>,
    /// 0-1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(super) top_p: Option<f64>,
    /// With thinking, 1-524288.
    #[schemars(range(min = 1, max = 524_288))]
    pub(super) max_tokens: Option<u32>,
    /// Functions it may call.
    pub(super) tools: Option<Vec<FunctionInput>>,
    /// Default auto.
    #[schemars(extend("enum" = ["auto", "none"]))]
    pub(super) tool_choice: Option<String>,
    /// MiniMax searches; api anthropic, responses.
    #[serde(default)]
    pub(super) web_search: bool,
    /// {"type":"json_object"} or json_schema; openai.
    #[schemars(with = "Option<JsonObject>")]
    pub(super) response_format: Option<JsonObject>,
    /// priority costs 1.5 times.
    #[schemars(extend("enum" = ["standard", "priority"]))]
    pub(super) service_tier: Option<String>,
    /// Continues that one.
    pub(super) conversation_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Switch {
    Auto,
    On,
    Off,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    #[schemars(extend("enum" = ["user", "assistant", "system", "tool"]))]
    pub(super) role: String,
    #[serde(default)]
    pub(super) content: String,
    /// Images, videos: path, URL, data:, mm_file://, minimax://.
    #[serde(default)]
    pub(super) media: Vec<String>,
    pub(super) tool_call_id: Option<String>,
    #[serde(default)]
    pub(super) tool_calls: Vec<CallInput>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CallInput {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FunctionInput {
    pub(super) name: String,
    pub(super) description: Option<String>,
    #[serde(default)]
    #[schemars(with = "Option<JsonObject>")]
    pub(super) parameters: JsonObject,
}

/// As [`ChatInput`], less what has no bearing on the input. `form` takes the rest out.
#[derive(Debug, Deserialize, JsonSchema)]
struct CountInput {
    /// As in chat.
    prompt: Option<String>,
    /// As in chat.
    #[schemars(with = "Option<Vec<JsonObject>>")]
    messages: Option<Vec<Message>>,
    /// As in chat.
    system: Option<String>,
    /// As in chat.
    model: Option<String>,
    /// As in chat.
    api: Option<Protocol>,
    /// As in chat.
    #[schemars(with = "Option<Vec<JsonObject>>")]
    tools: Option<Vec<FunctionInput>>,
    /// As in chat.
    #[serde(default)]
    web_search: bool,
    /// As in chat.
    conversation_id: Option<String>,
}

#[tool_router(router = chat_tools, vis = "pub(super)")]
impl Server {
    /// One answer from a MiniMax text model; conversation_id continues it, thinking and tool calls included. Costs
    /// money.
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
        self.ready()?;
        let talk = self.talk(input, true).await?;
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
            messages,
            system,
            model,
            api,
            tools,
            web_search,
            conversation_id,
            ..ChatInput::default()
        };
        let talk = self.talk(input, false).await?;
        self.count(talk).await
    }
}
