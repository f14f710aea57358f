//! Records that cannot be used, and what can be done about it.

use std::path::{Path, PathBuf};

/// A failure of the records, worded for the person who runs the server.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be used: {source}", Self::place(folder))]
pub struct StoreError {
    folder: PathBuf,
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// Why records cannot be used.
enum Cause {
    Version,
    Record,
    Damage,
    Disk,
    Lock,
    /// The folder belongs to another user, or to all of them.
    Shared,
    Other,
}

impl StoreError {
    /// What the records are called to whoever sits at another machine: without the folder, which the log has.
    pub const PLACE: &str = "the job records";

    /// What they are called to whoever sits at this one.
    pub fn place(folder: &Path) -> String {
        format!("{} in {}", Self::PLACE, folder.display())
    }

    pub(super) fn new(folder: &Path, source: Box<dyn std::error::Error + Send + Sync>) -> Self {
        Self { folder: folder.to_owned(), source }
    }

    /// What a start is told that waits in vain for the lock on the records.
    pub(super) const LOCKED_OUT: &str =
        "jobs.lock is locked: another minimax-mcp repairs the records, or another program holds the file";

    /// What the person who runs the server can do.
    pub fn advice(&self) -> &'static str {
        match self.cause() {
            Cause::Version => {
                "Another version of minimax-mcp, probably a newer one, has used this folder: update this one, or \
                 set MINIMAX_DATA_DIR to another folder."
            }
            Cause::Record => "A newer minimax-mcp has written this record: update this one, or ask that one.",
            Cause::Damage => {
                "The file of the job records is damaged. End every minimax-mcp that uses this folder; the next one that \
                 starts repairs it and keeps the damaged file beside it. Saved results stay where they are."
            }
            Cause::Disk => {
                "Make room on the disk of this folder, or set MINIMAX_DATA_DIR to a folder on another one."
            }
            Cause::Lock => {
                "Another program holds the job records. Try again in a minute; if it stays so, end that program."
            }
            Cause::Shared => {
                "Set MINIMAX_DATA_DIR to a folder of your own, such as a new one inside this folder: it is made for its \
                 owner alone."
            }
            Cause::Other => "Make the folder writable, or set MINIMAX_DATA_DIR to one that is.",
        }
    }

    /// What is wrong, in a few words that name nothing of this machine.
    pub fn brief(&self) -> &'static str {
        match self.cause() {
            Cause::Version => "the job records belong to another version",
            Cause::Record => "a job record belongs to a newer version",
            Cause::Damage => "the job records are damaged",
            Cause::Disk => "the disk of the job records is full",
            Cause::Lock => "the job records are locked by another program",
            Cause::Shared => "the folder of the job records is not this user's own",
            Cause::Other => "the job records cannot be written",
        }
    }

    fn cause(&self) -> Cause {
        use sqlx::migrate::MigrateError::{VersionMismatch, VersionMissing};
        if let Some(VersionMissing(_) | VersionMismatch(_)) = self.source.downcast_ref() {
            return Cause::Version;
        }
        if self.is_unreadable() {
            return Cause::Record;
        }
        let says = |words: &[&str]| words.iter().any(|word| self.source.to_string().contains(word));
        if self.is_damaged() {
            Cause::Damage
        } else if says(&["disk is full", "No space left", "disk I/O error"]) {
            Cause::Disk
        } else if says(&["is locked", "is busy"]) {
            Cause::Lock
        } else if says(&["another user", "shared by all users"]) {
            Cause::Shared
        } else {
            Cause::Other
        }
    }

    /// As it is told to whoever sits at another machine.
    pub fn discreet(&self) -> String {
        format!("{} cannot be used: {}", Self::PLACE, self.source)
    }

    /// A record that another version has written, and this one cannot read.
    pub(crate) fn is_unreadable(&self) -> bool {
        self.source.downcast_ref::<serde_json::Error>().is_some()
    }

    pub(super) fn is_damaged(&self) -> bool {
        let text = self.source.to_string();
        text.contains("malformed") || text.contains("not a database")
    }

    /// Damaged, and not to be repaired while another process writes to it.
    pub(super) fn in_use(self) -> Self {
        let source = format!("{}, and another minimax-mcp uses them", self.source).into();
        Self { source, ..self }
    }

    /// Damaged, and the repair failed.
    pub(super) fn unrepaired(&self, why: &dyn std::fmt::Display) -> Self {
        Self::new(&self.folder, format!("{}; repairing them failed: {why}", self.source).into())
    }

    /// The server stops, so nothing new is begun.
    pub(crate) fn stopping(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), source: "the server is stopping".into() }
    }
}
