//! A server with a plan's key and a pay-as-you-go key: the one that pays, polls and downloads.

mod each_key;
mod overflow;
mod table;
mod used_up;

use std::time::Duration;

use minimax_mcp::mcp::Billing;
use minimax_mcp::sandbox::{Act, Pace, Request, Rule, Sandbox, key_fingerprint};
use serde_json::{Value, json};

use crate::harness::{World, eventually, quick, text};
use crate::money::{paid_calls, program};

const PLAN: &str = "sk-cp-the-secret-of-the-plan";
const BALANCE: &str = "sk-api-the-secret-of-the-balance";
const BOTH: &[(&str, &str)] = &[("MINIMAX_API_KEY", BALANCE), ("MINIMAX_PLAN_KEY", PLAN)];

/// Both keys, and `more` settings.
async fn world(more: &[(&str, &str)]) -> World {
    World::with(quick(), &[BOTH, more].concat()).await
}

fn refuse(code: i64) -> Act {
    Act::Refuse { code, message: None, retry_after: None }
}

/// The key of each request, by name.
fn key_of(request: &Request) -> &'static str {
    match &request.key_fingerprint {
        print if *print == key_fingerprint(PLAN) => "plan",
        print if *print == key_fingerprint(BALANCE) => "balance",
        _ => "none",
    }
}

/// Method, path without its query, and key of the requests from `start` on, without links to files.
fn sent(sandbox: &Sandbox, start: usize) -> Vec<(String, &'static str)> {
    let requests = sandbox.requests();
    let named = requests.iter().skip(start).filter(|request| !request.key_fingerprint.is_empty());
    named.map(|request| (request.path.split('?').next().unwrap().to_owned(), key_of(request))).collect()
}

/// Where both keys are asked about a file that the records do not have, which is free.
const LOOK: &str = "/v1/files/retrieve";

fn basis(view: &Value) -> &str {
    view["cost"]["basis"].as_str().unwrap_or_default()
}

/// The key that buys a tool, by the table of what plans include.
fn bought_with(tool: &str) -> &'static str {
    let table: Value =
        serde_json::from_str(include_str!("../../crates/platform/src/facts/plan.json")).unwrap();
    let rows = table["plan"]["entitlements"].as_array().unwrap();
    let in_plan = rows.iter().any(|row| row["id"] == tool && row["in_plan"] == true);
    if in_plan { "plan" } else { "balance" }
}

#[test]
fn each_tool_that_costs_money_has_a_row_about_plans_and_each_row_is_of_a_tool() {
    let table: Value =
        serde_json::from_str(include_str!("../../crates/platform/src/facts/plan.json")).unwrap();
    let rows = table["plan"]["entitlements"].as_array().unwrap();
    let rows: Vec<_> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    let catalogue = minimax_mcp::tools::catalogue();
    for spec in catalogue.specs().filter(|spec| spec.billing != Billing::Free) {
        assert!(
            rows.contains(&spec.name),
            "`{}` needs a row in crates/platform/src/facts/plan.json",
            spec.name
        );
    }
    for row in rows {
        assert!(
            catalogue.specs().any(|spec| spec.name == row),
            "`{row}` of crates/platform/src/facts/plan.json is no tool"
        );
    }
}

