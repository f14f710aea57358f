//! `understand_image`.

use rmcp::ErrorData;
use rmcp::handler::server::tool::{IntoCallToolResult, schema_for_output};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResponse, JsonObject};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::both;
use super::origin::Source;
use super::search::flat;
use super::view::CostView;
use super::{Server, ToolError, wait};
use crate::api::retry::Nature;
use crate::api::{ApiError, Picture, Seen, group};
use crate::facts::{offer, rounded};
use crate::jobs::Cost;
use crate::media::Limits;

/// The lower of two documented limits.
const IMAGES: Limits = Limits::new(&["image/jpeg", "image/png", "image/webp"], 20 * 1024 * 1024);
/// A chat model takes less.
const CHAT_LIMIT: u64 = 10 * 1024 * 1024;

#[derive(Debug, Deserialize, JsonSchema)]
struct VisionInput {
    /// Question.
    prompt: String,
    /// Path or URL.
    image_url: String,
}

/// What is in an image.
#[derive(Debug, Serialize, JsonSchema)]
struct VisionView {
    text: String,
    /// Who looked.
    model: String,
    /// What MiniMax counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<JsonObject>")]
    usage: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<CostView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[tool_router(router = vision_tools, vis = "pub(super)")]
impl Server {
    /// Ask about an image. Costs money.
    #[tool(
        title = "Understand image",
        output_schema = schema_for_output::<VisionView>(),
        annotations(read_only_hint = false, destructive_hint = false, idempotent_hint = false, open_world_hint = true)
    )]
    async fn understand_image(
        &self,
        Parameters(input): Parameters<VisionInput>,
        call: RequestContext<RoleServer>,
    ) -> Result<VisionView, ToolError> {
        self.ready()?;
        if input.prompt.trim().is_empty() {
            return Err(ToolError::argument("prompt", "is empty"));
        }
        let (picture, bytes) = match self.source("image_url", &input.image_url).await? {
            Source::Uploaded(id) => (Picture::Uploaded(id), 0),
            source => {
                let blob = self.content("image_url", source, &IMAGES).await?;
                let bytes = blob.bytes.len() as u64;
                let encoded = tokio::task::spawn_blocking(move || blob.data_uri()).await;
                let data = encoded.map_err(|_| ToolError::argument("image_url", "could not be encoded"))?;
                (Picture::Data(data), bytes)
            }
        };
        let (api, prompt) = (self.jobs().api(), input.prompt.as_str());
        match wait::in_line(&call, api.join(group::OTHER), Nature::Paid, || api.look(prompt, &picture)).await
        {
            Ok(seen) => Ok(self.by_plan(seen)),
            Err(error) if has_no_plan(&error) && bytes <= CHAT_LIMIT => {
                self.by_chat(prompt, &picture, error, &call).await
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Refusals that say "not with this key": nothing was taken, and a chat model may still be open to it.
fn has_no_plan(error: &ApiError) -> bool {
    match error {
        ApiError::Refused { code: Some(code), .. } => offer().no_plan.contains(code),
        ApiError::Refused { status, .. } => matches!(status, 401 | 403 | 404),
        _ => false,
    }
}

impl Server {
    fn by_plan(&self, seen: Seen) -> VisionView {
        let cost = CostView::of(&flat("understand_image", self.config().currency()));
        let model = "coding_plan/vlm".to_owned();
        VisionView { text: seen.text, model, usage: seen.usage, cost, warnings: Vec::new() }
    }

    /// Once, and the road is said. When this fails too, the first refusal tells more about the key.
    async fn by_chat(
        &self,
        prompt: &str,
        picture: &Picture,
        first: ApiError,
        call: &RequestContext<RoleServer>,
    ) -> Result<VisionView, ToolError> {
        let (api, model) = (self.jobs().api(), offer().vision.model.as_str());
        let seen = match wait::in_line(call, api.join_text(model), Nature::Paid, || {
            api.look_by_chat(model, prompt, picture)
        })
        .await
        {
            Ok(seen) => seen,
            Err(second) if has_no_plan(&second) => return Err(first.into()),
            Err(second) => return Err(second.into()),
        };
        let cost = self.tokens_cost(seen.tokens);
        let spent = cost.actual.map_or_else(
            || "its tokens are billed".to_owned(),
            |actual| format!("it cost {actual} {}", cost.currency),
        );
        let why = first.code().map_or_else(|| "it is refused".to_owned(), |code| format!("code {code}"));
        let warning = format!(
            "The image endpoint of the plans is closed to this key ({why}), so the chat model {model} looked at the \
             image; {spent}."
        );
        Ok(VisionView {
            text: seen.text,
            model: model.to_owned(),
            usage: seen.usage,
            cost: CostView::of(&cost),
            warnings: vec![warning],
        })
    }

    fn tokens_cost(&self, tokens: Option<(u64, u64)>) -> Cost {
        let (vision, currency) = (&offer().vision, self.config().currency());
        let prices = vision.input.in_currency(currency).zip(vision.output.in_currency(currency));
        #[expect(clippy::cast_precision_loss, reason = "tokens of one answer")]
        let actual = prices.zip(tokens).map(|((input, output), (read, written))| {
            rounded((input * read as f64 + output * written as f64) / 1e6)
        });
        let basis =
            prices.map(|(input, output)| format!("{input} / {output} {currency} per 1M tokens in / out"));
        Cost { currency: currency.to_owned(), actual, basis, ..Cost::default() }
    }
}

impl IntoCallToolResult for VisionView {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let cost = self.cost.as_ref().map(CostView::line);
        let usage = self.usage.as_ref().map(|usage| format!("Usage: {usage}"));
        let notes = self.warnings.iter().map(|warning| format!("Note: {warning}"));
        let lines = [self.text.clone(), format!("({})", self.model)].into_iter();
        let text = lines.chain(usage).chain(cost).chain(notes).collect::<Vec<_>>().join("\n");
        Ok(both(text, &self)?.into())
    }
}
