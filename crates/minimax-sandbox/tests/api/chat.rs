//! Text models.

use minimax_sandbox::Options;
use serde_json::{Value, json};

use super::{World, with};

fn question() -> Value {
    json!({"model": "MiniMax-M3", "messages": [{"role": "user", "content": "Hello"}]})
}

#[tokio::test]
async fn an_answer_that_is_not_streamed_has_the_shape_of_its_protocol() {
    let world = World::new().await;
    let (_, answer) = world.post("/v1/chat/completions", question()).await;
    let thoughts = "The user says: Hello. I look at it twice.";
    assert_eq!(
        answer["choices"][0]["message"]["content"],
        format!("<think>\n{thoughts}\n</think>\n**You said:** Hello (message 1)")
    );
    assert_eq!(answer["base_resp"]["status_code"], 0);
    let split = with(&question(), json!({"reasoning_split": true}));
    let (_, answer) = world.post("/v1/chat/completions", split).await;
    assert_eq!(answer["choices"][0]["message"]["reasoning_details"][0]["text"], thoughts);
    let (_, answer) = world.post("/v1/text/chatcompletion_v2", question()).await;
    assert_eq!(answer["choices"][0]["message"]["reasoning_content"], thoughts);
    let thinking = with(&question(), json!({"thinking": {"type": "adaptive"}}));
    let (_, answer) = world.post("/anthropic/v1/messages", thinking).await;
    assert_eq!(
        (&answer["content"][0]["thinking"], &answer["stop_reason"]),
        (&json!(thoughts), &json!("end_turn"))
    );
    let (_, answer) = world.post("/v1/responses", json!({"model": "MiniMax-M3", "input": "Hello"})).await;
    assert_eq!(
        (&answer["status"], &answer["output_text"]),
        (&json!("completed"), &json!("**You said:** Hello (message 1)"))
    );
    assert_eq!(world.sandbox.paid().len(), 5);
}

