//! The checkout: everything between a checked order and its purchase. Folder, price, budget, consent.

pub(crate) mod bill;
pub(crate) mod budget;
pub(crate) mod consent;
pub(crate) mod output;

use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::JsonObject;
use rmcp::service::RequestContext;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{Config, KeyKind};
use crate::jobs::{self, Cost, Job, Jobs, NewJob, Order, State};
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
use output::OutputFolder;

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
        let least = (!options.dry_run).then(|| output::least_space(order.kind()));
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
