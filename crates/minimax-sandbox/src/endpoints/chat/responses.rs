//! `POST /v1/responses` and its `input_tokens` ("Responses API").

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
use crate::engine::clock::now;
use crate::engine::errors::{ApiError, SENSITIVE_OUTPUT};
use crate::engine::field_rules::{
    FILLED, Field, Kind, TEXT, check, check_at, flag, optional, required, text,
};
use crate::engine::journal::Entry;
use crate::engine::request::Call;
use crate::engine::routes::Routes;
use crate::engine::state::AppState;

/// "Responses API > Request".
const FIELDS: &[Field] = &[
    required("model", FILLED),
    required("input", Kind::Any),
    optional("instructions", TEXT),
    optional("max_output_tokens", Kind::Int { min: 1, max: 524_288 }),
    optional("temperature", Kind::Positive { max: 1.0 }),
    optional("top_p", Kind::Positive { max: 1.0 }),
    optional("stream", Kind::Bool),
    optional("tools", Kind::List { min: 0, max: 128, item: &Kind::Map }),
    optional("tool_choice", Kind::OneOf(&["none", "auto"])),
    optional("metadata", Kind::Map),
    optional("prompt_cache_key", TEXT),
    optional(
        "text",
        Kind::Object(&[optional("format", Kind::Object(&[required("type", Kind::OneOf(&["text"]))]))]),
    ),
    optional("reasoning", Kind::Object(&[required("effort", Kind::OneOf(EFFORTS))])),
    optional("service_tier", Kind::OneOf(&["standard", "priority"])),
];
const EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh", "max"];
const TOOL: &[Field] = &[
    required("type", Kind::OneOf(&["function"])),
    required("name", FILLED),
    optional("description", TEXT),
    optional("parameters", Kind::Map),
    optional("strict", Kind::Any),
];
const LOOK: &[Field] = &[
    required("url", FILLED),
    optional("detail", Kind::OneOf(&["low", "default", "high"])),
    optional("fps", Kind::Number { min: 0.2, max: 5.0 }),
    optional("max_long_side_pixel", Kind::Int { min: 1, max: 100_000 }),
];
const ROLES: &[&str] = &["user", "assistant", "system", "developer", "tool"];
/// The fields of input items, by type. Clients that send an answer back include its `id` and `status`.
const ITEMS: &[(&str, &[Field])] = &[
    (
        "message",
        &[
            optional("type", TEXT),
            required("role", Kind::OneOf(ROLES)),
            required("content", Kind::Any),
            optional("id", TEXT),
            optional("status", TEXT),
        ],
    ),
    (
        "function_call",
        &[
            required("type", TEXT),
            required("call_id", FILLED),
            required("name", FILLED),
            required("arguments", TEXT),
            optional("id", TEXT),
            optional("status", TEXT),
        ],
    ),
    (
        "function_call_output",
        &[required("type", TEXT), required("call_id", FILLED), required("output", Kind::Any)],
    ),
    (
        "reasoning",
        &[
            required("type", TEXT),
            required("summary", Kind::Any),
            optional("content", Kind::Any),
            optional("encrypted_content", TEXT),
            optional("id", TEXT),
            optional("status", TEXT),
        ],
    ),
    (
        "web_search_call",
        &[
            required("type", TEXT),
            optional("id", TEXT),
            optional("status", TEXT),
            optional("action", Kind::Any),
        ],
    ),
];

pub(crate) fn routes() -> Routes {
    Routes::new().post("/v1/responses", respond).post("/v1/responses/input_tokens", count)
}

async fn respond(State(state): State<Arc<AppState>>, call: Call) -> Result<Response, ApiError> {
    let body = call.json()?;
    let question = question(&state, &body)?;
    question.check()?;
    state.store.add(&Entry::paid(call.bill(), None, None))?;
    let reply = Reply::to(&question);
    let renderer = Renderer { question: &question, reply: &reply, trace: &call.trace };
    if !question.stream {
        return Ok(Json(renderer.response(true)).into_response());
    }
    Ok(renderer.stream().into_response(state, reply.ending))
}

async fn count(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let question = question(&state, &call.json()?)?;
    Ok(Json(json!({"object": "response.input_tokens", "input_tokens": question.input})))
}

