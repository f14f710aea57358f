//! Word of a job's changes, for clients that subscribe to `minimax://jobs/{id}` instead of asking again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use rmcp::model::{ResourceUpdatedNotificationParam, SubscriptionFilter};
use rmcp::service::{Peer, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::jobs::{Watch, random_id};
use crate::mcp::Server;
use crate::mcp::resources::{job_of, nothing_at};

/// A client that wants more of them at once has lost count; and one caller's must leave room for another's.
const EACH: usize = 200;

/// Of all callers.
const MOST: usize = 1000;

/// The session that a request belongs to, where a transport has several. It puts one into each request's
/// [`http::Extensions`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session(pub String);

/// The session of a request; the empty one where there is only one.
pub(crate) fn session_of(call: &RequestContext<RoleServer>) -> String {
    let parts = call.extensions.get::<http::request::Parts>();
    parts
        .and_then(|parts| parts.extensions.get::<Session>())
        .map(|session| session.0.clone())
        .unwrap_or_default()
}

/// All subscriptions there are: those of older clients, which outlive the request that made them, and those of newer
/// ones, which are a request.
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
        // A poisoned table is still a table of tokens.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for each, or for none. The same one again takes the place of the first.
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

/// Gives the places of a request back.
struct Leaving<'a>(&'a Subscriptions, String);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.leave(|open| open.session == self.1);
    }
}

/// Which of the wanted subscriptions there can be: those to jobs, each once.
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

impl Server {
    /// `subscriptions/listen`, until the client has heard enough.
    pub(crate) async fn tell(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let uris = context.accepted().resource_subscriptions.clone().unwrap_or_default();
        let session = random_id("listen");
        let open = |uri: &String| self.open(uri.clone(), session.clone());
        self.shared.subscriptions.enter(uris.iter().map(open).collect())?;
        let _leaving = Leaving(&self.shared.subscriptions, session);
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
        Ok(())
    }

    /// `resources/subscribe` of older clients.
    pub(crate) async fn subscribe_to(
        &self,
        uri: String,
        session: String,
        peer: Peer<RoleServer>,
    ) -> Result<(), ErrorData> {
        let Some(mut watch) = self.watched(&uri).await? else { return Err(nothing_at(&uri)) };
        let open = self.open(uri.clone(), session);
        let end = open.end.clone();
        self.shared.subscriptions.enter(vec![open])?;
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
    pub(crate) fn unsubscribe_from(&self, uri: &str, session: &str) {
        let principal = self.principal();
        self.shared
            .subscriptions
            .leave(|open| open.uri == uri && open.principal == principal && open.session == session);
    }

    /// Nobody hears any more what was subscribed to in a session.
    pub fn session_ended(&self, session: &str) {
        self.shared.subscriptions.leave(|open| open.session == session);
    }

    fn open(&self, uri: String, session: String) -> Open {
        let end = self.shared.gone.child_token();
        Open { principal: self.principal().to_owned(), session, uri, end }
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
