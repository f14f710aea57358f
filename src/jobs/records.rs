//! What callers keep besides jobs: conversations, answers nobody heard, who owns what at MiniMax.

use std::collections::HashMap;

use serde_json::Value;

use super::Jobs;
use crate::store::{Answer, Conversation, Kept, Owner, RemoteKind, StoreError};

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
        let mut all = HashMap::new();
        for account in self.keys_of_payer() {
            for (id, owner) in self.store().await?.owners(principal, &account.name, kind, ids).await? {
                // What a caller has made with one key is the caller's, whatever the other key's records say.
                let known = all.entry(id).or_insert(owner);
                if owner == Owner::Principal || *known == Owner::Unknown {
                    *known = owner;
                }
            }
        }
        Ok(all)
    }

    /// Whether the records know another principal than this one.
    pub async fn has_others(&self, principal: &str) -> Result<bool, StoreError> {
        for account in self.keys_of_payer() {
            if self.store().await?.has_others(principal, &account.name).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The key that questions to a person are sealed with.
    pub async fn seal_key(&self) -> Result<Vec<u8>, StoreError> {
        self.store().await?.secret("consent").await
    }
}
