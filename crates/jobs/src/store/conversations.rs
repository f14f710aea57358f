//! Conversations with text models, kept so that a caller need not repeat them.
//!
//! A chain of thought is continued only if the model's own message goes back complete, with signatures and
//! encrypted parts that no caller should have to carry. So the messages are kept in the wire format of the protocol,
//! and a conversation stays in the protocol in which it began.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::database::Store;
use super::error::StoreError;
use super::id::random_id;
use super::sql::{Row, query};
use crate::api::chat::Function;
use crate::clock::{earliest, now};

/// How long a conversation is kept after its last turn, in milliseconds.
pub(super) const LIFE: i64 = 30 * 24 * 3_600_000;

/// The largest conversation that is kept, in bytes. Images in base64 exceed it.
const LARGEST: usize = 32 * 1024 * 1024;

/// The most bytes of a principal's conversations. The oldest are deleted for new ones.
const ALL: i64 = 512 * 1024 * 1024;

/// A conversation in its current state.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// Its id, which cannot be guessed. Empty before it is first kept.
    pub id: String,
    /// Its owner.
    pub principal: String,
    /// The name of its protocol.
    pub api: String,
    /// The model that spoke last.
    pub model: String,
    /// How often it was continued. Tells whether another call has continued it in the meantime.
    pub turns: i64,
    /// What was said.
    pub said: Said,
}

/// The history that a request repeats.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The system prompt.
    #[serde(default)]
    pub system: Option<String>,
    /// The tools that the model may call.
    #[serde(default)]
    pub tools: Vec<Function>,
    /// In the protocol's wire format, oldest first.
    pub messages: Vec<Value>,
}

/// The result of keeping a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Under this id.
    As(String),
    /// Another call has continued it in the meantime, so this is a new one, under this id.
    Forked(String),
    /// It is too large to be kept.
    TooLarge,
}

impl Store {
    /// A conversation of a principal, unless it has expired.
    pub async fn conversation(&self, principal: &str, id: &str) -> Result<Option<Conversation>, StoreError> {
        self.conversation_since(principal, id, earliest() - LIFE).await
    }

    /// Stores a conversation after a turn, and deletes expired ones.
    pub async fn keep(&self, conversation: &Conversation) -> Result<Kept, StoreError> {
        let kept = self.write_conversation(conversation).await?;
        self.forget(&conversation.principal, earliest() - LIFE).await?;
        Ok(kept)
    }

    /// A conversation of a principal that was continued at `since` or later.
    async fn conversation_since(
        &self,
        principal: &str,
        id: &str,
        since: i64,
    ) -> Result<Option<Conversation>, StoreError> {
        let row = query(
            "SELECT id, principal, api, model, turns, body FROM conversations
             WHERE principal = ?1 AND id = ?2 AND updated_at >= ?3",
        )
        .bind(principal)
        .bind(id)
        .bind(since)
        .fetch_optional(self.readers())
        .await
        .map_err(|error| self.fail(error))?;
        match row {
            Some(row) => self.read(&row).await.map(Some),
            None => Ok(None),
        }
    }

    async fn read(&self, row: &Row) -> Result<Conversation, StoreError> {
        let column = |name: &str| row.try_get::<String, _>(name).map_err(|error| self.fail(error));
        let body = column("body")?;
        // This takes about ten milliseconds per MiB, which is too long for an async thread.
        let parsing = tokio::task::spawn_blocking(move || serde_json::from_str(&body)).await;
        let said = parsing.map_err(|error| self.fail(error))?.map_err(|error| self.fail(error))?;
        Ok(Conversation {
            id: column("id")?,
            principal: column("principal")?,
            api: column("api")?,
            model: column("model")?,
            turns: row.try_get("turns").map_err(|error| self.fail(error))?,
            said,
        })
    }

