//! Converts a call of `chat` into a request that its protocol and model accept.

use std::collections::{HashMap, HashSet};

use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::chat::{Ask, Function, Medium, Protocol, Speaker, ToolCall, Turn};
use crate::chat::input::{ChatInput, Message};
use crate::chat::rules::{Rules, protocol};
use crate::facts::facts;
use crate::jobs::{Conversation, Said};
use crate::mcp::inputs::Takes;
use crate::mcp::model_name::ModelNames;
use crate::mcp::{Server, ToolError};
use crate::media::units::above;
use crate::media::{Kind, Limits, Reference};
use crate::telemetry::is_blank;

/// OpenAI API > image formats and sizes.
const IMAGE: Takes = Takes {
    limits: Limits::new(&["image/jpeg", "image/png", "image/gif", "image/webp"], 10 * 1024 * 1024),
    uploads: None,
};

const VIDEOS: &[&str] = &["video/mp4", "video/x-msvideo", "video/quicktime", "video/x-matroska"];

/// OpenAI API > video formats and sizes. Large videos are uploaded.
const VIDEO: Takes =
    Takes { limits: Limits::new(VIDEOS, 512 * 1024 * 1024), uploads: Some("video_understanding") };

/// Like [`VIDEO`], for a count, which uploads nothing.
const VIDEO_INLINE: Takes = Takes { limits: Limits::new(VIDEOS, 50 * 1024 * 1024), uploads: None };

/// OpenAI API > size of the body.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// The `max_tokens` for a gateway that needs one, if the caller gives none.
const GATEWAY_MAX_TOKENS: u32 = 16_384;

/// The purpose of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It will be sent.
    Buy,
    /// It is checked and priced, and nothing is sent.
    Rehearse,
    /// MiniMax counts its tokens, and nothing is uploaded.
    Count,
}

/// A request, the conversation that it continues (whose messages are moved into the request), and warnings.
#[derive(Debug)]
pub(crate) struct PreparedChat {
    pub(crate) ask: Ask,
    pub(crate) conversation: Conversation,
    pub(crate) warnings: Vec<String>,
}

/// Checks a call completely. Large videos are uploaded if it will be bought.
pub(crate) async fn prepare(
    server: &Server,
    input: &ChatInput,
    purpose: Purpose,
) -> Result<PreparedChat, ToolError> {
    let kept = stored_conversation(server, input.conversation_id.as_deref()).await?;
    let (protocol, note) = protocol(input, kept.as_ref())?;
    let named = input.model.as_deref().or(kept.as_ref().map(|kept| kept.model.as_str()));
    let default_model = server.config().defaults.text_model.as_deref();
    let wanted = named.or(default_model).unwrap_or(facts().text_default());
    let model = ModelNames::of(server).sent(wanted);
    let rules = Rules::new(protocol, &model);
    let mut warnings = rules.warnings();
    warnings.extend(note);
    let (thinking, effort) = rules.thinking(input.thinking, input.effort.as_deref(), &mut warnings)?;
    rules.check(input, &mut warnings)?;
    let mut conversation = kept.unwrap_or_else(|| Conversation {
        id: String::new(),
        principal: server.principal().to_owned(),
        api: protocol.word().to_owned(),
        model: model.clone(),
        turns: 0,
        said: Said::default(),
    });
    let mut turns = turns(server, input, &rules, purpose).await?;
    let said = &mut conversation.said;
    said.system = system(input, &mut turns, said.system.take(), &mut warnings);
    if let Some(tools) = functions(input)? {
        said.tools = tools;
    }
    said.messages.extend(protocol.turns(&turns));
    check_calls(protocol, &said.messages)?;
    conversation.model.clone_from(&model);
    let max_tokens = input.max_tokens.or_else(|| needed_max_tokens(server, protocol, &mut warnings));
    let ask = Ask {
        protocol,
        model,
        system: conversation.said.system.clone(),
        messages: std::mem::take(&mut conversation.said.messages),
        thinking,
        effort,
        temperature: input.temperature,
        top_p: input.top_p,
        max_tokens,
        tools: conversation.said.tools.clone(),
        tool_choice: input.tool_choice.clone(),
        web_search: input.web_search == Some(true),
        response_format: input.response_format.clone().map(Value::Object),
        service_tier: input.service_tier.clone(),
    };
    check_size(&ask)?;
    Ok(PreparedChat { ask, conversation, warnings })
}

/// The `max_tokens` for a gateway: its `/v1/messages` refuses requests without one. MiniMax's own endpoint does not need it.
fn needed_max_tokens(server: &Server, protocol: Protocol, warnings: &mut Vec<String>) -> Option<u32> {
    if protocol != Protocol::Anthropic || !server.api().is_gateway() {
        return None;
    }
    warnings.push(format!("api anthropic needs max_tokens at a gateway; {GATEWAY_MAX_TOKENS} was sent"));
    Some(GATEWAY_MAX_TOKENS)
}

