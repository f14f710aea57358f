//! Batches over HTTP: several messages in one array, which only revision 2025-03-26 has.

use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::http::{ADA, Served, web};
use crate::http_protocol::Events;

fn order(id: impl Into<Value>, prompt: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": "tools/call",
        "params": { "name": "text_to_image", "arguments": { "prompt": prompt } } })
}

fn ping(id: impl Into<Value>) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": "ping" })
}

fn note() -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": "nobody" } })
}

fn post(url: &str, batch: &Value) -> RequestBuilder {
    web().post(url).header("Accept", "application/json, text/event-stream").json(batch)
}

/// The status, the type and the text of an answer.
async fn told(request: RequestBuilder) -> (StatusCode, String, String) {
    let response = request.send().await.unwrap();
    let kind = response.headers().get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
    (response.status(), kind, response.text().await.unwrap())
}

fn with_id<'a>(answers: &'a Value, id: &Value) -> &'a Value {
    let all = answers.as_array().unwrap_or_else(|| panic!("one array: {answers}"));
    all.iter().find(|answer| answer["id"] == *id).unwrap_or_else(|| panic!("no {id}: {answers}"))
}

#[tokio::test]
async fn the_answers_to_a_batch_are_one_array_and_each_order_is_bought_once() {
    let served = Served::guarded().await;
    let mcp = format!("{}/mcp", served.base);
    let batch = json!([
        order("a", "A fox"),
        note(),
        ping(7),
        order(8, "A hen"),
        { "jsonrpc": "2.0", "id": 9, "method": "no/such/method" },
        { "jsonrpc": "2.0", "id": 1.5, "method": "tools/call", "params": { "name": "text_to_image",
            "arguments": { "prompt": "no id" } } },
        { "jsonrpc": "2.0", "method": "tools/call", "params": { "name": "text_to_image",
            "arguments": { "prompt": "a notification" } } },
        { "jsonrpc": "2.0", "id": 10, "method": "tools/call", "params": [] },
        "x",
    ]);
    for (accept, version) in [
        ("application/json, text/event-stream", None),
        ("*/*", Some("2025-03-26")),
        ("text/event-stream", None),
    ] {
        let before = served.sandbox.paid().len();
        let request = web().post(&mcp).header("Accept", accept).bearer_auth(ADA).json(&batch);
        let request = match version {
            Some(version) => request.header("MCP-Protocol-Version", version),
            None => request,
        };
        let (status, kind, text) = told(request).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        let is_stream = accept == "text/event-stream";
        assert_eq!(kind, if is_stream { "text/event-stream" } else { "application/json" });
        let data = if is_stream { text.trim().strip_prefix("data:").unwrap() } else { &text };
        let answers: Value = serde_json::from_str(data).unwrap();
        assert_eq!(answers.as_array().unwrap().len(), 7, "{answers}");
        for id in ["a".into(), json!(8)] {
            let said = with_id(&answers, &id)["result"]["content"][0]["text"].as_str().unwrap();
            assert!(said.contains("succeeded"), "{said}");
        }
        assert_eq!(with_id(&answers, &json!(7))["result"], json!({}));
        assert_eq!(with_id(&answers, &json!(9))["error"]["code"], -32601);
        assert_eq!(with_id(&answers, &json!(10))["error"]["code"], -32602);
        let nameless = answers.as_array().unwrap().iter().filter(|answer| answer["id"].is_null());
        assert!(nameless.clone().all(|answer| answer["error"]["code"] == -32600), "{answers}");
        assert_eq!(nameless.count(), 2);
        assert_eq!(served.sandbox.paid().len(), before + 2);
    }
    served.end().await;
}

#[tokio::test]
async fn a_batch_without_a_request_is_accepted_without_a_body() {
    let served = Served::open().await;
    let mcp = format!("{}/mcp", served.base);
    let paid = json!({ "jsonrpc": "2.0", "method": "tools/call", "params": { "name": "text_to_image",
        "arguments": { "prompt": "x" } } });
    let (status, _, text) = told(post(&mcp, &json!([note(), paid, note()]))).await;
    assert_eq!((status, text.as_str()), (StatusCode::ACCEPTED, ""));
    let response = json!({ "jsonrpc": "2.0", "id": 1, "result": {} });
    let (status, _, text) = told(post(&mcp, &json!([response]))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "there is no request to respond to: {text}");
    assert_eq!(served.sandbox.requests().len(), 0);
    served.end().await;
}