    async fn write_conversation(&self, conversation: &Conversation) -> Result<Kept, StoreError> {
        let body = serde_json::to_string(&conversation.said).map_err(|error| self.fail(error))?;
        if body.len() > LARGEST {
            return Ok(Kept::TooLarge);
        }
        if !conversation.id.is_empty() {
            let continued = query(
                "UPDATE conversations SET model = ?4, turns = ?3 + 1, body = ?5, bytes = length(?5), updated_at = ?6
                 WHERE id = ?1 AND principal = ?2 AND turns = ?3",
            )
            .bind(&conversation.id)
            .bind(&conversation.principal)
            .bind(conversation.turns)
            .bind(&conversation.model)
            .bind(&body)
            .bind(now())
            .execute(self.writers())
            .await
            .map_err(|error| self.fail(error))?;
            if continued == 1 {
                return Ok(Kept::As(conversation.id.clone()));
            }
        }
        let id = random_id("chat");
        query(
            "INSERT INTO conversations (id, principal, api, model, turns, body, bytes, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5 + 1, ?6, length(?6), ?7, ?7)",
        )
        .bind(&id)
        .bind(&conversation.principal)
        .bind(&conversation.api)
        .bind(&conversation.model)
        .bind(conversation.turns)
        .bind(&body)
        .bind(now())
        .execute(self.writers())
        .await
        .map_err(|error| self.fail(error))?;
        Ok(if conversation.id.is_empty() { Kept::As(id) } else { Kept::Forked(id) })
    }

    /// Deletes expired conversations, and the oldest of a principal with too many.
    async fn forget(&self, principal: &str, before: i64) -> Result<(), StoreError> {
        query(
            "DELETE FROM conversations WHERE updated_at < ?2 OR id IN (
                 SELECT id FROM (
                     SELECT id, sum(bytes) OVER (ORDER BY updated_at DESC, id) AS total
                     FROM conversations WHERE principal = ?1
                 ) AS summed WHERE total > ?3
             )",
        )
        .bind(principal)
        .bind(before)
        .bind(ALL)
        .execute(self.writers())
        .await
        .map_err(|error| self.fail(error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn conversation(id: &str, turns: i64, words: &str) -> Conversation {
        let said = Said { messages: vec![json!({ "role": "user", "content": words })], ..Said::default() };
        Conversation {
            id: id.into(),
            principal: "local".into(),
            api: "openai".into(),
            model: "MiniMax-M3".into(),
            turns,
            said,
        }
    }

    async fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "me".into()).await.unwrap();
        (dir, store)
    }

    #[tokio::test]
    async fn a_conversation_that_two_calls_continue_at_once_becomes_two() {
        let (_dir, store) = store().await;
        let Kept::As(id) = store.write_conversation(&conversation("", 0, "one")).await.unwrap() else {
            panic!("not kept")
        };
        let first = store.conversation_since("local", &id, 0).await.unwrap().unwrap();
        assert_eq!((first.turns, first.said), (1, conversation("", 0, "one").said));
        assert_eq!(
            store.write_conversation(&conversation(&id, 1, "two")).await.unwrap(),
            Kept::As(id.clone())
        );
        let Kept::Forked(other) = store.write_conversation(&conversation(&id, 1, "three")).await.unwrap()
        else {
            panic!("it overwrote the other turn")
        };
        let words = |found: Option<Conversation>| found.unwrap().said.messages[0]["content"].clone();
        assert_eq!(words(store.conversation_since("local", &id, 0).await.unwrap()), "two");
        assert_eq!(words(store.conversation_since("local", &other, 0).await.unwrap()), "three");
        assert_eq!(store.conversation_since("somebody else", &id, 0).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_conversation_expires_and_one_that_is_too_large_is_not_kept() {
        let (_dir, store) = store().await;
        let Kept::As(id) = store.write_conversation(&conversation("", 0, "one")).await.unwrap() else {
            panic!("not kept")
        };
        store.forget("local", now() - LIFE).await.unwrap();
        assert!(store.conversation_since("local", &id, now() - LIFE).await.unwrap().is_some());
        assert!(store.conversation_since("local", &id, now() + 1).await.unwrap().is_none());
        store.forget("local", now() + 1).await.unwrap();
        assert!(store.conversation_since("local", &id, 0).await.unwrap().is_none());
        assert_eq!(
            store.write_conversation(&conversation("", 0, &"x".repeat(LARGEST))).await.unwrap(),
            Kept::TooLarge
        );
    }
}
