//! Tests that every chat protocol must pass.

use std::time::Duration;

use futures_util::future::join_all;
use minimax_mcp::sandbox::{Act, Rule};
use rmcp::model::{CallToolRequest, CallToolRequestParams, ClientRequest};
use rmcp::service::PeerRequestOptions;
use serde_json::{Value, json};

use super::{PROTOCOLS, asked, weather, with};
use crate::harness::{World, eventually, text};
use crate::s3;

#[tokio::test]
async fn a_plain_answer_is_text_usage_and_cost() {
    let world = World::new().await;
    for api in PROTOCOLS {
        let result = world
            .call(
                "chat",
                json!({ "prompt": "Good morning", "api": api, "system": "Be kind.", "model": "m3" }),
            )
            .await;
        let view = result.structured_content.clone().unwrap();
        let count = if ["openai", "native"].contains(&api) { 2 } else { 1 };
        assert_eq!(view["text"], format!("**You said:** Good morning (message {count})"), "{api}: {view}");
        assert_eq!(view["finish_reason"], "stop", "{api}");
        assert_eq!(view["model"], "MiniMax-M3", "{api}");
        let (input, output) = (
            view["usage"]["input_tokens"].as_f64().unwrap(),
            view["usage"]["output_tokens"].as_f64().unwrap(),
        );
        let cost = ((input * 0.3 + output * 1.2) * 10.0).round() / 1e7;
        assert_eq!(view["cost"]["actual"], cost, "{api}: {view}");
        assert_eq!(view["cost"]["currency"], "USD");
        let said = text(&result);
        for part in ["**You said:** Good morning", view["conversation_id"].as_str().unwrap(), "Cost: "] {
            assert!(said.contains(part), "{api}: {said}");
        }
        let told = world.make("chat", json!({ "prompt": "#system", "api": api, "system": "Be kind." })).await;
        assert_eq!(told["text"], "I was told: Be kind.", "{api}");
    }
    assert_eq!(world.bought(), 8);
}

#[tokio::test]
async fn thinking_is_kept_apart_from_the_answer() {
    let world = World::new().await;
    for api in PROTOCOLS {
        let view = world.make("chat", json!({ "prompt": "Hello", "api": api })).await;
        assert_eq!(view["reasoning"], "The user says: Hello. I look at it twice.", "{api}: {view}");
        assert_eq!(view["text"], "**You said:** Hello (message 1)", "{api}: {view}");
        if api != "anthropic" {
            assert_eq!(view["usage"]["reasoning_tokens"], 10, "{api}");
        }
    }
    let tagged = world.make("chat", json!({ "prompt": "Hello #tags" })).await;
    assert_eq!(tagged["reasoning"], "The user says: Hello #tags. I look at it twice.");
    assert_eq!(tagged["text"], "**You said:** Hello #tags (message 1)");
}

#[tokio::test]
async fn a_tool_is_called_and_its_result_continues_the_chain_of_thought() {
    let mut world = World::new().await;
    for restart in [false, true] {
        for api in PROTOCOLS {
            let asked = json!({ "prompt": "Fox weather #tool", "api": api, "tools": [weather()] });
            let called = world.make("chat", asked).await;
            assert_eq!(called["finish_reason"], "tool_calls", "{api}: {called}");
            let call = &called["tool_calls"][0];
            assert_eq!(call["name"], "get_weather", "{api}");
            let arguments: Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
            assert_eq!(arguments, json!({ "about": "Fox weather" }), "{api}");
            assert!(called["next"].as_str().unwrap().contains("tool_call_id"), "{api}");
            if restart {
                world = world.restarted().await;
            }
            let result =
                json!({ "role": "tool", "tool_call_id": call["id"], "content": "Sunny, 22 degrees" });
            let id = called["conversation_id"].clone();
            let answer = world.make("chat", json!({ "messages": [result], "conversation_id": id })).await;
            assert_eq!(
                answer["text"],
                "The function says: Sunny, 22 degrees. My thinking came back.",
                "{api}: {}",
                world.last_body()
            );
            assert_eq!(answer["conversation_id"], id, "{api}");
            let body = world.last_body();
            assert_eq!(body["tools"].as_array().unwrap().len(), 1, "{api}: the tools go along");
            let more = world.make("chat", json!({ "prompt": "Thanks", "conversation_id": id })).await;
            assert!(more["text"].as_str().unwrap().starts_with("**You said:** Thanks"), "{api}: {more}");
        }
    }
}

