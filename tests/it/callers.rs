//! Callers who each send their own MiniMax key.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use minimax_mcp::config::TokenRow;
use minimax_mcp::mcp::Server;
use minimax_mcp::sandbox::{Act, Options as SandboxOptions, Pace, Request, Rule, Sandbox, key_fingerprint};
use minimax_mcp::serve::http::access::Access;
use minimax_mcp::serve::http::{self, Options};
use minimax_mcp::tools;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::harness::{config, eventually, http_client, quick};

const ADA: &str = "sk-api-ada-0123456789";
const BOB: &str = "sk-api-bob-0123456789";
/// The key that the harness gives to every server.
const OWN: &str = "sk-api-secret";

/// A sandbox and folders, for one server after another.
struct Place {
    sandbox: Sandbox,
    dir: TempDir,
    settings: Vec<(String, String)>,
    tokens: Vec<TokenRow>,
}

/// One server.
struct Served {
    base: String,
    server: Server,
    stop: CancellationToken,
    serving: TaskTracker,
}

impl Place {
    async fn with(options: SandboxOptions, settings: &[(&str, &str)]) -> Self {
        let sandbox = Sandbox::start(options).await.unwrap();
        let settings = [("MINIMAX_MCP_CALLER_KEYS", "true")].iter().chain(settings);
        let settings = settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { sandbox, dir: tempfile::tempdir().unwrap(), settings, tokens: Vec::new() }
    }

    async fn quick() -> Self {
        Self::with(SandboxOptions { pace: quick(), ..SandboxOptions::default() }, &[]).await
    }

    async fn serve(&self) -> Served {
        let mut config = config(&self.sandbox.url(), self.dir.path(), &self.settings);
        config.http.tokens.clone_from(&self.tokens);
        config.reach_over_http();
        let access = Access::new(&config.http);
        let listener = http::bind("127.0.0.1:0".parse().unwrap(), &access).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        config.http.public_url = Some(base.clone());
        let (server, stop, serving) = (tools::server(config), CancellationToken::new(), TaskTracker::new());
        let options = Options { sse: true, ..Options::default() };
        serving.spawn(http::serve_until(stop.clone(), server.clone(), listener, access, options));
        Served { base, server, stop, serving }
    }

    /// All requests to the sandbox that had a key.
    fn asked(&self) -> Vec<Request> {
        self.sandbox.requests().into_iter().filter(|request| request.authorized).collect()
    }

    fn asked_with(&self, key: &str) -> usize {
        self.asked().iter().filter(|request| request.key_fingerprint == key_fingerprint(key)).count()
    }
}

fn request(base: &str, key: Option<&str>, method: &str, parameters: Value) -> RequestBuilder {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters });
    let request = http_client()
        .post(format!("{base}/mcp"))
        .header("Accept", "application/json, text/event-stream")
        .header("MCP-Protocol-Version", "2025-06-18")
        .json(&body);
    match key {
        Some(key) => request.header("X-MiniMax-Api-Key", key),
        None => request,
    }
}

async fn answer(request: RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let text = response.text().await.unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
    let mut messages = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
    messages.find(|message| message.get("id").is_some()).or_else(|| serde_json::from_str(&text).ok()).unwrap()
}

fn calling(base: &str, key: Option<&str>, tool: &str, arguments: Value) -> RequestBuilder {
    request(base, key, "tools/call", json!({ "name": tool, "arguments": arguments }))
}

impl Served {
    async fn call(&self, key: Option<&str>, tool: &str, arguments: Value) -> Value {
        answer(calling(&self.base, key, tool, arguments)).await["result"].clone()
    }

    async fn make(&self, key: &str, tool: &str, arguments: Value) -> Value {
        let result = self.call(Some(key), tool, arguments).await;
        assert_ne!(result["isError"], true, "{tool}: {result}");
        result["structuredContent"].clone()
    }

    async fn refusal(&self, key: Option<&str>, tool: &str, arguments: Value) -> String {
        let result = self.call(key, tool, arguments).await;
        assert_eq!(result["isError"], true, "{tool}: {result}");
        result["content"][0]["text"].as_str().unwrap().to_owned()
    }

