//! Why the database cannot be used, and what can be done about it.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use sqlx::postgres::PgDatabaseError;

/// A failure of the database, worded for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{place} cannot be used: {source}")]
pub struct StoreError {
    place: Place,
    cause: Cause,
    source: Box<dyn Error + Send + Sync>,
}

/// Where the job records are.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// In SQLite's file in this folder.
    Folder(PathBuf),
    /// In PostgreSQL.
    Server,
}

impl Place {
    pub(super) fn is_server(&self) -> bool {
        matches!(self, Self::Server)
    }
}

impl From<&Path> for Place {
    fn from(folder: &Path) -> Self {
        Self::Folder(folder.to_owned())
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", StoreError::place(folder)),
            // Does not name the host, because a remote caller may read this.
            Self::Server => write!(f, "{} in PostgreSQL", StoreError::PLACE),
        }
    }
}

/// Errors that the store itself detects. The database and the system report the others.
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
    /// No connection to the server could be made.
    #[error("the database does not answer")]
    Away,
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
    /// The database server cannot be reached, or ended the connection.
    Away,
    /// The database server refuses this user, or the user may not do this.
    Refused,
    /// The database server has no TLS, or a certificate that is not trusted.
    Tls,
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
                Fault::Away => Self::Away,
            });
        }
        if let Some(VersionMissing(_) | VersionMismatch(_)) = error.downcast_ref() {
            return Some(Self::Version);
        }
        if error.is::<serde_json::Error>() {
            return Some(Self::Record);
        }
        match error.downcast_ref() {
            Some(sqlx::Error::Database(error)) if error.try_downcast_ref::<PgDatabaseError>().is_some() => {
                Self::of_sqlstate(&error.code()?)
            }
            Some(sqlx::Error::Database(error)) => Self::of_code(error.code()?.parse().ok()?),
            Some(sqlx::Error::PoolTimedOut) => Some(Self::Lock),
            Some(sqlx::Error::Tls(_)) => Some(Self::Tls),
            // The TLS handshake reports a certificate that is not trusted as invalid data.
            Some(sqlx::Error::Io(error)) if error.kind() == io::ErrorKind::InvalidData => Some(Self::Tls),
            Some(sqlx::Error::Io(error)) => Self::of_io(error),
            _ => error.downcast_ref().and_then(Self::of_io),
        }
    }

    /// By a result code of SQLite. The low byte is the primary code; the other bytes hold details that are not needed
    /// here.
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

    /// By an SQLSTATE code of PostgreSQL. Its first two characters are the class.
    fn of_sqlstate(code: &str) -> Option<Self> {
        match code {
            // disk_full, io_error
            "53100" | "58030" => Some(Self::Disk),
            // serialization_failure, deadlock_detected, lock_not_available, query_canceled (by a time limit)
            "40001" | "40P01" | "55P03" | "57014" => Some(Self::Lock),
            // data_corrupted, index_corrupted
            "XX001" | "XX002" => Some(Self::Damage),
            // invalid_catalog_name (no such database), insufficient_privilege, read_only_sql_transaction (a standby)
            "3D000" | "42501" | "25006" => Some(Self::Refused),
            // idle_in_transaction_session_timeout
            "25P03" => Some(Self::Away),
            // connection_exception, insufficient_resources, operator_intervention
            _ if ["08", "53", "57"].iter().any(|class| code.starts_with(class)) => Some(Self::Away),
            // invalid_authorization_specification
            _ if code.starts_with("28") => Some(Self::Refused),
            _ => None,
        }
    }

    fn of_io(error: &io::Error) -> Option<Self> {
        match error.kind() {
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::TimedOut
            | io::ErrorKind::UnexpectedEof => Some(Self::Away),
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

    pub(super) fn new(place: impl Into<Place>, source: Box<dyn Error + Send + Sync>) -> Self {
        let place = place.into();
        let cause = match Cause::of(&*source) {
            // sqlx reports a lost connection in several ways. Errors that the server itself reports have a code.
            Cause::Other if place.is_server() && source.downcast_ref().is_some_and(is_of_connection) => {
                Cause::Away
            }
            cause => cause,
        };
        Self { place, cause, source }
    }

    /// The message when a start has waited for the lock in vain.
    pub(super) const LOCKED_OUT: &str =
        "jobs.lock is locked: another minimax-mcp repairs the records, or another program holds the file";

    /// What the operator can do.
    pub fn advice(&self) -> &'static str {
        match self.cause {
            Cause::Version if self.place.is_server() => {
                "Another version of minimax-mcp, probably a newer one, has changed the tables of this database: update \
                 this one."
            }
            Cause::Damage if self.place.is_server() => {
                "PostgreSQL reports that its files are damaged: restore them from a backup."
            }
            Cause::Disk if self.place.is_server() => "Make room on the disk of the database server.",
            Cause::Lock if self.place.is_server() => {
                "Other connections hold the rows or the lock of the account. Try again in a minute; if it persists, \
                 pg_stat_activity shows which. Behind a pooler, too few connections to the database look the same (with \
                 PgBouncer, default_pool_size)."
            }
            Cause::Shared | Cause::Other if self.place.is_server() => {
                "See the log of the database server. `minimax-mcp doctor` tries the connection again."
            }
            Cause::Away => {
                "Start the database server, or correct host and port in MINIMAX_STORE_URL; if they are right, a pooler in \
                 front of it may have too few connections (with PgBouncer, default_pool_size). Running jobs continue, and \
                 nothing new is bought."
            }
            Cause::Tls => {
                "The server must have TLS with a certificate for its host name. If your own authority has signed it, add \
                 ?sslrootcert=FILE to MINIMAX_STORE_URL."
            }
            Cause::Refused => {
                "Correct user, password and database in MINIMAX_STORE_URL. The user must be allowed to write to the tables, and \
                 at the first start to create them; the server must accept writes."
            }
            Cause::Version => {
                "Another version of minimax-mcp, probably a newer one, has used this folder: update this one, or \
                 set MINIMAX_DATA_DIR to another folder."
            }
            Cause::Record => {
                "A newer minimax-mcp has written this record: update this program, or use the newer one."
            }
            Cause::Damage => {
                "The file of the job records is damaged. End every minimax-mcp that uses this folder; the next one that \
                 starts repairs it and keeps the damaged file beside it. Saved results stay where they are."
            }
            Cause::Disk => {
                "Make room on the disk of this folder, or set MINIMAX_DATA_DIR to a folder on another one."
            }
            Cause::Lock => {
                "Another program holds the job records. Try again in a minute; if it persists, end that program."
            }
            Cause::Shared => {
                "Set MINIMAX_DATA_DIR to a folder of your own, such as a new one inside this folder; only its \
                 owner can read it."
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
            Cause::Away => "the database of the job records does not answer",
            Cause::Tls => "the database of the job records has no trusted certificate",
            Cause::Refused => "the database of the job records refuses this server",
            Cause::Other => "the job records cannot be written",
        }
    }

    /// The message for remote callers.
    pub fn redacted(&self) -> String {
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
        Self { place: self.place.clone(), cause: self.cause, source }
    }

    /// The server stops, so nothing new starts.
    pub(crate) fn stopping(folder: &Path) -> Self {
        Self::new(folder, "the server is stopping".into())
    }
}

/// Errors of sqlx that end a connection or say that there is none.
fn is_of_connection(error: &sqlx::Error) -> bool {
    use sqlx::Error::{BeginFailed, Io, PoolClosed, PoolTimedOut, Protocol, WorkerCrashed};
    matches!(error, Io(_) | Protocol(_) | PoolTimedOut | PoolClosed | WorkerCrashed | BeginFailed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::sql::query;

    async fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "me".to_owned()).await.unwrap();
        (dir, store)
    }

    #[tokio::test]
    async fn the_words_of_a_message_do_not_classify_an_error() {
        let (_dir, store) = store().await;
        let parsed = query("SELECT json('{')").execute(store.readers()).await;
        let parsed = store.fail(parsed.unwrap_err());
        assert!(parsed.to_string().contains("malformed JSON"), "{parsed}");
        assert!(!parsed.is_damaged(), "the JSON is damaged, not the database");
        for words in ["the disk is full", "it is locked", "it is not a database", "malformed", "another user"]
        {
            assert_eq!(store.fail(words).cause, Cause::Other, "{words}");
        }
    }

    #[tokio::test]
    async fn result_codes_and_kinds_classify_an_error() {
        let (_dir, store) = store().await;
        let refused = query("DELETE FROM jobs").execute(store.readers()).await;
        assert_eq!(store.fail(refused.unwrap_err()).cause, Cause::Other, "SQLITE_READONLY");
        let mut connection = store.sqlite().acquire().await.unwrap();
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
    fn the_codes_of_postgresql_classify_an_error() {
        for (code, cause) in [
            ("53100", Cause::Disk),
            ("40P01", Cause::Lock),
            ("55P03", Cause::Lock),
            ("57P01", Cause::Away),
            ("53300", Cause::Away),
            ("08006", Cause::Away),
            ("28P01", Cause::Refused),
            ("3D000", Cause::Refused),
            ("25006", Cause::Refused),
        ] {
            assert_eq!(Cause::of_sqlstate(code), Some(cause), "{code}");
        }
        assert_eq!(Cause::of_sqlstate("23505"), None);
        let lost = StoreError::new(Place::Server, Box::new(sqlx::Error::Protocol("x".to_owned())));
        assert_eq!(lost.cause, Cause::Away);
        assert!(lost.to_string().starts_with("the job records in PostgreSQL cannot be used"), "{lost}");
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
