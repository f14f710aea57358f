//! The server as the protocol sees it: each method in a few lines.

use rmcp::handler::server::tool::{IntoCallToolResult, ToolCallContext};
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams,
    CompleteResult, CustomRequest, CustomResult, ErrorCode, GetPromptRequestParams, GetPromptResponse,
    GetTaskParams, GetTaskResult, Implementation, JsonObject, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams,
    ReadResourceResponse, ServerCapabilities, ServerConfig, SubscribeRequestParams, SubscriptionFilter, Tool,
    UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::Value;

use super::consent::Answers;
use super::observed::is_new;
use super::{
    CallDigest, INSTRUCTIONS, Server, ToolError, UNREAD, arguments, chat_form, prompts, resources,
    subscriptions, tasks,
};

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let me = Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")).with_title("MiniMax");
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_prompts()
            .enable_completions()
            .enable_tasks()
            .build();
        ServerConfig::new(capabilities).with_server_info(me).with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let me = self.for_caller(&context);
        let mut tools = self.shared.router.list_all();
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
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, request.method, None))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.shared.router.get(real_name(name)).cloned()
    }

    async fn call_tool(
        &self,
        mut request: CallToolRequestParams,
        mut context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if is_new(&mut context) {
            return self.observed(request, context).await;
        }
        let me = self.for_caller(&context);
        me.prepare_links().await;
        let name = real_name(&request.name).to_owned();
        let Some(tool) = self.shared.router.get(&name).filter(|tool| me.offers(&tool.name)) else {
            let all = self.shared.router.list_all().into_iter().map(|tool| tool.name);
            let known: Vec<_> = all.filter(|name| me.offers(name)).collect();
            let message = format!("unknown tool `{name}`; this server has {}", known.join(", "));
            return Err(ErrorData::invalid_params(message, None));
        };
        let given = chat_form::plain(&name, request.arguments.take().unwrap_or_default());
        let schema = self.shared.accepted.get(&name).unwrap_or(&tool.input_schema);
        let mut arguments = match arguments::in_order(schema, given) {
            Ok(arguments) => arguments,
            Err(problem) => return Ok(ToolError::Arguments { tool: name, problem }.into_response()),
        };
        let digest = CallDigest::of(&name, &arguments);
        match me.ordered_before(&arguments, &digest, &context).await {
            Ok(None) => {}
            Ok(Some(view)) => return view.into_call_tool_result(),
            Err(error) => return Ok(error.into_response()),
        }
        context.extensions.insert(digest);
        let answers = Answers::new(request.input_responses.take(), request.request_state.take());
        context.extensions.insert(answers.clone());
        let may_be_task = schema_has(schema, "idempotency_key") && tasks::wanted(&context);
        if may_be_task {
            me.shorten(&name, &mut arguments);
        }
        request.arguments = Some(arguments);
        request.name = name.into();
        let schema = tool.output_schema.clone();
        let mut response = self.shared.router.call(ToolCallContext::new(&me, request, context)).await?;
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
        Ok(if may_be_task { me.as_task(response).await } else { response })
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        tasks::only_where_they_exist(&context)?;
        let me = self.for_caller(&context);
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
        self.for_caller(&context).task_of(&request.task_id).await.map(drop)
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        tasks::only_where_they_exist(&context)?;
        self.for_caller(&context).give_up_task(&request.task_id).await
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let mut list = self.for_caller(&context).resources(page).await?;
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
        let me = self.for_caller(&context);
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
        self.for_caller(context.request_context()).tell(context).await;
        Ok(())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.for_caller(&context).subscribe_to(request.uri, context.peer).await
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.for_caller(&context).unsubscribe_from(&request.uri);
        Ok(())
    }

    async fn list_prompts(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let mut list = ListPromptsResult::with_all_items(prompts::list());
        if is_modern(&context) {
            (list.ttl_ms, list.cache_scope) = (Some(DAY), Some(CacheScope::Public));
        }
        Ok(list)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        Ok(prompts::get(&request.name, request.arguments.as_ref())?.into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let me = self.for_caller(&context);
        Ok(CompleteResult::new(me.completions(&request.r#ref, &request.argument).await))
    }
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

/// The name by which we know a tool that another MiniMax server calls differently.
pub(super) fn real_name(name: &str) -> &str {
    if name == "image_to_video" { "generate_video" } else { name }
}
