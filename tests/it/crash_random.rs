//! Kills the program at random times, with several calls in flight.

use std::time::Duration;

use serde_json::{Value, json};

use crate::crash::{Cell, in_parallel};
use crate::crash_orders::{Order, inputs, keyed, orders};
use crate::crash_promises::{delivered, judge, listed, nothing_half, rows};

/// Pseudorandom numbers, the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % sides
    }
}

/// How the jobs of one run ended.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    calls: usize,
    bought: usize,
    none: usize,
    unknown: usize,
    unbought: usize,
    succeeded: usize,
    files: usize,
}

/// Makes one to three calls, kills the program after 0 to 1500 ms, and checks what is left.
fn life(runtime: &tokio::runtime::Runtime, orders: &[Order], seed: u64) -> Tally {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let cell = Cell::new(runtime);
    let mut pace = crate::harness::quick();
    // Tasks take a while, so that the kill meets them at different stages.
    pace.seconds = [0.0, 0.2, 0.6][usize::try_from(dice.roll(3)).unwrap()];
    pace.delay_ms = [0, 0, 150][usize::try_from(dice.roll(3)).unwrap()];
    cell.sandbox.set_pace(pace);
    let count = 1 + dice.roll(3);
    let mut chosen: Vec<(&Order, String)> = (0..count)
        .map(|index| {
            let order = &orders[usize::try_from(dice.roll(orders.len() as u64)).unwrap()];
            (order, format!("key {index}"))
        })
        .collect();
    // The same voice cannot be made twice.
    chosen.sort_by_key(|(order, _)| order.name);
    chosen.dedup_by_key(|(order, _)| order.name);
    let after = Duration::from_millis(dice.roll(1500));
    let at = format!("seed {seed}, {after:?}");
    let mut victim = cell.program(&[]).ready();
    for (order, key) in &chosen {
        victim.program.post("tools/call", json!({ "name": order.tool, "arguments": keyed(order, key) }));
    }
    std::thread::sleep(after);
    victim.kill();

    let bought = cell.sandbox.paid().len();
    assert!(bought <= chosen.len(), "{at}: {bought} of {}", chosen.len());
    let mut next = cell.program_later().ready();
    let found = listed(&mut next);
    assert!(found.len() <= chosen.len(), "{at}: {found:?}");
    let mut tally =
        Tally { calls: chosen.len(), bought, none: chosen.len() - found.len(), ..Tally::default() };
    for id in &found {
        let view = next.call("get_job", json!({ "job_id": id, "wait_seconds": 240 }));
        let view = &view["structuredContent"];
        match view["status"].as_str().unwrap_or_default() {
            "succeeded" => tally.succeeded += 1,
            "unknown" => tally.unknown += 1,
            "failed" => tally.unbought += 1,
            other => panic!("{at}: {chosen:?} {other}: {view} {} {:?}", next.log(), cell.sandbox.requests()),
        }
        judge(view, usize::from(view["status"] == "succeeded"), &at);
        tally.files += delivered(view, &at);
    }
    // Only a job with the status unknown may be billed without a result.
    assert!(tally.succeeded <= bought && bought <= tally.succeeded + tally.unknown, "{at}: {tally:?}");
    let mut in_all = bought;
    for (order, key) in chosen.iter().filter(|(order, _)| order.tool != "speak") {
        let again = next.call(order.tool, keyed(order, key));
        let view: &Value = &again["structuredContent"];
        assert!(
            ["succeeded", "unknown"].contains(&view["status"].as_str().unwrap_or_default()),
            "{at}: {view}"
        );
        delivered(view, &at);
        in_all = cell.sandbox.paid().len();
    }
    assert!(in_all <= chosen.len(), "{at}: {in_all} bought for {} orders", chosen.len());
    let readable = listed(&mut next).len();
    next.kill();
    assert_eq!(runtime.block_on(rows(&cell.data())), readable, "{at}: every record is readable");
    nothing_half(&cell.out(), &at);
    runtime.block_on(cell.sandbox.stop());
    tally
}

/// Three hundred runs:
/// `cargo test --test it crash_random -- --ignored --nocapture`
///
/// The seeds are the same each time. Only the exact moment of the kill varies.
#[test]
#[ignore = "minutes: three hundred deaths"]
fn a_program_that_dies_at_any_time_buys_once_and_loses_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let inputs = inputs();
    // Leave out 2K videos, which take the sandbox as long as everything else together.
    let orders: Vec<_> = orders(inputs.path()).into_iter().filter(|order| order.name != "again").collect();
    let seeds: Vec<u64> = (1..=300).collect();
    let tallies = in_parallel(4, &seeds, |seed| life(&runtime, &orders, *seed));
    let sum = |part: fn(&Tally) -> usize| tallies.iter().map(part).sum::<usize>();
    eprintln!(
        "{} lives, {} calls: {} bought, {} without a record, {} unknown, {} not bought, {} delivered with {} files",
        tallies.len(),
        sum(|tally| tally.calls),
        sum(|tally| tally.bought),
        sum(|tally| tally.none),
        sum(|tally| tally.unknown),
        sum(|tally| tally.unbought),
        sum(|tally| tally.succeeded),
        sum(|tally| tally.files),
    );
    assert!(sum(|tally| tally.unknown) > 0 && sum(|tally| tally.none) > 0, "death came at all ages");
}

/// A few of the three hundred runs.
#[test]
fn a_program_that_dies_at_a_few_times_buys_once_and_loses_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let inputs = inputs();
    let orders: Vec<_> = orders(inputs.path()).into_iter().filter(|order| order.name != "again").collect();
    in_parallel(3, &[1, 2, 3, 4, 5, 6], |seed| life(&runtime, &orders, *seed));
}
