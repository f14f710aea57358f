//! An HTTP server in this process, and helpers to call it.

use std::time::Duration;

use minimax_mcp::config::HttpSettings;
use minimax_mcp::money::Currency;
use minimax_mcp::sandbox::{Options as SandboxOptions, Sandbox};
use minimax_mcp::serve::http::access::Access;
use minimax_mcp::serve::http::{self, Options};
use minimax_mcp::tools;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::harness::{config, quick};
pub use crate::http::{answer, web};

pub struct Served {
    pub base: String,
    pub sandbox: Sandbox,
    pub dir: TempDir,
    stop: CancellationToken,
    serving: TaskTracker,
}

impl Served {
    pub async fn with(settings: HttpSettings) -> Self {
        let options = SandboxOptions { pace: quick(), ..SandboxOptions::default() };
        let sandbox = Sandbox::start(options).await.unwrap();
        let (stop, serving) = (CancellationToken::new(), TaskTracker::new());
        let dir = tempfile::tempdir().unwrap();
        let mut served = Self { base: String::new(), sandbox, dir, stop, serving };
        served.base = served.neighbour(settings).await;
        served
    }

    /// Starts a second server on the same folders at another port.
    pub async fn neighbour(&self, settings: HttpSettings) -> String {
        let mut config = config(&self.sandbox.url(), self.dir.path(), &[]);
        config.http = HttpSettings { currency: Currency::Usd, ..settings };
        config.local_playback = false;
        let access = Access::new(&config.http);
        let listener = http::bind("127.0.0.1:0".parse().unwrap(), &access).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        config.http.public_url.get_or_insert_with(|| base.clone());
        let (server, stop) = (tools::server(config), self.stop.clone());
        self.serving.spawn(http::serve_until(
            stop,
            server,
            listener,
            access,
            Options { sse: true, ..Options::default() },
        ));
        base
    }

    pub async fn end(self) {
        self.stop.cancel();
        self.serving.close();
        tokio::time::timeout(Duration::from_secs(10), self.serving.wait()).await.unwrap();
    }
}

pub fn bare(base: &str, method: &str, params: Value) -> RequestBuilder {
    web()
        .post(format!("{base}/mcp"))
        .header("Accept", "application/json, text/event-stream")
        .header("MCP-Protocol-Version", "2025-06-18")
        .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }))
}

pub async fn ask(base: &str, token: &str, method: &str, params: Value) -> Response {
    bare(base, method, params).bearer_auth(token).send().await.unwrap()
}

/// Pings with a token. Returns the status and the challenge.
pub async fn ping(base: &str, token: &str) -> (StatusCode, String) {
    met(ask(base, token, "ping", json!({})).await)
}

pub fn met(response: Response) -> (StatusCode, String) {
    let challenge = response.headers().get("www-authenticate");
    (response.status(), challenge.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default())
}

pub async fn call(base: &str, token: &str, tool: &str, arguments: Value) -> Value {
    let params = json!({ "name": tool, "arguments": arguments });
    answer(ask(base, token, "tools/call", params).await).await["result"].clone()
}

/// Makes a call that must succeed and returns its structured result.
pub async fn make(base: &str, token: &str, tool: &str, arguments: Value) -> Value {
    let result = call(base, token, tool, arguments).await;
    assert_ne!(result["isError"], true, "{result}");
    result["structuredContent"].clone()
}

/// Makes a call that must fail and returns its text.
pub async fn refusal(base: &str, token: &str, tool: &str, arguments: Value) -> String {
    let result = call(base, token, tool, arguments).await;
    assert_eq!(result["isError"], true, "{result}");
    result["content"][0]["text"].as_str().unwrap().to_owned()
}

pub async fn tools(base: &str, token: &str) -> Vec<String> {
    let list = answer(ask(base, token, "tools/list", json!({})).await).await;
    let tools = list["result"]["tools"].as_array().unwrap();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}
