//! The shared test harness: a sandbox, a server and a client in one process, or the real program as a child.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use minimax_mcp::config::{Config, Places, Toolset};
use minimax_mcp::mcp::Server;
use minimax_mcp::sandbox::{Options, Pace, Sandbox};
use minimax_mcp::tools;
use rmcp::model::{CallToolRequestParams, CallToolResult, ProgressNotificationParam};
use rmcp::service::{NotificationContext, RunningService};
use rmcp::{ClientHandler, RoleClient, ServiceExt};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{postgres, s3};

/// A client that records progress notes.
#[derive(Clone, Debug, Default)]
pub struct Listener {
    pub notes: Arc<Mutex<Vec<ProgressNotificationParam>>>,
}

impl ClientHandler for Listener {
    async fn on_progress(&self, note: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.notes.lock().unwrap().push(note);
    }
}

/// A sandbox, a server that uses it, and a client, all in this process.
pub struct World {
    pub sandbox: Arc<Sandbox>,
    pub dir: Arc<TempDir>,
    pub server: Server,
    pub client: RunningService<RoleClient, Listener>,
    pub listener: Listener,
    settings: Vec<(String, String)>,
}

/// An HTTP client without a proxy. It works in whichever order the tests run: the TLS provider belongs to the process.
pub fn http_client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// How long to wait for what has to happen. Only a failure takes so long, however busy the machine is.
pub const AT_LAST: Duration = Duration::from_secs(240);

/// A sandbox pace without delays: tasks end after two polls.
pub fn quick() -> Pace {
    Pace { polls: 2, seconds: 0.0, delay_ms: 0, link_seconds: None }
}

impl World {
    pub async fn new() -> Self {
        Self::with(quick(), &[]).await
    }

    /// A world whose sandbox works at `pace` and whose server has `settings` in addition to the required ones.
    pub async fn with(pace: Pace, settings: &[(&str, &str)]) -> Self {
        let sandbox = Sandbox::start(Options { pace, ..Options::default() }).await.unwrap();
        let settings =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::around(Arc::new(sandbox), Arc::new(tempfile::tempdir().unwrap()), settings).await
    }

    async fn around(sandbox: Arc<Sandbox>, dir: Arc<TempDir>, settings: Vec<(String, String)>) -> Self {
        let server = tools::server(config(&sandbox.url(), dir.path(), &settings));
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let listener = Listener::default();
        let serving = tokio_util::task::TaskTracker::new();
        let handler = server.clone();
        serving.spawn(async move {
            if let Ok(running) = handler.serve(ours).await {
                let _ = running.waiting().await;
            }
        });
        let client = listener.clone().serve(theirs).await.unwrap();
        Self { sandbox, dir, server, client, listener, settings }
    }

    /// Shuts the server down cleanly and starts a new one with the same folders and sandbox.
    pub async fn restarted(self) -> Self {
        let Self { sandbox, dir, server, client, settings, .. } = self;
        let _ = client.cancel().await;
        server.jobs().shut_down(Duration::from_secs(5)).await;
        Self::around(sandbox, dir, settings).await
    }

    /// Starts a second server with the same folders and sandbox.
    pub async fn neighbour(&self) -> Self {
        Self::around(Arc::clone(&self.sandbox), Arc::clone(&self.dir), self.settings.clone()).await
    }

    /// Like [`Self::neighbour`], with other settings.
    pub async fn neighbour_with(&self, settings: &[(&str, &str)]) -> Self {
        let settings =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::around(Arc::clone(&self.sandbox), Arc::clone(&self.dir), settings).await
    }

    pub async fn call(&self, tool: &'static str, arguments: Value) -> CallToolResult {
        let arguments = arguments.as_object().cloned().unwrap();
        let call = CallToolRequestParams::new(tool).with_arguments(arguments);
        let result = self.client.call_tool(call).await.unwrap();
        if result.is_error != Some(true) {
            keeps_its_promise(tool, result.structured_content.as_ref());
        }
        result
    }

    /// Makes a call that must succeed and returns its structured result.
    pub async fn make(&self, tool: &'static str, arguments: Value) -> Value {
        let result = self.call(tool, arguments).await;
        assert_ne!(result.is_error, Some(true), "{}", text(&result));
        result.structured_content.unwrap()
    }

    /// Makes a call that must fail and returns its text.
    pub async fn refusal(&self, tool: &'static str, arguments: Value) -> String {
        let result = self.call(tool, arguments).await;
        assert_eq!(result.is_error, Some(true), "{}", text(&result));
        text(&result)
    }

    /// The number of paid requests that the sandbox has accepted.
    pub fn bought(&self) -> usize {
        self.sandbox.paid().len()
    }

