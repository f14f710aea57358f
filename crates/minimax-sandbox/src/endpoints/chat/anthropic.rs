//! `POST /anthropic/v1/messages` and its `count_tokens` ("Anthropic API").

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::endpoints::chat::json::{list, pieces, seal, tokens, word};
use crate::endpoints::chat::media;
use crate::endpoints::chat::question::{FLASH, M3, Question};
use crate::endpoints::chat::reply::{Reply, Stop};
use crate::endpoints::chat::sse::{EventStream, named};
use crate::engine::errors::{ApiError, SENSITIVE_OUTPUT};
use crate::engine::field_rules::{
    FILLED, Field, Kind, TEXT, check, check_at, flag, optional, required, text,
};
use crate::engine::journal::Entry;
use crate::engine::request::Call;
use crate::engine::routes::Routes;
use crate::engine::state::AppState;

/// "Anthropic API > Request". MiniMax ignores the last two fields.
const FIELDS: &[Field] = &[
    required("model", FILLED),
    required("messages", Kind::List { min: 1, max: usize::MAX, item: &Kind::Object(MESSAGE) }),
    optional("system", Kind::Any),
    optional("max_tokens", Kind::Int { min: 1, max: 524_288 }),
    optional("stream", Kind::Bool),
    optional("temperature", Kind::Number { min: 0.0, max: 2.0 }),
    optional("top_p", Kind::Number { min: 0.0, max: 1.0 }),
    optional("tools", Kind::List { min: 0, max: 128, item: &Kind::Map }),
    optional("tool_choice", Kind::Object(&[required("type", Kind::OneOf(&["auto", "none"]))])),
    optional("thinking", Kind::Object(&[required("type", Kind::OneOf(&["adaptive", "disabled"]))])),
    optional("output_config", Kind::Object(&[required("effort", Kind::OneOf(EFFORTS))])),
    optional("service_tier", Kind::OneOf(&["standard", "priority"])),
    optional("metadata", Kind::Object(&[optional("user_id", TEXT)])),
    optional("top_k", Kind::Any),
    optional("stop_sequences", Kind::Any),
];
const EFFORTS: &[&str] = &["low", "medium", "high", "xhigh", "max"];
const MESSAGE: &[Field] =
    &[required("role", Kind::OneOf(&["user", "assistant"])), required("content", Kind::Any)];
const TOOL: &[Field] = &[
    required("name", FILLED),
    required("input_schema", Kind::Map),
    optional("description", TEXT),
    optional("type", Kind::OneOf(&["custom"])),
    optional("cache_control", Kind::Map),
];
const SEARCH: &[Field] = &[
    required("type", Kind::OneOf(&["web_search_20250305"])),
    required("name", Kind::OneOf(&["web_search"])),
    optional("max_uses", Kind::Int { min: 1, max: 100 }),
];
const SOURCE: &[Field] = &[
    required("type", Kind::OneOf(&["url", "base64"])),
    optional("url", FILLED),
    optional("media_type", FILLED),
    optional("data", FILLED),
    optional("detail", Kind::OneOf(&["low", "default", "high"])),
    optional("fps", Kind::Number { min: 0.2, max: 5.0 }),
    optional("max_long_side_pixel", Kind::Int { min: 1, max: 100_000 }),
];
const SEEN: &[Field] = &[required("type", TEXT), required("source", Kind::Object(SOURCE))];
/// The fields of content blocks, by type.
const BLOCKS: &[(&str, &[Field])] = &[
    (
        "text",
        &[
            required("type", TEXT),
            required("text", TEXT),
            optional("cache_control", Kind::Map),
            optional("citations", Kind::Any),
        ],
    ),
    ("image", SEEN),
    ("video", SEEN),
    ("thinking", &[required("type", TEXT), required("thinking", TEXT), required("signature", FILLED)]),
    (
        "tool_use",
        &[
            required("type", TEXT),
            required("id", FILLED),
            required("name", FILLED),
            required("input", Kind::Map),
        ],
    ),
    (
        "server_tool_use",
        &[
            required("type", TEXT),
            required("id", FILLED),
            required("name", FILLED),
            required("input", Kind::Map),
        ],
    ),
    (
        "web_search_tool_result",
        &[required("type", TEXT), required("tool_use_id", FILLED), required("content", Kind::Any)],
    ),
    (
        "tool_result",
        &[
            required("type", TEXT),
            required("tool_use_id", FILLED),
            optional("content", Kind::Any),
            optional("is_error", Kind::Bool),
        ],
    ),
];

