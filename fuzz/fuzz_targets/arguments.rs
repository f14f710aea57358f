//! Calls as a model may write them, to every tool, up to where a request would leave: each is answered.

#![no_main]

use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, Once};

use libfuzzer_sys::fuzz_target;
use minimax_mcp::config::{Config, Places};
use minimax_mcp::tools;
use rmcp::ServiceExt as _;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, ReadHalf, WriteHalf};
use tokio::runtime::{Builder, Runtime};

/// A client on the wire.
struct Wire {
    lines: BufReader<ReadHalf<DuplexStream>>,
    out: WriteHalf<DuplexStream>,
    id: u64,
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().unwrap());
static DIR: LazyLock<PathBuf> = LazyLock::new(|| tempfile::tempdir().unwrap().keep());
/// With a key, for calls that only ask for a price; and without one, for those that would ask MiniMax.
static PRICED: LazyLock<Mutex<Wire>> = LazyLock::new(|| Mutex::new(RUNTIME.block_on(Wire::new(true))));
static KEYLESS: LazyLock<Mutex<Wire>> = LazyLock::new(|| Mutex::new(RUNTIME.block_on(Wire::new(false))));
static TOOLS: LazyLock<Vec<(String, Value)>> = LazyLock::new(|| {
    tools::catalogue().tools().iter().map(|tool| (tool.name.to_string(), json!(*tool.input_schema))).collect()
});
static LOUD: Once = Once::new();

fuzz_target!(|bytes: &[u8]| {
    LOUD.call_once(|| {
        let _ = std::fs::create_dir_all(DIR.join("home/Pictures"));
        let _ = std::fs::write(
            DIR.join("home/Pictures/a.png"),
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\0\0\0\x02\0\x08\x02\0\0\0",
        );
    });
    let mut dice = Dice(bytes);
    let (name, schema) = &TOOLS[usize::from(dice.roll()) % TOOLS.len()];
    let mut arguments = dice.object(schema, 0);
    let priced = schema["properties"].get("dry_run").is_some();
    if priced {
        arguments.insert("dry_run".into(), true.into());
        arguments.shift_remove("dryRun");
        arguments.insert("wait_seconds".into(), 0.into());
    }
    let wire = if priced { &PRICED } else { &KEYLESS };
    let answer = RUNTIME.block_on(wire.lock().unwrap().call(name, &arguments));
    assert!(
        answer.get("result").is_some() || answer.get("error").is_some(),
        "{name} {arguments:?}: {answer}"
    );
    let text = answer.to_string();
    assert!(!text.contains("sk-api-key") && !text.contains("panicked"), "{name} {arguments:?}: {text}");
});

impl Wire {
    async fn new(key: bool) -> Self {
        let home = DIR.join("home");
        let places = Places { home: home.clone(), desktop: None, data: DIR.join("data") };
        let read = |name: &str| match name {
            "MINIMAX_API_HOST" => Some("http://127.0.0.1:9".to_owned()),
            "MINIMAX_API_KEY" => key.then(|| "sk-api-key".to_owned()),
            "MINIMAX_MCP_BASE_PATH" => Some(DIR.join("out").display().to_string()),
            _ => None,
        };
        let (ours, theirs) = tokio::io::duplex(1 << 22);
        let server = tools::server(Config::read(read, &places));
        tokio::spawn(async move {
            let running = server.serve(ours).await.unwrap();
            running.waiting().await.unwrap();
        });
        let (lines, out) = tokio::io::split(theirs);
        let mut wire = Self { lines: BufReader::new(lines), out, id: 0 };
        let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "f", "version": "0" } });
        wire.ask("initialize", hello).await;
        wire.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        wire
    }

    async fn send(&mut self, message: &Value) {
        self.out.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.id += 1;
        let id = self.id;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).await.unwrap(), 0, "the server has gone");
            let answer: Value = serde_json::from_str(&line).unwrap();
            if answer["id"] == id {
                return answer;
            }
        }
    }

    async fn call(&mut self, name: &str, arguments: &Map<String, Value>) -> Value {
        self.ask("tools/call", json!({ "name": name, "arguments": arguments })).await
    }
}

