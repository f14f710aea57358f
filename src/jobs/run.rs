//! The loop around the state machine: submit once, look, fetch, until the job is over or another process has it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::failure::withheld;
use super::follow::Seat;
use super::look::next_look;
use super::paid::Made;
use super::spool_retry::PROMPTLY;
use super::submit::Departure;
use super::{Jobs, StoreError};
use crate::api::rate_limit::Slot;
use crate::api::{chance, group};
use crate::clock::{earliest, now};
use crate::store::spool::Update;
use crate::store::{Job, MOST_FILES, Route, Seen, State};
use crate::telemetry;

/// Another process has the job, its record was changed from elsewhere, or this process is to stop.
pub(super) struct Interrupted;

pub(super) type Step = Result<(), Interrupted>;

/// Under which circumstances a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Write {
    /// What it says is about to be done, and must not be done without.
    First,
    /// An answer to a submit: written whoever holds the lease.
    Answer,
    /// While we hold the lease.
    Progress,
}

/// How often a process that does not hold the lease reads the record for whoever waits.
const GLANCE: Duration = Duration::from_millis(400);

/// One job on its way.
pub(super) struct Run {
    pub(super) jobs: Jobs,
    pub(super) job: Job,
    pub(super) seen_by_all: watch::Sender<Arc<Job>>,
    poke: Arc<Notify>,
    /// One of the tasks that MiniMax works on at a time, where it counts them.
    pub(super) place: Option<Slot>,
}

impl Run {
    pub(super) fn new(jobs: Jobs, seat: Seat) -> Self {
        let job = Job::clone(&seat.sender.borrow());
        Self { jobs, job, seen_by_all: seat.sender, poke: seat.poke, place: None }
    }

    /// Follows the job until it is over, or until nobody here needs to know any more.
    pub(super) async fn until_over(mut self, mut departure: Option<Departure>) {
        let mut mine = departure.is_some();
        loop {
            if mine || self.claim().await {
                let _ = self.drive(departure.take()).await;
                self.place = None;
                mine = false;
            }
            if self.may_leave() {
                return;
            }
            tokio::select! {
                () = sleep(GLANCE) => {}
                () = self.poke.notified() => {}
            }
            self.glance().await;
        }
    }

    /// Takes the job off the table of those that are followed, if it may be: under the table's lock, so that
    /// nobody subscribes to a channel that is about to close.
    fn may_leave(&self) -> bool {
        let mut live = self.jobs.live();
        // One receiver is the table's own.
        let unwatched = self.seen_by_all.receiver_count() <= 1;
        let leave = self.job.state.is_over() || unwatched || self.jobs.shared.stop.is_cancelled();
        if leave {
            live.remove(&self.job.id);
        }
        leave
    }

