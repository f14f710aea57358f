//! Tells the user that a job has ended: one signed message to `MINIMAX_WEBHOOK_URL` or to the URL of the caller's token, and
//! with `MINIMAX_NOTIFY` a notification on the desktop.
//!
//! A message is recorded before it is sent, and retried until the receiver accepts it or a day has passed. It has the form of
//! Standard Webhooks (<https://www.standardwebhooks.com>), for which receivers have libraries.

mod desktop;
mod event;
mod receivers;
mod signature;

use std::time::Duration;

use futures_util::future::join_all;

use self::desktop::Desktop;
use self::event::event;
pub(crate) use self::receivers::OwnReceivers;
use self::receivers::{Channel, Receivers};
use crate::clock::now;
use crate::download::NotTaken;
use crate::jobs::{Message, Outbox, StoreError};
use crate::mcp::Server;

/// The interval between searches for messages that are due.
const PULSE: Duration = Duration::from_secs(1);

/// The pause after the records could not be read.
const TROUBLE: Duration = Duration::from_secs(30);

/// The status with which a receiver declines further messages about the job.
const GONE: u16 = 410;

/// Sends messages until the server stops, if the settings name a receiver. `at_desk` means that the user sits at this machine.
pub(crate) fn start(server: &Server, own: OwnReceivers, at_desk: bool) {
    let config = server.config();
    if !config.announces() {
        return;
    }
    let desktop = config.desktop_notes && at_desk;
    let desktop = desktop.then(|| Desktop::find(&config.program_dirs)).and_then(|found| {
        found.map_err(|program| tracing::warn!("MINIMAX_NOTIFY needs {program}, which is not in PATH")).ok()
    });
    let receivers = Receivers::new(&config.webhook, own);
    let sender = Sender { server: server.clone(), receivers, desktop };
    server.jobs().until_stopped(async move { sender.send_often().await });
}

struct Sender {
    server: Server,
    receivers: Receivers,
    desktop: Option<Desktop>,
}

impl Sender {
    async fn send_often(&self) {
        loop {
            match self.send_due().await {
                Ok(0) => tokio::time::sleep(PULSE).await,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "messages about ended jobs cannot be sent now");
                    tokio::time::sleep(TROUBLE).await;
                }
            }
        }
    }

    /// Sends all due messages at once, so that a slow receiver does not delay the others past their next try.
    async fn send_due(&self) -> Result<usize, StoreError> {
        let Some(outbox) = Outbox::of(self.server.jobs()).await? else { return Ok(0) };
        let due = outbox.due().await?;
        if due.iter().any(|message| message.tries > 1) {
            let given_up = outbox.give_up_old().await?;
            if given_up > 0 {
                tracing::warn!(
                    given_up,
                    "messages about ended jobs were not delivered within a day and are dropped"
                );
            }
        }
        let sent = join_all(due.iter().map(|message| self.send(&outbox, message))).await;
        sent.into_iter().collect::<Result<Vec<()>, _>>()?;
        Ok(due.len())
    }

    async fn send(&self, outbox: &Outbox, message: &Message) -> Result<(), StoreError> {
        let Some(job) = outbox.job(message).await? else { return outbox.end(message).await };
        if let Some(desktop) = self.desktop.as_ref().filter(|_| message.tries == 1) {
            desktop.show(message, &job).await;
        }
        let channel = match self.receivers.of(&job.principal) {
            Ok(Some(channel)) => channel,
            Ok(None) => return outbox.end(message).await,
            Err(problem) => {
                tracing::error!("{problem}; the message is sent again later");
                return Ok(());
            }
        };
        let Channel { poster, signer } = &*channel;
        let body = event(&self.server, message, &job).await.to_string();
        let headers = signer.headers(&message.id, now() / 1000, &body);
        #[cfg(feature = "crash-points")]
        crate::crash::point("message.before");
        let answered = poster.post(&headers, body).await;
        #[cfg(feature = "crash-points")]
        crate::crash::point("message.sent");
        match answered {
            Ok(()) => outbox.end(message).await,
            Err(NotTaken::Status(GONE)) => {
                tracing::warn!(
                    job = job.id,
                    "the receiver of the webhook declined messages about this job (410)"
                );
                outbox.end(message).await
            }
            Err(problem) => {
                tracing::warn!(job = job.id, tries = message.tries, %problem, "a message was not delivered; it is sent again later");
                Ok(())
            }
        }
    }
}