#[tokio::test]
async fn each_paid_tool_uploads_buys_and_polls_with_one_key_and_the_price_says_which() {
    let world = world(&[("MINIMAX_TOOLSETS", "all,legacy")]).await;
    let calls = paid_calls(&world);
    assert_eq!(["chat", "generate_lyrics"].map(bought_with), ["plan", "balance"]);
    for (tool, arguments) in calls {
        let key = bought_with(tool);
        let mut dry = arguments.clone();
        dry["dry_run"] = json!(true);
        let priced = world.make(tool, dry).await;
        let said = if key == "plan" {
            "paid by the plan (MINIMAX_PLAN_KEY)"
        } else {
            "paid from the balance (MINIMAX_API_KEY)"
        };
        assert!(basis(&priced).contains(said), "{tool}: {priced}");
        let start = world.sandbox.requests().len();
        let result = world.call(tool, arguments).await;
        let sent = sent(&world.sandbox, start);
        // Tests have no loudspeaker and no finished H3 task.
        assert!(!sent.is_empty() || tool == "speak", "{tool}: {}", text(&result));
        let is_look = |path: &str| {
            path == LOOK || (tool == "regenerate_video" && path.starts_with("/v2/query/video_generation/"))
        };
        assert!(sent.iter().all(|(path, used)| *used == key || is_look(path)), "{tool}: {sent:?}");
        if result.is_error != Some(true) && result.structured_content.as_ref().unwrap().get("cost").is_some()
        {
            assert!(text(&result).contains(said), "{tool}: {}", text(&result));
        }
    }
    let paid = world.sandbox.paid();
    assert!(paid.iter().any(|request| key_of(request) == "plan"));
    assert!(paid.iter().any(|request| key_of(request) == "balance"));
    assert!(!format!("{paid:?}").contains("secret"));
}

#[tokio::test]
async fn a_model_that_is_not_in_the_plan_is_bought_from_the_balance() {
    let world = world(&[]).await;
    for (model, key) in [
        ("MiniMax-M3.1-Flash", "plan"),
        ("m3", "plan"),
        ("MiniMax-M2.1", "balance"),
        ("MiniMax-M9", "balance"),
    ] {
        let start = world.sandbox.requests().len();
        world.call("chat", json!({ "prompt": "Hello", "model": model })).await;
        let sent = sent(&world.sandbox, start);
        assert!(!sent.is_empty() && sent.iter().all(|(_, used)| *used == key), "{model}: {sent:?}");
    }
    // A conversation continues with its model, and so with its key.
    let begun = world.make("chat", json!({ "prompt": "Hello", "model": "MiniMax-M2.1" })).await;
    let start = world.sandbox.requests().len();
    world.make("chat", json!({ "prompt": "And now?", "conversation_id": begun["conversation_id"] })).await;
    assert!(sent(&world.sandbox, start).iter().all(|(_, used)| *used == "balance"));
}

#[test]
fn a_row_of_the_user_adds_a_model_to_the_plan_whose_key_may_be_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let facts = dir.path().join("facts.json");
    let row = json!({ "id": "generate_video", "in_plan": true, "models": ["H3"] });
    std::fs::write(&facts, json!({ "plan": { "entitlements": [row] } }).to_string()).unwrap();
    let key = dir.path().join("plan.key");
    std::fs::write(&key, format!("{PLAN}\n")).unwrap();
    let (facts, key) = (facts.to_str().unwrap(), key.to_str().unwrap());
    let settings = [("MINIMAX_FACTS_FILE", facts), ("MINIMAX_PLAN_KEY_FILE", key)];
    let mut program = program("http://127.0.0.1:9", dir.path(), &settings);
    for (tool, model, words) in [
        ("generate_video", "h3", "paid by the plan"),
        ("generate_video", "MiniMax-Hailuo-2.3", "paid from the balance"),
        ("text_to_image", "image-01", "paid by the plan"),
    ] {
        let view = program.call(tool, json!({ "prompt": "A fox", "model": model, "dry_run": true }));
        assert!(basis(&view["structuredContent"]).contains(words), "{tool} {model}: {view}");
    }
}

#[tokio::test]
async fn one_key_alone_buys_everything_whichever_setting_holds_it() {
    for (settings, key) in [
        (vec![("MINIMAX_API_KEY", BALANCE)], "balance"),
        (vec![("MINIMAX_API_KEY", PLAN)], "plan"),
        (vec![("MINIMAX_API_KEY", ""), ("MINIMAX_PLAN_KEY", PLAN)], "plan"),
        (vec![("MINIMAX_API_KEY", PLAN), ("MINIMAX_PLAN_KEY", PLAN)], "plan"),
    ] {
        let world = World::with(quick(), &settings).await;
        let view = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
        world.call("generate_lyrics", json!({ "prompt": "A fox" })).await;
        let sent = sent(&world.sandbox, 0);
        assert!(sent.len() >= 2 && sent.iter().all(|(_, used)| *used == key), "{settings:?}: {sent:?}");
        assert!(!basis(&view).contains("MINIMAX_"), "{view}");
    }
}

