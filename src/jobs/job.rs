//! A job's record: what was ordered, where it is, what came of it.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::state::State;
use crate::facts::rounded;
use crate::media::Saved;

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
    /// A text that it made.
    #[serde(default)]
    pub text: Option<String>,
    /// A voice that it made.
    #[serde(default)]
    pub voice_id: Option<String>,
    /// What MiniMax counted.
    #[serde(default)]
    pub usage: Option<Value>,
    /// What it costs.
    #[serde(default)]
    pub cost: Cost,
    /// What the caller should know.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub updated_at: i64,
}

impl Job {
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
}

impl Cost {
    /// The price of `units`, if a unit's is known.
    pub fn of(&self, units: f64) -> Option<f64> {
        self.unit.map(|unit| rounded(unit * units + self.fixed))
    }
}

/// Now, in Unix milliseconds.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
