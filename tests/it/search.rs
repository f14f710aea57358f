//! `web_search` and `embed_text`.

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::{Value, json};

use crate::harness::{World, quick, text};

#[tokio::test]
async fn a_search_returns_pages_and_related_queries() {
    let world = World::new().await;
    let result = world.call("web_search", json!({ "query": " rust mcp server " })).await;
    let view = result.structured_content.clone().unwrap();
    assert_eq!(world.last_body(), json!({ "q": "rust mcp server" }));
    assert_eq!(view["results"].as_array().unwrap().len(), 3);
    assert_eq!(
        view["results"][0],
        json!({ "title": "rust mcp server, page 1", "link": "https://example.com/1",
            "snippet": "What page 1 says about rust mcp server.", "date": "2026-10-01" })
    );
    assert_eq!(view["related"], json!(["rust mcp server explained"]));
    assert_eq!((view["cost"].get("estimated"), view["cost"].get("actual")), (None, None), "unknown is not 0");
    let shown = text(&result);
    for part in ["https://example.com/3", "Related: rust mcp server explained"] {
        assert!(shown.contains(part), "{shown}");
    }
    let nothing = world.call("web_search", json!({ "query": "#nothing" })).await;
    assert!(text(&nothing).contains("Nothing was found."));
    assert!(world.refusal("web_search", json!({ "query": "  " })).await.contains("`query`"));
}

#[tokio::test]
async fn a_search_is_sent_again_only_if_it_was_not_accepted() {
    let world = World::new().await;
    let refuse = |code| Act::Refuse { code, message: None, retry_after: None };
    for (act, tries, part) in [
        (refuse(1000), 1, "1000"),
        (Act::ResetAfter, 1, "was lost before MiniMax had answered"),
        (refuse(2038), 1, "identity"),
        (refuse(2056), 1, "window"),
    ] {
        world.sandbox.script(vec![Rule::always("/v1/coding_plan/search", act.clone())]);
        let before = world.sandbox.requests().len();
        let refusal = world.refusal("web_search", json!({ "query": "x" })).await;
        assert_eq!(world.sandbox.requests().len() - before, tries, "{act:?}");
        assert!(refusal.contains(part), "{act:?}: {refusal}");
    }
    world.sandbox.script(vec![Rule::once("/v1/coding_plan/search", refuse(1002))]);
    world.make("web_search", json!({ "query": "x" })).await;
}

#[tokio::test]
async fn vectors_are_a_file_and_here_too_when_they_are_few() {
    let world = World::with(quick(), &[("MINIMAX_TOOLSETS", "legacy")]).await;
    let view = world.make("embed_text", json!({ "texts": ["one"] })).await;
    assert_eq!(world.last_body(), json!({ "model": "embo-01", "type": "db", "texts": ["one"] }));
    assert_eq!((&view["count"], &view["dimensions"]), (&json!(1), &json!(1536)));
    let path = view["path"].as_str().unwrap();
    let kept: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(kept, view["vectors"]);
    let texts: Vec<_> = (0..50).map(|number| format!("text {number}")).collect();
    let result =
        world.call("embed_text", json!({ "texts": texts, "kind": "query", "model": "embo-01" })).await;
    assert_eq!(world.last_body(), json!({ "model": "embo-01", "type": "query", "texts": texts }));
    let view = result.structured_content.clone().unwrap();
    assert_eq!((&view["count"], view.get("vectors")), (&json!(50), None));
    assert!(serde_json::to_string(&result).unwrap().len() < 64 * 1024);
    for (arguments, part) in [
        (json!({ "texts": [] }), "`texts`"),
        (json!({ "texts": ["a", " "] }), "none of them empty"),
        (json!({ "texts": vec!["a"; 101] }), "at most 100"),
        (json!({ "texts": ["a"], "kind": "both" }), "db, query"),
    ] {
        let refusal = world.refusal("embed_text", arguments).await;
        assert!(refusal.contains(part), "{refusal}");
    }
    assert_eq!(world.bought(), 2);
}