pub(crate) fn routes() -> Routes {
    Routes::new().post("/anthropic/v1/messages", message).post("/anthropic/v1/messages/count_tokens", count)
}

async fn message(State(state): State<Arc<AppState>>, call: Call) -> Result<Response, ApiError> {
    let body = call.json()?;
    let question = question(&state, &body)?;
    question.check()?;
    state.store.add(&Entry::paid(call.bill(), None, None))?;
    let reply = Reply::to(&question);
    let renderer = Renderer { question: &question, reply: &reply, trace: &call.trace };
    if !question.stream {
        return Ok(Json(renderer.whole()).into_response());
    }
    Ok(renderer.stream().into_response(state, reply.ending))
}

/// Counts tokens. Free; does not accept `max_tokens`.
async fn count(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let body = call.json()?;
    if let Some(name) = ["max_tokens", "stream"].into_iter().find(|name| body.contains_key(*name)) {
        return Err(ApiError::invalid(format_args!("unknown field {name}")));
    }
    let question = question(&state, &body)?;
    Ok(Json(json!({"input_tokens": question.input})))
}

fn question(state: &AppState, body: &Map<String, Value>) -> Result<Question, ApiError> {
    check(body, FIELDS)?;
    let model = text(body, "model");
    let adaptive = body.get("thinking").is_some_and(|thinking| word(thinking, "type") == "adaptive");
    if body.contains_key("output_config") && !model.starts_with(FLASH) {
        return Err(ApiError::invalid(format_args!("output_config.effort is not supported by {model}")));
    }
    let mut question = Question {
        model: model.to_owned(),
        stream: flag(body, "stream"),
        system: text(body, "system").to_owned(),
        // M3 thinks only on request; M3.1-Flash always does.
        thinks: model != M3 || adaptive,
        max_tokens: body.get("max_tokens").and_then(Value::as_i64),
        ..Question::default()
    };
    for (at, tool) in list(body, "tools").iter().enumerate() {
        let field = format!("tools.{at}");
        if word(tool, "type").starts_with("web_search") {
            check_at(tool, SEARCH, &field)?;
            question.searches = true;
        } else {
            check_at(tool, TOOL, &field)?;
            question.tools.push(word(tool, "name").to_owned());
        }
    }
    let messages = list(body, "messages");
    let mut open: Vec<String> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        open = read(state, &mut question, message, at, &open)?;
    }
    if let Some(id) = open.first() {
        return Err(ApiError::invalid(format_args!("the tool_use {id} has no tool_result")));
    }
    question.messages = messages.len();
    question.input = tokens(&json!([body.get("messages"), body.get("system"), body.get("tools")]));
    question.input_last = messages.last().map(tokens).unwrap_or_default();
    Ok(question)
}

