//! The job view: the result of every tool that makes something.
//!
//! Clients differ in which part of a result they show a model, so each part is complete by itself: the structured
//! content, a few lines of text, and a link for each file.

mod bounds;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rmcp::ErrorData;
use rmcp::handler::server::tool::{IntoCallToolResult, schema_for_output};
use rmcp::model::{CallToolResponse, ContentBlock, JsonObject, Resource};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::api::Blame;
use crate::api::rate_limit::QueueView;
use crate::jobs::{Cost, FIRST_SOUND, Failure, Job, JobFile, Kind, State};
use crate::mcp::download_links::DownloadLinks;
use crate::mcp::result::both;

/// What a dry run says instead of a result.
pub(crate) const DRY_RUN: &str =
    "Dry run: the arguments are right, nothing was sent or billed. Call again without dry_run to buy it.";

/// A job as a caller sees it. What is absent is unknown.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct JobView {
    /// Give it to get_job.
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// Absent for a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = crate::jobs::STATUSES))]
    status: Option<String>,
    /// MiniMax's own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<FileView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    voice_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// What MiniMax counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<JsonObject>")]
    usage: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<CostView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorView>,
    /// What to do now.
    next: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<String>,
    #[serde(skip)]
    says: Says,
}

// Whether the call failed; not a part of the structured content.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Says {
    #[default]
    Success,
    Failure,
}

/// A file that a job made.
#[derive(Debug, Serialize, JsonSchema)]
struct FileView {
    /// Input for other tools.
    uri: String,
    /// MiniMax's link.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url_expires_at: Option<String>,
    /// On the server's machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// From this server, for a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    download_url: Option<String>,
    mime_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
}

/// Absent parts are unknown, never 0.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CostView {
    currency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actual: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    basis: Option<String>,
}

/// What went wrong, and whose turn it is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ErrorView {
    pub(crate) message: String,
    /// Who can do something about it.
    #[schemars(extend("enum" = ["fix an argument", "fix key, balance or settings", "wait", "ask the user", "report a bug"]))]
    pub(crate) turn: String,
    /// MiniMax's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace_id: Option<String>,
}

impl ErrorView {
    pub(crate) fn turn(blame: Blame) -> String {
        match blame {
            Blame::Caller => "fix an argument",
            Blame::Operator => "fix key, balance or settings",
            Blame::Transient => "wait",
            Blame::Crate => "report a bug",
        }
        .to_owned()
    }

    fn of(failure: &Failure) -> Self {
        let blame = match failure.blame.as_str() {
            "caller" => Blame::Caller,
            "operator" => Blame::Operator,
            "weather" => Blame::Transient,
            _ => Blame::Crate,
        };
        Self {
            message: failure.message.clone(),
            turn: Self::turn(blame),
            code: failure.code,
            trace_id: failure.trace_id.clone(),
        }
    }
}

impl JobView {
    /// The `outputSchema` of every tool that answers with a job.
    pub(crate) fn schema() -> Arc<JsonObject> {
        schema_for_output::<Self>()
    }

    /// A job as it stands.
    pub(crate) fn of(job: &Job) -> Self {
        let mut warnings = job.warnings.clone();
        match &job.state {
            State::Submitting { held: Some(why), .. } => {
                let place = job.waiting.as_ref().and_then(QueueView::position);
                let place = place.map(|standing| format!(" ({})", standing.words())).unwrap_or_default();
                warnings.push(format!("not sent yet, nothing is bought: {why}{place}"));
            }
            State::Running { trouble: Some(why), .. } => {
                warnings.push(format!("the last poll of the task failed: {why}"));
            }
            _ => {}
        }
        let troubles = job.files.iter().filter_map(|file| Some((file, file.trouble.as_ref()?)));
        warnings.extend(troubles.map(|(file, trouble)| match file.saved {
            Some(_) => format!("{}: {trouble}", file.name),
            None => format!("{} was not saved: {trouble}", file.name),
        }));
        let error = match &job.state {
            State::Failed { failure, .. } => Some(ErrorView::of(failure)),
            State::Unknown { why, .. } => {
                let turn = "ask the user".to_owned();
                Some(ErrorView { message: why.clone(), turn, code: None, trace_id: None })
            }
            _ => None,
        };
        let failed = matches!(job.state, State::Failed { .. } | State::Unknown { .. });
        Self {
            job_id: Some(job.id.clone()),
            kind: Some(job.kind.word().to_owned()),
            model: Some(job.model.clone()).filter(|model| !model.is_empty()),
            status: Some(job.state.status().to_owned()),
            task_id: job.state.task().map(|task| task.id.clone()),
            files: job.files.iter().map(|file| FileView::of(&job.id, file)).collect(),
            voice_id: job.voice_id.clone(),
            text: job.text.clone(),
            usage: job.usage.clone().filter(Value::is_object),
            cost: CostView::of(&job.cost).filter(|_| !job.is_free()),
            warnings,
            error,
            next: next(job),
            created_at: time(job.created_at),
            updated_at: time(job.updated_at),
            says: if failed { Says::Failure } else { Says::Success },
        }
    }

