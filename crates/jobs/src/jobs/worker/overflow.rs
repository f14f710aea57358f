//! Orders that the plan refuses: they fail, or are bought from the balance if the settings allow that.

use super::failure::failure;
use super::record::Worker;
use crate::api::ApiError;
use crate::clock::now;
use crate::facts::plan;
use crate::jobs::keys::{INSTEAD_OF_PLAN, PaysWith, name_key};
use crate::store::{Denied, Failure, Purchase, Seen};

/// The outcome for a refused order.
pub(super) enum Overflow {
    /// It is reserved from the balance, and may leave with that key.
    Bought,
    /// It is not bought.
    Failed(Failure),
}

/// Moves an order that the plan has refused to the balance, once: the plan's reservation is released and the
/// balance's is made in one transaction, before the request leaves.
pub(super) async fn overflow(worker: &mut Worker, error: &ApiError, purchase: Option<Purchase>) -> Overflow {
    let mut failure = failure(error);
    let balance = worker.jobs.paying_with(PaysWith::Balance);
    let refused = plan().refusal(error.code()).filter(|_| !worker.job.may_be_billed);
    let (Some(_), Some(purchase), Some(jobs)) = (refused, purchase, balance) else {
        if let Some(advice) = worker.jobs.advice_of_plan(error.code()).await {
            failure.advice = advice;
        }
        return Overflow::Failed(failure);
    };
    let before = worker.job.clone();
    jobs.account().clone_into(&mut worker.job.account);
    if let Some(cost) = &mut worker.job.cost {
        cost.basis = Some(name_key(cost.basis.take(), INSTEAD_OF_PLAN));
    }
    worker.job.state = before.state.clone().after(Seen::Held(error.to_string()));
    worker.job.updated_at = now().max(worker.job.updated_at.saturating_add(1));
    let limits = worker.jobs.shared.settings.limits;
    let moved = match worker.jobs.store().await {
        Ok(store) => store.move_purchase(&worker.job, &before, &purchase, &limits).await,
        Err(error) => Err(error),
    };
    let problem = match moved {
        Ok(Ok(true)) => {
            tracing::info!(job = worker.job.id, %error, "the plan refused it; it is bought from the balance");
            worker.jobs = jobs;
            worker.read_cancel_request().await;
            worker.watchers.send_replace(worker.job.shared());
            return Overflow::Bought;
        }
        // Another process took this one for dead and has ended the job.
        Ok(Ok(false)) => {
            worker.job = before;
            return Overflow::Failed(failure);
        }
        Ok(Err(Denied::Over { .. } | Denied::NoPrice(_) | Denied::Used)) => {
            "The balance did not pay either: a budget of this server does not allow it (check_account)"
                .to_owned()
        }
        Err(error) => format!("The balance did not pay either: {error}"),
    };
    worker.job = before;
    failure.advice = format!("{problem}. {}", failure.advice);
    Overflow::Failed(failure)
}
