//! The server: what all calls share, and the services that work for one caller.

use std::path::Path;
use std::sync::Arc;

use rmcp::model::{ClientJsonRpcMessage, ClientNotification, JsonRpcMessage};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use secrecy::SecretString;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::api::{Client, KeyFile};
use crate::bucket::Bucket;
use crate::config::{Config, ConfigError, KeyKind, PlanOverflow, Region, read_key};
use crate::download::VerifiedFiles;
use crate::jobs::{CALLERS, Job, Jobs, Limits, OnDisk, PaysWith, Retention, Settings};
use crate::mcp::abandoned_calls::AbandonedCalls;
use crate::mcp::allowed_folders::AllowedFolders;
use crate::mcp::caller::Caller;
use crate::mcp::caller_key::{CallerKey, Payer, account_of};
use crate::mcp::catalogue::{Catalogue, ToolSpec};
use crate::mcp::checkout::Checkout;
use crate::mcp::choice::Choice;
use crate::mcp::download_links::{self, DownloadLinks, LinkProblem, Linked};
use crate::mcp::error::Unpaid;
use crate::mcp::inputs::Inputs;
use crate::mcp::inputs::work_permits::{CallerWork, WorkPermits};
use crate::mcp::policy::{CallPolicy, CallRates};
use crate::mcp::presenter::Presenter;
use crate::mcp::subscriptions::{Subscriber, Subscriptions};
use crate::mcp::telemetry;
use crate::mcp::uploads::Uploads;
use crate::media::{Resendable, Roots};
use crate::rate_limit::RateLimits;

/// The MCP server, as one caller sees it. A handle: cloning is cheap.
#[derive(Debug, Clone)]
pub struct Server {
    shared: Arc<Shared>,
    caller: Arc<Caller>,
    payer: Payer,
    key_kind: KeyKind,
    /// The jobs, with the key that pays for this caller.
    jobs: Jobs,
    /// Whether requests have no session, so that nothing can be sent after a response.
    stateless: bool,
    /// Whether a request without a caller is refused.
    require_caller: bool,
    pub(crate) policy: Arc<CallPolicy>,
    pub(crate) inputs: Arc<Inputs>,
    pub(crate) checkout: Arc<Checkout>,
    pub(crate) presenter: Arc<Presenter>,
}

/// What all callers share.
#[derive(Debug)]
struct Shared {
    config: Arc<Config>,
    pacing: RateLimits,
    folders: AllowedFolders,
    /// The tools, prompts and tables of this server.
    catalogue: Catalogue<Server>,
    available: Arc<[&'static ToolSpec]>,
    rates: Arc<CallRates>,
    work: Arc<WorkPermits>,
    /// `None` if remote callers have no address of this server.
    links: Option<Arc<DownloadLinks>>,
    uploads: Uploads,
    /// Results that were found unchanged.
    kept: VerifiedFiles,
    subscriptions: Arc<Subscriptions>,
    abandoned_calls: AbandonedCalls,
    /// Ends the waiting of every call.
    client_gone: CancellationToken,
}

impl Server {
    /// A server that offers the part of a catalogue that its settings allow. Nothing is opened or sent before the first
    /// call.
    pub fn new(config: Config, catalogue: Catalogue<Self>) -> Self {
        let pacing = RateLimits {
            keep: config.keeps_limits(),
            china: config.region == Region::Cn,
            shared: config.store_url.is_some(),
        };
        let roots = roots_of(&config);
        let keys = config.keys();
        let api = Client::with_limits(config.host.clone(), keys.first.cloned(), pacing);
        let api = api.with_key_file(key_file(keys.first_file));
        let api = if config.sandbox { api.with_own_paths() } else { api };
        let plan = keys.plan.map(|key| {
            // The key has its own queues, because MiniMax counts the requests of each key.
            let api = api.beside(Some(key.clone()), pacing).with_key_file(key_file(keys.plan_file));
            (api, account_of(&config, Some(key)))
        });
        let bucket = config.files.clone().map(Bucket::new);
        let settings = Settings {
            data_dir: config.data_dir.clone(),
            store_url: config.store_url.clone(),
            bucket: bucket.clone(),
            base_path: config.base_path.clone(),
            roots: roots.clone(),
            account: account_of(&config, keys.first),
            is_plan: keys.first_kind == KeyKind::Plan,
            plan_overflow: config.plan_overflow == PlanOverflow::Balance,
            poll: config.poll,
            sandbox: config.sandbox,
            api: url::Url::parse(&config.host).ok(),
            limits: Limits {
                day: config.budgets.day,
                call: config.budgets.call,
                process: config.budgets.process,
                // Each purchase brings the limit of its caller.
                principal: None,
            },
            retention: Retention {
                age: config.keep.age,
                bytes: config.keep.bytes,
                keeps_files: config.keep.files,
                base: config.base_path.clone(),
                bucket: bucket.clone(),
            },
            announces: config.announces(),
        };
        let jobs = Jobs::new(api, plan, settings);
        let catalogue = catalogue.narrowed(&config);
        let key_kind = config.key_kind();
        let shared = Arc::new(Shared {
            pacing,
            folders: AllowedFolders::new(roots),
            available: catalogue.offered().collect(),
            catalogue,
            rates: Arc::default(),
            work: Arc::default(),
            links: config.http.public_url.as_deref().map(|url| Arc::new(DownloadLinks::new(url))),
            uploads: Uploads::new(&config, jobs.bucket()),
            kept: VerifiedFiles::default(),
            subscriptions: Arc::default(),
            abandoned_calls: AbandonedCalls::default(),
            client_gone: CancellationToken::new(),
            config: Arc::new(config),
        });
        Self::assemble(shared, Caller::owner().into(), (jobs.pays_with().into(), key_kind), jobs)
    }

