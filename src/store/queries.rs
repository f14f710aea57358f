//! Queries for jobs.

use super::database::Store;
use super::error::StoreError;
use super::pool::Connection;
use super::sorting::Sorting;
use super::sql::{Row, either, query};
use crate::record::Job;

/// Which jobs a list shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// A word of `State::status`.
    pub status: Option<String>,
    /// A word of `Kind`.
    pub kind: Option<String>,
    /// A part of prompt, tool, model or id.
    pub query: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The voice that was made or speaks.
    pub voice: Option<String>,
    /// Created at this time or later. Unix milliseconds.
    pub since: Option<i64>,
    /// Created before this time. Unix milliseconds.
    pub until: Option<i64>,
    /// How the list is sorted.
    pub sorting: Sorting,
    /// Where the page before ended: the value that the list is sorted by, and the id.
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
    ELSE '' END AS body, id";

const LISTED_POSTGRES: &str = "SELECT CASE WHEN octet_length(body) <= 65536 THEN body ELSE
        CAST(CAST(body AS jsonb) - ARRAY['text', 'usage', 'unread', 'warnings'] ||
             jsonb_build_object('request', NULL,
                                'model', left(CAST(body AS json) ->> 'model', 256),
                                'prompt', left(CAST(body AS json) ->> 'prompt', 256)) AS text)
    END AS body, id";

/// A page of `list_jobs`.
#[derive(Debug)]
pub struct Page {
    /// In the order of the filter. Long records come without their request and text, and with the beginning of their prompt.
    pub jobs: Vec<Job>,
    /// `Filter::before` of the next page; `None` on the last.
    pub next: Option<(i64, String)>,
}

impl Store {
    /// One job of a principal.
    pub async fn get(&self, principal: &str, id: &str) -> Result<Option<Job>, StoreError> {
        let row = query("SELECT body FROM jobs WHERE principal = ?1 AND id = ?2")
            .bind(principal)
            .bind(id)
            .fetch_optional(self.readers())
            .await
            .map_err(|error| self.fail(error))?;
        row.map(|row| self.parse(&row)).transpose()
    }

    /// One job of any principal.
    pub async fn of_anybody(&self, id: &str) -> Result<Option<Job>, StoreError> {
        let row = query("SELECT body FROM jobs WHERE id = ?1").bind(id).fetch_optional(self.readers()).await;
        row.map_err(|error| self.fail(error))?.map(|row| self.parse(&row)).transpose()
    }

    /// The job that was started with an `idempotency_key`.
    pub async fn by_key(&self, principal: &str, account: &str, key: &str) -> Result<Option<Job>, StoreError> {
        let row =
            query("SELECT body FROM jobs WHERE principal = ?1 AND account = ?2 AND idempotency_key = ?3")
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
        connection: &mut Connection,
        job: &Job,
    ) -> Result<Option<String>, StoreError> {
        let row = query(
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
        let row = query(
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
        let rows = query("SELECT kind, status, COUNT(*) FROM jobs GROUP BY kind, status");
        let rows = rows.fetch_all(self.readers()).await.map_err(|error| self.fail(error))?;
        let read =
            |row: &Row| -> Result<_, sqlx::Error> { Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)) };
        rows.iter().map(|row| read(row).map_err(|error| self.fail(error))).collect()
    }

    /// A page of jobs, newest first, and where the next one begins.
    pub async fn list(&self, principal: &str, filter: &Filter) -> Result<Page, StoreError> {
        let place = filter.sorting.column();
        let mut query = either(LISTED, LISTED_POSTGRES).push(&format!(", {place} AS place"));
        query = query.push(" FROM jobs WHERE principal = ").push_bind(principal);
        if let Some(status) = &filter.status {
            query = query.push(" AND status = ").push_bind(status);
        }
        if let Some(kind) = &filter.kind {
            query = query.push(" AND kind = ").push_bind(kind);
        }
        if let Some(model) = &filter.model {
            query = query.push(" AND model = ").push_bind(model);
        }
        if let Some(voice) = &filter.voice {
            query = query.push(" AND voice = ").push_bind(voice);
        }
        if let Some(since) = filter.since {
            query = query.push(" AND created_at >= ").push_bind(since);
        }
        if let Some(until) = filter.until {
            query = query.push(" AND created_at < ").push_bind(until);
        }
        if let Some(text) = &filter.query {
            // Both find the text without regard to patterns.
            query = query.push_either(" AND instr(search, ", " AND strpos(search, ");
            query = query.push_bind(text.to_lowercase()).push(") > 0");
        }
        let ascends = filter.sorting == Sorting::Oldest;
        if let Some((at, id)) = &filter.before {
            let after = if ascends { ") > (" } else { ") < (" };
            query = query.push(&format!(" AND ({place}, id")).push(after);
            query = query.push_bind(*at).push(", ").push_bind(id).push(")");
        }
        // One row more than requested tells whether there is another page.
        let limit = filter.limit.saturating_add(1);
        let direction = if ascends { "" } else { " DESC" };
        query = query.push(&format!(" ORDER BY {place}{direction}, id{direction} LIMIT ")).push_bind(limit);
        let mut rows = query.fetch_all(self.readers()).await.map_err(|error| self.fail(error))?;
        let more = rows.len() > filter.limit as usize;
        rows.truncate(filter.limit as usize);
        let last = rows.last().filter(|_| more);
        let next = last.and_then(|row| Some((row.try_get("place").ok()?, row.try_get("id").ok()?)));
        // One record that a later version wrote differently must not hide all others.
        Ok(Page { jobs: rows.iter().filter_map(|row| self.parse(row).ok()).collect(), next })
    }
}
