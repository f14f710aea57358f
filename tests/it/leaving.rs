//! Callers who disconnect before their response arrives, and a server that stops before then.

use std::time::Duration;

use futures_util::TryFutureExt as _;
use minimax_mcp::sandbox::{Options as SandboxOptions, Pace, Sandbox};
use minimax_mcp::serve::http::access::Access;
use minimax_mcp::serve::http::{self, Options};
use minimax_mcp::tools;
use reqwest::{Client, RequestBuilder, Response};
use rmcp::model::{CallToolRequest, CallToolRequestParams, ClientRequest};
use rmcp::service::PeerRequestOptions;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::harness::{World, config, eventually, http_client, quick};

/// A server with a slow sandbox, which can be restarted.
struct Served {
    sandbox: Sandbox,
    dir: TempDir,
    base: String,
    stop: CancellationToken,
    serving: TaskTracker,
}

/// A pace slow enough for the caller to leave in between.
const SLOW: Pace = Pace { polls: 2, seconds: 0.0, delay_ms: 1200, link_seconds: None };

impl Served {
    async fn new() -> Self {
        let sandbox =
            Sandbox::start(SandboxOptions { pace: SLOW, ..SandboxOptions::default() }).await.unwrap();
        let (stop, serving) = (CancellationToken::new(), TaskTracker::new());
        let mut served =
            Self { sandbox, dir: tempfile::tempdir().unwrap(), base: String::new(), stop, serving };
        served.begin().await;
        served
    }

    async fn begin(&mut self) {
        let mut config = config(&self.sandbox.url(), self.dir.path(), &[]);
        config.reach_over_http();
        let access = Access::new(&config.http);
        let listener = http::bind("127.0.0.1:0".parse().unwrap(), &access).await.unwrap();
        self.base = format!("http://{}", listener.local_addr().unwrap());
        (self.stop, self.serving) = (CancellationToken::new(), TaskTracker::new());
        let server = tools::server(config);
        self.serving.spawn(http::serve_until(
            self.stop.clone(),
            server,
            listener,
            access,
            Options { sse: true, ..Options::default() },
        ));
    }

    /// Shuts the server down cleanly.
    async fn end(&self) {
        self.stop.cancel();
        self.serving.close();
        tokio::time::timeout(Duration::from_secs(15), self.serving.wait()).await.unwrap();
    }

    fn request(&self, modern: bool, tool: &str, arguments: &Value) -> RequestBuilder {
        let mut parameters = json!({ "name": tool, "arguments": arguments });
        let version = if modern { "2026-07-28" } else { "2025-06-18" };
        if modern {
            parameters["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": version,
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": { "name": "new", "version": "0" },
            });
        }
        web()
            .post(format!("{}/mcp", self.base))
            .header("Accept", "application/json, text/event-stream")
            .header("MCP-Protocol-Version", version)
            .header("Mcp-Method", "tools/call")
            .header("Mcp-Name", tool)
            .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": parameters }))
    }

    async fn call(&self, modern: bool, tool: &str, arguments: &Value) -> Value {
        let text = self.request(modern, tool, arguments).send().await.unwrap().text().await.unwrap();
        let data = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
        let mut messages = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        let answer = messages.find(|message| message.get("id").is_some());
        answer.or_else(|| serde_json::from_str(&text).ok()).unwrap()["result"].clone()
    }

    /// Calls a tool and disconnects when the sandbox has the request.
    async fn leave(&self, modern: bool, tool: &str, arguments: &Value) {
        let before = self.sandbox.requests().len();
        let request = self.request(modern, tool, arguments);
        let calling = async {
            let response = request.send().await.unwrap();
            response.text().await.unwrap();
            panic!("the answer was there before the caller had left");
        };
        tokio::select! {
            () = calling => {}
            () = eventually("MiniMax is asked", async || self.sandbox.requests().len() > before) => {}
        }
    }

    fn bought(&self) -> usize {
        self.sandbox.paid().len()
    }
}

fn web() -> Client {
    http_client()
}

fn text(result: &Value) -> String {
    let blocks = result["content"].as_array().unwrap().iter();
    blocks.filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
}

const OLD: &str = "whose client left before it arrived";

