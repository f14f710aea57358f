//! `check_account`.

pub(crate) mod spending;

use rmcp::ErrorData;
use rmcp::handler::server::tool::{IntoCallToolResult, schema_for_output};
use rmcp::model::CallToolResponse;
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::{ApiError, Balance, Window};
use crate::config::{KeyKind, Region, Toolset};
use crate::facts::{Class, facts};
use crate::mcp::ToolSpec;
use crate::mcp::job_view::time;
use crate::mcp::result::Report;
use crate::mcp::{Server, ToolError};
use crate::tools::account::spending::{BudgetView, SpendingView, Summary};

pub(crate) const TOOLS: &[ToolSpec] = &[ToolSpec::free("check_account", Toolset::Account)];

/// What can be spent. What is absent is unknown.
#[derive(Debug, Serialize, JsonSchema)]
struct Account {
    /// Where calls go.
    host: String,
    #[schemars(extend("enum" = ["global", "cn"]))]
    region: &'static str,
    /// By the key's beginning: a hint.
    #[schemars(extend("enum" = ["plan", "pay-as-you-go", "unknown"]))]
    key_kind: &'static str,
    /// What is left of the plan.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    windows: Vec<WindowView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    balance: Option<BalanceView>,
    /// What went through this server.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    spending: Vec<SpendingView>,
    /// What may be spent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    budgets: Vec<BudgetView>,
    #[serde(skip)]
    lines: Vec<String>,
    #[serde(skip)]
    sandbox: bool,
    // What a person should know; the figures explain themselves.
    #[serde(skip)]
    problems: Vec<String>,
    /// What each figure means.
    notes: Vec<String>,
}

/// One group of models of a plan.
#[derive(Debug, Serialize, JsonSchema)]
struct WindowView {
    models: String,
    /// Whether the plan has it at all.
    in_plan: bool,
    /// Percent left of the short window.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<String>,
    /// Percent left of the week.
    #[serde(skip_serializing_if = "Option::is_none")]
    week_left_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    week_ends_at: Option<String>,
    /// MiniMax's counts as they came.
    counts: String,
}

/// Amounts in the account's currency.
#[derive(Debug, Serialize, JsonSchema)]
struct BalanceView {
    available: String,
    cash: String,
    voucher: String,
    credit: String,
    owed: String,
    /// A guess by the region.
    currency: String,
}

#[tool_router(router = account_tools, vis = "pub(crate)")]
impl Server {
    /// Show host, kind of key, what is left of plan or balance, spending, budgets. Free.
    #[tool(
        title = "Check account",
        output_schema = schema_for_output::<Account>(),
        annotations(read_only_hint = true, destructive_hint = false, idempotent_hint = true, open_world_hint = true)
    )]
    async fn check_account(&self) -> Result<Account, ToolError> {
        self.checkout.ready()?;
        let api = self.api();
        // The prefix of a key is only a hint, so both are asked.
        let (windows, balance) = tokio::join!(api.plan_windows(), api.balance());
        let kind = self.key_kind();
        let (windows, balance) = match (windows, balance) {
            (Err(plan), Err(balance)) => {
                let told = if kind == KeyKind::PayAsYouGo { balance } else { plan };
                return Err(told.into());
            }
            answers => answers,
        };
        Ok(Account::of(self, kind, windows, balance, spending::spent(self).await))
    }
}

impl Account {
    fn of(
        server: &Server,
        kind: KeyKind,
        windows: Result<Vec<Window>, ApiError>,
        balance: Result<Balance, ApiError>,
        money: Summary,
    ) -> Self {
        let config = server.config();
        let (region, other) = match config.region {
            Region::Global => ("global", "cn"),
            Region::Cn => ("cn", "global"),
        };
        let (key_kind, about) = match kind {
            KeyKind::Plan => {
                ("plan", "begins with sk-cp-, as keys of subscription plans do: calls draw on the windows")
            }
            KeyKind::PayAsYouGo => {
                ("pay-as-you-go", "begins with sk-api-, as pay-as-you-go keys do: calls draw on the balance")
            }
            KeyKind::Other | KeyKind::Missing => ("unknown", "tells nothing by its beginning"),
        };
        let mut notes = if config.is_sandbox() {
            vec!["host: the sandbox. Nothing reaches MiniMax, and nothing is billed.".to_owned()]
        } else {
            vec![
                format!(
                    "host: calls go to {}; a key of the region {region} is no use in {other} (MINIMAX_REGION)",
                    config.host
                ),
                format!("key_kind: the key {about}. A hint, no proof."),
            ]
        };
        let mut problems = config.warnings.clone();
        notes.extend(config.warnings.iter().map(|warning| format!("setting: {warning}")));
        let windows = match windows {
            Ok(windows) => {
                if windows.iter().any(in_plan) {
                    notes.extend(WINDOW_NOTES.iter().map(|note| (*note).to_owned()));
                } else {
                    notes.push("windows: MiniMax reports no plan that covers anything.".to_owned());
                }
                windows.iter().map(WindowView::of).collect()
            }
            Err(error) => {
                problems.extend(
                    (!is_expected(&error)).then(|| format!("the plan is not known: {}", why(&error))),
                );
                notes.push(format!("windows: none, {}.", why(&error)));
                Vec::new()
            }
        };
        let currency = config.currency().as_str();
        let balance = match balance {
            Ok(balance) => {
                notes.extend(BALANCE_NOTES.iter().map(|note| (*note).to_owned()));
                Some(BalanceView::of(balance, currency))
            }
            Err(error) => {
                problems.extend(
                    (!is_expected(&error)).then(|| format!("the balance is not known: {}", why(&error))),
                );
                notes.push(format!("balance: none, {}.", why(&error)));
                None
            }
        };
        let Summary { spending, budgets, lines, notes: about_money, problem } = money;
        notes.extend(about_money);
        problems.extend(problem);
        Self {
            host: config.host.clone(),
            region,
            key_kind,
            windows,
            balance,
            spending,
            budgets,
            lines,
            sandbox: config.is_sandbox(),
            problems,
            notes,
        }
    }
}

