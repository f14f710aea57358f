//! The ledger and the budgets: a price is reserved before the request is sent, settled afterwards, and never above
//! the budget.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use minimax_mcp::mcp::Billing;
use minimax_mcp::money::{Currency, Decimal, Money};
use minimax_mcp::sandbox::{Act, Options, Rule, Sandbox};
use rmcp::model::{CallToolRequest, CallToolRequestParams, ClientRequest};
use rmcp::service::PeerRequestOptions;
use serde_json::{Value, json};

use crate::crash_orders::orders;
use crate::harness::{Program, World, eventually, quick, text};
use crate::voice::recording;
use crate::wishes::plain_call;

/// The price of an image, in millionths.
const IMAGE: i64 = 3500;

fn refuse(code: i64) -> Act {
    Act::Refuse { code, message: None, retry_after: None }
}

/// Converts an amount to millionths, rounded up.
fn millionths(amount: &Value) -> i64 {
    Money::new(Decimal::nearest(&amount.to_string()).unwrap(), Currency::Usd).millionths()
}

/// The spending of the last day by `check_account`, in millionths: total, settled, reserved, unknown.
async fn day(world: &World) -> [i64; 4] {
    sums(&world.make("check_account", json!({})).await)
}

fn sums(account: &Value) -> [i64; 4] {
    let day = &account["spending"][0]["last_day"];
    ["total", "settled", "reserved", "unknown"].map(|part| millionths(&day[part]))
}

#[tokio::test]
async fn fifty_concurrent_calls_at_two_servers_stay_within_the_budget() {
    // The budget is enough for seven images and not quite for an eighth.
    let world = World::with(quick(), &[("MINIMAX_BUDGET_DAY", "0.0279")]).await;
    let other = world.neighbour().await;
    let calls = (0..50).map(|count| {
        let world = if count % 2 == 0 { &world } else { &other };
        world.call("text_to_image", json!({ "prompt": format!("Fox {count}") }))
    });
    let results = join_all(calls).await;
    let (bought, refused): (Vec<_>, Vec<_>) =
        results.iter().partition(|result| result.is_error != Some(true));
    assert_eq!((bought.len(), refused.len(), world.bought()), (7, 43, 7));
    let told = text(refused[0]);
    for part in ["MINIMAX_BUDGET_DAY", "$0.0279", "$0.0035", "Nothing was billed", "check_account"] {
        assert!(told.contains(part), "{told}");
    }
    let told = world.call("text_to_image", json!({ "prompt": "Another" })).await;
    let error = told.structured_content.clone().unwrap()["error"].clone();
    assert_eq!(error["kind"], "settings", "{error}");
    assert!(text(&told).contains("$0.0245 was spent") && text(&told).contains("$0.0034 is left"), "{told:?}");
    assert_eq!(day(&world).await, [7 * IMAGE, 7 * IMAGE, 0, 0]);
    let account = world.make("check_account", json!({})).await;
    let budget = &account["budgets"][0];
    assert_eq!((&budget["setting"], &budget["left"]), (&json!("MINIMAX_BUDGET_DAY"), &json!(0.0034)));
}

#[tokio::test]
async fn a_reserve_is_settled_at_the_actual_price_even_if_it_is_higher() {
    let world = World::new().await;
    let view = world.make("chat", json!({ "prompt": "Hello", "model": "m3" })).await;
    let less = millionths(&view["cost"]["actual"]);
    let priced = world.make("chat", json!({ "prompt": "Hello", "model": "m3", "dry_run": true })).await;
    assert!(priced["cost"]["estimated"].as_f64().unwrap() > 0.6, "524288 tokens may come: {priced}");
    assert_eq!(day(&world).await, [less, less, 0, 0]);
    // MiniMax counts these characters twice.
    let view = world.make("text_to_audio", json!({ "text": "こんにちは", "model": "speech-2.8-hd" })).await;
    let (estimated, more) = (millionths(&view["cost"]["estimated"]), millionths(&view["cost"]["actual"]));
    assert!(more > estimated, "{view}");
    assert_eq!(day(&world).await, [less + more, less + more, 0, 0]);
}

