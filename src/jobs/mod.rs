//! Work that outlives a call: time and money.
//!
//! A job is a row before it is a request. [`Jobs::start`] writes the row, sends the request once and hands back a
//! channel; from then on a task of the server's own follows the job to its end, whoever listens. A process that
//! finds an open job whose process has died takes it over. What a caller sees of a job is always a value that
//! has been written.

mod cancel;
mod conversation;
mod deliver;
mod failure;
mod job;
mod ledger;
mod open;
mod paid;
mod receive;
mod reserve;
mod run;
mod salvage;
mod speech;
mod state;
#[cfg(test)]
mod state_laws;
mod store;
mod submit;
mod transcription;
mod turns;
mod unpack;
mod voice;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OnceCell, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use cancel::Cancel;
pub use conversation::{Conversation, Kept, Said};
pub use job::{Cost, Job, JobFile, Kind, OnDisk, Wrapped, now};
pub use ledger::{Denied, Limit, Limits, NotBought, Purchase, Spending, Spent, amount_words, millionths};
pub use paid::Paid;
pub use receive::FIRST_SOUND;
pub use reserve::Reservation;
pub use speech::SpeechOrder;
pub use state::{Failure, Route, STATUSES, Seen, State, Task};
pub use store::{Filter, Page, StoreError};
pub use transcription::Transcription;
pub use voice::Clone as VoiceClone;

use crate::api::{ApiError, Client, Progress};
use crate::media::{Fetcher, Guard};
use crate::telemetry;
use store::{Inserted, Store};
use submit::Departure;

/// What the jobs take of the settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the records are.
    pub data_dir: PathBuf,
    /// Where results go that have no folder of their own.
    pub base_path: PathBuf,
    /// Which tasks are ours to ask about: the API host.
    pub account: String,
    /// How often a task is looked at.
    pub poll: Duration,
    /// Whether results may be fetched from this machine over plain http.
    pub loopback: bool,
    /// What may be spent.
    pub limits: Limits,
}

/// An order that has passed every check.
#[derive(Debug)]
pub struct Order {
    /// The tool that takes it.
    pub tool: &'static str,
    /// Whose it is.
    pub principal: String,
    /// What is bought.
    pub paid: Paid,
    /// The model's id.
    pub model: String,
    /// What it is about, in the caller's words.
    pub prompt: String,
    /// Where files go; `None` for links alone.
    pub folder: Option<PathBuf>,
    /// The estimate.
    pub cost: Cost,
    /// What the caller should know.
    pub warnings: Vec<String>,
    /// The caller's key for "the same order".
    pub idempotency_key: Option<String>,
    /// What tells this order from another: the arguments as they were given.
    pub digest: String,
    /// The sealed question that a person has said yes to, by its name.
    pub consent: Option<String>,
}

/// A job as it changes. What it has come to is on disk before it is here; looks that showed nothing are not kept.
pub type Watch = watch::Receiver<Arc<Job>>;

/// The jobs of this process. A handle: cloning is cheap.
#[derive(Debug, Clone)]
pub struct Jobs {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    api: Client,
    settings: Settings,
    store: OnceCell<Arc<Store>>,
    /// Jobs that a task of this process follows. A std mutex: it is never held across an await.
    live: Mutex<HashMap<String, Live>>,
    tracker: TaskTracker,
    stop: CancellationToken,
    fetcher: Fetcher,
    downloads: turns::Turns,
}

#[derive(Debug, Clone)]
struct Live {
    job: Watch,
    /// Wakes whoever follows the job: its record was changed from elsewhere.
    poke: Arc<Notify>,
}

/// A place on the table of those that are followed.
#[derive(Debug)]
struct Seat {
    sender: watch::Sender<Arc<Job>>,
    poke: Arc<Notify>,
}

impl Seat {
    fn take(table: &mut HashMap<String, Live>, job: &Job) -> Self {
        let (sender, receiver) = watch::channel(Arc::new(job.clone()));
        let poke = Arc::new(Notify::new());
        table.insert(job.id.clone(), Live { job: receiver, poke: Arc::clone(&poke) });
        Self { sender, poke }
    }
}

