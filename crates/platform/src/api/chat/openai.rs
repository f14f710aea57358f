//! `POST /v1/chat/completions` and `POST /v1/text/chatcompletion_v2`, which share a format and differ in details.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::think::{self, Grown, Splitter};
use super::turn::{
    Ask, Body, Delta, Function, Medium, Protocol, Reply, Speaker, ToolCall, Turn, Usage, count, text,
    usage_cost,
};

/// Converts turns into messages (OpenAI API > messages).
pub(super) fn turns(turns: &[Turn]) -> Vec<Value> {
    turns.iter().map(message).collect()
}

fn message(turn: &Turn) -> Value {
    let role = match turn.role {
        Speaker::System => "system",
        Speaker::User => "user",
        Speaker::Assistant => "assistant",
        Speaker::Tool => "tool",
    };
    let mut message = json!({ "role": role, "content": content(turn) });
    if let Some(fields) = message.as_object_mut() {
        if !turn.tool_calls.is_empty() {
            fields.insert("tool_calls".to_owned(), turn.tool_calls.iter().map(call).collect());
        }
        if let Some(id) = &turn.tool_call_id {
            fields.insert("tool_call_id".to_owned(), json!(id));
        }
    }
    message
}

fn content(turn: &Turn) -> Value {
    if turn.media.is_empty() {
        return json!(turn.text);
    }
    let media = turn.media.iter().map(|medium| match medium {
        Medium::Image(url) => json!({ "type": "image_url", "image_url": { "url": url } }),
        Medium::Video(url) => json!({ "type": "video_url", "video_url": { "url": url } }),
    });
    let words = (!turn.text.is_empty()).then(|| json!({ "type": "text", "text": turn.text }));
    media.chain(words).collect()
}

fn call(call: &ToolCall) -> Value {
    let function = json!({ "name": call.name, "arguments": call.arguments });
    json!({ "id": call.id, "type": "function", "function": function })
}

/// Collects the ids of a message's tool calls, and of the call that it answers.
pub(super) fn calls(message: &Value, calls: &mut Vec<String>, results: &mut Vec<String>) {
    let ids = message.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
    calls.extend(ids.map(|call| text(call, "id").to_owned()));
    results.extend(message.get("tool_call_id").and_then(Value::as_str).map(str::to_owned));
}

/// Builds the body (OpenAI API > Request; ChatCompletion v2 > Request).
pub(super) fn body(ask: &Ask) -> Value {
    let system = ask.system.iter().map(|system| json!({ "role": "system", "content": system }));
    let messages: Vec<Value> = system.chain(ask.messages.iter().cloned()).collect();
    let mut body = Body::of(ask);
    body.put("messages", Some(messages));
    body.put("max_completion_tokens", ask.max_tokens);
    body.put("temperature", ask.temperature);
    body.put("top_p", ask.top_p);
    let tools: Vec<Value> = ask.tools.iter().map(tool).collect();
    body.put("tools", (!tools.is_empty()).then_some(tools));
    body.put("tool_choice", ask.tool_choice.clone());
    body.put("response_format", ask.response_format.clone());
    if ask.protocol == Protocol::OpenAi {
        let word = |on: bool| json!({ "type": if on { "adaptive" } else { "disabled" } });
        body.put("thinking", ask.thinking.map(word));
        body.put("reasoning_effort", ask.effort.clone());
        body.put("service_tier", ask.service_tier.clone());
    }
    body.0.into()
}

fn tool(function: &Function) -> Value {
    json!({ "type": "function", "function": function })
}

/// Assembles an answer from `chat.completion.chunk` events.
#[derive(Debug, Default)]
pub(super) struct Reader {
    content: Grown,
    splitter: Splitter,
    thoughts: Grown,
    details: BTreeMap<u64, (Value, Grown)>,
    calls: BTreeMap<u64, ToolCall>,
    /// The complete message, if the last event repeats it.
    whole: Option<Value>,
    name: Option<String>,
    meta: Reply,
    sensitive: bool,
}

