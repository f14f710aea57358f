//! The checkout: everything between a checked order and its purchase. Folder, price, budget, consent.

pub(crate) mod bill;
pub(crate) mod budget;
pub(crate) mod consent;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::JsonObject;
use rmcp::service::RequestContext;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::bucket::Bucket;
use crate::config::{Config, ConfigError, KeyKind, ResourceMode};
use crate::download;
use crate::jobs::{self, Cost, Job, Jobs, Kind, NewJob, Order, State};
use crate::mcp::abandoned_calls::Connection;
use crate::mcp::allowed_folders::AllowedFolders;
use crate::mcp::call_digest::{CallArguments, CallDigest};
use crate::mcp::caller::Caller;
use crate::mcp::caller_key::Payer;
use crate::mcp::error::ToolError;
use crate::mcp::presenter::Presenter;
use crate::mcp::progress;
use crate::result::job_view::JobView;
use bill::Bill;
use budget::Budget;

/// How long an asynchronous call waits for MiniMax to accept the order, which usually takes a second or two.
const SUBMIT: Duration = Duration::from_secs(30);

/// As [`SUBMIT`], for an order that MiniMax answers with its result. Only a refusal comes this soon, and a longer wait
/// would only delay the next call.
const REFUSAL: Duration = Duration::from_millis(50);

/// What every tool that costs money takes besides its own parameters.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct JobOptions {
    /// Folder. Default: results folder.
    pub(crate) output_directory: Option<String>,
    /// Wait 0-240 s, default 45.
    #[serde(default = "forty_five")]
    #[schemars(range(min = 0, max = 240))]
    pub(crate) wait_seconds: u32,
    /// As wait_seconds 0; a video's task_id is waited for.
    #[serde(default)]
    #[schemars(extend("x-quiet" = true))]
    pub(crate) async_mode: bool,
    /// true: check and price.
    #[serde(default)]
    pub(crate) dry_run: bool,
    /// The same key never buys twice.
    pub(crate) idempotency_key: Option<String>,
}

pub(crate) fn forty_five() -> u32 {
    45
}

impl JobOptions {
    /// How long the call waits, and for what: an asynchronous call until MiniMax has taken or refused the order, any
    /// other call until the job has ended.
    pub(crate) fn patience(&self, is_task: bool) -> (Duration, fn(&Job) -> bool) {
        if self.async_mode || self.wait_seconds == 0 {
            return if is_task {
                (SUBMIT, progress::is_taken)
            } else {
                (REFUSAL, progress::is_queued_or_taken)
            };
        }
        (Duration::from_secs(self.wait_seconds.min(240).into()), progress::is_over)
    }
}

/// What a tool orders, before the checkout adds who pays and where files go.
pub(crate) struct Draft {
    pub(crate) order: Box<dyn Order>,
    pub(crate) model: String,
    pub(crate) prompt: String,
    /// The question to a person; see [`Bill::question`].
    pub(crate) question: &'static str,
    /// Size, length and number, in words.
    pub(crate) details: String,
    pub(crate) cost: Cost,
    pub(crate) warnings: Vec<String>,
}

/// Buys for one caller.
#[derive(Debug, Clone)]
pub(crate) struct Checkout {
    config: Arc<Config>,
    caller: Arc<Caller>,
    payer: Payer,
    jobs: Jobs,
    presenter: Arc<Presenter>,
    pub(crate) budget: Budget,
    pub(crate) output: OutputFolder,
}

impl Checkout {
    pub(crate) fn new(
        config: Arc<Config>,
        caller: Arc<Caller>,
        (payer, key_kind): (Payer, KeyKind),
        jobs: Jobs,
        folders: AllowedFolders,
        presenter: Arc<Presenter>,
    ) -> Self {
        let budget = Budget::new(Arc::clone(&config), Arc::clone(&caller), (payer, key_kind), jobs.clone());
        let bucket = jobs.bucket().cloned();
        let output = OutputFolder::new(Arc::clone(&config), Arc::clone(&caller), folders, bucket);
        Self { config, caller, payer, jobs, presenter, budget, output }
    }

    /// Refuses a call that must not reach MiniMax: wrong settings, or no key that may pay.
    pub(crate) fn ready(&self) -> Result<(), ToolError> {
        self.configured()?;
        match self.payer {
            Payer::Missing(why) => Err(ToolError::Unpaid(why)),
            _ if !self.jobs.api().has_key() => Err(ToolError::NoKey(self.config.key_note.clone())),
            _ => Ok(()),
        }
    }

