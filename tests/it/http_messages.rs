//! Messages of real clients: the formats that they accept, bodies that are not messages, and the errors about wrong
//! tokens.

use minimax_mcp::sandbox::Pace;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::harness::quick;
use crate::http::{ADA, Served, answer, ping, post, web};
use crate::http_protocol::modern;

fn initialize(version: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "raw", "version": "0" } } })
}

/// A request without any header of its own but the type.
fn bare(url: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    web().post(url).header("Content-Type", "application/json").body(body)
}

/// The status, the type and the body of an answer.
async fn told(request: RequestBuilder) -> (u16, String, String) {
    let response = request.send().await.unwrap();
    let kind = response.headers().get("content-type").map_or("", |kind| kind.to_str().unwrap());
    let (status, kind) = (response.status().as_u16(), kind.split(';').next().unwrap().to_owned());
    (status, kind, response.text().await.unwrap())
}

#[tokio::test]
async fn a_client_is_answered_in_a_format_that_it_accepts() {
    let served = Served::open().await;
    let mcp = format!("{}/mcp", served.base);
    let call = json!({ "jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {
        "name": "text_to_image", "arguments": { "prompt": "x" }, "_meta": { "progressToken": 1 } } });
    for accept in [
        None,
        Some("*/*"),
        Some("application/json"),
        Some("application/json, application/mcp+json"),
        Some("application/*;q=0.5"),
    ] {
        for (body, id) in [
            (initialize("2025-11-25"), 1),
            (json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" }), 2),
            (call.clone(), 9),
        ] {
            let request = bare(&mcp, body.to_string());
            let request = match accept {
                Some(accept) => request.header("Accept", accept),
                None => request,
            };
            let (status, kind, text) = told(request).await;
            assert_eq!((status, kind.as_str()), (200, "application/json"), "{accept:?}: {text}");
            let message: Value = serde_json::from_str(&text).unwrap();
            assert!(message["id"] == id && message["result"].is_object(), "{accept:?}: {message}");
        }
    }
    for accept in ["text/event-stream", "text/*"] {
        let (status, kind, text) = told(bare(&mcp, call.to_string()).header("Accept", accept)).await;
        assert_eq!((status, kind.as_str()), (200, "text/event-stream"), "{accept}: {text}");
        assert!(text.contains("data:") && text.contains("\"id\":9"), "{accept}: {text}");
    }
    let mut newest = modern(&served.base, "tools/list", None, json!({})).build().unwrap();
    newest.headers_mut().insert("Accept", "application/json".parse().unwrap());
    let list: Value = web().execute(newest).await.unwrap().json().await.unwrap();
    assert!(list["result"]["tools"].is_array(), "{list}");
    for accept in ["text/html", "application/mcp+json", "*/*;q=0"] {
        let (status, kind, text) = told(bare(&mcp, call.to_string()).header("Accept", accept)).await;
        assert_eq!((status, kind.as_str()), (406, "application/json"), "{accept}: {text}");
        let refusal: Value = serde_json::from_str(&text).unwrap();
        let message = refusal["error"]["message"].as_str().unwrap();
        assert!(message.contains("Accept") && message.contains(accept), "{message}");
        assert_eq!(refusal["id"], 9, "{refusal}");
    }
    served.end().await;
}

#[tokio::test]
async fn a_slow_call_of_a_client_without_streams_begins_to_be_answered_and_ends_as_json() {
    let served = Served::with(false, Pace { delay_ms: 2500, ..quick() }).await;
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "text_to_image", "arguments": { "prompt": "x" } } });
    let mut response = bare(&format!("{}/mcp", served.base), call.to_string())
        .header("Accept", "*/*")
        .header("MCP-Protocol-Version", "2025-11-25")
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    let first = response.chunk().await.unwrap().unwrap();
    assert!(first.iter().all(u8::is_ascii_whitespace), "{first:?}");
    let message: Value = response.json().await.unwrap();
    assert_eq!(message["result"]["structuredContent"]["status"], "succeeded", "{message}");
    served.end().await;
}

