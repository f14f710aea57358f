//! An order that the plan has refused: it fails, or is bought from the balance where the settings allow it.

use std::time::Duration;

use super::failure::failure;
use super::keys::{INSTEAD_OF_PLAN, PaysWith, name_key};
use super::run::{Interrupted, Run};
use super::{Jobs, Purchase};
use crate::api::{ApiError, restarts_at};
use crate::clock::now;
use crate::facts::{PlanRefusal, plan};
use crate::store::{Denied, Failure, Seen};

/// How long the refusal of an order waits to learn when the plan's window starts again.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of a refused order.
pub(super) enum Overflow {
    /// It is reserved from the balance, and may leave with that key.
    Bought,
    /// It is not bought.
    Failed(Failure),
}

impl Run {
    /// Moves an order that the plan has refused to the balance, once: the plan's reservation is released and the
    /// balance's is made in one transaction, before the request leaves.
    pub(super) async fn overflow(
        &mut self,
        error: &ApiError,
        purchase: Option<Purchase>,
    ) -> Result<Overflow, Interrupted> {
        let mut failure = failure(error);
        let balance = self.jobs.paying_with(PaysWith::Balance);
        let refused = plan().refusal(error.code()).filter(|_| !self.job.may_be_billed);
        let (Some(_), Some(purchase), Some(jobs)) = (refused, purchase, balance) else {
            if let Some(advice) = self.jobs.advice_of_plan(error.code()).await {
                failure.advice = advice;
            }
            return Ok(Overflow::Failed(failure));
        };
        let before = self.job.clone();
        jobs.account().clone_into(&mut self.job.account);
        self.job.cost.basis = Some(name_key(self.job.cost.basis.take(), INSTEAD_OF_PLAN));
        self.job.state = before.state.clone().after(Seen::Held(error.to_string()));
        self.job.updated_at = now().max(self.job.updated_at.saturating_add(1));
        let limits = self.jobs.shared.settings.limits;
        let moved = match self.jobs.store().await {
            Ok(store) => store.move_purchase(&self.job, &before, &purchase, &limits).await,
            Err(error) => Err(error),
        };
        let problem = match moved {
            Ok(Ok(true)) => {
                tracing::info!(job = self.job.id, %error, "the plan refused it; it is bought from the balance");
                self.jobs = jobs;
                self.show_all();
                return Ok(Overflow::Bought);
            }
            Ok(Ok(false)) => {
                self.job = before;
                return Err(Interrupted);
            }
            Ok(Err(Denied::Over { .. } | Denied::NoPrice(_) | Denied::Used)) => {
                "The balance did not pay either: a budget of this server does not allow it (check_account)"
                    .to_owned()
            }
            Err(error) => format!("The balance did not pay either: {error}"),
        };
        self.job = before;
        failure.advice = format!("{problem}. {}", failure.advice);
        Ok(Overflow::Failed(failure))
    }
}

impl Jobs {
    /// What to do about an order that the plan has refused with this code, with when its window starts again; `None` for
    /// another code or a key that is not a plan's.
    pub async fn advice_of_plan(&self, code: Option<i64>) -> Option<String> {
        let why = plan().refusal(code).filter(|_| self.buys_with_plan())?;
        let with_balance = self.pays_with() == Some(PaysWith::Plan);
        if why == PlanRefusal::NotIncluded {
            return with_balance.then(|| {
                "Nothing was billed. The plan does not include this. To let the balance pay for what the plan refuses, ask \
                 the user to set MINIMAX_PLAN_OVERFLOW=balance in this server's configuration and to restart it."
                    .to_owned()
            });
        }
        let windows = tokio::time::timeout(PATIENCE, self.api().plan_windows()).await;
        let start = windows.ok().and_then(Result::ok).and_then(|windows| restarts_at(&windows));
        let start = start.and_then(|at| jiff::Timestamp::from_second(at / 1000).ok());
        let wait = match start {
            Some(start) => format!("The plan's usage window starts again at {start}: wait until then"),
            None => "Wait for the plan's next usage window (check_account shows when it starts)".to_owned(),
        };
        let instead = if with_balance {
            ", or ask the user to set MINIMAX_PLAN_OVERFLOW=balance in this server's configuration, which lets the balance \
             pay for what the plan refuses, and to restart it"
        } else {
            ", upgrade the plan, or use a pay-as-you-go key (sk-api-…)"
        };
        Some(format!("Nothing was billed. {wait}{instead}."))
    }
}