    /// Refuses a call while a setting is wrong, so that no tool writes a file that a wrong setting names.
    pub(crate) fn configured(&self) -> Result<(), ToolError> {
        let problems = &self.config.problems;
        if problems.is_empty() { Ok(()) } else { Err(ToolError::Config(problems.clone())) }
    }

    /// Starts the job of a checked order, once, and waits for it.
    pub(crate) async fn buy(
        &self,
        tool: &'static str,
        draft: Draft,
        options: JobOptions,
        call: &RequestContext<RoleServer>,
    ) -> Result<JobView, ToolError> {
        let Draft { order, model, prompt, question, details, cost, warnings } = draft;
        let cost = self.budget.counted(tool, cost);
        let requested = options.output_directory.as_deref();
        let least = (!options.dry_run).then(|| least_space(order.kind()));
        let folder = self.output.find(requested, least).await?;
        if options.dry_run {
            return Ok(JobView::dry_run(order.kind(), model, details, &cost, warnings));
        }
        let (bill, basis) = (
            Bill { tool, question, model: &model, prompt: &prompt, details: &details, cost: &cost },
            cost.basis.clone(),
        );
        let consent = self.budget.admit(&bill, call).await?;
        let (patience, settled) = options.patience(order.is_task());
        let digest = CallDigest::attached_to(call).0;
        let job = NewJob {
            tool,
            principal: self.caller.principal.clone(),
            budget_day: self.caller.budget_day,
            order,
            model,
            prompt,
            folder,
            cost,
            warnings,
            idempotency_key: options.idempotency_key,
            arguments: CallArguments::attached_to(call).0,
            digest: digest.clone(),
            consent,
        };
        budget::still_wanted(call)?;
        let started = jobs::start(&self.jobs, job).await;
        let (watch, existed) = started.map_err(|error| self.budget.refused(tool, basis.as_deref(), error))?;
        let job = self.presenter.wait_for(watch, call, patience, settled).await;
        let job = if existed { job } else { self.withdraw(job, call).await };
        let view = self.presenter.job(&job);
        Ok(match existed {
            false => view,
            true if job.digest == digest => view.noting(BOUGHT_NOTHING),
            true => view.noting(BOUGHT_NOTHING).noting(OTHER_ARGUMENTS),
        })
    }

    /// Cancels the job of a call that was cancelled while the order waited in its queue. An order that has left
    /// continues.
    async fn withdraw(&self, job: Arc<Job>, call: &RequestContext<RoleServer>) -> Arc<Job> {
        if !is_withdrawn(call, &self.caller) || !matches!(job.state, State::Submitting { sent: false, .. }) {
            return job;
        }
        match jobs::withdraw(&self.jobs, &job).await {
            Ok(Some(withdrawn)) => Arc::new(withdrawn),
            Ok(None) => job,
            Err(error) => {
                tracing::warn!(job = job.id, %error, "the job of a cancelled call could not be cancelled");
                job
            }
        }
    }

    /// The job that an earlier call started with the same `idempotency_key`.
    pub(crate) async fn replayed(
        &self,
        arguments: &JsonObject,
        digest: &CallDigest,
        call: &RequestContext<RoleServer>,
    ) -> Result<Option<JobView>, ToolError> {
        let options: Option<JobOptions> = serde_json::from_value(arguments.clone().into()).ok();
        let Some(options) = options.filter(|options| !options.dry_run) else { return Ok(None) };
        let Some(key) = &options.idempotency_key else { return Ok(None) };
        let principal = &self.caller.principal;
        let Some((watch, first)) = self.jobs.by_key(principal, key).await? else {
            let removed = self.jobs.removed_by_key(principal, key).await?;
            return removed.map_or(Ok(None), |removed| Err(budget::removed(&removed)));
        };
        let is_task = watch.borrow().state.task().is_some();
        let (patience, settled) = options.patience(is_task);
        let job = self.presenter.wait_for(watch, call, patience, settled).await;
        let view = self.presenter.job(&job).noting(BOUGHT_NOTHING);
        Ok(Some(if first == digest.0 { view } else { view.noting(OTHER_ARGUMENTS) }))
    }
}

/// Whether the client has cancelled the call. The end of its connection does not count as that.
fn is_withdrawn(call: &RequestContext<RoleServer>, caller: &Caller) -> bool {
    let connected = match call.extensions.get::<Connection>() {
        Some(Connection(ended)) => !ended.is_cancelled(),
        None => !caller.remote,
    };
    call.ct.is_cancelled() && connected
}

const OTHER_ARGUMENTS: &str =
    "The first call with this idempotency_key had other arguments; use another key for another order.";

const BOUGHT_NOTHING: &str = "Returned the existing job for this idempotency_key; nothing was bought.";

