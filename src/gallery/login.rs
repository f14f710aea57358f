//! Login with a link that opens once, or with a token of the server.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse as _, Response};
use maud::{Markup, html};

use super::attempts;
use super::form::Form;
use super::language::{self, Language};
use super::page;
use super::session::Login;
use super::shared::Gallery;
use super::visitor::Visitor;
use crate::mcp::CallerKey;
use crate::serve::http::connections;

/// The cookie with the key of a session.
pub(super) fn cookie_of(gallery: &Gallery, key: &str) -> String {
    set(gallery, &gallery.0.cookie, key, "HttpOnly; SameSite=Strict")
}

fn set(gallery: &Gallery, name: &str, value: &str, rules: &str) -> String {
    let secure = if gallery.0.is_secure { "; Secure" } else { "" };
    format!("{name}={value}; Path={}; {rules}{secure}", gallery.0.prefix)
}

/// The response to a request without a session: the form to log in, for a page.
pub(super) fn refused(gallery: &Gallery, language: Language, headers: &HeaderMap) -> Response {
    // A refreshed fragment, an image or a player cannot show a form.
    let is_page = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if headers.contains_key("hx-request") || !is_page.is_some_and(|accept| accept.contains("text/html")) {
        return (StatusCode::UNAUTHORIZED, "Log in to the gallery first.\n").into_response();
    }
    (StatusCode::UNAUTHORIZED, form(gallery, language, None)).into_response()
}

fn form(gallery: &Gallery, language: Language, problem: Option<&str>) -> Html<String> {
    let say = |english, chinese| language.say(english, chinese);
    let prefix = &gallery.0.prefix;
    let fields: Markup = if gallery.0.is_for_owner {
        html! {
            p { (say(
                "Open the link that `minimax-mcp gallery` printed. It opens once; run the command again for another.",
                "请打开 minimax-mcp gallery 打印的链接。链接只能打开一次；再次运行该命令可得到新的链接。",
            )) }
        }
    } else {
        html! {
            form method="post" action=(format!("{prefix}/login")) class="stack" {
                @if !gallery.0.access.is_open() {
                    label { (say("Token of this server", "本服务器的令牌"))
                        input type="password" name="token" autocomplete="current-password" required autofocus; }
                }
                @if gallery.0.access.takes_keys() {
                    label { (say("Your MiniMax key", "你的 MiniMax 密钥"))
                        input type="password" name="key" autocomplete="off" required; }
                }
                button type="submit" { (say("Log in", "登录")) }
            }
        }
    };
    let title = say("Log in", "登录");
    let content = html! {
        section class="login" {
            h1 { (title) }
            @if let Some(problem) = problem { p class="problem" role="alert" { (problem) } }
            (fields)
        }
    };
    Html(page::bare(prefix, language, title, &content).into_string())
}

