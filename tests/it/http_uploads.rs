//! Uploads from HTTP callers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::stream;
use minimax_mcp::config::{Config, Toolset};
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use reqwest::{Body, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::faults::clock::Clock;
use crate::harness::{eventually, quick};
use crate::http::{ADA, BOB, Served, call, make, web};
use crate::voice::wav;

fn hand_in(base: &str, token: &str, query: &str) -> RequestBuilder {
    web().post(format!("{base}/uploads{query}")).bearer_auth(token)
}

async fn send(request: RequestBuilder) -> Response {
    request.send().await.unwrap()
}

/// Sends an upload that must be accepted and returns the response.
async fn taken(request: RequestBuilder) -> Value {
    let response = send(request).await;
    assert_eq!(response.status(), StatusCode::CREATED, "{}", response.text().await.unwrap());
    response.json().await.unwrap()
}

/// The status and the text of a refusal.
async fn refused(request: RequestBuilder) -> (u16, String) {
    let response = send(request).await;
    let (status, refusal) = (response.status().as_u16(), response.json::<Value>().await.unwrap());
    (status, refusal["error"]["message"].as_str().unwrap().to_owned())
}

/// An image made by the sandbox.
async fn picture(served: &Served) -> Vec<u8> {
    let view = make(&served.base, Some(ADA), "text_to_image", json!({ "prompt": "A face" })).await;
    let link = view["files"][0]["download_url"].as_str().unwrap();
    web().get(link).send().await.unwrap().bytes().await.unwrap().to_vec()
}

fn recording(served: &Served) -> Vec<u8> {
    std::fs::read(wav(&served.dir.path().join("me.wav"), 12)).unwrap()
}

/// All files in the uploads folder.
fn kept(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut folders = vec![dir.join("data").join("minimax-mcp").join("uploads")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
            let is_folder = entry.file_type().unwrap().is_dir();
            if is_folder { &mut folders } else { &mut all }.push(entry.path());
        }
    }
    all.retain(|path| path.file_name().unwrap() != ".lock");
    all
}

/// Tight limits for size, number and lifetime of uploads. All tools are on for everyone.
fn narrow(config: &mut Config) {
    let uploads = &mut config.http.uploads;
    (uploads.largest, uploads.total, uploads.count) = (300_000, 500_000, 3);
    config.http.tokens.iter_mut().for_each(|row| row.toolsets = None);
}

fn everything(config: &mut Config) {
    config.http.tokens.iter_mut().for_each(|row| row.toolsets = None);
}

#[tokio::test]
async fn an_uploaded_file_is_accepted_by_every_tool_and_every_server_of_the_folder() {
    let served = Served::tuned(true, quick(), everything).await;
    let other = served.neighbour_tuned(true, everything).await;
    let (face, voice) = (picture(&served).await, recording(&served));
    // The declared type is not trusted; the bytes decide.
    let request = hand_in(&served.base, ADA, "").header(CONTENT_TYPE, "text/html").body(face.clone());
    let upload = taken(request.header(CONTENT_DISPOSITION, "attachment; filename=\"My Face.PNG\"")).await;
    assert_eq!((&upload["content_type"], &upload["name"]), (&json!("image/jpeg"), &json!("my-face.jpg")));
    assert_eq!(upload["bytes"], face.len());
    assert!(upload["expires_at"].as_str().unwrap().ends_with('Z'));
    let face = upload["uri"].as_str().unwrap();
    assert!(face.starts_with("minimax://uploads/") && face.ends_with("/my-face.jpg"), "{face}");
    let form = reqwest::multipart::Form::new()
        .text("comment", "mine")
        .part("file", reqwest::multipart::Part::bytes(voice.clone()).file_name("/home/ada/me.wav"));
    let voice = taken(hand_in(&other, ADA, "").multipart(form)).await;
    assert_eq!((&voice["content_type"], &voice["name"]), (&json!("audio/wav"), &json!("me.wav")));
    let story = taken(hand_in(&other, ADA, "?name=story.md").body("Once upon a time. ".repeat(20))).await;
    assert_eq!((&story["content_type"], &story["name"]), (&json!("text/plain"), &json!("story.md")));

    for (tool, arguments) in [
        ("text_to_image", json!({ "prompt": "x", "subject_reference": face })),
        ("generate_video", json!({ "prompt": "x", "first_frame_image": face, "async_mode": true })),
        ("voice_clone", json!({ "voice_id": "Abcdefgh1", "file": voice["uri"] })),
        ("upload_file", json!({ "file": voice["uri"], "purpose": "voice_clone" })),
        ("speech_to_text", json!({ "file": voice["uri"] })),
        ("text_to_audio", json!({ "text_file": story["uri"], "async_mode": true })),
        ("understand_image", json!({ "prompt": "x", "image_url": face })),
        ("chat", json!({ "messages": [{ "role": "user", "content": "x", "media": [face] }] })),
        ("view_media", json!({ "uri": face })),
    ] {
        let answer = call(&other, Some(ADA), tool, arguments).await;
        assert_ne!(answer["result"]["isError"], true, "{tool}: {answer}");
    }
    let first = &served.sandbox.paid()[1].body["subject_reference"][0]["image_file"];
    assert!(first.as_str().unwrap().starts_with("data:image/jpeg;base64,"));
    served.end().await;
}

