//! What `check_account` says about the money that was spent through this server.

use schemars::JsonSchema;
use serde::Serialize;

use crate::config::KeyKind;
use crate::jobs::{Limit, Spending, Spent};
use crate::mcp::Server;
use crate::mcp::caller_key::Payer;
use crate::mcp::checkout::budget::held_words;
use crate::money::{Currency, Money};

/// By this server's records, which know nothing of what other programs spend.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SpendingView {
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
    /// Why the spending is not known.
    pub(crate) problem: Option<String>,
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

/// What was spent and what may be. Unreadable records become a note and do not fail the tool.
pub(super) async fn spent(server: &Server) -> Summary {
    let currency = server.config().currency();
    let spending = server.jobs().spending(currency).await;
    let own = match server.caller().budget_day {
        Some(_) => server.jobs().spent_by(server.principal(), currency).await,
        None => Ok(Spent::nothing(currency)),
    };
    match (spending, own) {
        (Ok(spending), Ok(own)) => told(server, &spending, own),
        (Err(error), _) | (_, Err(error)) => without(&server.presenter.records_error(&error), error.advice()),
    }
}

fn told(server: &Server, spending: &[Spending], own: Spent) -> Summary {
    let mut all = Summary::default();
    for Spending { currency, day, process } in spending {
        all.spending.push(SpendingView {
            currency: *currency,
            last_day: SpentView::of(day),
            process: SpentView::of(process),
        });
        all.lines.push(format!(
            "Spent via this server: {} in the last 24 hours{}, {} since its start",
            day.total.sum_tag(),
            held_words(day),
            process.total.sum_tag()
        ));
    }
    let (budgets, currency) = (server.config().budgets, server.config().currency());
    let nothing = Spent::nothing(currency);
    let (day, process) = spending.first().map_or((nothing, nothing), |first| (first.day, first.process));
    let limits = [
        (server.checkout.budget.limit_name(Limit::Principal), server.caller().budget_day, Some(own)),
        (server.checkout.budget.limit_name(Limit::Day), budgets.day, Some(day)),
        (server.checkout.budget.limit_name(Limit::Process), budgets.process, Some(process)),
        (server.checkout.budget.limit_name(Limit::Call), budgets.call, None),
        ("MINIMAX_CONFIRM_ABOVE".to_owned(), budgets.confirm_above, None),
    ];
    for (setting, limit, spent) in limits {
        let Some(limit) = limit else { continue };
        // A caller with a key of its own must not see what other callers spent.
        let spent = spent.filter(|_| server.payer() != Payer::Caller);
        let left = spent.map(|spent| limit.left_after(spent.total));
        let words = left.map(|left| format!(", {} left", left.sum_tag())).unwrap_or_default();
        all.lines.push(format!("{setting}: {}{words}", limit.sum_tag()));
        all.budgets.push(BudgetView {
            setting,
            limit,
            spent: spent.map(|spent| spent.total),
            left,
            currency,
        });
    }
    all.notes.push(
        "spending: by this server's records and price table; what other programs spend is not in it. reserved and \
         unknown count as spent until they are settled."
            .to_owned(),
    );
    if server.key_kind() == KeyKind::Plan {
        all.notes.push(
            "spending: the key is a plan's, which pays with its windows; list prices are what is counted here."
                .to_owned(),
        );
    }
    if server.payer() == Payer::Caller && !all.budgets.is_empty() {
        all.notes.push(
            "budgets: those for a day and for a process hold for all callers of this server together; spending is \
             what this key has spent."
                .to_owned(),
        );
    }
    if day.unpriced > 0 {
        let calls =
            if day.unpriced == 1 { "1 call has".to_owned() } else { format!("{} calls have", day.unpriced) };
        let unpriced = format!("{calls} no known price and count as $0");
        if let Some(line) = all.lines.first_mut() {
            line.push_str("; ");
            line.push_str(&unpriced);
        }
        all.notes.push(format!("spending: {unpriced}, of those in the last 24 hours."));
    }
    all
}

fn without(problem: &str, advice: &str) -> Summary {
    let problem = format!("spending: unknown, {problem}. {advice}");
    Summary { notes: vec![problem.clone()], problem: Some(problem), ..Summary::default() }
}
