//! Kills the program at every crash point of every tool that buys something.

use std::fmt::Write as _;

use crate::crash::{Death, cell, in_parallel, trace};
use crate::crash_orders::{Order, inputs, orders};
use crate::s3::snapshot;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// All ways to kill an order: at each crash point, and while the sandbox holds a response back.
fn deaths(runtime: &tokio::runtime::Runtime, order: &Order) -> Vec<Death> {
    let points = trace(runtime, order).into_iter().map(Death::At);
    let held = order.path.map(|_| Death::Held);
    points.chain(held).chain(order.uploads.then_some(Death::UploadHeld)).collect()
}

/// Kills the program at the selected points of the selected orders, and returns a table of the outcomes.
fn matrix(chosen: impl Fn(&Order) -> bool, at: impl Fn(&Order, &Death) -> bool) -> String {
    let runtime = runtime();
    let inputs = inputs();
    let orders: Vec<_> = orders(inputs.path()).into_iter().filter(chosen).collect();
    let all = in_parallel(4, &orders, |order| deaths(&runtime, order));
    let cells: Vec<_> = orders
        .iter()
        .zip(&all)
        .flat_map(|(order, deaths)| deaths.iter().map(move |death| (order, death)))
        .filter(|(order, death)| at(order, death))
        .collect();
    let outcomes = in_parallel(8, &cells, |(order, death)| cell(&runtime, order, death).to_string());
    let mut table = String::new();
    let (mut of, mut last) = ("", String::new());
    for ((order, death), outcome) in cells.iter().zip(outcomes) {
        if of != order.name {
            of = order.name;
            last.clear();
            write!(table, "\n\n{} ({})", order.name, order.tool).unwrap();
        }
        if last == outcome {
            write!(table, ", {}", death.name()).unwrap();
        } else {
            write!(table, "\n  {outcome}:\n    {}", death.name()).unwrap();
            last = outcome;
        }
    }
    eprintln!("{} cells", cells.len());
    table
}

/// Three representative orders: a result behind a link, streamed audio, and a polled task. The test below has the rest.
#[test]
fn a_program_that_dies_at_any_point_buys_once_and_loses_nothing() {
    let arrows = |order: &Order, death: &Death| match order.name {
        "image" => true,
        // The last two of each are a delivery into the folder, and into the bucket.
        "streamed" => ["save.before#1", "save.after#1", "file.begun#1", "file.named#1", "bucket.sealed#1"]
            .contains(&death.name()),
        _ => ["poll.before#1", "save.before#4", "file.begun#1", "file.named#1", "bucket.completed#1"]
            .contains(&death.name()),
    };
    let table = matrix(|order| ["image", "streamed", "video"].contains(&order.name), arrows);
    insta::assert_snapshot!(snapshot("crash_matrix_short"), table);
}

/// Every tool and every point:
/// `cargo test --test it crash_matrix -- --ignored --nocapture`
#[test]
#[ignore = "minutes: every tool at every point"]
fn every_tool_that_dies_at_any_point_buys_once_and_loses_nothing() {
    let table = matrix(|_| true, |_, _| true);
    insta::assert_snapshot!(snapshot("crash_matrix"), table);
}
