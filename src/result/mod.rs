//! What a call returns: this part puts the texts of results together, and has the view of a job.
//!
//! A result has up to two texts. The first is the content alone: an answer, a transcript, lyrics, the rows of a list.
//! The second has the facts about it, each only once. The result also has a link for each file, and the structured
//! content, which is complete by itself, because some clients show a model nothing else. Links that MiniMax signed are
//! only in the structured content.

pub mod job_view;

use std::path::Path;

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, Resource};
use serde::Serialize;
use serde_json::{Value, json};
use url::Url;

use crate::telemetry::display;

/// Precedes a warning in the facts.
const NOTE: &str = "Note: ";

/// The most characters of a fact in the first line.
const LONGEST_FACT: usize = 1_000;

/// The texts and the links of a result.
#[derive(Debug, Default)]
pub(crate) struct Report {
    content: Vec<String>,
    /// The first line. An item is left out if another line has its value.
    head: Vec<Item>,
    lines: Vec<String>,
    next: String,
    links: Vec<Resource>,
    failed: bool,
}

/// A short fact.
#[derive(Debug)]
struct Item {
    value: String,
    words: String,
}

impl Report {
    /// Adds to the content.
    #[must_use]
    pub(crate) fn content(mut self, text: impl IntoIterator<Item = String>) -> Self {
        self.content.extend(text.into_iter().filter(|text| !text.is_empty()));
        self
    }

    /// Adds words to the first line of the facts.
    #[must_use]
    pub(crate) fn head(self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        words.into_iter().fold(self, |report, words| {
            let words: String = words.into();
            report.item(String::new(), &words)
        })
    }

    /// Adds a fact to the first line, unless another line has it.
    #[must_use]
    pub(crate) fn fact(self, name: &str, value: Option<&str>) -> Self {
        let Some(value) = value.filter(|value| !value.is_empty()) else { return self };
        let words = if name.is_empty() { value.to_owned() } else { format!("{name} {value}") };
        self.item(value.to_owned(), &words)
    }

    fn item(mut self, value: String, words: &str) -> Self {
        // A fact may be a name that a caller or MiniMax chose.
        let words = display(words, LONGEST_FACT);
        self.head.push(Item { value, words });
        self
    }

    /// Adds lines to the facts.
    #[must_use]
    pub(crate) fn lines(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.lines.extend(lines.into_iter().filter(|line| !line.is_empty()));
        self
    }

    /// Adds a file: its lines, and a link to it.
    #[must_use]
    pub(crate) fn file(mut self, lines: impl IntoIterator<Item = String>, link: Option<Resource>) -> Self {
        self.links.extend(link);
        self.lines(lines)
    }

    /// Adds the price.
    #[must_use]
    pub(crate) fn cost(self, line: Option<String>) -> Self {
        self.lines(line)
    }

    /// Adds warnings.
    #[must_use]
    pub(crate) fn notes(self, warnings: &[String]) -> Self {
        self.lines(warnings.iter().map(|warning| format!("{NOTE}{warning}")))
    }

    /// Sets what to do now, which is the last line.
    #[must_use]
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = next.into();
        self
    }

    /// Marks the result as an error.
    #[must_use]
    pub(crate) fn failed(mut self, failed: bool) -> Self {
        self.failed = failed;
        self
    }

    /// The content and the facts.
    pub(crate) fn texts(&self) -> (String, String) {
        let said = |item: &&Item| {
            let is_said = |line: &String| says(line, &item.value);
            item.value.is_empty() || !self.lines.iter().chain([&self.next]).any(is_said)
        };
        let head: Vec<_> = self.head.iter().filter(said).map(|item| item.words.as_str()).collect();
        let head = head.join(" · ");
        let lines = [head.as_str()].into_iter().chain(self.lines.iter().map(String::as_str));
        let lines = lines.chain([self.next.as_str()]).filter(|line| !line.is_empty());
        (self.content.join("\n"), lines.collect::<Vec<_>>().join("\n"))
    }

    /// The result without structured content.
    pub(crate) fn plain(self) -> CallToolResult {
        let (content, facts) = self.texts();
        let texts = [content, facts].into_iter().filter(|text| !text.is_empty()).map(ContentBlock::text);
        let blocks = texts.chain(self.links.into_iter().map(ContentBlock::resource_link)).collect();
        if self.failed { CallToolResult::error(blocks) } else { CallToolResult::success(blocks) }
    }

    /// The result, with `view` as its structured content.
    pub(crate) fn result(self, view: &impl Serialize) -> Result<CallToolResult, ErrorData> {
        let structured =
            serde_json::to_value(view).map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        let mut result = self.plain();
        result.structured_content = Some(structured);
        Ok(result)
    }
}

