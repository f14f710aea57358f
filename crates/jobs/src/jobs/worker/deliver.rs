//! Delivering a result: the record of what was made, content that came with the answer, and downloads with retries and new
//! links.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::bucket;
use super::failure::{made_without_link, withheld};
use super::fetch::{Arrived, Fetch, MAX_RESULT, Note, extension, short};
use super::record::{Interrupted, Step, Worker, Write};
use super::unpack;
use crate::api::task::Progress;
use crate::bucket::Bucket;
use crate::download;
use crate::download::{Expect, FetchProblem};
use crate::jobs::order::outcome::Made;
use crate::jobs::order::task::{collect, poll};
use crate::jobs::undelivered;
use crate::media::{self, Content, Resendable};
use crate::store::{Job, JobFile, MOST_FILES, OnDisk, Route, Seen, Task, Wrapped};
use crate::telemetry::quoted;

/// The longest that one download may take.
const LONGEST_DOWNLOAD: Duration = Duration::from_secs(20 * 60);

/// Where files go.
enum Destination {
    /// Nowhere: results are links.
    Links,
    Folder(PathBuf),
    Bucket(Bucket),
}

/// Records what was made and billed, before files are downloaded.
pub(super) async fn record_result(worker: &mut Worker, made: Made, write: Write) -> Step {
    let job: &mut Job = &mut worker.job;
    job.files = made.files;
    // No order makes more files.
    job.files.truncate(MOST_FILES);
    job.text = made.text.or(job.text.take());
    job.voice_id = made.voice_id.or(job.voice_id.take());
    let usage = made.usage.filter(|usage| usage.to_string().len() < 16_384);
    job.usage = usage.or(job.usage.take());
    job.warnings.extend(made.warnings);
    if let Some(cost) = &mut job.cost {
        let actual = made.units.and_then(|units| cost.with_inputs(units, made.inputs));
        cost.actual = actual.or(cost.actual);
    }
    if job.model.is_empty() {
        job.model = made.model.unwrap_or_default();
    }
    job.missing = made.missing.saturating_add(made.unusable);
    job.incomplete = made.cut.is_some();
    job.warnings.extend(made.cut.map(str::to_owned));
    let number = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let all = job.files.len().saturating_add(number(job.missing));
    if made.missing > 0 {
        let made = all.saturating_sub(number(made.missing));
        job.warnings.push(format!("MiniMax made {made} of {all}; it withheld the others"));
    }
    if made.unusable > 0 {
        job.warnings.push(format!(
            "{} of {all} cannot be fetched: MiniMax's link is empty or cut{}",
            made.unusable,
            shown(&made.odd)
        ));
    }
    for (index, bytes) in made.bytes {
        keep(worker, index, bytes).await;
    }
    if worker.job.files.is_empty() && worker.job.text.is_none() && worker.job.voice_id.is_none() {
        worker.job.may_be_billed = true;
        if made.unusable > 0 {
            let failure = made_without_link(made.trace_id, &shown(&made.odd));
            return worker.commit([Seen::Failed(failure)], write).await;
        }
        let message = "it withheld everything that was ordered (content safety)";
        return worker.commit([Seen::Failed(withheld(message))], write).await;
    }
    if is_complete(worker) {
        let partial = is_short(&worker.job);
        return worker.commit([Seen::Made, Seen::Fetched { partial }], write).await;
    }
    worker.commit([Seen::Made], write).await
}

/// The texts in the place of links, for a message.
fn shown(odd: &[String]) -> String {
    let texts = odd.iter().filter(|text| !text.trim().is_empty()).map(|text| quoted(text));
    let texts = texts.collect::<Vec<_>>().join(", ");
    if texts.is_empty() { texts } else { format!(" ({texts})") }
}

/// Whether nothing is left to fetch, because all content came with the answer and is on disk.
fn is_complete(worker: &Worker) -> bool {
    let is_here = |file: &JobFile| file.saved.is_some() && file.spooled.is_none();
    worker.jobs.bucket().is_none() && worker.job.files.iter().all(is_here)
}

