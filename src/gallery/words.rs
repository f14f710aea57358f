//! Words and numbers in the form of the pages.

use jiff::Timestamp;

use super::language::Language;

/// The kinds of jobs, with their names.
pub(super) const KINDS: &[(&str, &str, &str)] = &[
    ("image", "Image", "图像"),
    ("video", "Video", "视频"),
    ("speech", "Speech", "语音"),
    ("music", "Music", "音乐"),
    ("voice", "Voice", "音色"),
    ("transcription", "Transcription", "转写"),
    ("prompt", "Prompt", "提示词"),
];

/// The states of jobs, with their names.
pub(super) const STATES: &[(&str, &str, &str)] = &[
    ("submitting", "Being sent", "提交中"),
    ("running", "Running", "进行中"),
    ("succeeded", "Succeeded", "成功"),
    ("partial", "Partly done", "部分完成"),
    ("failed", "Failed", "失败"),
    ("cancelled", "Cancelled", "已取消"),
    ("unknown", "Unknown", "结果未知"),
];

/// The name of a word in a list, or the word itself.
pub(super) fn name<'a>(list: &'a [(&str, &'a str, &'a str)], word: &'a str, language: Language) -> &'a str {
    let found = list.iter().find(|(known, ..)| *known == word);
    found.map_or(word, |(_, english, chinese)| match language {
        Language::English => english,
        Language::Chinese => chinese,
    })
}

/// A moment as `2026-11-29 21:35 UTC`, and in the format of `<time datetime>`.
pub(super) fn moment(millis: i64) -> (String, String) {
    let Ok(at) = Timestamp::from_millisecond(millis) else { return (String::new(), String::new()) };
    (at.strftime("%Y-%m-%d %H:%M UTC").to_string(), at.to_string())
}

/// The day of a number of days since 1970, as `2026-11-29`.
pub(super) fn day(days: i64) -> String {
    let at = Timestamp::from_millisecond(days.saturating_mul(DAY));
    at.map(|at| at.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}

/// A day in milliseconds.
pub(super) const DAY: i64 = 24 * 3_600_000;

/// The beginning of a day such as `2026-11-29` in UTC, in Unix milliseconds.
pub(super) fn start_of(day: &str) -> Option<i64> {
    let at: Timestamp = format!("{day}T00:00:00Z").parse().ok()?;
    Some(at.as_millisecond())
}

/// The beginning of a text.
pub(super) fn cut(text: &str, most: usize) -> String {
    let mut letters = text.chars();
    let mut cut: String = letters.by_ref().take(most).collect();
    if letters.next().is_some() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_and_kind_has_a_name_in_both_languages() {
        let states: Vec<_> = STATES.iter().map(|(word, ..)| *word).collect();
        assert_eq!(states, crate::jobs::STATUSES);
        for (word, english, chinese) in STATES.iter().chain(KINDS) {
            assert!(english.is_ascii() && !chinese.is_ascii(), "{word}");
        }
        assert_eq!(name(STATES, "failed", Language::Chinese), "失败");
        assert_eq!(name(STATES, "<b>", Language::English), "<b>");
    }

    #[test]
    fn a_day_is_read_and_written() {
        assert_eq!(start_of("1970-01-02"), Some(DAY));
        assert_eq!(day(1), "1970-01-02");
        for wrong in ["", "1970-13-01", "x", "1970-01-02T00:00"] {
            assert_eq!(start_of(wrong), None, "{wrong}");
        }
        assert_eq!(moment(i64::MAX).0, "");
        assert_eq!(cut("日本語", 2), "日本…");
    }
}
