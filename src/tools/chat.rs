//! `chat` and `count_tokens`.

use rmcp::handler::server::tool::schema_for_output;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::JsonObject;
use rmcp::service::RequestContext;
use rmcp::{RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::api::chat::Protocol;
use crate::chat::input::{ChatInput, objects};
use crate::chat::request::{PreparedChat, Purpose, read_messages};
use crate::chat::view::{ChatView, Tokens};
use crate::chat::{normalize, pricing, request, stream};
use crate::config::Toolset;
use crate::mcp::ToolSpec;
use crate::mcp::{Server, ToolError};

/// The largest context has a million tokens of about four characters each.
const CONVERSATION: u64 = 4_000_000;

const LENGTHS: &[(&str, u64)] =
    &[("prompt", CONVERSATION), ("system", CONVERSATION), ("content", CONVERSATION)];

pub(crate) const TOOLS: &[ToolSpec] = &[
    ToolSpec {
        lengths: LENGTHS,
        normalize: Some(normalize::chat),
        ..ToolSpec::immediate("chat", Toolset::Text)
    },
    ToolSpec {
        lengths: LENGTHS,
        normalize: Some(normalize::count_tokens),
        ..ToolSpec::free("count_tokens", Toolset::Text)
    },
];

/// As [`ChatInput`], less what has no effect on the number of tokens; [`normalize::count_tokens`] drops the rest.
#[derive(Debug, Deserialize, JsonSchema)]
struct CountInput {
    /// The chat call's prompt.
    prompt: Option<String>,
    /// The chat call's messages.
    #[serde(default)]
    #[schemars(schema_with = "objects")]
    messages: Option<Vec<JsonObject>>,
    /// The chat call's system prompt.
    system: Option<String>,
    /// The chat call's model (default MiniMax-M3.1-Flash).
    model: Option<String>,
    /// The chat call's api (default openai).
    api: Option<Protocol>,
    /// The chat call's functions.
    #[serde(default)]
    #[schemars(schema_with = "objects")]
    tools: Option<Vec<JsonObject>>,
    /// The chat call's web_search.
    web_search: Option<bool>,
    /// Conversation whose earlier messages count too.
    conversation_id: Option<String>,
}

#[tool_router(router = chat_tools, vis = "pub(crate)")]
impl Server {
    /// Ask a MiniMax language model. For an answer from the web set web_search: true; for a list of pages use the
    /// tool web_search. Costs money.
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
            let PreparedChat { mut ask, mut warnings, .. } =
                request::prepare(self, &input, Purpose::Rehearse).await?;
            warnings.extend(pricing::fit(self, &mut ask).await?);
            let cost = self.checkout.budget.counted("chat", pricing::ceiling(self, &ask));
            return Ok(ChatView::rehearsed(ask.model, &cost, warnings));
        }
        self.checkout.ready()?;
        // Media may have to be uploaded, so the price is checked first.
        if self.checkout.budget.is_limited()
            && input.messages.iter().flatten().any(|message| message.media.is_some())
        {
            let mut rehearsed = request::prepare(self, &input, Purpose::Rehearse).await?;
            pricing::fit(self, &mut rehearsed.ask).await?;
            let (ask, cost) = (&rehearsed.ask, pricing::ceiling(self, &rehearsed.ask));
            self.checkout.budget.admit(&pricing::bill(ask, &pricing::last_words(ask), &cost), &call).await?;
        }
        let mut prepared = request::prepare(self, &input, Purpose::Buy).await?;
        prepared.warnings.extend(pricing::fit(self, &mut prepared.ask).await?);
        stream::answer(self, prepared, &call).await
    }

    /// Count the input tokens of a chat call before buying it. Free.
    #[tool(
        title = "Count tokens",
        output_schema = schema_for_output::<Tokens>(),
        annotations(read_only_hint = true, destructive_hint = false, idempotent_hint = true, open_world_hint = true)
    )]
    async fn count_tokens(&self, Parameters(input): Parameters<CountInput>) -> Result<Tokens, ToolError> {
        self.checkout.ready()?;
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
        let prepared = request::prepare(self, &input, Purpose::Count).await?;
        stream::count(self, prepared).await
    }
}