#[tokio::test]
async fn an_upload_is_invisible_to_other_callers_and_expires() {
    if crate::s3::leaves_out("the folder for uploads") {
        return;
    }
    let served = Served::tuned(true, quick(), everything).await;
    let uri = taken(hand_in(&served.base, ADA, "?name=a.wav").body(recording(&served))).await["uri"].clone();
    let path = uri.as_str().unwrap().strip_prefix("minimax:/").unwrap().to_owned();
    let at = |path: &str| format!("{}{path}", served.base);
    let ask = async |token: &str, uri: &str| {
        let answer = call(&served.base, Some(token), "speech_to_text", json!({ "file": uri })).await;
        answer["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned()
    };
    let uri = uri.as_str().unwrap();
    let hidden = ask(BOB, uri).await;
    assert!(hidden.contains("is not here") && hidden.contains(&at("/uploads")), "{hidden}");
    assert_eq!(ask(BOB, &uri.replace("/uploads/", "/uploads/0")).await, hidden, "as if it had never been");
    for wrong in ["/uploads/..%2F..%2Fjobs.sqlite3/a.wav", "/uploads/x/a.wav", &format!("{path}%2F..")] {
        let status = send(web().delete(at(wrong)).bearer_auth(ADA)).await.status();
        assert_eq!(status, StatusCode::NOT_FOUND, "{wrong}");
    }
    assert_eq!(send(web().delete(at(&path)).bearer_auth(BOB)).await.status(), StatusCode::NOT_FOUND);
    assert!(!ask(ADA, uri).await.contains("is not here"));
    assert_eq!(send(web().delete(at(&path)).bearer_auth(ADA)).await.status(), StatusCode::NO_CONTENT);
    assert!(ask(ADA, uri).await.contains("is not here"));
    assert_eq!(kept(served.dir.path()), Vec::<PathBuf>::new());

    // An expired upload is not returned, and the next upload removes it.
    let uri = taken(hand_in(&served.base, ADA, "?name=a.wav").body(recording(&served))).await["uri"].clone();
    let file = kept(served.dir.path()).pop().unwrap();
    let folder = file.parent().unwrap();
    let id = folder.file_name().unwrap().to_str().unwrap();
    let over = format!("000000001{}", &id[9..]);
    std::fs::rename(folder, folder.with_file_name(&over)).unwrap();
    assert!(ask(ADA, &uri.as_str().unwrap().replace(id, &over)).await.contains("is not here"));
    served.neighbour(true).await;
    eventually("the sweeping", async || kept(served.dir.path()).is_empty()).await;
    served.end().await;
}

#[tokio::test]
async fn an_upload_that_is_too_large_too_many_or_unusable_is_refused_and_leaves_nothing() {
    let served = Served::tuned(true, quick(), narrow).await;
    let (base, dir) = (served.base.as_str(), served.dir.path());
    let (voice, text) = (recording(&served), "A text that is kept. ".repeat(8000));
    let endless = || {
        let piece = bytes::Bytes::from(text.clone());
        Body::wrap_stream(stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone())))
    };
    for token in ["", "wrong-0123456789abcdef"] {
        assert_eq!(refused(hand_in(base, token, "").body(voice.clone())).await.0, 401);
    }
    for (body, status, words) in [
        (Body::from(Vec::new()), 400, "0 bytes"),
        (Body::from(vec![b' '; 300_001]), 413, "MINIMAX_MCP_UPLOAD_MAX_MB"),
        (Body::from(&b"%PDF-1.7 x\x00\x01"[..]), 415, "PDF"),
        (Body::from(&b"MZ\x90\x00\x03\x00\x00\x00"[..]), 415, "must be JPEG"),
        (Body::from(&b"-----BEGIN RSA PRIVATE KEY-----\nx"[..]), 415, "a private key (rule `private-key`"),
        (Body::from("<html><body>x</body></html>"), 415, "HTML"),
    ] {
        let (found, text) = refused(hand_in(base, ADA, "").body(body)).await;
        assert_eq!(found, status, "{text}");
        assert!(text.contains(words) && text.starts_with("Nothing was kept"), "{text}");
        assert!(!text.contains(dir.to_str().unwrap()), "{text}");
    }
    // The body has no declared length and never ends.
    match hand_in(base, ADA, "").body(endless()).send().await {
        Ok(response) => assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE),
        Err(error) => assert!(error.is_request() || error.is_body(), "{error}"),
    }
    let form = reqwest::multipart::Form::new().text("comment", "no file");
    assert_eq!(refused(hand_in(base, ADA, "").multipart(form)).await.0, 400);
    assert_eq!(kept(dir), Vec::<PathBuf>::new());

    // Each has 192,044 bytes. The limit fits two, and a third from another caller.
    for _ in 0..2 {
        taken(hand_in(base, ADA, "").body(voice.clone())).await;
    }
    let (status, words) = refused(hand_in(base, ADA, "").body(voice.clone())).await;
    assert_eq!(status, 429, "{words}");
    assert!(words.contains("2 files of 375 KB") && words.contains("DELETE /uploads"), "{words}");
    taken(hand_in(base, BOB, "").body(voice.clone())).await;
    taken(hand_in(base, ADA, "").body("A short text.")).await;
    let (status, words) = refused(hand_in(base, ADA, "").body("Another short text.")).await;
    assert_eq!(status, 429, "three files are enough: {words}");
    let closed = served.neighbour_tuned(true, |config| config.http.uploads.largest = 0).await;
    assert_eq!(refused(hand_in(&closed, BOB, "").body(voice)).await.0, 404);
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_uploads_at_once_stay_within_the_quota_of_a_caller() {
    let served = Served::tuned(true, quick(), narrow).await;
    let other = served.neighbour_tuned(true, narrow).await;
    let voice = recording(&served);
    let each = (0..12).map(|turn| {
        let base = if turn % 2 == 0 { &served.base } else { &other };
        send(hand_in(base, ADA, "").body(voice.clone()))
    });
    let answers = futures_util::future::join_all(each).await;
    let taken = answers.iter().filter(|answer| answer.status() == StatusCode::CREATED).count();
    assert!((1..=2).contains(&taken), "{taken}");
    eventually("what was refused is gone", async || kept(served.dir.path()).len() == taken).await;
    served.end().await;
}

