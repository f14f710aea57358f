//! Checks mcp.json.example and the files in examples/stdio: starts each entry as its client would.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use minimax_mcp::config::SETTINGS;
use serde_json::{Value, json};
use tempfile::TempDir;

const PLACEHOLDER: &str = "/absolute/path/to/minimax-mcp";

/// The example files, and the field in which the client looks for servers.
const FILES: &[(&str, &str)] = &[
    ("mcp.json.example", "mcpServers"),
    ("examples/stdio/claude-code.json", "mcpServers"),
    ("examples/stdio/claude-desktop.json", "mcpServers"),
    ("examples/stdio/cursor.json", "mcpServers"),
    ("examples/stdio/vscode.json", "servers"),
];

/// How long a server may take to respond.
const PATIENCE: Duration = Duration::from_secs(20);

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn example(file: &str) -> Value {
    let text = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The server entry of a file.
fn entry(file: &str, servers: &str) -> Value {
    let entry = example(file)[servers]["minimax"].take();
    assert!(entry.is_object(), "{file} has no {servers}.minimax");
    entry
}

/// The environment of an entry, unresolved.
fn environment<'a>(client: &str, entry: &'a Value) -> Vec<(&'a str, &'a str)> {
    let text = |(name, value): (&'a String, &'a Value)| {
        (name.as_str(), value.as_str().unwrap_or_else(|| panic!("{client}: {name} is not a string")))
    };
    entry["env"].as_object().unwrap_or_else(|| panic!("{client} has no env")).iter().map(text).collect()
}

/// The placeholders in a text: everything between `${` and `}`.
fn placeholders(text: &str) -> Vec<&str> {
    let parts = text.split("${").skip(1);
    parts.map(|part| part.split_once('}').unwrap_or_else(|| panic!("{text} does not end")).0).collect()
}

/// The text with an empty answer for every `${…}`.
fn resolved(text: &str) -> String {
    placeholders(text).iter().fold(text.to_owned(), |text, name| text.replace(&format!("${{{name}}}"), ""))
}

/// A server that was started from an entry.
struct Running {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    // The last field, so that the folder is removed after the server has ended.
    home: TempDir,
}

impl Running {
    fn start(client: &str, entry: &Value) -> Self {
        assert_eq!(entry["command"], PLACEHOLDER, "{client}");
        let args = entry["args"].as_array().unwrap_or_else(|| panic!("{client} has no args"));
        let args = args.iter().map(|arg| resolved(arg.as_str().expect("an argument is a string")));
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_minimax-mcp"));
        command.args(args).env_clear().envs(of_this_machine());
        command.envs(["HOME", "USERPROFILE", "APPDATA"].map(|name| (name, home.path())));
        command.env("MINIMAX_DATA_DIR", home.path().join("data"));
        command.envs(environment(client, entry).into_iter().map(|(name, value)| (name, resolved(value))));
        let log = File::create(log(home.path())).unwrap();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            // This ends with the server's output, or when the receiver is dropped.
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, input, lines, home }
    }

    /// Sends a message as one line.
    fn say(&mut self, message: &Value) {
        let sent = self.input.as_mut().map(|input| writeln!(input, "{message}").and_then(|()| input.flush()));
        assert!(matches!(sent, Some(Ok(()))), "{message} was not sent: {sent:?}\n{}", self.log());
    }

    /// The result of the request `id`.
    fn result(&self, id: u64) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let line = self.lines.recv_timeout(end.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|error| panic!("no answer to {id}: {error}\n{}", self.log()));
            let mut message: Value =
                serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}\n{}", self.log()));
            if message["id"] == id {
                assert!(message["result"].is_object(), "{message}\n{}", self.log());
                return message["result"].take();
            }
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(log(self.home.path())).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log(home: &Path) -> PathBuf {
    home.join("stderr.log")
}

/// The variable that every program on Windows needs; nothing on other systems.
fn of_this_machine() -> Option<(&'static str, OsString)> {
    std::env::var_os("SystemRoot").filter(|_| cfg!(windows)).map(|value| ("SystemRoot", value))
}

#[test]
fn every_example_can_be_copied_as_it_is() {
    for (file, servers) in FILES {
        let names: Vec<_> = example(file)[servers].as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, ["minimax"], "{file}");
    }
    let listed: BTreeSet<_> =
        FILES.iter().filter_map(|(file, _)| file.strip_prefix("examples/stdio/")).collect();
    let there = fs::read_dir(root().join("examples/stdio")).unwrap();
    let there: BTreeSet<_> = there.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(there.iter().map(String::as_str).collect::<BTreeSet<_>>(), listed);
    // Several clients take this file word for word, and refuse one with other fields around its servers.
    assert_eq!(example("mcp.json.example").as_object().unwrap().len(), 1);
}

#[test]
fn every_entry_of_the_example_starts_a_server_that_offers_its_tools() {
    let client_info = json!({ "name": "example", "version": "1" });
    let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client_info });
    for (client, servers) in FILES {
        let mut server = Running::start(client, &entry(client, servers));
        server.say(&json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello }));
        let greeting = server.result(1);
        assert_eq!(greeting["protocolVersion"], "2025-06-18", "{client}: {greeting}");
        assert_eq!(greeting["serverInfo"]["name"], "minimax-mcp", "{client}: {greeting}");
        server.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        server.say(&json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {} }));
        let answer = server.result(2);
        let tools = answer["tools"].as_array().unwrap_or_else(|| panic!("{client}: {answer}"));
        assert!(tools.iter().any(|tool| tool["name"] == "text_to_image"), "{client}: {answer}");
    }
}

#[test]
fn every_setting_in_the_example_exists() {
    for (client, servers) in FILES {
        for (name, _) in environment(client, &entry(client, servers)) {
            assert!(SETTINGS.iter().any(|setting| setting.name == name), "{client}: {name}");
        }
    }
}

#[test]
fn the_example_asks_for_exactly_the_inputs_that_it_uses() {
    let inputs = example("examples/stdio/vscode.json")["inputs"].take();
    let inputs = inputs.as_array().unwrap();
    assert!(inputs.iter().all(|input| input["password"] == true), "a key is shown: {inputs:?}");
    let asked: BTreeSet<_> = inputs.iter().map(|input| input["id"].as_str().unwrap()).collect();
    let entry = entry("examples/stdio/vscode.json", "servers");
    let placeholders =
        environment("vscode.json", &entry).into_iter().flat_map(|(_, value)| placeholders(value));
    let used: BTreeSet<_> = placeholders.filter_map(|name| name.strip_prefix("input:")).collect();
    assert_eq!(asked, used);
}
