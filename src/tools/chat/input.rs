//! The arguments of `chat`.

use rmcp::model::JsonObject;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::api::Protocol;

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
    /// M3.1: default max.
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

/// A list of objects whose fields are checked later, which keeps the catalogue small.
pub(super) fn objects(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "object" } })
}

fn object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object" })
}
