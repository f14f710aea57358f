//! Generated messages and headers over HTTP: whatever a client sends, it gets one answer, and never an error that
//! blames the server.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Map, Value, json};

use crate::http::{Served, ping, web};
use crate::http_protocol::Events;

/// How many messages are generated for each way of sending them.
const ROUNDS: usize = 250;

const PATIENCE: Duration = Duration::from_secs(30);

/// The same numbers in each run (xorshift), so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % most
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    fn often(&mut self) -> bool {
        self.below(4) > 0
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 7 } else { 9 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.below(1000)),
            3 => json!(-1.5e300),
            4 => json!(u64::MAX),
            5 => json!(self.one(&[
                "",
                "x",
                "minimax://jobs/x",
                "2026-07-28",
                "\u{0}\u{7f}",
                "😀",
                "../../etc"
            ])),
            6 => json!("y".repeat(self.below(5000))),
            7 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => {
                let keys = ["name", "arguments", "uri", "cursor", "_meta", "prompt", "a", "taskId"];
                Value::Object(
                    (0..self.below(4)).map(|_| (self.one(&keys).to_owned(), self.value(depth - 1))).collect(),
                )
            }
        }
    }

    fn params(&mut self) -> Value {
        let mut params = match self.below(6) {
            0 => return self.value(3),
            1 => json!({ "name": "list_models", "arguments": {} }),
            2 => json!({ "name": "count_tokens", "arguments": self.value(2) }),
            3 => json!({ "uri": self.value(1), "cursor": self.value(1), "taskId": self.value(1) }),
            4 => json!({ "ref": self.value(2), "argument": self.value(2), "level": "info" }),
            _ => {
                json!({ "protocolVersion": self.value(0), "capabilities": self.value(2), "clientInfo": self.value(2) })
            }
        };
        match self.below(4) {
            0 => params["_meta"] = self.value(2),
            1 => {
                params["_meta"] = json!({
                    "io.modelcontextprotocol/protocolVersion": self.one(&["2026-07-28", "2025-06-18", "1999"]),
                    "io.modelcontextprotocol/clientCapabilities": if self.often() { json!({}) } else { self.value(2) },
                    "progressToken": self.value(0),
                });
            }
            _ => {}
        }
        params
    }

    /// A message with the method that it has.
    fn message(&mut self, id: Value) -> (Value, String) {
        let methods = [
            "initialize",
            "ping",
            "tools/list",
            "tools/call",
            "prompts/list",
            "prompts/get",
            "resources/list",
            "resources/read",
            "resources/templates/list",
            "resources/subscribe",
            "resources/unsubscribe",
            "completion/complete",
            "logging/setLevel",
            "tasks/get",
            "tasks/list",
            "tasks/cancel",
            "tasks/update",
            "server/discover",
            "notifications/cancelled",
            "notifications/initialized",
            "no/such/method",
            "",
        ];
        let method = self.one(&methods);
        let mut message = Map::new();
        if self.below(12) > 0 {
            message.insert("jsonrpc".to_owned(), json!("2.0"));
        }
        message.insert("id".to_owned(), id);
        message.insert("method".to_owned(), if self.below(20) > 0 { json!(method) } else { self.value(1) });
        if self.often() {
            message.insert("params".to_owned(), self.params());
        }
        if self.below(20) == 0 {
            message.insert("result".to_owned(), self.value(1));
        }
        (message.into(), method.to_owned())
    }
}

/// The messages of a body that is JSON or an event stream.
fn messages(text: &str) -> Vec<Value> {
    let data: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("data:")).collect();
    let texts = if data.is_empty() { vec![text] } else { data };
    let read = texts.into_iter().filter_map(|text| serde_json::from_str::<Value>(text.trim()).ok());
    read.filter(|message| message.get("method").is_none()).collect()
}

