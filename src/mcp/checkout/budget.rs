//! Budgets: whether a call may be bought at its price, and what to tell the person who set the limit.

use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::service::RequestContext;

use crate::api::retry::Nature;
use crate::api::{Accepted, ApiError};
use crate::config::{Budgets, Config, KeyKind};
use crate::facts::services;
use crate::jobs::{Cost, Denied, Jobs, Limit, NotBought, Purchase, RemovedJob, Reservation, Spent, name_key};
use crate::mcp::caller::Caller;
use crate::mcp::caller_key::Payer;
use crate::mcp::checkout::bill::Bill;
use crate::mcp::checkout::consent::{Consent, spent_already};
use crate::mcp::error::{OPERATOR, ToolError};
use crate::mcp::progress;
use crate::money::Money;
use crate::rate_limit::group;
use crate::result::job_view::day;
use crate::telemetry;

/// The settings that limit spending, each with the spending that it counts.
const SETTINGS: &[(Limit, &str, &str)] = &[
    (Limit::Day, "MINIMAX_BUDGET_DAY", "in the last 24 hours"),
    (Limit::Call, "MINIMAX_BUDGET_CALL", "by one call"),
    (Limit::Process, "MINIMAX_BUDGET_PROCESS", "by this server since its start"),
    (Limit::Principal, "budget_day", "with it in the last 24 hours"),
];

/// The name of a limit's setting, and the spending that it counts.
pub(crate) fn setting(limit: Limit) -> (&'static str, &'static str) {
    let row = SETTINGS.iter().find(|(known, ..)| *known == limit);
    row.map_or(("MINIMAX_BUDGET_DAY", ""), |(_, name, about)| (*name, *about))
}

/// The money that one more call may cost, and the setting that limits it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) left: Money,
    pub(crate) setting: String,
}

/// The budgets of one caller.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    config: Arc<Config>,
    caller: Arc<Caller>,
    payer: Payer,
    key_kind: KeyKind,
    jobs: Jobs,
    consent: Consent,
}

impl Budget {
    pub(crate) fn new(
        config: Arc<Config>,
        caller: Arc<Caller>,
        (payer, key_kind): (Payer, KeyKind),
        jobs: Jobs,
    ) -> Self {
        let consent = Consent::new(Arc::clone(&config), Arc::clone(&caller), jobs.clone());
        Self { config, caller, payer, key_kind, jobs, consent }
    }

    /// Whether any limit or question about prices applies to this caller.
    pub(crate) fn is_limited(&self) -> bool {
        let budgets = self.config.budgets;
        budgets != Budgets::default() || self.caller.budget_day.is_some()
    }

    /// The cost that counts against budgets: the table's price, or else the user's own price for a call of the tool.
    /// For a plan's key it is the list price. If the server has two keys, the basis says which one pays.
    pub(crate) fn counted(&self, tool: &str, mut cost: Cost) -> Cost {
        if cost.ceiling().is_none() {
            cost.most = services().each(tool).in_currency(cost.currency);
        }
        if let Some(words) = self.payer.words() {
            cost.basis = Some(name_key(cost.basis.take(), words));
            return cost;
        }
        let told = cost.basis.as_ref().is_some_and(|basis| basis.ends_with(BY_PLAN));
        if self.key_kind == KeyKind::Plan && !told {
            let basis = cost.basis.take().map(|basis| format!("{basis}; ")).unwrap_or_default();
            cost.basis = Some(format!("{basis}{BY_PLAN}"));
        }
        cost
    }

    /// Checks a call against the budgets, and asks a person if its price needs consent. This comes before anything is
    /// uploaded or sent. Returns the name of the consent.
    pub(crate) async fn admit(
        &self,
        bill: &Bill<'_>,
        call: &RequestContext<RoleServer>,
    ) -> Result<Option<String>, ToolError> {
        if !self.is_limited() {
            return Ok(None);
        }
        let cost = self.counted(bill.tool, bill.cost.clone());
        let (principal, budget_day) = (&self.caller.principal, self.caller.budget_day);
        let affordable = self.jobs.afford(principal, budget_day, cost.ceiling(), cost.currency).await;
        affordable.map_err(|error| self.refused(bill.tool, bill.cost.basis.as_deref(), error))?;
        self.consent.obtain(&Bill { cost: &cost, ..*bill }, call).await
    }

    /// What one more call may cost; `None` without a limit. The price above which a person is asked is not a limit.
    pub(crate) async fn room(&self) -> Result<Option<Room>, ToolError> {
        let (principal, budget_day) = (&self.caller.principal, self.caller.budget_day);
        let left = self.jobs.left(principal, budget_day, self.config.currency()).await?;
        Ok(left.map(|(limit, left)| Room { left, setting: self.limit_name(limit) }))
    }

    /// Reserves the price of a call that starts no job. The reservation is on disk when this returns.
    pub(crate) async fn reserve(
        &self,
        bill: &Bill<'_>,
        call: &RequestContext<RoleServer>,
    ) -> Result<Reservation, ToolError> {
        let consent = self.admit(bill, call).await?;
        let purchase = Purchase {
            tool: bill.tool,
            principal: self.caller.principal.clone(),
            budget_day: self.caller.budget_day,
            model: bill.model.to_owned(),
            currency: bill.cost.currency,
            estimate: self.counted(bill.tool, bill.cost.clone()).ceiling(),
            consent,
        };
        still_wanted(call)?;
        let reserved = Reservation::new(&self.jobs, purchase).await;
        reserved.map_err(|error| self.refused(bill.tool, bill.cost.basis.as_deref(), error))
    }

