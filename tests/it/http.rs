//! The server as it is reached over HTTP: by its friends, and by others.

use std::time::Duration;

use minimax_mcp::config::{HttpSettings, TokenRow, Toolset};
use minimax_mcp::sandbox::{Options as SandboxOptions, Pace, Sandbox};
use minimax_mcp::serve::http::access::Access;
use minimax_mcp::serve::http::{self, Options};
use minimax_mcp::tools::Server;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::harness::{Listener, config, quick};

const ADA: &str = "ada-0123456789abcdef";
const BOB: &str = "bob-0123456789abcdef";

/// A server behind a port of its own.
struct Served {
    base: String,
    sandbox: Sandbox,
    dir: TempDir,
    stop: CancellationToken,
    serving: TaskTracker,
}

impl Served {
    async fn with(tokens: bool, pace: Pace) -> Self {
        let sandbox = Sandbox::start(SandboxOptions { pace, ..SandboxOptions::default() }).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (stop, serving) = (CancellationToken::new(), TaskTracker::new());
        let base = serve(&sandbox, &dir, tokens, &stop, &serving).await;
        Self { base, sandbox, dir, stop, serving }
    }

    async fn open() -> Self {
        Self::with(false, quick()).await
    }

    async fn guarded() -> Self {
        Self::with(true, quick()).await
    }

    /// A second one on the same folders, at another port.
    async fn neighbour(&self, tokens: bool) -> String {
        serve(&self.sandbox, &self.dir, tokens, &self.stop, &self.serving).await
    }

    async fn end(self) {
        self.stop.cancel();
        self.serving.close();
        tokio::time::timeout(Duration::from_secs(10), self.serving.wait()).await.unwrap();
    }
}

async fn serve(
    sandbox: &Sandbox,
    dir: &TempDir,
    tokens: bool,
    stop: &CancellationToken,
    serving: &TaskTracker,
) -> String {
    let row = |name: &str, token: &str, toolsets| TokenRow { toolsets, ..TokenRow::new(name, token) };
    let rows = vec![
        row("ada", ADA, None),
        row("bob", BOB, Some(vec![Toolset::Image, Toolset::Video, Toolset::Jobs])),
    ];
    let tokens = if tokens { rows } else { Vec::new() };
    let mut config = config(&sandbox.url(), dir.path(), &[]);
    config.http = HttpSettings { tokens, ..HttpSettings::default() };
    config.local_playback = false;
    let access = Access::new(&config.http);
    let listener = http::bind("127.0.0.1:0".parse().unwrap(), &access).await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    config.http.public_url = Some(base.clone());
    let (server, stop) = (Server::new(config), stop.clone());
    serving.spawn(http::serve_until(stop, server, listener, access, Options { sse: true }));
    base
}

fn web() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

fn post(base: &str, token: Option<&str>, body: &Value) -> RequestBuilder {
    let request = web()
        .post(format!("{base}/mcp"))
        .header("Accept", "application/json, text/event-stream")
        .header("MCP-Protocol-Version", "2025-06-18")
        .json(body);
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

/// The answer in a body that is an event stream or JSON.
async fn answer(response: Response) -> Value {
    assert_eq!(response.status(), StatusCode::OK);
    let text = response.text().await.unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
    let mut messages = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
    messages.find(|message| message.get("id").is_some()).or_else(|| serde_json::from_str(&text).ok()).unwrap()
}

async fn call(base: &str, token: Option<&str>, tool: &str, arguments: Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": tool, "arguments": arguments } });
    answer(post(base, token, &body).send().await.unwrap()).await
}

/// The structured result of a call that must succeed.
async fn make(base: &str, token: Option<&str>, tool: &str, arguments: Value) -> Value {
    let answer = call(base, token, tool, arguments).await;
    assert_ne!(answer["result"]["isError"], true, "{answer}");
    answer["result"]["structuredContent"].clone()
}

fn ping() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })
}

