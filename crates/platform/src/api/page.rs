//! HTML and XML where JSON was expected: error pages of proxies, and login pages. An error quotes the page's title or its
//! first words, without the markup.

use std::borrow::Cow;

use super::Client;
use crate::response::envelope::plain_body;
use crate::telemetry;

/// How many characters of a text without a known format an error repeats.
const BEGINNING: usize = 300;

/// How many characters of a page an error repeats.
const SHOWN: usize = 120;

/// Elements whose content is not text.
const HIDDEN: &[&str] = &["script", "style", "template"];

/// The entities that occur in titles and messages.
const ENTITIES: &[(&str, &str)] = &[
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&#39;", "'"),
    ("&apos;", "'"),
    ("&nbsp;", " "),
    ("&#124;", "|"),
    // Last, so that `&amp;lt;` becomes `&lt;` and not `<`.
    ("&amp;", "&"),
];

impl Client {
    /// The beginning of a body in an unknown format, or a description of a page.
    pub(super) fn describe_body(&self, body: &[u8]) -> String {
        let text = self.keys.hidden_in(&plain_body(body));
        let description = described(&text).unwrap_or(text);
        telemetry::display(&description, BEGINNING)
    }

    /// Why a body is not the JSON that was expected.
    pub(super) fn not_json(&self, body: &[u8], problem: &str) -> String {
        let text = self.keys.hidden_in(&plain_body(body));
        match described(&text) {
            Some(page) => format!("it is {}", telemetry::display(&page, BEGINNING)),
            None => format!("{problem}; it begins with: {}", telemetry::display(&text, BEGINNING)),
        }
    }
}

/// Describes a page by its title or its first words. `None` if the text is not a page.
pub(super) fn described(text: &str) -> Option<String> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let starts = text.strip_prefix('<')?;
    if !starts.starts_with(|first: char| first.is_ascii_alphabetic() || "!?".contains(first)) {
        return None;
    }
    // ASCII letters keep their length, so positions in one text are positions in the other.
    let lower = text.to_ascii_lowercase();
    let is_html =
        ["<!doctype html", "<html", "<head", "<body", "<title", "<h1"].iter().any(|tag| lower.contains(tag));
    let kind = if is_html { "an HTML page" } else { "an XML document" };
    let words = title(text, &lower).filter(|title| !title.is_empty()).unwrap_or_else(|| words(text, &lower));
    if words.is_empty() {
        return Some(format!("{kind} without text"));
    }
    let mut letters = words.chars();
    let shown: String = letters.by_ref().take(SHOWN).collect();
    let cut = if letters.next().is_some() { "…" } else { "" };
    Some(format!("{kind}, \"{}{cut}\"", shown.replace('"', "'")))
}

fn title(text: &str, lower: &str) -> Option<String> {
    let tag = lower.find("<title")?;
    let start = tag.checked_add(lower.get(tag..)?.find('>')?)?.checked_add(1)?;
    let end = start.checked_add(lower.get(start..)?.find("</title")?)?;
    Some(tidy(text.get(start..end)?))
}

/// The text between the tags.
fn words(text: &str, lower: &str) -> String {
    let (mut words, mut at) = (String::new(), 0_usize);
    while let Some(open) = find(lower, at, "<") {
        words.push_str(text.get(at..open).unwrap_or_default());
        words.push(' ');
        let inside = lower.get(open.saturating_add(1)..).unwrap_or_default();
        let hidden = HIDDEN.iter().find(|name| inside.starts_with(**name));
        let end = match hidden {
            _ if inside.starts_with("!--") => "-->".to_owned(),
            Some(name) => format!("</{name}>"),
            None => ">".to_owned(),
        };
        match find(lower, open, &end) {
            Some(closing) => at = closing.saturating_add(end.len()),
            // The page was cut inside a tag.
            None => return tidy(&words),
        }
    }
    words.push_str(text.get(at..).unwrap_or_default());
    tidy(&words)
}

fn find(text: &str, from: usize, what: &str) -> Option<usize> {
    text.get(from..)?.find(what)?.checked_add(from)
}

fn tidy(text: &str) -> String {
    let decoded = ENTITIES.iter().fold(Cow::Borrowed(text), |text, (entity, letter)| {
        if text.contains(entity) { Cow::Owned(text.replace(entity, letter)) } else { text }
    });
    decoded.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_described_by_its_title_or_its_words_without_markup() {
        for (text, said) in [
            (
                "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body></html>",
                "an HTML page, \"502 Bad Gateway\"",
            ),
            (
                "\u{feff}\n<!DOCTYPE html><TITLE lang=en>\n Log in &amp; go </TITLE>",
                "an HTML page, \"Log in & go\"",
            ),
            (
                "<html><head><title></title><style>p { color: red }</style></head><body><script>if (a<b) { x() }</script>\
                 <!-- <b>hidden</b> --><p>Please <b>sign</b> in</p></body></html>",
                "an HTML page, \"Please sign in\"",
            ),
            (
                "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Say \"no\"</Message></Error>",
                "an XML document, \"AccessDenied Say 'no'\"",
            ),
            ("<html><body></body></html>", "an HTML page without text"),
            ("<html><body><p>cut <script>never ends", "an HTML page, \"cut\""),
            ("<h1>Länger: 你好</h1>", "an HTML page, \"Länger: 你好\""),
        ] {
            assert_eq!(described(text).as_deref(), Some(said), "{text}");
        }
        let long = described(&format!("<p>{}", "wörter ".repeat(10_000))).unwrap();
        assert!(long.ends_with("…\"") && long.chars().count() < SHOWN + 30, "{long}");
        for text in ["", "teapot", "{\"a\":\"<html>\"}", "< 5 requests", "<", "<3"] {
            assert_eq!(described(text), None, "{text}");
        }
    }
}
