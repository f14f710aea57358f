//! `check_account`.

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::json;

use crate::harness::{World, quick, text};

const PLAN: &str = "sk-cp-a-secret-of-mine";

/// The answer as a person sees it, with times and the sandbox's address replaced.
async fn shown(world: &World) -> String {
    let result = world.call("check_account", json!({})).await;
    let shown = text(&result).replace(&world.sandbox.url(), "HOST");
    let shown = shown.replace(world.sandbox.url().trim_start_matches("http://"), "HOST");
    assert!(!serde_json::to_string(&result).unwrap().contains("secret-of-mine"));
    let time = "2026-11-29 21:00 UTC".len();
    let words = |line: &str| {
        let mut parts = line.split("until ");
        let first = parts.next().unwrap().to_owned();
        parts.fold(first, |line, rest| format!("{line}until TIME{}", &rest[time..]))
    };
    shown.lines().map(words).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn facts_in_five_lines_for_each_kind_of_key() {
    let only_plan = World::with(quick(), &[("MINIMAX_API_KEY", PLAN)]).await;
    only_plan.make("web_search", json!({ "query": "foxes" })).await;
    insta::assert_snapshot!("plan_only", shown(&only_plan).await);
    let only_balance =
        World::with(quick(), &[("MINIMAX_BUDGET_DAY", "5"), ("MINIMAX_BUDGET_CALL", "1")]).await;
    only_balance.make("text_to_image", json!({ "prompt": "A fox" })).await;
    insta::assert_snapshot!("balance_only", shown(&only_balance).await);
    let settings = [("MINIMAX_PLAN_KEY", PLAN), ("MINIMAX_BUDGET_DAY", "5"), ("MINIMAX_BUDGET_CALL", "1")];
    let both = World::with(quick(), &settings).await;
    both.make("text_to_image", json!({ "prompt": "A fox" })).await;
    both.make("generate_lyrics", json!({ "prompt": "A fox" })).await;
    insta::assert_snapshot!("both_keys", shown(&both).await);
    let same = World::with(quick(), &[("MINIMAX_API_KEY", PLAN), ("MINIMAX_PLAN_KEY", PLAN)]).await;
    insta::assert_snapshot!("one_key_twice", shown(&same).await);
    let refuse = Act::Refuse { code: 2049, message: None, retry_after: None };
    both.sandbox.script(vec![Rule::always("/", refuse)]);
    insta::assert_snapshot!("neither_key", shown(&both).await);
}

#[tokio::test]
async fn a_refused_key_of_two_is_named_and_the_other_is_shown() {
    let both = World::with(quick(), &[("MINIMAX_PLAN_KEY", PLAN)]).await;
    // Both endpoints are asked with the balance's key, and then with the plan's.
    let refuse = Act::Refuse { code: 2049, message: None, retry_after: None };
    both.sandbox.script(vec![Rule::always("/v1/token_plan/remains", refuse)]);
    let account = both.make("check_account", json!({})).await;
    assert_eq!((account["balance"]["available"].as_str(), account.get("windows")), (Some("98.00"), None));
    let notes = account["notes"].to_string();
    assert!(
        notes.contains("MINIMAX_PLAN_KEY cannot be used") && !notes.contains("MINIMAX_API_KEY"),
        "{notes}"
    );
}

#[tokio::test]
async fn the_kind_of_a_plan_key_is_known_from_its_windows() {
    let world = World::with(quick(), &[("MINIMAX_API_KEY", PLAN)]).await;
    let account = world.make("check_account", json!({})).await;
    assert_eq!((&account["key_kind"], &account["region"]), (&json!("plan"), &json!("global")));
    assert_eq!(account["host"], world.sandbox.url());
    let general = &account["windows"][0];
    assert_eq!((&general["left_percent"], &general["week_left_percent"]), (&json!(58.0), &json!(85.0)));
    assert!(general["ends_at"].as_str().unwrap().starts_with("20"), "{general}");
    assert_eq!((&account["windows"][1]["in_plan"], account.get("balance")), (&json!(false), None));
    assert_eq!(account.get("notes"), None, "an expected refusal is silent");
}

#[tokio::test]
async fn the_kind_of_a_pay_as_you_go_key_is_known_from_its_balance() {
    let world = World::new().await;
    let account = world.make("check_account", json!({})).await;
    assert_eq!(account["key_kind"], "pay-as-you-go");
    assert_eq!(
        account["balance"],
        json!({ "available": "98.00", "cash": "0.00", "voucher": "98.00", "credit": "0.00", "owed": "0.00",
            "currency": "USD" })
    );
    assert_eq!(
        (account.get("windows"), account.get("notes")),
        (None, None),
        "MiniMax answers 2062, which is expected"
    );
}

#[tokio::test]
async fn a_host_without_a_balance_endpoint_is_not_a_failure() {
    let world = World::with(quick(), &[("MINIMAX_API_KEY", "sk-cp-x")]).await;
    let gone =
        Act::Status { status: 404, body: "no".into(), content_type: None, headers: Default::default() };
    world.sandbox.script(vec![Rule::always("/account/query_balance", gone)]);
    let account = world.make("check_account", json!({})).await;
    assert_eq!((account.get("balance"), account.get("notes")), (None, None));
    assert_eq!(account["windows"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_unexpected_is_a_note() {
    let world = World::new().await;
    let odd = Act::Raw { body: "{}".to_owned() };
    let plan = Act::Raw { body: json!({ "model_remains": [] }).to_string() };
    world
        .sandbox
        .script(vec![Rule::always("/account/query_balance", odd), Rule::always("/v1/token_plan", plan)]);
    let account = world.make("check_account", json!({})).await;
    assert!(account["notes"].to_string().contains("The balance is unknown"), "{account}");
}

#[tokio::test]
async fn odd_answers_of_the_plan_are_read_as_far_as_they_go() {
    let world = World::with(quick(), &[("MINIMAX_API_KEY", "eyJhbGciOi")]).await;
    let body = json!({ "model_remains": [
        { "model_name": "general", "current_interval_remaining_percent": 12, "current_interval_status": 1,
            "current_weekly_status": 3, "current_weekly_total_count": null, "current_interval_total_count": 7 },
        { "model_name": "boosted", "current_weekly_remaining_percent": 80, "current_weekly_status": 1,
            "current_weekly_total_count": 5, "weekly_boost_permille": 1500 },
    ] });
    world.sandbox.script(vec![Rule::once("/v1/token_plan/remains", Act::Raw { body: body.to_string() })]);
    let account = world.make("check_account", json!({})).await;
    assert_eq!(account["key_kind"], "unknown");
    assert_eq!(account["windows"][0]["left_percent"], 12.0);
    assert_eq!(account["windows"][0].get("week_left_percent"), None, "no limit");
    assert_eq!(account["windows"][1]["week_left_percent"], 120.0);
    assert_eq!(account["windows"][0]["counts"], "window 0 of 7, week -; used or left");
    // Used and left contradict each other: the percent counts, and the numbers are shown as doubtful.
    let body = json!({ "model_remains": [{ "model_name": "general", "current_interval_total_count": 1500,
        "current_interval_usage_count": 1445, "current_interval_remaining_percent": 96, "current_interval_status": 1 }] });
    world.sandbox.script(vec![Rule::once("/v1/token_plan/remains", Act::Raw { body: body.to_string() })]);
    let window = world.make("check_account", json!({})).await["windows"][0].clone();
    assert_eq!(window["left_percent"], 96.0, "{window}");
    assert_eq!(window["counts"], "window 1445 of 1500, week -; used or left");
}

#[tokio::test]
async fn a_key_that_neither_endpoint_accepts_is_an_error_and_transient_errors_are_retried() {
    let world = World::new().await;
    let refuse = |code| Act::Refuse { code, message: None, retry_after: None };
    world.sandbox.script(vec![Rule::always("/", refuse(2049))]);
    let refusal = world.refusal("check_account", json!({})).await;
    assert!(refusal.contains("2049") && refusal.contains("MINIMAX_REGION"), "{refusal}");
    world.sandbox.script(vec![Rule::once("/account/query_balance", refuse(1000))]);
    assert!(world.make("check_account", json!({})).await["balance"].is_object());
}
