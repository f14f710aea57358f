//! The eras of the protocol over HTTP: its oldest transport, and its newest revision.

use std::time::Duration;

use minimax_mcp::sandbox::Pace;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::faults::clock::Clock;
use crate::harness::quick;
use crate::http::{ADA, BOB, Served, answer, make, ping, post, web};

/// The events of a stream, one at a time.
pub struct Events {
    response: Response,
    text: String,
}

impl Events {
    pub fn of(response: Response) -> Self {
        Self { response, text: String::new() }
    }

    pub async fn next(&mut self) -> (String, String) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field =
                    |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
                let found = (field("event:").trim().to_owned(), field("data:").trim().to_owned());
                self.text = String::from(rest);
                if !found.1.is_empty() {
                    return found;
                }
                continue;
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.response.chunk()).await.unwrap();
            self.text.push_str(std::str::from_utf8(&chunk.unwrap().expect("the stream goes on")).unwrap());
        }
    }
}

#[tokio::test]
async fn the_older_transport_works_and_each_session_has_an_owner() {
    let served = Served::guarded().await;
    let base = &served.base;
    let response = web().get(format!("{base}/sse")).bearer_auth(ADA).send().await.unwrap();
    let mut events = Events::of(response);
    let (event, address) = events.next().await;
    assert_eq!(event, "endpoint");
    let say = |token: &'static str, body: Value| {
        let request = web().post(format!("{base}{address}")).bearer_auth(token).json(&body);
        async move { request.send().await.unwrap().status() }
    };
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": { "name": "old", "version": "0" } } });
    assert_eq!(say(BOB, hello.clone()).await, StatusCode::NOT_FOUND);
    assert_eq!(say(ADA, hello).await, StatusCode::ACCEPTED);
    let (_, hello) = events.next().await;
    assert!(hello.contains("\"protocolVersion\":\"2024-11-05\""), "{hello}");
    say(ADA, json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    let order = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call",
        "params": { "name": "text_to_image", "arguments": { "prompt": "x" } } });
    assert_eq!(say(ADA, order).await, StatusCode::ACCEPTED);
    let answer: Value = serde_json::from_str(&events.next().await.1).unwrap();
    let said = answer["result"]["content"][0]["text"].as_str().unwrap();
    let link = said.lines().map(str::trim).find(|line| line.starts_with(base.as_str())).unwrap();
    assert_eq!(web().get(link).send().await.unwrap().status(), StatusCode::OK);

    drop(events);
    for _ in 0..100 {
        if say(ADA, ping()).await == StatusCode::NOT_FOUND {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(say(ADA, ping()).await, StatusCode::NOT_FOUND, "a session ends with its stream");
    served.end().await;
}

/// A request of the revision 2026-07-28.
pub fn modern(base: &str, method: &str, name: Option<&str>, mut params: Value) -> RequestBuilder {
    let meta = &mut params["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    let able = &mut meta["io.modelcontextprotocol/clientCapabilities"];
    if able.is_null() {
        *able = json!({});
    }
    meta["io.modelcontextprotocol/clientInfo"] = json!({ "name": "new", "version": "0" });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let request = web()
        .post(format!("{base}/mcp"))
        .header("Accept", "application/json, text/event-stream")
        .header("MCP-Protocol-Version", "2026-07-28")
        .header("Mcp-Method", method)
        .json(&body);
    match name {
        Some(name) => request.header("Mcp-Name", name),
        None => request,
    }
}

#[tokio::test]
async fn the_modern_protocol_is_answered_at_the_same_address() {
    let served = Served::open().await;
    let found = answer(modern(&served.base, "server/discover", None, json!({})).send().await.unwrap()).await;
    assert!(found["result"]["supportedVersions"].to_string().contains("2026-07-28"), "{found}");
    let meta = json!({ "progressToken": 7 });
    let parameters = json!({ "name": "text_to_image", "arguments": { "prompt": "x" }, "_meta": meta });
    let response =
        modern(&served.base, "tools/call", Some("text_to_image"), parameters).send().await.unwrap();
    let text = response.text().await.unwrap();
    let (first, last) = (text.find("notifications/progress"), text.find("structuredContent"));
    assert!(first < last && first.is_some(), "a note first, then the result: {text}");
    served.end().await;
}

#[tokio::test]
async fn a_slow_call_without_a_progress_token_begins_to_be_answered_before_it_is_done() {
    let served = Served::with(false, Pace { delay_ms: 2500, ..quick() }).await;
    let parameters = json!({ "name": "text_to_image", "arguments": { "prompt": "x" } });
    let request = modern(&served.base, "tools/call", Some("text_to_image"), parameters);
    let mut response = request.send().await.unwrap();
    // The answer begins before the image is there, and on a slow machine before its record.
    let (mut list, mut looks) = (json!({}), 0);
    while list["jobs"][0].is_null() && looks < 1000 {
        looks += 1;
        list = make(&served.base, None, "list_jobs", json!({})).await;
    }
    assert_eq!(list["jobs"][0]["status"], "submitting", "{list}");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let first = response.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b":"), "a comment, which clients pass over: {first:?}");
    let answer = answer(response).await;
    assert_eq!(answer["result"]["structuredContent"]["status"], "succeeded", "{answer}");
    served.end().await;
}

