//! The server over HTTP, for ordinary calls and everyday refusals.

use std::time::Duration;

use minimax_mcp::config::{Config, HttpSettings, TokenRow, Toolset};
use minimax_mcp::sandbox::{Act, Options as SandboxOptions, Pace, Rule, Sandbox};
use minimax_mcp::serve::http::access::Access;
use minimax_mcp::serve::http::{self, Options};
use minimax_mcp::tools;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::harness::{config, http_client, quick};

pub const ADA: &str = "ada-0123456789abcdef";
pub const BOB: &str = "bob-0123456789abcdef";

/// A change to a server's settings.
pub type Tune = fn(&mut Config);

/// A server at its own port.
pub struct Served {
    pub base: String,
    pub sandbox: Sandbox,
    pub dir: TempDir,
    pub stop: CancellationToken,
    serving: TaskTracker,
}

impl Served {
    pub async fn with(tokens: bool, pace: Pace) -> Self {
        Self::tuned(tokens, pace, |_| {}).await
    }

    pub async fn tuned(tokens: bool, pace: Pace, tune: Tune) -> Self {
        let sandbox = Sandbox::start(SandboxOptions { pace, ..SandboxOptions::default() }).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (stop, serving) = (CancellationToken::new(), TaskTracker::new());
        let mut served = Self { base: String::new(), sandbox, dir, stop, serving };
        served.base = served.neighbour_tuned(tokens, tune).await;
        served
    }

    pub async fn open() -> Self {
        Self::with(false, quick()).await
    }

    pub async fn guarded() -> Self {
        Self::with(true, quick()).await
    }

    /// Starts a second server on the same folders at another port.
    pub async fn neighbour(&self, tokens: bool) -> String {
        self.neighbour_tuned(tokens, |_| {}).await
    }

    pub async fn neighbour_tuned(&self, tokens: bool, tune: Tune) -> String {
        let row = |name: &str, token: &str, toolsets| TokenRow { toolsets, ..TokenRow::new(name, token) };
        let rows = vec![
            row("ada", ADA, None),
            row("bob", BOB, Some(vec![Toolset::Image, Toolset::Video, Toolset::Jobs])),
        ];
        let tokens = if tokens { rows } else { Vec::new() };
        let mut config = config(&self.sandbox.url(), self.dir.path(), &[]);
        config.http = HttpSettings { tokens, ..HttpSettings::default() };
        config.local_playback = false;
        tune(&mut config);
        let access = Access::new(&config.http);
        let listener = http::bind("127.0.0.1:0".parse().unwrap(), &access).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        config.http.public_url = Some(base.clone());
        let (server, stop) = (tools::server(config), self.stop.clone());
        let options = Options { sse: true, pages: Some(minimax_mcp::gallery::pages) };
        self.serving.spawn(http::serve_until(stop, server, listener, access, options));
        base
    }

    pub async fn end(self) {
        self.stop.cancel();
        self.serving.close();
        tokio::time::timeout(Duration::from_secs(10), self.serving.wait()).await.unwrap();
    }
}

pub fn web() -> Client {
    http_client()
}

pub fn post(base: &str, token: Option<&str>, body: &Value) -> RequestBuilder {
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

/// The response in a body that is an event stream or JSON.
pub async fn answer(response: Response) -> Value {
    assert_eq!(response.status(), StatusCode::OK);
    let text = response.text().await.unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
    let mut messages = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
    messages.find(|message| message.get("id").is_some()).or_else(|| serde_json::from_str(&text).ok()).unwrap()
}

pub async fn call(base: &str, token: Option<&str>, tool: &str, arguments: Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": tool, "arguments": arguments } });
    answer(post(base, token, &body).send().await.unwrap()).await
}

/// Makes a call that must succeed and returns its structured result.
pub async fn make(base: &str, token: Option<&str>, tool: &str, arguments: Value) -> Value {
    let answer = call(base, token, tool, arguments).await;
    assert_ne!(answer["result"]["isError"], true, "{answer}");
    answer["result"]["structuredContent"].clone()
}

pub fn ping() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })
}

