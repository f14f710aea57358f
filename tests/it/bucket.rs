//! Results and uploads in a bucket: complete or absent, never bought twice, and accepted wherever a file in the folder
//! is.

use std::path::Path;
use std::time::Duration;

use minimax_mcp::sandbox::{Act, Pace, Rule};
use rmcp::model::{ReadResourceRequestParams, ResourceContents};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::crash::{Cell, Victim};
use crate::delivery::host::{Film, Host, Parts, Reply};
use crate::harness::{Program, World, eventually, quick, text};
use crate::s3::{BUCKET, Fault, S3};

const MIB: u64 = 1024 * 1024;

/// The methods of requests that change something.
const WRITES: &[&str] = &["PUT", "POST", "DELETE"];
const ALL: &[&str] = &["GET", "HEAD", "PUT", "POST", "DELETE"];
const SLOW_DOWN: Fault = Fault::Status(503, "SlowDown");

fn encoded(bytes: &[u8]) -> String {
    data_encoding::BASE64.encode(bytes)
}

async fn world(s3: &S3, pace: Pace, more: &[(&str, &str)]) -> World {
    let settings = s3.settings();
    let mut all: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    all.extend(more);
    World::with(pace, &all).await
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { found.push(path.display().to_string()) }
        }
    }
    found
}

