//! Orders that the plan refuses, with `MINIMAX_PLAN_OVERFLOW=balance`.

use std::time::{Duration, Instant};

use minimax_mcp::sandbox::{Act, Options, Pace, Rule, Sandbox};
use serde_json::json;

use super::{BOTH, basis, key_of, planned, refuse, sent, world};
use crate::harness::quick;
use crate::money::program;

#[tokio::test]
async fn with_overflow_a_refused_order_is_bought_once_from_the_balance_with_its_own_reservation() {
    for code in [2056, 2061] {
        let world = world(&[("MINIMAX_PLAN_OVERFLOW", "balance")]).await;
        for (tool, path, arguments) in planned().into_iter().filter(|(tool, ..)| *tool != "understand_image")
        {
            world.sandbox.script(vec![Rule::once(path, refuse(code))]);
            let start = world.sandbox.requests().len();
            let view = world.make(tool, arguments).await;
            let sent = sent(&world.sandbox, start);
            assert_eq!(
                sent.iter().filter(|(sent, _)| sent == path).map(|(_, key)| *key).collect::<Vec<_>>(),
                ["plan", "balance"],
                "{tool}: {sent:?}"
            );
            assert!(basis(&view).contains("because the plan refused it"), "{tool}: {view}");
            assert_eq!(basis(&view).matches("paid ").count(), 1, "{view}");
        }
        let account = world.make("check_account", json!({})).await;
        let total = |key: &str| {
            let all = account["spending"].as_array().unwrap();
            all.iter().find(|row| row["key"] == key).unwrap()["last_day"]["total"].as_f64().unwrap()
        };
        assert!(total("plan").abs() < f64::EPSILON && total("balance") > 0.0, "{account}");
        let paid = world.sandbox.paid();
        assert!(paid.iter().all(|request| key_of(request) == "balance"), "{paid:?}");
    }
}

#[tokio::test]
async fn an_order_overflows_once_and_not_past_the_budget_of_the_balance() {
    let world = world(&[("MINIMAX_PLAN_OVERFLOW", "balance"), ("MINIMAX_BUDGET_DAY", "0.0035")]).await;
    world.sandbox.script(vec![Rule::always("/v1/image_generation", refuse(2056))]);
    let told = world.refusal("text_to_image", json!({ "prompt": "A fox" })).await;
    assert!(told.contains("2056"), "{told}");
    let keys: Vec<_> =
        sent(&world.sandbox, 0).into_iter().filter(|(path, _)| path == "/v1/image_generation").collect();
    assert_eq!(keys.iter().map(|(_, key)| *key).collect::<Vec<_>>(), ["plan", "balance"]);
    // Both reservations were given back; the next order uses up the balance's budget.
    world.sandbox.script(vec![Rule::once("/v1/image_generation", refuse(2056))]);
    world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    world.sandbox.script(vec![Rule::once("/v1/image_generation", refuse(2056))]);
    let told = world.refusal("text_to_image", json!({ "prompt": "A fox" })).await;
    assert!(told.contains("2056") && told.contains("a budget of this server does not allow it"), "{told}");
    assert_eq!(world.bought(), 1);
    // The plan's own budget is untouched by what the balance has paid.
    world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    assert_eq!(key_of(world.sandbox.paid().last().unwrap()), "plan");
}

#[tokio::test]
async fn other_refusals_of_the_plan_do_not_reach_the_balance() {
    let world = world(&[("MINIMAX_PLAN_OVERFLOW", "balance")]).await;
    for code in [1008, 1004, 2049, 1026, 2013, 1000] {
        for (tool, path, arguments) in planned().into_iter().filter(|(tool, ..)| *tool != "understand_image")
        {
            world.sandbox.script(vec![Rule::always(path, refuse(code))]);
            let start = world.sandbox.requests().len();
            world.call(tool, arguments).await;
            let sent = sent(&world.sandbox, start);
            assert!(sent.iter().all(|(_, key)| *key == "plan"), "{tool} {code}: {sent:?}");
        }
    }
}

