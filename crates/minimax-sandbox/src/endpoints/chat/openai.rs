//! `POST /v1/chat/completions` ("OpenAI API") and `POST /v1/text/chatcompletion_v2` ("ChatCompletion v2").

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::endpoints::chat::json::{list, pieces, tokens, word};
use crate::endpoints::chat::media;
use crate::endpoints::chat::question::{FLASH, M3, Question};
use crate::endpoints::chat::reply::{Reply, Stop};
use crate::endpoints::chat::sse::{EventStream, plain};
use crate::engine::clock::now;
use crate::engine::errors::{ApiError, SENSITIVE_OUTPUT, base_resp};
use crate::engine::field_rules::{
    FILLED, Field, Kind, TEXT, check, check_at, flag, optional, required, text,
};
use crate::engine::journal::Entry;
use crate::engine::request::Call;
use crate::engine::routes::Routes;
use crate::engine::state::AppState;

const MESSAGES: Kind = Kind::List { min: 1, max: usize::MAX, item: &Kind::Map };
const TOOLS: Kind = Kind::List { min: 0, max: 128, item: &Kind::Object(TOOL) };
const TOOL: &[Field] =
    &[required("type", Kind::OneOf(&["function"])), required("function", Kind::Object(FUNCTION))];
const FUNCTION: &[Field] = &[
    required("name", FILLED),
    optional("description", TEXT),
    optional("parameters", Kind::Map),
    optional("strict", Kind::Any),
];
const OPTIONS: Kind = Kind::Object(&[optional("include_usage", Kind::Bool)]);
const MOST: Kind = Kind::Int { min: 1, max: 524_288 };

/// "OpenAI API > Request". MiniMax ignores the fields from `n` on.
const FIELDS: &[Field] = &[
    required("model", FILLED),
    required("messages", MESSAGES),
    optional("stream", Kind::Bool),
    optional("stream_options", OPTIONS),
    optional("max_completion_tokens", MOST),
    optional("max_tokens", MOST),
    optional("temperature", Kind::Number { min: 0.0, max: 2.0 }),
    optional("top_p", Kind::Number { min: 0.0, max: 1.0 }),
    optional("tools", TOOLS),
    optional("tool_choice", Kind::OneOf(&["auto", "none"])),
    optional("thinking", Kind::Map),
    optional("reasoning_effort", Kind::OneOf(&["low", "medium", "high", "xhigh", "max"])),
    optional("reasoning_split", Kind::Bool),
    optional("service_tier", Kind::OneOf(&["standard", "priority"])),
    optional("response_format", Kind::Map),
    optional("n", Kind::Any),
    optional("seed", Kind::Any),
    optional("stop", Kind::Any),
    optional("user", Kind::Any),
    optional("logprobs", Kind::Any),
    optional("logit_bias", Kind::Any),
    optional("presence_penalty", Kind::Any),
    optional("frequency_penalty", Kind::Any),
];

/// "ChatCompletion v2 > Request".
const NATIVE: &[Field] = &[
    required("model", FILLED),
    required("messages", MESSAGES),
    optional("stream", Kind::Bool),
    optional("stream_options", OPTIONS),
    optional("max_completion_tokens", MOST),
    optional("max_tokens", MOST),
    optional("temperature", Kind::Positive { max: 1.0 }),
    optional("top_p", Kind::Positive { max: 1.0 }),
    optional("tools", TOOLS),
    optional("tool_choice", Kind::OneOf(&["auto", "none"])),
];

/// "OpenAI API > messages". OpenAI's own client adds the fields from `audio_content` on when it sends an answer back.
const MESSAGE: &[Field] = &[
    required("role", Kind::OneOf(&["system", "user", "assistant", "tool"])),
    optional("name", TEXT),
    optional("content", Kind::Any),
    optional("tool_calls", Kind::List { min: 1, max: 128, item: &Kind::Object(CALL) }),
    optional("tool_call_id", FILLED),
    optional("reasoning_content", TEXT),
    optional("reasoning_details", Kind::List { min: 0, max: usize::MAX, item: &Kind::Map }),
    optional("audio_content", Kind::Any),
    optional("refusal", Kind::Any),
    optional("annotations", Kind::Any),
    optional("audio", Kind::Any),
    optional("function_call", Kind::Any),
];
const CALL: &[Field] = &[
    required("id", FILLED),
    required("type", Kind::OneOf(&["function"])),
    required("function", Kind::Object(&[required("name", FILLED), required("arguments", TEXT)])),
    optional("index", Kind::Int { min: 0, max: 128 }),
];
const LOOK: &[Field] = &[
    required("url", FILLED),
    optional("detail", Kind::OneOf(&["low", "default", "high"])),
    optional("fps", Kind::Number { min: 0.2, max: 5.0 }),
    optional("max_long_side_pixel", Kind::Int { min: 1, max: 100_000 }),
];

