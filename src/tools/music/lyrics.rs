//! `generate_lyrics`.

use rmcp::handler::server::tool::{IntoCallToolResult, schema_for_output};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::CallToolResponse;
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::music::{Lyrics, LyricsMode, LyricsOrder};
use crate::config::Toolset;
use crate::facts::facts;
use crate::jobs::Cost;
use crate::mcp::ToolSpec;
use crate::mcp::{Bill, Server, ToolError};
use crate::money::Currency;
use crate::result::Report;
use crate::result::job_view::CostView;
use crate::result::job_view::DRY_RUN;
use crate::telemetry::is_blank;

pub(crate) const TOOLS: &[ToolSpec] =
    &[ToolSpec { lengths: &[("prompt", 2000)], ..ToolSpec::immediate("generate_lyrics", Toolset::Music) }];

/// Lyrics Generation > prompt, lyrics.
const PROMPT_LIMIT: usize = 2000;
const LYRICS_LIMIT: usize = 3500;

#[derive(Debug, Deserialize, JsonSchema)]
struct LyricsInput {
    /// Theme of the song, or the change to make; up to 2,000 characters.
    prompt: String,
    /// Lyrics to edit, up to 3,500 characters; mode edit only.
    lyrics: Option<String>,
    /// Title to keep. Default: MiniMax finds one.
    title: Option<String>,
    /// Default: edit with lyrics, otherwise write_full_song.
    mode: Option<LyricsMode>,
    /// true: check and price.
    #[serde(default)]
    dry_run: bool,
}

/// Lyrics and what goes with them.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LyricsView {
    title: String,
    /// For the prompt of music_generation.
    style_tags: String,
    lyrics: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<CostView>,
    /// What to do now.
    next: String,
}

#[tool_router(router = lyrics_tools, vis = "pub(crate)")]
impl Server {
    /// Write or edit lyrics, to read before music_generation. To skip reading, set its lyrics_optimizer instead. Costs
    /// money.
    #[tool(
        title = "Generate lyrics",
        output_schema = schema_for_output::<LyricsView>(),
        annotations(read_only_hint = false, destructive_hint = false, idempotent_hint = false, open_world_hint = true)
    )]
    async fn generate_lyrics(
        &self,
        Parameters(input): Parameters<LyricsInput>,
        call: RequestContext<RoleServer>,
    ) -> Result<LyricsView, ToolError> {
        let dry = input.dry_run;
        if !dry {
            self.checkout.ready()?;
        }
        let prompt = input.prompt.clone();
        let order = input.order()?;
        let mut cost = self.checkout.budget.counted("generate_lyrics", cost(self.config().currency()));
        if dry {
            return Ok(LyricsView::of(Lyrics::default(), &cost, DRY_RUN));
        }
        let api = self.api();
        let bill = Bill {
            tool: "generate_lyrics",
            question: "Write these lyrics",
            model: "",
            prompt: &prompt,
            details: "",
            cost: &cost,
        };
        let written = self.checkout.budget.buy_once(&bill, &call, || api.write_lyrics(&order)).await?;
        cost.actual = cost.estimated;
        let next = "Show them, or give them to music_generation: lyrics as lyrics, style_tags as prompt.";
        Ok(LyricsView::of(written, &cost, next))
    }
}

impl LyricsInput {
    fn order(self) -> Result<LyricsOrder, ToolError> {
        let texts =
            [("prompt", Some(&self.prompt), PROMPT_LIMIT), ("lyrics", self.lyrics.as_ref(), LYRICS_LIMIT)];
        for (field, text, most) in texts {
            let Some(text) = text else { continue };
            let count = text.chars().count();
            if is_blank(text) || count > most {
                return Err(ToolError::argument(
                    field,
                    format!("has {count} characters; it takes 1 to {most}"),
                ));
            }
        }
        let implied = if self.lyrics.is_some() { LyricsMode::Edit } else { LyricsMode::WriteFullSong };
        let mode = self.mode.unwrap_or(implied);
        match (mode, &self.lyrics) {
            (LyricsMode::Edit, None) => {
                Err(ToolError::argument("lyrics", "is missing: the mode edit needs it"))
            }
            (LyricsMode::WriteFullSong, Some(_)) => Err(ToolError::argument(
                "lyrics",
                "is for the mode edit; leave out lyrics, or give mode edit",
            )),
            _ => Ok(LyricsOrder { mode, prompt: self.prompt, lyrics: self.lyrics, title: self.title }),
        }
    }
}

fn cost(currency: Currency) -> Cost {
    let price = facts().lyrics_price().in_currency(currency);
    let basis = price.map(|price| format!("{price} a call, prices of {}", facts().as_of));
    Cost { estimated: price, basis, ..Cost::unknown(currency) }
}

impl LyricsView {
    fn of(written: Lyrics, cost: &Cost, next: &str) -> Self {
        Self {
            title: written.song_title,
            style_tags: written.style_tags,
            lyrics: written.lyrics,
            cost: Some(CostView::of(cost)),
            next: next.to_owned(),
        }
    }
}

impl IntoCallToolResult for LyricsView {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let report = Report::default()
            .content([self.lyrics.clone()])
            .fact("title:", Some(&self.title))
            .fact("style_tags:", Some(&self.style_tags))
            .cost(self.cost.as_ref().map(CostView::line))
            .next(&self.next);
        Ok(report.result(&self)?.into())
    }
}