/// Saves content that came with the answer, before the record says that it was made.
async fn keep(worker: &mut Worker, index: usize, bytes: Vec<u8>) {
    let jobs = worker.jobs.clone();
    let Some(file) = worker.job.files.get(index) else { return };
    let extension = extension(&file.name).to_owned();
    let many = worker.job.files.len() > 1;
    let name = media::file_name(&worker.job.prompt, short(&worker.job.id), index + 1, many, &extension);
    let waiting = bucket::spool(&jobs, &worker.job.id);
    let (home, check) = if jobs.shared.settings.bucket.is_some() {
        (folder(worker).await, None)
    } else {
        (own_folder(worker), folder_check(worker))
    };
    // In one blocking task, because each switch to another thread costs as much time as the write itself.
    let saving = spawn_blocking(move || {
        let instead = check.and_then(|check| check());
        let home = instead.as_ref().map_or(home, |instead| instead.folder.clone());
        let expect = Expect { kind: None, max_bytes: MAX_RESULT, extension: &extension };
        let saved = download::save_now(&bytes, &home, &name, &expect);
        // The content has no link, so it must not be lost with the folder.
        let (saved, trouble) = match saved {
            Err(problem) => {
                (bucket::save_to_wait(&bytes, &waiting, &name, &expect), Some(problem.to_string()))
            }
            saved => (saved.ok(), None),
        };
        (instead, home, saved, trouble)
    });
    let (instead, home, saved, trouble) = match saving.await {
        Ok(outcome) => outcome,
        Err(error) => (None, own_folder(worker), None, Some(error.to_string())),
    };
    if let Some(instead) = instead {
        move_to(worker, instead);
    }
    let Some(mut file) = worker.job.files.get(index).cloned() else { return };
    if let Some(saved) = saved {
        let is_cut = saved.is_cut;
        file = bucket::entered(worker, saved, file);
        if is_cut {
            file.trouble = Some("it is cut short in MiniMax's answer".to_owned());
            worker.job.incomplete = true;
        }
        // With a bucket, a job without a folder stays one: its other results are links.
        if file.spooled.is_some() && jobs.bucket().is_none() {
            worker.job.folder.get_or_insert(home);
        }
    }
    file.trouble = trouble.or(file.trouble);
    if let Some(known) = worker.job.files.get_mut(index) {
        *known = file;
    }
}

/// The folder for files that have no link. With a bucket, or while no folder for results can be written, it is the one in
/// which the job's files wait.
pub(super) async fn folder(worker: &mut Worker) -> PathBuf {
    let waiting = bucket::spool(&worker.jobs, &worker.job.id);
    if worker.jobs.shared.settings.bucket.is_some() {
        // If this fails, the first write fails too and is reported.
        let _ = undelivered::make(&waiting);
        return waiting;
    }
    check_folder(worker).await;
    let own = own_folder(worker);
    if download::prepare_stream(&own).await.is_ok() || undelivered::make(&waiting).is_err() {
        return own;
    }
    worker.job.folder.get_or_insert(own);
    waiting
}

fn own_folder(worker: &Worker) -> PathBuf {
    worker.job.folder.clone().unwrap_or_else(|| worker.jobs.shared.settings.base_path.clone())
}

/// A folder could be written when the job started. When its files arrive, it may be forbidden by other settings, or have
/// become a file or a link. The files are paid for, so they are then saved in the base folder.
async fn check_folder(worker: &mut Worker) {
    let Some(check) = folder_check(worker) else { return };
    if let Ok(Some(instead)) = spawn_blocking(check).await {
        move_to(worker, instead);
    }
}

/// The base folder in place of a job's own, and why.
struct Instead {
    folder: PathBuf,
    why: String,
    advice: &'static str,
}

