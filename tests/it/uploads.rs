//! A model can be tricked into naming a private file. Tests every argument that reads a file.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{World, quick};

const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\n";

/// Calls of every tool that reads a file, with `path` as that file.
fn ways(path: &str) -> Vec<(&'static str, Value)> {
    let mut ways = vec![
        ("text_to_audio", json!({ "text_file": path })),
        ("voice_clone", json!({ "voice_id": "Stranger01", "file": path })),
        ("speech_to_text", json!({ "file": path })),
        ("text_to_image", json!({ "prompt": "x", "subject_reference": path })),
        ("generate_video", json!({ "prompt": "x", "first_frame_image": path })),
        ("generate_video", json!({ "prompt": "x", "model": "MiniMax-H3", "reference_videos": [path] })),
        ("generate_video", json!({ "prompt": "x", "model": "MiniMax-H3", "reference_images": [path] })),
        ("music_generation", json!({ "prompt": "x", "reference_audio": path })),
        ("understand_image", json!({ "prompt": "x", "image_url": path })),
        ("view_media", json!({ "uri": path })),
        ("play_audio", json!({ "input_file_path": path })),
    ];
    for purpose in
        ["voice_clone", "prompt_audio", "t2a_async_input", "video_understanding", "video_generation_input"]
    {
        ways.push(("upload_file", json!({ "file": path, "purpose": purpose })));
    }
    ways
}

fn put(path: PathBuf, content: impl AsRef<[u8]>) -> String {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path.display().to_string()
}

async fn nothing_leaves(world: &World, path: &str) {
    for (tool, arguments) in ways(path) {
        let refusal = world.refusal(tool, arguments.clone()).await;
        assert!(
            !refusal.contains("b3BlbnNz") && !refusal.contains("hunter2"),
            "{tool} {arguments}: {refusal}"
        );
    }
    let sent: Vec<_> = world.sandbox.requests().into_iter().map(|request| request.path).collect();
    assert!(sent.is_empty(), "{path}: {sent:?}");
}

#[tokio::test]
async fn no_tool_accepts_a_key_a_password_file_or_settings_under_any_name() {
    let world = World::new().await;
    let out = world.out();
    let late = format!("{}{KEY}", "Once upon a time.\n".repeat(500));
    for (name, content) in [
        ("voice.mp3", KEY),
        ("face.png", KEY),
        ("story.txt", &late),
        ("notes.txt", "API_URL=https://x\nAPI_PASSWORD=hunter2\n"),
        ("people.txt", "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/sh\n"),
    ] {
        nothing_leaves(&world, &put(out.join(name), content)).await;
    }
}

#[tokio::test]
async fn no_tool_accepts_a_picture_that_declares_too_many_pixels() {
    let world = World::new().await;
    let side = 60_000_u32.to_be_bytes();
    let bomb = [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &side, &side, &[8, 2, 0, 0, 0], &[0; 4096]].concat();
    nothing_leaves(&world, &put(world.out().join("bomb.png"), bomb)).await;
}

#[tokio::test]
async fn no_tool_accepts_a_file_from_outside_or_from_a_hidden_folder() {
    let dir = tempfile::tempdir().unwrap();
    let home = dunce::canonicalize(dir.path()).unwrap();
    // The whole home folder is allowed, except for the keys in it.
    let world = World::with(quick(), &[("MINIMAX_ALLOWED_DIRS", home.to_str().unwrap())]).await;
    for name in [".ssh/id_ed25519", ".aws/credentials", ".env", "project/.env"] {
        nothing_leaves(&world, &put(home.join(name), "A harmless text.\n")).await;
    }
    let outside = tempfile::tempdir().unwrap();
    nothing_leaves(&world, &put(outside.path().join("story.txt"), "A harmless text.\n")).await;
    for path in [
        "/etc/passwd",
        "/etc/hostname",
        "/proc/self/environ",
        "/dev/stdin",
        "~/.ssh/id_rsa",
        "file:///etc/passwd",
    ] {
        nothing_leaves(&world, path).await;
    }
    #[cfg(unix)]
    {
        let link = home.join("story.txt");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        nothing_leaves(&world, link.to_str().unwrap()).await;
        fs::create_dir_all(world.out()).unwrap();
        let link = world.out().join("album");
        std::os::unix::fs::symlink(outside.path(), &link).unwrap();
        nothing_leaves(&world, link.join("story.txt").to_str().unwrap()).await;
    }
}

#[tokio::test]
async fn only_an_archive_of_texts_is_accepted() {
    let world = World::new().await;
    let out = world.out();
    for (name, entries) in [
        ("office.zip", &["[Content_Types].xml", "word/document.xml"][..]),
        ("backup.zip", &["home/.ssh/id_rsa"]),
        ("mixed.zip", &["a.txt", "b.pdf"]),
        ("hidden.zip", &["a.txt", ".aws/credentials.txt"]),
        ("empty.zip", &[]),
    ] {
        nothing_leaves(&world, &put(out.join(name), zip(entries))).await;
    }
    let good = put(out.join("texts.zip"), zip(&["one.txt", "part/", "part/two.TXT"]));
    world.make("text_to_audio", json!({ "text_file": good, "wait_seconds": 0 })).await;
    assert_eq!(world.sandbox.requests()[0].path, "/v1/files/upload");
}

/// A ZIP archive with these entries, uncompressed, each with the content `x`.
pub(crate) fn zip(names: &[&str]) -> Vec<u8> {
    let (mut file, mut list) = (Vec::new(), Vec::new());
    for name in names {
        let length = u16::try_from(name.len()).unwrap().to_le_bytes();
        let content: &[u8] = if name.ends_with('/') { b"" } else { b"x" };
        let size = u32::try_from(content.len()).unwrap().to_le_bytes();
        let crc: u32 = if content.is_empty() { 0 } else { 0x8cdc_1683 };
        let start = u32::try_from(file.len()).unwrap().to_le_bytes();
        let about =
            [&[10, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &crc.to_le_bytes(), &size, &size, &length, &[0, 0]]
                .concat();
        file.extend([&b"PK\x03\x04"[..], &about, name.as_bytes(), content].concat());
        list.extend([&b"PK\x01\x02\x0a\x00"[..], &about, &[0; 10], &start, name.as_bytes()].concat());
    }
    let count = u16::try_from(names.len()).unwrap().to_le_bytes();
    let (size, start) =
        (u32::try_from(list.len()).unwrap().to_le_bytes(), u32::try_from(file.len()).unwrap().to_le_bytes());
    [&file[..], &list, b"PK\x05\x06\0\0\0\0", &count, &count, &size, &start, &[0, 0]].concat()
}