#[tokio::test]
async fn swapped_keys_are_named_and_nothing_is_sent() {
    let world = World::with(quick(), &[("MINIMAX_API_KEY", PLAN), ("MINIMAX_PLAN_KEY", BALANCE)]).await;
    let refusal = world.refusal("text_to_image", json!({ "prompt": "A fox" })).await;
    assert!(refusal.contains("MINIMAX_PLAN_KEY") && refusal.contains("exchange"), "{refusal}");
    assert!(!refusal.contains("secret"), "{refusal}");
    assert_eq!(world.sandbox.requests().len(), 0);
}

/// Calls that the plan pays: one that starts a job, and one that is billed at once.
fn planned() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("text_to_image", "/v1/image_generation", json!({ "prompt": "A fox" })),
        ("text_to_audio", "/v1/t2a_v2", json!({ "text": "Hello" })),
        ("chat", "/v1/chat/completions", json!({ "prompt": "Hello" })),
        ("web_search", "/v1/coding_plan/search", json!({ "query": "foxes" })),
        (
            "understand_image",
            "/v1/coding_plan/vlm",
            json!({ "prompt": "What is it?", "image_url": "mm_file://1" }),
        ),
    ]
}

#[tokio::test]
async fn a_window_that_is_used_up_is_refused_with_its_next_start_and_the_setting_and_the_balance_pays_nothing()
 {
    let world = world(&[]).await;
    let body = json!({ "model_remains": [{ "model_name": "general", "end_time": 1_800_000_000_000_i64,
        "current_interval_total_count": 100, "current_interval_remaining_percent": 0,
        "current_interval_status": 1, "current_weekly_remaining_percent": 40, "current_weekly_status": 1 }] });
    let remains = Rule::always("/v1/token_plan/remains", Act::Raw { body: body.to_string() });
    for (tool, path, arguments) in planned() {
        world.sandbox.script(vec![Rule::always(path, refuse(2056)), remains.clone()]);
        let start = world.sandbox.requests().len();
        let result = world.call(tool, arguments).await;
        let told = text(&result);
        assert_eq!(result.is_error, Some(true), "{tool}: {told}");
        for part in ["2056", "2027-01-15T08:00:00Z", "MINIMAX_PLAN_OVERFLOW=balance", "Nothing was billed"] {
            assert!(told.contains(part), "{tool}: {part} in {told}");
        }
        if let Some(content) = &result.structured_content {
            assert!(content["next"].as_str().unwrap().contains("2027-01-15"), "{tool}: {content}");
        }
        let sent = sent(&world.sandbox, start);
        assert!(sent.iter().all(|(path, key)| *key == "plan" || path == LOOK), "{tool}: {sent:?}");
        assert_eq!(sent.iter().filter(|(sent, _)| sent == path).count(), 1, "{tool}: {sent:?}");
    }
    assert_eq!(world.bought(), 0);
    let account = world.make("check_account", json!({})).await;
    for spending in account["spending"].as_array().unwrap() {
        assert_eq!(spending["last_day"]["total"], 0.0, "{account}");
    }
}