const WINDOW_NOTES: &[&str] = &[
    "left_percent: what is left of the short window (about 5 hours), which starts again at ends_at.",
    "week_left_percent: what is left of the week, any boost of the plan included; it starts again at week_ends_at.",
    "counts: as MiniMax reports them, used or remaining; rely on the percentages.",
    "At 0 percent calls are refused with code 2056 until the window starts again.",
];

const BALANCE_NOTES: &[&str] = &[
    "available: what pay-as-you-go calls can spend now; at 0 they are refused with code 1008.",
    "cash, voucher, credit: where that comes from (paid in, given, lent). owed: what is still to be paid.",
    "currency: by the region; MiniMax reports amounts without one.",
];

/// Whether MiniMax shows this only to the other kind of key.
fn is_expected(error: &ApiError) -> bool {
    matches!(error, ApiError::Refused { status: 404, .. })
        || matches!(error.class(), Class::Auth | Class::Quota)
}

fn why(error: &ApiError) -> String {
    match error {
        ApiError::Refused { status: 404, .. } => "this host has no such endpoint".to_owned(),
        ApiError::Refused { code: Some(code), .. } if error.class() == Class::Quota => {
            let what = facts().code(*code).and_then(|row| row.what.clone());
            what.unwrap_or_else(|| error.to_string())
        }
        _ if matches!(error.class(), Class::Auth | Class::Quota) => {
            format!("MiniMax does not show it to this kind of key ({error})")
        }
        _ => error.to_string(),
    }
}

/// MiniMax says "not in the plan" by two totals of 0 and two statuses of 3.
fn in_plan(window: &Window) -> bool {
    let nothing = window.current_interval_total_count == 0 && window.current_weekly_total_count == 0;
    let unlimited = [window.current_interval_status, window.current_weekly_status] == [Some(3); 2];
    !(nothing && unlimited)
}

impl WindowView {
    fn of(window: &Window) -> Self {
        let boost = window.weekly_boost_permille.unwrap_or(1000.0) / 1000.0;
        let limited = |status: Option<i64>| status != Some(3);
        let week =
            window.current_weekly_remaining_percent.map(|percent| (percent * boost * 100.0).round() / 100.0);
        let interval = limited(window.current_interval_status);
        let weekly = limited(window.current_weekly_status);
        let counts =
            |total: i64, usage: i64| if total == 0 { "-".to_owned() } else { format!("{usage} of {total}") };
        Self {
            models: window.model_name.clone(),
            in_plan: in_plan(window),
            left_percent: window.current_interval_remaining_percent.filter(|_| interval),
            ends_at: window.end_time.and_then(time).filter(|_| interval),
            week_left_percent: week.filter(|_| weekly),
            week_ends_at: window.weekly_end_time.and_then(time).filter(|_| weekly),
            counts: format!(
                "window {}, week {}",
                counts(window.current_interval_total_count, window.current_interval_usage_count),
                counts(window.current_weekly_total_count, window.current_weekly_usage_count)
            ),
        }
    }

    fn line(&self) -> String {
        if !self.in_plan {
            return format!("{}: not in the plan", self.models);
        }
        let part = |name: &str, percent: Option<f64>, end: &Option<String>| match (percent, end) {
            (Some(percent), Some(end)) => format!("{name} {percent} % left until {}", minute(end)),
            (Some(percent), None) => format!("{name} {percent} % left"),
            (None, _) => format!("{name} without a limit"),
        };
        let window = part("window", self.left_percent, &self.ends_at);
        let week = part("week", self.week_left_percent, &self.week_ends_at);
        format!("{}: {window}; {week}", self.models)
    }
}

/// A moment without its seconds: `2026-11-29 21:00 UTC`.
fn minute(at: &str) -> String {
    let parsed = at.parse::<jiff::Timestamp>();
    parsed.map_or_else(|_| at.to_owned(), |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

impl BalanceView {
    fn of(balance: Balance, currency: &str) -> Self {
        Self {
            available: balance.available_amount,
            cash: balance.cash_balance,
            voucher: balance.voucher_balance,
            credit: balance.credit_balance,
            owed: balance.owed_amount,
            currency: currency.to_owned(),
        }
    }

    fn line(&self) -> String {
        format!("Balance: {} {} available, {} owed", self.available, self.currency, self.owed)
    }
}

impl IntoCallToolResult for Account {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let head = if self.sandbox {
            format!("Sandbox at {}: nothing is billed", self.host)
        } else {
            format!("{} ({}), key: {}", self.host, self.region, self.key_kind)
        };
        let report = Report::default()
            .head([head])
            .lines(self.windows.iter().map(WindowView::line))
            .lines(self.balance.as_ref().map(BalanceView::line))
            .lines(self.lines.iter().cloned())
            .notes(&self.problems);
        Ok(report.result(&self)?.into())
    }
}