    async fn end(self) {
        self.stop.cancel();
        self.serving.close();
        tokio::time::timeout(Duration::from_secs(10), self.serving.wait()).await.unwrap();
    }
}

#[tokio::test]
async fn callers_with_keys_of_their_own_never_use_the_plan_of_the_server() {
    let plan = "sk-cp-of-the-server";
    let settings = [("MINIMAX_PLAN_KEY", plan), ("MINIMAX_PLAN_OVERFLOW", "balance")];
    let options = SandboxOptions { pace: quick(), ..SandboxOptions::default() };
    let place = Place::with(options, &settings).await;
    let served = place.serve().await;
    for (tool, arguments) in [
        ("text_to_image", json!({ "prompt": "A fox" })),
        ("chat", json!({ "prompt": "Hello" })),
        ("web_search", json!({ "query": "foxes" })),
    ] {
        let view = served.make(ADA, tool, arguments.clone()).await;
        assert!(!view["cost"]["basis"].to_string().contains("MINIMAX_"), "{view}");
        served.refusal(None, tool, arguments).await;
    }
    assert_eq!(served.make(ADA, "check_account", json!({})).await["key_kind"], "pay-as-you-go");
    assert!(place.asked_with(ADA) >= 3);
    assert_eq!((place.asked_with(plan), place.asked_with(OWN)), (0, 0));
    served.end().await;
}

#[tokio::test]
async fn the_requests_of_each_caller_have_its_own_key_and_never_the_server_s() {
    let place = Place::quick().await;
    let served = place.serve().await;
    for key in [ADA, BOB] {
        let before = place.asked().len();
        let film = json!({ "prompt": "A fox", "wait_seconds": 30 });
        assert_eq!(served.make(key, "generate_video", film).await["status"], "succeeded");
        for (tool, arguments) in [
            ("text_to_image", json!({ "prompt": "A fox" })),
            ("text_to_audio", json!({ "text": "A fox" })),
            ("chat", json!({ "prompt": "Hello" })),
            ("web_search", json!({ "query": "a fox" })),
            ("list_voices", json!({})),
            ("list_models", json!({})),
            ("check_account", json!({})),
            ("list_video_tasks", json!({})),
        ] {
            served.make(key, tool, arguments).await;
        }
        let asked = place.asked().split_off(before);
        assert!(asked.len() >= 9, "{asked:?}");
        for request in asked {
            assert_eq!(request.key_fingerprint, key_fingerprint(key), "{}", request.path);
        }
    }
    assert_eq!(place.asked_with(OWN), 0);
    assert_eq!(served.server.jobs().keys_held(), 2);
    served.end().await;
}

#[tokio::test]
async fn a_request_without_a_key_can_read_but_not_buy_and_the_error_names_the_missing_header() {
    let place = Place::quick().await;
    let served = place.serve().await;
    let tools = answer(request(&served.base, None, "tools/list", json!({}))).await;
    assert!(tools["result"]["tools"].as_array().unwrap().len() > 20);
    for (tool, arguments) in [
        ("text_to_image", json!({ "prompt": "x" })),
        ("chat", json!({ "prompt": "x" })),
        ("check_account", json!({})),
        ("query_video_generation", json!({ "task_id": "1" })),
        ("delete_voice", json!({ "voice_id": "x" })),
        ("list_files", json!({})),
    ] {
        for wrong in [None, Some(""), Some("two words")] {
            let text = served.refusal(wrong, tool, arguments.clone()).await;
            assert!(text.contains("X-MiniMax-Api-Key"), "{tool}: {text}");
        }
    }
    let priced = served.call(None, "text_to_image", json!({ "prompt": "x", "dry_run": true })).await;
    assert_ne!(priced["isError"], true, "{priced}");
    assert_eq!(place.sandbox.requests().len(), 0, "the server's own key is not used instead");
    served.end().await;
}