#[tokio::test]
async fn each_key_has_a_budget_of_its_own() {
    for setting in ["MINIMAX_BUDGET_DAY", "MINIMAX_BUDGET_PROCESS"] {
        let world = world(&[(setting, "0.28")]).await;
        let images = json!({ "prompt": "A fox", "n": 9 });
        for _ in 0..8 {
            world.make("text_to_image", images.clone()).await;
        }
        let told = world.refusal("text_to_image", images).await;
        assert!(told.contains(setting), "{told}");
        world.make("generate_video", json!({ "prompt": "A fox", "resolution": "768P", "duration": 6 })).await;
        let told = world.refusal("generate_video", json!({ "prompt": "A fox" })).await;
        assert!(told.contains(setting), "{told}");
        let account = world.make("check_account", json!({})).await;
        let rows = account["budgets"].as_array().unwrap();
        let left = |key: &str| rows.iter().find(|row| row["key"] == key).unwrap()["left"].as_f64().unwrap();
        assert!(left("plan") < 0.0316 && left("balance").abs() < f64::EPSILON, "{account}");
    }
}

#[tokio::test]
async fn the_rest_of_the_budget_for_a_chat_is_that_of_the_paying_key() {
    for setting in ["MINIMAX_BUDGET_DAY", "MINIMAX_BUDGET_PROCESS"] {
        let world = world(&[(setting, "0.03")]).await;
        let chat = json!({ "prompt": "hi", "model": "MiniMax-M3" });
        let limit = async || {
            world.make("chat", chat.clone()).await;
            world.last_body()["max_completion_tokens"].as_u64().unwrap()
        };
        let whole = limit().await;
        // The balance pays for the lyrics, which leaves the plan's limit as it is.
        let price = world.make("generate_lyrics", json!({ "prompt": "A fox" })).await["cost"].clone();
        assert!(price["estimated"].as_f64().unwrap() > 0.005, "{price}");
        assert_eq!(key_of(world.sandbox.paid().last().unwrap()), "balance");
        let after = limit().await;
        assert!(whole.abs_diff(after) < 200, "{setting}: {whole} {after}");
        // The plan pays for the image.
        world.make("text_to_image", json!({ "prompt": "A fox", "n": 6 })).await;
        assert_eq!(key_of(world.sandbox.paid().last().unwrap()), "plan");
        assert!(limit().await < after - 2000, "{setting}");
    }
}

#[tokio::test]
async fn jobs_are_polled_fetched_and_cancelled_by_the_key_that_bought_them_after_a_restart_too() {
    let slow = Pace { polls: 1_000_000, ..quick() };
    let world = World::with(slow, BOTH).await;
    let long = "A fox in the snow. ".repeat(600);
    let speech = world.make("text_to_audio", json!({ "text": long, "async_mode": true })).await;
    let video = world.make("generate_video", json!({ "prompt": "A fox", "async_mode": true })).await;
    let h3 = world
        .make("generate_video", json!({ "prompt": "A fox", "model": "MiniMax-H3", "async_mode": true }))
        .await;
    let world = world.restarted().await;
    let start = world.sandbox.requests().len();
    // The first call opens the records, and with them the jobs of the process before.
    world.make("list_jobs", json!({})).await;
    let polled = |path: &str, key: &str| {
        sent(&world.sandbox, start).iter().any(|(sent, used)| sent.starts_with(path) && *used == key)
    };
    eventually("all are polled", async || {
        polled("/v1/query/t2a_async_query_v2", "plan")
            && polled("/v1/query/video_generation", "balance")
            && polled("/v2/query/video_generation", "balance")
    })
    .await;
    world.call("cancel_job", json!({ "job_id": h3["job_id"] })).await;
    world.sandbox.set_pace(quick());
    for (job, key) in [(&speech, "plan"), (&video, "balance")] {
        let view = world.make("get_job", json!({ "job_id": job["job_id"], "wait_seconds": 60 })).await;
        assert_eq!(view["status"], "succeeded", "{key}: {view}");
    }
    for (path, key) in sent(&world.sandbox, start) {
        let expected = if path.contains("t2a_async") { "plan" } else { "balance" };
        // Both kinds of results are fetched from /v1/files; of those, each key asks for its own.
        assert!(path.starts_with("/v1/files/") || key == expected, "{path} {key}");
    }
    assert!(polled("/v1/files/retrieve", "plan") && polled("/v1/files/retrieve", "balance"));
}

