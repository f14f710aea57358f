//! How long the hot parts take, without a network: `cargo bench`. It is no part of the tests, and nothing fails by its figures.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "it is a program of its own that ends at the first mistake"
)]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use minimax_mcp::api::chat::{Delta, Protocol};
use minimax_mcp::api::{Client, entry_points};
use minimax_mcp::arguments;
use minimax_mcp::money::{Currency, Money};
use minimax_mcp::store::{Inserted, Job, Limits, Purchase, State, Store, random_id};
use minimax_mcp::tools;
use serde_json::{Map, Value, json};
use tokio::runtime::{Builder, Runtime};

/// How many events a streamed answer has.
const EVENTS: usize = 1000;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A streamed answer whose text is these pieces.
fn events<'a>(pieces: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut body = Vec::new();
    for text in pieces {
        let delta = json!({ "id": "1", "choices": [{ "index": 0, "delta": { "content": text } }] });
        body.extend_from_slice(format!("data: {delta}\n\n").as_bytes());
    }
    let end = json!({ "id": "1", "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
    body.extend_from_slice(format!("data: {end}\n\ndata: [DONE]\n\n").as_bytes());
    body
}

/// Reads the answer and returns how many bytes of thinking and of text were in it.
async fn read(client: &Client, pieces: Vec<Bytes>) -> (usize, usize) {
    let answer = entry_points::stream(client, Protocol::OpenAi, "text/event-stream", pieces).await;
    let (deltas, _) = answer.unwrap();
    deltas.iter().fold((0, 0), |(thought, said), delta| match delta {
        Delta::Reasoning(text) => (thought + text.len(), said),
        Delta::Text(text) => (thought, said + text.len()),
        _ => (thought, said),
    })
}

/// SSE and the splitter of `<think>`: a thousand events of an answer alone, and the same with thinking in front, in pieces of
/// the size that a network delivers and in pieces of a few bytes.
fn streams(bench: &mut Criterion) {
    let (runtime, client) = (runtime(), Client::new("http://127.0.0.1:9", Some("bench".into())));
    let plain = events(std::iter::repeat_n("a few words ", EVENTS));
    let thought = std::iter::once("<think>")
        .chain(std::iter::repeat_n("a few words ", EVENTS - 2))
        .chain(std::iter::once("</think>The answer."));
    let thinking = events(thought);
    let mut group = bench.benchmark_group("stream");
    for (name, body, size, least) in [
        ("answer", &plain, 16 * 1024, (0, 12 * EVENTS)),
        ("thinking", &thinking, 16 * 1024, (12 * (EVENTS - 2), 11)),
        ("thinking, cut small", &thinking, 40, (12 * (EVENTS - 2), 11)),
    ] {
        let pieces: Vec<_> = body.chunks(size).map(Bytes::copy_from_slice).collect();
        let (thought, said) = runtime.block_on(read(&client, pieces.clone()));
        assert!(thought >= least.0 && said >= least.1, "{name}: {thought} bytes of thinking, {said} of text");
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || pieces.clone(),
                |pieces| runtime.block_on(read(&client, pieces)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// The arguments of a tool, as its schema has them, as another server's users write them, and wrong.
fn arguments(bench: &mut Criterion) {
    let tools = tools::catalogue().tools();
    let schema = &tools.iter().find(|tool| tool.name == "generate_video").unwrap().input_schema;
    let given = |value: Value| -> Map<String, Value> { value.as_object().unwrap().clone() };
    let mut group = bench.benchmark_group("arguments");
    for (name, arguments, fits) in [
        ("as in the schema", json!({ "prompt": "A fox", "duration": 6, "resolution": "768P" }), true),
        ("to be converted", json!({ "prompt": "A fox", "Duration": "6s", "resolution": "768p" }), true),
        ("wrong", json!({ "promt": "A fox", "duration": "soon", "resolution": "9K" }), false),
    ] {
        let arguments = given(arguments);
        assert_eq!(arguments::check(schema, arguments.clone()).is_ok(), fits, "{name}");
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || arguments.clone(),
                |arguments| black_box(arguments::check(schema, arguments)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn job() -> Job {
    serde_json::from_value(json!({
        "id": random_id("image"), "principal": "local", "kind": "image", "tool": "text_to_image",
        "model": "image-01", "account": "bench", "prompt": "A fox in the snow",
        "request": { "model": "image-01", "prompt": "A fox in the snow", "n": 1 }, "digest": "0",
        "state": { "at": "submitting", "sent": false }, "created_at": 1, "updated_at": 1
    }))
    .unwrap()
}

/// The rows of a paid job: the one before the request with its purchase, which is synced, and those that follow.
fn rows(bench: &mut Criterion) {
    let (runtime, folder) = (runtime(), tempfile::tempdir().unwrap());
    let store = runtime.block_on(Store::open(folder.path(), "bench".to_owned())).unwrap();
    let purchase = Purchase {
        tool: "text_to_image",
        principal: "local".to_owned(),
        budget_day: None,
        model: "image-01".to_owned(),
        currency: Currency::Usd,
        estimate: Some(Money::from_millionths(3500, Currency::Usd)),
        consent: None,
    };
    let limits = Limits::default();
    let mut group = bench.benchmark_group("rows");
    group.bench_function("insert", |bencher| {
        bencher.iter_batched(
            job,
            |job| {
                let inserted = runtime.block_on(store.insert(&job, Some((&purchase, &limits)))).unwrap();
                assert!(matches!(inserted, Inserted::New));
            },
            BatchSize::SmallInput,
        );
    });
    let mut running = job();
    runtime.block_on(store.insert(&running, Some((&purchase, &limits)))).unwrap();
    running.state = State::Submitting { sent: true, held: None };
    group.bench_function("progress", |bencher| {
        bencher.iter(|| assert!(runtime.block_on(store.save_progress(&running)).unwrap()));
    });
    group.finish();
    runtime.block_on(store.close());
}

criterion_group!(hot_parts, streams, arguments, rows);
criterion_main!(hot_parts);
