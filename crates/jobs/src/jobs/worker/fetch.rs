//! One file that is being delivered.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::download::{Saved, Unfinished};
use crate::jobs::handle::Jobs;
use crate::media;
use crate::store::{Job, JobFile, Task};

/// What is wrong with a file that lacks its end.
pub(super) const CUT: &str = "it is cut short, and was so each time that it was downloaded: it ends before the end that its format marks";

/// The largest result of MiniMax, in bytes.
pub(super) const MAX_RESULT: u64 = 4 * 1024 * 1024 * 1024;

/// A file of a job, and what its delivery needs.
pub(super) struct Fetch<'a> {
    pub(super) jobs: &'a Jobs,
    pub(super) job: &'a Job,
    pub(super) task: Option<&'a Task>,
    pub(super) index: usize,
    pub(super) many: bool,
    /// The upload to the bucket that is under way.
    pub(super) upload: Mutex<Option<Unfinished>>,
    /// Sends every change of that upload to the worker, which records it.
    pub(super) notes: UnboundedSender<Note>,
}

impl Fetch<'_> {
    /// Identifies the file independently of its links.
    pub(super) fn key(&self, file: &JobFile) -> String {
        format!("{}/{}", self.job.id, file.name)
    }

    /// The upload to the bucket that is under way.
    pub(super) fn known_upload(&self) -> Option<Unfinished> {
        self.upload.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes the state of the upload, and completes when the record has it. The end of the upload is recorded later,
    /// with the outcome of the delivery.
    pub(super) fn note(&self, upload: Option<Unfinished>) -> BoxFuture<'static, ()> {
        self.upload.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&upload);
        let Some(upload) = upload else { return ready(()).boxed() };
        let (written, is_written) = oneshot::channel();
        // The receiver is gone when the delivery was interrupted.
        let _ = self.notes.send(Note { index: self.index, upload, written });
        is_written.map(drop).boxed()
    }

    /// The name on disk of the file `name` of the job.
    pub(super) fn file_name(&self, name: &str) -> String {
        media::file_name(&self.job.prompt, short(&self.job.id), self.index + 1, self.many, extension(name))
    }
}

/// A change of an upload on its way to the record.
pub(super) struct Note {
    pub(super) index: usize,
    pub(super) upload: Unfinished,
    /// Signals that the record has it.
    pub(super) written: oneshot::Sender<()>,
}

/// What one delivery brought: an archive becomes several files.
#[derive(Debug, Default)]
pub(super) struct Arrived {
    pub(super) files: Vec<JobFile>,
    /// The usage that an archive reports beside its files.
    pub(super) usage: Option<Value>,
    /// The file lacks its end, at MiniMax too.
    pub(super) is_cut: bool,
    /// The file has not arrived, and another try would not help.
    pub(super) is_lost: bool,
    /// The bucket does not take the file now.
    pub(super) waits: bool,
    /// Files on this machine whose copies are now in the bucket.
    pub(super) done: Vec<PathBuf>,
}

impl Arrived {
    pub(super) fn one(file: JobFile) -> Self {
        Self { files: vec![file], ..Self::default() }
    }

    /// A file that was downloaded, and says so if it lacks its end.
    pub(super) fn downloaded(saved: Saved, file: &JobFile) -> Self {
        let is_cut = saved.is_cut;
        let trouble = is_cut.then(|| CUT.to_owned());
        Self { is_cut, ..Self::one(JobFile { saved: Some(saved.into()), trouble, ..file.clone() }) }
    }
}

/// The part of a job's id that goes into file names.
pub(super) fn short(id: &str) -> &str {
    let random = id.rsplit('-').next().unwrap_or(id);
    random.get(..8).unwrap_or(random)
}

pub(super) fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("bin", |(_, extension)| extension)
}
