//! Accepts connections. This is not `axum::serve`, because faults must be able to close a connection mid-response.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use crate::engine::state::AppState;
use crate::engine::store::Store;
use crate::{routes, server};

/// How long responses in flight may take after the sandbox was told to stop.
const GRACE: Duration = Duration::from_secs(1);

/// Binds the requested port. Port 0 prefers the port on which the folder was last served, so that clients find a restarted
/// sandbox again.
pub(crate) async fn bind(port: u16, store: &Store) -> io::Result<TcpListener> {
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

pub(crate) async fn accept(listener: TcpListener, state: Arc<AppState>, connections: TaskTracker) {
    let router = routes::router(Arc::clone(&state));
    loop {
        let stream = tokio::select! {
            () = state.stopping.cancelled() => return,
            accepted = listener.accept() => accepted.map(|(stream, _)| stream),
        };
        match stream {
            Ok(stream) => {
                connections.spawn(serve(stream, Arc::clone(&state), router.clone()));
            }
            // Most likely out of file descriptors, which a short wait may solve.
            Err(failure) => {
                tracing::warn!("cannot accept a connection: {failure}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, state: Arc<AppState>, router: axum::Router) {
    if let Err(failure) = stream.set_nodelay(true) {
        tracing::debug!("TCP_NODELAY: {failure}");
    }
    let stopping = state.stopping.clone();
    let service = service_fn(move |request| server::answer(Arc::clone(&state), router.clone(), request));
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
