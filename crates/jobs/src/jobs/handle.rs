//! The handle through which a caller's tools reach the jobs and the rows.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::registry::Registry;
use super::shared_limits;
use super::spool_retry::SpoolRetry;
use super::tenants::{Tenant, Tenants};
use super::undelivered;
use super::worker::download_slots::DownloadSlots;
use crate::api::Client;
use crate::bucket::{Bucket, BucketProblem};
use crate::download::{Fetcher, Guard};
use crate::media::Roots;
use crate::money::{Currency, Money};
use crate::store::{
    Answer, Conversation, Filter, Job, Kept, Limit, Limits, NotBought, Page, RemovedJob, Retention, Spending,
    Spent, Store, StoreError, random_id, sweep_often,
};

/// The settings of the jobs.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own among the settings")]
pub struct Settings {
    /// The folder of the database.
    pub data_dir: PathBuf,
    /// The PostgreSQL database that is used instead of the one in that folder.
    pub store_url: Option<SecretString>,
    /// The bucket that is used instead of the folders for results.
    pub bucket: Option<Bucket>,
    /// The folder for results of jobs that name no folder.
    pub base_path: PathBuf,
    /// The folders that results may be written to.
    pub roots: Roots,
    /// The name of the server's own account: the API host and a fingerprint of the key.
    pub account: String,
    /// Whether the server's own key is that of a plan.
    pub is_plan: bool,
    /// Whether an order that the plan refuses is bought from the balance instead.
    pub plan_overflow: bool,
    /// The time between polls of a task.
    pub poll: Duration,
    /// If true, the API is the sandbox, and links to this machine may be fetched over plain HTTP.
    pub sandbox: bool,
    /// The API's own origin. Links of results may lead there, wherever it is.
    pub api: Option<Url>,
    /// What may be spent.
    pub limits: Limits,
    /// How long ended jobs are kept.
    pub retention: Retention,
    /// Whether a message is sent to the webhook when a job ends.
    pub announces: bool,
}

/// The jobs of this process, seen by one MiniMax account. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Jobs {
    pub(super) shared: Arc<Shared>,
    /// The account that pays for what this handle buys.
    pub(super) tenant: Arc<Tenant>,
}

