//! `get_job`, `list_jobs`, `cancel_job`.

use std::time::Duration;

use rmcp::handler::server::tool::{IntoCallToolResult, schema_for_output};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::CallToolResponse;
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Toolset;
use crate::jobs::{CALLERS, Cancel, Filter, Job, MOST_READ, STATUSES, State, cancel};
use crate::mcp::cursor;
use crate::mcp::{Server, Shown, ToolError, ToolSpec, forty_five, progress};
use crate::media::units::age;
use crate::result::Report;
use crate::result::job_view::several::JobAnswer;
use crate::result::job_view::{CostView, JobView, day, unfamiliar};
use crate::telemetry;

pub(crate) const TOOLS: &[ToolSpec] = &[
    ToolSpec { shown: Shown::InViewer, ..ToolSpec::free("get_job", Toolset::Jobs) },
    ToolSpec::free("list_jobs", Toolset::Jobs),
    ToolSpec::free("cancel_job", Toolset::Jobs),
];

#[derive(Debug, Deserialize, JsonSchema)]
struct GetInput {
    /// From the call that started the job, or list_jobs.
    job_id: Option<String>,
    /// Up to 20 ids in place of job_id: one wait for all.
    #[schemars(length(max = 20))]
    job_ids: Option<Vec<String>>,
    /// Wait 0-240 s, default 45.
    #[serde(default = "forty_five")]
    #[schemars(range(min = 0, max = 240))]
    wait_seconds: u32,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ListInput {
    /// Only this state. Default: all.
    #[schemars(extend("enum" = STATUSES))]
    status: Option<String>,
    /// Only this kind (prompt: of enhance_video_prompt). Default: all.
    #[schemars(extend("enum" = ["image", "speech", "transcription", "voice", "video", "prompt", "music"]))]
    kind: Option<String>,
    /// Only jobs whose prompt contains these words.
    query: Option<String>,
    /// Jobs per page, 1-50, default 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 50))]
    limit: u32,
    /// next_cursor of the previous page.
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CancelInput {
    /// From the call that started the job, or list_jobs.
    job_id: String,
}

fn ten() -> u32 {
    10
}

/// The most bytes of a page's rows, so that the whole result stays below 64 KiB.
const MOST_BYTES: usize = 56 * 1024;

/// The most notes about unfamiliar states in a page.
const MOST_WORDS: usize = 3;

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
    /// Its beginning.
    prompt: String,
    /// Where its files are; the first two.
    files: Vec<String>,
    file_count: usize,
    /// Where it was bought, if that is not this server's host and key.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    /// MiniMax's own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<CostView>,
    created_at: String,
    /// Since then, in words.
    age: String,
}

#[tool_router(router = job_tools, vis = "pub(crate)")]
impl Server {
    /// Wait for a job of this server and get its result; saves missing files, renews links. For MiniMax's
    /// task_id use query_video_generation. Free.
    #[tool(
        title = "Get job",
        output_schema = JobAnswer::schema(),
        annotations(read_only_hint = true, destructive_hint = false, idempotent_hint = true, open_world_hint = true)
    )]
    async fn get_job(
        &self,
        Parameters(input): Parameters<GetInput>,
        call: RequestContext<RoleServer>,
    ) -> Result<JobAnswer, ToolError> {
        let patience = Duration::from_secs(input.wait_seconds.min(240).into());
        let several = input.job_ids.unwrap_or_default();
        match (input.job_id, several.as_slice()) {
            (Some(id), []) => {
                let id = id.trim();
                let Some(watch) = self.jobs().watch(self.principal(), id).await? else {
                    return Err(self.no_job(id).await);
                };
                let job = self.presenter.wait_for(watch, &call, patience, progress::is_over).await;
                Ok(JobAnswer::one(self.shown(&job)))
            }
            (None, [_, ..]) => self.get_several(several, &call, patience).await,
            (None, []) => {
                Err(ToolError::argument("job_id", "is missing: give job_id, or job_ids for several jobs"))
            }
            (Some(_), [_, ..]) => {
                Err(ToolError::argument("job_ids", "excludes job_id: give one of the two, with all ids"))
            }
        }
    }

    /// List this server's jobs with files and prices, newest first; chats, searches, lyrics, image questions:
    /// check_account. Video tasks started elsewhere: list_video_tasks. Free.
    #[tool(
        title = "List jobs",
        output_schema = schema_for_output::<JobList>(),
        annotations(read_only_hint = true, destructive_hint = false, idempotent_hint = true, open_world_hint = false)
    )]
    async fn list_jobs(&self, Parameters(input): Parameters<ListInput>) -> Result<JobList, ToolError> {
        let before = input.cursor.as_deref();
        let before = before.map(|given| cursor::read("list_jobs", given, last_job)).transpose()?;
        let limit = input.limit.clamp(1, 50);
        let filter = Filter {
            status: input.status,
            kind: input.kind,
            query: input.query,
            before,
            limit,
            ..Filter::default()
        };
        let page = self.jobs().list(self.principal(), &filter).await?;
        let row = |job: &Job| JobRow::of(job, self.jobs().is_ours(job), self.presenter.links().is_some());
        let (mut jobs, mut bytes, mut last, mut reads_on) = (Vec::new(), 0_usize, page.next, page.reads_on);
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
            reads_on = false;
        }
        let jobs: Vec<_> = jobs.into_iter().map(|(row, _)| row).collect();
        let next_cursor = last.map(|(at, id)| cursor::give("list_jobs", &format!("{at}.{id}")));
        let next: &str = match (jobs.is_empty(), next_cursor.is_some()) {
            (true, false) => "No matching jobs.",
            (_, true) if !reads_on => {
                "Call list_jobs with cursor next_cursor for more, or get_job with a job_id for its details."
            }
            (false, false) => "Call get_job with a job_id for its details.",
            (_, true) => &format!(
                "{} among the {MOST_READ} jobs that were read. Call list_jobs with cursor next_cursor to search older ones.",
                if jobs.is_empty() { "No matching jobs" } else { "These are all matching jobs" }
            ),
        };
        let notice = self
            .jobs()
            .notice()
            .await?
            .filter(|_| self.presenter.links().is_none())
            .map(|notice| format!("Tell the user: {notice}. "));
        let shown = page.jobs.iter().take(jobs.len());
        let words = shown.filter_map(|job| Some(format!("{}: {}. ", job.id, unfamiliar(&job.state)?)));
        let words: String = words.take(MOST_WORDS).collect();
        let next = format!("{}{words}{next}", notice.unwrap_or_default());
        Ok(JobList { jobs, next_cursor, next })
    }

    /// Stop a job. MiniMax cancels only a queued H3 video; it finishes and bills any other (video:
    /// query_video_generation gets it). Free.
    #[tool(
        title = "Cancel job",
        output_schema = JobView::schema(),
        annotations(read_only_hint = false, destructive_hint = true, idempotent_hint = true, open_world_hint = true)
    )]
    async fn cancel_job(&self, Parameters(input): Parameters<CancelInput>) -> Result<JobView, ToolError> {
        let id = input.job_id.trim();
        let Some(cancelled) = cancel(self.jobs(), self.principal(), id).await? else {
            return Err(self.no_job(id).await);
        };
        Ok(match cancelled {
            Cancel::Cancelled(job) => self.presenter.job(&job),
            Cancel::Over(job) => self.presenter.job(&job).saying(match job.state {
                State::Cancelled { .. } => "It had been cancelled before.",
                _ => "It had already ended; nothing was cancelled.",
            }),
            Cancel::Requested(job) => self.presenter.job(&job).saying(
                "The order is on its way to MiniMax. The cancellation is recorded, and is carried out when MiniMax gives \
                 the order a task id. A result that comes without one is paid for, and is kept.",
            ),
            Cancel::Finished(job) => self
                .presenter
                .job(&job)
                .saying("It was not cancelled: MiniMax has finished it, and the result is being downloaded."),
            Cancel::OnItsWay(job) => {
                self.presenter.job(&job).saying("It can no longer be stopped; its result is kept.")
            }
        })
    }
}