impl Jobs {
    /// Opens nothing: the records are opened when the first job is asked for.
    pub fn new(api: Client, settings: Settings) -> Self {
        let guard = Guard { loopback_http: settings.loopback, ..Guard::default() };
        Self {
            shared: Arc::new(Shared {
                api,
                settings,
                store: OnceCell::new(),
                live: Mutex::default(),
                tracker: TaskTracker::new(),
                stop: CancellationToken::new(),
                fetcher: Fetcher::new(guard),
                downloads: turns::Turns::default(),
            }),
        }
    }

    /// Fetches links, for inputs that have to be uploaded.
    pub fn fetcher(&self) -> &Fetcher {
        &self.shared.fetcher
    }

    /// MiniMax, for calls that need no job.
    pub fn api(&self) -> &Client {
        &self.shared.api
    }

    async fn store(&self) -> Result<&Arc<Store>, StoreError> {
        self.shared
            .store
            .get_or_try_init(|| async {
                let owner = random_id("server");
                let store = Arc::new(Store::open(&self.shared.settings.data_dir, owner).await?);
                self.shared.tracker.spawn(self.clone().tend_orphans(Arc::clone(&store)));
                Ok(store)
            })
            .await
    }

    /// Whether records can be written.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.store().await.map(drop)
    }

    /// Takes up what earlier processes left unfinished, if there are records at all.
    pub async fn resume(&self) -> Result<(), StoreError> {
        if self.shared.settings.data_dir.join(Store::FILE).exists() {
            self.store().await?;
        }
        Ok(())
    }

    /// Writes the record, and lets the request leave once. The second value tells that the order was there
    /// already, by its `idempotency_key`, and nothing was bought.
    ///
    /// Record and request belong to the server, not to the call: a caller that goes away in this very moment
    /// does not tear them apart.
    pub async fn start(&self, order: Order) -> Result<(Watch, bool), NotBought> {
        let jobs = self.clone();
        let beginning = telemetry::ordered(async move { jobs.begin(order).await });
        let started = self.shared.tracker.spawn(beginning).await;
        started.unwrap_or_else(|_| Err(StoreError::stopping(&self.shared.settings.data_dir).into()))
    }

    async fn begin(&self, order: Order) -> Result<(Watch, bool), NotBought> {
        if self.shared.stop.is_cancelled() {
            return Err(StoreError::stopping(&self.shared.settings.data_dir).into());
        }
        let purchase = Purchase {
            tool: order.tool,
            principal: order.principal.clone(),
            model: order.model.clone(),
            currency: order.cost.currency.clone(),
            estimate: order.cost.ceiling(),
            consent: order.consent,
        };
        let at = now();
        let departure = Departure::of(&self.shared.api, order.paid);
        let (id, kind) = (random_id(departure.paid.kind().word()), departure.paid.kind());
        let mut job = Job {
            id,
            principal: order.principal,
            kind,
            tool: order.tool.to_owned(),
            model: order.model,
            account: self.shared.settings.account.clone(),
            prompt: order.prompt,
            digest: order.digest,
            request: departure.paid.record(),
            idempotency_key: order.idempotency_key,
            folder: order.folder,
            state: departure.state(),
            waiting: departure.waiting(),
            files: Vec::new(),
            text: None,
            voice_id: None,
            missing: 0,
            may_be_billed: false,
            unread: None,
            usage: None,
            cost: order.cost,
            warnings: order.warnings,
            created_at: at,
            updated_at: at,
            later: serde_json::Map::new(),
        };
        job.warnings.extend(self.notice().await?);
        self.enter(job, Some((departure, purchase))).await
    }

    /// What whoever runs the server should know of the records.
    pub async fn notice(&self) -> Result<Option<String>, StoreError> {
        Ok(self.store().await?.notice().map(str::to_owned))
    }

    /// How many jobs of this account there are, by kind and status.
    pub async fn counts(&self) -> Result<Vec<(String, String, i64)>, StoreError> {
        if !self.shared.settings.data_dir.join(Store::FILE).exists() {
            return Ok(Vec::new());
        }
        self.store().await?.counts(&self.shared.settings.account).await
    }

    /// Takes over a task that another program has submitted, or finds the job that it is.
    pub async fn adopt(&self, job: Job) -> Result<(Watch, bool), NotBought> {
        let jobs = self.clone();
        let entering = telemetry::ordered(async move { jobs.enter(job, None).await });
        let adopted = self.shared.tracker.spawn(entering).await;
        adopted.unwrap_or_else(|_| Err(StoreError::stopping(&self.shared.settings.data_dir).into()))
    }

    /// The job is on the table of those that are followed before its row is there: whoever finds the row must
    /// find it followed, or would take it for one whose process has died.
    async fn enter(
        &self,
        job: Job,
        bought: Option<(Departure, Purchase)>,
    ) -> Result<(Watch, bool), NotBought> {
        let store = self.store().await?;
        let seat = Seat::take(&mut self.live(), &job);
        let (departure, purchase) = bought.unzip();
        let limits = &self.shared.settings.limits;
        let first = match store.insert(&job, purchase.as_ref().map(|purchase| (purchase, limits))).await {
            Ok(Inserted::New) => return Ok((self.run(seat, departure), false)),
            Ok(Inserted::Existing(first)) => Ok(first),
            Ok(Inserted::Denied(denied)) => Err(NotBought::Denied(denied)),
            Err(error) => Err(error.into()),
        };
        self.live().remove(&job.id);
        Ok((self.channel(*first?), true))
    }

    /// The job as the records have it.
    pub async fn get(&self, principal: &str, id: &str) -> Result<Option<Job>, StoreError> {
        self.store().await?.get(principal, id).await
    }

    /// A job, whoever it belongs to: for a link whose signature was the permission.
    pub async fn of_anybody(&self, id: &str) -> Result<Option<Job>, StoreError> {
        self.store().await?.of_anybody(id).await
    }

    /// A blank job for a task that was submitted elsewhere.
    pub fn foreign(&self, principal: &str, tool: &str, task: Task, folder: Option<PathBuf>) -> Job {
        let at = now();
        Job {
            id: random_id(Kind::Video.word()),
            principal: principal.to_owned(),
            kind: Kind::Video,
            tool: tool.to_owned(),
            model: String::new(),
            account: self.shared.settings.account.clone(),
            prompt: format!("task {}", task.id),
            request: serde_json::Value::Null,
            digest: String::new(),
            idempotency_key: None,
            folder,
            state: State::Running { task, word: State::UNSEEN.to_owned(), misses: 0, trouble: None },
            waiting: None,
            files: Vec::new(),
            text: None,
            voice_id: None,
            missing: 0,
            may_be_billed: false,
            unread: None,
            usage: None,
            cost: Cost::default(),
            warnings: Vec::new(),
            created_at: at,
            updated_at: at,
            later: serde_json::Map::new(),
        }
    }

    /// The job that was ordered with this key, if there is one. Nothing is bought for it again.
    pub async fn by_key(&self, principal: &str, key: &str) -> Result<Option<(Watch, String)>, StoreError> {
        let found = self.store().await?.by_key(principal, &self.shared.settings.account, key).await?;
        Ok(found.map(|job| {
            let digest = job.digest.clone();
            (self.channel(job), digest)
        }))
    }

    /// The job that holds a task of MiniMax's, if it is one of ours.
    pub async fn by_task(&self, principal: &str, task: &str) -> Result<Option<Job>, StoreError> {
        self.store().await?.by_task(principal, &self.shared.settings.account, task).await
    }

    /// Whether a task of MiniMax's was ordered by another principal.
    pub async fn is_of_another(&self, principal: &str, task: &str) -> Result<bool, StoreError> {
        self.store().await?.is_of_another(principal, &self.shared.settings.account, task).await
    }

    /// A page of jobs, newest first.
    pub async fn list(&self, principal: &str, filter: &Filter) -> Result<Page, StoreError> {
        self.store().await?.list(principal, filter).await
    }

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
    fn wake(&self, id: &str) {
        if let Some(live) = self.live().get(id) {
            live.poke.notify_one();
        }
    }

    /// Which endpoint knows a task, found by asking each; `None` when none does.
    pub async fn find_task(&self, id: &str) -> Result<Option<Route>, ApiError> {
        let mut last = None;
        for route in [Route::VideoV1, Route::VideoV2, Route::VideoTemplate] {
            let task = Task { route, id: id.to_owned() };
            match paid::look(&self.shared.api, &task).await {
                // V1 answers for a task it does not know with a status that is no status.
                Ok(Progress::Pending(word)) if word.is_empty() || word.eq_ignore_ascii_case("unknown") => {}
                Ok(_) => return Ok(Some(route)),
                Err(error) if error.blame() == crate::api::Blame::Caller => {}
                Err(error) => last = Some(error),
            }
        }
        last.map_or(Ok(None), Err)
    }

    /// A task of another host or account cannot be asked about from here.
    pub fn is_ours(&self, job: &Job) -> bool {
        job.account == self.shared.settings.account
    }

    /// Ends this process's work: what is on its way to MiniMax may still be answered within `patience`; all else
    /// stops at once and is taken up by the next process.
    pub async fn shut_down(&self, patience: Duration) {
        self.shared.stop.cancel();
        self.shared.tracker.close();
        if tokio::time::timeout(patience, self.shared.tracker.wait()).await.is_err() {
            tracing::warn!("a request was still unanswered; its job will say `unknown`");
        }
        if let Some(store) = self.shared.store.get() {
            if let Err(error) = store.release().await {
                tracing::warn!(%error, "the leases run out by themselves");
            }
            store.close().await;
        }
    }

    /// How many jobs this process follows, and how many tasks it runs for that: for tests of what is left behind.
    pub fn census(&self) -> (usize, usize) {
        (self.live().len(), self.shared.tracker.len())
    }

    fn live(&self) -> MutexGuard<'_, HashMap<String, Live>> {
        // A poisoned table is still a table of channels.
        self.shared.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The job's channel: the one that is there, a new one with somebody to follow it, or one that is over.
    fn channel(&self, job: Job) -> Watch {
        if let Some(live) = self.live().get(&job.id) {
            return live.job.clone();
        }
        if job.state.is_over() || !self.is_ours(&job) {
            return watch::channel(Arc::new(job)).1;
        }
        self.follow(&job)
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
    fn run(&self, seat: Seat, departure: Option<Departure>) -> Watch {
        let receiver = seat.sender.subscribe();
        let (jobs, job) = (self.clone(), receiver.borrow().clone());
        let running = async move { run::Run::new(jobs, seat).until_over(departure).await };
        self.shared.tracker.spawn(telemetry::job(&job.id, job.kind.word(), running));
        receiver
    }

    /// Keeps our leases and looks for jobs whose process has died, until the server stops.
    async fn tend_orphans(self, store: Arc<Store>) {
        let pause = Duration::from_millis(u64::try_from(store::LEASE / 3).unwrap_or(1000));
        let account = self.shared.settings.account.clone();
        loop {
            let followed: Vec<_> = self.live().keys().cloned().collect();
            match store.renew(&account, &followed).await {
                Ok(open) => {
                    let unfollowed = |id: &String| !self.live().contains_key(id);
                    for id in open.into_iter().filter(unfollowed) {
                        self.take_over(&store, &id).await;
                    }
                }
                Err(error) => tracing::warn!(%error, "leases were not renewed"),
            }
            let over = self.shared.stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none();
            if over {
                return;
            }
        }
    }

    async fn take_over(&self, store: &Store, id: &str) {
        match store.claim(id).await {
            Ok(Some(job)) => {
                tracing::info!(job = id, "taken up from a process that has ended");
                drop(self.follow(&job));
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(job = id, %error, "an open job cannot be read"),
        }
    }
}

/// A link that has ended or may have, or will before it can be used.
fn has_stale_link(job: &Job) -> bool {
    job.files.iter().any(JobFile::is_stale)
}

/// A name that cannot be guessed: 128 random bits behind a word that says what it is.
pub fn random_id(word: &str) -> String {
    let mut bits = [0_u8; 16];
    // Without randomness from the system there is no safe name; the time at least keeps names apart.
    if getrandom::fill(&mut bits).is_err() {
        bits = u128::try_from(now()).unwrap_or_default().to_be_bytes();
    }
    format!("{word}-{}", data_encoding::BASE32_NOPAD.encode(&bits).to_lowercase())
}
