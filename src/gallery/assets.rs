//! The style sheet and the library of the pages.

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};

const STYLE: &str = include_str!("assets/gallery.css");
const HTMX: &str = include_str!("assets/htmx.min.js");
const ICON: &str = include_str!("assets/icon.svg");
const HTMX_LICENCE: &str = include_str!("assets/htmx.LICENSE");

/// `GET /gallery/assets/{name}`
pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let (kind, text) = match name.as_str() {
        "gallery.css" => ("text/css; charset=utf-8", STYLE),
        "htmx.min.js" => ("text/javascript; charset=utf-8", HTMX),
        "icon.svg" => ("image/svg+xml", ICON),
        "htmx.LICENSE" => ("text/plain; charset=utf-8", HTMX_LICENCE),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    super::page::tagged(&headers, kind, "public, max-age=3600", text.to_owned())
}
