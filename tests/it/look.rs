//! `view_media` and `understand_image`.

use data_encoding::BASE64;
use minimax_mcp::sandbox::{Act, Rule};
use rmcp::model::CallToolResult;
use serde_json::{Value, json};

use crate::harness::{World, quick, text};
use crate::s3;

/// The image of a result, decoded.
fn seen(result: &CallToolResult) -> (usize, ::image::DynamicImage) {
    let image = result.content.iter().find_map(|block| block.as_image()).expect("an image block");
    assert_eq!(image.mime_type, "image/jpeg");
    let bytes = BASE64.decode(image.data.as_bytes()).unwrap();
    (bytes.len(), ::image::load_from_memory(&bytes).unwrap())
}

/// Checks that a result names the file of a view: its address, and its path if it is on the disk. One that was asked for by its
/// address in the bucket is not named again.
fn names(result: &CallToolResult, view: &Value, asked: &Value) {
    let file = &view["files"][0];
    let is_in_bucket = |name: &str| name.starts_with("s3://");
    if is_in_bucket(asked.as_str().unwrap()) {
        return;
    }
    let all = [&file["uri"], &file["path"]].map(|name| name.as_str().unwrap());
    for name in all.into_iter().filter(|name| !is_in_bucket(name)) {
        assert!(text(result).contains(name), "{}", text(result));
    }
}

#[tokio::test]
async fn view_media_shows_a_result_to_the_model() {
    let world = World::new().await;
    let made = world.make("text_to_image", json!({ "prompt": "A fox", "width": 2048, "height": 1024 })).await;
    for uri in [&made["files"][0]["uri"], &made["files"][0]["path"]] {
        let result = world.call("view_media", json!({ "uri": uri })).await;
        let (bytes, image) = seen(&result);
        assert!(bytes <= 500_000 && (image.width(), image.height()) == (1024, 512), "{bytes}");
        assert_eq!(result.structured_content, None);
        // For hosts that drop the image.
        names(&result, &made, uri);
        assert!(text(&result).contains("2048x1024"), "{}", text(&result));
    }
    let result = world.call("view_media", json!({ "uri": made["files"][0]["uri"], "max_side": 100 })).await;
    assert_eq!(seen(&result).1.width(), 100);
}

#[tokio::test]
async fn a_result_that_was_never_saved_is_seen_by_its_link() {
    let world = World::with(quick(), &[("MINIMAX_API_RESOURCE_MODE", "url")]).await;
    let made = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    assert_eq!(made["files"][0].get("path"), None);
    let result = world.call("view_media", json!({ "uri": made["files"][0]["uri"] })).await;
    assert_eq!(seen(&result).1.width(), 1024);
}

