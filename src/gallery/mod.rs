//! The gallery: pages in a browser with all results and their costs.
//!
//! The pages are plain HTML that the server writes. A small library, htmx, refreshes running jobs. The pages load nothing
//! from other servers, and have no scripts of their own. Access is checked as at `/mcp`: a page belongs to a session, and a
//! session to a token. Purchases go through the tools, like the calls of an MCP client.

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
mod shared;
mod shown;
mod subtitles;
mod visitor;
mod words;
mod zip;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Redirect;
use axum::routing::{get, post};

use crate::config::HttpSettings;
use crate::mcp::Server;
use crate::serve::http::access::Access;
use session::Login;
use shared::{Gallery, PATH};

/// The gallery of a server over HTTP, for its callers.
pub fn pages(server: Server, access: Arc<Access>) -> Router {
    let gallery = Gallery::new(server, access, false);
    let link = Router::new().route("/gallery/link", post(login::link)).with_state(gallery.clone());
    routes(&gallery).merge(link.layer(from_fn(guard::headers)))
}

/// The gallery for the person at this machine, and the address that opens it once.
pub fn for_owner(server: Server, base: &str) -> (Router, String) {
    let settings = HttpSettings { public_url: Some(base.to_owned()), ..HttpSettings::default() };
    let gallery = Gallery::new(server, Arc::new(Access::new(&settings)), true);
    let link = gallery.link(Login::Owner).unwrap_or_default();
    // People remember only the host, so its root leads to the gallery.
    let start = get(async || Redirect::to(PATH));
    (routes(&gallery).route("/", start), link)
}

fn routes(gallery: &Gallery) -> Router {
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
        .layer(from_fn_with_state(gallery.clone(), guard::enter))
        .with_state(gallery.clone());
    let open = Router::new()
        .route("/gallery/open", get(login::open))
        .route("/gallery/login", post(login::login))
        .route("/gallery/language/{language}", get(login::language))
        .route("/gallery/assets/{name}", get(assets::asset))
        .with_state(gallery.clone());
    known.merge(open).layer(from_fn(guard::headers)).layer(from_fn_with_state(gallery.clone(), guard::place))
}
