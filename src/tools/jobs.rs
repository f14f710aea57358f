//! `get_job`, `list_jobs`, `cancel_job`.

use std::time::Duration;

use rmcp::handler::server::tool::{IntoCallToolResult, schema_for_output};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Toolset;
use crate::jobs::{CALLERS, Cancel, Filter, Job, STATUSES, cancel, now};
use crate::mcp::ToolSpec;
use crate::mcp::job_view::{CostView, JobView};
use crate::mcp::{Server, ToolError, forty_five, progress};
use crate::telemetry;

pub(crate) const TOOLS: &[ToolSpec] = &[
    ToolSpec::free("get_job", Toolset::Jobs),
    ToolSpec::free("list_jobs", Toolset::Jobs),
    ToolSpec::free("cancel_job", Toolset::Jobs),
];

#[derive(Debug, Deserialize, JsonSchema)]
struct GetInput {
    /// From the first call.
    job_id: String,
    /// 0-240 s, default 45.
    #[serde(default = "forty_five")]
    #[schemars(range(min = 0, max = 240))]
    wait_seconds: u32,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ListInput {
    /// Only these.
    #[schemars(extend("enum" = STATUSES))]
    status: Option<String>,
    /// Only these.
    #[schemars(extend("enum" = ["image", "speech", "transcription", "voice", "video", "prompt", "music"]))]
    kind: Option<String>,
    /// Words of it.
    query: Option<String>,
    /// 1-50, default 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 50))]
    limit: u32,
    /// next_cursor.
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CancelInput {
    /// From the first call.
    job_id: String,
}

fn ten() -> u32 {
    10
}

/// The most bytes of a page's rows, so that the whole result stays below 64 KiB.
const MOST_BYTES: usize = 56 * 1024;

/// A page of jobs.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct JobList {
    /// Newest first.
    jobs: Vec<JobRow>,
    /// For the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// What to do now.
    next: String,
}

/// A job in short.
#[derive(Debug, Serialize, JsonSchema)]
struct JobRow {
    job_id: String,
    kind: String,
    model: String,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<String>,
    age: String,
    /// Its beginning.
    prompt: String,
    /// Where its files are; the first two.
    files: Vec<String>,
    file_count: usize,
    /// Where it was bought, if that is not this server's host and key.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    created_at: String,
}

#[tool_router(router = job_tools, vis = "pub(crate)")]
impl Server {
    /// A job's result: waits for it, fetches what is not saved, renews links. Free.
    #[tool(
        title = "Get job",
        output_schema = JobView::schema(),
        annotations(read_only_hint = true, destructive_hint = false, idempotent_hint = true, open_world_hint = false)
    )]
    async fn get_job(
        &self,
        Parameters(input): Parameters<GetInput>,
        call: RequestContext<RoleServer>,
    ) -> Result<JobView, ToolError> {
        let id = input.job_id.trim();
        let Some(watch) = self.jobs().watch(self.principal(), id).await? else { return Err(no_job(id)) };
        let patience = Duration::from_secs(input.wait_seconds.min(240).into());
        let job = self.presenter.wait_for(watch, &call, patience, progress::is_over).await;
        let view = self.presenter.job(&job);
        if !job.state.is_over() && !self.jobs().is_ours(&job) && job.account.contains(CALLERS) {
            return Ok(view.instead("It goes on when a call brings the key that bought it.".to_owned()));
        }
        if !job.state.is_over() && !self.jobs().is_ours(&job) {
            return Ok(view.instead(format!(
                "It was bought at {}; this server has another host or key and cannot ask about it, so waiting here is of \
                 no use. Start the server with the host and key that bought it.",
                job.account
            )));
        }
        Ok(view)
    }

    /// This server's jobs, newest first. Free.
    #[tool(
        title = "List jobs",
        output_schema = schema_for_output::<JobList>(),
        annotations(read_only_hint = true, destructive_hint = false, idempotent_hint = true, open_world_hint = false)
    )]
    async fn list_jobs(&self, Parameters(input): Parameters<ListInput>) -> Result<JobList, ToolError> {
        let before = input.cursor.as_deref().map(read_cursor).transpose()?;
        let limit = input.limit.clamp(1, 50);
        let filter = Filter { status: input.status, kind: input.kind, query: input.query, before, limit };
        let page = self.jobs().list(self.principal(), &filter).await?;
        let row = |job: &Job| JobRow::of(job, self.jobs().is_ours(job), self.presenter.links().is_some());
        let (mut jobs, mut bytes, mut last) = (Vec::new(), 0_usize, page.next);
        for job in &page.jobs {
            let row = row(job);
            bytes = bytes.saturating_add(row.bytes());
            if bytes > MOST_BYTES && !jobs.is_empty() {
                break;
            }
            jobs.push((row, (job.created_at, job.id.clone())));
        }
        if jobs.len() < page.jobs.len() {
            last = jobs.last().map(|(_, place)| place.clone());
        }
        let jobs: Vec<_> = jobs.into_iter().map(|(row, _)| row).collect();
        let next_cursor = last.map(|(at, id)| format!("{at}.{id}"));
        let next = match (jobs.is_empty(), next_cursor.is_some()) {
            (true, _) => "No job fits.",
            (false, true) => "Call list_jobs with cursor for more, or get_job with a job_id for all of one.",
            (false, false) => "Call get_job with a job_id for all of one.",
        };
        let notice = self
            .jobs()
            .notice()
            .await?
            .filter(|_| self.presenter.links().is_none())
            .map(|notice| format!("Tell the user: {notice}. "));
        let next = format!("{}{next}", notice.unwrap_or_default());
        Ok(JobList { jobs, next_cursor, next })
    }

    /// Stop watching a job; only queued H3 videos stop at MiniMax too.
    #[tool(
        title = "Cancel job",
        output_schema = JobView::schema(),
        annotations(read_only_hint = false, destructive_hint = true, idempotent_hint = true, open_world_hint = false)
    )]
    async fn cancel_job(&self, Parameters(input): Parameters<CancelInput>) -> Result<JobView, ToolError> {
        let id = input.job_id.trim();
        let Some(cancelled) = cancel(self.jobs(), self.principal(), id).await? else {
            return Err(no_job(id));
        };
        Ok(match cancelled {
            Cancel::Cancelled(job) => self.presenter.job(&job),
            Cancel::Over(job) => {
                self.presenter.job(&job).saying("It had ended before; nothing was cancelled.")
            }
            Cancel::Requested(job) => self.presenter.job(&job).saying(
                "The order is on its way to MiniMax. The cancellation is recorded, and is carried out when MiniMax gives \
                 the order a task id. A result that comes without one is paid for, and is kept.",
            ),
            Cancel::Finished(job) => self
                .presenter
                .job(&job)
                .saying("It was not cancelled: MiniMax has finished it, and the result is being fetched."),
            Cancel::OnItsWay(job) => {
                self.presenter.job(&job).saying("It cannot be stopped any more, and what it brings is kept.")
            }
        })
    }
}