/// A check that returns the folder to use instead of the job's own, if the job's own may not or cannot be written. It
/// reads the disk.
fn folder_check(worker: &Worker) -> Option<impl FnOnce() -> Option<Instead> + Send + use<>> {
    let (found, settings) = (worker.job.folder.clone()?, &worker.jobs.shared.settings);
    let (base, roots) = (settings.base_path.clone(), settings.roots.clone());
    Some(move || {
        let is_allowed = download::is_still_allowed(&base, &found, &roots);
        let problem = if is_allowed { Some(download::prepare_again(&found).err()?) } else { None };
        let folder = download::folder(&base, None, &roots).unwrap_or(base);
        match problem {
            None => {
                let why = format!("{} is not a folder that this server may write", found.display());
                let advice = ". Add it to MINIMAX_ALLOWED_DIRS for the next job";
                Some(Instead { folder, why, advice })
            }
            // The job keeps its folder, and the delivery reports the problem.
            Some(_) if folder == found || download::prepare_again(&folder).is_err() => None,
            Some(problem) => Some(Instead { folder, why: problem.to_string(), advice: "" }),
        }
    })
}

fn move_to(worker: &mut Worker, instead: Instead) {
    let Instead { folder, why, advice } = instead;
    worker.job.warnings.push(format!("{why}: files are saved in {}{advice}", folder.display()));
    worker.job.folder = Some(folder);
}

/// Downloads the files side by side, and asks for a new link where one has expired.
pub(super) async fn deliver(worker: &mut Worker, task: Option<&Task>) -> Step {
    let Some(destination) = destination(worker).await? else { return Ok(()) };
    let (jobs, job) = (worker.jobs.clone(), worker.job.clone());
    let (notes, mut written_parts) = mpsc::unbounded_channel();
    let all = job.files.iter().enumerate().map(|(index, file)| {
        // Audio and its subtitles share a name.
        let alike = |other: &&JobFile| extension(&other.name) == extension(&file.name);
        let many = job.files.iter().filter(alike).count() > 1;
        let (upload, notes) = (file.upload.clone().into(), notes.clone());
        let fetch = Fetch { jobs: &jobs, job: &job, task, index, many, upload, notes };
        deliver_one(fetch, file.clone(), &destination)
    });
    let stop = worker.jobs.shared.stop.clone();
    let mut all = pin!(join_all(all));
    let arrived = loop {
        tokio::select! {
            () = stop.cancelled() => return Err(Interrupted),
            arrived = &mut all => break arrived,
            Some(Note { index, upload, written }) = written_parts.recv() => {
                if let Some(file) = worker.job.files.get_mut(index) {
                    file.upload = Some(upload);
                }
                worker.note().await?;
                let _ = written.send(());
            }
        }
    };
    worker.job.files.clear();
    let (mut lost, mut waits, mut done) = (false, false, Vec::new());
    for Arrived { files, usage, is_cut, is_lost, waits: one_waits, done: one_done } in arrived {
        worker.job.incomplete |= is_cut;
        lost |= is_lost;
        waits |= one_waits;
        done.extend(one_done);
        worker.job.files.extend(files);
        match (&mut worker.job.usage, usage) {
            (Some(serde_json::Value::Object(known)), Some(serde_json::Value::Object(more))) => {
                for (name, value) in more {
                    known.entry(name).or_insert(value);
                }
            }
            (none @ None, more) => *none = more,
            _ => {}
        }
    }
    if waits {
        return hold(worker, done).await;
    }
    worker.held = 0;
    give_up_uploads(worker).await;
    if !done.is_empty() {
        // A copy is removed only after the record names its successor, on the disk.
        worker.note().await?;
        undelivered::discard(done).await;
    }
    let partial = lost || is_short(&worker.job);
    worker.see(Seen::Fetched { partial }).await
}

/// The destination of a job's files. `None` if the folder cannot be written; the record then says so.
async fn destination(worker: &mut Worker) -> Result<Option<Destination>, Interrupted> {
    // Content without a link must become a file.
    let has_spooled = worker.job.files.iter().any(|file| file.spooled.is_some());
    if worker.job.folder.is_none() && !has_spooled {
        return Ok(Some(Destination::Links));
    }
    if let Some(bucket) = worker.jobs.shared.settings.bucket.clone() {
        return Ok(Some(Destination::Bucket(bucket)));
    }
    check_folder(worker).await;
    let folder = own_folder(worker);
    worker.job.folder.get_or_insert_with(|| folder.clone());
    let found = folder.clone();
    let prepared = spawn_blocking(move || download::prepare_again(&found)).await;
    if let Ok(Err(problem)) = prepared {
        for file in worker.job.files.iter_mut().filter(|file| file.saved.is_none()) {
            file.trouble = Some(problem.to_string());
        }
        let partial = worker.job.missing > 0;
        worker.see(Seen::Fetched { partial }).await?;
        return Ok(None);
    }
    Ok(Some(Destination::Folder(folder)))
}

