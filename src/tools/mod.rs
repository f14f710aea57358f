//! What a model sees: the catalogue, and how a call becomes a job and a job an answer.
//!
//! A tool is its input, the conversion that checks it, and two lines of body. What all tools share is here: the
//! [`Server`], [`Server::catalogue`], and the road of a call: arguments are put in order (`arguments`), the tool
//! converts them into an order, `buy` hands it to the jobs and waits with a heartbeat.

mod arguments;
mod chat;
mod chat_answer;
mod chat_form;
mod chat_request;
mod chat_rules;
mod chat_view;
mod error;
mod image;
mod inputs;
mod job;
mod schema;
mod speech;
mod video;
mod video_v1;
mod video_v2;
mod view;
mod wait;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::tool::ToolCallContext;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, Implementation, ListToolsResult,
    PaginatedRequestParams, ProtocolVersion, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use schemars::JsonSchema;
use serde::Deserialize;

pub use error::ToolError;
pub use view::JobView;

use crate::api::Client;
use crate::config::{Config, ResourceMode, Toolset};
use crate::jobs::{Cost, Jobs, Order, Paid, Settings};
use crate::media::{self, Roots};

/// Who a job belongs to when the server has one user.
const LOCAL: &str = "local";

/// What a model reads before anything else; 1,200 bytes at most.
pub const INSTRUCTIONS: &str = "\
MiniMax (Hailuo) images, speech and video. A tool marked as costing money bills the user's MiniMax account: call it \
when the user asked for the result, once.
Each such call starts a job. It answers with the finished job (files as path, link and minimax:// uri) or, when \
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
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    jobs: Jobs,
    config: Config,
    roots: Roots,
    router: ToolRouter<Server>,
}

/// What every tool that costs money takes besides its own parameters.
#[derive(Debug, Deserialize, JsonSchema)]
struct JobOptions {
    /// Folder for the files, below the base folder or absolute.
    output_directory: Option<String>,
    /// Seconds to wait for the end, 0-240, default 45.
    #[serde(default = "forty_five")]
    #[schemars(range(min = 0, max = 240))]
    wait_seconds: u32,
    /// true = wait_seconds 0.
    #[serde(default)]
    async_mode: bool,
    /// Check and price only; buys nothing.
    #[serde(default)]
    dry_run: bool,
    /// Same key = same job, bought once.
    idempotency_key: Option<String>,
}

fn forty_five() -> u32 {
    45
}

impl JobOptions {
    fn patience(&self) -> Duration {
        Duration::from_secs(if self.async_mode { 0 } else { self.wait_seconds.min(240).into() })
    }
}

/// An order before the machine's part of it: who, where, whether.
struct Draft {
    paid: Paid,
    model: String,
    prompt: String,
    cost: Cost,
    warnings: Vec<String>,
}

impl Server {
    /// Nothing is opened or sent before the first call.
    pub fn new(config: Config) -> Self {
        let api = Client::new(config.host.clone(), config.key.clone());
        let jobs = Jobs::new(
            api,
            Settings {
                data_dir: config.data_dir.clone(),
                base_path: config.base_path.clone(),
                account: config.account.clone(),
                poll: config.poll,
                loopback: config.loopback,
            },
        );
        let mut router = ToolRouter::new();
        for (group, tools) in Self::groups() {
            if config.toolsets.contains(&group) {
                router.merge(tools);
            }
        }
        if config.read_only {
            let read_only =
                |tool: &Tool| tool.annotations.as_ref().and_then(|hints| hints.read_only_hint) == Some(true);
            router.map.retain(|_, route| read_only(&route.attr));
        }
        schema::make_portable(&mut router);
        let roots = Roots::new(&config.base_path, Some(&config.home), &config.allowed_dirs);
        Self { shared: Arc::new(Shared { jobs, config, roots, router }) }
    }

