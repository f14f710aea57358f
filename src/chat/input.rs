//! The arguments of `chat`.

use rmcp::model::JsonObject;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::api::chat::Protocol;

#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct ChatInput {
    /// What you ask.
    pub(crate) prompt: Option<String>,
    /// A whole conversation in place of prompt, oldest first; media: MiniMax-M3.1-Flash, MiniMax-M3.
    pub(crate) messages: Option<Vec<Message>>,
    /// Standing instructions for the model.
    pub(crate) system: Option<String>,
    /// MiniMax-M3.1-Flash (default), MiniMax-M3, or a text model of list_models.
    pub(crate) model: Option<String>,
    /// MiniMax protocol, default openai. native takes no effort, thinking, service_tier.
    pub(crate) api: Option<Protocol>,
    /// auto (default), or on and off for MiniMax-M3; MiniMax-M3.1-Flash always thinks.
    pub(crate) thinking: Option<Switch>,
    /// How long MiniMax-M3.1-Flash thinks, default max. MiniMax-M3: low to high, with api responses only.
    /// Excludes thinking off.
    #[schemars(extend("enum" = ["low", "medium", "high", "xhigh", "max"]))]
    pub(crate) effort: Option<String>,
    /// Randomness, 0-2; api native and responses: above 0, to 1.
    #[schemars(range(min = 0, max = 2))]
    pub(crate) temperature: Option<f64>,
    /// Share of likely tokens to choose from, 0-1; api native and responses: above 0.
    #[schemars(range(min = 0, max = 1))]
    pub(crate) top_p: Option<f64>,
    /// Longest answer with thinking, 1-524288 tokens (MiniMax-M2 models 204800). Default: the maximum.
    #[schemars(range(min = 1, max = 524_288))]
    pub(crate) max_tokens: Option<u32>,
    /// Functions it may call: name, description, parameters (JSON Schema). You run them and answer in messages.
    #[serde(default)]
    #[schemars(schema_with = "objects")]
    pub(crate) tools: Option<Vec<JsonObject>>,
    /// auto (default), or none (no calls; MiniMax-M3.1-Flash may ignore it).
    #[schemars(extend("enum" = ["auto", "none"]))]
    pub(crate) tool_choice: Option<String>,
    /// true: it searches the web, for an extra fee; api anthropic (then the default) or responses only.
    pub(crate) web_search: Option<bool>,
    /// {"type": "json_object"} or json_schema, with api openai; json_schema with api native and MiniMax-Text-01; not
    /// with anthropic, responses.
    #[serde(default)]
    #[schemars(schema_with = "object")]
    pub(crate) response_format: Option<JsonObject>,
    /// priority: served first for 1.5 times the price. Default standard. Not with api native.
    #[schemars(extend("enum" = ["standard", "priority"]))]
    pub(crate) service_tier: Option<String>,
    /// From an earlier chat result: continues it, so send only the new prompt.
    pub(crate) conversation_id: Option<String>,
    /// true: check and price.
    #[serde(default)]
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
    /// Images, videos to look at (role user).
    pub(crate) media: Option<Vec<String>>,
    pub(crate) tool_call_id: Option<String>,
    #[serde(default)]
    #[schemars(schema_with = "objects")]
    pub(crate) tool_calls: Option<Vec<JsonObject>>,
}

/// A list of objects whose fields are checked later, which keeps the catalogue small.
pub(crate) fn objects(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "object" } })
}

fn object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object" })
}
