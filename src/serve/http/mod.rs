//! MCP over HTTP (MCP specification > Transports > Streamable HTTP), for clients that do not start the server
//! themselves.
//!
//! The transport is stateless: no request depends on an earlier one, so requests may go to different replicas or span a
//! restart. Protocol versions with and without sessions are served at the same path.

mod accept;
pub mod access;
mod admission;
mod apps;
mod batch;
mod cancel;
mod choose;
mod connection;
pub(crate) mod connections;
mod cors;
mod diagnose;
pub(crate) mod files;
mod form;
mod format;
mod held;
mod keepalive;
mod oauth;
mod page;
mod request;
mod rpc;
mod sse;
pub mod tokens;
mod uploads;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use hyper_util::server::graceful::GracefulShutdown;
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::normalize_path::NormalizePath;
use tower_http::timeout::RequestBodyTimeoutLayer;

use super::{LINGER_AFTER_SIGNAL, no_receivers, resume, signal};
use crate::mcp::Server;
use access::{Access, check_caller, check_place, is_private};
use admission::{Admission, LARGEST_BODY, admit, count};
use cancel::{Cancellable, cancellable};
use connection::{SLOWEST, connection};
use connections::Connections;
use sse::Sessions;

/// How long calls may take to respond after the server was asked to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Binds the port. Without a token or identity provider, refuses an address that other machines can reach.
pub async fn bind(address: SocketAddr, access: &Access) -> io::Result<TcpListener> {
    if access.is_open() {
        let way_out = "set MINIMAX_MCP_TOKEN (16 characters or more), MINIMAX_MCP_TOKEN_FILE or MINIMAX_MCP_OAUTH_ISSUER";
        let danger = access.danger();
        let denied = |text: String| Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        if !is_private(address.ip()) {
            return denied(format!(
                "other machines can reach {address}, and {danger}: {way_out}, or listen on 127.0.0.1"
            ));
        }
        if let Some(name) = access.name_elsewhere() {
            return denied(format!(
                "MINIMAX_MCP_PUBLIC_URL or MINIMAX_MCP_HOSTS has {name}, so other machines can reach this server, and \
                 {danger}: {way_out}"
            ));
        }
        tracing::warn!("no token is set: on this machine, {danger}; set MINIMAX_MCP_TOKEN");
    }
    if access.is_nameless() && !is_private(address.ip()) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "tokens of MINIMAX_MCP_OAUTH_ISSUER must be issued for this server, and its public name is not known: set \
             MINIMAX_MCP_PUBLIC_URL or MINIMAX_MCP_OAUTH_AUDIENCE",
        ));
    }
    TcpListener::bind(address).await
}

/// Serves until a signal arrives.
pub async fn serve(server: Server, listener: TcpListener, access: Access, options: Options) {
    serve_until(at_signal(), server, listener, access, options).await;
}

/// Is cancelled when the process receives a signal to stop.
pub fn at_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let signalled = stop.clone();
    TaskTracker::new().spawn(async move {
        signal().await;
        signalled.cancel();
    });
    stop
}

/// Optional endpoints in addition to `/mcp`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// The transport of 2024-11-05, at `/sse` and `/messages`.
    pub sse: bool,
    /// Further pages, which do their own access checks.
    pub pages: Option<Pages>,
}

/// Makes the routes of pages.
pub type Pages = fn(Server, Arc<Access>) -> Router;

/// Serves until `stop` is cancelled.
pub async fn serve_until(
    stop: CancellationToken,
    server: Server,
    listener: TcpListener,
    access: Access,
    options: Options,
) {
    serve_around(std::convert::identity, stop, server, listener, access, options).await;
}

/// Serves until `stop` is cancelled, with a handler at `/mcp` that wraps the server's. It may add its own tools.
pub async fn serve_around<H: ServerHandler + Clone>(
    handler: impl FnOnce(Server) -> H,
    stop: CancellationToken,
    server: Server,
    listener: TcpListener,
    access: Access,
    options: Options,
) {
    let tracker = TaskTracker::new();
    // The access layer identifies each caller. A call that it did not identify gets no tools.
    let server = server.for_authenticated_callers();
    let access = match listener.local_addr() {
        Ok(address) => access.at(address),
        Err(_) => access,
    };
    tracker.spawn(tidy(server.clone(), stop.clone()));
    // A separate token from `stop`, so that calls in flight still get a response when the server stops.
    let late = CancellationToken::new();
    let sessions =
        options.sse.then(|| Sessions::new(server.clone(), stop.clone(), late.clone(), tracker.clone()));
    let access = Arc::new(access);
    let tokens = Arc::clone(&access);
    let own = Box::new(move |principal: &str| tokens.receiver(principal));
    tracker.spawn(resume(server.clone(), stop.clone(), own, false));
    let pages = options.pages.map(|pages| pages(server.clone(), Arc::clone(&access))).unwrap_or_default();
    let app = app(&server, handler(server.stateless()), access, sessions, pages, &late);
    serve_app(app, stop, server, listener, tracker, late).await;
}

/// Serves only pages until `stop` is cancelled, without MCP and its routes.
pub async fn serve_pages(
    stop: CancellationToken,
    server: Server,
    listener: TcpListener,
    access: Access,
    pages: Router,
) {
    let tracker = TaskTracker::new();
    tracker.spawn(resume(server.clone(), stop.clone(), no_receivers(), true));
    let app = guarded(
        pages.fallback(async || (StatusCode::NOT_FOUND, "There is no such page.\n")),
        Arc::new(access),
    );
    serve_app(app, stop, server, listener, tracker, CancellationToken::new()).await;
}

