//! `web_search`.

use rmcp::ErrorData;
use rmcp::handler::server::tool::{IntoCallToolResult, schema_for_output};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::CallToolResponse;
use rmcp::service::RequestContext;
use rmcp::{RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::search::{Found, Searched};
use crate::config::Toolset;
use crate::jobs::Cost;
use crate::mcp::ToolSpec;
use crate::mcp::{Bill, Server, ToolError};
use crate::result::Report;
use crate::result::job_view::CostView;
use crate::result::job_view::DRY_RUN;
use crate::telemetry::is_blank;
use crate::tools::text::pricing::flat;

pub(crate) const TOOLS: &[ToolSpec] =
    &[ToolSpec { lengths: &[("query", 2000)], ..ToolSpec::immediate("web_search", Toolset::Text) }];

/// The longest snippet in a result, in characters.
const LONGEST_SNIPPET: usize = 600;
const MOST: usize = 10;

#[derive(Debug, Deserialize, JsonSchema)]
struct SearchInput {
    /// Search words, best 3 to 6; with a date for news.
    query: String,
    /// true: check and price.
    #[serde(default)]
    dry_run: bool,
}

/// Pages that were found.
#[derive(Debug, Serialize, JsonSchema)]
struct SearchView {
    /// Best first.
    results: Vec<Page>,
    /// Other queries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<CostView>,
    /// What to do now.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// One of them.
#[derive(Debug, Serialize, JsonSchema)]
struct Page {
    title: String,
    link: String,
    snippet: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<String>,
}

#[tool_router(router = search_tools, vis = "pub(crate)")]
impl Server {
    /// Search the web: titles, links, snippets of up to 10 pages. For an answer written from them use chat with
    /// web_search: true. Costs money.
    #[tool(
        title = "Web search",
        output_schema = schema_for_output::<SearchView>(),
        annotations(read_only_hint = false, destructive_hint = false, idempotent_hint = false, open_world_hint = true)
    )]
    async fn web_search(
        &self,
        Parameters(input): Parameters<SearchInput>,
        call: RequestContext<RoleServer>,
    ) -> Result<SearchView, ToolError> {
        if !input.dry_run {
            self.checkout.ready()?;
        }
        let query = input.query.trim();
        if is_blank(query) {
            return Err(ToolError::argument("query", "is empty"));
        }
        let cost = self.checkout.budget.counted("web_search", flat("web_search", self.config().currency()));
        if input.dry_run {
            let (cost, next) = (Some(CostView::of(&cost)), Some(DRY_RUN.to_owned()));
            return Ok(SearchView { results: Vec::new(), related: Vec::new(), cost, next });
        }
        let api = self.api();
        let bill = Bill {
            tool: "web_search",
            question: "Search the web",
            model: "",
            prompt: query,
            details: "",
            cost: &cost,
        };
        let found = self.checkout.budget.buy_once(&bill, &call, || api.search(query)).await?;
        Ok(SearchView::of(found, &cost))
    }
}

impl SearchView {
    fn of(found: Searched, cost: &Cost) -> Self {
        let page = |found: Found| Page {
            title: found.title,
            link: found.link,
            snippet: found.snippet.chars().take(LONGEST_SNIPPET).collect(),
            date: found.date.filter(|date| !date.is_empty()),
        };
        Self {
            results: found.organic.into_iter().take(MOST).map(page).collect(),
            related: found.related.into_iter().take(MOST).collect(),
            cost: Some(CostView::of(cost)),
            next: None,
        }
    }
}

impl IntoCallToolResult for SearchView {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let page = |(index, page): (usize, &Page)| {
            let date = page.date.as_ref().map(|date| format!(" ({date})")).unwrap_or_default();
            format!("{}. {}{date}\n   {}\n   {}", index + 1, page.title, page.link, page.snippet)
        };
        let related = (!self.related.is_empty()).then(|| format!("Related: {}", self.related.join(" · ")));
        let nothing =
            (self.results.is_empty() && self.next.is_none()).then(|| "Nothing was found.".to_owned());
        let report = Report::default()
            .content(self.results.iter().enumerate().map(page))
            .lines(nothing)
            .lines(related)
            .cost(self.cost.as_ref().map(CostView::line))
            .next(self.next.as_deref().unwrap_or_default());
        Ok(report.result(&self)?.into())
    }
}
