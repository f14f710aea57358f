//! Injects every fault in every phase of a call. The snapshots `it__faults__matrix__*.snap` show the outcomes:
//!
//! * `sent`: how often the faulty address was requested; `bought`: how many paid requests the sandbox accepted;
//! * what the caller is told: the job's status or `error`, who has to act, why, and what to do next.
//!
//! [`Phase::check`] asserts the rules that hold for all of them. To run the slow tables, which take two minutes:
//! `cargo test --test it faults::matrix -- --ignored`.

use std::fmt::Write as _;

use minimax_mcp::sandbox::{Act, Rule};
use rmcp::model::CallToolResult;
use serde_json::{Value, json};

use super::clock::{Clock, until_over};
use super::list::{At, Fault, of_bodies, of_links, of_refusals, of_statuses, of_the_way};
use crate::harness::{World, text};

const KEY: &str = "sk-api-secret";

/// The phase of a call in which faults are injected.
struct Phase {
    tool: &'static str,
    arguments: Value,
    /// The address with the fault.
    path: &'static str,
    /// How often to inject a fault that does not say so itself; `None` for every time.
    strikes: Option<u32>,
    /// Whether the request with the fault costs money.
    paid: bool,
    /// Whether the call makes a job.
    job: bool,
}

/// The outcome of one fault.
struct Cell {
    sent: usize,
    bought: usize,
    status: String,
    told: String,
    next: String,
}

impl Phase {
    fn on(tool: &'static str, arguments: Value, path: &'static str) -> Self {
        Self { tool, arguments, path, strikes: None, paid: true, job: true }
    }

    fn free(self) -> Self {
        Self { paid: false, ..self }
    }

    fn without_a_job(self) -> Self {
        Self { job: false, ..self }
    }

    fn struck(self, times: u32) -> Self {
        Self { strikes: Some(times), ..self }
    }

    /// Injects each fault in turn, in one world.
    async fn table(&self, world: &World, clock: &Clock, faults: Vec<Fault>) -> String {
        let (mut table, mut notes) = (String::new(), Vec::<String>::new());
        let often = self.strikes.map_or("each time".to_owned(), |times| format!("{times} times"));
        writeln!(table, "{} · {} is struck {often}, or as often as it says\n", self.tool, self.path).unwrap();
        for fault in faults {
            let cell = self.cell(world, clock, &fault).await;
            self.check(&fault, &cell);
            let note = notes.iter().position(|known| *known == cell.next).unwrap_or_else(|| {
                notes.push(cell.next.clone());
                notes.len() - 1
            });
            let Cell { sent, bought, status, told, .. } = cell;
            let (name, note) = (fault.name, note + 1);
            // The number of tries is random, because the pauses of a queue have jitter.
            let sent = if sent > 1 && fault.refused && fault.times.or(self.strikes).is_none() {
                "again and again".to_owned()
            } else {
                sent.to_string()
            };
            writeln!(table, "{name:36} sent {sent} bought {bought}  {status} [{note}]").unwrap();
            if !told.is_empty() {
                writeln!(table, "{:36} {told}", "").unwrap();
            }
        }
        for (number, note) in notes.iter().enumerate() {
            write!(table, "\n[{}] {note}", number + 1).unwrap();
        }
        table
    }

    async fn cell(&self, world: &World, clock: &Clock, fault: &Fault) -> Cell {
        let times = fault.times.or(self.strikes);
        let rule = Rule { times, ..Rule::always(self.path, fault.act.clone()) };
        world.sandbox.script(vec![rule]);
        let before = (world.sandbox.requests().len(), world.bought());
        let play = self.play(world);
        let made = || !self.paid || world.bought() > before.1;
        let result = clock.hurry(world, (self.path, fault.silent), made, play).await;
        let requests = world.sandbox.requests();
        let struck = |path: &str| path.starts_with(self.path);
        let sent = requests.iter().skip(before.0).filter(|request| struck(&request.path)).count();
        world.sandbox.script(Vec::new());
        if fault.refused {
            clock.forget().await;
        }
        let all = serde_json::to_string(&result).unwrap();
        assert!(!all.contains(KEY), "{}: {all}", fault.name);
        assert!(all.len() < 64 * 1024, "{}: {} bytes", fault.name, all.len());
        self.read(world, &result, sent, world.bought() - before.1)
    }

    /// Makes the call and waits for its job to end.
    async fn play(&self, world: &World) -> CallToolResult {
        let fox = world.out().join("fox.png").display().to_string();
        let arguments = self.arguments.to_string().replace("FOX", &fox.replace('\\', "\\\\"));
        let result = world.call(self.tool, serde_json::from_str(&arguments).unwrap()).await;
        if self.job { until_over(world, result).await } else { result }
    }