#[tokio::test]
async fn thinking_in_tags_goes_back_too() {
    let world = World::new().await;
    let called = world.make("chat", json!({ "prompt": "#tags #tool", "tools": [weather()] })).await;
    let result = json!({ "role": "tool", "tool_call_id": called["tool_calls"][0]["id"], "content": "Rain" });
    let arguments = json!({ "messages": [result], "conversation_id": called["conversation_id"] });
    let answer = world.make("chat", arguments).await;
    assert_eq!(answer["text"], "The function says: Rain. My thinking came back.");
    let kept = world.last_body()["messages"][1]["content"].as_str().unwrap().to_owned();
    assert_eq!(kept, "<think>\nThe user says: #tags #tool. I look at it twice.\n</think>\nOne moment.");
}

#[tokio::test]
async fn a_picture_is_seen() {
    let world = World::new().await;
    let made = world.make("text_to_image", json!({ "prompt": "A fox", "width": 512, "height": 520 })).await;
    let (path, uri) = (made["files"][0]["path"].clone(), made["files"][0]["uri"].clone());
    for api in PROTOCOLS {
        for media in [&path, &uri] {
            let message = json!({ "role": "user", "content": "What is it?", "media": [media] });
            let view = world.make("chat", json!({ "messages": [message], "api": api })).await;
            assert!(
                view["text"].as_str().unwrap().starts_with("I see an image of 512x520 pixels."),
                "{api}: {view}"
            );
        }
        let parts = json!([
            { "type": "text", "text": "What is it?" },
            { "type": "image_url", "image_url": { "url": made["files"][0]["url"] } },
        ]);
        let message = json!({ "role": "user", "content": parts });
        let view = world.make("chat", json!({ "messages": [message], "api": api })).await;
        assert!(
            view["text"].as_str().unwrap().contains("512x520 pixels. **You said:** What is it?"),
            "{api}"
        );
    }
}

#[tokio::test]
async fn a_video_is_sent_by_link_or_as_bytes_and_uploaded_if_it_is_large() {
    let world = World::new().await;
    let made =
        world.make("generate_video", json!({ "prompt": "A fox", "model": "MiniMax-Hailuo-2.3" })).await;
    let path = &made["files"][0]["path"];
    let bytes = s3::content(path);
    std::fs::create_dir_all(world.out()).unwrap();
    let large = world.out().join("large.mp4");
    let mut longer = bytes.clone();
    longer.resize(5 * 1024 * 1024, 0);
    std::fs::write(&large, &longer).unwrap();
    for api in ["openai", "anthropic", "responses"] {
        for (media, size) in [(path.clone(), bytes.len()), (json!(large), longer.len())] {
            let message = json!({ "role": "user", "content": "What happens?", "media": [media] });
            let view = world.make("chat", json!({ "messages": [message], "api": api })).await;
            let expected = format!("I see a video of {size} bytes.");
            assert!(view["text"].as_str().unwrap().starts_with(&expected), "{api}: {view}");
        }
        assert!(world.last_body().to_string().contains("mm_file://"), "{api}");
    }
    let message = json!({ "role": "user", "content": "x", "media": [path] });
    let refusal = world.refusal("chat", json!({ "messages": [message], "api": "native" })).await;
    assert!(
        refusal.contains("messages[0].media[0]") && refusal.contains("openai, anthropic, responses"),
        "{refusal}"
    );
}

#[tokio::test]
async fn an_error_in_the_middle_keeps_the_partial_text_and_the_conversation_unchanged() {
    let world = World::new().await;
    for api in PROTOCOLS {
        let first = world.make("chat", json!({ "prompt": "Hello", "api": api })).await;
        let arguments =
            json!({ "prompt": "Go on #refuse-midway", "conversation_id": first["conversation_id"] });
        let result = world.call("chat", arguments).await;
        let view = result.structured_content.clone().unwrap();
        assert_eq!(result.is_error, Some(true), "{api}: {view}");
        assert!(view["text"].as_str().unwrap().starts_with("**You said"), "{api}: {view}");
        assert!(view["reasoning"].as_str().unwrap().contains("I look at it twice"), "{api}");
        assert_eq!(view["error"]["kind"], "argument", "{api}: {view}");
        assert!(view["next"].as_str().unwrap().contains("may be billed"), "{api}: {view}");
        if api != "anthropic" {
            assert_eq!(view["error"]["code"], 1027, "{api}: {view}");
        }
        let again = json!({ "prompt": "Better", "conversation_id": first["conversation_id"] });
        let after = world.make("chat", again).await;
        assert!(
            after["text"].as_str().unwrap().starts_with("**You said:** Better (message "),
            "{api}: {after}"
        );
        assert!(!world.last_body().to_string().contains("#refuse-midway"), "{api}");
    }
}

