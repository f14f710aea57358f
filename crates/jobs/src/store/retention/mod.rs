//! How long records and result files are kept.
//!
//! Ended jobs are removed after `MINIMAX_KEEP_DAYS`, or oldest first when their files exceed `MINIMAX_KEEP_BYTES`. Their
//! purchases are removed by age only, conversations and cached answers when they expire. Jobs that are open, whose outcome is
//! unknown, or whose files have not arrived are kept. Rows are deleted in small batches, so that writers
//! do not wait long, and `SQLite` reuses their pages.

mod ended;
mod rules;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use self::rules::{BATCH, BREATH};
pub use self::rules::{Pruned, Retention};
use super::database::Store;
use super::error::StoreError;
use super::sql::{Query, query};
use super::{conversations, response_cache};
use crate::clock::earliest;

/// The time between two sweeps.
const EVERY: Duration = Duration::from_hours(1);

/// The shortest time for which purchases are kept, in milliseconds: twice the window of the daily budgets.
const LEAST_SPENDING: i64 = 2 * 24 * 3_600_000;

/// How long the id and the idempotency key of a removed job are remembered, in milliseconds.
const REMEMBERED: i64 = 365 * 24 * 3_600_000;

/// Removes what the rules do not keep, now and every hour.
pub(crate) async fn sweep_often(store: Arc<Store>, rules: Retention) {
    loop {
        match store.prune(&rules, earliest(), false).await {
            Ok(Pruned { jobs, files, bytes, purchases, .. }) if jobs + purchases.unwrap_or_default() > 0 => {
                tracing::info!(
                    jobs,
                    files,
                    bytes,
                    "old jobs were removed (MINIMAX_KEEP_DAYS, MINIMAX_KEEP_BYTES)"
                );
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "not all old records were removed; the next try is in an hour");
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

impl Store {
    /// Removes everything that the rules do not keep at the time `at`, or with `dry` counts it.
    pub async fn prune(&self, rules: &Retention, at: i64, dry: bool) -> Result<Pruned, StoreError> {
        let at = at.min(self.clock_of_store(at).await?);
        let age = rules.age.map(|age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        let mut pruned = Pruned::default();
        let life = age.map_or(conversations::LIFE, |age| age.min(conversations::LIFE));
        let expired = (CONVERSATIONS, "id", "updated_at", at.saturating_sub(life));
        pruned.conversations = self.remove_expired(expired, dry).await?;
        let expired = (ANSWERS, "rowid", "created_at", at.saturating_sub(response_cache::LIFE));
        pruned.answers = self.remove_expired(expired, dry).await?;
        let expired = (REMOVED_JOBS, "id", "removed_at", at.saturating_sub(REMEMBERED));
        self.remove_expired(expired, dry).await?;
        if !dry {
            // Without a receiver in the settings, undelivered messages must not keep their jobs.
            self.give_up_messages().await?;
        }
        self.remove_ended(rules, at, dry, &mut pruned).await?;
        if let Some(age) = age.filter(|_| !dry) {
            let purchases = self.forget_spending(at.saturating_sub(age.max(LEAST_SPENDING))).await?;
            pruned.purchases = Some(purchases);
        }
        Ok(pruned)
    }

    /// The time by the clock that wrote the rows: the database server's, or `present`, by this machine's.
    async fn clock_of_store(&self, present: i64) -> Result<i64, StoreError> {
        let row = query("SELECT CAST(?1 AS BIGINT)").bind_moment(present, 0).fetch_one(self.readers()).await;
        row.and_then(|row| row.try_get(0)).map_err(|error| self.fail(error))
    }

    /// Removes the rows of a table that are older than the cutoff, or counts them.
    async fn remove_expired(
        &self,
        (table, id, time, cutoff): (&'static str, &'static str, &'static str, i64),
        dry: bool,
    ) -> Result<u64, StoreError> {
        if dry {
            let count = query(format!("SELECT COUNT(*) FROM {table} WHERE {time} < ?1")).bind(cutoff);
            let count = count.fetch_one(self.readers()).await.and_then(|row| row.try_get::<i64, _>(0));
            return Ok(u64::try_from(count.map_err(|error| self.fail(error))?).unwrap_or_default());
        }
        self.in_batches(|| query(expired(table, id, time)), cutoff).await
    }

    /// Repeats a statement that removes at most [`BATCH`] rows from before the cutoff until none is left.
    async fn in_batches(
        &self,
        statement: impl Fn() -> Query<'static>,
        cutoff: i64,
    ) -> Result<u64, StoreError> {
        let mut all = 0_u64;
        loop {
            let removing = statement().bind(BATCH).bind(cutoff);
            let removed = removing.execute(self.writers()).await.map_err(|error| self.fail(error))?;
            all = all.saturating_add(removed);
            if removed < BATCH.unsigned_abs() {
                return Ok(all);
            }
            tokio::time::sleep(BREATH).await;
        }
    }

    /// Adds rows to the totals of their processes and removes them.
    async fn forget_spending(&self, cutoff: i64) -> Result<u64, StoreError> {
        let mut all = 0_u64;
        loop {
            let removed = self.forget_some_spending(cutoff).await.map_err(|error| self.fail(error))?;
            all = all.saturating_add(removed);
            if removed < BATCH.unsigned_abs() {
                return Ok(all);
            }
            tokio::time::sleep(BREATH).await;
        }
    }

    async fn forget_some_spending(&self, cutoff: i64) -> Result<u64, sqlx::Error> {
        let mut transaction = self.writers().begin().await?;
        // The rows are locked, so that another server does not add the same rows to the totals.
        let old = query(OLD_SPENDING).bind(BATCH).bind(cutoff).fetch_all(&mut transaction).await?;
        let ids = old.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?;
        query(ADD_UP).bind_list(&ids).execute(&mut transaction).await?;
        let removed = query(REMOVE_SPENDING).bind_list(&ids).execute(&mut transaction).await?;
        transaction.commit().await?;
        Ok(removed)
    }
}

const CONVERSATIONS: &str = "conversations";
const ANSWERS: &str = "answers";
const REMOVED_JOBS: &str = "removed_jobs";

/// Removes some of the oldest rows of a table.
fn expired(table: &str, id: &str, time: &str) -> String {
    format!(
        "DELETE FROM {table} WHERE {id} IN
            (SELECT {id} FROM {table} WHERE {time} < ?2 ORDER BY {time} LIMIT ?1)"
    )
}

/// Rows that are no longer reserved and whose job is gone. Released rows add nothing to the totals.
const OLD_SPENDING: &str = "
    SELECT id FROM spending
    WHERE created_at < ?2 AND state <> 'reserved'
      AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = spending.id)
    ORDER BY created_at, id LIMIT ?1 FOR UPDATE SKIP LOCKED";

const ADD_UP: &str = "
    INSERT INTO spending_totals (process, account, currency, settled, unknown, unpriced)
    SELECT process, account, currency,
           CAST(COALESCE(SUM(CASE WHEN state = 'settled' THEN COALESCE(actual, estimate) END), 0) AS BIGINT),
           CAST(COALESCE(SUM(CASE WHEN state = 'unknown' THEN COALESCE(actual, estimate) END), 0) AS BIGINT),
           COUNT(CASE WHEN state <> 'released' AND actual IS NULL AND estimate IS NULL THEN 1 END)
    FROM spending WHERE id IN (SELECT value FROM ?1) GROUP BY process, account, currency
    ON CONFLICT (process, account, currency) DO UPDATE
    SET settled = spending_totals.settled + excluded.settled,
        unknown = spending_totals.unknown + excluded.unknown,
        unpriced = spending_totals.unpriced + excluded.unpriced";

const REMOVE_SPENDING: &str = "DELETE FROM spending WHERE id IN (SELECT value FROM ?1)";
