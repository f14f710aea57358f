//! Requests with parameters of a wrong shape: over stdio and over HTTP the error names the given and the expected
//! value.

use serde_json::{Value, json};

use crate::http::{Served, web};
use crate::stdio::{Stage, on_stage};

/// The methods of a session of revision 2025-11-25 with parameters, a wrong set of them, and what the error says.
fn wrong_fields() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    vec![
        ("tools/call", json!({}), vec!["`name` is missing; it must be a string"]),
        (
            "tools/call",
            json!({ "name": "chat", "arguments": "A fox" }),
            vec!["`arguments` is a string; it must be an object (not a string that holds one)"],
        ),
        ("tools/call", json!({ "name": 7 }), vec!["`name` is a number; it must be a string"]),
        ("prompts/get", json!({ "name": [] }), vec!["`name` is an array; it must be a string"]),
        (
            "prompts/get",
            json!({ "name": "narrate", "arguments": [] }),
            vec!["`arguments` is an array; it must be an object of strings"],
        ),
        ("resources/read", json!({ "uri": {} }), vec!["`uri` is an object; it must be a string"]),
        (
            "completion/complete",
            json!({ "ref": "x" }),
            vec!["`ref` is a string; it must be an object", "`argument` is missing"],
        ),
        ("tasks/get", json!({ "taskId": true }), vec!["`taskId` is a boolean; it must be a string"]),
        (
            "initialize",
            json!({}),
            vec!["`protocolVersion` is missing", "`capabilities` is missing", "`clientInfo`"],
        ),
        (
            "initialize",
            json!({ "protocolVersion": 2025, "capabilities": {}, "clientInfo": { "name": "x", "version": "1" } }),
            vec!["`protocolVersion` is a number; it must be a string"],
        ),
    ]
}

/// Every method of the protocol, in any revision, and one that does not exist.
const METHODS: &[&str] = &[
    "initialize",
    "ping",
    "tools/list",
    "tools/call",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "completion/complete",
    "logging/setLevel",
    "tasks/get",
    "tasks/update",
    "tasks/cancel",
    "subscriptions/listen",
    "server/discover",
    "no/such",
];

fn no_objects() -> [(Value, &'static str); 5] {
    [
        (json!([]), "an array"),
        (json!([{ "a": [1] }]), "an array"),
        (json!("x"), "a string"),
        (json!(-7.5), "a number"),
        (json!(true), "a boolean"),
    ]
}

fn of(id: usize, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// Asks each wrong request and returns the answers, by request.
fn requests() -> Vec<(Value, Vec<String>)> {
    let of_any = METHODS.iter().flat_map(|method| {
        no_objects().map(|(params, kind)| {
            (of(0, method, &params), vec![format!("`params` is {kind}; it must be an object")])
        })
    });
    let fields = wrong_fields().into_iter().map(|(method, params, parts)| {
        (of(0, method, &params), parts.into_iter().map(str::to_owned).collect())
    });
    let absent =
        ["initialize", "tools/call", "resources/read", "prompts/get"].into_iter().flat_map(|method| {
            let null = of(0, method, &Value::Null);
            let mut absent = null.clone();
            absent.as_object_mut().unwrap().remove("params");
            [null, absent]
                .map(|request| (request, vec!["`params` is missing; it must be an object with `".to_owned()]))
        });
    let mut all: Vec<_> = of_any.chain(fields).chain(absent).collect();
    for (id, (request, _)) in all.iter_mut().enumerate() {
        request["id"] = json!(id + 1000);
    }
    all
}

fn check(request: &Value, answer: &Value, parts: &[String]) {
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&request["id"], &json!(-32602)),
        "{request}: {answer}"
    );
    let told = answer["error"]["message"].as_str().unwrap();
    assert!(parts.iter().all(|part| told.contains(part)), "{request}: {told}");
    assert!(told.contains(request["method"].as_str().unwrap()) && !told.contains("_meta"), "{told}");
}

fn answered(stage: &Stage, handshake: bool) {
    let mut program = stage.program();
    if handshake {
        program.initialize("2025-11-25");
    }
    for (request, parts) in requests() {
        // Before the handshake only its own request is answered with its own error.
        if !handshake && request["params"].is_object() && request["method"] != "initialize" {
            continue;
        }
        if !handshake && request["params"].is_null() && request["method"] != "initialize" {
            continue;
        }
        program.send(&request);
        let answer = program.next(crate::harness::AT_LAST).expect("an answer");
        check(&request, &answer, &parts);
    }
    // The session continues, or begins.
    if !handshake {
        program.initialize("2025-11-25");
    }
    assert_eq!(program.request("ping", json!({}))["result"], json!({}));
}

#[test]
fn over_stdio_parameters_of_a_wrong_shape_are_named_before_and_after_the_handshake() {
    on_stage(|stage| {
        answered(stage, false);
        answered(stage, true);
    });
}

#[tokio::test]
async fn over_http_parameters_of_a_wrong_shape_are_named() {
    let served = Served::open().await;
    for (request, parts) in requests() {
        let asked = web().post(format!("{}/mcp", served.base)).header("accept", "application/json");
        let response =
            asked.header("mcp-protocol-version", "2025-11-25").json(&request).send().await.unwrap();
        check(&request, &response.json().await.unwrap(), &parts);
    }
    served.end().await;
}
