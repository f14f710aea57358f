//! The requirements for a result, and the name under which it is saved.

use std::path::{Path, PathBuf};

use crate::bucket::Object;
use crate::download::link::FetchProblem;
use crate::media::file_name;
use crate::media::probe::metadata::Facts;
use crate::media::probe::sniff::{self, Found, Kind};

/// The greatest number that is appended to a name that is taken.
const NAMES: u32 = 99;

/// A saved file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The path, or the URL of the object.
    pub path: PathBuf,
    /// The object, if the file is in the bucket.
    pub object: Option<Object>,
    /// The size in bytes.
    pub bytes: u64,
    /// The SHA-256 of the content, in lower-case hexadecimal.
    pub sha256: String,
    /// The MIME type of the content.
    pub mime: String,
    /// The width in pixels, if the header has it.
    pub width: Option<u32>,
    /// The height in pixels, if the header has it.
    pub height: Option<u32>,
    /// The duration in milliseconds, if the header has it.
    pub duration_ms: Option<u64>,
    /// Its format marks the end of a file, and this one has none.
    pub is_cut: bool,
}

/// The requirements for a result.
#[derive(Debug, Clone, Copy)]
pub struct Expect<'a> {
    /// The kind of media. `None` and `Other` accept anything except an HTML page. Raw audio has no signature, so
    /// bytes of unknown type are accepted as audio, but not as other media.
    pub kind: Option<Kind>,
    /// The size limit in bytes.
    pub max_bytes: u64,
    /// The requested extension without its dot. If the content has another known type, the file gets the extension of
    /// that type.
    pub extension: &'a str,
}

/// The target and the type of a file.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) folder: PathBuf,
    pub(crate) stem: String,
    pub(crate) extension: String,
    /// The type of the content, which decides how to measure the file.
    pub(crate) sniffed: &'static str,
    /// The type to report.
    pub(crate) mime: &'static str,
}

impl Target {
    /// The target of a file that was given the name `given` and has the type `found`.
    pub(crate) fn of(folder: &Path, given: &str, found: Found, expect: &Expect<'_>) -> Self {
        let (stem, extension) = file_name::split(given);
        let (stem, wanted) = match expect.extension {
            "" => (stem, extension),
            wanted if extension.eq_ignore_ascii_case(wanted) => (stem, wanted),
            wanted => (given, wanted),
        };
        let mime = mime_of(found, found.extension(wanted));
        let (stem, extension) = file_name::apart(stem, found.extension(wanted));
        Self { folder: folder.to_owned(), stem, extension, sniffed: found.mime, mime }
    }

    /// The requested name.
    pub(crate) fn name(&self) -> String {
        file_name::joined(&self.stem, &self.extension)
    }

    /// The requested name, then the same name with a number after an underscore. The program's own names contain no
    /// underscore there, so the number cannot be confused with the index of a result.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = PathBuf> {
        let numbered = (2..=NAMES).map(|number| format!("{}_{number}", self.stem));
        let stems = std::iter::once(self.stem.clone()).chain(numbered);
        stems.map(|stem| self.folder.join(file_name::joined(&stem, &self.extension)))
    }

    pub(crate) fn saved(
        &self,
        path: PathBuf,
        bytes: u64,
        sha256: String,
        (facts, is_cut): (Facts, bool),
    ) -> Saved {
        let (Facts { width, height, duration_ms }, mime) = (facts, self.mime.to_owned());
        Saved { path, object: None, bytes, sha256, mime, width, height, duration_ms, is_cut }
    }
}

pub(crate) fn check_name(name: &str) -> Result<(), FetchProblem> {
    if file_name::is_plain(name) {
        return Ok(());
    }
    Err(FetchProblem::Wrong("the file's name is not a plain name".into()))
}

pub(crate) fn check_size(bytes: u64, expect: &Expect<'_>) -> Result<(), FetchProblem> {
    if bytes > expect.max_bytes { Err(FetchProblem::too_large(bytes, expect.max_bytes)) } else { Ok(()) }
}

/// Checks the type. An error page is not a video, even with HTTP 200.
pub(crate) fn judge(head: &[u8], expect: &Expect<'_>) -> Result<Found, FetchProblem> {
    let found = sniff::sniff(head);
    let is_page = found.mime == "text/html" && !expect.extension.starts_with("htm");
    let fits = match expect.kind {
        None | Some(Kind::Other) => true,
        Some(Kind::Audio) if !found.is_recognised() => true,
        Some(kind) => kind == found.kind,
    };
    if !found.is_text() && sniff::raw(expect.extension).is_some() {
        return Ok(sniff::unknown());
    }
    if fits && !is_page {
        return Ok(found);
    }
    if is_page && expect.kind.is_none() {
        return Err(FetchProblem::Page);
    }
    let wanted = expect.kind.unwrap_or(Kind::Other).described();
    Err(FetchProblem::Wrong(format!("the content is {} instead of {wanted}", found.described())))
}

/// Text and raw audio have no signature, so the extension decides.
fn mime_of(found: Found, extension: &str) -> &'static str {
    match extension {
        _ if found.is_recognised() && found.mime != "text/plain" => found.mime,
        "json" => "application/json",
        "srt" => "application/x-subrip",
        "vtt" => "text/vtt",
        _ => sniff::raw(extension).unwrap_or(found.mime),
    }
}
