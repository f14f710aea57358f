//! The durable rows: in SQLite, shared by the server processes of one data folder, or in PostgreSQL, shared by servers
//! on many machines.
//!
//! One file for each table, all over [`Store`]. Updates that cannot be written wait in the spool.
//!
//! A lease decides which process polls and delivers a job. It expires a few seconds after its process has died. Each
//! write checks the lease, so a process that was suspended cannot overwrite the work of another.

mod accounts;
mod budget;
mod connect;
mod conversations;
mod database;
mod error;
mod gallery;
mod heartbeat;
mod id;
mod import;
mod inspect;
mod inspection;
mod jobs;
mod lease;
mod ledger;
mod log_sync;
mod migrations;
mod open;
mod outbox;
mod pool;
mod postgres;
mod presence;
#[cfg(test)]
mod properties;
mod queries;
mod rate_limits;
mod recovery;
mod remote_ids;
mod removed;
mod response_cache;
mod retention;
mod secrets;
mod sorting;
pub(crate) mod spool;
mod sql;
mod voices;

pub use self::accounts::CALLERS;
pub use self::budget::{Denied, Limit, Limits, NotBought, Purchase, PurchaseState, Spending, Spent};
pub use self::conversations::{Conversation, Kept, Said};
pub use self::database::Store;
pub use self::error::StoreError;
pub use self::gallery::{ConversationRow, DaySpending, Named};
pub(crate) use self::heartbeat::LEASE;
pub use self::id::random_id;
pub use self::import::{Imported, import};
pub use self::inspect::{inspect, inspect_server};
pub use self::inspection::Inspection;
pub use self::jobs::Inserted;
pub(crate) use self::lease::Search;
pub use self::open::migrate;
pub use self::outbox::Message;
pub use self::queries::{Filter, MOST_READ, Page};
pub use self::remote_ids::{Owner, RemoteKind};
pub use self::response_cache::Answer;
pub(crate) use self::retention::sweep_often;
pub use self::retention::{Pruned, Retention};
pub use self::sorting::Sorting;
pub use self::voices::MadeVoice;

pub(crate) use crate::record::{ANSWER, MOST_FILES};
pub use crate::record::{
    Failure, Job, JobFile, Kind, OnDisk, RemovedJob, Route, STATUSES, Seen, State, Task, Wrapped,
};
