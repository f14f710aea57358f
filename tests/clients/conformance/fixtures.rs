//! Tools, prompts and resources with fixed answers, which the official conformance suite expects in a server.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams, ClientCapabilities,
    CompleteRequestParams, CompleteResult, CompletionInfo, ContentBlock, CustomRequest, CustomResult,
    DiscoverResult, GetPromptRequestParams, GetPromptResponse, GetPromptResult, GetTaskParams, GetTaskResult,
    InputRequest, InputRequests, InputRequiredResult, InputResponses, JsonObject, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ProgressNotificationParam, Prompt, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult,
    Reference, RequestStateCodec, Resource, ResourceContents, ResourceTemplate, ServerConfig,
    SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use minimax_mcp::mcp::Server;

/// The server with the fixtures added.
#[derive(Debug, Clone)]
pub struct Fixed(pub Server);

/// The fixtures, by name.
#[derive(Debug, Default, Deserialize)]
struct Fixtures {
    tools: Vec<Tool>,
    results: BTreeMap<String, Value>,
    rounds: BTreeMap<String, Rounds>,
    prompts: Vec<Prompt>,
    messages: BTreeMap<String, Value>,
    resources: Vec<Resource>,
    templates: Vec<ResourceTemplate>,
    contents: BTreeMap<String, Value>,
}

/// The inputs that a tool requests in each round before it answers, and whether the round's number is sent along
/// sealed.
#[derive(Debug, Deserialize)]
struct Rounds {
    sealed: bool,
    rounds: Vec<InputRequests>,
}

static FIXTURES: LazyLock<Fixtures> =
    LazyLock::new(|| serde_json::from_str(include_str!("fixtures.json")).unwrap_or_default());

static SEAL: LazyLock<RequestStateCodec> = LazyLock::new(|| {
    let mut key = vec![0; 32];
    // Without randomness the seal is not secret, which does not matter in a protocol test.
    let _ = getrandom::fill(&mut key);
    RequestStateCodec::new_unchecked(key)
});

type Context = RequestContext<RoleServer>;

fn made<T: DeserializeOwned>(value: &Value) -> Result<T, ErrorData> {
    serde_json::from_value(value.clone()).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

impl Rounds {
    /// The inputs of the next round, or `None` after the last.
    fn next(
        &self,
        said: Option<&InputResponses>,
        state: Option<&str>,
        client: Option<&ClientCapabilities>,
    ) -> Result<Option<InputRequiredResult>, ErrorData> {
        let at = state.map(opened).transpose()?.unwrap_or_default();
        let is_said = |name: &String| said.and_then(|said| said.get(name)).is_some_and(Value::is_object);
        let here = self.rounds.get(at).is_some_and(|round| round.keys().all(is_said));
        let at = if here { at.saturating_add(1) } else { at };
        let Some(round) = self.rounds.get(at) else { return Ok(None) };
        let can = |request: &InputRequest| match request {
            InputRequest::Elicitation(_) => client.is_some_and(|client| client.elicitation.is_some()),
            InputRequest::CreateMessage(_) => client.is_some_and(|client| client.sampling.is_some()),
            InputRequest::ListRoots(_) => client.is_some_and(|client| client.roots.is_some()),
            _ => false,
        };
        let asked = round.iter().filter(|(_, request)| can(request));
        let asked = asked.map(|(name, request)| (name.clone(), request.clone())).collect();
        let state = self.sealed.then(|| SEAL.seal(at.to_string().as_bytes()));
        Ok(Some(InputRequiredResult::new(Some(asked), state)))
    }
}

fn opened(state: &str) -> Result<usize, ErrorData> {
    let number = SEAL.open(state).ok().and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());
    number.ok_or_else(|| ErrorData::invalid_params("requestState is not what this server gave out", None))
}

/// Replaces `{name}` in every text.
fn filled(value: &Value, arguments: &JsonObject) -> Value {
    match value {
        Value::String(text) => {
            let fill = |text: String, (name, value): (&String, &Value)| {
                text.replace(&format!("{{{name}}}"), value.as_str().unwrap_or_default())
            };
            Value::String(arguments.iter().fold(text.clone(), fill))
        }
        Value::Array(all) => all.iter().map(|one| filled(one, arguments)).collect(),
        Value::Object(all) => all
            .iter()
            .map(|(name, one)| (name.clone(), filled(one, arguments)))
            .collect::<JsonObject>()
            .into(),
        other => other.clone(),
    }
}

