//! The job view: the result of every tool that makes something.
//!
//! Clients differ in which part of a result they show a model, so each part is complete by itself: the structured
//! content, a few lines of text, and a link for each file.

mod bounds;
mod cost;
mod file;
pub(crate) mod several;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rmcp::ErrorData;
use rmcp::handler::server::tool::{IntoCallToolResult, schema_for_output};
use rmcp::model::{CallToolResponse, JsonObject};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::api::Blame;
use crate::bucket::Bucket;
use crate::jobs::{ANSWER, Cost, FIRST_SOUND, Failure, Job, JobFile, Kind, State};
use crate::rate_limit::QueueView;
use crate::result::Report;
use crate::telemetry::quoted;

use file::{FileView, link_to};

pub(crate) use cost::{COST, CostView};
pub(crate) use file::{file_facts, time};

/// The advice in the result of a dry run.
pub(crate) const DRY_RUN: &str =
    "Dry run: arguments are valid; nothing was sent or billed. Call again without dry_run to generate it.";

/// The kinds of errors, by what helps: correcting arguments, correcting settings, waiting, asking the user, reporting a
/// bug.
const KINDS: [&str; 5] = ["argument", "settings", "wait", ASK_USER, "bug"];

/// The kind of an error after which only the user can decide.
pub(crate) const ASK_USER: &str = "ask_user";

/// A text that ends with a full stop, unless it has another mark there.
pub(crate) fn sentence(text: &str) -> String {
    let text = text.trim_end_matches(['.', ' ']);
    let is_ended = text.is_empty() || text.ends_with(['?', '!', '…', ':']);
    if is_ended { text.to_owned() } else { format!("{text}.") }
}

/// A job as a caller sees it. What is absent is unknown.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct JobView {
    /// Give it to get_job.
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-quiet" = true))]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-quiet" = true))]
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
    #[schemars(with = "Option<JsonObject>", extend("x-quiet" = true))]
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
    #[schemars(extend("x-quiet" = true))]
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-quiet" = true))]
    updated_at: Option<String>,
    // Size, length and number of what a dry run has checked.
    #[serde(skip)]
    details: String,
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

/// What went wrong.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ErrorView {
    pub(crate) message: String,
    /// Who can fix it.
    #[schemars(extend("enum" = KINDS))]
    pub(crate) kind: &'static str,
    /// MiniMax's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace_id: Option<String>,
}

