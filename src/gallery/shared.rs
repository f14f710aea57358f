//! The state that all pages of the gallery share.

use std::sync::Arc;

use super::attempts::Attempts;
use super::session::{Login, Sessions};
use crate::mcp::{Caller, CallerKey, Server};
use crate::serve::http::access::Access;
use crate::stills::thumbnails::Thumbnails;

/// The path of the gallery. All its addresses begin with it.
pub(super) const PATH: &str = "/gallery";

/// The shared state of all pages. A handle: cloning is cheap.
#[derive(Debug, Clone)]
pub(super) struct Gallery(pub(super) Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) server: Server,
    pub(super) access: Arc<Access>,
    pub(super) sessions: Sessions,
    pub(super) attempts: Attempts,
    pub(super) thumbnails: Thumbnails,
    /// The prefix of every link to the gallery.
    pub(super) prefix: String,
    /// The name of the session's cookie. It contains the port, because browsers share cookies between ports.
    pub(super) cookie: String,
    /// Whether the address is `https`, so that cookies are sent only over it.
    pub(super) is_secure: bool,
    /// Whether the pages are only for the person at this machine.
    pub(super) is_for_owner: bool,
}

impl Gallery {
    pub(super) fn new(server: Server, access: Arc<Access>, is_for_owner: bool) -> Self {
        let url = url::Url::parse(access.base()).ok();
        let path = url.as_ref().map_or("", url::Url::path).trim_end_matches('/').to_owned();
        let port = url.as_ref().and_then(url::Url::port_or_known_default).unwrap_or_default();
        let thumbnails = Thumbnails::new(&server.config().data_dir);
        Self(Arc::new(Shared {
            prefix: format!("{path}{PATH}"),
            cookie: format!("minimax_gallery_{port}"),
            is_secure: url.as_ref().is_some_and(|url| url.scheme() == "https"),
            sessions: Sessions::default(),
            attempts: Attempts::default(),
            thumbnails,
            server,
            access,
            is_for_owner,
        }))
    }

    /// An address that logs its holder in once.
    pub(super) fn link(&self, login: Login) -> Option<String> {
        let code = self.0.sessions.link(login)?;
        Some(format!("{}/gallery/open?code={code}", self.0.access.base()))
    }

    /// The server as the holder of a login sees it. `None` if the login has ended.
    pub(super) async fn server_of(&self, login: &Login) -> Option<Server> {
        let Shared { server, access, .. } = &*self.0;
        let mut headers = match login {
            Login::Owner => return Some(server.for_session(Caller::owner(), None)),
            Login::Token(headers) => headers.clone(),
        };
        // The token is checked again for each request, because it may have been revoked.
        let (caller, key): (_, Option<CallerKey>) =
            access.identify(&axum::http::Uri::from_static(PATH), &mut headers).await.ok()?;
        Some(server.for_session(caller, key.as_ref()))
    }

    /// Whether a page may be opened without a login, because the server accepts calls without a token.
    pub(super) fn is_open(&self) -> bool {
        !self.0.is_for_owner && self.0.access.is_open() && !self.0.access.takes_keys()
    }
}