pub(crate) fn routes() -> Routes {
    Routes::new().post("/v1/chat/completions", complete).post("/v1/text/chatcompletion_v2", complete_natively)
}

/// One of the two protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    OpenAi,
    Native,
}

async fn complete(State(state): State<Arc<AppState>>, call: Call) -> Result<Response, ApiError> {
    answer(&state, &call, Dialect::OpenAi)
}

async fn complete_natively(State(state): State<Arc<AppState>>, call: Call) -> Result<Response, ApiError> {
    answer(&state, &call, Dialect::Native)
}

fn answer(state: &Arc<AppState>, call: &Call, dialect: Dialect) -> Result<Response, ApiError> {
    let body = call.json()?;
    check(&body, if dialect == Dialect::OpenAi { FIELDS } else { NATIVE })?;
    let question = question(state, &body, dialect)?;
    question.check()?;
    state.store.add(&Entry::paid(call.bill(), None, None))?;
    let reply = Reply::to(&question);
    let split =
        dialect == Dialect::Native || (flag(&body, "reasoning_split") && !question.last.contains("#tags"));
    let usage =
        body.get("stream_options").and_then(|options| options.get("include_usage")) == Some(&json!(true));
    let renderer = Renderer { question: &question, reply: &reply, split, usage, dialect, trace: &call.trace };
    if !question.stream {
        return Ok(Json(renderer.whole()).into_response());
    }
    Ok(renderer.stream().into_response(Arc::clone(state), reply.ending))
}

fn question(state: &AppState, body: &Map<String, Value>, dialect: Dialect) -> Result<Question, ApiError> {
    let model = text(body, "model");
    let thinking = body.get("thinking").map(|thinking| word(thinking, "type"));
    match thinking {
        Some("disabled") if model.starts_with(FLASH) => {
            return Err(ApiError::invalid(format_args!("{model} requires adaptive thinking")));
        }
        None | Some("adaptive" | "disabled") => {}
        Some(other) => {
            let problem = format!("invalid thinking.type: {other:?} (allowed: adaptive, disabled)");
            return Err(ApiError::invalid(problem));
        }
    }
    if body.contains_key("reasoning_effort") && !model.starts_with(FLASH) {
        return Err(ApiError::invalid(format_args!("reasoning_effort is not supported by {model}")));
    }
    let max_tokens =
        ["max_completion_tokens", "max_tokens"].into_iter().find_map(|name| body.get(name)?.as_i64());
    let mut question = Question {
        model: model.to_owned(),
        stream: flag(body, "stream"),
        thinks: model != M3 || thinking != Some("disabled"),
        tools: list(body, "tools").iter().map(|tool| word(&tool["function"], "name").to_owned()).collect(),
        max_tokens,
        ..Question::default()
    };
    let messages = list(body, "messages");
    for (at, message) in messages.iter().enumerate() {
        check_at(message, MESSAGE, &format!("messages[{at}]"))?;
        read(state, &mut question, message, at, dialect)?;
    }
    calls(messages)?;
    question.messages = messages.len();
    question.input = tokens(&json!([body.get("messages"), body.get("tools")]));
    question.input_last = messages.last().map(tokens).unwrap_or_default();
    Ok(question)
}

