//! How often a paid call waits for the disk. Each wait is most of the time of the call besides MiniMax, and each that
//! is missing could lose what was paid for.

use std::time::Duration;

use serde_json::{Value, json};

use crate::crash::{Cell, Victim};
use crate::harness::eventually;
use crate::s3;

/// What the program has synced so far.
fn synced(program: &Victim) -> Vec<String> {
    let log = program.log();
    log.lines().filter_map(|line| line.strip_prefix("synced ")).map(str::to_owned).collect()
}

/// What one call syncs, after another call of the same tool.
fn syncs_of(tool: &str, arguments: &Value) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let cell = Cell::new(&runtime);
    let mut program = cell.program(&[("MINIMAX_CRASH_POINT", "syncs")]).ready();
    program.call(tool, arguments.clone());
    // The last record of the first call follows within a second.
    std::thread::sleep(Duration::from_millis(1500));
    let before = synced(&program).len();
    let mut second = arguments.clone();
    second["idempotency_key"] = json!("another");
    let answer = program.call(tool, second);
    assert_eq!(answer["structuredContent"]["status"], "succeeded", "{answer}");
    runtime.block_on(eventually("the log", async || synced(&program).len() >= before + 3));
    std::thread::sleep(Duration::from_millis(100));
    let mut all = synced(&program).split_off(before);
    all.sort();
    all
}

/// The record before the order, the answer, the file and its folder. The folder was proved by the first call, and the record
/// of the delivery follows later.
#[test]
#[cfg(unix)]
fn a_paid_call_waits_four_times_for_the_disk() {
    if crate::postgres::leaves_out("SQLite's file") || s3::leaves_out("the folder for results") {
        return;
    }
    let four = ["file", "folder", "records", "records"];
    for (tool, arguments) in [
        ("text_to_audio", json!({ "text": "Good morning." })),
        ("text_to_image", json!({ "prompt": "A fox", "width": 512, "height": 512 })),
    ] {
        assert_eq!(syncs_of(tool, &arguments), four, "{tool}");
    }
}

/// Content that came with the answer is on disk before the record of the answer, which says that all is done. What is behind
/// a link is downloaded after that record.
#[test]
fn an_order_whose_content_comes_with_the_answer_is_written_twice() {
    if s3::leaves_out("the folder for results") {
        return;
    }
    for (tool, arguments, records) in [
        // Long enough to be streamed.
        ("text_to_audio", json!({ "text": "Good morning. ".repeat(250) }), 1),
        ("text_to_image", json!({ "prompt": "A fox", "width": 512, "height": 512 }), 2),
    ] {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let cell = Cell::new(&runtime);
        let mut program = cell.program(&[("MINIMAX_CRASH_POINT", "trace")]).ready();
        let answer = program.call(tool, arguments);
        assert_eq!(answer["structuredContent"]["status"], "succeeded", "{answer}");
        let last = format!("crash point save.after#{records}\n");
        runtime.block_on(eventually("the last record", async || program.log().contains(&last)));
        let log = program.log();
        let passed = |point: &str| log.lines().filter(|line| line.starts_with(point)).count();
        assert_eq!(passed("crash point record.after#"), 1, "{tool}: the record before the request");
        assert_eq!(passed("crash point save.after#"), records, "{tool}: the records after it");
    }
}