#[tokio::test]
async fn a_foreign_host_name_or_origin_is_refused_on_every_route() {
    let served = Served::open().await;
    for path in [
        "/mcp",
        "/sse",
        "/messages?sessionId=1",
        "/files/a/b?expires=1&signature=x",
        "/uploads",
        "/healthz",
        "/readyz",
        "/gallery",
        "/gallery/assets/htmx.min.js",
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
async fn no_caller_sees_the_property_of_another() {
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
    // The same idempotency key from another caller is another order.
    let bob = make(base, Some(BOB), "text_to_image", order).await;
    assert_ne!(bob["job_id"], ada["job_id"]);
    assert_eq!(served.sandbox.paid().len(), 3);
    served.end().await;
}

#[tokio::test]
async fn a_token_with_toolsets_sees_and_calls_only_their_tools() {
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
async fn paths_of_the_machine_are_neither_read_nor_written_for_remote_callers() {
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
async fn a_caller_who_disconnects_loses_the_wait_but_not_the_job() {
    let served = Served::with(false, quick()).await;
    served.sandbox.script(vec![Rule::once("/v1/image_generation", Act::Hold)]);
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "text_to_image", "arguments": { "prompt": "x" } } });
    let call = async { post(&served.base, None, &body).send().await.unwrap().text().await };
    let is_bought = async {
        while served.sandbox.paid().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        answer = call => panic!("the caller stays: {answer:?}"),
        () = is_bought => {}
    }
    served.sandbox.script(Vec::new());
    let list = make(&served.base, None, "list_jobs", json!({})).await;
    let job = list["jobs"][0]["job_id"].clone();
    // Another process at another port sees the same jobs.
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

#[tokio::test]
async fn another_s_voice_is_neither_listed_nor_deleted() {
    let served = Served::tuned(true, quick(), |config| {
        config.http.tokens.iter_mut().for_each(|row| row.toolsets = None);
    })
    .await;
    let base = &served.base;
    let design = json!({ "prompt": "A calm narrator", "preview_text": "Good evening." });
    let voice = make(base, Some(ADA), "voice_design", design).await["voice_id"].clone();
    assert!(voice.is_string(), "{voice}");
    // MiniMax lists a voice after its first use.
    make(base, Some(ADA), "text_to_audio", json!({ "text": "Hello", "voice_id": voice })).await;
    let own = json!({ "voice_type": "voice_generation" });
    let has = |list: Value| list["voices"].to_string().contains(voice.as_str().unwrap());
    assert!(has(make(base, Some(ADA), "list_voices", own.clone()).await));
    assert!(!has(make(base, Some(BOB), "list_voices", own).await));
    for arguments in
        [json!({ "voice_id": voice }), json!({ "voice_id": voice, "voice_type": "voice_generation" })]
    {
        let refused = call(base, Some(BOB), "delete_voice", arguments).await;
        assert_eq!(refused["result"]["isError"], true, "{refused}");
    }
    let deleted = make(base, Some(ADA), "delete_voice", json!({ "voice_id": voice })).await;
    assert_eq!(deleted["voice_id"], voice, "{deleted}");
    served.end().await;
}

#[tokio::test]
async fn a_server_with_a_public_name_does_not_start_without_a_token() {
    let hosts = |name: &str| HttpSettings { hosts: vec![name.to_owned()], ..HttpSettings::default() };
    let bind = async |settings: &HttpSettings| {
        http::bind("127.0.0.1:0".parse().unwrap(), &Access::new(settings))
            .await
            .map_err(|error| error.to_string())
    };
    let refusal = bind(&hosts("media.example.com")).await.unwrap_err();
    assert!(refusal.contains("media.example.com") && refusal.contains("MINIMAX_MCP_TOKEN"), "{refusal}");
    assert!(bind(&hosts("localhost:9000")).await.is_ok());
    let tokens = vec![TokenRow::new("ada", ADA)];
    assert!(bind(&HttpSettings { tokens, ..hosts("media.example.com") }).await.is_ok());
}

#[tokio::test]
async fn a_token_with_toolsets_sees_their_resources_and_prompts_and_its_own_jobs() {
    let served = Served::guarded().await;
    let ask = async |base: &str, method: &str, params: Value| {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        answer(post(base, Some(BOB), &body).send().await.unwrap()).await
    };
    let names = |list: &Value, of: &str, field: &str| -> Vec<String> {
        let rows = list["result"][of].as_array().unwrap();
        rows.iter().map(|row| row[field].as_str().unwrap().to_owned()).collect()
    };
    let job =
        make(&served.base, Some(BOB), "text_to_image", json!({ "prompt": "x" })).await["job_id"].clone();
    let job = format!("minimax://jobs/{}", job.as_str().unwrap());
    let prompts = ask(&served.base, "prompts/list", json!({})).await;
    assert_eq!(names(&prompts, "prompts", "name"), ["storyboard"]);
    let hidden = ask(&served.base, "prompts/get", json!({ "name": "narrate" })).await;
    assert!(hidden["error"]["message"].as_str().unwrap().contains("storyboard"), "{hidden}");
    let resources = ask(&served.base, "resources/list", json!({})).await;
    let uris = names(&resources, "resources", "uri");
    assert!(uris.contains(&job) && !uris.iter().any(|uri| uri.ends_with("//voices")), "{uris:?}");
    let voices = ask(&served.base, "resources/read", json!({ "uri": "minimax://voices" })).await;
    assert!(voices["error"].is_object(), "{voices}");
    let about = json!({ "ref": { "type": "ref/prompt", "name": "narrate" },
        "argument": { "name": "voice_id", "value": "" } });
    let typed = ask(&served.base, "completion/complete", about).await;
    assert_eq!(typed["error"]["message"], hidden["error"]["message"], "{typed}");
    // A token that loses toolsets keeps access to what it paid for.
    let later = served
        .neighbour_tuned(true, |config| {
            config.http.tokens.iter_mut().for_each(|row| row.toolsets = Some(vec![Toolset::Music]));
        })
        .await;
    let own = ask(&later, "resources/read", json!({ "uri": job })).await;
    assert!(own["result"]["contents"][0]["text"].as_str().unwrap().contains("succeeded"), "{own}");
    served.end().await;
}

/// Remote callers must not learn the paths of this machine.
#[tokio::test]
async fn a_failure_of_the_records_names_no_folder_to_a_caller_from_elsewhere() {
    let served = Served::guarded().await;
    let data = served.dir.path().join("data");
    // The server cannot create the folder, because a file is in its place.
    std::fs::write(&data, "").unwrap();
    for (tool, arguments) in [
        ("text_to_image", json!({ "prompt": "A fox" })),
        ("list_jobs", json!({})),
        ("get_job", json!({ "job_id": "video-1" })),
    ] {
        let answer = call(&served.base, Some(ADA), tool, arguments).await.to_string();
        assert!(answer.contains("the job records cannot be used"), "{tool}: {answer}");
        assert!(!answer.contains(served.dir.path().to_str().unwrap()), "{tool}: {answer}");
    }
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read",
        "params": { "uri": "minimax://jobs/video-1" } });
    let answer = answer(post(&served.base, Some(ADA), &body).send().await.unwrap()).await.to_string();
    assert!(answer.contains("the job records cannot be used"), "{answer}");
    assert!(!answer.contains(served.dir.path().to_str().unwrap()), "{answer}");
    std::fs::remove_file(&data).unwrap();
    served.end().await;
}