/// Reads a message. `open` lists the calls that this message must answer; the result lists those that the next one must
/// answer.
fn read(
    state: &AppState,
    question: &mut Question,
    message: &Value,
    at: usize,
    open: &[String],
) -> Result<Vec<String>, ApiError> {
    let plain = [json!({"type": "text", "text": message["content"]})];
    let blocks = match &message["content"] {
        Value::String(_) => plain.as_slice(),
        Value::Array(blocks) if !blocks.is_empty() => blocks.as_slice(),
        _ => return Err(ApiError::invalid(format_args!("messages.{at}.content must be a string or blocks"))),
    };
    let user = word(message, "role") == "user";
    let (mut texts, mut seen, mut results, mut calls, mut thought) = (vec![], vec![], vec![], vec![], false);
    let mut open = open.to_vec();
    for (place, block) in blocks.iter().enumerate() {
        let (kind, field) = (word(block, "type"), format!("messages.{at}.content.{place}"));
        let table = BLOCKS.iter().find(|(name, _)| *name == kind);
        let table = table
            .ok_or_else(|| ApiError::invalid(format_args!("{field}: unsupported content type '{kind}'")))?;
        check_at(block, table.1, &field)?;
        let misplaced = match kind {
            "image" | "video" | "tool_result" => !user,
            "thinking" | "tool_use" | "server_tool_use" | "web_search_tool_result" => user,
            _ => false,
        };
        if misplaced {
            return Err(ApiError::invalid(format_args!("{field}: {kind} is not allowed for this role")));
        }
        match kind {
            "text" => texts.push(word(block, "text")),
            "image" => seen.push(media::image(state, &field, &url(&block["source"]))?),
            "video" => seen.push(media::video(state, &field, &url(&block["source"]))?),
            "tool_use" => calls.push(word(block, "id").to_owned()),
            "thinking" if word(block, "signature") != seal(word(block, "thinking")) => {
                return Err(ApiError::invalid(format_args!("{field}: invalid signature in thinking block")));
            }
            "thinking" => thought = true,
            "tool_result" => {
                let id = word(block, "tool_use_id");
                let place = open.iter().position(|known| known == id);
                let place = place
                    .ok_or_else(|| ApiError::invalid(format_args!("{field}: unexpected tool_use_id {id}")))?;
                open.remove(place);
                results.push(word(block, "content").to_owned());
            }
            _ => {}
        }
    }
    if let Some(id) = open.first() {
        return Err(ApiError::invalid(format_args!("messages.{at}: the tool_use {id} has no tool_result")));
    }
    if !seen.is_empty() && !question.accepts_media() {
        return Err(ApiError::invalid(format_args!("messages.{at}: {} takes no media", question.model)));
    }
    if !user {
        question.remembered = thought;
        question.results.clear();
    } else if results.is_empty() {
        (question.last, question.seen) = (texts.join("\n"), seen);
    } else {
        question.results = results;
    }
    Ok(calls)
}

fn url(source: &Value) -> String {
    match word(source, "type") {
        "base64" => format!("data:{};base64,{}", word(source, "media_type"), word(source, "data")),
        _ => word(source, "url").to_owned(),
    }
}

/// Renders an answer in this protocol.
struct Renderer<'a> {
    question: &'a Question,
    reply: &'a Reply,
    trace: &'a str,
}