/// Finds output folders for one caller.
#[derive(Debug, Clone)]
pub(crate) struct OutputFolder {
    config: Arc<Config>,
    caller: Arc<Caller>,
    folders: AllowedFolders,
    /// If set, results go here instead of into folders.
    bucket: Option<Bucket>,
}

impl OutputFolder {
    pub(crate) fn new(
        config: Arc<Config>,
        caller: Arc<Caller>,
        folders: AllowedFolders,
        bucket: Option<Bucket>,
    ) -> Self {
        Self { config, caller, folders, bucket }
    }

    /// Where a job's files go: a folder or the URL of the bucket; `None` if results are only links. With `least`,
    /// checks that it can be written, and that a folder has this many free bytes.
    pub(crate) async fn find(
        &self,
        requested: Option<&str>,
        least: Option<u64>,
    ) -> Result<Option<PathBuf>, ToolError> {
        match &self.bucket {
            Some(bucket) => self.in_bucket(bucket, requested, least.is_some()).await,
            None => self.in_folder(requested, least).await,
        }
    }

    async fn in_bucket(
        &self,
        bucket: &Bucket,
        requested: Option<&str>,
        touch: bool,
    ) -> Result<Option<PathBuf>, ToolError> {
        if requested.is_some_and(|requested| !requested.trim().is_empty()) {
            let problem =
                "is a folder, and this server keeps results in a bucket (MINIMAX_FILES_URL); leave it out";
            return Err(ToolError::argument("output_directory", problem));
        }
        if self.config.mode == ResourceMode::Url {
            return Ok(None);
        }
        if touch {
            let unusable = |problem| ConfigError {
                name: "MINIMAX_FILES_URL",
                problem: format!("cannot be used: {problem}. Nothing was bought"),
            };
            bucket.check().await.map_err(|problem| ToolError::Config(vec![unusable(problem)]))?;
        }
        Ok(Some(bucket.shown().into()))
    }

    async fn in_folder(
        &self,
        requested: Option<&str>,
        least: Option<u64>,
    ) -> Result<Option<PathBuf>, ToolError> {
        if self.caller.remote && requested.is_some() {
            let problem =
                "is a folder of the server's machine, which a caller over HTTP does not choose; leave it out";
            return Err(ToolError::argument("output_directory", problem));
        }
        if self.config.mode == ResourceMode::Url && requested.is_none() {
            return Ok(None);
        }
        if let Some(wanted) = requested.filter(|wanted| !wanted.trim().is_empty()) {
            self.folders.settled_for(&self.named(wanted)).await;
        }
        let (base, roots) = (self.config.base_path.clone(), Arc::clone(self.folders.roots()));
        let wanted = requested.map(str::to_owned);
        // In one blocking task, because each switch to another thread costs as much time as all of this.
        let finding = tokio::task::spawn_blocking(move || {
            let folder = download::folder(&base, wanted.as_deref(), &roots)?;
            if let Some(least) = least {
                download::prepare_next(&folder)?;
                download::room(&folder, least)?;
            }
            Ok(folder)
        });
        let found =
            finding.await.map_err(|_| ToolError::argument("output_directory", "could not be checked"))?;
        found.map(Some).map_err(|problem| unusable(requested, &problem))
    }

    /// The path of a requested folder, only to find out whether it is allowed.
    fn named(&self, wanted: &str) -> PathBuf {
        match wanted.trim().strip_prefix("~/") {
            Some(rest) => self.config.home.join(rest),
            None => self.config.base_path.join(wanted.trim()),
        }
    }

    /// The folder for a result that has to be a file on this machine, even if other results are links or objects.
    pub(crate) async fn for_file(&self, requested: Option<&str>) -> Result<PathBuf, ToolError> {
        let base = self.config.base_path.display().to_string();
        let folder = self.in_folder(Some(requested.unwrap_or(&base)), Some(0)).await?;
        folder.ok_or_else(|| ToolError::argument("output_directory", "is needed"))
    }
}

/// The free space that a purchase needs, in bytes: several times the usual size of such a result.
pub(crate) fn least_space(kind: Kind) -> u64 {
    let mebibytes = if kind == Kind::Video { 256 } else { 64 };
    mebibytes * 1024 * 1024
}

/// The error for an unusable folder: about the argument if the caller chose the folder, or else about the setting.
fn unusable(requested: Option<&str>, problem: &download::OutputProblem) -> ToolError {
    match requested {
        Some(_) => ToolError::argument("output_directory", problem.to_string()),
        None => ToolError::Config(vec![ConfigError {
            name: "MINIMAX_MCP_BASE_PATH",
            problem: format!("cannot be used: {problem}"),
        }]),
    }
}