/// Whether a line has a value as a whole word. A value within an address or a path does not count, because it does not
/// tell the reader what it is.
fn says(line: &str, value: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_');
    line.match_indices(value).any(|(start, found)| {
        let before = line.get(..start).and_then(|before| before.chars().next_back());
        let mut after = line.get(start + found.len()..).unwrap_or_default().chars();
        let ends = match after.next() {
            // A full stop ends a word, but not the point in a number or a file name.
            Some('.') => !after.next().is_some_and(is_part),
            letter => !letter.is_some_and(is_part),
        };
        !before.is_some_and(|letter| is_part(letter) || letter == '/') && ends
    })
}

/// A link to a file on this machine.
pub(crate) fn local_link(path: &str, mime_type: &str, bytes: Option<u64>) -> Option<Resource> {
    let path = Path::new(path);
    let (uri, name) = (Url::from_file_path(path).ok()?, path.file_name()?.to_str()?);
    Some(link(String::from(uri), name, mime_type, bytes))
}

/// A link to a file.
pub(crate) fn link(uri: impl Into<String>, name: &str, mime_type: &str, bytes: Option<u64>) -> Resource {
    let link = Resource::new(uri, name).with_mime_type(mime_type);
    match bytes {
        Some(bytes) => link.with_size(bytes),
        None => link,
    }
}

/// Adds a note to the facts of a result, and to a field of it if its schema has a fitting one.
pub(crate) fn add_note(schema: Option<&JsonObject>, result: &mut CallToolResult, note: &str) {
    let note_line = format!("{NOTE}{note}");
    let facts = result.content.iter_mut().rev().find_map(|block| match block {
        ContentBlock::Text(text) => Some(&mut text.text),
        _ => None,
    });
    match facts {
        Some(facts) => {
            facts.push('\n');
            facts.push_str(&note_line);
        }
        None => result.content.push(ContentBlock::text(note_line)),
    }
    let has = |name: &str| {
        schema.is_some_and(|schema| schema.get("properties").is_some_and(|all| all.get(name).is_some()))
    };
    let Some(Value::Object(content)) = &mut result.structured_content else { return };
    if has("warnings") {
        if let Value::Array(warnings) = content.entry("warnings").or_insert_with(|| json!([])) {
            warnings.push(note.into());
        }
    } else if has("next") {
        let next = content.get("next").and_then(Value::as_str).unwrap_or_default();
        let next = format!("Tell the user: {note}. {next}");
        content.insert("next".to_owned(), next.trim().into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_that_another_line_has_is_omitted() {
        let report = Report::default()
            .content(["An answer about video-1.".to_owned()])
            .head(["video", "running"])
            .fact("", Some("image-01"))
            .fact("job_id", Some("video-1"))
            .fact("task_id", Some("77"))
            .lines(["Note: image-01-live was used".to_owned()])
            .next("Call get_job with job_id video-1.");
        let (content, facts) = report.texts();
        assert_eq!(content, "An answer about video-1.");
        assert_eq!(
            facts,
            "video · running · image-01 · task_id 77\nNote: image-01-live was used\n\
             Call get_job with job_id video-1."
        );
    }

    #[test]
    fn a_value_is_found_only_as_a_whole_word() {
        for (line, value, is) in [
            ("image-01-live was used", "image-01", false),
            ("image-01 was used", "image-01", true),
            ("minimax://files/image-x/image-1.jpg", "image-x", false),
            ("minimax://files/image-xy/image-1.jpg", "image-x", false),
            ("it is video-1.", "video-1", true),
            ("/out/video-1.mp4", "video-1", false),
            ("music-3.0", "music-3", false),
            ("你video-1好", "video-1", false),
        ] {
            assert_eq!(says(line, value), is, "{line}: {value}");
        }
    }

    #[test]
    fn a_note_is_added_to_the_facts() {
        let mut result = Report::default().content(["An answer".to_owned()]).next("Done.").plain();
        add_note(None, &mut result, "wait_seconds was cut to 240");
        let texts: Vec<_> =
            result.content.iter().map(|block| block.as_text().unwrap().text.as_str()).collect();
        assert_eq!(texts, ["An answer", "Done.\nNote: wait_seconds was cut to 240"]);
    }
}