impl Server {
    /// Waits for several jobs at once. An id that names no job does not fail the others.
    async fn get_several(
        &self,
        ids: Vec<String>,
        call: &RequestContext<RoleServer>,
        patience: Duration,
    ) -> Result<JobAnswer, ToolError> {
        let mut found = Vec::new();
        for id in ids {
            let id = id.trim().to_owned();
            if found.iter().all(|(known, _)| *known != id) {
                let watch = self.jobs().watch(self.principal(), &id).await?;
                found.push((id, watch));
            }
        }
        let watches = found.iter().filter_map(|(_, watch)| watch.clone()).collect();
        self.presenter.wait_for_all(watches, call, patience).await;
        let (mut views, mut open) = (Vec::new(), Vec::new());
        for (id, watch) in found {
            let Some(watch) = watch else {
                let error = self.no_job(&id).await;
                views.push(JobView::missing(&id, error.view(), error.advice()));
                continue;
            };
            let job = watch.borrow().clone();
            if !job.state.is_over() {
                open.push(job.id.clone());
            }
            views.push(self.shown(&job));
        }
        Ok(JobAnswer::several(views, &open))
    }

    /// The error for an id that names no job, or one that was removed.
    async fn no_job(&self, id: &str) -> ToolError {
        match self.jobs().removed(self.principal(), id).await {
            Ok(Some(removed)) => ToolError::NotFound {
                what: format!("job `{}` any more: this server removed it on {}", removed.id, day(removed.at)),
                advice: "It was deleted in the gallery, or is older than MINIMAX_KEEP_DAYS and MINIMAX_KEEP_BYTES \
                         allow. Files in a folder that was given as output_directory are still there."
                    .to_owned(),
            },
            Ok(None) => {
                let shown: String = id.chars().take(64).collect();
                let advice = "list_jobs shows the jobs of this server. For a task id of MiniMax use \
                              query_video_generation.";
                ToolError::NotFound { what: format!("job `{shown}`"), advice: advice.to_owned() }
            }
            Err(error) => error.into(),
        }
    }

