//! Why the database cannot be used, and what can be done about it.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

/// A failure of the database, worded for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be used: {source}", Self::place(folder))]
pub struct StoreError {
    folder: PathBuf,
    cause: Cause,
    source: Box<dyn Error + Send + Sync>,
}

/// Errors that the store itself detects. SQLite and the system report the others.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// SQLite's check of all pages found this.
    #[error("the database is malformed: {0}")]
    Malformed(String),
    /// All connections that write are taken by writes that wait for a lock.
    #[error("the database is locked, and other writes wait for it")]
    Locked,
    /// All connections that read are taken.
    #[error("the database is busy with other calls")]
    Busy,
}

/// Why the database cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Another version has changed the tables.
    Version,
    /// Another version has written the record.
    Record,
    /// A page of the database is not what SQLite wrote.
    Damage,
    /// The disk is full or does not work.
    Disk,
    /// Another connection or process has the lock.
    Lock,
    /// The folder belongs to another user, or to all of them.
    Shared,
    Other,
}

impl Cause {
    /// The cause of an error, found in its chain of sources.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(cause) = Self::of_one(error) {
                return cause;
            }
            next = error.source();
        }
        Self::Other
    }

    fn of_one(error: &(dyn Error + 'static)) -> Option<Self> {
        use sqlx::migrate::MigrateError::{VersionMismatch, VersionMissing};
        if let Some(fault) = error.downcast_ref() {
            return Some(match fault {
                Fault::Malformed(_) => Self::Damage,
                Fault::Locked | Fault::Busy => Self::Lock,
            });
        }
        if let Some(VersionMissing(_) | VersionMismatch(_)) = error.downcast_ref() {
            return Some(Self::Version);
        }
        if error.is::<serde_json::Error>() {
            return Some(Self::Record);
        }
        match error.downcast_ref() {
            Some(sqlx::Error::Database(error)) => Self::of_code(error.code()?.parse().ok()?),
            Some(sqlx::Error::PoolTimedOut) => Some(Self::Lock),
            Some(sqlx::Error::Io(error)) => Self::of_io(error),
            _ => error.downcast_ref().and_then(Self::of_io),
        }
    }

    /// By one of SQLite's result codes. The low byte is the primary code; the others say more than is needed here.
    fn of_code(code: u32) -> Option<Self> {
        match code & 0xff {
            // SQLITE_CORRUPT, SQLITE_NOTADB
            11 | 26 => Some(Self::Damage),
            // SQLITE_IOERR, SQLITE_FULL
            10 | 13 => Some(Self::Disk),
            // SQLITE_BUSY, SQLITE_LOCKED
            5 | 6 => Some(Self::Lock),
            // The others, such as SQLITE_READONLY and SQLITE_CANTOPEN, are fixed by making the folder writable.
            _ => None,
        }
    }

    fn of_io(error: &io::Error) -> Option<Self> {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(Self::Disk),
            io::ErrorKind::WouldBlock => Some(Self::Lock),
            // The system's errors carry a code. This one is ours, for a folder that other users can write.
            io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => Some(Self::Shared),
            _ => None,
        }
    }
}

impl StoreError {
    /// The name of the database in messages to remote callers: without the folder, which the log has.
    pub const PLACE: &str = "the job records";

    /// The name of the database in messages to the owner.
    pub fn place(folder: &Path) -> String {
        format!("{} in {}", Self::PLACE, folder.display())
    }

    pub(super) fn new(folder: &Path, source: Box<dyn Error + Send + Sync>) -> Self {
        Self { folder: folder.to_owned(), cause: Cause::of(&*source), source }
    }

    /// The error of a start that waited in vain for the lock.
    pub(super) const LOCKED_OUT: &str =
        "jobs.lock is locked: another minimax-mcp repairs the records, or another program holds the file";

    /// What the operator can do.
    pub fn advice(&self) -> &'static str {
        match self.cause {
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

    /// What is wrong, in a few words that reveal nothing about this machine.
    pub fn brief(&self) -> &'static str {
        match self.cause {
            Cause::Version => "the job records belong to another version",
            Cause::Record => "a job record belongs to a newer version",
            Cause::Damage => "the job records are damaged",
            Cause::Disk => "the disk of the job records is full",
            Cause::Lock => "the job records are locked by another program",
            Cause::Shared => "the folder of the job records is not this user's own",
            Cause::Other => "the job records cannot be written",
        }
    }

