//! `check_account`.

// Modules: `just modules` writes these lines.
pub(crate) mod spending;
// End of the modules.

use futures_util::future::join_all;
use rmcp::ErrorData;
use rmcp::handler::server::tool::{IntoCallToolResult, schema_for_output};
use rmcp::model::CallToolResponse;
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::ApiError;
use crate::api::account::{Balance, Window};
use crate::config::{ConfigError, KeyKind, Region, Toolset};
use crate::facts::Class;
use crate::jobs::{Jobs, PaysWith};
use crate::mcp::ToolSpec;
use crate::mcp::{Server, ToolError};
use crate::result::Report;
use crate::result::job_view::time;
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
    #[schemars(extend("enum" = ["plan", "pay-as-you-go", "both", "unknown"]))]
    key_kind: &'static str,
    /// What is left of the plan.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    windows: Vec<WindowView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    balance: Option<BalanceView>,
    /// What went through this server, by key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    spending: Vec<SpendingView>,
    /// What may be spent, by key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    budgets: Vec<BudgetView>,
    #[serde(skip)]
    lines: Vec<String>,
    #[serde(skip)]
    sandbox: bool,
    /// What is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
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
    /// MiniMax's counts as they came: used or left, MiniMax does not say.
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

/// What MiniMax says about one key.
struct Answer {
    windows: Result<Vec<Window>, ApiError>,
    balance: Result<Balance, ApiError>,
}

#[tool_router(router = account_tools, vis = "pub(crate)")]
impl Server {
    /// Show host, kind of key, what is left of plan or balance, budgets, and all spending of 24 hours, chats
    /// included. Free.
    #[tool(
        title = "Check account",
        output_schema = schema_for_output::<Account>(),
        annotations(read_only_hint = true, destructive_hint = false, idempotent_hint = true, open_world_hint = true)
    )]
    async fn check_account(&self) -> Result<Account, ToolError> {
        self.checkout.ready()?;
        let keys = self.jobs().each_key();
        let answers = join_all(keys.iter().map(ask)).await;
        let answers: Vec<_> = keys.iter().map(Jobs::pays_with).zip(answers).collect();
        if answers.iter().all(|(_, answer)| answer.error(self.key_kind()).is_some()) {
            return Err(unusable(self, answers));
        }
        Ok(Account::of(self, answers, spending::spent(self).await))
    }
}

/// Asks both endpoints, because the prefix of a key is only a hint.
async fn ask(jobs: &Jobs) -> Answer {
    let api = jobs.api();
    let (windows, balance) = tokio::join!(api.plan_windows(), api.balance());
    Answer { windows, balance }
}

impl Answer {
    /// Why the key cannot be used: both endpoints refuse it. The error is the one that suits the kind of key.
    fn error(&self, kind: KeyKind) -> Option<&ApiError> {
        match (&self.windows, &self.balance) {
            (Err(_), Err(balance)) if kind == KeyKind::PayAsYouGo => Some(balance),
            (Err(plan), Err(_)) => Some(plan),
            _ => None,
        }
    }
}

fn setting(key: Option<PaysWith>) -> &'static str {
    key.map_or("MINIMAX_API_KEY", PaysWith::setting)
}

/// Why one of two keys cannot be used, and what to do about that key.
fn unusable_words(key: Option<PaysWith>, error: &ApiError) -> String {
    let advice = error.advice().replace("MINIMAX_API_KEY", setting(key));
    format!("cannot be used: {error}. {}", advice.trim_end_matches('.'))
}

/// The error if no key can be used. If there are two, it names both.
fn unusable(server: &Server, answers: Vec<(Option<PaysWith>, Answer)>) -> ToolError {
    let kind = server.key_kind();
    if let [(_, answer)] = answers.as_slice()
        && let Some(error) = answer.error(kind)
    {
        return error.clone().into();
    }
    let problem = |(key, answer): (Option<PaysWith>, Answer)| {
        let kind = if key == Some(PaysWith::Plan) { KeyKind::Plan } else { KeyKind::PayAsYouGo };
        let error = answer.error(kind)?;
        Some(ConfigError { name: setting(key), problem: unusable_words(key, error) })
    };
    ToolError::Config(answers.into_iter().filter_map(problem).collect())
}