    /// The services for one caller and the key that pays.
    fn assemble(
        shared: Arc<Shared>,
        caller: Arc<Caller>,
        (payer, key_kind): (Payer, KeyKind),
        jobs: Jobs,
    ) -> Self {
        let (config, folders) = (Arc::clone(&shared.config), shared.folders.clone());
        let policy =
            CallPolicy::new(Arc::clone(&caller), Arc::clone(&shared.available), Arc::clone(&shared.rates));
        let presenter = Arc::new(Presenter::new(
            Arc::clone(&config),
            Arc::clone(&caller),
            payer,
            shared.links.clone(),
            jobs.bucket().cloned(),
            shared.client_gone.clone(),
        ));
        let inputs = Inputs::new(
            Arc::clone(&config),
            Arc::clone(&caller),
            payer,
            jobs.clone(),
            folders.clone(),
            shared.uploads.clone(),
            CallerWork::new(Arc::clone(&shared.work), Arc::clone(&caller)),
        );
        let checkout = Checkout::new(
            config,
            Arc::clone(&caller),
            (payer, key_kind),
            jobs.clone(),
            folders,
            Arc::clone(&presenter),
        );
        let (stateless, require_caller) = (false, false);
        Self {
            shared,
            caller,
            payer,
            key_kind,
            jobs,
            stateless,
            require_caller,
            policy: Arc::new(policy),
            inputs: Arc::new(inputs),
            checkout: Arc::new(checkout),
            presenter,
        }
    }

    /// The same server with another caller or another payer.
    fn with(&self, caller: Arc<Caller>, paying: (Payer, KeyKind), jobs: Jobs) -> Self {
        let (stateless, require_caller) = (self.stateless, self.require_caller);
        let me = Self::assemble(Arc::clone(&self.shared), caller, paying, jobs);
        Self { stateless, require_caller, ..me }
    }

    /// This server for a transport whose requests have no session.
    #[must_use]
    pub fn stateless(&self) -> Self {
        Self { stateless: true, ..self.clone() }
    }

    /// This server for a transport that authenticates its callers: a request without a caller is refused, and does not
    /// count as the owner's.
    #[must_use]
    pub fn for_authenticated_callers(self) -> Self {
        let caller = Caller { toolsets: Some(Vec::new()), ..Caller::remote("") };
        let me = self.with(caller.into(), (self.payer, self.key_kind), self.jobs.clone());
        Self { require_caller: true, ..me }
    }

    /// This server as the caller of a request sees it.
    pub(crate) fn for_caller(&self, call: &RequestContext<RoleServer>) -> Result<Self, ErrorData> {
        let parts = call.extensions.get::<http::request::Parts>();
        let Some((parts, caller)) = parts.and_then(|parts| Some((parts, parts.extensions.get::<Caller>()?)))
        else {
            if self.require_caller {
                // A mistake of the transport must not give an unknown caller the owner's rights.
                tracing::error!("a request came without a caller, and was refused");
                return Err(ErrorData::invalid_request("the request has no known caller", None));
            }
            return Ok(self.clone());
        };
        Ok(self.seen_by(caller.clone(), parts.extensions.get::<CallerKey>()))
    }

