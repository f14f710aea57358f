//! Downloads from hosts with any behaviour.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use axum::http::{StatusCode, header};
use bytes::Bytes;
use futures_util::stream;
use minimax_mcp::download::{Expect, FetchProblem, fetch, save, save_stream};
use minimax_mcp::media::Kind;
use sha2::Digest as _;
use tokio::net::TcpListener;

use super::files::{jpeg, mp3, mp4, png, wav};
use super::world::{Answer, IMAGES, PICTURE, World, wrong};

#[tokio::test]
async fn a_result_arrives_whole_hashed_and_measured() {
    let world = World::new().await;
    let file = png(1024, 768, 300_000);
    let url = world.offer("fox", Answer::File(file.clone()));
    let saved = world.download(&url, "a-fox-1.png", PICTURE).await.unwrap();
    assert_eq!(saved.path, world.folder.path().join("a-fox-1.png"));
    assert_eq!(fs::read(&saved.path).unwrap(), file);
    assert_eq!((saved.bytes, saved.width, saved.height), (300_000, Some(1024), Some(768)));
    assert_eq!((saved.mime.as_str(), saved.duration_ms), ("image/png", None));
    assert_eq!(saved.sha256, data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(&file)));
    assert_eq!(world.names().len(), 1);
}

#[tokio::test]
async fn a_result_without_a_declared_length_arrives_too() {
    let world = World::new().await;
    let url = world.offer("clip", Answer::Chunked(mp4(1280, 720, 6000, false)));
    let expect = Expect { kind: Some(Kind::Video), max_bytes: 100_000, extension: "mp4" };
    let saved = world.download(&url, "clip.mp4", expect).await.unwrap();
    assert_eq!((saved.width, saved.height, saved.duration_ms), (Some(1280), Some(720), Some(6000)));
}

#[cfg(unix)]
#[tokio::test]
async fn a_result_is_an_ordinary_file_that_others_may_read_where_the_umask_lets_them() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new().await;
    let ordinary = world.folder.path().join("ordinary");
    fs::write(&ordinary, "").unwrap();
    let saved = save(png(8, 8, 99).into(), world.folder.path(), "x.png", &PICTURE).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&saved.path), mode(&ordinary));
}

#[tokio::test]
async fn a_connection_that_ends_early_leaves_nothing_and_may_be_tried_again() {
    let world = World::new().await;
    let url = world.offer("short", Answer::Short(png(512, 512, 200_000)));
    let problem = world.download(&url, "short.png", PICTURE).await.unwrap_err();
    assert!(matches!(problem, FetchProblem::Transient { .. }), "{problem}");
    assert_eq!(world.names(), BTreeSet::new());
}

#[tokio::test]
async fn a_download_whose_caller_has_left_leaves_nothing() {
    let world = World::new().await;
    let url = world.offer("stalls", Answer::Stalls(png(512, 512, 200_000)));
    let started = world.download(&url, "stalls.png", PICTURE);
    tokio::time::timeout(Duration::from_millis(300), started).await.unwrap_err();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !world.names().is_empty() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(world.names(), BTreeSet::new());
}

