//! How long records are kept.
//!
//! Ended jobs and what was spent on them go after `MINIMAX_KEEP_DAYS`, conversations and answers when they have expired.
//! What may still matter stays: jobs that are open, whose outcome is unknown, or whose files have not arrived. Files on
//! disk are never touched. Rows are deleted in small batches, so that writers do not wait long, and `SQLite` reuses their
//! pages.

use std::sync::Arc;
use std::time::Duration;

use super::database::Store;
use super::error::StoreError;
use super::{conversations, response_cache};
use crate::clock::now;

/// The rows of one transaction.
const BATCH: i64 = 50;

/// The pause between two batches, for other writers.
const BREATH: Duration = Duration::from_millis(50);

/// The time between two sweeps.
const EVERY: Duration = Duration::from_hours(1);

/// How long a job with a task is kept at least, in milliseconds: MiniMax knows tasks for seven days, and the record names
/// the owner.
const LEAST_TASK: i64 = 8 * 24 * 3_600_000;

/// How long purchases are kept at least, in milliseconds: twice the window of the daily budgets.
const LEAST_SPENDING: i64 = 2 * 24 * 3_600_000;

/// Removes expired rows now and every hour. `keep` is how long ended jobs are kept; `None` keeps them forever.
pub(crate) async fn sweep_often(store: Arc<Store>, keep: Option<Duration>) {
    loop {
        if let Err(error) = store.sweep(keep, now()).await {
            tracing::warn!(%error, "old records were not removed; the next try is in an hour");
        }
        tokio::time::sleep(EVERY).await;
    }
}

impl Store {
    /// Removes what has expired at `at`.
    pub(super) async fn sweep(&self, keep: Option<Duration>, at: i64) -> Result<(), StoreError> {
        self.in_batches(EXPIRED_CONVERSATIONS, &[at.saturating_sub(conversations::LIFE)]).await?;
        self.in_batches(EXPIRED_ANSWERS, &[at.saturating_sub(response_cache::LIFE)]).await?;
        let Some(keep) = keep else { return Ok(()) };
        let keep = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        let cutoffs = [keep, keep.max(LEAST_TASK)].map(|age| at.saturating_sub(age));
        let jobs = self.in_batches(ENDED_JOBS, &cutoffs).await?;
        let spending = self.forget_spending(at.saturating_sub(keep.max(LEAST_SPENDING))).await?;
        if jobs + spending > 0 {
            tracing::info!(jobs, spending, "records older than MINIMAX_KEEP_DAYS were removed");
        }
        Ok(())
    }

    /// Repeats a statement that removes at most [`BATCH`] rows from before the cutoffs until none is left.
    async fn in_batches(&self, sql: &'static str, cutoffs: &[i64]) -> Result<u64, StoreError> {
        let mut all = 0_u64;
        loop {
            let mut removing = sqlx::query(sql).bind(BATCH);
            for cutoff in cutoffs {
                removing = removing.bind(cutoff);
            }
            let removed = removing.execute(self.writers()).await;
            let removed = removed.map_err(|error| self.fail(error))?.rows_affected();
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
            let mut transaction = self.begin().await?;
            sqlx::query(ADD_UP)
                .bind(BATCH)
                .bind(cutoff)
                .execute(&mut *transaction)
                .await
                .map_err(|error| self.fail(error))?;
            let removed = sqlx::query(REMOVE_SPENDING)
                .bind(BATCH)
                .bind(cutoff)
                .execute(&mut *transaction)
                .await
                .map_err(|error| self.fail(error))?
                .rows_affected();
            transaction.commit().await.map_err(|error| self.fail(error))?;
            all = all.saturating_add(removed);
            if removed < BATCH.unsigned_abs() {
                return Ok(all);
            }
            tokio::time::sleep(BREATH).await;
        }
    }
}

const EXPIRED_CONVERSATIONS: &str = "
    DELETE FROM conversations WHERE id IN
        (SELECT id FROM conversations WHERE updated_at < ?2 ORDER BY updated_at LIMIT ?1)";

const EXPIRED_ANSWERS: &str = "
    DELETE FROM answers WHERE rowid IN
        (SELECT rowid FROM answers WHERE created_at < ?2 ORDER BY created_at LIMIT ?1)";

