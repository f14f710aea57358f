//! Chooses which of the server's two keys a call uses.
//!
//! An id is used with the key that made it, because the other key may belong to another account. Tools that plans
//! include buy with the plan's key, and all others from the balance. An existing job uses its own key, whatever is
//! chosen here.

use rmcp::handler::server::tool::ToolCallContext;
use rmcp::model::{CallToolRequestParams, CallToolResponse, ContentBlock, JsonObject};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::Value;

use crate::facts::{facts, plan, voices};
use crate::jobs::{Jobs, PaysWith, RemoteKind};
use crate::mcp::catalogue::{Billing, ToolSpec};
use crate::mcp::error::ToolError;
use crate::mcp::server::Server;
use crate::media;

/// The arguments that hold an id at MiniMax.
const IDS: &[(&str, RemoteKind)] =
    &[("voice_id", RemoteKind::Voice), ("file_id", RemoteKind::File), ("task_id", RemoteKind::Task)];

/// The server with the key for this call; `None` if one key pays for everything.
pub(super) async fn choose(
    server: &Server,
    spec: &ToolSpec,
    arguments: &JsonObject,
) -> Result<Option<Server>, ToolError> {
    if server.jobs().pays_with().is_none() || !server.config().problems.is_empty() {
        return Ok(None);
    }
    let mut ids = ids(arguments);
    arguments.values().for_each(|value| add_files(value, &mut ids));
    if let Some(key) = key_of_ids(server, arguments, &ids).await?.and_then(|jobs| jobs.pays_with()) {
        return Ok(server.paying_with(key));
    }
    let is_in_plan = is_in_plan(server, spec.name, arguments).await?;
    let usual = if is_in_plan { PaysWith::Plan } else { PaysWith::Balance };
    let sends_nothing = arguments.get("dry_run") == Some(&Value::Bool(true));
    let key = match ids.iter().find(|(_, kind)| may_be_asked(spec, *kind)) {
        Some((id, kind)) if !sends_nothing => key_that_sees(server, usual, *kind, id).await,
        _ => usual,
    };
    Ok(server.paying_with(key))
}

/// Whether MiniMax can be asked about an id of this call. A new voice does not exist yet, and free tools poll a task
/// with each key themselves.
fn may_be_asked(spec: &ToolSpec, kind: RemoteKind) -> bool {
    match kind {
        RemoteKind::File => true,
        RemoteKind::Voice => !spec.makes.contains(&"voice_id"),
        RemoteKind::Task => spec.billing != Billing::Free,
    }
}

