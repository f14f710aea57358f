//! Downloads a link to disk, and resumes after each broken connection.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::header::{HeaderMap, HeaderValue, IF_RANGE, RANGE};
use reqwest::{Response, StatusCode};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::download::disk_space;
use crate::download::guard::Guard;
use crate::download::link::{self, FetchProblem};
use crate::download::partial_file::{OVERLAP, PartialFile, Resume, STEP};
use crate::download::validator::Validator;
use crate::download::writer::{Expect, Target, check_size, judge};
use crate::download::writer::{FileWriter, disk, stopped};
use crate::media::probe::metadata;
use crate::media::probe::sniff::HEAD;

/// The pause between two connections.
pub(crate) const PAUSE: Duration = Duration::from_millis(200);

/// How often a file that lacks its end is downloaded again.
pub(crate) const AGAIN: u32 = 2;

/// A download: the link, the target, and the rules for the content.
#[derive(Clone, Copy)]
pub(crate) struct ResumableDownload<'a> {
    pub(crate) client: &'a reqwest::Client,
    pub(crate) guard: &'a Guard,
    pub(crate) url: &'a str,
    pub(crate) folder: &'a Path,
    /// The name of the file. `None` for a temporary file.
    pub(crate) name: Option<&'a str>,
    pub(crate) expect: &'a Expect<'a>,
    /// The key under which another call or process can resume. If `None`, the download resumes only within this call.
    pub(crate) resume: Option<&'a Resume>,
}

/// A complete file without its final name.
type Arrived = (PartialFile, Target);

/// A failed attempt, with the partial file if it can be kept.
struct Broken {
    problem: FetchProblem,
    part: Option<PartialFile>,
    /// The file arrived with its whole length, but without its end.
    is_cut: bool,
}

impl Broken {
    fn keeping(part: PartialFile, problem: FetchProblem) -> Box<Self> {
        Box::new(Self { problem, part: Some(part), is_cut: false })
    }

    /// A failure after which nothing can be resumed.
    fn without(problem: FetchProblem) -> Box<Self> {
        Box::new(Self { problem, part: None, is_cut: false })
    }
}

pub(crate) type Chunks = BoxStream<'static, Result<Bytes, FetchProblem>>;

/// How to get the missing bytes.
enum Plan {
    /// Append these chunks to the partial file.
    Append(PartialFile, Chunks),
    /// Start from the beginning, perhaps with this response.
    Restart(PartialFile, Option<Response>),
}

