//! Chat requests that are refused before anything is sent.

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::json;

use super::{PROTOCOLS, asked, weather};
use crate::harness::{World, eventually, quick};

/// An image of one pixel.
const DOT: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

#[tokio::test]
async fn bad_arguments_cost_nothing_and_the_error_names_the_allowed_values() {
    let world = World::new().await;
    let user = |more: serde_json::Value| super::with(json!({ "role": "user", "content": "x" }), more);
    for (arguments, parts) in [
        (json!({}), vec!["`prompt` is missing", "messages"]),
        (json!({ "prompt": "x", "messages": [user(json!({}))] }), vec!["`messages`", "one of the two"]),
        (json!({ "prompt": "x", "promt": 1 }), vec!["`promt`", "`prompt`"]),
        (json!({ "prompt": "x", "api": "grpc" }), vec!["`api`", "openai, anthropic, native, responses"]),
        (json!({ "prompt": "x", "temperature": 2.5 }), vec!["`temperature` is 2.5", "0 to 2"]),
        (
            json!({ "prompt": "x", "temperature": 0, "api": "native" }),
            vec!["`temperature` is 0", "above 0 to 1"],
        ),
        (
            json!({ "prompt": "x", "temperature": 1.5, "api": "responses" }),
            vec!["`temperature` is 1.5", "above 0 to 1"],
        ),
        (json!({ "prompt": "x", "top_p": 0, "api": "responses" }), vec!["`top_p` is 0", "above 0 to 1"]),
        (json!({ "prompt": "x", "max_tokens": 0 }), vec!["`max_tokens` is 0", "1 to 524288"]),
        (
            json!({ "prompt": "x", "max_tokens": 300_000, "model": "MiniMax-M2" }),
            vec!["`max_tokens`", "1 to 204800"],
        ),
        (json!({ "prompt": "x", "tool_choice": "required" }), vec!["`tool_choice`", "auto, none"]),
        (json!({ "prompt": "x", "thinking": "perhaps" }), vec!["`thinking`", "auto, on, off"]),
        (json!({ "prompt": "x", "effort": "huge" }), vec!["`effort`", "xhigh, max"]),
        (json!({ "prompt": "x", "effort": "minimal" }), vec!["`effort`", "low, medium, high, xhigh, max"]),
        (json!({ "prompt": "x", "effort": "low", "model": "m3" }), vec!["`effort`", "MiniMax-M3.1-Flash"]),
        (
            json!({ "prompt": "x", "effort": "max", "model": "m3", "api": "responses" }),
            vec!["`effort` is max", "low, medium, high"],
        ),
        (
            json!({ "prompt": "x", "effort": "low", "api": "native" }),
            vec!["`effort`", "openai, anthropic, responses"],
        ),
        (json!({ "prompt": "x", "effort": "low", "thinking": "off" }), vec!["`effort`", "on or auto"]),
        (
            json!({ "prompt": "x", "thinking": "off", "model": "m3", "api": "native" }),
            vec!["`thinking`", "openai, anthropic, responses"],
        ),
        (
            json!({ "prompt": "x", "web_search": true, "api": "openai" }),
            vec!["`web_search`", "anthropic, responses"],
        ),
        (
            json!({ "prompt": "x", "service_tier": "standard", "api": "native" }),
            vec!["`service_tier`", "openai, anthropic, responses"],
        ),
        (
            json!({ "prompt": "x", "response_format": "xml" }),
            vec!["`response_format`", "json_object, json_schema"],
        ),
        (
            json!({ "prompt": "x", "response_format": "json_object", "api": "anthropic" }),
            vec!["`response_format`", "openai"],
        ),
        (
            json!({ "prompt": "x", "response_format": "json_object", "api": "responses" }),
            vec!["`response_format`", "must be text"],
        ),
        (
            json!({ "prompt": "x", "response_format": "json_schema", "api": "native" }),
            vec!["`response_format`", "MiniMax-Text-01"],
        ),
        (json!({ "prompt": "x", "tools": [{ "name": "a b" }] }), vec!["`tools[0].name`", "letters"]),
        (
            json!({ "prompt": "x", "tools": [weather(), weather()] }),
            vec!["`tools[1].name`", "names must differ"],
        ),
        (
            json!({ "messages": [{ "role": "robot", "content": "x" }] }),
            vec!["`messages[0].role`", "user, assistant"],
        ),
        (json!({ "messages": [{ "role": "user" }] }), vec!["`messages[0].content`", "empty"]),
        (
            json!({ "messages": [{ "role": "tool", "content": "x" }] }),
            vec!["`messages[0].tool_call_id`", "only with that role"],
        ),
        (
            json!({ "messages": [user(json!({ "tool_call_id": "c" }))] }),
            vec!["`messages[0].tool_call_id`", "role tool"],
        ),
        (
            json!({ "messages": [{ "role": "tool", "tool_call_id": "c", "content": "x" }] }),
            vec!["`tool_call_id`", "there are none"],
        ),
        (
            json!({ "messages": [user(json!({})), { "role": "assistant", "content": "y" }] }),
            vec!["`messages`", "user or tool"],
        ),
        (
            json!({ "messages": [user(json!({ "media": ["fox.png"] }))] }),
            vec!["`messages[0].media[0]`", "absolute path"],
        ),
        (
            json!({ "messages": [user(json!({ "media": [DOT] }))], "model": "MiniMax-M2" }),
            vec!["accepts no media", "MiniMax-M3.1-Flash or MiniMax-M3"],
        ),
        (
            json!({ "messages": [user(json!({ "media": ["data:text/plain;base64,aGVsbG8="] }))] }),
            vec!["`messages[0].media[0]`", "JPEG"],
        ),
        (
            json!({ "messages": [user(json!({ "media": ["http://169.254.169.254/x.png"] }))] }),
            vec!["169.254"],
        ),
        (json!({ "prompt": "x", "conversation_id": "chat-nowhere" }), vec!["chat-nowhere", "30 days"]),
    ] {
        let refusal = world.refusal("chat", arguments.clone()).await;
        assert!(parts.iter().all(|part| refusal.contains(part)), "{arguments}: {refusal}");
    }
    assert_eq!(world.sandbox.requests().len(), 0);
    let refusal =
        world.refusal("count_tokens", json!({ "prompt": "x", "web_search": true, "api": "openai" })).await;
    assert!(refusal.contains("`web_search`"), "{refusal}");
    let world = World::with(quick(), &[("MINIMAX_API_KEY", "")]).await;
    assert!(world.refusal("chat", json!({ "prompt": "x" })).await.contains("MINIMAX_API_KEY"));
}