async fn tell_progress(context: &Context) {
    for progress in [0.0, 50.0, 100.0] {
        if let Some(token) = context.meta.get_progress_token() {
            let note = ProgressNotificationParam::new(token, progress).with_total(100.0);
            let _ = context.peer.notify_progress(note).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[expect(deprecated, reason = "the revisions that have logging are tested, too")]
async fn log(context: &Context) {
    use rmcp::model::{LoggingLevel, LoggingMessageNotificationParam, ProtocolVersion};
    if context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28) {
        return;
    }
    for text in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        let note = LoggingMessageNotificationParam::new(LoggingLevel::Info, text.into());
        let _ = context.peer.notify_logging_message(note).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn call(request: CallToolRequestParams, context: &Context) -> Result<CallToolResponse, ErrorData> {
    let name = request.name.as_ref();
    match name {
        "test_tool_with_progress" => tell_progress(context).await,
        "test_tool_with_logging" | "test_logging_tool" => log(context).await,
        "test_missing_capability" => {
            let client = context.client_capabilities().unwrap_or_default();
            if client.sampling.is_none() {
                let needed = made(&serde_json::json!({ "sampling": {} }))?;
                return Err(ErrorData::missing_required_client_capability(needed));
            }
        }
        _ => {}
    }
    if let Some(rounds) = FIXTURES.rounds.get(name) {
        let (said, client) = (request.input_responses.as_ref(), context.client_capabilities());
        if let Some(question) = rounds.next(said, request.request_state.as_deref(), client.as_ref())? {
            return Ok(question.into());
        }
        let said = serde_json::to_string(&said).unwrap_or_default();
        return Ok(CallToolResult::success(vec![ContentBlock::text(format!("state-ok {said}"))]).into());
    }
    let result = FIXTURES.results.get(name).cloned().unwrap_or_default();
    let result = filled(&result, &request.arguments.unwrap_or_default());
    Ok(made::<CallToolResult>(&result)?.into())
}

/// The content at a URI of the suite.
fn contents(uri: &str) -> Option<Value> {
    let id = uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data"));
    let Some(id) = id else { return FIXTURES.contents.get(uri).cloned() };
    let text = format!(r#"{{"id":"{id}","templateTest":true,"data":"Data for ID: {id}"}}"#);
    Some(serde_json::json!({ "uri": uri, "mimeType": "application/json", "text": text }))
}

impl ServerHandler for Fixed {
    fn get_info(&self) -> ServerConfig {
        let mut config = self.0.get_info();
        config.capabilities.logging = Some(JsonObject::new());
        config
    }

    async fn discover(&self, context: Context) -> Result<DiscoverResult, ErrorData> {
        let mut found = self.0.discover(context).await?;
        found.capabilities.logging = Some(JsonObject::new());
        Ok(found)
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: Context,
    ) -> Result<CustomResult, ErrorData> {
        self.0.on_custom_request(request, context).await
    }

    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut list = self.0.list_tools(page, context).await?;
        list.tools.extend(FIXTURES.tools.iter().cloned());
        Ok(list)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let ours = self.0.get_tool(name);
        ours.or_else(|| FIXTURES.tools.iter().find(|tool| tool.name == name).cloned())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        if FIXTURES.tools.iter().any(|tool| tool.name == request.name) {
            return call(request, &context).await;
        }
        self.0.call_tool(request, context).await
    }

    #[expect(deprecated, reason = "the revisions that have logging are tested, too")]
    async fn set_level(
        &self,
        _request: rmcp::model::SetLevelRequestParams,
        _context: Context,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn list_prompts(
        &self,
        page: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        let mut list = self.0.list_prompts(page, context).await?;
        list.prompts.extend(FIXTURES.prompts.iter().cloned());
        Ok(list)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        let Some(messages) = FIXTURES.messages.get(&request.name) else {
            return self.0.get_prompt(request, context).await;
        };
        if let Some(rounds) = FIXTURES.rounds.get(&request.name) {
            let (said, client) = (request.input_responses.as_ref(), context.client_capabilities());
            if let Some(question) = rounds.next(said, request.request_state.as_deref(), client.as_ref())? {
                return Ok(question.into());
            }
        }
        let arguments = request.arguments.unwrap_or_default();
        Ok(made::<GetPromptResult>(&filled(messages, &arguments))?.into())
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        let mut list = self.0.list_resources(page, context).await?;
        list.resources.extend(FIXTURES.resources.iter().cloned());
        Ok(list)
    }

    async fn list_resource_templates(
        &self,
        page: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let mut list = self.0.list_resource_templates(page, context).await?;
        list.resource_templates.extend(FIXTURES.templates.iter().cloned());
        Ok(list)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let Some(found) = contents(&request.uri) else { return self.0.read_resource(request, context).await };
        Ok(ReadResourceResult::new(vec![made::<ResourceContents>(&found)?]).into())
    }

    #[expect(deprecated, reason = "older clients subscribe this way")]
    async fn subscribe(&self, request: SubscribeRequestParams, context: Context) -> Result<(), ErrorData> {
        if contents(&request.uri).is_some() { Ok(()) } else { self.0.subscribe(request, context).await }
    }

    #[expect(deprecated, reason = "older clients subscribe this way")]
    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: Context,
    ) -> Result<(), ErrorData> {
        self.0.unsubscribe(request, context).await
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.0.accepted_subscription_filter(requested)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.0.listen(context).await
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: Context,
    ) -> Result<CompleteResult, ErrorData> {
        if let Reference::Prompt(prompt) = &request.r#ref
            && FIXTURES.prompts.iter().any(|fixture| fixture.name == prompt.name)
        {
            return Ok(CompleteResult::new(CompletionInfo::default()));
        }
        self.0.complete(request, context).await
    }

    async fn get_task(&self, request: GetTaskParams, context: Context) -> Result<GetTaskResult, ErrorData> {
        self.0.get_task(request, context).await
    }

    async fn update_task(&self, request: UpdateTaskParams, context: Context) -> Result<(), ErrorData> {
        self.0.update_task(request, context).await
    }

    async fn cancel_task(&self, request: CancelTaskParams, context: Context) -> Result<(), ErrorData> {
        self.0.cancel_task(request, context).await
    }
}
