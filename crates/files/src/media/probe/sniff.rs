//! Recognises the type of a file by its first bytes. Names and declared MIME types are never trusted.

use lofty::file::FileType;

use crate::media::encoding::{self, Encoding};

/// How many bytes are enough to recognise a type.
pub const HEAD: usize = 4096;

/// The kind of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A still image.
    Image,
    /// Audio without video.
    Audio,
    /// Video, with or without audio.
    Video,
    /// Anything else: text, archives, programs, raw samples.
    Other,
}

impl Kind {
    /// The noun for a sentence, with its article.
    pub fn described(self) -> &'static str {
        match self {
            Self::Image => "an image",
            Self::Audio => "audio",
            Self::Video => "a video",
            Self::Other => "a file",
        }
    }
}

/// A recognised type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The registered MIME type, lower case.
    pub mime: &'static str,
    /// The kind of media.
    pub kind: Kind,
    /// The usual extensions, the most common one first. Empty if the type has none of its own.
    pub extensions: &'static [&'static str],
}

impl Found {
    /// True for text of any kind. An error page is text; media never are.
    pub fn is_text(&self) -> bool {
        self.mime.starts_with("text/")
    }

    /// False if no known type matches.
    pub fn is_recognised(&self) -> bool {
        self.mime != UNKNOWN
    }

    /// The type in a sentence, with its article: `a PNG file`.
    pub fn described(&self) -> String {
        match self.mime {
            "text/html" => "an HTML page".into(),
            UTF_16 => "a text file in UTF-16; save it as UTF-8".into(),
            UTF_32 => "a text file in UTF-32; save it as UTF-8".into(),
            _ if self.is_text() => "a text file".into(),
            UNKNOWN => "of a type that cannot be recognised".into(),
            mime => format!("{} {} file", article(label(mime)), label(mime)),
        }
    }

    /// Returns `wanted` if it is an extension of this type, otherwise the most common one.
    pub fn extension<'a>(&self, wanted: &'a str) -> &'a str {
        match self.extensions.first() {
            Some(usual) if !self.extensions.iter().any(|known| known.eq_ignore_ascii_case(wanted)) => usual,
            _ => wanted,
        }
    }
}

const UNKNOWN: &str = "application/octet-stream";
/// Encodings that no endpoint accepts. MiniMax expects UTF-8.
const UTF_16: &str = "text/plain;charset=utf-16";
const UTF_32: &str = "text/plain;charset=utf-32";

/// The known types: MIME type, kind, common name, and extensions with the most common one first.
const TYPES: &[(&str, Kind, &str, &[&str])] = &[
    ("image/jpeg", Kind::Image, "JPEG", &["jpg", "jpeg"]),
    ("image/png", Kind::Image, "PNG", &["png"]),
    ("image/webp", Kind::Image, "WebP", &["webp"]),
    ("image/gif", Kind::Image, "GIF", &["gif"]),
    ("image/heic", Kind::Image, "HEIC", &["heic", "heif"]),
    ("image/heif", Kind::Image, "HEIF", &["heif", "heic"]),
    ("image/avif", Kind::Image, "AVIF", &["avif"]),
    ("image/bmp", Kind::Image, "BMP", &["bmp"]),
    ("image/tiff", Kind::Image, "TIFF", &["tiff", "tif"]),
    ("video/mp4", Kind::Video, "MP4", &["mp4", "m4v"]),
    ("video/quicktime", Kind::Video, "MOV", &["mov", "qt"]),
    ("video/webm", Kind::Video, "WebM", &["webm"]),
    ("video/x-matroska", Kind::Video, "MKV", &["mkv"]),
    ("video/x-msvideo", Kind::Video, "AVI", &["avi"]),
    ("audio/mpeg", Kind::Audio, "MP3", &["mp3"]),
    ("audio/wav", Kind::Audio, "WAV", &["wav"]),
    ("audio/flac", Kind::Audio, "FLAC", &["flac"]),
    ("audio/ogg", Kind::Audio, "OGG", &["ogg", "oga", "opus"]),
    ("audio/mp4", Kind::Audio, "M4A", &["m4a", "mp4"]),
    ("audio/aac", Kind::Audio, "AAC", &["aac"]),
    ("audio/aiff", Kind::Audio, "AIFF", &["aiff", "aif"]),
    ("audio/amr", Kind::Audio, "AMR", &["amr"]),
    ("application/pdf", Kind::Other, "PDF", &["pdf"]),
    ("application/zip", Kind::Other, "ZIP", &["zip"]),
    ("application/x-tar", Kind::Other, "TAR", &["tar"]),
    ("application/gzip", Kind::Other, "GZIP", &["gz"]),
    ("text/plain", Kind::Other, "text", &[]),
    ("text/html", Kind::Other, "HTML", &["html", "htm"]),
];