    /// The body of the last paid request that the sandbox accepted.
    pub fn last_body(&self) -> Value {
        self.sandbox.paid().last().unwrap().body.clone()
    }

    pub fn messages(&self) -> Vec<String> {
        self.listener.notes.lock().unwrap().iter().filter_map(|note| note.message.clone()).collect()
    }

    /// The output folder, from which tools also read. In a run with a bucket, no server makes it.
    pub fn out(&self) -> PathBuf {
        let out = self.dir.path().join("out");
        if !s3::chosen(self.dir.path()).is_empty() {
            std::fs::create_dir_all(&out).unwrap();
        }
        out
    }
}

/// The settings for the store and the files of this run, for a server whose folders are below `dir`.
pub fn chosen(dir: &Path) -> impl Iterator<Item = (&'static str, String)> {
    postgres::chosen(dir).into_iter().chain(s3::chosen(dir))
}

pub fn config(url: &str, dir: &Path, settings: &[(String, String)]) -> Config {
    let places = Places { home: dir.join("home"), desktop: None, data: dir.join("data") };
    let mut all: Vec<(String, String)> = vec![
        ("MINIMAX_API_HOST".into(), url.to_owned()),
        ("MINIMAX_SANDBOX".into(), "true".into()),
        ("MINIMAX_API_KEY".into(), "sk-api-secret".into()),
        ("MINIMAX_MCP_BASE_PATH".into(), dir.join("out").display().to_string()),
        ("MINIMAX_POLL_SECONDS".into(), "0.05".into()),
        ("PATH".into(), silent_player().display().to_string()),
    ];
    all.extend(chosen(dir).map(|(name, value)| (name.to_owned(), value)));
    for (name, value) in settings {
        all.retain(|(known, _)| known != name);
        all.push((name.clone(), value.clone()));
    }
    Config::read(|name| all.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()), &places)
}

/// A folder with an audio player that is never heard, as the only program of a search path.
pub fn silent_player() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("player-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let player = folder.join("mpv");
        std::fs::write(&player, "#!/bin/sh\nexec /bin/cat > /dev/null\n").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&player, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        folder
    });
    &FOLDER
}

/// Checks a result against the output schema of its tool. The harness does this for every call.
fn keeps_its_promise(tool: &str, content: Option<&Value>) {
    static PROMISED: LazyLock<HashMap<String, Option<Value>>> = LazyLock::new(|| {
        let schema = |tool: &rmcp::model::Tool| tool.output_schema.as_deref().cloned().map(Value::Object);
        tools::catalogue().tools().iter().map(|tool| (tool.name.to_string(), schema(tool))).collect()
    });
    // An alias, which another server uses for the tool, is not in the catalogue.
    let Some(promised) = PROMISED.get(tool) else { return };
    assert_eq!(promised.is_some(), content.is_some(), "{tool}");
    if let (Some(schema), Some(content)) = (promised, content) {
        keeps(schema, content, tool);
    }
}

fn keeps(schema: &Value, value: &Value, path: &str) {
    let is = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        None => true,
        Some(other) => panic!("{path} has the type {other}"),
    };
    assert!(is, "{path} is {value}, not {}", schema["type"]);
    if let Some(legal) = schema["enum"].as_array() {
        assert!(legal.contains(value), "{path} is {value}");
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(value.get(name.as_str().unwrap()).is_some(), "{path} has no {name}: {value}");
    }
    for item in value.as_array().into_iter().flatten() {
        keeps(&schema["items"], item, &format!("{path}[]"));
    }
    let Some(properties) = schema["properties"].as_object() else { return };
    for (name, field) in value.as_object().into_iter().flatten() {
        // Of a job view only what a program acts on is promised.
        let told = ["kind", "model", "usage", "created_at", "updated_at"];
        let Some(property) = properties.get(name) else {
            assert!(told.contains(&name.as_str()), "{path} does not promise {name}");
            continue;
        };
        keeps(property, field, &format!("{path}.{name}"));
    }
}