/// Bytes as decisions.
struct Dice<'a>(&'a [u8]);

const NASTY: &[&str] = &[
    "",
    " ",
    "a",
    "0",
    "-1",
    "1e400",
    "true",
    "null",
    "[]",
    "{}",
    "\u{0}",
    "\u{202e}gnp",
    "\u{feff}",
    "🦊🦊",
    "ß",
    "İ",
    "../../etc/passwd",
    "/etc/passwd",
    "~/.ssh/id_rsa",
    "~/Pictures/a.png",
    "~",
    "C:\\x",
    "\\\\host\\share",
    "CON",
    "NUL.txt",
    "https://127.0.0.1/a.png",
    "https://169.254.169.254/",
    "http://[::1]/",
    "file:///etc/passwd",
    "mm_file://1",
    "mm_file://../x",
    "minimax://files/a/b",
    "minimax://files/../x",
    "data:image/png;base64,iVBORw0KGgo=",
    "data:,",
    "data:;base64,%",
    "<#0.5#>",
    "<#99999999999999999999#>",
    "(laughs)",
    "[Push in]",
    "[[[[",
    "<think>",
    "999999999999999999999",
    "-0.0",
    "1/0",
    "16:9",
    "0:0",
    "1024x768",
    "99999999999x1",
    "2026-01-01",
    "1970-01-01T00:00:00Z",
    "user",
    "assistant",
];

impl Dice<'_> {
    fn roll(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn object(&mut self, schema: &Value, depth: u8) -> Map<String, Value> {
        let mut object = Map::new();
        let empty = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&empty);
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, about) in properties {
            let often = if required.contains(&name.as_str()) { 250 } else { 90 };
            if !self.0.is_empty() && self.roll() < often {
                object.insert(name.clone(), self.value(about, depth + 1));
            }
        }
        if self.roll() > 250 {
            object.insert(self.text(), self.anything(depth));
        }
        object
    }

    fn value(&mut self, schema: &Value, depth: u8) -> Value {
        if self.roll() > 230 || depth > 6 {
            return self.anything(depth);
        }
        if let Some(set) = schema["enum"].as_array().filter(|set| !set.is_empty()) {
            return set[usize::from(self.roll()) % set.len()].clone();
        }
        match schema["type"].as_str().unwrap_or_default() {
            "string" => Value::String(self.text()),
            "integer" => self.number(schema, true),
            "number" => self.number(schema, false),
            "boolean" => (self.roll() & 1 == 0).into(),
            "array" => (0..self.roll() % 4).map(|_| self.value(&schema["items"], depth + 1)).collect(),
            "object" => Value::Object(self.object(schema, depth + 1)),
            _ => self.anything(depth),
        }
    }

    fn number(&mut self, schema: &Value, whole: bool) -> Value {
        let least = schema["minimum"].as_f64().unwrap_or(-3.0);
        let most = schema["maximum"].as_f64().unwrap_or(1e6).max(least);
        let at = least + (most - least) * f64::from(self.roll()) / 255.0;
        if whole { json!(at as i64) } else { json!(at) }
    }

    fn text(&mut self) -> String {
        match self.roll() {
            // Words of the fuzzer's own.
            0..70 => {
                let length = usize::from(self.roll()).min(self.0.len());
                let (word, rest) = self.0.split_at(length);
                self.0 = rest;
                String::from_utf8_lossy(word).into_owned()
            }
            70..80 => NASTY[usize::from(self.roll()) % NASTY.len()].repeat(usize::from(self.roll()) * 40),
            _ => NASTY[usize::from(self.roll()) % NASTY.len()].to_owned(),
        }
    }

    fn anything(&mut self, depth: u8) -> Value {
        match self.roll() % 9 {
            0 => Value::Null,
            1 => true.into(),
            2 => json!(f64::from(self.roll()) * 1e9 - 1e10),
            3 => json!(i64::MIN),
            4 => json!(u64::MAX),
            5 if depth < 7 => (0..self.roll() % 5).map(|_| self.anything(depth + 1)).collect(),
            6 if depth < 7 => json!({ self.text(): self.anything(depth + 1) }),
            _ => Value::String(self.text()),
        }
    }
}
