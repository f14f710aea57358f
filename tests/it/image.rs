//! `text_to_image`, from the call to the file.

use std::fs;

use serde_json::json;

use crate::harness::World;
use crate::s3;

#[tokio::test]
async fn an_image_is_a_file_a_link_and_a_view() {
    let world = World::new().await;
    let arguments = json!({ "prompt": "A red fox", "aspect_ratio": "16:9" });
    let result = world.call("text_to_image", arguments).await;
    let view = result.structured_content.clone().unwrap();
    assert_eq!(view["status"], "succeeded");
    assert_eq!(view["model"], "image-01");
    assert_eq!(
        view["cost"],
        json!({ "currency": "USD", "estimated": 0.0035, "actual": 0.0035,
        "basis": view["cost"]["basis"] })
    );
    let file = &view["files"][0];
    assert_eq!((&file["width"], &file["height"]), (&json!(1280), &json!(720)));
    assert_eq!(file["mime_type"], "image/jpeg");
    let path = file["path"].as_str().unwrap();
    let bytes = s3::content(&file["path"]);
    assert_eq!(file["bytes"], bytes.len());
    assert!(bytes.starts_with(&[0xff, 0xd8]), "a JPEG");
    if s3::leaves_out("a path of this machine") {
        return;
    }
    // The text has the job, the path and the address. MiniMax's link is in the structured content only.
    let text = crate::harness::text(&result);
    let job = format!("job_id {}", view["job_id"].as_str().unwrap());
    for part in [path, file["uri"].as_str().unwrap(), &job] {
        assert_eq!(text.matches(part).count(), 1, "{part}: {text}");
    }
    assert!(!text.contains(file["url"].as_str().unwrap()), "{text}");
    let link = result.content.iter().find_map(|block| block.as_resource_link()).unwrap();
    assert!(link.uri.starts_with("file://"));
    assert_eq!(link.size, Some(bytes.len() as u64));
}

#[tokio::test]
async fn the_request_has_the_documented_body() {
    let world = World::new().await;
    let arguments =
        json!({ "prompt": "A red fox", "width": 1024, "height": 768, "n": 2, "seed": 7, "watermark": true });
    world.make("text_to_image", arguments).await;
    assert_eq!(
        world.last_body(),
        json!({
            "model": "image-01", "prompt": "A red fox", "width": 1024, "height": 768, "response_format": "url",
            "seed": 7, "n": 2, "prompt_optimizer": true, "aigc_watermark": true,
        })
    );
}

#[tokio::test]
async fn several_images_have_several_names_and_a_second_call_overwrites_nothing() {
    let world = World::new().await;
    for _ in 0..2 {
        world.make("text_to_image", json!({ "prompt": "AC/DC: \u{1f98a}..", "n": 3 })).await;
    }
    let names = s3::results(&world.out());
    assert_eq!(names.len(), 6, "{names:?}");
}

#[tokio::test]
async fn fewer_images_than_asked_for_is_partial_and_counts_what_is_billed() {
    let world = World::new().await;
    let view = world.make("text_to_image", json!({ "prompt": "A fox #partial", "n": 3 })).await;
    assert_eq!(view["status"], "partial");
    assert_eq!(view["files"].as_array().unwrap().len(), 2);
    assert_eq!(view["cost"]["actual"], 0.007);
    assert!(view["warnings"][0].as_str().unwrap().contains("2 of 3"));
}

#[tokio::test]
async fn a_person_is_kept_from_a_file_with_its_real_type() {
    let world = World::new().await;
    let made = world.make("text_to_image", json!({ "prompt": "A face" })).await;
    let path = made["files"][0]["path"].as_str().unwrap();
    for reference in [path, made["files"][0]["uri"].as_str().unwrap()] {
        world.make("text_to_image", json!({ "prompt": "Her, older", "subject_reference": reference })).await;
        let body = world.last_body();
        assert_eq!(body["subject_reference"][0]["type"], "character");
        let sent = body["subject_reference"][0]["image_file"].as_str().unwrap();
        assert!(sent.starts_with("data:image/jpeg;base64,"), "{}", &sent[..40]);
    }
}

#[tokio::test]
async fn in_url_mode_nothing_is_written() {
    let world = World::with(crate::harness::quick(), &[("MINIMAX_RESOURCE_MODE", "url")]).await;
    let view = world.make("text_to_image", json!({ "prompt": "A red fox" })).await;
    assert!(view["files"][0]["url"].as_str().unwrap().starts_with("http"));
    assert!(view["files"][0].get("path").is_none());
    assert!(!world.dir.path().join("out").exists() && s3::results(&world.out()).is_empty());
}

#[tokio::test]
async fn a_dry_run_checks_and_prices_and_sends_nothing() {
    let world = World::new().await;
    let view = world.make("text_to_image", json!({ "prompt": "A red fox", "n": 9, "dry_run": true })).await;
    assert_eq!(view["cost"]["estimated"], 0.0315);
    assert_eq!(view.get("job_id").or(view.get("status")), None);
    let refused = world.refusal("text_to_image", json!({ "prompt": "", "dry_run": true })).await;
    assert!(refused.contains("`prompt`"));
    assert_eq!(world.sandbox.requests().len(), 0);
    assert!(!world.dir.path().join("out").exists() && s3::results(&world.out()).is_empty());
}

