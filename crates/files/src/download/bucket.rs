//! Files that go into the bucket: from a link, or from a file on this machine, to a complete object.
//!
//! The bytes of a link pass through memory, one part at a time, and are hashed on the way. Nothing is written to the
//! disk. A broken download continues after the last part of its upload, even in another process.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _, ready};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::bucket::{Bucket, BucketProblem, Checkpoint, PART, TAIL, Upload, Written};
use crate::download::guard::Guard;
use crate::download::link::{self, FetchProblem};
use crate::download::resume::{AGAIN, Chunks, PAUSE, range};
use crate::download::validator::Validator;
use crate::download::writer::{Expect, Saved, Target, check_size, judge};
use crate::media::file_name;
use crate::media::probe::metadata;

/// How much of a file is read at a time.
const PIECE: usize = 256 * 1024;

/// An upload that is not complete, and the version of the file that it uploads.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Unfinished {
    /// The upload up to its last part.
    #[serde(flatten)]
    pub upload: Checkpoint,
    /// The version that the link led to. `None` if the download cannot be resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<Validator>,
}

/// Receives the checkpoint after every part, and `None` when the upload has ended. The upload continues once the
/// returned future completes.
pub type Notes<'a> = &'a (dyn Fn(Option<Unfinished>) -> BoxFuture<'static, ()> + Send + Sync);

/// Where a file goes in the bucket.
#[derive(Clone, Copy)]
pub struct ToBucket<'a> {
    /// The bucket.
    pub bucket: &'a Bucket,
    /// The key of the folder.
    pub folder: &'a str,
    /// The name of the file. Its extension may change to that of the content.
    pub name: &'a str,
    /// What the content must be.
    pub expect: &'a Expect<'a>,
    /// Receives the checkpoint after every part.
    pub notes: Notes<'a>,
}

/// A link whose content goes into the bucket.
pub(crate) struct LinkToBucket<'a> {
    pub(crate) client: &'a reqwest::Client,
    pub(crate) guard: &'a Guard,
    pub(crate) url: &'a str,
    pub(crate) to: ToBucket<'a>,
}

