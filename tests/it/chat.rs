//! `chat` and `count_tokens` in every protocol, from the call to the response.

mod bodies;
mod counts;
mod rules;
mod script;

use minimax_mcp::sandbox::Request;
use serde_json::{Value, json};

use crate::harness::World;

/// Each value of `api`.
const PROTOCOLS: [&str; 4] = ["openai", "anthropic", "native", "responses"];

/// A function to call.
fn weather() -> Value {
    json!({
        "name": "get_weather", "description": "The weather in a place.",
        "parameters": { "type": "object", "properties": { "about": { "type": "string" } }, "required": ["about"] },
    })
}

fn with(base: Value, more: Value) -> Value {
    let mut all = base;
    all.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    all
}

/// The requests to the text endpoints, except for token counts.
fn asked(world: &World) -> Vec<Request> {
    let talks =
        ["/v1/chat/completions", "/anthropic/v1/messages", "/v1/text/chatcompletion_v2", "/v1/responses"];
    world.sandbox.requests().into_iter().filter(|request| talks.contains(&request.path.as_str())).collect()
}