#[tokio::test]
async fn every_generated_message_has_one_answer_and_none_blames_the_server() {
    let served = Served::open().await;
    let mut dice = Dice(0x5eed_5eed_1234_5678);
    let client = web();
    for round in 0..ROUNDS {
        let (message, method) = dice.message(json!(round));
        let mut request = client.post(format!("{}/mcp", served.base));
        let mut shown = message.to_string();
        for (name, values) in [
            (
                "Content-Type",
                &["application/json", "application/json", "application/json;charset=x", "text/plain"][..],
            ),
            (
                "Accept",
                &[
                    "application/json, text/event-stream",
                    "*/*",
                    "application/json",
                    "text/event-stream",
                    "text/html",
                ],
            ),
            (
                "MCP-Protocol-Version",
                &["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28", "2026-07-28", "1", ""],
            ),
            ("Mcp-Method", &["tools/list", "tools/call", "x", ""]),
            ("Mcp-Name", &["list_models", "=?base64?!!?=", "x"]),
            ("Mcp-Session-Id", &["apps-x", "x"]),
            ("X-MCP-Toolsets", &["text", "none of them"]),
            ("Last-Event-ID", &["7"]),
        ] {
            let most = if name == "Content-Type" || name == "Accept" { 8 } else { 2 };
            if dice.below(most) > 0 {
                let value = if name == "Mcp-Method" && dice.often() {
                    method.clone()
                } else {
                    dice.one(values).to_owned()
                };
                request = request.header(name, &value);
                shown = format!("{name}: {value}\n{shown}");
            }
        }
        let body = message.to_string();
        // A body in pieces has no length in front.
        let request = if dice.below(3) == 0 {
            let half = body.len() / 2;
            let pieces = [body.as_bytes()[..half].to_vec(), body.as_bytes()[half..].to_vec()];
            request.body(reqwest::Body::wrap_stream(futures_util::stream::iter(
                pieces.map(Ok::<_, std::io::Error>),
            )))
        } else {
            request.body(body)
        };
        let response = tokio::time::timeout(PATIENCE, request.send()).await.expect("an answer").unwrap();
        let status = response.status();
        let text = tokio::time::timeout(PATIENCE, response.text()).await.expect("a whole answer").unwrap();
        assert!(!status.is_server_error(), "{round}: {status}\n{shown}\n{text}");
        let answers = messages(&text);
        assert_eq!(answers.len(), 1, "{round}: {status}\n{shown}\n{text}");
        let answer = &answers[0];
        assert!(answer["error"]["code"] != -32603, "{round}\n{shown}\n{text}");
        assert!(answer["id"] == round || answer["error"].is_object(), "{round}\n{shown}\n{text}");
    }
    let alive = client.post(format!("{}/mcp", served.base)).json(&ping()).send().await.unwrap();
    assert_eq!(alive.status(), StatusCode::OK);
    served.end().await;
}

#[tokio::test]
async fn every_generated_message_of_the_older_transport_has_one_answer() {
    let served = Served::open().await;
    let mut dice = Dice(0x0dd5_eed5_8765_4321);
    let client = web();
    let mut events = Events::of(client.get(format!("{}/sse", served.base)).send().await.unwrap());
    let address = format!("{}{}", served.base, events.next().await.1);
    let hello = json!({ "jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": {
        "protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": { "name": "x", "version": "0" } } });
    client.post(&address).json(&hello).send().await.unwrap();
    events.next().await;
    for round in 0..ROUNDS {
        let (mut message, _) = dice.message(json!(round));
        if dice.below(5) == 0 {
            message = json!([message, { "jsonrpc": "2.0", "method": "notifications/initialized" }]);
        }
        let response = client.post(&address).json(&message).send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(!status.is_server_error(), "{round}: {status}\n{message}\n{text}");
        // A message that is accepted is answered on the stream, unless it is a response.
        let is_response = message.get("result").is_some();
        if status == StatusCode::ACCEPTED && !is_response {
            let data = loop {
                let data: Value = serde_json::from_str(&events.next().await.1).unwrap();
                if data.get("method").is_none() {
                    break data;
                }
            };
            let answer = if data.is_array() { &data[0] } else { &data };
            assert_eq!(answer["id"], round, "{message}\n{data}");
        }
    }
    client.post(&address).json(&ping()).send().await.unwrap();
    assert!(events.next().await.1.contains("\"id\":1"), "the session still answers");
    served.end().await;
}
