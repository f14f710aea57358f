//! Work that outlives a call: time and money.
//!
//! A job is a row before it is a request. [`Jobs::start`] writes the row, sends the request once and hands back a
//! channel; from then on a task of the server's own follows the job to its end, whoever listens. A process that
//! finds an open job whose process has died takes it over. What a caller sees of a job is always a value that
//! has been written.

mod account;
mod begin;
mod cancel;
mod deliver;
mod failure;
mod follow;
mod keys;
mod look;
mod overflow;
mod paid;
mod receive;
mod records;
mod reservation;
mod run;
mod speech;
mod spool_retry;
mod submit;
mod transcription;
mod turns;
mod unpack;
mod voice;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::{OnceCell, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use cancel::Cancel;
pub use keys::{INSTEAD_OF_PLAN, PaysWith, name_key};
pub use paid::Paid;
pub use receive::FIRST_SOUND;
pub use reservation::Reservation;
pub use speech::SpeechOrder;
pub use transcription::Transcription;
pub use voice::Clone as VoiceClone;

pub use crate::clock::now;
pub use crate::store::{
    Answer, CALLERS, Conversation, Cost, Denied, Failure, Filter, Job, JobFile, Kept, Kind, Limit, Limits,
    NotBought, OnDisk, Owner, Page, Purchase, RemoteKind, Route, STATUSES, Said, Seen, Spending, Spent,
    State, StoreError, Task, Wrapped, amount_words, millionths, random_id,
};

use account::{Account, Guests};

use crate::api::{ApiError, Client, Progress};
use crate::media::{Fetcher, Guard, Roots};
use crate::store::{Store, sweep_often};
use follow::Live;
use spool_retry::Unwritten;

/// What the jobs take of the settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the records are.
    pub data_dir: PathBuf,
    /// Where results go that have no folder of their own.
    pub base_path: PathBuf,
    /// The folders that results may go to.
    pub roots: Roots,
    /// Which tasks are ours to ask about: the API host, and a print of the server's own key.
    pub account: String,
    /// Whether the server's own key is that of a plan.
    pub is_plan: bool,
    /// Whether an order that the plan refuses is bought from the balance instead.
    pub plan_overflow: bool,
    /// How often a task is looked at.
    pub poll: Duration,
    /// Whether results may be fetched from this machine over plain http.
    pub loopback: bool,
    /// What may be spent.
    pub limits: Limits,
    /// How long ended jobs are kept in the records; `None` keeps them for good.
    pub keep: Option<Duration>,
}

