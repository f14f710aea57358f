//! Saves bytes as files: complete, of the expected type and under the final name, or not at all.

use std::path::{Path, PathBuf};
use std::pin::pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use tokio::task::spawn_blocking;

use crate::media::download::file_name;
use crate::media::download::guard::Guard;
use crate::media::download::link::{self, FetchProblem};
use crate::media::download::partial_file::{PartialFile, Resume};
use crate::media::download::resume::ResumableDownload;
use crate::media::download::writer::{self, FileWriter, Target};
use crate::media::probe::sniff::{self, Found, Kind};

/// A saved file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The path.
    pub path: PathBuf,
    /// The size in bytes.
    pub bytes: u64,
    /// The SHA-256 of the content, in lower-case hexadecimal.
    pub sha256: String,
    /// The MIME type of the content.
    pub mime: String,
    /// The width in pixels, if the header says.
    pub width: Option<u32>,
    /// The height in pixels, if the header says.
    pub height: Option<u32>,
    /// The duration in milliseconds, if the header says.
    pub duration_ms: Option<u64>,
}

/// What a result must be.
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

/// Downloads a result to a file in `folder`, which must exist (see [`crate::media::prepare`]).
///
/// Never overwrites a file. If a file with the same name and content exists, as after a crash between the rename and
/// its record, that file is the result. The content is downloaded in any case, because the existing file could come
/// from another program. If the content differs, the new file gets a number after an underscore.
///
/// A download that fails or is dropped leaves nothing behind. With `resume`, a broken download stays in the folder as
/// a hidden file for a day. The next download with the same name and secret resumes it if the host still has the same
/// version of the file.
pub async fn download(
    client: &reqwest::Client,
    guard: &Guard,
    url: &str,
    folder: &Path,
    name: &str,
    expect: &Expect<'_>,
    resume: Option<&Resume>,
) -> Result<Saved, FetchProblem> {
    check_name(name)?;
    let bring = ResumableDownload { client, guard, url, folder, name: Some(name), expect, resume };
    let (part, target) = bring.run().await?;
    writer::settle(part, target).await
}

/// Like [`download`], for bytes in memory.
pub async fn save(
    bytes: Bytes,
    folder: &Path,
    name: &str,
    expect: &Expect<'_>,
) -> Result<Saved, FetchProblem> {
    let length = bytes.len() as u64;
    receive(stream::iter([Ok(bytes)]), Some(length), folder, name, expect).await
}

/// Like [`download`], for a stream of bytes from elsewhere. An error in the stream ends it and leaves no file.
pub async fn save_stream<S>(
    chunks: S,
    folder: &Path,
    name: &str,
    expect: &Expect<'_>,
) -> Result<Saved, FetchProblem>
where
    S: Stream<Item = Result<Bytes, FetchProblem>>,
{
    receive(chunks, None, folder, name, expect).await
}

/// Like [`save_stream`], but keeps the bytes of a broken stream under the name `cut`. The second value is the error
/// that broke it.
pub async fn save_what_comes<S>(
    chunks: S,
    folder: &Path,
    name: &str,
    cut: &str,
    expect: &Expect<'_>,
) -> Result<(Saved, Option<FetchProblem>), FetchProblem>
where
    S: Stream<Item = Result<Bytes, FetchProblem>>,
{
    if !file_name::is_plain(name) || !file_name::is_plain(cut) {
        return Err(FetchProblem::Wrong("the file's name is not a plain name".into()));
    }
    let mut chunks = pin!(chunks);
    let head = link::read_head(&mut chunks).await?;
    let found = judge(&head, expect)?;
    let target = target(folder, name, found, expect);
    let mut landing = begin(folder).await?;
    let mut whole = stream::iter([Ok(head)]).chain(chunks);
    match feed(&mut landing, &mut whole, &mut 0, None, expect).await {
        Ok(()) => Ok((writer::settle(landing.finish().await?, target).await?, None)),
        Err(problem @ FetchProblem::Transient { .. }) => {
            let target = self::target(folder, cut, found, expect);
            Ok((writer::settle(landing.finish().await?, target).await?, Some(problem)))
        }
        Err(problem) => {
            landing.abandon().await;
            Err(problem)
        }
    }
}

pub(crate) async fn receive<S>(
    chunks: S,
    length: Option<u64>,
    folder: &Path,
    name: &str,
    expect: &Expect<'_>,
) -> Result<Saved, FetchProblem>
where
    S: Stream<Item = Result<Bytes, FetchProblem>>,
{
    check_name(name)?;
    check_size(length.unwrap_or_default(), expect)?;
    let mut chunks = pin!(chunks);
    let head = link::read_head(&mut chunks).await?;
    let found = judge(&head, expect)?;
    let target = target(folder, name, found, expect);
    let mut landing = begin(folder).await?;
    let mut whole = stream::iter([Ok(head)]).chain(chunks);
    match feed(&mut landing, &mut whole, &mut 0, length, expect).await {
        Ok(()) => writer::settle(landing.finish().await?, target).await,
        Err(problem) => {
            landing.abandon().await;
            Err(problem)
        }
    }
}

/// Starts a file that cannot be resumed.
async fn begin(folder: &Path) -> Result<FileWriter, FetchProblem> {
    let home = folder.to_owned();
    let part =
        spawn_blocking(move || PartialFile::unnamed(&home)).await.map_err(|error| writer::stopped(&error))?;
    Ok(FileWriter::start(folder, part.map_err(|error| writer::disk(folder, &error))?))
}

/// Sends the chunks to the writer. Adds their size to `arrived`.
pub(crate) async fn feed<S>(
    landing: &mut FileWriter,
    chunks: &mut S,
    arrived: &mut u64,
    length: Option<u64>,
    expect: &Expect<'_>,
) -> Result<(), FetchProblem>
where
    S: Stream<Item = Result<Bytes, FetchProblem>> + Unpin,
{
    while let Some(chunk) = chunks.try_next().await? {
        *arrived = arrived.saturating_add(chunk.len() as u64);
        check_size(*arrived, expect)?;
        landing.push(chunk).await?;
    }
    link::check_length(length, *arrived)
}

fn check_name(name: &str) -> Result<(), FetchProblem> {
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
    let wanted = expect.kind.unwrap_or(Kind::Other).described();
    Err(FetchProblem::Wrong(format!("what came is {} instead of {wanted}", found.described())))
}

pub(crate) fn target(folder: &Path, given: &str, found: Found, expect: &Expect<'_>) -> Target {
    let (stem, extension) = file_name::split(given);
    let (stem, wanted) = match expect.extension {
        "" => (stem, extension),
        wanted if extension.eq_ignore_ascii_case(wanted) => (stem, wanted),
        wanted => (given, wanted),
    };
    let mime = mime_of(found, found.extension(wanted));
    let (stem, extension) = file_name::apart(stem, found.extension(wanted));
    Target { folder: folder.to_owned(), stem, extension, sniffed: found.mime, mime }
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
