//! Serves MCP over stdio and HTTP until a signal arrives or the client of stdio leaves.

mod answers;
mod batch;
pub mod http;
mod in_flight;
mod json;
mod opening;
mod outline;
mod readable_id;
pub mod stdio;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::mcp::Server;
use crate::notify::{self, OwnReceivers};

/// How long paid requests in flight may delay the exit after a signal.
const LINGER_AFTER_SIGNAL: Duration = Duration::from_millis(1800);

/// How long to wait before resuming earlier jobs. Some clients start a server only to list its tools and stop it.
const SETTLE: Duration = Duration::from_secs(1);

/// The receivers of a server without tokens: none.
fn no_receivers() -> OwnReceivers {
    Box::new(|_| None)
}

/// Resumes the jobs of earlier processes and sends messages about jobs, unless the server stops within [`SETTLE`].
/// `at_desk` means that the user sits at this machine.
async fn resume(server: Server, stop: CancellationToken, own: OwnReceivers, at_desk: bool) {
    let stays = stop.run_until_cancelled(tokio::time::sleep(SETTLE)).await.is_some();
    if !stays {
        return;
    }
    if let Err(error) = server.jobs().resume().await {
        tracing::warn!(%error, "earlier jobs were not resumed");
    }
    notify::start(&server, own, at_desk);
}

/// Completes when the process receives a signal to stop.
pub(crate) async fn signal() {
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
