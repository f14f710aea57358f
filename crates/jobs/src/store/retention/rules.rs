//! What is kept, and what was removed.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::bucket::Bucket;

/// The rows of one transaction.
pub(super) const BATCH: i64 = 50;

/// The pause between two batches, for other writers.
pub(super) const BREATH: Duration = Duration::from_millis(50);

/// The most files that are named in a report.
const NAMED: usize = 20;

/// How long ended jobs and their files are kept.
#[derive(Debug, Clone, Default)]
pub struct Retention {
    /// How long ended jobs are kept; `None` keeps them forever.
    pub age: Option<Duration>,
    /// How many bytes the results in the base folder and in the bucket may have together; `None` sets no limit.
    pub bytes: Option<u64>,
    /// If true, files stay when their records go.
    pub keeps_files: bool,
    /// The base folder. Files in other folders are never removed.
    pub base: PathBuf,
    /// The bucket for results.
    pub bucket: Option<Bucket>,
}

/// What was removed, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Records of jobs.
    pub jobs: u64,
    /// Result files.
    pub files: u64,
    /// The size of these files.
    pub bytes: u64,
    /// Files that stay although their record goes: in a folder that the caller chose, or `MINIMAX_KEEP_FILES`.
    pub files_kept: u64,
    /// The first files that stay because they have changed since they were saved.
    pub files_changed: Vec<PathBuf>,
    /// Records that stay because one of their files could not be removed.
    pub jobs_failed: u64,
    /// Conversations.
    pub conversations: u64,
    /// Answers whose caller had left.
    pub answers: u64,
    /// Purchases without a job, which were added to the totals. A dry run does not count them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purchases: Option<u64>,
}

impl Pruned {
    /// Notes a file that has changed since it was saved.
    pub(super) fn changed(&mut self, path: PathBuf) {
        tracing::warn!(
            path = %path.display(),
            "a file was kept when its record was removed: it has changed since it was saved"
        );
        if self.files_changed.len() < NAMED {
            self.files_changed.push(path);
        }
    }
}
