//! Watching jobs: one worker for each active job, and the jobs of processes that have died.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::handle::Jobs;
use super::registry::Watch;
use super::worker;
use crate::clock::now;
use crate::store::{Job, JobFile, LEASE, Seen, State, Store, StoreError};

impl Jobs {
    /// The job as it changes. Resumes what can still be had: files that did not reach the disk, links that have
    /// expired, tasks that are no longer polled.
    pub async fn watch(&self, principal: &str, id: &str) -> Result<Option<Watch>, StoreError> {
        self.watch_or_resume(principal, id, false).await
    }

    /// As [`Self::watch`], for a caller who names the task itself: that resumes a cancelled job too.
    pub async fn watch_task(&self, principal: &str, id: &str) -> Result<Option<Watch>, StoreError> {
        self.watch_or_resume(principal, id, true).await
    }

    async fn watch_or_resume(
        &self,
        principal: &str,
        id: &str,
        cancelled: bool,
    ) -> Result<Option<Watch>, StoreError> {
        let Some(mut job) = self.get(principal, id).await? else { return Ok(None) };
        self.forget_what_is_gone(&mut job).await;
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
                self.forget_what_is_gone(&mut job).await;
                let before = job.state.clone();
                job.state = job.state.after(Seen::Again);
                job.updated_at = now();
                // Another call of this process may have resumed it at the same moment.
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

    /// The channel of a job: that of its worker, or of a new worker. A job that is over has a channel without one.
    pub(super) fn channel(&self, job: Job) -> Watch {
        if let Some(known) = self.shared.registry.find(&job.id) {
            return known;
        }
        match self.with_key_of(&job) {
            Some(jobs) if !job.state.is_over() => jobs.work_on(&job),
            _ => watch::channel(Arc::new(job)).1,
        }
    }

    /// Starts a worker, unless the job has one.
    fn work_on(&self, job: &Job) -> Watch {
        match self.shared.registry.register_once(job) {
            Ok(registration) => worker::spawn(self, registration, None),
            Err(known) => known,
        }
    }

    /// Renews the leases of this process and adopts jobs whose process has died, until the server stops.
    pub(super) async fn adopt_orphans(self, store: Arc<Store>) {
        let pause = Duration::from_millis(u64::try_from(LEASE / 3).unwrap_or(1000));
        let mut unreadable = HashSet::new();
        loop {
            self.shared.spool.drain(&store).await;
            let active = self.shared.registry.ids();
            match store.renew(&active).await {
                Ok(()) => {
                    let mut known: Vec<_> = active.into_iter().chain(unreadable.iter().cloned()).collect();
                    for jobs in self.of_each_tenant() {
                        if let Err(error) = jobs.adopt_open(&store, &mut known, &mut unreadable).await {
                            tracing::warn!(%error, "open jobs cannot be taken over");
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "leases were not renewed"),
            }
            tokio::select! {
                () = self.shared.stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                () = self.shared.tenants.arrived.notified() => {}
            }
        }
    }

    /// Takes over what is due, a batch at a time. Adds what it has seen to `known`.
    async fn adopt_open(
        &self,
        store: &Store,
        known: &mut Vec<String>,
        unreadable: &mut HashSet<String>,
    ) -> Result<(), StoreError> {
        loop {
            let due = store.due(&self.tenant.name, known).await?;
            if due.is_empty() {
                return Ok(());
            }
            known.extend(due.iter().cloned());
            let is_new = |id: &String| self.shared.registry.find(id).is_none() && !self.shared.spool.has(id);
            let due: Vec<_> = due.into_iter().filter(is_new).collect();
            for (id, job) in store.claim_all(&due).await? {
                match job {
                    Ok(job) => {
                        tracing::info!(job = id, "adopted from a process that has ended");
                        drop(self.work_on(&self.shared.spool.amend(job)));
                    }
                    Err(error) => {
                        tracing::warn!(job = id, %error, "an open job cannot be taken over");
                        // This process never can.
                        if error.is_unreadable() {
                            unreadable.insert(id);
                        }
                    }
                }
            }
        }
    }
}

/// True if a link has expired, or may expire before it can be used.
fn has_stale_link(job: &Job) -> bool {
    job.files.iter().any(JobFile::is_stale)
}