#[tokio::test]
async fn the_reserve_of_a_running_job_is_settled_by_the_server_that_ends_it() {
    let mut pace = quick();
    pace.seconds = 600.0;
    let world = World::with(pace, &[]).await;
    let arguments = json!({ "prompt": "A fox", "model": "h3", "duration": 5, "wait_seconds": 0 });
    let job = world.make("generate_video", arguments).await["job_id"].clone();
    assert_eq!(day(&world).await, [400_000, 0, 400_000, 0]);
    world.sandbox.set_pace(quick());
    let world = world.restarted().await;
    assert_eq!(world.make("get_job", json!({ "job_id": job })).await["status"], "succeeded");
    assert_eq!(day(&world).await, [400_000, 400_000, 0, 0]);
    let account = world.make("check_account", json!({})).await;
    assert_eq!(account["spending"][0]["process"]["total"], 0.0, "another process ordered it");
}

#[tokio::test]
async fn the_reserve_of_a_refused_order_is_released_and_that_of_an_unknown_one_stays() {
    let world = World::with(quick(), &[("MINIMAX_BUDGET_DAY", "0.0035")]).await;
    for (tool, path, arguments) in [
        ("text_to_image", "/v1/image_generation", json!({ "prompt": "A fox" })),
        ("generate_lyrics", "/v1/lyrics_generation", json!({ "prompt": "A fox" })),
    ] {
        let world = world.neighbour_with(&[("MINIMAX_BUDGET_DAY", "0.01")]).await;
        world.sandbox.script(vec![Rule::once(path, refuse(1008))]);
        world.refusal(tool, arguments).await;
        assert_eq!(day(&world).await, [0; 4], "{tool}");
    }
    world.sandbox.script(vec![Rule::once("/v1/image_generation", Act::ResetAfter)]);
    world.refusal("text_to_image", json!({ "prompt": "A fox" })).await;
    assert_eq!(day(&world).await, [IMAGE, 0, 0, IMAGE]);
    let refusal = world.refusal("text_to_image", json!({ "prompt": "A fox" })).await;
    assert!(refusal.contains("0.0035 for what may have been billed"), "{refusal}");
    assert_eq!(world.bought(), 1);
    let other = world.neighbour_with(&[]).await;
    other.sandbox.script(vec![Rule::once("/v1/lyrics_generation", Act::ResetAfter)]);
    other.refusal("generate_lyrics", json!({ "prompt": "A fox" })).await;
    assert_eq!(day(&other).await, [13_500, 0, 0, 13_500]);
}

#[tokio::test]
async fn audio_that_was_made_but_not_saved_is_still_billed() {
    if crate::s3::leaves_out("the folder for results") {
        return;
    }
    let world = World::new().await;
    let (folder, story) = (world.out().join("locked"), "A long story. ".repeat(300));
    let held = world.make("text_to_audio", json!({ "text": story, "dry_run": true })).await;
    let price = millionths(&held["cost"]["estimated"]);
    // Replace the results folder, and the folder of what waits, by files while the audio is being made.
    world.sandbox.script(vec![Rule::once("/v1/t2a_v2", Act::Hold)]);
    let arguments =
        json!({ "text": story, "output_directory": folder, "wait_seconds": 0, "idempotency_key": "once" });
    let job = world.make("text_to_audio", arguments.clone()).await["job_id"].clone();
    std::fs::remove_dir_all(world.out()).unwrap();
    std::fs::write(world.out(), "in the way").unwrap();
    std::fs::write(world.dir.path().join("data/minimax-mcp/undelivered"), "in the way").unwrap();
    world.sandbox.script(Vec::new());
    eventually("it ends", async || {
        let view = world.call("get_job", json!({ "job_id": job })).await.structured_content.unwrap();
        view["status"] == "failed"
    })
    .await;
    assert_eq!(day(&world).await, [price, price, 0, 0]);
    // The same key means the same order, even though it failed, because it is paid for.
    let again = world.call("text_to_audio", arguments).await.structured_content.unwrap();
    assert_eq!((&again["job_id"], world.bought()), (&job, 1), "{again}");
}

