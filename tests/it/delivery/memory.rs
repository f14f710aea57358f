//! Downloads are streamed to disk and never held in memory.

#![cfg(target_os = "linux")]

use std::path::Path;

use minimax_mcp::sandbox::{Act, Options, Rule, Sandbox};
use serde_json::json;

use super::host::{Film, Host, Reply};
use super::{MIB, cut};
use crate::harness::{Program, quick};

/// The peak memory of a process, in KiB.
fn peak(program: &Program) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Downloads a small video and then a large one, each in a job. Returns the memory growth from the second, in KiB.
async fn growth(length: u64, script: impl Fn(Film) -> Vec<Reply>) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let (small, large) = (Film::new(4 * MIB), Film::new(length));
    let host = Host::with(vec![Reply::with(small)]).await;
    let sandbox = Sandbox::start(Options { pace: quick(), ..Options::default() }).await.unwrap();
    let file = json!({ "file_id": 7, "filename": "output.mp4", "download_url": host.link("a") });
    let body = json!({ "file": file, "base_resp": { "status_code": 0 } }).to_string();
    sandbox.script(vec![Rule::always("/v1/files/retrieve", Act::Raw { body })]);
    let (url, path) = (sandbox.url(), dir.path().to_owned());
    let script = script(large);
    let made = tokio::task::spawn_blocking(move || {
        let mut program = Program::at(&url, &path);
        program.initialize("2025-06-18");
        program.call("generate_video", json!({ "prompt": "A small fox" }));
        let before = peak(&program);
        host.then(script);
        let order = json!({ "prompt": "A large fox", "wait_seconds": 240 });
        let made = program.call("generate_video", order)["structuredContent"].clone();
        let after = peak(&program);
        eprintln!("{} MiB: {before} KiB before, {after} KiB after", length / MIB);
        assert_eq!(made["files"][0]["bytes"], length, "{made}");
        (made, after - before)
    });
    let (made, grown) = made.await.unwrap();
    let saved = Path::new(made["files"][0]["path"].as_str().unwrap()).metadata().unwrap();
    assert_eq!((saved.len(), made["files"][0]["sha256"].as_str()), (length, Some(large.sha256().as_str())));
    sandbox.stop().await;
    grown
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_of_any_size_grows_the_program_by_less_than_eight_mebibytes() {
    if crate::s3::leaves_out("downloads into the folder; bucket.rs measures those into a bucket") {
        return;
    }
    assert!(growth(96 * MIB, |film| vec![Reply::with(film)]).await < 8 * 1024);
}

/// Audio that arrives as hex in the response takes only its own size and that of the response.
#[tokio::test(flavor = "multi_thread")]
async fn audio_within_an_answer_is_in_memory_once() {
    const SOUND: usize = 20 * 1024 * 1024;
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(Options { pace: quick(), ..Options::default() }).await.unwrap();
    let (url, path) = (sandbox.url(), dir.path().to_owned());
    let hex = "fffb9064".repeat(SOUND / 4);
    let body = format!(r#"{{"data":{{"audio":"{hex}","status":2}},"base_resp":{{"status_code":0}}}}"#);
    let grown = tokio::task::spawn_blocking(move || {
        let mut program = Program::at(&url, &path);
        program.initialize("2025-06-18");
        program.call("text_to_audio", json!({ "text": "One." }));
        let before = peak(&program);
        sandbox.script(vec![Rule::always("/v1/t2a_v2", Act::Raw { body })]);
        let made = program.call("text_to_audio", json!({ "text": "Two." }))["structuredContent"].clone();
        assert_eq!(made["files"][0]["bytes"], SOUND, "{made}");
        peak(&program) - before
    });
    let grown = grown.await.unwrap() * 1024;
    eprintln!("a sound of {SOUND} bytes: {grown} bytes");
    assert!(grown < 3 * SOUND as u64 + 8 * MIB, "{grown}");
}

/// `cargo test --test it a_gibibyte -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes 2 GiB; the command is in its comment"]
async fn a_gibibyte_grows_the_program_by_less_than_eight_mebibytes() {
    assert!(growth(1024 * MIB, |film| vec![Reply::with(film)]).await < 8 * 1024);
    let broken_off = |film| vec![cut(film, 300 * MIB), cut(film, 300 * MIB), Reply::with(film)];
    assert!(growth(1024 * MIB, broken_off).await < 8 * 1024, "gone on with");
}
