//! What callers keep besides jobs: conversations, answers nobody heard, who owns what at MiniMax.

use std::collections::HashMap;

use serde_json::Value;

use super::Jobs;
use crate::clock::now;
use crate::facts::facts;
use crate::store::{Answer, Conversation, Kept, MadeVoice, Owner, RemoteKind, Store, StoreError};

/// In milliseconds.
const DAY: i64 = 24 * 3_600_000;

impl Jobs {
    /// A conversation of a principal's, unless it has expired.
    pub async fn conversation(&self, principal: &str, id: &str) -> Result<Option<Conversation>, StoreError> {
        self.store().await?.conversation(principal, id).await
    }

    /// Keeps a conversation after a turn, and forgets those that have expired.
    pub async fn keep(&self, conversation: &Conversation) -> Result<Kept, StoreError> {
        self.store().await?.keep(conversation).await
    }

    /// Writes down an answer that nobody heard.
    pub async fn keep_answer(&self, of: &Answer, answer: &Value) -> Result<(), StoreError> {
        self.store().await?.keep_answer(of, &self.account.name, answer).await
    }

    /// The answer that waits for this call, if there is one. It is handed over once.
    pub async fn kept_answer(&self, of: &Answer) -> Result<Option<Value>, StoreError> {
        self.store().await?.kept_answer(of, &self.account.name).await
    }

    /// Records who has uploaded a file.
    pub async fn record_upload(&self, principal: &str, file_id: &str) -> Result<(), StoreError> {
        self.store().await?.record_upload(principal, &self.account.name, file_id).await
    }

    /// Whose each of these ids is. Ids that are missing in the result are [`Owner::Unknown`].
    pub async fn owners(
        &self,
        principal: &str,
        kind: RemoteKind,
        ids: &[&str],
    ) -> Result<HashMap<String, Owner>, StoreError> {
        self.store().await?.owners(principal, &self.account.name, kind, ids).await
    }

    /// Whether the records know another principal than this one.
    pub async fn has_others(&self, principal: &str) -> Result<bool, StoreError> {
        self.store().await?.has_others(principal, &self.account.name).await
    }

    /// The voices that this principal's jobs made and nobody has used, newest first. Makes no records where there are
    /// none.
    pub async fn unused_voices(&self, principal: &str) -> Result<Vec<MadeVoice>, StoreError> {
        self.find_unused(Some(principal), None).await
    }

    /// The voice of this id, if a job made it and nobody has used it.
    pub async fn unused_voice(&self, id: &str) -> Result<Option<MadeVoice>, StoreError> {
        Ok(self.find_unused(None, Some(id)).await?.into_iter().next())
    }

    async fn find_unused(
        &self,
        principal: Option<&str>,
        id: Option<&str>,
    ) -> Result<Vec<MadeVoice>, StoreError> {
        if !self.shared.settings.data_dir.join(Store::FILE).exists() {
            return Ok(Vec::new());
        }
        let since = now().saturating_sub(i64::from(facts().voice.unused_days) * DAY);
        self.store().await?.unused_voices(&self.account.name, since, principal, id).await
    }

    /// Forgets a voice that was deleted at MiniMax.
    pub async fn forget_voice(&self, id: &str) -> Result<(), StoreError> {
        self.store().await?.forget_voice(&self.account.name, id).await
    }

    /// The key that questions to a person are sealed with.
    pub async fn seal_key(&self) -> Result<Vec<u8>, StoreError> {
        self.store().await?.secret("consent").await
    }
}
