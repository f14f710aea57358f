//! HTTP with SSE, the transport of protocol 2024-11-05, for clients that know no other. Deprecated by the protocol, and
//! off unless asked for.
//!
//! `GET /sse` opens a stream whose first event names the address that requests are posted to; answers come over the
//! stream. A session belongs to whoever opened it and ends with its stream. When the server ends, a session stays for
//! the answers that are still to come, as long as the server's grace lasts.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Extension, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, StreamExt as _, poll_fn};
use rmcp::RoleServer;
use rmcp::model::ClientJsonRpcMessage;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage, serve_server_with_ct};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, PollSender};
use tokio_util::task::TaskTracker;

use super::unanswered::Unanswered;
use super::{PING, early};
use crate::mcp::{self, Caller, Connection, Server};

/// Streams at once.
const SESSIONS: usize = 64;

/// Streams of one caller, so that another finds room.
const SESSIONS_EACH: usize = 32;

/// Messages on their way, each direction. A client that reads no answers is not sent more.
const WAITING: usize = 64;

/// Every open session.
#[derive(Debug, Clone)]
pub struct Sessions {
    server: Server,
    open: Arc<Mutex<HashMap<String, Session>>>,
    /// The server is to end: a session without an open request ends too.
    stop: CancellationToken,
    /// The server's grace is over.
    late: CancellationToken,
    tracker: TaskTracker,
}

#[derive(Debug)]
struct Session {
    principal: String,
    /// Whose sessions are counted together.
    limited_as: String,
    requests: mpsc::Sender<RxJsonRpcMessage<RoleServer>>,
    unanswered: Unanswered,
    end: CancellationToken,
}

/// Ends a session when its stream is dropped: nobody can hear its answers any more.
struct Ending {
    sessions: Sessions,
    id: String,
    end: CancellationToken,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.sessions.table().remove(&self.id);
        self.sessions.server.session_ended(&self.id);
        self.end.cancel();
    }
}

impl Sessions {
    /// None yet.
    pub fn new(
        server: Server,
        stop: CancellationToken,
        late: CancellationToken,
        tracker: TaskTracker,
    ) -> Self {
        Self { server, open: Arc::default(), stop, late, tracker }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        // A poisoned table is still a table of channels.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place; how many are taken if there is none.
    fn enter(&self, id: &str, session: Session) -> Result<(), usize> {
        let mut table = self.table();
        let own = table.values().filter(|open| open.limited_as == session.limited_as).count();
        match (table.len(), own) {
            (SESSIONS.., _) => Err(SESSIONS),
            (_, SESSIONS_EACH..) => Err(SESSIONS_EACH),
            _ => {
                table.insert(id.to_owned(), session);
                Ok(())
            }
        }
    }

    /// Ends a session with the server, but not before it has its answers.
    async fn end_in_time(self, unanswered: Unanswered, end: CancellationToken) {
        let told = async {
            self.stop.cancelled().await;
            unanswered.none().await;
        };
        end.run_until_cancelled(told).await;
        end.cancel();
    }
}

/// `GET /sse`
pub async fn open(State(sessions): State<Sessions>, Extension(caller): Extension<Caller>) -> Response {
    let mut bits = [0_u8; 16];
    if getrandom::fill(&mut bits).is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "No session id could be made.\n").into_response();
    }
    let id = data_encoding::HEXLOWER.encode(&bits);
    let (requests, mut incoming) = mpsc::channel(WAITING);
    let (answers, mut outgoing) = mpsc::channel::<TxJsonRpcMessage<RoleServer>>(WAITING);
    // Not the server's stop: whoever waits for an answer when the server ends is to get one.
    let (unanswered, end) = (Unanswered::default(), sessions.late.child_token());
    let session = Session {
        limited_as: caller.limited_as().to_owned(),
        principal: caller.principal,
        requests,
        unanswered: unanswered.clone(),
        end: end.clone(),
    };
    if let Err(taken) = sessions.enter(&id, session) {
        let text = format!("{taken} sessions are open; close one, or use /mcp, which needs none.\n");
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "30")], text).into_response();
    }
    sessions.tracker.spawn(sessions.clone().end_in_time(unanswered.clone(), end.clone()));
    let ending = Ending { sessions: sessions.clone(), id: id.clone(), end: end.clone() };
    let (server, ended) = (sessions.server.clone(), end.clone());
    sessions.tracker.spawn(async move {
        let transport = (PollSender::new(answers), poll_fn(move |context| incoming.poll_recv(context)));
        if let Ok(running) = serve_server_with_ct(server, transport, ended).await {
            let _ = running.waiting().await;
        }
    });
    let first = Event::default().event("endpoint").data(format!("/messages?sessionId={id}"));
    let rest = poll_fn(move |context| outgoing.poll_recv(context)).filter_map(move |message| {
        let _held = &ending;
        unanswered.left(&message);
        let event =
            serde_json::to_string(&message).ok().map(|data| Event::default().event("message").data(data));
        async move { event }
    });
    let events = stream::iter([first]).chain(rest).take_until(end.cancelled_owned()).map(Ok::<_, Infallible>);
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(PING)).into_response();
    response.headers_mut().insert("x-accel-buffering", header::HeaderValue::from_static("no"));
    response
}

/// What stands behind the question mark of a post.
#[derive(Debug, Deserialize)]
pub struct Addressed {
    #[serde(rename = "sessionId", alias = "session_id")]
    session_id: String,
}

/// `POST /messages?sessionId=…`
pub async fn post(
    State(sessions): State<Sessions>,
    Query(Addressed { session_id }): Query<Addressed>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(mcp::Session(session_id.clone()));
    // Another's session is answered like none at all.
    let session = {
        let table = sessions.table();
        let session = table.get(&session_id).filter(|session| session.principal == caller.principal);
        session.map(|session| (session.requests.clone(), session.unanswered.clone(), session.end.clone()))
    };
    let Some((requests, unanswered, end)) = session else {
        return (StatusCode::NOT_FOUND, "There is no such session; open one with GET /sse.\n")
            .into_response();
    };
    let body = match early::whole(body).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let mut message: ClientJsonRpcMessage = match serde_json::from_slice(&body) {
        Ok(message) => message,
        Err(error) => {
            return (StatusCode::BAD_REQUEST, format!("That is no JSON-RPC message of MCP: {error}\n"))
                .into_response();
        }
    };
    if let Err(refusal) = unanswered.note(&message) {
        return refusal.into_response();
    }
    message.insert_extension(parts);
    message.insert_extension(Connection(end));
    match requests.send(message).await {
        Ok(()) => (StatusCode::ACCEPTED, "Accepted\n").into_response(),
        Err(_) => (StatusCode::NOT_FOUND, "The session has ended.\n").into_response(),
    }
}
