//! Other spellings of a route.

use serde_json::json;

use super::stage::{TYPES, on_stage, request};

/// Spellings that a proxy, a file system or another server might normalize.
const SPELLINGS: &[&str] = &[
    "//mcp",
    "///mcp",
    "/mcp/",
    "/mcp//",
    "/MCP",
    "/Mcp",
    "/%6dcp",
    "/%6Dcp",
    "/%256dcp",
    "/mcp%2f",
    "/mcp%20",
    "/mcp%00",
    "/mcp%0a",
    "/mcp%3f",
    "/mcp%23",
    "/mcp;x=1",
    "/mcp;jsessionid=1",
    "/mcp.json",
    "/mcp?",
    "/mcp?x=/healthz",
    "/./mcp",
    "/x/../mcp",
    "/healthz/../mcp",
    "/healthz/..;/mcp",
    "/healthz%2f..%2fmcp",
    "/healthz/%2e%2e/mcp",
    "/healthz\\..\\mcp",
    "/files/../mcp",
    "/files/a/..%2f..%2fmcp",
    "/.well-known/../mcp",
    "/.well-known/oauth-protected-resource/../../mcp",
    "\\mcp",
    "/\\mcp",
    "/mcp\\",
    "//localhost/mcp",
    "http://localhost/mcp",
    "http://localhost//mcp",
    "/ⓜcp",
    "/sse/",
    "//sse",
    "/SSE",
    "/%73se",
    "/messages/?sessionId=1",
    "//messages?sessionId=1",
    "/uploads/",
    "//uploads",
    "/UPLOADS",
    "/uploads/../metrics",
    "/metrics/",
    "//metrics",
    "/METRICS",
    "/%6detrics",
    "/metrics;x",
    "/healthz/../metrics",
    "/readyz/%2e%2e/metrics",
];

#[test]
fn every_spelling_of_a_path_needs_a_token() {
    on_stage(|stage| {
        let ping = request("ping", json!({}));
        for path in SPELLINGS {
            for method in ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PROPFIND"] {
                for token in [
                    "",
                    "Authorization: Bearer \r\n",
                    "X-Original-URL: /healthz\r\nX-Rewrite-URL: /healthz\r\n",
                ] {
                    let ask = format!(
                        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{token}{TYPES}Connection: close\r\n\
                         Content-Length: {}\r\n\r\n{ping}",
                        ping.len()
                    );
                    let mut socket = stage.program.connect();
                    socket.say(&ask);
                    let answer = socket.head().unwrap_or_else(|| panic!("no answer to {ask}"));
                    let refused = [400, 401, 403, 404, 405];
                    assert!(refused.contains(&answer.status), "{method} {path} {token}: {}", answer.status);
                }
            }
        }
        assert_eq!(stage.sandbox.requests().len(), 0);
    });
}
