//! The program as a child process with a sandbox, and raw sockets to attack it with.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use minimax_mcp::sandbox::{Options, Pace, Sandbox};
use serde_json::{Value, json};

use crate::crash::{command, until};
use crate::harness::quick;

pub const ADA: &str = "ada-0123456789abcdef";
pub const BOB: &str = "bob-0123456789abcdef";
const KEY: &str = "sk-api-secret";

/// A generous time limit, because the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server process and its log.
pub struct Process {
    pub child: Child,
    pub address: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Process {
    pub fn start(url: &str, dir: &Path, more: &[(&str, &str)]) -> Self {
        Self::run(command(url, dir, &[]), dir, more)
    }

    /// Runs the program with `command`, adding its arguments and tokens.
    pub fn run(mut command: std::process::Command, dir: &Path, more: &[(&str, &str)]) -> Self {
        let tokens = dir.join("tokens.json");
        let rows = json!([{ "name": "ada", "token": ADA }, { "name": "bob", "token": BOB }]);
        std::fs::write(&tokens, rows.to_string()).unwrap();
        command
            .args(["serve", "--http", "127.0.0.1:0", "--sse"])
            .env("MINIMAX_MCP_TOKEN_FILE", tokens)
            .env("MINIMAX_LOG", "trace")
            .envs(more.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stderr = child.stderr.take().unwrap();
        let (sender, addresses) = channel();
        let log = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stderr);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).into_owned();
                line.clear();
                if let Some((_, url)) = text.split_once("MCP at http://") {
                    let _ = sender.send(url.trim().trim_end_matches("/mcp").parse().unwrap());
                }
                kept.lock().unwrap().push_str(&text);
            }
        });
        let found = addresses.recv_timeout(PATIENCE);
        let address = found.unwrap_or_else(|_| panic!("no address: {}", log.lock().unwrap()));
        Self { child, address, log }
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn connect(&self) -> Socket {
        Socket::to(self.address)
    }

    /// Sends bytes on a new connection and returns the response; `None` if the connection ends without one.
    pub fn ask(&self, bytes: impl AsRef<[u8]>) -> Option<Answer> {
        let mut socket = self.connect();
        socket.say(bytes);
        socket.answer()
    }

    /// Sends a JSON-RPC request of an older protocol version and returns the response.
    pub fn rpc(&self, token: &str, method: &str, params: Value) -> Value {
        let answer = self.ask(post("/mcp", token, &request(method, params))).expect("an answer");
        assert_eq!(answer.status, 200, "{method}: {answer:?}");
        answer.message()
    }

    /// Sends a request of protocol 2026-07-28 from a client with the tasks extension.
    pub fn modern(&self, token: &str, method: &str, name: &str, mut params: Value) -> Value {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {
                "extensions": { "io.modelcontextprotocol/tasks": {} } },
            "io.modelcontextprotocol/clientInfo": { "name": "raw", "version": "0" } });
        let body = request(method, params);
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{TYPES}\
             MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\nMcp-Name: {name}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.ask(head).expect("an answer").message()
    }

    /// Calls a tool and returns its result or error.
    pub fn call(&self, token: &str, tool: &str, arguments: Value) -> Value {
        self.rpc(token, "tools/call", json!({ "name": tool, "arguments": arguments }))
    }

    /// Makes a call that must succeed and returns its structured result.
    pub fn make(&self, token: &str, tool: &str, arguments: Value) -> Value {
        let answer = self.call(token, tool, arguments);
        assert_eq!(answer["result"].get("isError").unwrap_or(&json!(false)), false, "{tool}: {answer}");
        answer["result"]["structuredContent"].clone()
    }

    /// Checks that the server still works.
    pub fn is_well(&self) {
        assert!(self.make(ADA, "list_jobs", json!({}))["jobs"].is_array());
    }

    /// The number of open files, if `/proc` exists.
    pub fn files(&self) -> Option<usize> {
        Some(std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).ok()?.count())
    }

    /// The resident memory in KiB, if `/proc` exists.
    pub fn memory(&self) -> Option<u64> {
        self.status("VmRSS:")
    }

    /// The peak resident memory in MiB, if `/proc` exists.
    pub fn peak(&self) -> Option<u64> {
        Some(self.status("VmHWM:")? / 1024)
    }

    fn status(&self, name: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix("kB")?.trim().parse().ok())
    }

    /// Checks that another caller is still served, before the socket's time limit.
    pub fn serves_bob(&self) {
        assert!(self.make(BOB, "list_jobs", json!({}))["jobs"].is_array());
    }

    /// Checks that the log has no tokens, keys or signatures.
    pub fn log_is_discreet(&self) {
        let log = self.log();
        assert!(log.lines().count() > 1, "there is a log to look at");
        for secret in [ADA, BOB, KEY] {
            let line = log.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} is in the log");
        }
        // A long value after `ignature=` is a signature that was not redacted.
        for line in log.lines() {
            for (at, name) in line.match_indices("ignature=") {
                let value = line[at + name.len()..].chars().take_while(char::is_ascii_alphanumeric);
                assert!(value.count() < 8, "a signature is in the log: {line}");
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Stage {
    pub sandbox: Sandbox,
    pub dir: tempfile::TempDir,
    pub program: Process,
}

/// Runs `play` with its own program, then checks that the program still works and has leaked nothing.
pub fn on_stage(play: impl FnOnce(&Stage)) {
    on_stage_at(quick(), play);
}

pub fn on_stage_at(pace: Pace, play: impl FnOnce(&Stage)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let sandbox = runtime.block_on(Sandbox::start(Options { pace, ..Options::default() })).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let program = Process::start(&sandbox.url(), dir.path(), &[]);
    let stage = Stage { sandbox, dir, program };
    stage.program.is_well();
    let before = stage.program.files();
    play(&stage);
    stage.program.is_well();
    if let Some(before) = before {
        // Connections to the sandbox and to the database may stay open for the next call.
        until("its files are closed", || stage.program.files().is_some_and(|now| now <= before + 16));
    }
    stage.program.log_is_discreet();
    runtime.block_on(stage.sandbox.stop());
}

/// The headers that every message to `/mcp` needs.
pub const TYPES: &str = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";

pub fn request(method: &str, params: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}

/// A complete POST.
pub fn post(path: &str, token: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{TYPES}\
         MCP-Protocol-Version: 2025-06-18\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A complete GET. `more` has further header lines, each ending in CRLF.
pub fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n")
}

/// A complete response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// In lower case.
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The JSON-RPC message with an id, from the last event or the whole body.
    pub fn message(&self) -> Value {
        let text = self.text();
        let events = text.lines().filter_map(|line| line.strip_prefix("data:"));
        let mut messages = events.filter_map(|data| serde_json::from_str::<Value>(data.trim()).ok());
        let answer = messages.rfind(|message| message.get("id").is_some());
        answer.or_else(|| serde_json::from_str(&text).ok()).unwrap_or_else(|| panic!("no message: {text}"))
    }
}

pub struct Socket {
    stream: BufReader<TcpStream>,
}

impl Socket {
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// Sends bytes. Returns false if the server has closed the connection; its response can still be read.
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let stream = self.stream.get_mut();
        stream.write_all(bytes.as_ref()).and_then(|()| stream.flush()).is_ok()
    }

    /// Reads one line without its end; `None` at the end of the connection.
    pub fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let read = self.stream.read_until(b'\n', &mut line).ok()?;
        (read > 0).then(|| String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// The status and headers of the next response, which may be an interim one.
    pub fn head(&mut self) -> Option<Answer> {
        let mut head = String::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            head.extend([line.to_ascii_lowercase().as_str(), "\n"]);
        }
        let status = head.split(' ').nth(1)?.trim().parse().ok()?;
        Some(Answer { status, head, body: Vec::new() })
    }

    /// The next response; `None` if the connection ends first.
    pub fn answer(&mut self) -> Option<Answer> {
        let mut answer = self.head()?;
        if answer.header("transfer-encoding").is_some() {
            while let Some(length) = self.line().and_then(|line| usize::from_str_radix(&line, 16).ok()) {
                let mut piece = vec![0; length + 2];
                self.stream.read_exact(&mut piece).ok()?;
                if length == 0 {
                    break;
                }
                answer.body.extend(&piece[..length]);
            }
        } else if let Some(length) = answer.header("content-length") {
            answer.body = vec![0; length.parse().unwrap()];
            self.stream.read_exact(&mut answer.body).ok()?;
        } else {
            self.stream.read_to_end(&mut answer.body).ok()?;
        }
        Some(answer)
    }

    /// Whether the server has closed the connection, or closes it now.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]), Ok(0))
            || self
                .stream
                .read(&mut [0])
                .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
    }

    /// The data of the next event of a stream.
    pub fn event(&mut self) -> Option<String> {
        loop {
            if let Some(data) = self.line()?.strip_prefix("data:") {
                return Some(data.trim().to_owned());
            }
        }
    }
}