#[tokio::test]
async fn the_status_of_a_refusal_matches_its_reason() {
    let served = Served::open().await;
    let unknown = modern(&served.base, "tools/none", None, json!({})).send().await.unwrap();
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    let call = modern(&served.base, "tools/call", Some("another"), json!({ "name": "list_voices" }));
    let response = call.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let refusal: Value = response.json().await.unwrap();
    assert_eq!(refusal["error"]["code"], -32020);
    served.end().await;
}

#[tokio::test]
async fn a_call_that_waits_when_the_server_ends_is_answered_with_its_job() {
    let served = Served::with(false, Pace { seconds: 60.0, polls: 1, ..quick() }).await;
    let parameters = json!({ "name": "generate_video", "arguments": { "prompt": "x" } });
    let old = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": parameters.clone() });
    // The answers begin before there is anything to say: at once in the old era, after a moment in the new one.
    let old = post(&served.base, None, &old).send().await.unwrap();
    let new = modern(&served.base, "tools/call", Some("generate_video"), parameters).send().await.unwrap();
    served.stop.cancel();
    for response in [old, new] {
        let view = answer(response).await["result"]["structuredContent"].clone();
        assert!(["submitting", "running"].contains(&view["status"].as_str().unwrap()), "{view}");
        assert!(view["job_id"].is_string(), "{view}");
    }
    served.end().await;
}

#[tokio::test]
async fn subscriptions_of_older_clients_are_announced_only_where_there_is_a_session() {
    let served = Served::open().await;
    let hello = |id: u64| {
        json!({ "jsonrpc": "2.0", "id": id, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "old", "version": "0" } } })
    };
    let stateless = answer(post(&served.base, None, &hello(1)).send().await.unwrap()).await;
    let resources = &stateless["result"]["capabilities"]["resources"];
    assert!(resources.is_object() && resources["subscribe"].is_null(), "{stateless}");
    let wanted = json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/subscribe",
        "params": { "uri": "minimax://jobs/x" } });
    let refused = answer(post(&served.base, None, &wanted).send().await.unwrap()).await;
    assert_eq!(refused["error"]["code"], -32601, "{refused}");
    let found = answer(modern(&served.base, "server/discover", None, json!({})).send().await.unwrap()).await;
    assert_eq!(found["result"]["capabilities"]["resources"]["subscribe"], true, "{found}");

    let response = web().get(format!("{}/sse", served.base)).send().await.unwrap();
    let mut events = Events::of(response);
    let address = events.next().await.1;
    let say = web().post(format!("{}{address}", served.base)).json(&hello(2)).send().await.unwrap();
    assert_eq!(say.status(), StatusCode::ACCEPTED);
    let hello: Value = serde_json::from_str(&events.next().await.1).unwrap();
    assert_eq!(hello["result"]["capabilities"]["resources"]["subscribe"], true, "{hello}");
    served.end().await;
}

#[tokio::test]
async fn one_caller_s_sessions_leave_room_for_another_s() {
    let served = Served::guarded().await;
    let open = |token: &'static str| web().get(format!("{}/sse", served.base)).bearer_auth(token).send();
    let mut held = Vec::new();
    loop {
        let response = open(ADA).await.unwrap();
        if response.status() != StatusCode::OK {
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(response.headers().contains_key("retry-after"));
            break;
        }
        held.push(response);
        assert!(held.len() <= 64);
    }
    assert_eq!(held.len(), 32);
    assert_eq!(open(BOB).await.unwrap().status(), StatusCode::OK);
    drop(held.pop());
    crate::harness::eventually("the place of a session that has ended", async || {
        open(ADA).await.unwrap().status() == StatusCode::OK
    })
    .await;
    drop(held);
    served.end().await;
}

/// Parameters of a client that knows tasks.
fn with_tasks(mut params: Value) -> Value {
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    params
}

async fn task(base: &str, method: &str, id: &str) -> Value {
    let request = modern(base, method, Some(id), with_tasks(json!({ "taskId": id })));
    answer(request.send().await.unwrap()).await
}

#[tokio::test]
async fn an_image_call_waits_for_a_moment_and_then_becomes_a_task() {
    let clock = Clock::start();
    let served = Served::with(false, Pace { delay_ms: 30_000, ..quick() }).await;
    clock.set(20);
    let order = json!({ "name": "text_to_image", "arguments": { "prompt": "x", "wait_seconds": 60 } });
    let request = modern(&served.base, "tools/call", Some("text_to_image"), with_tasks(order));
    let result = answer(request.send().await.unwrap()).await["result"].clone();
    assert_eq!((&result["resultType"], &result["status"]), (&json!("task"), &json!("working")), "{result}");
    let id = result["taskId"].as_str().unwrap();
    assert_eq!(task(&served.base, "tasks/get", id).await["result"]["status"], "working");
    clock.set(crate::faults::clock::SLOW);
    served.end().await;
}

