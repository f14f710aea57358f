//! Chat under budgets: a short question is answered under any limit.

use serde_json::{Value, json};

use crate::harness::{World, quick};

const PROTOCOLS: [&str; 4] = ["openai", "anthropic", "native", "responses"];

/// The limit of output tokens in a body of any protocol.
fn max_tokens(body: &Value) -> Option<u64> {
    let names = ["max_tokens", "max_completion_tokens", "max_output_tokens"];
    names.iter().find_map(|name| body.get(name)).and_then(Value::as_u64)
}

#[tokio::test]
async fn a_limit_does_not_refuse_a_greeting_and_says_what_was_sent() {
    for setting in
        ["MINIMAX_BUDGET_CALL", "MINIMAX_BUDGET_DAY", "MINIMAX_BUDGET_PROCESS", "MINIMAX_CONFIRM_ABOVE"]
    {
        let world = World::with(quick(), &[(setting, "0.1")]).await;
        for api in PROTOCOLS {
            let view = world.make("chat", json!({ "prompt": "hi", "api": api, "model": "MiniMax-M3" })).await;
            assert_eq!(max_tokens(&world.last_body()), Some(16_384), "{setting} {api}");
            let notes = view["warnings"].to_string();
            assert!(notes.contains("16384 was sent") && notes.contains(setting), "{setting} {api}: {notes}");
        }
    }
}

#[tokio::test]
async fn without_a_limit_max_tokens_is_sent_only_if_the_caller_gives_it() {
    let world = World::new().await;
    for api in PROTOCOLS.into_iter().filter(|api| *api != "anthropic") {
        world.make("chat", json!({ "prompt": "hi", "api": api })).await;
        assert_eq!(max_tokens(&world.last_body()), None, "{api}");
    }
    let world = World::with(quick(), &[("MINIMAX_BUDGET_CALL", "0.1")]).await;
    let view = world.make("chat", json!({ "prompt": "hi", "max_tokens": 777 })).await;
    assert_eq!(max_tokens(&world.last_body()), Some(777));
    assert!(view.get("warnings").is_none(), "{view}");
}

#[tokio::test]
async fn the_rest_of_the_budget_decides_how_long_an_answer_may_be() {
    for (setting, amount) in [
        ("MINIMAX_BUDGET_CALL", "0.001"),
        ("MINIMAX_BUDGET_DAY", "0.001"),
        // The client cannot ask a person, so an answer proves that none had to be asked.
        ("MINIMAX_CONFIRM_ABOVE", "0.001"),
    ] {
        let world = World::with(quick(), &[(setting, amount)]).await;
        let dry = world.make("chat", json!({ "prompt": "hi", "dry_run": true })).await;
        let price = dry["cost"]["estimated"].as_f64().unwrap();
        assert!(price <= 0.001 && price > 0.0009, "{setting}: {price}");
        let view = world.make("chat", json!({ "prompt": "hi" })).await;
        let sent = max_tokens(&world.last_body()).unwrap();
        assert!((256..16_384).contains(&sent), "{setting}: {sent}");
        assert!(view["warnings"].to_string().contains(setting), "{view}");
    }
}

#[tokio::test]
async fn a_refusal_names_max_tokens_the_spending_and_the_rest() {
    let world = World::with(quick(), &[("MINIMAX_BUDGET_DAY", "0.004")]).await;
    world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    let bought = world.bought();
    let refusal = world.refusal("chat", json!({ "prompt": "Tell me everything. ".repeat(500) })).await;
    for part in ["max_tokens 256", "$0.0035 was spent", "$0.0005 is left", "MINIMAX_BUDGET_DAY is $0.004"] {
        assert!(refusal.contains(part), "{part}: {refusal}");
    }
    assert_eq!(world.bought(), bought);
}
