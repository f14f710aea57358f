//! `check_account`.

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::{Value, json};

use crate::harness::{World, quick, text};

fn notes(account: &Value) -> String {
    account["notes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|note| note.as_str().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test]
async fn a_plan_is_told_by_its_windows() {
    let world = World::with(quick(), &[("MINIMAX_API_KEY", "sk-cp-a-secret-of-mine")]).await;
    let result = world.call("check_account", json!({})).await;
    let account = result.structured_content.clone().unwrap();
    assert_eq!((&account["key_kind"], &account["region"]), (&json!("plan"), &json!("global")));
    assert_eq!(account["host"], world.sandbox.url());
    let general = &account["windows"][0];
    assert_eq!((&general["left_percent"], &general["week_left_percent"]), (&json!(58.0), &json!(85.0)));
    assert!(general["ends_at"].as_str().unwrap().starts_with("20"), "{general}");
    assert_eq!((&account["windows"][1]["in_plan"], account.get("balance")), (&json!(false), None));
    let notes = notes(&account);
    for part in ["left_percent:", "week_left_percent:", "host:", "2056", "balance: none"] {
        assert!(notes.contains(part), "{notes}");
    }
    let shown = text(&result);
    assert!(shown.contains("58 % left") && shown.contains("video: not in the plan"), "{shown}");
    assert!(!serde_json::to_string(&result).unwrap().contains("secret-of-mine"));
}

#[tokio::test]
async fn a_pay_as_you_go_key_is_told_by_its_balance() {
    let world = World::new().await;
    let account = world.make("check_account", json!({})).await;
    assert_eq!(account["key_kind"], "pay-as-you-go");
    assert_eq!(
        account["balance"],
        json!({ "available": "98.00", "cash": "0.00", "voucher": "98.00", "credit": "0.00", "owed": "0.00",
            "currency": "USD" })
    );
    let notes = notes(&account);
    assert!(notes.contains("1008") && notes.contains("windows: none"), "{notes}");
}

#[tokio::test]
async fn a_host_without_a_balance_endpoint_is_no_failure() {
    let world = World::with(quick(), &[("MINIMAX_API_KEY", "sk-cp-x")]).await;
    let gone =
        Act::Status { status: 404, body: "no".into(), content_type: None, headers: Default::default() };
    world.sandbox.script(vec![Rule::always("/account/query_balance", gone)]);
    let account = world.make("check_account", json!({})).await;
    assert!(notes(&account).contains("balance: none, this host has no such endpoint"), "{account}");
    assert_eq!(account["windows"].as_array().unwrap().len(), 2);
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
}

#[tokio::test]
async fn a_key_that_neither_knows_is_an_error_and_weather_is_waited_out() {
    let world = World::new().await;
    let refuse = |code| Act::Refuse { code, message: None, retry_after: None };
    world.sandbox.script(vec![Rule::always("/", refuse(2049))]);
    let refusal = world.refusal("check_account", json!({})).await;
    assert!(refusal.contains("2049") && refusal.contains("MINIMAX_REGION"), "{refusal}");
    world.sandbox.script(vec![Rule::once("/account/query_balance", refuse(1000))]);
    assert!(world.make("check_account", json!({})).await["balance"].is_object());
}
