//! MCP over standard input and output (MCP specification > Transports > stdio).

use std::time::Duration;

use rmcp::model::ClientJsonRpcMessage;
use rmcp::service::{RxJsonRpcMessage, ServerInitializeError, TxJsonRpcMessage};
use rmcp::transport::{IntoTransport, Transport, stdio_pipes};
use rmcp::{RoleServer, ServiceExt};
use tokio_util::sync::CancellationToken;

use super::lines::Lines;
use super::{LINGER_AFTER_SIGNAL, resume, signal};
use crate::mcp::{Connection, Server, UNREAD};

/// How long unanswered paid requests may hold up the end after the client has gone: what they bring is paid for.
const LINGER: Duration = Duration::from_secs(180);

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
    let inner = IntoTransport::<RoleServer, _, _>::into_transport((Lines::new(input, UNREAD), output));
    let transport = Tolerant { inner, opened: false, server: server.clone(), stop: stop.clone() };
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

/// A transport that drops what some clients send before their first request: a notification there would end the
/// session before it began.
struct Tolerant<T> {
    inner: T,
    opened: bool,
    server: Server,
    stop: CancellationToken,
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Tolerant<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.inner.send(message)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            let Some(mut message) = self.inner.receive().await else {
                self.server.client_gone();
                return None;
            };
            self.opened |= matches!(message, ClientJsonRpcMessage::Request(_));
            if self.opened {
                message.insert_extension(Connection(self.stop.clone()));
                return Some(message);
            }
        }
    }

    fn close(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.inner.close()
    }
}