    /// What a call would cost.
    pub(crate) fn dry_run(kind: Kind, model: String, cost: &Cost, warnings: Vec<String>) -> Self {
        Self {
            kind: Some(kind.word().to_owned()),
            model: Some(model).filter(|model| !model.is_empty()),
            cost: CostView::of(cost),
            warnings,
            next: DRY_RUN.to_owned(),
            ..Self::default()
        }
    }

    /// A call that brought no job.
    pub(crate) fn error(error: ErrorView, next: String) -> Self {
        Self { error: Some(error), next, says: Says::Failure, ..Self::default() }
    }

    /// For a remote caller: download links in place of paths.
    #[must_use]
    pub(crate) fn with_links(mut self, job: &Job, links: &DownloadLinks, records: &Path) -> Self {
        // Remote callers see no paths of this machine.
        let places = job.folder.as_deref().into_iter().chain([records]);
        for folder in places.filter_map(Path::to_str) {
            let hide = |text: &mut String| *text = text.replace(folder, "the server's folder");
            self.warnings.iter_mut().for_each(hide);
            self.error.iter_mut().for_each(|error| hide(&mut error.message));
        }
        for (view, file) in self.files.iter_mut().zip(&job.files) {
            view.download_url = view.path.take().and_then(|_| links.to(&job.id, &file.name));
        }
        self
    }

    /// Rewrites what is said to a caller.
    pub(crate) fn reword(&mut self, reword: impl Fn(&mut String)) {
        reword(&mut self.next);
        self.error.iter_mut().for_each(|error| reword(&mut error.message));
    }

    /// Adds a warning.
    #[must_use]
    pub(crate) fn noting(mut self, warning: &str) -> Self {
        self.warnings.push(warning.to_owned());
        self
    }

    /// Puts `sentence` before what to do next.
    #[must_use]
    pub(crate) fn saying(mut self, sentence: &str) -> Self {
        self.next = format!("{sentence} {}", self.next);
        self
    }

    /// With `next` in place of the usual advice.
    pub(crate) fn instead(self, next: String) -> Self {
        Self { next, ..self }
    }

    /// Milliseconds until a sound that is played here was first heard.
    pub(crate) fn first_sound(&self) -> Option<u64> {
        self.usage.as_ref()?.get(FIRST_SOUND)?.as_u64()
    }

    fn lines(&self) -> String {
        let head =
            [self.kind.as_deref(), self.status.as_deref(), self.model.as_deref(), self.job_id.as_deref()];
        let mut lines = vec![head.into_iter().flatten().collect::<Vec<_>>().join(" · ")];
        if let Some(error) = &self.error {
            let code =
                error.trace_id.as_ref().map(|trace| format!(" (trace id {trace})")).unwrap_or_default();
            lines.push(format!("{}{code}. Whose turn: {}.", error.message.trim_end_matches('.'), error.turn));
        }
        if let Some(task) = &self.task_id {
            lines.push(format!("MiniMax task {task}"));
        }
        for file in &self.files {
            lines.extend(file.lines());
        }
        if let Some(voice) = &self.voice_id {
            lines.push(format!("voice_id {voice}"));
        }
        lines.extend(self.text_in_lines());
        lines.extend(self.cost.as_ref().map(CostView::line));
        lines.extend(self.warnings.iter().map(|warning| format!("Note: {warning}")));
        lines.push(self.next.clone());
        lines.retain(|line| !line.is_empty());
        lines.join("\n")
    }
}

impl IntoCallToolResult for JobView {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let mut result = both(self.lines(), &self)?;
        result.content.extend(self.files.iter().map(|file| ContentBlock::resource_link(file.link())));
        if self.says == Says::Failure {
            result.is_error = Some(true);
        }
        Ok(result.into())
    }
}

impl FileView {
    fn of(job: &str, file: &JobFile) -> Self {
        let saved = file.saved.as_ref();
        Self {
            uri: format!("minimax://files/{job}/{}", file.name),
            url: file.url.clone(),
            url_expires_at: file.url_expires_at.filter(|_| file.url.is_some()).and_then(time),
            path: saved.map(|saved| saved.path.display().to_string()),
            download_url: None,
            mime_type: saved.map_or(&file.mime_type, |saved| &saved.mime_type).clone(),
            bytes: saved.map(|saved| saved.bytes),
            sha256: saved.map(|saved| saved.sha256.clone()),
            width: saved.and_then(|saved| saved.width).or(file.width),
            height: saved.and_then(|saved| saved.height).or(file.height),
            duration_ms: saved.and_then(|saved| saved.duration_ms).or(file.duration_ms),
        }
    }