/// For a bucket that does not take a file: the job's state stays as it is, and its record keeps the links.
async fn hold(worker: &mut Worker, done: Vec<PathBuf>) -> Step {
    worker.note().await?;
    undelivered::discard(done).await;
    worker.held = worker.held.saturating_add(1);
    tracing::warn!(
        job = worker.job.id,
        tries = worker.held,
        "the bucket does not take a result; the delivery is retried"
    );
    Ok(())
}

/// Removes the parts of uploads that are not continued.
async fn give_up_uploads(worker: &mut Worker) {
    let Some(bucket) = worker.jobs.shared.settings.bucket.clone() else { return };
    for file in &mut worker.job.files {
        if let Some(old) = &file.upload
            && bucket.abort(&old.upload.key, &old.upload.upload).await.is_ok()
        {
            file.upload = None;
        }
    }
}

/// Whether MiniMax made less than was ordered.
pub(super) fn is_short(job: &Job) -> bool {
    job.missing > 0 || job.incomplete
}

/// Returns the file, saved or with the reason why not. An archive becomes the files in it.
async fn deliver_one(fetch: Fetch<'_>, mut file: JobFile, destination: &Destination) -> Arrived {
    if file.is_stale() {
        renew(&fetch, &mut file).await;
    }
    let is_link = fetch.job.folder.is_none() && file.spooled.is_none();
    if file.saved.is_some() || is_link || matches!(destination, Destination::Links) {
        return Arrived::one(file);
    }
    if file.url.is_none() && file.spooled.is_none() && fetch.task.is_none() {
        let lost = "it came without a link, so it cannot be fetched again";
        file.trouble = Some(match file.trouble.take() {
            Some(why) if why.contains(lost) => why,
            Some(why) => format!("{why}; {lost}"),
            None => lost.to_owned(),
        });
        return Arrived { is_lost: true, ..Arrived::one(file) };
    }
    let (mut refused, mut is_lost, mut waits) = (0, false, false);
    for tries in 1..=5_u32 {
        let problem = match try_once(&fetch, &file, destination).await {
            Ok(arrived) => {
                let sizes = arrived.files.iter().filter_map(|file| Some(file.saved.as_ref()?.bytes));
                fetch.jobs.api().metrics().downloaded(sizes.fold(0, u64::saturating_add));
                return arrived;
            }
            Err(problem) => problem,
        };
        tracing::info!(job = fetch.job.id, %problem, tries, "a file did not arrive");
        file.trouble = Some(problem.to_string());
        file.upload = fetch.known_upload();
        is_lost = !matches!(
            problem,
            FetchProblem::Transient { .. } | FetchProblem::Disk(_) | FetchProblem::Bucket(_)
        );
        waits = matches!(problem, FetchProblem::Bucket(_));
        let asked = match problem {
            FetchProblem::Expired { .. } => {
                refused += 1;
                // A link may be refused once by accident. A link that is refused twice and cannot be renewed is dead.
                if !renew(&fetch, &mut file).await && refused > 1 {
                    break;
                }
                None
            }
            FetchProblem::Transient { retry_after, .. } => retry_after,
            // An error page instead of the file may mean that the link has expired.
            FetchProblem::Page | FetchProblem::Wrong(_) | FetchProblem::Private(_)
                if tries == 1 && renew(&fetch, &mut file).await =>
            {
                None
            }
            FetchProblem::Disk(_)
            | FetchProblem::Bucket(_)
            | FetchProblem::Page
            | FetchProblem::Wrong(_)
            | FetchProblem::Private(_) => break,
        };
        if tries < 5 {
            let usual = Duration::from_millis(300).saturating_mul(3_u32.saturating_pow(tries - 1));
            sleep(asked.unwrap_or(usual).min(Duration::from_secs(60))).await;
        }
    }
    Arrived { is_lost, waits, ..Arrived::one(file) }
}

