//! The request bodies of each chat protocol.

use serde_json::{Value, json};

use super::{asked, weather, with};
use crate::harness::World;

fn everything() -> Value {
    json!({
        "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": "Transient?" },
            { "role": "assistant", "tool_calls": [
                { "id": "c1", "name": "get_weather", "arguments": "{\"about\":\"foxes\"}" },
            ] },
            { "role": "tool", "tool_call_id": "c1", "content": "Sunny" },
        ],
        "system": "Be kind.", "model": "m3.1-flash", "effort": "low", "temperature": 0.5, "top_p": 0.9,
        "max_tokens": 1000, "tools": [weather()], "tool_choice": "auto", "service_tier": "priority",
    })
}

#[tokio::test]
async fn chat_completions_get_the_documented_body() {
    let world = World::new().await;
    let more = json!({ "api": "openai", "response_format": "json_object" });
    world.make("chat", with(everything(), more)).await;
    assert_eq!(
        world.last_body(),
        json!({
            "model": "MiniMax-M3.1-Flash",
            "messages": [
                { "role": "system", "content": "Be kind.\n\nBe brief." },
                { "role": "user", "content": "Transient?" },
                { "role": "assistant", "content": "", "tool_calls": [{ "id": "c1", "type": "function",
                    "function": { "name": "get_weather", "arguments": "{\"about\":\"foxes\"}" } }] },
                { "role": "tool", "content": "Sunny", "tool_call_id": "c1" },
            ],
            "max_completion_tokens": 1000, "temperature": 0.5, "top_p": 0.9,
            "tools": [{ "type": "function", "function": weather() }], "tool_choice": "auto",
            "response_format": { "type": "json_object" }, "reasoning_effort": "low",
            "service_tier": "priority", "stream": true, "stream_options": { "include_usage": true },
        })
    );
}

#[tokio::test]
async fn the_native_endpoint_gets_the_documented_body() {
    let world = World::new().await;
    let mut arguments = with(everything(), json!({ "api": "native" }));
    for name in ["effort", "service_tier"] {
        arguments.as_object_mut().unwrap().shift_remove(name);
    }
    world.make("chat", arguments).await;
    assert_eq!(asked(&world).last().unwrap().path, "/v1/text/chatcompletion_v2");
    let body = world.last_body();
    let names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "model",
            "messages",
            "max_completion_tokens",
            "temperature",
            "top_p",
            "tools",
            "tool_choice",
            "stream",
            "stream_options"
        ]
    );
}

#[tokio::test]
async fn anthropic_messages_get_the_documented_body() {
    let world = World::new().await;
    world.make("chat", with(everything(), json!({ "api": "anthropic", "web_search": true }))).await;
    let schema = weather()["parameters"].clone();
    assert_eq!(
        world.last_body(),
        json!({
            "model": "MiniMax-M3.1-Flash", "system": "Be kind.\n\nBe brief.",
            "messages": [
                { "role": "user", "content": "Transient?" },
                { "role": "assistant", "content": [
                    { "type": "tool_use", "id": "c1", "name": "get_weather", "input": { "about": "foxes" } },
                ] },
                { "role": "user", "content": [
                    { "type": "tool_result", "tool_use_id": "c1", "content": "Sunny" },
                ] },
            ],
            "max_tokens": 1000, "temperature": 0.5, "top_p": 0.9,
            "tools": [
                { "name": "get_weather", "input_schema": schema, "description": "The weather in a place." },
                { "type": "web_search_20250305", "name": "web_search" },
            ],
            "tool_choice": { "type": "auto" }, "output_config": { "effort": "low" }, "service_tier": "priority",
            "stream": true,
        })
    );
}

