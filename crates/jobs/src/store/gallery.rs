//! What the gallery shows in addition to jobs, and what it removes.

use serde_json::Value;
use tokio::task::spawn_blocking;

use super::conversations::Said;
use super::database::Store;
use super::error::StoreError;
use super::sql::{Row, query};
use crate::clock::{earliest, now};
use crate::money::{Currency, Money};

/// A day in milliseconds.
const DAY: i64 = 24 * 3_600_000;

/// The most models or voices that are listed.
const MOST_NAMES: u32 = 200;

/// A column of jobs whose values can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// The models.
    Model,
    /// The voices.
    Voice,
}

/// The largest conversation whose first messages are in a list, in bytes.
const LARGEST_LISTED: i64 = 256 * 1024;

/// The most messages of a conversation in a list.
const MOST_LISTED: usize = 4;

/// A conversation in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationRow {
    /// Its id.
    pub id: String,
    /// The model that spoke last.
    pub model: String,
    /// How many turns it has.
    pub turns: i64,
    /// Unix milliseconds.
    pub updated_at: i64,
    /// The first messages, if the conversation is not large.
    pub first: Vec<Value>,
}

/// What was spent on one day with one tool and model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaySpending {
    /// Days since 1970, in UTC.
    pub day: i64,
    /// The tool.
    pub tool: String,
    /// The model; may be empty.
    pub model: String,
    /// The sum that counts against limits: settled, reserved and unknown.
    pub total: Money,
    /// The number of purchases.
    pub purchases: i64,
}

impl Store {
    /// The models or voices of a principal's jobs, in order. Reads one entry of an index for each.
    pub async fn names(&self, principal: &str, column: Named) -> Result<Vec<String>, StoreError> {
        let column = match column {
            Named::Model => "model",
            Named::Voice => "voice",
        };
        let sql = format!(
            "WITH RECURSIVE names (name) AS (
                 SELECT MIN({column}) FROM jobs WHERE principal = ?1 AND {column} IS NOT NULL
                 UNION ALL
                 SELECT (SELECT MIN({column}) FROM jobs WHERE principal = ?1 AND {column} > names.name)
                 FROM names WHERE names.name IS NOT NULL
             )
             SELECT name FROM names WHERE name IS NOT NULL LIMIT ?2"
        );
        let rows = query(sql).bind(principal).bind(MOST_NAMES).fetch_all(self.readers()).await;
        let rows = rows.map_err(|error| self.fail(error))?;
        rows.iter().map(|row| row.try_get("name").map_err(|error| self.fail(error))).collect()
    }

    /// A page of a principal's conversations, the last continued first, and where the next page begins.
    pub async fn conversations(
        &self,
        principal: &str,
        before: Option<(i64, String)>,
        limit: u32,
    ) -> Result<(Vec<ConversationRow>, Option<(i64, String)>), StoreError> {
        let mut listing = query(
            "SELECT id, model, turns, updated_at, CASE WHEN bytes <= ?3 THEN body ELSE '' END AS body
             FROM conversations WHERE principal = ?1 AND updated_at >= ?2",
        )
        .bind(principal)
        .bind(earliest() - super::conversations::LIFE)
        .bind(LARGEST_LISTED);
        if let Some((at, id)) = before {
            listing =
                listing.push(" AND (updated_at, id) < (").push_bind(at).push(", ").push_bind(id).push(")");
        }
        listing =
            listing.push(" ORDER BY updated_at DESC, id DESC LIMIT ").push_bind(limit.saturating_add(1));
        let rows = listing.fetch_all(self.readers()).await.map_err(|error| self.fail(error))?;
        let read = |row: &Row| -> Result<_, sqlx::Error> {
            Ok(ConversationRow {
                id: row.try_get("id")?,
                model: row.try_get("model")?,
                turns: row.try_get("turns")?,
                updated_at: row.try_get("updated_at")?,
                first: beginning(&row.try_get::<String, _>("body")?),
            })
        };
        // Parsing takes too long for an async thread.
        let reading = spawn_blocking(move || rows.iter().map(read).collect::<Result<Vec<_>, _>>()).await;
        let mut found = reading.map_err(|error| self.fail(error))?.map_err(|error| self.fail(error))?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = found.last().filter(|_| more).map(|last| (last.updated_at, last.id.clone()));
        Ok((found, next))
    }

    /// What a principal has spent since a time, by day, tool, model and currency; the newest day first.
    pub async fn spent_by_day(&self, principal: &str, since: i64) -> Result<Vec<DaySpending>, StoreError> {
        let rows = query(
            "SELECT created_at / ?3 AS day, tool, model, currency,
                    CAST(COALESCE(SUM(COALESCE(actual, estimate)), 0) AS BIGINT) AS total, COUNT(*) AS purchases
             FROM spending WHERE principal = ?1 AND created_at >= ?2 AND state <> 'released'
             GROUP BY 1, tool, model, currency ORDER BY 1 DESC, total DESC",
        )
        .bind(principal)
        .bind(since)
        .bind(DAY)
        .fetch_all(self.readers())
        .await
        .map_err(|error| self.fail(error))?;
        let read = |row: &Row| -> Result<Option<DaySpending>, sqlx::Error> {
            let code: String = row.try_get("currency")?;
            let Some(currency) = Currency::of_code(&code) else { return Ok(None) };
            Ok(Some(DaySpending {
                day: row.try_get("day")?,
                tool: row.try_get("tool")?,
                model: row.try_get("model")?,
                total: Money::from_millionths(row.try_get("total")?, currency),
                purchases: row.try_get("purchases")?,
            }))
        };
        let found = rows.iter().filter_map(|row| read(row).transpose());
        found.collect::<Result<_, _>>().map_err(|error| self.fail(error))
    }

    /// Removes the record of a job that has ended. What was spent on it stays in the ledger. `false` if there is no such
    /// record, or the job is open or its outcome is unknown.
    pub async fn remove(&self, principal: &str, id: &str) -> Result<bool, StoreError> {
        let which = "principal = ?1 AND id = ?2 AND is_open = 0 AND status <> 'unknown'";
        let mut transaction = self.begin().await?;
        // A call with its idempotency key must not buy again.
        let noted = query(format!(
            "INSERT INTO removed_jobs (id, principal, account, idempotency_key, removed_at)
             SELECT id, principal, account, idempotency_key, ?3 FROM jobs WHERE {which} ON CONFLICT DO NOTHING"
        ));
        let noted = noted.bind(principal).bind(id).bind_moment(now(), 0);
        noted.execute(&mut transaction).await.map_err(|error| self.fail(error))?;
        let removed = query(format!("DELETE FROM jobs WHERE {which}")).bind(principal).bind(id);
        let removed = removed.execute(&mut transaction).await.map_err(|error| self.fail(error))?;
        if removed == 1 {
            let told = query("DELETE FROM outbox WHERE job = ?1").bind(id);
            told.execute(&mut transaction).await.map_err(|error| self.fail(error))?;
        }
        transaction.commit().await.map_err(|error| self.fail(error))?;
        Ok(removed == 1)
    }
}

/// The first messages of a conversation; none if the conversation is too large for the list.
fn beginning(body: &str) -> Vec<Value> {
    let said: Option<Said> = serde_json::from_str(body).ok();
    said.map(|said| said.messages.into_iter().take(MOST_LISTED).collect()).unwrap_or_default()
}
