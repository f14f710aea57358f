//! The server: what it is made of, and how a call becomes a job and a job an answer.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::{JsonObject, Tool};
use rmcp::service::RequestContext;
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::api::{Client, RateLimits};
use crate::config::{Config, ConfigError, KeyKind, Region, ResourceMode, Toolset};
use crate::jobs::{Cost, Job, Jobs, Limits, Order, Paid, Settings, Watch};
use crate::mcp::abandoned_calls::Unheard;
use crate::mcp::caller_key::Purse;
use crate::mcp::download_links::Links;
use crate::mcp::rate_limit::Rates;
use crate::mcp::subscriptions::Subscriptions;
use crate::mcp::{Caller, JobView, ToolError, progress, schema};
use crate::media::{self, KeptFiles, Roots};

/// What a model reads before anything else; 1,200 bytes at most.
pub const INSTRUCTIONS: &str = "\
MiniMax (Hailuo): chat, images, speech, voices, video, music, files. A tool marked as costing money bills the user's \
MiniMax account: call it when the user asked for the result, once.
Making images, sound or video starts a job. The call answers with the finished job (files as path, link and minimax:// uri) or, when \
wait_seconds (45) run out, with status `running`: that is no error. Then call get_job with its job_id, which waits \
again; never call the making tool a second time for the same wish. Jobs go on without a caller and survive restarts; \
list_jobs finds them, also after a lost answer.
dry_run: true checks and prices a call and sends nothing. idempotency_key makes a repeated call safe.
An image or video can be given to another tool by its minimax:// uri: text_to_image, then generate_video with \
first_frame_image.
Status `unknown` means that the request left and no answer came: it may be billed; ask the user before buying again.
An error says whose turn it is: fix an argument, fix key or balance, or wait.";

/// The MCP server. A handle: cloning is cheap.
#[derive(Clone, Debug)]
pub struct Server {
    pub(crate) shared: Arc<Shared>,
    pub(crate) caller: Arc<Caller>,
    /// Each request stands for itself: what outlives one has nobody to be told.
    pub(crate) stateless: bool,
    /// Whether a request has to say whose it is.
    pub(crate) strangers: bool,
    /// As the account sees them that pays for this caller.
    pub(crate) jobs: Jobs,
    pub(crate) purse: Purse,
    /// What the key that pays seems to be.
    pub(crate) key_kind: KeyKind,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) pacing: RateLimits,
    pub(crate) roots: Roots,
    pub(crate) router: ToolRouter<Server>,
    /// Which group a tool is in.
    pub(crate) group_of: HashMap<String, Toolset>,
    /// What calls are checked against.
    pub(crate) accepted: schema::Accepted,
    /// For callers at other machines; `None` where there are none.
    pub(crate) links: Option<Links>,
    /// Which results are still as they were written.
    pub(crate) kept: KeptFiles,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) rates: Rates,
    pub(crate) unheard: Unheard,
    /// Ends the waiting of every call.
    pub(crate) gone: CancellationToken,
}

/// Which tasks are ours to ask about: those of this host that were bought with this key. The key itself is not
/// in it, only what tells it from another.
pub(crate) fn account(config: &Config) -> String {
    let Some(key) = &config.key else { return config.account.clone() };
    let print = Sha256::digest(key.expose_secret());
    let print: String = data_encoding::HEXLOWER.encode(&print).chars().take(8).collect();
    format!("{} (key {print})", config.account)
}

/// How long an asynchronous call waits for MiniMax to take the order; it is a second or two.
const SUBMIT: Duration = Duration::from_secs(30);

/// What every tool that costs money takes besides its own parameters.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct JobOptions {
    /// Folder.
    pub(crate) output_directory: Option<String>,
    /// 0-240, default 45.
    #[serde(default = "forty_five")]
    #[schemars(range(min = 0, max = 240))]
    pub(crate) wait_seconds: u32,
    /// wait_seconds 0; a video's task_id is waited for.
    #[serde(default)]
    #[schemars(extend("x-quiet" = true))]
    pub(crate) async_mode: bool,
    /// Only price it.
    #[serde(default)]
    pub(crate) dry_run: bool,
    /// Buys once.
    pub(crate) idempotency_key: Option<String>,
}

pub(crate) fn forty_five() -> u32 {
    45
}

pub(crate) fn ten() -> u32 {
    10
}

impl JobOptions {
    /// How long the call waits, and for what. `async_mode` promises a `task_id`, so it waits for that.
    pub(crate) fn patience(&self) -> (Duration, fn(&Job) -> bool) {
        if self.async_mode {
            return (SUBMIT, progress::is_taken);
        }
        (Duration::from_secs(self.wait_seconds.min(240).into()), progress::is_over)
    }
}

/// What tells one call from another: tool and arguments, but for those that only say how to wait.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallDigest(pub(crate) String);