#[tokio::test]
async fn responses_get_the_documented_body() {
    let world = World::new().await;
    let more = json!({ "api": "responses", "web_search": true, "response_format": { "type": "text" } });
    world.make("chat", with(everything(), more)).await;
    let tool = with(json!({ "type": "function" }), weather());
    assert_eq!(
        world.last_body(),
        json!({
            "model": "MiniMax-M3.1-Flash", "instructions": "Be kind.\n\nBe brief.",
            "input": [
                { "type": "message", "role": "user", "content": "Transient?" },
                { "type": "function_call", "call_id": "c1", "name": "get_weather",
                  "arguments": "{\"about\":\"foxes\"}" },
                { "type": "function_call_output", "call_id": "c1", "output": "Sunny" },
            ],
            "max_output_tokens": 1000, "temperature": 0.5, "top_p": 0.9, "tools": [tool, { "type": "web_search" }],
            "tool_choice": "auto", "text": { "format": { "type": "text" } }, "reasoning": { "effort": "low" },
            "service_tier": "priority", "stream": true,
        })
    );
}

/// How `thinking` and `effort` are sent, for all models and protocols.
#[tokio::test]
async fn thinking_is_switched_as_each_protocol_and_model_has_it() {
    let world = World::new().await;
    let adaptive = json!({ "type": "adaptive" });
    let disabled = json!({ "type": "disabled" });
    let nothing = Value::Null;
    for (api, model, arguments, thinking, effort, warned) in [
        ("openai", "m3.1-flash", json!({}), &nothing, nothing.clone(), false),
        ("openai", "m3.1-flash", json!({ "thinking": "on" }), &nothing, nothing.clone(), false),
        ("openai", "m3.1-flash", json!({ "thinking": "off" }), &nothing, json!("low"), true),
        ("openai", "m3.1-flash", json!({ "effort": "max" }), &nothing, json!("max"), false),
        ("openai", "m3", json!({}), &nothing, nothing.clone(), false),
        ("openai", "m3", json!({ "thinking": "enabled" }), &adaptive, nothing.clone(), false),
        ("openai", "m3", json!({ "thinking": "off" }), &disabled, nothing.clone(), false),
        ("openai", "MiniMax-M2", json!({ "thinking": "off" }), &nothing, nothing.clone(), true),
        ("anthropic", "m3.1-flash", json!({}), &nothing, nothing.clone(), false),
        ("anthropic", "m3.1-flash", json!({ "thinking": "off" }), &nothing, json!("low"), true),
        ("anthropic", "m3", json!({}), &nothing, nothing.clone(), false),
        ("anthropic", "m3", json!({ "thinking": "on" }), &adaptive, nothing.clone(), false),
        ("anthropic", "m3", json!({ "thinking": "off" }), &disabled, nothing.clone(), false),
        ("responses", "m3.1-flash", json!({ "effort": "xhigh" }), &nothing, json!("xhigh"), false),
        ("responses", "m3.1-flash", json!({ "thinking": "off" }), &nothing, json!("low"), true),
        ("responses", "m3", json!({}), &nothing, nothing.clone(), false),
        ("responses", "m3", json!({ "thinking": "on" }), &nothing, json!("medium"), false),
        ("responses", "m3", json!({ "thinking": "off" }), &nothing, json!("none"), false),
        ("responses", "m3", json!({ "effort": "high" }), &nothing, json!("high"), false),
        ("native", "m3.1-flash", json!({ "thinking": "on" }), &nothing, nothing.clone(), false),
        ("native", "m3.1-flash", json!({ "thinking": "off" }), &nothing, nothing.clone(), true),
        ("native", "m3", json!({}), &nothing, nothing.clone(), false),
    ] {
        let call = with(json!({ "prompt": "x", "api": api, "model": model }), arguments.clone());
        let view = world.make("chat", call).await;
        let body = world.last_body();
        let sent = match api {
            "anthropic" => &body["output_config"]["effort"],
            "responses" => &body["reasoning"]["effort"],
            _ => &body["reasoning_effort"],
        };
        assert_eq!((&body["thinking"], sent), (thinking, &effort), "{api} {model} {arguments}");
        assert_eq!(view.get("warnings").is_some(), warned, "{api} {model} {arguments}: {view}");
    }
}

