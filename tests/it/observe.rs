//! What the operator of the server can see: metrics, logs and traces.

mod collector;
mod figures;
mod lines;
mod traces;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use minimax_mcp::config::{HttpSettings, TokenRow};
use minimax_mcp::sandbox::{Act, Options as SandboxOptions, Rule, Sandbox};
use minimax_mcp::serve::http::access::Access;
use minimax_mcp::serve::http::{self, Options};
use minimax_mcp::tools;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::harness::{config, eventually, http_client, quick};

const ADA: &str = "ada-0123456789abcdef";

/// A server at its own port.
struct Served {
    base: String,
    sandbox: Sandbox,
    dir: TempDir,
    stop: CancellationToken,
    serving: TaskTracker,
}

impl Served {
    async fn new(tokens: bool) -> Self {
        let sandbox =
            Sandbox::start(SandboxOptions { pace: quick(), ..SandboxOptions::default() }).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (stop, serving) = (CancellationToken::new(), TaskTracker::new());
        let mut config = config(&sandbox.url(), dir.path(), &[]);
        let row = TokenRow::new("ada", ADA);
        config.http =
            HttpSettings { tokens: if tokens { vec![row] } else { Vec::new() }, ..Default::default() };
        config.local_playback = false;
        let access = Access::new(&config.http);
        let listener = http::bind("127.0.0.1:0".parse().unwrap(), &access).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        config.http.public_url = Some(base.clone());
        let server = tools::server(config);
        serving.spawn(http::serve_until(stop.clone(), server, listener, access, Options::default()));
        Self { base, sandbox, dir, stop, serving }
    }

    async fn end(self) {
        self.stop.cancel();
        self.serving.close();
        tokio::time::timeout(Duration::from_secs(10), self.serving.wait()).await.unwrap();
    }
}

/// A rule that refuses the next image for its content.
fn content() -> Rule {
    Rule::once("/v1/image_generation", Act::Refuse { code: 1026, message: None, retry_after: None })
}

fn web() -> Client {
    http_client()
}

/// A tool call in protocol 2025-06-18.
fn calling(base: &str, tool: &str, arguments: Value, meta: Value) -> RequestBuilder {
    let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
    web()
        .post(format!("{base}/mcp"))
        .header("Accept", "application/json, text/event-stream")
        .header("MCP-Protocol-Version", "2025-06-18")
        .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }))
}

/// The message in a body that is an event stream or JSON.
async fn answer(request: RequestBuilder) -> Value {
    let text = request.send().await.unwrap().text().await.unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
    let mut messages = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
    messages.find(|message| message.get("id").is_some()).or_else(|| serde_json::from_str(&text).ok()).unwrap()
}

async fn call(base: &str, tool: &str, arguments: Value) -> Value {
    answer(calling(base, tool, arguments, json!({}))).await
}

/// The real program, with its log in a file.
struct Logged {
    child: Child,
    dir: TempDir,
    sandbox: Sandbox,
}

impl Logged {
    /// Starts the program over HTTP at a free port.
    async fn new(settings: &[(&str, &str)]) -> (Self, String) {
        let sandbox =
            Sandbox::start(SandboxOptions { pace: quick(), ..SandboxOptions::default() }).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut command = program(&sandbox.url(), dir.path(), settings);
        let child = command
            .args(["serve", "--http", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        let logged = Self { child: child.unwrap(), dir, sandbox };
        eventually("it listens", async || logged.log().contains("MCP at http://")).await;
        let log = logged.log();
        let base = log.split_once("MCP at ").unwrap().1.split_once("/mcp").unwrap().0.to_owned();
        (logged, base)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that runs the program with a minimal environment and its log in the file `log`.
fn program(url: &str, dir: &Path, settings: &[(&str, &str)]) -> Command {
    let path = |name: &str| dir.join(name).display().to_string();
    let mut command = crate::harness::program();
    command.envs([("HOME", path("home")), ("USERPROFILE", path("home"))]);
    command.envs([
        ("MINIMAX_API_HOST", url),
        ("MINIMAX_SANDBOX", "true"),
        ("MINIMAX_API_KEY", "sk-api-secret"),
    ]);
    command.envs([("MINIMAX_MCP_BASE_PATH", path("out")), ("MINIMAX_DATA_DIR", path("data"))]);
    command.envs([("MINIMAX_POLL_SECONDS", "0.1"), ("OTEL_BSP_SCHEDULE_DELAY", "50")]);
    command.envs(settings.iter().copied());
    command.stderr(std::fs::File::create(dir.join("log")).unwrap());
    command
}

/// Parses all metrics, by name and labels. Fails on anything that is not OpenMetrics.
fn parsed(text: &str) -> BTreeMap<String, f64> {
    let plain =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let mut figures = BTreeMap::new();
    let mut types = BTreeMap::new();
    let body = text.strip_suffix("# EOF\n").expect("it ends as it should");
    for line in body.lines() {
        if let Some(about) = line.strip_prefix("# ") {
            let mut words = about.splitn(3, ' ');
            let (what, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            assert!(["HELP", "TYPE", "UNIT"].contains(&what) && plain(name), "{line}");
            if what == "TYPE" {
                assert!(["counter", "gauge", "histogram"].contains(&rest), "{line}");
                assert!(types.insert(name.to_owned(), rest.to_owned()).is_none(), "{line}");
            }
            continue;
        }
        let (subject, value) = line.rsplit_once(' ').expect(line);
        let (name, labels) = match subject.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').expect(line)),
            None => (subject, ""),
        };
        assert!(plain(name), "{line}");
        assert!(types.keys().any(|family| name.starts_with(family.as_str())), "{line} has no type");
        // None of our label values has a comma or a quotation mark.
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (label, value) = label.split_once('=').expect(line);
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).expect(line);
            assert!(plain(label) && !value.contains(['"', '\\', '\n']), "{line}");
        }
        let twice = figures.insert(subject.to_owned(), value.parse().expect(line));
        assert!(twice.is_none(), "{line}");
    }
    figures
}

async fn figures(base: &str) -> BTreeMap<String, f64> {
    parsed(&web().get(format!("{base}/metrics")).send().await.unwrap().text().await.unwrap())
}