#[tokio::test]
async fn an_abandoned_chat_runs_to_its_end_and_the_same_call_gets_its_answer() {
    let served = Served::new().await;
    for (number, modern) in [false, true].into_iter().enumerate() {
        let order = json!({ "prompt": format!("Hello, number {number}") });
        let before = served.bought();
        served.leave(modern, "chat", &order).await;
        // The first call is still running.
        let result = served.call(modern, "chat", &order).await;
        assert_ne!(result["isError"], true, "{result}");
        assert!(text(&result).contains(OLD), "{result}");
        let view = &result["structuredContent"];
        assert!(view["warnings"][0].as_str().unwrap().contains("nothing was bought now"), "{view}");
        assert!(!view["text"].as_str().unwrap().is_empty(), "{view}");
        assert_eq!(served.bought(), before + 1, "it was bought once");

        let on = json!({ "prompt": "Go on", "conversation_id": view["conversation_id"] });
        let next = served.call(modern, "chat", &on).await;
        assert_eq!(next["structuredContent"]["conversation_id"], view["conversation_id"], "{next}");
        let said = served.sandbox.paid().last().unwrap().body["messages"].to_string();
        assert!(said.contains(&format!("number {number}")), "what was not heard is remembered: {said}");

        let again = served.call(modern, "chat", &order).await;
        assert!(!text(&again).contains(OLD), "it is handed over once: {again}");
        assert_eq!(served.bought(), before + 3);
    }
    served.end().await;
}

#[tokio::test]
async fn a_client_that_gives_up_and_tries_again_and_again_buys_once() {
    let served = Served::new().await;
    let order = json!({ "prompt": "Hello" });
    served.leave(true, "chat", &order).await;
    // This call waits for the same answer and disconnects before it arrives.
    let again = served.request(true, "chat", &order).send();
    assert!(tokio::time::timeout(Duration::from_millis(300), again.and_then(Response::text)).await.is_err());
    let result = served.call(true, "chat", &order).await;
    assert!(text(&result).contains(OLD), "{result}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(served.bought(), 1);
    served.end().await;
}

#[tokio::test]
async fn a_conversation_continues_for_a_caller_who_left_in_the_middle_of_it() {
    let served = Served::new().await;
    let first = served.call(true, "chat", &json!({ "prompt": "Hello" })).await;
    let id = first["structuredContent"]["conversation_id"].clone();
    served.leave(true, "chat", &json!({ "prompt": "My name is Ada", "conversation_id": id })).await;
    eventually("it is kept", async || served.bought() == 2).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    served.call(true, "chat", &json!({ "prompt": "Who am I?", "conversation_id": id })).await;
    let said = served.sandbox.paid().last().unwrap().body["messages"].to_string();
    assert!(said.contains("My name is Ada") && said.contains("Who am I?"), "{said}");
    served.end().await;
}

#[tokio::test]
async fn other_immediate_paid_calls_survive_their_callers_too() {
    let served = Served::new().await;
    for (tool, arguments) in
        [("web_search", json!({ "query": "a fox" })), ("generate_lyrics", json!({ "prompt": "a fox" }))]
    {
        let before = served.bought();
        served.leave(true, tool, &arguments).await;
        let result = served.call(true, tool, &arguments).await;
        assert!(text(&result).contains(OLD), "{result}");
        let next = result["structuredContent"]["next"].as_str().unwrap();
        assert!(next.starts_with("Tell the user: "), "{next}");
        assert_eq!(served.bought(), before + 1);
    }
    served.end().await;
}

#[tokio::test]
async fn an_answer_that_arrives_while_the_server_stops_is_kept_for_the_next_server() {
    let mut served = Served::new().await;
    let order = json!({ "prompt": "Hello" });
    served.leave(true, "chat", &order).await;
    served.end().await;
    served.begin().await;
    let result = served.call(true, "chat", &order).await;
    assert!(text(&result).contains(OLD), "{result}");
    assert_eq!(served.bought(), 1);
    served.end().await;
}

#[tokio::test]
async fn a_refusal_whose_caller_has_left_is_not_kept() {
    let served = Served::new().await;
    let order = json!({ "prompt": "Hello #sensitive" });
    served.leave(true, "chat", &order).await;
    let before = served.sandbox.requests().len();
    let result = served.call(true, "chat", &order).await;
    assert!(!text(&result).contains(OLD), "{result}");
    assert_eq!(served.sandbox.requests().len(), before + 1, "it is asked again");
    served.end().await;
}

#[tokio::test]
async fn a_caller_who_cancels_and_stays_gets_a_new_answer_for_the_next_call() {
    let world = World::new().await;
    let arguments = json!({ "prompt": "#slow" }).as_object().cloned().unwrap();
    let request = CallToolRequest::new(CallToolRequestParams::new("chat").with_arguments(arguments));
    let request = ClientRequest::CallToolRequest(request);
    let handle =
        world.client.send_cancellable_request(request, PeerRequestOptions::no_options()).await.unwrap();
    eventually("words have come", async || world.messages().concat().contains("Slowly")).await;
    handle.cancel(None).await.unwrap();
    eventually("the stream is broken off", async || world.sandbox.streaming() == 0).await;
    let asked = world.sandbox.requests().len();
    let arguments = json!({ "prompt": "#slow" }).as_object().cloned().unwrap();
    let call = CallToolRequestParams::new("chat").with_arguments(arguments);
    let _ = tokio::time::timeout(Duration::from_secs(1), world.client.call_tool(call)).await;
    assert_eq!(world.sandbox.requests().len(), asked + 1, "the pieces are not what was asked for");
}

/// The events of an SSE session.
struct Stream {
    response: Response,
    text: String,
    address: String,
}

impl Stream {
    async fn open(base: &str) -> Self {
        let response = web().get(format!("{base}/sse")).send().await.unwrap();
        let mut stream = Self { response, text: String::new(), address: String::new() };
        let address = stream.next().await.unwrap();
        stream.address = format!("{base}{address}");
        let client = json!({ "name": "old", "version": "0" });
        let hello = json!({ "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": client });
        stream.post(json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello })).await;
        stream.next().await.unwrap();
        stream.post(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        stream
    }

    async fn post(&self, body: Value) {
        let response = web().post(&self.address).json(&body).send().await.unwrap();
        assert!(response.status().is_success());
    }

    /// The next event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = event
                    .lines()
                    .find_map(|line| line.strip_prefix("data:"))
                    .map(|data| data.trim().to_owned());
                self.text = String::from(rest);
                match data {
                    Some(data) => return Some(data),
                    None => continue,
                }
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.response.chunk()).await.unwrap();
            self.text.push_str(std::str::from_utf8(&chunk.ok()??).unwrap());
        }
    }
}

