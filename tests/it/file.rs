//! Files at MiniMax: upload, list, get, download and delete.

use std::fs;
use std::path::PathBuf;

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::{Value, json};

use crate::harness::{World, text};
use crate::media::files::wav;

/// Writes a file in a readable folder.
fn put(world: &World, name: &str, bytes: &[u8]) -> PathBuf {
    let folder = world.out();
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

async fn upload(world: &World, name: &str, bytes: &[u8], purpose: &str) -> Value {
    let path = put(world, name, bytes);
    world.make("upload_file", json!({ "file": path, "purpose": purpose })).await
}

#[tokio::test]
async fn the_result_of_an_upload_has_its_id_and_the_tools_that_accept_it() {
    let world = World::new().await;
    // The extension is wrong, and MiniMax takes the type from it, so the server corrects it.
    let info = upload(&world, "me.mp3", &wav(11), "voice_clone").await;
    let id = info["file_id"].as_str().unwrap();
    assert_eq!(info["uri"], format!("mm_file://{id}"));
    assert_eq!((&info["filename"], &info["mime_type"]), (&json!("me.wav"), &json!("audio/wav")));
    assert_eq!(info["bytes"], 176_044);
    assert!(info["created_at"].as_str().unwrap().starts_with("20"));
    assert!(info["next"].as_str().unwrap().contains("voice_clone"), "{info}");
    let sent = world.sandbox.requests().pop().unwrap();
    assert_eq!(sent.path, "/v1/files/upload");
    assert_eq!(
        sent.body,
        json!({ "purpose": "voice_clone", "file": { "filename": "me.wav", "bytes": 176_044 } })
    );
}

#[tokio::test]
async fn every_form_of_a_media_input_can_be_uploaded() {
    let world = World::new().await;
    let made = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    let file = &made["files"][0];
    for input in [&file["path"], &file["uri"], &file["url"]] {
        let info =
            world.make("upload_file", json!({ "file": input, "purpose": "video_generation_input" })).await;
        assert_eq!((&info["mime_type"], &info["kept_days"]), (&json!("image/jpeg"), &json!(7)), "{input}");
        assert_eq!(info["bytes"], file["bytes"], "{input}");
    }
    let data = json!("data:text/plain;base64,SGVsbG8=");
    let info = world.make("upload_file", json!({ "file": data, "purpose": "t2a_async_input" })).await;
    assert_eq!((&info["filename"], &info["bytes"]), (&json!("input.txt"), &json!(5)));
    // The official JS server's name for it.
    world.make("upload_file", json!({ "audioFile": data, "purpose": "t2a_async_input" })).await;
}

#[tokio::test]
async fn a_file_that_does_not_suit_its_purpose_is_not_sent() {
    let world = World::new().await;
    let text = put(&world, "notes.md", b"some words");
    let long = put(&world, "long.txt", "\u{e9}".repeat(1_000_000).as_bytes());
    let short = put(&world, "short.wav", &wav(2));
    let tiny = put(&world, "tiny.png", &png(100, 100));
    let sized = put(&world, "longer.wav", &wav(16));
    for (file, purpose, parts) in [
        (json!(text), "voice_clone", ["`file`", "a text file", "MP3, M4A or WAV"]),
        (json!(short), "voice_clone", ["`file`", "2 s long", "10 to 300 s"]),
        (json!(sized), "prompt_audio", ["`file`", "16 s long", "0 to 7.9 s"]),
        (json!(long), "t2a_async_input", ["`file`", "1000000 characters", "999999"]),
        (json!(tiny), "video_generation_input", ["`file`", "100 x 100", "256 to 5,760"]),
        (json!(text), "video_generation_input", ["`file`", "video_generation_input", "MP4 or MOV"]),
        (json!(text), "retrieval", ["`purpose`", "voice_clone", "t2a_async_input"]),
        (json!("/etc/hostname"), "t2a_async_input", ["`file`", "outside", "MINIMAX_ALLOWED_DIRS"]),
        (json!("mm_file://12"), "voice_clone", ["`file`", "at MiniMax already", "12"]),
    ] {
        let refusal = world.refusal("upload_file", json!({ "file": file, "purpose": purpose })).await;
        assert!(parts.iter().all(|part| refusal.contains(part)), "{file}: {refusal}");
    }
    // This has exactly the allowed length, and gets a corrected name.
    let fits = put(&world, "fits.md", "\u{e9}".repeat(999_999).as_bytes());
    let info = world.make("upload_file", json!({ "file": fits, "purpose": "t2a_async_input" })).await;
    assert_eq!((&info["filename"], &info["bytes"]), (&json!("fits.txt"), &json!(1_999_998)));
    assert_eq!(world.sandbox.requests().len(), 1);
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    ::image::RgbImage::new(width, height).write_to(&mut bytes, ::image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

#[tokio::test]
async fn lists_are_merged_filtered_and_paged_on_our_side() {
    let world = World::new().await;
    for number in 0..5 {
        upload(&world, &format!("{number}.txt"), b"words", "t2a_async_input").await;
    }
    upload(&world, "me.wav", &wav(11), "voice_clone").await;
    let all = world.make("list_files", json!({})).await;
    assert_eq!((all["total"].as_u64(), all["files"].as_array().unwrap().len()), (Some(6), 6));
    let asked: Vec<_> = world.sandbox.requests().into_iter().map(|request| request.path).collect();
    for purpose in ["voice_clone", "t2a_async_input", "video_generation", "t2a_async"] {
        assert!(asked.contains(&format!("/v1/files/list?purpose={purpose}")), "{asked:?}");
    }
    let mut seen = Vec::new();
    let mut cursor = Value::Null;
    for size in [2, 2, 1] {
        let arguments = json!({ "purpose": "t2a_async_input", "limit": 2, "cursor": cursor });
        let page = world.make("list_files", arguments).await;
        assert_eq!((page["files"].as_array().unwrap().len(), &page["total"]), (size, &json!(5)));
        seen.extend(page["files"].as_array().unwrap().iter().map(|file| file["file_id"].clone()));
        cursor = page["next_cursor"].clone();
    }
    assert!(cursor.is_null());
    seen.sort_by_key(ToString::to_string);
    seen.dedup();
    assert_eq!(seen.len(), 5);
    let refusal = world.refusal("list_files", json!({ "cursor": "x" })).await;
    assert!(refusal.contains("`cursor`"), "{refusal}");
}

#[tokio::test]
async fn a_purpose_that_minimax_does_not_list_is_omitted_and_reported() {
    let world = World::new().await;
    upload(&world, "a.txt", b"words", "t2a_async_input").await;
    let refuse = Act::Refuse { code: 2013, message: None, retry_after: None };
    world.sandbox.script(vec![Rule { times: Some(2), ..Rule::once("/v1/files/list", refuse) }]);
    let list = world.make("list_files", json!({})).await;
    assert_eq!(list["warnings"].as_array().unwrap().len(), 2, "{list}");
}

#[tokio::test]
async fn a_result_has_a_link_and_an_upload_has_none() {
    let world = World::new().await;
    let uploaded = upload(&world, "a.txt", b"words", "t2a_async_input").await;
    let info = world.make("get_file", json!({ "file_id": uploaded["uri"] })).await;
    assert_eq!((&info["file_id"], info.get("url")), (&uploaded["file_id"], None));
    assert!(info["next"].as_str().unwrap().contains("download_file"), "{info}");
    let id = video(&world).await;
    let result = world.call("get_file", json!({ "file_id": id })).await;
    let info = result.structured_content.clone().unwrap();
    let url = info["url"].as_str().unwrap();
    assert!(url.contains("/cdn/") && !text(&result).contains(url), "the link is in the structured content");
    assert_eq!((&info["purpose"], info.get("bytes")), (&json!("video_generation"), None));
    for (id, part) in [("abc", "must be a number"), ("12", "2013")] {
        let refusal = world.refusal("get_file", json!({ "file_id": id })).await;
        assert!(refusal.contains(part), "{refusal}");
    }
}

/// The file id of a video.
async fn video(world: &World) -> Value {
    world.make("generate_video", json!({ "prompt": "A fox", "model": "MiniMax-Hailuo-2.3" })).await;
    let list = world.make("list_files", json!({ "purpose": "video_generation" })).await;
    list["files"][0]["file_id"].clone()
}

#[tokio::test]
async fn a_file_is_downloaded_with_or_without_a_link() {
    let world = World::new().await;
    let uploaded = upload(&world, "words.txt", b"some words", "t2a_async_input").await;
    let file = world.make("download_file", json!({ "file_id": uploaded["file_id"] })).await;
    assert_eq!(fs::read(file["path"].as_str().unwrap()).unwrap(), b"some words");
    assert_eq!(
        (&file["mime_type"], &file["bytes"], file.get("url")),
        (&json!("text/plain"), &json!(10), None)
    );
    let id = video(&world).await;
    let folder = world.out().join("kept");
    let arguments = json!({ "file_id": id, "output_directory": "kept" });
    let result = world.call("download_file", arguments).await;
    let file = result.structured_content.clone().unwrap();
    assert!(PathBuf::from(file["path"].as_str().unwrap()).starts_with(&folder), "{file}");
    assert_eq!((&file["mime_type"], &file["width"]), (&json!("video/mp4"), &json!(1366)));
    let link = result.content.iter().find_map(|block| block.as_resource_link()).unwrap();
    assert!(link.uri.starts_with("file://") && text(&result).contains(file["path"].as_str().unwrap()));
    // A second download gives the same file.
    let again = world.make("download_file", json!({ "url": file["url"], "output_directory": "kept" })).await;
    assert_eq!(again["sha256"], file["sha256"]);
    for request in world.sandbox.requests().iter().filter(|request| request.path.starts_with("/cdn/")) {
        assert!(!request.authorized, "the key went to {}", request.path);
    }
}

#[tokio::test]
async fn failed_downloads_give_the_reason_and_leave_nothing() {
    if crate::s3::leaves_out("the folder for results") {
        return;
    }
    let world = World::new().await;
    let made = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    let url = made["files"][0]["url"].as_str().unwrap();
    let before = fs::read_dir(world.out()).unwrap().count();
    for (arguments, parts) in [
        (json!({}), ["`file_id`", "url"]),
        (json!({ "file_id": "1", "url": url }), ["`url`", "one of the two"]),
        (json!({ "url": url.replace("Expires=1", "Expires=2") }), ["`url`", "get_job"]),
        (json!({ "url": "https://10.0.0.1/a.mp4" }), ["`url`", "not a public address"]),
        (json!({ "url": url, "output_directory": "/etc" }), ["`output_directory`", "/etc"]),
    ] {
        let refusal = world.refusal("download_file", arguments.clone()).await;
        assert!(parts.iter().all(|part| refusal.contains(part)), "{arguments}: {refusal}");
    }
    world.sandbox.script(vec![Rule::always("/cdn/", Act::Truncate { bytes: 100 })]);
    let other = world.make("text_to_image", json!({ "prompt": "A cat", "async_mode": true })).await;
    assert!(other["job_id"].is_string());
    let refusal = world.refusal("download_file", json!({ "url": url, "output_directory": "new" })).await;
    assert!(refusal.contains("did not arrive") && refusal.contains("Call again"), "{refusal}");
    assert_eq!(fs::read_dir(world.out().join("new")).unwrap().count(), 0);
    assert!(before >= 1);
}

#[tokio::test]
async fn a_download_that_breaks_off_is_made_again() {
    let world = World::new().await;
    let made = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    world.sandbox.script(vec![Rule::once("/cdn/", Act::Truncate { bytes: 100 })]);
    let arguments = json!({ "url": made["files"][0]["url"], "output_directory": "again" });
    let file = world.make("download_file", arguments).await;
    assert_eq!(file["sha256"], made["files"][0]["sha256"]);
}

#[tokio::test]
async fn a_refusal_in_the_place_of_a_file_is_not_saved_as_one() {
    let world = World::new().await;
    let uploaded = upload(&world, "words.txt", b"some words", "t2a_async_input").await;
    let body =
        json!({ "base_resp": { "status_code": 1008, "status_msg": "insufficient balance" } }).to_string();
    world.sandbox.script(vec![Rule::once("/v1/files/retrieve_content", Act::Raw { body })]);
    let refusal = world.refusal("download_file", json!({ "file_id": uploaded["file_id"] })).await;
    assert!(refusal.contains("1008"), "{refusal}");
    // The user's own JSON file is a file and not an error.
    let body = json!({ "own": true }).to_string();
    world.sandbox.script(vec![Rule::once("/v1/files/retrieve_content", Act::Raw { body: body.clone() })]);
    let file = world.make("download_file", json!({ "file_id": uploaded["file_id"] })).await;
    assert_eq!(fs::read_to_string(file["path"].as_str().unwrap()).unwrap(), body);
}

#[tokio::test]
async fn a_file_is_deleted_and_an_omitted_purpose_is_looked_up() {
    let world = World::new().await;
    let first = upload(&world, "a.txt", b"words", "t2a_async_input").await;
    let second = upload(&world, "b.txt", b"words", "t2a_async_input").await;
    let gone = world.make("delete_file", json!({ "file_id": first["file_id"] })).await;
    assert_eq!((&gone["deleted"], &gone["purpose"]), (&json!(true), &json!("t2a_async_input")));
    assert!(gone["note"].as_str().unwrap().contains("looked up"), "{gone}");
    let number: u64 = first["file_id"].as_str().unwrap().parse().unwrap();
    let sent = world.sandbox.requests().pop().unwrap();
    assert_eq!(sent.body, json!({ "file_id": number, "purpose": "t2a_async_input" }), "a number, not a text");
    let arguments = json!({ "file_id": second["file_id"], "purpose": "t2a_async_input" });
    let gone = world.make("delete_file", arguments.clone()).await;
    assert_eq!(gone.get("note"), None);
    let refusal = world.refusal("delete_file", arguments).await;
    assert!(refusal.contains("does not exist"), "{refusal}");
}

#[tokio::test]
async fn a_file_that_minimax_deletes_by_itself_is_not_asked_for() {
    let world = World::new().await;
    let made = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    let arguments = json!({ "file": made["files"][0]["path"], "purpose": "video_generation_input" });
    let info = world.make("upload_file", arguments).await;
    let refusal = world.refusal("delete_file", json!({ "file_id": info["file_id"] })).await;
    assert!(refusal.contains("`purpose`") && refusal.contains("after 7 days"), "{refusal}");
    assert!(!world.sandbox.requests().iter().any(|request| request.path == "/v1/files/delete"));
}

#[tokio::test]
async fn without_a_key_nothing_is_sent() {
    let world = World::with(crate::harness::quick(), &[("MINIMAX_API_KEY", "")]).await;
    for (tool, arguments) in [
        ("list_files", json!({})),
        ("get_file", json!({ "file_id": "1" })),
        ("delete_file", json!({ "file_id": "1" })),
        ("download_file", json!({ "file_id": "1" })),
        ("upload_file", json!({ "file": "/x", "purpose": "voice_clone" })),
    ] {
        let refusal = world.refusal(tool, arguments).await;
        assert!(refusal.contains("MINIMAX_API_KEY"), "{tool}: {refusal}");
    }
    assert_eq!(world.sandbox.requests().len(), 0);
}