impl ErrorView {
    pub(crate) fn kind(blame: Blame) -> &'static str {
        match blame {
            Blame::Caller => "argument",
            Blame::Operator => "settings",
            Blame::Transient => "wait",
            Blame::Crate => "bug",
        }
    }

    /// The error in words, then what to do, then the details that MiniMax's support asks for.
    pub(crate) fn lines(&self, next: &str) -> String {
        let message = sentence(&self.message);
        let is_new = |fact: &String| !message.contains(fact.as_str()) && !next.contains(fact.as_str());
        let code =
            self.code.map(|code| code.to_string()).filter(is_new).map(|code| format!("MiniMax code {code}"));
        let trace = self.trace_id.clone().filter(is_new).map(|trace| format!("trace id {trace}"));
        let facts: Vec<_> = code.into_iter().chain(trace).collect();
        let facts = if facts.is_empty() { String::new() } else { format!("({})", facts.join(", ")) };
        [message.as_str(), next.trim(), &facts]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
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
            kind: Self::kind(blame),
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

    /// The view of a job in its current state.
    pub(crate) fn of(job: &Job) -> Self {
        let mut warnings = job.warnings.clone();
        match &job.state {
            // There is no voice to use.
            State::Failed { .. } | State::Cancelled { .. } => {
                warnings.retain(|warning| !warning.starts_with(USE_THE_VOICE));
            }
            State::Submitting { held: Some(why), .. } => {
                let place = job.waiting.as_ref().and_then(QueueView::position);
                let place = place.map(|standing| format!(" ({})", standing.words())).unwrap_or_default();
                warnings.push(format!("not sent yet, nothing is bought: {why}{place}"));
            }
            State::Running { trouble: Some(why), .. } => {
                warnings.push(format!("the last status check failed: {why}"));
            }
            _ => {}
        }
        warnings.extend(unfamiliar(&job.state));
        let troubles = job.files.iter().filter_map(|file| Some((file, file.trouble.as_ref()?)));
        warnings.extend(troubles.map(|(file, trouble)| match file.saved {
            Some(_) => format!("{}: {trouble}", file.name),
            None => format!("{} was not saved: {trouble}", file.name),
        }));
        let error = match &job.state {
            State::Failed { failure, .. } => Some(ErrorView::of(failure)),
            State::Unknown { why, .. } => {
                Some(ErrorView { message: why.clone(), kind: ASK_USER, code: None, trace_id: None })
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
            cost: job.cost.as_ref().filter(|_| !job.is_free()).map(CostView::of),
            warnings,
            error,
            next: next(job),
            created_at: time(job.created_at),
            updated_at: time(job.updated_at),
            details: String::new(),
            says: if failed { Says::Failure } else { Says::Success },
        }
    }

    /// What a call would cost.
    pub(crate) fn dry_run(
        kind: Kind,
        model: String,
        details: String,
        cost: &Cost,
        warnings: Vec<String>,
    ) -> Self {
        Self {
            kind: Some(kind.word().to_owned()),
            model: Some(model).filter(|model| !model.is_empty()),
            cost: Some(CostView::of(cost)),
            warnings,
            details,
            next: DRY_RUN.to_owned(),
            ..Self::default()
        }
    }

    /// The view of a failed call without a job.
    pub(crate) fn error(error: ErrorView, next: String) -> Self {
        Self { error: Some(error), next, says: Says::Failure, ..Self::default() }
    }

    /// For a remote caller: download links instead of paths. `link_of` makes the link to the file with a name.
    #[must_use]
    pub(crate) fn with_links(
        mut self,
        job: &Job,
        link_of: impl Fn(&str) -> Option<String>,
        records: &Path,
        bucket: Option<&Bucket>,
    ) -> Self {
        // Remote callers must not see paths on this machine.
        let places = job.folder.as_deref().into_iter().chain([records]);
        for folder in places.filter_map(Path::to_str) {
            let hide = |text: &mut String| *text = text.replace(folder, "the server's folder");
            self.warnings.iter_mut().for_each(hide);
            self.error.iter_mut().for_each(|error| hide(&mut error.message));
        }
        for (view, file) in self.files.iter_mut().zip(&job.files) {
            let link = bucket.and_then(|bucket| link_to(bucket, file));
            view.download_url = view.path.take().and_then(|_| link.or_else(|| link_of(&file.name)));
        }
        self
    }

    /// For a caller at this machine: links to the objects, which cannot be opened otherwise without credentials.
    #[must_use]
    pub(crate) fn with_bucket_links(mut self, job: &Job, bucket: &Bucket) -> Self {
        for (view, file) in self.files.iter_mut().zip(&job.files) {
            view.download_url = link_to(bucket, file);
        }
        self
    }

    /// Rewrites the error and the advice for a caller.
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

    /// Replaces the usual advice.
    pub(crate) fn instead(self, next: String) -> Self {
        Self { next, ..self }
    }

    /// Milliseconds until the first audio of a sound reached the player here.
    pub(crate) fn first_sound(&self) -> Option<u64> {
        self.usage.as_ref()?.get(FIRST_SOUND)?.as_u64()
    }

    /// The view in words, without what to do next.
    fn told(&self) -> Report {
        let head = [self.kind.as_ref(), self.status.as_ref()].into_iter().flatten();
        let report = Report::default()
            .content(self.text.clone())
            .head(head)
            .fact("", self.model.as_deref())
            .fact("", Some(&self.details))
            .fact("job_id", self.job_id.as_deref())
            .fact("task_id", self.task_id.as_deref())
            .fact("voice_id", self.voice_id.as_deref())
            .failed(self.says == Says::Failure);
        let files = self.files.iter();
        let report = files.fold(report, |report, file| report.file(file.lines(), Some(file.link())));
        report.cost(self.cost.as_ref().map(CostView::line)).notes(&self.warnings)
    }

    fn report(&self) -> Report {
        self.told().next(match &self.error {
            Some(error) => error.lines(&self.next),
            None => self.next.clone(),
        })
    }
}

impl IntoCallToolResult for JobView {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        Ok(self.report().result(&self)?.into())
    }
}

/// The note about a task whose state has a word that MiniMax does not document.
pub(crate) fn unfamiliar(state: &State) -> Option<String> {
    let word = state.unfamiliar_word()?;
    Some(format!(
        "MiniMax reports the status {}, which this version does not know; the task may still finish, so it is polled for up \
         to a day",
        quoted(word)
    ))
}