#[tokio::test]
async fn a_client_over_http_gets_a_picture_as_a_link_that_it_can_open() {
    let served = Served::open().await;
    let settings = StreamableHttpClientTransportConfig::with_uri(format!("{}/mcp", served.base));
    let transport = StreamableHttpClientTransport::with_client(web(), settings);
    let client = Listener::default().serve(transport).await.unwrap();
    let tools = client.list_all_tools().await.unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    assert!(names.contains(&"text_to_image") && names.contains(&"view_media"));
    for at_the_machine in ["play_audio", "speak", "download_file"] {
        assert!(!names.contains(&at_the_machine), "{at_the_machine} is of no use from elsewhere");
    }
    let arguments = json!({ "prompt": "A lighthouse" }).as_object().cloned().unwrap();
    let request = CallToolRequestParams::new("text_to_image").with_arguments(arguments);
    let view = client.call_tool(request).await.unwrap().structured_content.unwrap();
    let file = &view["files"][0];
    assert_eq!(file.get("path"), None, "a path of another machine is no use");
    let link = file["download_url"].as_str().unwrap();

    let whole = web().get(link).send().await.unwrap();
    assert_eq!(whole.headers()["content-type"], "image/jpeg");
    assert!(whole.headers()["content-disposition"].to_str().unwrap().contains("lighthouse"));
    let whole = whole.bytes().await.unwrap();
    assert_eq!(whole.len() as u64, file["bytes"].as_u64().unwrap());
    let part = web().get(link).header("Range", "bytes=2-9").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.bytes().await.unwrap(), whole.slice(2..10));
    client.cancel().await.unwrap();
    served.end().await;
}

#[tokio::test]
async fn a_link_is_good_for_one_file_only_and_not_for_ever() {
    let served = Served::open().await;
    let view = make(&served.base, None, "text_to_image", json!({ "prompt": "x", "n": 2 })).await;
    let link = view["files"][0]["download_url"].as_str().unwrap();
    let job = view["job_id"].as_str().unwrap();
    let query = link.split_once('?').unwrap().1;
    let expires = query.split(['=', '&']).nth(1).unwrap();
    for bad in [
        link.replace("image%2D1", "image%2D2"),
        link.replace(expires, "9999999999"),
        link.replace(expires, "1"),
        link.replace("signature=", "signature=A"),
        format!("{}/files/{job}/image-1.jpg?expires={expires}&signature=", served.base),
        format!("{}/files/{job}/..%2F..%2Fdata%2Fjobs.sqlite3?{query}", served.base),
        format!("{}/files/..%2F{job}/image-1.jpg?{query}", served.base),
    ] {
        assert_ne!(bad, link);
        let status = web().get(&bad).send().await.unwrap().status();
        assert_eq!(status, StatusCode::NOT_FOUND, "{bad}");
    }
    let bare = web().get(link.split_once('?').unwrap().0).send().await.unwrap();
    assert_eq!(bare.status(), StatusCode::BAD_REQUEST);
    served.end().await;
}

#[tokio::test]
async fn a_name_or_an_origin_that_is_not_ours_is_turned_away_on_every_route() {
    let served = Served::open().await;
    for path in [
        "/mcp",
        "/sse",
        "/messages?sessionId=1",
        "/files/a/b?expires=1&signature=x",
        "/healthz",
        "/readyz",
        "/",
    ] {
        let url = format!("{}{path}", served.base);
        for host in
            ["evil.example", "127.0.0.1.nip.io", "localhost.evil.example:80", "", "127.0.0.1@evil.example"]
        {
            let status = web().get(&url).header("Host", host).send().await.unwrap().status();
            assert_eq!(status, StatusCode::FORBIDDEN, "{path} as {host}");
        }
        for origin in
            ["https://evil.example", "null", "http://localhost.evil.example", "http://127.0.0.1.nip.io:80"]
        {
            let status = web().get(&url).header("Origin", origin).send().await.unwrap().status();
            assert_eq!(status, StatusCode::FORBIDDEN, "{path} from {origin}");
        }
    }
    let local =
        post(&served.base, None, &ping()).header("Origin", "http://localhost:5173").send().await.unwrap();
    assert_eq!(local.status(), StatusCode::OK);
    assert_eq!(served.sandbox.requests().len(), 0);
    served.end().await;
}

