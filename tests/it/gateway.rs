//! An API host that is neither MiniMax's own nor the sandbox: a gateway, which may be on this machine.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use crate::harness::{World, quick, text};

/// A gateway on this machine is configured by its address alone.
const GATEWAY: (&str, &str) = ("MINIMAX_SANDBOX", "false");

type Answer = fn(&str, &Value) -> Option<Value>;

/// A gateway that has the endpoints for which `answer` returns a body. All others are 404.
struct Gateway {
    url: String,
    seen: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Gateway {
    async fn start(answer: Answer) -> Self {
        let seen: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let kept = Arc::clone(&seen);
        let app = axum::Router::new().fallback(async move |uri: Uri, body: Bytes| {
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            kept.lock().unwrap().push((uri.path().to_owned(), body.clone()));
            match answer(uri.path(), &body) {
                Some(found) => ([("x-litellm-response-cost", "0.25")], found.to_string()).into_response(),
                None => (StatusCode::NOT_FOUND, "{\"detail\":\"Not Found\"}").into_response(),
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio_util::task::TaskTracker::new().spawn(async move { axum::serve(listener, app).await });
        Self { url, seen }
    }

    async fn world(&self) -> World {
        World::with(quick(), &[GATEWAY, ("MINIMAX_API_HOST", &self.url), ("MINIMAX_RATE_LIMITS", "false")])
            .await
    }

    fn paths(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(path, _)| path.clone()).collect()
    }
}

fn completion(content: &Value, reason: &str) -> Value {
    let message = json!({ "role": "assistant", "content": content });
    let choices = json!([{ "index": 0, "finish_reason": reason, "message": message }]);
    json!({ "id": "c1", "object": "chat.completion", "model": "fox-1", "choices": choices })
}

#[tokio::test]
async fn a_link_to_this_machine_that_a_caller_gives_is_refused_though_the_api_is_on_it() {
    let world = World::with(quick(), &[GATEWAY]).await;
    let port = world.sandbox.url().rsplit(':').next().unwrap().to_owned();
    for host in ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"] {
        for scheme in ["http", "https"] {
            let link = format!("{scheme}://{host}:{port}/x.png");
            for (tool, arguments) in [
                ("understand_image", json!({ "prompt": "What?", "image_url": link })),
                ("download_file", json!({ "url": link })),
                ("upload_file", json!({ "file": link, "purpose": "voice_clone" })),
                ("generate_video", json!({ "prompt": "A fox", "first_frame_image": link })),
                ("generate_video", json!({ "prompt": "A fox", "callback_url": link })),
            ] {
                let refusal = world.refusal(tool, arguments).await;
                let words = ["not a public address", "private network", "only https:// links"];
                assert!(words.iter().any(|word| refusal.contains(word)), "{tool} {link}: {refusal}");
            }
        }
    }
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[tokio::test]
async fn a_result_is_fetched_from_the_api_itself() {
    let world = World::with(quick(), &[GATEWAY]).await;
    let view = world.make("text_to_image", json!({ "prompt": "A fox", "wait_seconds": 30 })).await;
    assert_eq!(view["status"], "succeeded", "{view}");
    assert!(crate::s3::place(&view["files"][0]["path"]).is_file());
}

#[tokio::test]
async fn the_messages_of_a_gateway_are_found_once_and_remembered() {
    for (has, tried) in [
        ("/v1/messages", ["/v1/messages", "/v1/messages"].as_slice()),
        ("/anthropic/v1/messages", &["/v1/messages", "/anthropic/v1/messages", "/anthropic/v1/messages"]),
    ] {
        let answer: Answer = if has == "/v1/messages" {
            |path, _| (path == "/v1/messages").then(message)
        } else {
            |path, _| (path == "/anthropic/v1/messages").then(message)
        };
        let gateway = Gateway::start(answer).await;
        let world = gateway.world().await;
        for _ in 0..2 {
            let view = world
                .make("chat", json!({ "prompt": "Hello", "api": "anthropic", "model": "any/name:1" }))
                .await;
            assert_eq!((&view["text"], &view["reasoning"]), (&json!("Hi"), &json!("plan")), "{view}");
            assert_eq!(view["cost"]["actual"], 0.25, "{view}");
        }
        assert_eq!(gateway.paths(), tried, "{has}");
        assert!(gateway.seen.lock().unwrap().iter().all(|(_, body)| body["model"] == "any/name:1"));
    }
}

fn message() -> Value {
    json!({ "type": "message", "id": "m1", "role": "assistant", "model": "fox-1", "stop_reason": "end_turn",
        "content": [{ "type": "text", "text": "<think>plan</think>\nHi" }] })
}

#[tokio::test]
async fn a_missing_endpoint_of_a_gateway_is_explained_and_not_called_a_bug() {
    let gateway = Gateway::start(|_, _| None).await;
    let world = gateway.world().await;
    for (tool, arguments, path) in [
        ("chat", json!({ "prompt": "x", "api": "native" }), "/v1/text/chatcompletion_v2"),
        ("chat", json!({ "prompt": "x", "api": "responses" }), "/v1/responses"),
        ("chat", json!({ "prompt": "x", "api": "anthropic" }), "/v1/messages"),
        ("count_tokens", json!({ "prompt": "x" }), "/v1/responses/input_tokens"),
        ("web_search", json!({ "query": "foxes" }), "/v1/coding_plan/search"),
        ("generate_lyrics", json!({ "prompt": "foxes" }), "/v1/lyrics_generation"),
        ("text_to_image", json!({ "prompt": "A fox" }), "/v1/image_generation"),
        ("list_voices", json!({ "voice_type": "voice_cloning" }), "/v1/get_voice"),
    ] {
        let result = world.call(tool, arguments).await;
        let said = text(&result);
        for word in ["gateway", path, "openai"] {
            assert!(said.contains(word), "{tool}: no {word} in {said}");
        }
        assert!(!said.contains("report"), "{tool}: {said}");
        if let Some(view) = result.structured_content {
            assert_eq!(view["error"]["kind"], "settings", "{tool}: {view}");
        }
    }
}

#[tokio::test]
async fn a_gateway_gets_the_model_name_of_any_tool_as_it_was_given() {
    let gateway = Gateway::start(|_, _| None).await;
    let world = gateway.world().await;
    for (tool, arguments, name, price) in [
        ("text_to_image", json!({ "prompt": "x" }), "minimax/IMAGE-01", json!(0.0035)),
        ("text_to_image", json!({ "prompt": "x" }), "image_01", Value::Null),
        ("text_to_audio", json!({ "text": "x" }), "speech-2.8-HD", json!(0.0001)),
        ("music_generation", json!({ "prompt": "x", "is_instrumental": true }), "Music-3.0", json!(0.15)),
        ("generate_video", json!({ "prompt": "x" }), "hailuo-2.3", json!(0.28)),
        ("generate_video", json!({ "prompt": "x" }), "minimax/h3-max", json!(0.4)),
        ("generate_video", json!({ "prompt": "x" }), "studio/film:1", Value::Null),
        ("chat", json!({ "prompt": "x", "max_tokens": 9 }), "minimax/m3", json!("some")),
    ] {
        let mut call = arguments;
        call["model"] = json!(name);
        let result = world.call(tool, call.clone()).await;
        assert_eq!(result.is_error, Some(true), "{tool} {name}");
        let (path, body) = gateway.seen.lock().unwrap().last().cloned().unwrap();
        assert_eq!(body["model"], name, "{tool} at {path}: {}", text(&result));
        call["dry_run"] = json!(true);
        let view = world.make(tool, call).await;
        let estimated = view["cost"].get("estimated").cloned().unwrap_or_default();
        if tool != "chat" {
            assert_eq!(estimated, price, "{tool} {name}: {view}");
        }
        assert_eq!(estimated.is_null(), price.is_null(), "{tool} {name}: {view}");
    }
    let voice = crate::voice::recording(&world, "me.wav", 12);
    let clone = json!({ "voice_id": "MyVoice001", "file": voice, "text": "Hello.", "model": "speech_2.8_hd", "dry_run": true });
    assert_eq!(world.make("voice_clone", clone).await["model"], "speech_2.8_hd");
}

#[tokio::test]
async fn default_models_of_the_settings_go_to_a_gateway_as_they_are() {
    let gateway = Gateway::start(|_, _| None).await;
    let settings = [
        GATEWAY,
        ("MINIMAX_API_HOST", gateway.url.as_str()),
        ("MINIMAX_RATE_LIMITS", "false"),
        ("MINIMAX_IMAGE_MODEL", "pictures/IMAGE-01"),
        ("MINIMAX_SPEECH_MODEL", "minimax/Speech-2.8-hd"),
        ("MINIMAX_VIDEO_MODEL", "H3"),
        ("MINIMAX_TEXT_MODEL", "M3"),
    ];
    let world = World::with(quick(), &settings).await;
    for (tool, arguments, name) in [
        ("text_to_image", json!({ "prompt": "x" }), "pictures/IMAGE-01"),
        ("text_to_audio", json!({ "text": "x" }), "minimax/Speech-2.8-hd"),
        ("generate_video", json!({ "prompt": "x" }), "H3"),
        ("chat", json!({ "prompt": "x" }), "M3"),
    ] {
        world.call(tool, arguments).await;
        let (_, body) = gateway.seen.lock().unwrap().last().cloned().unwrap();
        assert_eq!(body["model"], name, "{tool}");
    }
}

#[tokio::test]
async fn any_answer_of_a_chat_model_is_read() {
    let cases: [(Answer, Value, Value, &str); 5] = [
        (
            |_, _| Some(completion(&json!("plan…</think>\nanswer"), "stop")),
            json!("answer"),
            json!("plan…"),
            "",
        ),
        (
            |_, _| Some(completion(&json!("plan…</thinking>answer"), "stop")),
            json!("answer"),
            json!("plan…"),
            "",
        ),
        (
            |_, _| Some(completion(&json!("Write `</think>` at the end."), "stop")),
            json!("Write `</think>` at the end."),
            Value::Null,
            "",
        ),
        (
            |_, _| Some(completion(&json!("]<]minimax[>[<tool_call>f"), "stop")),
            json!("]<]minimax[>[<tool_call>f"),
            Value::Null,
            "a tool call that MiniMax did not parse",
        ),
        (
            |_, _| Some(completion(&Value::Null, "length")),
            Value::Null,
            Value::Null,
            "max_tokens was used up by reasoning",
        ),
    ];
    for (answer, said, thought, noted) in cases {
        let gateway = Gateway::start(answer).await;
        let world = gateway.world().await;
        let view = world.make("chat", json!({ "prompt": "x", "model": "fox-1" })).await;
        assert_eq!(
            (view.get("text").unwrap_or(&Value::Null), view.get("reasoning").unwrap_or(&Value::Null)),
            (&said, &thought)
        );
        assert!(view["warnings"].to_string().contains(noted), "{view}");
        assert_eq!(view["cost"]["actual"], 0.25, "{view}");
    }
}

#[tokio::test]
async fn an_image_is_looked_at_by_the_model_of_the_settings() {
    let gateway = Gateway::start(|path, _| {
        (path == "/v1/chat/completions").then(|| completion(&json!("<think>Hm.</think>A fox."), "stop"))
    })
    .await;
    let settings = [GATEWAY, ("MINIMAX_API_HOST", gateway.url.as_str()), ("MINIMAX_TEXT_MODEL", "eyes/any")];
    let world = World::with(quick(), &settings).await;
    let dot = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let view = world.make("understand_image", json!({ "prompt": "What?", "image_url": dot })).await;
    assert_eq!(
        (&view["text"], &view["model"], &view["cost"]["actual"]),
        (&json!("A fox."), &json!("eyes/any"), &json!(0.25))
    );
    let seen = gateway.seen.lock().unwrap().clone();
    let mut names: Vec<_> = seen.last().unwrap().1.as_object().unwrap().keys().cloned().collect();
    names.sort_unstable();
    assert_eq!(names, ["max_completion_tokens", "messages", "model"]);
}

#[tokio::test]
async fn the_sandbox_is_not_a_gateway() {
    let world = World::new().await;
    let view = world.make("chat", json!({ "prompt": "x", "api": "anthropic" })).await;
    assert!(view["text"].is_string());
    let paths: Vec<_> = world.sandbox.requests().into_iter().map(|request| request.path).collect();
    assert!(
        paths.contains(&"/anthropic/v1/messages".to_owned()) && !paths.contains(&"/v1/messages".to_owned())
    );
}
