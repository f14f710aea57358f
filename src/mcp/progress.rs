//! QueueView for a job with a heartbeat. The call waits; the job does not need it.

use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::ProgressNotificationParam;
use rmcp::service::RequestContext;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use crate::api::ApiError;
use crate::api::rate_limit::{self, QueueView, Ticket};
use crate::api::retry::Nature;
use crate::jobs::{Job, Kind, State, Watch};

/// Clients cut a silent call off after a minute or less, and show each note.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(4);

/// Waits until the job is `settled`, the patience is over, or the client no longer wants to know. A first note
/// goes out at once, then one every few seconds and at each change.
pub(crate) async fn outcome(
    mut watch: Watch,
    call: &RequestContext<RoleServer>,
    patience: Duration,
    settled: fn(&Job) -> bool,
) -> Arc<Job> {
    let start = Instant::now();
    let mut heartbeat = interval_at(start, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
                // The channel closes behind the last value: that one is the answer.
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

/// Nothing more will happen by itself.
pub(crate) fn is_over(job: &Job) -> bool {
    job.state.is_over()
}

/// MiniMax has given the task its id, by which it can be asked about. What is not made as a task gets none.
pub(crate) fn is_taken(job: &Job) -> bool {
    let has_task = matches!(job.kind, Kind::Video | Kind::Prompt);
    !has_task || !matches!(job.state, State::Submitting { .. })
}

/// MiniMax has said where the task is, and if it is done, the files are here.
pub(crate) fn is_known(job: &Job) -> bool {
    match &job.state {
        State::Running { word, trouble, .. } => word != State::UNSEEN || trouble.is_some(),
        state => state.is_over(),
    }
}

pub(crate) fn words(job: &Job) -> String {
    let kind = job.kind.word();
    match &job.state {
        State::Submitting { held: Some(why), .. } => {
            let standing = job.waiting.as_ref().and_then(QueueView::position);
            let first = why.starts_with(State::IN_LINE);
            match (first, standing) {
                (true, Some(standing)) => format!("{kind}: waits for its turn, {}", standing.words()),
                (true, None) => format!("{kind}: waits for its turn"),
                (false, Some(standing)) => {
                    format!("{kind}: waiting to send again ({why}), {}", standing.words())
                }
                (false, None) => format!("{kind}: waiting to send again ({why})"),
            }
        }
        State::Submitting { .. } => format!("{kind}: MiniMax is making it"),
        State::Running { word, trouble: None, .. } => format!("{kind}: {}", word.to_lowercase()),
        State::Running { word, trouble: Some(why), .. } => format!("{kind}: {} ({why})", word.to_lowercase()),
        State::Fetching { .. } => format!("{kind}: fetching the files"),
        state => format!("{kind}: {}", state.status()),
    }
}

/// Sends a request of a call without a job in its turn, and tells the client where it stands meanwhile. A call
/// that is cancelled in line leaves it; one whose request has left is waited for.
pub(crate) async fn in_line<T, F>(
    call: &RequestContext<RoleServer>,
    ticket: Ticket,
    nature: Nature,
    ask: impl FnMut() -> F,
) -> Result<T, ApiError>
where
    F: Future<Output = Result<T, ApiError>>,
{
    let (start, waiting) = (Instant::now(), ticket.view());
    let mut heartbeat = interval_at(start, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let work = rate_limit::send_queued(ticket, nature, rate_limit::MAX_WAIT, ask);
    tokio::pin!(work);
    let mut cancelled = false;
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = call.ct.cancelled(), if !cancelled => {
                if waiting.position().is_some() {
                    return Err(waiting.given_up());
                }
                cancelled = true;
            }
            _ = heartbeat.tick() => {
                if let Some(standing) = waiting.position() {
                    note(call, start, &format!("waits for its turn, {}", standing.words())).await;
                }
            }
        }
    }
}

/// A sign of life, for a client that asked for some.
pub(crate) async fn note(call: &RequestContext<RoleServer>, start: Instant, words: &str) {
    let Some(token) = call.meta.get_progress_token() else { return };
    let seconds = start.elapsed().as_secs_f64();
    // Progress has to grow with each note; what it grows by means nothing.
    let note = ProgressNotificationParam::new(token, (seconds * 1000.0).round() / 1000.0)
        .with_message(format!("{words}, {seconds:.0} s"));
    // A client that cannot be told is one that has gone; the wait ends by its own means.
    let _ = call.peer.notify_progress(note).await;
}
