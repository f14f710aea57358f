//! The tools that a request chooses with its headers, among those that its token allows.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::http::{ADA, BOB, Served, answer, post, web};
use crate::http_protocol::modern;

type Headers<'a> = &'a [(&'a str, &'a str)];

fn with(request: RequestBuilder, headers: Headers<'_>) -> RequestBuilder {
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

fn list() -> Value {
    json!({ "jsonrpc": "2.0", "id": 4, "method": "tools/list" })
}

fn names_in(answer: &Value) -> Vec<String> {
    let tools = answer["result"]["tools"].as_array().unwrap();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

async fn names(base: &str, token: Option<&str>, headers: Headers<'_>) -> Vec<String> {
    names_in(&answer(with(post(base, token, &list()), headers).send().await.unwrap()).await)
}

/// The first line of the error of a call, or nothing if the tool was called.
async fn error(base: &str, token: Option<&str>, tool: &str, headers: Headers<'_>) -> String {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": tool, "arguments": {} } });
    let answer = answer(with(post(base, token, &body), headers).send().await.unwrap()).await;
    answer["error"]["message"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_request_lists_and_calls_the_tools_that_it_chooses() {
    let served = Served::open().await;
    let base = &served.base;
    let everything = names(base, None, &[]).await;
    assert_eq!(names(base, None, &[("X-MCP-Toolsets", "all")]).await, everything);
    assert_eq!(
        names(base, None, &[("X-MCP-Toolsets", ""), ("X-MCP-Tools", " , "), ("X-MCP-Readonly", "false")])
            .await,
        everything
    );
    assert_eq!(names(base, None, &[("X-MCP-Tools", "text_to_image")]).await, ["text_to_image"]);
    let two = [("X-MCP-Tools", "list_models"), ("X-MCP-Tools", " chat ,")];
    assert_eq!(names(base, None, &two).await, ["chat", "list_models"]);
    let shouted =
        [("X-MCP-Tools", "Text_To_Image"), ("X-MCP-Readonly", "FALSE"), ("X-MCP-Readonly", "false")];
    assert_eq!(names(base, None, &shouted).await, ["text_to_image"]);
    let image = names(base, None, &[("X-MCP-Toolsets", "Image")]).await;
    assert!(
        image.contains(&"text_to_image".to_owned()) && image.contains(&"get_job".to_owned()),
        "{image:?}"
    );
    assert!(!image.contains(&"chat".to_owned()), "{image:?}");
    let more = names(base, None, &[("X-MCP-Toolsets", "image"), ("X-MCP-Tools", "chat")]).await;
    assert_eq!(more.len(), image.len() + 1);
    let reading = names(base, None, &[("X-MCP-Readonly", "true")]).await;
    assert!(reading.contains(&"list_models".to_owned()) && !reading.contains(&"text_to_image".to_owned()));
    let both = names(base, None, &[("X-MCP-Toolsets", "image"), ("X-MCP-Readonly", "1")]).await;
    assert!(
        !both.is_empty() && both.iter().all(|name| image.contains(name) && reading.contains(name)),
        "{both:?}"
    );

    for headers in
        [&[("X-MCP-Tools", "chat")][..], &[("X-MCP-Toolsets", "image")], &[("X-MCP-Readonly", "true")]]
    {
        let refused = error(base, None, "text_to_audio", headers).await;
        assert!(refused.contains("unknown tool"), "{headers:?}: {refused}");
    }
    assert_eq!(error(base, None, "list_models", &[("X-MCP-Tools", "list_models")]).await, "");
    // What is listed for one request is not for every caller to keep.
    let listed = with(modern(base, "tools/list", None, json!({})), &[("X-MCP-Tools", "chat")]);
    let listed = answer(listed.send().await.unwrap()).await;
    assert_eq!(
        (names_in(&listed), &listed["result"]["cacheScope"]),
        (vec!["chat".to_owned()], &json!("private"))
    );
    assert_eq!(served.sandbox.paid().len(), 0);
    served.end().await;
}

#[tokio::test]
async fn a_choice_never_gives_more_than_the_token_and_the_settings() {
    let served = Served::guarded().await;
    let base = &served.base;
    let bob = names(base, Some(BOB), &[]).await;
    assert_eq!(names(base, Some(BOB), &[("X-MCP-Toolsets", "all")]).await, bob);
    assert!(
        names(base, Some(BOB), &[("X-MCP-Toolsets", "text,music")])
            .await
            .iter()
            .all(|name| bob.contains(name))
    );
    assert_eq!(names(base, Some(BOB), &[("X-MCP-Tools", "chat,text_to_image")]).await, ["text_to_image"]);
    for headers in [&[("X-MCP-Toolsets", "text")][..], &[("X-MCP-Tools", "chat")]] {
        assert!(error(base, Some(BOB), "chat", headers).await.contains("unknown tool"));
    }
    let reading = served.neighbour_tuned(true, |config| config.read_only = true).await;
    assert_eq!(names(&reading, Some(ADA), &[("X-MCP-Tools", "text_to_image")]).await, Vec::<String>::new());
    assert_eq!(
        names(&reading, Some(ADA), &[("X-MCP-Readonly", "false")]).await,
        names(&reading, Some(ADA), &[]).await
    );
    served.end().await;
}

#[tokio::test]
async fn an_unknown_name_in_a_choice_is_refused_with_the_allowed_ones() {
    let served = Served::guarded().await;
    for (name, value, allowed) in [
        ("X-MCP-Toolsets", "image,pictures", "all, video, image, jobs"),
        ("X-MCP-Tools", "text_to_picture", "text_to_image"),
        ("X-MCP-Tools", "${TOOLS}", "get_job"),
        ("X-MCP-Readonly", "perhaps", "`true` or `false`"),
    ] {
        for path in ["/mcp", "/sse"] {
            let url = format!("{}{path}", served.base);
            let request = if path == "/sse" {
                web().get(url).bearer_auth(BOB)
            } else {
                post(&served.base, Some(BOB), &list())
            };
            let response = request.header(name, value).send().await.unwrap();
            assert_eq!(response.status(), 400, "{name} {path}");
            let refusal: Value = response.json().await.unwrap();
            let message = refusal["error"]["message"].as_str().unwrap();
            let word = value.rsplit(',').next().unwrap();
            assert!(
                message.contains(name) && message.contains(word) && message.contains(allowed),
                "{message}"
            );
            assert!(!message.contains("chat"), "not for this token: {message}");
            assert_eq!(refusal["error"]["code"], -32602);
            assert_eq!(refusal["id"], if path == "/sse" { Value::Null } else { json!(4) });
        }
    }
    served.end().await;
}

#[tokio::test]
async fn a_session_of_the_older_transport_keeps_the_choice_that_it_was_opened_with() {
    let served = Served::guarded().await;
    let open =
        web().get(format!("{}/sse", served.base)).bearer_auth(ADA).header("X-MCP-Tools", "chat,list_models");
    let mut stream = open.send().await.unwrap();
    let mut text = String::new();
    let mut event = async |wanted: usize| {
        while text.matches("\n\n").count() < wanted {
            text.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
        }
        text.lines().filter_map(|line| line.strip_prefix("data:")).next_back().unwrap().trim().to_owned()
    };
    let address = format!("{}{}", served.base, event(1).await);
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": { "name": "old", "version": "0" } } });
    for (wanted, body) in
        [(2, hello), (2, json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })), (3, list())]
    {
        let sent = web().post(&address).bearer_auth(ADA).header("X-MCP-Tools", "text_to_image").json(&body);
        assert_eq!(sent.send().await.unwrap().status(), 202);
        event(wanted).await;
    }
    let listed: Value = serde_json::from_str(&event(3).await).unwrap();
    assert_eq!(names_in(&listed), ["chat", "list_models"]);
    drop(stream);
    served.end().await;
}
