//! Delivering into a bucket, and files that wait: on the disk of this server, or at MiniMax.

use std::path::{Path, PathBuf};

use futures_util::future::{FutureExt as _, ready};

use super::fetch::{Arrived, Fetch, MAX_RESULT, extension};
use super::record::Worker;
use super::unpack;
use crate::bucket::Bucket;
use crate::clock::now;
use crate::download;
use crate::download::{Expect, FetchProblem, Saved, ToBucket, Unfinished};
use crate::jobs::handle::Jobs;
use crate::jobs::undelivered::{self, discard};
use crate::media::{self, Kind as MediaKind};
use crate::store::{Job, JobFile, Kind, OnDisk, Wrapped};

/// While the bucket is away, a file whose link expires within this time, in milliseconds, is downloaded to the disk.
const SOON: i64 = 30 * 60_000;

/// The folder in which files of a job wait for the bucket, or for a folder that can be written. It is created when it is first
/// needed.
pub(super) fn spool(jobs: &Jobs, job: &str) -> PathBuf {
    undelivered::folder_of(&jobs.shared.settings.data_dir, job)
}

/// The key prefix of a job's objects: its principal (or a hash of the principal, if that is not a plain word) and its
/// id.
pub(super) fn folder_of(job: &Job) -> String {
    format!("{}/{}", media::key_of(&job.principal), job.id)
}

/// Saves content in the folder of [`spool`]. `None` if that fails too. Blocks.
pub(super) fn save_to_wait(bytes: &[u8], waiting: &Path, name: &str, expect: &Expect<'_>) -> Option<Saved> {
    undelivered::make(waiting).ok()?;
    download::save_now(bytes, waiting, name, expect).ok()
}

/// Adds a file on this machine to the record. With a bucket, each waits first, because the record must not wait for the
/// bucket.
pub(super) fn entered(worker: &Worker, saved: Saved, file: JobFile) -> JobFile {
    let waits = saved.path.starts_with(spool(&worker.jobs, &worker.job.id));
    let saved = Some(saved.into());
    if waits { JobFile { spooled: saved, ..file } } else { JobFile { saved, ..file } }
}

/// Adds a file of a job that ends without a delivery, and moves it into the bucket at once.
pub(super) async fn moved(worker: &Worker, saved: Saved, file: JobFile) -> JobFile {
    let mut file = entered(worker, saved, file);
    let Some(local) = file.spooled.clone() else { return file };
    let Some(bucket) = &worker.jobs.shared.settings.bucket else {
        let path = local.path.display();
        file.trouble = Some(format!("no folder for results can be written, so the file stays at {path}"));
        return file;
    };
    let moved = copy(bucket, &folder_of(&worker.job), &local, &|_| ready(()).boxed()).await;
    settle(&mut file, moved);
    discard(file.saved.as_ref().and(file.spooled.take()).into_iter().map(|local| local.path)).await;
    file
}

/// The copy of a file that waits on this machine. `None` if there is none, and MiniMax has it.
pub(super) async fn waiting(file: &JobFile) -> Result<Option<&OnDisk>, FetchProblem> {
    let Some(local) = &file.spooled else { return Ok(None) };
    if tokio::fs::try_exists(&local.path).await.unwrap_or(false) {
        return Ok(Some(local));
    }
    if file.url.is_some() {
        return Ok(None);
    }
    Err(FetchProblem::Disk(format!(
        "it is on the disk of the server that received it ({}); get_job at that server delivers it",
        local.path.display()
    )))
}

/// Tries once to put a file into the bucket.
pub(super) async fn bring(
    fetch: &Fetch<'_>,
    file: &JobFile,
    bucket: &Bucket,
) -> Result<Arrived, FetchProblem> {
    let spool = spool(fetch.jobs, &fetch.job.id);
    if waiting(file).await?.is_some() {
        return Ok(into_bucket(fetch, Arrived::one(file.clone()), bucket).await);
    }
    let arrived = match file.wrapped {
        Wrapped::Plain => match download(fetch, file, bucket).await {
            Ok(saved) => {
                let file = JobFile { upload: None, spooled: None, ..file.clone() };
                return Ok(Arrived::downloaded(saved, &file));
            }
            Err(problem @ FetchProblem::Bucket(_)) if ends_soon(file) => {
                made(&spool)?;
                let saved = spooled(fetch, file, &spool).await?;
                let trouble = Some(problem.to_string());
                Arrived::one(JobFile { spooled: Some(saved.into()), trouble, ..file.clone() })
            }
            Err(problem) => return Err(problem),
        },
        Wrapped::Cues => {
            made(&spool)?;
            marked_as_waiting(unpack::subtitles(fetch, file, &spool).await?)
        }
        Wrapped::Archive => {
            made(&spool)?;
            marked_as_waiting(unpack::unpack(fetch, file, &spool).await?)
        }
    };
    Ok(into_bucket(fetch, arrived, bucket).await)
}

