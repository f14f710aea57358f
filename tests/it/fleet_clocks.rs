//! A server of a fleet with a wrong clock: leases, budgets and records follow the clock of the database.

use std::collections::BTreeSet;

use minimax_mcp::sandbox::Pace;
use serde_json::{Value, json};

use crate::crash::{Victim, until};
use crate::fleet::Fleet;
use crate::harness::quick;

#[test]
fn a_server_whose_clock_is_an_hour_ahead_works_like_the_others() {
    works_like_the_others("3600000");
}

#[test]
fn a_server_whose_clock_is_an_hour_behind_works_like_the_others() {
    works_like_the_others("-3600000");
}

fn started(server: &mut Victim, prompt: &str) -> Value {
    let view = server.call("generate_video", json!({ "prompt": prompt, "wait_seconds": 0 }));
    view["structuredContent"]["job_id"].clone()
}

fn ended(server: &mut Victim, job: &Value) {
    let view = server.call("get_job", json!({ "job_id": job, "wait_seconds": 60 }));
    assert_eq!(view["structuredContent"]["status"], "succeeded", "{view}: {}", server.log());
}

fn works_like_the_others(wrong: &str) {
    // Longer than a lease.
    let Some(fleet) = Fleet::new(Pace { polls: 5, seconds: 9.0, ..quick() }) else { return };
    let clock = ("MINIMAX_CRASH_CLOCK", wrong);
    let pollers = || {
        let polls = fleet.sandbox.requests().into_iter().filter(|request| request.path.contains("/query/"));
        polls.map(|request| (request.path, request.agent)).collect::<BTreeSet<_>>()
    };

    // Neither takes the jobs of the other for those of a dead server.
    let mut right = fleet.replica("right", &[]);
    let mut off = fleet.replica("off", &[clock]);
    let jobs = [started(&mut right, "A fox"), started(&mut off, "A hen")];
    ended(&mut off, &jobs[1]);
    ended(&mut right, &jobs[0]);
    assert_eq!(pollers().len(), 2, "each task was polled by one server: {:?}", pollers());
    assert!(
        !off.log().contains("adopted") && !right.log().contains("adopted"),
        "{}{}",
        off.log(),
        right.log()
    );

    // When one dies, the other finishes its jobs: in both directions.
    let job = started(&mut right, "A cock");
    until("it runs", || fleet.count("SELECT count(*) FROM jobs WHERE status = 'running'") == 1);
    right.kill();
    ended(&mut off, &job);
    let job = started(&mut off, "A cow");
    until("it runs", || fleet.count("SELECT count(*) FROM jobs WHERE status = 'running'") == 1);
    let mut right = fleet.replica("right", &[]);
    right.call("list_jobs", json!({}));
    off.kill();
    ended(&mut right, &job);
    assert_eq!(fleet.sandbox.paid().len(), 4);

    // What it buys counts in the same 24 hours as everything else, and what was bought before counts for it.
    let mut off = fleet.replica("off", &[clock, ("MINIMAX_BUDGET_DAY", "0.001")]);
    assert_eq!(off.call("text_to_image", json!({ "prompt": "A pig" }))["isError"], true);
    let spent = |server: &mut Victim| {
        server.call("check_account", json!({}))["structuredContent"]["spending"].clone()
    };
    let (by_off, by_right) = (spent(&mut off), spent(&mut right));
    assert_ne!(by_right[0]["last_day"]["total"], json!(0.0), "{by_right}");
    assert_eq!(by_off[0]["last_day"], by_right[0]["last_day"], "{by_off} {by_right}");

    // Its records have the time of the database, so a list is in the order in which things happened.
    let wrong = "SELECT count(*) FROM jobs
                 WHERE abs(created_at - extract(epoch FROM now()) * 1000) > 300000
                    OR abs(updated_at - extract(epoch FROM now()) * 1000) > 300000";
    assert_eq!((fleet.count(wrong), fleet.count("SELECT count(*) FROM jobs")), (0, 4));
    let listed = right.call("list_jobs", json!({}))["structuredContent"]["jobs"].clone();
    let prompts: Vec<_> = listed.as_array().unwrap().iter().map(|job| job["prompt"].clone()).collect();
    assert_eq!(prompts, ["A cow", "A cock", "A hen", "A fox"], "{listed}");
}
