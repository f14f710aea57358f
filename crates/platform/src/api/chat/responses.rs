//! `POST /v1/responses` (Responses API).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::think::{self, Splitter};
use super::turn::{
    Ask, Body, Delta, Function, Medium, Reply, Speaker, ToolCall, Turn, Usage, count, text, usage_cost,
};

/// Converts turns into input items.
pub(super) fn turns(turns: &[Turn]) -> Vec<Value> {
    turns.iter().flat_map(items).collect()
}

fn items(turn: &Turn) -> Vec<Value> {
    let role = match turn.role {
        Speaker::Tool => {
            return vec![
                json!({ "type": "function_call_output", "call_id": turn.tool_call_id, "output": turn.text }),
            ];
        }
        Speaker::System => "system",
        Speaker::User => "user",
        Speaker::Assistant => "assistant",
    };
    let said = !turn.text.is_empty() || !turn.media.is_empty() || turn.tool_calls.is_empty();
    let message = said.then(|| json!({ "type": "message", "role": role, "content": content(turn) }));
    message.into_iter().chain(turn.tool_calls.iter().map(call)).collect()
}

fn content(turn: &Turn) -> Value {
    if turn.media.is_empty() {
        return json!(turn.text);
    }
    let media = turn.media.iter().map(|medium| match medium {
        Medium::Image(url) => json!({ "type": "input_image", "image_url": url }),
        Medium::Video(url) => json!({ "type": "input_video", "video_url": url }),
    });
    let words = (!turn.text.is_empty()).then(|| json!({ "type": "input_text", "text": turn.text }));
    media.chain(words).collect()
}

fn call(call: &ToolCall) -> Value {
    let ToolCall { id, name, arguments } = call;
    json!({ "type": "function_call", "call_id": id, "name": name, "arguments": arguments })
}

/// Collects the id of an item's tool call, or of the call that it answers.
pub(super) fn calls(item: &Value, calls: &mut Vec<String>, results: &mut Vec<String>) {
    match text(item, "type") {
        "function_call" => calls.push(text(item, "call_id").to_owned()),
        "function_call_output" => results.push(text(item, "call_id").to_owned()),
        _ => {}
    }
}

/// Builds the body (Responses API > Request).
pub(super) fn body(ask: &Ask) -> Value {
    let mut body = Body::of(ask);
    body.put("instructions", ask.system.clone());
    body.put("input", Some(ask.messages.clone()));
    body.put("max_output_tokens", ask.max_tokens);
    body.put("temperature", ask.temperature);
    body.put("top_p", ask.top_p);
    let search = ask.web_search.then(|| json!({ "type": "web_search" }));
    let tools: Vec<Value> = ask.tools.iter().map(tool).chain(search).collect();
    body.put("tools", (!tools.is_empty()).then_some(tools));
    body.put("tool_choice", ask.tool_choice.clone());
    body.put("text", ask.response_format.as_ref().map(|format| json!({ "format": format })));
    // Thinking has no switch of its own: the effort `none` turns it off, and any other effort turns it on.
    let effort = match (&ask.effort, ask.thinking) {
        (_, Some(false)) => Some("none"),
        (Some(effort), _) => Some(effort.as_str()),
        (None, Some(true)) => Some("medium"),
        (None, None) => None,
    };
    body.put("reasoning", effort.map(|effort| json!({ "effort": effort })));
    body.put("service_tier", ask.service_tier.clone());
    body.0.into()
}

fn tool(function: &Function) -> Value {
    let mut tool = json!({ "type": "function" });
    if let (Some(fields), Ok(Value::Object(own))) = (tool.as_object_mut(), serde_json::to_value(function)) {
        fields.extend(own);
    }
    tool
}

/// Assembles an answer from `response.*` events.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Complete output items, unchanged.
    items: BTreeMap<u64, Value>,
    /// Text of items that are not complete yet.
    said: String,
    thought: String,
    /// Thinking in the text, which some gateways leave there.
    splitter: Splitter,
    /// The final response.
    response: Option<Value>,
    meta: Reply,
}

