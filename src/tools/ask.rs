//! Calls to MiniMax that need no job.

use super::ToolError;
use crate::api::ApiError;
use crate::api::retry::{Nature, pause};

/// Asks MiniMax, and again only as far as asking again is harmless.
pub(super) async fn ask<T, F>(nature: Nature, mut call: impl FnMut() -> F) -> Result<T, ToolError>
where
    F: Future<Output = Result<T, ApiError>>,
{
    let mut tries = 1;
    loop {
        let error = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let chance = f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX);
        let Some(wait) = pause(nature, &error, tries, chance) else { return Err(error.into()) };
        tracing::info!(%error, ?wait, "asked again");
        tokio::time::sleep(wait).await;
        tries += 1;
    }
}
