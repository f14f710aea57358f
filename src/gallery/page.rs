//! The frame of a page.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, html};
use sha2::{Digest as _, Sha256};

use super::language::Language;
use super::visitor::Visitor;

/// The settings of htmx: it evaluates no text, adds no style, and sends requests only to this server.
const HTMX: &str = r#"{"allowEval":false,"allowScriptTags":false,"includeIndicatorStyles":false,"selfRequestsOnly":true,"historyCacheSize":0}"#;

/// A page of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Jobs,
    Chats,
    Money,
    Other,
}

/// A page for a visitor.
pub(super) fn page(visitor: &Visitor, place: Place, title: &str, content: &Markup) -> Response {
    let entry = |to: &str, is: Place, words: &str| {
        html! { a href=(visitor.to(to)) aria-current=[(place == is).then_some("page")] { (words) } }
    };
    let top = html! {
        nav aria-label=(visitor.say("Main", "主导航")) {
            (entry("", Place::Jobs, visitor.say("Jobs", "任务")))
            (entry("/chats", Place::Chats, visitor.say("Chats", "对话")))
            (entry("/money", Place::Money, visitor.say("Money", "费用")))
        }
        (switch(&visitor.gallery.0.prefix, visitor.language))
        form method="post" action=(visitor.to("/logout")) {
            (token(visitor))
            button type="submit" class="plain" { (visitor.say("Log out", "退出")) }
        }
    };
    let whole = frame(&visitor.gallery.0.prefix, visitor.language, title, &top, content);
    Html(whole.into_string()).into_response()
}

/// A page without a visitor.
pub(super) fn bare(prefix: &str, language: Language, title: &str, content: &Markup) -> Markup {
    frame(prefix, language, title, &switch(prefix, language), content)
}

/// A page with an error.
pub(super) fn problem(visitor: &Visitor, status: StatusCode, title: &str, text: &str) -> Response {
    let content = html! {
        h1 { (title) }
        p { (text) }
        p { a href=(visitor.to("")) { (visitor.say("All jobs", "所有任务")) } }
    };
    (status, page(visitor, Place::Other, title, &content)).into_response()
}

/// The page for an address at which the visitor has nothing.
pub(super) fn missing(visitor: &Visitor) -> Response {
    let title = visitor.say("Not found", "未找到");
    let text = visitor.say("You have nothing at this address.", "这个地址下没有你的内容。");
    problem(visitor, StatusCode::NOT_FOUND, title, text)
}

/// The page for records that cannot be read.
pub(super) fn unreadable(visitor: &Visitor, error: &crate::jobs::StoreError) -> Response {
    tracing::warn!(%error, "the gallery could not read the records");
    let title = visitor.say("The records cannot be read", "无法读取记录");
    let text = visitor
        .say("Try again in a moment. The server's log has the reason.", "请稍后再试。服务器日志中有原因。");
    problem(visitor, StatusCode::SERVICE_UNAVAILABLE, title, text)
}

/// The hidden field that proves that a form belongs to this session.
pub(super) fn token(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name="form_token" value=(visitor.session.form_token); }
}

/// The switch to the other language.
fn switch(prefix: &str, language: Language) -> Markup {
    let (other, name) = match language {
        Language::English => (Language::Chinese, "中文"),
        Language::Chinese => (Language::English, "English"),
    };
    let lang = if other == Language::Chinese { "zh-Hans" } else { "en" };
    html! { a class="switch" href=(format!("{prefix}/language/{}", other.word())) lang=(lang) hreflang=(lang) { (name) } }
}

fn frame(prefix: &str, language: Language, title: &str, top: &Markup, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(language.say("en", "zh-Hans")) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="htmx-config" content=(HTMX);
                title { (title) " · minimax-mcp" }
                link rel="stylesheet" href=(format!("{prefix}/assets/gallery.css"));
                link rel="icon" href=(format!("{prefix}/assets/icon.svg"));
                script src=(format!("{prefix}/assets/htmx.min.js")) defer {}
            }
            body {
                a class="skip" href="#content" { (language.say("Skip to the content", "跳到正文")) }
                header { a class="name" href=(prefix) { "minimax-mcp" } (top) }
                main id="content" { (content) }
            }
        }
    }
}

/// A response with an ETag, or without a body if the browser already has the text.
pub(super) fn tagged(asked: &HeaderMap, kind: &'static str, cache: &'static str, text: String) -> Response {
    let digest = Sha256::digest(&text);
    let tag = format!("\"{}\"", data_encoding::HEXLOWER.encode(digest.get(..12).unwrap_or_default()));
    let known = asked.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_known = known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag);
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], text).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}
