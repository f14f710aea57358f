//! Finds the task that `regenerate_video` makes again, by its job or its task id, and checks it.

use crate::api::Blame;
use crate::api::retry::Nature;
use crate::api::video_extras::CloudTask;
use crate::facts::facts;
use crate::jobs::{Job, RemoteKind, Route, State, now};
use crate::mcp::{Server, ToolError};
use crate::rate_limit::group;

/// A finished task that can be made again.
#[derive(Debug)]
pub(crate) struct Original {
    /// MiniMax's id.
    pub(crate) task_id: String,
    /// Its prompt.
    pub(crate) prompt: String,
    /// Its length.
    pub(crate) seconds: Option<f64>,
    /// The number of input images.
    pub(crate) images: u32,
    /// Warnings for the caller.
    pub(crate) warnings: Vec<String>,
}

/// The error for a job's id in the place of a task's.
pub(super) async fn refuse_job(server: &Server, id: &str) -> Result<(), ToolError> {
    let Some(job) = server.jobs().get(server.principal(), id).await? else { return Ok(()) };
    let problem = match job.state.task() {
        Some(task) => format!("is a job_id; call get_job with it, or give the job's task_id, {}", task.id),
        None => "is a job_id; call get_job with it".to_owned(),
    };
    Err(ToolError::argument("task_id", problem))
}

/// The error for a task that does not exist, or is another principal's.
pub(super) fn no_task(id: &str) -> ToolError {
    ToolError::NotFound {
        what: format!("video task {id}"),
        advice:
            "A task is known in its own region and account only, an H3 task for 7 days. list_jobs shows this \
            server's jobs."
                .to_owned(),
    }
}

/// The longest id of a task, in bytes; MiniMax's are shorter.
const LONGEST_TASK: usize = 64;

/// Reads an id of MiniMax's task.
pub(super) fn read_task_id(text: &str) -> Result<&str, ToolError> {
    let id = text.trim();
    let is_legal = (1..=LONGEST_TASK).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if !is_legal {
        let problem = "is not a task id of MiniMax; those are letters and digits, at most 64";
        return Err(ToolError::argument("task_id", problem));
    }
    // MiniMax may read the id as a number, so leading zeros are dropped.
    match id.trim_start_matches('0') {
        digits if !digits.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) => Ok(digits),
        _ => Ok(id),
    }
}

const DAY: i64 = 24 * 3_600_000;

/// Finds the task that the arguments name. The record of a job of this server is enough; MiniMax is asked about any other
/// task, which is free. A dry run sends nothing.
pub(super) async fn find(
    server: &Server,
    job_id: Option<&str>,
    task_id: Option<&str>,
    dry: bool,
) -> Result<Original, ToolError> {
    let (field, id, job) = match (job_id, task_id) {
        (Some(id), _) => {
            let job = server.jobs().get(server.principal(), id.trim()).await?;
            let problem = || format!("is {id}, which is not a job of this server; list_jobs shows its jobs");
            ("job_id", id.trim(), Some(job.ok_or_else(|| ToolError::argument("job_id", problem()))?))
        }
        (None, task) => {
            let id = read_task_id(task.unwrap_or_default())?;
            let job = server.jobs().by_task(server.principal(), id).await?;
            // A task of another principal looks like one that does not exist.
            if job.is_none() && !server.inputs.ownership.may_use(RemoteKind::Task, id).await? {
                return Err(no_task(id));
            }
            ("task_id", id, job)
        }
    };
    let wrong = |problem: String| ToolError::argument(field, problem);
    let task_id = match &job {
        Some(job) => finished(server, job).map_err(wrong)?,
        None => id.to_owned(),
    };
    if let Some(job) = job.as_ref().filter(|job| job.request.is_object()) {
        return of_record(job, task_id).map_err(wrong);
    }
    let blank = Original {
        task_id,
        prompt: format!("task {id} in 2K"),
        seconds: None,
        images: 0,
        warnings: Vec::new(),
    };
    if dry {
        let warning = "MiniMax was not asked about the task: a dry run sends nothing";
        return Ok(Original { warnings: vec![warning.to_owned()], ..blank });
    }
    let api = server.api();
    let looked = api.queued(group::POLLS, Nature::Read, || api.video_task(&blank.task_id)).await;
    let task = match looked {
        Err(error) if error.blame() == Blame::Caller => {
            let days = facts().regeneration().days;
            return Err(wrong(format!("is {id}, which is no H3 task of this account's last {days} days")));
        }
        looked => looked?,
    };
    of_task(&task, blank).map_err(wrong)
}