    fn read(&self, world: &World, result: &CallToolResult, sent: usize, bought: usize) -> Cell {
        let view = result.structured_content.clone().unwrap_or_default();
        let failed = result.is_error == Some(true);
        let word = view["status"].as_str().map_or(if failed { "error" } else { "answered" }, |word| word);
        let job = view["job_id"].as_str().unwrap_or("no job");
        let tidy = |text: &str| {
            tidy(
                &text
                    .replace(job, "JOB")
                    .replace(&world.sandbox.url(), "HOST")
                    .replace(&world.sandbox.url()[7..], "HOST"),
            )
        };
        if self.job && view["status"].is_string() {
            let unwell = ["failed", "unknown"].contains(&word);
            assert_eq!(failed, unwell, "{view}");
        }
        let turn = view["error"]["kind"].as_str().map(|turn| format!(" · {turn}")).unwrap_or_default();
        let warnings: Vec<_> =
            view["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let saved =
            view["files"].as_array().into_iter().flatten().filter(|file| file["path"].is_string()).count();
        let saved = if saved > 0 { format!(" · {saved} saved") } else { String::new() };
        let told = match view["error"]["message"].as_str() {
            Some(message) => tidy(message),
            None if failed => tidy(&text(result)),
            None => tidy(&warnings.join("; ")),
        };
        let next = view["next"].as_str().map(&tidy).unwrap_or_default();
        Cell { sent, bought, status: format!("{word}{turn}{saved}"), told, next }
    }

    /// Checks the rules for all faults, starting with money.
    fn check(&self, fault: &Fault, cell: &Cell) {
        let name = fault.name;
        let busy_text = self.tool == "chat" && name.contains("529");
        assert!(cell.sent >= 1, "{name}: nothing was struck: {} {}", cell.status, cell.told);
        assert!(cell.bought <= 1, "{name}: bought {} times", cell.bought);
        if self.paid && !fault.refused && !busy_text {
            assert_eq!(cell.sent, 1, "{name}: it may have been taken, and was sent again");
        }
        if self.paid && self.job && cell.bought == 1 {
            assert!(
                !cell.status.starts_with("failed"),
                "{name}: bought, and said to have failed: {}",
                cell.told
            );
        }
        let is_unknown = matches!(
            fault.act,
            Act::ResetUnread
                | Act::ResetBefore
                | Act::ResetAfter
                | Act::Stall
                | Act::Truncate { .. }
                | Act::Freeze { .. }
        );
        // The part of the answer that came may have the whole task id.
        let came = matches!(fault.act, Act::Truncate { .. } | Act::Freeze { .. });
        let is_delivered = came && cell.bought == 1 && cell.status.starts_with("succeeded");
        if self.paid && self.job && is_unknown && !is_delivered {
            assert!(cell.status.starts_with("unknown"), "{name}: {}", cell.status);
            assert!(cell.next.contains("billing page"), "{name}: {}", cell.next);
        }
    }
}

/// Removes what differs between machines and runs.
fn tidy(text: &str) -> String {
    let mut text = text.replace('\n', " ");
    for cause in ["before MiniMax had answered: ", "was broken off: "] {
        if let Some(at) = text.find(cause) {
            let rest = text.split_off(at + cause.len() - 2);
            // A text result continues with what to do next.
            text.push_str(rest.find(". ").and_then(|more| rest.get(more..)).unwrap_or_default());
        }
    }
    // The limit is 40 s, and a loaded machine takes a little longer to notice.
    for late in 41..50 {
        text = text.replace(&format!("within {late} s"), "within 40 s");
    }
    // The details at the end have ids.
    if let Some(at) = text.rfind(" (").filter(|at| text[*at..].contains("endpoint /")) {
        text.truncate(at);
    }
    // Long numbers and long words with digits are ids.
    let is_id = |word: &str| {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        // Six digits are the rest of an id in a truncated response.
        let cut = digits == 6 && word.len() == 6;
        cut || digits > 9 || (word.len() >= 20 && digits > 0)
    };
    let mut tidied = String::new();
    for part in text.split_inclusive(|letter: char| !letter.is_ascii_alphanumeric()) {
        let word = part.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric());
        tidied.push_str(&if is_id(word) { part.replace(word, "ID") } else { part.to_owned() });
    }
    let tidied = tidied.trim_end();
    if tidied.chars().count() > 400 {
        tidied.chars().take(400).chain(['…']).collect()
    } else {
        tidied.to_owned()
    }
}

fn of_the_api() -> Vec<Fault> {
    let all = [of_the_way(), of_bodies(), of_refusals(), of_statuses()];
    all.into_iter().flatten().filter(|fault| fault.at != At::Link).collect()
}

fn of_downloads() -> Vec<Fault> {
    let all = [of_the_way(), of_bodies(), of_statuses(), of_links()];
    all.into_iter().flatten().filter(|fault| fault.at != At::Api).collect()
}

/// The faults for a read phase. It needs fewer, because all reads are handled alike.
fn of_reads() -> Vec<Fault> {
    let kept = ["1000", "1004", "1026", "1033", "2013", "9999", "408", "529"];
    let of_refusals =
        of_refusals().into_iter().filter(|fault| kept.iter().any(|part| fault.name.contains(part)));
    [of_the_way(), of_bodies(), of_statuses()].into_iter().flatten().chain(of_refusals).collect()
}

fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