#[tokio::test]
async fn results_that_one_key_bought_are_invisible_to_another() {
    let place = Place::quick().await;
    let served = place.serve().await;
    let order = json!({ "prompt": "Ada's secret", "idempotency_key": "one" });
    let ada = served.make(ADA, "text_to_image", order.clone()).await;
    let (job, uri) = (ada["job_id"].as_str().unwrap(), ada["files"][0]["uri"].as_str().unwrap());
    let film = json!({ "prompt": "x", "model": "MiniMax-H3", "async_mode": true });
    let task = served.make(ADA, "generate_video", film).await["task_id"].clone();
    let talk = served.make(ADA, "chat", json!({ "prompt": "Ada's secret" })).await["conversation_id"].clone();
    for stranger in [Some(BOB), None] {
        for (tool, arguments) in [
            ("get_job", json!({ "job_id": job })),
            ("cancel_job", json!({ "job_id": job })),
            ("view_media", json!({ "uri": uri })),
            ("query_video_generation", json!({ "task_id": task })),
            ("chat", json!({ "prompt": "Go on", "conversation_id": talk })),
        ] {
            served.refusal(stranger, tool, arguments).await;
        }
        let list = served.call(stranger, "list_jobs", json!({})).await;
        assert_eq!(list["structuredContent"]["jobs"], json!([]), "{list}");
        for uri in [format!("minimax://jobs/{job}"), uri.to_owned()] {
            let read = answer(request(&served.base, stranger, "resources/read", json!({ "uri": uri }))).await;
            assert!(
                read["error"]["message"].as_str().unwrap().contains("no resource has this URI"),
                "{read}"
            );
        }
    }
    // The same idempotency key from another caller is another order, and Ada keeps hers.
    let bob = served.make(BOB, "text_to_image", order.clone()).await;
    assert_ne!(bob["job_id"], ada["job_id"]);
    assert_eq!(served.make(ADA, "text_to_image", order).await["job_id"], ada["job_id"]);
    assert_eq!(served.make(ADA, "get_job", json!({ "job_id": job })).await["status"], "succeeded");
    served.end().await;
}

#[tokio::test]
async fn a_token_and_a_key_together_identify_the_owner_of_a_job() {
    let mut place = Place::quick().await;
    place.tokens = vec![
        TokenRow::new("ada", "token-of-ada-0123456789"),
        TokenRow::new("bob", "token-of-bob-0123456789"),
    ];
    let served = place.serve().await;
    let order = calling(&served.base, Some(ADA), "text_to_image", json!({ "prompt": "x" }));
    let view =
        answer(order.bearer_auth("token-of-ada-0123456789")).await["result"]["structuredContent"].clone();
    let job = json!({ "job_id": view["job_id"] });
    for (token, key, found) in [
        ("token-of-ada-0123456789", ADA, true),
        ("token-of-bob-0123456789", ADA, false),
        ("token-of-ada-0123456789", BOB, false),
    ] {
        let asked = calling(&served.base, Some(key), "get_job", job.clone()).bearer_auth(token);
        assert_eq!(answer(asked).await["result"]["isError"] != true, found, "{token} {key}");
    }
    let stranger = calling(&served.base, Some(ADA), "get_job", job).send().await.unwrap();
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED, "a key is no token");
    served.end().await;
}

#[tokio::test]
async fn after_a_restart_the_jobs_of_a_key_sleep_until_it_is_brought_again() {
    let pace = Pace { seconds: 1.0, polls: 1, ..quick() };
    let place = Place::with(SandboxOptions { pace, ..SandboxOptions::default() }, &[]).await;
    let first = place.serve().await;
    let film = json!({ "prompt": "A fox", "async_mode": true });
    let job = json!({ "job_id": first.make(ADA, "generate_video", film).await["job_id"] });
    first.end().await;

    let second = place.serve().await;
    let before = place.asked_with(ADA);
    // The database is open, and another key is in use.
    second.make(BOB, "generate_video", json!({ "prompt": "A hare", "wait_seconds": 30 })).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(place.asked_with(ADA), before, "no call has brought Ada's key");
    second.refusal(Some(BOB), "get_job", job.clone()).await;
    // Any request with the key is enough.
    answer(request(&second.base, Some(ADA), "tools/list", json!({}))).await;
    eventually("the job goes on by itself", async || place.asked_with(ADA) > before).await;
    let view = second.make(ADA, "get_job", job).await;
    assert_eq!(view["status"], "succeeded", "{view}");
    assert_eq!(place.asked_with(OWN), 0);
    assert_eq!(place.sandbox.paid().len(), 2);
    second.end().await;
}