impl Reader {
    /// Takes one event.
    pub(super) fn take(&mut self, event: &Value) -> Vec<Delta> {
        self.take_meta(event);
        let Some(choice) = event.pointer("/choices/0") else { return Vec::new() };
        if let Some(reason) =
            choice.get("finish_reason").and_then(Value::as_str).filter(|word| !word.is_empty())
        {
            self.meta.finish_reason = Some(reason.to_owned());
        }
        // The native protocol ends with the complete message. A server that does not stream sends only that.
        if let Some(message) = choice.get("message").filter(|message| message.is_object()) {
            self.whole = Some(message.clone());
        }
        choice.get("delta").map(|delta| self.take_delta(delta)).unwrap_or_default()
    }

    fn take_meta(&mut self, event: &Value) {
        let words = |name: &str| Some(text(event, name).to_owned()).filter(|word| !word.is_empty());
        self.meta.id = words("id").or(self.meta.id.take());
        self.meta.model = words("model").or(self.meta.model.take());
        if let Some(usage) = event.get("usage").filter(|usage| usage.is_object()) {
            self.meta.usage = read_usage(usage).or(self.meta.usage);
            self.meta.cost = usage_cost(usage).or(self.meta.cost);
        }
        let flag = |name: &str| event.get(name).and_then(Value::as_bool) == Some(true);
        if !self.sensitive && (flag("input_sensitive") || flag("output_sensitive")) {
            self.sensitive = true;
            let side = if flag("input_sensitive") { "input" } else { "output" };
            let kind = event.get(format!("{side}_sensitive_type")).and_then(Value::as_u64);
            let kind = kind.and_then(|kind| crate::facts::facts().sensitive(kind)).unwrap_or("unnamed");
            self.meta.warnings.push(format!("MiniMax flagged the {side} as sensitive ({kind})"));
        }
    }

    fn take_delta(&mut self, delta: &Value) -> Vec<Delta> {
        let mut deltas = Vec::new();
        if let Some(name) = delta.get("name").and_then(Value::as_str).filter(|name| !name.is_empty()) {
            self.name = Some(name.to_owned());
        }
        for (place, detail) in
            delta.get("reasoning_details").and_then(Value::as_array).into_iter().flatten().enumerate()
        {
            deltas.push(Delta::Reasoning(self.take_detail(place, detail)));
        }
        let fresh = self.thoughts.push(text(delta, "reasoning_content"));
        if self.details.is_empty() {
            deltas.push(Delta::Reasoning(fresh));
        }
        self.take_content(text(delta, "content"), &mut deltas);
        for (place, call) in
            delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten().enumerate()
        {
            deltas.extend(self.take_call(place, call));
        }
        deltas.retain(
            |delta| !matches!(delta, Delta::Text(words) | Delta::Reasoning(words) if words.is_empty()),
        );
        deltas
    }

    fn take_detail(&mut self, place: usize, detail: &Value) -> String {
        let index = detail.get("index").and_then(Value::as_u64).unwrap_or(place as u64);
        let (kept, grown) = self.details.entry(index).or_insert_with(|| (json!({}), Grown::default()));
        if let (Some(kept), Some(fields)) = (kept.as_object_mut(), detail.as_object()) {
            kept.extend(
                fields.iter().filter(|(_, value)| !value.is_null()).map(|(k, v)| (k.clone(), v.clone())),
            );
        }
        grown.push(text(detail, "text"))
    }

    fn take_content(&mut self, piece: &str, deltas: &mut Vec<Delta>) {
        // If each piece of the thinking repeats earlier text, so does each piece of the answer.
        let repeating = self.details.values().any(|(_, grown)| grown.repeats);
        let fresh = if repeating {
            self.content.push(piece)
        } else {
            self.content.text.push_str(piece);
            piece.to_owned()
        };
        if self.is_split() {
            deltas.push(Delta::Text(fresh));
            return;
        }
        let parts = self.splitter.push(&fresh);
        deltas.push(Delta::Reasoning(parts.reasoning));
        deltas.push(Delta::Text(parts.text));
    }

    /// Whether thinking comes in its own field, so that a tag in the content is just content.
    fn is_split(&self) -> bool {
        !self.details.is_empty() || !self.thoughts.text.is_empty()
    }

