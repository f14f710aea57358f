//! The outbox, for the code that sends its messages.

use std::sync::Arc;

use super::handle::Jobs;
use crate::store::{Job, Message, Store, StoreError};

/// The messages that wait to be sent.
#[derive(Debug)]
pub struct Outbox(Arc<Store>);

impl Outbox {
    /// The outbox of these jobs; `None` if there are no records yet. Creates no database.
    pub async fn of(jobs: &Jobs) -> Result<Option<Self>, StoreError> {
        if !jobs.has_records() {
            return Ok(None);
        }
        Ok(Some(Self(Arc::clone(jobs.store().await?))))
    }

    /// Takes the due messages. Each becomes due again later, unless it is ended.
    pub async fn due(&self) -> Result<Vec<Message>, StoreError> {
        self.0.due_messages().await
    }

    /// The job that a message is about.
    pub async fn job(&self, message: &Message) -> Result<Option<Job>, StoreError> {
        self.0.of_anybody(&message.job).await
    }

    /// Notes that a message is not sent again.
    pub async fn end(&self, message: &Message) -> Result<(), StoreError> {
        self.0.end_message(&message.id).await
    }

    /// Gives up messages that the receiver has not taken within a day. Returns how many.
    pub async fn give_up_old(&self) -> Result<u64, StoreError> {
        self.0.give_up_messages().await
    }
}