fn no_job(id: &str) -> ToolError {
    let shown: String = id.chars().take(64).collect();
    ToolError::NotFound {
        what: format!("job `{shown}`"),
        advice:
            "list_jobs shows the jobs of this server. For an id of MiniMax's own use query_video_generation."
                .to_owned(),
    }
}

/// A time in milliseconds, rounded down to its largest unit.
fn age(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1000;
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn read_cursor(cursor: &str) -> Result<(i64, String), ToolError> {
    let parts = cursor.split_once('.').and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())));
    parts.ok_or_else(|| {
        ToolError::argument("cursor", "is not one that list_jobs gave; leave it out for the first page")
    })
}

impl JobRow {
    /// The bytes of the row in a result, which has it as structure and as lines.
    fn bytes(&self) -> usize {
        let structured = serde_json::to_string(self).map_or(0, |row| row.len());
        let line = serde_json::to_string(&self.line()).map_or(0, |line| line.len());
        structured.saturating_add(line)
    }

    fn line(&self) -> String {
        let mut head = format!(
            "{} · {} · {} · {} ({} ago)",
            self.job_id, self.status, self.model, self.created_at, self.age
        );
        for more in self.cost.iter().cloned().chain(self.task_id.iter().map(|task| format!("task {task}"))) {
            head = format!("{head} · {more}");
        }
        let lines = [head, self.prompt.clone()].into_iter().chain(self.files.iter().cloned());
        lines.collect::<Vec<_>>().join("\n  ")
    }

    fn of(job: &Job, ours: bool, remote: bool) -> Self {
        let place = |file: &crate::jobs::JobFile| match &file.saved {
            Some(saved) if !remote => saved.path.display().to_string(),
            _ => format!("minimax://files/{}/{}", job.id, file.name),
        };
        let created = jiff::Timestamp::from_second(job.created_at / 1000);
        Self {
            job_id: job.id.clone(),
            kind: job.kind.word().to_owned(),
            model: telemetry::display(&job.model, 256),
            status: job.state.status().to_owned(),
            task_id: job.state.task().map(|task| telemetry::display(&task.id, 256)),
            cost: CostView::of(&job.cost).filter(|_| !job.is_free()).map(|cost| cost.amount()),
            age: age(now().saturating_sub(job.created_at)),
            prompt: telemetry::display(&job.prompt, 80),
            files: job.files.iter().take(2).map(place).collect(),
            file_count: job.files.len(),
            account: (!ours).then(|| job.account.clone()),
            created_at: created.map(|at| at.to_string()).unwrap_or_default(),
        }
    }
}

impl JobList {
    fn lines(&self) -> String {
        let rows = self.jobs.iter().map(JobRow::line);
        let cursor = self.next_cursor.iter().map(|cursor| format!("next_cursor: {cursor}"));
        rows.chain(cursor).chain([self.next.clone()]).collect::<Vec<_>>().join("\n")
    }
}

impl IntoCallToolResult for JobList {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let mut result = CallToolResult::success(vec![ContentBlock::text(self.lines())]);
        let structured = serde_json::to_value(&self);
        result.structured_content =
            Some(structured.map_err(|error| ErrorData::internal_error(error.to_string(), None))?);
        Ok(result.into())
    }
}