async fn in_a_world(phase: Phase, faults: Vec<Fault>) -> String {
    let world = World::new().await;
    std::fs::create_dir_all(world.out()).unwrap();
    ::image::RgbImage::from_pixel(300, 300, ::image::Rgb([9, 99, 199]))
        .save(world.out().join("fox.png"))
        .unwrap();
    let clock = Clock::start();
    let table = phase.table(&world, &clock, faults).await;
    clock.set(1);
    world.server.jobs().shut_down(std::time::Duration::from_secs(5)).await;
    for file in files_below(&world.dir.path().join("data/minimax-mcp")) {
        let bytes = std::fs::read(file).unwrap();
        assert!(!bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes()), "the key is in a record");
    }
    let half = |name: &str| name.contains("incomplete") || name.starts_with('.');
    for entry in std::fs::read_dir(world.out()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!half(&name), "left behind: {name}");
    }
    table
}

#[tokio::test]
async fn a_paid_request_that_answers_with_the_result() {
    let phase = Phase::on("text_to_image", json!({ "prompt": "A fox" }), "/v1/image_generation");
    insta::assert_snapshot!("image", in_a_world(phase, of_the_api()).await);
}

/// `cargo test --test it faults::matrix -- --ignored`
#[tokio::test]
#[ignore = "some twenty seconds"]
async fn a_paid_request_that_answers_with_a_task() {
    let phase = Phase::on("generate_video", json!({ "prompt": "A fox" }), "/v1/video_generation");
    insta::assert_snapshot!("video", in_a_world(phase, of_the_api()).await);
}

/// `cargo test --test it faults::matrix -- --ignored`
#[tokio::test]
#[ignore = "some twenty seconds"]
async fn a_paid_text() {
    let phase =
        Phase::on("chat", json!({ "prompt": "Good morning" }), "/v1/chat/completions").without_a_job();
    insta::assert_snapshot!("chat", in_a_world(phase, of_the_api()).await);
}

#[tokio::test]
async fn a_paid_search() {
    let phase =
        Phase::on("web_search", json!({ "query": "foxes" }), "/v1/coding_plan/search").without_a_job();
    insta::assert_snapshot!("search", in_a_world(phase, of_the_api()).await);
}

#[tokio::test]
async fn the_outcomes_of_understand_image() {
    let arguments = json!({ "prompt": "What is it?", "image_url": "FOX" });
    let phase = Phase::on("understand_image", arguments, "/v1/coding_plan/vlm").without_a_job();
    insta::assert_snapshot!("vision", in_a_world(phase, of_the_api()).await);
}

#[tokio::test]
async fn paid_lyrics() {
    let phase =
        Phase::on("generate_lyrics", json!({ "prompt": "Rain" }), "/v1/lyrics_generation").without_a_job();
    insta::assert_snapshot!("lyrics", in_a_world(phase, of_the_api()).await);
}

/// `cargo test --test it faults::matrix -- --ignored`
#[tokio::test]
#[ignore = "makes some forty videos: a minute"]
async fn the_outcomes_of_a_poll() {
    let phase = Phase::on("generate_video", json!({ "prompt": "A fox" }), "/v1/query/video_generation");
    insta::assert_snapshot!("poll", in_a_world(phase.free().struck(2), of_reads()).await);
}

/// `cargo test --test it faults::matrix -- --ignored`
#[tokio::test]
#[ignore = "makes some forty videos: a minute"]
async fn a_question_for_a_link() {
    let phase = Phase::on("generate_video", json!({ "prompt": "A fox" }), "/v1/files/retrieve");
    insta::assert_snapshot!("retrieve", in_a_world(phase.free().struck(2), of_reads()).await);
}

/// `cargo test --test it faults::matrix -- --ignored`
#[tokio::test]
#[ignore = "some twenty seconds"]
async fn a_download_whose_link_cannot_be_renewed() {
    let phase = Phase::on("text_to_image", json!({ "prompt": "A fox" }), "/cdn/").free();
    insta::assert_snapshot!("download", in_a_world(phase, of_downloads()).await);
}

/// `cargo test --test it faults::matrix -- --ignored`
#[tokio::test]
#[ignore = "makes some forty videos: a minute"]
async fn a_download_whose_link_can_be_renewed() {
    let phase = Phase::on("generate_video", json!({ "prompt": "A fox" }), "/cdn/").free();
    insta::assert_snapshot!("download_renewed", in_a_world(phase.struck(2), of_downloads()).await);
}

#[tokio::test]
async fn an_upload() {
    let arguments = json!({ "file": "FOX", "purpose": "video_generation_input" });
    let phase = Phase::on("upload_file", arguments, "/v1/files/upload").free().without_a_job();
    insta::assert_snapshot!("upload", in_a_world(phase, of_reads()).await);
}

#[tokio::test]
async fn a_list() {
    let phase = Phase::on("list_voices", json!({}), "/v1/get_voice").free().without_a_job();
    insta::assert_snapshot!("list", in_a_world(phase, of_reads()).await);
}

#[tokio::test]
async fn the_account() {
    let phase = Phase::on("check_account", json!({}), "/account/query_balance").free().without_a_job();
    insta::assert_snapshot!("account", in_a_world(phase, of_reads()).await);
}