impl LinkToBucket<'_> {
    /// Downloads until the object is complete. Continues after a broken connection if that brought at least one part.
    pub(crate) async fn run(&self, mut from: Option<Unfinished>) -> Result<Saved, FetchProblem> {
        let mut cuts = 0;
        loop {
            let before = bytes_of(from.as_ref());
            match self.attempt(&mut from).await {
                Err(FetchProblem::Transient { reason, retry_after: None })
                    if from.as_ref().is_some_and(|from| from.version.is_some())
                        && bytes_of(from.as_ref()) > before =>
                {
                    tracing::info!(
                        reason,
                        bytes = bytes_of(from.as_ref()),
                        "the connection broke; the download is resumed"
                    );
                }
                // It lacks its end, although its length is right.
                Ok(Saved { is_cut: true, object: Some(object), .. }) if cuts < AGAIN => {
                    cuts += 1;
                    self.to.bucket.delete(&object.key).await?;
                    tracing::info!(key = object.key, "the file is incomplete; it is downloaded again");
                }
                done => return done,
            }
            sleep(PAUSE).await;
        }
    }

    async fn attempt(&self, from: &mut Option<Unfinished>) -> Result<Saved, FetchProblem> {
        let mut response = None;
        if let Some(known) = from.clone() {
            match self.resumed(known).await? {
                Resumed::Ready(upload, version, chunks) => {
                    let length = Some(version.length);
                    return self.feed(*upload, chunks, length, Some(version), from).await;
                }
                Resumed::Restart(answer) => response = answer,
            }
            // The bytes of two versions must never be joined.
            self.forget(from).await?;
        }
        let response = match response {
            Some(response) => link::accept(&response).map(|()| response)?,
            None => link::open(self.client, self.guard, self.url).await?,
        };
        let length = response.content_length();
        check_size(length.unwrap_or_default(), self.to.expect)?;
        let version = Validator::of(response.headers(), length);
        let mut chunks: Chunks = response.bytes_stream().map_err(link::broken).boxed();
        let head = link::read_head(&mut chunks).await?;
        let upload = self.to.begin(&head)?;
        let chunks = stream::iter([Ok(head)]).chain(chunks).boxed();
        self.feed(upload, chunks, length, version, from).await
    }

    /// Requests the missing bytes, and some known bytes before them, which must be equal.
    async fn resumed(&self, known: Unfinished) -> Result<Resumed, FetchProblem> {
        let Some(version) = known.version else { return Ok(Resumed::Restart(None)) };
        let Some(upload) = Upload::resumed(self.to.bucket, &known.upload) else {
            return Ok(Resumed::Restart(None));
        };
        if upload.bytes() == version.length {
            return Ok(Resumed::Ready(Box::new(upload), version, stream::empty().boxed()));
        }
        let start = upload.bytes().saturating_sub(TAIL as u64);
        let response = link::ask(self.client, self.guard, self.url, range(&version, start)).await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT
                if version.goes_on(response.headers(), start) && link::accept(&response).is_ok() => {}
            StatusCode::OK => return Ok(Resumed::Restart(Some(response))),
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                return Ok(Resumed::Restart(None));
            }
            _ => match link::accept(&response) {
                Err(FetchProblem::Wrong(_)) | Ok(()) => return Ok(Resumed::Restart(None)),
                Err(problem) => return Err(problem),
            },
        }
        let mut chunks: Chunks = response.bytes_stream().map_err(link::broken).boxed();
        let overlap = usize::try_from(upload.bytes().saturating_sub(start)).unwrap_or(TAIL);
        let mut seen = Vec::with_capacity(overlap);
        let mut rest = Bytes::new();
        while seen.len() < overlap {
            let Some(mut chunk) = chunks.try_next().await? else {
                return Err(FetchProblem::transient("the response ended early"));
            };
            let wanted = overlap.saturating_sub(seen.len()).min(chunk.len());
            seen.extend_from_slice(&chunk.split_to(wanted));
            rest = chunk;
        }
        if data_encoding::HEXLOWER.encode(&Sha256::digest(&seen)) != known.upload.tail {
            return Ok(Resumed::Restart(None));
        }
        tracing::info!(bytes = upload.bytes(), of = version.length, "a download is resumed");
        let chunks = stream::iter([Ok(rest)]).chain(chunks).boxed();
        Ok(Resumed::Ready(Box::new(upload), version, chunks))
    }

    /// Sends the chunks as they arrive, and completes the object.
    async fn feed(
        &self,
        mut upload: Upload,
        mut chunks: Chunks,
        length: Option<u64>,
        version: Option<Validator>,
        from: &mut Option<Unfinished>,
    ) -> Result<Saved, FetchProblem> {
        let fed = async {
            while let Some(chunk) = chunks.try_next().await? {
                check_size(upload.bytes().saturating_add(chunk.len() as u64), self.to.expect)?;
                upload.push(&chunk);
                while upload.step().await? {
                    self.note(&upload, version.as_ref(), from).await;
                }
            }
            link::check_length(length, upload.bytes())?;
            if upload.seal().await? {
                self.note(&upload, version.as_ref(), from).await;
            }
            Ok::<(), FetchProblem>(())
        };
        if let Err(problem) = fed.await {
            // Without a version, or with the wrong content, the parts are useless.
            let is_lost = matches!(problem, FetchProblem::Page | FetchProblem::Wrong(_));
            let is_gone = match &problem {
                FetchProblem::Bucket(problem) => self.has_lost(problem, from.as_ref()).await,
                _ => false,
            };
            if is_lost || is_gone || version.is_none() {
                self.forget(from).await?;
            }
            return Err(if is_gone { parts_are_gone() } else { problem });
        }
        #[cfg(feature = "crash-points")]
        crate::crash::point("bucket.sealed");
        let written = match upload.complete().await {
            Ok(written) => written,
            Err(problem) => {
                // The upload is gone, and no object has its content.
                if self.has_lost(&problem, from.as_ref()).await {
                    self.forget(from).await?;
                    return Err(parts_are_gone());
                }
                return Err(problem.into());
            }
        };
        #[cfg(feature = "crash-points")]
        crate::crash::point("bucket.completed");
        let saved = self.to.measured(written, length.is_some()).await;
        if !matches!(saved, Err(FetchProblem::Bucket(_))) {
            *from = None;
            (self.to.notes)(None).await;
        }
        saved
    }

    async fn note(&self, upload: &Upload, version: Option<&Validator>, from: &mut Option<Unfinished>) {
        *from = upload
            .checkpoint()
            .map(|upload| Unfinished { upload: upload.clone(), version: version.cloned() });
        (self.to.notes)(from.clone()).await;
        #[cfg(feature = "crash-points")]
        crate::crash::point("bucket.part");
    }

    /// Whether a problem means that the bucket no longer has the upload.
    async fn has_lost(&self, problem: &BucketProblem, upload: Option<&Unfinished>) -> bool {
        match (problem, upload) {
            (BucketProblem::Absent | BucketProblem::Replaced, _) => true,
            (BucketProblem::Refused(_), Some(known)) => self.to.bucket.takes_uploads(&known.upload.key).await,
            _ => false,
        }
    }

    /// Removes the parts of an upload that is not continued.
    async fn forget(&self, from: &mut Option<Unfinished>) -> Result<(), FetchProblem> {
        if let Some(known) = from.as_ref() {
            self.to.bucket.abort(&known.upload.key, &known.upload.upload).await?;
            *from = None;
            (self.to.notes)(None).await;
        }
        Ok(())
    }
}