#[tokio::test]
async fn a_broken_stream_is_never_sent_again_and_keeps_the_partial_text() {
    let world = World::new().await;
    for api in PROTOCOLS {
        for word in ["#cut", "#fade"] {
            let before = asked(&world).len();
            let result = world.call("chat", json!({ "prompt": format!("Go on {word}"), "api": api })).await;
            let view = result.structured_content.clone().unwrap();
            assert_eq!(result.is_error, Some(true), "{api} {word}: {view}");
            assert!(view["text"].as_str().unwrap().starts_with("**You said"), "{api} {word}: {view}");
            assert_eq!(view["error"]["kind"], "ask_user", "{api} {word}: {view}");
            let next = view["next"].as_str().unwrap();
            assert!(next.contains("may be billed"), "{api} {word}: {view}");
            assert!(next.contains("Let the user decide"), "{api} {word}: {view}");
            assert!(view["cost"].get("actual").is_none(), "{api} {word}: what it costs is not known");
            assert_eq!(asked(&world).len(), before + 1, "{api} {word}");
        }
    }
}

#[tokio::test]
async fn a_call_that_is_cancelled_or_whose_client_disconnects_closes_the_stream() {
    let world = World::new().await;
    for api in PROTOCOLS {
        let arguments = json!({ "prompt": "#slow", "api": api }).as_object().cloned().unwrap();
        let request = CallToolRequest::new(CallToolRequestParams::new("chat").with_arguments(arguments));
        let request = ClientRequest::CallToolRequest(request);
        let handle =
            world.client.send_cancellable_request(request, PeerRequestOptions::no_options()).await.unwrap();
        eventually("it streams", async || world.sandbox.streaming() == 1).await;
        handle.cancel(None).await.unwrap();
        eventually("the stream is given up", async || world.sandbox.streaming() == 0).await;
    }
    let World { sandbox, client, .. } = world;
    let arguments = json!({ "prompt": "#slow" }).as_object().cloned().unwrap();
    let request = CallToolRequest::new(CallToolRequestParams::new("chat").with_arguments(arguments));
    let request = ClientRequest::CallToolRequest(request);
    let handle = client.send_cancellable_request(request, PeerRequestOptions::no_options()).await.unwrap();
    eventually("it streams", async || sandbox.streaming() == 1).await;
    drop(client);
    eventually("the stream is given up", async || sandbox.streaming() == 0).await;
    drop(handle);
}

#[tokio::test]
async fn the_words_come_as_progress_at_once_and_not_too_often() {
    let world = World::new().await;
    let arguments = json!({ "prompt": "#slow" }).as_object().cloned().unwrap();
    let call = CallToolRequestParams::new("chat").with_arguments(arguments);
    let _ = tokio::time::timeout(Duration::from_secs(4), world.client.call_tool(call)).await;
    let messages = world.messages();
    assert!(messages[0].contains("asking MiniMax-M3.1-Flash"), "{messages:?}");
    let words = messages[1..].concat();
    assert!(words.contains("Slowly,"), "{messages:?}");
    assert!((3..=10).contains(&messages.len()), "{messages:?}");
}