#[tokio::test]
async fn one_call_and_one_process_have_limits_of_their_own() {
    let world = World::with(quick(), &[("MINIMAX_BUDGET_CALL", "0.007 usd")]).await;
    let refusal = world.refusal("text_to_image", json!({ "prompt": "A fox", "n": 3 })).await;
    for part in ["MINIMAX_BUDGET_CALL is $0.007", "costs $0.0105 at most", "raise or unset"] {
        assert!(refusal.contains(part), "{refusal}");
    }
    world.make("text_to_image", json!({ "prompt": "A fox", "n": 2 })).await;
    let world = world.neighbour_with(&[("MINIMAX_BUDGET_PROCESS", "0.007")]).await;
    world.make("text_to_image", json!({ "prompt": "A fox", "n": 2 })).await;
    let refusal = world.refusal("text_to_image", json!({ "prompt": "A fox" })).await;
    assert!(refusal.contains("MINIMAX_BUDGET_PROCESS") && refusal.contains("since its start"), "{refusal}");
    let next = world.neighbour().await;
    next.make("text_to_image", json!({ "prompt": "A fox" })).await;
}

#[tokio::test]
async fn under_a_budget_nothing_is_bought_whose_price_is_unknown_and_nothing_is_uploaded_for_it() {
    let world = World::with(quick(), &[("MINIMAX_BUDGET_DAY", "5")]).await;
    let picture = "https://example.com/a.jpg";
    for (tool, arguments) in [
        ("web_search", json!({ "query": "foxes" })),
        ("generate_video_from_template", json!({ "template_id": "diving", "media": [picture] })),
        ("text_to_image", json!({ "prompt": "A fox", "model": "image-99" })),
        ("chat", json!({ "prompt": "Hello", "model": "MiniMax-M1" })),
        ("enhance_video_prompt", json!({ "prompt": "A fox" })),
        ("text_to_audio", json!({ "text": "Hello", "model": "speech-99" })),
    ] {
        let refusal = world.refusal(tool, arguments).await;
        for part in ["MINIMAX_BUDGET_DAY", "no price is known", "MINIMAX_FACTS_FILE", tool] {
            assert!(refusal.contains(part), "{tool}: {refusal}");
        }
    }
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[tokio::test]
async fn a_refusal_comes_before_anything_is_uploaded() {
    let world = World::with(quick(), &[("MINIMAX_BUDGET_CALL", "0.00001")]).await;
    let file = recording(&world, "me.wav", 12);
    std::fs::write(world.out().join("long.txt"), "A long story. ".repeat(5000)).unwrap();
    let text = world.out().join("long.txt").display().to_string();
    for (tool, arguments) in [
        ("voice_clone", json!({ "voice_id": "MyVoice001", "file": file, "text": "Hello." })),
        ("text_to_audio", json!({ "text_file": text })),
        ("understand_image", json!({ "prompt": "What is it?", "image_url": "mm_file://1" })),
        ("generate_lyrics", json!({ "prompt": "A fox" })),
        ("chat", json!({ "prompt": "Hello" })),
    ] {
        let refusal = world.refusal(tool, arguments).await;
        assert!(refusal.contains("MINIMAX_BUDGET_CALL is $0.00001"), "{tool}: {refusal}");
    }
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[tokio::test]
async fn an_illegal_limit_forbids_the_purchases_that_it_would_limit() {
    for (value, part) in [("30 CNY", "knows no exchange rate"), ("five", "must be an amount")] {
        let world = World::with(quick(), &[("MINIMAX_BUDGET_DAY", value)]).await;
        for (tool, arguments) in
            [("text_to_image", json!({ "prompt": "A fox" })), ("chat", json!({ "prompt": "Hello" }))]
        {
            let refusal = world.refusal(tool, arguments).await;
            assert!(refusal.contains("MINIMAX_BUDGET_DAY") && refusal.contains(part), "{refusal}");
        }
        assert_eq!(world.sandbox.requests().len(), 0);
    }
}

#[tokio::test]
async fn for_the_key_of_a_plan_list_prices_are_counted_and_the_result_says_so() {
    let settings = [("MINIMAX_API_KEY", "sk-cp-x"), ("MINIMAX_BUDGET_DAY", "0.005")];
    let world = World::with(quick(), &settings).await;
    let view = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    assert!(view["cost"]["basis"].as_str().unwrap().ends_with("the list price is what is counted"), "{view}");
    let refusal = world.refusal("text_to_image", json!({ "prompt": "A fox" })).await;
    assert!(refusal.contains("MINIMAX_BUDGET_DAY"), "{refusal}");
    let shown = text(&world.call("check_account", json!({})).await);
    assert!(shown.contains("$0.0035 by list prices"), "{shown}");
}

#[tokio::test]
async fn the_reserve_of_a_cut_or_cancelled_answer_stays() {
    let world = World::new().await;
    let arguments = json!({ "prompt": "Go on #cut", "model": "m3", "max_tokens": 1000 });
    let ceiling = world
        .make("chat", json!({ "prompt": "Go on #cut", "model": "m3", "max_tokens": 1000, "dry_run": true }));
    let ceiling = millionths(&ceiling.await["cost"]["estimated"]);
    assert_eq!(world.call("chat", arguments).await.is_error, Some(true));
    assert_eq!(day(&world).await, [ceiling, 0, 0, ceiling]);
    let arguments = json!({ "prompt": "#slow" }).as_object().cloned().unwrap();
    let request = CallToolRequest::new(CallToolRequestParams::new("chat").with_arguments(arguments));
    let request = ClientRequest::CallToolRequest(request);
    let handle =
        world.client.send_cancellable_request(request, PeerRequestOptions::no_options()).await.unwrap();
    eventually("it streams", async || world.sandbox.streaming() == 1).await;
    assert!(day(&world).await[2] > 0, "set aside while it lasts");
    handle.cancel(None).await.unwrap();
    eventually("it is no longer known", async || day(&world).await[2] == 0).await;
    assert!(day(&world).await[3] > ceiling);
}

/// Every tool that costs money, with valid arguments: those that make no job, and the orders of the crash tests.
/// A tool that is in neither list has the arguments of a wish.
pub(crate) fn paid_calls(world: &World) -> Vec<(&'static str, Value)> {
    std::fs::create_dir_all(world.out()).unwrap();
    let mut calls = vec![
        ("chat", json!({ "prompt": "Hello" })),
        ("understand_image", json!({ "prompt": "What is it?", "image_url": "mm_file://1" })),
        ("web_search", json!({ "query": "foxes" })),
        ("embed_text", json!({ "texts": ["Hello"] })),
        ("generate_lyrics", json!({ "prompt": "A fox" })),
    ];
    for order in orders(&world.out()) {
        if !calls.iter().any(|(tool, _)| *tool == order.tool) {
            calls.push((order.tool, order.arguments));
        }
    }
    for spec in minimax_mcp::tools::catalogue().specs().filter(|spec| spec.billing == Billing::Immediate) {
        if !calls.iter().any(|(tool, _)| *tool == spec.name) {
            calls.extend(plain_call(spec.name).map(|arguments| (spec.name, arguments)));
        }
    }
    calls
}

#[tokio::test]
async fn every_tool_that_costs_money_has_a_dry_run_that_sends_nothing() {
    let settings = [("MINIMAX_TOOLSETS", "all,legacy"), ("MINIMAX_API_KEY", "")];
    let world = World::with(quick(), &settings).await;
    let calls = paid_calls(&world);
    for tool in minimax_mcp::tools::catalogue().made() {
        let paid = tool.description.unwrap().contains("Costs money.");
        let is_listed = calls.iter().any(|(name, _)| *name == tool.name);
        let where_to = "in `paid_calls` or, if it makes a job, in the crash orders";
        assert_eq!(paid, is_listed, "{}: the tools that cost money are {where_to}", tool.name);
    }
    for (tool, mut arguments) in calls {
        arguments["dry_run"] = json!(true);
        let view = world.make(tool, arguments).await;
        assert_eq!(view["cost"]["currency"], "USD", "{tool}: {view}");
        assert!(view["next"].as_str().unwrap().starts_with("Dry run"), "{tool}: {view}");
    }
    assert_eq!((world.sandbox.requests().len(), world.bought()), (0, 0));
    let settings = [("MINIMAX_API_KEY", "sk-api-secret")];
    assert_eq!(day(&world.neighbour_with(&settings).await).await, [0; 4], "nothing was set aside either");
}

/// Starts the program with a budget and an overlay, below `dir`.
pub(crate) fn program(url: &str, dir: &Path, settings: &[(&str, &str)]) -> Program {
    let path = |name: &str| dir.join(name).display().to_string();
    let (home, out, data) = (path("home"), path("out"), path("data"));
    let mut all = vec![
        ("HOME", home.as_str()),
        ("USERPROFILE", &home),
        ("MINIMAX_API_HOST", url),
        ("MINIMAX_SANDBOX", "true"),
        ("MINIMAX_API_KEY", "sk-api-secret"),
        ("MINIMAX_MCP_BASE_PATH", &out),
        ("MINIMAX_DATA_DIR", &data),
    ];
    let chosen = crate::postgres::chosen(dir);
    all.extend(chosen.as_ref().map(|(name, value)| (*name, value.as_str())));
    all.extend(settings);
    let mut program = Program::start(&[], &all);
    program.initialize("2025-06-18");
    program
}

#[test]
fn a_process_that_is_killed_between_the_submit_and_the_answer_leaves_the_sum_right() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let sandbox = runtime.block_on(Sandbox::start(Options { pace: quick(), ..Options::default() })).unwrap();
    let mut pace = quick();
    pace.delay_ms = 20_000;
    sandbox.set_pace(pace);
    let dir = tempfile::tempdir().unwrap();
    let mut first = program(&sandbox.url(), dir.path(), &[]);
    first.post("tools/call", json!({ "name": "text_to_image", "arguments": { "prompt": "A fox" } }));
    first.post("tools/call", json!({ "name": "generate_lyrics", "arguments": { "prompt": "A fox" } }));
    let end = Instant::now() + Duration::from_secs(20);
    while sandbox.requests().len() < 2 {
        assert!(Instant::now() < end, "the requests never left");
        std::thread::sleep(Duration::from_millis(10));
    }
    first.kill();
    sandbox.set_pace(quick());
    let mut second = program(&sandbox.url(), dir.path(), &[("MINIMAX_BUDGET_DAY", "0.0165")]);
    let account = second.call("check_account", json!({}))["structuredContent"].clone();
    assert_eq!(sums(&account)[0], 13_500, "{account}");
    let refused = second.call("text_to_image", json!({ "prompt": "A hen" }));
    assert_eq!(refused["isError"], true, "{refused}");
    assert!(refused.to_string().contains("$0.003 is left"), "{refused}");
    assert_eq!(sandbox.requests().iter().filter(|request| request.path == "/v1/image_generation").count(), 1);
    runtime.block_on(sandbox.stop());
}

#[test]
fn a_row_of_the_user_gives_a_model_its_price() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let sandbox = runtime.block_on(Sandbox::start(Options { pace: quick(), ..Options::default() })).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let facts = dir.path().join("facts.json");
    let rows = r#"{"calls": [{"alias": "generate_video_from_template", "each": {"USD": 0.3}}]}"#;
    std::fs::write(&facts, rows).unwrap();
    let facts = facts.display().to_string();
    let settings = [("MINIMAX_FACTS_FILE", facts.as_str()), ("MINIMAX_BUDGET_DAY", "0.5")];
    let mut program = program(&sandbox.url(), dir.path(), &settings);
    let arguments =
        json!({ "template_id": "diving", "media": ["https://example.com/a.jpg"], "wait_seconds": 0 });
    let first = program.call("generate_video_from_template", arguments.clone());
    assert_ne!(first["isError"], true, "{first}");
    let second = program.call("generate_video_from_template", arguments);
    assert!(second.to_string().contains("$0.20 is left"), "{second}");
    runtime.block_on(sandbox.stop());
}

#[tokio::test]
async fn records_of_an_older_version_are_read_and_counted_from_now_on() {
    if crate::postgres::leaves_out("earlier forms of SQLite's file") {
        return;
    }
    let world = World::new().await;
    let job = world.make("text_to_image", json!({ "prompt": "A fox" })).await["job_id"].clone();
    world.server.jobs().shut_down(Duration::from_secs(5)).await;
    // Recreate the table of the version before the ledger.
    let file = world.dir.path().join("data/minimax-mcp/jobs.sqlite3");
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    for statement in
        ["DROP TABLE spending", "DROP TABLE secrets", "DELETE FROM _sqlx_migrations WHERE version = 3"]
    {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    pool.close().await;
    let world = world.neighbour_with(&[("MINIMAX_BUDGET_DAY", "0.004")]).await;
    assert_eq!(world.make("get_job", json!({ "job_id": job })).await["status"], "succeeded");
    assert_eq!(day(&world).await, [0; 4]);
    world.make("text_to_image", json!({ "prompt": "A hen" })).await;
    world.refusal("text_to_image", json!({ "prompt": "A hen" })).await;
    assert_eq!(day(&world).await, [IMAGE, IMAGE, 0, 0]);
}