    async fn claim(&mut self) -> bool {
        let Ok(store) = self.jobs.store().await else { return false };
        match store.claim(&self.job.id).await {
            Ok(Some(job)) => {
                self.show(self.jobs.with_news(job));
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
            self.show(self.jobs.with_news(job));
        }
    }

    fn show(&mut self, job: Job) {
        self.job = job;
        self.show_all();
    }

    /// Shows the job as it is now to its watchers.
    pub(super) fn show_all(&self) {
        self.seen_by_all.send_replace(Arc::new(self.job.clone()));
    }

    async fn drive(&mut self, mut departure: Option<Departure>) -> Step {
        while !self.job.state.is_over() {
            match self.job.state.clone() {
                State::Submitting { .. } => match departure.take() {
                    Some(departure) => self.submit(departure).await?,
                    None => self.orphaned().await?,
                },
                State::Running { task, word, misses, .. } => {
                    if task.route == Route::VideoV2 && self.place.is_none() {
                        self.place = self.jobs.api().rate_limiter().occupy(group::VIDEO_V2);
                    }
                    if word != State::UNSEEN || misses > 0 {
                        let poll = self.jobs.shared.settings.poll;
                        self.pause(next_look(poll, self.age(), misses, chance())).await?;
                    }
                    self.look(&task).await?;
                }
                State::Fetching { task } => self.fetch(task.as_ref()).await?,
                State::Done { .. }
                | State::Failed { .. }
                | State::Cancelled { .. }
                | State::Unknown { .. } => {}
            }
        }
        Ok(())
    }

    /// The process that was submitting has died, as far as anybody has heard.
    async fn orphaned(&mut self) -> Step {
        // What it could not write may lie in a file.
        let jobs = self.jobs.clone();
        if let Ok(store) = jobs.store().await {
            jobs.gather(store).await;
            if let Ok(Some(job)) = store.get(&self.job.principal, &self.job.id).await
                && job.state != self.job.state
            {
                self.show(job);
                return Ok(());
            }
        }
        self.see(Seen::Orphaned).await
    }

    /// Notes what was made and bought, before anything is fetched.
    pub(super) async fn made(&mut self, made: Made, write: Write) -> Step {
        let job = &mut self.job;
        job.files = made.files;
        // More than this is not what anybody ordered.
        job.files.truncate(MOST_FILES);
        job.text = made.text.or(job.text.take());
        job.voice_id = made.voice_id.or(job.voice_id.take());
        let usage = made.usage.filter(|usage| usage.to_string().len() < 16_384);
        job.usage = usage.or(job.usage.take());
        job.warnings.extend(made.warnings);
        let actual = made.units.and_then(|units| job.cost.with_inputs(units, made.inputs));
        job.cost.actual = actual.or(job.cost.actual);
        if job.model.is_empty() {
            job.model = made.model.unwrap_or_default();
        }
        job.missing = made.missing;
        if made.missing > 0 {
            let all = job.files.len() + usize::try_from(made.missing).unwrap_or(usize::MAX);
            job.warnings.push(format!("MiniMax made {} of {all}; it withheld the others", job.files.len()));
        }
        for (index, bytes) in made.bytes {
            self.keep(index, bytes).await;
        }
        if self.job.files.is_empty() && self.job.text.is_none() && self.job.voice_id.is_none() {
            self.job.may_be_billed = true;
            let message = "it withheld all that was asked for (content safety)";
            return self.commit(Seen::Failed(withheld(message)), write).await;
        }
        self.commit(Seen::Made, write).await
    }

    /// Applies what was seen; on disk before anybody hears of it.
    pub(super) async fn see(&mut self, seen: Seen) -> Step {
        self.commit(seen, Write::Progress).await
    }

    pub(super) async fn commit(&mut self, seen: Seen, write: Write) -> Step {
        let before = self.job.state.clone();
        self.job.state = before.clone().after(seen);
        if self.job.state == before {
            return Ok(());
        }
        if !matches!(self.job.state, State::Running { .. }) {
            self.place = None;
        }
        // Of two records of a request that waits or leaves, it must be clear which is the later.
        self.job.updated_at = now().max(self.job.updated_at.saturating_add(1));
        // A look that showed nothing changes nothing that the next process would need.
        let only_missed = matches!(
            (&before, &self.job.state),
            (State::Running { word, .. }, State::Running { word: now, trouble: Some(_), .. }) if word == now
        );
        if !only_missed && !self.save(write, &before).await {
            self.job.state = before;
            return Err(Interrupted);
        }
        if self.job.state.is_over() {
            telemetry::job_ended(self.job.state.status());
        }
        self.seen_by_all.send_replace(Arc::new(self.job.clone()));
        Ok(())
    }

    /// Whether the job may go on. A record that cannot be written is tried again, and then the job goes on
    /// without, because the result is worth more than the record of it; but no request leaves without.
    pub(super) async fn save(&mut self, write: Write, before: &State) -> bool {
        let (jobs, id) = (self.jobs.clone(), self.job.id.clone());
        let only_looked = matches!((before, &self.job.state), (State::Running { .. }, State::Running { .. }));
        let news =
            (write != Write::First && (!only_looked || jobs.has_news(&id))).then(|| Update::of(&self.job));
        let saved = {
            let saving = pin!(self.save_thrice(write, before));
            match select(saving, pin!(sleep(PROMPTLY))).await {
                Either::Left((saved, _)) => saved,
                // Whoever holds the records may do so for long, and this process may die meanwhile.
                Either::Right(((), saving)) => {
                    if let Some(news) = news.clone() {
                        jobs.owe(news).await;
                    }
                    saving.await
                }
            }
        };
        match (saved, news) {
            (Some(ours), _) => {
                jobs.no_longer_owed(&id).await;
                ours
            }
            (None, Some(news)) => {
                jobs.owe(news).await;
                true
            }
            (None, None) => write != Write::First,
        }
    }

    /// `None` if it cannot be written.
    async fn save_thrice(&mut self, write: Write, before: &State) -> Option<bool> {
        for wait in [0, 200, 1000] {
            sleep(Duration::from_millis(wait)).await;
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
            // Whoever has cancelled it meanwhile was told that nothing leaves.
            Write::First => {
                self.jobs.write_note_of(store, &self.job.id).await?;
                store.replace(&self.job, before).await
            }
            Write::Progress => store.save_progress(&self.job).await,
        }
    }

    /// Gives work up when the server stops or the record was changed from elsewhere. For reads alone.
    pub(super) async fn unless_interrupted<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, Interrupted> {
        tokio::select! {
            done = work => Ok(done),
            () = self.poke.notified() => Err(Interrupted),
            () = self.jobs.shared.stop.cancelled() => Err(Interrupted),
        }
    }

    /// Waits, unless the server stops or the record was changed from elsewhere.
    pub(super) async fn pause(&self, pause: Duration) -> Step {
        tokio::select! {
            () = sleep(pause) => Ok(()),
            () = self.poke.notified() => Err(Interrupted),
            () = self.jobs.shared.stop.cancelled() => Err(Interrupted),
        }
    }

    /// A clock that was set forward makes no task so old that it is given up.
    pub(super) fn age(&self) -> i64 {
        earliest().saturating_sub(self.job.created_at)
    }
}

impl Drop for Run {
    /// However it ends, nobody must think that the job is still followed.
    fn drop(&mut self) {
        let mut live = self.jobs.live();
        if live.get(&self.job.id).is_some_and(|seat| Arc::ptr_eq(&seat.poke, &self.poke)) {
            live.remove(&self.job.id);
        }
    }
}
