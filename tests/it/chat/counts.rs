//! Counts in an answer that are no price: those that were not counted, and searches without a known price.

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::{Value, json};

use super::PROTOCOLS;
use crate::harness::{World, text};

/// An answer of "Hello" in one piece, with this usage, in the form of a protocol.
fn answer(api: &str, input: u64, output: u64) -> Value {
    let ours = json!({ "input_tokens": input, "output_tokens": output });
    match api {
        "anthropic" => json!({
            "id": "m", "type": "message", "role": "assistant", "stop_reason": "end_turn",
            "content": [{ "type": "text", "text": "Hello" }], "usage": ours,
        }),
        "responses" => json!({
            "id": "r", "object": "response", "status": "completed", "usage": ours,
            "output": [{ "type": "message", "role": "assistant",
                         "content": [{ "type": "output_text", "text": "Hello" }] }],
        }),
        _ => json!({
            "id": "x", "choices": [{ "index": 0, "finish_reason": "stop",
                                     "message": { "role": "assistant", "content": "Hello" } }],
            "usage": { "prompt_tokens": input, "completion_tokens": output },
        }),
    }
}

async fn told(world: &World, more: Value, body: &Value) -> (Value, String) {
    world.sandbox.script(vec![Rule::once("/", Act::Raw { body: body.to_string() })]);
    let arguments = super::with(json!({ "prompt": "Hi", "model": "MiniMax-M3", "max_tokens": 100 }), more);
    let result = world.call("chat", arguments).await;
    (result.structured_content.clone().unwrap(), text(&result))
}

#[tokio::test]
async fn counts_of_zero_are_unknown_and_keep_the_reservation() {
    let world = World::with(crate::harness::quick(), &[("MINIMAX_BUDGET_DAY", "1")]).await;
    let spent = async || world.make("check_account", json!({})).await["spending"][0]["last_day"].clone();
    for api in PROTOCOLS {
        let (view, _) = told(&world, json!({ "api": api }), &answer(api, 10, 5)).await;
        assert_eq!(view["text"], "Hello", "{api}: {view}");
        assert!(view["cost"]["actual"].as_f64().unwrap() > 0.0, "{api}: {view}");
        for (input, output) in [(0, 0), (0, 5), (10, 0)] {
            let before = spent().await["unknown"].as_f64().unwrap();
            let (view, said) = told(&world, json!({ "api": api }), &answer(api, input, output)).await;
            assert_eq!(view["text"], "Hello", "{api}: {view}");
            assert!(view["cost"].get("actual").is_none() && view.get("usage").is_none(), "{api}: {view}");
            assert!(said.contains("Cost: unknown"), "{api}: {said}");
            assert!(spent().await["total"].as_f64().unwrap() > before, "{api}: the reservation stays");
        }
    }
}

#[tokio::test]
async fn searches_without_a_known_price_make_the_whole_price_unknown() {
    let world = World::new().await;
    for (searches, known) in [(2, true), (u64::MAX, false)] {
        let mut body = answer("anthropic", 10, 5);
        body["usage"]["server_tool_use"] = json!({ "web_search_requests": searches });
        let (view, _) = told(&world, json!({ "api": "anthropic", "web_search": true }), &body).await;
        assert_eq!(view["cost"].get("actual").is_some(), known, "{view}");
    }
}

#[tokio::test]
async fn an_image_that_a_chat_model_saw_has_the_price_of_its_tokens_and_the_key_that_paid() {
    let keys = [
        ("MINIMAX_API_KEY", "sk-api-of-the-balance"),
        ("MINIMAX_PLAN_KEY", "sk-cp-of-the-plan"),
        ("MINIMAX_PLAN_OVERFLOW", "balance"),
        ("MINIMAX_BUDGET_DAY", "5"),
    ];
    let world = World::with(crate::harness::quick(), &keys).await;
    let image = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    // The last is in the upper tier, which costs twice as much.
    for (input, output, cost) in [(1000, 10, Some(0.000_312)), (0, 0, None), (600_000, 10, Some(0.360_024))] {
        let refuse = |code| Act::Refuse { code, message: None, retry_after: None };
        let body = answer("openai", input, output).to_string();
        world.sandbox.script(vec![
            Rule { times: Some(2), ..Rule::always("/v1/coding_plan/vlm", refuse(2056)) },
            Rule::once("/v1/chat/completions", Act::Raw { body }),
        ]);
        let arguments = json!({ "prompt": "What is it?", "image_url": image });
        let view = world.make("understand_image", arguments).await;
        assert_eq!(view["cost"].get("actual").and_then(Value::as_f64), cost, "{view}");
        let basis = view["cost"]["basis"].as_str().unwrap();
        assert!(basis.contains("paid from the balance (MINIMAX_API_KEY)"), "{view}");
    }
}