/// One try, once a download slot is free.
async fn try_once(
    fetch: &Fetch<'_>,
    file: &JobFile,
    destination: &Destination,
) -> Result<Arrived, FetchProblem> {
    let slow =
        || FetchProblem::Transient { reason: "the download takes too long".to_owned(), retry_after: None };
    // The time limit starts when the slot is free.
    let url = file.url.as_deref().unwrap_or_default();
    let _slot = fetch.jobs.shared.download_slots.acquire(url).await.map_err(|_| slow())?;
    let downloading = async {
        let folder = match destination {
            Destination::Folder(folder) => folder,
            Destination::Bucket(bucket) => return bucket::bring(fetch, file, bucket).await,
            Destination::Links => return Ok(Arrived::one(file.clone())),
        };
        if let Some(local) = bucket::waiting(file).await? {
            return from_waiting(fetch, file, local, folder).await;
        }
        let file = &JobFile { spooled: None, ..file.clone() };
        match file.wrapped {
            Wrapped::Plain => {
                download(fetch, file, folder).await.map(|saved| Arrived::downloaded(saved, file))
            }
            Wrapped::Cues => unpack::subtitles(fetch, file, folder).await,
            Wrapped::Archive => unpack::unpack(fetch, file, folder).await,
        }
    };
    tokio::time::timeout(LONGEST_DOWNLOAD, downloading).await.map_err(|_| slow())?
}

/// Copies a file that waits on this machine into its folder.
async fn from_waiting(
    fetch: &Fetch<'_>,
    file: &JobFile,
    local: &OnDisk,
    folder: &Path,
) -> Result<Arrived, FetchProblem> {
    let unread = |error: std::io::Error| FetchProblem::Disk(error.to_string());
    let opened = tokio::fs::File::open(&local.path).await.map_err(unread)?;
    let content = Resendable::of(Content::Disk(opened), local.bytes).await;
    let expect = Expect { kind: None, max_bytes: MAX_RESULT, extension: extension(&file.name) };
    let name = fetch.file_name(&file.name);
    let mut saved = download::save_stream(content.chunks().map_err(unread), folder, &name, &expect).await?;
    // The header of a streamed sound does not have its length.
    saved.duration_ms = local.duration_ms.or(saved.duration_ms);
    let file = JobFile { spooled: None, trouble: None, ..file.clone() };
    Ok(Arrived { done: vec![local.path.clone()], ..Arrived::downloaded(saved, &file) })
}

async fn download(fetch: &Fetch<'_>, file: &JobFile, folder: &Path) -> Result<download::Saved, FetchProblem> {
    let url = file.url.as_deref().unwrap_or_default();
    let extension = extension(&file.name);
    let name = fetch.file_name(&file.name);
    let kind = bucket::kind_of(fetch.job.kind);
    let expect = Expect { kind, max_bytes: MAX_RESULT, extension };
    let key = fetch.key(file);
    fetch.jobs.shared.fetcher.download(url, folder, &name, &expect, Some(&key)).await
}

/// Asks MiniMax for a new link. Returns whether it gave one.
async fn renew(fetch: &Fetch<'_>, file: &mut JobFile) -> bool {
    let Some(task) = fetch.task else { return false };
    let ready = match (&file.file_id, task.route) {
        (Some(file_id), Route::VideoV1 | Route::SpeechAsync) => {
            Some(crate::api::task::Ready { file_id: Some(file_id.clone()), ..Default::default() })
        }
        _ => match poll(fetch.jobs.api(), task).await {
            Ok(Progress::Ready(ready)) => Some(*ready),
            _ => None,
        },
    };
    let Some(ready) = ready else { return false };
    let collected = collect(fetch.jobs.api(), task.route, ready).await;
    if let Err(error) = &collected {
        tracing::info!(job = fetch.job.id, %error, "no new link");
    }
    let Some(fresh) = collected.ok().flatten().and_then(|made| made.files.into_iter().next()) else {
        return false;
    };
    file.url = fresh.url;
    (file.url_expires_at, file.stale_at) = (fresh.url_expires_at, fresh.stale_at);
    true
}
