//! Video generation V1, and templates.

use minimax_sandbox::{Options, Pace};
use serde_json::{Value, json};

use super::{World, film, image, picture, video, video_v2, with};

#[tokio::test]
async fn a_video_takes_three_steps() {
    let world = World::with(Options {
        pace: Pace { polls: 3, seconds: 0.0, ..Pace::default() },
        ..Options::default()
    })
    .await;
    let (_, answer) = world.post("/v1/video_generation", video()).await;
    let query = format!("/v1/query/video_generation?task_id={}", answer["task_id"].as_str().unwrap());
    for status in ["Preparing", "Queueing", "Processing"] {
        let (_, task) = world.get(&query).await;
        assert_eq!((&task["status"], &task["file_id"]), (&json!(status), &json!("")));
        assert_eq!(task["base_resp"]["status_code"], 0);
    }
    let (_, task) = world.get(&query).await;
    assert_eq!(task["status"], "Success");
    assert_eq!((&task["video_width"], &task["video_height"]), (&json!(1366), &json!(768)));
    // The id is a string here and a number there, and too large for a floating-point number.
    let id = task["file_id"].as_str().unwrap();
    let (_, first) = world.get(&format!("/v1/files/retrieve?file_id={id}")).await;
    assert_eq!(first["file"]["file_id"], id.parse::<i64>().unwrap());
    assert!(first["file"]["file_id"].as_i64().unwrap() > 1 << 53);
    assert_eq!(film(&world.bytes(&first["file"]["download_url"]).await), (6.0, (1366, 768)));
}

#[tokio::test]
async fn a_video_is_as_long_as_asked_and_shaped_like_its_first_frame() {
    let world = World::new().await;
    let shown = async |fields: Value| {
        let (_, answer) = world.post("/v1/video_generation", with(&video(), fields)).await;
        let id = answer["task_id"].as_str().unwrap_or_else(|| panic!("{answer}"));
        let (_, task) = world.get(&format!("/v1/query/video_generation?task_id={id}")).await;
        let (_, file) =
            world.get(&format!("/v1/files/retrieve?file_id={}", task["file_id"].as_str().unwrap())).await;
        film(&world.bytes(&file["file"]["download_url"]).await)
    };
    assert_eq!(shown(json!({"duration": 10})).await, (10.0, (1366, 768)));
    let framed =
        json!({"model": "MiniMax-Hailuo-02", "resolution": "512P", "first_frame_image": picture(400, 600)});
    assert_eq!(shown(framed).await, (6.0, (512, 768)));
    // The link leads to a picture of the sandbox, which reads it.
    let (_, drawn) = world.post("/v1/image_generation", with(&image(), json!({"aspect_ratio": "4:3"}))).await;
    let link = &drawn["data"]["image_urls"][0];
    let both = json!({"first_frame_image": link, "last_frame_image": picture(400, 400)});
    let last = with(&both, json!({"model": "MiniMax-Hailuo-02"}));
    assert_eq!(shown(last).await, (6.0, (1024, 768)));
    let subject = json!([{"type": "character", "image": [picture(400, 400)]}]);
    assert_eq!(shown(json!({"model": "S2V-01", "subject_reference": subject})).await, (6.0, (1280, 720)));
}

#[tokio::test]
async fn an_unsupported_option_of_a_video_model_is_refused() {
    let world = World::new().await;
    let frame = picture(400, 400);
    let both = json!({"first_frame_image": frame, "last_frame_image": frame});
    for (fields, named) in [
        (json!({"model": "MiniMax-Hailuo-03"}), "model"),
        (json!({"model": "MiniMax-Hailuo-2.3-Fast"}), "first_frame_image"),
        (json!({"model": "I2V-01"}), "first_frame_image"),
        (json!({"model": "S2V-01"}), "subject_reference"),
        (json!({"model": "T2V-01", "first_frame_image": frame}), "no image"),
        (json!({"last_frame_image": frame}), "last_frame_image"),
        (json!({"prompt": " "}), "prompt"),
        (json!({"prompt": "x".repeat(2001)}), "prompt"),
        (json!({"resolution": "1080P", "duration": 10}), "duration"),
        (json!({"duration": 7}), "duration"),
        (json!({"duration": "6"}), "duration"),
        (json!({"resolution": "768p"}), "resolution"),
        (json!({"resolution": "512P"}), "resolution"),
        (json!({"model": "T2V-01", "resolution": "768P"}), "resolution"),
        (json!({"model": "T2V-01", "fast_pretreatment": true}), "fast_pretreatment"),
        (with(&both, json!({"model": "MiniMax-Hailuo-02", "resolution": "512P"})), "resolution"),
        (json!({"first_frame_image": picture(300, 400)}), "first_frame_image"),
        (json!({"first_frame_image": picture(1000, 310)}), "first_frame_image"),
        (json!({"first_frame_image": "mm_file://1"}), "mm_file"),
    ] {
        world.refuses("/v1/video_generation", with(&video(), fields), named).await;
    }
    let (_, answer) = world.get("/v1/query/video_generation?task_id=1").await;
    assert_eq!(answer["base_resp"]["status_code"], 2013);
}

#[tokio::test]
async fn a_task_can_fail_after_it_was_accepted() {
    let world = World::new().await;
    let (_, answer) =
        world.post("/v1/video_generation", with(&video(), json!({"prompt": "#failtask"}))).await;
    let (_, task) = world
        .get(&format!("/v1/query/video_generation?task_id={}", answer["task_id"].as_str().unwrap()))
        .await;
    assert_eq!((&task["status"], &task["base_resp"]["status_code"]), (&json!("Fail"), &json!(1027)));
    let content = json!([{"type": "text", "text": "#failtask"}]);
    let (_, answer) =
        world.post("/v2/video_generation", with(&video_v2(), json!({"content": content}))).await;
    let (_, task) =
        world.get(&format!("/v2/query/video_generation/{}", answer["task_id"].as_str().unwrap())).await;
    assert_eq!((&task["task"]["status"], &task["task"]["error"]["code"]), (&json!("failed"), &json!("1027")));
}

#[tokio::test]
async fn a_template_needs_its_inputs_and_gives_a_link() {
    let world = World::new().await;
    let survival = json!({"template_id": "393769180141805569", "text_inputs": [{"value": "lion"}]});
    world.refuses("/v1/video_template_generation", survival.clone(), "media_inputs").await;
    world.refuses("/v1/video_template_generation", json!({"template_id": "lions"}), "template_id").await;
    let body = with(&survival, json!({"media_inputs": [{"value": picture(400, 300)}]}));
    let (_, answer) = world.post("/v1/video_template_generation", body).await;
    let id = answer["task_id"].as_str().unwrap();
    let (_, task) = world.get(&format!("/v1/query/video_template_generation?task_id={id}")).await;
    assert_eq!(task["status"], "Success");
    assert_eq!(film(&world.bytes(&task["video_url"]).await), (6.0, (1280, 720)));
    let (_, elsewhere) = world.get(&format!("/v1/query/video_generation?task_id={id}")).await;
    assert_eq!(elsewhere["base_resp"]["status_code"], 2013, "it is no task of another endpoint");
}