#[tokio::test]
async fn an_upload_that_stops_is_cut_off_and_leaves_nothing() {
    let clock = Clock::start();
    let served = Served::open().await;
    let address = served.base.strip_prefix("http://").unwrap();
    let mut slow = tokio::net::TcpStream::connect(address).await.unwrap();
    let head =
        format!("POST /uploads HTTP/1.1\r\nHost: {address}\r\nContent-Length: 1000\r\n\r\nOnce upon a ");
    slow.write_all(head.as_bytes()).await.unwrap();
    eventually("the beginning is there", async || kept(served.dir.path()).len() == 1).await;
    clock.set(2000);
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(600), slow.read_to_end(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(kept(served.dir.path()), Vec::<PathBuf>::new());
    clock.set(crate::faults::clock::SLOW);
    served.end().await;
}

#[tokio::test]
async fn the_refusal_of_a_path_explains_how_to_upload_the_file() {
    let served = Served::open().await;
    for path in ["/home/ada/face.jpg", "face.jpg", "~/face.jpg", "file:///home/ada/face.jpg"] {
        let arguments = json!({ "prompt": "x", "subject_reference": path });
        let answer = call(&served.base, None, "text_to_image", arguments.clone()).await;
        let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
        assert!(text.contains(&format!("POST {}/uploads", served.base)), "{path}: {answer}");
        assert!(!text.contains("absolute path"), "{path}: {text}");
    }
    served.end().await;
}

#[cfg(unix)]
#[tokio::test]
async fn uploaded_files_are_private_to_the_server_s_user() {
    use std::os::unix::fs::PermissionsExt as _;

    if crate::s3::leaves_out("the folder for uploads") {
        return;
    }
    let served = Served::open().await;
    taken(hand_in(&served.base, "", "").body("Once upon a time.")).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let file = kept(served.dir.path()).pop().unwrap();
    assert_eq!(mode(&file), 0o600);
    let folders: Vec<u32> = file.ancestors().skip(1).take(3).map(mode).collect();
    assert_eq!(folders, [0o700; 3], "{}", file.display());
    served.end().await;
}

#[tokio::test]
async fn a_toolset_allows_the_uploads_that_its_tools_accept() {
    let served = Served::tuned(true, quick(), |config| {
        config.http.tokens.iter_mut().for_each(|row| row.toolsets = Some(vec![Toolset::Image]));
    })
    .await;
    let face = taken(hand_in(&served.base, BOB, "").body(picture(&served).await)).await;
    let order = json!({ "prompt": "x", "subject_reference": face["uri"] });
    assert_eq!(make(&served.base, Some(BOB), "text_to_image", order).await["status"], "succeeded");
    served.end().await;
}
