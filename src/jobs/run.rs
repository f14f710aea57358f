//! The loop around the state machine: submit once, look, fetch, until the job is over or another process has it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::job::{Job, JobFile, Wrapped, now};
use super::paid::{self, Answer, Made, Paid};
use super::state::{Failure, Route, Seen, State, Task};
use super::unpack::Arrived;
use super::{Jobs, Seat, StoreError};
use crate::api::retry::{self, Nature};
use crate::api::{ApiError, Blame, Progress, Taken, chance};
use crate::media::{self, Expect, FetchProblem, Kind as MediaKind};

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

/// The longest that one file may take to arrive.
const LONGEST_DOWNLOAD: Duration = Duration::from_secs(20 * 60);

/// How often a process that does not hold the lease reads the record for whoever waits.
const GLANCE: Duration = Duration::from_millis(400);

/// After this long without an end, MiniMax is no longer asked by itself.
const LONGEST_WATCH: i64 = 24 * 3_600_000;

/// No result of MiniMax is larger.
pub(super) const MAX_RESULT: u64 = 4 * 1024 * 1024 * 1024;

/// One job on its way.
pub(super) struct Run {
    pub(super) jobs: Jobs,
    pub(super) job: Job,
    seen_by_all: watch::Sender<Arc<Job>>,
    poke: Arc<Notify>,
}

impl Run {
    pub(super) fn new(jobs: Jobs, seat: Seat) -> Self {
        let job = Job::clone(&seat.sender.borrow());
        Self { jobs, job, seen_by_all: seat.sender, poke: seat.poke }
    }