#[tokio::test]
async fn a_task_of_one_server_can_be_read_and_cancelled_at_another() {
    let served = Served::with(false, Pace { polls: 6, ..quick() }).await;
    let other = served.neighbour(false).await;
    let start = async |base: &str| {
        let film = json!({ "prompt": "waves", "model": "MiniMax-H3" });
        let order = with_tasks(json!({ "name": "generate_video", "arguments": film }));
        let request = modern(base, "tools/call", Some("generate_video"), order);
        let task = answer(request.send().await.unwrap()).await["result"].clone();
        assert_eq!((&task["resultType"], &task["status"]), (&json!("task"), &json!("working")), "{task}");
        task["taskId"].as_str().unwrap().to_owned()
    };
    let id = start(&served.base).await;
    let mut done = Value::Null;
    crate::harness::eventually("the task is done", async || {
        done = task(&other, "tasks/get", &id).await["result"].clone();
        done["status"] != "working"
    })
    .await;
    assert_eq!(done["status"], "completed", "{done}");
    let result = &done["result"];
    assert_eq!(result["structuredContent"]["status"], "succeeded");
    assert!(result["content"][0]["text"].as_str().unwrap().contains("succeeded"), "{result}");
    // The link is the other's own, and the first one knows it too.
    let link = result["structuredContent"]["files"][0]["download_url"].as_str().unwrap();
    assert!(link.starts_with(&other), "{link}");
    let film = web().get(link.replace(&other, &served.base)).send().await.unwrap();
    assert_eq!(
        (film.status(), &film.headers()["content-type"]),
        (StatusCode::OK, &"video/mp4".parse().unwrap())
    );

    served.end().await;

    let served = Served::with(false, Pace { polls: 1000, ..quick() }).await;
    let other = served.neighbour(false).await;
    let id = start(&served.base).await;
    // A request that is on its way is not called back.
    let now = json!({ "job_id": id, "wait_seconds": 0 });
    crate::harness::eventually("MiniMax has it", async || {
        make(&other, None, "get_job", now.clone()).await["status"] == "running"
    })
    .await;
    assert_eq!(task(&other, "tasks/cancel", &id).await["result"]["resultType"], "complete");
    crate::harness::eventually("the first one knows it", async || {
        task(&served.base, "tasks/get", &id).await["result"]["status"] == "cancelled"
    })
    .await;
    served.end().await;
}

/// A path of the caller's machine means nothing on the server's.
#[tokio::test]
async fn a_client_over_http_is_never_asked_for_its_folders() {
    let served = Served::guarded().await;
    let base = &served.base;
    let picture = served.dir.path().join("cat.png");
    std::fs::write(&picture, "x").unwrap();
    let roots =
        json!({ "roots": [{ "uri": url::Url::from_directory_path(served.dir.path()).unwrap().as_str() }] });
    let calls = [picture.display().to_string(), "cat.png".to_owned()]
        .map(|uri| json!({ "name": "view_media", "arguments": { "uri": uri } }));
    let refused = |said: &Value| {
        let text = said["result"].to_string();
        assert!(text.contains("over HTTP does not read"), "{said}");
        assert!(!text.contains("MINIMAX_ALLOWED_DIRS"), "{said}");
        assert!(!text.contains(served.dir.path().join("out").to_str().unwrap()), "{said}");
    };
    // The older transport, on which a server can send requests.
    let response = web().get(format!("{base}/sse")).bearer_auth(ADA).send().await.unwrap();
    let mut events = Events::of(response);
    let (_, address) = events.next().await;
    let say = |body: Value| {
        let request = web().post(format!("{base}{address}")).bearer_auth(ADA).json(&body);
        async move { assert_eq!(request.send().await.unwrap().status(), StatusCode::ACCEPTED) }
    };
    say(json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": "2024-11-05",
        "capabilities": { "roots": { "listChanged": true } }, "clientInfo": { "name": "old", "version": "0" } } }))
    .await;
    events.next().await;
    for notification in ["notifications/initialized", "notifications/roots/list_changed"] {
        say(json!({ "jsonrpc": "2.0", "method": notification })).await;
    }
    for (id, call) in (2..).zip(&calls) {
        say(json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": call })).await;
        let said: Value = serde_json::from_str(&events.next().await.1).unwrap();
        assert_eq!(said["id"], id, "{said}");
        refused(&said);
    }
    // The newest revision, in which a question would be the result. An answer without a question does not count.
    for call in calls {
        let mut params = call;
        params["_meta"] = json!({ "io.modelcontextprotocol/clientCapabilities": { "roots": {} } });
        params["inputResponses"] = json!({ "roots": roots });
        let request = modern(base, "tools/call", Some("view_media"), params).bearer_auth(ADA);
        refused(&answer(request.send().await.unwrap()).await);
    }
    served.end().await;
}
