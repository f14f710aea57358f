//! A job's record: what was ordered, where it is, what came of it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::state::State;
use crate::api::rate_limit::QueueView;
use crate::clock::now;
use crate::facts::rounded;
use crate::media::Saved;

/// More files than any request makes.
pub(crate) const MOST_FILES: usize = 32;

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
    /// Names it everywhere; not to be guessed.
    pub id: String,
    /// Whose it is.
    pub principal: String,
    /// What it makes.
    pub kind: Kind,
    /// The tool that started it.
    pub tool: String,
    /// The model that was asked for.
    pub model: String,
    /// Where its task lives: the API host.
    pub account: String,
    /// What was asked for, in the words of the caller; what `list_jobs` searches.
    pub prompt: String,
    /// The body that was sent, with media left out.
    pub request: Value,
    /// Tells whether the same `idempotency_key` came with other arguments.
    pub digest: String,
    /// The caller's key for "the same order".
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// Where files are saved; `None` hands over links alone.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// Where it is.
    pub state: State,
    /// What it made so far.
    #[serde(default)]
    pub files: Vec<JobFile>,
    /// Every file at MiniMax that was named for it. Stays when what was in a file has taken the file's place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub file_ids: Vec<String>,
    /// A text that it made.
    #[serde(default)]
    pub text: Option<String>,
    /// A voice that it made.
    #[serde(default)]
    pub voice_id: Option<String>,
    /// Results that MiniMax withheld.
    #[serde(default)]
    pub missing: u32,
    /// What MiniMax counted.
    #[serde(default)]
    pub usage: Option<Value>,
    /// Where it stands in line, while it waits to be sent by this process.
    #[serde(skip)]
    pub waiting: Option<QueueView>,
    /// What it costs.
    #[serde(default)]
    pub cost: Cost,
    /// What the caller should know.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// It ended without a result and may have been billed all the same.
    #[serde(default)]
    pub may_be_billed: bool,
    /// The beginning of an answer that could not be read: what was paid for may be in it.
    #[serde(default)]
    pub unread: Option<String>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub updated_at: i64,
    /// What a later version has noted and this one does not know; it is written back as it came.
    #[serde(flatten)]
    pub later: Map<String, Value>,
}

impl Job {
    /// Forgets files that somebody has removed since they were saved.
    pub async fn forget_what_is_gone(&mut self) {
        for file in &mut self.files {
            if let Some(saved) = &file.saved
                && !tokio::fs::try_exists(&saved.path).await.unwrap_or(true)
            {
                file.saved = None;
                file.trouble = Some("the file was removed".to_owned());
            }
        }
    }

    /// Remembers a file that MiniMax has named. Tells whether it is new.
    pub fn add_file_id(&mut self, id: Option<String>) -> bool {
        let is_new = |id: &String| !id.is_empty() && id.len() <= 64 && !self.file_ids.contains(id);
        // A task has one file; this many are a mistake of MiniMax.
        let new = id.filter(is_new).filter(|_| self.file_ids.len() < 32);
        let is_new = new.is_some();
        self.file_ids.extend(new);
        is_new
    }

    /// What was provably not taken, or was cancelled before it was made, costs nothing.
    pub fn is_free(&self) -> bool {
        match &self.state {
            State::Failed { task: None, .. } => self.cost.actual.is_none() && !self.may_be_billed,
            State::Cancelled { task, at_minimax } => *at_minimax || task.is_none(),
            _ => false,
        }
    }

    /// A file that should be on disk and is not.
    pub fn is_undelivered(&self) -> bool {
        self.folder.is_some() && self.files.iter().any(|file| file.saved.is_none())
    }
}

/// One result.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct JobFile {
    /// Stable within the job, whatever the file on disk is called: `image-1.jpg`.
    pub name: String,
    /// By what MiniMax promised; the saved file knows better.
    pub mime_type: String,
    /// MiniMax's link.
    #[serde(default)]
    pub url: Option<String>,
    /// Unix milliseconds, where it is known.
    #[serde(default)]
    pub url_expires_at: Option<i64>,
    /// When to ask for another link, where MiniMax gives one. Unix milliseconds.
    #[serde(default)]
    pub stale_at: Option<i64>,
    /// V1 video: what to ask for another link with.
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
    /// The file on disk.
    #[serde(default)]
    pub saved: Option<OnDisk>,
    /// Why it is not on disk, or not as it should be.
    #[serde(default)]
    pub trouble: Option<String>,
    /// What the link leads to, if not to the file itself.
    #[serde(default)]
    pub wrapped: Wrapped,
    /// As [`Job::later`].
    #[serde(flatten)]
    pub later: Map<String, Value>,
}

/// What a result comes in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrapped {
    /// Nothing: the link leads to the file.
    #[default]
    Plain,
    /// A tar file, of which the wanted entries become files.
    Archive,
    /// MiniMax's own subtitles, which become what the file is called.
    Cues,
}

impl JobFile {
    /// A link that came just now. It ends when it says so itself, else after `life` milliseconds; if neither is
    /// known, it is taken for good for an hour.
    #[must_use]
    pub fn linked(mut self, url: String, life: Option<i64>) -> Self {
        let end = expiry(&url).or(life.map(|life| now().saturating_add(life)));
        self.url_expires_at = end;
        self.stale_at = Some(end.unwrap_or_else(|| now().saturating_add(3_600_000)));
        self.url = Some(url);
        self
    }

    /// The link has ended or may have, or will before it can be used.
    pub fn is_stale(&self) -> bool {
        let soon = now().saturating_add(60_000);
        self.stale_at.is_some_and(|at| at < soon)
    }
}

/// When a signed link ends, as far as it says so itself, in Unix milliseconds.
fn expiry(url: &str) -> Option<i64> {
    let url = url::Url::parse(url).ok()?;
    let (_, at) = url.query_pairs().find(|(name, _)| name.eq_ignore_ascii_case("expires"))?;
    let seconds: i64 = at.parse().ok()?;
    (seconds > 1_000_000_000).then(|| seconds.saturating_mul(1000))
}

/// A file on disk, as it was when it was written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of a job view's file")]
pub struct OnDisk {
    pub path: PathBuf,
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

/// What a job costs. Absent is unknown, never 0.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// `USD` or `CNY`.
    pub currency: String,
    /// Before it was bought.
    #[serde(default)]
    pub estimated: Option<f64>,
    /// What it can cost at most, where the estimate is not the most. This is what is set aside for it.
    #[serde(default)]
    pub most: Option<f64>,
    /// By what MiniMax counted.
    #[serde(default)]
    pub actual: Option<f64>,
    /// How the figures come about.
    #[serde(default)]
    pub basis: Option<String>,
    /// The price of one unit: an image, a character, a second, a clip.
    #[serde(default)]
    pub unit: Option<f64>,
    /// What is added whatever the units are.
    #[serde(default)]
    pub fixed: f64,
    /// The price of one unit of what MiniMax reads, where that is billed apart: a token.
    #[serde(default)]
    pub input: f64,
    /// As [`Job::later`].
    #[serde(flatten)]
    pub later: Map<String, Value>,
}

impl Cost {
    /// The price of `units`, if a unit's is known.
    pub fn of(&self, units: f64) -> Option<f64> {
        self.with_inputs(units, 0.0)
    }

    /// The price of `units` made from `inputs`, if a unit's is known.
    pub fn with_inputs(&self, units: f64, inputs: f64) -> Option<f64> {
        self.unit.map(|unit| rounded(unit * units + self.input * inputs + self.fixed))
    }
}