fn read(
    state: &AppState,
    question: &mut Question,
    message: &Value,
    at: usize,
    dialect: Dialect,
) -> Result<(), ApiError> {
    let field = format!("messages[{at}].content");
    let (mut texts, mut seen) = (Vec::new(), Vec::new());
    match message.get("content") {
        Some(Value::String(words)) => texts.push(words.as_str()),
        Some(Value::Array(parts)) => {
            for (place, part) in parts.iter().enumerate() {
                let field = format!("{field}[{place}]");
                let url = |name: &str| {
                    check_at(&part[name], LOOK, &format!("{field}.{name}"))?;
                    Ok::<_, ApiError>(word(&part[name], "url"))
                };
                match word(part, "type") {
                    "text" => texts.push(word(part, "text")),
                    "image_url" => seen.push(media::image(state, &field, url("image_url")?)?),
                    "video_url" if dialect == Dialect::OpenAi => {
                        seen.push(media::video(state, &field, url("video_url")?)?);
                    }
                    other => {
                        return Err(ApiError::invalid(format_args!(
                            "{field}: unsupported content type {other:?}"
                        )));
                    }
                }
            }
        }
        None | Some(Value::Null) if message.get("tool_calls").is_some() => {}
        _ => return Err(ApiError::invalid(format_args!("{field} is required"))),
    }
    if !seen.is_empty() && !question.accepts_media() {
        return Err(ApiError::invalid(format_args!("{field}: {} takes no media", question.model)));
    }
    let words = texts.join("\n");
    match word(message, "role") {
        "system" => question.system = words,
        "user" => {
            (question.last, question.seen) = (words, seen);
            question.results.clear();
        }
        "tool" => question.results.push(words),
        _ => {
            question.results.clear();
            let details = message["reasoning_details"].as_array().into_iter().flatten();
            question.remembered = words.contains("<think>")
                || !word(message, "reasoning_content").is_empty()
                || details.into_iter().any(|detail| !word(detail, "text").is_empty());
        }
    }
    Ok(())
}

/// Checks that each call is followed by exactly one result.
fn calls(messages: &[Value]) -> Result<(), ApiError> {
    let mut open: Vec<&str> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        if word(message, "role") == "tool" {
            let id = word(message, "tool_call_id");
            let place = open.iter().position(|known| *known == id);
            let unknown =
                || ApiError::invalid(format_args!("messages[{at}]: tool result's tool id({id}) not found"));
            open.remove(place.ok_or_else(unknown)?);
            continue;
        }
        if let Some(id) = open.first() {
            return Err(ApiError::invalid(format_args!("messages[{at}]: the call {id} has no result")));
        }
        open.extend(message["tool_calls"].as_array().into_iter().flatten().map(|call| word(call, "id")));
    }
    match open.first() {
        Some(id) => Err(ApiError::invalid(format_args!("the call {id} has no result"))),
        None => Ok(()),
    }
}

/// Renders an answer in these protocols.
struct Renderer<'a> {
    question: &'a Question,
    reply: &'a Reply,
    /// Whether thinking is separate from the content.
    split: bool,
    usage: bool,
    dialect: Dialect,
    trace: &'a str,
}