/// How a download continues.
enum Resumed {
    /// With these bytes.
    Ready(Box<Upload>, Validator, Chunks),
    /// From the beginning, perhaps with this response.
    Restart(Option<Response>),
}

fn bytes_of(known: Option<&Unfinished>) -> u64 {
    known.map_or(0, |known| known.upload.bytes)
}

/// The next try begins the upload again.
fn parts_are_gone() -> FetchProblem {
    FetchProblem::transient("the bucket has lost the parts of the upload")
}

impl ToBucket<'_> {
    /// Saves a file on this machine.
    pub async fn copy(&self, path: &Path) -> Result<Saved, FetchProblem> {
        let mut file = tokio::fs::File::open(path).await.map_err(|error| disk(&error))?;
        let mut head = vec![0; PIECE];
        let read = file.read(&mut head).await.map_err(|error| disk(&error))?;
        let upload = self.begin(head.get(..read).unwrap_or_default())?;
        file.rewind().await.map_err(|error| disk(&error))?;
        let written = filled(upload, file, self.notes).await?;
        let saved = self.measured(written, true).await;
        (self.notes)(None).await;
        saved
    }

    /// Begins the object for a file with these first bytes.
    fn begin(&self, head: &[u8]) -> Result<Upload, FetchProblem> {
        if !file_name::is_plain(self.name) {
            return Err(FetchProblem::Wrong("the file's name is not a plain name".into()));
        }
        let target = Target::of(Path::new(""), self.name, judge(head, self.expect)?, self.expect);
        let key = format!("{}/{}", self.folder, target.name());
        Ok(Upload::new(self.bucket, &key, target.mime))
    }

    /// Measures an object. If its length was not `proven`, it must end where its format says, or it is removed again.
    async fn measured(&self, written: Written, proven: bool) -> Result<Saved, FetchProblem> {
        let Written { object, bytes, sha256, file, whole } = written;
        let head = match &whole {
            Some(whole) => whole.clone(),
            None => file.piece(0, PART as u64).await?,
        };
        let found = judge(&head, self.expect)?;
        let mime = Target::of(Path::new(""), self.name, found, self.expect).mime.to_owned();
        let sort = found.mime;
        let measuring = spawn_blocking(move || match whole {
            Some(whole) => (
                proven || metadata::is_whole(Cursor::new(whole.clone()), sort),
                metadata::is_cut(Cursor::new(whole.clone()), sort),
                metadata::measure(Cursor::new(whole), sort),
            ),
            None => (
                proven || metadata::is_whole(file.clone().reader(), sort),
                metadata::is_cut(file.clone().reader(), sort),
                metadata::measure(file.reader(), sort),
            ),
        });
        let (is_whole, is_cut, facts) =
            measuring.await.unwrap_or((proven, false, metadata::Facts::default()));
        if !is_whole {
            self.bucket.delete(&object.key).await?;
            return Err(FetchProblem::transient(format!(
                "the file is incomplete: it ended after {bytes} bytes"
            )));
        }
        let metadata::Facts { width, height, duration_ms } = facts;
        let path = PathBuf::from(self.bucket.url_of(&object.key));
        Ok(Saved { path, object: Some(object), bytes, sha256, mime, width, height, duration_ms, is_cut })
    }
}

/// Copies a file on this machine to exactly this key.
pub async fn copy_to_key(bucket: &Bucket, key: &str, mime: &str, path: &Path) -> Result<(), FetchProblem> {
    let file = tokio::fs::File::open(path).await.map_err(|error| disk(&error))?;
    filled(Upload::new(bucket, key, mime), file, &|_| ready(()).boxed()).await.map(drop)
}

/// Sends a file from its position to its end, and completes the object. If that fails, the parts are removed.
async fn filled(
    mut upload: Upload,
    mut file: tokio::fs::File,
    notes: Notes<'_>,
) -> Result<Written, FetchProblem> {
    let sending = async {
        let mut piece = vec![0; PIECE];
        loop {
            let read = file.read(&mut piece).await.map_err(|error| disk(&error))?;
            if read == 0 {
                break;
            }
            upload.push(piece.get(..read).unwrap_or_default());
            while upload.step().await? {
                notes(unversioned(&upload)).await;
            }
        }
        if upload.seal().await? {
            notes(unversioned(&upload)).await;
        }
        Ok::<(), FetchProblem>(())
    };
    if let Err(problem) = sending.await {
        if upload.abandon().await.is_ok() {
            notes(None).await;
        }
        return Err(problem);
    }
    Ok(upload.complete().await?)
}

fn unversioned(upload: &Upload) -> Option<Unfinished> {
    upload.checkpoint().map(|upload| Unfinished { upload: upload.clone(), version: None })
}

fn disk(error: &std::io::Error) -> FetchProblem {
    FetchProblem::Disk(error.to_string())
}