#[tokio::test]
async fn a_wrong_key_is_reported_to_its_caller_and_not_to_the_operator() {
    let options = SandboxOptions { pace: quick(), key: Some(ADA.to_owned()), ..SandboxOptions::default() };
    let place = Place::with(options, &[]).await;
    let served = place.serve().await;
    for (tool, arguments) in [
        ("text_to_image", json!({ "prompt": "x" })),
        ("chat", json!({ "prompt": "x" })),
        ("check_account", json!({})),
    ] {
        let result = served.call(Some(BOB), tool, arguments.clone()).await;
        assert_eq!(result["isError"], true, "{tool}: {result}");
        let all = result.to_string();
        assert!(all.contains("the key in the header X-MiniMax-Api-Key"), "{tool}: {result}");
        assert!(!all.contains("MINIMAX_API_KEY") && !all.contains(BOB), "{tool}: {result}");
        served.make(ADA, tool, arguments).await;
    }
    served.end().await;
}

#[tokio::test]
async fn a_server_with_its_own_key_refuses_a_caller_s_key() {
    let mut place = Place::quick().await;
    place.settings.clear();
    let served = place.serve().await;
    let text = served.refusal(Some(ADA), "text_to_image", json!({ "prompt": "x" })).await;
    assert!(text.contains("MINIMAX_MCP_CALLER_KEYS"), "{text}");
    assert_eq!(place.sandbox.requests().len(), 0);
    assert_ne!(served.call(None, "text_to_image", json!({ "prompt": "x" })).await["isError"], true);
    assert!(place.asked_with(OWN) > 0 && place.asked_with(ADA) == 0);
    served.end().await;
}

#[tokio::test]
async fn a_throttled_key_does_not_delay_another() {
    let place = Place::quick().await;
    let served = place.serve().await;
    let refuse = Act::Refuse { code: 1002, message: None, retry_after: Some(5) };
    place.sandbox.script(vec![Rule::once("/v1/image_generation", refuse)]);
    let held = served.make(ADA, "text_to_image", json!({ "prompt": "Held", "wait_seconds": 1 })).await;
    assert_eq!(held["status"], "submitting", "{held}");
    let quick = served.make(BOB, "text_to_image", json!({ "prompt": "Quick" })).await;
    assert_eq!(quick["status"], "succeeded", "{quick}");
    let sent = place.sandbox.paid();
    assert_eq!(sent.len(), 1, "Ada's still waits");
    assert_eq!(sent[0].key_fingerprint, key_fingerprint(BOB));
    served.make(ADA, "cancel_job", json!({ "job_id": held["job_id"] })).await;
    served.end().await;
}

#[tokio::test]
async fn a_budget_holds_for_all_keys_together_and_each_sees_only_its_own_spending() {
    let options = SandboxOptions { pace: quick(), ..SandboxOptions::default() };
    let place = Place::with(options, &[("MINIMAX_BUDGET_DAY", "0.005 USD")]).await;
    let served = place.serve().await;
    served.make(ADA, "text_to_image", json!({ "prompt": "x" })).await;
    let text = served.refusal(Some(BOB), "text_to_image", json!({ "prompt": "x" })).await;
    assert!(text.contains("MINIMAX_BUDGET_DAY"), "{text}");
    assert_eq!(place.sandbox.paid().len(), 1);
    let [ada, bob] = [ADA, BOB].map(|key| served.make(key, "check_account", json!({})));
    let (ada, bob) = tokio::join!(ada, bob);
    let spent = |view: &Value, span: &str| view["spending"][0][span]["total"].as_f64().unwrap();
    for span in ["last_day", "process"] {
        assert!(spent(&ada, span) > 0.0, "{ada}");
        assert!(spent(&bob, span).abs() < f64::EPSILON, "{bob}");
    }
    assert!(bob["budgets"][0].get("left").is_none(), "{bob}");
    served.end().await;
}