/// The ids in the arguments, each with its kind.
fn ids(arguments: &JsonObject) -> Vec<(String, RemoteKind)> {
    let text = |name: &str| match arguments.get(name) {
        Some(Value::String(text)) => Some(text.trim().to_owned()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let mut found: Vec<_> = IDS.iter().filter_map(|(name, kind)| Some((text(name)?, *kind))).collect();
    let mixed = arguments.get("voice_mix").and_then(Value::as_array).into_iter().flatten();
    let mixed = mixed.filter_map(|voice| voice.get("voice_id")?.as_str());
    found.extend(mixed.map(|id| (id.to_owned(), RemoteKind::Voice)));
    found
}

/// Adds the files whose addresses a value contains, at any depth.
fn add_files(value: &Value, found: &mut Vec<(String, RemoteKind)>) {
    match value {
        Value::String(text) => {
            let id = media::file_id(text).filter(|_| text.contains("://"));
            found.extend(id.map(|id| (id.to_string(), RemoteKind::File)));
        }
        Value::Array(values) => values.iter().for_each(|value| add_files(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| add_files(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The key that the records name for one of the ids.
async fn key_of_ids(
    server: &Server,
    arguments: &JsonObject,
    ids: &[(String, RemoteKind)],
) -> Result<Option<Jobs>, ToolError> {
    for (id, kind) in ids {
        if let Some(jobs) = server.jobs().with_key_of_id(*kind, id).await? {
            return Ok(Some(jobs));
        }
    }
    match arguments.get("job_id").and_then(Value::as_str) {
        Some(id) => Ok(server.jobs().with_key_of_job(server.principal(), id.trim()).await?),
        None => Ok(None),
    }
}

/// The key for an id that is not in the records: the usual key, unless MiniMax shows the id only to the other.
async fn key_that_sees(server: &Server, usual: PaysWith, kind: RemoteKind, id: &str) -> PaysWith {
    let other = match usual {
        PaysWith::Plan => PaysWith::Balance,
        PaysWith::Balance => PaysWith::Plan,
    };
    let is_common = kind == RemoteKind::Voice && voices().get(id).is_some();
    let jobs = server.jobs();
    let (Some(first), Some(second)) = (jobs.paying_with(usual), jobs.paying_with(other)) else {
        return usual;
    };
    if is_common || first.sees(kind, id).await != Some(false) || second.sees(kind, id).await != Some(true) {
        return usual;
    }
    other
}

async fn is_in_plan(server: &Server, tool: &str, arguments: &JsonObject) -> Result<bool, ToolError> {
    let text = |name: &str| arguments.get(name).and_then(Value::as_str);
    if !plan().depends_on_model(tool) {
        return Ok(plan().includes(tool, None, text("purpose")));
    }
    let model = match (text("model"), text("conversation_id")) {
        (Some(model), _) => Some(model.to_owned()),
        (None, Some(id)) => {
            server.jobs().conversation(server.principal(), id.trim()).await?.map(|kept| kept.model)
        }
        (None, None) => None,
    };
    let usual = server.config().defaults.text_model.as_deref();
    let model = model.as_deref().or(usual).unwrap_or(facts().text_default());
    Ok(plan().includes(tool, Some(model), None))
}

/// Runs a tool that is billed at once. A call that the plan refuses is bought from the balance, once, if the settings
/// allow that; otherwise the refusal says when the plan can be used again.
pub(super) async fn run_immediate(
    server: &Server,
    request: CallToolRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let again = server.instead_of_plan().map(|balance| (balance, request.clone(), context.clone()));
    let response = run(server, request, context).await?;
    let Some(code) = refused_with(&response).filter(|code| plan().refusal(Some(*code)).is_some()) else {
        return Ok(response);
    };
    match again {
        Some((balance, request, context)) => {
            tracing::info!(code, "the plan refused a call; it is bought from the balance");
            run(&balance, request, context).await
        }
        None => Ok(match server.jobs().advice_of_plan(Some(code)).await {
            Some(advice) => advising(response, &advice),
            None => response,
        }),
    }
}

async fn run(
    server: &Server,
    request: CallToolRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    server.catalogue().call(ToolCallContext::new(server, request, context)).await
}

/// MiniMax's code, if MiniMax refused the call before it made anything, so that nothing was billed.
fn refused_with(response: &CallToolResponse) -> Option<i64> {
    let CallToolResponse::Complete(result) = response else { return None };
    let content = result.structured_content.as_ref().filter(|_| result.is_error == Some(true))?;
    let brought = ["text", "reasoning", "tool_calls", "conversation_id"];
    let is_empty = |name: &&str| content.get(*name).is_none_or(|part| part == &Value::Null || part == "");
    brought.iter().all(is_empty).then(|| content.pointer("/error/code")?.as_i64())?
}

/// Replaces the advice of an error.
fn advising(response: CallToolResponse, advice: &str) -> CallToolResponse {
    let CallToolResponse::Complete(mut result) = response else { return response };
    let Some(Value::Object(content)) = &mut result.structured_content else { return result.into() };
    let usual = content.insert("next".to_owned(), advice.into());
    let usual = usual.as_ref().and_then(Value::as_str).filter(|usual| !usual.is_empty());
    for block in &mut result.content {
        if let (ContentBlock::Text(text), Some(usual)) = (block, usual) {
            text.text = text.text.replace(usual, advice);
        }
    }
    result.into()
}
