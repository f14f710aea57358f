//! `POST /anthropic/v1/messages` (Anthropic API).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::think::{self, Splitter};
use super::turn::{
    Ask, Body, Delta, Function, Medium, Reply, Speaker, ToolCall, Turn, Usage, arguments_object, count,
    data_url, text, usage_cost,
};

/// Converts turns into messages. Consecutive tool results share one user message.
pub(super) fn turns(turns: &[Turn]) -> Vec<Value> {
    let mut messages: Vec<Value> = Vec::new();
    let mut open = false;
    for turn in turns {
        let result = turn.role == Speaker::Tool;
        let blocks = blocks(turn);
        let last = messages.last_mut().filter(|_| result && open);
        match last.and_then(|message| message.get_mut("content")?.as_array_mut()) {
            Some(content) => content.extend(blocks),
            None => messages.push(message(turn, &blocks)),
        }
        open = result;
    }
    messages
}

fn message(turn: &Turn, blocks: &[Value]) -> Value {
    let role = if turn.role == Speaker::Assistant { "assistant" } else { "user" };
    let plain = turn.media.is_empty()
        && turn.tool_calls.is_empty()
        && matches!(turn.role, Speaker::User | Speaker::Assistant);
    if plain {
        return json!({ "role": role, "content": turn.text });
    }
    json!({ "role": role, "content": blocks })
}

fn blocks(turn: &Turn) -> Vec<Value> {
    let words = || (!turn.text.is_empty()).then(|| json!({ "type": "text", "text": turn.text }));
    match turn.role {
        Speaker::Tool => {
            vec![json!({ "type": "tool_result", "tool_use_id": turn.tool_call_id, "content": turn.text })]
        }
        Speaker::User | Speaker::Assistant | Speaker::System => {
            let media = turn.media.iter().map(medium);
            media.chain(words()).chain(turn.tool_calls.iter().map(call)).collect()
        }
    }
}

fn medium(medium: &Medium) -> Value {
    let (kind, url) = match medium {
        Medium::Image(url) => ("image", url),
        Medium::Video(url) => ("video", url),
    };
    let source = match data_url(url) {
        Some((mime, data)) => json!({ "type": "base64", "media_type": mime, "data": data }),
        None => json!({ "type": "url", "url": url }),
    };
    json!({ "type": kind, "source": source })
}

fn call(call: &ToolCall) -> Value {
    let input = arguments_object(&call.arguments);
    json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input })
}

/// Collects the ids of a message's tool calls, and of the calls that it answers.
pub(super) fn calls(message: &Value, calls: &mut Vec<String>, results: &mut Vec<String>) {
    for block in message.get("content").and_then(Value::as_array).into_iter().flatten() {
        match text(block, "type") {
            "tool_use" => calls.push(text(block, "id").to_owned()),
            "tool_result" => results.push(text(block, "tool_use_id").to_owned()),
            _ => {}
        }
    }
}

/// Builds the body (Anthropic API > Request).
pub(super) fn body(ask: &Ask) -> Value {
    let mut body = Body::of(ask);
    body.put("system", ask.system.clone());
    body.put("messages", Some(ask.messages.clone()));
    body.put("max_tokens", ask.max_tokens);
    body.put("temperature", ask.temperature);
    body.put("top_p", ask.top_p);
    let search = ask.web_search.then(|| json!({ "type": "web_search_20250305", "name": "web_search" }));
    let tools: Vec<Value> = ask.tools.iter().map(tool).chain(search).collect();
    body.put("tools", (!tools.is_empty()).then_some(tools));
    body.put("tool_choice", ask.tool_choice.as_ref().map(|choice| json!({ "type": choice })));
    let word = |on: bool| json!({ "type": if on { "adaptive" } else { "disabled" } });
    body.put("thinking", ask.thinking.map(word));
    body.put("output_config", ask.effort.as_ref().map(|effort| json!({ "effort": effort })));
    body.put("service_tier", ask.service_tier.clone());
    body.0.into()
}

fn tool(function: &Function) -> Value {
    let Function { name, description, parameters } = function;
    let mut tool = json!({ "name": name, "input_schema": parameters });
    if let (Some(description), Some(fields)) = (description, tool.as_object_mut()) {
        fields.insert("description".to_owned(), json!(description));
    }
    tool
}

/// Assembles an answer from `content_block` events.
#[derive(Debug, Default)]
pub(super) struct Reader {
    blocks: BTreeMap<u64, Block>,
    meta: Reply,
    /// Thinking in the text, which some gateways leave there.
    splitter: Splitter,
    stopped: bool,
    /// Whether the counts are those at the start, which the end has not replaced.
    is_provisional: bool,
}

/// A block, and the JSON of its input as far as it was received.
#[derive(Debug)]
struct Block {
    value: Value,
    input: String,
}

impl Reader {
    /// Takes one event.
    pub(super) fn take(&mut self, event: &Value) -> Vec<Delta> {
        let index = event.get("index").and_then(Value::as_u64).unwrap_or_default();
        match text(event, "type") {
            "message_start" => {
                self.take_message(event.get("message").unwrap_or(&Value::Null));
                self.is_provisional = true;
            }
            // A server that does not stream sends only the message.
            "message" => {
                self.take_message(event);
                self.stopped = true;
            }
            "content_block_start" => {
                let value = event.get("content_block").cloned().unwrap_or_default();
                let delta = self.begin(index, value);
                return delta.into_iter().flat_map(|delta| self.splitter.deltas(delta)).collect();
            }
            "content_block_delta" => {
                let delta = event.get("delta").unwrap_or(&Value::Null);
                let delta = self.blocks.get_mut(&index).and_then(|block| block.take(delta));
                return delta.into_iter().flat_map(|delta| self.splitter.deltas(delta)).collect();
            }
            "content_block_stop" => {
                if let Some(block) = self.blocks.get_mut(&index) {
                    block.close();
                }
            }
            "message_delta" => {
                self.take_stop(event.get("delta").unwrap_or(&Value::Null));
                self.take_usage(event);
            }
            "message_stop" => self.stopped = true,
            _ => {}
        }
        Vec::new()
    }

