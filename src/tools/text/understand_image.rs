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

use crate::api::ApiError;
use crate::api::retry::Nature;
use crate::api::vision::{LONGEST_LOOK, Picture, Seen};
use crate::arguments::lengths;
use crate::chat::pricing;
use crate::config::Toolset;
use crate::facts::{PlanRefusal, facts, plan, services};
use crate::jobs::Cost;
use crate::mcp::ToolSpec;
use crate::mcp::caller_key::Payer;
use crate::mcp::checkout::budget::ended;
use crate::mcp::inputs::resolver::ResolvedInput;
use crate::mcp::{Bill, Server, ToolError, progress};
use crate::media::Limits;
use crate::money::Money;
use crate::result::Report;
use crate::result::job_view::CostView;
use crate::result::job_view::DRY_RUN;
use crate::telemetry::is_blank;
use crate::tools::text::pricing::flat;

pub(crate) const TOOLS: &[ToolSpec] = &[ToolSpec {
    lengths: &[("prompt", lengths::TEXT)],
    ..ToolSpec::immediate("understand_image", Toolset::Text)
}];

/// The lower one of two documented limits.
const IMAGES: Limits = Limits::new(&["image/jpeg", "image/png", "image/webp"], 20 * 1024 * 1024);
/// The largest image for a chat model, which takes less.
const CHAT_LIMIT: u64 = 10 * 1024 * 1024;

