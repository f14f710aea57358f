//! Presents jobs and errors to a caller: waits for jobs, shows them, and words errors for that caller.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{CallToolResponse, ContentBlock};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::bucket::Bucket;
use crate::config::Config;
use crate::jobs::{Job, StoreError, Watch};
use crate::mcp::caller::Caller;
use crate::mcp::caller_key::{Payer, account_of};
use crate::mcp::download_links::DownloadLinks;
use crate::mcp::progress;
use crate::result::job_view::{COST, JobView};

/// The name of the server's own key in errors.
const SETTING: &str = "MINIMAX_API_KEY";
/// The name of a plan's key in errors.
const PLAN_SETTING: &str = "MINIMAX_PLAN_KEY";

/// Shows jobs and errors to one caller.
#[derive(Debug, Clone)]
pub(crate) struct Presenter {
    config: Arc<Config>,
    caller: Arc<Caller>,
    payer: Payer,
    /// The account of the key in MINIMAX_PLAN_KEY, if there is one.
    plan_account: Option<String>,
    /// Only for remote callers. Other callers open the files themselves.
    links: Option<Arc<DownloadLinks>>,
    /// For public links to objects.
    bucket: Option<Bucket>,
    /// Ends every wait.
    client_gone: CancellationToken,
}

impl Presenter {
    pub(crate) fn new(
        config: Arc<Config>,
        caller: Arc<Caller>,
        payer: Payer,
        links: Option<Arc<DownloadLinks>>,
        bucket: Option<Bucket>,
        client_gone: CancellationToken,
    ) -> Self {
        let links = links.filter(|_| caller.remote);
        let keys = config.keys();
        let only = keys.first.filter(|_| keys.first_setting == PLAN_SETTING);
        let plan_account = keys.plan.or(only).map(|key| account_of(&config, Some(key)));
        Self { config, caller, payer, plan_account, links, bucket, client_gone }
    }

    /// The links to this caller's results; `None` for a caller who can open the files.
    pub(crate) fn links(&self) -> Option<&DownloadLinks> {
        self.links.as_deref()
    }

    /// Waits until a job is `settled`, `patience` is over, or the client is gone. Sends progress meanwhile.
    pub(crate) async fn wait_for(
        &self,
        watch: Watch,
        call: &RequestContext<RoleServer>,
        patience: Duration,
        settled: fn(&Job) -> bool,
    ) -> Arc<Job> {
        let waiting = progress::wait_for(watch.clone(), call, patience, settled);
        let job = self.client_gone.run_until_cancelled(waiting).await;
        job.unwrap_or_else(|| watch.borrow().clone())
    }

    /// Waits until all jobs are over, `patience` is over, or the client is gone.
    pub(crate) async fn wait_for_all(
        &self,
        watches: Vec<Watch>,
        call: &RequestContext<RoleServer>,
        patience: Duration,
    ) {
        self.client_gone.run_until_cancelled(progress::wait_for_all(watches, call, patience)).await;
    }

    /// A job as this caller sees it.
    pub(crate) fn job(&self, job: &Job) -> JobView {
        let mut view = JobView::of(job);
        view.reword(|text| self.reword(text, Some(&job.account)));
        let view = match (self.links(), &self.bucket) {
            (Some(links), bucket) => {
                let bucket = bucket.as_ref().filter(|bucket| bucket.has_public_links());
                view.with_links(job, |name| links.to(&job.id, name), &self.config.data_dir, bucket)
            }
            (None, Some(bucket)) => view.with_bucket_links(job, bucket),
            (None, None) => view,
        };
        view.bounded()
    }

    /// The message about a failure of the store. Remote callers see no paths on this machine.
    pub(crate) fn records_error(&self, error: &StoreError) -> String {
        if self.caller.remote { error.redacted() } else { error.to_string() }
    }

    /// As [`Self::records_error`], for requests other than tool calls.
    pub(crate) fn protocol_error(&self, error: &StoreError) -> ErrorData {
        tracing::warn!(%error, "a request failed because of the job records");
        ErrorData::internal_error(self.records_error(error), None)
    }

    /// Rewrites every text of a result that is an error.
    pub(crate) fn reworded(&self, mut response: CallToolResponse) -> CallToolResponse {
        if let CallToolResponse::Complete(result) = &mut response
            && result.is_error == Some(true)
        {
            for block in &mut result.content {
                if let ContentBlock::Text(text) = block {
                    self.reword(&mut text.text, None);
                }
            }
            if let Some(content) = &mut result.structured_content {
                for name in ["/next", "/error/message"] {
                    if let Some(Value::String(text)) = content.pointer_mut(name) {
                        self.reword(text, None);
                    }
                }
            }
        }
        response
    }

    /// Marks the costs in a result of the sandbox, for people and for programs, so that they are not mistaken for a bill.
    pub(crate) fn marked(&self, mut response: CallToolResponse) -> CallToolResponse {
        const NOTE: &str = "sandbox: nothing is billed";
        if let CallToolResponse::Complete(result) = &mut response
            && self.config.is_sandbox()
        {
            // The facts are the last text; one mark in it is enough.
            let texts = result.content.iter_mut().rev().filter_map(|block| match block {
                ContentBlock::Text(text) => Some(&mut text.text),
                _ => None,
            });
            for text in texts.take(1) {
                let lines: Vec<_> = text.split('\n').collect();
                let priced = lines.iter().position(|line| line.trim_start().starts_with(COST));
                let mark = |(place, line): (usize, &&str)| {
                    if Some(place) == priced { format!("{line}; {NOTE}") } else { (*line).to_owned() }
                };
                *text = lines.iter().enumerate().map(mark).collect::<Vec<_>>().join("\n");
            }
            let cost = result.structured_content.as_mut().and_then(|content| content.get_mut("cost"));
            if let Some(cost) = cost.and_then(Value::as_object_mut) {
                let basis = cost.get("basis").and_then(Value::as_str).map(|basis| format!("{basis}; {NOTE}"));
                cost.insert("basis".to_owned(), basis.unwrap_or_else(|| NOTE.to_owned()).into());
            }
        }
        response
    }

    /// Rewrites an error for this caller: names the setting of the key that was used, or the header, and hides local
    /// paths from remote callers. `account` is a job's account, for the view of that job.
    fn reword(&self, text: &mut String, account: Option<&str>) {
        let by_plan = match (account, self.payer) {
            (Some(account), _) => self.plan_account.as_deref() == Some(account),
            (None, Payer::Server) => self.config.keys().first_setting == PLAN_SETTING,
            (None, payer) => payer == Payer::Plan,
        };
        if by_plan && !text.contains(PLAN_SETTING) {
            *text = text.replace(SETTING, PLAN_SETTING);
        }
        if self.payer == Payer::Caller && text.contains(SETTING) {
            *text = text.replace(SETTING, "the key in the header X-MiniMax-Api-Key");
        }
        let folder = StoreError::place(&self.config.data_dir);
        if self.caller.remote && text.contains(&folder) {
            tracing::warn!(error = text, "a call failed; its caller sees the error without the path");
            *text = text.replace(&folder, StoreError::PLACE);
        }
    }
}
