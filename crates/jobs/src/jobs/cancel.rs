//! Cancelling jobs.

use std::time::Duration;

use tokio::time::timeout;

use super::handle::Jobs;
use super::order::task::poll;
use crate::api::retry::READ_LIMIT;
use crate::api::task::Progress;
use crate::clock::now;
use crate::store::{Job, Route, Seen, State, StoreError, Task};

/// How long a call waits for MiniMax's answer to a request in flight, before it answers that the job will be cancelled.
const MOMENT: Duration = Duration::from_secs(3);

/// The outcome of a request to cancel a job.
#[derive(Debug)]
pub enum Cancel {
    /// It is no longer polled. The job says whether MiniMax also stopped.
    Cancelled(Box<Job>),
    /// It had ended before.
    Over(Box<Job>),
    /// It cannot be stopped: its result is being downloaded, or its outcome is unknown.
    OnItsWay(Box<Job>),
    /// Its request is in flight. It is cancelled as soon as MiniMax has given it a task id.
    Requested(Box<Job>),
    /// MiniMax has finished it; the result is being downloaded.
    Finished(Box<Job>),
}

/// The state of the task at MiniMax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upstream {
    GoesOn,
    Finished,
    Cancelled,
}

/// Stops polling a job, and cancels it at MiniMax where that is possible: a V2 task that is still queued.
pub async fn cancel(jobs: &Jobs, principal: &str, id: &str) -> Result<Option<Cancel>, StoreError> {
    let Some(job) = jobs.get(principal, id).await? else { return Ok(None) };
    let at_minimax = match cancel_upstream(jobs, &job).await {
        Upstream::Finished => {
            jobs.shared.registry.wake(id);
            return Ok(Some(Cancel::Finished(Box::new(job))));
        }
        Upstream::Cancelled => true,
        Upstream::GoesOn => false,
    };
    for _ in 0..10 {
        let Some(mut job) = jobs.get(principal, id).await? else { return Ok(None) };
        let before = job.state.clone();
        if let State::Submitting { sent: true, .. } = before {
            if jobs.store().await?.request_cancel(id).await? {
                return requested(jobs, principal, id).await;
            }
            continue;
        }
        if let State::Cancelled { at_minimax: true, .. } = before {
            until_shown(jobs, id).await;
            return Ok(Some(Cancel::Cancelled(Box::new(job))));
        }
        job.state = job.state.after(Seen::Cancelled { at_minimax });
        if job.state == before {
            let job = Box::new(job);
            return Ok(Some(if before.is_over() && before.status() != "unknown" {
                Cancel::Over(job)
            } else {
                Cancel::OnItsWay(job)
            }));
        }
        job.updated_at = now();
        if jobs.store().await?.replace(&job, &before).await? {
            jobs.shared.registry.wake(id);
            until_shown(jobs, id).await;
            return Ok(Some(Cancel::Cancelled(Box::new(job))));
        }
    }
    // The record changed ten times between reading and writing, so the job is about to end by itself.
    Ok(jobs.get(principal, id).await?.map(|job| Cancel::OnItsWay(Box::new(job))))
}

/// Cancels a job whose request has not left. `None` if it has.
pub async fn withdraw(jobs: &Jobs, job: &Job) -> Result<Option<Job>, StoreError> {
    loop {
        let Some(mut job) = jobs.get(&job.principal, &job.id).await? else { return Ok(None) };
        let before = job.state.clone();
        if !matches!(before, State::Submitting { sent: false, .. }) {
            return Ok(None);
        }
        job.state = job.state.after(Seen::Cancelled { at_minimax: false });
        job.updated_at = now();
        if jobs.store().await?.replace(&job, &before).await? {
            jobs.shared.registry.wake(&job.id);
            until_shown(jobs, &job.id).await;
            return Ok(Some(job));
        }
    }
}

/// Waits until the worker of a cancelled job shows its end. Otherwise the next call could find the job still running.
async fn until_shown(jobs: &Jobs, id: &str) {
    if let Some(mut watch) = jobs.shared.registry.find(id) {
        let _ = timeout(MOMENT, watch.wait_for(|job| job.state.is_over())).await;
    }
}

/// Gives MiniMax a moment to answer the submit, so that the call can say whether the job was cancelled.
async fn requested(jobs: &Jobs, principal: &str, id: &str) -> Result<Option<Cancel>, StoreError> {
    let is_pending = |job: &Job| {
        matches!(job.state, State::Submitting { .. }) || (job.cancel_requested && !job.state.is_over())
    };
    let Some(job) = jobs.get(principal, id).await? else { return Ok(None) };
    let mut watch = jobs.channel(job);
    // The channel of another process's job may close early, so the record is read again.
    let _ = timeout(MOMENT, watch.wait_for(|job| !is_pending(job))).await;
    let Some(mut job) = jobs.get(principal, id).await? else { return Ok(None) };
    Ok(Some(match job.state {
        State::Cancelled { .. } => Cancel::Cancelled(Box::new(job)),
        State::Submitting { .. } | State::Running { .. } => {
            job.cancel_requested = true;
            Cancel::Requested(Box::new(job))
        }
        State::Fetching { .. } => Cancel::Finished(Box::new(job)),
        _ => Cancel::Over(Box::new(job)),
    }))
}

/// Cancels the task at MiniMax, if that is possible. If MiniMax does not answer, the task counts as running.
pub(super) async fn cancel_upstream(jobs: &Jobs, job: &Job) -> Upstream {
    timeout(READ_LIMIT, poll_and_delete(jobs, job)).await.unwrap_or(Upstream::GoesOn)
}

/// Polls before it deletes: deleting a finished V2 task would throw away a paid result.
async fn poll_and_delete(jobs: &Jobs, job: &Job) -> Upstream {
    let (State::Running { task, .. } | State::Unknown { task: Some(task), .. }) = &job.state else {
        return Upstream::GoesOn;
    };
    let Some(jobs) = jobs.with_key_of(job).filter(|_| task.route == Route::VideoV2) else {
        return Upstream::GoesOn;
    };
    match poll_once(&jobs, task).await {
        Some(Upstream::GoesOn) => {}
        Some(known) => return known,
        None => return Upstream::GoesOn,
    }
    if let Err(error) = jobs.api().cancel_video_v2(&task.id).await {
        tracing::info!(job = job.id, %error, "MiniMax did not confirm the cancellation");
        return poll_once(&jobs, task).await.unwrap_or(Upstream::GoesOn);
    }
    Upstream::Cancelled
}

/// `GoesOn` for a queued task, which can be cancelled; `None` for a task that cannot be.
async fn poll_once(jobs: &Jobs, task: &Task) -> Option<Upstream> {
    match poll(jobs.api(), task).await {
        Ok(Progress::Ready(_)) => Some(Upstream::Finished),
        Ok(Progress::Cancelled) => Some(Upstream::Cancelled),
        Ok(Progress::Pending(word)) if word.eq_ignore_ascii_case("queued") => Some(Upstream::GoesOn),
        _ => None,
    }
}