#[tokio::test]
async fn a_call_of_the_older_transport_is_answered_even_if_the_server_is_asked_to_stop() {
    let served = Served::new().await;
    let (mut waits, mut idle) = (Stream::open(&served.base).await, Stream::open(&served.base).await);
    let order = json!({ "name": "chat", "arguments": { "prompt": "Hello" } });
    waits.post(json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": order })).await;
    eventually("MiniMax is asked", async || !served.sandbox.requests().is_empty()).await;
    served.stop.cancel();
    assert_eq!(idle.next().await, None, "a session that waits for nothing ends at once");
    assert_eq!(served.bought(), 1);
    let answer: Value = serde_json::from_str(&waits.next().await.expect("the answer")).unwrap();
    assert_eq!(answer["id"], 2, "{answer}");
    assert!(answer["result"]["content"][0]["text"].is_string(), "{answer}");
    assert_eq!(waits.next().await, None, "and then its session ends too");
    served.end().await;
}

#[tokio::test]
async fn a_session_of_the_older_transport_that_is_left_loses_no_answer_and_one_that_cancels_stops_it() {
    let served = Served::new().await;
    served.sandbox.set_pace(quick());
    let order = |words: &str| json!({ "name": "chat", "arguments": { "prompt": words } });
    let stream = Stream::open(&served.base).await;
    stream
        .post(json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": order("#slow one") }))
        .await;
    eventually("it streams", async || served.sandbox.streaming() == 1).await;
    let cancelled =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 2 } });
    stream.post(cancelled).await;
    eventually("the stream is broken off", async || served.sandbox.streaming() == 0).await;

    served.sandbox.set_pace(SLOW);
    let before = served.sandbox.requests().len();
    stream.post(json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": order("Hello") })).await;
    eventually("MiniMax is asked", async || served.sandbox.requests().len() > before).await;
    drop(stream);
    let result = served.call(true, "chat", &json!({ "prompt": "Hello" })).await;
    assert!(text(&result).contains(OLD), "{result}");
    served.end().await;
}
