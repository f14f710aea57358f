//! The loop around the state machine: submit once, look, fetch, until the job is over or another process has it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::failure::{ended, withheld};
use super::job::{Job, now};
use super::paid::{self, Made};
use super::state::{Route, Seen, State, Task};
use super::submit::Departure;
use super::{Jobs, Seat, StoreError};
use crate::api::pace::Place;
use crate::api::{ApiError, Blame, Progress, chance, group};
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

/// More files than any request makes.
const MOST_FILES: usize = 32;

/// How often a process that does not hold the lease reads the record for whoever waits.
const GLANCE: Duration = Duration::from_millis(400);

/// After this long without an end, MiniMax is no longer asked by itself.
const LONGEST_WATCH: i64 = 24 * 3_600_000;

/// One job on its way.
pub(super) struct Run {
    pub(super) jobs: Jobs,
    pub(super) job: Job,
    pub(super) seen_by_all: watch::Sender<Arc<Job>>,
    poke: Arc<Notify>,
    /// One of the tasks that MiniMax works on at a time, where it counts them.
    pub(super) place: Option<Place>,
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
                self.show(job);
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
            self.show(job);
        }
    }

    fn show(&mut self, job: Job) {
        self.job = job;
        self.seen_by_all.send_replace(Arc::new(self.job.clone()));
    }

    async fn drive(&mut self, mut departure: Option<Departure>) -> Step {
        while !self.job.state.is_over() {
            match self.job.state.clone() {
                State::Submitting { .. } => match departure.take() {
                    Some(departure) => self.submit(departure).await?,
                    None => self.see(Seen::Orphaned).await?,
                },
                State::Running { task, word, misses, .. } => {
                    if task.route == Route::VideoV2 && self.place.is_none() {
                        self.place = self.jobs.shared.api.pace().occupy(group::VIDEO_V2);
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

    async fn look(&mut self, task: &Task) -> Step {
        let jobs = self.jobs.clone();
        // A process that was held up for longer than its lease would look beside the one that has the job now.
        if let Ok(store) = jobs.store().await
            && let Ok(false) = store.holds(&self.job.id).await
        {
            return Err(Interrupted);
        }
        let api = &jobs.shared.api;
        #[cfg(feature = "crash-points")]
        crate::crash::point("look.before");
        let looked = self.unless_interrupted(paid::look(api, task)).await?;
        #[cfg(feature = "crash-points")]
        crate::crash::point("look.after");
        let ready = match looked {
            Ok(Progress::Pending(word)) if self.age() > LONGEST_WATCH => {
                return self.see(Seen::Lost(format!("MiniMax has said `{word}` for a day"))).await;
            }
            Ok(Progress::Pending(word)) => return self.see(Seen::Pending(word)).await,
            Ok(Progress::Failed { code, message }) => {
                return self.see(Seen::Failed(ended(code, &message))).await;
            }
            Ok(Progress::Cancelled) => return self.see(Seen::Cancelled { at_minimax: true }).await,
            Ok(Progress::Ready(ready)) => {
                self.unless_interrupted(paid::collect(api, task.route, *ready)).await?
            }
            Err(error) => Err(error),
        };
        match ready {
            Ok(made) => self.made(made, Write::Progress).await,
            Err(error) => self.saw_nothing(&error).await,
        }
    }

    /// A look that failed never ends a job by itself: the task goes on at MiniMax. Only if MiniMax keeps
    /// saying that there is no such task, or a long time has passed, is it given up.
    async fn saw_nothing(&mut self, error: &ApiError) -> Step {
        tracing::info!(job = self.job.id, %error, "a look showed nothing");
        let misses = match &self.job.state {
            State::Running { misses, .. } => *misses,
            _ => 0,
        };
        let disowned = matches!(error.blame(), Blame::Caller) && misses >= 4 && self.age() > 30_000;
        if disowned || self.age() > LONGEST_WATCH {
            return self
                .see(Seen::Lost(format!("MiniMax no longer says what became of the task: {error}")))
                .await;
        }
        self.see(Seen::Nothing(error.to_string())).await
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
        self.job.updated_at = now();
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
    async fn save(&self, write: Write, before: &State) -> bool {
        for wait in [0, 200, 1000] {
            sleep(Duration::from_millis(wait)).await;
            match self.written(write, before).await {
                Ok(ours) => return ours,
                Err(error) => {
                    let task = self.job.state.task().map(|task| task.id.as_str());
                    tracing::error!(job = self.job.id, task, %error, "the record was not written");
                }
            }
        }
        write != Write::First
    }

    async fn written(&self, write: Write, before: &State) -> Result<bool, StoreError> {
        let store = self.jobs.store().await?;
        match write {
            Write::Answer => store.save_answer(&self.job).await,
            // Whoever has cancelled it meanwhile was told that nothing leaves.
            Write::First => store.replace(&self.job, before).await,
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

    fn age(&self) -> i64 {
        now().saturating_sub(self.job.created_at)
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

/// How long to wait before the next look. Early looks are closer together: short jobs end early. Misses slow
/// them down, and so does a job that takes very long.
fn next_look(poll: Duration, age: i64, misses: u32, chance: f64) -> Duration {
    let base = match age {
        ..20_000 => poll / 2,
        20_000..1_800_000 => poll,
        _ => poll * 3,
    };
    let slowed = base.saturating_mul(2_u32.saturating_pow(misses.min(6))).min(Duration::from_secs(60));
    slowed.mul_f64(0.85 + 0.3 * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_sooner_for_a_young_job_and_later_after_misses() {
        let poll = Duration::from_secs(10);
        let look = |age, misses| next_look(poll, age, misses, 0.5);
        assert!(look(0, 0) < look(60_000, 0));
        assert!(look(60_000, 0) < look(4_000_000, 0));
        assert!(look(60_000, 0) < look(60_000, 2));
        assert!(look(60_000, 60) < Duration::from_secs(70));
        assert!(next_look(poll, 60_000, 0, 0.0) < next_look(poll, 60_000, 0, 1.0));
    }
}
