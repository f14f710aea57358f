//! Sets the system clock while programs run, forward and back by an hour, a day and ten years.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use minimax_mcp::sandbox::{Act, Pace, Rule};
use serde_json::{Value, json};

use crate::crash::{Cell, Victim, in_parallel, until};
use crate::crash_promises::{delivered, listed};
use crate::harness::quick;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const YEARS: i64 = 3_652 * DAY;

/// The shifts, in milliseconds.
const SHIFTS: &[i64] = &[HOUR, DAY, YEARS, -HOUR, -DAY, -YEARS];

/// A clock that a test can set.
struct Clock {
    file: PathBuf,
    real: bool,
}

impl Clock {
    /// The program's own test clock, or libfaketime, which replaces the system clock.
    fn new(dir: &Path, real: bool) -> Self {
        let clock = Self { file: dir.join("clock"), real };
        clock.set(0);
        clock
    }

    /// Shifts the clock by milliseconds, for all programs.
    fn set(&self, shift: i64) {
        let said = if self.real { format!("{:+}\n", shift / 1000) } else { shift.to_string() };
        let fresh = self.file.with_extension("fresh");
        fs::write(&fresh, said).unwrap();
        fs::rename(&fresh, &self.file).unwrap();
    }

    fn program(&self, cell: &Cell, more: &[(&str, &str)]) -> Victim {
        let file = self.file.display().to_string();
        let seam = format!("@{file}");
        let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
        let mut environment = if self.real {
            vec![
                ("LD_PRELOAD", library),
                ("FAKETIME_TIMESTAMP_FILE", &file),
                ("FAKETIME_NO_CACHE", "1"),
                ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ]
        } else {
            vec![("MINIMAX_CRASH_CLOCK", seam.as_str())]
        };
        environment.extend(more);
        cell.program(&environment).ready()
    }
}

fn image(prompt: &str) -> Value {
    json!({ "prompt": prompt, "width": 512, "height": 512, "wait_seconds": 60, "idempotency_key": prompt })
}

fn spent(program: &mut Victim) -> f64 {
    let account = program.call("check_account", json!({}));
    account["structuredContent"]["spending"][0]["last_day"]["total"].as_f64().unwrap()
}

/// Checks that the budget allows no more purchases.
fn refused(program: &mut Victim, cell: &Cell, at: &str) {
    // Count images only, because earlier audio may be made meanwhile.
    let images = || cell.sandbox.paid().iter().filter(|it| it.path == "/v1/image_generation").count();
    let before = images();
    let told = program.call("text_to_image", image("One too many"));
    let said = told["content"][0]["text"].as_str().unwrap_or_default();
    assert!(told["isError"] == true && said.contains("MINIMAX_BUDGET_DAY"), "{at}: {told}");
    assert_eq!(images(), before, "{at}");
}

/// One program has a video and audio in progress, a second watches, and a third has spent its budget.
fn play(shift: i64, real: bool) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let cell = Cell::new(&runtime);
    let clock = Clock::new(cell.dir.path(), real);
    let at = |when: &str| format!("{shift} ms, {when}");
    cell.sandbox.set_pace(Pace { polls: 1, seconds: 6.0, ..quick() });
    let mut owner = clock.program(&cell, &[]);
    let first = owner.call("text_to_image", image("A fox"))["structuredContent"].clone();
    assert_eq!(first["status"], "succeeded", "{first}");
    let order = json!({ "prompt": "A hen", "wait_seconds": 0, "idempotency_key": "video" });
    let video = owner.call("generate_video", order.clone())["structuredContent"]["job_id"].clone();
    cell.sandbox.script(vec![Rule::once("/v1/t2a_v2", Act::Hold)]);
    let sound =
        json!({ "name": "text_to_audio", "arguments": { "text": "Good morning.", "wait_seconds": 60 } });
    let sound = owner.program.post("tools/call", sound);
    let asked = || cell.sandbox.requests().iter().any(|request| request.path.starts_with("/v1/t2a_v2"));
    until("the sound is ordered", asked);
    let mut other = clock.program(&cell, &[]);
    assert_eq!(listed(&mut other).len(), 3);
    let budget = spent(&mut other).to_string();
    let mut poor = clock.program(&cell, &[("MINIMAX_BUDGET_DAY", &budget)]);
    refused(&mut poor, &cell, &at("before"));

    clock.set(shift);
    refused(&mut poor, &cell, &at("just then"));
    for program in [&mut owner, &mut other] {
        let again = program.call("text_to_image", image("A fox"));
        assert_eq!(again["structuredContent"]["job_id"], first["job_id"], "{}: {again}", at("the key"));
        let again = program.call("generate_video", order.clone());
        assert_eq!(again["structuredContent"]["job_id"], video, "{}: {again}", at("the key"));
    }
    // Not sooner: a call skips the answers to others.
    cell.sandbox.script(Vec::new());
    let heard = owner.program.answer(sound)["result"]["structuredContent"].clone();
    assert_eq!(delivered(&heard, &at("the sound")), 1, "{}: {heard}", at("the sound"));
    let done = json!({ "job_id": video, "wait_seconds": 60 });
    let done = other.call("get_job", done)["structuredContent"].clone();
    assert_eq!(delivered(&done, &at("the video")), 1, "{}: {done}", at("the video"));
    refused(&mut poor, &cell, &at("later"));

    clock.set(0);
    refused(&mut poor, &cell, &at("set right"));
    let again = other.call("text_to_image", image("A fox"));
    assert_eq!(again["structuredContent"]["job_id"], first["job_id"], "{}: {again}", at("set right"));
    assert_eq!(cell.sandbox.paid().len(), 3, "{}", at("in all"));
    assert_eq!(listed(&mut other).len(), 3, "{}", at("in all"));
    // Both programs live, so the one that ordered the video polled it to its end.
    let looks = cell.sandbox.requests();
    let looks = looks.iter().filter(|request| request.path.starts_with("/v1/query/video_generation"));
    let process = format!(" {}", owner.program.child.id());
    for look in looks {
        assert!(real || look.agent.ends_with(&process), "{}: {} looked too", at("the video"), look.agent);
    }
}