    /// A job's view. For a job that this server cannot poll, it says what to do.
    fn shown(&self, job: &Job) -> JobView {
        let view = self.presenter.job(job);
        if job.state.is_over() || self.jobs().is_ours(job) {
            return view;
        }
        if job.account.contains(CALLERS) {
            return view.instead("It continues when a call brings the key that bought it.".to_owned());
        }
        view.instead(format!("{} Until then waiting for it does not help.", self.jobs().why_not_ours(job)))
    }
}

/// The time and the id of the last job of a page.
fn last_job(place: &str) -> Option<(i64, String)> {
    let (at, id) = place.split_once('.')?;
    Some((at.parse().ok()?, id.to_owned()))
}

impl JobRow {
    /// The bytes of the row in a result, which contains it twice: as structured content and as text.
    fn bytes(&self) -> usize {
        let structured = serde_json::to_string(self).map_or(0, |row| row.len());
        let line = serde_json::to_string(&self.line()).map_or(0, |line| line.len());
        structured.saturating_add(line)
    }

    fn line(&self) -> String {
        let head =
            [self.job_id.clone(), self.status.clone(), self.model.clone(), format!("{} ago", self.age)];
        let head = head.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ");
        let task = self.task_id.as_ref().map(|task| format!("task_id {task}"));
        let lines = [head, self.prompt.clone()].into_iter().chain(task);
        let lines = lines.chain(self.cost.as_ref().map(CostView::line)).chain(self.files.iter().cloned());
        lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n  ")
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
            prompt: telemetry::display(&job.prompt, 80),
            files: job.files.iter().take(2).map(place).collect(),
            file_count: job.files.len(),
            account: (!ours).then(|| job.account.clone()),
            task_id: job.state.task().map(|task| telemetry::display(&task.id, 256)),
            cost: job.cost.as_ref().filter(|_| !job.is_free()).map(CostView::of),
            created_at: created.map(|at| at.to_string()).unwrap_or_default(),
            age: age(job.created_at),
        }
    }
}

impl IntoCallToolResult for JobList {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let report = Report::default()
            .content(self.jobs.iter().map(JobRow::line))
            .fact("next_cursor", self.next_cursor.as_deref())
            .next(&self.next);
        Ok(report.result(&self)?.into())
    }
}
