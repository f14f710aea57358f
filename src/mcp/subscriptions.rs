//! Notifications of a job's changes, for clients that subscribe to `minimax://jobs/{id}`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use rmcp::model::{ResourceUpdatedNotificationParam, SubscriptionFilter};
use rmcp::service::{Peer, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::jobs::{Jobs, Watch, random_id};
use crate::mcp::presenter::Presenter;
use crate::mcp::resource_uri::{job_of, nothing_at};

/// The most subscriptions of one caller, so that there is room for others.
const EACH: usize = 200;

/// The most subscriptions of all callers.
const MOST: usize = 1000;

/// The session that a request belongs to. A transport with several sessions puts one into each request's
/// [`http::Extensions`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session(pub String);

/// The session of a request; empty on a transport with a single session.
pub(crate) fn session_of(call: &RequestContext<RoleServer>) -> String {
    let parts = call.extensions.get::<http::request::Parts>();
    parts
        .and_then(|parts| parts.extensions.get::<Session>())
        .map(|session| session.0.clone())
        .unwrap_or_default()
}

/// All open subscriptions. For older clients, a subscription outlives the request that made it; for newer clients, it
/// is itself a request.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    open: Mutex<Vec<Open>>,
    tracker: TaskTracker,
}

#[derive(Debug, Clone)]
struct Open {
    principal: String,
    session: String,
    uri: String,
    end: CancellationToken,
}

impl Open {
    fn is_same(&self, other: &Self) -> bool {
        (&self.principal, &self.session, &self.uri) == (&other.principal, &other.session, &other.uri)
    }
}

impl Subscriptions {
    fn table(&self) -> MutexGuard<'_, Vec<Open>> {
        // The tokens stay usable after a panic elsewhere.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds all subscriptions or none. A repeated subscription replaces the first.
    fn enter(&self, new: Vec<Open>) -> Result<(), ErrorData> {
        let Some(principal) = new.first().map(|open| open.principal.clone()) else { return Ok(()) };
        let mut table = self.table();
        table.retain(|open| !open.end.is_cancelled());
        let stay = |open: &&Open| !new.iter().any(|new| new.is_same(open));
        let of_all = table.iter().filter(stay).count().saturating_add(new.len());
        let stay = table.iter().filter(stay).filter(|open| open.principal == principal);
        if stay.count().saturating_add(new.len()) > EACH {
            return Err(too_many(&format!(
                "you may have {EACH} subscriptions at a time; unsubscribe from one"
            )));
        }
        if of_all > MOST {
            return Err(too_many("this server has no room for more subscriptions; ask with get_job instead"));
        }
        table.retain(|open| {
            let again = new.iter().any(|new| new.is_same(open));
            if again {
                open.end.cancel();
            }
            !again
        });
        table.extend(new);
        Ok(())
    }

    /// Ends the subscriptions of a session.
    pub(crate) fn end_session(&self, session: &str) {
        self.leave(|open| open.session == session);
    }

    fn leave(&self, gone: impl Fn(&Open) -> bool) {
        self.table().retain(|open| {
            let gone = gone(open);
            if gone {
                open.end.cancel();
            }
            !gone
        });
    }
}

fn too_many(text: &str) -> ErrorData {
    ErrorData::invalid_params(text.to_owned(), None)
}

/// Removes the subscriptions of a request when it ends.
struct Leaving<'a>(&'a Subscriptions, String);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.leave(|open| open.session == self.1);
    }
}

/// The requested subscriptions that are possible: those to jobs, each once.
pub(crate) fn accepted(requested: &SubscriptionFilter) -> SubscriptionFilter {
    let mut jobs: Vec<String> = Vec::new();
    for uri in requested.resource_subscriptions.iter().flatten().filter(|uri| job_of(uri).is_some()) {
        if jobs.len() < EACH && !jobs.contains(uri) {
            jobs.push(uri.clone());
        }
    }
    let mut filter = SubscriptionFilter::new();
    filter.resource_subscriptions = Some(jobs);
    filter
}

