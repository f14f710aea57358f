//! Checks every request to the gallery: its origin, its session, and the token of a form. Adds the security headers to
//! every response.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use url::Url;

use super::form::Form;
use super::language::{Language, cookie};
use super::login;
use super::session::Login;
use super::shared::Gallery;
use super::visitor::Visitor;

/// The longest form, in bytes.
const LONGEST_FORM: usize = 1024 * 1024;

/// The content security policy: no inline scripts or styles, and nothing from other servers.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// Middleware: adds the headers of a page, unless the response has its own.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        // With `no-referrer` a browser would send the forms of these pages without their origin.
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(value);
    }
    headers.append(header::VARY, HeaderValue::from_static("Cookie, Accept-Language"));
    response
}

/// Middleware: refuses requests from pages of other origins. The server's own check accepts pages of this machine and of
/// MINIMAX_MCP_ORIGINS, because they need a token. Here a browser would add the cookie to their requests.
pub(super) async fn place(State(gallery): State<Gallery>, request: Request, next: Next) -> Response {
    if is_own(request.method(), request.headers(), gallery.0.access.base()) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "The gallery accepts requests only from its own pages.\n").into_response()
    }
}

fn is_own(method: &Method, headers: &HeaderMap, base: &str) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // The browser reports whether another site makes the request, and whether a person followed a link.
    let site = text(HeaderName::from_static("sec-fetch-site")).unwrap_or("none");
    let is_visit = text(HeaderName::from_static("sec-fetch-mode")) == Some("navigate")
        && (method == Method::GET || method == Method::HEAD);
    if !is_visit && !matches!(site, "none" | "same-origin") {
        return false;
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        // Browsers always send the origin of a form.
        return method == Method::GET || method == Method::HEAD;
    };
    let Some(origin) = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok()) else { return false };
    let is_base = Url::parse(base).is_ok_and(|base| base.origin() == origin.origin());
    let host = text(header::HOST).and_then(|host| Url::parse(&format!("{}://{host}", origin.scheme())).ok());
    is_base || host.is_some_and(|host| host.origin() == origin.origin())
}

/// Middleware for pages: finds the visitor. A form must have the token of the visitor's session.
pub(super) async fn enter(State(gallery): State<Gallery>, mut request: Request, next: Next) -> Response {
    let language = Language::of(request.headers());
    let key = cookie(request.headers(), &gallery.0.cookie);
    let found = key.and_then(|key| Some((gallery.0.sessions.find(&key)?, key)));
    let is_new = found.is_none();
    let found = match found {
        None if gallery.is_open() && request.method() == Method::GET => {
            let key = gallery.0.sessions.begin(Login::Token(HeaderMap::new()));
            key.and_then(|key| Some((gallery.0.sessions.find(&key)?, key)))
        }
        found => found,
    };
    let Some((session, key)) = found else { return login::refused(&gallery, language, request.headers()) };
    let Some(server) = gallery.server_of(&session.login).await else {
        gallery.0.sessions.end(&key);
        return login::refused(&gallery, language, request.headers());
    };
    if request.method() == Method::POST {
        let body = std::mem::replace(request.body_mut(), Body::empty());
        let Ok(body) = to_bytes(body, LONGEST_FORM).await else {
            return (StatusCode::PAYLOAD_TOO_LARGE, "The form is too long: at most 1 MiB.\n").into_response();
        };
        let form = Form::read(&body);
        if !session.has_made(form.get("form_token").unwrap_or_default()) {
            let text = "This form does not belong to your session. Open the page again.\n";
            return (StatusCode::FORBIDDEN, text).into_response();
        }
        request.extensions_mut().insert(form);
    }
    let cookie = is_new.then(|| login::cookie_of(&gallery, &key));
    request.extensions_mut().insert(Visitor { gallery, server, session, key, language });
    let mut response = next.run(request).await;
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(method: &Method, headers: &[(&'static str, &str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        is_own(method, &headers.collect(), "https://media.example.com/mm")
    }

    #[test]
    fn only_the_gallery_s_own_pages_may_send_forms() {
        let host = ("host", "127.0.0.1:8765");
        for (origin, is) in [
            ("http://127.0.0.1:8765", true),
            ("https://media.example.com", true),
            ("http://127.0.0.1:3000", false),
            ("http://localhost:8765", false),
            ("http://media.example.com", false),
            ("https://evil.example", false),
            ("null", false),
        ] {
            assert_eq!(own(&Method::POST, &[host, ("origin", origin)]), is, "{origin}");
        }
        assert!(!own(&Method::POST, &[host]), "a form without its origin");
        assert!(own(&Method::GET, &[host]));
        let fetched =
            |site, mode| own(&Method::GET, &[host, ("sec-fetch-site", site), ("sec-fetch-mode", mode)]);
        assert!(fetched("cross-site", "navigate") && fetched("same-origin", "cors"));
        assert!(!fetched("cross-site", "no-cors") && !fetched("same-site", "no-cors"));
        let posted = [host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert!(!own(&Method::POST, &posted));
    }
}
