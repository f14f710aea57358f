//! Connections. The loop is our own because a fault may have to end a connection in the middle of an answer.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use super::front;
use super::platform::Platform;
use super::store::Store;

/// How long an answer under way may take once the sandbox was told to stop.
const GRACE: Duration = Duration::from_secs(1);

/// Takes the port that was asked for. If none was, prefers the one that the folder was served on before, so
/// that a client of the sandbox before this one finds it again.
pub(super) async fn bind(port: u16, store: &Store) -> io::Result<TcpListener> {
    if port == 0
        && let Some(before) = store.port()
        && let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, before)).await
    {
        return Ok(listener);
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    store.keep_port(listener.local_addr()?.port())?;
    Ok(listener)
}

pub(super) async fn accept(listener: TcpListener, platform: Arc<Platform>, connections: TaskTracker) {
    let router = front::router(Arc::clone(&platform));
    loop {
        let stream = tokio::select! {
            () = platform.stopping.cancelled() => return,
            accepted = listener.accept() => accepted.map(|(stream, _)| stream),
        };
        match stream {
            Ok(stream) => {
                connections.spawn(serve(stream, Arc::clone(&platform), router.clone()));
            }
            // Out of file descriptors, most likely: a moment later there may be one.
            Err(failure) => {
                tracing::warn!("cannot accept a connection: {failure}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, platform: Arc<Platform>, router: axum::Router) {
    if let Err(failure) = stream.set_nodelay(true) {
        tracing::debug!("TCP_NODELAY: {failure}");
    }
    let stopping = platform.stopping.clone();
    let service = service_fn(move |request| front::answer(Arc::clone(&platform), router.clone(), request));
    let mut builder = http1::Builder::new();
    let connection =
        builder.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(GRACE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(failure) = result {
        tracing::debug!("a connection ended early: {failure}");
    }
}