    /// Follows the job until it is over, or until nobody here needs to know any more.
    pub(super) async fn until_over(mut self, mut paid: Option<Paid>) {
        let mut mine = paid.is_some();
        loop {
            if mine || self.claim().await {
                let _ = self.drive(paid.take()).await;
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

    async fn drive(&mut self, mut paid: Option<Paid>) -> Step {
        while !self.job.state.is_over() {
            match self.job.state.clone() {
                State::Submitting { .. } => match paid.take() {
                    Some(paid) => self.submit(&paid).await?,
                    None => self.see(Seen::Orphaned).await?,
                },
                State::Running { task, word, misses, .. } => {
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

    /// Sends the request, and again only if MiniMax provably did not take it.
    async fn submit(&mut self, paid: &Paid) -> Step {
        let mut tries = 1;
        loop {
            let error = match paid.send(&self.jobs.shared.api).await {
                Ok(Answer::Task(task)) => return self.commit(Seen::Accepted(task), Write::Answer).await,
                Ok(Answer::Counted { task, units, usage }) => {
                    self.job.cost.actual = units.and_then(|units| self.job.cost.of(units));
                    self.job.usage = usage;
                    return self.commit(Seen::Accepted(task), Write::Answer).await;
                }
                Ok(Answer::Made(made)) => return self.made(made, Write::Answer).await,
                Ok(Answer::Sound(sound)) => return self.receive(sound).await,
                Err(error) => error,
            };
            let Some(pause) = retry::pause(Nature::Paid, &error, tries, chance()) else {
                return match error.taken() {
                    Taken::No => self.see(Seen::Failed(failure(&error))).await,
                    Taken::Perhaps => {
                        self.job.unread = error.answer().map(str::to_owned);
                        self.see(Seen::Lost(traced(&error))).await
                    }
                };
            };
            tracing::info!(job = self.job.id, %error, ?pause, "not taken; it is sent again");
            self.see(Seen::Held(error.to_string())).await?;
            self.pause(pause).await?;
            // If the record cannot say that it leaves, it does not leave.
            self.commit(Seen::Leaving, Write::First).await?;
            tries += 1;
        }
    }

    async fn look(&mut self, task: &Task) -> Step {
        let jobs = self.jobs.clone();
        let api = &jobs.shared.api;
        let looked = self.unless_interrupted(paid::look(api, task)).await?;
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
            let message = "it withheld all that was asked for (content safety)";
            return self.commit(Seen::Failed(withheld(message)), write).await;
        }
        self.commit(Seen::Made, write).await
    }

    /// Content that came with the answer is on disk before the record says that it was made.
    async fn keep(&mut self, index: usize, bytes: Vec<u8>) {
        let folder = self.folder();
        let many = self.job.files.len() > 1;
        let (prompt, id) = (self.job.prompt.clone(), self.job.id.clone());
        let Some(file) = self.job.files.get_mut(index) else { return };
        let extension = extension(&file.name).to_owned();
        let name = media::file_name(&prompt, short(&id), index + 1, many, &extension);
        let expect = Expect { kind: None, max_bytes: MAX_RESULT, extension: &extension };
        let saved = match media::prepare(&folder).await {
            Ok(()) => media::save(bytes.into(), &folder, &name, &expect)
                .await
                .map_err(|problem| problem.to_string()),
            Err(problem) => Err(problem.to_string()),
        };
        match saved {
            Ok(saved) => file.saved = Some(saved.into()),
            Err(problem) => file.trouble = Some(problem),
        }
    }

    /// Where files go that have no link to be fetched by.
    pub(super) fn folder(&self) -> std::path::PathBuf {
        self.job.folder.clone().unwrap_or_else(|| self.jobs.shared.settings.base_path.clone())
    }

    /// Brings the files home, all at once but not too many, and asks for fresh links where one has ended.
    async fn fetch(&mut self, task: Option<&Task>) -> Step {
        let (jobs, job) = (self.jobs.clone(), self.job.clone());
        let all = job.files.iter().enumerate().map(|(index, file)| {
            // A sound and its subtitles go by one name.
            let alike = |other: &&JobFile| extension(&other.name) == extension(&file.name);
            let many = job.files.iter().filter(alike).count() > 1;
            let fetch = Fetch { jobs: &jobs, job: &job, task, index, many };
            fetch.deliver(file.clone())
        });
        if let Some(folder) = &job.folder
            && let Err(problem) = media::prepare_again(folder).await
        {
            for file in self.job.files.iter_mut().filter(|file| file.saved.is_none()) {
                file.trouble = Some(problem.to_string());
            }
            return self.see(Seen::Fetched { partial: job.missing > 0 }).await;
        }
        let stop = self.jobs.shared.stop.clone();
        let arrived = stop.run_until_cancelled(join_all(all)).await.ok_or(Interrupted)?;
        self.job.files.clear();
        for Arrived { files, usage } in arrived {
            self.job.files.extend(files);
            match (&mut self.job.usage, usage) {
                (Some(serde_json::Value::Object(known)), Some(serde_json::Value::Object(more))) => {
                    for (name, value) in more {
                        known.entry(name).or_insert(value);
                    }
                }
                (none @ None, more) => *none = more,
                _ => {}
            }
        }
        self.see(Seen::Fetched { partial: self.job.missing > 0 }).await
    }

    /// Applies what was seen; on disk before anybody hears of it.
    pub(super) async fn see(&mut self, seen: Seen) -> Step {
        self.commit(seen, Write::Progress).await
    }

    async fn commit(&mut self, seen: Seen, write: Write) -> Step {
        let before = self.job.state.clone();
        self.job.state = before.clone().after(seen);
        if self.job.state == before {
            return Ok(());
        }
        self.job.updated_at = now();
        // A look that showed nothing changes nothing that the next process would need.
        let only_missed = matches!(
            (&before, &self.job.state),
            (State::Running { word, .. }, State::Running { word: now, trouble: Some(_), .. }) if word == now
        );
        if !only_missed && !self.save(write).await {
            self.job.state = before;
            return Err(Interrupted);
        }
        self.seen_by_all.send_replace(Arc::new(self.job.clone()));
        Ok(())
    }

    /// Whether the job may go on. A record that cannot be written is tried again, and then the job goes on
    /// without, because the result is worth more than the record of it; but no request leaves without.
    async fn save(&self, write: Write) -> bool {
        for wait in [0, 200, 1000] {
            sleep(Duration::from_millis(wait)).await;
            match self.written(write).await {
                Ok(ours) => return ours,
                Err(error) => tracing::error!(job = self.job.id, %error, "the record was not written"),
            }
        }
        write != Write::First
    }

    async fn written(&self, write: Write) -> Result<bool, StoreError> {
        let store = self.jobs.store().await?;
        match write {
            Write::Answer => store.save_answer(&self.job).await,
            Write::First | Write::Progress => store.save(&self.job).await,
        }
    }

    /// Gives work up when the server stops or the record was changed from elsewhere. For reads alone.
    async fn unless_interrupted<T>(&self, work: impl Future<Output = T>) -> Result<T, Interrupted> {
        tokio::select! {
            done = work => Ok(done),
            () = self.poke.notified() => Err(Interrupted),
            () = self.jobs.shared.stop.cancelled() => Err(Interrupted),
        }
    }

    /// Waits, unless the server stops or the record was changed from elsewhere.
    async fn pause(&self, pause: Duration) -> Step {
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

/// One file on its way here.
pub(super) struct Fetch<'a> {
    pub(super) jobs: &'a Jobs,
    pub(super) job: &'a Job,
    task: Option<&'a Task>,
    index: usize,
    many: bool,
}

impl Fetch<'_> {
    /// The file as it is afterwards: saved, or with the reason why not. An archive becomes what is in it.
    async fn deliver(self, mut file: JobFile) -> Arrived {
        if file.is_stale() {
            self.renew(&mut file).await;
        }
        let (Some(folder), None) = (&self.job.folder, &file.saved) else { return Arrived::one(file) };
        let mut refused = 0;
        for tries in 1..=5_u32 {
            let brought = match file.wrapped {
                Wrapped::Plain => self.download(&file, folder).await.map(|saved| {
                    Arrived::one(JobFile { saved: Some(saved.into()), trouble: None, ..file.clone() })
                }),
                Wrapped::Cues => self.subtitles(&file, folder).await,
                Wrapped::Archive => self.unpack(&file, folder).await,
            };
            let problem = match brought {
                Ok(arrived) => return arrived,
                Err(problem) => problem,
            };
            tracing::info!(job = self.job.id, %problem, tries, "a file did not arrive");
            file.trouble = Some(problem.to_string());
            let asked = match problem {
                FetchProblem::Expired { .. } => {
                    refused += 1;
                    // A link may be refused once in passing; without a fresh one, twice is the end of it.
                    if !self.renew(&mut file).await && refused > 1 {
                        break;
                    }
                    None
                }
                FetchProblem::Weather { retry_after, .. } => retry_after,
                FetchProblem::Disk { .. } | FetchProblem::Wrong { .. } => break,
            };
            if tries < 5 {
                let usual = Duration::from_millis(300).saturating_mul(3_u32.saturating_pow(tries - 1));
                sleep(asked.unwrap_or(usual).min(Duration::from_secs(60))).await;
            }
        }
        Arrived::one(file)
    }

    /// The name on disk of a file that is called `name` within the job.
    pub(super) fn file_name(&self, name: &str) -> String {
        media::file_name(&self.job.prompt, short(&self.job.id), self.index + 1, self.many, extension(name))
    }

    async fn download(&self, file: &JobFile, folder: &std::path::Path) -> Result<media::Saved, FetchProblem> {
        let url = file.url.as_deref().unwrap_or_default();
        let extension = extension(&file.name);
        let name = self.file_name(&file.name);
        let kind = match self.job.kind {
            super::Kind::Image => Some(MediaKind::Image),
            super::Kind::Video => Some(MediaKind::Video),
            super::Kind::Speech | super::Kind::Voice | super::Kind::Music => Some(MediaKind::Audio),
            super::Kind::Transcription | super::Kind::Prompt => None,
        };
        let expect = Expect { kind, max_bytes: MAX_RESULT, extension };
        let slow = |_| FetchProblem::Weather { reason: "it takes too long".to_owned(), retry_after: None };
        // Waiting for a turn is not the file's fault, so the clock starts behind it.
        let _turn = self.jobs.shared.downloads.acquire().await.map_err(slow)?;
        let download = self.jobs.shared.fetcher.download(url, folder, &name, &expect);
        let slow = |_| FetchProblem::Weather { reason: "it takes too long".to_owned(), retry_after: None };
        tokio::time::timeout(LONGEST_DOWNLOAD, download).await.map_err(slow)?
    }

    /// Asks for a fresh link, where MiniMax gives one. Tells whether there is one.
    async fn renew(&self, file: &mut JobFile) -> bool {
        let Some(task) = self.task else { return false };
        let ready = match (&file.file_id, task.route) {
            (Some(file_id), Route::VideoV1 | Route::SpeechAsync) => {
                Some(crate::api::Ready { file_id: Some(file_id.clone()), ..Default::default() })
            }
            _ => match paid::look(&self.jobs.shared.api, task).await {
                Ok(Progress::Ready(ready)) => Some(*ready),
                _ => None,
            },
        };
        let Some(ready) = ready else { return false };
        let collected = paid::collect(&self.jobs.shared.api, task.route, ready).await;
        if let Err(error) = &collected {
            tracing::info!(job = self.job.id, %error, "no fresh link");
        }
        let Some(fresh) = collected.ok().and_then(|made| made.files.into_iter().next()) else { return false };
        file.url = fresh.url;
        (file.url_expires_at, file.stale_at) = (fresh.url_expires_at, fresh.stale_at);
        true
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

/// The part of a job's id that goes into file names.
pub(super) fn short(id: &str) -> &str {
    let random = id.rsplit('-').next().unwrap_or(id);
    random.get(..8).unwrap_or(random)
}

fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("bin", |(_, extension)| extension)
}

/// What is known of a request whose answer said nothing, with what MiniMax's support can find it by.
fn traced(error: &ApiError) -> String {
    match error.trace_id() {
        Some(trace) => format!("{error} (trace id {trace})"),
        None => error.to_string(),
    }
}

pub(super) fn failure(error: &ApiError) -> Failure {
    Failure {
        message: error.to_string(),
        blame: blame_word(error.blame()).to_owned(),
        advice: error.advice(),
        code: error.code(),
        trace_id: error.trace_id().map(str::to_owned),
    }
}

/// A task that MiniMax took and that ended without a result.
fn ended(code: Option<i64>, message: &str) -> Failure {
    let message = message.to_owned();
    let refused =
        ApiError::Refused { path: "the task", status: 200, code, message, trace_id: None, retry_after: None };
    match code {
        Some(_) => failure(&refused),
        None => Failure {
            message: refused.to_string(),
            blame: blame_word(Blame::Weather).to_owned(),
            advice: "Make it again, or change the prompt.".to_owned(),
            code: None,
            trace_id: None,
        },
    }
}

/// Nothing was handed over, by MiniMax's own account.
fn withheld(message: &str) -> Failure {
    Failure {
        message: format!("MiniMax answered, but {message}"),
        blame: blame_word(Blame::Caller).to_owned(),
        advice: "Rephrase the prompt and make it again.".to_owned(),
        code: None,
        trace_id: None,
    }
}

fn blame_word(blame: Blame) -> &'static str {
    match blame {
        Blame::Caller => "caller",
        Blame::Operator => "operator",
        Blame::Weather => "weather",
        Blame::Crate => "crate",
    }
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
