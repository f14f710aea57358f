//! The log, and the ids that connect its lines.

use reqwest::StatusCode;
use serde_json::json;

use super::{Logged, Served, answer, calling, content, web};
use crate::harness::eventually;

const TOKEN: &str = "a-token-that-is-secret";

#[tokio::test]
async fn every_answer_carries_the_id_of_its_request() {
    let served = Served::new(true).await;
    let id = async |path: &str, given: Option<&str>| {
        let request = web().get(format!("{}{path}", served.base));
        let request = given.into_iter().fold(request, |request, id| request.header("X-Request-Id", id));
        let answer = request.send().await.unwrap();
        (answer.status(), answer.headers()["x-request-id"].to_str().unwrap().to_owned())
    };
    assert_eq!(id("/healthz", Some("one-2.3:4")).await, (StatusCode::OK, "one-2.3:4".to_owned()));
    assert_eq!(id("/mcp", Some("one")).await, (StatusCode::UNAUTHORIZED, "one".to_owned()));
    assert_eq!(id("/nowhere", Some("one")).await, (StatusCode::NOT_FOUND, "one".to_owned()));
    let long = "x".repeat(200);
    for bad in [None, Some("a b"), Some("a=\"b\""), Some("{}"), Some(long.as_str())] {
        let (_, made) = id("/healthz", bad).await;
        assert!(made.len() == 24 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{bad:?}: {made}");
    }
    assert_ne!(id("/healthz", None).await, id("/healthz", None).await);
    served.end().await;
}

#[tokio::test]
async fn each_line_of_a_call_and_of_its_job_carries_the_request_id_and_none_a_secret() {
    let (logged, base) = Logged::new(&[("MINIMAX_MCP_TOKEN", TOKEN)]).await;
    let called = async |id: &str, arguments: serde_json::Value| {
        let request = calling(&base, "generate_video", arguments, json!({}));
        answer(request.header("X-Request-Id", id).bearer_auth(TOKEN)).await
    };
    let prompt = json!({ "prompt": "A violet giraffe", "wait_seconds": 0 });
    let job = called("first-call", prompt).await["result"]["structuredContent"]["job_id"].clone();
    let job = job.as_str().expect("a job").to_owned();
    called("second-call", json!({ "prompt": "" })).await;
    let denied = calling(&base, "get_job", json!({}), json!({})).bearer_auth("a-token-that-is-unknown");
    assert_eq!(denied.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    eventually("the job ends", async || logged.log().contains("the job has ended")).await;

    let log = logged.log();
    let line = |words: &[&str]| {
        let found = log.lines().find(|line| words.iter().all(|word| line.contains(word)));
        found.unwrap_or_else(|| panic!("no line has {words:?} in {log}"))
    };
    let ended = line(&["the job has ended", "status=\"succeeded\"", "job{"]);
    assert!(ended.contains("request=\"first-call\"") && ended.contains(&job), "{ended}");
    let answered = line(&["answered", "request=\"first-call\"", "outcome=\"ok\""]);
    assert!(answered.contains(&job) && answered.contains("tool=\"generate_video\""), "{answered}");
    assert!(answered.contains("caller=\"") && !answered.contains("shared"), "{answered}");
    line(&["answered", "request=\"second-call\"", "outcome=\"argument\""]);
    for word in [TOKEN, "that-is-unknown", "sk-api-secret", "giraffe", "otel."] {
        assert!(!log.contains(word), "{word} in {log}");
    }
}

#[tokio::test]
async fn a_refusal_is_logged_with_the_id_that_minimax_support_asks_for() {
    let (logged, base) = Logged::new(&[]).await;
    logged.sandbox.script(vec![content()]);
    let request = calling(&base, "text_to_image", json!({ "prompt": "A violet giraffe" }), json!({}));
    answer(request.header("X-Request-Id", "refused-call")).await;
    let log = logged.log();
    let line = log.lines().find(|line| line.contains("a request to MiniMax failed")).expect(&log);
    for word in ["request=\"refused-call\"", "outcome=\"content\"", "code=1026", "minimax_trace=\""] {
        assert!(line.contains(word), "{word} in {line}");
    }
}

#[tokio::test]
async fn a_log_filter_of_the_user_takes_precedence() {
    let (silent, base) = Logged::new(&[("MINIMAX_LOG", "off,minimax_mcp::cli=info")]).await;
    answer(calling(&base, "list_models", json!({}), json!({}))).await;
    assert_eq!(silent.log().lines().count(), 1, "{}", silent.log());
}
