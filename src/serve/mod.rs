//! Bytes in, bytes out, until told to stop.

pub mod http;
mod in_flight;
mod json;
mod lines;
pub mod stdio;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::jobs::Jobs;

/// How long unanswered paid requests may hold up the end after a signal, which asks for an end at once.
const LINGER_AFTER_SIGNAL: Duration = Duration::from_millis(1800);

/// Clients start servers only to look at them. Work that earlier processes left waits until one stays.
const SETTLE: Duration = Duration::from_secs(1);

/// Takes up what earlier processes left, once it is clear that this one stays.
async fn resume(jobs: Jobs, stop: CancellationToken) {
    let stays = stop.run_until_cancelled(tokio::time::sleep(SETTLE)).await.is_some();
    if stays && let Err(error) = jobs.resume().await {
        tracing::warn!(%error, "earlier jobs were not taken up");
    }
}

/// Completes when the process is asked to end.
async fn signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
