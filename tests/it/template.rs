//! `generate_video_from_template`.

use serde_json::json;

use crate::harness::World;

const PICTURE: &str = "https://example.com/a.jpg";

#[tokio::test]
async fn a_template_by_its_name_becomes_a_video() {
    let world = World::new().await;
    let arguments = json!({ "template_id": "Run for Life", "media": [PICTURE], "texts": ["lion"] });
    let view = world.make("generate_video_from_template", arguments).await;
    assert_eq!((&view["status"], &view["kind"]), (&json!("succeeded"), &json!("video")));
    assert_eq!(view["files"][0]["mime_type"], "video/mp4");
    assert!(view["files"][0]["path"].is_string() && view["task_id"].is_string(), "{view}");
    assert_eq!(view["cost"], json!({ "currency": "USD" }), "the price page is silent");
    assert_eq!(
        world.last_body(),
        json!({
            "template_id": "393769180141805569", "media_inputs": [{ "value": PICTURE }],
            "text_inputs": [{ "value": "lion" }],
        })
    );
}

#[tokio::test]
async fn an_image_of_an_earlier_job_goes_in_with_its_real_type() {
    let world = World::new().await;
    let image = world.make("text_to_image", json!({ "prompt": "A diver" })).await["files"][0]["uri"].clone();
    world.make("generate_video_from_template", json!({ "template_id": "DIVING", "media": image })).await;
    let body = world.last_body();
    assert_eq!(body["template_id"], "392753057216684038");
    assert!(body["media_inputs"][0]["value"].as_str().unwrap().starts_with("data:image/jpeg;base64,"));
    assert_eq!(body.get("text_inputs"), None);
}

#[tokio::test]
async fn a_number_that_is_not_in_the_table_is_sent_with_a_warning() {
    let world = World::new().await;
    let arguments = json!({ "template_id": 400_000_000_000_000_001_u64, "texts": ["a cat"] });
    let view = world.make("generate_video_from_template", arguments).await;
    assert!(view["warnings"][0].as_str().unwrap().contains("not in the tables"), "{view}");
    assert_eq!(
        world.last_body(),
        json!({ "template_id": "400000000000000001", "text_inputs": [{ "value": "a cat" }] })
    );
}

#[tokio::test]
async fn a_template_without_its_required_inputs_costs_nothing() {
    let world = World::new().await;
    for (arguments, parts) in [
        (json!({}), ["`template_id`", "diving"]),
        (json!({ "template_id": "transformers" }), ["`template_id` is \"transformers\"", "diving, rings"]),
        (json!({ "template_id": "diving" }), ["`media`", "an image"]),
        (json!({ "template_id": "survival", "media": [PICTURE] }), ["`texts`", "an animal"]),
        (json!({ "template_id": "diving", "media": [PICTURE], "texts": ["x"] }), ["`texts`", "no use"]),
        (json!({ "template_id": "anime life", "texts": ["x"], "media": [PICTURE] }), ["`media`", "no use"]),
        (
            json!({ "template_id": "survival", "media": [PICTURE], "texts": ["lion", " "] }),
            ["`texts[1]`", "empty"],
        ),
        (json!({ "template_id": "diving", "media": ["mm_file://1"] }), ["`media[0]`", "uploaded"]),
        (json!({ "template_id": "diving", "media": ["http://10.0.0.1/a.jpg"] }), ["`media[0]`", "10.0.0.1"]),
    ] {
        let refusal = world.refusal("generate_video_from_template", arguments.clone()).await;
        assert!(parts.iter().all(|part| refusal.contains(part)), "{arguments}: {refusal}");
    }
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[tokio::test]
async fn a_dry_run_sends_nothing_and_a_failed_task_says_why() {
    let world = World::new().await;
    let dry = json!({ "template_id": "diving", "media": [PICTURE], "dry_run": true });
    let view = world.make("generate_video_from_template", dry).await;
    assert_eq!((view.get("job_id"), view.get("model")), (None, None));
    assert_eq!(world.sandbox.requests().len(), 0);
    let failing = json!({ "template_id": "anime life", "texts": ["#failtask"] });
    let refusal = world.refusal("generate_video_from_template", failing).await;
    assert!(refusal.contains("output"), "{refusal}");
}
