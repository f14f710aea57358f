//! Whether a call may be bought: its price against the budgets, in words for whoever has set them.

use rmcp::RoleServer;
use rmcp::service::RequestContext;

use crate::api::retry::Nature;
use crate::api::{Accepted, ApiError, group};
use crate::config::KeyKind;
use crate::facts::offer;
use crate::jobs::{Cost, Denied, Limit, NotBought, Purchase, Reservation, Spent, amount_words};
use crate::mcp::checkout::consent::Question;
use crate::mcp::{Server, ToolError, progress};

/// The settings that limit what is spent, each with what it is about.
const SETTINGS: &[(Limit, &str, &str)] = &[
    (Limit::Day, "MINIMAX_BUDGET_DAY", "in the last 24 hours"),
    (Limit::Call, "MINIMAX_BUDGET_CALL", "by one call"),
    (Limit::Process, "MINIMAX_BUDGET_PROCESS", "by this server since its start"),
    (Limit::Principal, "budget_day", "with it in the last 24 hours"),
];

/// The name of a limit's setting, and what it is about.
pub(crate) fn setting(limit: Limit) -> (&'static str, &'static str) {
    let row = SETTINGS.iter().find(|(known, ..)| *known == limit);
    row.map_or(("MINIMAX_BUDGET_DAY", ""), |(_, name, about)| (*name, *about))
}

impl Server {
    /// Whether anything limits what is bought. If nothing does, nobody needs to be asked beforehand.
    pub(crate) fn is_limited(&self) -> bool {
        let budgets = self.config().budgets;
        budgets != crate::config::Budgets::default() || self.caller.budget_day.is_some()
    }

    /// The cost of a call as it is counted: where the tables have no better price, the user's row for a call of the
    /// tool is what is set aside, and for the key of a plan the list price is.
    pub(crate) fn counted(&self, tool: &str, mut cost: Cost) -> Cost {
        if cost.ceiling().is_none() {
            cost.most = offer().each(tool).in_currency(&cost.currency);
        }
        let told = cost.basis.as_ref().is_some_and(|basis| basis.ends_with(BY_PLAN));
        if self.key_kind == KeyKind::Plan && !told {
            let basis = cost.basis.take().map(|basis| format!("{basis}; ")).unwrap_or_default();
            cost.basis = Some(format!("{basis}{BY_PLAN}"));
        }
        cost
    }

    /// Whether a call may be bought, asked before anything is uploaded or sent for it: by the budgets, and where the
    /// price asks for it by a person. Gives the name of the person's yes.
    pub(crate) async fn admit(
        &self,
        tool: &str,
        model: &str,
        cost: &Cost,
        call: &RequestContext<RoleServer>,
    ) -> Result<Option<String>, ToolError> {
        if !self.is_limited() {
            return Ok(None);
        }
        let cost = self.counted(tool, cost.clone());
        let price = cost.ceiling();
        let (principal, allowance) = (self.principal(), self.caller.budget_day);
        let affordable = self.jobs().afford(principal, allowance, price, &cost.currency).await;
        affordable.map_err(|error| self.not_bought(tool, error))?;
        let question = Question { tool, model, price, basis: cost.basis.as_deref() };
        self.consent(&question, call).await
    }

    /// Sets the price of a call that is no job aside. It is recorded when this returns, and may leave.
    pub(crate) async fn reserve(
        &self,
        tool: &'static str,
        model: &str,
        cost: &Cost,
        call: &RequestContext<RoleServer>,
    ) -> Result<Reservation, ToolError> {
        let consent = self.admit(tool, model, cost, call).await?;
        let purchase = Purchase {
            tool,
            principal: self.principal().to_owned(),
            allowance: self.caller.budget_day,
            model: model.to_owned(),
            currency: cost.currency.clone(),
            estimate: self.counted(tool, cost.clone()).ceiling(),
            consent,
        };
        self.jobs().reserve(purchase).await.map_err(|error| self.not_bought(tool, error))
    }

