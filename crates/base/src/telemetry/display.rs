//! Shows text from callers and from MiniMax safely to a person, in questions, progress notes and log lines.
//!
//! Removes characters that change the direction of writing, are invisible or start a new line. They could make a
//! person read something other than what is there.

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};

/// The greatest length of a quoted name, in characters.
const NAME: usize = 64;

/// The greatest number of combining marks on one letter. More of them would cover other lines.
const MARKS: usize = 2;

/// An error of the system in words, without its number.
pub fn in_words(error: &std::io::Error) -> String {
    let text = error.to_string();
    let words = text.split_once(" (os error ").map_or(text.as_str(), |(words, _)| words);
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

/// The text on one line, in plain characters, at most `most` of them. Cut text ends with `…`.
pub fn display(text: &str, most: usize) -> String {
    let mut shown = String::new();
    let (mut count, mut last, mut marks) = (0_usize, 0_usize, 0_usize);
    let mut gap = false;
    for letter in text.chars() {
        if letter.is_whitespace() || letter == '\u{2800}' {
            gap = count > 0;
            continue;
        }
        if !is_plain(letter) {
            continue;
        }
        marks = if is_mark(letter) { marks.saturating_add(1) } else { 0 };
        if marks > MARKS {
            continue;
        }
        for letter in std::mem::take(&mut gap).then_some(' ').into_iter().chain([letter]) {
            if count == most {
                shown.truncate(last);
                shown.push('…');
                return shown;
            }
            last = shown.len();
            shown.push(letter);
            count = count.saturating_add(1);
        }
    }
    shown
}

/// A text of several lines in plain characters, at most `most` of them. Spaces stay, and so do the marks that join letters
/// and emoji, because the text may name a file.
pub fn plain(text: &str, most: usize) -> String {
    let is_shown = |letter: &char| "\n\u{200c}\u{200d}\u{fe0f}".contains(*letter) || is_plain(*letter);
    let mut letters = text.chars().filter(is_shown);
    let mut shown: String = letters.by_ref().take(most).collect();
    if letters.next().is_some() {
        shown.push('…');
    }
    shown
}

/// Whether a text shows nothing: it is empty, or has only spaces and invisible characters.
pub fn is_blank(text: &str) -> bool {
    display(text, 1).is_empty()
}

/// A name that another party chose, shortened, in plain characters, and in quotes, so that it does not read as part of the
/// sentence.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", display(name, NAME).replace('"', "'"))
}

/// Keeps a log line on one line.
pub(super) fn line(text: &str) -> String {
    let (text, end) = text.strip_suffix('\n').map_or((text, ""), |text| (text, "\n"));
    let letter = |letter: char| match letter {
        ' '..='~' => Some(letter),
        letter if letter.is_whitespace() => Some(' '),
        letter => is_plain(letter).then_some(letter),
    };
    text.chars().filter_map(letter).chain(end.chars()).collect()
}

fn is_plain(letter: char) -> bool {
    let hidden = matches!(
        CodePointMapData::<GeneralCategory>::new().get(letter),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse
            | GeneralCategory::Surrogate
            | GeneralCategory::Unassigned
    );
    !hidden && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(letter)
}

fn is_mark(letter: char) -> bool {
    matches!(
        CodePointMapData::<GeneralCategory>::new().get(letter),
        GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_displayed_text_is_one_line_of_plain_characters() {
        for (text, shown) in [
            ("image-01", "image-01"),
            ("  two\n\tlines\r\n ", "two lines"),
            ("a\u{2028}b\u{2029}c\u{85}d", "a b c d"),
            ("safe\u{202e}elif\u{202c}", "safeelif"),
            ("\u{2066}x\u{2069}\u{200e}\u{200f}\u{61c}", "x"),
            ("ze\u{200b}ro\u{200d}\u{feff}\u{2060}width\u{ad}", "zerowidth"),
            ("a\u{1b}[31mred\u{7}\0", "a[31mred"),
            ("\u{3164}\u{115f}\u{ffa0}\u{2800}fill", "fill"),
            ("tag\u{e0041}\u{e007f}\u{fe0f}", "tag"),
            ("e\u{301}\u{302}\u{303}\u{304}x", "e\u{301}\u{302}x"),
            ("你好，世界 ü é №", "你好，世界 ü é №"),
            ("\u{e000}\u{fdd0}\u{10ffff}", ""),
        ] {
            assert_eq!(display(text, 64), shown, "{text:?}");
            assert_eq!(display(&display(text, 64), 64), shown, "{text:?}");
        }
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_and_marked() {
        assert_eq!(display("abcdef", 6), "abcdef");
        assert_eq!(display("abcdefg", 6), "abcde…");
        assert_eq!(display("abcdef\u{200b}\n ", 6), "abcdef");
        assert_eq!(display("ab cdefg", 3), "ab…");
        assert_eq!(display("你好世界", 3), "你好…");
        assert_eq!(display("x", 0), "…");
        let name = quoted(&"\"x\n".repeat(1_000_000));
        assert_eq!(name.chars().count(), 66, "{name}");
        assert_eq!(quoted("a\" costs 0 USD \"b"), "\"a' costs 0 USD 'b\"");
    }

    #[test]
    fn a_text_keeps_its_lines_and_loses_invisible_characters() {
        for (text, shown) in [
            ("two\n  lines", "two\n  lines"),
            ("a\u{1b}[31mred\0\u{202e}x\u{202c}\r", "a[31mredx"),
            ("👩\u{200d}👧 ❤\u{fe0f} نمی\u{200c}خواهم", "👩\u{200d}👧 ❤\u{fe0f} نمی\u{200c}خواهم"),
        ] {
            assert_eq!(plain(text, 64), shown, "{text:?}");
        }
        assert_eq!(plain("abcdef", 5), "abcde…");
        assert_eq!(plain("abcde\0", 5), "abcde");
    }

    #[test]
    fn a_log_line_stays_one_line() {
        assert_eq!(line("a  b\n"), "a  b\n");
        assert_eq!(line("a\nWARN forged\u{202e}\u{1b}[0m\u{2028}c\n"), "a WARN forged[0m c\n");
        assert_eq!(line("\u{fffd} é"), "\u{fffd} é");
    }
}
