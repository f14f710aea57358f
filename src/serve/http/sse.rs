//! HTTP with SSE, the transport of protocol 2024-11-05, for clients that know no other. Deprecated by the protocol, and
//! off unless asked for.
//!
//! `GET /sse` opens a stream whose first event names the address that requests are posted to; answers come over the
//! stream. A session belongs to whoever opened it and ends with its stream.

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
use crate::tools::{self, Caller, Server};

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
    stop: CancellationToken,
    tracker: TaskTracker,
}

#[derive(Debug)]
struct Session {
    principal: String,
    requests: mpsc::Sender<RxJsonRpcMessage<RoleServer>>,
    unanswered: Unanswered,
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
    pub fn new(server: Server, stop: CancellationToken, tracker: TaskTracker) -> Self {
        Self { server, open: Arc::default(), stop, tracker }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        // A poisoned table is still a table of channels.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place; how many are taken if there is none.
    fn enter(&self, id: &str, session: Session) -> Result<(), usize> {
        let mut table = self.table();
        let own = table.values().filter(|open| open.principal == session.principal).count();
        match (table.len(), own) {
            (SESSIONS.., _) => Err(SESSIONS),
            (_, SESSIONS_EACH..) => Err(SESSIONS_EACH),
            _ => {
                table.insert(id.to_owned(), session);
                Ok(())
            }
        }
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
    let unanswered = Unanswered::default();
    let session = Session { principal: caller.principal, requests, unanswered: unanswered.clone() };
    if let Err(taken) = sessions.enter(&id, session) {
        let text = format!("{taken} sessions are open; close one, or use /mcp, which needs none.\n");
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "30")], text).into_response();
    }
    let end = sessions.stop.child_token();
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
    parts.extensions.insert(tools::Session(session_id.clone()));
    // Another's session is answered like none at all.
    let found = {
        let table = sessions.table();
        let session = table.get(&session_id).filter(|session| session.principal == caller.principal);
        session.map(|session| (session.requests.clone(), session.unanswered.clone()))
    };
    let Some((requests, unanswered)) = found else {
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
    match requests.send(message).await {
        Ok(()) => (StatusCode::ACCEPTED, "Accepted\n").into_response(),
        Err(_) => (StatusCode::NOT_FOUND, "The session has ended.\n").into_response(),
    }
}
