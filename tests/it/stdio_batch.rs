//! Batches on stdin: several messages in one array, which only revision 2025-03-26 has.

use std::time::Duration;

use minimax_mcp::sandbox::Pace;
use serde_json::{Value, json};

use crate::harness::{Program, quick};
use crate::stdio::{modern_meta, on_stage};

const PATIENCE: Duration = Duration::from_secs(60);
const REVISION: &str = "2025-03-26";

fn request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params })
}

fn order(id: impl Into<Value>, prompt: &str) -> Value {
    request(id, "tools/call", json!({ "name": "text_to_image", "arguments": { "prompt": prompt } }))
}

/// Sends a batch and returns the next message.
fn answered(program: &mut Program, batch: &Value) -> Value {
    program.send(batch);
    program.next(PATIENCE).expect("an answer")
}

/// The answer with this id.
fn with_id<'a>(answers: &'a Value, id: &Value) -> &'a Value {
    let all = answers.as_array().unwrap_or_else(|| panic!("one array: {answers}"));
    all.iter().find(|answer| answer["id"] == *id).unwrap_or_else(|| panic!("no {id}: {answers}"))
}

#[test]
fn the_answers_to_a_batch_are_one_array_and_each_order_is_bought_once() {
    on_stage(|stage| {
        let mut program = stage.program();
        program.initialize(REVISION);
        let batch = json!([
            order("a", "A fox"),
            { "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": "nobody" } },
            request(7, "tools/list", json!({})),
            order(8, "A hen"),
            request(9, "no/such/method", json!({})),
            { "jsonrpc": "2.0", "id": null, "method": "tools/call", "params": { "name": "text_to_image",
                "arguments": { "prompt": "no id" } } },
            { "jsonrpc": "2.0", "method": "tools/call", "params": { "name": "text_to_image",
                "arguments": { "prompt": "a notification" } } },
            17,
        ]);
        let answers = answered(&mut program, &batch);
        assert_eq!(answers.as_array().unwrap().len(), 6, "{answers}");
        for id in ["a".into(), json!(8)] {
            let said = with_id(&answers, &id)["result"]["content"][0]["text"].as_str().unwrap();
            assert!(said.contains("succeeded"), "{said}");
        }
        let tools = with_id(&answers, &json!(7))["result"]["tools"].as_array().unwrap();
        assert_eq!(tools.len(), crate::harness::offered());
        assert_eq!(with_id(&answers, &json!(9))["error"]["code"], -32601);
        let nameless = answers.as_array().unwrap().iter().filter(|answer| answer["id"].is_null());
        assert!(nameless.clone().all(|answer| answer["error"]["code"] == -32600), "{answers}");
        assert_eq!(nameless.count(), 2);
        assert_eq!(stage.sandbox.paid().len(), 2, "neither the notification nor the request without an id");
        // Nothing is left over, and the ids are free again.
        let again =
            answered(&mut program, &json!([request("a", "ping", json!({})), request(8, "ping", json!({}))]));
        assert_eq!(again.as_array().unwrap().len(), 2, "{again}");
    });
}

#[test]
fn a_batch_without_a_request_has_no_answer_and_a_single_message_is_still_answered_alone() {
    on_stage(|stage| {
        let mut program = stage.program();
        program.initialize(REVISION);
        program.send(&json!([{ "jsonrpc": "2.0", "method": "notifications/initialized" }]));
        program.send(&json!([{ "jsonrpc": "2.0", "id": 5, "result": {} }]));
        program.send(&json!([{ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": "x" }]));
        assert_eq!(program.request("ping", json!({}))["result"], json!({}));
    });
}

#[test]
fn a_batch_is_refused_as_a_whole_where_it_cannot_be_answered() {
    on_stage(|stage| {
        let mut program = stage.program();
        let refused = |program: &mut Program, batch: &Value, word: &str| {
            let answer = answered(program, batch);
            assert_eq!(
                (&answer["error"]["code"], answer.get("id")),
                (&json!(-32600), Some(&Value::Null)),
                "{answer}"
            );
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(message.contains(word) && message.contains("nothing was sent or billed"), "{message}");
        };
        let both = json!([order(1, "A fox"), order(2, "A hen")]);
        refused(&mut program, &both, "no revision was agreed on");
        program.initialize(REVISION);
        refused(&mut program, &json!([]), "no message");
        let many: Vec<_> = (0..51).map(|id| order(id, "A fox")).collect();
        refused(&mut program, &json!(many), "more than 50");
        refused(&mut program, &json!([order(1, "A fox"), order(1, "A hen")]), "the id 1");
        let hello = json!({ "protocolVersion": REVISION, "capabilities": {}, "clientInfo": { "name": "x", "version": "0" } });
        refused(&mut program, &json!([order(1, "A fox"), request(2, "initialize", hello)]), "`initialize`");
        for version in ["2024-11-05", "2025-06-18", "2025-11-25"] {
            let mut program = stage.program();
            program.initialize(version);
            refused(&mut program, &both, version);
        }
        let mut program = stage.program();
        program.request("tools/list", json!({ "_meta": modern_meta() }));
        refused(&mut program, &both, "2025-03-26");
        assert_eq!(stage.sandbox.requests().len(), 0);
    });
}

#[test]
fn a_cancelled_request_is_left_out_and_one_whose_id_is_open_buys_nothing() {
    on_stage(|stage| {
        stage.sandbox.set_pace(Pace { delay_ms: 3_000, ..quick() });
        let mut program = stage.program();
        program.initialize(REVISION);
        program.send(&order("slow", "A fox"));
        let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": "left" } });
        program.send(&json!([
            order("slow", "A hen"),
            order("left", "A cow"),
            cancel,
            request("p", "ping", json!({}))
        ]));
        let (mut alone, mut together) = (None, None);
        while alone.is_none() || together.is_none() {
            let message = program.next(PATIENCE).expect("an answer");
            if message.is_array() { together = Some(message) } else { alone = Some(message) }
        }
        let alone = alone.unwrap();
        assert_eq!(alone["id"], "slow");
        assert!(alone["result"]["content"][0]["text"].as_str().unwrap().contains("succeeded"), "{alone}");
        let together = together.unwrap();
        assert_eq!(together.as_array().unwrap().len(), 2, "{together}");
        assert_eq!(with_id(&together, &json!("p"))["result"], json!({}));
        let refused = with_id(&together, &Value::Null)["error"]["message"].as_str().unwrap();
        assert!(refused.contains("slow") && refused.contains("nothing was sent or billed"), "{refused}");
        let bought: Vec<_> =
            stage.sandbox.paid().iter().map(|request| request.body["prompt"].clone()).collect();
        assert!(!bought.contains(&json!("A hen")), "{bought:?}");
    });
}