    fn begin(&mut self, index: u64, value: Value) -> Option<Delta> {
        let delta = match text(&value, "type") {
            "tool_use" | "server_tool_use" => Some(Delta::Tool(text(&value, "name").to_owned())),
            "text" => Some(Delta::Text(text(&value, "text").to_owned())),
            _ => None,
        };
        self.blocks.insert(index, Block { value, input: String::new() });
        delta.filter(|delta| *delta != Delta::Text(String::new()))
    }

    fn take_message(&mut self, message: &Value) {
        let words = |name: &str| Some(text(message, name).to_owned()).filter(|word| !word.is_empty());
        self.meta.id = words("id").or(self.meta.id.take());
        self.meta.model = words("model").or(self.meta.model.take());
        for (index, block) in
            message.get("content").and_then(Value::as_array).into_iter().flatten().enumerate()
        {
            self.begin(index as u64, block.clone());
        }
        self.take_stop(message);
        self.take_usage(message);
    }

    fn take_stop(&mut self, holder: &Value) {
        let reason = text(holder, "stop_reason");
        if !reason.is_empty() {
            let word = match reason {
                "end_turn" | "stop_sequence" => "stop",
                "max_tokens" => "length",
                "tool_use" => "tool_calls",
                "refusal" => "content_filter",
                other => other,
            };
            self.meta.finish_reason = Some(word.to_owned());
        }
    }

    /// Takes the usage. The numbers at the start are provisional, so the last ones win, and alone they are no price.
    fn take_usage(&mut self, holder: &Value) {
        let Some(usage) = holder.get("usage").filter(|usage| usage.is_object()) else { return };
        self.meta.cost = usage_cost(usage).or(self.meta.cost);
        let (read, written) =
            (count(usage, "/cache_read_input_tokens"), count(usage, "/cache_creation_input_tokens"));
        let cached = read.unwrap_or_default().saturating_add(written.unwrap_or_default());
        // In this protocol `input_tokens` excludes cache reads and writes.
        let input = count(usage, "/input_tokens").map(|fresh| (fresh.saturating_add(cached), read, written));
        // The end may have only the output. A count that is nowhere is unknown, which is not free.
        let input = input.or(self.meta.usage.map(|known| (known.input, known.cache_read, known.cache_write)));
        let (Some((input, read, written)), Some(output)) = (input, count(usage, "/output_tokens")) else {
            return;
        };
        self.is_provisional = false;
        self.meta.usage = Some(Usage {
            input,
            output,
            reasoning: None,
            cache_read: read,
            cache_write: written,
            searches: count(usage, "/server_tool_use/web_search_requests"),
        });
    }

    /// Whether the answer is complete.
    pub(super) fn is_over(&self) -> bool {
        self.stopped || self.meta.finish_reason.is_some()
    }

    /// The answer so far.
    pub(super) fn reply(self) -> Reply {
        let mut reply = self.meta;
        reply.usage = reply.usage.filter(|_| !self.is_provisional);
        let (mut content, mut said, mut thought) = (Vec::new(), String::new(), String::new());
        for mut block in self.blocks.into_values() {
            block.close();
            let value = block.value;
            match text(&value, "type") {
                "text" => said.push_str(text(&value, "text")),
                "thinking" => thought.push_str(text(&value, "thinking")),
                "tool_use" => reply.tool_calls.push(ToolCall {
                    id: text(&value, "id").to_owned(),
                    name: text(&value, "name").to_owned(),
                    arguments: value.get("input").map(ToString::to_string).unwrap_or_default(),
                }),
                _ => {}
            }
            content.push(value);
        }
        think::fill(&mut reply, &said, &thought);
        reply.messages = vec![json!({ "role": "assistant", "content": content })];
        reply
    }
}

impl Block {
    fn take(&mut self, delta: &Value) -> Option<Delta> {
        let (field, more) = match text(delta, "type") {
            "text_delta" => ("text", text(delta, "text")),
            "thinking_delta" => ("thinking", text(delta, "thinking")),
            "signature_delta" => ("signature", text(delta, "signature")),
            "input_json_delta" => {
                self.input.push_str(text(delta, "partial_json"));
                return Some(Delta::Nothing);
            }
            "citations_delta" => {
                let found = delta.get("citation").cloned().unwrap_or_default();
                let fields = self.value.as_object_mut()?;
                fields.entry("citations").or_insert_with(|| json!([])).as_array_mut()?.push(found);
                return Some(Delta::Nothing);
            }
            _ => return Some(Delta::Nothing),
        };
        let fields = self.value.as_object_mut()?;
        match fields.get_mut(field) {
            Some(Value::String(kept)) => kept.push_str(more),
            _ => {
                fields.insert(field.to_owned(), json!(more));
            }
        }
        Some(match field {
            "text" => Delta::Text(more.to_owned()),
            "thinking" => Delta::Reasoning(more.to_owned()),
            _ => Delta::Nothing,
        })
    }

    fn close(&mut self) {
        if self.input.is_empty() {
            return;
        }
        let input = arguments_object(&std::mem::take(&mut self.input));
        if let Some(fields) = self.value.as_object_mut() {
            fields.insert("input".to_owned(), input);
        }
    }
}