#[test]
fn a_clock_that_is_set_buys_nothing_twice_loses_nothing_and_erases_no_budget() {
    in_parallel(3, SHIFTS, |shift| play(*shift, false));
}

/// The same with libfaketime in place of the real clock. Needs libfaketime for this architecture (Debian: faketime):
/// `cargo test --test it clock -- --ignored --nocapture`
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
#[ignore = "needs libfaketime"]
fn a_clock_that_is_set_while_the_program_runs_does_no_harm() {
    in_parallel(3, SHIFTS, |shift| play(*shift, true));
}

/// The machine starts with a wrong clock, for example after its battery ran out, and NTP corrects it later.
#[test]
fn purchases_with_a_wrong_clock_count_after_it_is_corrected() {
    in_parallel(3, SHIFTS, |shift| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let cell = Cell::new(&runtime);
        let clock = Clock::new(cell.dir.path(), false);
        // The budget is enough for two images and not quite for a third.
        let mut program = clock.program(&cell, &[("MINIMAX_BUDGET_DAY", "0.0104")]);
        for (number, wrong) in [0, *shift].into_iter().enumerate() {
            clock.set(wrong);
            let made = program.call("text_to_image", image(&format!("Fox {number}")));
            assert_eq!(made["structuredContent"]["status"], "succeeded", "{shift}: {made}");
        }
        for wrong in [*shift, 0, *shift, -shift, 0] {
            clock.set(wrong);
            refused(&mut program, &cell, &format!("{shift} ms, {wrong}"));
        }
        assert_eq!(cell.sandbox.paid().len(), 2);
    });
}

/// A queued order is not adopted while its process lives. The queue uses a monotonic clock.
#[test]
fn a_waiting_order_is_not_adopted_as_orphaned_when_the_clock_is_set() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let cell = Cell::new(&runtime);
    let clock = Clock::new(cell.dir.path(), false);
    let busy = Act::Refuse { code: 1002, message: None, retry_after: Some(4) };
    cell.sandbox.script(vec![Rule::once("/v1/image_generation", busy)]);
    let mut owner = clock.program(&cell, &[]);
    let mut other = clock.program(&cell, &[]);
    let mut order = image("A fox");
    order["wait_seconds"] = json!(0);
    let job = owner.call("text_to_image", order)["structuredContent"]["job_id"].clone();
    let held = || cell.sandbox.requests().iter().any(|it| it.path.starts_with("/v1/image_generation"));
    until("it is refused", held);
    assert_eq!(listed(&mut other).len(), 1);
    for shift in [YEARS, 0, HOUR] {
        clock.set(shift);
        std::thread::sleep(Duration::from_millis(300));
        let seen = other.call("get_job", json!({ "job_id": job, "wait_seconds": 0 }));
        assert_ne!(seen["structuredContent"]["status"], "failed", "{shift}: {seen}");
    }
    let made =
        other.call("get_job", json!({ "job_id": job, "wait_seconds": 60 }))["structuredContent"].clone();
    assert_eq!(delivered(&made, "in line"), 1, "{made}");
    assert_eq!(cell.sandbox.paid().len(), 1);
}