async fn serve_app(
    app: Router,
    stop: CancellationToken,
    server: Server,
    listener: TcpListener,
    tracker: TaskTracker,
    late: CancellationToken,
) {
    accept(listener, app, &stop, &tracker).await;
    // Waiting calls return the state of their job now. The next process resumes the jobs.
    server.client_gone();
    tracker.close();
    let _ = tokio::time::timeout(GRACE, tracker.wait()).await;
    late.cancel();
    server.jobs().shut_down(LINGER_AFTER_SIGNAL).await;
}

/// How often expired uploads are removed.
const TIDYING: Duration = Duration::from_mins(10);

/// Removes expired uploads at the start and then regularly.
async fn tidy(server: Server, stop: CancellationToken) {
    let tidying = async {
        loop {
            server.uploads().sweep().await;
            tokio::time::sleep(TIDYING).await;
        }
    };
    stop.run_until_cancelled(tidying).await;
}

/// Builds all routes. Access is checked before anything else. A path may end with a slash.
fn app<H: ServerHandler + Clone>(
    server: &Server,
    handler: H,
    access: Arc<Access>,
    sessions: Option<Sessions>,
    pages: Router,
    late: &CancellationToken,
) -> Router {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        // `check_place` checks hosts and origins for all routes.
        .disable_allowed_hosts()
        .with_max_request_body_bytes(LARGEST_BODY)
        .with_cancellation_token(late.child_token());
    let admission = Admission::default();
    let admitted = from_fn_with_state(admission.clone(), admit);
    let chosen = from_fn_with_state(server.clone(), choose::choose);
    let sse = sessions.map(|sessions| {
        let messages = post(sse::post).layer(admitted.clone());
        let stream = get(sse::open).layer(chosen.clone());
        Router::new().route("/sse", stream).route("/messages", messages).with_state(sessions)
    });
    let known = at_mcp(handler, config)
        .layer(from_fn(accept::negotiate))
        .layer(from_fn(apps::sessions))
        .layer(chosen)
        .layer(from_fn_with_state(Cancellable::default(), cancellable))
        .layer(from_fn_with_state(admission.clone(), batch::unpack))
        .layer(admitted)
        .merge(sse.unwrap_or_default())
        .merge(uploads::routes(server))
        .merge(Router::new().route("/metrics", get(metrics)).with_state(server.clone()))
        .layer(from_fn_with_state(admission, count))
        .layer(from_fn_with_state(Arc::clone(&access), check_caller));
    let open = Router::new()
        .route("/files/{job}/{name}", get(files::file))
        .route("/files/{job}", get(files::unknown))
        .route("/files", get(files::unknown))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(server.clone());
    let about = Router::new()
        .route(access::METADATA, get(access::metadata))
        .route(&format!("{}/mcp", access::METADATA), get(access::metadata))
        .with_state(Arc::clone(&access));
    let home = Router::new()
        .route("/", get(page::page).fallback(async || (StatusCode::METHOD_NOT_ALLOWED, "MCP is at /mcp.\n")))
        .with_state((server.clone(), Arc::clone(&access)));
    let all = known
        .merge(open)
        .merge(about)
        .merge(home)
        .merge(pages)
        .fallback(async || (StatusCode::NOT_FOUND, "MCP is at /mcp.\n"));
    guarded(all, access)
}

/// Adds the middleware that all requests pass through.
fn guarded(routes: Router, access: Arc<Access>) -> Router {
    let all = routes
        .layer(from_fn_with_state(Arc::clone(&access), check_place))
        .layer(from_fn(rpc::in_format))
        .layer(from_fn_with_state(access, cors::cors))
        .layer(RequestBodyTimeoutLayer::new(SLOWEST))
        .layer(from_fn(request::identify));
    // Routes are matched before their layers run, so the path is changed around the router.
    Router::new().fallback_service(NormalizePath::trim_trailing_slash(all))
}

/// `GET /metrics`: metrics over all callers. Needs a token if the server has any.
async fn metrics(axum::extract::State(server): axum::extract::State<Server>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], server.metrics().await)
}

/// The MCP service at `/mcp`.
fn at_mcp<H: ServerHandler + Clone>(each: H, config: StreamableHttpServerConfig) -> Router {
    let sessions = Arc::new(NeverSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(each.clone()), sessions, config);
    Router::new().route_service("/mcp", service)
}

/// `GET /readyz`: whether the settings are right and a paid call could be recorded, which every paid call needs. Anyone may
/// call it, so the details are only in the log.
async fn ready(axum::extract::State(server): axum::extract::State<Server>) -> (StatusCode, String) {
    let unready =
        |why| (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}; see the server's log\n"));
    if let Some(problem) = server.problem() {
        tracing::error!(%problem, "not ready: every call is refused until this setting is fixed");
        return unready("a setting is wrong");
    }
    match server.jobs().check().await {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(why) => unready(why),
    }
}

async fn accept(listener: TcpListener, app: Router, stop: &CancellationToken, tracker: &TaskTracker) {
    let (connections, graceful) = (Connections::default(), GracefulShutdown::new());
    loop {
        let Some(next) = stop.run_until_cancelled(listener.accept()).await else { break };
        let (stream, peer) = match next {
            Ok((stream, peer)) => (stream, peer.ip()),
            Err(error) => {
                // The process may be out of file handles, for example. Other connections will close soon.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Some(Some(place)) = stop.run_until_cancelled(connections.place(peer)).await else { break };
        let _ = stream.set_nodelay(true);
        let connection = graceful.watch(connection(stream, app.clone(), Some(place.clone())));
        tracker.spawn(async move {
            tokio::select! {
                _ = connection => {}
                () = place.given_up() => {}
            }
        });
    }
    drop(listener);
    tracker.spawn(async move {
        let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
    });
}
