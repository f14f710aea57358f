//! The gallery: pages in a browser with what was made, and what it cost.
//!
//! The pages are plain HTML that the server writes; htmx, a small library beside them, refreshes what is running. They load
//! nothing from elsewhere, and need no script of their own. Who may open them is checked as at `/mcp`: a page belongs to
//! a session, and a session to a token. Purchases go through the tools, like the calls of an MCP client.

mod assets;
mod attempts;
mod call;
mod card;
mod chats;
mod delete;
mod drawing;
mod form;
mod guard;
mod job;
mod language;
mod list;
mod login;
mod make;
mod media;
mod money;
mod page;
mod session;
mod shown;
mod subtitles;
mod thumbnails;
mod words;
mod zip;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Redirect;
use axum::routing::{get, post};

use crate::config::HttpSettings;
use crate::mcp::{Caller, CallerKey, Server};
use crate::serve::http::access::Access;
use attempts::Attempts;
use session::{Login, Sessions};
use thumbnails::Thumbnails;

/// The path of the gallery. All its addresses begin with it.
const PATH: &str = "/gallery";

/// What all pages share. A handle: cloning is cheap.
#[derive(Debug, Clone)]
struct Gallery(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    server: Server,
    access: Arc<Access>,
    sessions: Sessions,
    attempts: Attempts,
    thumbnails: Thumbnails,
    /// The prefix of every link to the gallery.
    prefix: String,
    /// The name of the session's cookie. Cookies do not tell ports apart, so it has the port.
    cookie: String,
    /// Whether the address is `https`, so that cookies must not travel without it.
    is_secure: bool,
    /// Whether the pages are for the person at this machine alone.
    is_for_owner: bool,
}

/// The gallery of a server over HTTP, for its callers.
pub fn pages(server: Server, access: Arc<Access>) -> Router {
    let gallery = Gallery::new(server, access, false);
    let link = Router::new().route("/gallery/link", post(login::link)).with_state(gallery.clone());
    gallery.routes().merge(link.layer(from_fn(guard::headers)))
}

/// The gallery for the person at this machine, and the address that opens it once.
pub fn for_owner(server: Server, base: &str) -> (Router, String) {
    let settings = HttpSettings { public_url: Some(base.to_owned()), ..HttpSettings::default() };
    let gallery = Gallery::new(server, Arc::new(Access::new(&settings)), true);
    let link = gallery.link(Login::Owner).unwrap_or_default();
    // The address alone is what a person remembers.
    let start = get(async || Redirect::to(PATH));
    (gallery.routes().route("/", start), link)
}

impl Gallery {
    fn new(server: Server, access: Arc<Access>, is_for_owner: bool) -> Self {
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

    fn routes(&self) -> Router {
        let known = Router::new()
            .route("/gallery", get(list::page))
            .route("/gallery/newer", get(list::newer))
            .route("/gallery/cards/{job}", get(card::fragment))
            .route("/gallery/jobs/{job}", get(job::page))
            .route("/gallery/media/{job}/{name}", get(media::file))
            .route("/gallery/thumbnails/{job}/{name}", get(media::thumbnail))
            .route("/gallery/subtitles/{job}/{name}", get(media::subtitles))
            .route("/gallery/chats", get(chats::list))
            .route("/gallery/chats/{chat}", get(chats::page))
            .route("/gallery/money", get(money::page))
            .route("/gallery/money/account", get(money::account))
            .route("/gallery/make", get(make::form))
            .route("/gallery/price", post(make::price))
            .route("/gallery/buy", post(make::buy))
            .route("/gallery/change", post(make::change))
            .route("/gallery/delete/{job}", get(delete::question).post(delete::act))
            .route("/gallery/zip", get(zip::download))
            .route("/gallery/logout", post(login::logout))
            .layer(from_fn_with_state(self.clone(), guard::enter))
            .with_state(self.clone());
        let open = Router::new()
            .route("/gallery/open", get(login::open))
            .route("/gallery/login", post(login::login))
            .route("/gallery/language/{language}", get(login::language))
            .route("/gallery/assets/{name}", get(assets::asset))
            .with_state(self.clone());
        known.merge(open).layer(from_fn(guard::headers)).layer(from_fn_with_state(self.clone(), guard::place))
    }

    /// An address that logs its holder in once.
    fn link(&self, login: Login) -> Option<String> {
        let code = self.0.sessions.link(login)?;
        Some(format!("{}/gallery/open?code={code}", self.0.access.base()))
    }

    /// The server as the holder of a login sees it. `None` if the login has ended.
    async fn server_of(&self, login: &Login) -> Option<Server> {
        let Shared { server, access, .. } = &*self.0;
        let mut headers = match login {
            Login::Owner => return Some(server.for_session(Caller::owner(), None)),
            Login::Token(headers) => headers.clone(),
        };
        // The token is read again each time, because it may have been revoked.
        let (caller, key): (_, Option<CallerKey>) =
            access.identify(&axum::http::Uri::from_static(PATH), &mut headers).await.ok()?;
        Some(server.for_session(caller, key.as_ref()))
    }

    /// Whether a page may be opened without a login: the server takes calls without a token.
    fn is_open(&self) -> bool {
        !self.0.is_for_owner && self.0.access.is_open() && !self.0.access.takes_keys()
    }
}