#[tokio::test]
async fn a_wrong_question_is_refused_in_the_words_of_its_protocol() {
    let world = World::new().await;
    let part = |part: Value| json!({"messages": [{"role": "user", "content": [part]}]});
    for (fields, named) in [
        (json!({"thinking": {"type": "enabled"}}), "allowed: adaptive, disabled"),
        (
            json!({"model": "MiniMax-M3.1-Flash", "thinking": {"type": "disabled"}}),
            "requires adaptive thinking",
        ),
        (json!({"reasoning_effort": "low"}), "reasoning_effort"),
        (json!({"temperature": 2.1}), "temperature"),
        (json!({"tool_choice": "required"}), "tool_choice"),
        (json!({"prompt": "x"}), "unknown field prompt"),
        (json!({"model": "MiniMax-M2.7"}), "unknown model"),
        (json!({"messages": []}), "messages"),
        (
            json!({"messages": [{"role": "tool", "content": "x", "tool_call_id": "c"}]}),
            "tool id(c) not found",
        ),
        (part(json!({"type": "input_audio"})), "unsupported content type"),
        (
            part(json!({"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,iVBORw0KGgo="}})),
            "image/png",
        ),
        (part(json!({"type": "video_url", "video_url": {"url": "mm_file://1"}})), "does not exist"),
    ] {
        let body = with(&question(), fields);
        let (status, answer) = world.post("/v1/chat/completions", body.clone()).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(
            status == 400 && message.contains(named) && message.ends_with("(2013)"),
            "{body} got {answer}"
        );
    }
    let native = with(&question(), json!({"temperature": 0}));
    world.refuses("/v1/text/chatcompletion_v2", native, "temperature").await;
    let forged = json!({"type": "thinking", "thinking": "Hm.", "signature": "forged"});
    let messages = json!([{"role": "user", "content": "x"}, {"role": "assistant", "content": [forged]}]);
    for (fields, named) in [
        (json!({"messages": messages}), "invalid signature"),
        (json!({"tool_choice": {"type": "any"}}), "tool_choice"),
        (json!({"thinking": {"type": "enabled", "budget_tokens": 1}}), "thinking"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "foo"}]}]}),
            "unsupported content type 'foo'",
        ),
    ] {
        let (status, answer) = world.post("/anthropic/v1/messages", with(&question(), fields)).await;
        assert_eq!((status, &answer["error"]["type"]), (400, &json!("invalid_request_error")), "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(named), "{answer}");
    }
    for (fields, named) in [
        (json!({"temperature": 0}), "temperature"),
        (json!({"text": {"format": {"type": "json_object"}}}), "text.format.type"),
        (json!({"previous_response_id": "x"}), "unknown field"),
        (
            json!({"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}),
            "no call has the id",
        ),
    ] {
        let body = with(&json!({"model": "MiniMax-M3", "input": "Hello"}), fields);
        let (status, answer) = world.post("/v1/responses", body.clone()).await;
        assert_eq!(status, 400, "{body} got {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(named), "{body} got {answer}");
    }
    assert_eq!(world.sandbox.paid().len(), 0);
}

#[tokio::test]
async fn the_anthropic_endpoints_take_their_own_kind_of_key() {
    let options = Options { key: Some("good".into()), ..Options::default() };
    let sandbox = minimax_sandbox::Sandbox::start(options).await.unwrap();
    let client = crate::http_client();
    for (path, key, status) in [
        ("/anthropic/v1/messages", "good", 200),
        ("/anthropic/v1/messages", "bad", 401),
        ("/v1/chat/completions", "good", 401),
    ] {
        let request =
            client.post(format!("{}{path}", sandbox.url())).header("x-api-key", key).json(&question());
        assert_eq!(request.send().await.unwrap().status(), status, "{path} {key}");
    }
}

#[tokio::test]
async fn an_unknown_model_is_404_only_in_anthropics_format() {
    let world = World::new().await;
    let body = with(&question(), json!({"model": "MiniMax-M9"}));
    for (path, status) in [("/v1/chat/completions", 400), ("/anthropic/v1/messages", 404)] {
        assert_eq!(world.post(path, body.clone()).await.0, status, "{path}");
    }
    let (status, answer) = world.get("/anthropic/v1/models/MiniMax-M9").await;
    assert_eq!((status, &answer["error"]["type"]), (404, &json!("not_found_error")), "{answer}");
}

/// Clients of the Responses API create an item when it is announced and add each piece to it.
#[tokio::test]
async fn a_streamed_response_announces_each_item_and_part_before_its_pieces() {
    let world = World::new().await;
    let body = json!({
        "model": "MiniMax-M3", "stream": true, "input": "The weather? #tool", "reasoning": {"effort": "high"},
        "tools": [{"type": "function", "name": "get_weather"}],
    });
    let (_, text) = world.post("/v1/responses", body).await;
    let events: Vec<Value> = text
        .as_str()
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter_map(|data| serde_json::from_str(data).ok())
        .collect();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number, "{event}");
    }
    let mut kinds: Vec<_> =
        events.iter().map(|event| event["type"].as_str().unwrap().trim_start_matches("response.")).collect();
    kinds.dedup();
    let item = |inner: &[&'static str]| [&["output_item.added"], inner, &["output_item.done"]].concat();
    let part =
        |inner: &[&'static str]| item(&[&["content_part.added"], inner, &["content_part.done"]].concat());
    let expected = [
        vec!["created", "in_progress"],
        part(&["reasoning_text.delta", "reasoning_text.done"]),
        part(&["output_text.delta", "output_text.done"]),
        item(&["function_call_arguments.delta", "function_call_arguments.done"]),
        vec!["completed"],
    ];
    assert_eq!(kinds, expected.concat());
    for event in events.iter().filter(|event| event["type"] == "response.output_item.added") {
        assert!(event["item"]["content"] == json!([]) || event["item"]["arguments"] == "", "{event}");
    }
}