#[tokio::test]
async fn a_job_whose_key_is_gone_sleeps_and_wakes_with_it() {
    let slow = Pace { polls: 1_000_000, ..quick() };
    let world = World::with(slow, BOTH).await;
    let long = "A fox in the snow. ".repeat(600);
    let speech = world.make("text_to_audio", json!({ "text": long, "async_mode": true })).await;
    let id = json!({ "job_id": speech["job_id"], "wait_seconds": 0 });
    let alone = world.neighbour_with(&[("MINIMAX_API_KEY", BALANCE)]).await;
    let told = text(&alone.call("get_job", id.clone()).await);
    assert!(told.contains("Set MINIMAX_PLAN_KEY to that key again") && !told.contains("secret"), "{told}");
    let video = world.make("generate_video", json!({ "prompt": "A fox", "async_mode": true })).await;
    let alone = world.neighbour_with(&[("MINIMAX_API_KEY", ""), ("MINIMAX_PLAN_KEY", PLAN)]).await;
    let told = text(&alone.call("get_job", json!({ "job_id": video["job_id"], "wait_seconds": 0 })).await);
    assert!(told.contains("Set MINIMAX_API_KEY to that key again"), "{told}");
    world.sandbox.set_pace(quick());
    let view = world.make("get_job", json!({ "job_id": speech["job_id"], "wait_seconds": 60 })).await;
    assert_eq!(view["status"], "succeeded");
}

#[tokio::test]
async fn a_voice_and_a_file_are_used_with_the_key_that_made_them() {
    let world = world(&[]).await;
    let designed = world.make("voice_design", json!({ "prompt": "Warm", "preview_text": "Hello" })).await;
    let voice = designed["voice_id"].clone();
    let start = world.sandbox.requests().len();
    world.make("text_to_audio", json!({ "text": "Hello", "voice_id": voice })).await;
    world.make("delete_voice", json!({ "voice_id": voice, "voice_type": "voice_generation" })).await;
    assert!(sent(&world.sandbox, start).iter().all(|(_, key)| *key == "balance"));
    let path = world.dir.path().join("out/long.txt");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "A fox.").unwrap();
    let start = world.sandbox.requests().len();
    let uploaded = world.make("upload_file", json!({ "file": path, "purpose": "t2a_async_input" })).await;
    let id = uploaded["file_id"].clone();
    world.make("get_file", json!({ "file_id": id })).await;
    world.make("delete_file", json!({ "file_id": id, "purpose": "t2a_async_input" })).await;
    let sent = sent(&world.sandbox, start);
    assert!(sent.len() >= 3 && sent.iter().all(|(_, key)| *key == "plan"), "{sent:?}");
}

#[tokio::test]
async fn the_same_idempotency_key_buys_once_whichever_key_paid() {
    let world = world(&[("MINIMAX_PLAN_OVERFLOW", "balance")]).await;
    world.sandbox.script(vec![Rule::once("/v1/image_generation", refuse(2056))]);
    let arguments = json!({ "prompt": "A fox", "idempotency_key": "k" });
    let first = world.make("text_to_image", arguments.clone()).await;
    let world = world.restarted().await;
    let second = world.make("text_to_image", arguments).await;
    assert_eq!(first["job_id"], second["job_id"]);
    let third = world.make("generate_video", json!({ "prompt": "A fox", "idempotency_key": "k" })).await;
    assert_eq!((&third["job_id"], world.bought()), (&first["job_id"], 1));
}