    fn lines(&self) -> Vec<String> {
        let size = self.width.zip(self.height).map(|(width, height)| format!("{width}x{height}"));
        #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
        let length = self.duration_ms.map(|length| format!("{:.1} s", length as f64 / 1000.0));
        let bytes = self.bytes.map(|bytes| format!("{bytes} bytes"));
        let facts: Vec<_> =
            [Some(self.mime_type.clone()), size, length, bytes].into_iter().flatten().collect();
        let mut lines = vec![format!("{} ({})", self.path.as_ref().unwrap_or(&self.uri), facts.join(", "))];
        if self.path.is_some() {
            lines.push(format!("  {}", self.uri));
        }
        lines.extend(self.download_url.as_ref().map(|url| format!("  {url}")));
        if let Some(url) = &self.url {
            let until = self.url_expires_at.as_ref().map(|at| format!(" (until {at})")).unwrap_or_default();
            lines.push(format!("  {url}{until}"));
        }
        lines
    }

    fn link(&self) -> Resource {
        let local = self.path.as_ref().and_then(|path| url::Url::from_file_path(path).ok());
        let uri = local
            .map(String::from)
            .or_else(|| self.download_url.clone())
            .or_else(|| self.url.clone())
            .unwrap_or_else(|| self.uri.clone());
        let name = self.path.as_deref().and_then(|path| Path::new(path).file_name()?.to_str());
        let name = name.or_else(|| self.uri.rsplit('/').next()).unwrap_or_default();
        let link = Resource::new(uri, name).with_mime_type(self.mime_type.clone());
        match self.bytes {
            Some(bytes) => link.with_size(bytes),
            None => link,
        }
    }
}

impl CostView {
    pub(crate) fn of(cost: &Cost) -> Option<Self> {
        (!cost.currency.is_empty()).then(|| Self {
            currency: cost.currency.clone(),
            estimated: cost.estimated,
            actual: cost.actual,
            basis: cost.basis.clone(),
        })
    }

    /// What it costs, in words.
    pub(crate) fn amount(&self) -> String {
        match (self.actual, self.estimated) {
            (Some(actual), _) => format!("{actual} {}", self.currency),
            (None, Some(estimated)) => format!("about {estimated} {}", self.currency),
            (None, None) => "unknown".to_owned(),
        }
    }

    pub(crate) fn line(&self) -> String {
        let amount = self.amount();
        let basis = self.basis.as_ref().map(|basis| format!(" ({basis})")).unwrap_or_default();
        format!("Cost: {amount}{basis}")
    }
}

pub(crate) fn time(milliseconds: i64) -> Option<String> {
    let at = Timestamp::from_second(milliseconds / 1000).ok()?;
    Some(at.to_string())
}

/// Whether the task would be in MiniMax's list of tasks, which has those of video V2 only.
fn is_listed(job: &Job) -> bool {
    ["content", "source_task_id"].iter().any(|name| job.request.get(name).is_some())
}

/// What the caller can do now, in one sentence.
fn next(job: &Job) -> String {
    let id = &job.id;
    match &job.state {
        State::Running { advice: Some(advice), .. } => {
            format!("{advice} The task goes on at MiniMax; once that is done, get_job with job_id {id} has its result.")
        }
        State::Submitting { .. } | State::Running { .. } | State::Fetching { .. } => {
            format!(
                "Not finished yet. Call get_job with job_id {id}: it waits for the end. The job goes on either way."
            )
        }
        State::Done { .. } if job.is_undelivered() => {
            format!(
                "MiniMax made it, but not all files were saved. Call get_job with job_id {id} to fetch them again."
            )
        }
        State::Done { partial: true, .. } if job.incomplete => {
            "What MiniMax handed over is kept, and it is billed. Let the user decide whether to buy another.".to_owned()
        }
        State::Done { partial: true, .. } => {
            "Done, with fewer results than asked for. Rephrase the prompt to get the others.".to_owned()
        }
        State::Done { .. } => "Done.".to_owned(),
        State::Failed { failure, .. } => failure.advice.clone(),
        State::Cancelled { at_minimax: true, .. } => "Cancelled at MiniMax; nothing is made.".to_owned(),
        State::Cancelled { task: Some(task), .. } => format!(
            "Stopped watching; MiniMax still bills it, because the task goes on there. query_video_generation with \
             task_id {} takes it up again.",
            task.id
        ),
        State::Cancelled { .. } => "Cancelled before anything was sent.".to_owned(),
        State::Unknown { task: Some(task), .. } => {
            format!(
                "It may have been billed. Call get_job with job_id {id} to look at task {} again.",
                task.id
            )
        }
        State::Unknown { .. } if is_listed(job) => {
            "The request may have been taken and billed; it is not sent again by itself. Call list_video_tasks: if \
            the task is there, query_video_generation with its task_id fetches it; if not, let the user decide \
            whether to buy again."
                .to_owned()
        }
        State::Unknown { .. } => {
            "The request may have been taken and billed; it is not sent again by itself. Look at \
            the platform's billing page, then let the user decide whether to buy again."
                .to_owned()
        }
    }
}