impl ResumableDownload<'_> {
    /// Downloads until the file is complete. Resumes as long as each connection brings at least [`STEP`] bytes. A file that
    /// lacks its end, although its length is right, is downloaded again, and is kept if that does not help.
    pub(crate) async fn run(&self) -> Result<Arrived, FetchProblem> {
        let (mut part, mut cuts) = (self.open().await?, 0);
        loop {
            let before = part.bytes();
            let Broken { problem, part: kept, is_cut } = match self.attempt(part, cuts < AGAIN).await {
                Ok(arrived) => return Ok(arrived),
                Err(broken) => *broken,
            };
            if is_cut {
                cuts += 1;
                tracing::info!(%problem, "the file is downloaded again");
                sleep(PAUSE).await;
                part = self.open().await?;
                continue;
            }
            part = match (&problem, kept) {
                (FetchProblem::Transient { reason, retry_after: None }, Some(kept))
                    if kept.resumable().is_some() && kept.bytes() >= before.saturating_add(STEP) =>
                {
                    tracing::info!(
                        reason,
                        bytes = kept.bytes(),
                        "the connection broke; the download is resumed"
                    );
                    kept
                }
                _ => return Err(problem),
            };
            sleep(PAUSE).await;
        }
    }

    /// Opens the partial file. A previous writer that was cancelled may hold the lock for a moment, so this retries.
    async fn open(&self) -> Result<PartialFile, FetchProblem> {
        for _ in 0..10 {
            let Some(resume) = self.resume.cloned() else { break };
            let folder = self.folder.to_owned();
            let opened = spawn_blocking(move || PartialFile::named(&folder, &resume)).await;
            match opened.map_err(|error| stopped(&error))? {
                Ok(part) => return Ok(part),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    sleep(Duration::from_millis(100)).await;
                }
                Err(error) => {
                    tracing::info!(%error, "an interrupted download cannot be resumed by a later call");
                    break;
                }
            }
        }
        self.unnamed().await
    }

    async fn unnamed(&self) -> Result<PartialFile, FetchProblem> {
        let folder = self.folder.to_owned();
        let opened =
            spawn_blocking(move || PartialFile::unnamed(&folder)).await.map_err(|error| stopped(&error))?;
        opened.map_err(|error| disk(self.folder, &error))
    }

    /// With `strict`, a file that lacks its end is an error.
    async fn attempt(&self, part: PartialFile, strict: bool) -> Result<Arrived, Box<Broken>> {
        match self.plan(part).await? {
            Plan::Append(part, chunks) => self.append(part, chunks, strict).await,
            Plan::Restart(part, answer) => self.restart(part, answer, strict).await,
        }
    }

    /// Requests the missing bytes, and some known bytes before them, which must be equal. In doubt the download
    /// restarts, because two versions must never be joined.
    async fn plan(&self, mut part: PartialFile) -> Result<Plan, Box<Broken>> {
        let Some((version, start)) = part.resumable() else { return Ok(Plan::Restart(part, None)) };
        let version = version.clone();
        let asked = link::ask(self.client, self.guard, self.url, range(&version, start)).await;
        let response = match asked {
            Ok(response) => response,
            Err(problem) => return Err(Broken::keeping(part, problem)),
        };
        match response.status() {
            StatusCode::PARTIAL_CONTENT
                if version.goes_on(response.headers(), start) && link::accept(&response).is_ok() => {}
            StatusCode::OK => return Ok(Plan::Restart(part, Some(response))),
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                return Ok(Plan::Restart(part, None));
            }
            _ => match link::accept(&response) {
                Err(FetchProblem::Wrong(_)) | Ok(()) => return Ok(Plan::Restart(part, None)),
                Err(problem) => return Err(Broken::keeping(part, problem)),
            },
        }
        let read = spawn_blocking(move || {
            let known = part.read(start, OVERLAP);
            (part, known)
        });
        let (part, known) = match read.await {
            Ok((part, Ok(known))) => (part, known),
            Ok((part, Err(_))) => return Ok(Plan::Restart(part, None)),
            Err(error) => return Err(Broken::without(stopped(&error))),
        };
        let mut chunks = response.bytes_stream().map_err(link::broken).boxed();
        match behind(&mut chunks, &known).await {
            Ok(Some(rest)) => {
                tracing::info!(bytes = part.bytes(), of = version.length, "a download is resumed");
                Ok(Plan::Append(part, stream::iter([Ok(rest)]).chain(chunks).boxed()))
            }
            Ok(None) => Ok(Plan::Restart(part, None)),
            Err(problem) => Err(Broken::keeping(part, problem)),
        }
    }

    async fn append(
        &self,
        mut part: PartialFile,
        chunks: Chunks,
        strict: bool,
    ) -> Result<Arrived, Box<Broken>> {
        let length = part.resumable().map(|(version, _)| version.length);
        let read = spawn_blocking(move || {
            let head = part.read(0, HEAD as u64);
            (part, head)
        });
        let (part, head) = match read.await {
            Ok((part, Ok(head))) => (part, head),
            Ok((_, Err(error))) => return Err(Broken::without(disk(self.folder, &error))),
            Err(error) => return Err(Broken::without(stopped(&error))),
        };
        let target = match self.target(&head) {
            Ok(target) => target,
            Err(problem) => return refused(part, problem),
        };
        if let Err(problem) = disk_space::check(self.folder, length.unwrap_or_default(), part.bytes()).await {
            return Err(Broken::keeping(part, problem));
        }
        self.write(part, chunks, length, target, strict).await
    }

    async fn restart(
        &self,
        part: PartialFile,
        answer: Option<Response>,
        strict: bool,
    ) -> Result<Arrived, Box<Broken>> {
        let response = match answer {
            Some(response) => link::accept(&response).map(|()| response),
            None => link::open(self.client, self.guard, self.url).await,
        };
        let response = match response {
            Ok(response) => response,
            // A fresh link may lead to the same file, so the partial file is kept.
            Err(problem) => return Err(Broken::keeping(part, problem)),
        };
        let length = response.content_length();
        let version = Validator::of(response.headers(), length);
        let mut chunks = response.bytes_stream().map_err(link::broken).boxed();
        let (head, target) = match self.look(&mut chunks, length).await {
            Ok(seen) => seen,
            Err(problem @ (FetchProblem::Page | FetchProblem::Wrong(_))) => return refused(part, problem),
            Err(problem) => return Err(Broken::keeping(part, problem)),
        };
        let begun = spawn_blocking(move || {
            let mut part = part;
            part.begin(version).map(|()| part)
        });
        let part = match begun.await {
            Ok(Ok(part)) => part,
            Ok(Err(error)) => return Err(Broken::without(disk(self.folder, &error))),
            Err(error) => return Err(Broken::without(stopped(&error))),
        };
        let chunks = stream::iter([Ok(head)]).chain(chunks).boxed();
        self.write(part, chunks, length, target, strict).await
    }

    /// Checks type, size and free space before anything is written.
    async fn look(&self, chunks: &mut Chunks, length: Option<u64>) -> Result<(Bytes, Target), FetchProblem> {
        check_size(length.unwrap_or_default(), self.expect)?;
        disk_space::check(self.folder, length.unwrap_or_default(), 0).await?;
        let head = link::read_head(chunks).await?;
        let target = self.target(&head)?;
        Ok((head, target))
    }

    fn target(&self, head: &[u8]) -> Result<Target, FetchProblem> {
        let found = judge(head, self.expect)?;
        Ok(Target::of(self.folder, self.name.unwrap_or("aside"), found, self.expect))
    }

    /// Appends the chunks to the partial file and checks whether it is complete.
    async fn write(
        &self,
        part: PartialFile,
        mut chunks: Chunks,
        length: Option<u64>,
        target: Target,
        strict: bool,
    ) -> Result<Arrived, Box<Broken>> {
        let mut arrived = part.bytes();
        let mut writer = FileWriter::start(self.folder, part);
        if let Err(problem) = writer.feed(&mut chunks, &mut arrived, length, self.expect).await {
            let part = writer.abandon().await;
            return match (problem, part) {
                (problem @ (FetchProblem::Page | FetchProblem::Wrong(_)), Some(part)) => {
                    refused(part, problem)
                }
                (problem, part) => Err(Box::new(Broken { problem, part, is_cut: false })),
            };
        }
        let part = writer.finish().await.map_err(Broken::without)?;
        if length.is_some() && !strict {
            return Ok((part, target));
        }
        // Without a length, only the content can show whether the file is complete.
        let sort = target.sniffed;
        let is_whole = move |part: &PartialFile| match length {
            Some(_) => !metadata::is_cut(part.file(), sort),
            None => metadata::is_whole(part.file(), sort),
        };
        match spawn_blocking(move || (is_whole(&part), part)).await {
            Ok((true, part)) => Ok((part, target)),
            Ok((false, part)) => {
                let reason = format!("the file is incomplete: it ended after {arrived} bytes");
                let problem = FetchProblem::transient(reason);
                if length.is_none() {
                    return Err(Broken::keeping(part, problem));
                }
                // Nothing is missing at its end, so it cannot be resumed.
                part.discard();
                Err(Box::new(Broken { problem, part: None, is_cut: true }))
            }
            Err(error) => Err(Broken::without(stopped(&error))),
        }
    }
}

/// The content is wrong, so the partial file is removed.
fn refused(part: PartialFile, problem: FetchProblem) -> Result<Arrived, Box<Broken>> {
    part.discard();
    Err(Broken::without(problem))
}

pub(crate) fn range(version: &Validator, start: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let condition = version.condition().and_then(|condition| HeaderValue::from_str(condition).ok());
    let range = HeaderValue::from_str(&format!("bytes={start}-")).ok();
    for (name, value) in [(IF_RANGE, condition), (RANGE, range)] {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
    headers
}

/// Skips the known bytes. `None` if the received bytes differ.
async fn behind(chunks: &mut Chunks, known: &[u8]) -> Result<Option<Bytes>, FetchProblem> {
    let mut known = known;
    while let Some(mut chunk) = chunks.try_next().await? {
        let same = known.len().min(chunk.len());
        let (expected, rest) = known.split_at(same);
        let seen = chunk.split_to(same);
        if seen != expected {
            return Ok(None);
        }
        known = rest;
        if known.is_empty() {
            return Ok(Some(chunk));
        }
    }
    Err(FetchProblem::transient("the response ended early"))
}