#[tokio::test]
async fn an_idempotency_key_buys_once_also_after_the_key_that_pays_was_replaced_or_removed() {
    let world = world(&[]).await;
    let arguments = json!({ "prompt": "A fox", "idempotency_key": "k" });
    let first = world.make("text_to_image", arguments.clone()).await;
    for settings in [
        vec![("MINIMAX_API_KEY", BALANCE)],
        vec![("MINIMAX_PLAN_KEY", "sk-cp-another")],
        vec![("MINIMAX_API_KEY", "sk-api-another"), ("MINIMAX_PLAN_KEY", "sk-cp-another")],
    ] {
        let later = world.neighbour_with(&settings).await;
        let again = later.make("text_to_image", arguments.clone()).await;
        assert_eq!((&again["job_id"], world.bought()), (&first["job_id"], 1), "{settings:?}: {again}");
        assert!(again["warnings"].to_string().contains("nothing was bought"), "{again}");
    }
    let other = json!({ "prompt": "A fox", "idempotency_key": "l" });
    world.neighbour_with(&[("MINIMAX_API_KEY", BALANCE)]).await.make("text_to_image", other).await;
    assert_eq!(world.bought(), 2);
}

#[tokio::test]
async fn models_say_which_key_buys_them() {
    let row = |list: &Value, model: &str| {
        let models = list["models"].as_array().unwrap();
        models.iter().find(|row| row["model"] == model).unwrap()["bought_with"].clone()
    };
    for (settings, text, video) in [
        (BOTH.to_vec(), json!("plan"), json!("balance")),
        (vec![("MINIMAX_API_KEY", PLAN)], json!("plan"), json!("none")),
        (vec![("MINIMAX_API_KEY", BALANCE)], json!("balance"), json!("balance")),
        (vec![("MINIMAX_API_KEY", "eyJ-old")], Value::Null, Value::Null),
    ] {
        let world = World::with(quick(), &settings).await;
        let list = world.make("list_models", json!({})).await;
        assert_eq!(
            (row(&list, "MiniMax-M3.1-Flash"), row(&list, "MiniMax-H3")),
            (text, video),
            "{settings:?}"
        );
    }
}

#[tokio::test]
async fn an_invalid_key_is_named_by_its_setting() {
    let world = world(&[]).await;
    world.sandbox.script(vec![Rule::always("/v1/", refuse(2049))]);
    for (tool, arguments, setting, other) in [
        ("text_to_image", json!({ "prompt": "A fox" }), "MINIMAX_PLAN_KEY", "MINIMAX_API_KEY"),
        ("web_search", json!({ "query": "foxes" }), "MINIMAX_PLAN_KEY", "MINIMAX_API_KEY"),
        ("generate_lyrics", json!({ "prompt": "A fox" }), "MINIMAX_API_KEY", "MINIMAX_PLAN_KEY"),
        ("generate_video", json!({ "prompt": "A fox" }), "MINIMAX_API_KEY", "MINIMAX_PLAN_KEY"),
    ] {
        let told = world.refusal(tool, arguments).await;
        assert!(told.contains(setting) && !told.contains(other), "{tool}: {told}");
    }
}

#[tokio::test]
async fn neither_key_is_in_records_results_or_descriptions() {
    let world = world(&[("MINIMAX_PLAN_OVERFLOW", "balance")]).await;
    world.sandbox.script(vec![Rule::once("/v1/image_generation", refuse(2056))]);
    let mut said = String::new();
    for (tool, arguments) in [
        ("text_to_image", json!({ "prompt": "A fox" })),
        ("text_to_audio", json!({ "text": "Hello" })),
        ("generate_lyrics", json!({ "prompt": "A fox" })),
        ("check_account", json!({})),
        ("list_jobs", json!({})),
        ("list_models", json!({})),
    ] {
        said.push_str(&serde_json::to_string(&world.call(tool, arguments).await).unwrap());
    }
    assert!(!said.contains("the-secret-of"), "{said}");
    let dir = std::sync::Arc::clone(&world.dir);
    world.server.jobs().shut_down(Duration::from_secs(5)).await;
    let mut folders = vec![dir.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let bytes = std::fs::read(entry.path()).unwrap();
            let found = bytes.windows(13).any(|part| part == b"the-secret-of");
            assert!(!found, "{}", entry.path().display());
        }
    }
}
