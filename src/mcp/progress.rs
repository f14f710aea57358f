//! Waiting, with progress notifications for the client. Jobs continue whether or not a call waits for them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rmcp::RoleServer;
use rmcp::model::ProgressNotificationParam;
use rmcp::service::RequestContext;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use crate::api::queued;
use crate::api::retry::Nature;
use crate::api::{ApiError, Client};
use crate::jobs::{Job, State, Watch};
use crate::mcp::revision::{Feature, Revision};
use crate::rate_limit::{QueueView, Ticket};
use crate::telemetry;

/// How often a waiting call notifies its client. Clients cut off a silent call after a minute or less.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(4);

/// An asynchronous call whose order would wait longer than this in its queue returns without a task id.
const LONG_QUEUE: Duration = Duration::from_secs(10);

/// The longest notification, in characters.
const LONGEST_NOTE: usize = 400;

/// Ticks at once, and then after each [`HEARTBEAT`].
pub(crate) fn heartbeat() -> Interval {
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeat
}

/// Waits until the job is `settled`, `patience` is over, or the call is cancelled. The first notification goes out at
/// once, then one with each heartbeat and each change.
pub(crate) async fn wait_for(
    mut watch: Watch,
    call: &RequestContext<RoleServer>,
    patience: Duration,
    settled: fn(&Job) -> bool,
) -> Arc<Job> {
    let start = Instant::now();
    let mut heartbeat = heartbeat();
    let mut last = String::new();
    loop {
        let job = watch.borrow_and_update().clone();
        if settled(&job) && !last.is_empty() {
            return job;
        }
        let words = words(&job);
        tokio::select! {
            biased;
            _ = heartbeat.tick() => note(call, start, &words).await,
            () = call.ct.cancelled() => return job,
            () = sleep_until(start + patience) => return job,
            changed = watch.changed() => {
                // The channel closes after the last value, which is the result.
                if changed.is_err() {
                    return watch.borrow().clone();
                }
                let now = self::words(&watch.borrow());
                if now != words {
                    note(call, start, &now).await;
                }
            }
        }
        last = words;
    }
}

/// As [`wait_for`], for the end of several jobs.
pub(crate) async fn wait_for_all(watches: Vec<Watch>, call: &RequestContext<RoleServer>, patience: Duration) {
    let (start, count) = (Instant::now(), watches.len());
    let mut heartbeat = heartbeat();
    let ended = |watch: Watch| async move {
        let mut watch = watch;
        // The channel closes after the last value.
        let _ = watch.wait_for(|job| is_over(job)).await;
    };
    let mut all = std::pin::pin!(join_all(watches.iter().cloned().map(ended)));
    loop {
        tokio::select! {
            biased;
            _ = heartbeat.tick() => {
                let ended = watches.iter().filter(|watch| is_over(&watch.borrow())).count();
                note(call, start, &format!("jobs that have ended: {ended} of {count}")).await;
            }
            () = call.ct.cancelled() => return,
            () = sleep_until(start + patience) => return,
            _ = &mut all => return,
        }
    }
}

/// The job has ended: nothing more happens without another call.
pub(crate) fn is_over(job: &Job) -> bool {
    job.state.is_over()
}

/// MiniMax has taken or refused the order, or the order will wait long in its queue.
pub(crate) fn is_taken(job: &Job) -> bool {
    let wait = || job.waiting.as_ref().and_then(QueueView::position)?.wait;
    match job.state {
        State::Submitting { sent: true, .. } => false,
        State::Submitting { sent: false, .. } => wait().is_some_and(|wait| wait > LONG_QUEUE),
        _ => true,
    }
}

/// MiniMax has reported the task's state, and if the task is finished, its files are here.
pub(crate) fn is_known(job: &Job) -> bool {
    match &job.state {
        State::Running { word, trouble, .. } => word != State::UNSEEN || trouble.is_some(),
        state => state.is_over(),
    }
}

/// As [`is_taken`], or the order waits in its queue.
pub(crate) fn is_queued_or_taken(job: &Job) -> bool {
    !matches!(job.state, State::Submitting { sent: true, .. })
}

/// What the job is doing, for people. It may contain words of MiniMax.
pub(crate) fn words(job: &Job) -> String {
    telemetry::display(&description(job), LONGEST_NOTE)
}

fn description(job: &Job) -> String {
    let kind = job.kind.word();
    match &job.state {
        State::Submitting { held: Some(why), .. } => {
            let standing = job.waiting.as_ref().and_then(QueueView::position);
            let first = why.starts_with(State::IN_LINE);
            match (first, standing) {
                (true, Some(standing)) => format!("{kind}: queued, {}", standing.words()),
                (true, None) => format!("{kind}: queued"),
                (false, Some(standing)) => {
                    format!("{kind}: waiting to send again ({why}), {}", standing.words())
                }
                (false, None) => format!("{kind}: waiting to send again ({why})"),
            }
        }
        State::Submitting { .. } => format!("{kind}: waiting for MiniMax"),
        State::Running { word, trouble: None, .. } => format!("{kind}: {}", word.to_lowercase()),
        State::Running { word, trouble: Some(why), .. } => format!("{kind}: {} ({why})", word.to_lowercase()),
        State::Fetching { .. } => format!("{kind}: downloading the files"),
        state => format!("{kind}: {}", state.status()),
    }
}

/// Sends a request without a job through its queue, and reports its position to the client in the meantime. A cancelled call
/// leaves the queue. Once the request has been sent, the call waits for its answer.
pub(crate) async fn send_with_notes<T, F>(
    call: &RequestContext<RoleServer>,
    api: &Client,
    ticket: Ticket,
    nature: Nature,
    ask: impl FnMut() -> F,
) -> Result<T, ApiError>
where
    F: Future<Output = Result<T, ApiError>>,
{
    let (start, waiting) = (Instant::now(), ticket.view());
    let mut heartbeat = heartbeat();
    let work = queued::send_queued(api, ticket, nature, queued::MAX_WAIT, ask);
    tokio::pin!(work);
    let mut cancelled = false;
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = call.ct.cancelled(), if !cancelled => {
                if waiting.position().is_some() {
                    return Err(queued::given_up(&waiting));
                }
                cancelled = true;
            }
            _ = heartbeat.tick() => {
                if let Some(standing) = waiting.position() {
                    note(call, start, &format!("queued, {}", standing.words())).await;
                }
            }
        }
    }
}

/// Tells a client that asked for progress what a call waits for, and how long it has waited.
pub(crate) async fn note(call: &RequestContext<RoleServer>, start: Instant, words: &str) {
    let words = telemetry::display(words, LONGEST_NOTE);
    send(call, start, format!("{words}, {:.0} s", start.elapsed().as_secs_f64())).await;
}

/// Sends a progress notification to a client that asked for progress.
pub(crate) async fn send(call: &RequestContext<RoleServer>, start: Instant, message: String) {
    let Some(token) = call.meta.get_progress_token() else { return };
    // The protocol requires progress to grow with each notification; elapsed time does.
    let progress = (start.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
    let mut notification = ProgressNotificationParam::new(token, progress);
    if Revision::of(call).knows(Feature::ProgressMessage) {
        notification = notification.with_message(message);
    }
    // A client that cannot be reached has gone, and that ends the wait elsewhere.
    let _ = call.peer.notify_progress(notification).await;
}
