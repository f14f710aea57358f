//! The pipeline that every tool call goes through, stage by stage.

use rmcp::handler::server::tool::{IntoCallToolResult as _, ToolCallContext};
use rmcp::model::{CallToolRequestParams, CallToolResponse, JsonObject, ProtocolVersion, Tool};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::Value;

use crate::arguments::lengths::names_a_path;
use crate::arguments::{self, Checked};
use crate::mcp::abandoned_calls::BilledCall;
use crate::mcp::call_digest::{CallArguments, CallDigest};
use crate::mcp::catalogue::{Billing, ToolSpec};
use crate::mcp::checkout::consent::Answers;
use crate::mcp::error::{self, ToolError};
use crate::mcp::key_choice;
use crate::mcp::server::Server;
use crate::mcp::{preview, tasks};
use crate::result;
use crate::telemetry::display;

/// Why a call ends before its last stage.
enum Stop {
    /// With a result.
    Answer(CallToolResponse),
    /// With a protocol error.
    Refuse(ErrorData),
}

impl From<ToolError> for Stop {
    fn from(error: ToolError) -> Self {
        Self::Answer(error.into_response())
    }
}

impl From<ErrorData> for Stop {
    fn from(error: ErrorData) -> Self {
        Self::Refuse(error)
    }
}

/// A tool that the caller may call.
struct Resolved<'a> {
    spec: &'static ToolSpec,
    tool: &'a Tool,
    /// What arguments are checked against.
    schema: &'a JsonObject,
}

/// The similarity from which a name counts as a misspelling of another.
const CLOSE: f64 = 0.9;

/// Takes a call through all stages, for the caller that `server` serves.
pub(super) async fn run(
    server: &Server,
    request: CallToolRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let catalogue = server.catalogue();
    let tool = catalogue.find(&request.name).and_then(|spec| catalogue.tool(spec.name));
    match stages(server, request, context).await {
        Ok(response) | Err(Stop::Answer(response)) => Ok(server.presenter.marked(classified(tool, response))),
        Err(Stop::Refuse(error)) => Err(error),
    }
}

async fn stages(
    server: &Server,
    mut request: CallToolRequestParams,
    mut context: RequestContext<RoleServer>,
) -> Result<CallToolResponse, Stop> {
    prepare_links(server).await;
    let tool = resolve_tool(server, &request.name).map_err(|unknown| {
        wrong_settings(server, &request.name).map_or_else(|| Stop::from(unknown), Stop::from)
    })?;
    check_rate(server)?;
    let given = normalize_arguments(&tool, request.arguments.take().unwrap_or_default());
    let Checked { mut arguments, notes } = validate_arguments(&tool, given)?;
    let digest = replay_idempotent(server, &tool, &arguments, &context).await?;
    ask_for_folders(server, &mut request, &arguments, &context).await?;
    context.extensions.insert(CallArguments::of(&arguments));
    let answers = attach_consent(&mut request, &mut context, &digest);
    let as_task = choose_task_mode(&tool, &mut arguments, &context);
    let payer = choose_key(server, &tool, &arguments).await?;
    let server = payer.as_ref().unwrap_or(server);
    let response = run_tool(server, &tool, request, arguments, context, digest).await?;
    let response = noting(&tool, response, &notes);
    let response = add_preview(server, response).await;
    present(server, response, &answers, as_task).await
}

/// First, because every stage after it may show a job, whose links need the signing key.
async fn prepare_links(server: &Server) {
    server.prepare_links().await;
}

