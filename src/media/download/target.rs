//! Bytes to files: whole, of the right type and under their final name, or not at all.

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

/// A file that is on the disk to stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its content, in lower-case hexadecimal.
    pub sha256: String,
    /// The MIME type that its content shows.
    pub mime: String,
    /// In pixels, where the header tells.
    pub width: Option<u32>,
    /// In pixels, where the header tells.
    pub height: Option<u32>,
    /// The playing time in milliseconds, where the header tells.
    pub duration_ms: Option<u64>,
}

/// What a result should be.
#[derive(Debug, Clone, Copy)]
pub struct Expect<'a> {
    /// The sort of media; `None` or `Other` takes anything but an HTML page. Raw sound has no signature, so
    /// bytes of no known type pass for audio, but for nothing else.
    pub kind: Option<Kind>,
    /// The largest size that is accepted, in bytes.
    pub max_bytes: u64,
    /// The extension that was asked for, without its dot. If the content is of another known type, the file
    /// gets the extension of that.
    pub extension: &'a str,
}

/// Fetches a result to a file in `folder`, which exists (see [`crate::media::prepare`]).
///
/// Nothing is ever overwritten. If the name is taken by the same content, as after a crash between the
/// renaming and its record, that file is the result and nothing is there twice; it is fetched again all the same,
/// since what stands under a name may be anybody's. If the name is taken by something else, the new file gets a number
/// behind an underscore. What fails or is dropped half way leaves nothing behind. With `resume`, what breaks off stays
/// in the folder for a day, hidden, and the next download with the same name and secret goes on with it, if the host
/// still has the same version of the file.
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

/// As [`download`], for bytes that are in memory.
pub async fn save(
    bytes: Bytes,
    folder: &Path,
    name: &str,
    expect: &Expect<'_>,
) -> Result<Saved, FetchProblem> {
    let length = bytes.len() as u64;
    receive(stream::iter([Ok(bytes)]), Some(length), folder, name, expect).await
}

/// As [`download`], for bytes that come piece by piece from elsewhere. An error in the stream ends it and
/// leaves nothing.
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

/// As [`save_stream`], but what has come before a break is kept too, under the name `cut`. The second value is the
/// break.
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

/// A file that nobody goes on with should it break off.
async fn begin(folder: &Path) -> Result<FileWriter, FetchProblem> {
    let home = folder.to_owned();
    let part =
        spawn_blocking(move || PartialFile::unnamed(&home)).await.map_err(|error| writer::stopped(&error))?;
    Ok(FileWriter::start(folder, part.map_err(|error| writer::disk(folder, &error))?))
}

/// Hands the chunks to the writer. `arrived` counts what is there.
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

/// An error page is not a video, even if it comes with HTTP 200.
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

/// Text and raw samples look alike whatever they are for; there the extension says more.
fn mime_of(found: Found, extension: &str) -> &'static str {
    match extension {
        _ if found.is_recognised() && found.mime != "text/plain" => found.mime,
        "json" => "application/json",
        "srt" => "application/x-subrip",
        "vtt" => "text/vtt",
        _ => sniff::raw(extension).unwrap_or(found.mime),
    }
}