#[tokio::test]
async fn tokens_are_counted_in_every_protocol_and_nothing_is_bought() {
    let world = World::new().await;
    let endpoints = [
        ("openai", "/v1/responses/input_tokens"),
        ("native", "/v1/responses/input_tokens"),
        ("anthropic", "/anthropic/v1/messages/count_tokens"),
        ("responses", "/v1/responses/input_tokens"),
    ];
    for (api, path) in endpoints {
        let short = world.make("count_tokens", json!({ "prompt": "Hello", "api": api })).await;
        // Arguments that do not affect the count are accepted and not sent.
        let call = with(everything(), json!({ "api": api }));
        let long = world.make("count_tokens", call).await;
        let count = |view: &Value| view["input_tokens"].as_u64().unwrap();
        assert!(count(&short) > 0 && count(&long) > count(&short), "{api}: {short} {long}");
        assert!(long["cost"]["estimated"].as_f64().unwrap() > 0.0, "{api}");
        let requests = world.sandbox.requests();
        assert_eq!(requests.last().unwrap().path, path, "{api}");
        assert!(requests.last().unwrap().body.get("stream").is_none(), "{api}");
    }
    assert_eq!(world.bought(), 0);
    for (api, _) in endpoints {
        let talk = world.make("chat", json!({ "prompt": "x #tool", "tools": [weather()], "api": api })).await;
        let result =
            json!({ "role": "tool", "tool_call_id": talk["tool_calls"][0]["id"], "content": "Rain" });
        let call = json!({ "messages": [result], "conversation_id": talk["conversation_id"] });
        let counted = world.make("count_tokens", call).await;
        assert!(counted["input_tokens"].as_u64().unwrap() > 40, "{api}: {counted}");
    }
}

#[tokio::test]
async fn a_plain_question_sends_nothing_that_the_caller_did_not_ask_for() {
    let world = World::new().await;
    for (api, fields) in [
        ("openai", vec!["messages", "model", "stream", "stream_options"]),
        ("anthropic", vec!["messages", "model", "stream"]),
        ("native", vec!["messages", "model", "stream", "stream_options"]),
        ("responses", vec!["input", "model", "stream"]),
    ] {
        for model in ["m3.1-flash", "m3", "MiniMax-M2"] {
            world.make("chat", json!({ "prompt": "Hello", "api": api, "model": model })).await;
            let body = world.last_body();
            let mut names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, fields, "{api} {model}");
        }
    }
}

#[tokio::test]
async fn system_messages_become_one_at_the_beginning_in_every_protocol() {
    let world = World::new().await;
    let say = |role: &str, content: &str| json!({ "role": role, "content": content });
    for api in super::PROTOCOLS {
        let messages = json!([
            say("system", "One."),
            say("system", "Two."),
            say("user", "Hello"),
            say("assistant", "Hello!"),
            say("system", "Three."),
            say("user", "And?"),
        ]);
        let view = world.make("chat", json!({ "messages": messages, "api": api })).await;
        let body = world.last_body().to_string();
        assert_eq!(body.matches("One.\\n\\nTwo.\\n\\nThree.").count(), 1, "{api}: {body}");
        assert_eq!(
            (body.matches("Three.").count(), body.matches("\"role\":\"system\"").count() <= 1),
            (1, true),
            "{api}"
        );
        assert!(view["warnings"].to_string().contains("one system message"), "{api}: {view}");
        // A later system message of a conversation is added to the one that it has.
        let more = json!([say("user", "x"), say("system", "Four."), say("user", "y")]);
        let more = json!({ "messages": more, "conversation_id": view["conversation_id"] });
        world.make("chat", more).await;
        assert!(world.last_body().to_string().contains("Three.\\n\\nFour."), "{api}: {}", world.last_body());
    }
}