async fn stored_conversation(server: &Server, id: Option<&str>) -> Result<Option<Conversation>, ToolError> {
    let Some(id) = id.map(str::trim) else { return Ok(None) };
    // A conversation of up to 32 MiB is parsed here.
    let _reading = server.inputs.work.input_permit().await?;
    let found = server.jobs().conversation(server.principal(), id).await?;
    found.map(Some).ok_or_else(|| ToolError::NotFound {
        what: format!("conversation `{}`", id.chars().take(64).collect::<String>()),
        advice: "Conversations are kept for 30 days. Leave conversation_id out and give all messages."
            .to_owned(),
    })
}

async fn turns(
    server: &Server,
    input: &ChatInput,
    rules: &Rules,
    purpose: Purpose,
) -> Result<Vec<Turn>, ToolError> {
    let messages = input.messages.as_deref().unwrap_or_default();
    match (&input.prompt, messages) {
        (Some(_), [_, ..]) => {
            return Err(ToolError::argument(
                "messages",
                "cannot be combined with prompt; give one of the two",
            ));
        }
        (Some(prompt), []) => return Ok(vec![said(Speaker::User, prompt)]),
        (None, []) => return Err(ToolError::argument("prompt", "is missing: give prompt or messages")),
        (None, _) => {}
    }
    let mut turns = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let field = format!("messages[{index}]");
        let mut turn = turn(&field, message)?;
        for (place, text) in message.media.iter().flatten().enumerate() {
            let field = format!("{field}.media[{place}]");
            turn.media.push(medium(server, &field, text, rules, purpose).await?);
        }
        turns.push(turn);
    }
    match turns.last().map(|turn| turn.role) {
        Some(Speaker::User | Speaker::Tool) => Ok(turns),
        _ => Err(ToolError::argument("messages", "must end with a message of role user or tool")),
    }
}

async fn medium(
    server: &Server,
    field: &str,
    text: &str,
    rules: &Rules,
    purpose: Purpose,
) -> Result<Medium, ToolError> {
    if rules.row.is_some_and(|row| !row.sees) {
        let seeing = facts().text_models().iter().filter(|row| row.sees && row.note.is_none());
        let names: Vec<_> = seeing.map(|row| row.model.as_str()).collect();
        let problem =
            format!("cannot be given: {} accepts no media; use {}", rules.model, names.join(" or "));
        return Err(ToolError::argument(field, problem));
    }
    let (kind, text) = match (text.strip_prefix("image:"), text.strip_prefix("video:")) {
        (Some(rest), _) => (Kind::Image, rest),
        (_, Some(rest)) => (Kind::Video, rest),
        _ => (server.inputs.kind_of(field, text).await?, text),
    };
    if kind != Kind::Video {
        return Ok(Medium::Image(server.inputs.resolve(field, text, &IMAGE, false).await?));
    }
    if !rules.protocol.video || rules.row.is_some_and(|row| row.video_blind) {
        let able = facts().text_protocols(|row| row.video);
        let problem = format!("is a video; give it to MiniMax-M3.1-Flash or MiniMax-M3 with api {able}");
        return Err(ToolError::argument(field, problem));
    }
    let sent_up = matches!(server.inputs.resolver.reference(field, text).await?, Reference::Uploaded(_));
    let takes = if purpose != Purpose::Count || sent_up { VIDEO } else { VIDEO_INLINE };
    Ok(Medium::Video(server.inputs.resolve(field, text, &takes, purpose == Purpose::Rehearse).await?))
}

fn said(role: Speaker, text: &str) -> Turn {
    Turn { role, text: text.to_owned(), media: Vec::new(), tool_call_id: None, tool_calls: Vec::new() }
}

fn turn(field: &str, message: &Message) -> Result<Turn, ToolError> {
    let wrong = |name: &str, problem: &str| Err(ToolError::argument(format!("{field}.{name}"), problem));
    let role = match message.role.as_str() {
        "user" => Speaker::User,
        "assistant" => Speaker::Assistant,
        "system" => Speaker::System,
        "tool" => Speaker::Tool,
        _ => return wrong("role", "must be one of user, assistant, system, tool"),
    };
    if (role == Speaker::Tool) != message.tool_call_id.is_some() {
        return wrong("tool_call_id", "must be given with role tool, and only with that role");
    }
    let calls = message.tool_calls.iter().flatten().enumerate();
    let calls = calls.map(|(at, call)| read::<ToolCall>(&format!("{field}.tool_calls[{at}]"), call));
    let tool_calls = calls.collect::<Result<Vec<_>, _>>()?;
    if role != Speaker::Assistant && !tool_calls.is_empty() {
        return wrong("tool_calls", "can be given only with role assistant");
    }
    let shows = message.media.as_ref().is_some_and(|media| !media.is_empty());
    if role != Speaker::User && shows {
        return wrong("media", "can be given only with role user");
    }
    let text = message.content.as_deref().unwrap_or_default();
    if is_blank(text) && !shows && tool_calls.is_empty() && role != Speaker::Tool {
        return wrong("content", "is empty");
    }
    Ok(Turn { tool_call_id: message.tool_call_id.clone(), tool_calls, ..said(role, text) })
}

