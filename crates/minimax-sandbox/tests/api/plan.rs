//! Models, plans, balances, and the endpoints of the coding plan.

use minimax_sandbox::{Options, Sandbox};
use serde_json::json;

use super::{World, picture, with};

#[tokio::test]
async fn models_come_in_both_protocols() {
    let world = World::new().await;
    let (_, list) = world.get("/v1/models").await;
    let first = &list["data"][0];
    assert_eq!(
        (&list["object"], &first["object"], &first["owned_by"]),
        (&json!("list"), &json!("model"), &json!("minimax"))
    );
    let (_, one) = world.get("/v1/models/MiniMax-M3").await;
    assert_eq!(
        one,
        json!({"id": "MiniMax-M3", "object": "model", "created": 1_780_272_000, "owned_by": "minimax"})
    );
    let (status, answer) = world.get("/v1/models/nobody").await;
    assert_eq!((status, &answer["type"]), (400, &json!("error")));
    let (_, page) = world.get("/anthropic/v1/models?limit=2").await;
    assert_eq!((page["data"].as_array().unwrap().len(), &page["has_more"]), (2, &json!(true)));
    let next = format!("/anthropic/v1/models?limit=2&after_id={}", page["last_id"].as_str().unwrap());
    let (_, page) = world.get(&next).await;
    assert_ne!(page["first_id"], list["data"][0]["id"]);
    let (_, page) = world.get("/anthropic/v1/models").await;
    assert_eq!((&page["has_more"], &page["first_id"]), (&json!(false), &list["data"][0]["id"]));
    let (_, one) = world.get("/anthropic/v1/models/MiniMax-M3").await;
    assert_eq!((&one["type"], &one["created_at"]), (&json!("model"), &json!("2026-06-01T00:00:00Z")));
}

#[tokio::test]
async fn a_plan_and_a_balance_are_shown_to_their_own_kind_of_key() {
    let world = World::new().await;
    let (_, balance) = world.get("/account/query_balance").await;
    assert_eq!(
        (&balance["available_amount"], &balance["base_resp"]["status_code"]),
        (&json!("98.00"), &json!(0))
    );
    assert_eq!(world.get("/v1/token_plan/remains").await.1["base_resp"]["status_code"], 2062);
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let get = async |path: &str| {
        let request = world.client.get(format!("{}{path}", sandbox.url())).bearer_auth("sk-cp-a-plan");
        super::read(request.send().await.unwrap()).await.1
    };
    assert_eq!(get("/account/query_balance").await["base_resp"]["status_code"], 1004);
    let remains = get("/v1/token_plan/remains").await;
    let general = &remains["model_remains"][0];
    assert_eq!(
        (&general["model_name"], &general["current_interval_remaining_percent"]),
        (&json!("general"), &json!(58))
    );
    assert!(general["end_time"].as_u64().unwrap() > 1_700_000_000_000, "milliseconds");
}

#[tokio::test]
async fn endpoints_of_plans_refuse_unknown_fields() {
    let world = World::new().await;
    let image = picture(20, 10);
    let vlm = json!({"prompt": "What?", "image_url": image});
    let embed = json!({"model": "embo-01", "type": "db", "texts": ["a"]});
    let search = json!({"q": "rust"});
    for (path, good, bad) in [
        ("/v1/coding_plan/search", &search, vec![(json!({"q": ""}), "q"), (json!({"query": "x"}), "query")]),
        (
            "/v1/coding_plan/vlm",
            &vlm,
            vec![
                (json!({"image_url": "https://example.com/a.png"}), "data URL"),
                (json!({"image_url": image.replace("image/png", "image/jpeg")}), "bytes are"),
                (json!({"file_id": "12"}), "exactly one"),
                (json!({"model": "x"}), "model"),
            ],
        ),
        (
            "/v1/embeddings",
            &embed,
            vec![
                (json!({"type": "both"}), "type"),
                (json!({"texts": []}), "texts"),
                (json!({"texts": "a"}), "texts"),
                (json!({"model": "embo-02"}), "model"),
            ],
        ),
    ] {
        for (fields, named) in bad {
            world.refuses(path, with(good, fields), named).await;
        }
    }
    for (path, body) in
        [("/v1/coding_plan/search", search), ("/v1/coding_plan/vlm", vlm), ("/v1/embeddings", embed)]
    {
        let (_, answer) = world.post(path, body).await;
        assert_eq!(answer["base_resp"]["status_code"], 0, "{path}: {answer}");
    }
    assert_eq!(world.sandbox.paid().len(), 3);
}
