//! MCP over standard input and output (MCP specification > Transports > stdio).

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, JsonRpcMessage, RequestId};
use rmcp::service::{RxJsonRpcMessage, ServerInitializeError, TxJsonRpcMessage};
use rmcp::transport::{IntoTransport, Transport, stdio_pipes};
use rmcp::{ErrorData, RoleServer, ServiceExt};
use tokio_util::sync::CancellationToken;

use super::in_flight::{InFlight, Refused, answered};
use super::json::Unfit;
use super::lines::{self, Lines};
use super::{LINGER_AFTER_SIGNAL, resume, signal};
use crate::mcp::{Connection, Server};

/// Requests at once. A client of one's own may have many, and one that never reads its answers has lost count.
const MOST: usize = 4096;

/// How long unanswered paid requests may hold up the end after the client has gone: what they bring is paid for.
const LINGER: Duration = Duration::from_secs(180);

/// Refusals that wait to be written. With so many, nothing more is read.
const MOST_REFUSALS: usize = 64;

/// Serves one client until it hangs up or a signal comes. Writes nothing but the protocol to stdout.
pub async fn serve(server: Server) -> Result<(), ServerInitializeError> {
    let stop = CancellationToken::new();
    let signalled = stop.clone();
    let watcher = tokio_util::task::TaskTracker::new();
    watcher.spawn(async move {
        signal().await;
        signalled.cancel();
    });
    let jobs = server.jobs().clone();
    let resume = watcher.spawn(resume(jobs.clone(), stop.clone()));
    let (input, output) = stdio_pipes();
    let inner = IntoTransport::<RoleServer, _, _>::into_transport((Lines::new(input), output));
    let transport = Guarded {
        inner,
        opened: false,
        server: server.clone(),
        stop: stop.clone(),
        in_flight: InFlight::new(MOST),
        refusals: VecDeque::new(),
    };
    // A token of its own: the service cancels the one that it is given when it ends.
    let opened = server.serve_with_ct(transport, stop.child_token()).await;
    let outcome = match opened {
        Ok(running) => {
            let _ = running.waiting().await;
            Ok(())
        }
        // A client that leaves without a word, or a signal before the first one: an end, not an error.
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => Ok(()),
        Err(error) => Err(error),
    };
    resume.abort();
    let linger = async {
        stop.cancelled().await;
        tokio::time::sleep(LINGER_AFTER_SIGNAL).await;
    };
    tokio::select! {
        () = jobs.shut_down(LINGER) => {}
        () = linger => jobs.shut_down(Duration::ZERO).await,
    }
    outcome
}

/// The transport, with what has to be done before a request is worked on: what some clients send before their first
/// request is dropped, because a notification there would end the session before it began; and what cannot be worked on
/// is refused.
struct Guarded<T> {
    inner: T,
    opened: bool,
    server: Server,
    stop: CancellationToken,
    in_flight: InFlight,
    /// Refusals on their way.
    refusals: VecDeque<BoxFuture<'static, ()>>,
}

impl<T: Transport<RoleServer>> Guarded<T> {
    /// Whether a request is to be worked on; if not, its refusal is on its way.
    fn takes(&mut self, message: &mut ClientJsonRpcMessage) -> bool {
        let JsonRpcMessage::Request(request) = &*message else { return true };
        let id = request.id.clone();
        if let Some(why) = unread(&request.request) {
            self.refuse(why, Some(id));
            return false;
        }
        match self.in_flight.enter(&id, None) {
            Ok(handling) => {
                message.insert_extension(handling);
                true
            }
            Err(Refused::SameId) => {
                // With the id it would be taken for the answer to the first request.
                let id: String = id.to_string().chars().take(64).collect();
                let why = format!(
                    "the request {id} is not answered yet, so another one with this id was not started: nothing was sent \
                     or billed; give each request an id of its own"
                );
                self.refuse(why, None);
                false
            }
            Err(Refused::Full(most)) => {
                self.refuse(
                    format!("{most} requests are not answered yet; read their answers first"),
                    Some(id),
                );
                false
            }
        }
    }

    fn refuse(&mut self, why: String, id: Option<RequestId>) {
        let error = JsonRpcMessage::error(ErrorData::invalid_request(why, None), id);
        self.refusals.push_back(self.inner.send(error).map(drop).boxed());
    }
}

/// Why a request that stands for another one is refused.
fn unread(request: &ClientRequest) -> Option<String> {
    let ClientRequest::CustomRequest(request) = request else { return None };
    match request.method.as_str() {
        lines::TOO_LONG => Some(
            "the request is longer than 16 MiB, so it was not read and nothing was sent or billed; give media as paths \
             or URLs, and long texts in parts"
                .to_owned(),
        ),
        lines::TOO_MANY => Some(Unfit::Values.to_string()),
        lines::TOO_DEEP => Some(Unfit::Depth.to_string()),
        _ => None,
    }
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Guarded<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let id = answered(&message).cloned();
        self.in_flight.queued(&message, 0);
        let (sending, in_flight) = (self.inner.send(message), self.in_flight.clone());
        async move {
            let sent = sending.await;
            if let Some(id) = id {
                in_flight.left(&id);
            }
            sent
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            // Either may be dropped half-way, and goes on the next time. Refusals are written while more is read: an id
            // is refused because it is open now, however slowly the client reads.
            let (waiting, mut first) = (self.refusals.len(), self.refusals.front_mut());
            let received = tokio::select! {
                biased;
                received = self.inner.receive(), if waiting < MOST_REFUSALS => received,
                () = async { if let Some(refusal) = &mut first { refusal.await } }, if waiting > 0 => {
                    self.refusals.pop_front();
                    continue;
                }
            };
            let Some(mut message) = received else {
                while let Some(refusal) = self.refusals.pop_front() {
                    refusal.await;
                }
                self.server.client_gone();
                return None;
            };
            self.opened |= matches!(message, JsonRpcMessage::Request(_));
            if self.opened && self.takes(&mut message) {
                self.in_flight.received(&message);
                message.insert_extension(Connection(self.stop.clone()));
                return Some(message);
            }
        }
    }

    fn close(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.inner.close()
    }
}
