//! Downloads as a caller sees them, through a job.

use std::path::Path;

use minimax_mcp::sandbox::{Act, Options, Rule, Sandbox};
use serde_json::{Value, json};

use super::host::{Asked, Film, Frame, Host, Reply};
use super::{MIB, OVERLAP, cut, names};
use crate::harness::{Program, World, eventually, quick};

/// A rule that makes MiniMax return this link for the video.
fn at(link: &str, times: Option<u32>) -> Rule {
    let file = json!({ "file_id": 7, "bytes": 0, "filename": "output.mp4", "download_url": link });
    let body = json!({ "file": file, "base_resp": { "status_code": 0, "status_msg": "success" } });
    Rule { times, ..Rule::always("/v1/files/retrieve", Act::Raw { body: body.to_string() }) }
}

fn starts(host: &Host) -> Vec<Option<u64>> {
    host.seen().iter().map(Asked::start).collect()
}

#[tokio::test]
async fn a_link_that_expires_in_mid_download_is_renewed_and_the_download_resumes() {
    if crate::s3::leaves_out("the folder for results") {
        return;
    }
    let (world, film) = (World::new().await, Film::new(4 * MIB));
    let host = Host::with(vec![cut(film, 2 * MIB), Reply::status(403), Reply::with(film)]).await;
    world.sandbox.script(vec![at(&host.link("a?sig=1"), Some(1)), at(&host.link("a?sig=2"), None)]);
    let view = world.make("generate_video", json!({ "prompt": "A fox" })).await;
    assert_eq!(view["files"][0]["sha256"], film.sha256(), "{view}");
    let start = Some(2 * MIB - OVERLAP);
    assert_eq!(starts(&host), [None, start, start]);
    let paths: Vec<_> = host.seen().into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths, ["/a?sig=1", "/a?sig=1", "/a?sig=2"]);
    assert_eq!((names(&world.out()).len(), world.bought()), (1, 1));
}

/// For every kind of result, the first link has expired.
#[tokio::test]
async fn a_link_that_has_expired_is_renewed_from_any_source() {
    let template =
        json!({ "template_id": "Run for Life", "media": ["https://example.com/a.jpg"], "texts": ["lion"] });
    let long = "A sentence that is long enough. ".repeat(400);
    for (tool, arguments, query) in [
        ("generate_video", json!({ "prompt": "A fox" }), "/v1/files/retrieve"),
        ("generate_video", json!({ "prompt": "A fox", "model": "h3" }), "/v2/query/video_generation/"),
        ("generate_video_from_template", template, "/v1/query/video_template_generation"),
        ("text_to_audio", json!({ "text": long }), "/v1/files/retrieve"),
    ] {
        let world = World::new().await;
        let expired = Act::Status {
            status: 403,
            body: "<Error/>".into(),
            content_type: None,
            headers: Default::default(),
        };
        world.sandbox.script(vec![Rule::once("/cdn/", expired)]);
        let view = world.make(tool, arguments).await;
        assert!(view["files"][0]["path"].is_string(), "{tool}: {view}");
        let requests = world.sandbox.requests();
        let fetched = requests.iter().position(|request| request.path.starts_with("/cdn/")).unwrap();
        let asked = requests[fetched..].iter().filter(|request| request.path.starts_with(query)).count();
        assert_eq!(asked, 1, "{tool}: a fresh link was asked for once");
        assert_eq!(world.bought(), 1);
    }
}

