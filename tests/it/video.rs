//! `generate_video` and `query_video_generation`, in every mode.

use serde_json::{Value, json};

use crate::harness::{World, quick};
use crate::s3;

/// An image that every mode accepts, as a file that the server may read.
async fn picture(world: &World) -> String {
    let made = world.make("text_to_image", json!({ "prompt": "A face", "aspect_ratio": "16:9" })).await;
    made["files"][0]["uri"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_video_is_made_from_an_image_of_an_earlier_job() {
    let world = World::new().await;
    let frame = picture(&world).await;
    let view = world.make("generate_video", json!({ "prompt": "She smiles", "image_url": frame })).await;
    assert_eq!((&view["status"], &view["model"]), (&json!("succeeded"), &json!("MiniMax-Hailuo-2.3")));
    let file = &view["files"][0];
    assert_eq!((&file["width"], &file["height"]), (&json!(1366), &json!(768)));
    assert_eq!(file["duration_ms"], 6000);
    assert_eq!(view["cost"]["actual"], 0.28);
    assert_eq!(file["bytes"], s3::content(&file["path"]).len());
    let body = world.last_body();
    assert!(body["first_frame_image"].as_str().unwrap().starts_with("data:image/jpeg;base64,"));
    assert_eq!((&body["duration"], &body["resolution"]), (&json!(6), &json!("768P")));
}

#[tokio::test]
async fn every_mode_of_v1_reaches_the_model_that_can_do_it() {
    let world = World::new().await;
    let image = picture(&world).await;
    for (arguments, model, field) in [
        (json!({ "prompt": "A fox" }), "MiniMax-Hailuo-2.3", "prompt"),
        (json!({ "first_frame_image": image }), "MiniMax-Hailuo-2.3", "first_frame_image"),
        (json!({ "last_frame_image": image }), "MiniMax-Hailuo-02", "last_frame_image"),
        (json!({ "first_frame": image, "last_frame": image }), "MiniMax-Hailuo-02", "last_frame_image"),
        (json!({ "subject_reference": image, "prompt": "She runs" }), "S2V-01", "subject_reference"),
        (
            json!({ "model": "hailuo-2.3", "prompt": "A fox", "resolution": "1080p" }),
            "MiniMax-Hailuo-2.3",
            "resolution",
        ),
        (
            json!({ "model": "MiniMax-Hailuo-02", "first_frame": image, "resolution": "512P", "duration": 10 }),
            "MiniMax-Hailuo-02",
            "first_frame_image",
        ),
    ] {
        let view = world.make("generate_video", arguments.clone()).await;
        let body = world.last_body();
        assert_eq!(
            (body["model"].as_str(), view["status"].as_str()),
            (Some(model), Some("succeeded")),
            "{arguments}"
        );
        assert!(body.get(field).is_some(), "{arguments}: {field} did not leave");
    }
}

#[tokio::test]
async fn every_mode_of_h3_is_sent_as_documented() {
    let world = World::new().await;
    let image = "https://example.com/a.png";
    let content = |parts: Value| parts;
    for (arguments, expected, ratio) in [
        (json!({ "prompt": "A fox", "model": "h3" }), content(json!([])), "16:9"),
        (
            json!({ "prompt": "A fox", "model": "h3", "first_frame_image": image }),
            json!([{ "type": "image_url", "image_url": { "url": image }, "role": "first_frame" }]),
            "adaptive",
        ),
        (
            json!({ "prompt": "A fox", "model": "h3", "first_frame_image": image, "last_frame_image": image }),
            json!([
                { "type": "image_url", "image_url": { "url": image }, "role": "first_frame" },
                { "type": "image_url", "image_url": { "url": image }, "role": "last_frame" },
            ]),
            "adaptive",
        ),
        (
            json!({
                "prompt": "A fox", "reference_images": [image, "mm_file://123"],
                "reference_videos": ["https://example.com/a.mp4"], "reference_audios": ["https://example.com/a.mp3"],
            }),
            json!([
                { "type": "image_url", "image_url": { "url": image }, "role": "reference_image" },
                { "type": "image_url", "image_url": { "url": "mm_file://123" }, "role": "reference_image" },
                { "type": "video_url", "video_url": { "url": "https://example.com/a.mp4" }, "role": "reference_video" },
                { "type": "audio_url", "audio_url": { "url": "https://example.com/a.mp3" }, "role": "reference_audio" },
            ]),
            "adaptive",
        ),
    ] {
        let dry = world.make("generate_video", merge(&arguments, json!({ "dry_run": true }))).await;
        assert_eq!(dry["model"], "MiniMax-H3");
        let result = world.call("generate_video", merge(&arguments, json!({ "wait_seconds": 20 }))).await;
        let sent = world
            .sandbox
            .requests()
            .into_iter()
            .rfind(|request| request.path == "/v2/video_generation")
            .unwrap();
        let mut whole = vec![json!({ "type": "text", "text": "A fox" })];
        whole.extend(expected.as_array().unwrap().clone());
        assert_eq!(sent.body["content"], Value::Array(whole), "{arguments}");
        assert_eq!(sent.body["ratio"], ratio);
        assert_eq!((&sent.body["resolution"], &sent.body["duration"]), (&json!("768P"), &json!(5)));
        // The sandbox has no uploaded file 123. It accepts and finishes every other request.
        if !arguments.to_string().contains("mm_file") {
            assert_eq!(result.structured_content.unwrap()["status"], "succeeded", "{arguments}");
        }
    }
}

fn merge(one: &Value, other: Value) -> Value {
    let mut all = one.as_object().unwrap().clone();
    all.extend(other.as_object().unwrap().clone());
    Value::Object(all)
}

#[tokio::test]
async fn a_large_reference_is_uploaded_and_a_dry_run_uploads_nothing() {
    let world = World::new().await;
    // Noise does not compress, so this is too large to be sent inside a request.
    let mut seed = 1_u32;
    let noise = image::RgbImage::from_fn(1400, 1400, |_, _| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [a, b, c, _] = seed.to_be_bytes();
        image::Rgb([a, b, c])
    });
    std::fs::create_dir_all(world.out()).unwrap();
    let path = world.out().join("noise.png");
    noise.save(&path).unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() > 4 * 1024 * 1024);
    let order = json!({ "prompt": "A fox", "model": "h3", "reference_images": [path] });
    world.make("generate_video", merge(&order, json!({ "dry_run": true }))).await;
    assert_eq!(world.sandbox.requests().len(), 0);
    let view = world.make("generate_video", order).await;
    assert_eq!(view["status"], "succeeded");
    let sent = world.last_body()["content"][1]["image_url"]["url"].as_str().unwrap().to_owned();
    assert!(sent.starts_with("mm_file://"), "{sent}");
}