    /// This server for all calls of a caller who has a session.
    #[must_use]
    pub fn for_session(&self, caller: Caller, key: Option<&CallerKey>) -> Self {
        Self { require_caller: false, ..self.seen_by(caller, key) }
    }

    fn seen_by(&self, caller: Caller, key: Option<&CallerKey>) -> Self {
        let caller = Arc::new(caller);
        let key = match key {
            Some(key) => key,
            // Even if a transport forgets the key, the server's own must not pay.
            None if self.config().http.caller_keys && caller.remote => &CallerKey::Missing,
            None => return self.with(caller, (self.payer, self.key_kind), self.jobs.clone()),
        };
        let (paying, jobs) = self.paid_by(key);
        self.with(caller, paying, jobs)
    }

    /// Who pays for a request with this key, and the jobs with that key.
    fn paid_by(&self, key: &CallerKey) -> ((Payer, KeyKind), Jobs) {
        let unpaid = |why| ((Payer::Missing(why), KeyKind::Missing), self.without_key());
        match key {
            CallerKey::Given { key, fingerprint } => match self.with_key(key, fingerprint) {
                Some(jobs) => ((Payer::Caller, KeyKind::of(Some(key))), jobs),
                None => unpaid(Unpaid::Full),
            },
            CallerKey::Missing => unpaid(Unpaid::Missing),
            CallerKey::Unwanted => unpaid(Unpaid::Unwanted),
        }
    }

    fn with_key(&self, key: &SecretString, fingerprint: &str) -> Option<Jobs> {
        let name = format!("{}{CALLERS}{fingerprint})", self.config().account);
        self.jobs.for_key(&name, || self.api().beside(Some(key.clone()), self.shared.pacing))
    }

    fn without_key(&self) -> Jobs {
        // Without a key nothing is sent, so there is no rate limit to share.
        let pacing = RateLimits { shared: false, ..self.shared.pacing };
        let client = self.api().beside(None, pacing);
        self.jobs.without_key_of_caller(&self.config().account, client)
    }

    /// This server with one of its two keys; `None` if one key pays for everything.
    pub(crate) fn paying_with(&self, key: PaysWith) -> Option<Self> {
        let kind = match key {
            PaysWith::Plan => KeyKind::Plan,
            PaysWith::Balance => self.config().key_kind(),
        };
        let jobs = self.jobs.paying_with(key)?;
        Some(self.with(Arc::clone(&self.caller), (Some(key).into(), kind), jobs))
    }

    /// This server for an order that the plan has refused: it pays from the balance, if the settings allow that.
    pub(crate) fn instead_of_plan(&self) -> Option<Self> {
        let jobs = self.jobs.paying_with(PaysWith::Balance).filter(|_| self.jobs.overflows())?;
        let paying = (Payer::InsteadOfPlan, self.config().key_kind());
        Some(self.with(Arc::clone(&self.caller), paying, jobs))
    }

    /// The tools that a request chooses among those that its caller may use; `None` if the request makes no choice. The
    /// error is a sentence with the allowed names.
    pub fn chosen(&self, caller: &Caller, choice: &Choice) -> Result<Option<Vec<&'static str>>, String> {
        let (available, rates) = (Arc::clone(&self.shared.available), Arc::clone(&self.shared.rates));
        let policy = CallPolicy::new(Arc::new(caller.clone()), available, rates);
        choice.tools(&policy.offered().collect::<Vec<_>>(), self.catalogue())
    }

    /// The jobs behind the tools.
    pub fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// MiniMax's API, with the key that pays for this caller.
    pub(crate) fn api(&self) -> &Client {
        self.jobs.api()
    }

    pub(crate) fn config(&self) -> &Config {
        &self.shared.config
    }

