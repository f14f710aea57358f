//! The folders that tools may read and write. A client on this machine adds the folders that it has open, which the
//! specification calls roots.
//!
//! The client is asked once, and again when it says that its folders have changed. A call waits for the answer only if
//! it names a path that is not allowed otherwise, and only briefly. Clients over HTTP are never asked: their paths mean
//! nothing on this machine.

#![expect(deprecated, reason = "the newest revision deprecates roots, and clients still have them")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{
    ClientResult, InputRequest, InputRequests, InputRequiredResult, InputResponses, ListRootsRequest,
    ListRootsResult, ServerRequest,
};
use rmcp::service::{Peer, PeerRequestOptions};
use tokio::sync::{Mutex, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use crate::media::Roots;

/// How long the client may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long calls wait for the answer, counted from the question.
const WAIT: Duration = Duration::from_secs(2);

/// The name of the question when it is the result of a call.
const ASKED: &str = "roots";

/// Whether the client has named its folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// It was not asked.
    None,
    /// It was asked at this time: for the first time, or again because its folders have changed.
    Awaited { since: Instant, again: bool },
    /// It answered, or failed to.
    Over,
    /// The question was the result of a call. The client's next call brings the answer.
    Told,
}

/// The allowed folders of a server. Clones share what the client has named.
#[derive(Debug, Clone)]
pub(crate) struct AllowedFolders {
    roots: Arc<Roots>,
    client: Arc<Client>,
}

#[derive(Debug)]
struct Client {
    answer: watch::Sender<Answer>,
    /// Set when the folders have changed since the last question.
    changed: AtomicBool,
    /// Held while a question is open, so that answers cannot overtake each other.
    asking: Mutex<()>,
}

impl AllowedFolders {
    pub(crate) fn new(roots: Roots) -> Self {
        let client = Client {
            answer: watch::Sender::new(Answer::None),
            changed: AtomicBool::new(false),
            asking: Mutex::new(()),
        };
        Self { roots: Arc::new(roots), client: Arc::new(client) }
    }

    pub(crate) fn roots(&self) -> &Arc<Roots> {
        &self.roots
    }

    /// Asks the client for its folders, if it was not asked yet. Does not wait.
    pub(crate) fn ask_once(&self, peer: &Peer<RoleServer>) {
        if self.claim() {
            let (me, peer) = (self.clone(), peer.clone());
            // The question may outlive the call that caused it.
            TaskTracker::new().spawn(async move { me.ask(&peer).await });
        }
    }

    /// Notes that the client has announced a change of its folders. Called as soon as the notification is read.
    /// Requests are handled concurrently, and a call that was sent after the notification must not use the old folders.
    pub(crate) fn changed(&self) {
        self.client.answer.send_if_modified(|answer| {
            *answer = match answer {
                Answer::None => return false,
                Answer::Told => Answer::None,
                Answer::Awaited { .. } | Answer::Over => {
                    self.client.changed.store(true, Ordering::Release);
                    Answer::Awaited { since: Instant::now(), again: true }
                }
            };
            true
        });
    }

    /// Asks the client again, because its folders have changed.
    pub(crate) async fn ask_again(&self, peer: &Peer<RoleServer>) {
        self.client.answer.send_replace(Answer::Awaited { since: Instant::now(), again: true });
        self.ask(peer).await;
    }

    /// Notes that the client is being asked. False if it was asked before.
    fn claim(&self) -> bool {
        self.client.answer.send_if_modified(|answer| {
            let first = *answer == Answer::None;
            if first {
                *answer = Answer::Awaited { since: Instant::now(), again: false };
            }
            first
        })
    }

    async fn ask(&self, peer: &Peer<RoleServer>) {
        self.client.changed.store(true, Ordering::Release);
        let _asking = self.client.asking.lock().await;
        // One question answers all changes that were announced before it.
        if !self.client.changed.swap(false, Ordering::AcqRel) {
            return;
        }
        let options = PeerRequestOptions::with_timeout(PATIENCE);
        let request = ServerRequest::ListRootsRequest(ListRootsRequest::default());
        let answer = async { peer.send_request_with_option(request, options).await?.await_response().await };
        match answer.await {
            Ok(ClientResult::ListRootsResult(named)) => self.open(named).await,
            Ok(_) => tracing::info!("the client's answer to roots/list could not be read"),
            Err(error) => tracing::info!(%error, "the client did not name its folders"),
        }
        // An answer from before the latest change must not end the wait.
        self.client.answer.send_if_modified(|answer| {
            let current = !self.client.changed.load(Ordering::Acquire);
            if current {
                *answer = Answer::Over;
            }
            current
        });
    }

    async fn open(&self, named: ListRootsResult) {
        let roots = Arc::clone(&self.roots);
        let uris: Vec<String> = named.roots.into_iter().map(|root| root.uri).collect();
        let opening = spawn_blocking(move || roots.open_in_client(&uris));
        if opening.await.is_err() {
            tracing::warn!("the folders of the client could not be read");
        }
    }

    /// The question as the result of a call, for the protocol revisions in which a server sends no requests. `None` if
    /// the client was asked before.
    pub(crate) fn question(&self) -> Option<InputRequiredResult> {
        self.claim().then(|| {
            self.client.answer.send_replace(Answer::Told);
            let request = InputRequest::ListRoots(ListRootsRequest::default());
            InputRequiredResult::new(Some(InputRequests::from([(ASKED.to_owned(), request)])), None)
        })
    }

    /// Takes the answer to [`Self::question`] that a call brought, if it brought one.
    pub(crate) async fn take_answer(&self, responses: &mut Option<InputResponses>) {
        let Some(answer) = responses.as_mut().and_then(|all| all.remove(ASKED)) else { return };
        match serde_json::from_value(answer) {
            Ok(named) => self.open(named).await,
            Err(error) => tracing::info!(%error, "the client's answer to roots/list could not be read"),
        }
    }

    /// Whether a file or a folder for results at this path is allowed, as far as is known now.
    pub(crate) async fn allow(&self, path: &Path) -> bool {
        let (roots, path) = (Arc::clone(&self.roots), path.to_owned());
        spawn_blocking(move || roots.allow(&path)).await.unwrap_or_default()
    }

    /// Waits for the client's answer if `path` is not allowed without it, or may no longer be.
    pub(crate) async fn settled_for(&self, path: &Path) {
        let Answer::Awaited { again, .. } = *self.client.answer.borrow() else { return };
        if again || !self.allow(path).await {
            self.settled().await;
        }
    }

    /// The folder that relative paths are resolved against.
    pub(crate) async fn project(&self) -> Option<PathBuf> {
        self.settled().await;
        let roots = Arc::clone(&self.roots);
        spawn_blocking(move || roots.project()).await.unwrap_or_default()
    }

    /// Why a relative path cannot be resolved, and what to do.
    pub(crate) async fn no_project(&self, given: &str) -> String {
        let (roots, given) = (Arc::clone(&self.roots), given.to_owned());
        let saying = spawn_blocking(move || roots.no_project(&given));
        saying.await.unwrap_or_else(|_| "is a relative path; give the absolute path".to_owned())
    }

    /// Waits for the client's answer, for a short time.
    async fn settled(&self) {
        let mut answer = self.client.answer.subscribe();
        let Answer::Awaited { since, .. } = *answer.borrow_and_update() else { return };
        let over = answer.wait_for(|answer| !matches!(answer, Answer::Awaited { .. }));
        if timeout_at(since + WAIT, over).await.is_err() {
            tracing::debug!("the client has not named its folders yet");
        }
    }
}