/// The subscriptions of one caller.
#[derive(Debug, Clone)]
pub(crate) struct Subscriber {
    pub(crate) subscriptions: Arc<Subscriptions>,
    pub(crate) jobs: Jobs,
    pub(crate) principal: String,
    pub(crate) presenter: Arc<Presenter>,
    /// Ends every subscription.
    pub(crate) client_gone: CancellationToken,
}

impl Subscriber {
    /// `subscriptions/listen`, until the client cancels it.
    pub(crate) async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let uris = context.accepted().resource_subscriptions.clone().unwrap_or_default();
        let session = random_id("listen");
        let open = |uri: &String| self.open(uri.clone(), session.clone());
        let mut all: Vec<_> = uris.iter().map(open).collect();
        if all.is_empty() {
            // A stream without a subscription counts as one, because it uses as much memory.
            all.push(self.open(String::new(), session.clone()));
        }
        self.subscriptions.enter(all)?;
        let _leaving = Leaving(&self.subscriptions, session);
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
            () = self.client_gone.cancelled() => {}
        }
        Ok(())
    }

    /// `resources/subscribe` of older clients.
    pub(crate) async fn subscribe(
        &self,
        uri: String,
        session: String,
        peer: Peer<RoleServer>,
    ) -> Result<(), ErrorData> {
        let Some(mut watch) = self.watched(&uri).await? else { return Err(nothing_at(&uri)) };
        let open = self.open(uri.clone(), session);
        let end = open.end.clone();
        self.subscriptions.enter(vec![open])?;
        self.subscriptions.tracker.spawn(async move {
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

    /// `resources/unsubscribe`. Also succeeds if there was no subscription.
    pub(crate) fn unsubscribe(&self, uri: &str, session: &str) {
        let principal = self.principal.as_str();
        self.subscriptions
            .leave(|open| open.uri == uri && open.principal == principal && open.session == session);
    }

    fn open(&self, uri: String, session: String) -> Open {
        let end = self.client_gone.child_token();
        Open { principal: self.principal.clone(), session, uri, end }
    }

    async fn watched(&self, uri: &str) -> Result<Option<Watch>, ErrorData> {
        let Some(id) = job_of(uri) else { return Ok(None) };
        let watch = self.jobs.watch(&self.principal, id).await;
        watch.map_err(|error| self.presenter.protocol_error(&error))
    }
}

/// Waits for a change; false once the job is over.
async fn changed(watch: &mut Watch) -> bool {
    !watch.borrow_and_update().state.is_over() && watch.changed().await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(principal: &str, session: &str, job: usize) -> Open {
        Open {
            principal: principal.to_owned(),
            session: session.to_owned(),
            uri: format!("minimax://jobs/{job}"),
            end: CancellationToken::new(),
        }
    }

    #[test]
    fn one_callers_subscriptions_leave_room_for_others_and_count_once() {
        let all = Subscriptions::default();
        let first = open("ada", "1", 0);
        all.enter(vec![first.clone()]).unwrap();
        for _ in 0..EACH * 2 {
            all.enter(vec![open("ada", "1", 0)]).unwrap();
        }
        assert_eq!(all.table().len(), 1);
        assert!(first.end.is_cancelled(), "the later one is told, and not both");
        for job in 1..EACH {
            all.enter(vec![open("ada", "1", job)]).unwrap();
        }
        let refused = all.enter(vec![open("ada", "2", EACH)]).unwrap_err();
        assert!(refused.message.contains("200"), "{refused:?}");
        all.enter(vec![open("bob", "1", 0)]).unwrap();
        all.leave(|open| open.session == "1" && open.principal == "ada");
        all.enter((0..EACH).map(|job| open("ada", "2", job)).collect()).unwrap();
        let both = vec![open("ada", "3", 1), open("ada", "3", 2)];
        assert!(all.enter(both).is_err() && all.table().len() == EACH + 1, "all or none");
    }
}