    pub(crate) fn catalogue(&self) -> &Catalogue<Self> {
        &self.shared.catalogue
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The principal whose jobs, files and conversations this caller sees.
    pub(crate) fn principal(&self) -> &str {
        &self.caller.principal
    }

    pub(crate) fn payer(&self) -> Payer {
        self.payer
    }

    /// What kind of key pays, by its prefix.
    pub(crate) fn key_kind(&self) -> KeyKind {
        self.key_kind
    }

    /// The allowed folders, which a client on this machine can extend. `None` for a server whose callers are elsewhere.
    pub(super) fn client_folders(&self) -> Option<&AllowedFolders> {
        let here = !self.caller.remote && !self.require_caller && !self.stateless;
        here.then_some(&self.shared.folders)
    }

    pub(crate) fn is_stateless(&self) -> bool {
        self.stateless
    }

    pub(super) fn abandoned_calls(&self) -> &AbandonedCalls {
        &self.shared.abandoned_calls
    }

    pub(crate) fn client_gone_token(&self) -> &CancellationToken {
        &self.shared.client_gone
    }

    /// The first wrong setting, if there is one. It makes the server refuse every call.
    pub fn problem(&self) -> Option<&ConfigError> {
        self.config().problems.first()
    }

    /// Ends the waits of all calls, because the client has gone.
    pub fn client_gone(&self) {
        self.shared.client_gone.cancel();
    }

    /// Notes what must hold for every message after this one. A notification is handled concurrently with the requests
    /// that follow it, so its own handler may run too late.
    pub fn received(&self, message: &ClientJsonRpcMessage) {
        if let JsonRpcMessage::Notification(note) = message
            && let ClientNotification::RootsListChangedNotification(_) = &note.notification
            && let Some(folders) = self.client_folders()
        {
            folders.changed();
        }
    }

    /// The figures for a scrape, in the text format of Prometheus.
    pub async fn metrics(&self) -> String {
        telemetry::figures(&self.jobs, self.config().currency()).await
    }

    /// The files that remote callers upload to this server.
    pub fn uploads(&self) -> &Uploads {
        &self.shared.uploads
    }

    /// The file behind a download link.
    pub async fn linked_file(
        &self,
        job: &str,
        name: &str,
        expires: i64,
        signature: &str,
    ) -> Result<Linked, LinkProblem> {
        let links = self.shared.links.as_ref().ok_or(LinkProblem::Foreign)?;
        links.open(&self.jobs, &self.shared.kept, (job, name), expires, signature).await
    }

    /// Reads the key of download links, if this server makes any.
    pub(crate) async fn prepare_links(&self) {
        if let Some(links) = &self.shared.links {
            links.prepare(&self.jobs).await;
        }
    }

    /// A job as its owner sees it: a remote owner gets links instead of paths.
    pub(crate) async fn view_of_owner(&self, job: &Job) -> Value {
        self.prepare_links().await;
        let caller = if job.principal == Caller::OWNER && !self.require_caller {
            Caller::owner()
        } else {
            Caller::remote(&job.principal)
        };
        let seen = self.with(caller.into(), (self.payer, self.key_kind), self.jobs.clone());
        serde_json::to_value(seen.presenter.job(job)).unwrap_or_default()
    }

    /// The content of a recorded file, if it has not changed since it was written.
    pub(crate) async fn intact(&self, saved: &OnDisk) -> Result<Resendable, LinkProblem> {
        download_links::intact(&self.jobs, &self.shared.kept, saved).await
    }

    /// This caller's subscriptions.
    pub(crate) fn subscriber(&self) -> Subscriber {
        Subscriber {
            subscriptions: Arc::clone(&self.shared.subscriptions),
            jobs: self.jobs.clone(),
            principal: self.principal().to_owned(),
            presenter: Arc::clone(&self.presenter),
            client_gone: self.shared.client_gone.clone(),
        }
    }

    /// Ends the subscriptions of a session.
    pub fn session_ended(&self, session: &str) {
        self.shared.subscriptions.end_session(session);
    }
}

/// The file that a key came from. It is read again when MiniMax refuses the key.
fn key_file(path: Option<&Path>) -> Option<KeyFile> {
    Some(KeyFile { path: path?.to_owned(), read: |text| read_key(text).ok().map(SecretString::from) })
}

/// The folders that callers may name, except the files that this server itself trusts.
fn roots_of(config: &Config) -> Roots {
    let roots = Roots::new(&config.base_path, Some(&config.home), &config.allowed_dirs)
        .started_in(config.start_dir.as_deref())
        .without(&config.data_dir);
    let files = [
        &config.key_file,
        &config.plan_key_file,
        &config.facts_file,
        &config.http.token_file,
        &config.webhook.secret_file,
    ];
    files.into_iter().flatten().fold(roots, |roots, file| roots.without(file))
}