    /// The tools by group. A capability adds one line here.
    fn groups() -> Vec<(Toolset, ToolRouter<Self>)> {
        vec![
            (Toolset::Text, Self::chat_tools()),
            (Toolset::Image, Self::image_tools()),
            (Toolset::Speech, Self::speech_tools()),
            (Toolset::Video, Self::video_tools()),
            (Toolset::Jobs, Self::job_tools()),
        ]
    }

    /// Every tool there is, as a client sees it, by name.
    pub fn catalogue() -> Vec<Tool> {
        let mut router = ToolRouter::new();
        for (_, tools) in Self::groups() {
            router.merge(tools);
        }
        schema::make_portable(&mut router);
        router.list_all()
    }

    /// Which group a tool is in.
    pub fn group_of(name: &str) -> Option<Toolset> {
        Self::groups().into_iter().find(|(_, tools)| tools.has_route(name)).map(|(group, _)| group)
    }

    /// The jobs behind the tools.
    pub fn jobs(&self) -> &Jobs {
        &self.shared.jobs
    }

    fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Everything that must be right before a request may cost money or reach MiniMax.
    fn ready(&self) -> Result<(), ToolError> {
        if !self.config().problems.is_empty() {
            return Err(ToolError::Config(self.config().problems.clone()));
        }
        if !self.jobs().api().has_key() {
            return Err(ToolError::NoKey);
        }
        Ok(())
    }

    /// The folder a call's files go to, proven to be writable; `None` when links are wanted alone.
    async fn folder(&self, requested: Option<&str>, touch: bool) -> Result<Option<PathBuf>, ToolError> {
        let argument =
            |problem: media::OutputProblem| ToolError::argument("output_directory", problem.to_string());
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
    async fn buy(
        &self,
        tool: &'static str,
        draft: Draft,
        options: JobOptions,
        call: &RequestContext<RoleServer>,
    ) -> Result<JobView, ToolError> {
        let Draft { paid, model, prompt, cost, warnings } = draft;
        let folder = self.folder(options.output_directory.as_deref(), !options.dry_run).await?;
        if options.dry_run {
            return Ok(JobView::dry_run(paid.kind(), model, &cost, warnings));
        }
        let patience = options.patience();
        let order = Order {
            tool,
            principal: LOCAL.to_owned(),
            paid,
            model,
            prompt,
            folder,
            cost,
            warnings,
            idempotency_key: options.idempotency_key,
        };
        let (watch, existed) = self.jobs().start(order).await?;
        let job = wait::outcome(watch, call, patience, wait::is_over).await;
        Ok(JobView::of(&job, existed))
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let me = Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")).with_title("MiniMax");
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(me)
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut list = ListToolsResult::with_all_items(self.shared.router.list_all());
        // Older clients have never heard of the fields, and get them verbatim if they are set.
        if context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28) {
            list.ttl_ms = Some(300_000);
            list.cache_scope = Some(CacheScope::Public);
        }
        Ok(list)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.shared.router.get(real_name(name)).cloned()
    }

    async fn call_tool(
        &self,
        mut request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = real_name(&request.name).to_owned();
        let Some(tool) = self.shared.router.get(&name) else {
            let known: Vec<_> = self.shared.router.list_all().into_iter().map(|tool| tool.name).collect();
            let message = format!("unknown tool `{name}`; this server has {}", known.join(", "));
            return Err(ErrorData::invalid_params(message, None));
        };
        let given = chat_form::plain(&name, request.arguments.take().unwrap_or_default());
        match arguments::in_order(&tool.input_schema, given) {
            Ok(arguments) => request.arguments = Some(arguments),
            Err(problem) => return Ok(ToolError::Arguments { tool: name, problem }.into_response()),
        }
        request.name = name.into();
        self.shared.router.call(ToolCallContext::new(self, request, context)).await
    }
}

/// The name by which we know a tool that another MiniMax server calls differently.
fn real_name(name: &str) -> &str {
    if name == "image_to_video" { "generate_video" } else { name }
}