/// All text blocks of a result.
pub fn text(result: &CallToolResult) -> String {
    result
        .content
        .iter()
        .filter_map(|block| Some(block.as_text()?.text.clone()))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The number of tools that are on by default.
pub fn offered() -> usize {
    let all = tools::catalogue().tools();
    all.iter().filter(|tool| tools::catalogue().toolset_of(&tool.name) != Some(Toolset::Legacy)).count()
}

/// Waits until `done`, or fails after twenty seconds.
pub async fn eventually(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + AT_LAST;
    while !done().await {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The program of this repository with no environment.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_minimax-mcp"));
    without_environment(&mut command);
    command
}

/// Clears the environment of a command. Programs on Windows do not start without `SystemRoot`.
pub fn without_environment(command: &mut Command) -> &mut Command {
    command.env_clear().envs(std::env::var_os("SystemRoot").map(|root| ("SystemRoot", root)))
}

/// The real program as a child process, driven with raw JSON lines.
pub struct Program {
    pub child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    next_id: u64,
}

impl Program {
    /// Starts `minimax-mcp` with only the given environment.
    pub fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_minimax-mcp"));
        command.args(arguments);
        Self::run(command, environment)
    }

    fn run(mut command: Command, environment: &[(&str, impl AsRef<str>)]) -> Self {
        without_environment(&mut command)
            .env("PATH", silent_player())
            .envs(environment.iter().map(|(name, value)| (name, value.as_ref())))
            .stderr(Stdio::null());
        Self::of(command)
    }

    /// Starts a command that runs the program. The command decides where stderr goes.
    pub fn of(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts");
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, stdin, lines, next_id: 0 }
    }

    /// Starts the program with the sandbox at `url` and all its folders below `dir`.
    pub fn at(url: &str, dir: &Path) -> Self {
        Self::run(Command::new(env!("CARGO_BIN_EXE_minimax-mcp")), &Self::usual(url, dir))
    }

    /// Like [`Self::at`], after a shell command, for example one that sets limits.
    #[cfg(unix)]
    pub fn within(before: &str, url: &str, dir: &Path) -> Self {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(format!("{before}; exec \"$0\"")).arg(env!("CARGO_BIN_EXE_minimax-mcp"));
        Self::run(command, &Self::usual(url, dir))
    }

    fn usual(url: &str, dir: &Path) -> Vec<(&'static str, String)> {
        let path = |name| dir.join(name).display().to_string();
        let usual = [
            ("HOME", path("home")),
            ("USERPROFILE", path("home")),
            ("MINIMAX_API_HOST", url.to_owned()),
            ("MINIMAX_SANDBOX", "true".to_owned()),
            ("MINIMAX_API_KEY", "sk-api-secret".to_owned()),
            ("MINIMAX_MCP_BASE_PATH", path("out")),
            ("MINIMAX_DATA_DIR", path("data")),
            ("MINIMAX_POLL_SECONDS", "0.1".to_owned()),
        ];
        usual.into_iter().chain(chosen(dir)).collect()
    }

    pub fn send(&mut self, message: &Value) {
        self.send_raw(&message.to_string());
    }

    pub fn send_raw(&mut self, line: &str) {
        self.send_bytes(line.as_bytes());
        self.send_bytes(b"\n");
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(bytes).unwrap();
        stdin.flush().unwrap();
    }

    /// The next line, which must be JSON; `None` after the patience or when the program has ended.
    pub fn next(&self, patience: Duration) -> Option<Value> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => {
                Some(serde_json::from_str(&line).unwrap_or_else(|_| panic!("not the protocol: {line}")))
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    /// Sends a request and waits for its response. Drops any other message that arrives before it.
    pub fn request(&mut self, method: &str, parameters: Value) -> Value {
        let id = self.post(method, parameters);
        self.answer(id)
    }

    pub fn post(&mut self, method: &str, parameters: Value) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": parameters }));
        id
    }

    pub fn answer(&self, id: u64) -> Value {
        loop {
            let message = self.next(AT_LAST).expect("an answer");
            if message["id"] == id {
                return message;
            }
        }
    }

    /// Performs the `initialize` handshake of the older protocol versions.
    pub fn initialize(&mut self, version: &str) -> Value {
        self.initialize_with(version, json!({}))
    }

    /// Initializes with these capabilities of the client.
    pub fn initialize_with(&mut self, version: &str, capabilities: Value) -> Value {
        let client = json!({ "name": "raw", "version": "0" });
        let parameters =
            json!({ "protocolVersion": version, "capabilities": capabilities, "clientInfo": client });
        let answer = self.request("initialize", parameters);
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        answer
    }

    /// Calls a tool and returns the complete result.
    pub fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments }))["result"].clone()
    }

    /// Kills the process with SIGKILL and reaps it.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Closes stdin.
    pub fn leave(&mut self) {
        drop(self.stdin.take());
    }

    /// Closes stdin and waits for the program to exit.
    pub fn hang_up(&mut self) -> std::process::ExitStatus {
        self.leave();
        self.ended()
    }

    /// Waits for the program to exit.
    pub fn ended(&mut self) -> std::process::ExitStatus {
        let end = Instant::now() + AT_LAST;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "the program does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
