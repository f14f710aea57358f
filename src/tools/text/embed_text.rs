//! `embed_text`, in the toolset `legacy`.

use rmcp::ErrorData;
use rmcp::handler::server::tool::{IntoCallToolResult, schema_for_output};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::CallToolResponse;
use rmcp::service::RequestContext;
use rmcp::{RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::api::embed::Embed;
use crate::arguments::lengths;
use crate::config::Toolset;
use crate::download;
use crate::download::{Expect, FetchProblem};
use crate::mcp::ToolSpec;
use crate::mcp::{Bill, Server, ToolError};
use crate::media;
use crate::media::units;
use crate::result::job_view::CostView;
use crate::result::job_view::DRY_RUN;
use crate::result::{Report, local_link};
use crate::telemetry::is_blank;
use crate::tools::text::pricing::flat;

pub(crate) const TOOLS: &[ToolSpec] = &[ToolSpec {
    lengths: &[("texts", lengths::TEXT)],
    ..ToolSpec::immediate("embed_text", Toolset::Legacy)
}];

/// The longest JSON of vectors in a result, in bytes. Longer ones are only in the file.
const INLINE: usize = 24 * 1024;
const LARGEST: u64 = 64 * 1024 * 1024;

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Db,
    Query,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct EmbedInput {
    /// 1 to 100 texts, one vector each.
    #[schemars(length(min = 1, max = 100))]
    texts: Vec<String>,
    /// db (default): texts to be found. query: a text to search with.
    kind: Option<Kind>,
    /// Embedding model, default embo-01.
    model: Option<String>,
    /// true: check and price.
    #[serde(default)]
    dry_run: bool,
}

/// Vectors of texts.
#[derive(Debug, Serialize, JsonSchema)]
struct EmbedView {
    model: String,
    count: usize,
    dimensions: usize,
    /// A JSON list of vectors, in the texts' order.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// The same here, if they are few.
    #[serde(skip_serializing_if = "Option::is_none")]
    vectors: Option<Vec<Vec<f64>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<CostView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// What to do now.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[tool_router(router = embed_tools, vis = "pub(crate)")]
impl Server {
    /// Turn texts into embedding vectors (an old MiniMax API). Costs money.
    #[tool(
        title = "Embed text",
        output_schema = schema_for_output::<EmbedView>(),
        annotations(read_only_hint = false, destructive_hint = false, idempotent_hint = false, open_world_hint = true)
    )]
    async fn embed_text(
        &self,
        Parameters(input): Parameters<EmbedInput>,
        call: RequestContext<RoleServer>,
    ) -> Result<EmbedView, ToolError> {
        if !input.dry_run {
            self.checkout.ready()?;
        }
        if input.texts.is_empty() || input.texts.iter().any(|text| is_blank(text)) {
            return Err(ToolError::argument("texts", "needs 1 to 100 texts, none of them empty"));
        }
        let cost = self.checkout.budget.counted("embed_text", flat("embed_text", self.config().currency()));
        if input.dry_run {
            return Ok(EmbedView {
                model: input.model.unwrap_or_else(|| "embo-01".to_owned()),
                count: 0,
                dimensions: 0,
                path: None,
                vectors: None,
                total_tokens: None,
                cost: Some(CostView::of(&cost)),
                warnings: Vec::new(),
                next: Some(DRY_RUN.to_owned()),
            });
        }
        let folder = self.checkout.output.for_file(None).await?;
        let embed = Embed {
            model: input.model.unwrap_or_else(|| "embo-01".to_owned()),
            kind: match input.kind.unwrap_or_default() {
                Kind::Db => "db",
                Kind::Query => "query",
            },
            texts: input.texts,
        };
        let api = self.api();
        let bill = Bill {
            tool: "embed_text",
            question: "Compute these embeddings",
            model: &embed.model,
            prompt: embed.texts.first().map_or("", String::as_str),
            details: &format!("{} texts", embed.texts.len()),
            cost: &cost,
        };
        let answer = self.checkout.budget.buy_once(&bill, &call, || api.embed(&embed)).await?;
        let json = serde_json::to_vec(&answer.vectors).unwrap_or_default();
        let short = json.len() <= INLINE;
        let mut warnings = vec!["MiniMax no longer documents embeddings.".to_owned()];
        let saved = keep(json, &folder).await.map_err(|problem| problem.to_string());
        // The vectors are paid for: if they cannot be saved, the result has them whatever their size.
        let unsaved = saved.is_err();
        let path = saved.map_err(|problem| warnings.push(format!("not saved: {problem}"))).ok();
        Ok(EmbedView {
            model: embed.model,
            count: answer.vectors.len(),
            dimensions: answer.vectors.first().map_or(0, Vec::len),
            path,
            total_tokens: answer.total_tokens,
            vectors: (short || unsaved).then_some(answer.vectors),
            cost: Some(CostView::of(&cost)),
            warnings,
            next: None,
        })
    }
}

async fn keep(json: Vec<u8>, folder: &std::path::Path) -> Result<String, FetchProblem> {
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(&json));
    let name = media::file_name("embeddings", digest.get(..8).unwrap_or_default(), 1, false, "json");
    let expect = Expect { kind: None, max_bytes: LARGEST, extension: "json" };
    let saved = download::save(json.into(), folder, &name, &expect).await;
    saved.map(|saved| saved.path.display().to_string())
}

impl IntoCallToolResult for EmbedView {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let vectors = if self.count == 1 { "1 vector".to_owned() } else { format!("{} vectors", self.count) };
        let vectors = (self.count > 0).then(|| format!("{vectors} of {} numbers", self.dimensions));
        let tokens = self.total_tokens.map(|tokens| units::count(tokens, "token"));
        let report = Report::default()
            .head(vectors)
            .fact("", Some(&self.model))
            .head(tokens)
            .file(
                self.path.as_ref().map(|path| format!("Saved to {path}")),
                self.path.as_deref().and_then(|path| local_link(path, "application/json", None)),
            )
            .cost(self.cost.as_ref().map(CostView::line))
            .notes(&self.warnings)
            .next(self.next.as_deref().unwrap_or_default());
        Ok(report.result(&self)?.into())
    }
}
