//! The methods of the protocol, each in a few lines.

use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams,
    CompleteResult, CustomRequest, CustomResult, DiscoverResult, ErrorCode, GetPromptRequestParams,
    GetPromptResponse, GetTaskParams, GetTaskResult, Icon, Implementation, InitializeRequestParams,
    InitializeResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities,
    ServerConfig, SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
    UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};

use crate::mcp::listed_tool::{self, TakesText};
use crate::mcp::parameters::{self, Exists};
use crate::mcp::revision::{Feature, Revision};
use crate::mcp::server::Server;
use crate::mcp::{apps, cursor, pipeline, prompts, resources, subscriptions, tasks, telemetry};
use crate::telemetry::quoted;

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        info(self)
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let mut result = self.negotiate_initialize(&request)?;
        // Of a second `initialize`, the library would keep the revision that was asked for.
        let mut agreed = request;
        agreed.protocol_version = result.protocol_version.clone();
        context.peer.set_peer_info(agreed);
        let revision = Revision::agreed(&result.protocol_version);
        revision.fit_server(&mut result.server_info, &mut result.capabilities);
        if self.is_stateless()
            && let Some(resources) = &mut result.capabilities.resources
        {
            // `resources/subscribe` needs a session.
            resources.subscribe = None;
        }
        Ok(result)
    }

    async fn discover(&self, context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let versions = self.supported_protocol_versions().into_owned();
        let mut info = info(self);
        if apps::are_shown(&context) {
            apps::declare(&mut info.capabilities);
        }
        Ok(DiscoverResult::from_server_info(versions, info))
    }

    /// Asks for the client's folders early, so that calls rarely wait for them.
    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        if let Some(folders) = self.client_folders().filter(|_| has_roots(&context)) {
            folders.ask_once(&context.peer);
        }
    }

    async fn on_roots_list_changed(&self, context: NotificationContext<RoleServer>) {
        if let Some(folders) = self.client_folders().filter(|_| has_roots(&context)) {
            folders.ask_again(&context.peer).await;
        }
    }

    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        cursor::only_page(page)?;
        let (me, revision) = (self.for_caller(&context)?, Revision::of(&context));
        let mut tools = self.catalogue().listed();
        tools.retain(|tool| me.policy.offers(tool.name));
        let shows_apps = apps::are_shown(&context);
        if shows_apps {
            apps::mark(&mut tools, me.catalogue());
        }
        for tool in &mut tools {
            revision.fit_tool(tool);
        }
        let takes_text = context.extensions.get::<TakesText>().is_some();
        let made = listed_tool::result_of(&tools, takes_text);
        let mut list = made.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        if revision.knows(Feature::CacheHints) {
            list.ttl_ms = Some(300_000);
            let is_same_for_all = me.policy.is_unrestricted() && !shows_apps;
            list.cache_scope = Some(if is_same_for_all { CacheScope::Public } else { CacheScope::Private });
        }
        Ok(list)
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let is_newest = Revision::of(&context).knows(Feature::Extensions);
        let exists = |method| match method {
            Exists::Always => true,
            Exists::Before => context.meta.protocol_version().is_none(),
            Exists::InSessions => !is_newest && !self.is_stateless(),
            Exists::Since => is_newest,
        };
        if let Some(problem) = parameters::problem(&request, exists) {
            return Err(problem);
        }
        let text = match request.method.as_str() {
            "logging/setLevel" => NO_LOGGING.to_owned(),
            method => format!("there is no method {}", quoted(method)),
        };
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, text, None))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.catalogue().tool(self.catalogue().find(name)?.name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let me = self.for_caller(&context)?;
        let spec = me.catalogue().find(&request.name);
        let offered = spec.filter(|spec| me.catalogue().offers(spec.name));
        let call = telemetry::begin(offered.map(|spec| spec.name), me.principal(), &context);
        let revision = Revision::of(&context);
        let answer = telemetry::observe(call, me.api().metrics(), pipeline::run(&me, request, context)).await;
        answer.map(|response| match response {
            CallToolResponse::Complete(mut result) => {
                revision.fit_result(&mut result);
                CallToolResponse::Complete(result)
            }
            other => other,
        })
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        tasks::only_where_they_exist(&context)?;
        let me = self.for_caller(&context)?;
        me.prepare_links().await;
        tasks::get(&me, &request.task_id).await
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        tasks::only_where_they_exist(&context)?;
        // Tasks of this server never wait for input, so an update is accepted and ignored.
        tasks::get(&self.for_caller(&context)?, &request.task_id).await.map(drop)
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        tasks::only_where_they_exist(&context)?;
        tasks::cancel(&self.for_caller(&context)?, &request.task_id).await
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let revision = Revision::of(&context);
        let mut list = resources::list(&self.for_caller(&context)?, page, apps::are_shown(&context)).await?;
        list.resources.iter_mut().for_each(|resource| revision.fit_resource(resource));
        if revision.knows(Feature::CacheHints) {
            (list.ttl_ms, list.cache_scope) = (Some(0), Some(CacheScope::Private));
        }
        Ok(list)
    }

    async fn list_resource_templates(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        cursor::only_page(page)?;
        let revision = Revision::of(&context);
        let mut templates = resources::templates();
        for template in &mut templates {
            revision.fit_template(template);
        }
        let mut list = ListResourceTemplatesResult::with_all_items(templates);
        if revision.knows(Feature::CacheHints) {
            (list.ttl_ms, list.cache_scope) = (Some(DAY), Some(CacheScope::Public));
        }
        Ok(list)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let me = self.for_caller(&context)?;
        me.prepare_links().await;
        let mut result = resources::read(&me, &request.uri, &context).await?;
        if Revision::of(&context).knows(Feature::CacheHints) {
            (result.ttl_ms, result.cache_scope) = (Some(0), Some(CacheScope::Private));
        }
        Ok(result.into())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(subscriptions::accepted(requested))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.for_caller(context.request_context())?.subscriber().listen(context).await
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if self.is_stateless() {
            let text = "a subscription needs a session, and this transport has none; use subscriptions/listen, or get_job, \
                        which waits for a job";
            return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, text, None));
        }
        let server = self.for_caller(&context)?;
        if resources::never_changes(&server, &request.uri).await? {
            return Ok(());
        }
        let session = subscriptions::session_of(&context);
        server.subscriber().subscribe(request.uri, session, context.peer).await
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let session = subscriptions::session_of(&context);
        self.for_caller(&context)?.subscriber().unsubscribe(&request.uri, &session);
        Ok(())
    }

    async fn list_prompts(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        cursor::only_page(page)?;
        let (me, revision) = (self.for_caller(&context)?, Revision::of(&context));
        let mut prompts = prompts::list(&me);
        for prompt in &mut prompts {
            revision.fit_prompt(prompt);
        }
        let mut list = ListPromptsResult::with_all_items(prompts);
        if revision.knows(Feature::CacheHints) {
            list.ttl_ms = Some(DAY);
            list.cache_scope =
                Some(if me.policy.is_unrestricted() { CacheScope::Public } else { CacheScope::Private });
        }
        Ok(list)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        Ok(prompts::get(&self.for_caller(&context)?, &request.name, request.arguments.as_ref())?.into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let me = self.for_caller(&context)?;
        Ok(CompleteResult::new(prompts::complete(&me, &request.r#ref, &request.argument).await?))
    }

    /// Not supported, and the capability `logging` is not declared.
    #[expect(deprecated, reason = "clients of older revisions ask for it")]
    async fn set_level(
        &self,
        _: rmcp::model::SetLevelRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, NO_LOGGING, None))
    }
}

/// The answer to `logging/setLevel`.
const NO_LOGGING: &str = "logging/setLevel is not supported: this server sends no log messages to clients and does not declare \
                          `logging`. Its log is on its stderr, and MINIMAX_LOG sets the level";

/// Precedes the instructions of a sandbox, because they mention costs.
const SANDBOX: &str = "Sandbox: a simulator in the place of MiniMax. Nothing is billed, and results are placeholders, not MiniMax's work.\n";

/// The answer to `initialize`. The newest revision has subscriptions without a session, so every transport declares them.
fn info(server: &Server) -> ServerConfig {
    let (title, note) =
        if server.config().is_sandbox() { ("MiniMax (sandbox)", SANDBOX) } else { ("MiniMax", "") };
    let instructions = format!("{note}{}", server.catalogue().instructions);
    let me = Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
        .with_title(title)
        .with_icons(vec![icon()])
        .with_website_url(WEBSITE);
    let capabilities = ServerCapabilities::builder()
        .enable_tools()
        .enable_resources()
        .enable_resources_subscribe()
        .enable_prompts()
        .enable_completions()
        .enable_tasks()
        .build();
    ServerConfig::new(capabilities).with_server_info(me).with_instructions(instructions)
}

/// Where to get keys and prices.
const WEBSITE: &str = "https://platform.minimax.io";

/// A small icon for lists of servers. Tools have none, because an icon in each tool would cost tokens.
fn icon() -> Icon {
    let bytes = data_encoding::BASE64.encode(include_bytes!("icon.png"));
    let icon = Icon::new(format!("data:image/png;base64,{bytes}"));
    icon.with_mime_type("image/png").with_sizes(vec!["48x48".to_owned()])
}

/// In milliseconds, for lists that are compiled in.
const DAY: u64 = 24 * 3_600_000;

/// Whether the client declared that it has roots.
fn has_roots(context: &NotificationContext<RoleServer>) -> bool {
    context.peer.peer_info().is_some_and(|client| client.capabilities.roots.is_some())
}