#[tokio::test]
async fn the_same_key_buys_once() {
    let world = World::new().await;
    let order = json!({ "prompt": "A red fox", "idempotency_key": "k1" });
    let first = world.make("text_to_image", order.clone()).await;
    let second = world.make("text_to_image", order.clone()).await;
    assert_eq!(first["job_id"], second["job_id"]);
    assert!(second["warnings"][0].as_str().unwrap().contains("nothing was bought"));
    let world = world.restarted().await;
    let third = world.make("text_to_image", order).await;
    assert_eq!(s3::without_links(&first), s3::without_links(&third));
    let other = world.make("text_to_image", json!({ "prompt": "A dog", "idempotency_key": "k1" })).await;
    assert!(other["warnings"].to_string().contains("other arguments"));
    assert_eq!(world.bought(), 1);
}

#[tokio::test]
async fn at_once_the_same_key_still_buys_once() {
    let world = World::new().await;
    let order = json!({ "prompt": "A red fox", "idempotency_key": "k1" });
    let all = (0..10).map(|_| world.make("text_to_image", order.clone()));
    let views = futures_util::future::join_all(all).await;
    let ids: std::collections::HashSet<_> = views.iter().map(|view| view["job_id"].to_string()).collect();
    assert_eq!((ids.len(), world.bought()), (1, 1));
}

#[tokio::test]
async fn other_servers_spellings_are_understood() {
    if crate::s3::leaves_out("the folder for results") {
        return;
    }
    let world = World::new().await;
    let arguments =
        json!({ "prompt": "A red fox", "imageRatio": "4:3", "outputDirectory": "foxes", "asyncMode": false });
    let view = world.make("text_to_image", arguments).await;
    assert!(view["files"][0]["path"].as_str().unwrap().contains("foxes"));
    assert_eq!(world.last_body()["aspect_ratio"], "4:3");
}

#[tokio::test]
async fn bad_arguments_cost_nothing_and_the_error_names_the_allowed_values() {
    let world = World::new().await;
    let png = world.out().join("x.png");
    fs::create_dir_all(world.out()).unwrap();
    fs::write(&png, "-----BEGIN PRIVATE KEY-----\nabc\n").unwrap();
    for (arguments, parts) in [
        (json!({}), ["`prompt` is missing", "text_to_image"]),
        (json!({ "prompt": "x", "n": 10 }), ["`n` is 10", "1 to 9"]),
        (json!({ "prompt": "x", "aspect_ratio": "5:4" }), ["`aspect_ratio`", "21:9"]),
        (json!({ "prompt": "x", "sede": 1 }), ["`sede`", "`seed`"]),
        (json!({ "prompt": "x", "output_directory": "../../etc" }), ["`output_directory`", ".."]),
        (json!({ "prompt": "x", "subject_reference": "face.jpg" }), ["`subject_reference`", "absolute path"]),
        (json!({ "prompt": "x", "subject_reference": png }), ["`subject_reference`", "JPEG"]),
        (json!({ "prompt": "x", "subject_reference": "/etc/hostname" }), ["`subject_reference`", "outside"]),
        (
            json!({ "prompt": "x", "subject_reference": "http://169.254.169.254/x" }),
            ["`subject_reference`", "169.254"],
        ),
        (
            json!({ "prompt": "x", "subject_reference": "minimax://files/image-zzz/image-1.jpg" }),
            ["`subject_reference`", "list_jobs"],
        ),
    ] {
        if arguments.get("output_directory").is_some() && s3::leaves_out("the folder for results") {
            continue;
        }
        let refusal = world.refusal("text_to_image", arguments.clone()).await;
        assert!(parts.iter().all(|part| refusal.contains(part)), "{arguments}: {refusal}");
    }
    assert_eq!(world.sandbox.requests().len(), 0);
}

/// Thirty paid calls at once do not delay other calls.
#[tokio::test]
async fn thirty_images_at_once_all_arrive_and_delay_no_other_call() {
    let mut pace = crate::harness::quick();
    pace.delay_ms = 3000;
    let world = World::with(pace, &[]).await;
    let images = (0..30).map(async |n| {
        let order = json!({ "prompt": format!("Fox {n}"), "width": 512, "height": 512 });
        (world.make("text_to_image", order).await, std::time::Instant::now())
    });
    let images = futures_util::future::join_all(images);
    let list = async {
        world.make("list_jobs", json!({ "limit": 1 })).await;
        std::time::Instant::now()
    };
    let (made, listed) = futures_util::future::join(images, list).await;
    let (views, arrived): (Vec<_>, Vec<_>) = made.into_iter().unzip();
    assert!(arrived.into_iter().all(|arrived| listed < arrived), "a list waited for an image");
    assert!(views.iter().all(|view| view["status"] == "succeeded"));
    assert_eq!(world.bought(), 30);
    assert_eq!(s3::results(&world.out()).len(), 30);
}