#[tokio::test]
async fn a_body_that_is_not_json_is_a_parse_error_with_the_id_that_can_be_read() {
    let served = Served::open().await;
    let mut stream = web().get(format!("{}/sse", served.base)).send().await.unwrap();
    let opened = String::from_utf8(stream.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    let messages = opened.lines().find_map(|line| line.strip_prefix("data:")).unwrap().trim().to_owned();
    for path in ["/mcp".to_owned(), messages] {
        let url = format!("{}{path}", served.base);
        for (body, id) in [
            (&b"{bad"[..], Value::Null),
            (b"", Value::Null),
            (b"hello=world", Value::Null),
            (br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"a":"\ud83d"}}"#, json!(7)),
            (br#"{"jsonrpc": "2.0", "method": "ping", "params": {"a": NaN}, "id": "s"}"#, json!("s")),
            (br#"{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":1e400}}"#, json!(7)),
            (b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"\xff\"}", json!(7)),
            (br#"{"jsonrpc":"2.0","id":7,"method":"pi"#, json!(7)),
        ] {
            let shown = String::from_utf8_lossy(body).into_owned();
            for kind in ["application/json", "application/json; charset=utf-8", "text/plain"] {
                let request = web().post(&url).header("Content-Type", kind).body(body.to_vec());
                let (status, _, text) = told(request).await;
                assert_eq!(status, 400, "{path} {shown} as {kind}: {text}");
                let refusal: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(
                    (&refusal["error"]["code"], &refusal["id"]),
                    (&json!(-32700), &id),
                    "{shown}: {refusal}"
                );
            }
        }
        for body in ["{}", "[]", r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#] {
            let (status, _, text) = told(bare(&url, body)).await;
            let refusal: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(
                (status, &refusal["error"]["code"]),
                (400, &json!(-32600)),
                "{path} {body}: {refusal}"
            );
        }
    }
    let marked = [b"\xef\xbb\xbf", ping().to_string().as_bytes()].concat();
    let mcp = format!("{}/mcp", served.base);
    assert_eq!(told(bare(&mcp, marked)).await.0, 200, "a byte order mark is no error");
    let (status, _, text) =
        told(web().post(&mcp).header("Content-Type", "text/plain").body(ping().to_string())).await;
    assert_eq!(status, 415);
    assert!(text.contains("Content-Type is `text/plain`") && text.contains("application/json"), "{text}");
    served.end().await;
}

#[tokio::test]
async fn a_slash_at_the_end_of_a_path_makes_no_difference() {
    let served = Served::open().await;
    for path in ["/mcp", "/mcp/"] {
        let response = bare(&format!("{}{path}", served.base), ping().to_string()).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        for (request, status) in [
            (web().get(format!("{}{path}", served.base)), 405),
            (web().delete(format!("{}{path}", served.base)), 405),
            (
                bare(
                    &format!("{}{path}", served.base),
                    r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
                ),
                202,
            ),
        ] {
            assert_eq!(request.send().await.unwrap().status().as_u16(), status, "{path}");
        }
    }
    for path in ["/healthz/", "/readyz/", "/sse/", "/metrics/"] {
        assert_eq!(web().get(format!("{}{path}", served.base)).send().await.unwrap().status(), 200, "{path}");
    }
    let upload = web().post(format!("{}/uploads/?name=a.png", served.base)).body("?").send().await.unwrap();
    assert_eq!(upload.status(), StatusCode::CREATED);
    served.end().await;
}

#[tokio::test]
async fn the_version_in_the_header_of_initialize_is_that_of_its_body() {
    let served = Served::open().await;
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let request = bare(&format!("{}/mcp", served.base), initialize(version).to_string());
        let (status, _, text) = told(request.header("MCP-Protocol-Version", version)).await;
        let hello: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((status, &hello["result"]["protocolVersion"]), (200, &json!(version)), "{hello}");
    }
    for header in ["2025-06-18", "2099-01-01"] {
        let request = bare(&format!("{}/mcp", served.base), initialize("2025-11-25").to_string());
        let (status, _, text) = told(request.header("MCP-Protocol-Version", header)).await;
        assert_eq!(status, 400);
        assert!(text.contains(header) && text.contains("2025-11-25") && text.contains("\"id\":1"), "{text}");
    }
    let unknown = bare(&format!("{}/mcp", served.base), ping().to_string());
    let (status, kind, text) = told(unknown.header("MCP-Protocol-Version", "2099-01-01")).await;
    assert_eq!((status, kind.as_str()), (400, "application/json"));
    assert!(text.contains("2099-01-01") && text.contains("\"id\":1"), "{text}");
    served.end().await;
}

#[tokio::test]
async fn the_error_about_an_unfilled_token_says_so() {
    let served = Served::guarded().await;
    for (value, word) in [
        ("Bearer ${MINIMAX_MCP_TOKEN}".to_owned(), "variable MINIMAX_MCP_TOKEN"),
        ("Bearer $TOKEN".to_owned(), "variable TOKEN"),
        ("Bearer {{token}}".to_owned(), "not filled in"),
        (format!("Bearer \"{ADA}\""), "quotation marks"),
        (format!("Bearer Bearer {ADA}"), "twice"),
        (ADA.to_owned(), "no scheme"),
        ("Bearer sk-api-0123456789abcdef".to_owned(), "MiniMax API key"),
        ("Bearer".to_owned(), "empty"),
    ] {
        let response =
            post(&served.base, None, &ping()).header("Authorization", &value).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{value}");
        assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"), "{value}");
        let text = response.text().await.unwrap();
        assert!(text.contains(word), "{value}: {text}");
        assert!(!text.contains(ADA) && !text.contains("0123456789abcdef"), "{text}");
    }
    let in_url = bare(&format!("{}/mcp?token={ADA}", served.base), ping().to_string());
    let (status, _, text) = told(in_url).await;
    assert!(status == 401 && text.contains("not belong in the URL") && !text.contains(ADA), "{text}");
    assert_eq!(
        answer(post(&served.base, Some(ADA), &ping()).send().await.unwrap()).await["result"],
        json!({})
    );
    served.end().await;
}
