//! Several programs on one folder, or with one PostgreSQL and one bucket, of which one is killed again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use minimax_mcp::sandbox::{Options, Pace, Request, Sandbox};
use serde_json::{Value, json};

use crate::crash::{Victim, command, until};
use crate::crash_promises::{delivered, listed, nothing_half, rows};
use crate::harness::quick;
use crate::{postgres, s3};

struct Plan {
    jobs: usize,
    /// How often one of the three programs is killed.
    deaths: usize,
    /// How long it lives each time after the sandbox has its orders.
    life: Duration,
    pace: Pace,
}

fn order(number: usize) -> Value {
    let key = format!("order {number}");
    // Either a task, which is polled many times, or an immediate result.
    let mut arguments = json!({ "prompt": format!("Fox number {number}."), "wait_seconds": 0 });
    arguments["idempotency_key"] = json!(key);
    arguments
}

fn tool(number: usize) -> &'static str {
    if number % 4 == 3 { "text_to_image" } else { "generate_video" }
}

fn runs(plan: &Plan) -> String {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let options = Options { pace: plan.pace.clone(), ..Options::default() };
    let sandbox = runtime.block_on(Sandbox::start(options)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for folder in ["out", "home"] {
        fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    let start = |name: &str| {
        // With PostgreSQL, each has a disk of its own.
        let own = if postgres::chosen(dir.path()).is_some() { name } else { "data" };
        let data = dir.path().join(own).display().to_string();
        let settings = [("MINIMAX_POLL_SECONDS", "0.3"), ("MINIMAX_DATA_DIR", data.as_str())];
        Victim::start(command(&sandbox.url(), dir.path(), &settings)).ready()
    };
    let begun = Instant::now();
    let mut stayers = [start("a"), start("b")];
    let mut mortal = start("c");
    let mut dead = BTreeSet::new();
    let mut unanswered = Vec::new();
    // Each program gets a third of the orders. Those of the killed one have no response.
    let mut numbers = (0..plan.jobs).peekable();
    for _ in 0..plan.deaths {
        let share = plan.jobs / plan.deaths;
        let sent = sandbox.paid().len() + share;
        for number in numbers.by_ref().take(share) {
            match number % 3 {
                0 => {
                    let arguments = json!({ "name": tool(number), "arguments": order(number) });
                    mortal.program.post("tools/call", arguments);
                    unanswered.push(number);
                }
                stayer => {
                    let answer = stayers[stayer - 1].call(tool(number), order(number));
                    assert!(answer["structuredContent"]["job_id"].is_string(), "{answer}");
                }
            }
        }
        until("the orders", || sandbox.paid().len() + 1 >= sent);
        std::thread::sleep(plan.life);
        dead.insert(mortal.program.child.id());
        mortal.kill();
        mortal = start("c");
    }
    // Repeat the calls without a response at another program, with the same keys.
    let rest: Vec<_> = unanswered.into_iter().chain(numbers).collect();
    for number in &rest {
        stayers[0].call(tool(*number), order(*number));
    }
    let ids = listed(&mut stayers[1]);
    assert_eq!(ids.len(), plan.jobs, "one job an order");
    let (mut unknown, mut files) = (0, BTreeSet::new());
    for id in &ids {
        let view = stayers[1].call("get_job", json!({ "job_id": id, "wait_seconds": 120 }));
        let view = &view["structuredContent"];
        match view["status"].as_str().unwrap_or_default() {
            "succeeded" => {
                assert_eq!(delivered(view, id), 1);
                assert!(files.insert(view["files"][0]["path"].to_string()), "two jobs with one file: {view}");
            }
            "unknown" => unknown += 1,
            other => panic!("{other}: {view}"),
        }
    }
    let took = begun.elapsed();
    for stayer in stayers {
        stayer.kill();
    }
    mortal.kill();
    let paid = once(&sandbox.paid());
    assert!(paid <= plan.jobs && paid + unknown >= plan.jobs && files.len() + unknown == plan.jobs);
    let (looks, handed_over) = one_at_a_time(&sandbox.requests(), &dead);
    assert_eq!(runtime.block_on(rows(&dir.path().join("data"))), plan.jobs);
    nothing_half(&dir.path().join("out"), "the folder of all");
    assert_eq!(visible(&dir.path().join("out")), files.len(), "delivered once");
    format!(
        "{} jobs, {} deaths, {took:.0?}: {paid} bought, {} delivered, {unknown} unknown, {looks} looks, {handed_over} \
         tasks taken over from the dead",
        plan.jobs,
        dead.len(),
        files.len()
    )
}

/// Checks that every order reached the sandbox at most once. Returns how many did.
fn once(paid: &[Request]) -> usize {
    let mut prompts = BTreeSet::new();
    for request in paid {
        assert!(prompts.insert(request.body["prompt"].to_string()), "bought twice: {}", request.body);
    }
    prompts.len()
}

/// Checks that no process polls a task again after another one has adopted it. Returns the number of polls, and of
/// adopted tasks.
fn one_at_a_time(requests: &[Request], dead: &BTreeSet<u32>) -> (usize, usize) {
    let mut looks: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for request in requests.iter().filter(|request| request.path.starts_with("/v1/query/video_generation")) {
        let process = request.agent.rsplit(' ').next().unwrap().parse().unwrap();
        looks.entry(&request.path).or_default().push(process);
    }
    let mut handed_over = 0;
    for (task, processes) in &looks {
        let mut hands = processes.clone();
        hands.dedup();
        let distinct: BTreeSet<_> = hands.iter().collect();
        assert_eq!(distinct.len(), hands.len(), "{task} went back and forth: {hands:?}");
        handed_over += usize::from(hands.len() > 1);
        let from_the_living = hands.iter().rev().skip(1).filter(|from| !dead.contains(from)).count();
        if from_the_living > 0 {
            // The live process stalled for longer than its lease. That is allowed, as long as it does not poll again.
            eprintln!("{task} was taken from a process that lives: {hands:?}");
        }
    }
    (looks.values().map(Vec::len).sum(), handed_over)
}

fn visible(out: &Path) -> usize {
    let is_visible = |path: &PathBuf| !path.file_name().unwrap().to_string_lossy().starts_with('.');
    s3::results(out).iter().filter(|path| is_visible(path)).count()
}

#[test]
fn two_programs_finish_the_jobs_of_a_third_that_dies() {
    let pace = Pace { polls: 2, seconds: 4.0, ..quick() };
    let said = runs(&Plan { jobs: 12, deaths: 1, life: Duration::from_millis(300), pace });
    eprintln!("{said}");
}

/// Two hundred jobs and ten deaths:
/// `cargo test --test it crash_several -- --ignored --nocapture`
#[test]
#[ignore = "minutes: two hundred jobs and ten deaths"]
fn while_one_of_three_programs_dies_again_and_again_two_hundred_jobs_are_done_once() {
    let pace = Pace { polls: 3, seconds: 12.0, ..quick() };
    let said = runs(&Plan { jobs: 200, deaths: 10, life: Duration::from_secs(1), pace });
    eprintln!("{said}");
}