/// Checks that each file of a view is an object with the bytes that the view names, and the only thing in the bucket.
fn is_delivered(s3: &S3, view: &Value, count: usize) {
    assert_eq!(view["status"], "succeeded", "{view}");
    let listed = view["files"].as_array().unwrap();
    assert_eq!(listed.len(), count, "{view}");
    for file in listed {
        let bytes = s3.object(file["path"].as_str().unwrap());
        let sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes));
        assert_eq!((&file["bytes"], &file["sha256"]), (&json!(bytes.len()), &json!(sha256)));
    }
    assert_eq!(s3.unfinished(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_result_is_an_object_and_nothing_is_in_the_folder() {
    let s3 = S3::start();
    let world = world(&s3, quick(), &[]).await;
    for (tool, arguments) in [
        ("text_to_image", json!({ "prompt": "Two foxes", "n": 2 })),
        ("text_to_audio", json!({ "text": "A fox." })),
        ("text_to_audio", json!({ "text": "A fox in words.", "subtitles": "srt" })),
        ("music_generation", json!({ "prompt": "A fox", "lyrics": "[verse]\nA fox" })),
        ("generate_video", json!({ "prompt": "A fox", "wait_seconds": 60 })),
        (
            "text_to_audio",
            json!({ "text": "Once upon a time there was a fox. ".repeat(400), "subtitles": "srt", "wait_seconds": 60 }),
        ),
    ] {
        let view = world.make(tool, arguments).await;
        let count = view["files"].as_array().unwrap().len();
        assert!(count > 0, "{tool}: {view}");
        is_delivered(&s3, &view, count);
        let job = view["job_id"].as_str().unwrap();
        for file in view["files"].as_array().unwrap() {
            let path = file["path"].as_str().unwrap();
            assert!(path.starts_with(&format!("s3://{BUCKET}/results/local/{job}/")), "{path}");
            // The link needs no credentials.
            let response = crate::harness::http_client()
                .get(file["download_url"].as_str().unwrap())
                .send()
                .await
                .unwrap();
            assert_eq!(
                response.headers()["content-type"].to_str().unwrap(),
                file["mime_type"].as_str().unwrap(),
                "{tool}"
            );
            assert!(response.bytes().await.unwrap() == s3.object(path), "{tool}");
        }
        if file_is_image(&view) {
            assert!(view["files"][0]["width"].as_u64().is_some_and(|width| width > 0), "{view}");
        }
    }
    assert_eq!(files(&world.out()), Vec::<String>::new());
    assert_eq!(files(&world.dir.path().join("data/minimax-mcp/undelivered")), Vec::<String>::new());
}

fn file_is_image(view: &Value) -> bool {
    view["files"][0]["mime_type"].as_str().unwrap_or_default().starts_with("image/")
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_reads_results_reads_the_bucket() {
    let s3 = S3::start();
    let world = world(&s3, quick(), &[]).await;
    let view = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    let (uri, path) = (view["files"][0]["uri"].as_str().unwrap(), view["files"][0]["path"].as_str().unwrap());
    let bytes = s3.object(path);
    // The resource.
    let read = world.client.read_resource(ReadResourceRequestParams::new(uri)).await.unwrap();
    let ResourceContents::BlobResourceContents { blob, .. } = &read.contents[0] else { panic!("{read:?}") };
    assert!(*blob == encoded(&bytes));
    // The picture for a model.
    let seen = world.call("view_media", json!({ "uri": uri })).await;
    assert!(seen.content[0].as_image().is_some(), "{seen:?}");
    assert!(text(&seen).contains(uri) && !text(&seen).contains("File:"), "{}", text(&seen));
    // The input of the next tool.
    world.make("text_to_image", json!({ "prompt": "The same fox", "subject_reference": uri })).await;
    let sent = world.last_body()["subject_reference"][0]["image_file"].as_str().unwrap().to_owned();
    // The sandbox keeps the hash of a long text.
    let whole = format!("data:image/jpeg;base64,{}", encoded(&bytes));
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(&whole));
    assert!(sent.contains(&hash), "{sent}");
    // Its address in the bucket, which the result shows as its path, is an input too.
    world.make("text_to_image", json!({ "prompt": "The same fox again", "subject_reference": path })).await;
    let again = world.last_body()["subject_reference"][0]["image_file"].as_str().unwrap().to_owned();
    assert_eq!(again, sent);
    let bucket = path.rsplit_once("/results/").unwrap().0;
    for other in [format!("{path}x"), format!("{bucket}/results/local/x.jpg"), format!("{bucket}/x.jpg")] {
        let order = json!({ "prompt": "x", "subject_reference": other });
        let said = world.refusal("text_to_image", order).await;
        assert!(said.contains("`subject_reference`"), "{said}");
    }
    let uploaded =
        world.make("upload_file", json!({ "file": uri, "purpose": "video_generation_input" })).await;
    assert!(uploaded["file_id"].is_string() || uploaded["file_id"].is_number(), "{uploaded}");
    // An object that was removed is fetched again.
    std::fs::remove_file(s3.objects().into_iter().find(|(key, _)| path.ends_with(key.as_str())).unwrap().1)
        .unwrap();
    let again = world.make("get_job", json!({ "job_id": view["job_id"], "wait_seconds": 20 })).await;
    is_delivered(&s3, &again, 1);
    assert_eq!(world.bought(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_refused_before_anything_is_bought() {
    let s3 = S3::start();
    let world = world(&s3, quick(), &[]).await;
    let said = world.refusal("text_to_image", json!({ "prompt": "x", "output_directory": "foxes" })).await;
    assert!(said.contains("output_directory") && said.contains("MINIMAX_FILES_URL"), "{said}");
    for (fault, word) in [(SLOW_DOWN, "not available"), (Fault::Status(403, "AccessDenied"), "refuses")] {
        s3.fail(ALL, fault);
        tokio::time::sleep(Duration::from_millis(2100)).await;
        let said = world.refusal("text_to_image", json!({ "prompt": "x" })).await;
        assert!(said.contains("MINIMAX_FILES_URL") && said.contains(word), "{said}");
        assert!(!said.contains("hunter2") && !said.contains("127.0.0.1"), "{said}");
        let ready = world.server.jobs().check().await;
        assert_eq!(ready, Err("the bucket cannot be used"));
    }
    assert_eq!(world.bought(), 0);
    s3.mend();
    tokio::time::sleep(Duration::from_millis(2100)).await;
    world.make("text_to_image", json!({ "prompt": "x" })).await;
    assert_eq!(world.server.jobs().check().await, Ok(()));
}

/// The bucket fails after the purchase, in each of its ways, and the server is started again meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_bucket_delays_results_and_loses_none() {
    for fault in [SLOW_DOWN, Fault::Status(403, "AccessDenied"), Fault::Status(404, "NoSuchBucket")] {
        let s3 = S3::start();
        let mut world = world(&s3, quick(), &[]).await;
        s3.fail(WRITES, fault.clone());
        let mut jobs = Vec::new();
        for (tool, arguments) in [
            ("text_to_image", json!({ "prompt": "A fox", "wait_seconds": 1 })),
            ("text_to_audio", json!({ "text": "A fox.", "wait_seconds": 1 })),
            ("generate_video", json!({ "prompt": "A fox", "wait_seconds": 1 })),
        ] {
            let job = world.make(tool, arguments).await["job_id"].clone();
            let view = async || world.make("get_job", json!({ "job_id": job, "wait_seconds": 0 })).await;
            eventually("it is bought", async || view().await["status"] != "submitting").await;
            assert_eq!(view().await["status"], "running", "{fault:?}");
            jobs.push(job);
        }
        // The caller is told why.
        eventually("the reason is in the view", async || {
            let view = world.make("get_job", json!({ "job_id": jobs[0], "wait_seconds": 0 })).await;
            view["warnings"].to_string().contains("bucket")
        })
        .await;
        assert_eq!(s3.objects().len(), 0);
        world = world.restarted().await;
        s3.mend();
        for job in &jobs {
            let view = world.make("get_job", json!({ "job_id": job, "wait_seconds": 60 })).await;
            is_delivered(&s3, &view, 1);
            assert!(!view["warnings"].to_string().contains("bucket"), "{view}");
        }
        assert_eq!((world.bought(), s3.objects().len()), (3, 3), "{fault:?}");
        assert_eq!(files(&world.dir.path().join("data/minimax-mcp/undelivered")), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_bucket_is_waited_for() {
    let s3 = S3::start();
    let world = world(&s3, quick(), &[]).await;
    s3.fail(WRITES, Fault::Slow(Duration::from_secs(2)));
    let view = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    is_delivered(&s3, &view, 1);
    assert_eq!(world.bought(), 1);
}

/// A link that ends soon is downloaded to the disk while the bucket is away.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_ends_before_the_bucket_is_back_is_not_needed_any_more() {
    let s3 = S3::start();
    let world = world(&s3, Pace { link_seconds: Some(600), ..quick() }, &[]).await;
    s3.fail(WRITES, SLOW_DOWN);
    let view = world.make("text_to_image", json!({ "prompt": "A fox", "wait_seconds": 1 })).await;
    let spool = world.dir.path().join("data/minimax-mcp/undelivered");
    eventually("the file is on the disk", async || files(&spool).iter().any(|name| name.contains(".jpg")))
        .await;
    // All links are dead now.
    world.sandbox.script(vec![Rule::always(
        "/cdn",
        Act::Status { status: 403, body: String::new(), content_type: None, headers: Default::default() },
    )]);
    s3.mend();
    let view = world.make("get_job", json!({ "job_id": view["job_id"], "wait_seconds": 60 })).await;
    is_delivered(&s3, &view, 1);
    assert_eq!((world.bought(), files(&spool)), (1, Vec::new()));
}

/// A sandbox whose videos are at `host`.
fn videos_at(sandbox: &minimax_mcp::sandbox::Sandbox, host: &Host) {
    let file = json!({ "file_id": 7, "filename": "output.mp4", "download_url": host.link("a") });
    let body = json!({ "file": file, "base_resp": { "status_code": 0 } }).to_string();
    sandbox.script(vec![Rule::always("/v1/files/retrieve", Act::Raw { body })]);
}

/// A program that was killed at a point of an upload, and what it left.
struct Killed {
    s3: S3,
    cell: Cell,
    film: Film,
    host: Host,
}

impl Killed {
    fn at(point: &'static str, runtime: &tokio::runtime::Runtime) -> Self {
        let film = Film::new(35 * MIB + 77);
        let host = runtime.block_on(Host::with(vec![Reply::with(film)]));
        let killed = Self { s3: S3::start(), cell: Cell::new(runtime), film, host };
        videos_at(&killed.cell.sandbox, &killed.host);
        let mut victim = killed.program(("MINIMAX_CRASH_POINT", point));
        victim.begin("generate_video", &json!({ "prompt": "A fox", "idempotency_key": "k" }));
        assert!(victim.point(Duration::from_secs(60)).is_some(), "{point}: {}", victim.log());
        victim.kill();
        killed
    }

    fn program(&self, setting: (&str, &str)) -> Victim {
        let settings = self.s3.settings();
        let mut all: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.push(setting);
        self.cell.program(&all).ready()
    }

    /// The next program delivers the film as one object, and buys nothing.
    fn delivers(&self, point: &str) {
        let mut again = self.program(("MINIMAX_CRASH_CLOCK", "7000"));
        let order = json!({ "prompt": "A fox", "idempotency_key": "k", "wait_seconds": 120 });
        let view = again.call("generate_video", order)["structuredContent"].clone();
        is_delivered(&self.s3, &view, 1);
        assert_eq!(view["files"][0]["sha256"], self.film.sha256(), "{point}");
        assert_eq!((self.s3.objects().len(), self.cell.sandbox.paid().len()), (1, 1), "{point}");
        again.kill();
    }
}

/// The program is killed in the middle of an upload, before it completes, and between its completion and the record.
#[test]
fn a_program_that_dies_in_an_upload_leaves_one_whole_object_and_buys_nothing_twice() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for (point, is_resumed) in [
        ("bucket.part#1", true),
        ("bucket.part#3", true),
        ("bucket.sealed#1", false),
        ("bucket.completed#1", false),
    ] {
        let killed = Killed::at(point, &runtime);
        let asked = killed.host.seen().len();
        killed.delivers(point);
        let later: Vec<_> = killed.host.seen().split_off(asked);
        assert_eq!(later.iter().any(|asked| asked.start().is_some()), is_resumed, "{point}: {later:?}");
        assert_eq!(
            later.is_empty(),
            !is_resumed,
            "{point}: what has arrived is not fetched again: {later:?}"
        );
    }
}

/// A server that no longer knows an upload may answer with 403. The upload is then begun again.
#[test]
fn an_upload_that_the_bucket_has_lost_is_begun_again() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // Either some parts have arrived, or all have and the upload only has to be completed.
    for point in ["bucket.part#3", "bucket.sealed#1"] {
        let killed = Killed::at(point, &runtime);
        assert!(killed.s3.lose_uploads() > 0);
        killed.delivers(point);
    }
}

/// The host has replaced the file: the parts of the old file are removed, and the two files are never joined.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_download_resumes_only_with_the_same_file() {
    for (parts, tag, seed) in [
        (Parts::Sent, "ETag: \"one\"\r\n", 0),
        (Parts::Blindly, "ETag: \"one\"\r\n", 9),
        (Parts::Sent, "ETag: \"two\"\r\n", 9),
    ] {
        let s3 = S3::start();
        let world = world(&s3, quick(), &[]).await;
        let (film, later) = (Film::new(20 * MIB), Film { length: 20 * MIB, seed });
        let host = Host::with(vec![
            Reply { cut: Some(12 * MIB), ..Reply::with(film) },
            Reply { tag, parts, ..Reply::with(later) },
        ])
        .await;
        videos_at(&world.sandbox, &host);
        let view = world.make("generate_video", json!({ "prompt": "A fox", "wait_seconds": 60 })).await;
        is_delivered(&s3, &view, 1);
        assert_eq!(view["files"][0]["sha256"], later.sha256(), "{parts:?} {tag}");
        assert_eq!(s3.objects().len(), 1);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_large_video_passes_through_a_few_parts_of_memory() {
    let s3 = S3::start();
    let dir = tempfile::tempdir().unwrap();
    let sandbox = minimax_mcp::sandbox::Options { pace: quick(), ..Default::default() };
    let sandbox = minimax_mcp::sandbox::Sandbox::start(sandbox).await.unwrap();
    let host = Host::with(vec![Reply::with(Film::new(20 * MIB))]).await;
    videos_at(&sandbox, &host);
    let settings = s3.settings();
    let large = Film::new(120 * MIB);
    let (url, path) = (sandbox.url(), dir.path().to_owned());
    let peak = |program: &Program| -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", program.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
        line.trim_end_matches(" kB").parse().unwrap()
    };
    let (view, grown) = tokio::task::spawn_blocking(move || {
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut program = Victim::start(crate::crash::command(&url, &path, &settings)).ready().program;
        program.call("generate_video", json!({ "prompt": "A small fox" }));
        let before = peak(&program);
        host.then(vec![Reply::with(large)]);
        let order = json!({ "prompt": "A large fox", "wait_seconds": 240 });
        let view = program.call("generate_video", order)["structuredContent"].clone();
        (view, peak(&program).saturating_sub(before))
    })
    .await
    .unwrap();
    is_delivered(&s3, &view, 1);
    assert_eq!(view["files"][0]["sha256"], large.sha256());
    // A few parts and what the allocator keeps; the video is much longer.
    assert!(grown < 48 * 1024, "{grown} KiB");
}