/// The id of the task of a job that succeeded.
fn finished(server: &Server, job: &Job) -> Result<String, String> {
    if !server.jobs().is_ours(job) {
        return Err(format!("names a job of another account. {}", server.jobs().why_not_ours(job)));
    }
    match &job.state {
        State::Done { task: Some(task), .. } if task.route == Route::VideoV2 => Ok(task.id.clone()),
        State::Done { .. } => Err(not_fit(&format!("of kind {} ({})", job.kind.word(), job.model))),
        state if state.is_over() => {
            Err(format!("names a job that is {}; only a finished one can be made again", state.status()))
        }
        state => Err(format!("names a job that is {}; wait for it with get_job", state.status())),
    }
}

fn not_fit(found: &str) -> String {
    let row = facts().regeneration();
    format!("is {found}; it must be a finished {} generation in {}", row.models.join(" or "), row.from)
}

fn fits(task_type: &str, model: &str, resolution: &str, created: i64) -> Result<(), String> {
    let row = facts().regeneration();
    let able = row.models.contains(&facts().canonical(model));
    if task_type != "generation" || !able || resolution != row.from {
        let found = format!("a {task_type} of {model} in {resolution}");
        return Err(not_fit(found.trim_end_matches(" in ")));
    }
    let age = now().saturating_sub(created) / DAY;
    if age >= i64::from(row.days) {
        return Err(format!("is {age} days old; MiniMax keeps a task for {} days", row.days));
    }
    Ok(())
}

fn of_record(job: &Job, task_id: String) -> Result<Original, String> {
    let field = |name: &str| job.request.get(name);
    let text = |name: &str| field(name).and_then(|value| value.as_str()).unwrap_or_default();
    let task_type = if job.tool == "generate_video" { "generation" } else { job.tool.as_str() };
    fits(task_type, &job.model, text("resolution"), job.created_at)?;
    let content = field("content").and_then(|items| items.as_array()).map(Vec::as_slice).unwrap_or_default();
    let of_type = |kind: &str| {
        content.iter().filter(|item| item.get("type").is_some_and(|found| found == kind)).count()
    };
    // Seconds of reference videos are billed too, and only MiniMax counts them.
    let seconds = field("duration").and_then(serde_json::Value::as_f64).filter(|_| of_type("video_url") == 0);
    let images = u32::try_from(of_type("image_url")).unwrap_or(u32::MAX);
    Ok(Original { task_id, prompt: job.prompt.clone(), seconds, images, warnings: Vec::new() })
}

fn of_task(task: &CloudTask, blank: Original) -> Result<Original, String> {
    if task.status != "succeeded" {
        return Err(format!("is a task that is {}; only a finished one can be made again", task.status));
    }
    let resolution = task.resolution.as_deref().unwrap_or_default();
    let task_type = if task.task_type.is_empty() { "generation" } else { task.task_type.as_str() };
    fits(task_type, &task.model, resolution, task.created_at.saturating_mul(1000))?;
    let count = |name: &str| task.usage.as_ref().and_then(|usage| usage.get(name)?.as_f64());
    let images =
        task.usage.as_ref().and_then(|usage| usage.get("input_image_count")?.as_u64()).unwrap_or_default();
    Ok(Original {
        seconds: count("total_seconds").or(task.duration.map(f64::from)),
        images: u32::try_from(images).unwrap_or(u32::MAX),
        ..blank
    })
}