#[test]
fn a_server_that_is_killed_while_the_balance_is_asked_buys_once_and_only_the_balance_may_be_billed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let slow = Pace { delay_ms: 20_000, ..quick() };
    let sandbox = runtime.block_on(Sandbox::start(Options { pace: slow, ..Options::default() })).unwrap();
    sandbox.script(vec![Rule::once("/v1/image_generation", refuse(2056))]);
    let dir = tempfile::tempdir().unwrap();
    let settings = [BOTH, &[("MINIMAX_PLAN_OVERFLOW", "balance")]].concat();
    let mut first = program(&sandbox.url(), dir.path(), &settings);
    first.post("tools/call", json!({ "name": "text_to_image", "arguments": { "prompt": "A fox" } }));
    let orders = || {
        let all = sent(&sandbox, 0).into_iter();
        all.filter(|(path, _)| path == "/v1/image_generation").map(|(_, key)| key).collect::<Vec<_>>()
    };
    let end = Instant::now() + Duration::from_secs(20);
    while orders().len() < 2 {
        assert!(Instant::now() < end, "the balance was never asked");
        std::thread::sleep(Duration::from_millis(10));
    }
    first.kill();
    let mut second = program(&sandbox.url(), dir.path(), &settings);
    // With PostgreSQL, an order on its way is left to its server for half a minute longer than other jobs.
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        let jobs = second.call("list_jobs", json!({}))["structuredContent"].clone();
        if jobs["jobs"][0]["status"] == "unknown" {
            break;
        }
        assert!(Instant::now() < end, "{jobs}");
        std::thread::sleep(Duration::from_millis(100));
    }
    let account = second.call("check_account", json!({}))["structuredContent"].clone();
    let unknown = |key: &str| {
        let all = account["spending"].as_array().unwrap();
        all.iter().find(|row| row["key"] == key).unwrap()["last_day"]["unknown"].as_f64().unwrap()
    };
    assert!(unknown("plan").abs() < f64::EPSILON && unknown("balance") > 0.0, "{account}");
    assert_eq!(orders(), ["plan", "balance"], "nothing is sent again");
}

#[test]
fn an_order_that_is_cancelled_while_the_plan_refuses_it_is_not_bought_from_the_balance() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let sandbox = runtime.block_on(Sandbox::start(Options { pace: quick(), ..Options::default() })).unwrap();
    let path = "/v1/video_generation";
    // The plan of the sandbox does not include videos, and the delay comes before it says so.
    sandbox.script(vec![Rule::once(path, Act::Delay { ms: 3000 })]);
    let dir = tempfile::tempdir().unwrap();
    let facts = dir.path().join("facts.json");
    let row = json!({ "id": "generate_video", "in_plan": true });
    std::fs::write(&facts, json!({ "plan": { "entitlements": [row] } }).to_string()).unwrap();
    let more = [("MINIMAX_PLAN_OVERFLOW", "balance"), ("MINIMAX_FACTS_FILE", facts.to_str().unwrap())];
    let settings = [BOTH, &more].concat();
    let mut first = program(&sandbox.url(), dir.path(), &settings);
    let mut second = program(&sandbox.url(), dir.path(), &settings);
    let order = json!({ "prompt": "A fox", "model": "MiniMax-Hailuo-2.3" });
    first.post("tools/call", json!({ "name": "generate_video", "arguments": order }));
    let orders = || {
        let all = sent(&sandbox, 0).into_iter();
        all.filter(|(sent, _)| sent == path).map(|(_, key)| key).collect::<Vec<_>>()
    };
    let end = Instant::now() + Duration::from_secs(20);
    while orders().is_empty() {
        assert!(Instant::now() < end, "the plan was never asked");
        std::thread::sleep(Duration::from_millis(10));
    }
    let jobs = second.call("list_jobs", json!({}))["structuredContent"].clone();
    let id = jobs["jobs"][0]["job_id"].clone();
    second.call("cancel_job", json!({ "job_id": id }));
    loop {
        let job =
            second.call("get_job", json!({ "job_id": id, "wait_seconds": 0 }))["structuredContent"].clone();
        if job["status"] == "cancelled" {
            break;
        }
        assert!(job["status"] == "submitting" && Instant::now() < end, "{job}");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(orders(), ["plan"]);
    let account = second.call("check_account", json!({}))["structuredContent"].clone();
    for spending in account["spending"].as_array().unwrap() {
        assert_eq!(spending["last_day"]["total"], 0.0, "{account}");
    }
}
