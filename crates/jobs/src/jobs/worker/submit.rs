//! Submitting: the step that costs money. The request leaves once.

use std::time::Duration;

use tokio::time::Instant;

use super::deliver::record_result;
use super::failure::{failure, too_late, traced};
use super::overflow::{Overflow, overflow};
use super::raw_answer;
use super::record::{Interrupted, Step, Worker, Write};
use super::stream;
use crate::api::retry::{self, Nature};
use crate::api::{Accepted, ApiError, Client};
use crate::clock;
use crate::facts::Class;
use crate::jobs::order::Order;
use crate::jobs::order::outcome::Outcome;
use crate::rate_limit::chance;
use crate::rate_limit::{self, Permit, QueueView, Ticket};
use crate::store::{LEASE, Purchase, Seen, State};

/// So many tries are made despite rate-limit refusals, however long they take.
const REFUSALS: u32 = 8;

/// Further tries are made only within this time after the first refusal. Then the order fails, and nothing was bought.
const REFUSED_FOR: Duration = Duration::from_secs(900);

/// A paid request that is about to leave: it waits in its queue, or has a permit.
pub(crate) struct PreparedSubmit {
    order: Box<dyn Order>,
    ticket: Ticket,
    /// A permit that was free at once.
    permit: Option<Permit>,
    /// What is bought from the balance if the plan refuses it.
    overflow: Option<Purchase>,
    /// When writing the record began, by the monotonic clock.
    recorded: Duration,
}

impl PreparedSubmit {
    pub(crate) fn of(
        api: &Client,
        order: Box<dyn Order>,
        overflow: Option<Purchase>,
        recorded: Duration,
    ) -> Self {
        let mut ticket = api.join(order.group());
        let permit = ticket.try_acquire();
        Self { order, ticket, permit, overflow, recorded }
    }

    pub(crate) fn waiting(&self) -> Option<QueueView> {
        self.permit.is_none().then(|| self.ticket.view())
    }
}

fn in_line(ticket: &Ticket) -> String {
    let why = ticket.position().map_or_else(|| "others are before it".to_owned(), |standing| standing.why);
    format!("{}: {why}", State::IN_LINE)
}

/// Sends the request when it has a permit. Sends it again only if MiniMax provably did not take it.
pub(super) async fn submit(worker: &mut Worker, prepared: PreparedSubmit) -> Step {
    let PreparedSubmit { mut order, mut ticket, mut permit, overflow: mut purchase, mut recorded } = prepared;
    let mut jobs = worker.jobs.clone();
    let (mut tries, mut refused) = (1, None);
    if permit.is_none() && matches!(worker.job.state, State::Submitting { sent: true, .. }) {
        // Another request took the free permit. The record must not say that this request has left.
        worker.see(Seen::Held(in_line(&ticket))).await?;
    }
    loop {
        let mut permit = match permit.take() {
            Some(permit) => {
                worker.commit([Seen::Leaving], Write::First).await?;
                permit
            }
            None => wait_for_permit(worker, &mut ticket, &mut recorded).await?,
        };
        #[cfg(feature = "crash-points")]
        crate::crash::point("post.before");
        if !is_still_ours(worker, &mut recorded).await {
            return worker.commit([Seen::Failed(too_late())], Write::NoResult).await;
        }
        permit.start();
        let key = jobs.api().key_count();
        let answer = order.send(jobs.api()).await;
        #[cfg(feature = "crash-points")]
        crate::crash::point("post.after");
        let slot = permit.on_response(&answer);
        let error = match answer {
            Ok(outcome) => {
                // A stream is in flight until it ends; a task may count as long as it runs.
                let (task, sound) = match &outcome {
                    Outcome::Task(_) | Outcome::Counted { .. } => {
                        (slot.and_then(rate_limit::Slot::while_task), None)
                    }
                    Outcome::Sound(_) => (None, slot),
                    Outcome::Made(_) => (None, None),
                };
                worker.slot = task;
                let taken = taken(worker, outcome).await;
                drop(sound);
                return taken;
            }
            Err(error) => error,
        };
        drop(slot);
        let pause = match again(&error, tries, &mut refused) {
            None if jobs.api().has_newer_key(key, &error).await => Some(Duration::ZERO),
            pause => pause,
        };
        let Some(pause) = pause else {
            return match error.accepted() {
                Accepted::No => match overflow(worker, &error, purchase.take()).await {
                    Overflow::Bought if worker.job.cancel_requested => {
                        worker.see(Seen::Cancelled { at_minimax: false }).await
                    }
                    Overflow::Bought => {
                        jobs = worker.jobs.clone();
                        ticket = jobs.api().join(order.group());
                        (tries, refused) = (1, None);
                        continue;
                    }
                    Overflow::Failed(failure) => {
                        worker.commit([Seen::Failed(failure)], Write::NoResult).await
                    }
                },
                Accepted::Unknown => {
                    worker.job.unread = error.unread().map(str::to_owned);
                    raw_answer::ended(worker, &error, traced(&error)).await
                }
            };
        };
        tracing::info!(job = worker.job.id, %error, ?pause, "MiniMax did not take the request; it is sent again");
        worker.job.waiting = Some(ticket.view());
        let held = worker.commit([Seen::Held(error.to_string())], Write::NoResult).await;
        if held.is_err() {
            // Another process took this one for dead and has called the job `unknown`. A caller who has read that may
            // buy again, so this request must not be sent again.
            return worker.commit([Seen::Failed(failure(&error))], Write::NoResult).await;
        }
        if worker.job.cancel_requested {
            return worker.see(Seen::Cancelled { at_minimax: false }).await;
        }
        worker.pause(pause).await?;
        tries += 1;
    }
}