fn question(state: &AppState, body: &Map<String, Value>) -> Result<Question, ApiError> {
    check(body, FIELDS)?;
    let model = text(body, "model");
    let effort = body.get("reasoning").map(|reasoning| word(reasoning, "effort"));
    if matches!(effort, Some("xhigh" | "max")) && !model.starts_with(FLASH) {
        return Err(ApiError::invalid(format_args!("reasoning.effort is not supported by {model}")));
    }
    let mut question = Question {
        model: model.to_owned(),
        stream: flag(body, "stream"),
        system: text(body, "instructions").to_owned(),
        thinks: model != M3 || effort.is_some_and(|effort| effort != "none"),
        max_tokens: body.get("max_output_tokens").and_then(Value::as_i64),
        ..Question::default()
    };
    for (at, tool) in list(body, "tools").iter().enumerate() {
        if word(tool, "type") == "web_search" {
            question.searches = true;
        } else {
            check_at(tool, TOOL, &format!("tools[{at}]"))?;
            question.tools.push(word(tool, "name").to_owned());
        }
    }
    let alone = [json!({"role": "user", "content": body.get("input")})];
    let items = match body.get("input") {
        Some(Value::Array(items)) if !items.is_empty() => items.as_slice(),
        Some(Value::String(_)) => alone.as_slice(),
        _ => return Err(ApiError::invalid("input must be a string or a list of items")),
    };
    let mut open: Vec<&str> = Vec::new();
    let mut sealed = false;
    for (at, item) in items.iter().enumerate() {
        let kind = Some(word(item, "type")).filter(|kind| !kind.is_empty()).unwrap_or("message");
        let field = format!("input[{at}]");
        let table = ITEMS.iter().find(|(name, _)| *name == kind);
        let table = table
            .ok_or_else(|| ApiError::invalid(format_args!("{field}: unsupported item type {kind:?}")))?;
        check_at(item, table.1, &field)?;
        match kind {
            "message" => read(state, &mut question, item, &field)?,
            "reasoning" => {
                let thoughts = parts(item, "content");
                sealed = !thoughts.is_empty() && word(item, "encrypted_content") == seal(&thoughts);
            }
            "function_call" => {
                open.push(word(item, "call_id"));
                (question.remembered, sealed) = (sealed, false);
                question.results.clear();
            }
            "function_call_output" => {
                let id = word(item, "call_id");
                let place = open.iter().position(|known| *known == id);
                open.remove(
                    place
                        .ok_or_else(|| ApiError::invalid(format_args!("{field}: no call has the id {id}")))?,
                );
                question.results.push(word(item, "output").to_owned());
            }
            _ => {}
        }
    }
    if let Some(id) = open.first() {
        return Err(ApiError::invalid(format_args!("the call {id} has no output")));
    }
    question.messages = items.len();
    question.input = tokens(&json!([body.get("input"), body.get("instructions"), body.get("tools")]));
    question.input_last = items.last().map(tokens).unwrap_or_default();
    Ok(question)
}

fn read(state: &AppState, question: &mut Question, item: &Value, field: &str) -> Result<(), ApiError> {
    let (mut texts, mut seen) = (Vec::new(), Vec::new());
    match &item["content"] {
        Value::String(words) => texts.push(words.as_str()),
        Value::Array(parts) => {
            for (place, part) in parts.iter().enumerate() {
                let field = format!("{field}.content[{place}]");
                let url = |name: &str| match &part[name] {
                    Value::String(url) => Ok(url.as_str()),
                    holder => {
                        check_at(holder, LOOK, &format!("{field}.{name}"))?;
                        Ok::<_, ApiError>(word(holder, "url"))
                    }
                };
                match word(part, "type") {
                    "input_text" | "output_text" => texts.push(word(part, "text")),
                    "input_image" => seen.push(media::image(state, &field, url("image_url")?)?),
                    "input_video" => seen.push(media::video(state, &field, url("video_url")?)?),
                    other => {
                        return Err(ApiError::invalid(format_args!(
                            "{field}: unsupported content type {other:?}"
                        )));
                    }
                }
            }
        }
        _ => return Err(ApiError::invalid(format_args!("{field}.content must be a string or parts"))),
    }
    if !seen.is_empty() && !question.accepts_media() {
        return Err(ApiError::invalid(format_args!("{field}: {} takes no media", question.model)));
    }
    match word(item, "role") {
        "user" => {
            (question.last, question.seen) = (texts.join("\n"), seen);
            question.results.clear();
        }
        "system" | "developer" => question.system = texts.join("\n"),
        _ => {}
    }
    Ok(())
}

fn parts(item: &Value, name: &str) -> String {
    item[name].as_array().into_iter().flatten().map(|part| word(part, "text")).collect()
}

/// Renders an answer in this protocol.
struct Renderer<'a> {
    question: &'a Question,
    reply: &'a Reply,
    trace: &'a str,
}

