//! Text models.

use serde_json::{Value, json};

use super::Row;

/// An object with the fields of another added.
pub fn with(base: Value, more: Value) -> Value {
    let mut all = base;
    all.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    all
}

/// The thinking matrix, efforts, and the ranges of each protocol.
pub fn rows() -> Vec<Row> {
    let tool = "chat";
    let ask = |more| with(json!({ "prompt": "x" }), more);
    let mut rows: Vec<Row> = vec![
        ("text: something to say", tool, json!({}), "prompt", "messages"),
        ("text: api", tool, ask(json!({ "api": "grpc" })), "api", "openai, anthropic, native, responses"),
        ("text: thinking", tool, ask(json!({ "thinking": "perhaps" })), "thinking", "auto, on, off"),
        (
            "text: native has no switch",
            tool,
            ask(json!({ "thinking": "off", "model": "m3", "api": "native" })),
            "thinking",
            "openai, anthropic, responses",
        ),
        ("text: effort", tool, ask(json!({ "effort": "huge" })), "effort", "low"),
        (
            "text: effort of M3.1-Flash",
            tool,
            ask(json!({ "effort": "minimal" })),
            "effort",
            "low, medium, high, xhigh, max",
        ),
        (
            "text: M3 takes none",
            tool,
            ask(json!({ "effort": "low", "model": "m3" })),
            "effort",
            "MiniMax-M3.1-Flash",
        ),
        (
            "text: M3 takes three",
            tool,
            ask(json!({ "effort": "max", "model": "m3", "api": "responses" })),
            "effort",
            "low, medium, high",
        ),
        (
            "text: native takes none",
            tool,
            ask(json!({ "effort": "low", "api": "native" })),
            "effort",
            "openai, anthropic, responses",
        ),
        (
            "text: effort without thought",
            tool,
            ask(json!({ "effort": "low", "thinking": "off" })),
            "effort",
            "on or auto",
        ),
        ("text: tool_choice", tool, ask(json!({ "tool_choice": "required" })), "tool_choice", "auto, none"),
        ("text: tool_choice", tool, ask(json!({ "tool_choice": "any" })), "tool_choice", "auto, none"),
        ("text: max_tokens", tool, ask(json!({ "max_tokens": 0 })), "max_tokens", "1 to 524288"),
        (
            "text: max_tokens of M2",
            tool,
            ask(json!({ "max_tokens": 204_801, "model": "MiniMax-M2" })),
            "max_tokens",
            "1 to 204800",
        ),
        (
            "text: search",
            tool,
            ask(json!({ "web_search": true, "api": "openai" })),
            "web_search",
            "anthropic, responses",
        ),
        ("text: tier", tool, ask(json!({ "service_tier": "fast" })), "service_tier", "priority"),
        (
            "text: tier of native",
            tool,
            ask(json!({ "service_tier": "standard", "api": "native" })),
            "service_tier",
            "openai, anthropic, responses",
        ),
        (
            "text: form",
            tool,
            ask(json!({ "response_format": "xml" })),
            "response_format",
            "json_object, json_schema",
        ),
        (
            "text: role",
            tool,
            json!({ "messages": [{ "role": "robot", "content": "x" }] }),
            "messages[0].role",
            "assistant",
        ),
        (
            "text: pictures of 10 MB",
            tool,
            json!({ "messages": [{ "role": "user", "content": "x", "media": ["@10mib.png"] }] }),
            "messages[0].media[0]",
            "10,485,760",
        ),
        (
            "text: models that see",
            tool,
            json!({ "model": "MiniMax-M2", "messages": [{ "role": "user", "content": "x", "media": ["@face.jpg"] }] }),
            "messages[0].media[0]",
            "MiniMax-M3",
        ),
        ("search: query", "web_search", json!({ "query": " " }), "query", "empty"),
        ("models: kind", "list_models", json!({ "kind": "sound" }), "kind", "speech"),
    ];
    for (api, most) in [("openai", 2), ("anthropic", 2), ("native", 1), ("responses", 1)] {
        for wrong in [json!(-0.1), json!(f64::from(most) + 0.1)] {
            // A value that no protocol accepts is refused with the widest range.
            let legal = if most == 2 || wrong.as_f64() < Some(0.0) { "0 to 2" } else { "0 to 1" };
            let arguments = ask(json!({ "temperature": wrong, "api": api }));
            rows.push(("text: temperature", tool, arguments, "temperature", legal));
        }
        let arguments = ask(json!({ "top_p": 1.1, "api": api }));
        rows.push(("text: top_p", tool, arguments, "top_p", "0 to 1"));
    }
    for api in ["native", "responses"] {
        for field in ["temperature", "top_p"] {
            rows.push((
                "text: above zero",
                tool,
                ask(json!({ field: 0, "api": api })),
                field,
                "above 0 to 1",
            ));
        }
    }
    rows
}
