//! The overlay of the user's facts, tested with the real program, because a process reads the facts only once.

use std::path::Path;

use minimax_mcp::sandbox::{Options, Sandbox};
use serde_json::{Value, json};

use crate::harness::{Program, quick};

/// The program's responses to some calls, with this content as MINIMAX_FACTS_FILE.
async fn answers(content: Option<&'static str>, calls: Vec<(&'static str, Value)>) -> (Vec<Value>, usize) {
    let sandbox = Sandbox::start(Options { pace: quick(), ..Options::default() }).await.unwrap();
    let url = sandbox.url();
    let dir = tempfile::tempdir().unwrap();
    let facts = dir.path().join("facts.json");
    if let Some(content) = content {
        std::fs::write(&facts, content).unwrap();
    }
    let folder = dir.path().to_owned();
    let results = tokio::task::spawn_blocking(move || {
        let path = |path: &Path| path.display().to_string();
        let mut program = Program::start(
            &[],
            &[
                ("HOME", &path(&folder)),
                ("USERPROFILE", &path(&folder)),
                ("MINIMAX_API_HOST", &url),
                ("MINIMAX_SANDBOX", "true"),
                ("MINIMAX_API_KEY", "sk-api-secret"),
                ("MINIMAX_MCP_BASE_PATH", &path(&folder.join("out"))),
                ("MINIMAX_DATA_DIR", &path(&folder.join("data"))),
                ("MINIMAX_FACTS_FILE", &path(&facts)),
            ],
        );
        program.initialize("2025-06-18");
        calls.into_iter().map(|(tool, arguments)| program.call(tool, arguments)).collect()
    });
    (results.await.unwrap(), sandbox.requests().len())
}

#[tokio::test]
async fn new_models_prices_and_codes_need_no_release() {
    let content = r#"{
        "as_of": "2027-01-01",
        "aliases": {"next": "image-02"},
        "image": [{"model": "image-02", "aspect_ratios": ["1:1"], "sizes": false, "styles": false, "each": {"USD": 0.5}}],
        "calls": [{"alias": "web_search", "each": {"USD": 0.02}}],
        "models": [{"model": "MiniMax-M4-Preview", "context": 1000000, "max_output": 1000, "thinking": "never",
                    "per_million": [{"USD": {"input": 100.0, "output": 0.0}}]},
                   {"model": "MiniMax-M2.1", "context": 204800, "max_output": 1000, "thinking": "always",
                    "per_million": [{"USD": {"input": 100.0, "output": 0.0}}]}],
        "system": [["English_expressive_narrator", "Renamed narrator", "en", ""]]
    }"#;
    let calls = vec![
        ("text_to_image", json!({ "prompt": "x", "model": "next", "n": 2, "dry_run": true })),
        ("text_to_image", json!({ "prompt": "x", "model": "next", "aspect_ratio": "16:9", "dry_run": true })),
        ("text_to_image", json!({ "prompt": "x", "dry_run": true })),
        ("web_search", json!({ "query": "x" })),
        ("list_models", json!({ "kind": "image" })),
        ("list_models", json!({ "kind": "text" })),
        ("chat", json!({ "prompt": "x", "model": "MiniMax-M2.1" })),
        ("list_voices", json!({ "query": "Renamed narrator" })),
    ];
    let (results, _) = answers(Some(content), calls).await;
    let view = |index: usize| &results[index]["structuredContent"];
    assert_eq!((&view(0)["model"], &view(0)["cost"]["estimated"]), (&json!("image-02"), &json!(1.0)));
    assert!(results[1].to_string().contains("image-02 takes 1:1"), "{}", results[1]);
    assert_eq!(view(2)["cost"]["estimated"], 0.0035, "rows that are not named stay");
    assert_eq!(view(3)["cost"]["estimated"], 0.02);
    assert_eq!((&view(4)["as_of"], view(4)["models"].as_array().unwrap().len()), (&json!("2027-01-01"), 3));
    let m4 = view(5)["models"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["model"] == "MiniMax-M4-Preview")
        .unwrap();
    assert!(m4["price"].to_string().contains("100"), "{m4}");
    let input_tokens = view(6)["usage"]["input_tokens"].as_f64().unwrap_or_else(|| panic!("{}", results[6]));
    assert_eq!(view(6)["cost"]["actual"].as_f64(), Some(input_tokens / 10_000.0), "{}", results[6]);
    assert_eq!(view(7)["voices"][0]["name"], "Renamed narrator", "{}", results[7]);
}

#[tokio::test]
async fn an_unusable_facts_file_is_reported_by_each_call_and_nothing_is_sent() {
    for (content, parts) in [
        (None, ["MINIMAX_FACTS_FILE", "cannot be read"]),
        (Some("{ not json"), ["MINIMAX_FACTS_FILE", "is not JSON"]),
        (Some(r#"{"imags": []}"#), ["MINIMAX_FACTS_FILE", "imags"]),
        (Some(r#"{"image": [{"model": "image-02"}]}"#), ["MINIMAX_FACTS_FILE", "aspect_ratios"]),
        // A price that would not count.
        (
            Some(r#"{"calls": [{"alias": "web_search", "each": {"usd": 1}}]}"#),
            ["unknown field `usd`", "expected `USD` or `CNY`"],
        ),
        // A price and a list of models under a wrong name would be ignored without a word.
        (
            Some(
                r#"{"image": [{"model": "image-01", "aspect_ratios": [], "sizes": true, "styles": false, "price": {"USD": 1}}]}"#,
            ),
            ["unknown field `price`", "`each`"],
        ),
        (
            Some(
                r#"{"plan": {"entitlements": [{"id": "generate_video", "in_plan": true, "model": ["MiniMax-H3"]}]}}"#,
            ),
            ["unknown field `model`", "`models`"],
        ),
    ] {
        let calls = vec![
            ("text_to_image", json!({ "prompt": "x" })),
            ("web_search", json!({ "query": "x" })),
            ("list_files", json!({})),
            ("list_models", json!({})),
        ];
        let (results, sent) = answers(content, calls).await;
        for (index, result) in results.iter().enumerate() {
            let told = result.to_string();
            assert!(parts.iter().all(|part| told.contains(part)), "{told}");
            assert_eq!(result["isError"] == json!(true), index < 3, "list_models answers from the tables");
        }
        assert_eq!(sent, 0);
    }
}