impl Renderer<'_> {
    fn blocks(&self) -> Vec<Value> {
        let reply = self.reply;
        let mut blocks = Vec::new();
        if !reply.thoughts.is_empty() {
            let seal = seal(&reply.thoughts);
            blocks.push(json!({"type": "thinking", "thinking": reply.thoughts, "signature": seal}));
        }
        if reply.search {
            let id = "srvtoolu_1";
            blocks.push(json!({"type": "server_tool_use", "id": id, "name": "web_search",
                "input": {"query": "what the user said"}}));
            let found =
                json!([{"type": "web_search_result", "url": "https://example.com/fox", "title": "Foxes"}]);
            blocks.push(json!({"type": "web_search_tool_result", "tool_use_id": id, "content": found}));
        }
        blocks.push(json!({"type": "text", "text": reply.text}));
        if let Some(call) = &reply.call {
            let input: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
            blocks.push(json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input}));
        }
        blocks
    }

    fn reason(&self) -> &'static str {
        match self.reply.stop {
            Stop::End => "end_turn",
            Stop::Length => "max_tokens",
            Stop::Tool => "tool_use",
            Stop::Filter => "refusal",
        }
    }

    /// `input_tokens` excludes cached tokens.
    fn usage(&self) -> Value {
        let cached = self.question.cached();
        let mut usage = json!({
            "input_tokens": self.question.input.saturating_sub(cached), "output_tokens": self.reply.output_tokens().0,
            "cache_creation_input_tokens": 0, "cache_read_input_tokens": cached,
        });
        if let (true, Some(fields)) = (self.reply.search, usage.as_object_mut()) {
            fields.insert("server_tool_use".into(), json!({"web_search_requests": 1}));
        }
        usage
    }

    fn whole(&self) -> Value {
        json!({"id": self.trace, "type": "message", "role": "assistant", "model": self.question.model,
            "content": self.blocks(), "usage": self.usage(), "stop_reason": self.reason()})
    }

    fn stream(&self) -> EventStream {
        let mut stream = EventStream::default();
        // MiniMax sends provisional, wrong numbers here.
        let usage = json!({"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 1366});
        let message = json!({"id": self.trace, "type": "message", "role": "assistant", "content": [],
            "model": self.question.model, "stop_reason": null, "stop_sequence": null, "usage": usage,
            "service_tier": "standard"});
        stream.head.push(named(&json!({"type": "message_start", "message": message})));
        stream.head.push(named(&json!({"type": "ping"})));
        for (index, block) in self.blocks().into_iter().enumerate() {
            add(&mut stream, index, block);
        }
        let delta = json!({"stop_reason": self.reason()});
        stream.tail.push(named(&json!({"type": "message_delta", "delta": delta, "usage": self.usage()})));
        stream.tail.push(named(&json!({"type": "message_stop"})));
        let error = ApiError::of(SENSITIVE_OUTPUT).anthropic_body(self.trace);
        stream.error = format!("event: error\ndata: {error}\n\n");
        stream
    }
}

/// Adds the events of one block. Only the text goes to the body, which is the part that can be cut short.
fn add(stream: &mut EventStream, index: usize, mut block: Value) {
    let delta = |delta: Value| named(&json!({"type": "content_block_delta", "index": index, "delta": delta}));
    let mut deltas = Vec::new();
    let kind = word(&block, "type").to_owned();
    let mut take = |name: &str, empty: Value| {
        block.as_object_mut().and_then(|fields| fields.insert(name.to_owned(), empty)).unwrap_or_default()
    };
    match kind.as_str() {
        "text" => {
            let words = take("text", json!(""));
            for piece in pieces(words.as_str().unwrap_or_default()) {
                deltas.push(delta(json!({"type": "text_delta", "text": piece})));
            }
        }
        "thinking" => {
            let words = take("thinking", json!(""));
            for piece in pieces(words.as_str().unwrap_or_default()) {
                deltas.push(delta(json!({"type": "thinking_delta", "thinking": piece})));
            }
            let seal = block.as_object_mut().and_then(|fields| fields.shift_remove("signature"));
            deltas.push(delta(json!({"type": "signature_delta", "signature": seal})));
        }
        "tool_use" | "server_tool_use" => {
            let input = take("input", json!({})).to_string();
            for piece in pieces(&input) {
                deltas.push(delta(json!({"type": "input_json_delta", "partial_json": piece})));
            }
        }
        _ => {}
    }
    let start = named(&json!({"type": "content_block_start", "index": index, "content_block": block}));
    let stop = named(&json!({"type": "content_block_stop", "index": index}));
    if kind == "text" {
        stream.head.push(start);
        stream.body = deltas;
        stream.tail.push(stop);
        return;
    }
    // Blocks before the text go to the head, those after it to the tail.
    let place = if stream.tail.is_empty() { &mut stream.head } else { &mut stream.tail };
    place.push(start);
    place.extend(deltas);
    place.push(stop);
}