impl CallDigest {
    pub(crate) fn of(tool: &str, arguments: &JsonObject) -> Self {
        let mut told = arguments.clone();
        for name in ["wait_seconds", "async_mode", "idempotency_key"] {
            told.shift_remove(name);
        }
        let told = serde_json::json!([tool, told]).to_string();
        Self(data_encoding::HEXLOWER.encode(&Sha256::digest(told)))
    }
}

/// The method that stands for a request which was too long to be read.
pub const UNREAD: &str = "minimax-mcp/unread";

/// An order before the machine's part of it: who, where, whether.
pub(crate) struct Draft {
    pub(crate) paid: Paid,
    pub(crate) model: String,
    pub(crate) prompt: String,
    pub(crate) cost: Cost,
    pub(crate) warnings: Vec<String>,
}

impl Server {
    /// Nothing is opened or sent before the first call.
    pub fn new(config: Config) -> Self {
        let roots = uploads::roots_of(&config);
        let pacing = RateLimits { keep: config.keeps_limits(), china: config.region == Region::Cn };
        let api = Client::with_limits(config.host.clone(), config.key.clone(), pacing);
        let jobs = Jobs::new(
            api,
            Settings {
                data_dir: config.data_dir.clone(),
                base_path: config.base_path.clone(),
                roots: roots.clone(),
                account: account(&config),
                poll: config.poll,
                loopback: config.loopback,
                limits: Limits {
                    day: config.budgets.day,
                    call: config.budgets.call,
                    process: config.budgets.process,
                    // Each caller's comes with what he buys.
                    principal: None,
                },
            },
        );
        let mut router = ToolRouter::new();
        let mut group_of = HashMap::new();
        for (group, tools) in Self::groups() {
            if config.toolsets.contains(&group) {
                group_of.extend(tools.map.keys().map(|name| (name.to_string(), group)));
                router.merge(tools);
            }
        }
        if config.read_only {
            let read_only =
                |tool: &Tool| tool.annotations.as_ref().and_then(|hints| hints.read_only_hint) == Some(true);
            router.map.retain(|_, route| read_only(&route.attr));
        }
        if !config.local_playback {
            router.map.retain(|name, _| !Self::LOCAL_TOOLS.contains(&name.as_ref()));
        }
        let accepted = schema::make_portable(&mut router);
        let links = config.http.public_url.as_deref().map(Links::new);
        let gone = CancellationToken::new();
        let key_kind = config.key_kind();
        let shared = Arc::new(Shared {
            config,
            pacing,
            roots,
            router,
            group_of,
            accepted,
            links,
            kept: KeptFiles::default(),
            gone,
            subscriptions: Subscriptions::default(),
            rates: Rates::default(),
            unheard: Unheard::default(),
        });
        Self {
            shared,
            caller: Arc::new(Caller::owner()),
            stateless: false,
            strangers: false,
            jobs,
            purse: Purse::Server,
            key_kind,
        }
    }

    /// This server for a transport whose requests stand for themselves.
    #[must_use]
    pub fn stateless(&self) -> Self {
        Self { stateless: true, ..self.clone() }
    }

    /// The jobs behind the tools.
    pub fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// The first setting that has every call refused, if there is one.
    pub fn problem(&self) -> Option<&ConfigError> {
        self.config().problems.first()
    }

    pub(crate) fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Everything that must be right before a request may cost money or reach MiniMax.
    pub(crate) fn ready(&self) -> Result<(), ToolError> {
        self.configured()?;
        self.can_pay()
    }

    /// Before anything is written: a setting may name a file that is not there, and no tool may put one there.
    pub(crate) fn configured(&self) -> Result<(), ToolError> {
        let problems = &self.config().problems;
        if problems.is_empty() { Ok(()) } else { Err(ToolError::Config(problems.clone())) }
    }

    /// The folder a call's files go to, proven to be writable; `None` when links are wanted alone.
    pub(crate) async fn folder(
        &self,
        requested: Option<&str>,
        touch: bool,
    ) -> Result<Option<PathBuf>, ToolError> {
        if self.caller.remote && requested.is_some() {
            let problem =
                "is a folder of the server's machine, which a caller over HTTP does not choose; leave it out";
            return Err(ToolError::argument("output_directory", problem));
        }
        let argument = |problem: media::OutputProblem| unusable(requested, &problem);
        if self.config().mode == ResourceMode::Url && requested.is_none() {
            return Ok(None);
        }
        let (base, roots) = (self.config().base_path.clone(), self.shared.roots.clone());
        let wanted = requested.map(str::to_owned);
        let found =
            tokio::task::spawn_blocking(move || media::folder(&base, wanted.as_deref(), &roots)).await;
        let folder = found.map_err(|_| ToolError::argument("output_directory", "could not be looked at"))?;
        let folder = folder.map_err(argument)?;
        if touch {
            media::prepare(&folder).await.map_err(argument)?;
        }
        Ok(Some(folder))
    }

