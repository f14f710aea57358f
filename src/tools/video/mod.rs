//! `generate_video` and `query_video_generation`.

// Modules: `just modules` writes these lines.
pub(crate) mod enhance;
pub(crate) mod input;
pub(crate) mod list_tasks;
pub(crate) mod original;
pub(crate) mod template;
pub(crate) mod v1;
pub(crate) mod v2;
// End of the modules.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::service::RequestContext;
use rmcp::{RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

use crate::config::Toolset;
use crate::facts::Protocol;
use crate::jobs::{self, RemoteKind, Task};
use crate::mcp::model_name::ModelNames;
use crate::mcp::{Bill, Draft, Server, Shown, ToolError, ToolSpec, progress};
use crate::result::job_view::JobView;
use crate::tools::video::input::VideoInput;
use crate::tools::video::original::{no_task, read_task_id, refuse_job};

pub(crate) const TOOLS: &[ToolSpec] = &[
    ToolSpec {
        slow: true,
        aliases: &["image_to_video"],
        lengths: &[("prompt", 7000)],
        ..ToolSpec::job("generate_video", Toolset::Video)
    },
    ToolSpec { shown: Shown::InViewer, ..ToolSpec::free("query_video_generation", Toolset::Video) },
];

/// The question to a person before a purchase.
const QUESTION: &str = "Make this video";

#[derive(Debug, Deserialize, JsonSchema)]
struct QueryInput {
    /// From generate_video, list_video_tasks or another program.
    task_id: String,
    /// Folder. Default: results folder.
    output_directory: Option<String>,
}

#[tool_router(router = video_tools, vis = "pub(crate)")]
impl Server {
    /// Make a video from a text, frames (first, last), a face or references. Takes minutes: then call get_job. Costs
    /// money.
    #[tool(
        title = "Generate video",
        output_schema = JobView::schema(),
        annotations(read_only_hint = false, destructive_hint = false, idempotent_hint = false, open_world_hint = true)
    )]
    async fn generate_video(
        &self,
        Parameters(input): Parameters<VideoInput>,
        call: RequestContext<RoleServer>,
    ) -> Result<JobView, ToolError> {
        if !input.job.dry_run {
            self.checkout.ready()?;
        }
        let currency = self.config().currency();
        let choice =
            input.choose(self.config().defaults.video_model.as_deref(), currency, ModelNames::of(self))?;
        let (cost, details) = (choice.cost(&input, currency), choice.details());
        let prompt = input.prompt.clone().unwrap_or_else(|| choice.mode.words().to_owned());
        if choice.protocol == Protocol::V2 && self.checkout.budget.is_limited() && !input.is_dry() {
            // Media may have to be uploaded, so the price is checked first.
            v2::request(self, &input.rehearsed(), &choice).await?;
            let bill = Bill {
                tool: "generate_video",
                question: QUESTION,
                model: &choice.model,
                prompt: &prompt,
                details: &details,
                cost: &cost,
            };
            self.checkout.budget.admit(&bill, &call).await?;
        }
        let order = match choice.protocol {
            Protocol::V1 => v1::request(self, &input, &choice).await?,
            Protocol::V2 => v2::request(self, &input, &choice).await?,
        };
        let draft = Draft {
            order,
            prompt,
            question: QUESTION,
            details,
            cost,
            model: choice.model,
            warnings: choice.warnings,
        };
        self.checkout.buy("generate_video", draft, input.job, &call).await
    }

    /// Result of a video task by MiniMax's task_id, started anywhere; saves the video. With a
    /// job_id use get_job. Free.
    #[tool(
        title = "Query video generation",
        output_schema = JobView::schema(),
        annotations(read_only_hint = true, destructive_hint = false, idempotent_hint = true, open_world_hint = true)
    )]
    async fn query_video_generation(
        &self,
        Parameters(input): Parameters<QueryInput>,
        call: RequestContext<RoleServer>,
    ) -> Result<JobView, ToolError> {
        self.checkout.ready()?;
        let id = read_task_id(&input.task_id)?;
        let known = self.jobs().by_task(self.principal(), id).await?;
        let elsewhere = known.is_some() && input.output_directory.is_some();
        let watch = if let Some(job) = known {
            self.jobs().watch_task(self.principal(), &job.id).await?
        } else {
            refuse_job(self, id).await?;
            Some(adopt(self, id, input.output_directory.as_deref()).await?)
        };
        let Some(watch) = watch else { return Err(no_task(id)) };
        let job = self.presenter.wait_for(watch, &call, Duration::from_secs(45), progress::is_known).await;
        let view = self.presenter.job(&job);
        let kept = "the task is a job already, and its files stay in that job's folder";
        Ok(if elsewhere { view.noting(kept) } else { view })
    }
}

async fn adopt(server: &Server, id: &str, folder: Option<&str>) -> Result<crate::jobs::Watch, ToolError> {
    // A task of another principal looks like one that does not exist.
    if !server.inputs.ownership.may_use(RemoteKind::Task, id).await? {
        return Err(no_task(id));
    }
    let Some((jobs, route)) = server.jobs().find_task(id).await? else { return Err(no_task(id)) };
    let folder = server.checkout.output.find(folder, Some(0)).await?;
    let task = Task { route, id: id.to_owned() };
    let job = jobs::foreign(&jobs, server.principal(), "query_video_generation", task, folder);
    let adopted = jobs::adopt(&jobs, job).await;
    Ok(adopted.map_err(|error| server.checkout.budget.refused("query_video_generation", None, error))?.0)
}