#[tokio::test]
async fn h3_is_billed_by_the_second_that_minimax_counts() {
    let world = World::new().await;
    let arguments = json!({ "prompt": "A fox", "model": "MiniMax-H3", "duration": 8, "resolution": "2K" });
    let view = world.make("generate_video", arguments).await;
    assert_eq!(view["cost"]["estimated"], 1.04);
    let seconds = view["usage"]["total_seconds"].as_f64().unwrap();
    assert!((view["cost"]["actual"].as_f64().unwrap() - seconds * 0.13).abs() < 1e-6);
}

#[tokio::test]
async fn options_that_only_some_models_have_reach_those() {
    let world = World::new().await;
    let arguments = json!({
        "prompt": "A fox", "prompt_optimizer": false, "fast_pretreatment": true, "watermark": true,
        "callback_url": "https://example.com/hook",
    });
    world.make("generate_video", arguments).await;
    let body = world.last_body();
    for (field, value) in [
        ("prompt_optimizer", json!(false)),
        ("fast_pretreatment", json!(true)),
        ("aigc_watermark", json!(true)),
        ("callback_url", json!("https://example.com/hook")),
    ] {
        assert_eq!(body[field], value, "{field}");
    }
    let arguments = json!({ "prompt": "A fox", "model": "MiniMax-H3-Max", "prompt_expansion": "quality", "ratio": "9:16" });
    world.make("generate_video", arguments).await;
    assert_eq!(world.last_body()["extra"], json!({ "prompt_expansion_mode": "quality" }));
}