#[tokio::test]
async fn an_error_page_is_not_taken_for_media() {
    let world = World::new().await;
    let page = b"<!DOCTYPE html><html><body>Sorry</body></html>".to_vec();
    let url = world.offer("page", Answer::File(page));
    for kind in [None, Some(Kind::Image), Some(Kind::Audio), Some(Kind::Video)] {
        let reason = wrong(world.download(&url, "x.mp4", Expect { kind, ..PICTURE }).await);
        assert!(reason.contains("an HTML page"), "{reason}");
    }
    let url = world.offer("json", Answer::File(br#"{"error":"busy"}"#.to_vec()));
    let expect = Expect { kind: Some(Kind::Audio), max_bytes: 1000, extension: "mp3" };
    let reason = wrong(world.download(&url, "x.mp3", expect).await);
    assert_eq!(reason, "the content is a text file instead of audio");
    assert_eq!(world.names(), BTreeSet::new());
}

#[tokio::test]
async fn a_link_that_has_expired_asks_for_a_fresh_one() {
    let world = World::new().await;
    for status in [401, 403, 404, 410] {
        let url = world.offer("old", Answer::Status(StatusCode::from_u16(status).unwrap(), &[]));
        match world.download(&url, "x.png", PICTURE).await {
            Err(FetchProblem::Expired { status: seen }) => assert_eq!(seen, status),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_busy_server_says_how_long_to_wait() {
    let world = World::new().await;
    let url = world.offer("busy", Answer::Status(StatusCode::TOO_MANY_REQUESTS, &[("retry-after", "7")]));
    match world.download(&url, "x.png", PICTURE).await {
        Err(FetchProblem::Transient { retry_after, .. }) => {
            assert_eq!(retry_after, Some(Duration::from_secs(7)));
        }
        other => panic!("{other:?}"),
    }
    let url = world.offer("down", Answer::Status(StatusCode::BAD_GATEWAY, &[]));
    let problem = world.download(&url, "x.png", PICTURE).await.unwrap_err();
    assert!(matches!(problem, FetchProblem::Transient { retry_after: None, .. }), "{problem}");
}

#[tokio::test]
async fn an_unreachable_server_is_transient_and_no_problem_shows_the_signature() {
    let world = World::new().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{gone}/x.png?signature=s3cret");
    let problem = world.download(&url, "x.png", PICTURE).await.unwrap_err();
    assert!(matches!(problem, FetchProblem::Transient { .. }), "{problem}");
    let odd = world.offer("odd", Answer::Status(StatusCode::NO_CONTENT, &[]));
    let hop =
        world.offer("hop", Answer::Status(StatusCode::FOUND, &[("location", "http://10.0.0.1/?k=s3cret")]));
    let mut texts = vec![format!("{problem} {problem:?}")];
    for url in [odd, hop] {
        let problem = world.download(&url, "x.png", PICTURE).await.unwrap_err();
        texts.push(format!("{problem} {problem:?}"));
    }
    assert!(texts.iter().all(|text| !text.contains("s3cret")), "{texts:?}");
}

#[tokio::test]
async fn a_redirect_is_judged_like_the_link_itself() {
    let world = World::new().await;
    for (target, reason) in [
        (&[("location", "http://10.0.0.1/x.png")], "10.0.0.1"),
        (&[("location", "https://169.254.169.254/latest/meta-data/")], "169.254.169.254"),
        (&[("location", "https://[::ffff:192.168.0.1]/")], "192.168.0.1"),
        (&[("location", "http://93.184.216.34/x.png")], "http: link"),
        (&[("location", "https://ann:pw@93.184.216.34/")], "password"),
    ] {
        let url = world.offer("hop", Answer::Status(StatusCode::FOUND, target));
        let seen = wrong(world.download(&url, "x.png", PICTURE).await);
        assert!(seen.contains(reason), "{seen}");
    }
    let url = world.offer("circle", Answer::Status(StatusCode::FOUND, &[("location", "/circle")]));
    assert!(wrong(world.download(&url, "x.png", PICTURE).await).contains("more than 5 times"));
    assert_eq!(world.shelf.seen.lock().unwrap().iter().filter(|(name, _)| name == "circle").count(), 6);
}

#[tokio::test]
async fn a_good_redirect_is_followed_without_secrets() {
    let world = World::new().await;
    world.offer("final", Answer::File(png(300, 300, 9000)));
    let hop = Answer::Status(StatusCode::FOUND, &[("location", "/final"), ("set-cookie", "a=b")]);
    let url = world.offer("first", hop);
    world.download(&url, "x.png", PICTURE).await.unwrap();
    let seen = world.shelf.seen.lock().unwrap();
    assert_eq!(seen.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["first", "final"]);
    for (_, headers) in seen.iter() {
        let sent: Vec<&str> = headers.keys().map(header::HeaderName::as_str).collect();
        let secret = ["cookie", "authorization", "referer", "accept-encoding"];
        assert!(secret.iter().all(|name| !sent.contains(name)), "{sent:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused_by_its_declaration_or_on_the_way() {
    let world = World::new().await;
    let url = world.offer("huge", Answer::Declares(1 << 50));
    assert!(wrong(world.download(&url, "x.png", PICTURE).await).contains("1024 TB"));
    let url = world.offer("growing", Answer::Chunked(png(300, 300, 50_000)));
    let reason = wrong(world.download(&url, "x.png", Expect { max_bytes: 30_000, ..PICTURE }).await);
    assert!(reason.contains("the limit is 29 KB"), "{reason}");
    assert_eq!(world.names(), BTreeSet::new());
}

#[tokio::test]
async fn a_file_that_is_there_already_is_adopted_and_not_written_twice() {
    let world = World::new().await;
    let file = png(640, 480, 70_000);
    for (name, answer) in [("known", Answer::File(file.clone())), ("unknown", Answer::Chunked(file.clone()))]
    {
        let url = world.offer(name, answer);
        let first = world.download(&url, "x.png", PICTURE).await.unwrap();
        let again = world.download(&url, "x.png", PICTURE).await.unwrap();
        assert_eq!(first, again);
    }
    assert_eq!(world.names(), BTreeSet::from(["x.png".to_owned()]));
}

#[tokio::test]
async fn a_name_that_something_else_has_is_left_alone() {
    let world = World::new().await;
    let ours = png(640, 480, 70_000);
    fs::create_dir(world.folder.path().join("x_2.png")).unwrap();
    let url = world.offer("ours", Answer::File(ours.clone()));
    // A file of the same length that differs in one byte, near the start or at the end.
    for at in [100, 69_999] {
        let mut theirs = ours.clone();
        theirs[at] ^= 1;
        fs::write(world.folder.path().join("x.png"), &theirs).unwrap();
        let saved = world.download(&url, "x.png", PICTURE).await.unwrap();
        assert_eq!(saved.path, world.folder.path().join("x_3.png"));
        assert_eq!(fs::read(&saved.path).unwrap(), ours);
        assert_eq!(fs::read(world.folder.path().join("x.png")).unwrap(), theirs);
        fs::remove_file(saved.path).unwrap();
    }
}

#[tokio::test]
async fn parallel_downloads_of_one_name_never_overwrite_each_other() {
    let world = World::new().await;
    let files: Vec<Vec<u8>> = (1..=6).map(|n| png(300 + n / 2, 300, 90_000)).collect();
    let urls: Vec<String> = files
        .iter()
        .enumerate()
        .map(|(n, file)| world.offer(&n.to_string(), Answer::Chunked(file.clone())))
        .collect();
    let all =
        futures_util::future::join_all(urls.iter().map(|url| world.download(url, "x.png", PICTURE))).await;
    for (file, saved) in files.iter().zip(all) {
        assert_eq!(&fs::read(saved.unwrap().path).unwrap(), file);
    }
    // Files 2 and 3 are identical, and so are 4 and 5. Files 1 and 6 are unique.
    assert_eq!(world.names(), BTreeSet::from(["x.png", "x_2.png", "x_3.png", "x_4.png"].map(str::to_owned)));
}

#[tokio::test]
async fn the_extension_follows_the_content() {
    let world = World::new().await;
    let into = |bytes: Vec<u8>, name: &'static str, kind, extension: &'static str| {
        let folder = world.folder.path().to_owned();
        async move {
            let expect = Expect { kind, max_bytes: 1_000_000, extension };
            let saved = save(bytes.into(), &folder, name, &expect).await.unwrap();
            (saved.path.file_name().unwrap().to_str().unwrap().to_owned(), saved.mime)
        }
    };
    let named = |name: &str, mime: &str| (name.to_owned(), mime.to_owned());
    let image = Some(Kind::Image);
    assert_eq!(into(png(9, 9, 50), "a.jpg", image, "jpg").await, named("a.png", "image/png"));
    assert_eq!(into(jpeg(9, 9), "b.jpeg", image, "jpeg").await, named("b.jpeg", "image/jpeg"));
    let opus = b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead\x01\x02".to_vec();
    assert_eq!(into(opus, "c.opus", Some(Kind::Audio), "opus").await, named("c.opus", "audio/ogg"));
    let samples = vec![0, 1, 0, 2, 0xfe, 0xff];
    assert_eq!(into(samples, "d.pcm", Some(Kind::Audio), "pcm").await, named("d.pcm", "audio/pcm"));
    let subtitles = b"1\n00:00:00,000 --> 00:00:01,000\nHi\n".to_vec();
    assert_eq!(into(subtitles, "e.srt", None, "srt").await, named("e.srt", "application/x-subrip"));
}

#[tokio::test]
async fn a_stream_that_fails_leaves_nothing() {
    let world = World::new().await;
    let pieces = [Ok(Bytes::from(mp3(40))), Err(FetchProblem::Wrong("the voice broke".into()))];
    let expect = Expect { kind: Some(Kind::Audio), max_bytes: 1_000_000, extension: "mp3" };
    let result = save_stream(stream::iter(pieces), world.folder.path(), "x.mp3", &expect).await;
    assert_eq!(wrong(result), "the voice broke");
    assert_eq!(world.names(), BTreeSet::new());
}

#[tokio::test]
async fn a_removed_folder_is_a_problem_of_the_disk() {
    let world = World::new().await;
    let gone = world.folder.path().join("gone");
    let problem = save(png(9, 9, 50).into(), &gone, "x.png", &PICTURE).await.unwrap_err();
    assert!(
        matches!(&problem, FetchProblem::Disk(reason) if reason.contains("no longer exists")),
        "{problem}"
    );
    for name in ["../x.png", "a/b.png", "", "CON.png", "x.png.", "a\\b.png"] {
        wrong(save(png(9, 9, 50).into(), world.folder.path(), name, &PICTURE).await);
    }
}

#[tokio::test]
async fn a_linked_input_is_fetched_within_its_limits() {
    let world = World::new().await;
    let url = world.offer("good", Answer::Chunked(png(512, 512, 90_000)));
    let blob = fetch(&world.client, &world.guard, &url, &IMAGES).await.unwrap();
    assert_eq!((blob.bytes.len(), blob.mime, blob.width), (90_000, "image/png", Some(512)));
    for (answer, reason) in [
        (
            Answer::File(png(100, 512, 90_000)),
            "the linked file is 100 x 512 pixels; each side must be 256 to 5,760",
        ),
        (Answer::Chunked(png(512, 512, 1_000_001)), "the limit is 1,000,000"),
        (Answer::Stalls(wav(1)), "is a WAV file; must be JPEG, PNG or WebP"),
    ] {
        let url = world.offer("bad", answer);
        let problem = fetch(&world.client, &world.guard, &url, &IMAGES).await.unwrap_err();
        assert!(matches!(&problem, FetchProblem::Wrong(seen) if seen.contains(reason)), "{problem}");
    }
}
