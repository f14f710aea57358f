//! Giving a job up.

use super::{Jobs, StoreError, paid};
use crate::api::Progress;
use crate::clock::now;
use crate::store::{Job, Route, Seen, State, Task};

/// Why a job could not be cancelled, or how it was.
#[derive(Debug)]
pub enum Cancel {
    /// It is no longer watched; the job says whether MiniMax stopped too.
    Cancelled(Box<Job>),
    /// It had ended before.
    Over(Box<Job>),
    /// It cannot be stopped any more: the request or the result is on its way, or nobody knows where.
    OnItsWay(Box<Job>),
    /// MiniMax has finished it; the result is fetched.
    Finished(Box<Job>),
}

/// What MiniMax does with a task that is to be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upstream {
    GoesOn,
    Finished,
    Cancelled,
}

impl Jobs {
    /// Stops watching a job, and cancels it at MiniMax where that exists: a V2 task that is still queued.
    pub async fn cancel(&self, principal: &str, id: &str) -> Result<Option<Cancel>, StoreError> {
        let Some(job) = self.get(principal, id).await? else { return Ok(None) };
        let at_minimax = match self.cancel_upstream(&job).await {
            Upstream::Finished => {
                self.wake(id);
                return Ok(Some(Cancel::Finished(Box::new(job))));
            }
            Upstream::Cancelled => true,
            Upstream::GoesOn => false,
        };
        for _ in 0..10 {
            let Some(mut job) = self.get(principal, id).await? else { return Ok(None) };
            let before = job.state.clone();
            if let State::Cancelled { at_minimax: true, .. } = before {
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
            if self.store().await?.replace(&job, &before).await? {
                self.wake(id);
                return Ok(Some(Cancel::Cancelled(Box::new(job))));
            }
        }
        // Ten changes between reading and writing: it is about to end by itself.
        Ok(self.get(principal, id).await?.map(|job| Cancel::OnItsWay(Box::new(job))))
    }

    /// Looks before it deletes: deleting a finished V2 task would throw away what was paid for.
    async fn cancel_upstream(&self, job: &Job) -> Upstream {
        let (State::Running { task, .. } | State::Unknown { task: Some(task), .. }) = &job.state else {
            return Upstream::GoesOn;
        };
        let Some(jobs) = self.with_key_of(job).filter(|_| task.route == Route::VideoV2) else {
            return Upstream::GoesOn;
        };
        match jobs.look_once(task).await {
            Some(Upstream::GoesOn) => {}
            Some(known) => return known,
            None => return Upstream::GoesOn,
        }
        if let Err(error) = jobs.api().cancel_video_v2(&task.id).await {
            tracing::info!(job = job.id, %error, "MiniMax did not say that it cancelled");
            return jobs.look_once(task).await.unwrap_or(Upstream::GoesOn);
        }
        Upstream::Cancelled
    }

    /// `GoesOn` for a task that is queued and may be cancelled; `None` for one that cannot be.
    async fn look_once(&self, task: &Task) -> Option<Upstream> {
        match paid::look(self.api(), task).await {
            Ok(Progress::Ready(_)) => Some(Upstream::Finished),
            Ok(Progress::Cancelled) => Some(Upstream::Cancelled),
            Ok(Progress::Pending(word)) if word.eq_ignore_ascii_case("queued") => Some(Upstream::GoesOn),
            _ => None,
        }
    }
}