fn made(spool: &Path) -> Result<(), FetchProblem> {
    undelivered::make(spool).map_err(|error| FetchProblem::Disk(error.to_string()))
}

/// Marks converted files, which are on the disk, as waiting for the bucket.
fn marked_as_waiting(mut arrived: Arrived) -> Arrived {
    for file in &mut arrived.files {
        file.spooled = file.saved.take();
    }
    arrived
}

async fn into_bucket(fetch: &Fetch<'_>, mut arrived: Arrived, bucket: &Bucket) -> Arrived {
    for file in &mut arrived.files {
        let Some(local) = file.spooled.clone() else { continue };
        // An upload that a dead process began is not continued, because the whole file is here.
        if let Some(old) = fetch.known_upload() {
            if bucket.abort(&old.upload.key, &old.upload.upload).await.is_err() {
                arrived.waits = true;
                continue;
            }
            fetch.note(None).await;
        }
        let moved = copy(bucket, &folder_of(fetch.job), &local, &|upload| fetch.note(upload)).await;
        settle(file, moved);
        match file.saved {
            Some(_) => arrived.done.extend(file.spooled.take().map(|local| local.path)),
            None => arrived.waits = true,
        }
        file.upload = fetch.known_upload();
    }
    arrived
}

/// Notes the outcome of a copy.
fn settle(file: &mut JobFile, moved: Result<Saved, FetchProblem>) {
    match moved {
        Ok(saved) => {
            let mut saved = OnDisk::from(saved);
            // The header of a streamed sound does not have its length.
            let length = file.spooled.as_ref().and_then(|local| local.duration_ms);
            saved.duration_ms = length.or(saved.duration_ms);
            file.saved = Some(saved);
            file.trouble = file.trouble.take().filter(|trouble| !trouble.starts_with(NOT_SAVED));
        }
        Err(problem) => file.trouble = Some(problem.to_string()),
    }
}

/// How the message of a [`FetchProblem`] of the bucket begins.
const NOT_SAVED: &str = "the file cannot be saved";

async fn copy(
    bucket: &Bucket,
    folder: &str,
    local: &OnDisk,
    notes: download::Notes<'_>,
) -> Result<Saved, FetchProblem> {
    let name = local.path.file_name().and_then(|name| name.to_str()).unwrap_or("file.bin");
    let expect = Expect { kind: None, max_bytes: MAX_RESULT, extension: extension(name) };
    ToBucket { bucket, folder, name, expect: &expect, notes }.copy(&local.path).await
}

async fn download(fetch: &Fetch<'_>, file: &JobFile, bucket: &Bucket) -> Result<Saved, FetchProblem> {
    let url = file.url.as_deref().unwrap_or_default();
    let (folder, name) = (folder_of(fetch.job), fetch.file_name(&file.name));
    let expect =
        Expect { kind: kind_of(fetch.job.kind), max_bytes: MAX_RESULT, extension: extension(&file.name) };
    let notes = |upload: Option<Unfinished>| fetch.note(upload);
    let to = ToBucket { bucket, folder: &folder, name: &name, expect: &expect, notes: &notes };
    fetch.jobs.shared.fetcher.download_to_bucket(url, to, fetch.known_upload()).await
}

async fn spooled(fetch: &Fetch<'_>, file: &JobFile, spool: &Path) -> Result<Saved, FetchProblem> {
    let url = file.url.as_deref().unwrap_or_default();
    let name = fetch.file_name(&file.name);
    let expect =
        Expect { kind: kind_of(fetch.job.kind), max_bytes: MAX_RESULT, extension: extension(&file.name) };
    fetch.jobs.shared.fetcher.download(url, spool, &name, &expect, Some(&fetch.key(file))).await
}

/// What the files of a job must be.
pub(super) fn kind_of(kind: Kind) -> Option<MediaKind> {
    match kind {
        Kind::Image => Some(MediaKind::Image),
        Kind::Video => Some(MediaKind::Video),
        Kind::Speech | Kind::Voice | Kind::Music => Some(MediaKind::Audio),
        Kind::Transcription | Kind::Prompt => None,
    }
}

fn ends_soon(file: &JobFile) -> bool {
    file.stale_at.is_none_or(|at| at < now().saturating_add(SOON))
}
