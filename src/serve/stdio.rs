//! MCP over standard input and output (MCP specification > Transports > stdio).

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, RequestId};
use rmcp::service::{RxJsonRpcMessage, ServerInitializeError, TxJsonRpcMessage};
use rmcp::transport::{Transport, stdio_pipes};
use rmcp::{ErrorData, RoleServer, ServiceExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::answers::Answers;
use super::in_flight::{InFlight, Refused, answered};
use super::lines::{Lines, Unread};
use super::{LINGER_AFTER_SIGNAL, no_receivers, resume, signal};
use crate::mcp::{self, Connection, Server, TakesText};

/// The most requests in flight. A local client may have many, but one that reaches this number is not reading
/// responses.
const MOST: usize = 4096;

/// How long paid requests in flight may delay the exit after the client has left, because their results are paid for.
const LINGER: Duration = Duration::from_secs(180);

/// The most refusals that wait to be written. Reading pauses at this number.
const MOST_REFUSALS: usize = 64;

/// Serves one client until it disconnects or a signal arrives. Writes only the protocol to stdout.
pub async fn serve(server: Server) -> Result<(), ServerInitializeError> {
    let stop = CancellationToken::new();
    let signalled = stop.clone();
    let watcher = tokio_util::task::TaskTracker::new();
    watcher.spawn(async move {
        signal().await;
        signalled.cancel();
    });
    let jobs = server.jobs().clone();
    let resume = watcher.spawn(resume(server.clone(), stop.clone(), no_receivers(), true));
    let (input, output) = stdio_pipes();
    let transport = Guarded {
        lines: Lines::new(input),
        answers: Answers::new(output),
        opened: false,
        server: server.clone(),
        stop: stop.clone(),
        in_flight: InFlight::new(MOST),
        refusals: VecDeque::new(),
    };
    // Pass a child token, because the service cancels its token when it ends.
    let opened = server.serve_with_ct(transport, stop.child_token()).await;
    let outcome = match opened {
        Ok(running) => {
            let _ = running.waiting().await;
            Ok(())
        }
        // A client that leaves before it initializes, or a signal before then, is not an error.
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

/// A transport that filters messages before the service sees them. It answers lines that are not messages. It drops
/// everything before the first request, because some clients send a notification first, which would end the session. It
/// also refuses requests whose id is in flight, and requests over the limit.
struct Guarded<R, W> {
    lines: Lines<R>,
    answers: Answers<W>,
    opened: bool,
    server: Server,
    stop: CancellationToken,
    in_flight: InFlight,
    /// Refusals that are being written.
    refusals: VecDeque<BoxFuture<'static, ()>>,
}

impl<R, W: AsyncWrite + Send + Unpin + 'static> Guarded<R, W> {
    /// Whether to pass a message on. If not, its refusal is queued.
    fn takes(&mut self, message: &mut ClientJsonRpcMessage) -> bool {
        let JsonRpcMessage::Request(request) = &*message else { return true };
        let id = request.id.clone();
        match self.in_flight.enter(&id, None) {
            Ok(handling) => {
                message.insert_extension(handling);
                true
            }
            Err(Refused::SameId) => {
                // An error with this id would be taken for the response to the first request.
                let id: String = id.to_string().chars().take(64).collect();
                let why = format!(
                    "the request {id} is not answered yet, so another one with this id was not started: nothing was sent \
                     or billed; give each request an id of its own"
                );
                self.refuse(ErrorData::invalid_request(why, None), None);
                false
            }
            Err(Refused::Full(most)) => {
                let why = format!("{most} requests are not answered yet; read their answers first");
                self.refuse(ErrorData::invalid_request(why, None), Some(id));
                false
            }
        }
    }

    fn refuse(&mut self, error: ErrorData, id: Option<RequestId>) {
        let error = JsonRpcMessage::error(error, id);
        self.refusals.push_back(self.answers.send(error).map(drop).boxed());
    }
}

impl<R, W> Transport<RoleServer> for Guarded<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let id = answered(&message).cloned();
        self.in_flight.queued(&message, 0);
        let (sending, in_flight) = (self.answers.send(message), self.in_flight.clone());
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
            // Both futures are cancel-safe. Refusals are written while reading continues, so that a client that reads
            // slowly does not delay the check for ids in flight.
            let (waiting, mut first) = (self.refusals.len(), self.refusals.front_mut());
            let received = tokio::select! {
                biased;
                received = self.lines.next(), if waiting < MOST_REFUSALS => received,
                () = async { if let Some(refusal) = &mut first { refusal.await } }, if waiting > 0 => {
                    self.refusals.pop_front();
                    continue;
                }
            };
            let mut message = match received {
                Some(Ok(message)) => message,
                Some(Err(Unread { id, error })) => {
                    // An error with the id of another request would be taken for the response to that one.
                    let id = id.filter(|id| !self.in_flight.is_open(id));
                    self.refuse(error, id);
                    continue;
                }
                None => {
                    while let Some(refusal) = self.refusals.pop_front() {
                        refusal.await;
                    }
                    self.server.client_gone();
                    return None;
                }
            };
            if let Some(problem) = mcp::initialize_problem(&message) {
                let id = match &message {
                    JsonRpcMessage::Request(request) => Some(request.id.clone()),
                    _ => None,
                };
                self.refuse(problem, id);
                continue;
            }
            self.opened |= matches!(message, JsonRpcMessage::Request(_));
            if self.opened && self.takes(&mut message) {
                self.in_flight.received(&message);
                self.server.received(&message);
                message.insert_extension(Connection(self.stop.clone()));
                message.insert_extension(TakesText);
                return Some(message);
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.answers.close().await;
        Ok(())
    }
}