/// The common name of a MIME type, such as `JPEG` for `image/jpeg`. An unknown type is returned unchanged.
pub fn label(mime: &str) -> &str {
    TYPES.iter().find(|row| row.0 == mime).map_or(mime, |row| row.2)
}

/// Recognises a file by its first [`HEAD`] bytes. Ignores the rest.
pub fn sniff(bytes: &[u8]) -> Found {
    let head = bytes.get(..HEAD).unwrap_or(bytes);
    let guess = infer::get(head);
    // Text first, because short signatures such as `BM` and `ID3` also start ordinary sentences, and the byte order
    // mark of UTF-16 is a legal MPEG audio header.
    match encoding::of_text(head) {
        Some(Encoding::Utf8) => {
            return named(match guess.map(|guess| guess.mime_type()) {
                Some(mime @ ("text/html" | "text/xml")) => mime,
                _ => "text/plain",
            });
        }
        Some(Encoding::Utf16Le | Encoding::Utf16Be) => return named(UTF_16),
        Some(Encoding::Utf32Le | Encoding::Utf32Be) => return named(UTF_32),
        None => {}
    }
    match guess {
        Some(guess) => {
            let found = named(registered(guess.mime_type(), head));
            Found { kind: kind_of(found.kind, guess.matcher_type()), ..found }
        }
        None => named(sniff_frames(head)),
    }
}

/// Corrects the type by the headers. Recorders write audio into containers that start like a video. Only eleven bits
/// mark an MPEG or AAC frame, and three letters a tag, so other data can look like one. The file counts as audio only
/// if it can be measured, which needs two consecutive frames.
pub fn refined(found: Found, has_picture: bool, is_measured: bool) -> Found {
    match found.mime {
        "video/mp4" if is_measured && !has_picture => named("audio/mp4"),
        "audio/mpeg" | "audio/aac" if !is_measured => unknown(),
        _ => found,
    }
}

/// Raw audio has no container, so its first bytes can look like anything. The extension decides.
const RAW: &[(&str, &str)] = &[("pcm", "audio/pcm"), ("ulaw", "audio/basic")];

/// The MIME type of raw audio.
pub fn raw(extension: &str) -> Option<&'static str> {
    RAW.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension)).map(|(_, mime)| *mime)
}

/// The type of unrecognised bytes.
pub fn unknown() -> Found {
    named(UNKNOWN)
}

fn kind_of(known: Kind, class: infer::MatcherType) -> Kind {
    match (known, class) {
        (Kind::Other, infer::MatcherType::Image) => Kind::Image,
        (Kind::Other, infer::MatcherType::Audio) => Kind::Audio,
        (Kind::Other, infer::MatcherType::Video) => Kind::Video,
        (known, _) => known,
    }
}

fn named(mime: &'static str) -> Found {
    TYPES.iter().find(|row| row.0 == mime).map_or(Found { mime, kind: Kind::Other, extensions: &[] }, |row| {
        Found { mime: row.0, kind: row.1, extensions: row.3 }
    })
}

/// Replaces historical `x-` names by the registered ones, which endpoints expect.
fn registered(mime: &'static str, head: &[u8]) -> &'static str {
    match mime {
        "audio/x-wav" => "audio/wav",
        "audio/x-flac" => "audio/flac",
        "audio/x-aiff" => "audio/aiff",
        "audio/m4a" => "audio/mp4",
        "audio/opus" => "audio/ogg",
        "video/x-m4v" => "video/mp4",
        "image/heif" if has_heic_brand(head) => "image/heic",
        other => other,
    }
}

fn has_heic_brand(head: &[u8]) -> bool {
    matches!(head.get(8..12), Some(b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx"))
}

/// MPEG audio has no signature, only a frame header with many legal forms.
fn sniff_frames(head: &[u8]) -> &'static str {
    match FileType::from_buffer(head) {
        Some(FileType::Mpeg) => "audio/mpeg",
        Some(FileType::Aac) => "audio/aac",
        _ => UNKNOWN,
    }
}

fn article(word: &str) -> &'static str {
    // By the spoken letters: an MP3, an AVI, a GIF.
    if word.starts_with(['A', 'M', 'O', 'a', 'i']) { "an" } else { "a" }
}