    /// Buys what is no job and costs what it costs: sets the price aside, sends the request once, in its turn, and
    /// notes what became of the money.
    pub(crate) async fn buy_once<T, F>(
        &self,
        tool: &'static str,
        model: &str,
        cost: &Cost,
        call: &RequestContext<RoleServer>,
        ask: impl FnMut() -> F,
    ) -> Result<T, ToolError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let held = self.reserve(tool, model, cost, call).await?;
        let answer = progress::in_line(call, self.jobs().api().join(group::OTHER), Nature::Paid, ask).await;
        ended(held, answer, |_| cost.estimated).await.map_err(ToolError::Bought)
    }

    /// What a limit is called: the name of its setting, and for a caller's own whose it is.
    pub(crate) fn limit_name(&self, limit: Limit) -> String {
        match limit {
            Limit::Principal => format!("the budget_day of the token `{}`", self.caller.name()),
            _ => setting(limit).0.to_owned(),
        }
    }

    /// What kept a call from being bought, for the model and for the person who has set the limits.
    pub(crate) fn not_bought(&self, tool: &str, error: NotBought) -> ToolError {
        let currency = self.config().currency();
        match error {
            NotBought::Records(error) => error.into(),
            NotBought::Denied(Denied::Used) => crate::mcp::checkout::consent::spent_already(),
            NotBought::Denied(Denied::NoPrice(limit)) => {
                let name = self.limit_name(limit);
                ToolError::Money {
                    message: format!(
                        "{name} is set, and no price is known for this call of {tool}, so it was refused before \
                         anything was sent"
                    ),
                    turn: OPERATOR,
                    advice: format!(
                        "Nothing was billed. Ask the user to put a price into the file that MINIMAX_FACTS_FILE names, \
                         the model's or one for each call of the tool, for example {{\"calls\": [{{\"alias\": \"{tool}\", \
                         \"each\": {{\"{currency}\": 0.1}}}}]}}, or to unset {name}; then to restart this server."
                    ),
                }
            }
            NotBought::Denied(Denied::Over { limit, allowed, price, spent }) => {
                let (name, (_, about)) = (self.limit_name(limit), setting(limit));
                let left = allowed.saturating_sub(spent.total()).max(0);
                let who = match limit {
                    Limit::Principal => {
                        "whoever runs this server to raise or remove it in the file that MINIMAX_MCP_TOKEN_FILE names (no \
                         restart is needed)"
                            .to_owned()
                    }
                    _ => format!("the user to raise or unset {name} and to restart this server"),
                };
                let so_far = match limit {
                    Limit::Call => String::new(),
                    _ => format!(
                        "{} were spent {about}{}, so {} are left, and ",
                        money(spent.total(), currency),
                        held_words(&spent),
                        money(left, currency)
                    ),
                };
                ToolError::Money {
                    message: format!(
                        "{name} is {}: {so_far}this call of {tool} costs {} at most. It was refused before anything was \
                         sent",
                        money(allowed, currency),
                        money(price, currency)
                    ),
                    turn: OPERATOR,
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

/// What is added to the basis of a price that a plan pays.
const BY_PLAN: &str = "the key is a plan's, and the list price is what is counted";

/// Said in the place of a result.
pub(crate) const REHEARSED: &str =
    "Dry run: the arguments are right, nothing was sent or billed. Call again without dry_run to buy it.";

/// Ends a reservation as the request that it was for has ended.
pub(crate) async fn ended<T>(
    held: Reservation,
    result: Result<T, ApiError>,
    actual: impl FnOnce(&T) -> Option<f64>,
) -> Result<T, ApiError> {
    match &result {
        Ok(answer) => held.settle(actual(answer)).await,
        Err(error) if error.accepted() == Accepted::No => held.release().await,
        Err(_) => held.doubt().await,
    }
    result
}

/// Whose turn it is when a setting forbids a call.
pub(crate) const OPERATOR: &str = "fix key, balance or settings";

/// An amount as a number.
#[expect(clippy::cast_precision_loss, reason = "shown; no account spends 2^52 millionths")]
pub(crate) fn amount(millionths: i64) -> f64 {
    millionths as f64 / 1e6
}

/// An amount with its currency.
pub(crate) fn money(millionths: i64, currency: &str) -> String {
    format!("{} {currency}", amount_words(millionths))
}

/// The parts of a sum that are not settled, in words.
pub(crate) fn held_words(spent: &Spent) -> String {
    let parts = [
        (spent.reserved, "set aside for what has not ended"),
        (spent.unknown, "for what may have been billed"),
    ];
    let parts: Vec<_> = parts
        .iter()
        .filter(|(amount, _)| *amount > 0)
        .map(|(amount, what)| format!("{} {what}", amount_words(*amount)))
        .collect();
    if parts.is_empty() { String::new() } else { format!(" (of it {})", parts.join(", ")) }
}
