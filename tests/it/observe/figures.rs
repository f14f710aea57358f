//! `/metrics`.

use reqwest::StatusCode;
use serde_json::json;

use super::{ADA, Served, answer, call, calling, content, figures, parsed, web};

#[tokio::test]
async fn metrics_count_calls_and_their_outcomes() {
    let served = Served::new(false).await;
    let base = &served.base;
    let before = figures(base).await;
    assert_eq!(before.get("minimax_mcp_records_readable"), Some(&1.0));
    assert!(!before.keys().any(|name| name.starts_with("minimax_mcp_tool_calls_total")));

    let image = json!({ "prompt": "A fox in the snow", "n": 2 });
    assert_ne!(call(base, "text_to_image", image).await["result"]["isError"], true);
    assert_eq!(call(base, "text_to_image", json!({ "prompt": "" })).await["result"]["isError"], true);
    assert_eq!(call(base, "get_job", json!({ "job_id": "image-none" })).await["result"]["isError"], true);
    call(base, "list_voices", json!({})).await;

    let after = figures(base).await;
    let figure = |name: &str| after.get(name).copied();
    for (name, value) in [
        ("minimax_mcp_tool_calls_total{tool=\"text_to_image\",outcome=\"ok\"}", 1.0),
        ("minimax_mcp_tool_calls_total{tool=\"text_to_image\",outcome=\"argument\"}", 1.0),
        ("minimax_mcp_tool_calls_total{tool=\"get_job\",outcome=\"not_found\"}", 1.0),
        ("minimax_mcp_tool_calls_total{tool=\"list_voices\",outcome=\"ok\"}", 1.0),
        ("minimax_mcp_tool_call_duration_seconds_count{tool=\"text_to_image\"}", 2.0),
        ("minimax_mcp_tool_call_duration_seconds_bucket{le=\"+Inf\",tool=\"text_to_image\"}", 2.0),
        ("minimax_mcp_tool_calls_in_progress", 0.0),
        ("minimax_mcp_upstream_requests_total{endpoint=\"/v1/image_generation\",outcome=\"ok\"}", 1.0),
        ("minimax_mcp_upstream_request_duration_seconds_count{endpoint=\"/v1/image_generation\"}", 1.0),
        ("minimax_mcp_jobs{kind=\"image\",status=\"succeeded\"}", 1.0),
        ("minimax_mcp_upstream_waiting{group=\"image\"}", 0.0),
        ("minimax_mcp_jobs_followed", 0.0),
    ] {
        assert_eq!(figure(name), Some(value), "{name} in {after:#?}");
    }
    let out = served.dir.path().join("out");
    let saved: u64 = crate::s3::results(&out).iter().map(|file| file.metadata().unwrap().len()).sum();
    #[expect(clippy::cast_precision_loss, reason = "some kilobytes")]
    let saved = saved as f64;
    assert!(saved > 0.0);
    assert_eq!(figure("minimax_mcp_downloaded_bytes_total"), Some(saved));
    served.end().await;
}

#[tokio::test]
async fn a_refusal_of_minimax_is_counted_by_its_kind() {
    let served = Served::new(false).await;
    served.sandbox.script(vec![content()]);
    let refused = call(&served.base, "text_to_image", json!({ "prompt": "A fox" })).await;
    let after = figures(&served.base).await;
    let upstream =
        "minimax_mcp_upstream_requests_total{endpoint=\"/v1/image_generation\",outcome=\"content\"}";
    assert_eq!(after.get(upstream), Some(&1.0), "{refused} {after:#?}");
    let tool = "minimax_mcp_tool_calls_total{tool=\"text_to_image\",outcome=\"job\"}";
    assert_eq!(after.get(tool), Some(&1.0), "{refused} {after:#?}");
    served.end().await;
}

#[tokio::test]
async fn unknown_tools_share_one_metric() {
    let served = Served::new(false).await;
    for name in ["x", "y\"} 1", "z\n# EOF", "ß", &"long".repeat(10_000)] {
        call(&served.base, name, json!({})).await;
    }
    let after = figures(&served.base).await;
    let calls: Vec<_> =
        after.iter().filter(|(name, _)| name.starts_with("minimax_mcp_tool_calls_total")).collect();
    let other = "minimax_mcp_tool_calls_total{tool=\"other\",outcome=\"protocol\"}".to_owned();
    assert_eq!(calls, [(&other, &5.0)]);
    served.end().await;
}

#[tokio::test]
async fn the_spending_in_the_metrics_equals_that_of_check_account() {
    let served = Served::new(false).await;
    for (tool, arguments) in [
        ("text_to_image", json!({ "prompt": "A fox", "n": 3 })),
        ("text_to_audio", json!({ "text": "A fox in the snow" })),
    ] {
        assert_ne!(call(&served.base, tool, arguments).await["result"]["isError"], true, "{tool}");
    }
    let account = call(&served.base, "check_account", json!({})).await;
    let spending = &account["result"]["structuredContent"]["spending"][0];
    assert!(spending["last_day"]["settled"].as_f64().unwrap() > 0.0, "{account}");
    let after = figures(&served.base).await;
    for (window, field) in [("day", "last_day"), ("process", "process")] {
        for state in ["settled", "reserved", "unknown"] {
            let name =
                format!("minimax_mcp_spending{{currency=\"USD\",window=\"{window}\",state=\"{state}\"}}");
            assert_eq!(after.get(&name).copied(), spending[field][state].as_f64(), "{name}");
        }
        let name = format!("minimax_mcp_spending_unpriced_purchases{{currency=\"USD\",window=\"{window}\"}}");
        assert_eq!(after.get(&name).copied(), spending[field]["unpriced_calls"].as_f64(), "{name}");
    }
    served.end().await;
}

#[tokio::test]
async fn metrics_need_a_token_and_name_no_caller() {
    let served = Served::new(true).await;
    let url = format!("{}/metrics", served.base);
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status();
    assert_eq!(status(web().get(&url)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(web().get(&url).bearer_auth("ada-0123456789abcdee")).await, StatusCode::UNAUTHORIZED);
    let strange = web().get(&url).bearer_auth(ADA).header("Host", "evil.example");
    assert_eq!(status(strange).await, StatusCode::FORBIDDEN);
    let page = web().get(&url).bearer_auth(ADA).header("Origin", "https://evil.example");
    assert_eq!(status(page).await, StatusCode::FORBIDDEN);

    let image = calling(&served.base, "text_to_image", json!({ "prompt": "A fox" }), json!({}));
    answer(image.bearer_auth(ADA)).await;
    let shown = web().get(&url).bearer_auth(ADA).send().await.unwrap();
    let kind = shown.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
    let text = shown.text().await.unwrap();
    assert!(parsed(&text).contains_key("minimax_mcp_jobs{kind=\"image\",status=\"succeeded\"}"), "{text}");
    for word in ["ada-", "\"ada", ":ada", "fox", "sk-api"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    served.end().await;
}
