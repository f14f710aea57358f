//! Prompt enhancement and video regeneration.

use serde_json::{Value, json};

use super::{World, film, picture, video_v2, with};

fn enrich() -> Value {
    json!({"model": "MiniMax-H3", "content": [{"type": "text", "text": "a glacier"}], "duration": 5, "ratio": "16:9"})
}

/// Asserts that the envelope names the field, and that nothing more was billed.
async fn refuses(world: &World, path: &str, body: Value, named: &str) {
    let before = world.sandbox.paid().len();
    let (status, answer) = world.post(path, body.clone()).await;
    let message = answer["error"]["message"].as_str().unwrap_or_default();
    assert!(status == 400 && message.contains(named) && message.ends_with("(2013)"), "{body} got {answer}");
    assert_eq!(world.sandbox.paid().len(), before, "{body} was billed");
}

#[tokio::test]
async fn a_prompt_is_enriched_and_listed_as_a_text() {
    let world = World::new().await;
    let (status, answer) = world.post("/v2/h3_context_ir", enrich()).await;
    assert_eq!((status, answer.as_object().unwrap().len()), (200, 1));
    let path = format!("/v2/query/video_generation/{}", answer["task_id"].as_str().unwrap());
    let (_, answer) = world.get(&path).await;
    let task = &answer["task"];
    assert!(task["content"]["prompt"].as_str().unwrap().contains("overall_soundscape"));
    assert_eq!((&task["task_type"], &task["modality"]), (&json!("h3_context_ir"), &json!("text")));
    assert_eq!((task.get("resolution"), task["content"].get("url")), (None, None));
    let sum = task["usage"]["prompt_tokens"].as_u64().unwrap()
        + task["usage"]["completion_tokens"].as_u64().unwrap();
    assert_eq!(task["usage"]["total_tokens"], sum);
    let (_, list) = world.get("/v2/query/video_generation?filter.task_type=h3_context_ir").await;
    assert_eq!((&list["total"], &list["items"][0]["id"]), (&json!(1), &task["id"]));
    let (_, list) = world.get("/v2/query/video_generation?filter.task_type=generation").await;
    assert_eq!(list["total"], 0);
    for (fields, named) in [
        (json!({"model": "MiniMax-H3-Max"}), "model"),
        (json!({"resolution": "768P"}), "unknown field resolution"),
        (json!({"duration": 16}), "duration"),
        (json!({"ratio": "adaptive"}), "ratio"),
        (json!({"content": [{"type": "text", "text": "x".repeat(7001)}]}), "text"),
    ] {
        refuses(&world, "/v2/h3_context_ir", with(&enrich(), fields), named).await;
    }
}

#[tokio::test]
async fn a_video_is_made_again_in_2k_by_its_task_or_from_its_file() {
    let world = World::new().await;
    let small = with(&video_v2(), json!({"model": "MiniMax-H3", "resolution": "768P", "duration": 4}));
    let (_, small) = world.post("/v2/video_generation", small).await;
    let query = async |answer: &Value| {
        let (_, answer) =
            world.get(&format!("/v2/query/video_generation/{}", answer["task_id"].as_str().unwrap())).await;
        answer["task"].clone()
    };
    let order = json!({"model": "MiniMax-H3", "resolution": "2K"});
    let by_task = with(&order, json!({"source_task_id": small["task_id"]}));
    let source = query(&small).await;
    let (_, large) = world.post("/v2/video_regeneration", by_task.clone()).await;
    let task = query(&large).await;
    assert_eq!((&task["task_type"], &task["resolution"]), (&json!("regeneration"), &json!("2K")));
    assert_eq!(film(&world.bytes(&task["content"]["url"]).await).1, (1440, 1440));
    let base = |url: &Value| {
        let item = json!({"type": "video_url", "video_url": {"url": url}, "role": "base_video"});
        json!({"content": [{"type": "text", "text": "x".repeat(9000)}, item]})
    };
    let (status, answer) =
        world.post("/v2/video_regeneration", with(&order, base(&source["content"]["url"]))).await;
    assert_eq!(status, 200, "{answer}");
    // Anything but a suitable small video is rejected.
    let (_, hailuo) = world.post("/v1/video_generation", super::video()).await;
    let id = hailuo["task_id"].as_str().unwrap();
    let (_, hailuo) = world.get(&format!("/v1/query/video_generation?task_id={id}")).await;
    let file = hailuo["file_id"].as_str().unwrap();
    let (_, file) = world.get(&format!("/v1/files/retrieve?file_id={file}")).await;
    let text = json!({"type": "text", "text": "x"});
    for (fields, named) in [
        (json!({}), "exactly one of source_task_id and content"),
        (with(&by_task, base(&source["content"]["url"])), "exactly one of"),
        (json!({"source_task_id": "1"}), "invalid task_id"),
        (json!({"source_task_id": large["task_id"]}), "768P generation"),
        (with(&by_task, json!({"resolution": "768P"})), "resolution"),
        (with(&by_task, json!({"duration": 5})), "unknown field duration"),
        (json!({"content": [text, text]}), "at most one text item"),
        (
            json!({"content": [text, {"type": "image_url", "image_url": {"url": picture(400, 400)}, "role": "first_frame"}]}),
            "exactly one base_video",
        ),
        (base(&task["content"]["url"]), "width x height"),
        (base(&file["file"]["download_url"]), "no audio track"),
    ] {
        refuses(&world, "/v2/video_regeneration", with(&order, fields), named).await;
    }
    // A normal generation does not take a base video.
    let mut generation = with(&video_v2(), base(&source["content"]["url"]));
    generation["content"][0]["text"] = json!("x");
    refuses(&world, "/v2/video_generation", generation, "role").await;
}
