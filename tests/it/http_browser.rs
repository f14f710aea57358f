//! Web pages: the origins that may call and read the answers, and the page for a person who opens the address.

use minimax_mcp::config::Config;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::json;

use crate::harness::quick;
use crate::http::{ADA, Served, make, ping, post, web};

const LOCAL: &str = "http://localhost:5173";
const NAMED: &str = "https://app.example.com";
const FOREIGN: &str = "https://evil.example";

fn with_an_origin(config: &mut Config) {
    config.http.origins = vec![NAMED.to_owned()];
    config.http.tokens.iter_mut().for_each(|row| row.toolsets = None);
}

async fn send(request: RequestBuilder) -> Response {
    request.send().await.unwrap()
}

fn words(headers: &HeaderMap, name: &str) -> Vec<String> {
    let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap());
    values.flat_map(|value| value.split(',')).map(|word| word.trim().to_ascii_lowercase()).collect()
}

fn preflight(url: &str, origin: &str, asked: &str) -> RequestBuilder {
    web()
        .request(Method::OPTIONS, url)
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", asked)
}

#[tokio::test]
async fn a_browser_gets_permission_for_pages_of_allowed_origins_before_any_token() {
    let served = Served::tuned(true, quick(), with_an_origin).await;
    let asked = "authorization,content-type,mcp-protocol-version,mcp-param-city";
    for path in
        ["/mcp", "/mcp/", "/uploads", "/uploads/a/b.png", "/files/a/b.png", "/sse", "/messages", "/nothing"]
    {
        for origin in [LOCAL, "https://127.0.0.1", "http://[::1]:8080", NAMED] {
            let response = send(preflight(&format!("{}{path}", served.base), origin, asked)).await;
            assert_eq!(response.status(), StatusCode::NO_CONTENT, "{path} {origin}");
            let headers = response.headers();
            assert_eq!(headers["access-control-allow-origin"], origin, "{path}");
            assert!(words(headers, "vary").contains(&"origin".to_owned()), "{path}");
            let methods = words(headers, "access-control-allow-methods");
            assert!(["get", "post", "delete"].iter().all(|method| methods.contains(&(*method).to_owned())));
            let allowed = words(headers, "access-control-allow-headers");
            for name in [
                "authorization",
                "content-type",
                "accept",
                "mcp-protocol-version",
                "mcp-method",
                "mcp-name",
                "mcp-session-id",
                "last-event-id",
                "x-minimax-api-key",
                "x-mcp-toolsets",
                "x-mcp-tools",
                "x-mcp-readonly",
                "mcp-param-city",
            ] {
                assert!(allowed.contains(&name.to_owned()), "{name}: {allowed:?}");
            }
            assert!(!headers.contains_key("access-control-allow-credentials"));
        }
        for origin in [FOREIGN, "null", "https://app.example.com.evil.example", "http://app.example.com"] {
            let response = send(preflight(&format!("{}{path}", served.base), origin, asked)).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path} {origin}");
            assert_no_permission(&response);
        }
        let elsewhere =
            preflight(&format!("{}{path}", served.base), LOCAL, asked).header("Host", "evil.example");
        assert_eq!(send(elsewhere).await.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let private = preflight(&format!("{}/mcp", served.base), NAMED, asked)
        .header("Access-Control-Request-Private-Network", "true");
    assert_eq!(send(private).await.headers()["access-control-allow-private-network"], "true");
    // Without these headers it is no preflight, and OPTIONS is a method like any other.
    let plain = web().request(Method::OPTIONS, format!("{}/healthz", served.base)).header("Origin", LOCAL);
    assert_eq!(send(plain).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    served.end().await;
}

fn assert_no_permission(response: &Response) {
    let found = response.headers().keys().find(|name| name.as_str().starts_with("access-control-"));
    assert_eq!(found, None);
    assert!(words(response.headers(), "vary").contains(&"origin".to_owned()));
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_can_read_every_answer_and_every_refusal() {
    let served = Served::tuned(true, quick(), with_an_origin).await;
    let base = &served.base;
    let made = make(base, Some(ADA), "text_to_image", json!({ "prompt": "x" })).await;
    let link = made["files"][0]["download_url"].as_str().unwrap();
    let mcp = format!("{base}/mcp");
    let requests = || {
        [
            (post(base, Some(ADA), &ping()), 200),
            (post(base, None, &ping()), 401),
            (post(base, Some("wrong"), &ping()), 401),
            (web().post(&mcp).bearer_auth(ADA).header("Accept", "image/png").json(&ping()), 406),
            (web().post(&mcp).bearer_auth(ADA).header("Content-Type", "application/json").body("{bad"), 400),
            (web().post(&mcp).bearer_auth(ADA).body("{}"), 415),
            (web().get(&mcp).bearer_auth(ADA), 405),
            (web().get(&mcp).bearer_auth(ADA).header("Host", "evil.example"), 403),
            (post(base, Some(ADA), &json!({ "x": vec![0; 200_001] })), 413),
            (web().get(format!("{base}/nothing")), 404),
            (web().get(format!("{base}/files/a/b?expires=1&signature=b")), 404),
            (web().get(link), 200),
            (web().post(format!("{base}/uploads")).bearer_auth(ADA).body("?"), 201),
            (web().get(format!("{base}/sse")).bearer_auth(ADA), 200),
            (web().post(format!("{base}/messages?sessionId=1")).bearer_auth(ADA).json(&ping()), 404),
            (web().get(format!("{base}/healthz")), 200),
        ]
    };
    for origin in [LOCAL, NAMED] {
        for (request, status) in requests() {
            let response = send(request.header("Origin", origin)).await;
            assert_eq!(response.status().as_u16(), status, "{}", response.url());
            assert_eq!(response.headers()["access-control-allow-origin"], origin, "{status}");
            let exposed = words(response.headers(), "access-control-expose-headers");
            for name in ["mcp-session-id", "www-authenticate", "mcp-protocol-version"] {
                assert!(exposed.contains(&name.to_owned()), "{exposed:?}");
            }
            assert!(words(response.headers(), "vary").contains(&"origin".to_owned()));
        }
    }
    for (request, _) in requests() {
        let response = send(request.header("Origin", FOREIGN)).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{}", response.url());
        assert_no_permission(&response);
    }
    served.end().await;
}

#[tokio::test]
async fn the_page_at_the_address_explains_the_server_and_how_to_connect() {
    let served = Served::guarded().await;
    let response = send(web().get(format!("{}/", served.base))).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(
        policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    let page = response.text().await.unwrap();
    for part in [
        "minimax-mcp",
        env!("CARGO_PKG_VERSION"),
        "global region",
        "healthz",
        "docs/http.md",
        &format!("claude mcp add --transport http minimax {}/mcp", served.base),
        "codex mcp add",
        "mcpServers",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    for secret in [ADA, "sk-api-secret", served.dir.path().to_str().unwrap()] {
        assert!(!page.contains(secret), "{secret}");
    }
    served.end().await;
    let sandbox = Served::tuned(false, quick(), |config| "sandbox".clone_into(&mut config.account)).await;
    let page = send(web().get(&sandbox.base)).await.text().await.unwrap();
    assert!(page.contains("SANDBOX") && !page.contains("Authorization"), "{page}");
    sandbox.end().await;
}

#[tokio::test]
async fn an_address_that_a_person_types_is_answered_in_words() {
    let served = Served::open().await;
    for path in [
        "/files",
        "/files/",
        "/files/x",
        "/files/x/y",
        "/files/x/y?expires=a&signature=b",
        "/files/x/y?expires=1&signature=b",
    ] {
        let url = format!("{}{path}", served.base);
        let response = send(web().get(&url).header("Accept", "text/html, */*;q=0.8")).await;
        assert!([400, 404, 410].contains(&response.status().as_u16()), "{path}");
        let words = "Unknown or expired link. get_job gives a fresh one.";
        assert_eq!(response.text().await.unwrap(), format!("{words}\n"), "{path}");
        let response = send(web().get(&url)).await;
        let status = response.status().as_u16();
        let refusal: serde_json::Value = response.json().await.unwrap();
        assert_eq!(refusal, serde_json::json!({ "error": { "status": status, "message": words } }), "{path}");
    }
    for (path, allowed) in [("/uploads", "POST"), ("/uploads/a/b.png", "DELETE")] {
        let response = send(web().get(format!("{}{path}", served.base))).await;
        assert_eq!(
            (response.status(), &response.headers()["allow"]),
            (StatusCode::METHOD_NOT_ALLOWED, &allowed.parse().unwrap())
        );
        assert!(response.text().await.unwrap().contains("POST a file to /uploads"), "{path}");
    }
    served.end().await;
}
