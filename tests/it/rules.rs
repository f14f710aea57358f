//! Every rule that can be checked without paying, one row each: bad input sends nothing, and the error names the
//! argument and the allowed values.
//!
//! MiniMax checks what our parsers do not read, such as a video's codec and frame rate, and refuses it before billing.

mod media;
mod sound;
mod text;
mod video;
mod video_v1;

use std::fs;

use serde_json::{Value, json};

use crate::harness::World;

/// The rule, the tool, the arguments, the argument that the error names, and an allowed value that it names.
/// `@name` in the arguments is a file of [`inputs`].
pub type Row = (&'static str, &'static str, Value, &'static str, &'static str);

const PICTURE: &str = "https://example.com/a.png";

/// Creates the files of the rows in a readable folder. Large ones are sparse.
pub fn inputs(world: &World) {
    use crate::media::files::{flac, jpeg, mp4, png, wav};
    const MIB: u64 = 1 << 20;
    fs::create_dir_all(world.out()).unwrap();
    let put = |name: &str, bytes: &[u8], length: Option<u64>| {
        let path = world.out().join(name);
        fs::write(&path, bytes).unwrap();
        if let Some(length) = length {
            fs::File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
        }
    };
    for seconds in [1, 5, 8, 9, 12, 16, 301, 361, 501] {
        put(&format!("{seconds}s.wav"), &wav(seconds), None);
    }
    for megabytes in [15, 20, 50] {
        put(&format!("{megabytes}mib.wav"), &wav(12), Some(megabytes * MIB + 1));
        put(&format!("{megabytes}mib.png"), &png(1000, 1000, 100), Some(megabytes * MIB + 1));
        put(&format!("{megabytes}mib.mp4"), &mp4(1024, 768, 6000, false), Some(megabytes * MIB + 1));
    }
    put("10mib.png", &png(1000, 1000, 100), Some(10 * MIB + 1));
    put("30mib.png", &png(1000, 1000, 100), Some(30 * MIB + 1));
    put("513mib.mp4", &mp4(1024, 768, 6000, false), Some(513 * MIB));
    for (width, height) in [(255, 400), (300, 400), (6000, 3000), (2600, 1000), (900, 300)] {
        put(&format!("{width}x{height}.png"), &png(width, height, 4096), None);
    }
    put("face.jpg", &jpeg(1000, 1000), None);
    put(
        "face.gif",
        b"GIF89a\x10\0\x10\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x10\0\x10\0\0\x02\x01\x44\0;",
        None,
    );
    for (name, width, height, millis) in [
        ("1s.mp4", 1280, 720, 1000),
        ("9s.mp4", 1280, 720, 9000),
        ("16s.mp4", 1280, 720, 16_000),
        ("200x400.mp4", 200, 400, 5000),
        ("1280x300.mp4", 1280, 300, 5000),
        ("odd.mp4", 1000, 700, 6000),
        ("small.mp4", 640, 640, 6000),
        ("large.mp4", 1280, 1280, 6000),
        ("brief.mp4", 1024, 768, 4000),
        ("base.mp4", 1024, 768, 6000),
    ] {
        put(name, &mp4(width, height, millis, false), None);
    }
    put("song.flac", &flac(12), None);
    put("notes.txt", b"some words", None);
    put("million.txt", &b"x".repeat(1_000_000), None);
    put("key.wav", b"-----BEGIN PRIVATE KEY-----\nabc\n", None);
}

/// Replaces `@name` by the path of that file.
pub fn placed(world: &World, value: Value) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix('@') {
            Some(name) => json!(world.out().join(name)),
            None => Value::String(text),
        },
        Value::Array(items) => items.into_iter().map(|item| placed(world, item)).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, placed(world, value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}

pub fn rows() -> Vec<Row> {
    [sound::rows(), video_v1::rows(), video::rows(), media::rows(), text::rows()].concat()
}

#[tokio::test]
async fn every_rule_of_the_preflight_table() {
    let world = World::new().await;
    inputs(&world);
    let mut wrong = Vec::new();
    for (rule, tool, arguments, argument, legal) in rows() {
        let arguments = placed(&world, arguments);
        let result = world.call(tool, arguments.clone()).await;
        let said = crate::harness::text(&result);
        let refused = result.is_error == Some(true);
        if !refused || !said.contains(&format!("`{argument}`")) || !said.contains(legal) {
            let shown: String = arguments.to_string().chars().take(200).collect();
            wrong.push(format!("{rule}: {tool} {shown}\n   wants `{argument}` and {legal:?}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{} rules:\n{}", wrong.len(), wrong.join("\n"));
    let sent: Vec<_> = world.sandbox.requests().into_iter().map(|request| request.path).collect();
    assert!(sent.is_empty(), "{sent:?}");
}

/// A request of more than 64 MB is refused. (Another test covers chat.)
#[tokio::test]
async fn media_that_do_not_fit_into_one_request_together_are_refused_before_it() {
    let world = World::new().await;
    fs::create_dir_all(world.out()).unwrap();
    let file = |name: &str, bytes: Vec<u8>| {
        let path = world.out().join(name);
        fs::write(&path, bytes).unwrap();
        // The largest file that is not uploaded.
        fs::File::options().write(true).open(&path).unwrap().set_len(4 << 20).unwrap();
        path
    };
    let image = file("image.png", crate::media::files::png(1000, 1000, 100));
    let film = file("film.mp4", crate::media::files::mp4(1280, 720, 4000, false));
    let references =
        json!({ "prompt": "x", "reference_images": vec![image; 9], "reference_videos": vec![film; 3] });
    let refusal = world.refusal("generate_video", references).await;
    assert!(
        refusal.contains("`reference_videos`") && refusal.contains("Give large ones as URLs"),
        "{refusal}"
    );
    assert_eq!(world.sandbox.requests().len(), 0);
}