/// Records what MiniMax took.
async fn taken(worker: &mut Worker, outcome: Outcome) -> Step {
    match outcome {
        Outcome::Task(task) => worker.commit([Seen::Accepted(task)], Write::Answer).await,
        Outcome::Counted { task, file_id, units, usage } => {
            worker.job.add_file_id(file_id);
            if let Some(cost) = &mut worker.job.cost {
                cost.actual = units.and_then(|units| cost.of(units));
            }
            worker.job.usage = usage;
            worker.commit([Seen::Accepted(task)], Write::Answer).await
        }
        Outcome::Made(made) => record_result(worker, made, Write::Answer).await,
        Outcome::Sound(sound) => stream::receive(worker, sound).await,
    }
}

/// Whether the record still says that the request leaves. Each write keeps the job from other processes for the length
/// of a lease. If that has passed before the request leaves (the process was suspended, or the database was slow), the
/// record is written again.
async fn is_still_ours(worker: &mut Worker, recorded: &mut Duration) -> bool {
    let lease = Duration::from_millis(LEASE.unsigned_abs());
    while clock::monotonic().saturating_sub(*recorded) > lease {
        *recorded = clock::monotonic();
        let state = worker.job.state.clone();
        if !worker.save(Write::First, &state).await {
            return false;
        }
    }
    true
}

/// Waits in the queue until the request may leave, and records that it leaves.
async fn wait_for_permit(
    worker: &mut Worker,
    ticket: &mut Ticket,
    recorded: &mut Duration,
) -> Result<Permit, Interrupted> {
    let permit = loop {
        match worker.unless_interrupted(ticket.step()).await? {
            rate_limit::Step::Permit(permit) => break permit,
            // The watchers show the new position.
            rate_limit::Step::Moved => drop(worker.watchers.send_replace(worker.job.shared())),
        }
    };
    worker.job.waiting = None;
    *recorded = clock::monotonic();
    // Without the record, the request does not leave.
    worker.commit([Seen::Leaving], Write::First).await?;
    Ok(permit)
}

/// How long to wait before queueing again; `None` to give up. After a rate-limit refusal, the queue itself makes the
/// request wait.
fn again(error: &ApiError, tries: u32, refused: &mut Option<Instant>) -> Option<Duration> {
    if error.class() != Class::Rate {
        return retry::pause(Nature::Paid, error, tries, chance());
    }
    let since = *refused.get_or_insert_with(Instant::now);
    (tries < REFUSALS || since.elapsed() < REFUSED_FOR).then_some(Duration::ZERO)
}
