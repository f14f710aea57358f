//! The response cache: paid answers whose callers left before they came.
//!
//! A call that makes no job leaves no record. If its caller leaves before the answer comes, the answer is stored, and the
//! next identical call gets it instead of buying it again.

use serde_json::Value;

use super::database::Store;
use super::error::StoreError;
use super::sql::query;
use crate::clock::{earliest, now};

/// How long an answer is kept, in milliseconds. The same call a day later probably wants a new answer.
pub(super) const LIFE: i64 = 24 * 3_600_000;

/// The largest answer that is kept, in bytes.
const LARGEST: usize = 4 * 1024 * 1024;

/// The most answers of one principal. The oldest are deleted for new ones.
const MOST: i64 = 200;

/// The key of an answer: the call that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Answer {
    /// Its owner.
    pub principal: String,
    /// The hash of its tool and arguments.
    pub digest: String,
}

impl Store {
    /// Stores an answer whose caller has left.
    pub async fn keep_answer(&self, of: &Answer, account: &str, answer: &Value) -> Result<(), StoreError> {
        let body = answer.to_string();
        if body.len() > LARGEST {
            return Err(self.fail(format!("an answer of {} bytes is too long to be kept", body.len())));
        }
        let mut transaction = self.begin().await?;
        query(
            "INSERT INTO answers (principal, account, digest, body, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (principal, account, digest) DO UPDATE SET body = excluded.body, created_at = excluded.created_at",
        )
        .bind(&of.principal)
        .bind(account)
        .bind(&of.digest)
        .bind(body)
        .bind(now())
        .execute(&mut transaction)
        .await
        .map_err(|error| self.fail(error))?;
        query(
            "DELETE FROM answers WHERE created_at < ?1 OR (principal = ?2 AND rowid NOT IN
                (SELECT rowid FROM answers WHERE principal = ?2 ORDER BY created_at DESC, rowid DESC LIMIT ?3))",
        )
        .bind(earliest() - LIFE)
        .bind(&of.principal)
        .bind(MOST)
        .execute(&mut transaction)
        .await
        .map_err(|error| self.fail(error))?;
        transaction.commit().await.map_err(|error| self.fail(error))
    }

    /// Takes the stored answer for this call, if there is one: it is handed over once.
    pub async fn kept_answer(&self, of: &Answer, account: &str) -> Result<Option<Value>, StoreError> {
        // Most calls have no stored answer, and must not wait for the write lock.
        let waits = "SELECT 1 FROM answers WHERE principal = ?1 AND account = ?2 AND digest = ?3";
        let row = query(waits).bind(&of.principal).bind(account).bind(&of.digest);
        if row.fetch_optional(self.readers()).await.map_err(|error| self.fail(error))?.is_none() {
            return Ok(None);
        }
        let row = query(
            "DELETE FROM answers WHERE principal = ?1 AND account = ?2 AND digest = ?3 RETURNING body, created_at",
        )
        .bind(&of.principal)
        .bind(account)
        .bind(&of.digest)
        .fetch_optional(self.writers())
        .await
        .map_err(|error| self.fail(error))?;
        let Some(row) = row else { return Ok(None) };
        let since: i64 = row.try_get("created_at").map_err(|error| self.fail(error))?;
        if since < earliest() - LIFE {
            return Ok(None);
        }
        let body: &str = row.try_get("body").map_err(|error| self.fail(error))?;
        serde_json::from_str(body).map(Some).map_err(|error| self.fail(error))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(principal: &str, digest: &str) -> Answer {
        Answer { principal: principal.to_owned(), digest: digest.to_owned() }
    }

    #[tokio::test]
    async fn a_stored_answer_is_returned_once_and_only_to_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "test".to_owned()).await.unwrap();
        store.keep_answer(&of("ada", "x"), "one", &json!("yes")).await.unwrap();
        assert_eq!(store.kept_answer(&of("bob", "x"), "one").await.unwrap(), None);
        assert_eq!(store.kept_answer(&of("ada", "y"), "one").await.unwrap(), None);
        assert_eq!(store.kept_answer(&of("ada", "x"), "two").await.unwrap(), None);
        assert_eq!(store.kept_answer(&of("ada", "x"), "one").await.unwrap(), Some(json!("yes")));
        assert_eq!(store.kept_answer(&of("ada", "x"), "one").await.unwrap(), None);
    }

    #[tokio::test]
    async fn answers_that_are_not_asked_for_again_do_not_fill_the_records() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "test".to_owned()).await.unwrap();
        let old = sqlx::query("INSERT INTO answers VALUES ('bob', 'one', 'old', '1', 0)");
        old.execute(store.sqlite()).await.unwrap();
        let filled =
            "INSERT INTO answers SELECT 'ada', 'one', 'x' || value, '1', ?1 + value FROM json_each(?2)";
        let numbers = json!((1..=300).collect::<Vec<_>>()).to_string();
        sqlx::query(filled).bind(now() - 1000).bind(numbers).execute(store.sqlite()).await.unwrap();
        store.keep_answer(&of("ada", "last"), "one", &json!(1)).await.unwrap();
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM answers").fetch_one(store.sqlite()).await.unwrap();
        assert_eq!(count, MOST);
        assert!(store.kept_answer(&of("ada", "last"), "one").await.unwrap().is_some());
        assert!(store.kept_answer(&of("ada", "x1"), "one").await.unwrap().is_none());
    }
}
