//! Which of the server's two keys a call goes by.
//!
//! An id goes by the key that it was made with: another key may belong to another account. What plans include is bought
//! with the plan's key, and everything else from the balance. A job that exists goes by its own key, whatever is chosen
//! here.

use rmcp::handler::server::tool::ToolCallContext;
use rmcp::model::{CallToolRequestParams, CallToolResponse, ContentBlock, JsonObject};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::Value;

use crate::facts::{facts, plan};
use crate::jobs::{Jobs, PaysWith, RemoteKind};
use crate::mcp::error::ToolError;
use crate::mcp::server::Server;

/// The arguments that hold an id at MiniMax.
const IDS: &[(&str, RemoteKind)] =
    &[("voice_id", RemoteKind::Voice), ("file_id", RemoteKind::File), ("task_id", RemoteKind::Task)];

/// The server with the key for this call; `None` where one key pays for everything.
pub(super) async fn choose(
    server: &Server,
    tool: &str,
    arguments: &JsonObject,
) -> Result<Option<Server>, ToolError> {
    if server.jobs().pays_with().is_none() || !server.config().problems.is_empty() {
        return Ok(None);
    }
    let by_id = key_of_ids(server, arguments).await?.and_then(|jobs| jobs.pays_with());
    let key = match by_id {
        Some(key) => key,
        None if is_in_plan(server, tool, arguments).await? => PaysWith::Plan,
        None => PaysWith::Balance,
    };
    Ok(server.paying_with(key))
}

async fn key_of_ids(server: &Server, arguments: &JsonObject) -> Result<Option<Jobs>, ToolError> {
    let text = |name: &str| match arguments.get(name) {
        Some(Value::String(text)) => Some(text.trim().to_owned()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let mixed = arguments.get("voice_mix").and_then(Value::as_array).into_iter().flatten();
    let mixed =
        mixed.filter_map(|voice| Some((voice.get("voice_id")?.as_str()?.to_owned(), RemoteKind::Voice)));
    let named = IDS.iter().filter_map(|(name, kind)| Some((text(name)?, *kind)));
    for (id, kind) in named.chain(mixed) {
        if let Some(jobs) = server.jobs().with_key_of_id(kind, &id).await? {
            return Ok(Some(jobs));
        }
    }
    match text("job_id") {
        Some(id) => Ok(server.jobs().with_key_of_job(server.principal(), &id).await?),
        None => Ok(None),
    }
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

/// Runs a tool that is billed at once. What the plan refuses is bought from the balance, once, if the settings allow it;
/// otherwise the refusal says when the plan can be used again.
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

/// The code with which MiniMax refused a call that brought nothing, and so was not billed.
fn refused_with(response: &CallToolResponse) -> Option<i64> {
    let CallToolResponse::Complete(result) = response else { return None };
    let content = result.structured_content.as_ref().filter(|_| result.is_error == Some(true))?;
    let brought = ["text", "reasoning", "tool_calls", "conversation_id"];
    let is_empty = |name: &&str| content.get(*name).is_none_or(|part| part == &Value::Null || part == "");
    brought.iter().all(is_empty).then(|| content.pointer("/error/code")?.as_i64())?
}

/// An error with other advice.
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