/// A job whose results are to be saved stays until all its files are.
const ENDED_JOBS: &str = "
    DELETE FROM jobs WHERE id IN (
        SELECT id FROM jobs
        WHERE is_open = 0 AND status <> 'unknown' AND updated_at < ?2 AND (task_id IS NULL OR updated_at < ?3)
          AND CASE WHEN status IN ('failed', 'cancelled') THEN 1 WHEN NOT json_valid(body) THEN 0 ELSE
                json_extract(body, '$.folder') IS NULL OR NOT EXISTS
                    (SELECT 1 FROM json_each(body, '$.files') WHERE json_extract(value, '$.saved') IS NULL) END
        ORDER BY updated_at LIMIT ?1)";

/// Rows that are settled or unknown, and whose job is gone. Both statements must choose the same ones.
macro_rules! old_spending {
    () => {
        "SELECT id FROM spending
         WHERE created_at < ?2 AND state <> 'reserved'
           AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = spending.id)
         ORDER BY created_at, id LIMIT ?1"
    };
}

const ADD_UP: &str = concat!(
    "INSERT INTO spending_totals (process, account, currency, settled, unknown, unpriced)
     SELECT process, account, currency,
            COALESCE(SUM(CASE WHEN state = 'settled' THEN COALESCE(actual, estimate) END), 0),
            COALESCE(SUM(CASE WHEN state = 'unknown' THEN COALESCE(actual, estimate) END), 0),
            COALESCE(SUM(state <> 'released' AND actual IS NULL AND estimate IS NULL), 0)
     FROM spending WHERE id IN (",
    old_spending!(),
    ") GROUP BY process, account, currency
     ON CONFLICT DO UPDATE SET settled = settled + excluded.settled, unknown = unknown + excluded.unknown,
                               unpriced = unpriced + excluded.unpriced"
);

const REMOVE_SPENDING: &str = concat!("DELETE FROM spending WHERE id IN (", old_spending!(), ")");

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3_600_000;
    const KEEP: Duration = Duration::from_hours(90 * 24);

    async fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "me".to_owned()).await.unwrap();
        (dir, store)
    }

    async fn run(store: &Store, sql: String) {
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(store.writers()).await.unwrap();
    }

    async fn add_job(store: &Store, id: &str, status: &str, open: bool, body: &str, age: i64) {
        let at = now() - age * DAY;
        run(store, format!(
            "INSERT INTO jobs (id, principal, account, kind, status, is_open, search, body, created_at, updated_at)
             VALUES ('{id}', 'local', 'a', 'image', '{status}', {}, '', '{body}', {at}, {at})",
            u8::from(open)
        ))
        .await;
    }

    async fn add_purchase(store: &Store, id: &str, process: &str, state: &str, price: &str, age: i64) {
        let at = now() - age * DAY;
        run(store, format!(
            "INSERT INTO spending (id, principal, account, process, tool, model, currency, estimate, state, created_at,
                                   updated_at)
             VALUES ('{id}', 'local', 'a', '{process}', 't', 'm', 'USD', {price}, '{state}', {at}, {at})"
        ))
        .await;
    }

    async fn ids(store: &Store, table: &str) -> Vec<String> {
        let sql = format!("SELECT id FROM {table} ORDER BY id");
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(store.writers()).await.unwrap()
    }

    #[tokio::test]
    async fn ended_jobs_go_after_their_time_and_what_may_still_matter_stays() {
        let (_dir, store) = store().await;
        let saved = r#"{"folder":"/out","files":[{"saved":{}},{"saved":{}}]}"#;
        let missing = r#"{"folder":"/out","files":[{"saved":{}},{"saved":null}]}"#;
        let links = r#"{"folder":null,"files":[{"saved":null}]}"#;
        for (id, status, open, body, age) in [
            ("gone-saved", "succeeded", false, saved, 91),
            ("gone-links", "succeeded", false, links, 91),
            ("gone-failed", "failed", false, missing, 91),
            ("gone-cancelled", "cancelled", false, missing, 91),
            ("kept-young", "succeeded", false, saved, 89),
            ("kept-open", "running", true, missing, 400),
            ("kept-unknown", "unknown", false, missing, 400),
            ("kept-undelivered", "partial", false, missing, 400),
            ("kept-unreadable", "succeeded", false, "{", 400),
        ] {
            add_job(&store, id, status, open, body, age).await;
        }
        store.sweep(None, now()).await.unwrap();
        assert_eq!(ids(&store, "jobs").await.len(), 9, "without a limit everything stays");
        store.sweep(Some(KEEP), now()).await.unwrap();
        let left = ids(&store, "jobs").await;
        assert_eq!(left, ["kept-open", "kept-undelivered", "kept-unknown", "kept-unreadable", "kept-young"]);
    }

    #[tokio::test]
    async fn the_record_of_a_task_stays_for_as_long_as_minimax_knows_it() {
        let (_dir, store) = store().await;
        for (id, age) in [("gone", 9), ("kept", 7)] {
            add_job(&store, id, "cancelled", false, "{}", age).await;
            run(&store, format!("UPDATE jobs SET task_id = 't-{id}' WHERE id = '{id}'")).await;
        }
        add_job(&store, "gone-too", "failed", false, "{}", 7).await;
        store.sweep(Some(Duration::from_hours(24)), now()).await.unwrap();
        assert_eq!(ids(&store, "jobs").await, ["kept"]);
    }

    #[tokio::test]
    async fn what_a_process_has_spent_counts_for_it_also_when_the_rows_are_gone() {
        let (_dir, store) = store().await;
        add_job(&store, "with-job", "unknown", false, "{}", 400).await;
        for (id, process, state, price, age) in [
            ("with-job", "me", "unknown", "1", 400),
            ("old-settled", "me", "settled", "10", 91),
            ("old-unknown", "me", "unknown", "100", 91),
            ("old-unpriced", "me", "settled", "NULL", 91),
            ("old-released", "me", "released", "1000", 91),
            ("old-reserved", "me", "reserved", "10000", 91),
            ("old-other", "you", "settled", "7", 91),
            ("young", "me", "settled", "100000", 1),
        ] {
            add_purchase(&store, id, process, state, price, age).await;
        }
        let mut connection = store.writers().acquire().await.unwrap();
        let before = store.spent_by_this_process(&mut connection, "USD", None).await.unwrap();
        assert_eq!(before.total(), 110_111);
        // Rows that were kept for less than the daily budgets look back would let them be passed.
        store.sweep(Some(Duration::ZERO), now()).await.unwrap();
        assert_eq!(ids(&store, "spending").await, ["old-reserved", "with-job", "young"]);
        assert_eq!(store.spent_by_this_process(&mut connection, "USD", None).await.unwrap(), before);
        assert_eq!(store.spent_by_this_process(&mut connection, "USD", Some("a")).await.unwrap(), before);
        store.sweep(Some(Duration::ZERO), now()).await.unwrap();
        assert_eq!(store.spent_by_this_process(&mut connection, "USD", None).await.unwrap(), before);
    }

    #[tokio::test]
    async fn many_rows_go_in_batches_by_an_index_and_their_pages_are_used_again() {
        let (_dir, store) = store().await;
        let at = now() - 91 * DAY;
        run(&store, format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 230)
             INSERT INTO jobs (id, principal, account, kind, status, is_open, search, body, created_at, updated_at)
             SELECT 'x' || i, 'local', 'a', 'image', 'failed', 0, '', printf('%.9000c', 'x'), {at}, {at} FROM n"
        ))
        .await;
        store.sweep(Some(KEEP), now()).await.unwrap();
        assert!(ids(&store, "jobs").await.is_empty());
        let free: i64 = sqlx::query_scalar("PRAGMA freelist_count").fetch_one(store.writers()).await.unwrap();
        assert!(free > 400, "{free} pages");
        for sql in [ENDED_JOBS, REMOVE_SPENDING, EXPIRED_CONVERSATIONS, EXPIRED_ANSWERS] {
            let plan = format!("EXPLAIN QUERY PLAN {sql}");
            let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(sqlx::AssertSqlSafe(plan))
                .bind(1)
                .bind(0)
                .fetch_all(store.writers())
                .await
                .unwrap();
            let steps: Vec<_> = plan.into_iter().map(|(.., step)| step).collect();
            assert!(
                !steps.iter().any(|step| step.starts_with("SCAN")
                    && !step.contains("INDEX")
                    && !step.contains("VIRTUAL")
                    && !step.contains("json_each")),
                "{steps:?}"
            );
        }
    }
}