/// Tests the promise with the real program and SIGKILL.
#[tokio::test]
async fn the_download_of_a_killed_server_is_resumed_by_the_next() {
    if crate::s3::leaves_out("the folder for results") {
        return;
    }
    let (dir, film) = (tempfile::tempdir().unwrap(), Film::new(12 * MIB));
    let held = Reply { hold: Some(8 * MIB), ..Reply::with(film) };
    let host = Host::with(vec![held, Reply::with(film)]).await;
    let sandbox = Sandbox::start(Options { pace: quick(), ..Options::default() }).await.unwrap();
    sandbox.script(vec![at(&host.link("a?sig=1"), Some(1)), at(&host.link("a?sig=2"), None)]);
    let (url, path) = (sandbox.url(), dir.path().to_owned());
    let end = tokio::task::spawn_blocking(move || {
        let mut program = Program::at(&url, &path);
        program.initialize("2025-06-18");
        let first = program.call("generate_video", json!({ "prompt": "A fox", "wait_seconds": 1 }));
        let job = first["structuredContent"]["job_id"].clone();
        crate::crash::until("a part of it is there", || hidden(&path.join("out")) >= 3 * MIB);
        program.kill();
        let seen = names(&path.join("out"));
        assert!(seen.iter().all(|name| name.starts_with('.')), "nothing half under a name: {seen:?}");
        let mut program = Program::at(&url, &path);
        program.initialize("2025-06-18");
        program.call("get_job", json!({ "job_id": job, "wait_seconds": 60 }))
    });
    let end = end.await.unwrap();
    let view = &end["structuredContent"];
    assert_eq!((&view["status"], &view["files"][0]["sha256"]), (&json!("succeeded"), &json!(film.sha256())));
    let path = view["files"][0]["path"].as_str().unwrap();
    assert!(std::fs::read(path).unwrap() == film.bytes());
    let starts = starts(&host);
    assert_eq!((starts.len(), starts[0]), (2, None));
    assert!(starts[1].unwrap() >= 2 * MIB - OVERLAP, "{starts:?}");
    assert_eq!((names(&dir.path().join("out")).len(), sandbox.paid().len()), (1, 1));
    sandbox.stop().await;
}

#[tokio::test]
async fn the_download_of_a_server_that_stops_is_resumed_by_the_next() {
    if crate::s3::leaves_out("the folder for results") {
        return;
    }
    let (world, film) = (World::new().await, Film::new(4 * MIB));
    let held = Reply { hold: Some(3 * MIB), ..Reply::with(film) };
    let host = Host::with(vec![held, Reply::with(film)]).await;
    world.sandbox.script(vec![at(&host.link("a"), None)]);
    let first = world.make("generate_video", json!({ "prompt": "A fox", "wait_seconds": 0 })).await;
    let out = world.out();
    eventually("a mebibyte", async || hidden(&out) > MIB).await;
    let world = world.restarted().await;
    let end = world.make("get_job", json!({ "job_id": first["job_id"] })).await;
    assert_eq!(end["files"][0]["sha256"], film.sha256(), "{end}");
    assert!(starts(&host)[1].unwrap() > MIB - OVERLAP, "{:?}", starts(&host));
    assert_eq!((names(&out).len(), world.bought()), (1, 1));
}

/// The size of the partial file in the folder.
fn hidden(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.filter_map(|entry| entry.ok()?.metadata().ok()).map(|data| data.len()).max().unwrap_or_default()
}

/// A limit on the file size affects a download like a full disk.
#[cfg(unix)]
#[tokio::test]
async fn a_disk_that_fills_up_during_a_write_is_reported_and_get_job_tries_again() {
    if crate::s3::leaves_out("the folder for results") {
        return;
    }
    let (dir, film) = (tempfile::tempdir().unwrap(), Film::new(20 * MIB));
    let host = Host::with(vec![Reply::with(film)]).await;
    let sandbox = Sandbox::start(Options { pace: quick(), ..Options::default() }).await.unwrap();
    sandbox.script(vec![at(&host.link("a"), None)]);
    let (url, path) = (sandbox.url(), dir.path().to_owned());
    let (first, left, end) = tokio::task::spawn_blocking(move || {
        // The limit is in blocks of 512 or 1024 bytes.
        let mut program = Program::within("trap '' XFSZ; ulimit -f 8192", &url, &path);
        program.initialize("2025-06-18");
        let first = program.call("generate_video", json!({ "prompt": "A fox" }));
        let left = names(&path.join("out"));
        program.kill();
        let mut program = Program::at(&url, &path);
        program.initialize("2025-06-18");
        let job = first["structuredContent"]["job_id"].clone();
        let end = program.call("get_job", json!({ "job_id": job, "wait_seconds": 60 }));
        (first["structuredContent"].clone(), left, end["structuredContent"].clone())
    })
    .await
    .unwrap();
    assert_eq!(
        (&first["status"], &first["files"][0]["path"]),
        (&json!("succeeded"), &Value::Null),
        "{first}"
    );
    let said = first["warnings"].to_string();
    assert!(said.contains("was not saved") && said.contains("failed"), "{said}");
    assert!(first["files"][0]["url"].is_string(), "the link stays");
    assert!(left.is_empty(), "a full disk is not filled up: {left:?}");
    assert_eq!(end["files"][0]["sha256"], film.sha256(), "{end}");
    assert_eq!(sandbox.paid().len(), 1);
    sandbox.stop().await;
}

