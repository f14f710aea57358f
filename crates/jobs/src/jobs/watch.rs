//! Watching jobs: one worker for each active job, and the jobs of processes that have died.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::handle::Jobs;
use super::registry::Watch;
use super::worker;
use crate::clock::now;
use crate::store::{Job, JobFile, Search, Seen, State, Store, StoreError};

/// The time between two renewals, a third of a lease.
const PAUSE: Duration = Duration::from_secs(2);

/// The same with PostgreSQL, where a renewal is cheap, and other servers wait to adopt the jobs of a server that dies.
const SHARED_PAUSE: Duration = Duration::from_secs(1);

/// The pause between searches through all jobs, as a multiple of the time that the last search took.
const REST: u32 = 50;

const LONGEST_REST: Duration = Duration::from_secs(60);

impl Jobs {
    /// The job as it changes. Resumes what can still be delivered: files that did not reach the disk, links that have
    /// expired, tasks that are no longer polled.
    pub async fn watch(&self, principal: &str, id: &str) -> Result<Option<Watch>, StoreError> {
        self.watch_or_resume(principal, id, false).await
    }

    /// As [`Self::watch`], for a caller who names the task. This also resumes a cancelled job.
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

    /// The channel of a job's worker, which is started if there is none. The channel of an ended job has no worker.
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

    /// Renews the lease of this process until its jobs are handed over. That happens after the last paid request in
    /// flight, which may be minutes after the server was told to stop.
    pub(super) async fn renew_lease(self, store: Arc<Store>) {
        loop {
            // With SQLite, other processes read the row only to find open jobs.
            let is_needed = store.is_shared() || self.shared.registry.len() > 0;
            if is_needed {
                match store.renew().await {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => tracing::warn!(%error, "leases were not renewed"),
                }
            } else {
                store.need_not_renew();
            }
            tokio::time::sleep(pause_of(&store)).await;
        }
    }

    /// Adopts jobs whose process has died, until the server stops.
    pub(super) async fn adopt_orphans(self, store: Arc<Store>) {
        let pause = pause_of(&store);
        let mut unreadable = HashSet::new();
        let (mut next_search, mut is_first) = (Instant::now(), true);
        loop {
            self.shared.spool.drain(&store).await;
            if store.was_renewed() {
                self.adopt_from(&store, Search::Ended, Vec::new(), &mut unreadable).await;
                let begun = Instant::now();
                if begun >= next_search {
                    let active = self.shared.registry.ids();
                    self.adopt_from(&store, Search::All, active, &mut unreadable).await;
                    // With SQLite, once at each start is enough.
                    if (store.is_shared() || is_first)
                        && let Err(error) = store.forget_processes().await
                    {
                        tracing::warn!(%error, "the rows of old processes were not removed");
                    }
                    is_first = false;
                    // The search reads every open job, so it runs more rarely the longer it takes.
                    next_search = Instant::now() + (begun.elapsed() * REST).clamp(pause, LONGEST_REST);
                }
            }
            tokio::select! {
                () = self.shared.stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                () = self.shared.tenants.arrived.notified() => next_search = Instant::now(),
            }
        }
    }

    /// Adopts the due jobs of all accounts, except those in `known`.
    async fn adopt_from(
        &self,
        store: &Store,
        search: Search,
        known: Vec<String>,
        unreadable: &mut HashSet<String>,
    ) {
        let mut known: Vec<_> = known.into_iter().chain(unreadable.iter().cloned()).collect();
        for jobs in self.of_each_tenant() {
            if let Err(error) = jobs.adopt_open(store, search, &mut known, unreadable).await {
                tracing::warn!(%error, "open jobs cannot be adopted");
            }
        }
    }

    /// Adopts due jobs, a batch at a time. Adds to `known` the jobs that the search would find again.
    async fn adopt_open(
        &self,
        store: &Store,
        search: Search,
        known: &mut Vec<String>,
        unreadable: &mut HashSet<String>,
    ) -> Result<(), StoreError> {
        loop {
            let due = store.due(&self.tenant.name, search, known).await?;
            if due.is_empty() {
                return Ok(());
            }
            let is_new = |id: &String| self.shared.registry.find(id).is_none() && !self.shared.spool.has(id);
            let (due, others): (Vec<_>, Vec<_>) = due.into_iter().partition(is_new);
            known.extend(others);
            let claimed = store.claim_all(&due).await?;
            let is_adopted = |id: &String| claimed.iter().any(|(claimed, job)| claimed == id && job.is_ok());
            known.extend(due.into_iter().filter(|id| search == Search::All || !is_adopted(id)));
            for (id, job) in claimed {
                match job {
                    Ok(job) => {
                        tracing::info!(job = id, "adopted from a process that has ended");
                        drop(self.work_on(&self.shared.spool.amend(job)));
                    }
                    Err(error) => {
                        tracing::warn!(job = id, %error, "an open job cannot be adopted");
                        // A later try by this process would fail too.
                        if error.is_unreadable() {
                            unreadable.insert(id);
                        }
                    }
                }
            }
        }
    }
}

fn pause_of(store: &Store) -> Duration {
    if store.is_shared() { SHARED_PAUSE } else { PAUSE }
}

/// True if a link has expired, or may expire before it can be used.
fn has_stale_link(job: &Job) -> bool {
    job.files.iter().any(JobFile::is_stale)
}
