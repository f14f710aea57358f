//! Converts subtitles to WebVTT, the format of browsers.

/// SubRip as WebVTT: a first line, and a point before the milliseconds.
pub(super) fn vtt_of_srt(srt: &str) -> String {
    let mut vtt = String::from("WEBVTT\n\n");
    for line in srt.trim_start_matches('\u{feff}').lines() {
        if line.contains("-->") {
            vtt.push_str(&line.replace(',', "."));
        } else {
            // An arrow would end the text of a cue.
            vtt.push_str(&line.replace('&', "&amp;").replace('<', "&lt;"));
        }
        vtt.push('\n');
    }
    vtt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_get_a_point_and_texts_are_escaped() {
        let srt = "\u{feff}1\r\n00:00:00,000 --> 00:00:01,500\r\nA, b <i>c</i> & d\r\n\r\n";
        let vtt = "WEBVTT\n\n1\n00:00:00.000 --> 00:00:01.500\nA, b &lt;i>c&lt;/i> &amp; d\n\n";
        assert_eq!(vtt_of_srt(srt), vtt);
        assert_eq!(vtt_of_srt(""), "WEBVTT\n\n");
    }
}