#[tokio::test]
async fn an_unsupported_request_costs_nothing_and_the_error_names_the_allowed_values() {
    let world = World::new().await;
    let image = "https://example.com/a.png";
    for (arguments, parts) in [
        (json!({}), ["`prompt`", "1 to 2000"]),
        (json!({ "prompt": "x".repeat(2001) }), ["2001", "2000"]),
        (
            json!({ "model": "hailuo-2.3", "prompt": "x", "duration": 7 }),
            ["`duration` is 7", "768P with 6 s or 10 s"],
        ),
        (
            json!({ "prompt": "x", "duration": 10, "resolution": "1080P" }),
            ["`duration` 10 and resolution 1080P", "1080P with 6 s ($0.49) or 768P with 10 s ($0.56)"],
        ),
        (
            json!({ "model": "hailuo-2.3", "prompt": "x", "resolution": "2K" }),
            ["`resolution` is 2K", "768P with"],
        ),
        (json!({ "prompt": "x", "resolution": "4K" }), ["`resolution`", "1080P, 2K"]),
        (json!({ "prompt": "x", "model": "MiniMax-Hailuo-2.3-Fast" }), ["`model`", "MiniMax-Hailuo-2.3,"]),
        (json!({ "model": "hailuo-2.3", "last_frame": image }), ["`model`", "MiniMax-Hailuo-02"]),
        (json!({ "model": "h3", "subject_reference": image, "prompt": "x" }), ["`model`", "S2V-01"]),
        (json!({ "model": "hailuo-2.3", "prompt": "x", "ratio": "1:1" }), ["`ratio`", "H3"]),
        (json!({ "prompt": "x", "model": "h3", "ratio": "adaptive" }), ["`ratio`", "21:9"]),
        (
            json!({ "prompt": "x", "model": "h3", "first_frame": image, "ratio": "1:1" }),
            ["`ratio`", "adaptive"],
        ),
        (json!({ "prompt": "x", "model": "h3", "duration": 3 }), ["`duration` is 3", "4-15 s"]),
        (json!({ "prompt": "x", "model": "h3", "prompt_optimizer": true }), ["`prompt_optimizer`", "Hailuo"]),
        (
            json!({ "prompt": "x", "model": "h3", "prompt_expansion": "quality" }),
            ["`prompt_expansion`", "H3-Max"],
        ),
        (json!({ "model": "h3", "first_frame": image }), ["`prompt`", "1 to 7000"]),
        (
            json!({ "prompt": "x", "reference_audios": ["https://example.com/a.mp3"] }),
            ["`reference_audios`", "image or video"],
        ),
        (
            json!({ "prompt": "x", "reference_images": [image], "first_frame": image }),
            ["`reference_images`", "exclude"],
        ),
        (json!({ "prompt": "x", "reference_images": vec![image; 10] }), ["`reference_images`", "at most 9"]),
        (
            json!({ "prompt": "x", "subject_reference": image, "first_frame": image }),
            ["`subject_reference`", "excludes"],
        ),
        (json!({ "prompt": "x", "first_frame": "mm_file://1" }), ["`first_frame_image`", "uploaded"]),
    ] {
        let refusal = world.refusal("generate_video", arguments.clone()).await;
        assert!(parts.iter().all(|part| refusal.contains(part)), "{arguments}: {refusal}");
    }
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[tokio::test]
async fn a_new_model_is_sent_as_it_is_with_a_warning() {
    let world = World::new().await;
    let view =
        world.make("generate_video", json!({ "prompt": "x", "model": "MiniMax-H4", "dry_run": true })).await;
    assert!(view["warnings"][0].as_str().unwrap().contains("MiniMax-H4"));
    // The sandbox refuses it as MiniMax would. What matters is that it was sent unchanged, over V2.
    let refusal = world.refusal("generate_video", json!({ "prompt": "x", "model": "MiniMax-H4" })).await;
    assert!(refusal.contains("2013"), "{refusal}");
    let request = world.sandbox.requests().into_iter().next().unwrap();
    assert_eq!(
        (request.path.as_str(), &request.body["model"]),
        ("/v2/video_generation", &json!("MiniMax-H4"))
    );
}

#[tokio::test]
async fn image_to_video_is_answered_as_generate_video() {
    let world = World::new().await;
    let image = picture(&world).await;
    let view = world.make("image_to_video", json!({ "prompt": "x", "firstFrameImage": image })).await;
    assert_eq!(view["kind"], "video");
}

/// Submits directly to the sandbox, as another program would.
async fn elsewhere(world: &World, path: &str, body: Value) -> String {
    let client = crate::harness::http_client();
    let request =
        client.post(format!("{}{path}", world.sandbox.url())).bearer_auth("sk-api-secret").json(&body);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    answer["task_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[tokio::test]
async fn a_task_of_another_program_is_found_by_its_id_and_brought_home() {
    let world = World::with(quick(), &[]).await;
    for (path, body) in [
        (
            "/v1/video_generation",
            json!({ "model": "MiniMax-Hailuo-2.3", "prompt": "A fox", "duration": 6, "resolution": "768P" }),
        ),
        (
            "/v2/video_generation",
            json!({
                "model": "MiniMax-H3", "content": [{ "type": "text", "text": "A fox" }], "resolution": "768P", "duration": 5,
                "ratio": "16:9",
            }),
        ),
        (
            "/v1/video_template_generation",
            json!({
                "template_id": "394125185182695432", "text_inputs": [{ "value": "lion" }],
            }),
        ),
    ] {
        let task = elsewhere(&world, path, body).await;
        let first = world.make("query_video_generation", json!({ "task_id": task })).await;
        assert_eq!(first["task_id"], json!(task), "{path}");
        let job = first["job_id"].clone();
        let end = world.make("get_job", json!({ "job_id": job })).await;
        assert_eq!(end["status"], "succeeded", "{path}");
        assert!(end["files"][0]["path"].is_string(), "{path}");
        let again = world.make("query_video_generation", json!({ "task_id": task })).await;
        assert_eq!(again["job_id"], job, "the same job, not another one");
    }
    let refusal = world.refusal("query_video_generation", json!({ "task_id": "999" })).await;
    assert!(refusal.contains("999") && refusal.contains("region"), "{refusal}");
    let refusal = world.refusal("query_video_generation", json!({ "task_id": "../files" })).await;
    assert!(refusal.contains("`task_id`"), "{refusal}");
}