/// Before the rate is counted, so that a misspelt name costs nothing, and before the arguments are read, because they
/// mean nothing without their tool. A tool that this caller may not call looks like one that does not exist.
fn resolve_tool<'a>(server: &'a Server, name: &str) -> Result<Resolved<'a>, ErrorData> {
    let catalogue = server.catalogue();
    let known = catalogue.find(name);
    let offered = known.filter(|spec| server.policy.offers(spec.name));
    let found = offered.and_then(|spec| Some((spec, catalogue.tool(spec.name)?)));
    if let Some((spec, tool)) = found {
        let schema = catalogue.accepted(spec.name).unwrap_or(&tool.input_schema);
        return Ok(Resolved { spec, tool, schema });
    }
    let mut names: Vec<_> = server.policy.offered().map(|spec| spec.name).collect();
    names.sort_unstable();
    let shown = display(known.map_or(name, |spec| spec.name), 64);
    let meant = shown.to_ascii_lowercase();
    let why = match known {
        Some(_) => {
            " here (MINIMAX_TOOLSETS, MINIMAX_READ_ONLY, the token's toolsets, the request's X-MCP headers or HTTP exclude \
             it)"
        }
        None => "",
    };
    // The whole list only helps a client that has not read it.
    let close =
        names.iter().filter(|_| known.is_none()).map(|name| (strsim::jaro_winkler(name, &meant), *name));
    let close = close.filter(|(score, _)| *score > CLOSE).max_by(|a, b| a.0.total_cmp(&b.0));
    let message = match close {
        Some((_, name)) => format!("unknown tool `{shown}`; did you mean `{name}`?"),
        None => format!("unknown tool `{shown}`{why}; there are {}", names.join(", ")),
    };
    Err(ErrorData::invalid_params(message, None))
}

/// The wrong settings, for a tool that exists and is not offered: one of them may be why.
fn wrong_settings(server: &Server, name: &str) -> Option<ToolError> {
    let problems = &server.config().problems;
    let is_known = server.catalogue().find(name).is_some();
    (is_known && !problems.is_empty()).then(|| ToolError::Config(problems.clone()))
}

/// Before any work is done for the call. The rate stops a runaway loop, so invalid calls count too.
fn check_rate(server: &Server) -> Result<(), ToolError> {
    server.policy.check_rate()
}

/// Before validation, which knows only the forms of the schema. Arguments that cannot be normalized stay as they are,
/// and validation refuses them.
fn normalize_arguments(tool: &Resolved<'_>, given: JsonObject) -> JsonObject {
    match tool.spec.normalize {
        Some(normalize) => normalize(given),
        None => given,
    }
}

/// Before the digest, so that two spellings of the same arguments are the same call.
fn validate_arguments(tool: &Resolved<'_>, given: JsonObject) -> Result<Checked, ToolError> {
    let wrong = |problem| ToolError::Arguments { tool: tool.spec.name.to_owned(), problem };
    arguments::in_order(tool.schema, given).map_err(wrong)
}

/// Before a person is asked, and before anything is read or uploaded: a repeated call gets the job of the first call
/// and costs nothing. A new call continues with its digest.
async fn replay_idempotent(
    server: &Server,
    tool: &Resolved<'_>,
    arguments: &JsonObject,
    context: &RequestContext<RoleServer>,
) -> Result<CallDigest, Stop> {
    let digest = CallDigest::of(tool.spec.name, arguments);
    match server.checkout.replayed(arguments, &digest, context).await {
        Ok(None) => Ok(digest),
        Ok(Some(view)) => Err(Stop::Answer(view.into_call_tool_result()?)),
        Err(error) => Err(Stop::Answer(server.presenter.reworded(error.into_response()))),
    }
}

/// Before the tool runs, because a call may name a file in a folder that the client has open. In revisions in which a
/// server sends no requests, the question is the result of the first call that names a path.
async fn ask_for_folders(
    server: &Server,
    request: &mut CallToolRequestParams,
    arguments: &JsonObject,
    context: &RequestContext<RoleServer>,
) -> Result<(), Stop> {
    let Some(folders) = server.client_folders() else { return Ok(()) };
    if context.client_capabilities().is_none_or(|client| client.roots.is_none()) {
        return Ok(());
    }
    let modern = context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
    if !modern {
        folders.ask_once(&context.peer);
        return Ok(());
    }
    folders.take_answer(&mut request.input_responses).await;
    if !arguments.iter().any(|(name, value)| names_a_path(name, value)) {
        return Ok(());
    }
    match folders.question() {
        Some(question) => Err(Stop::Answer(question.into())),
        None => Ok(()),
    }
}

