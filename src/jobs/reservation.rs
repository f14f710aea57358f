//! Money set aside: whether there is enough, for what it was, and how a request that is no job ends.

use super::spool_retry::PROMPTLY;
use super::{Jobs, random_id};
use crate::store::spool::Update;
use crate::store::{
    Limit, NotBought, Purchase, PurchaseState, Spending, Spent, Store, StoreError, millionths,
};

impl Jobs {
    /// Whether a purchase of `estimate` millionths would be allowed now. To be asked before anything is uploaded
    /// for it; what counts is asked once more when the money is set aside.
    pub async fn afford(
        &self,
        principal: &str,
        allowance: Option<i64>,
        estimate: Option<i64>,
        currency: &str,
    ) -> Result<(), NotBought> {
        let settings = &self.shared.settings;
        let limits = settings.limits.with(allowance);
        if limits.is_empty() {
            return Ok(());
        }
        let store = self.store().await?;
        let allowed = store.afford(&self.account.name, principal, currency, estimate, &limits).await?;
        allowed.map_err(NotBought::Denied)
    }

    /// What one more purchase may cost, and the limit that allows the least. `None` without a limit.
    pub async fn left(
        &self,
        principal: &str,
        allowance: Option<i64>,
        currency: &str,
    ) -> Result<Option<(Limit, i64)>, StoreError> {
        let limits = self.shared.settings.limits.with(allowance);
        if limits.is_empty() {
            return Ok(None);
        }
        self.store().await?.left(&self.account.name, principal, currency, &limits).await
    }

    /// Sets money aside for a request that is no job. On disk when it returns, so the request may leave.
    pub async fn reserve(&self, purchase: Purchase) -> Result<Reservation, NotBought> {
        let settings = &self.shared.settings;
        let store = self.store().await?;
        let id = random_id("call");
        let reserved = store.reserve(&id, &self.account.name, &purchase, &settings.limits).await?;
        reserved.map_err(NotBought::Denied)?;
        Ok(Reservation { jobs: self.clone(), id })
    }

    /// What the account has spent, by currency, `currency` first. Makes no records where there are none.
    pub async fn spending(&self, currency: &str) -> Result<Vec<Spending>, StoreError> {
        let settings = &self.shared.settings;
        let nothing = |currency: &str| Spending {
            currency: currency.to_owned(),
            day: Spent::default(),
            process: Spent::default(),
        };
        if !settings.data_dir.join(Store::FILE).exists() {
            return Ok(vec![nothing(currency)]);
        }
        self.store().await?.spending(&self.account.name, currency).await
    }

    /// What a principal has spent in 24 hours. Makes no records where there are none.
    pub async fn spent_by(&self, principal: &str, currency: &str) -> Result<Spent, StoreError> {
        let settings = &self.shared.settings;
        if !settings.data_dir.join(Store::FILE).exists() {
            return Ok(Spent::default());
        }
        self.store().await?.spent_by(&self.account.name, principal, currency).await
    }
}

/// Money set aside for a request that is no job. One that is dropped stays set aside: the request may have left.
#[derive(Debug)]
#[must_use]
pub struct Reservation {
    jobs: Jobs,
    id: String,
}

impl Reservation {
    /// MiniMax took the request and counted `actual`; where it did not say, the estimate stands.
    pub async fn settle(self, actual: Option<f64>) {
        self.end(PurchaseState::Settled, actual.and_then(millionths)).await;
    }

    /// MiniMax provably did not take the request.
    pub async fn release(self) {
        self.end(PurchaseState::Released, None).await;
    }

    /// Nobody knows whether MiniMax took it.
    pub async fn doubt(self) {
        self.end(PurchaseState::Unknown, None).await;
    }

    /// Until it can be written the money stays set aside, which is the safe side.
    async fn end(self, state: PurchaseState, actual: Option<i64>) {
        let Self { jobs, id } = self;
        let tracker = jobs.shared.tracker.clone();
        // A caller that goes away in this very moment does not keep the end from being written.
        let written = tracker.spawn(async move {
            let writing = async {
                let store = jobs.store().await?;
                store.end_call(&id, state, actual).await
            };
            let trouble = match tokio::time::timeout(PROMPTLY, writing).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it takes too long".to_owned(),
            };
            tracing::error!(
                id,
                state = state.as_str(),
                trouble,
                "the end of a purchase was not written; it will be"
            );
            jobs.owe(Update::Purchase { purchase: id, state, actual }).await;
        });
        // A panic has its own words in the log.
        let _ = written.await;
    }
}