/// The beginning of the warning about a voice that a job makes.
pub(crate) const USE_THE_VOICE: &str = "use the voice in text_to_audio within 7 days or MiniMax deletes it";

/// The day of a moment, in UTC.
pub(crate) fn day(milliseconds: i64) -> String {
    let at = Timestamp::from_millisecond(milliseconds).map(|at| at.strftime("%Y-%m-%d").to_string());
    at.unwrap_or_default()
}

/// Whether the task would be in MiniMax's list of tasks, which has only those of video V2.
fn is_listed(job: &Job) -> bool {
    ["content", "source_task_id"].iter().any(|name| job.request.get(name).is_some())
}

/// Whether a file has MiniMax's answer, which could not be read.
fn has_answer(job: &Job) -> bool {
    let is_answer = |file: &JobFile| file.name.rsplit_once('.').is_some_and(|(stem, _)| stem == ANSWER);
    job.files.iter().any(|file| is_answer(file) && file.saved.is_some())
}

/// What the caller can do with a finished job.
fn done(kind: Kind) -> &'static str {
    match kind {
        Kind::Image => {
            "Tell the user where it is; view_media shows it to you. Other tools take its minimax:// address."
        }
        Kind::Speech | Kind::Video | Kind::Music => {
            "Tell the user where it is. Other tools take its minimax:// address."
        }
        Kind::Transcription => "The file has the same text.",
        Kind::Voice => "Give the voice_id to text_to_audio or speak.",
        Kind::Prompt => "Call generate_video with this text as prompt.",
    }
}

/// What the caller can do now, in one sentence.
pub(crate) fn next(job: &Job) -> String {
    let id = &job.id;
    match &job.state {
        State::Running { advice: Some(advice), .. } => {
            format!("{advice} The task continues at MiniMax; after that, get_job with job_id {id} has its result.")
        }
        State::Submitting { .. } | State::Running { .. } | State::Fetching { .. } => {
            format!(
                "Still running. Call get_job with job_id {id} to wait for it; the job continues regardless."
            )
        }
        State::Done { .. } if job.is_undelivered() && !job.can_be_fetched() => {
            "What is not saved cannot be fetched again. Let the user decide whether to order it again.".to_owned()
        }
        State::Done { .. } if job.is_undelivered() => {
            format!(
                "MiniMax finished it, but not all files were saved. Call get_job with job_id {id} to fetch them again."
            )
        }
        State::Done { partial: true, .. } if job.incomplete => {
            "What MiniMax handed over is kept, and it is billed. Let the user decide whether to buy another.".to_owned()
        }
        State::Done { partial: true, .. } => {
            "Done, with fewer results than requested, as the warnings say. Let the user decide whether to order the others.".to_owned()
        }
        State::Done { .. } => done(job.kind).to_owned(),
        State::Failed { failure, .. } => failure.advice.clone(),
        State::Cancelled { at_minimax: true, .. } => "Cancelled at MiniMax; nothing was generated.".to_owned(),
        State::Cancelled { task: Some(task), .. } => format!(
            "Stopped watching; MiniMax still finishes and bills it. query_video_generation with task_id {} fetches the \
             result.",
            task.id
        ),
        State::Cancelled { .. } => "Cancelled before anything was sent.".to_owned(),
        State::Unknown { task: Some(task), .. } => {
            format!(
                "It may have been billed. Call get_job with job_id {id} to check task {} again.",
                task.id
            )
        }
        State::Unknown { .. } if has_answer(job) => {
            "MiniMax answered, and may have billed the request; it is not sent again automatically. \
             The file has the answer: read it, because what was bought may be in it, for example a link. \
             If it is not, check the platform's billing page, then let the user decide whether to buy again."
                .to_owned()
        }
        State::Unknown { .. } if is_listed(job) => {
            "MiniMax may have accepted and billed the request; it is not sent again automatically. Call \
             list_video_tasks: if the task is there, query_video_generation with its task_id fetches it; if not, let \
             the user decide whether to buy again."
                .to_owned()
        }
        State::Unknown { .. } => {
            "MiniMax may have accepted and billed the request; it is not sent again automatically. Check the \
             platform's billing page, then let the user decide whether to buy again."
                .to_owned()
        }
    }
}
