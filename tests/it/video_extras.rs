//! `enhance_video_prompt`, `regenerate_video`, `list_video_tasks`, and the callback of `generate_video`.

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::{Value, json};

use crate::harness::World;

const PICTURE: &str = "https://example.com/a.png";
const FILM: &str = "https://example.com/a.mp4";

/// A finished H3 video in 768P.
async fn video(world: &World) -> Value {
    let arguments = json!({ "prompt": "A fox", "model": "h3", "duration": 4, "ratio": "1:1" });
    world.make("generate_video", arguments).await
}

/// Checks that these calls are refused and that the sandbox has accepted `bought` paid requests in all.
async fn refuses(world: &World, tool: &'static str, cases: Vec<(Value, [&str; 2])>, bought: usize) {
    for (arguments, parts) in cases {
        let refusal = world.refusal(tool, arguments.clone()).await;
        assert!(parts.iter().all(|part| refusal.contains(part)), "{arguments}: {refusal}");
    }
    assert_eq!(world.bought(), bought);
}

#[tokio::test]
async fn a_prompt_becomes_richer_and_is_billed_by_its_tokens() {
    let world = World::new().await;
    let arguments = json!({
        "prompt": "A fox", "first_frame_image": PICTURE, "last_frame_image": PICTURE, "duration": 8,
        "callback_url": "https://example.com/hook",
    });
    let view = world.make("enhance_video_prompt", arguments).await;
    assert_eq!((&view["status"], &view["kind"]), (&json!("succeeded"), &json!("prompt")));
    assert_eq!(view["model"], "MiniMax-H3");
    assert!(view["text"].as_str().unwrap().contains("[Shot 1] A fox"), "{view}");
    assert!(view.get("files").is_none());
    let tokens = |name: &str| view["usage"][name].as_f64().unwrap();
    let price = (tokens("prompt_tokens") * 0.9 + tokens("completion_tokens") * 3.6) / 1e6;
    assert!((view["cost"]["actual"].as_f64().unwrap() - price).abs() < 1e-6, "{view}");
    assert_eq!(
        world.last_body(),
        json!({
            "model": "MiniMax-H3",
            "content": [
                { "type": "text", "text": "A fox" },
                { "type": "image_url", "image_url": { "url": PICTURE }, "role": "first_frame" },
                { "type": "image_url", "image_url": { "url": PICTURE }, "role": "last_frame" },
            ],
            "duration": 8, "ratio": "adaptive", "callback_url": "https://example.com/hook",
        })
    );
    let again = world.make("get_job", json!({ "job_id": view["job_id"] })).await;
    assert_eq!(again["text"], view["text"]);
}

#[tokio::test]
async fn references_and_shape_reach_the_prompt_writer() {
    let world = World::new().await;
    world.make("enhance_video_prompt", json!({ "prompt": "A fox", "ratio": "9:16" })).await;
    let plain = json!([{ "type": "text", "text": "A fox" }]);
    assert_eq!(
        world.last_body(),
        json!({ "model": "MiniMax-H3", "content": plain, "duration": 5, "ratio": "9:16" })
    );
    let arguments = json!({
        "prompt": "A fox", "reference_images": [PICTURE], "reference_videos": [FILM],
        "reference_audios": ["https://example.com/a.mp3"],
    });
    world.make("enhance_video_prompt", arguments).await;
    let body = world.last_body();
    let roles: Vec<_> = body["content"].as_array().unwrap().iter().map(|item| item["role"].clone()).collect();
    assert_eq!(
        roles,
        [json!(null), json!("reference_image"), json!("reference_video"), json!("reference_audio")]
    );
    assert_eq!(body["ratio"], "adaptive");
}

