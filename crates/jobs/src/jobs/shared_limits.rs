//! Asks the store for permits under the rate limits that several servers share.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::rate_limit::{RateLimiter, next_demands};
use crate::store::{Store, StoreError};

/// How long to wait for the store. After that, free requests are sent without its permits.
const PATIENCE: Duration = Duration::from_secs(2);

/// Serves the limiter of an account until the limiter is dropped. Requests that wait at the same time share one query.
pub(super) fn serve<F>(
    limiter: &Arc<RateLimiter>,
    account: String,
    store: impl Fn() -> F + Send + 'static,
) -> impl Future<Output = ()> + Send + 'static
where
    F: Future<Output = Result<Arc<Store>, StoreError>> + Send,
{
    // A strong reference would keep the account of a caller's key in memory.
    let (limiter, asking) = (Arc::downgrade(limiter), limiter.asking());
    async move {
        while let Some(demands) = next_demands(&limiter, &asking).await {
            let asked = Instant::now();
            let opening = store();
            let taking = async { opening.await?.take_permits(&account, &demands).await };
            let taken = timeout(PATIENCE, Box::pin(taking)).await;
            let Some(limiter) = limiter.upgrade() else { return };
            match taken {
                Ok(Ok((grants, servers))) => limiter.grant(&demands, &grants, servers, asked),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the shared rate limits could not be read from the database");
                    limiter.without_store(demands);
                }
                Err(_) => limiter.without_store(demands),
            }
        }
    }
}
