//! Refusals before a message is handled: in the format of the route, with the headers that the client needs.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::http::{ADA, Served, ping, post, web};

const PAGE: &str = "http://localhost:5173";

/// The status, and the body, which must be JSON and readable by the page.
async fn refused(request: reqwest::RequestBuilder) -> (u16, Value, reqwest::header::HeaderMap) {
    let response = request.header("Origin", PAGE).send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    assert_eq!(headers["access-control-allow-origin"], PAGE);
    assert_eq!(headers["content-type"], "application/json", "{status}");
    (status, response.json().await.unwrap(), headers)
}

fn is_rpc(refusal: &Value, id: &Value) {
    assert_eq!((&refusal["jsonrpc"], refusal.get("id")), (&json!("2.0"), Some(id)), "{refusal}");
    assert!(refusal["error"]["code"].is_i64(), "{refusal}");
    let message = refusal["error"]["message"].as_str().unwrap();
    assert!(message.len() > 5 && message.trim() == message, "{refusal}");
}

#[tokio::test]
async fn a_refusal_at_mcp_is_a_json_rpc_error() {
    let served = Served::guarded().await;
    let mcp = format!("{}/mcp", served.base);
    let list = json!({ "jsonrpc": "2.0", "id": "a", "method": "ping", "params": { "x": vec![0; 300_000] } });
    let (status, refusal, _) = refused(post(&served.base, Some(ADA), &list)).await;
    assert_eq!(status, 413);
    is_rpc(&refusal, &json!("a"));
    assert!(refusal["error"]["message"].as_str().unwrap().contains("200000 JSON values"), "{refusal}");
    let (status, refusal, headers) = refused(post(&served.base, None, &ping())).await;
    assert_eq!(status, 401);
    assert!(headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    is_rpc(&refusal, &Value::Null);
    for method in [Method::GET, Method::DELETE] {
        let (status, refusal, _) = refused(web().request(method, &mcp).bearer_auth(ADA)).await;
        assert_eq!(status, 405);
        is_rpc(&refusal, &Value::Null);
        assert!(refusal["error"]["message"].as_str().unwrap().contains("with POST to /mcp"), "{refusal}");
    }
    let foreign = post(&served.base, Some(ADA), &ping()).header("Origin", "https://evil.example").send();
    let foreign = foreign.await.unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    assert!(foreign.headers().get("access-control-allow-origin").is_none());
    is_rpc(&foreign.json().await.unwrap(), &Value::Null);
    let unknown = web().post(format!("{}/messages?sessionId=x", served.base)).bearer_auth(ADA).json(&ping());
    let (status, refusal, _) = refused(unknown).await;
    assert_eq!(status, 404);
    is_rpc(&refusal, &Value::Null);
    served.end().await;
}

#[tokio::test]
async fn the_refusal_of_a_message_to_the_front_page_names_the_path_of_mcp() {
    let served = Served::guarded().await;
    for token in [None, Some(ADA)] {
        let request = web().post(format!("{}/", served.base)).json(&ping());
        let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.text().await.unwrap(), "MCP is at /mcp.\n");
    }
    served.end().await;
}

#[tokio::test]
async fn a_refusal_at_uploads_and_files_is_a_json_object() {
    let served = Served::guarded().await;
    let uploads = format!("{}/uploads", served.base);
    for (request, expected) in [
        (web().post(format!("{uploads}?name=a.txt")).body("x"), 401),
        (web().get(&uploads).bearer_auth(ADA), 405),
        (web().post(format!("{uploads}?name=a.html")).bearer_auth(ADA).body("<html></html>"), 415),
        (web().delete(format!("{uploads}/x/y")).bearer_auth(ADA), 404),
        (web().get(format!("{}/files/x/y?expires=1&signature=b", served.base)), 410),
    ] {
        let (status, refusal, _) = refused(request).await;
        assert_eq!(refusal["error"]["status"], status, "{refusal}");
        assert!([expected, 404].contains(&status), "{expected}: {refusal}");
        assert!(refusal["error"]["message"].as_str().unwrap().len() > 5, "{refusal}");
    }
    served.end().await;
}