#[tokio::test]
async fn a_body_of_more_than_64_megabytes_is_not_sent() {
    let world = World::new().await;
    std::fs::create_dir_all(world.out()).unwrap();
    let mut png = data_encoding::BASE64.decode(DOT.split_once(',').unwrap().1.as_bytes()).unwrap();
    png.resize(10 * 1024 * 1024, 0);
    let file = world.out().join("large.png");
    std::fs::write(&file, png).unwrap();
    let message = json!({ "role": "user", "content": "x", "media": [file, file, file, file, file] });
    let refusal = world.refusal("chat", json!({ "messages": [message] })).await;
    assert!(refusal.contains("`messages`") && refusal.contains("64 MB"), "{refusal}");
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[tokio::test]
async fn a_conversation_stays_in_its_protocol() {
    let world = World::new().await;
    for api in PROTOCOLS {
        let first = world.make("chat", json!({ "prompt": "Hello", "api": api })).await;
        let id = &first["conversation_id"];
        for other in PROTOCOLS.into_iter().filter(|other| *other != api) {
            let arguments = json!({ "prompt": "x", "conversation_id": id, "api": other });
            let refusal = world.refusal("chat", arguments).await;
            assert!(refusal.contains("`api`") && refusal.contains(api), "{refusal}");
        }
        let before = asked(&world).len();
        world.make("chat", json!({ "prompt": "x", "conversation_id": id, "api": api })).await;
        assert_eq!(asked(&world).len(), before + 1);
    }
}

#[tokio::test]
async fn open_calls_are_answered_first_and_each_by_its_own_id() {
    let world = World::new().await;
    for api in PROTOCOLS {
        let called =
            world.make("chat", json!({ "prompt": "x #tool", "api": api, "tools": [weather()] })).await;
        let (id, call) = (&called["conversation_id"], called["tool_calls"][0]["id"].as_str().unwrap());
        let refusal = world.refusal("chat", json!({ "prompt": "Never mind", "conversation_id": id })).await;
        assert!(refusal.contains("open calls") && refusal.contains(call), "{api}: {refusal}");
        let stray = json!([{ "role": "tool", "tool_call_id": "nonsense", "content": "x" }]);
        let refusal = world.refusal("chat", json!({ "messages": stray, "conversation_id": id })).await;
        assert!(refusal.contains("nonsense") && refusal.contains(call), "{api}: {refusal}");
    }
}

#[tokio::test]
async fn a_model_that_is_not_known_is_sent_as_it_is_and_minimax_decides() {
    let world = World::new().await;
    for api in PROTOCOLS {
        let refusal =
            world.refusal("chat", json!({ "prompt": "x", "api": api, "model": "MiniMax-M9" })).await;
        assert!(refusal.contains("unknown model"), "{api}: {refusal}");
        assert_eq!(asked(&world).last().unwrap().body["model"], "MiniMax-M9");
    }
    for name in ["minimax-m3", "MINIMAX-M3", "M3", "m3", "minimax/minimax-m3"] {
        world.make("chat", json!({ "prompt": "x", "model": name })).await;
        assert_eq!(asked(&world).last().unwrap().body["model"], "MiniMax-M3", "{name}");
    }
    let old = world.make("chat", json!({ "prompt": "x", "model": "MiniMax-M2.1-lightning" })).await;
    assert!(old["warnings"].to_string().contains("old name"), "{old}");
}

#[tokio::test]
async fn a_call_that_names_no_model_takes_the_one_of_the_settings() {
    let world = World::with(quick(), &[("MINIMAX_TEXT_MODEL", "m3")]).await;
    for api in PROTOCOLS {
        let first = world.make("chat", json!({ "prompt": "x", "api": api })).await;
        assert_eq!(world.last_body()["model"], "MiniMax-M3", "{api}");
        world.make("chat", json!({ "prompt": "x", "api": api, "model": "MiniMax-M2" })).await;
        assert_eq!(world.last_body()["model"], "MiniMax-M2", "{api}");
        // A conversation keeps its model when the settings change.
        let other = world.neighbour_with(&[("MINIMAX_TEXT_MODEL", "MiniMax-M2.1")]).await;
        let more = json!({ "prompt": "And?", "conversation_id": first["conversation_id"] });
        other.make("chat", more).await;
        assert_eq!(world.last_body()["model"], "MiniMax-M3", "{api}");
    }
}

#[tokio::test]
async fn two_calls_that_continue_one_conversation_at_once_lose_nothing() {
    let world = World::new().await;
    let first = world.make("chat", json!({ "prompt": "Hello" })).await;
    let id = &first["conversation_id"];
    // Both have read the conversation before either has its answer.
    world.sandbox.script(vec![Rule::always("/v1/chat/completions", Act::Hold)]);
    let both =
        ["one", "two"].map(|word| world.make("chat", json!({ "prompt": word, "conversation_id": id })));
    let release = async {
        let asked = || {
            let all = world.sandbox.requests();
            all.iter().filter(|request| request.path == "/v1/chat/completions").count()
        };
        eventually("both were asked", async || asked() == 3).await;
        world.sandbox.script(Vec::new());
    };
    let (views, ()) = tokio::join!(futures_util::future::join_all(both), release);
    assert_ne!(views[0]["conversation_id"], views[1]["conversation_id"]);
    for (view, word) in views.iter().zip(["one", "two"]) {
        let more = json!({ "prompt": "And?", "conversation_id": view["conversation_id"] });
        world.make("chat", more).await;
        let body = world.last_body().to_string();
        assert!(body.contains(&format!("You said:** {word}")), "{body}");
    }
}
