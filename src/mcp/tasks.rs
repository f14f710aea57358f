//! The tasks extension (SEP-2663): a slow call returns a handle that the client polls.
//!
//! A task is a job and has its id, so it outlives the call, the connection and the process. Only clients that declare
//! the extension, in a protocol revision that has it, get tasks.

use rmcp::handler::server::tool::IntoCallToolResult;
use rmcp::model::{
    CallToolResponse, CreateTaskResult, DetailedTask, ErrorCode, GetTaskResult, JsonObject, Task,
    TaskPayload, TaskStatus,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::Value;

use crate::jobs::{self, Job, Kind, State};
use crate::mcp::catalogue::ToolSpec;
use crate::mcp::error;
use crate::mcp::progress;
use crate::mcp::revision::{Feature, Revision};
use crate::mcp::server::Server;
use crate::result::job_view::{next, time};
use crate::telemetry;

/// A call that ends within this many seconds returns its result as usual, because a task costs the model a turn.
const INLINE_SECONDS: u64 = 8;

/// Whether a slow call of this client may become a task.
pub(crate) fn wanted(call: &RequestContext<RoleServer>) -> bool {
    Revision::of(call).knows(Feature::Extensions)
        && call.client_capabilities().is_some_and(|capabilities| capabilities.supports_tasks())
}

/// Refuses the methods of tasks in protocol revisions without them, whatever a client declares.
pub(crate) fn only_where_they_exist(call: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
    let text = "tasks need protocol revision 2026-07-28 and a client that declares them; use get_job";
    if wanted(call) { Ok(()) } else { Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, text, None)) }
}

/// Shortens the wait of a call that can become a task.
pub(crate) fn shorten(spec: &ToolSpec, arguments: &mut JsonObject) {
    if spec.slow {
        arguments.insert("async_mode".to_owned(), true.into());
        return;
    }
    let asked = arguments.get("wait_seconds").and_then(Value::as_u64).unwrap_or(INLINE_SECONDS);
    arguments.insert("wait_seconds".to_owned(), asked.min(INLINE_SECONDS).into());
}

/// The task for a response that says "running".
pub(crate) async fn as_task(server: &Server, response: CallToolResponse) -> CallToolResponse {
    let CallToolResponse::Complete(result) = &response else { return response };
    let view = result.structured_content.as_ref();
    let word = |name: &str| view.and_then(|view| view.get(name)).and_then(Value::as_str);
    let (Some("running" | "submitting"), Some(id)) = (word("status"), word("job_id")) else {
        return response;
    };
    match server.jobs().get(server.principal(), id).await {
        Ok(Some(job)) => CreateTaskResult::new(task_like(&job, TaskStatus::Working)).into(),
        _ => response,
    }
}

/// `tasks/get`: the job as a task. Files that are not saved yet are fetched.
pub(crate) async fn get(server: &Server, id: &str) -> Result<GetTaskResult, ErrorData> {
    let watch = server
        .jobs()
        .watch(server.principal(), id)
        .await
        .map_err(|error| server.presenter.protocol_error(&error))?;
    let Some(watch) = watch else { return Err(no_task(id)) };
    let job = watch.borrow().clone();
    let payload = match &job.state {
        State::Cancelled { .. } => TaskPayload::Cancelled,
        state if !state.is_over() => TaskPayload::Working,
        // The result of the call says how it went, also if it failed.
        _ => TaskPayload::Completed { result: result_of(server, &job)? },
    };
    Ok(GetTaskResult::new(DetailedTask::new(task_like(&job, payload.status()), payload)))
}

/// `tasks/cancel`. A job that cannot be stopped continues, and the next `tasks/get` says so.
pub(crate) async fn cancel(server: &Server, id: &str) -> Result<(), ErrorData> {
    let cancelled = jobs::cancel(server.jobs(), server.principal(), id).await;
    match cancelled.map_err(|error| server.presenter.protocol_error(&error))? {
        Some(_) => Ok(()),
        None => Err(no_task(id)),
    }
}

fn result_of(server: &Server, job: &Job) -> Result<JsonObject, ErrorData> {
    let response = server.presenter.marked(server.presenter.job(job).into_call_tool_result()?);
    let CallToolResponse::Complete(mut result) = response else {
        return Err(ErrorData::internal_error("a job view that is not a result", None));
    };
    error::classify(&mut result);
    match serde_json::to_value(result) {
        Ok(Value::Object(result)) => Ok(result),
        _ => Err(ErrorData::internal_error("a result that cannot be written", None)),
    }
}

fn task_like(job: &Job, status: TaskStatus) -> Task {
    let at = |milliseconds| time(milliseconds).unwrap_or_default();
    let quick = matches!(job.kind, Kind::Image | Kind::Speech | Kind::Transcription | Kind::Voice);
    let interval = if quick { 2_000 } else { 5_000 };
    let message = match &job.state {
        // There is no result to say whether MiniMax bills it.
        State::Cancelled { .. } => format!("{}. {}", progress::words(job), next(job)),
        _ => progress::words(job),
    };
    // Records are kept, so a task does not expire.
    Task::new(&job.id, status, at(job.created_at), at(job.updated_at))
        .with_status_message(message)
        .with_poll_interval_ms(interval)
}

/// The error for a task that does not exist, or is another principal's.
pub(crate) fn no_task(id: &str) -> ErrorData {
    let id = telemetry::display(id, 64);
    ErrorData::invalid_params(format!("there is no task {id}; list_jobs shows the jobs of this server"), None)
}