    fn take_call(&mut self, place: usize, piece: &Value) -> Option<Delta> {
        let index = piece.get("index").and_then(Value::as_u64).unwrap_or(place as u64);
        let begun = self.calls.contains_key(&index);
        let call = self.calls.entry(index).or_default();
        let function = piece.get("function").unwrap_or(&Value::Null);
        let replace = |kept: &mut String, found: &str| {
            if !found.is_empty() {
                found.clone_into(kept);
            }
        };
        replace(&mut call.id, text(piece, "id"));
        replace(&mut call.name, text(function, "name"));
        match function.get("arguments") {
            Some(Value::String(more)) => call.arguments.push_str(more),
            Some(object @ Value::Object(_)) => call.arguments = object.to_string(),
            _ => {}
        }
        (!begun).then(|| Delta::Tool(call.name.clone()))
    }

    /// Whether the answer is complete.
    pub(super) fn is_over(&self) -> bool {
        self.meta.finish_reason.is_some()
    }

    /// The answer so far.
    pub(super) fn reply(mut self) -> Reply {
        if let Some(whole) = self.whole.take() {
            self.take_whole(&whole);
        }
        let details: String = self.details.values().map(|(_, grown)| grown.text.as_str()).collect();
        let beside = if details.is_empty() { self.thoughts.text.clone() } else { details };
        let mut reply = std::mem::take(&mut self.meta);
        reply.messages = vec![self.message()];
        think::fill(&mut reply, &self.content.text, &beside);
        reply.tool_calls = self.calls.into_values().collect();
        reply
    }

    /// Replaces the pieces by the complete message, which has the same or more.
    fn take_whole(&mut self, whole: &Value) {
        let content = text(whole, "content");
        if !content.is_empty() || self.content.text.is_empty() {
            let pieces = std::mem::take(self);
            self.meta = pieces.meta;
            self.calls = pieces.calls;
            self.name = pieces.name;
            let thought =
                !text(whole, "reasoning_content").is_empty() || whole.get("reasoning_details").is_some();
            if !thought {
                (self.thoughts, self.details) = (pieces.thoughts, pieces.details);
            }
            let mut rest = whole.clone();
            if let Some(fields) = rest.as_object_mut() {
                fields.shift_remove("tool_calls");
            }
            self.take_delta(&rest);
        }
        let calls = whole.get("tool_calls").and_then(Value::as_array).filter(|calls| !calls.is_empty());
        if let Some(calls) = calls {
            self.calls.clear();
            for (place, call) in calls.iter().enumerate() {
                self.take_call(place, call);
            }
        }
    }

    /// The assistant's message to send back in full (OpenAI API > multi-turn tool use).
    fn message(&self) -> Value {
        let mut message = Map::new();
        message.insert("role".to_owned(), json!("assistant"));
        if let Some(name) = &self.name {
            message.insert("name".to_owned(), json!(name));
        }
        message.insert("content".to_owned(), json!(self.content.text));
        if !self.thoughts.text.is_empty() {
            message.insert("reasoning_content".to_owned(), json!(self.thoughts.text));
        }
        let details: Vec<Value> = self
            .details
            .values()
            .map(|(kept, grown)| {
                let mut kept = kept.clone();
                if let Some(fields) = kept.as_object_mut().filter(|_| !grown.text.is_empty()) {
                    fields.insert("text".to_owned(), json!(grown.text));
                }
                kept
            })
            .collect();
        if !details.is_empty() {
            message.insert("reasoning_details".to_owned(), Value::Array(details));
        }
        if !self.calls.is_empty() {
            message.insert("tool_calls".to_owned(), self.calls.values().map(call).collect());
        }
        Value::Object(message)
    }
}

/// `None` without the two counts that are paid for: unknown is not free. The native protocol's documented example has only
/// the total.
fn read_usage(usage: &Value) -> Option<Usage> {
    Some(Usage {
        input: count(usage, "/prompt_tokens")?,
        output: count(usage, "/completion_tokens")?,
        reasoning: count(usage, "/completion_tokens_details/reasoning_tokens"),
        cache_read: count(usage, "/prompt_tokens_details/cached_tokens"),
        cache_write: None,
        searches: None,
    })
}
