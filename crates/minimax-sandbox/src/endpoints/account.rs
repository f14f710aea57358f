//! Plan quotas and balances. Undocumented; this is the form that MiniMax's own command-line client reads.

use axum::Json;
use axum::http::{HeaderMap, header};
use serde_json::{Value, json};

use crate::engine::clock::{HOUR, now_ms};
use crate::engine::errors::{ApiError, NO_KEY, NO_PLAN, success};
use crate::engine::request::Call;
use crate::engine::routes::Routes;

pub(crate) fn routes() -> Routes {
    Routes::new().get("/v1/token_plan/remains", remains).get("/account/query_balance", balance)
}

/// Rejects keys that start with `other`, with this code: each endpoint accepts only one kind of key.
fn reject_kind(headers: &HeaderMap, other: &str, code: i64) -> Result<(), ApiError> {
    let key = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if key.contains(other) { Err(ApiError::of(code)) } else { Ok(()) }
}

async fn remains(headers: HeaderMap, call: Call) -> Result<Json<Value>, ApiError> {
    call.query(&[])?;
    reject_kind(&headers, " sk-api-", NO_PLAN)?;
    let now = now_ms();
    let (window, week) = (5 * HOUR * 1000, 7 * 24 * HOUR * 1000);
    let (start, monday) = (now - now % window, now - now % week);
    let row = |name: &str, percent: u64, weekly: u64, status: u64, total: u64| {
        json!({
            "model_name": name,
            "start_time": start, "end_time": start + window, "remains_time": start + window - now,
            "current_interval_total_count": total, "current_interval_usage_count": total * (100 - percent) / 100,
            "current_interval_remaining_percent": percent, "current_interval_status": status,
            "current_weekly_total_count": total * 10,
            "current_weekly_usage_count": total * 10 * (100 - weekly) / 100,
            "current_weekly_remaining_percent": weekly, "current_weekly_status": status,
            "weekly_start_time": monday, "weekly_end_time": monday + week,
            "weekly_remains_time": monday + week - now, "weekly_boost_permille": 1000,
        })
    };
    let rows = [row("general", 58, 85, 1, 1500), row("video", 100, 100, 3, 0)];
    Ok(Json(json!({"model_remains": rows, "base_resp": success()})))
}

async fn balance(headers: HeaderMap, call: Call) -> Result<Json<Value>, ApiError> {
    call.query(&[])?;
    reject_kind(&headers, " sk-cp-", NO_KEY)?;
    Ok(Json(json!({
        "available_amount": "98.00", "cash_balance": "0.00", "voucher_balance": "98.00", "credit_balance": "0.00",
        "owed_amount": "0.00", "balance_alert_switch": false, "balance_alert_threshold": "5.00",
        "base_resp": success(),
    })))
}