    /// The message for remote callers.
    pub fn discreet(&self) -> String {
        format!("{} cannot be used: {}", Self::PLACE, self.source)
    }

    /// A record that another version has written, and this one cannot read.
    pub(crate) fn is_unreadable(&self) -> bool {
        self.cause == Cause::Record
    }

    /// A page of the database is not what SQLite wrote.
    pub(super) fn is_damaged(&self) -> bool {
        self.cause == Cause::Damage
    }

    /// Damaged, and not to be repaired while another process writes to it.
    pub(super) fn in_use(self) -> Self {
        let source = format!("{}, and another minimax-mcp uses them", self.source).into();
        Self { source, ..self }
    }

    /// Damaged, and the repair failed.
    pub(super) fn unrepaired(&self, why: &dyn std::fmt::Display) -> Self {
        let source = format!("{}; repairing them failed: {why}", self.source).into();
        Self { folder: self.folder.clone(), cause: self.cause, source }
    }

    /// The server stops, so nothing new starts.
    pub(crate) fn stopping(folder: &Path) -> Self {
        Self::new(folder, "the server is stopping".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    async fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "me".to_owned()).await.unwrap();
        (dir, store)
    }

    #[tokio::test]
    async fn the_words_of_a_message_do_not_decide_what_is_wrong() {
        let (_dir, store) = store().await;
        let parsed = sqlx::query("SELECT json('{')").execute(store.readers()).await;
        let parsed = store.fail(parsed.unwrap_err());
        assert!(parsed.to_string().contains("malformed JSON"), "{parsed}");
        assert!(!parsed.is_damaged(), "the JSON is damaged, not the database");
        for words in ["the disk is full", "it is locked", "it is not a database", "malformed", "another user"]
        {
            assert_eq!(store.fail(words).cause, Cause::Other, "{words}");
        }
    }

    #[tokio::test]
    async fn result_codes_and_kinds_of_errors_decide_what_is_wrong() {
        let (_dir, store) = store().await;
        let refused = sqlx::query("DELETE FROM jobs").execute(store.readers()).await;
        assert_eq!(store.fail(refused.unwrap_err()).cause, Cause::Other, "SQLITE_READONLY");
        let mut connection = store.writers().acquire().await.unwrap();
        sqlx::query("PRAGMA max_page_count = 1").execute(&mut *connection).await.unwrap();
        let row = "INSERT INTO secrets VALUES ('x', zeroblob(1000000))";
        let full = sqlx::query(row).execute(&mut *connection).await;
        assert_eq!(store.fail(full.unwrap_err()).cause, Cause::Disk, "SQLITE_FULL");
        // SQLITE_BUSY_SNAPSHOT, SQLITE_LOCKED_SHAREDCACHE, SQLITE_CORRUPT_INDEX, SQLITE_IOERR_WRITE
        let extended = [517, 262, 779, 778].map(Cause::of_code);
        let expected = [Cause::Lock, Cause::Lock, Cause::Damage, Cause::Disk];
        assert_eq!(extended, expected.map(Some));
        let system = |kind: io::ErrorKind| store.fail(io::Error::new(kind, "x")).cause;
        assert_eq!(system(io::ErrorKind::StorageFull), Cause::Disk);
        assert_eq!(system(io::ErrorKind::PermissionDenied), Cause::Shared);
        assert_eq!(store.fail(io::Error::from_raw_os_error(1)).cause, Cause::Other);
    }

    #[test]
    fn a_cause_is_found_below_other_errors_and_outlives_a_failed_repair() {
        let damaged = sqlx::migrate::MigrateError::Source(Box::new(Fault::Malformed("row 1".to_owned())));
        let damaged = StoreError::new(Path::new("/data"), Box::new(damaged));
        assert!(damaged.is_damaged());
        let unrepaired = damaged.unrepaired(&"the disk is full");
        assert!(unrepaired.is_damaged() && unrepaired.to_string().contains("the disk is full"));
        assert!(unrepaired.in_use().is_damaged());
    }
}
