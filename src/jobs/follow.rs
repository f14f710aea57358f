//! Who follows a job: one task of one process, for all that wait for it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::run::Run;
use super::submit::Departure;
use super::{Jobs, StoreError, Watch};
use crate::clock::now;
use crate::store::{Job, JobFile, LEASE, Seen, State, Store};
use crate::telemetry;

/// A job that is followed.
#[derive(Debug, Clone)]
pub(super) struct Live {
    job: Watch,
    /// Wakes whoever follows the job: its record was changed from elsewhere.
    pub(super) poke: Arc<Notify>,
}

/// A place on the table of those that are followed.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) sender: watch::Sender<Arc<Job>>,
    pub(super) poke: Arc<Notify>,
}

impl Seat {
    pub(super) fn take(table: &mut HashMap<String, Live>, job: &Job) -> Self {
        let (sender, receiver) = watch::channel(Arc::new(job.clone()));
        let poke = Arc::new(Notify::new());
        table.insert(job.id.clone(), Live { job: receiver, poke: Arc::clone(&poke) });
        Self { sender, poke }
    }
}

impl Jobs {
    /// The job as it changes. What can still be had is fetched on the way: files that did not reach the disk, a
    /// fresh link for one that ended, another look at a task that was given up.
    pub async fn watch(&self, principal: &str, id: &str) -> Result<Option<Watch>, StoreError> {
        self.watch_again(principal, id, false).await
    }

    /// As [`Self::watch`], for a caller who names the task itself: that takes up a cancelled job too.
    pub async fn take_up(&self, principal: &str, id: &str) -> Result<Option<Watch>, StoreError> {
        self.watch_again(principal, id, true).await
    }

    async fn watch_again(
        &self,
        principal: &str,
        id: &str,
        cancelled: bool,
    ) -> Result<Option<Watch>, StoreError> {
        let Some(mut job) = self.get(principal, id).await? else { return Ok(None) };
        job.forget_what_is_gone().await;
        let worth_another_try = match &job.state {
            State::Unknown { task: Some(_), .. } => true,
            State::Cancelled { .. } => cancelled,
            State::Done { task, .. } => job.is_undelivered() || (task.is_some() && has_stale_link(&job)),
            _ => false,
        };
        if !worth_another_try || !self.is_ours(&job) {
            return Ok(Some(self.channel(job)));
        }
        match self.store().await?.claim(id).await? {
            Some(mut job) => {
                job.forget_what_is_gone().await;
                let before = job.state.clone();
                job.state = job.state.after(Seen::Again);
                job.updated_at = now();
                // Another call of this process may have taken it up in the same moment, and be further.
                if !self.store().await?.replace(&job, &before).await?
                    && let Some(newer) = self.get(principal, id).await?
                {
                    job = newer;
                }
                Ok(Some(self.channel(job)))
            }
            None => Ok(Some(self.channel(job))),
        }
    }

    /// Tells whoever follows the job that its record was changed, or that a look is worth while now.
    pub(super) fn wake(&self, id: &str) {
        if let Some(live) = self.live().get(id) {
            live.poke.notify_one();
        }
    }

    /// The job's channel: the one that is there, a new one with somebody to follow it, or one that is over.
    pub(super) fn channel(&self, job: Job) -> Watch {
        if let Some(live) = self.live().get(&job.id) {
            return live.job.clone();
        }
        match self.with_key_of(&job) {
            Some(jobs) if !job.state.is_over() => jobs.follow(&job),
            _ => watch::channel(Arc::new(job)).1,
        }
    }

    /// Follows a job to its end. Following twice is following once.
    fn follow(&self, job: &Job) -> Watch {
        let mut live = self.live();
        if let Some(known) = live.get(&job.id) {
            return known.job.clone();
        }
        let seat = Seat::take(&mut live, job);
        drop(live);
        self.run(seat, None)
    }

    /// Follows a seated job in a task that belongs to the server.
    pub(super) fn run(&self, seat: Seat, departure: Option<Departure>) -> Watch {
        let receiver = seat.sender.subscribe();
        let (jobs, job) = (self.clone(), receiver.borrow().clone());
        let running = async move { Run::new(jobs, seat).until_over(departure).await };
        self.shared.tracker.spawn(telemetry::job(&job.id, job.kind.word(), running));
        receiver
    }

    /// Keeps our leases and looks for jobs whose process has died, until the server stops.
    pub(super) async fn tend_orphans(self, store: Arc<Store>) {
        let pause = Duration::from_millis(u64::try_from(LEASE / 3).unwrap_or(1000));
        let mut unreadable = HashSet::new();
        loop {
            self.gather(&store).await;
            let mut followed: Vec<_> = self.live().keys().cloned().collect();
            for jobs in self.of_each_account() {
                jobs.tend(&store, &followed, &mut unreadable).await;
                // Once is enough, whoever they belong to.
                followed.clear();
            }
            tokio::select! {
                () = self.shared.stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                () = self.shared.guests.came.notified() => {}
            }
        }
    }

    async fn tend(&self, store: &Store, followed: &[String], unreadable: &mut HashSet<String>) {
        let open = match store.renew(&self.account.name, followed).await {
            Ok(open) => open,
            Err(error) => return tracing::warn!(%error, "leases were not renewed"),
        };
        for id in open {
            if self.live().contains_key(&id) || self.has_news(&id) || unreadable.contains(&id) {
                continue;
            }
            if let Err(error) = self.take_over(store, &id).await {
                tracing::warn!(job = id, %error, "an open job cannot be taken over");
                // It stays so as long as this process lives.
                if error.is_unreadable() {
                    unreadable.insert(id);
                }
            }
        }
    }

    async fn take_over(&self, store: &Store, id: &str) -> Result<(), StoreError> {
        if let Some(job) = store.claim(id).await? {
            tracing::info!(job = id, "taken up from a process that has ended");
            drop(self.follow(&self.with_news(job)));
        }
        Ok(())
    }
}

/// A link that has ended or may have, or will before it can be used.
fn has_stale_link(job: &Job) -> bool {
    job.files.iter().any(JobFile::is_stale)
}
