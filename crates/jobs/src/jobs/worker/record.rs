//! The worker of a job, and how it writes the record.

use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::super::handle::Jobs;
use super::super::registry::Registration;
use super::super::spool_retry::PROMPTLY;
use crate::clock::{earliest, now};
use crate::rate_limit::Slot;
use crate::store::spool::Update;
use crate::store::{Job, Seen, State, StoreError};
use crate::telemetry;

/// The worker must stop: another process has the job, its record was changed from elsewhere, or the server stops.
pub(super) struct Interrupted;

pub(super) type Step = Result<(), Interrupted>;

/// When a record may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Write {
    /// Before a request leaves. If this fails, the request does not leave.
    First,
    /// The answer to a submit: written whether or not this process holds the lease.
    Answer,
    /// A submit brought no result: written whether or not this process holds the lease.
    NoResult,
    /// While this process holds the lease.
    Progress,
}

/// A job that its worker and its watchers share until the worker changes it. One allocation matters because thousands
/// of jobs may wait for their polls.
#[derive(Clone)]
pub(super) struct SharedJob(Arc<Job>);

impl SharedJob {
    /// The same allocation, for the watchers.
    pub(super) fn shared(&self) -> Arc<Job> {
        Arc::clone(&self.0)
    }
}

impl Deref for SharedJob {
    type Target = Job;

    fn deref(&self) -> &Job {
        &self.0
    }
}

impl DerefMut for SharedJob {
    fn deref_mut(&mut self) -> &mut Job {
        Arc::make_mut(&mut self.0)
    }
}

impl From<Job> for SharedJob {
    fn from(job: Job) -> Self {
        Self(Arc::new(job))
    }
}

/// One job, and what takes it through its states.
pub(super) struct Worker {
    pub(super) jobs: Jobs,
    pub(super) job: SharedJob,
    pub(super) watchers: watch::Sender<Arc<Job>>,
    pub(super) wake: Arc<Notify>,
    /// A slot of the rate limiter, where MiniMax limits the number of running tasks.
    pub(super) slot: Option<Slot>,
    /// Deliveries in a row that the bucket did not take.
    pub(super) held: u32,
}

impl Worker {
    pub(super) fn new(jobs: Jobs, registration: Registration) -> Self {
        let job = SharedJob(Arc::clone(&registration.sender.borrow()));
        Self { jobs, job, watchers: registration.sender, wake: registration.wake, slot: None, held: 0 }
    }

    /// Applies an event. The record is on disk before a watcher sees it.
    pub(super) async fn see(&mut self, seen: Seen) -> Step {
        self.commit([seen], Write::Progress).await
    }

    /// Applies events in one record.
    pub(super) async fn commit(&mut self, seen: impl IntoIterator<Item = Seen>, write: Write) -> Step {
        let before = self.job.state.clone();
        self.job.state = seen.into_iter().fold(before.clone(), State::after);
        if self.job.state == before {
            return Ok(());
        }
        if !matches!(self.job.state, State::Running { .. }) {
            self.slot = None;
        }
        // Two versions of a record must never have the same time, so that it is clear which is later.
        self.job.updated_at = now().max(self.job.updated_at.saturating_add(1));
        // The next process does not need to know about a failed poll.
        let only_missed = matches!(
            (&before, &self.job.state),
            (State::Running { word, .. }, State::Running { word: now, trouble: Some(_), .. }) if word == now
        );
        if !only_missed && !self.save(write, &before).await {
            self.job.state = before;
            return Err(Interrupted);
        }
        // Writing an answer has already read the cancel request.
        let is_known = write == Write::Answer && !self.jobs.shared.spool.has(&self.job.id);
        if matches!(before, State::Submitting { .. }) && !is_known {
            self.read_cancel_request().await;
        }
        if self.job.state.is_over() {
            telemetry::job_ended(self.job.state.status());
        }
        self.watchers.send_replace(self.job.shared());
        Ok(())
    }

    /// Writes a change of the job that leaves its state.
    pub(super) async fn note(&mut self) -> Step {
        self.job.updated_at = now().max(self.job.updated_at.saturating_add(1));
        let state = self.job.state.clone();
        if !self.save(Write::Progress, &state).await {
            return Err(Interrupted);
        }
        self.watchers.send_replace(self.job.shared());
        Ok(())
    }

