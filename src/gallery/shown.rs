//! The way a browser shows a file.

use crate::jobs::JobFile;
use crate::media::SubtitleFormat;

/// The ways to show a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Image,
    Audio,
    Video,
    Subtitles,
    Other,
}

/// The way to show a file of a job, by the type that was detected when it was written.
pub(super) fn shown(file: &JobFile) -> Shown {
    let kind = file.saved.as_ref().map_or(&file.mime_type, |saved| &saved.mime_type).as_str();
    let extension = file.name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match kind.split('/').next() {
        // An SVG can contain scripts.
        Some("image") if !kind.contains("svg") => Shown::Image,
        Some("audio") => Shown::Audio,
        Some("video") => Shown::Video,
        _ if SubtitleFormat::of(extension).is_some() => Shown::Subtitles,
        _ => Shown::Other,
    }
}