/// `POST /gallery/login`: begins a session with a token of the server.
pub(super) async fn login(
    State(gallery): State<Gallery>,
    place: Option<Extension<connections::Place>>,
    asked: HeaderMap,
    body: Bytes,
) -> Response {
    let language = Language::of(&asked);
    let from = from(&gallery, place, &asked);
    if let Err(wait) = gallery.0.attempts.begin(from) {
        let problem = language.say(
            "Too many wrong tokens from your address. Try again in ten minutes.",
            "来自你的地址的错误令牌过多。请十分钟后再试。",
        );
        let page = form(&gallery, language, Some(problem));
        return (StatusCode::TOO_MANY_REQUESTS, retry_after(wait), page).into_response();
    }
    let sent = Form::read(&body);
    let mut headers = HeaderMap::new();
    let given = [
        (header::AUTHORIZATION, sent.get("token").map(|token| format!("Bearer {}", token.trim()))),
        (CallerKey::HEADER, sent.get("key").map(str::to_owned)),
    ];
    for (name, value) in given {
        if let Some(mut value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
    let login = Login::Token(headers);
    let is_known = !gallery.0.is_for_owner && gallery.server_of(&login).await.is_some();
    if !is_known {
        let problem = language.say("This is not a token of this server.", "这不是本服务器的令牌。");
        return (StatusCode::UNAUTHORIZED, form(&gallery, language, Some(problem))).into_response();
    }
    gallery.0.attempts.succeeded(from);
    begin(&gallery, login, language)
}

/// The address whose attempts count.
fn from(gallery: &Gallery, place: Option<Extension<connections::Place>>, headers: &HeaderMap) -> IpAddr {
    let peer = place.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |place| place.peer());
    attempts::origin(peer, headers, gallery.0.access.has_public_url())
}

fn retry_after(wait: Duration) -> [(HeaderName, String); 1] {
    [(header::RETRY_AFTER, (wait.as_secs() + 1).to_string())]
}

/// `GET /gallery/open?code=…`: a link that logs in once.
pub(super) async fn open(
    State(gallery): State<Gallery>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let language = Language::of(&headers);
    // A link preview or a link checker (HEAD) must not use up the link.
    if method != Method::GET {
        return StatusCode::OK.into_response();
    }
    let query = Form::read(query.unwrap_or_default().as_bytes());
    if let Some(login) = query.get("code").and_then(|code| gallery.0.sessions.open(code)) {
        return begin(&gallery, login, language);
    }
    let problem = language.say(
        "This link was already used, or is older than ten minutes.",
        "这个链接已被打开过，或已超过十分钟。",
    );
    (StatusCode::GONE, form(&gallery, language, Some(problem))).into_response()
}

/// Begins a session. The page forwards the browser, because after an HTTP redirect the browser would not send the cookie if
/// the link was on a page of another site.
fn begin(gallery: &Gallery, login: Login, language: Language) -> Response {
    let Some(key) = gallery.0.sessions.begin(login) else {
        let text = language.say("Too many sessions; try again later.", "会话过多，请稍后再试。");
        return (StatusCode::SERVICE_UNAVAILABLE, form(gallery, language, Some(text))).into_response();
    };
    let prefix = &gallery.0.prefix;
    let title = language.say("Logged in", "已登录");
    let content = html! {
        meta http-equiv="refresh" content=(format!("0; url={prefix}"));
        p { a href=(prefix) { (language.say("Go to the gallery", "进入图库")) } }
    };
    let page = Html(page::bare(prefix, language, title, &content).into_string());
    ([(header::SET_COOKIE, cookie_of(gallery, &key))], page).into_response()
}

/// `POST /gallery/logout`
pub(super) async fn logout(Extension(visitor): Extension<Visitor>) -> Response {
    visitor.gallery.0.sessions.end(&visitor.key);
    let cookie = set(&visitor.gallery, &visitor.gallery.0.cookie, "", "HttpOnly; SameSite=Strict; Max-Age=0");
    ([(header::SET_COOKIE, cookie)], to(&visitor.gallery.0.prefix)).into_response()
}

/// `GET /gallery/language/{language}`: chooses the language.
pub(super) async fn language(State(gallery): State<Gallery>, Path(word): Path<String>) -> Response {
    let Some(language) = Language::named(&word) else { return StatusCode::NOT_FOUND.into_response() };
    let cookie = set(&gallery, language::COOKIE, language.word(), "SameSite=Lax; Max-Age=31536000");
    ([(header::SET_COOKIE, cookie)], to(&gallery.0.prefix)).into_response()
}

/// `POST /gallery/link`, with a token as at `/mcp`: a link that logs its holder in once, without the token.
pub(super) async fn link(
    State(gallery): State<Gallery>,
    place: Option<Extension<connections::Place>>,
    uri: Uri,
    mut headers: HeaderMap,
) -> Response {
    let from = from(&gallery, place, &headers);
    if let Err(wait) = gallery.0.attempts.begin(from) {
        let text = "Too many wrong tokens from this address. Try again in ten minutes.\n";
        return (StatusCode::TOO_MANY_REQUESTS, retry_after(wait), text).into_response();
    }
    let mut login = HeaderMap::new();
    for name in [header::AUTHORIZATION, CallerKey::HEADER] {
        for value in headers.get_all(&name) {
            let mut value = value.clone();
            value.set_sensitive(true);
            login.append(name.clone(), value);
        }
    }
    if let Err(refusal) = gallery.0.access.identify(&uri, &mut headers).await {
        return refusal;
    }
    gallery.0.attempts.succeeded(from);
    match gallery.link(Login::Token(login)) {
        Some(link) => (StatusCode::CREATED, format!("{link}\n")).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "Too many links; try again later.\n").into_response(),
    }
}

/// Redirects a browser after a form.
pub(super) fn to(path: &str) -> Response {
    match HeaderValue::from_str(path) {
        Ok(path) => (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
