//! The thumbnails of the gallery: images, frames of videos and waveforms of audio, each made once.

use std::path::PathBuf;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::gallery::world::{Visitor, of_job};
use crate::http::{ADA, Served, make};

/// The address of the thumbnail of the file whose type begins so, and its name.
fn address(view: &Value, kind: &str) -> String {
    let files = view["files"].as_array().unwrap();
    let file = files.iter().find(|file| file["mime_type"].as_str().unwrap().starts_with(kind));
    let file = file.unwrap_or_else(|| panic!("no {kind}: {view}"));
    let name = file["uri"].as_str().unwrap().rsplit('/').next().unwrap();
    format!("/gallery/thumbnails/{}/{name}", of_job(view))
}

fn kept(served: &Served) -> Vec<PathBuf> {
    let folder = served.dir.path().join("data/minimax-mcp/thumbnails");
    std::fs::read_dir(folder).into_iter().flatten().map(|one| one.unwrap().path()).collect()
}

#[tokio::test]
async fn a_video_has_a_frame_and_a_sound_a_waveform_in_the_list() {
    let served = Served::open().await;
    let order = json!({ "prompt": "A fox", "model": "MiniMax-H3", "wait_seconds": 60 });
    let video = make(&served.base, None, "generate_video", order).await;
    let visitor = Visitor::without_token(&served.base).await;
    let frame = visitor.get(&address(&video, "video/")).await;
    assert_eq!(
        (frame.status(), &frame.headers()["content-type"]),
        (StatusCode::OK, &"image/jpeg".parse().unwrap())
    );
    let frame = image::load_from_memory(&frame.bytes().await.unwrap()).unwrap();
    assert_eq!(frame.width().max(frame.height()), 400);
    let mut sounds = Vec::new();
    for format in ["mp3", "wav"] {
        let order = json!({ "text": "Good evening. The night is clear.", "format": format });
        let sound = make(&served.base, None, "text_to_audio", order).await;
        let wave = visitor.get(&address(&sound, "audio/")).await;
        assert_eq!(wave.status(), StatusCode::OK, "{format}");
        assert_eq!(wave.headers()["content-type"], "image/svg+xml");
        assert_eq!(wave.headers()["content-security-policy"], "default-src 'none'; sandbox");
        let wave = wave.text().await.unwrap();
        assert!(wave.starts_with("<svg") && wave.matches('M').count() > 10 && wave.len() < 4000, "{wave}");
        sounds.push(sound);
    }
    let order = json!({ "text": "Good evening.", "format": "flac" });
    let other = make(&served.base, None, "text_to_audio", order).await;
    assert_eq!(visitor.get(&address(&other, "audio/")).await.status(), StatusCode::NOT_FOUND);
    let list = visitor.page("/gallery").await;
    assert_eq!(list.matches("src=\"/gallery/thumbnails/").count(), 3, "{list}");
    assert_eq!(kept(&served).len(), 3, "each is kept");
    served.end().await;
}

#[tokio::test]
async fn a_file_without_a_thumbnail_leaves_the_page_unchanged_and_is_tried_once() {
    let served = Served::guarded().await;
    let base = &served.base;
    let order = json!({ "prompt": "A fox", "model": "MiniMax-H3", "wait_seconds": 60 });
    let video = make(base, Some(ADA), "generate_video", order).await;
    let ada = Visitor::with_token(base, ADA).await;
    let path = address(&video, "video/");
    // It was changed, so it is not shown. It may be put back, so that is not remembered.
    let mut files: Vec<PathBuf> = crate::s3::results(&served.dir.path().join("out"));
    while files.last().unwrap().is_dir() {
        let next = std::fs::read_dir(files.last().unwrap()).unwrap().next().unwrap().unwrap().path();
        files.push(next);
    }
    let file = files.pop().unwrap();
    let content = std::fs::read(&file).unwrap();
    std::fs::write(&file, b"changed").unwrap();
    assert_eq!(ada.get(&path).await.status(), StatusCode::NOT_FOUND);
    assert!(ada.page("/gallery").await.contains("▶"));
    assert_eq!(ada.get(&format!("/gallery/jobs/{}", of_job(&video))).await.status(), StatusCode::OK);
    assert_eq!(kept(&served).len(), 0);
    std::fs::write(&file, content).unwrap();
    assert_eq!(ada.get(&path).await.status(), StatusCode::OK);
    assert_eq!(kept(&served).len(), 1);
    let delete = format!("/gallery/delete/{}", of_job(&video));
    assert_eq!(ada.post(&delete, &[("what", "all")]).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(kept(&served).len(), 0, "it goes with its file");
    served.end().await;
}
