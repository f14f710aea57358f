//! How a job starts: as a row, before it is a request.

use std::path::PathBuf;
use std::sync::Arc;

use super::handle::Jobs;
use super::order::Order;
use super::registry::Watch;
use super::worker::{self, PreparedSubmit};
use crate::clock::{monotonic, now};
use crate::money::{Cost, Money};
use crate::rate_limit::PromisedSlot;
use crate::store::{Inserted, Job, Kind, NotBought, Purchase, Seen, State, StoreError, Task, random_id};
use crate::telemetry;

/// An order that has passed every check.
#[derive(Debug)]
pub struct NewJob {
    /// The tool that was called.
    pub tool: &'static str,
    /// The owner of the job.
    pub principal: String,
    /// What the principal may spend in 24 hours.
    pub budget_day: Option<Money>,
    /// What is bought.
    pub order: Box<dyn Order>,
    /// The model's id.
    pub model: String,
    /// What was ordered, in the caller's words.
    pub prompt: String,
    /// The folder for files; `None` to return only links.
    pub folder: Option<PathBuf>,
    /// The estimate.
    pub cost: Cost,
    /// What the caller should know.
    pub warnings: Vec<String>,
    /// The caller's key for "the same order".
    pub idempotency_key: Option<String>,
    /// The arguments of the call, as the record keeps them.
    pub arguments: Option<serde_json::Value>,
    /// A hash of the arguments as given, which identifies the order.
    pub digest: String,
    /// The name of the sealed question that a person has approved.
    pub consent: Option<String>,
}

/// Writes the record, then sends the request once. The second value is true if a job with the same
/// `idempotency_key` exists, and nothing was bought.
///
/// Both run in a task of the server, so a caller that leaves cannot stop the job between them.
pub async fn start(jobs: &Jobs, job: NewJob) -> Result<(Watch, bool), NotBought> {
    let handle = jobs.clone();
    let beginning = telemetry::ordered(async move { begin(&handle, job).await });
    let started = jobs.shared.tracker.spawn(beginning).await;
    started.unwrap_or_else(|_| Err(StoreError::stopping(&jobs.shared.settings.data_dir).into()))
}

async fn begin(jobs: &Jobs, new: NewJob) -> Result<(Watch, bool), NotBought> {
    if jobs.shared.stop.is_cancelled() {
        return Err(StoreError::stopping(&jobs.shared.settings.data_dir).into());
    }
    let NewJob { tool, principal, budget_day, order, model, prompt, folder, cost, .. } = new;
    let purchase = Purchase {
        tool,
        principal: principal.clone(),
        budget_day,
        model: model.clone(),
        currency: cost.currency,
        estimate: cost.ceiling(),
        consent: new.consent,
    };
    let notice = jobs.notice().await?;
    // A promised slot does not block the queue while the row is written.
    let promised = jobs.api().rate_limiter().announce(order.group()).await;
    let mut job = Job {
        principal,
        tool: tool.to_owned(),
        model,
        prompt,
        arguments: new.arguments,
        digest: new.digest,
        request: order.record(),
        idempotency_key: new.idempotency_key,
        folder,
        state: first_state(&promised),
        cost: Some(cost),
        warnings: new.warnings,
        ..blank(jobs, order.kind())
    };
    job.warnings.extend(notice);
    let entered = enter(jobs, job, Some((order, purchase))).await;
    drop(promised);
    entered
}

/// Adopts a task that another program has submitted, or finds its job.
pub async fn adopt(jobs: &Jobs, job: Job) -> Result<(Watch, bool), NotBought> {
    let handle = jobs.clone();
    let entering = telemetry::ordered(async move { enter(&handle, job, None).await });
    let adopted = jobs.shared.tracker.spawn(entering).await;
    adopted.unwrap_or_else(|_| Err(StoreError::stopping(&jobs.shared.settings.data_dir).into()))
}

/// Registers the job before its row exists. Otherwise the search for orphans could find the row first and adopt the job
/// as one whose process has died.
async fn enter(
    jobs: &Jobs,
    job: Job,
    bought: Option<(Box<dyn Order>, Purchase)>,
) -> Result<(Watch, bool), NotBought> {
    let store = jobs.store().await?;
    // Another call with the same key may have moved its job to the other account since this call began.
    if let (Some(key), Some(_)) = (&job.idempotency_key, jobs.pays_with())
        && let Some((watch, _)) = jobs.by_key(&job.principal, key).await?
    {
        return Ok((watch, true));
    }
    let registration = jobs.shared.registry.register(&job);
    let (order, purchase) = bought.unzip();
    let limits = &jobs.shared.settings.limits;
    let recorded = monotonic();
    let first = match store.insert(&job, purchase.as_ref().map(|purchase| (purchase, limits))).await {
        Ok(Inserted::New) => {
            let prepared = order
                .map(|order| PreparedSubmit::of(jobs.api(), order, jobs.overflowing(purchase), recorded));
            let waiting = prepared.as_ref().and_then(PreparedSubmit::waiting);
            registration.sender.send_modify(|job| Arc::make_mut(job).waiting = waiting);
            return Ok((worker::spawn(jobs, registration, prepared), false));
        }
        Ok(Inserted::Existing(first)) => Ok(first),
        Ok(Inserted::Denied(denied)) => Err(NotBought::Denied(denied)),
        Ok(Inserted::Removed(removed)) => Err(NotBought::Removed(removed)),
        Err(error) => Err(error.into()),
    };
    jobs.shared.registry.remove(&job.id);
    Ok((jobs.channel(*first?), true))
}

/// A blank job for a task that was submitted elsewhere.
pub fn foreign(jobs: &Jobs, principal: &str, tool: &str, task: Task, folder: Option<PathBuf>) -> Job {
    Job {
        principal: principal.to_owned(),
        tool: tool.to_owned(),
        prompt: format!("task {}", task.id),
        folder,
        state: State::running(task, State::UNSEEN.to_owned()),
        ..blank(jobs, Kind::Video)
    }
}

/// A job of this tenant with nothing filled in.
fn blank(jobs: &Jobs, kind: Kind) -> Job {
    let at = now();
    Job {
        id: random_id(kind.word()),
        principal: String::new(),
        kind,
        tool: String::new(),
        model: String::new(),
        account: jobs.tenant.name.clone(),
        prompt: String::new(),
        request: serde_json::Value::Null,
        arguments: None,
        digest: String::new(),
        idempotency_key: None,
        folder: None,
        state: State::NEW,
        waiting: None,
        files: Vec::new(),
        file_ids: Vec::new(),
        text: None,
        voice_id: None,
        missing: 0,
        cancel_requested: false,
        incomplete: false,
        may_be_billed: false,
        unread: None,
        usage: None,
        cost: None,
        warnings: Vec::new(),
        created_at: at,
        updated_at: at,
        later: serde_json::Map::new(),
    }
}

/// The first state of the record: the request leaves as soon as the row is on disk, or waits in its queue.
fn first_state(promised: &PromisedSlot) -> State {
    State::NEW.after(match promised.reason_to_wait() {
        None => Seen::Leaving,
        Some(why) => Seen::Held(format!("{}: {why}", State::IN_LINE)),
    })
}