/// Uses separate file systems, which need permission to mount:
/// `unshare -rm cargo test --test it on_a_small_disk -- --ignored`
#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "mounts file systems; the command is in its comment"]
async fn on_a_small_disk_nothing_is_bought_or_kept_that_does_not_fit() {
    if crate::s3::leaves_out("the folder for results") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let mount = |options: &[&str]| {
        let mut command = std::process::Command::new("mount");
        command.args(options).arg("none").arg(&out);
        assert!(command.status().unwrap().success());
    };
    mount(&["-t", "tmpfs", "-o", "size=300m"]);
    let film = Film::new(310 * MIB);
    let endless = Reply { frame: Frame::Chunked, ..Reply::with(film) };
    let host = Host::with(vec![Reply::with(film), endless, Reply::with(film)]).await;
    let sandbox = Sandbox::start(Options { pace: quick(), ..Options::default() }).await.unwrap();
    sandbox.script(vec![at(&host.link("a"), None)]);
    let (url, path) = (sandbox.url(), dir.path().to_owned());
    let calls = tokio::task::spawn_blocking(move || {
        let mut program = Program::at(&url, &path);
        program.initialize("2025-06-18");
        let order = json!({ "prompt": "A fox" });
        let refused = program.call("generate_video", order.clone())["structuredContent"].clone();
        let job = json!({ "job_id": refused["job_id"] });
        let filled = program.call("get_job", job.clone())["structuredContent"].clone();
        let left = names(&path.join("out"));
        // Start with enough space, then with almost none.
        let resize = |size: &str| {
            let mut command = std::process::Command::new("mount");
            command.args(["-o", &format!("remount,size={size}")]).arg(path.join("out"));
            assert!(command.status().unwrap().success());
        };
        resize("400m");
        let whole = program.call("get_job", job)["structuredContent"].clone();
        resize("320m");
        let unbought = program.call("generate_video", order)["content"][0]["text"].clone();
        (refused, filled, left, whole, unbought)
    });
    let (refused, filled, left, whole, unbought) = calls.await.unwrap();
    assert!(refused["warnings"].to_string().contains("are free in"), "{refused}");
    assert!(filled["warnings"].to_string().contains("no space is left in"), "{filled}");
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(whole["files"][0]["sha256"], film.sha256(), "{whole}");
    let said = unbought.as_str().unwrap();
    assert!(said.contains("bytes free and needs at least 268,435,456"), "{said}");
    assert_eq!(sandbox.paid().len(), 1, "the second was refused before it was bought");
    sandbox.stop().await;
}

#[tokio::test]
async fn a_download_by_link_is_resumed_by_the_next_call() {
    let (world, film) = (World::new().await, Film::new(2 * MIB));
    let host = Host::with(vec![cut(film, MIB / 2), Reply::status(403), Reply::with(film)]).await;
    let refusal = world.refusal("download_file", json!({ "url": host.link("a.mp4?sig=1") })).await;
    assert!(refusal.contains("has expired (HTTP 403)"), "{refusal}");
    let made = world.make("download_file", json!({ "url": host.link("a.mp4?sig=2") })).await;
    assert_eq!(made["sha256"], film.sha256());
    let start = Some(MIB / 2 - OVERLAP);
    assert_eq!(starts(&host), [None, start, start]);
    assert_eq!(names(&world.out()).len(), 1);
}