#[tokio::test]
async fn only_a_request_that_minimax_did_not_accept_is_sent_again() {
    let refuse = |code| Act::Refuse { code, message: None, retry_after: Some(0) };
    let status = |status| Act::Status {
        status,
        body: String::new(),
        content_type: None,
        headers: [("retry-after".to_owned(), "0".to_owned())].into(),
    };
    for (act, again) in [
        (refuse(1002), true),
        (refuse(1039), true),
        (refuse(1041), true),
        (status(429), true),
        (status(529), true),
        (refuse(1000), false),
        (refuse(1013), false),
        (refuse(1008), false),
        (refuse(1004), false),
        (status(500), false),
        (Act::ResetAfter, false),
        (Act::ResetBefore, false),
        (Act::Raw { body: "<html>proxy</html>".into() }, false),
        (Act::Raw { body: "{}".into() }, false),
    ] {
        // Use one world for each, because a refusal slows down later requests.
        let calls = [
            ("openai", "/v1/chat/completions"),
            ("anthropic", "/anthropic/v1/messages"),
            ("native", "/v1/text/chatcompletion_v2"),
            ("responses", "/v1/responses"),
        ]
        .map(async |(api, path)| {
            let world = World::new().await;
            world.sandbox.script(vec![Rule::once(path, act.clone())]);
            let result = world.call("chat", json!({ "prompt": "Hello", "api": api })).await;
            let expected = if again { (Some(false), 2) } else { (Some(true), 1) };
            assert_eq!((result.is_error, asked(&world).len()), expected, "{api} {act:?}: {}", text(&result));
        });
        join_all(calls).await;
    }
}

#[tokio::test]
async fn refusals_in_every_protocol_name_who_must_act() {
    let world = World::new().await;
    for api in PROTOCOLS {
        let refusal = world.call("chat", json!({ "prompt": "x #sensitive", "api": api })).await;
        let view = refusal.structured_content.unwrap();
        assert_eq!(view["error"]["kind"], "argument", "{api}: {view}");
        world
            .sandbox
            .script(vec![Rule::always("/", Act::Refuse { code: 1008, message: None, retry_after: None })]);
        let view = world.call("chat", json!({ "prompt": "x", "api": api })).await.structured_content.unwrap();
        assert_eq!(view["error"]["kind"], "settings", "{api}: {view}");
        world.sandbox.script(Vec::new());
    }
    assert_eq!(world.bought(), 0);
}

#[tokio::test]
async fn an_answer_can_be_cut_at_max_tokens_or_withheld() {
    let world = World::new().await;
    for api in PROTOCOLS {
        let most = json!({ "prompt": "A long story of a fox, please", "api": api, "max_tokens": 22 });
        let view = world.make("chat", most).await;
        assert_eq!(view["finish_reason"], "length", "{api}: {view}");
        let view = world.make("chat", json!({ "prompt": "x #filter", "api": api })).await;
        assert_eq!(view["finish_reason"], "content_filter", "{api}: {view}");
        if ["openai", "native"].contains(&api) {
            assert!(view["warnings"].to_string().contains("abuse"), "{api}: {view}");
        }
    }
}

#[tokio::test]
async fn a_text_that_does_not_fit_a_result_is_a_file() {
    let world = World::new().await;
    let result = world.call("chat", json!({ "prompt": "#long" })).await;
    assert!(serde_json::to_string(&result).unwrap().len() < 64 * 1024);
    let view = result.structured_content.clone().unwrap();
    let whole = String::from_utf8(s3::content(&view["path"])).unwrap();
    assert_eq!(whole, "All work and no play makes a dull fox. ".repeat(1000));
    assert!(whole.starts_with(view["text"].as_str().unwrap().trim_end_matches('…')));
    assert!(result.content.iter().any(|block| block.as_resource_link().is_some()));
}

#[tokio::test]
async fn cached_tokens_are_reported_and_cost_less() {
    let world = World::new().await;
    for api in PROTOCOLS {
        let story = "Once upon a time there was a fox. ".repeat(100);
        let first = world.make("chat", json!({ "prompt": story, "api": api, "model": "m3" })).await;
        let more = json!({ "prompt": "And then?", "conversation_id": first["conversation_id"] });
        let view = world.make("chat", more).await;
        let count = |name: &str| view["usage"][name].as_f64().unwrap();
        let (input, read, output) =
            (count("input_tokens"), count("cache_read_tokens"), count("output_tokens"));
        assert!(read > 500.0 && read < input, "{api}: {view}");
        let cost = (((input - read) * 0.3 + read * 0.06 + output * 1.2) * 10.0).round() / 1e7;
        assert_eq!(view["cost"]["actual"], cost, "{api}: {view}");
    }
}