impl Reader {
    /// Takes one event. Ignores unknown ones, because MiniMax does not document the list of events.
    pub(super) fn take(&mut self, event: &Value) -> Vec<Delta> {
        let index = event.get("output_index").and_then(Value::as_u64).unwrap_or_default();
        let delta = || text(event, "delta").to_owned();
        match text(event, "type") {
            "response.created" | "response.in_progress" => self.take_meta(event.get("response")),
            "response.completed" | "response.incomplete" | "response.failed" => {
                self.take_meta(event.get("response"));
                self.response = event.get("response").cloned();
            }
            "response.output_text.delta" | "response.refusal.delta" => {
                self.said.push_str(&delta());
                return self.splitter.deltas(Delta::Text(delta())).collect();
            }
            "response.reasoning_text.delta" | "response.reasoning_summary_text.delta" => {
                self.thought.push_str(&delta());
                return vec![Delta::Reasoning(delta())];
            }
            "response.output_item.added" => {
                let item = event.get("item").unwrap_or(&Value::Null);
                match text(item, "type") {
                    "function_call" => return vec![Delta::Tool(text(item, "name").to_owned())],
                    "web_search_call" => return vec![Delta::Tool("web_search".to_owned())],
                    _ => {}
                }
            }
            "response.output_item.done" => {
                if let Some(item) = event.get("item") {
                    self.items.insert(index, item.clone());
                }
            }
            // A server that does not stream sends only the response.
            _ if text(event, "object") == "response" => {
                self.take_meta(Some(event));
                self.response = Some(event.clone());
            }
            _ => {}
        }
        Vec::new()
    }

    fn take_meta(&mut self, response: Option<&Value>) {
        let Some(response) = response else { return };
        let words = |name: &str| Some(text(response, name).to_owned()).filter(|word| !word.is_empty());
        self.meta.id = words("id").or(self.meta.id.take());
        self.meta.model = words("model").or(self.meta.model.take());
        if let Some(usage) = response.get("usage").filter(|usage| usage.is_object()) {
            self.meta.cost = usage_cost(usage).or(self.meta.cost);
            // A count that is missing is unknown, which is not free.
            let counts = (count(usage, "/input_tokens"), count(usage, "/output_tokens"));
            let (Some(input), Some(output)) = counts else { return };
            self.meta.usage = Some(Usage {
                input,
                output,
                reasoning: count(usage, "/output_tokens_details/reasoning_tokens"),
                cache_read: count(usage, "/input_tokens_details/cached_tokens"),
                cache_write: None,
                searches: None,
            });
        }
    }

    /// MiniMax's error code and message, if the response failed.
    pub(super) fn failure(&self) -> Option<(String, String)> {
        let response = self.response.as_ref().filter(|response| text(response, "status") == "failed")?;
        let error = response.get("error").unwrap_or(&Value::Null);
        Some((text(error, "code").to_owned(), text(error, "message").to_owned()))
    }

    /// Whether the response has ended.
    pub(super) fn is_over(&self) -> bool {
        self.response.is_some()
    }

    /// The answer so far.
    pub(super) fn reply(self) -> Reply {
        let mut reply = self.meta;
        let response = self.response.unwrap_or_default();
        let whole = response.get("output").and_then(Value::as_array).filter(|items| !items.is_empty());
        let items: Vec<Value> = whole.cloned().unwrap_or_else(|| self.items.into_values().collect());
        let mut searches = 0;
        let (mut said, mut thought) = (String::new(), String::new());
        for item in &items {
            match text(item, "type") {
                "message" => said.push_str(&parts(item, "content")),
                "reasoning" => {
                    let thoughts = Some(parts(item, "content")).filter(|words| !words.is_empty());
                    thought.push_str(&thoughts.unwrap_or_else(|| parts(item, "summary")));
                }
                "function_call" => reply.tool_calls.push(ToolCall {
                    id: text(item, "call_id").to_owned(),
                    name: text(item, "name").to_owned(),
                    arguments: text(item, "arguments").to_owned(),
                }),
                "web_search_call" => searches += 1,
                _ => {}
            }
        }
        let said = if said.is_empty() { self.said } else { said };
        let thought = if thought.is_empty() { self.thought } else { thought };
        think::fill(&mut reply, &said, &thought);
        if let Some(usage) = reply.usage.as_mut().filter(|_| searches > 0) {
            usage.searches = Some(searches);
        }
        let why = response.pointer("/incomplete_details/reason").and_then(Value::as_str).unwrap_or_default();
        let reason = match (text(&response, "status"), why) {
            ("completed", _) if reply.tool_calls.is_empty() => Some("stop"),
            ("completed", _) => Some("tool_calls"),
            (_, "max_output_tokens") => Some("length"),
            ("", _) => None,
            (status, "") => Some(status),
            (_, reason) => Some(reason),
        };
        reply.finish_reason = reason.map(str::to_owned);
        reply.messages = items;
        reply
    }
}

/// The text of an item's parts.
fn parts(item: &Value, name: &str) -> String {
    let parts = item.get(name).and_then(Value::as_array).into_iter().flatten();
    parts
        .map(|part| if part.get("text").is_some() { text(part, "text") } else { text(part, "refusal") })
        .collect()
}
