//! Converts MiniMax's subtitles to formats that players read.

use std::fmt::Write as _;

use serde::Deserialize;

/// The format of a subtitle file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubtitleFormat {
    /// MiniMax's own format.
    Json,
    /// SubRip.
    Srt,
    /// WebVTT.
    Vtt,
}

impl SubtitleFormat {
    /// The format for a file extension.
    pub fn of(extension: &str) -> Option<Self> {
        match extension {
            "json" => Some(Self::Json),
            "srt" => Some(Self::Srt),
            "vtt" => Some(Self::Vtt),
            _ => None,
        }
    }

    /// The file extension.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Srt => "srt",
            Self::Vtt => "vtt",
        }
    }

    /// The MIME type.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Srt => "application/x-subrip",
            Self::Vtt => "text/vtt",
        }
    }
}

/// A line with its times in milliseconds (T2A v2 > subtitle_file). MiniMax usually sends whole numbers, sometimes
/// fractions.
#[derive(Debug, Deserialize)]
struct Cue {
    #[serde(default)]
    text: String,
    time_begin: f64,
    time_end: f64,
}

/// Converts MiniMax's JSON, a flat array of `text`, `time_begin` and `time_end`. JSON output is unchanged. `None` if
/// the input is not of this form.
pub fn convert(json: &[u8], format: SubtitleFormat) -> Option<String> {
    let cues: Vec<Cue> = serde_json::from_slice(json).ok()?;
    match format {
        SubtitleFormat::Json => String::from_utf8(json.to_vec()).ok(),
        SubtitleFormat::Srt => Some(written(&cues, "", ',', &plain)),
        SubtitleFormat::Vtt => Some(written(&cues, "WEBVTT\n\n", '.', &escaped)),
    }
}

/// Writes SubRip or WebVTT. They differ in the first line, the separator before the milliseconds, and the escaping of
/// text.
fn written(cues: &[Cue], head: &str, point: char, line: &dyn Fn(&str) -> String) -> String {
    let mut file = head.to_owned();
    let shown = cues.iter().filter(|cue| !cue.text.trim().is_empty());
    for (number, cue) in shown.enumerate() {
        let (begin, end) = (clock(cue.time_begin, point), clock(cue.time_end.max(cue.time_begin), point));
        // Writing to a string cannot fail.
        let _ = write!(file, "{}\n{begin} --> {end}\n{}\n\n", number + 1, line(&cue.text));
    }
    file
}

fn clock(milliseconds: f64, point: char) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative; the cast saturates"
    )]
    let all = milliseconds.max(0.0).round() as u64;
    let (hours, minutes, seconds) = (all / 3_600_000, all / 60_000 % 60, all / 1000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}{point}{:03}", all % 1000)
}

/// Removes empty lines, because an empty line ends the cue.
fn plain(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// Escapes `<`, which starts a tag in WebVTT, and `-->`, which starts a time.
fn escaped(text: &str) -> String {
    plain(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"[
        {"text": "One & two.\n\n<b>", "time_begin": 0, "time_end": 1500.4, "pronounce_text": "x"},
        {"text": "  ", "time_begin": 1500, "time_end": 1600},
        {"text": "三。", "time_begin": 3661001, "time_end": 3662000}
    ]"#;

    #[test]
    fn subrip_has_numbers_commas_and_no_empty_lines() {
        let srt = convert(JSON.as_bytes(), SubtitleFormat::Srt).unwrap();
        assert_eq!(
            srt,
            "1\n00:00:00,000 --> 00:00:01,500\nOne & two.\n<b>\n\n2\n01:01:01,001 --> 01:01:02,000\n三。\n\n"
        );
    }

    #[test]
    fn webvtt_has_a_head_points_and_no_tags() {
        let vtt = convert(JSON.as_bytes(), SubtitleFormat::Vtt).unwrap();
        assert!(
            vtt.starts_with("WEBVTT\n\n1\n00:00:00.000 --> 00:00:01.500\nOne &amp; two.\n&lt;b&gt;\n\n2\n")
        );
    }

    #[test]
    fn times_that_run_backwards_or_below_zero_are_corrected() {
        let json = br#"[{"text": "x", "time_begin": -5, "time_end": -9}]"#;
        let srt = convert(json, SubtitleFormat::Srt).unwrap();
        assert_eq!(srt, "1\n00:00:00,000 --> 00:00:00,000\nx\n\n");
    }

    #[test]
    fn a_json_list_of_cues_is_converted_and_any_other_text_is_refused() {
        assert_eq!(convert(JSON.as_bytes(), SubtitleFormat::Json).unwrap(), JSON);
        for other in ["{}", "[1]", "[{\"text\": \"x\"}]", "<html>", ""] {
            assert_eq!(convert(other.as_bytes(), SubtitleFormat::Srt), None, "{other}");
        }
    }
}
