//! One worker for each active job. This file has the loop; each step has its own file.

pub(super) mod download_slots;

mod bucket;
mod deliver;
mod failure;
mod fetch;
mod overflow;
mod poll;
mod raw_answer;
mod record;
mod stream;
mod submit;
mod unpack;

use std::time::Duration;

use tokio::time::sleep;

use super::cancel::{self, Upstream};
use super::handle::Jobs;
use super::registry::{Registration, Watch};
use crate::rate_limit::{chance, group};
use crate::store::{Job, Route, Seen, State};
use crate::telemetry;
use record::{Step, Worker};
pub use stream::FIRST_SOUND;
pub(super) use submit::PreparedSubmit;

/// How often a process without the lease reads the record for its watchers.
const GLANCE: Duration = Duration::from_millis(400);

/// Starts the worker of a registered job, in a task that belongs to the server.
pub(super) fn spawn(jobs: &Jobs, registration: Registration, prepared: Option<PreparedSubmit>) -> Watch {
    let receiver = registration.sender.subscribe();
    let (handle, job) = (jobs.clone(), receiver.borrow().clone());
    let running = async move { Worker::new(handle, registration).until_over(prepared).await };
    jobs.shared.tracker.spawn(telemetry::job(&job.id, job.kind.word(), running));
    receiver
}

impl Worker {
    /// Works on the job until it is over. If another process has the job, only shows its record while there are
    /// watchers.
    async fn until_over(mut self, mut prepared: Option<PreparedSubmit>) {
        let mut mine = prepared.is_some();
        loop {
            if mine || Box::pin(self.claim()).await {
                let _ = self.drive(prepared.take()).await;
                self.slot = None;
                mine = false;
            }
            if self.may_leave() {
                return;
            }
            tokio::select! {
                () = sleep(GLANCE) => {}
                () = self.wake.notified() => {}
            }
            Box::pin(self.glance()).await;
        }
    }

    /// Removes the job from the registry if it is over or has no watcher.
    fn may_leave(&self) -> bool {
        self.jobs.shared.registry.remove_if(&self.job.id, || {
            // One receiver belongs to the registry.
            let unwatched = self.watchers.receiver_count() <= 1;
            self.job.state.is_over() || unwatched || self.jobs.shared.stop.is_cancelled()
        })
    }

    async fn claim(&mut self) -> bool {
        let Ok(store) = self.jobs.store().await else { return false };
        match store.claim(&self.job.id).await {
            Ok(Some(job)) => {
                self.show(self.jobs.shared.spool.amend(job));
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::warn!(job = self.job.id, %error, "the record cannot be leased");
                false
            }
        }
    }

    async fn glance(&mut self) {
        let Ok(store) = self.jobs.store().await else { return };
        if let Ok(Some(job)) = store.get(&self.job.principal, &self.job.id).await {
            self.show(self.jobs.shared.spool.amend(job));
        }
    }

    fn show(&mut self, job: Job) {
        // Another process may have moved the job to the server's other key.
        if let Some(jobs) = self.jobs.with_key_of(&job) {
            self.jobs = jobs;
        }
        self.job = job.into();
        // Wake watchers only for changes.
        self.watchers.send_if_modified(|known| {
            let is_new = known.updated_at != self.job.updated_at || known.state != self.job.state;
            *known = self.job.shared();
            is_new
        });
    }

    /// Each step's future is on the heap only while it runs, because most jobs wait for their next poll and should be
    /// small.
    async fn drive(&mut self, mut prepared: Option<PreparedSubmit>) -> Step {
        while !self.job.state.is_over() {
            match self.job.state.clone() {
                State::Submitting { .. } => match prepared.take() {
                    Some(prepared) => Box::pin(submit::submit(self, prepared)).await?,
                    None => Box::pin(self.orphaned()).await?,
                },
                State::Running { .. } if self.job.cancel_requested => {
                    Box::pin(self.cancel_as_requested()).await?;
                }
                State::Running { task, word, misses, .. } => {
                    if task.route == Route::VideoV2 && self.slot.is_none() {
                        self.slot = self.jobs.api().rate_limiter().occupy(group::VIDEO_V2);
                    }
                    if word != State::UNSEEN || misses > 0 {
                        let poll = self.jobs.shared.settings.poll;
                        self.pause(poll::delay(poll, self.age(), misses, chance())).await?;
                    }
                    Box::pin(poll::poll(self, &task)).await?;
                }
                State::Fetching { task } => {
                    Box::pin(deliver::deliver(self, task.as_ref())).await?;
                    if self.held > 0 {
                        let poll = self.jobs.shared.settings.poll;
                        self.pause(poll::delay(poll, self.age(), self.held, chance())).await?;
                    }
                }
                State::Done { .. }
                | State::Failed { .. }
                | State::Cancelled { .. }
                | State::Unknown { .. } => {}
            }
        }
        Ok(())
    }

    /// Cancels a job as a caller asked while the request was in flight. A finished task is delivered instead, because
    /// it is paid for.
    async fn cancel_as_requested(&mut self) -> Step {
        self.job.cancel_requested = false;
        let jobs = self.jobs.clone();
        match cancel::cancel_upstream(&jobs, &self.job).await {
            Upstream::Finished => Ok(()),
            Upstream::Cancelled => self.see(Seen::Cancelled { at_minimax: true }).await,
            Upstream::GoesOn => self.see(Seen::Cancelled { at_minimax: false }).await,
        }
    }

    /// Ends a submit whose process seems to have died.
    async fn orphaned(&mut self) -> Step {
        // The spool may have an update that the dead process could not write.
        let jobs = self.jobs.clone();
        if let Ok(store) = jobs.store().await {
            jobs.shared.spool.drain(store).await;
            if let Ok(Some(job)) = store.get(&self.job.principal, &self.job.id).await
                && job.state != self.job.state
            {
                self.show(job);
                return Ok(());
            }
        }
        self.see(Seen::Orphaned).await
    }
}
