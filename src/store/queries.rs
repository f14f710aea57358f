//! Queries for jobs.

use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::database::Store;
use super::error::StoreError;
use super::record::Job;

/// The filter of `list_jobs`.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// A word of `State::status`.
    pub status: Option<String>,
    /// A word of `Kind`.
    pub kind: Option<String>,
    /// A part of prompt, tool, model or id.
    pub query: Option<String>,
    /// Where the page before ended.
    pub before: Option<(i64, String)>,
    /// The most rows.
    pub limit: u32,
}

/// Reads only what a list shows of a long record: an order may have megabytes of text, and a page has fifty.
const LISTED: &str = "SELECT CASE WHEN octet_length(body) <= 65536 THEN body WHEN json_valid(body) THEN
        json_set(json_remove(body, '$.text', '$.usage', '$.unread', '$.warnings'),
                 '$.request', json('null'),
                 '$.model', substr(json_extract(body, '$.model'), 1, 256),
                 '$.prompt', substr(json_extract(body, '$.prompt'), 1, 256))
    ELSE '' END AS body, created_at, id";

/// A page of `list_jobs`.
#[derive(Debug)]
pub struct Page {
    /// Newest first. Long records come without their request and text, and with the beginning of their prompt.
    pub jobs: Vec<Job>,
    /// `Filter::before` of the next page; `None` on the last.
    pub next: Option<(i64, String)>,
}

impl Store {
    /// One job of a principal.
    pub async fn get(&self, principal: &str, id: &str) -> Result<Option<Job>, StoreError> {
        let row = sqlx::query("SELECT body FROM jobs WHERE principal = ?1 AND id = ?2")
            .bind(principal)
            .bind(id)
            .fetch_optional(self.readers())
            .await
            .map_err(|error| self.fail(error))?;
        row.map(|row| self.parse(&row)).transpose()
    }

    /// One job of any principal.
    pub async fn of_anybody(&self, id: &str) -> Result<Option<Job>, StoreError> {
        let row =
            sqlx::query("SELECT body FROM jobs WHERE id = ?1").bind(id).fetch_optional(self.readers()).await;
        row.map_err(|error| self.fail(error))?.map(|row| self.parse(&row)).transpose()
    }

    /// The job that was started with an `idempotency_key`.
    pub async fn by_key(&self, principal: &str, account: &str, key: &str) -> Result<Option<Job>, StoreError> {
        let row = sqlx::query(
            "SELECT body FROM jobs WHERE principal = ?1 AND account = ?2 AND idempotency_key = ?3",
        )
        .bind(principal)
        .bind(account)
        .bind(key)
        .fetch_optional(self.readers())
        .await
        .map_err(|error| self.fail(error))?;
        row.map(|row| self.parse(&row)).transpose()
    }

    /// Another job with the same task, if MiniMax has given the id of one twice.
    pub(super) async fn twin(
        &self,
        connection: &mut SqliteConnection,
        job: &Job,
    ) -> Result<Option<String>, StoreError> {
        let row = sqlx::query(
            "SELECT id FROM jobs WHERE principal = ?1 AND account = ?2 AND task_id = ?3 AND id <> ?4 LIMIT 1",
        )
        .bind(&job.principal)
        .bind(&job.account)
        .bind(job.state.task().map(|task| task.id.as_str()))
        .bind(&job.id)
        .fetch_optional(connection)
        .await
        .map_err(|error| self.fail(error))?;
        row.map(|row| row.try_get("id").map_err(|error| self.fail(error))).transpose()
    }

    /// The job of a task; the newest if there are several.
    pub async fn by_task(
        &self,
        principal: &str,
        account: &str,
        task: &str,
    ) -> Result<Option<Job>, StoreError> {
        let row = sqlx::query(
            "SELECT body FROM jobs WHERE principal = ?1 AND account = ?2 AND task_id = ?3
             ORDER BY created_at DESC, id DESC LIMIT 1",
        )
        .bind(principal)
        .bind(account)
        .bind(task)
        .fetch_optional(self.readers())
        .await
        .map_err(|error| self.fail(error))?;
        row.map(|row| self.parse(&row)).transpose()
    }

    /// How many jobs there are, by kind and status.
    pub async fn counts(&self) -> Result<Vec<(String, String, i64)>, StoreError> {
        sqlx::query_as("SELECT kind, status, COUNT(*) FROM jobs GROUP BY kind, status")
            .fetch_all(self.readers())
            .await
            .map_err(|error| self.fail(error))
    }

    /// A page of jobs, newest first, and where the next one begins.
    pub async fn list(&self, principal: &str, filter: &Filter) -> Result<Page, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(LISTED);
        query.push(" FROM jobs WHERE principal = ").push_bind(principal);
        if let Some(status) = &filter.status {
            query.push(" AND status = ").push_bind(status);
        }
        if let Some(kind) = &filter.kind {
            query.push(" AND kind = ").push_bind(kind);
        }
        if let Some(text) = &filter.query {
            query.push(" AND instr(search, ").push_bind(text.to_lowercase()).push(") > 0");
        }
        if let Some((at, id)) = &filter.before {
            query.push(" AND (created_at, id) < (").push_bind(*at).push(", ").push_bind(id).push(")");
        }
        // One row more than requested tells whether there is another page.
        query.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(filter.limit.saturating_add(1));
        let mut rows = query.build().fetch_all(self.readers()).await.map_err(|error| self.fail(error))?;
        let more = rows.len() > filter.limit as usize;
        rows.truncate(filter.limit as usize);
        let last = rows.last().filter(|_| more);
        let next = last.and_then(|row| Some((row.try_get("created_at").ok()?, row.try_get("id").ok()?)));
        // One record that a later version wrote differently must not hide all others.
        Ok(Page { jobs: rows.iter().filter_map(|row| self.parse(row).ok()).collect(), next })
    }
}