#[tokio::test]
async fn without_the_right_token_nothing_is_answered() {
    let served = Served::guarded().await;
    let ask = |request: RequestBuilder| async move { request.send().await.unwrap() };
    let none = ask(post(&served.base, None, &ping())).await;
    assert_eq!(none.status(), StatusCode::UNAUTHORIZED);
    assert!(none.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    for wrong in ["ada", "", " ", "ada-0123456789abcdee", "ada-0123456789abcdefg"] {
        assert_eq!(ask(post(&served.base, Some(wrong), &ping())).await.status(), StatusCode::UNAUTHORIZED);
    }
    let basic = post(&served.base, None, &ping()).basic_auth("ada", Some(ADA));
    assert_eq!(ask(basic).await.status(), StatusCode::UNAUTHORIZED);
    let twice = post(&served.base, Some("x"), &ping()).header("Authorization", format!("Bearer {ADA}"));
    assert_eq!(ask(twice).await.status(), StatusCode::UNAUTHORIZED);
    let in_the_address = web().post(format!("{}/mcp?access_token={ADA}", served.base)).json(&ping());
    assert_eq!(ask(in_the_address).await.status(), StatusCode::UNAUTHORIZED);
    let sse = web().get(format!("{}/sse", served.base));
    assert_eq!(ask(sse).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(ask(post(&served.base, Some(ADA), &ping())).await.status(), StatusCode::OK);
    assert_eq!(ask(web().get(format!("{}/healthz", served.base))).await.status(), StatusCode::OK);
    served.end().await;
}

#[tokio::test]
async fn nobody_sees_what_is_another_s() {
    let served = Served::guarded().await;
    let base = &served.base;
    let order = json!({ "prompt": "Ada's secret", "idempotency_key": "one" });
    let ada = make(base, Some(ADA), "text_to_image", order.clone()).await;
    let job = ada["job_id"].as_str().unwrap();
    let uri = ada["files"][0]["uri"].as_str().unwrap();
    let film = json!({ "prompt": "x", "model": "MiniMax-H3", "async_mode": true });
    let task = make(base, Some(ADA), "generate_video", film).await["task_id"].clone();

    for (tool, arguments) in [
        ("get_job", json!({ "job_id": job })),
        ("cancel_job", json!({ "job_id": job })),
        ("view_media", json!({ "uri": uri })),
        ("query_video_generation", json!({ "task_id": task })),
        ("text_to_image", json!({ "prompt": "x", "subject_reference": uri })),
    ] {
        let answer = call(base, Some(BOB), tool, arguments).await;
        assert_eq!(answer["result"]["isError"], true, "{tool}: {answer}");
    }
    assert_eq!(make(base, Some(BOB), "list_jobs", json!({})).await["jobs"], json!([]));
    assert_eq!(make(base, Some(BOB), "list_video_tasks", json!({})).await["tasks"], json!([]));
    assert_eq!(make(base, Some(ADA), "list_video_tasks", json!({})).await["tasks"][0]["task_id"], task);
    // The same key of another person is another order.
    let bob = make(base, Some(BOB), "text_to_image", order).await;
    assert_ne!(bob["job_id"], ada["job_id"]);
    assert_eq!(served.sandbox.paid().len(), 3);
    served.end().await;
}

#[tokio::test]
async fn a_token_with_groups_sees_and_calls_those_alone() {
    let served = Served::guarded().await;
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let answer = answer(post(&served.base, Some(BOB), &list).send().await.unwrap()).await;
    let names: Vec<_> =
        answer["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert!(names.contains(&&json!("text_to_image")) && names.contains(&&json!("get_job")), "{names:?}");
    assert!(!names.contains(&&json!("chat")) && !names.contains(&&json!("text_to_audio")), "{names:?}");
    let refused = call(&served.base, Some(BOB), "chat", json!({ "prompt": "hi" })).await;
    assert!(refused["error"]["message"].as_str().unwrap().contains("unknown tool"), "{refused}");
    assert_eq!(served.sandbox.requests().len(), 0);
    served.end().await;
}

#[tokio::test]
async fn paths_of_the_machine_are_neither_read_nor_written_for_those_elsewhere() {
    let served = Served::open().await;
    let file = served.dir.path().join("out").join("a.jpg");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, include_bytes!("../../tests/it/http.rs")).unwrap();
    let path = file.display().to_string();
    for (tool, arguments, argument) in [
        ("text_to_image", json!({ "prompt": "x", "subject_reference": path }), "subject_reference"),
        ("text_to_image", json!({ "prompt": "x", "output_directory": "sub" }), "output_directory"),
        ("generate_video", json!({ "prompt": "x", "first_frame_image": path }), "first_frame_image"),
        ("speech_to_text", json!({ "file": path }), "file"),
        ("text_to_audio", json!({ "text_file": path }), "text_file"),
        ("voice_clone", json!({ "voice_id": "Abcdefgh1", "file": path }), "file"),
        ("upload_file", json!({ "file": path, "purpose": "voice_clone" }), "file"),
        ("view_media", json!({ "uri": path }), "uri"),
        ("understand_image", json!({ "prompt": "x", "image_url": path }), "image_url"),
    ] {
        let answer = call(&served.base, None, tool, arguments).await;
        let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
        assert_eq!(answer["result"]["isError"], true, "{tool}: {answer}");
        assert!(text.contains(&format!("`{argument}`")), "{tool}: {text}");
    }
    assert_eq!(served.sandbox.requests().len(), 0);
    served.end().await;
}

#[tokio::test]
async fn a_caller_who_goes_away_loses_the_wait_and_not_the_job() {
    let pace = Pace { delay_ms: 1500, ..quick() };
    let served = Served::with(false, pace).await;
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "text_to_image", "arguments": { "prompt": "x" } } });
    let gone = post(&served.base, None, &body).timeout(Duration::from_millis(500)).send().await;
    if let Ok(response) = gone {
        assert!(response.text().await.is_err());
    }
    let list = make(&served.base, None, "list_jobs", json!({})).await;
    let job = list["jobs"][0]["job_id"].clone();
    // Another process at another port has the same jobs.
    let other = served.neighbour(false).await;
    let view = make(&other, None, "get_job", json!({ "job_id": job })).await;
    assert_eq!(view["status"], "succeeded");
    assert!(view["files"][0]["download_url"].as_str().unwrap().starts_with(&other));
    assert_eq!(served.sandbox.paid().len(), 1);
    served.end().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_and_the_next_call_is_answered() {
    let served = Served::open().await;
    let large = "x".repeat(17 * 1024 * 1024);
    let response = post(&served.base, None, &json!({ "x": large })).send().await;
    assert!(response.is_err() || response.unwrap().status() == StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(post(&served.base, None, &ping()).send().await.unwrap().status(), StatusCode::OK);
    served.end().await;
}

#[tokio::test]
async fn an_open_port_without_a_token_is_refused() {
    let open = Access::new(&HttpSettings::default());
    let refused = http::bind("0.0.0.0:0".parse().unwrap(), &open).await.unwrap_err();
    assert!(refused.to_string().contains("MINIMAX_MCP_TOKEN"), "{refused}");
    let settings = HttpSettings { token: Some(ADA.into()), ..HttpSettings::default() };
    assert!(http::bind("0.0.0.0:0".parse().unwrap(), &Access::new(&settings)).await.is_ok());
}

/// The events of a stream, one at a time.
struct Events {
    response: Response,
    text: String,
}

impl Events {
    async fn next(&mut self) -> (String, String) {
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
async fn the_older_transport_still_works_and_its_sessions_belong_to_somebody() {
    let served = Served::guarded().await;
    let base = &served.base;
    let response = web().get(format!("{base}/sse")).bearer_auth(ADA).send().await.unwrap();
    let mut events = Events { response, text: String::new() };
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
    let link = answer["result"]["structuredContent"]["files"][0]["download_url"].as_str().unwrap();
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
fn modern(base: &str, method: &str, name: Option<&str>, mut params: Value) -> RequestBuilder {
    let meta = &mut params["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
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
    let list = make(&served.base, None, "list_jobs", json!({})).await;
    assert_eq!(
        list["jobs"][0]["status"], "submitting",
        "the answer begins before the image is there: {list}"
    );
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let first = response.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b":"), "a comment, which clients pass over: {first:?}");
    let answer = answer(response).await;
    assert_eq!(answer["result"]["structuredContent"]["status"], "succeeded", "{answer}");
    served.end().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_by_its_status() {
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

/// A folder of this machine is nobody's business but of those who sit at it.
#[tokio::test]
async fn a_failure_of_the_records_names_no_folder_to_a_caller_from_elsewhere() {
    let served = Served::guarded().await;
    let data = served.dir.path().join("data");
    // No folder can be made where a file is.
    std::fs::write(&data, "").unwrap();
    for (tool, arguments) in [
        ("text_to_image", json!({ "prompt": "A fox" })),
        ("list_jobs", json!({})),
        ("get_job", json!({ "job_id": "video-1" })),
        ("check_account", json!({})),
    ] {
        let answer = call(&served.base, Some(ADA), tool, arguments).await.to_string();
        assert!(answer.contains("the job records cannot be used"), "{tool}: {answer}");
        assert!(!answer.contains(served.dir.path().to_str().unwrap()), "{tool}: {answer}");
    }
    for (method, parameters) in [
        ("resources/read", json!({ "uri": "minimax://jobs/video-1" })),
        ("resources/subscribe", json!({ "uri": "minimax://jobs/video-1" })),
    ] {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters });
        let answer = answer(post(&served.base, Some(ADA), &body).send().await.unwrap()).await.to_string();
        assert!(answer.contains("the job records cannot be used"), "{method}: {answer}");
        assert!(!answer.contains(served.dir.path().to_str().unwrap()), "{method}: {answer}");
    }
    std::fs::remove_file(&data).unwrap();
    served.end().await;
}
