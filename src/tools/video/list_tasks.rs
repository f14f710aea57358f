//! `list_video_tasks`.

use rmcp::handler::server::tool::{IntoCallToolResult, schema_for_output};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::CallToolResponse;
use rmcp::{ErrorData, tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::CloudTask;
use crate::config::Toolset;
use crate::jobs::RemoteKind;
use crate::mcp::ToolSpec;
use crate::mcp::cursor;
use crate::mcp::result::Report;
use crate::mcp::{Server, ToolError};
use crate::media::units::age;
use crate::tools::model_name::ModelNames;

pub(crate) const TOOLS: &[ToolSpec] = &[ToolSpec::free("list_video_tasks", Toolset::Video)];

#[derive(Debug, Deserialize, JsonSchema)]
struct TasksInput {
    /// Only this state. Default: all.
    #[schemars(extend("enum" = ["queued", "running", "succeeded", "failed", "cancelled"]))]
    status: Option<String>,
    /// Only this model, as MiniMax-H3.
    model: Option<String>,
    /// Tasks per page, 1-50, default 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 50))]
    limit: u32,
    /// next_cursor of the previous page.
    cursor: Option<String>,
}

fn ten() -> u32 {
    10
}

/// A page of the account's tasks.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct VideoTasks {
    /// Newest first.
    tasks: Vec<TaskRow>,
    /// On all pages.
    total: u64,
    /// For the next page, with the same limit; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// What to do now.
    next: String,
}

/// A task in short. What is absent is unknown.
#[derive(Debug, Serialize, JsonSchema)]
struct TaskRow {
    /// Give it to query_video_generation.
    task_id: String,
    model: String,
    status: String,
    /// generation, h3_context_ir or regeneration.
    task_type: String,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<String>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<String>,
    /// MiniMax's link.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The job that it is here; absent if it was submitted elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<String>,
}

#[tool_router(router = video_task_tools, vis = "pub(crate)")]
impl Server {
    /// List H3 video tasks at MiniMax, 7 days back, also from elsewhere. This server's jobs: list_jobs. Free.
    #[tool(
        title = "List video tasks",
        output_schema = schema_for_output::<VideoTasks>(),
        annotations(read_only_hint = true, destructive_hint = false, idempotent_hint = true, open_world_hint = true)
    )]
    async fn list_video_tasks(
        &self,
        Parameters(input): Parameters<TasksInput>,
    ) -> Result<VideoTasks, ToolError> {
        self.checkout.ready()?;
        let page = input
            .cursor
            .as_deref()
            .map_or(Ok(1), |given| cursor::read("list_video_tasks", given, page_of))?;
        let limit = input.limit.clamp(1, 50);
        let model = input.model.as_deref().map(|model| ModelNames::of(self).sent(model));
        let (status, model) = (input.status.as_deref(), model.as_deref());
        let api = self.api();
        let found = api.video_tasks(page, limit, status, model).await?;
        let more = u64::from(page) * u64::from(limit) < found.total && !found.items.is_empty();
        let listed = found.items.len();
        let ownership = &self.inputs.ownership;
        let items = ownership.visible(RemoteKind::Task, found.items, |task| &task.id).await?;
        let hidden = u64::try_from(listed.saturating_sub(items.len())).unwrap_or_default();
        let mut tasks = Vec::with_capacity(items.len());
        for task in items {
            let job = self.jobs().by_task(self.principal(), &task.id).await?;
            tasks.push(TaskRow::of(task, job.map(|job| job.id)));
        }
        // A caller must not learn how many tasks others have.
        let total = if ownership.has_whole_account().await? {
            found.total.saturating_sub(hidden)
        } else {
            u64::try_from(tasks.len()).unwrap_or_default()
        };
        let next = match (tasks.is_empty(), more) {
            (true, _) => "No matching tasks.",
            (false, true) => {
                "Call list_video_tasks with cursor for more, or query_video_generation with a task_id to fetch one."
            }
            (false, false) => "Call query_video_generation with a task_id to fetch one.",
        };
        let next_cursor = more.then(|| cursor::give("list_video_tasks", &page.saturating_add(1).to_string()));
        Ok(VideoTasks { tasks, total, next_cursor, next: next.to_owned() })
    }
}

/// The number of the page, from 1.
fn page_of(place: &str) -> Option<u32> {
    place.parse().ok().filter(|page| (1..=1_000_000).contains(page))
}

impl TaskRow {
    fn of(task: CloudTask, job_id: Option<String>) -> Self {
        let created = jiff::Timestamp::from_second(task.created_at);
        let error = task.error.map(|error| format!("{} ({})", error.message, error.code));
        Self {
            task_id: task.id,
            model: task.model,
            status: task.status,
            task_type: task.task_type,
            created_at: created.map(|at| at.to_string()).unwrap_or_default(),
            resolution: task.resolution,
            duration: task.duration,
            ratio: task.ratio.filter(|ratio| !ratio.is_empty()),
            url: task.content.and_then(|content| content.url),
            error,
            job_id,
        }
    }

    fn line(&self) -> String {
        let created = self.created_at.parse::<jiff::Timestamp>().ok();
        let created = created.map(|at| format!("{} ago", age(at.as_second().saturating_mul(1000))));
        let here =
            self.job_id.as_ref().map_or_else(|| "not known here".to_owned(), |job| format!("job {job}"));
        let head = [&self.task_id, &self.task_type, &self.status, &self.model].map(String::as_str);
        let head = head.into_iter().chain(created.as_deref()).chain([here.as_str()]);
        let facts = [
            self.resolution.clone(),
            self.duration.map(|seconds| format!("{seconds} s")),
            self.ratio.clone(),
        ];
        let facts = facts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let more = [Some(facts).filter(|facts| !facts.is_empty()), self.error.clone()];
        let head = head.collect::<Vec<_>>().join(" · ");
        [head].into_iter().chain(more.into_iter().flatten()).collect::<Vec<_>>().join("\n  ")
    }
}

impl IntoCallToolResult for VideoTasks {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let report = Report::default()
            .content(self.tasks.iter().map(TaskRow::line))
            .head((!self.tasks.is_empty()).then(|| format!("{} in all", self.total)))
            .fact("next_cursor", self.next_cursor.as_deref())
            .next(&self.next);
        Ok(report.result(&self)?.into())
    }
}