    /// Buys a call that starts no job and has a fixed price: reserves it, sends the request once, and settles.
    pub(crate) async fn buy_once<T, F>(
        &self,
        bill: &Bill<'_>,
        call: &RequestContext<RoleServer>,
        ask: impl FnMut() -> F,
    ) -> Result<T, ToolError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let held = self.reserve(bill, call).await?;
        let api = self.jobs.api();
        let answer = progress::send_with_notes(call, api, api.join(group::OTHER), Nature::Paid, ask).await;
        ended(held, answer, |_| bill.cost.estimated).await.map_err(ToolError::Bought)
    }

    /// The name of a limit in messages: its setting, or the caller's token for the caller's own limit.
    pub(crate) fn limit_name(&self, limit: Limit) -> String {
        match limit {
            Limit::Principal => {
                format!("the budget_day of the token `{}`", telemetry::display(self.caller.name(), 64))
            }
            _ => setting(limit).0.to_owned(),
        }
    }

    /// The error for a refused purchase, worded for the model and for the person who set the limits.
    pub(crate) fn refused(&self, tool: &str, basis: Option<&str>, error: NotBought) -> ToolError {
        let currency = self.config.currency();
        match error {
            NotBought::Records(error) => error.into(),
            NotBought::Removed(job) => removed(&job),
            NotBought::Denied(Denied::Used) => spent_already(),
            NotBought::Denied(Denied::NoPrice(limit)) => {
                let name = self.limit_name(limit);
                ToolError::Money {
                    message: format!(
                        "{name} is set, and no price is known for this call of {tool}, so it was refused before \
                         anything was sent"
                    ),
                    kind: OPERATOR,
                    advice: format!(
                        "Nothing was billed. Ask the user to put a price into the file that MINIMAX_FACTS_FILE names, \
                         the model's or one for each call of the tool, for example {{\"calls\": [{{\"alias\": \"{tool}\", \
                         \"each\": {{\"{currency}\": 0.1}}}}]}}, or to unset {name}; then to restart this server."
                    ),
                }
            }
            NotBought::Denied(Denied::Over { limit, allowed, price, spent }) => {
                let (name, (_, about)) = (self.limit_name(limit), setting(limit));
                let left = allowed.left_after(spent.total);
                let who = match limit {
                    Limit::Principal => {
                        "the operator of this server to raise or remove it in the file that MINIMAX_MCP_TOKEN_FILE names (no \
                         restart is needed)"
                            .to_owned()
                    }
                    _ => format!("the user to raise or unset {name} and to restart this server"),
                };
                let so_far = match limit {
                    Limit::Call => String::new(),
                    _ => format!(
                        "{} was spent {about}{}, so {left} is left, and ",
                        spent.total,
                        held_words(&spent)
                    ),
                };
                let basis = basis.map(|basis| format!(" ({basis})")).unwrap_or_default();
                ToolError::Money {
                    message: format!(
                        "{name} is {allowed}: {so_far}this call of {tool} costs {price} at most{basis}. It was refused \
                         before anything was sent"
                    ),
                    kind: OPERATOR,
                    advice: format!(
                        "Nothing was billed. Ask {who}, or order less{}. check_account shows what was spent.",
                        match limit {
                            Limit::Day | Limit::Principal => ", or wait until what was spent is a day old",
                            Limit::Call | Limit::Process => "",
                        }
                    ),
                }
            }
        }
    }
}

/// Refuses an idempotency key whose job was removed: a repeated call must not buy again.
pub(crate) fn removed(job: &RemovedJob) -> ToolError {
    let problem = format!(
        "was used for job {}, whose record was removed on {}, so nothing was \
         bought; to buy it again, use another key",
        job.id,
        day(job.at)
    );
    ToolError::argument("idempotency_key", problem)
}

/// The unsettled parts of a sum, in words.
pub(crate) fn held_words(spent: &Spent) -> String {
    let parts =
        [(spent.reserved, "reserved for running jobs"), (spent.unknown, "for what may have been billed")];
    let parts: Vec<_> = parts
        .iter()
        .filter(|(sum, _)| sum.millionths() > 0)
        .map(|(sum, what)| format!("{} {what}", sum.sum_tag()))
        .collect();
    if parts.is_empty() { String::new() } else { format!(" (including {})", parts.join(", ")) }
}

/// Refuses a call that was cancelled. This is the last check before a purchase, because reading inputs, uploading them
/// and asking a person all take time.
pub(crate) fn still_wanted(call: &RequestContext<RoleServer>) -> Result<(), ToolError> {
    if call.ct.is_cancelled() { Err(ToolError::Cancelled) } else { Ok(()) }
}

/// Added to the basis of a price that a plan pays.
const BY_PLAN: &str = "the key is a plan's, and the list price is what is counted";

/// Ends a reservation as its request ended.
pub(crate) async fn ended<T>(
    held: Reservation,
    result: Result<T, ApiError>,
    actual: impl FnOnce(&T) -> Option<Money>,
) -> Result<T, ApiError> {
    match &result {
        Ok(answer) => held.settle(actual(answer)).await,
        Err(error) if error.accepted() == Accepted::No => held.release().await,
        Err(_) => held.mark_unknown().await,
    }
    result
}