#[tokio::test]
async fn a_protocol_with_web_search_uses_it_and_the_search_is_billed() {
    let world = World::new().await;
    for api in ["anthropic", "responses"] {
        let asked = json!({ "prompt": "Foxes #search", "api": api, "web_search": true });
        let view = world.make("chat", asked).await;
        assert!(view["text"].as_str().unwrap().starts_with("The web says it is so."), "{api}: {view}");
        assert_eq!(view["usage"]["web_searches"], 1, "{api}");
        assert!(view["cost"]["actual"].as_f64().unwrap() > 0.01, "{api}");
        let more = with(json!({ "prompt": "Sure?" }), json!({ "conversation_id": view["conversation_id"] }));
        world.make("chat", more).await;
    }
}

#[tokio::test]
async fn an_answer_that_is_not_streamed_is_read_too() {
    let world = World::new().await;
    let message = json!({ "role": "assistant", "content": "<think>\nHm.\n</think>\nHello" });
    let usage = json!({ "prompt_tokens": 5, "completion_tokens": 3 });
    let chat = json!({ "choices": [{ "finish_reason": "stop", "message": message }], "usage": usage });
    let blocks = json!([{ "type": "thinking", "thinking": "Hm.", "signature": "s" }, { "type": "text", "text": "Hello" }]);
    let messages = json!({ "type": "message", "content": blocks, "stop_reason": "end_turn",
        "usage": { "input_tokens": 5, "output_tokens": 3 } });
    let items = json!([
        { "type": "reasoning", "summary": [{ "type": "summary_text", "text": "Hm." }], "encrypted_content": "e" },
        { "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "Hello" }] },
    ]);
    let response = json!({ "object": "response", "status": "completed", "output": items,
        "usage": { "input_tokens": 5, "output_tokens": 3 } });
    for (api, path, body) in [
        ("openai", "/v1/chat/completions", chat.clone()),
        ("native", "/v1/text/chatcompletion_v2", chat),
        ("anthropic", "/anthropic/v1/messages", messages),
        ("responses", "/v1/responses", response),
    ] {
        world.sandbox.script(vec![Rule::once(path, Act::Raw { body: body.to_string() })]);
        let view = world.make("chat", json!({ "prompt": "Hello", "api": api })).await;
        assert_eq!((&view["text"], &view["reasoning"]), (&json!("Hello"), &json!("Hm.")), "{api}: {view}");
        assert_eq!(view["usage"], json!({ "input_tokens": 5, "output_tokens": 3 }), "{api}");
    }
}

/// Streams are parsed correctly however the bytes are split.
#[tokio::test]
async fn events_are_read_in_every_form_that_servers_send() {
    let world = World::new().await;
    let stream = |body: &str| Act::Status {
        status: 200,
        body: body.to_owned(),
        content_type: Some("text/event-stream".into()),
        headers: Default::default(),
    };
    let chunk = |fields: &str| format!("data:{{\"choices\":[{{\"index\":0,{fields}}}]}}\r\n\r\n");
    let hello = chunk("\"delta\":{\"content\":\"Hello\"}");
    let stop = chunk("\"delta\":{},\"finish_reason\":\"stop\"");
    for (body, error) in [
        (format!("\u{feff}: a comment\n\n{hello}{stop}"), None),
        (format!("{hello}{stop}data: [DONE]\n\ndata: nonsense\n\n"), None),
        (format!("{hello}data: [DONE]\n\n"), Some("without a reason")),
        (
            format!("{hello}data: {{\"base_resp\":{{\"status_code\":1013,\"status_msg\":\"oh\"}}}}\n\n"),
            Some("1013"),
        ),
        (format!("{hello}data: nonsense\n\n"), Some("not JSON")),
        ("{\"base_resp\":{\"status_code\":1008,\"status_msg\":\"insufficient\"}}\n".to_owned(), Some("1008")),
    ] {
        world.sandbox.script(vec![Rule::once("/v1/chat/completions", stream(&body))]);
        let result = world.call("chat", json!({ "prompt": "Hello" })).await;
        let view = result.structured_content.clone().unwrap();
        match error {
            None => {
                assert_eq!(
                    (&view["text"], result.is_error),
                    (&json!("Hello"), Some(false)),
                    "{body}: {view}"
                );
            }
            Some(part) => {
                assert!(view["error"]["message"].as_str().unwrap().contains(part), "{body}: {view}");
                assert_eq!(result.is_error, Some(true));
            }
        }
    }
}