/// Reads an object whose fields are not in the tool's schema.
fn read<T: DeserializeOwned>(field: &str, object: &JsonObject) -> Result<T, ToolError> {
    serde_json::from_value(Value::Object(object.clone()))
        .map_err(|problem| ToolError::argument(field, format!("cannot be read: {problem}")))
}

/// The messages of `count_tokens`.
pub(crate) fn read_messages(messages: &[JsonObject]) -> Result<Vec<Message>, ToolError> {
    messages.iter().enumerate().map(|(at, message)| read(&format!("messages[{at}]"), message)).collect()
}

/// The system prompt. MiniMax takes one system message, at the beginning, so later ones are moved there.
fn system(
    input: &ChatInput,
    turns: &mut Vec<Turn>,
    kept: Option<String>,
    warnings: &mut Vec<String>,
) -> Option<String> {
    let leading = turns.iter().take_while(|turn| turn.role == Speaker::System).count();
    let first = turns.drain(..leading).map(|turn| turn.text);
    let own: Vec<String> = input.system.iter().cloned().chain(first).collect();
    let (later, rest): (Vec<_>, Vec<_>) = turns.drain(..).partition(|turn| turn.role == Speaker::System);
    *turns = rest;
    if !later.is_empty() {
        warnings.push(
            "MiniMax takes one system message, at the beginning; later ones were added to it".to_owned(),
        );
    }
    let base = if own.is_empty() { kept.into_iter().collect() } else { own };
    let all: Vec<String> = base.into_iter().chain(later.into_iter().map(|turn| turn.text)).collect();
    (!all.is_empty()).then(|| all.join("\n\n"))
}

fn functions(input: &ChatInput) -> Result<Option<Vec<Function>>, ToolError> {
    let Some(tools) = &input.tools else { return Ok(None) };
    let mut functions: Vec<Function> = Vec::new();
    for (index, tool) in tools.iter().enumerate() {
        let mut function: Function = read(&format!("tools[{index}]"), tool)?;
        let letters = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
        let wrong = |problem: &str| Err(ToolError::argument(format!("tools[{index}].name"), problem));
        if function.name.is_empty() || function.name.len() > 64 || !function.name.chars().all(letters) {
            return wrong("must be 1 to 64 letters, digits, _ and -");
        }
        if functions.iter().any(|known| known.name == function.name) {
            return wrong("is the name of another function too; names must differ");
        }
        if function.parameters.is_empty() {
            function.parameters.insert("type".to_owned(), "object".into());
            function.parameters.insert("properties".to_owned(), Value::Object(JsonObject::new()));
        }
        functions.push(function);
    }
    Ok(Some(functions))
}

/// Checks that each tool call has a result, and each result a call.
fn check_calls(protocol: Protocol, messages: &[Value]) -> Result<(), ToolError> {
    let (calls, results) = protocol.calls(messages);
    let (asked, given): (HashSet<_>, HashSet<_>) =
        (calls.iter().cloned().collect(), results.iter().collect());
    if let Some(stray) = results.iter().find(|id| !asked.contains(*id)) {
        let known = if calls.is_empty() { "there are none".to_owned() } else { calls.join(", ") };
        let problem = format!("{stray} is not the id of a call in this conversation ({known})");
        return Err(ToolError::argument("tool_call_id", problem));
    }
    // A gateway may use an id again in a later turn.
    let mut unanswered: HashMap<&String, usize> = HashMap::new();
    for id in &calls {
        *unanswered.entry(id).or_default() += 1;
    }
    let is_surplus = |id: &&String| match unanswered.get_mut(*id) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    if let Some(again) = results.iter().find(is_surplus) {
        let problem = format!("{again} is the id of a call that has its result already; each call takes one");
        return Err(ToolError::argument("tool_call_id", problem));
    }
    let open: Vec<_> = calls.into_iter().filter(|id| !given.contains(id)).collect();
    if open.is_empty() {
        return Ok(());
    }
    let problem = format!(
        "must first give the results of the open calls, each with role tool and its tool_call_id: {}",
        open.join(", ")
    );
    Err(ToolError::argument("messages", problem))
}

fn check_size(ask: &Ask) -> Result<(), ToolError> {
    let bytes = ask.size();
    if bytes <= BODY_LIMIT {
        return Ok(());
    }
    let problem = format!("make a request of {}. Give media as URLs", above(bytes as u64, BODY_LIMIT as u64));
    Err(ToolError::argument("messages", problem))
}
