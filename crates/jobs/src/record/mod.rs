//! A job as a value: what was ordered, what it made, and its state with the transitions. This part neither stores nor
//! sends anything.

mod state;
#[cfg(test)]
mod state_properties;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::bucket::Object;
use crate::clock::now;
use crate::download::{Saved, Unfinished};
use crate::money::{Cost, Money};
use crate::rate_limit::QueueView;

pub use state::{Failure, Route, STATUSES, Seen, State, Task};

/// The most files of a job; no request makes more.
pub(crate) const MOST_FILES: usize = 32;

/// The name, without its extension, of a file with an answer of MiniMax that could not be read.
pub const ANSWER: &str = "answer";

/// What a job makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are the words of a job view")]
pub enum Kind {
    Image,
    Speech,
    Transcription,
    Voice,
    Video,
    Prompt,
    Music,
}

impl Kind {
    /// The word for it, as in `list_jobs`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Speech => "speech",
            Self::Transcription => "transcription",
            Self::Voice => "voice",
            Self::Video => "video",
            Self::Prompt => "prompt",
            Self::Music => "music",
        }
    }
}

/// Everything about a job. Stored as JSON: fields are only ever added, with a default.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// Its id, which cannot be guessed.
    pub id: String,
    /// Its owner.
    pub principal: String,
    /// What it makes.
    pub kind: Kind,
    /// The tool that started it.
    pub tool: String,
    /// The model that was asked for.
    pub model: String,
    /// The name of the account that bought it: API host and fingerprint of the key.
    pub account: String,
    /// What was ordered, in the caller's words. `list_jobs` searches it.
    pub prompt: String,
    /// The body that was sent, with media left out.
    pub request: Value,
    /// The arguments of the call, without those that only say how to wait, and without media in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
    /// A hash of the arguments, to find an `idempotency_key` that is used again with other arguments.
    pub digest: String,
    /// The caller's key for "the same order".
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// The folder for files; `None` if the caller gets only links.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// Its state.
    pub state: State,
    /// What it made so far.
    #[serde(default)]
    pub files: Vec<JobFile>,
    /// The ids of all its files at MiniMax. They stay when an archive is replaced by its entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub file_ids: Vec<String>,
    /// A text that it made.
    #[serde(default)]
    pub text: Option<String>,
    /// A voice that it made.
    #[serde(default)]
    pub voice_id: Option<String>,
    /// Ordered results that MiniMax withheld, or that have no usable link.
    #[serde(default)]
    pub missing: u32,
    /// What MiniMax counted.
    #[serde(default)]
    pub usage: Option<Value>,
    /// Its position in the queue, while it waits to be sent by this process.
    #[serde(skip)]
    pub waiting: Option<QueueView>,
    /// What it costs. `None` for a task that was submitted elsewhere.
    #[serde(default, with = "crate::money::cost::record")]
    pub cost: Option<Cost>,
    /// What the caller should know.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// A caller wants it cancelled as soon as MiniMax has given it a task id.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancel_requested: bool,
    /// MiniMax called the result unfinished when it handed it over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
    /// It ended without a result but may have been billed.
    #[serde(default)]
    pub may_be_billed: bool,
    /// The beginning of an answer that could not be parsed. It may contain the paid result.
    #[serde(default)]
    pub unread: Option<String>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub updated_at: i64,
    /// Fields of a later version, which are written back unchanged.
    #[serde(flatten)]
    pub later: Map<String, Value>,
}

impl Job {
    /// Adds the id of a file at MiniMax. Returns whether it is new.
    pub fn add_file_id(&mut self, id: Option<String>) -> bool {
        let is_new = |id: &String| !id.is_empty() && id.len() <= 64 && !self.file_ids.contains(id);
        // A task has one file, so this many would be MiniMax's error.
        let new = id.filter(is_new).filter(|_| self.file_ids.len() < 32);
        let is_new = new.is_some();
        self.file_ids.extend(new);
        is_new
    }

    /// True if MiniMax provably did not take it, or it was cancelled before MiniMax could bill it.
    pub fn is_free(&self) -> bool {
        match &self.state {
            State::Failed { task: None, .. } => self.actual_cost().is_none() && !self.may_be_billed,
            State::Cancelled { task, at_minimax } => *at_minimax || task.is_none(),
            _ => false,
        }
    }

    /// What it cost according to MiniMax.
    pub fn actual_cost(&self) -> Option<Money> {
        self.cost.as_ref()?.actual
    }

    /// The size of its saved files, on disk or in the bucket.
    pub(crate) fn saved_bytes(&self) -> i64 {
        let saved = self.files.iter().filter_map(|file| file.saved.as_ref());
        let bytes = saved.fold(0_u64, |sum, saved| sum.saturating_add(saved.bytes));
        i64::try_from(bytes).unwrap_or(i64::MAX)
    }

    /// The length of its longest file, in milliseconds.
    pub(crate) fn length(&self) -> i64 {
        let lengths = self.files.iter().filter_map(|file| file.saved.as_ref()?.duration_ms);
        i64::try_from(lengths.max().unwrap_or_default()).unwrap_or(i64::MAX)
    }

