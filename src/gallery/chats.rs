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
use crate::api::chat::without_thinking;
use crate::jobs::gallery;

/// Conversations on a page.
const PAGE: u32 = 100;

/// The most messages of a conversation that are shown, and the longest text of one in characters.
const MOST_MESSAGES: usize = 500;
const LONGEST: usize = 20_000;

/// The longest name of a conversation in the list, in characters.
const LONGEST_NAME: usize = 100;

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
                "There are no conversations. Each is kept for 30 days after its last turn.",
                "没有保存的对话。对话在最后一轮之后保存 30 天。",
            )) }
        } @else {
            ul class="rows" {
                @for row in &rows {
                    li {
                        a href=(visitor.to(&format!("/chats/{}", row.id))) { (name_of(&row.first).unwrap_or_else(|| row.id.clone())) }
                        p class="facts" { (row.model) " · " (turns(&visitor, row.turns)) " · " (time(row.updated_at)) " · " (row.id) }
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
        p class="facts" { (found.id) " · " (turns(&visitor, found.turns)) }
        @if let Some(system) = &found.said.system {
            (said(&visitor, "system", &Words { answer: system.clone(), ..Words::default() }))
        }
        @if hidden > 0 {
            p class="note" { (hidden) " " (visitor.say("earlier messages are not shown.", "条较早的消息未显示。")) }
        }
        @for message in found.said.messages.iter().skip(hidden) {
            @let role = message.get("role").or_else(|| message.get("type")).and_then(Value::as_str).unwrap_or("");
            @let words = words_of(message);
            @if words != Words::default() { (said(&visitor, role, &words)) }
        }
    };
    framed(&visitor, Place::Other, &found.model, &content)
}

fn turns(visitor: &Visitor, count: i64) -> String {
    format!("{count} {}", if count == 1 { visitor.say("turn", "轮") } else { visitor.say("turns", "轮") })
}

/// The beginning of the first words of the user.
fn name_of(messages: &[Value]) -> Option<String> {
    let first =
        messages.iter().find(|message| message.get("role").and_then(Value::as_str) == Some("user"))?;
    let words = words_of(first).answer.split_whitespace().collect::<Vec<_>>().join(" ");
    (!words.is_empty()).then(|| cut(&words, LONGEST_NAME))
}

fn said(visitor: &Visitor, role: &str, words: &Words) -> maud::Markup {
    let is_person = role == "user";
    let name = match role {
        "user" => visitor.say("User", "用户"),
        "assistant" => visitor.say("Assistant", "助手"),
        "system" => visitor.say("System", "系统"),
        "tool" | "function_call_output" => visitor.say("Tool", "工具"),
        _ => role,
    };
    html! {
        section class=(if is_person { "said person" } else { "said" }) {
            h2 { (cut(name, 40)) }
            @if !words.thinking.is_empty() {
                details { summary { (visitor.say("Thinking", "思考过程")) } pre class="text" { (cut(&words.thinking, LONGEST)) } }
            }
            @if !words.answer.is_empty() { pre class="text" { (cut(&words.answer, LONGEST)) } }
        }
    }
}

/// The texts of a message, and separately the model's thinking.
#[derive(Debug, Default, PartialEq, Eq)]
struct Words {
    thinking: String,
    answer: String,
}

/// The texts of a message of any of the four protocols. Images and tool calls are mentioned.
fn words_of(message: &Value) -> Words {
    let (mut thinking, mut answer, mut ignored) = (Vec::new(), Vec::new(), Vec::new());
    for field in ["summary", "reasoning_content"] {
        if let Some(value) = message.get(field) {
            collect(value, &mut thinking, &mut ignored);
        }
    }
    for field in ["content", "arguments", "output"] {
        if let Some(value) = message.get(field) {
            collect(value, &mut answer, &mut thinking);
        }
    }
    if let Some(calls) = message.get("tool_calls").and_then(Value::as_array) {
        answer.extend(calls.iter().filter_map(|call| call.get("function")).map(Value::to_string));
    }
    let mut words = Words { thinking: thinking.join("\n"), answer: answer.join("\n") };
    if words.thinking.is_empty() && message.get("role").and_then(Value::as_str) == Some("assistant") {
        (words.thinking, words.answer) = without_thinking(&words.answer);
    }
    words
}

fn collect(value: &Value, texts: &mut Vec<String>, thinking: &mut Vec<String>) {
    match value {
        Value::String(text) if !text.is_empty() => texts.push(text.clone()),
        Value::Array(parts) => {
            for part in parts {
                collect(part, texts, thinking);
            }
        }
        Value::Object(part) => match (part.get("text"), part.get("thinking"), part.get("type")) {
            (Some(Value::String(text)), ..) => texts.push(text.clone()),
            (_, Some(Value::String(text)), _) => thinking.push(text.clone()),
            (_, _, Some(Value::String(kind))) => texts.push(format!("[{kind}]")),
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
        for (message, (thinking, answer)) in [
            (json!({ "role": "user", "content": "hi" }), ("", "hi")),
            (json!({ "role": "user", "content": "<think>hm</think>" }), ("", "<think>hm</think>")),
            (json!({ "role": "assistant", "content": "<think>\nhm\n</think>\nyes" }), ("hm", "yes")),
            (json!({ "role": "assistant", "content": "yes", "reasoning_content": "hm" }), ("hm", "yes")),
            (
                json!({ "type": "reasoning", "summary": [{ "type": "summary_text", "text": "hm" }] }),
                ("hm", ""),
            ),
            (
                json!({ "content": [{ "type": "thinking", "thinking": "hm", "signature": "s" }, { "type": "text", "text": "yes" }] }),
                ("hm", "yes"),
            ),
            (
                json!({ "content": [{ "type": "image_url", "image_url": { "url": "data:" } }] }),
                ("", "[image_url]"),
            ),
            (
                json!({ "content": null, "tool_calls": [{ "function": { "name": "f" } }] }),
                ("", r#"{"name":"f"}"#),
            ),
            (json!({ "type": "function_call_output", "output": "42" }), ("", "42")),
            (json!({}), ("", "")),
        ] {
            let words = Words { thinking: thinking.to_owned(), answer: answer.to_owned() };
            assert_eq!(words_of(&message), words, "{message}");
        }
    }
}
