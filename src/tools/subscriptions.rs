//! Word of a job's changes, for clients that subscribe to `minimax://jobs/{id}` instead of asking again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use rmcp::model::{ResourceUpdatedNotificationParam, SubscriptionFilter};
use rmcp::service::{Peer, SubscriptionContext};
use rmcp::{ErrorData, RoleServer};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Server;
use super::resources::{job_of, nothing_at};
use crate::jobs::Watch;

/// A client that wants more of them at once has lost count.
const MOST: usize = 200;

/// The subscriptions of older clients, which outlive the request that made them.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    open: Mutex<Vec<Open>>,
    tracker: TaskTracker,
}

#[derive(Debug)]
struct Open {
    principal: String,
    uri: String,
    end: CancellationToken,
}

impl Subscriptions {
    fn table(&self) -> MutexGuard<'_, Vec<Open>> {
        // A poisoned table is still a table of tokens.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which of the wanted subscriptions there can be: those to jobs.
pub(super) fn accepted(requested: &SubscriptionFilter) -> SubscriptionFilter {
    let wanted = requested.resource_subscriptions.iter().flatten();
    let jobs: Vec<_> = wanted.filter(|uri| job_of(uri).is_some()).take(MOST).cloned().collect();
    let mut filter = SubscriptionFilter::new();
    filter.resource_subscriptions = Some(jobs);
    filter
}

impl Server {
    /// `subscriptions/listen`, until the client has heard enough.
    pub(super) async fn tell(&self, context: SubscriptionContext) {
        let uris = context.accepted().resource_subscriptions.clone().unwrap_or_default();
        let each = uris.into_iter().map(|uri| {
            let sink = context.sink().clone();
            async move {
                let Some(mut watch) = self.watched(&uri).await.ok().flatten() else { return };
                while changed(&mut watch).await {
                    if sink.notify_resource_updated(uri.clone()).await.is_err() {
                        return;
                    }
                }
            }
        });
        tokio::select! {
            () = async { join_all(each).await; std::future::pending::<()>().await } => {}
            () = context.cancelled() => {}
            () = self.shared.gone.cancelled() => {}
        }
    }

    /// `resources/subscribe` of older clients.
    pub(super) async fn subscribe_to(&self, uri: String, peer: Peer<RoleServer>) -> Result<(), ErrorData> {
        let Some(mut watch) = self.watched(&uri).await? else { return Err(nothing_at(&uri)) };
        let end = self.shared.gone.child_token();
        let open = Open { principal: self.principal().to_owned(), uri: uri.clone(), end: end.clone() };
        {
            let mut table = self.shared.subscriptions.table();
            table.retain(|open| !open.end.is_cancelled());
            if table.len() >= MOST {
                let text = format!("{MOST} subscriptions are open; unsubscribe from one");
                return Err(ErrorData::invalid_params(text, None));
            }
            table.push(open);
        }
        self.shared.subscriptions.tracker.spawn(async move {
            let telling = async {
                while changed(&mut watch).await {
                    let note = ResourceUpdatedNotificationParam::new(uri.clone());
                    if peer.notify_resource_updated(note).await.is_err() {
                        return;
                    }
                }
            };
            end.run_until_cancelled(telling).await;
            end.cancel();
        });
        Ok(())
    }

    /// `resources/unsubscribe`. Of what was never subscribed to, too.
    pub(super) fn unsubscribe_from(&self, uri: &str) {
        self.shared.subscriptions.table().retain(|open| {
            let meant = open.uri == uri && open.principal == self.principal();
            if meant {
                open.end.cancel();
            }
            !meant
        });
    }

    async fn watched(&self, uri: &str) -> Result<Option<Watch>, ErrorData> {
        let Some(id) = job_of(uri) else { return Ok(None) };
        let watch = self.jobs().watch(self.principal(), id).await;
        watch.map_err(|error| self.no_records(&error))
    }
}

/// Whether there was another change. What is over changes no more.
async fn changed(watch: &mut Watch) -> bool {
    !watch.borrow_and_update().state.is_over() && watch.changed().await.is_ok()
}
