//! What `check_account` says about the money that was spent through this server.

use schemars::JsonSchema;
use serde::Serialize;

use crate::config::KeyKind;
use crate::jobs::{Jobs, Limit, PaysWith, Spending, Spent, StoreError};
use crate::mcp::Server;
use crate::mcp::caller_key::Payer;
use crate::mcp::checkout::budget::held_words;
use crate::money::{Currency, Money};

/// By this server's records, which know nothing of what other programs spend.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SpendingView {
    /// Of two keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["plan", "balance"]))]
    key: Option<&'static str>,
    currency: Currency,
    /// In 24 hours, by all servers that share the records.
    last_day: SpentView,
    /// By this server since its start.
    process: SpentView,
}

/// A sum and its parts.
#[derive(Debug, Serialize, JsonSchema)]
struct SpentView {
    total: Money,
    /// By MiniMax's count, else by the estimate.
    settled: Money,
    /// For what has not ended.
    reserved: Money,
    /// For what may have been billed.
    unknown: Money,
    /// Calls without a known price.
    unpriced_calls: i64,
}

/// A limit of the settings.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BudgetView {
    setting: String,
    /// Of two keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["plan", "balance"]))]
    key: Option<&'static str>,
    limit: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    spent: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<Money>,
    currency: Currency,
}

/// Spending and budgets, with their text lines and notes.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) spending: Vec<SpendingView>,
    pub(crate) budgets: Vec<BudgetView>,
    pub(crate) lines: Vec<String>,
    pub(crate) notes: Vec<String>,
}

impl SpentView {
    fn of(spent: &Spent) -> Self {
        Self {
            total: spent.total,
            settled: spent.settled,
            reserved: spent.reserved,
            unknown: spent.unknown,
            unpriced_calls: spent.unpriced,
        }
    }
}

/// What was spent and what may still be spent, by key. Records that cannot be read become a note, and the tool does not
/// fail.
pub(super) async fn spent(server: &Server) -> Summary {
    let (mut all, mut sums) = (Summary::default(), Vec::new());
    let mut limits: Vec<(String, Vec<String>)> = Vec::new();
    for jobs in server.jobs().each_key() {
        match of_key(server, &jobs).await {
            Ok((spending, own)) => {
                let key = jobs.pays_with().map(PaysWith::word);
                sums.extend(spending.iter().map(|spending| all.add_spending(server, key, spending)));
                for (limit, rest) in all.add_budgets(server, key, &spending, own) {
                    match limits.iter_mut().find(|(known, _)| *known == limit) {
                        Some((_, known)) => known.extend(rest),
                        None => limits.push((limit, rest.into_iter().collect())),
                    }
                }
            }
            Err(error) => {
                let problem = server.presenter.records_error(&error);
                return Summary {
                    notes: vec![format!("What was spent is unknown: {problem}. {}", error.advice())],
                    ..Summary::default()
                };
            }
        }
    }
    all.lines.push(format!("Spent via this server in 24 h: {}", sums.join("; ")));
    if !limits.is_empty() {
        let words = limits.into_iter().map(|(limit, rest)| match rest.as_slice() {
            [] => limit,
            rest => format!("{limit} ({} left)", rest.join(", ")),
        });
        all.lines.push(format!("Limits: {}", words.collect::<Vec<_>>().join("; ")));
    }
    all
}

async fn of_key(server: &Server, jobs: &Jobs) -> Result<(Vec<Spending>, Spent), StoreError> {
    let currency = server.config().currency();
    let spending = jobs.spending(currency).await?;
    let own = match server.caller().budget_day {
        Some(_) => jobs.spent_by(server.principal(), currency).await?,
        None => Spent::nothing(currency),
    };
    Ok((spending, own))
}

impl Summary {
    /// Adds what was spent with a key in one currency. Returns it in words.
    fn add_spending(&mut self, server: &Server, key: Option<&'static str>, spending: &Spending) -> String {
        let Spending { currency, day, process } = spending;
        self.spending.push(SpendingView {
            key,
            currency: *currency,
            last_day: SpentView::of(day),
            process: SpentView::of(process),
        });
        let is_plan = key.map_or(server.key_kind() == KeyKind::Plan, |key| key == "plan");
        let list = if is_plan { " by list prices" } else { "" };
        let name = key.map(|key| format!("{key} ")).unwrap_or_default();
        let unpriced = match day.unpriced {
            0 => String::new(),
            1 => " and 1 call without a known price".to_owned(),
            calls => format!(" and {calls} calls without a known price"),
        };
        format!("{name}{}{list}{}{unpriced}", day.total.sum_tag(), held_words(day))
    }

    /// Adds the limits of a key. Returns each in words, and what is left of it.
    fn add_budgets(
        &mut self,
        server: &Server,
        key: Option<&'static str>,
        spending: &[Spending],
        own: Spent,
    ) -> Vec<(String, Option<String>)> {
        let first = spending.first();
        let (budgets, currency) = (server.config().budgets, server.config().currency());
        let nothing = Spent::nothing(currency);
        let (day, process) = first.map_or((nothing, nothing), |first| (first.day, first.process));
        let name = |limit| server.checkout.budget.limit_name(limit);
        let limits = [
            (name(Limit::Principal), server.caller().budget_day, Some(own)),
            (name(Limit::Day), budgets.day, Some(day)),
            (name(Limit::Process), budgets.process, Some(process)),
            (name(Limit::Call), budgets.call, None),
            ("MINIMAX_CONFIRM_ABOVE".to_owned(), budgets.confirm_above, None),
        ];
        let mut words = Vec::new();
        for (setting, limit, spent) in limits {
            let Some(limit) = limit else { continue };
            // A limit for one call is the same for both keys.
            if spent.is_none() && key == Some("plan") {
                continue;
            }
            let key = key.filter(|_| spent.is_some());
            // A caller with a key of its own must not see what other callers spent.
            let spent = spent.filter(|_| server.payer() != Payer::Caller);
            let left = spent.map(|spent| limit.left_after(spent.total));
            let name = key.map(|key| format!("{key} ")).unwrap_or_default();
            let rest = left.map(|left| format!("{name}{}", left.left_tag()));
            words.push((format!("{setting} {}", limit.sum_tag()), rest));
            self.budgets.push(BudgetView {
                setting,
                key,
                limit,
                spent: spent.map(|spent| spent.total),
                left,
                currency,
            });
        }
        words
    }
}