impl Account {
    fn of(server: &Server, answers: Vec<(Option<PaysWith>, Answer)>, money: Summary) -> Self {
        let config = server.config();
        let region = match config.region {
            Region::Global => "global",
            Region::Cn => "cn",
        };
        let key_kind = match server.key_kind() {
            _ if answers.len() > 1 => "both",
            KeyKind::Plan => "plan",
            KeyKind::PayAsYouGo => "pay-as-you-go",
            KeyKind::Other | KeyKind::Missing => "unknown",
        };
        let Summary { spending, budgets, lines, mut notes } = money;
        notes.extend(config.warnings.iter().map(|warning| format!("setting: {warning}")));
        let (mut windows, mut balance) = (Vec::new(), None);
        for (key, answer) in answers {
            if let Some(error) = answer.error(server.key_kind()) {
                notes.push(format!("{} {}", setting(key), unusable_words(key, error)));
                continue;
            }
            match answer.windows {
                Ok(found) if windows.is_empty() => windows = found.iter().map(WindowView::of).collect(),
                Err(error) if !is_expected(&error) => {
                    notes.push(format!("The plan's windows are unknown: {error}"));
                }
                _ => {}
            }
            match answer.balance {
                // The plan's key is asked last. If it also shows a balance, that is the balance of the same account.
                Ok(found) if balance.is_none() => {
                    balance = Some(BalanceView::of(found, config.currency().as_str()));
                }
                Err(error) if !is_expected(&error) => notes.push(format!("The balance is unknown: {error}")),
                _ => {}
            }
        }
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
            notes,
        }
    }
}

/// Whether an error is expected: MiniMax shows windows only to plan keys and the balance only to the others, and a host
/// need not have either endpoint.
fn is_expected(error: &ApiError) -> bool {
    matches!(error, ApiError::Refused { status: 404, .. })
        || matches!(error.class(), Class::Auth | Class::Quota)
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
            in_plan: window.is_in_plan(),
            left_percent: window.current_interval_remaining_percent.filter(|_| interval),
            ends_at: window.end_time.and_then(time).filter(|_| interval),
            week_left_percent: week.filter(|_| weekly),
            week_ends_at: window.weekly_end_time.and_then(time).filter(|_| weekly),
            counts: format!(
                "window {}, week {}; used or left",
                counts(window.current_interval_total_count, window.current_interval_usage_count),
                counts(window.current_weekly_total_count, window.current_weekly_usage_count)
            ),
        }
    }

    fn words(&self) -> String {
        if !self.in_plan {
            return format!("{}: not in the plan", self.models);
        }
        let part = |name: &str, percent: Option<f64>, end: &Option<String>| match (percent, end) {
            (Some(percent), Some(end)) => format!("{name}{percent} % left until {}", minute(end)),
            (Some(percent), None) => format!("{name}{percent} % left"),
            (None, _) => format!("{name}no limit"),
        };
        let window = part("", self.left_percent, &self.ends_at);
        let week = part("week ", self.week_left_percent, &self.week_ends_at);
        format!("{}: {window}, {week}", self.models)
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

impl Account {
    fn plan_line(&self) -> Option<String> {
        let words: Vec<_> = self.windows.iter().map(WindowView::words).collect();
        (!words.is_empty()).then(|| format!("Plan: {}", words.join("; ")))
    }
}

impl IntoCallToolResult for Account {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let keys = match self.key_kind {
            "both" => "keys: plan (MINIMAX_PLAN_KEY) and pay-as-you-go (MINIMAX_API_KEY)".to_owned(),
            kind => format!("key: {kind}"),
        };
        let head = if self.sandbox {
            format!("Sandbox at {}: nothing is billed", self.host)
        } else {
            format!("{} ({}), {keys}", self.host, self.region)
        };
        let report = Report::default()
            .head([head])
            .lines(self.plan_line())
            .lines(self.balance.as_ref().map(BalanceView::line))
            .lines(self.lines.iter().cloned())
            .notes(&self.notes);
        Ok(report.result(&self)?.into())
    }
}
