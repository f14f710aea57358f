//! Reservations for requests without a job.

use super::handle::Jobs;
use super::spool_retry::PROMPTLY;
use crate::money::{Currency, Money};
use crate::store::spool::Update;
use crate::store::{NotBought, Purchase, PurchaseState, random_id};

/// Money reserved for a request without a job. It stays reserved if this is dropped, because the request may have left.
#[derive(Debug)]
#[must_use]
pub struct Reservation {
    jobs: Jobs,
    id: String,
    currency: Currency,
}

impl Reservation {
    /// Reserves money. The row is on disk when this returns, so the request may leave.
    pub async fn new(jobs: &Jobs, purchase: Purchase) -> Result<Self, NotBought> {
        let (store, id) = (jobs.store().await?, random_id("call"));
        let (limits, currency) = (&jobs.shared.settings.limits, purchase.currency);
        let reserved = store.reserve(&id, &jobs.tenant.name, &purchase, limits).await?;
        reserved.map_err(NotBought::Denied)?;
        Ok(Self { jobs: jobs.clone(), id, currency })
    }

    /// MiniMax took the request and billed `actual`. If that is missing or in another currency, the estimate counts.
    pub async fn settle(self, actual: Option<Money>) {
        let actual = actual.filter(|actual| actual.currency() == self.currency);
        self.end(PurchaseState::Settled, actual.map(Money::millionths)).await;
    }

    /// MiniMax provably did not take the request.
    pub async fn release(self) {
        self.end(PurchaseState::Released, None).await;
    }

    /// MiniMax may have taken the request.
    pub async fn mark_unknown(self) {
        self.end(PurchaseState::Unknown, None).await;
    }

    /// Writes how the purchase ended. Until then, the money stays reserved.
    async fn end(self, state: PurchaseState, actual: Option<i64>) {
        let Self { jobs, id, .. } = self;
        let tracker = jobs.shared.tracker.clone();
        // In a task of its own, so that it is written even if the caller leaves.
        let written = tracker.spawn(async move {
            let writing = async {
                let store = jobs.store().await?;
                store.end_call(&id, state, actual).await
            };
            let trouble = match tokio::time::timeout(PROMPTLY, writing).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "writing takes too long".to_owned(),
            };
            tracing::error!(
                id,
                state = state.as_str(),
                trouble,
                "the end of a purchase could not be written yet; it is retried"
            );
            jobs.shared.spool.keep(Update::Purchase { purchase: id, state, actual }).await;
        });
        // A panic is logged elsewhere.
        let _ = written.await;
    }
}
