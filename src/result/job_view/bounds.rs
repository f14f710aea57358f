//! Keeps results below 64 KiB, because clients cut off longer results.

use super::{FileView, JobView};
use crate::telemetry;

/// The most characters of a name.
const NAME: usize = 256;
/// The most bytes of the files. Each file appears in the structured content, in the lines and as a link.
const FILES: usize = 16 * 1024;
/// The most bytes of a text, by the bytes of the files beside it. The text appears in the structured content and in the
/// lines.
const TEXT: [(usize, usize); 3] = [(0, 25 * 1024), (4 * 1024, 17 * 1024), (FILES, 3 * 1024)];
const USAGE: usize = 2 * 1024;
const WARNINGS: usize = 8;
const SENTENCE: usize = 400;

impl JobView {
    /// Cuts parts that are too long, with a warning.
    #[must_use]
    pub(crate) fn bounded(mut self) -> Self {
        self.model = self.model.map(|model| telemetry::display(&model, NAME));
        if let Some(error) = &mut self.error {
            shorten(&mut error.message, 3 * SENTENCE);
        }
        for warning in &mut self.warnings {
            shorten(warning, SENTENCE);
        }
        let unsaid = self.warnings.len().saturating_sub(WARNINGS);
        if unsaid > 0 {
            self.warnings.truncate(WARNINGS);
            self.warnings.push(format!("{unsaid} more notes were left out"));
        }
        if self.usage.as_ref().is_some_and(|usage| usage.to_string().len() > USAGE) {
            self.usage = None;
            self.warnings.push("MiniMax's usage was left out because it is too long".to_owned());
        }
        let all = self.files.len();
        let mut bytes = 0_usize;
        self.files.retain(|file| {
            bytes = bytes.saturating_add(size(file));
            bytes <= FILES
        });
        let of_files: usize = self.files.iter().map(size).sum();
        let most = TEXT.iter().find(|(files, _)| of_files <= *files).map_or(0, |(_, most)| *most);
        if let Some(text) = &mut self.text {
            let length = text.chars().count();
            if shorten(text, most) {
                let rest = if all == 0 { "" } else { "; the file has all of it" };
                self.warnings.push(format!("the text is cut: it has {length} characters{rest}"));
            }
        }
        if self.files.len() < all {
            let more = all.saturating_sub(self.files.len());
            self.warnings.push(format!("{more} more files were left out; resources/list has their URIs"));
        }
        self
    }
}

/// The bytes of a file's structured content, most of which its lines and its link repeat.
fn size(file: &FileView) -> usize {
    serde_json::to_string(file).map_or(0, |file| file.len())
}

/// Cuts a text to `most` bytes of JSON. Returns whether it was longer.
pub(super) fn shorten(text: &mut String, most: usize) -> bool {
    let mut bytes = 0_usize;
    let cut = text.char_indices().find(|(_, letter)| {
        bytes = bytes.saturating_add(match letter {
            '"' | '\\' | '\n' | '\r' | '\t' => 2,
            letter if letter.is_control() => 6,
            letter => letter.len_utf8(),
        });
        bytes > most
    });
    let Some((end, _)) = cut else { return false };
    text.truncate(end);
    text.push('…');
    true
}

#[cfg(test)]
pub(super) mod tests {
    use rmcp::handler::server::tool::IntoCallToolResult as _;
    use rmcp::model::CallToolResponse;
    use serde_json::json;

    use super::*;

    fn sent(view: JobView) -> String {
        match view.bounded().into_call_tool_result() {
            Ok(CallToolResponse::Complete(result)) => serde_json::to_string(&result).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// A job that exceeds every bound of a result.
    pub(in super::super) fn large(text: &str) -> JobView {
        let file = || FileView {
            uri: format!("minimax://files/job/{}", "n".repeat(200)),
            url: Some(format!("https://example.com/{}", "u".repeat(2000))),
            url_expires_at: None,
            path: Some("/p".repeat(1000)),
            download_url: None,
            mime_type: "image/png".to_owned(),
            bytes: None,
            sha256: None,
            width: None,
            height: None,
            duration_ms: None,
        };
        JobView {
            model: Some("m\u{202e}".repeat(1_000_000)),
            text: Some(text.repeat(1_000_000)),
            usage: Some(json!({ "x": "y".repeat(100_000) })),
            warnings: vec![text.repeat(10_000); 100],
            files: (0..100).map(|_| file()).collect(),
            next: "Next.".to_owned(),
            ..JobView::default()
        }
    }

    #[test]
    fn the_view_of_any_job_is_below_64_kib() {
        for text in ["x", "你", "\"\n"] {
            let view = large(text);
            let whole = sent(view);
            assert!(whole.len() < 64 * 1024, "{}", whole.len());
            for part in ["the text is cut", "more notes", "more files", "too long"] {
                assert!(whole.contains(part), "{part}");
            }
            let alone = JobView { text: Some(text.repeat(1_000_000)), ..JobView::default() };
            let length = sent(alone).len();
            assert!((44 * 1024..64 * 1024).contains(&length), "{length}");
        }
    }

    #[test]
    fn a_short_text_stays_unchanged() {
        let view =
            JobView { text: Some("short".to_owned()), model: Some("image-01".into()), ..JobView::default() };
        let view = view.bounded();
        assert_eq!((view.text.as_deref(), view.model.as_deref()), (Some("short"), Some("image-01")));
        assert!(view.warnings.is_empty());
    }
}