impl Renderer<'_> {
    fn frame(&self, object: &str, choices: &Value, usage: &Value) -> Value {
        let filtered = self.reply.stop == Stop::Filter;
        json!({
            "id": self.trace, "choices": choices, "created": now().as_secs(), "model": self.question.model,
            "object": object, "usage": usage,
            "input_sensitive": false, "output_sensitive": filtered, "input_sensitive_type": 0,
            "output_sensitive_type": if filtered { 5 } else { 0 }, "output_sensitive_int": 0,
        })
    }

    fn usage(&self) -> Value {
        let (output, thinking) = self.reply.output_tokens();
        json!({
            "total_tokens": self.question.input + output, "total_characters": 0,
            "prompt_tokens": self.question.input, "completion_tokens": output,
            "prompt_tokens_details": {"cached_tokens": self.question.cached()},
            "completion_tokens_details": {"reasoning_tokens": thinking},
        })
    }

    fn reason(&self) -> &'static str {
        match self.reply.stop {
            Stop::End => "stop",
            Stop::Length => "length",
            Stop::Tool => "tool_calls",
            Stop::Filter => "content_filter",
        }
    }

    fn content(&self) -> String {
        match self.reply.thoughts.as_str() {
            thoughts if !self.split && !thoughts.is_empty() => {
                format!("<think>\n{thoughts}\n</think>\n{}", self.reply.text)
            }
            _ => self.reply.text.clone(),
        }
    }

    fn detail(thoughts: &str) -> Value {
        json!([{"type": "reasoning.text", "id": "reasoning-text-1", "format": "MiniMax-response-v1", "index": 0,
            "text": thoughts}])
    }

    fn message(&self) -> Value {
        let mut message = json!({"content": self.content(), "role": "assistant", "name": "MiniMax AI", "audio_content": ""});
        let Some(fields) = message.as_object_mut() else { return message };
        if self.split && !self.reply.thoughts.is_empty() {
            fields.insert("reasoning_content".into(), json!(self.reply.thoughts));
            if self.dialect == Dialect::OpenAi {
                fields.insert("reasoning_details".into(), Self::detail(&self.reply.thoughts));
            }
        }
        if let Some(call) = &self.reply.call {
            let function = json!({"name": call.name, "arguments": call.arguments});
            let call = json!([{"id": call.id, "type": "function", "function": function, "index": 0}]);
            fields.insert("tool_calls".into(), call);
        }
        message
    }

    fn whole(&self) -> Value {
        let choices = json!([{"finish_reason": self.reason(), "index": 0, "message": self.message()}]);
        let mut whole = self.frame("chat.completion", &choices, &self.usage());
        if let Some(fields) = whole.as_object_mut() {
            fields.insert("base_resp".into(), base_resp(0, ""));
        }
        whole
    }

    /// Every delta repeats `role`, `name` and `audio_content`.
    fn chunk(&self, delta: Value, finish: Option<&str>) -> String {
        let mut full = json!({"role": "assistant", "name": "MiniMax AI", "audio_content": ""});
        if let (Some(full), Value::Object(delta)) = (full.as_object_mut(), delta) {
            full.extend(delta);
        }
        let mut choice = json!({"index": 0, "delta": full});
        if let (Some(choice), Some(finish)) = (choice.as_object_mut(), finish) {
            choice.insert("finish_reason".into(), json!(finish));
        }
        plain(&self.frame("chat.completion.chunk", &json!([choice]), &Value::Null))
    }

    fn stream(&self) -> EventStream {
        let content = self.content();
        let thought = content.len().saturating_sub(self.reply.text.len());
        let (mut head, mut body, mut sent) = (self.thinking(), Vec::new(), 0);
        for piece in pieces(&content) {
            // Only the text can be cut short, not the thinking in front of it.
            let part = if sent < thought { &mut head } else { &mut body };
            part.push(self.chunk(json!({"content": piece}), None));
            sent += piece.len();
        }
        EventStream { head, body, tail: self.end(), error: self.error() }
    }

    /// `reasoning_content` is incremental; `reasoning_details` repeats everything so far.
    fn thinking(&self) -> Vec<String> {
        if !self.split {
            return Vec::new();
        }
        let mut so_far = String::new();
        let chunks = pieces(&self.reply.thoughts).into_iter().map(|piece| {
            so_far.push_str(piece);
            match self.dialect {
                Dialect::Native => self.chunk(json!({"content": "", "reasoning_content": piece}), None),
                Dialect::OpenAi => self.chunk(
                    json!({"content": "", "reasoning_content": piece, "reasoning_details": Self::detail(&so_far)}),
                    None,
                ),
            }
        });
        chunks.collect()
    }

    fn end(&self) -> Vec<String> {
        let mut end = Vec::new();
        if let Some(call) = &self.reply.call {
            let start = json!({"index": 0, "id": call.id, "type": "function",
                "function": {"name": call.name, "arguments": ""}});
            end.push(self.chunk(json!({"tool_calls": [start]}), None));
            for piece in pieces(&call.arguments) {
                let more = json!({"index": 0, "function": {"arguments": piece}});
                end.push(self.chunk(json!({"tool_calls": [more]}), None));
            }
        }
        end.push(self.chunk(json!({"content": ""}), Some(self.reason())));
        match self.dialect {
            Dialect::Native => end.push(plain(&self.whole())),
            Dialect::OpenAi => {
                if self.usage {
                    end.push(plain(&self.frame("chat.completion.chunk", &json!([]), &self.usage())));
                }
                end.push("data: [DONE]\n\n".to_owned());
            }
        }
        end
    }

    fn error(&self) -> String {
        let error = ApiError::of(SENSITIVE_OUTPUT);
        plain(&match self.dialect {
            Dialect::OpenAi => error.envelope_body(self.trace),
            Dialect::Native => json!({"id": self.trace, "choices": null, "model": self.question.model,
                "base_resp": base_resp(error.code, &error.message)}),
        })
    }
}
