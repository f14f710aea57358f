//! The server as the protocol sees it: each method in a few lines.

use rmcp::handler::server::tool::IntoCallToolResult;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams,
    CompleteResult, CustomRequest, CustomResult, DiscoverResult, ErrorCode, GetPromptRequestParams,
    GetPromptResponse, GetTaskParams, GetTaskResult, Icon, Implementation, JsonObject, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
    SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::Value;

use crate::mcp::checkout::consent::Answers;
use crate::mcp::{
    CallDigest, INSTRUCTIONS, Server, ToolError, UNREAD, arguments, resources, subscriptions, tasks,
};

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let me = Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
            .with_title("MiniMax")
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
        let mut config = ServerConfig::new(capabilities).with_server_info(me).with_instructions(INSTRUCTIONS);
        if self.stateless
            && let Some(resources) = &mut config.capabilities.resources
        {
            // Of older clients' subscriptions, which need a session.
            resources.subscribe = None;
        }
        config
    }

    /// The revision that is discovered has subscriptions that last as long as their own request: everywhere.
    async fn discover(&self, _: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let with_all = Self { stateless: false, ..self.clone() };
        let versions = self.supported_protocol_versions().into_owned();
        Ok(DiscoverResult::from_server_info(versions, with_all.get_info()))
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let me = self.for_caller(&context)?;
        let mut tools = self.shared.catalogue.router.list_all();
        tools.retain(|tool| me.offers(&tool.name));
        let mut list = ListToolsResult::with_all_items(tools);
        if is_modern(&context) {
            list.ttl_ms = Some(300_000);
            let all_alike = me.caller.toolsets.is_none();
            list.cache_scope = Some(if all_alike { CacheScope::Public } else { CacheScope::Private });
        }
        Ok(list)
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        if request.method == UNREAD {
            let problem = "the request is longer than 16 MiB, so it was not read and nothing was sent or billed; give \
                           media as paths or URLs, and long texts in parts";
            return Err(ErrorData::invalid_request(problem, None));
        }
        // What is not of a method's form is taken for another method; "not found" would send its caller astray.
        if let Some((method, form)) = FORMS.iter().find(|(method, _)| *method == request.method) {
            return Err(ErrorData::invalid_params(
                format!("`params` of {method} is an object with {form}"),
                None,
            ));
        }
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, request.method, None))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.shared.catalogue.router.get(self.shared.catalogue.find(name)?.name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.for_caller(&context)?.observed(request, context).await
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        tasks::only_where_they_exist(&context)?;
        let me = self.for_caller(&context)?;
        me.prepare_links().await;
        me.task_of(&request.task_id).await
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        tasks::only_where_they_exist(&context)?;
        // No task of ours waits for input; one that is there takes note of it, and that is all.
        self.for_caller(&context)?.task_of(&request.task_id).await.map(drop)
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        tasks::only_where_they_exist(&context)?;
        self.for_caller(&context)?.give_up_task(&request.task_id).await
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let mut list = self.for_caller(&context)?.resources(page).await?;
        if is_modern(&context) {
            (list.ttl_ms, list.cache_scope) = (Some(0), Some(CacheScope::Private));
        }
        Ok(list)
    }

    async fn list_resource_templates(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let mut list = ListResourceTemplatesResult::with_all_items(resources::templates());
        if is_modern(&context) {
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
        let mut result = me.resource(&request.uri).await?;
        if is_modern(&context) {
            (result.ttl_ms, result.cache_scope) = (Some(0), Some(CacheScope::Private));
        }
        Ok(result.into())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(subscriptions::accepted(requested))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.for_caller(context.request_context())?.tell(context).await
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if self.stateless {
            let text = "a subscription needs a session, which there is none of here; subscriptions/listen needs none, \
                        and get_job waits for a job";
            return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, text, None));
        }
        let session = subscriptions::session_of(&context);
        self.for_caller(&context)?.subscribe_to(request.uri, session, context.peer).await
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let session = subscriptions::session_of(&context);
        self.for_caller(&context)?.unsubscribe_from(&request.uri, &session);
        Ok(())
    }

    async fn list_prompts(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let own = self.for_caller(&context)?;
        let mut list = ListPromptsResult::with_all_items(own.prompts());
        if is_modern(&context) {
            let all_alike = own.caller.toolsets.is_none();
            list.ttl_ms = Some(DAY);
            list.cache_scope = Some(if all_alike { CacheScope::Public } else { CacheScope::Private });
        }
        Ok(list)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        Ok(self.for_caller(&context)?.prompt(&request.name, request.arguments.as_ref())?.into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let me = self.for_caller(&context)?;
        Ok(CompleteResult::new(me.completions(&request.r#ref, &request.argument).await))
    }
}

impl Server {
    /// What a call comes to, for the caller that this server is seen by.
    pub(crate) async fn attend(
        &self,
        mut request: CallToolRequestParams,
        mut context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.prepare_links().await;
        let catalogue = &self.shared.catalogue;
        let spec = catalogue.find(&request.name);
        let offered = spec.filter(|spec| self.has(spec.name));
        let tool = offered.and_then(|spec| Some((spec, catalogue.router.get(spec.name)?)));
        let Some((spec, tool)) = tool else {
            let all = catalogue.router.list_all().into_iter().map(|tool| tool.name);
            let known: Vec<_> = all.filter(|name| self.offers(name)).collect();
            let name = spec.map_or(request.name.as_ref(), |spec| spec.name);
            let shown: String = name.chars().take(64).collect();
            let why = match spec {
                Some(_) => {
                    " here (MINIMAX_TOOLSETS, MINIMAX_READ_ONLY, the token's groups or HTTP leave it out)"
                }
                None => "",
            };
            let message = format!("unknown tool `{shown}`{why}; this server has {}", known.join(", "));
            return Err(ErrorData::invalid_params(message, None));
        };
        if let Err(error) = self.take_turn() {
            return Ok(error.into_response());
        }
        let name = spec.name.to_owned();
        let given = request.arguments.take().unwrap_or_default();
        let given = match spec.normalize {
            Some(normalize) => normalize(given),
            None => given,
        };
        let schema = catalogue.accepted(&name).unwrap_or(&tool.input_schema);
        let mut arguments = match arguments::in_order(schema, given) {
            Ok(arguments) => arguments,
            Err(problem) => return Ok(ToolError::Arguments { tool: name, problem }.into_response()),
        };
        let digest = CallDigest::of(&name, &arguments);
        match self.ordered_before(&arguments, &digest, &context).await {
            Ok(None) => {}
            Ok(Some(view)) => return view.into_call_tool_result(),
            Err(error) => return Ok(self.reworded(error.into_response())),
        }
        context.extensions.insert(digest.clone());
        let answers = Answers::new(request.input_responses.take(), request.request_state.take());
        context.extensions.insert(answers.clone());
        let may_be_task = schema_has(schema, "idempotency_key") && tasks::wanted(&context);
        if may_be_task {
            tasks::shorten(spec, &mut arguments);
        }
        request.arguments = Some(arguments);
        request.name = name.into();
        let schema = tool.output_schema.clone();
        let mut response = self.reworded(self.run(spec, request, context, digest).await?);
        if let Some(question) = answers.question() {
            return Ok(question.into());
        }
        if let CallToolResponse::Complete(result) = &mut response
            && result.is_error == Some(true)
            && !has_what_is_required(schema.as_deref(), result.structured_content.as_ref())
        {
            // An error is shaped like a job view; where the schema says otherwise, its text says it all.
            result.structured_content = None;
        }
        Ok(if may_be_task { self.as_task(response).await } else { response })
    }
}

/// What the methods that need parameters need, in the words of an error. Only those of every revision that has them: the
/// newest one has no `resources/subscribe`, and must say so.
const FORMS: &[(&str, &str)] = &[
    ("tools/call", "`name`, a text, and `arguments`, an object (not a text that holds one)"),
    ("prompts/get", "`name`, a text, and `arguments`, an object of texts"),
    ("resources/read", "`uri`, a text"),
    ("completion/complete", "`ref` (a prompt or a resource template) and `argument` (`name` and `value`)"),
    ("tasks/get", "`taskId`, a text"),
    ("tasks/update", "`taskId`, a text, and `inputResponses`, an object"),
    ("tasks/cancel", "`taskId`, a text"),
];

/// Where keys come from, and what each thing costs.
const WEBSITE: &str = "https://platform.minimax.io";

/// A small picture for lists of servers. It stands here alone: in each tool it would be paid for by the token.
fn icon() -> Icon {
    let bytes = data_encoding::BASE64.encode(include_bytes!("icon.png"));
    let icon = Icon::new(format!("data:image/png;base64,{bytes}"));
    icon.with_mime_type("image/png").with_sizes(vec!["48x48".to_owned()])
}

/// In milliseconds; what is compiled in does not change.
const DAY: u64 = 24 * 3_600_000;

/// Whether the call speaks a revision that has cache hints and tasks. Older clients get such fields verbatim if they
/// are set, and have never heard of them.
fn is_modern(call: &RequestContext<RoleServer>) -> bool {
    call.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}

fn schema_has(schema: &JsonObject, name: &str) -> bool {
    schema.get("properties").is_some_and(|properties| properties.get(name).is_some())
}

fn has_what_is_required(schema: Option<&JsonObject>, content: Option<&Value>) -> bool {
    let required = schema.and_then(|schema| schema.get("required")?.as_array()).into_iter().flatten();
    let mut names = required.filter_map(Value::as_str);
    schema.is_some() && names.all(|name| content.is_some_and(|content| content.get(name).is_some()))
}