#[derive(Debug, Deserialize, JsonSchema)]
struct VisionInput {
    /// Your question about the image.
    prompt: String,
    /// The image: path, URL or minimax://; JPEG, PNG or WebP, up to 20 MB.
    image_url: String,
    /// true: check and price.
    #[serde(default)]
    dry_run: bool,
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
    /// What to do now.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// The name of the plans' endpoint, shown as the model.
const BY_PLAN: &str = "coding_plan/vlm";

#[tool_router(router = vision_tools, vis = "pub(crate)")]
impl Server {
    /// Have a MiniMax model answer a question about an image. If you can see images yourself, view_media is
    /// free. Costs money.
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
        if !input.dry_run {
            self.checkout.ready()?;
        }
        if is_blank(&input.prompt) {
            return Err(ToolError::argument("prompt", "is empty"));
        }
        let (picture, bytes) = match self.inputs.resolver.find("image_url", &input.image_url).await? {
            ResolvedInput::Uploaded(id) => (Picture::Uploaded(id.to_string()), 0),
            source => {
                let blob = self.inputs.resolver.content("image_url", source, &IMAGES).await?;
                let bytes = blob.bytes.len() as u64;
                (Picture::Data(self.inputs.encoded("image_url", blob).await?), bytes)
            }
        };
        let cost = self
            .checkout
            .budget
            .counted("understand_image", flat("understand_image", self.config().currency()));
        if input.dry_run {
            let (model, cost, next) =
                (BY_PLAN.to_owned(), Some(CostView::of(&cost)), Some(DRY_RUN.to_owned()));
            return Ok(VisionView {
                text: String::new(),
                model,
                usage: None,
                cost,
                warnings: Vec::new(),
                next,
            });
        }
        let (api, prompt) = (self.api(), input.prompt.as_str());
        let ask = || api.look(prompt, &picture);
        let bill = Bill { model: BY_PLAN, ..question(prompt, &cost) };
        match self.checkout.budget.buy_once(&bill, &call, ask).await {
            Ok(seen) => Ok(by_plan(seen, &cost)),
            Err(ToolError::Bought(error))
                if has_no_plan(&error) && !is_used_up(self, &error) && bytes <= CHAT_LIMIT =>
            {
                by_chat(self, prompt, &picture, error, &call).await
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether a refusal means that the key has no plan. Nothing was billed then, and a chat model may still accept the key.
fn has_no_plan(error: &ApiError) -> bool {
    match error {
        ApiError::Refused { code: Some(code), .. } => services().no_plan.contains(code),
        ApiError::Refused { status, .. } => matches!(status, 401 | 403 | 404),
        _ => false,
    }
}

/// Whether the plan's window is used up, on a server that certainly has a plan. A chat model would draw on the same
/// window.
fn is_used_up(server: &Server, error: &ApiError) -> bool {
    server.payer() == Payer::Plan && plan().refusal(error.code()) == Some(PlanRefusal::UsedUp)
}

fn by_plan(seen: Seen, cost: &Cost) -> VisionView {
    VisionView {
        text: seen.text,
        model: BY_PLAN.to_owned(),
        usage: seen.usage,
        cost: Some(CostView::of(cost)),
        warnings: Vec::new(),
        next: None,
    }
}

fn question<'a>(prompt: &'a str, cost: &'a Cost) -> Bill<'a> {
    Bill { tool: "understand_image", question: "Look at this image", model: "", prompt, details: "", cost }
}

/// Asks a chat model, once, and says so in a warning. If it refuses too, the first refusal is the more useful error.
async fn by_chat(
    server: &Server,
    prompt: &str,
    picture: &Picture,
    first: ApiError,
    call: &RequestContext<RoleServer>,
) -> Result<VisionView, ToolError> {
    let (api, model) = (server.api(), vision_model(server));
    // How many tokens an image takes is not documented. It cannot be more than the context.
    let room = facts().text(model).map(|row| (row.context, u64::from(LONGEST_LOOK)));
    let most = tokens_cost(server, model, room);
    let ceiling = named(server, Cost { most: most.actual, actual: None, ..most });
    let bill = Bill { model, ..question(prompt, &ceiling) };
    let held = server.checkout.budget.reserve(&bill, call).await?;
    let ask = || api.look_by_chat(model, prompt, picture);
    let seen = progress::send_with_notes(call, api, api.join_text(model), Nature::Paid, ask).await;
    let seen = ended(held, seen, |seen| spent(server, model, seen).actual).await;
    let seen = match seen {
        Ok(seen) => seen,
        Err(second) if has_no_plan(&second) => return Err(ToolError::Bought(first)),
        Err(second) => return Err(ToolError::Bought(second)),
    };
    let cost = named(server, spent(server, model, &seen));
    let why = first.code().map_or_else(|| "it is refused".to_owned(), |code| format!("code {code}"));
    let warning = format!(
        "the image endpoint of the plans is closed to this key ({why}), so the chat model {model} looked at the \
         image and its tokens are billed"
    );
    Ok(VisionView {
        text: seen.text,
        model: model.to_owned(),
        usage: seen.usage,
        cost: Some(CostView::of(&cost)),
        warnings: vec![warning],
        next: None,
    })
}

/// The chat model that views the image. A gateway has its own model names, so there the configured model comes first.
fn vision_model(server: &Server) -> &str {
    let own = server.config().defaults.text_model.as_deref();
    let own = own.filter(|model| server.api().is_gateway() && facts().text(model).is_none_or(|row| row.sees));
    own.unwrap_or(&services().vision.model)
}

/// The cost with the key that pays it.
fn named(server: &Server, cost: Cost) -> Cost {
    server.checkout.budget.counted("chat", cost)
}

/// The actual cost: what a gateway reports, or the price of the tokens. A count of zero was not counted, which is not free.
fn spent(server: &Server, model: &str, seen: &Seen) -> Cost {
    let tokens = seen.tokens.filter(|(read, written)| *read > 0 && *written > 0);
    pricing::reported(tokens_cost(server, model, tokens), seen.cost)
}

fn tokens_cost(server: &Server, model: &str, tokens: Option<(u64, u64)>) -> Cost {
    let currency = server.config().currency();
    let row = facts().text(model);
    let input = tokens.map_or(0, |(read, _)| read);
    let price = row.and_then(|row| row.price(input, currency));
    let actual = price.zip(tokens).and_then(|(price, (read, written))| price.of([read, written, 0, 0]));
    let actual = actual.map(Money::rounded);
    let basis = row.and_then(|row| row.price_list(currency));
    Cost { actual, basis, ..Cost::unknown(currency) }
}

impl IntoCallToolResult for VisionView {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let model = Some(self.model.as_str()).filter(|model| *model != BY_PLAN);
        let report = Report::default()
            .content([self.text.clone()])
            .fact("", model)
            .cost(self.cost.as_ref().map(CostView::line))
            .notes(&self.warnings)
            .next(self.next.as_deref().unwrap_or_default());
        Ok(report.result(&self)?.into())
    }
}
