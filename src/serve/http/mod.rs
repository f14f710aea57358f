//! MCP over HTTP (MCP specification > Transports > Streamable HTTP), for clients that do not start the server
//! themselves.
//!
//! Stateless: every request stands for itself, so a replica or a restart in between makes no difference. Both eras
//! of the protocol are served at one path.

pub mod access;
mod early;
mod files;
#[cfg(feature = "conformance-fixtures")]
mod fixtures;
mod request;
mod sse;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::timeout::RequestBodyTimeoutLayer;

use super::{LINGER_AFTER_SIGNAL, resume, signal};
use crate::tools::Server;
use access::{Access, check_caller, check_place, is_private};
use sse::Sessions;

/// A client that takes longer to send its headers, or the next piece of a body, is none.
const SLOWEST: Duration = Duration::from_secs(15);

/// Connections at once; more wait in the system's queue.
const CONNECTIONS: usize = 1024;

/// As long as a line on stdio may be: inputs may come as data URIs.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// How often a stream that says nothing else shows that it is there.
const PING: Duration = Duration::from_secs(15);

/// How long calls may take to answer after the server was asked to end.
const GRACE: Duration = Duration::from_secs(5);

/// Takes the port. Refuses an address that others can reach if nobody has to show a token.
pub async fn bind(address: SocketAddr, access: &Access) -> io::Result<TcpListener> {
    if access.is_open() && !is_private(address.ip()) {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "{address} can be reached from elsewhere, and whoever reaches it can spend your money: set \
                 MINIMAX_MCP_TOKEN (16 characters or more) or MINIMAX_MCP_TOKEN_FILE, or listen on 127.0.0.1"
            ),
        ));
    }
    TcpListener::bind(address).await
}

/// Serves until a signal comes.
pub async fn serve(server: Server, listener: TcpListener, access: Access, options: Options) {
    let stop = CancellationToken::new();
    let signalled = stop.clone();
    let watcher = TaskTracker::new();
    watcher.spawn(async move {
        signal().await;
        signalled.cancel();
    });
    serve_until(stop, server, listener, access, options).await;
}

/// What is on offer besides `/mcp`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// The transport of 2024-11-05, at `/sse` and `/messages`.
    pub sse: bool,
}

/// Serves until `stop` is cancelled.
pub async fn serve_until(
    stop: CancellationToken,
    server: Server,
    listener: TcpListener,
    access: Access,
    options: Options,
) {
    let tracker = TaskTracker::new();
    tracker.spawn(resume(server.jobs().clone(), stop.clone()));
    let sessions = options.sse.then(|| Sessions::new(server.clone(), stop.clone(), tracker.clone()));
    // Not `stop`: whoever waits for an answer when the server ends is to get one.
    let late = CancellationToken::new();
    let app = app(&server, access, sessions, &late);
    accept(listener, app, &stop, &tracker).await;
    // Calls that wait answer with what there is; jobs go on in the next process.
    server.client_gone();
    tracker.close();
    let _ = tokio::time::timeout(GRACE, tracker.wait()).await;
    late.cancel();
    server.jobs().shut_down(LINGER_AFTER_SIGNAL).await;
}

/// Every route. Who may call is decided before anything else is looked at.
fn app(server: &Server, access: Access, sessions: Option<Sessions>, late: &CancellationToken) -> Router {
    let access = Arc::new(access);
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        // Both are checked for all routes alike, before this one is reached.
        .disable_allowed_hosts()
        .with_max_request_body_bytes(LARGEST_BODY)
        .with_cancellation_token(late.child_token());
    #[cfg(not(feature = "conformance-fixtures"))]
    let each = server.clone();
    #[cfg(feature = "conformance-fixtures")]
    let each = fixtures::Fixed(server.clone());
    let mcp = StreamableHttpService::new(
        move || Ok(each.clone()),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    let sse = sessions.map(|sessions| {
        Router::new().route("/sse", get(sse::open)).route("/messages", post(sse::post)).with_state(sessions)
    });
    let known = Router::new()
        .route_service("/mcp", mcp)
        .layer(from_fn(early::begin_in_time))
        .merge(sse.unwrap_or_default())
        .merge(Router::new().route("/metrics", get(metrics)).with_state(server.clone()))
        .layer(from_fn_with_state(Arc::clone(&access), check_caller));
    let open = Router::new()
        .route("/files/{job}/{name}", get(files::file))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(server.clone());
    known
        .merge(open)
        .fallback(async || (StatusCode::NOT_FOUND, "MCP is at /mcp.\n"))
        .layer(from_fn_with_state(access, check_place))
        .layer(RequestBodyTimeoutLayer::new(SLOWEST))
        .layer(from_fn(request::identify))
}

/// Figures of all callers together, for those who have a token where tokens are asked for.
async fn metrics(axum::extract::State(server): axum::extract::State<Server>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], server.metrics().await)
}

/// Whether a paid call would be recorded: the one thing that no call can do without.
async fn ready(axum::extract::State(server): axum::extract::State<Server>) -> (StatusCode, &'static str) {
    match server.jobs().check().await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(error) => {
            // Where the records lie is nobody's business who has no token.
            tracing::error!(%error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "not ready: see the server's log\n")
        }
    }
}

async fn accept(listener: TcpListener, app: Router, stop: &CancellationToken, tracker: &TaskTracker) {
    let (room, graceful) = (Arc::new(Semaphore::new(CONNECTIONS)), GracefulShutdown::new());
    loop {
        let Some(next) = stop.run_until_cancelled(next(&listener, &room)).await else { break };
        let (stream, place) = match next {
            Ok(next) => next,
            Err(error) => {
                // Out of file handles, say: others end soon.
                tracing::warn!(%error, "no connection was taken");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(SLOWEST)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app.clone()));
        let connection = graceful.watch(connection);
        tracker.spawn(async move {
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    tracker.spawn(async move {
        let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
    });
}

async fn next(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}
