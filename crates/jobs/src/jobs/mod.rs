//! Work that outlives a call: it takes time and costs money.
//!
//! A job is a row before it is a request. [`start`] writes the row, sends the request once and returns a channel. A
//! worker takes the job to its end, with or without a watcher. A process that finds an open job of a dead process
//! adopts it. Callers see only what has been written.

mod cancel;
pub mod gallery;
mod handle;
mod keys;
mod order;
mod outbox;
mod registry;
mod reservation;
mod shared_limits;
mod spool_retry;
mod start;
mod tenants;
mod undelivered;
mod watch;
mod worker;

pub use cancel::{Cancel, cancel, withdraw};
pub use handle::{Jobs, Settings};
pub use keys::{INSTEAD_OF_PLAN, PaysWith, name_key};
pub use order::Order;
pub use order::listener::{Heard, Listener};
pub use order::speech::SpeechOrder;
pub use order::transcription::Transcription;
pub use order::voice::VoiceClone;
pub use outbox::Outbox;
pub use registry::Watch;
pub use reservation::Reservation;
pub use start::{NewJob, adopt, foreign, start};
pub use worker::FIRST_SOUND;

pub use crate::clock::now;
pub use crate::money::Cost;
pub use crate::record::ANSWER;
pub use crate::store::{
    Answer, CALLERS, Conversation, ConversationRow, DaySpending, Denied, Failure, Filter, Job, JobFile, Kept,
    Kind, Limit, Limits, MOST_READ, MadeVoice, Message, Named, NotBought, OnDisk, Owner, Page, Purchase,
    RemoteKind, RemovedJob, Retention, Route, STATUSES, Said, Seen, Sorting, Spending, Spent, State,
    StoreError, Task, Wrapped, random_id,
};
