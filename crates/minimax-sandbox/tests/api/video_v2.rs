//! Video generation V2.

use minimax_sandbox::{Options, Pace};
use reqwest::Method;
use serde_json::{Value, json};

use super::{World, film, find, picture, read, video_v2, with};

#[tokio::test]
async fn a_v2_video_is_queued_then_running_then_there() {
    let world = World::with(Options {
        pace: Pace { polls: 2, seconds: 0.0, ..Pace::default() },
        ..Options::default()
    })
    .await;
    let (status, answer) =
        world.post("/v2/video_generation", with(&video_v2(), json!({"duration": 5}))).await;
    assert_eq!((status, answer.as_object().unwrap().len()), (200, 1), "only a task_id: {answer}");
    let path = format!("/v2/query/video_generation/{}", answer["task_id"].as_str().unwrap());
    for status in ["queued", "running"] {
        let (_, answer) = world.get(&path).await;
        assert_eq!((&answer["task"]["status"], &answer["task"]["usage"]), (&json!(status), &json!({})));
        assert_eq!(answer["task"].get("content"), None);
    }
    let (_, answer) = world.get(&path).await;
    let task = &answer["task"];
    assert_eq!(
        (&task["status"], &task["duration"], &task["ratio"]),
        (&json!("succeeded"), &json!(5), &json!("1:1"))
    );
    assert_eq!(task["usage"]["output_seconds"], 5);
    let bytes = world.bytes(&task["content"]["url"]).await;
    let (seconds, size) = film(&bytes);
    assert_eq!(size, (480, 480));
    assert!((seconds - 124.0 / 24.0).abs() < 0.002, "5 s become 124 frames, not {seconds} s");
    find(&bytes, b"mp4a");
}

#[tokio::test]
async fn an_unsupported_option_of_a_v2_model_is_refused() {
    let world = World::new().await;
    let (words, frame) = (json!({"type": "text", "text": "x"}), picture(400, 400));
    let item = |role: &str| json!({"type": "image_url", "image_url": {"url": frame}, "role": role});
    let link = json!({"url": "https://example.com/a.mp3"});
    let sound = json!({"type": "audio_url", "audio_url": link, "role": "reference_audio"});
    let content = |items: Value| json!({"content": items});
    for (fields, named) in [
        (json!({"model": "MiniMax-H4"}), "model"),
        (content(json!([])), "content"),
        (content(json!([item("first_frame")])), "content must include a non-empty text item"),
        (content(json!([words, item("first_frame"), item("reference_image")])), "cannot be combined"),
        (content(json!([words, item("first_frame"), item("first_frame")])), "first_frame"),
        (
            content(json!([words, {"type": "image_url", "image_url": {"url": "x"}}, item("last_frame")])),
            "role is required",
        ),
        (content(json!([words, sound])), "reference_audio needs"),
        (content(json!([words, words])), "text item"),
        (content(json!([words, {"type": "image_url", "url": "x"}])), "url"),
        (content(json!([words, {"type": "image_url", "image_url": {"url": picture(200, 300)}}])), "256"),
        (json!({"resolution": "2K"}), "resolution"),
        (json!({"model": "MiniMax-H3", "resolution": "480P"}), "resolution"),
        (json!({"duration": 3}), "duration"),
        (json!({"duration": 16}), "duration"),
        (json!({"model": "MiniMax-H3-Max", "duration": 4}), "duration"),
        (json!({"ratio": "adaptive"}), "ratio"),
        (with(&content(json!([words, item("reference_image")])), json!({"ratio": "adaptive"})), "ratio"),
        (json!({"ratio": "3:2"}), "ratio"),
        (json!({"extra": {"prompt_expansion_mode": "quality"}}), "extra"),
        (json!({"model": "MiniMax-H3-Max", "duration": 5, "extra": {"mode": 1}}), "extra.mode"),
        (json!({"prompt": "x"}), "unknown field prompt"),
    ] {
        world.refuses_v2(with(&video_v2(), fields), named).await;
    }
    let (status, answer) = world.get("/v2/query/video_generation/424010985738629").await;
    assert_eq!((status, &answer["error"]["message"]), (400, &json!("invalid task_id (2013)")));
    assert!(answer["request_id"].is_string());
}

#[tokio::test]
async fn v2_tasks_are_listed_cancelled_and_deleted() {
    let world = World::with(Options {
        pace: Pace { polls: 2, seconds: 0.0, ..Pace::default() },
        ..Options::default()
    })
    .await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let (_, answer) = world.post("/v2/video_generation", video_v2()).await;
        ids.push(answer["task_id"].as_str().unwrap().to_owned());
    }
    let remove = async |id: &str| {
        let path = format!("/v2/video_generation/{id}");
        read(world.request(Method::DELETE, &path).send().await.unwrap()).await
    };
    let cancelled = json!({"task_id": ids[0], "action": "cancelled", "status": "cancelled"});
    assert_eq!(remove(&ids[0]).await, (200, cancelled));
    assert_eq!(remove(&ids[0]).await.0, 400, "cancelled is final");
    world.get(&format!("/v2/query/video_generation/{}", ids[1])).await;
    assert_eq!(remove(&ids[1]).await.0, 400, "running cannot be stopped");
    for _ in 0..2 {
        world.get(&format!("/v2/query/video_generation/{}", ids[1])).await;
    }
    let (_, list) =
        world.get("/v2/query/video_generation?filter.status=succeeded&filter.model=MiniMax-H3-Lite").await;
    assert_eq!((&list["total"], &list["items"][0]["id"]), (&json!(1), &json!(ids[1])));
    let path = format!(
        "/v2/query/video_generation?page_size=1&filter.task_ids={}&filter.task_ids={}",
        ids[0], ids[2]
    );
    let (_, list) = world.get(&path).await;
    assert_eq!((&list["total"], list["items"].as_array().unwrap().len()), (&json!(2), 1));
    let deleted = json!({"task_id": ids[1], "action": "deleted", "status": "succeeded"});
    assert_eq!(remove(&ids[1]).await, (200, deleted));
    assert_eq!(world.get(&format!("/v2/query/video_generation/{}", ids[1])).await.0, 400);
}