#[derive(Debug)]
pub(super) struct Shared {
    /// The account of the server's own key.
    pub(super) own: Arc<Tenant>,
    /// The account of the plan's key, if the server has one beside its own.
    pub(super) plan: Option<Arc<Tenant>>,
    pub(super) tenants: Tenants,
    pub(super) settings: Settings,
    store: Arc<OnceCell<Arc<Store>>>,
    pub(super) registry: Arc<Registry>,
    pub(super) tracker: TaskTracker,
    pub(super) stop: CancellationToken,
    /// Fetches links of results.
    pub(super) fetcher: Fetcher,
    /// Fetches links that callers give.
    inputs: Fetcher,
    pub(super) download_slots: DownloadSlots,
    pub(super) spool: Arc<SpoolRetry>,
    /// The last readiness check: when, and its result.
    readiness: tokio::sync::Mutex<Option<(Instant, Result<(), &'static str>)>>,
}

/// How long to wait for the bucket's answer about a saved object. Without an answer, the object counts as there.
const LOOK: Duration = Duration::from_secs(2);

/// How long the result of a readiness check is reused.
const READY_FOR: Duration = Duration::from_secs(1);

impl Jobs {
    /// Opens nothing: the database is opened when it is first needed.
    ///
    /// `plan` is a second key, of a plan: its client and the name of its account.
    pub fn new(api: Client, plan: Option<(Client, String)>, settings: Settings) -> Self {
        crate::clock::begin();
        let guard = Guard { loopback_http: settings.sandbox, ..Guard::default() };
        let results = guard.clone().trusting(settings.api.as_ref());
        let own = Arc::new(Tenant::new(api, settings.account.clone()));
        let plan = plan.map(|(client, name)| Arc::new(Tenant::new(client, name)));
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let (store, registry) = (Arc::<OnceCell<_>>::default(), Arc::<Registry>::default());
        let spool = SpoolRetry {
            data_dir: settings.data_dir.clone(),
            base_path: settings.base_path.clone(),
            roots: settings.roots.clone(),
            registry: Arc::clone(&registry),
            store: Arc::clone(&store),
            tracker: tracker.clone(),
            stop: stop.clone(),
            pending: std::sync::Mutex::default(),
            file: tokio::sync::Mutex::default(),
            left: std::sync::Mutex::default(),
        };
        Self {
            tenant: Arc::clone(&own),
            shared: Arc::new(Shared {
                own,
                plan,
                tenants: Tenants::default(),
                settings,
                store,
                registry,
                tracker,
                stop,
                fetcher: Fetcher::new(results),
                inputs: Fetcher::new(guard),
                download_slots: DownloadSlots::default(),
                spool: Arc::new(spool),
                readiness: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// Fetches links that a caller gives.
    pub fn input_fetcher(&self) -> &Fetcher {
        &self.shared.inputs
    }

    /// Fetches links that MiniMax gave. They may lead to the API's own origin.
    pub fn result_fetcher(&self) -> &Fetcher {
        &self.shared.fetcher
    }

    /// Opens the database, whose secret key lets the fetchers resume downloads of earlier processes.
    pub async fn prepare_resume(&self) {
        if let Err(error) = self.store().await {
            tracing::info!(%error, "interrupted downloads of earlier processes cannot be resumed");
        }
    }

    /// The API client with this handle's key.
    pub fn api(&self) -> &Client {
        self.tenant.client(|limiter| {
            let jobs = self.of_server();
            let store = move || {
                let jobs = jobs.clone();
                async move { jobs.store().await.cloned() }
            };
            self.until_stopped(shared_limits::serve(limiter, self.tenant.name.clone(), store));
        })
    }

    /// A handle with the server's own account.
    pub(super) fn of_server(&self) -> Self {
        Self { tenant: Arc::clone(&self.shared.own), ..self.clone() }
    }

    pub(super) async fn store(&self) -> Result<&Arc<Store>, StoreError> {
        self.shared
            .store
            .get_or_try_init(|| async {
                let owner = random_id("server");
                let Settings { data_dir, store_url, .. } = &self.shared.settings;
                let store = match store_url {
                    Some(url) => Box::pin(Store::connect(url, data_dir, owner)).await?,
                    None => Box::pin(Store::open(data_dir, owner)).await?,
                };
                let store = Arc::new(store.announcing(self.shared.settings.announces));
                let secret: [u8; 32] = Sha256::digest(store.secret("downloads").await?).into();
                self.shared.fetcher.resume_with(secret);
                self.shared.inputs.resume_with(secret);
                // Spooled updates reach the database before a caller reads its rows.
                Box::pin(self.shared.spool.drain_everywhere(&store)).await;
                // The background tasks hold the server's own account: one that holds a caller's would keep its key in
                // memory forever.
                let own = self.of_server();
                let renewing = own.clone().renew_lease(Arc::clone(&store));
                #[expect(
                    clippy::disallowed_methods,
                    reason = "it must continue while the tracker waits for paid requests, and ends when the jobs are handed over"
                )]
                tokio::spawn(renewing);
                let adopting = own.adopt_orphans(Arc::clone(&store));
                let (stop, rules) = (self.shared.stop.clone(), self.shared.settings.retention.clone());
                let sweeping = sweep_often(Arc::clone(&store), rules);
                let undelivered = undelivered::sweep_often(data_dir.clone(), Arc::clone(&store));
                self.shared.tracker.spawn(async move {
                    let sweeping = async { tokio::join!(sweeping, undelivered) };
                    tokio::join!(adopting, stop.run_until_cancelled(sweeping));
                });
                Ok(store)
            })
            .await
    }

    /// Whether rows can be written; if not, what is wrong. Checked at most once a second.
    pub async fn check(&self) -> Result<(), &'static str> {
        let mut readiness = self.shared.readiness.lock().await;
        if let Some((at, known)) = *readiness
            && at.elapsed() < READY_FOR
        {
            return known;
        }
        let probing = async { self.store().await?.probe().await };
        let mut found = probing.await.map_err(|error: StoreError| {
            tracing::error!(%error, "not ready");
            error.brief()
        });
        if let (Ok(()), Some(bucket)) = (found, self.bucket()) {
            found = bucket.check().await.map_err(|problem| {
                tracing::error!(%problem, "not ready");
                "the bucket cannot be used"
            });
        }
        *readiness = Some((Instant::now(), found));
        found
    }

    /// The bucket for files, if there is one.
    pub fn bucket(&self) -> Option<&Bucket> {
        self.shared.settings.bucket.as_ref()
    }

    /// Marks files that were removed since they were saved.
    pub(super) async fn forget_what_is_gone(&self, job: &mut Job) {
        for file in &mut job.files {
            let Some(saved) = &file.saved else { continue };
            let is_there = match (&saved.object, self.bucket()) {
                (None, _) => tokio::fs::try_exists(&saved.path).await.unwrap_or(true),
                (Some(object), Some(bucket)) => {
                    let looking = tokio::time::timeout(LOOK, bucket.head(&object.key));
                    !matches!(looking.await, Ok(Err(BucketProblem::Absent)))
                }
                // The file is in a bucket that this server does not know.
                (Some(_), None) => true,
            };
            if !is_there {
                file.saved = None;
                file.trouble = Some("the file was removed".to_owned());
            }
        }
    }

    /// Whether there may be rows. Creates no database.
    pub(super) fn has_records(&self) -> bool {
        let Settings { data_dir, store_url, .. } = &self.shared.settings;
        store_url.is_some() || data_dir.join(Store::FILE).exists()
    }

    /// Adopts what earlier processes left unfinished, if there is a database.
    pub async fn resume(&self) -> Result<(), StoreError> {
        if self.has_records() {
            self.store().await?;
        }
        Ok(())
    }

    /// What the operator should know about the database.
    pub async fn notice(&self) -> Result<Option<String>, StoreError> {
        Ok(self.store().await?.notice().map(str::to_owned))
    }

    /// The number of jobs by kind and status.
    pub async fn counts(&self) -> Result<Vec<(String, String, i64)>, StoreError> {
        if !self.has_records() {
            return Ok(Vec::new());
        }
        self.store().await?.counts().await
    }

    /// A job of this principal.
    pub async fn get(&self, principal: &str, id: &str) -> Result<Option<Job>, StoreError> {
        Ok(self.store().await?.get(principal, id).await?.map(|job| self.shared.spool.amend(job)))
    }

    /// Whether a job of this principal was removed.
    pub async fn removed(&self, principal: &str, id: &str) -> Result<Option<RemovedJob>, StoreError> {
        self.store().await?.removed(principal, id).await
    }

    /// A job of any principal, for a signed link: its signature is the permission.
    pub async fn of_anybody(&self, id: &str) -> Result<Option<Job>, StoreError> {
        Ok(self.store().await?.of_anybody(id).await?.map(|job| self.shared.spool.amend(job)))
    }

    /// A page of jobs, newest first.
    pub async fn list(&self, principal: &str, filter: &Filter) -> Result<Page, StoreError> {
        let page = self.store().await?.list(principal, filter).await?;
        let jobs = page.jobs.into_iter().map(|job| self.shared.spool.amend(job)).collect();
        Ok(Page { jobs, ..page })
    }

    /// Stops all work. Requests in flight may still be answered within `patience`; the next process adopts the rest.
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

    /// The ids of the jobs that this process works on.
    pub fn active(&self) -> Vec<String> {
        self.shared.registry.ids()
    }

    /// The number of active jobs and of background tasks in this process.
    pub fn active_counts(&self) -> (usize, usize) {
        (self.shared.registry.len(), self.shared.tracker.len())
    }

    /// Runs work that must not end with its call. Stopping the server waits for it.
    pub fn outlive(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.shared.tracker.spawn(work);
    }

    /// Runs work in the background until the server stops.
    pub fn until_stopped(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.shared.stop.clone();
        self.shared.tracker.spawn(async move { stop.run_until_cancelled(work).await });
    }

    /// A handle for a caller who brings a key. `name` identifies the key without revealing it. `None` if too many keys
    /// have work in progress.
    pub fn for_key(&self, name: &str, client: impl FnOnce() -> Client) -> Option<Self> {
        let tenant = self.shared.tenants.admit(name, client)?;
        Some(Self { shared: Arc::clone(&self.shared), tenant })
    }

    /// A handle for a caller who may not buy: `client` has no key.
    #[must_use]
    pub fn without_key_of_caller(&self, name: &str, client: Client) -> Self {
        let tenant = Arc::new(Tenant::new(client, name.to_owned()));
        Self { shared: Arc::clone(&self.shared), tenant }
    }

    /// The name of this handle's account.
    pub fn account(&self) -> &str {
        &self.tenant.name
    }

    /// By rate-limit group, how many requests of all accounts wait and how many are in flight.
    pub fn queue_lengths(&self) -> Vec<(&'static str, usize, usize)> {
        let mut sums: BTreeMap<_, (usize, usize)> = BTreeMap::new();
        for jobs in self.of_each_tenant() {
            for (group, waiting, in_flight) in jobs.api().rate_limiter().queue_lengths() {
                let sum = sums.entry(group).or_default();
                *sum = (sum.0 + waiting, sum.1 + in_flight);
            }
        }
        sums.into_iter().map(|(group, (waiting, in_flight))| (group, waiting, in_flight)).collect()
    }

    /// The number of callers' keys in memory, for tests of leaks.
    pub fn keys_held(&self) -> usize {
        self.shared.tenants.len()
    }

    /// A conversation of a principal, unless it has expired.
    pub async fn conversation(&self, principal: &str, id: &str) -> Result<Option<Conversation>, StoreError> {
        self.store().await?.conversation(principal, id).await
    }

    /// Stores a conversation after a turn, and deletes expired ones.
    pub async fn keep(&self, conversation: &Conversation) -> Result<Kept, StoreError> {
        self.store().await?.keep(conversation).await
    }

    /// Stores the answer of a call whose caller has left.
    pub async fn keep_answer(&self, of: &Answer, answer: &Value) -> Result<(), StoreError> {
        self.store().await?.keep_answer(of, &self.tenant.name, answer).await
    }

    /// Takes the stored answer for this call, if there is one: it is handed over once.
    pub async fn kept_answer(&self, of: &Answer) -> Result<Option<Value>, StoreError> {
        self.store().await?.kept_answer(of, &self.tenant.name).await
    }

    /// Records the owner of an uploaded file.
    pub async fn record_upload(&self, principal: &str, file_id: &str) -> Result<(), StoreError> {
        self.store().await?.record_upload(principal, &self.tenant.name, file_id).await
    }

    /// The key that seals questions to a person, so that no client can forge one.
    pub async fn seal_key(&self) -> Result<Vec<u8>, StoreError> {
        self.store().await?.secret("consent").await
    }

    /// Whether the budgets allow a purchase of `estimate` now. Checked before inputs are uploaded; reserving the
    /// money checks again.
    pub async fn afford(
        &self,
        principal: &str,
        budget_day: Option<Money>,
        estimate: Option<Money>,
        currency: Currency,
    ) -> Result<(), NotBought> {
        let settings = &self.shared.settings;
        let limits = settings.limits.with(budget_day);
        if limits.is_empty() {
            return Ok(());
        }
        let store = self.store().await?;
        let allowed = store.afford(&self.tenant.name, principal, currency, estimate, &limits).await?;
        allowed.map_err(NotBought::Denied)
    }

    /// What one more purchase may cost, and the limit that allows the least. `None` without a limit.
    pub async fn left(
        &self,
        principal: &str,
        budget_day: Option<Money>,
        currency: Currency,
    ) -> Result<Option<(Limit, Money)>, StoreError> {
        let limits = self.shared.settings.limits.with(budget_day);
        if limits.is_empty() {
            return Ok(None);
        }
        self.store().await?.left(&self.tenant.name, principal, currency, &limits).await
    }

    /// What the account has spent, by currency, `currency` first. Creates no database.
    pub async fn spending(&self, currency: Currency) -> Result<Vec<Spending>, StoreError> {
        if !self.has_records() {
            let nothing = Spent::nothing(currency);
            return Ok(vec![Spending { currency, day: nothing, process: nothing }]);
        }
        self.store().await?.spending(&self.tenant.name, currency).await
    }

    /// What a principal has spent in 24 hours. Creates no database.
    pub async fn spent_by(&self, principal: &str, currency: Currency) -> Result<Spent, StoreError> {
        if !self.has_records() {
            return Ok(Spent::nothing(currency));
        }
        self.store().await?.spent_by(&self.tenant.name, principal, currency).await
    }
}