/// All files below a folder that contain one of the words.
fn files_with(dir: &Path, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, words));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let has = |word: &&str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
        found.extend(
            words
                .iter()
                .copied()
                .filter(|word| has(word))
                .map(|word| format!("{word} in {}", path.display())),
        );
    }
    found
}

#[tokio::test]
async fn a_callers_key_is_in_no_file_and_no_result_and_no_line_of_the_log() {
    let sandbox =
        Sandbox::start(SandboxOptions { pace: quick(), ..SandboxOptions::default() }).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let mut command = crate::harness::program();
    command.args(["serve", "--http", "127.0.0.1:0", "--sse"]);
    command.envs([
        ("HOME", path("home")),
        ("USERPROFILE", path("home")),
        ("MINIMAX_API_HOST", sandbox.url()),
        ("MINIMAX_SANDBOX", "true".to_owned()),
        ("MINIMAX_API_KEY", OWN.to_owned()),
        ("MINIMAX_MCP_CALLER_KEYS", "on".to_owned()),
        ("MINIMAX_MCP_BASE_PATH", path("out")),
        ("MINIMAX_DATA_DIR", path("data")),
        // Log everything.
        ("MINIMAX_LOG", "trace".to_owned()),
    ]);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let (sender, log) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        while let Some(Ok(line)) = lines.next() {
            let _ = sender.send(line);
        }
    });
    let mut seen = Vec::new();
    let base = loop {
        let line = log.recv_timeout(Duration::from_secs(20)).unwrap();
        let base = line.split_once("MCP at ").and_then(|(_, url)| Some(url.split_once("/mcp")?.0.to_owned()));
        seen.push(line);
        if let Some(base) = base {
            break base;
        }
    };
    let served = |tool: &'static str, arguments: Value| answer(calling(&base, Some(ADA), tool, arguments));
    let mut said = Vec::new();
    for (tool, arguments) in [
        ("text_to_image", json!({ "prompt": "A fox", "idempotency_key": "one" })),
        ("generate_video", json!({ "prompt": "A fox", "wait_seconds": 30 })),
        ("text_to_audio", json!({ "text": "A fox" })),
        ("chat", json!({ "prompt": "Hello" })),
        ("check_account", json!({})),
        ("list_jobs", json!({})),
    ] {
        said.push(served(tool, arguments).await.to_string());
    }
    // MiniMax may echo the key in its response.
    let raw = json!({ "base_resp": { "status_code": 1004, "status_msg": format!("login fail: {ADA}") } });
    sandbox.script(vec![Rule::once("/v1/", Act::Raw { body: raw.to_string() })]);
    said.push(served("text_to_image", json!({ "prompt": "Another" })).await.to_string());
    assert!(said.iter().all(|said| !said.contains(ADA)), "{said:?}");
    assert!(sandbox.requests().iter().any(|request| request.key_fingerprint == key_fingerprint(ADA)));
    assert!(sandbox.requests().iter().all(|request| request.key_fingerprint != key_fingerprint(OWN)));

    let found = files_with(dir.path(), &[ADA, OWN]);
    assert!(found.is_empty(), "{found:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    seen.extend(log.iter());
    assert!(seen.iter().any(|line| line.contains("MINIMAX_API_KEY is not used")), "it says so at the start");
    assert!(seen.len() > 100, "the log is on");
    let telling: Vec<_> = seen.iter().filter(|line| line.contains(ADA) || line.contains(OWN)).collect();
    assert!(telling.is_empty(), "{telling:?}");
    sandbox.stop().await;
}