    /// What it costs, as far as is known. `None` if it costs nothing, or nothing is known.
    pub fn price(&self) -> Option<Money> {
        let cost = self.cost.as_ref().filter(|_| !self.is_free())?;
        cost.actual.or(cost.estimated)
    }

    /// Whether a file that should be saved is not.
    pub fn is_undelivered(&self) -> bool {
        self.folder.is_some() && self.files.iter().any(|file| file.saved.is_none())
    }

    /// Whether a file that is not saved can still be: it waits on this machine, or its link lives or can be renewed.
    pub fn can_be_fetched(&self) -> bool {
        let is_reachable = |file: &JobFile| {
            file.spooled.is_some() || self.state.task().is_some() || (file.url.is_some() && !file.is_stale())
        };
        self.files.iter().any(|file| file.saved.is_none() && is_reachable(file))
    }
}

/// What is left of a job that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedJob {
    /// Its id.
    pub id: String,
    /// When it was removed, in Unix milliseconds.
    pub at: i64,
}

/// One result.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct JobFile {
    /// Its name within the job, such as `image-1.jpg`. The file on disk has another name.
    pub name: String,
    /// The announced type. The saved file has the real one.
    pub mime_type: String,
    /// MiniMax's link.
    #[serde(default)]
    pub url: Option<String>,
    /// Unix milliseconds, where it is known.
    #[serde(default)]
    pub url_expires_at: Option<i64>,
    /// When to ask for a new link, if MiniMax gives one. Unix milliseconds.
    #[serde(default)]
    pub stale_at: Option<i64>,
    /// V1 video: the id with which a new link can be requested.
    #[serde(default)]
    pub file_id: Option<String>,
    /// As MiniMax reports it.
    #[serde(default)]
    pub width: Option<u32>,
    /// As MiniMax reports it.
    #[serde(default)]
    pub height: Option<u32>,
    /// As MiniMax reports it.
    #[serde(default)]
    pub duration_ms: Option<u64>,
    /// The file on disk or in the bucket.
    #[serde(default)]
    pub saved: Option<OnDisk>,
    /// An upload to the bucket that is not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<Unfinished>,
    /// A file on the disk of the server that received it, until the bucket or the folder takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spooled: Option<OnDisk>,
    /// Why the file was not saved, or not as ordered.
    #[serde(default)]
    pub trouble: Option<String>,
    /// What the link leads to, if not the file itself.
    #[serde(default)]
    pub wrapped: Wrapped,
    /// As [`Job::later`].
    #[serde(flatten)]
    pub later: Map<String, Value>,
}

/// The wrapping of a result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrapped {
    /// Nothing: the link leads to the file.
    #[default]
    Plain,
    /// A tar file whose entries become files.
    Archive,
    /// Subtitles as MiniMax's JSON, which are converted to the format of the file name.
    Cues,
}

impl JobFile {
    /// Adds a link that was just received. It expires when its own query says so, or after `life` milliseconds; if neither
    /// is known, it is taken as valid for an hour.
    #[must_use]
    pub fn linked(mut self, url: String, life: Option<i64>) -> Self {
        let end = expiry(&url).or(life.map(|life| now().saturating_add(life)));
        self.url_expires_at = end;
        self.stale_at = Some(end.unwrap_or_else(|| now().saturating_add(3_600_000)));
        self.url = Some(url);
        self
    }

    /// Whether the link has expired, or may expire before it can be used.
    pub fn is_stale(&self) -> bool {
        let soon = now().saturating_add(60_000);
        self.stale_at.is_some_and(|at| at < soon)
    }
}

/// The expiry in a signed link's query, in Unix milliseconds.
fn expiry(url: &str) -> Option<i64> {
    let url = url::Url::parse(url).ok()?;
    let (_, at) = url.query_pairs().find(|(name, _)| name.eq_ignore_ascii_case("expires"))?;
    let seconds: i64 = at.parse().ok()?;
    (seconds > 1_000_000_000).then(|| seconds.saturating_mul(1000))
}

/// A file on disk or in the bucket, as it was written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of a job view's file")]
pub struct OnDisk {
    /// The path, or the URL of the object.
    pub path: PathBuf,
    /// The object, if the file is in the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Object>,
    pub bytes: u64,
    pub sha256: String,
    pub mime_type: String,
    #[serde(default)]
    pub width: Option<u32>,
    #[serde(default)]
    pub height: Option<u32>,
    #[serde(default)]
    pub duration_ms: Option<u64>,
    #[serde(flatten)]
    pub later: Map<String, Value>,
}

impl From<Saved> for OnDisk {
    fn from(saved: Saved) -> Self {
        Self {
            path: saved.path,
            object: saved.object,
            bytes: saved.bytes,
            sha256: saved.sha256,
            mime_type: saved.mime,
            width: saved.width,
            height: saved.height,
            duration_ms: saved.duration_ms,
            later: Map::new(),
        }
    }
}