#[tokio::test]
async fn a_prompt_that_cannot_be_enriched_costs_nothing() {
    let world = World::new().await;
    let cases = vec![
        (json!({}), ["`prompt` is missing", "7,000"]),
        (json!({ "prompt": "x".repeat(7001) }), ["`prompt` has 7001", "1 to 7000"]),
        (
            json!({ "prompt": "x", "model": "MiniMax-H3-Lite" }),
            ["`model` is MiniMax-H3-Lite", "MiniMax-H3 does"],
        ),
        (json!({ "prompt": "x", "model": "hailuo-2.3" }), ["`model`", "MiniMax-H3 does"]),
        (json!({ "prompt": "x", "duration": 3 }), ["`duration` is 3", "4 to 15"]),
        (json!({ "prompt": "x", "ratio": "adaptive" }), ["`ratio`", "21:9"]),
        (
            json!({ "prompt": "x", "reference_images": [PICTURE], "first_frame": PICTURE }),
            ["`reference_images`", "exclude"],
        ),
        (json!({ "prompt": "x", "reference_audios": [PICTURE] }), ["`reference_audios`", "image or video"]),
        (
            json!({ "prompt": "x", "reference_images": vec![PICTURE; 10] }),
            ["`reference_images`", "at most 9"],
        ),
        (json!({ "prompt": "x", "callback_url": "http://example.com/" }), ["`callback_url`", "https"]),
        (json!({ "prompt": "x", "resolution": "2K" }), ["`resolution`", "no parameter"]),
    ];
    refuses(&world, "enhance_video_prompt", cases, 0).await;
    let dry = world.make("enhance_video_prompt", json!({ "prompt": "x", "dry_run": true })).await;
    assert!(dry["cost"].get("estimated").is_none() && dry["cost"]["basis"].as_str().unwrap().contains("3.6"));
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[tokio::test]
async fn a_callback_has_to_be_a_public_https_address() {
    let world = World::new().await;
    for model in ["hailuo-2.3", "h3"] {
        let cases = [
            "http://example.com/",
            "https://192.168.0.1/",
            "ftp://example.com",
            "hook",
            "https://u:p@example.com/",
        ];
        let cases = cases.map(|url| {
            (json!({ "prompt": "x", "model": model, "callback_url": url }), ["`callback_url`", "link"])
        });
        for (arguments, parts) in cases {
            let refusal = world.refusal("generate_video", arguments.clone()).await;
            let said = parts.iter().all(|part| refusal.contains(part)) || refusal.contains("public");
            assert!(said, "{arguments}: {refusal}");
        }
    }
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[tokio::test]
async fn a_job_is_regenerated_in_2k_by_its_task() {
    let world = World::new().await;
    let first = video(&world).await;
    let dry = world.make("regenerate_video", json!({ "job_id": first["job_id"], "dry_run": true })).await;
    assert_eq!(dry["cost"]["estimated"], 0.2);
    assert_eq!(world.bought(), 1);
    let view = world.make("regenerate_video", json!({ "job_id": first["job_id"] })).await;
    assert_eq!(
        world.last_body(),
        json!({ "model": "MiniMax-H3", "source_task_id": first["task_id"], "resolution": "2K" })
    );
    assert_eq!((&view["status"], &view["files"][0]["height"]), (&json!("succeeded"), &json!(1440)));
    assert_eq!(view["cost"]["actual"], 0.2);
    let again = world.make("regenerate_video", json!({ "task_id": first["task_id"] })).await;
    assert_eq!(again["status"], "succeeded");
    // A video that is already 2K cannot be regenerated.
    let cases = vec![
        (json!({ "job_id": view["job_id"] }), ["`job_id`", "768P"]),
        (json!({ "task_id": view["task_id"] }), ["`task_id`", "768P"]),
    ];
    refuses(&world, "regenerate_video", cases, 3).await;
}

#[tokio::test]
async fn a_video_from_a_file_is_regenerated_with_its_original_inputs() {
    let world = World::new().await;
    let first = video(&world).await;
    let uri = first["files"][0]["uri"].clone();
    let prompt = "x".repeat(8000);
    let arguments = json!({ "prompt": prompt, "video": uri, "first_frame_image": PICTURE });
    let dry = json!({ "prompt": "x", "video": uri, "dry_run": true });
    let estimated = world.make("regenerate_video", dry).await["cost"]["estimated"].as_f64().unwrap();
    assert!((0.2..0.25).contains(&estimated), "4 s become a little more: {estimated}");
    let view = world.make("regenerate_video", arguments).await;
    assert_eq!(view["status"], "succeeded");
    let mut body = world.last_body();
    let sent = body["content"][2]["video_url"]["url"].take();
    assert!(sent.as_str().unwrap().starts_with("data:video/mp4;base64,"));
    assert_eq!(
        body,
        json!({
            "model": "MiniMax-H3",
            "content": [
                { "type": "text", "text": prompt },
                { "type": "image_url", "image_url": { "url": PICTURE }, "role": "first_frame" },
                { "type": "video_url", "video_url": { "url": null }, "role": "base_video" },
            ],
            "resolution": "2K",
        })
    );
}

#[tokio::test]
async fn an_impossible_2k_regeneration_costs_nothing() {
    let world = World::new().await;
    let hailuo = world.make("generate_video", json!({ "prompt": "A fox" })).await;
    let image = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    let lite = json!({ "prompt": "A fox", "model": "MiniMax-H3-Lite", "duration": 4, "ratio": "1:1" });
    let lite = world.make("generate_video", lite).await;
    let cases = vec![
        (json!({}), ["`job_id`", "prompt and video"]),
        (json!({ "job_id": "video-x", "task_id": "1" }), ["`task_id`", "one of the two"]),
        (json!({ "job_id": "video-x", "prompt": "x" }), ["`prompt`", "excludes job_id"]),
        (json!({ "task_id": "1", "first_frame_image": PICTURE }), ["`first_frame_image`", "excludes"]),
        (json!({ "job_id": "video-x" }), ["`job_id` is video-x", "list_jobs"]),
        (json!({ "task_id": "424010985738629" }), ["`task_id` is 424010985738629", "7 days"]),
        (json!({ "job_id": hailuo["job_id"] }), ["`job_id`", "MiniMax-H3"]),
        (json!({ "job_id": image["job_id"] }), ["`job_id`", "MiniMax-H3"]),
        (json!({ "job_id": lite["job_id"] }), ["`job_id`", "MiniMax-H3-Lite in 768P"]),
        (json!({ "prompt": "x" }), ["`video`", "768P"]),
        (json!({ "video": FILM }), ["`prompt` has 0", "40000"]),
        (json!({ "video": FILM, "prompt": "x".repeat(40_001) }), ["`prompt` has 40001", "40000"]),
        // 1366 x 768 is not divisible by 32.
        (
            json!({ "prompt": "x", "video": hailuo["files"][0]["uri"] }),
            ["`video` is 1,366 x 768", "multiple of 32"],
        ),
        (json!({ "prompt": "x", "video": image["files"][0]["uri"] }), ["`video` is a JPEG", "MP4"]),
        (
            json!({ "prompt": "x", "video": FILM, "reference_images": [PICTURE], "last_frame": PICTURE }),
            ["`reference_images`", "exclude"],
        ),
    ];
    refuses(&world, "regenerate_video", cases, 3).await;
    let posts = world.sandbox.requests().into_iter().filter(|request| request.path.ends_with("regeneration"));
    assert_eq!(posts.count(), 0);
}

#[tokio::test]
async fn a_base_video_of_the_wrong_size_is_refused_before_it_is_sent() {
    let world = World::new().await;
    let large =
        json!({ "prompt": "A fox", "model": "h3", "duration": 4, "ratio": "1:1", "resolution": "2K" });
    let large = world.make("generate_video", large).await;
    let arguments = json!({ "prompt": "x", "video": large["files"][0]["uri"] });
    let refusal = world.refusal("regenerate_video", arguments).await;
    assert!(refusal.contains("1,440 x 1,440") && refusal.contains("589,824 to 1,032,192"), "{refusal}");
    assert_eq!(world.bought(), 1);
}

/// A task of another program is checked against MiniMax's report of it.
#[tokio::test]
async fn a_task_of_another_program_is_queried_before_it_is_regenerated() {
    let world = World::new().await;
    let task = |fields: Value| {
        let mut task = json!({
            "id": "424", "model": "MiniMax-H3", "status": "succeeded", "task_type": "generation", "resolution": "768P",
            "created_at": jiff::Timestamp::now().as_second(), "duration": 5, "modality": "video",
            "usage": { "total_seconds": 5, "input_image_count": 7 },
        });
        task.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let act = Act::Raw { body: json!({ "task": task }).to_string() };
        world.sandbox.script(vec![Rule::once("/v2/query/video_generation/424", act)]);
    };
    for (fields, part) in [
        (json!({ "status": "running" }), "running"),
        (json!({ "model": "MiniMax-H3-Max" }), "MiniMax-H3-Max"),
        (json!({ "resolution": "2K" }), "in 2K"),
        (json!({ "task_type": "regeneration" }), "regeneration"),
        (json!({ "created_at": jiff::Timestamp::now().as_second() - 8 * 86_400 }), "8 days old"),
    ] {
        task(fields);
        let refusal = world.refusal("regenerate_video", json!({ "task_id": "424" })).await;
        assert!(refusal.contains("`task_id`") && refusal.contains(part), "{part}: {refusal}");
    }
    let dry = world.make("regenerate_video", json!({ "task_id": "424", "dry_run": true })).await;
    assert!(dry["warnings"][0].as_str().unwrap().contains("not asked"), "{dry}");
    assert_eq!(world.bought(), 0);
    // A valid one is submitted. The sandbox itself refuses it, because it has no task 424.
    task(json!({}));
    let refusal = world.refusal("regenerate_video", json!({ "task_id": "424" })).await;
    assert!(refusal.contains("invalid task_id"), "{refusal}");
    let sent = world.sandbox.requests().pop().unwrap();
    assert_eq!(sent.body, json!({ "model": "MiniMax-H3", "source_task_id": "424", "resolution": "2K" }));
}

#[tokio::test]
async fn the_accounts_tasks_are_listed_with_the_jobs_they_are_here() {
    let world = World::new().await;
    let ours = video(&world).await;
    let body = json!({
        "model": "MiniMax-H3-Lite", "content": [{ "type": "text", "text": "A fox" }], "resolution": "480P",
        "duration": 4, "ratio": "1:1",
    });
    let url = format!("{}/v2/video_generation", world.sandbox.url());
    let posted = crate::harness::http_client()
        .post(url)
        .bearer_auth("sk-api-secret")
        .json(&body)
        .send()
        .await
        .unwrap();
    let foreign: Value = posted.json().await.unwrap();
    let list = world.make("list_video_tasks", json!({})).await;
    assert_eq!((list["total"].as_u64(), list.get("next_cursor")), (Some(2), None));
    let (first, second) = (&list["tasks"][0], &list["tasks"][1]);
    assert_eq!((&first["task_id"], first.get("job_id")), (&foreign["task_id"], None), "newest first");
    assert_eq!((&second["task_id"], &second["job_id"]), (&ours["task_id"], &ours["job_id"]));
    assert_eq!((&second["status"], &second["task_type"]), (&json!("succeeded"), &json!("generation")));
    assert!(second["url"].as_str().unwrap().starts_with("http"));
    let page = world.make("list_video_tasks", json!({ "limit": 1 })).await;
    assert_eq!(page["tasks"][0]["task_id"], foreign["task_id"]);
    let page = world.make("list_video_tasks", json!({ "limit": 1, "cursor": page["next_cursor"] })).await;
    assert_eq!((&page["tasks"][0]["task_id"], page.get("next_cursor")), (&ours["task_id"], None));
    let found = world.make("list_video_tasks", json!({ "model": "h3", "status": "succeeded" })).await;
    assert_eq!((found["total"].as_u64(), &found["tasks"][0]["task_id"]), (Some(1), &ours["task_id"]));
    let path = world.sandbox.requests().pop().unwrap().path;
    let query = "page_num=1&page_size=10&filter.status=succeeded&filter.model=MiniMax-H3";
    assert_eq!(path, format!("/v2/query/video_generation?{query}"));
    let none = world.make("list_video_tasks", json!({ "status": "cancelled" })).await;
    assert_eq!((&none["tasks"], &none["next"]), (&json!([]), &json!("No matching tasks.")));
}

#[tokio::test]
async fn a_list_survives_transient_errors_and_refuses_bad_arguments() {
    let world = World::new().await;
    let act = Act::Refuse { code: 1000, message: None, retry_after: None };
    world.sandbox.script(vec![Rule::once("/v2/query/video_generation", act)]);
    let list = world.make("list_video_tasks", json!({})).await;
    assert_eq!((list["total"].as_u64(), world.sandbox.requests().len()), (Some(0), 2));
    for (arguments, parts) in [
        (json!({ "cursor": "x" }), ["`cursor`", "first page"]),
        (json!({ "cursor": "0" }), ["`cursor`", "first page"]),
        (json!({ "limit": 51 }), ["`limit` is 51", "1 to 50"]),
        (json!({ "status": "done" }), ["`status`", "queued, running"]),
    ] {
        let refusal = world.refusal("list_video_tasks", arguments.clone()).await;
        assert!(parts.iter().all(|part| refusal.contains(part)), "{arguments}: {refusal}");
    }
    assert_eq!(world.sandbox.requests().len(), 2);
}