#[tokio::test]
async fn a_batch_is_refused_as_a_whole_where_it_cannot_be_answered() {
    let served = Served::open().await;
    let mcp = format!("{}/mcp", served.base);
    let hello = json!({ "jsonrpc": "2.0", "id": 2, "method": "initialize", "params": {
        "protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": { "name": "x", "version": "0" } } });
    let many: Vec<_> = (0..51).map(|id| order(id, "A fox")).collect();
    let both = json!([order(1, "A fox"), order(2, "A hen")]);
    let with = |version: &str| post(&mcp, &both).header("MCP-Protocol-Version", version);
    for (request, word) in [
        (post(&mcp, &json!([])), "no message"),
        (post(&mcp, &json!(many)), "more than 50"),
        (post(&mcp, &json!([order(1, "A fox"), order(1, "A hen")])), "the id 1"),
        (post(&mcp, &json!([order(1, "A fox"), hello])), "`initialize`"),
        (with("2024-11-05"), "2024-11-05"),
        (with("2025-06-18"), "only in protocol revision 2025-03-26"),
        (with("2025-11-25"), "2025-11-25"),
        (with("2026-07-28").header("Mcp-Method", "tools/call"), "2026-07-28"),
        (
            with("2025-03-26").header("MCP-Protocol-Version", "2025-06-18"),
            "several MCP-Protocol-Version headers",
        ),
    ] {
        let (status, _, text) = told(request).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{word}: {text}");
        let refusal: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&refusal["error"]["code"], &refusal["id"]), (&json!(-32600), &Value::Null), "{refusal}");
        assert!(refusal["error"]["message"].as_str().unwrap().contains(word), "{word}: {refusal}");
    }
    assert_eq!(served.sandbox.requests().len(), 0);
    served.end().await;
}

#[tokio::test]
async fn a_batch_of_the_older_transport_is_answered_with_one_event() {
    let served = Served::open().await;
    let response = web().get(format!("{}/sse", served.base)).send().await.unwrap();
    let mut events = Events::of(response);
    let address = format!("{}{}", served.base, events.next().await.1);
    let early = told(post(&address, &json!([ping(1)]))).await;
    assert_eq!(early.0, StatusCode::BAD_REQUEST, "{}", early.2);
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": { "name": "old", "version": "0" } } });
    assert_eq!(told(post(&address, &hello)).await.0, StatusCode::ACCEPTED);
    assert!(events.next().await.1.contains("\"protocolVersion\":\"2025-03-26\""));
    let batch = json!([
        order("a", "A fox"),
        { "jsonrpc": "2.0", "method": "notifications/initialized" },
        ping(2),
        { "jsonrpc": "2.0", "id": null, "method": "ping" },
    ]);
    assert_eq!(told(post(&address, &batch)).await.0, StatusCode::ACCEPTED);
    let answers: Value = serde_json::from_str(&events.next().await.1).unwrap();
    assert_eq!(answers.as_array().unwrap().len(), 3, "{answers}");
    let said = with_id(&answers, &json!("a"))["result"]["content"][0]["text"].as_str().unwrap();
    assert!(said.contains("succeeded"), "{said}");
    assert_eq!(with_id(&answers, &json!(2))["result"], json!({}));
    assert_eq!(with_id(&answers, &Value::Null)["error"]["code"], -32600);
    // The ids are free again, notifications need no answer, and errors alone are the answer to the post.
    assert_eq!(told(post(&address, &json!([note()]))).await.0, StatusCode::ACCEPTED);
    let (status, _, text) =
        told(post(&address, &json!([{ "jsonrpc": "2.0", "id": {}, "method": "ping" }]))).await;
    assert_eq!((status, text.starts_with('[')), (StatusCode::BAD_REQUEST, true), "{text}");
    assert_eq!(told(post(&address, &ping("a"))).await.0, StatusCode::ACCEPTED);
    let alone: Value = serde_json::from_str(&events.next().await.1).unwrap();
    assert_eq!(alone["id"], "a", "{alone}");
    assert_eq!(served.sandbox.paid().len(), 1);
    served.end().await;
}
