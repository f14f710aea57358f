//! Conversations with text models.

use axum::extract::{Extension, Path, RawQuery};
use axum::response::Response;
use maud::html;
use serde_json::Value;

use super::card::time;
use super::form::Form;
use super::list::place;
use super::page::{Place, missing, page as framed, unreadable};
use super::visitor::Visitor;
use super::words::cut;
use crate::jobs::gallery;

/// Conversations on a page.
const PAGE: u32 = 100;

/// The most messages of a conversation that are shown, and the longest text of one in characters.
const MOST_MESSAGES: usize = 500;
const LONGEST: usize = 20_000;

/// `GET /gallery/chats`
pub(super) async fn list(Extension(visitor): Extension<Visitor>, RawQuery(query): RawQuery) -> Response {
    let query = Form::read(query.unwrap_or_default().as_bytes());
    let before = query.get("before").and_then(place);
    let (rows, next) =
        match gallery::conversations(visitor.server.jobs(), visitor.principal(), before, PAGE).await {
            Ok(found) => found,
            Err(error) => return unreadable(&visitor, &error),
        };
    let title = visitor.say("Chats", "对话");
    let content = html! {
        h1 { (title) }
        @if rows.is_empty() {
            p class="empty" { (visitor.say(
                "No conversation is kept. One is kept for 30 days after its last turn.",
                "没有保存的对话。对话在最后一轮之后保存 30 天。",
            )) }
        } @else {
            ul class="rows" {
                @for row in &rows {
                    li {
                        a href=(visitor.to(&format!("/chats/{}", row.id))) { (row.id) }
                        span class="facts" { (row.model) " · " (row.turns) " " (visitor.say("turns", "轮")) " · " (time(row.updated_at)) }
                    }
                }
            }
        }
        @if let Some((at, id)) = next {
            nav class="pages" aria-label=(visitor.say("Pages", "分页")) {
                a rel="next" href=(format!("{}?{}", visitor.to("/chats"), query.with(&[("before", &format!("{at}.{id}"))]))) {
                    (visitor.say("Next page", "下一页"))
                }
            }
        }
    };
    framed(&visitor, Place::Chats, title, &content)
}

/// `GET /gallery/chats/{chat}`
pub(super) async fn page(Extension(visitor): Extension<Visitor>, Path(id): Path<String>) -> Response {
    let found = match visitor.server.jobs().conversation(visitor.principal(), &id).await {
        Ok(Some(found)) => found,
        Ok(None) => return missing(&visitor),
        Err(error) => return unreadable(&visitor, &error),
    };
    let hidden = found.said.messages.len().saturating_sub(MOST_MESSAGES);
    let content = html! {
        h1 class="title" { (found.model) }
        p class="facts" { (found.id) " · " (found.turns) " " (visitor.say("turns", "轮")) }
        @if let Some(system) = &found.said.system {
            (said(visitor.say("System", "系统"), "system", system))
        }
        @if hidden > 0 {
            p class="note" { (hidden) " " (visitor.say("earlier messages are not shown.", "条较早的消息未显示。")) }
        }
        @for message in found.said.messages.iter().skip(hidden) {
            @let role = message.get("role").or_else(|| message.get("type")).and_then(Value::as_str).unwrap_or("");
            @let text = text_of(message);
            @if !text.is_empty() { (said(role, role, &text)) }
        }
    };
    framed(&visitor, Place::Other, &found.model, &content)
}

fn said(name: &str, role: &str, text: &str) -> maud::Markup {
    let is_person = role == "user";
    html! {
        section class=(if is_person { "said person" } else { "said" }) {
            h2 { (cut(name, 40)) }
            pre class="text" { (cut(text, LONGEST)) }
        }
    }
}

/// The texts of a message of any of the four protocols. Images and calls of tools are named.
fn text_of(message: &Value) -> String {
    let mut texts = Vec::new();
    for field in ["content", "summary", "arguments", "output"] {
        if let Some(value) = message.get(field) {
            collect(value, &mut texts);
        }
    }
    if let Some(calls) = message.get("tool_calls").and_then(Value::as_array) {
        texts.extend(calls.iter().filter_map(|call| call.get("function")).map(Value::to_string));
    }
    texts.join("\n")
}

fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) if !text.is_empty() => texts.push(text.clone()),
        Value::Array(parts) => {
            for part in parts {
                collect(part, texts);
            }
        }
        Value::Object(part) => match (part.get("text").or_else(|| part.get("thinking")), part.get("type")) {
            (Some(Value::String(text)), _) => texts.push(text.clone()),
            (_, Some(Value::String(kind))) => texts.push(format!("[{kind}]")),
            _ => {}
        },
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_texts_of_every_protocol_are_found() {
        for (message, text) in [
            (json!({ "role": "user", "content": "hi" }), "hi"),
            (
                json!({ "content": [{ "type": "thinking", "thinking": "hm", "signature": "s" }, { "type": "text", "text": "yes" }] }),
                "hm\nyes",
            ),
            (json!({ "content": [{ "type": "image_url", "image_url": { "url": "data:" } }] }), "[image_url]"),
            (json!({ "content": null, "tool_calls": [{ "function": { "name": "f" } }] }), r#"{"name":"f"}"#),
            (json!({ "type": "function_call_output", "output": "42" }), "42"),
            (json!({}), ""),
        ] {
            assert_eq!(text_of(&message), text, "{message}");
        }
    }
}