impl Renderer<'_> {
    fn items(&self) -> Vec<Value> {
        let (reply, trace) = (self.reply, self.trace);
        let mut items = Vec::new();
        if !reply.thoughts.is_empty() {
            let content = json!([{"type": "reasoning_text", "text": reply.thoughts}]);
            items.push(
                json!({"id": format!("{trace}_rs"), "type": "reasoning", "status": "completed", "summary": [],
                "content": content, "encrypted_content": seal(&reply.thoughts)}),
            );
        }
        if reply.search {
            items.push(json!({"id": format!("{trace}_ws"), "type": "web_search_call", "status": "completed",
                "action": {"type": "search", "query": "what the user said"}}));
        }
        let content = json!([{"type": "output_text", "text": reply.text, "annotations": []}]);
        items.push(json!({"id": format!("{trace}_msg"), "type": "message", "status": "completed",
            "role": "assistant", "content": content}));
        if let Some(call) = &reply.call {
            items.push(json!({"id": format!("{trace}_fc_0"), "type": "function_call", "status": "completed",
                "call_id": call.id, "name": call.name, "arguments": call.arguments}));
        }
        items
    }

    fn response(&self, done: bool) -> Value {
        let (status, reason) = match self.reply.stop {
            _ if !done => ("in_progress", None),
            Stop::End | Stop::Tool => ("completed", None),
            Stop::Length => ("incomplete", Some("max_output_tokens")),
            Stop::Filter => ("incomplete", Some("content_filter")),
        };
        let (output, thinking) = self.reply.output_tokens();
        let usage = json!({
            "input_tokens": self.question.input,
            "input_tokens_details": {"cached_tokens": self.question.cached()},
            "output_tokens": output, "output_tokens_details": {"reasoning_tokens": thinking},
            "total_tokens": self.question.input + output,
        });
        json!({
            "id": self.trace, "object": "response", "created_at": now().as_secs(), "model": self.question.model,
            "status": status, "output": if done { self.items() } else { Vec::new() },
            "output_text": if done { self.reply.text.as_str() } else { "" },
            "usage": if done { usage } else { Value::Null },
            "incomplete_details": reason.map(|reason| json!({"reason": reason})),
            "parallel_tool_calls": true, "store": false, "truncation": "disabled",
        })
    }

    fn stream(&self) -> EventStream {
        let mut events = Events::default();
        for kind in ["response.created", "response.in_progress"] {
            events.head.push(json!({"type": kind, "response": self.response(false)}));
        }
        for (index, item) in self.items().into_iter().enumerate() {
            events.add(index, &item);
        }
        let last = self.response(true);
        let kind = format!("response.{}", word(&last, "status"));
        events.tail.push(json!({"type": kind, "response": last}));
        let mut failed = self.response(false);
        if let Some(fields) = failed.as_object_mut() {
            let error = ApiError::of(SENSITIVE_OUTPUT);
            let message = format!("{} ({})", error.message, error.code);
            fields.insert("status".into(), json!("failed"));
            fields.insert("error".into(), json!({"code": "unprocessable_entity_error", "message": message}));
        }
        events.stream(json!({"type": "response.failed", "response": failed}))
    }
}

/// The events of a stream, before they are numbered.
#[derive(Debug, Default)]
struct Events {
    head: Vec<Value>,
    body: Vec<Value>,
    tail: Vec<Value>,
}

impl Events {
    /// Adds the events of one item. Only the message goes to the body, which is the part that can be cut short.
    fn add(&mut self, index: usize, item: &Value) {
        let kind = word(item, "type");
        let (event, field, words) = match kind {
            "message" => ("response.output_text", "text", parts(item, "content")),
            "reasoning" => ("response.reasoning_text", "text", parts(item, "content")),
            "function_call" => {
                ("response.function_call_arguments", "arguments", word(item, "arguments").to_owned())
            }
            _ => ("", "", String::new()),
        };
        let part = item.pointer("/content/0");
        let about = |kind: String, name: &str, value: Value| {
            let event = json!({"type": kind, "item_id": item["id"], "output_index": index, name: value});
            if part.is_some() { having(event, "content_index", json!(0)) } else { event }
        };
        let deltas =
            pieces(&words).into_iter().map(|piece| about(format!("{event}.delta"), "delta", json!(piece)));
        let (mut before, mut after) = (vec![begun(index, item)], Vec::new());
        if let Some(part) = part {
            let empty = having(part.clone(), "text", json!(""));
            before.push(about("response.content_part.added".to_owned(), "part", empty));
        }
        if !event.is_empty() {
            after.push(about(format!("{event}.done"), field, json!(words)));
        }
        if let Some(part) = part {
            after.push(about("response.content_part.done".to_owned(), "part", part.clone()));
        }
        after.push(json!({"type": "response.output_item.done", "output_index": index, "item": item}));
        if kind == "message" {
            self.head.extend(before);
            self.body = deltas.collect();
            self.tail.extend(after);
            return;
        }
        let place = if self.tail.is_empty() { &mut self.head } else { &mut self.tail };
        place.extend(before);
        place.extend(deltas);
        place.extend(after);
    }

    fn stream(self, error: Value) -> EventStream {
        let mut number = 0;
        let mut numbered = |event: Value| {
            let event = named(&having(event, "sequence_number", json!(number)));
            number += 1;
            event
        };
        let head = self.head.into_iter().map(&mut numbered).collect();
        let body = self.body.into_iter().map(&mut numbered).collect();
        let tail = self.tail.into_iter().map(&mut numbered).collect();
        EventStream { head, body, tail, error: numbered(error) }
    }
}

fn having(mut object: Value, name: &str, value: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
    object
}

/// The event that announces an item. Fields that are streamed are empty.
fn begun(index: usize, item: &Value) -> Value {
    let mut begun = item.clone();
    if let Some(fields) = begun.as_object_mut() {
        fields.insert("status".into(), json!("in_progress"));
        fields.shift_remove("encrypted_content");
        for (name, empty) in [("content", json!([])), ("arguments", json!(""))] {
            if fields.contains_key(name) {
                fields.insert(name.to_owned(), empty);
            }
        }
    }
    json!({"type": "response.output_item.added", "output_index": index, "item": begun})
}