/// Before the tool runs, because the tool asks for consent once it knows the price. Attaches the answers that came with
/// the call, and the digest that they are bound to.
fn attach_consent(
    request: &mut CallToolRequestParams,
    context: &mut RequestContext<RoleServer>,
    digest: &CallDigest,
) -> Answers {
    let answers = Answers::new(request.input_responses.take(), request.request_state.take());
    context.extensions.insert(digest.clone());
    context.extensions.insert(answers.clone());
    answers
}

/// After the digest, because this changes the arguments: a call that may become a task waits for a shorter time.
fn choose_task_mode(
    tool: &Resolved<'_>,
    arguments: &mut JsonObject,
    context: &RequestContext<RoleServer>,
) -> bool {
    let as_task = has_property(tool.schema, "idempotency_key") && tasks::wanted(context);
    if as_task {
        tasks::shorten(tool.spec, arguments);
    }
    as_task
}

/// Before the tool runs, because it uploads and buys with the key that is chosen here. `None` if one key pays for
/// everything.
async fn choose_key(
    server: &Server,
    tool: &Resolved<'_>,
    arguments: &JsonObject,
) -> Result<Option<Server>, ToolError> {
    key_choice::choose(server, tool.spec, arguments).await
}

/// Runs the tool. A call that is billed at once must not lose its answer with its caller, so it runs where it can
/// outlive the call.
async fn run_tool(
    server: &Server,
    tool: &Resolved<'_>,
    mut request: CallToolRequestParams,
    arguments: JsonObject,
    context: RequestContext<RoleServer>,
    digest: CallDigest,
) -> Result<CallToolResponse, ErrorData> {
    let dry = arguments.get("dry_run") == Some(&Value::Bool(true));
    request.name = tool.spec.name.into();
    request.arguments = Some(arguments);
    if dry || tool.spec.billing != Billing::Immediate {
        return server.catalogue().call(ToolCallContext::new(server, request, context)).await;
    }
    let call = BilledCall {
        jobs: server.jobs(),
        caller: server.caller(),
        digest,
        output_schema: tool.tool.output_schema.as_deref(),
        client_gone: server.client_gone_token(),
    };
    let me = server.clone();
    let work = async move |context| key_choice::run_immediate(&me, request, context).await;
    server.abandoned_calls().run(call, context, work).await
}

/// Before the result is presented, which may turn it into a task: adds what the caller should know about the arguments.
fn noting(tool: &Resolved<'_>, mut response: CallToolResponse, notes: &[String]) -> CallToolResponse {
    if let CallToolResponse::Complete(result) = &mut response {
        for note in notes {
            result::add_note(tool.tool.output_schema.as_deref(), result, note);
        }
    }
    response
}

/// Before the result is presented, and after every stage that reads its first text: adds a small picture of an image
/// job, if the settings ask for one.
async fn add_preview(server: &Server, mut response: CallToolResponse) -> CallToolResponse {
    if let CallToolResponse::Complete(result) = &mut response
        && server.config().image_preview
    {
        preview::add(server, result).await;
    }
    response
}

/// Last, because only now is it known what the client gets: a question to a person, a task, or the result in words for
/// this caller.
async fn present(
    server: &Server,
    response: CallToolResponse,
    answers: &Answers,
    as_task: bool,
) -> Result<CallToolResponse, Stop> {
    let response = server.presenter.reworded(response);
    if let Some(question) = answers.question() {
        return Ok(question.into());
    }
    Ok(if as_task { tasks::as_task(server, response).await } else { response })
}

fn has_property(schema: &JsonObject, name: &str) -> bool {
    schema.get("properties").is_some_and(|properties| properties.get(name).is_some())
}

/// Says in every error of what kind it is, wherever the call ended. The error of a tool without structured content has
/// none either.
fn classified(tool: Option<&Tool>, mut response: CallToolResponse) -> CallToolResponse {
    if let CallToolResponse::Complete(result) = &mut response {
        error::classify(result);
        if result.is_error == Some(true) && tool.is_none_or(|tool| tool.output_schema.is_none()) {
            result.structured_content = None;
        }
    }
    response
}