    /// Takes a checked order to the jobs, once, and waits for what becomes of it.
    pub(crate) async fn buy(
        &self,
        tool: &'static str,
        draft: Draft,
        options: JobOptions,
        call: &RequestContext<RoleServer>,
    ) -> Result<JobView, ToolError> {
        let Draft { paid, model, prompt, cost, warnings } = draft;
        let cost = self.counted(tool, cost);
        let requested = options.output_directory.as_deref();
        let folder = self.folder(requested, !options.dry_run).await?;
        if let Some(folder) = folder.as_ref().filter(|_| !options.dry_run) {
            let room = media::room(folder, least_room(paid.kind())).await;
            room.map_err(|problem| unusable(requested, &problem))?;
        }
        if options.idempotency_key.as_ref().is_some_and(|key| key.len() > LONGEST_KEY) {
            let problem = format!("is longer than {LONGEST_KEY} bytes");
            return Err(ToolError::argument("idempotency_key", problem));
        }
        if options.dry_run {
            return Ok(JobView::dry_run(paid.kind(), model, &cost, warnings));
        }
        let consent = self.admit(tool, &model, &cost, call).await?;
        let (patience, settled) = options.patience();
        let digest = call.extensions.get::<CallDigest>().cloned().unwrap_or_default().0;
        let order = Order {
            tool,
            principal: self.principal().to_owned(),
            allowance: self.caller.budget_day,
            paid,
            model,
            prompt,
            folder,
            cost,
            warnings,
            idempotency_key: options.idempotency_key,
            digest: digest.clone(),
            consent,
        };
        let started = self.jobs().start(order).await;
        let (watch, existed) = started.map_err(|error| self.not_bought(tool, error))?;
        let job = self.outcome(watch, call, patience, settled).await;
        let view = self.view(&job);
        Ok(match existed {
            false => view,
            true if job.digest == digest => view.noting(BOUGHT_NOTHING),
            true => view.noting(BOUGHT_NOTHING).noting(OTHER_ARGUMENTS),
        })
    }

    /// Waits for a job as long as the caller wants to, and the client is there.
    pub(crate) async fn outcome(
        &self,
        watch: Watch,
        call: &RequestContext<RoleServer>,
        patience: Duration,
        settled: fn(&Job) -> bool,
    ) -> Arc<Job> {
        let waiting = progress::outcome(watch.clone(), call, patience, settled);
        let heard = self.shared.gone.run_until_cancelled(waiting).await;
        heard.unwrap_or_else(|| watch.borrow().clone())
    }

    /// The job that an earlier call has ordered with the same `idempotency_key`. Looked for before anything is
    /// read or uploaded for the call.
    pub(crate) async fn ordered_before(
        &self,
        arguments: &JsonObject,
        digest: &CallDigest,
        call: &RequestContext<RoleServer>,
    ) -> Result<Option<JobView>, ToolError> {
        let options: Option<JobOptions> = serde_json::from_value(arguments.clone().into()).ok();
        let Some(options) = options.filter(|options| !options.dry_run) else { return Ok(None) };
        let Some(key) = &options.idempotency_key else { return Ok(None) };
        let Some((watch, first)) = self.jobs().by_key(self.principal(), key).await? else { return Ok(None) };
        let (patience, settled) = options.patience();
        let job = self.outcome(watch, call, patience, settled).await;
        let view = self.view(&job).noting(BOUGHT_NOTHING);
        Ok(Some(if first == digest.0 { view } else { view.noting(OTHER_ARGUMENTS) }))
    }

    /// The client has gone: calls that only wait need not wait any longer.
    pub fn client_gone(&self) {
        self.shared.gone.cancel();
    }
}

/// A key is a name, not a document.
const LONGEST_KEY: usize = 128;

/// What must be free in the folder before anything is bought, in bytes: several times what MiniMax makes of the
/// kind.
pub(crate) fn least_room(kind: crate::jobs::Kind) -> u64 {
    let mebibytes = if kind == crate::jobs::Kind::Video { 256 } else { 64 };
    mebibytes * 1024 * 1024
}

/// Whose turn it is when a folder cannot take results.
pub(crate) fn unusable(requested: Option<&str>, problem: &media::OutputProblem) -> ToolError {
    match requested {
        Some(_) => ToolError::argument("output_directory", problem.to_string()),
        None => ToolError::Config(vec![ConfigError {
            name: "MINIMAX_MCP_BASE_PATH",
            problem: format!("cannot be used: {problem}"),
        }]),
    }
}

const OTHER_ARGUMENTS: &str =
    "this idempotency_key came with other arguments before; use another key for another order";

const BOUGHT_NOTHING: &str = "this call bought nothing: it is the job of the first call with this key";