    /// Reads whether a caller asked to cancel the job while its request was in flight.
    pub(super) async fn read_cancel_request(&mut self) {
        let jobs = self.jobs.clone();
        if let Ok(store) = jobs.store().await
            && let Ok(true) = store.is_cancel_requested(&self.job.id).await
        {
            self.job.cancel_requested = true;
        }
    }

    /// Writes the record. Returns whether the worker may continue. If the record cannot be written even after retries,
    /// the update is spooled and the worker continues, because the result is worth more than its record. But no request
    /// leaves without a record.
    pub(super) async fn save(&mut self, write: Write, before: &State) -> bool {
        let (jobs, id) = (self.jobs.clone(), self.job.id.clone());
        let only_polled = matches!((before, &self.job.state), (State::Running { .. }, State::Running { .. }));
        let update = (write != Write::First && (!only_polled || jobs.shared.spool.has(&id)))
            .then(|| Update::of(&self.job));
        let saved = {
            let saving = pin!(self.save_thrice(write, before));
            match select(saving, pin!(sleep(PROMPTLY))).await {
                Either::Left((saved, _)) => saved,
                // Another process may lock the database for a long time, and this process may die meanwhile.
                Either::Right(((), saving)) => {
                    if let Some(update) = update.clone() {
                        jobs.shared.spool.keep(update).await;
                    }
                    saving.await
                }
            }
        };
        match (saved, update) {
            (Some(ours), _) => {
                jobs.shared.spool.written(&id).await;
                ours
            }
            (None, Some(update)) => {
                jobs.shared.spool.keep(update).await;
                true
            }
            (None, None) => write != Write::First,
        }
    }

    /// Tries three times. `None` if the record cannot be written.
    async fn save_thrice(&mut self, write: Write, before: &State) -> Option<bool> {
        for wait in [0, 200, 1000] {
            // Even a sleep of zero waits for the timer's next tick, up to a millisecond.
            if wait > 0 {
                sleep(Duration::from_millis(wait)).await;
            }
            match self.written(write, before).await {
                Ok(ours) => return Some(ours),
                Err(error) => {
                    let task = self.job.state.task().map(|task| task.id.as_str());
                    tracing::error!(job = self.job.id, task, %error, "the record was not written");
                }
            }
        }
        None
    }

    async fn written(&mut self, write: Write, before: &State) -> Result<bool, StoreError> {
        let store = self.jobs.store().await?;
        match write {
            Write::Answer => store.save_answer(&mut self.job).await,
            // A caller who cancelled the job in the meantime was told that nothing is sent, so this must find the state
            // unchanged.
            Write::First => {
                self.jobs.shared.spool.write_one(store, &self.job.id).await?;
                store.replace(&self.job, before).await
            }
            Write::NoResult => store.save_no_result(&self.job).await,
            Write::Progress if is_found_again(before, &self.job.state) => {
                store.save_progress_soon(&self.job).await
            }
            Write::Progress => store.save_progress(&self.job).await,
        }
    }

    /// Abandons work when the server stops or the record was changed from elsewhere. For reads only.
    pub(super) async fn unless_interrupted<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, Interrupted> {
        tokio::select! {
            done = work => Ok(done),
            () = self.wake.notified() => Err(Interrupted),
            () = self.jobs.shared.stop.cancelled() => Err(Interrupted),
        }
    }

    /// Waits, unless the server stops or the record was changed from elsewhere.
    pub(super) async fn pause(&self, pause: Duration) -> Step {
        tokio::select! {
            () = sleep(pause) => Ok(()),
            () = self.wake.notified() => Err(Interrupted),
            () = self.jobs.shared.stop.cancelled() => Err(Interrupted),
        }
    }

    /// The age of the job. A clock that was set forward does not make it older.
    pub(super) fn age(&self) -> i64 {
        earliest().saturating_sub(self.job.created_at)
    }
}

/// Whether the next start would repeat this step, so that the record need not be synced at once. A task is polled again
/// by its recorded id. A delivery is repeated from the recorded answer: it finds the same files and keeps them.
fn is_found_again(before: &State, after: &State) -> bool {
    matches!(
        (before, after),
        (State::Running { .. }, State::Running { .. } | State::Fetching { .. } | State::Done { .. })
            | (State::Fetching { .. }, State::Done { .. })
    )
}

impl Drop for Worker {
    /// However the worker ends, the registry must no longer list its job.
    fn drop(&mut self) {
        self.jobs.shared.registry.remove_own(&self.job.id, &self.wake);
    }
}