/// An order that has passed every check.
#[derive(Debug)]
pub struct Order {
    /// The tool that takes it.
    pub tool: &'static str,
    /// Whose it is.
    pub principal: String,
    /// What the principal may spend in 24 hours, in millionths.
    pub allowance: Option<i64>,
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

/// The jobs of this process, as one account of MiniMax's sees them. A handle: cloning is cheap.
#[derive(Debug, Clone)]
pub struct Jobs {
    shared: Arc<Shared>,
    /// What is asked and bought through this handle is asked and bought with this account's key.
    account: Arc<Account>,
}

#[derive(Debug)]
struct Shared {
    /// That of the server's own key.
    own: Arc<Account>,
    /// That of the plan's key, where the server has one beside its own.
    plan: Option<Arc<Account>>,
    guests: Guests,
    settings: Settings,
    store: OnceCell<Arc<Store>>,
    /// Jobs that a task of this process follows. A std mutex: it is never held across an await.
    live: Mutex<HashMap<String, Live>>,
    tracker: TaskTracker,
    stop: CancellationToken,
    fetcher: Fetcher,
    downloads: turns::Turns,
    unwritten: Unwritten,
    /// When it was last seen whether records can be written, and what was seen.
    readiness: tokio::sync::Mutex<Option<(Instant, Result<(), &'static str>)>>,
}

/// For so long nobody looks again whether records can be written.
const READY_FOR: Duration = Duration::from_secs(1);

impl Jobs {
    /// Opens nothing: the records are opened when the first job is asked for.
    ///
    /// `plan` is the client and the account's name of a second key, that of a plan.
    pub fn new(api: Client, plan: Option<(Client, String)>, settings: Settings) -> Self {
        crate::clock::begin();
        let guard = Guard { loopback_http: settings.loopback, ..Guard::default() };
        let own = Arc::new(Account { client: api, name: settings.account.clone() });
        let plan = plan.map(|(client, name)| Arc::new(Account { client, name }));
        Self {
            account: Arc::clone(&own),
            shared: Arc::new(Shared {
                own,
                plan,
                guests: Guests::default(),
                settings,
                store: OnceCell::new(),
                live: Mutex::default(),
                tracker: TaskTracker::new(),
                stop: CancellationToken::new(),
                fetcher: Fetcher::new(guard),
                downloads: turns::Turns::default(),
                unwritten: Unwritten::default(),
                readiness: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// Fetches links, for inputs that have to be uploaded.
    pub fn fetcher(&self) -> &Fetcher {
        &self.shared.fetcher
    }

    /// As [`Self::fetcher`], for downloads that are resumed where an earlier process has left them. That takes a key of
    /// the records; without records, nothing is resumed.
    pub async fn resuming_fetcher(&self) -> &Fetcher {
        if let Err(error) = self.store().await {
            tracing::info!(%error, "an interrupted download will not be resumed by the next process");
        }
        &self.shared.fetcher
    }

    /// MiniMax, asked with this handle's key.
    pub fn api(&self) -> &Client {
        &self.account.client
    }

    async fn store(&self) -> Result<&Arc<Store>, StoreError> {
        self.shared
            .store
            .get_or_try_init(|| async {
                let owner = random_id("server");
                let store = Arc::new(Store::open(&self.shared.settings.data_dir, owner).await?);
                self.shared.fetcher.resume_with(Sha256::digest(store.secret("downloads").await?).into());
                // Before anybody is told what the records say.
                Box::pin(self.gather_everywhere(&store)).await;
                // As the server itself: whoever happens to open the records must not be held for that.
                let own = Self { account: Arc::clone(&self.shared.own), ..self.clone() };
                let tending = own.tend_orphans(Arc::clone(&store));
                let (stop, keep) = (self.shared.stop.clone(), self.shared.settings.keep);
                let sweeping = sweep_often(Arc::clone(&store), keep);
                self.shared.tracker.spawn(async move {
                    tokio::join!(tending, stop.run_until_cancelled(sweeping));
                });
                Ok(store)
            })
            .await
    }

    /// Whether records can be written; if not, what is wrong. Looked at once a second at most, whoever asks.
    pub async fn check(&self) -> Result<(), &'static str> {
        let mut readiness = self.shared.readiness.lock().await;
        if let Some((at, known)) = *readiness
            && at.elapsed() < READY_FOR
        {
            return known;
        }
        let probing = async { self.store().await?.probe().await };
        let found = probing.await.map_err(|error: StoreError| {
            tracing::error!(%error, "not ready");
            error.brief()
        });
        *readiness = Some((Instant::now(), found));
        found
    }

    /// Takes up what earlier processes left unfinished, if there are records at all.
    pub async fn resume(&self) -> Result<(), StoreError> {
        if self.shared.settings.data_dir.join(Store::FILE).exists() {
            self.store().await?;
        }
        Ok(())
    }

    /// What whoever runs the server should know of the records.
    pub async fn notice(&self) -> Result<Option<String>, StoreError> {
        Ok(self.store().await?.notice().map(str::to_owned))
    }

    /// How many jobs there are in the records, by kind and status.
    pub async fn counts(&self) -> Result<Vec<(String, String, i64)>, StoreError> {
        if !self.shared.settings.data_dir.join(Store::FILE).exists() {
            return Ok(Vec::new());
        }
        self.store().await?.counts().await
    }

    /// The job as the records have it.
    pub async fn get(&self, principal: &str, id: &str) -> Result<Option<Job>, StoreError> {
        Ok(self.store().await?.get(principal, id).await?.map(|job| self.with_news(job)))
    }

    /// A job, whoever it belongs to: for a link whose signature was the permission.
    pub async fn of_anybody(&self, id: &str) -> Result<Option<Job>, StoreError> {
        Ok(self.store().await?.of_anybody(id).await?.map(|job| self.with_news(job)))
    }

    /// The job that was ordered with this key, if there is one. Nothing is bought for it again.
    pub async fn by_key(&self, principal: &str, key: &str) -> Result<Option<(Watch, String)>, StoreError> {
        let mut found = None;
        for account in self.keys_of_payer() {
            found = self.store().await?.by_key(principal, &account.name, key).await?;
            if found.is_some() {
                break;
            }
        }
        Ok(found.map(|job| {
            let job = self.with_news(job);
            let digest = job.digest.clone();
            (self.channel(job), digest)
        }))
    }

    /// The job that holds a task of MiniMax's, if it is one of ours.
    pub async fn by_task(&self, principal: &str, task: &str) -> Result<Option<Job>, StoreError> {
        for account in self.keys_of_payer() {
            if let Some(job) = self.store().await?.by_task(principal, &account.name, task).await? {
                return Ok(Some(self.with_news(job)));
            }
        }
        Ok(None)
    }

    /// A page of jobs, newest first.
    pub async fn list(&self, principal: &str, filter: &Filter) -> Result<Page, StoreError> {
        let Page { jobs, next } = self.store().await?.list(principal, filter).await?;
        Ok(Page { jobs: jobs.into_iter().map(|job| self.with_news(job)).collect(), next })
    }

    /// The key and the endpoint that know a task, found by asking each; `None` when none does.
    pub async fn find_task(&self, id: &str) -> Result<Option<(Self, Route)>, ApiError> {
        let mut last = None;
        for jobs in self.each_key() {
            match jobs.find_route(id).await {
                Ok(Some(route)) => return Ok(Some((jobs, route))),
                Ok(None) => {}
                Err(error) => last = Some(error),
            }
        }
        last.map_or(Ok(None), Err)
    }

    async fn find_route(&self, id: &str) -> Result<Option<Route>, ApiError> {
        let mut last = None;
        for route in [Route::VideoV1, Route::VideoV2, Route::VideoTemplate] {
            let task = Task { route, id: id.to_owned() };
            match paid::look(self.api(), &task).await {
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
        self.keys_of_payer().any(|account| account.name == job.account)
    }

    /// Ends this process's work: what is on its way to MiniMax may still be answered within `patience`; all else
    /// stops at once and is taken up by the next process.
    pub async fn shut_down(&self, patience: Duration) {
        self.shared.stop.cancel();
        self.shared.tracker.close();
        if tokio::time::timeout(patience, self.shared.tracker.wait()).await.is_err() {
            tracing::warn!(
                "a request was still unanswered: its job, if it is one, will say `unknown`, and it may be billed"
            );
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

    /// Runs to its end what must not end with a call: the server's end waits for it as for a job.
    pub fn outlive(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.shared.tracker.spawn(work);
    }

    fn live(&self) -> MutexGuard<'_, HashMap<String, Live>> {
        // A poisoned table is still a table of channels.
        self.shared.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