#[tokio::test]
async fn a_video_is_a_sentence_unless_its_first_frame_is_known() {
    let world = World::new().await;
    let video = world.make("generate_video", json!({ "prompt": "A fox" })).await;
    for uri in [&video["files"][0]["uri"], &video["files"][0]["path"]] {
        let result = world.call("view_media", json!({ "uri": uri })).await;
        names(&result, &video, uri);
        assert!(text(&result).contains("no decoder for videos"), "{}", text(&result));
        assert_ne!(result.is_error, Some(true));
    }
    let frame = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    for model in ["MiniMax-Hailuo-2.3", "MiniMax-H3"] {
        let arguments =
            json!({ "prompt": "x", "model": model, "first_frame_image": frame["files"][0]["url"] });
        let video = world.make("generate_video", arguments).await;
        let result = world.call("view_media", json!({ "uri": video["files"][0]["uri"] })).await;
        assert_eq!(seen(&result).1.width(), 1024, "{model}");
        assert!(text(&result).contains("first frame as it was given"), "{}", text(&result));
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_shown_is_refused_without_structured_content() {
    let world = World::new().await;
    std::fs::create_dir_all(world.out()).unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = world.out().join(name);
        std::fs::write(&path, bytes).unwrap();
        json!(path)
    };
    let mut huge = Vec::from(*b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    huge.extend([60_000_u32.to_be_bytes(), 60_000_u32.to_be_bytes()].concat());
    huge.extend([8, 2, 0, 0, 0, 0, 0, 0, 0]);
    for (uri, part) in [
        (put("huge.png", &huge), "60,000 x 60,000"),
        (put("words.txt", b"some words"), "a text file"),
        (put("cut.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"), "`uri`"),
        (json!("/etc/passwd"), "outside"),
        (json!("https://example.com/a.jpg"), "download_file"),
        (json!("mm_file://12"), "download_file"),
        (json!("minimax://files/nobody/a.jpg"), "list_jobs"),
    ] {
        let result = world.call("view_media", json!({ "uri": uri })).await;
        assert_eq!((result.is_error, &result.structured_content), (Some(true), &None), "{uri}");
        assert!(text(&result).contains(part), "{uri}: {}", text(&result));
    }
}

#[tokio::test]
async fn an_image_is_sent_as_bytes_of_its_real_type_wherever_it_is() {
    let world = World::new().await;
    let made = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    let file = &made["files"][0];
    let bytes = s3::content(&file["path"]);
    // The extension is wrong; the bytes are a JPEG.
    let lying = world.out().join("lying.png");
    std::fs::write(&lying, &bytes).unwrap();
    for input in [&file["path"], &file["uri"], &file["url"], &json!(lying)] {
        let view =
            world.make("understand_image", json!({ "prompt": "What is it?", "image_url": input })).await;
        assert_eq!(view["text"], "An image of 1024 by 1024 pixels.");
        assert_eq!(view["cost"]["estimated"], 0.01);
        let body = world.last_body();
        assert_eq!(body["prompt"], "What is it?");
        assert!(body["image_url"].as_str().unwrap().starts_with("data:image/jpeg;base64,"), "{input}");
        assert_eq!(body.as_object().unwrap().len(), 2);
    }
    // The official plan server's name for it.
    world.make("understand_image", json!({ "prompt": "x", "image_source": file["path"] })).await;
}

#[tokio::test]
async fn a_wrong_image_or_a_blank_prompt_is_not_sent() {
    let world = World::new().await;
    std::fs::create_dir_all(world.out()).unwrap();
    let path = world.out().join("a.gif");
    std::fs::write(&path, b"GIF89a\x01\0\x01\0\0\0\0;").unwrap();
    for (arguments, part) in [
        (json!({ "prompt": "x", "image_url": path }), "JPEG, PNG or WebP"),
        (json!({ "prompt": " ", "image_url": path }), "`prompt`"),
        (json!({ "prompt": "x", "image_url": "https://10.0.0.1/a.jpg" }), "not a public address"),
    ] {
        let refusal = world.refusal("understand_image", arguments).await;
        assert!(refusal.contains(part), "{refusal}");
    }
    assert!(!world.sandbox.requests().iter().any(|request| request.path.contains("vlm")));
}

#[tokio::test]
async fn a_key_without_a_plan_asks_a_chat_model_once_and_says_what_it_cost() {
    let world = World::new().await;
    let made = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    let arguments = json!({ "prompt": "What is it?", "image_url": made["files"][0]["path"] });
    let refuse = |code| Act::Refuse { code, message: None, retry_after: None };
    for code in [1004, 1028, 2056, 2061] {
        world.sandbox.script(vec![Rule::once("/v1/coding_plan/vlm", refuse(code))]);
        let view = world.make("understand_image", arguments.clone()).await;
        assert!(view["text"].as_str().unwrap().contains("1024x1024"), "{view}");
        assert_eq!(view["model"], "MiniMax-M3");
        assert!(view["cost"]["actual"].as_f64().unwrap() > 0.0);
        let warning = view["warnings"][0].as_str().unwrap();
        assert!(warning.contains(&code.to_string()) && warning.contains("are billed"), "{warning}");
        let body = world.last_body();
        let parts = &body["messages"][0]["content"];
        assert_eq!(
            (&body["model"], &body["thinking"], &parts[0]["text"]),
            (&json!("MiniMax-M3"), &Value::Null, &json!("What is it?"))
        );
        assert!(parts[1]["image_url"]["url"].as_str().unwrap().starts_with("data:image/jpeg;base64,"));
    }
}

#[tokio::test]
async fn a_refusal_that_has_nothing_to_do_with_the_plan_is_not_worked_around() {
    let world = World::new().await;
    let made = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    let arguments = json!({ "prompt": "x", "image_url": made["files"][0]["path"] });
    let refuse = |code| Act::Refuse { code, message: None, retry_after: None };
    let asked = |path: &str| world.sandbox.requests().iter().filter(|request| request.path == path).count();
    for (act, part) in [
        (refuse(1026), "1026"),
        (refuse(1000), "1000"),
        (Act::ResetAfter, "was lost before MiniMax had answered"),
    ] {
        world.sandbox.script(vec![Rule::always("/v1/coding_plan/vlm", act)]);
        let refusal = world.refusal("understand_image", arguments.clone()).await;
        assert!(refusal.contains(part), "{refusal}");
    }
    assert_eq!((asked("/v1/coding_plan/vlm"), asked("/v1/chat/completions")), (3, 0));
    // A wrong key is reported with the first error, after one try of the other endpoint.
    world.sandbox.script(vec![Rule::always("/v1/", refuse(2049))]);
    let refusal = world.refusal("understand_image", arguments).await;
    assert!(refusal.contains("2049") && refusal.contains("coding_plan/vlm"), "{refusal}");
    assert_eq!(asked("/v1/chat/completions"), 1);
}
