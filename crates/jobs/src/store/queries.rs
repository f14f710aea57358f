//! Queries for jobs.

use super::accounts::at_host;
use super::database::Store;
use super::error::StoreError;
use super::pool::Connection;
use super::sorting::Sorting;
use super::sql::{Query, Row, either, query};
use crate::record::Job;

/// Which jobs a list shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// As `State::status` returns it.
    pub status: Option<String>,
    /// As `Kind::word` returns it.
    pub kind: Option<String>,
    /// A part of the prompt, tool, model or id.
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

/// Reads only the fields that a list shows if a record is long: an order may have megabytes of text, and a page has
/// fifty records.
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

/// How many jobs a page reads at most to find those that match. No index covers the words of a prompt, so without this
/// bound a search that finds nothing would read all jobs.
pub const MOST_READ: u32 = 25_000;

/// A page of `list_jobs`.
#[derive(Debug)]
pub struct Page {
    /// In the order of the filter. A long record comes without its request and text, and with only the beginning of its
    /// prompt.
    pub jobs: Vec<Job>,
    /// `Filter::before` of the next page; `None` on the last.
    pub next: Option<(i64, String)>,
    /// The page ended after [`MOST_READ`] jobs, and the next one continues.
    pub reads_on: bool,
}

impl Filter {
    /// The columns that must have a certain value. The index of the first is read, because usually the fewest jobs have
    /// its value.
    fn columns(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let (usual, rare) = match self.status.as_deref() {
            Some("succeeded") => (Some("succeeded"), None),
            status => (None, status),
        };
        let columns = [
            ("voice", self.voice.as_deref()),
            ("model", self.model.as_deref()),
            ("status", rare),
            ("kind", self.kind.as_deref()),
            ("status", usual),
        ];
        columns.into_iter().filter_map(|(column, value)| Some((column, value?)))
    }

    /// How many of these columns the index covers: one if the list is sorted by time, because the indexes of the
    /// columns are.
    fn indexed(&self) -> usize {
        usize::from(self.sorting.column() == "created_at")
    }

    /// Whether the query has to read jobs that do not match.
    fn searches(&self) -> bool {
        let has_time = self.since.is_some() || self.until.is_some();
        self.query.is_some()
            || self.columns().nth(self.indexed()).is_some()
            || (has_time && self.indexed() == 0)
    }

    /// Adds the conditions that the index answers, and the beginning of the page.
    fn narrow<'q>(&'q self, select: Query<'q>, principal: &'q str) -> Query<'q> {
        let mut query = select.push(" FROM jobs WHERE principal = ").push_bind(principal);
        for (column, value) in self.columns().take(self.indexed()) {
            query = query.push(&format!(" AND {column} = ")).push_bind(value);
        }
        if self.indexed() > 0 {
            query = self.within_time(query);
        }
        match &self.before {
            Some(before) => self.beyond(query, before, false),
            None => query,
        }
    }

    fn within_time<'q>(&self, mut query: Query<'q>) -> Query<'q> {
        // The unary plus keeps SQLite from using the index of another order.
        let column = if self.indexed() > 0 { "created_at" } else { "+created_at" };
        if let Some(since) = self.since {
            query = query.push_either(&format!(" AND {column} >= "), " AND created_at >= ").push_bind(since);
        }
        if let Some(until) = self.until {
            query = query.push_either(&format!(" AND {column} < "), " AND created_at < ").push_bind(until);
        }
        query
    }

    /// Adds the conditions that the index does not answer.
    fn sift<'q>(&'q self, mut query: Query<'q>) -> Query<'q> {
        for (column, value) in self.columns().skip(self.indexed()) {
            // The unary plus keeps SQLite from using a longer index.
            query = query.push_either(&format!(" AND +{column} = "), &format!(" AND {column} = "));
            query = query.push_bind(value);
        }
        if self.indexed() == 0 {
            query = self.within_time(query);
        }
        if let Some(text) = &self.query {
            // Neither function treats the text as a pattern.
            query = query.push_either(" AND instr(search, ", " AND strpos(search, ");
            query = query.push_bind(text.to_lowercase()).push(") > 0");
        }
        query
    }

    /// Only jobs after the given place in the list, or with `up_to` only those up to it.
    fn beyond<'q>(&self, query: Query<'q>, (at, id): &'q (i64, String), up_to: bool) -> Query<'q> {
        let ascends = self.sorting == Sorting::Oldest;
        let sign = match (ascends, up_to) {
            (true, false) => ">",
            (false, false) => "<",
            (true, true) => "<=",
            (false, true) => ">=",
        };
        let query = query.push(&format!(" AND ({}, id) {sign} (", self.sorting.column())).push_bind(*at);
        query.push(", ").push_bind(id).push(")")
    }

    fn order(&self) -> String {
        let direction = if self.sorting == Sorting::Oldest { "" } else { " DESC" };
        format!(" ORDER BY {}{direction}, id{direction}", self.sorting.column())
    }

    /// `columns`, with the place of the row in the list.
    fn placed(&self, columns: &str) -> String {
        format!("{columns}, {} AS place", self.sorting.column())
    }
}

/// The first job of a principal with an `idempotency_key`, of the accounts from one name to another.
const BY_KEY: &str = "SELECT body FROM jobs
    WHERE principal = ?1 AND account BETWEEN ?2 AND ?3 AND idempotency_key = ?4 ORDER BY created_at LIMIT 1";

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

    /// The job that was started with an `idempotency_key` at the host of an account, with any of its keys.
    pub async fn by_key(&self, principal: &str, account: &str, key: &str) -> Result<Option<Job>, StoreError> {
        let (first, last) = at_host(account);
        let row = query(BY_KEY).bind(principal).bind(first).bind(last).bind(key);
        let row = row.fetch_optional(self.readers()).await.map_err(|error| self.fail(error))?;
        row.map(|row| self.parse(&row)).transpose()
    }

    /// Another job with the same task, if MiniMax has given out a task id twice.
    pub(super) async fn twin(
        &self,
        connection: &mut Connection,
        job: &Job,
    ) -> Result<Option<String>, StoreError> {
        let Some(task) = job.state.task() else { return Ok(None) };
        let row = query(
            "SELECT id FROM jobs WHERE principal = ?1 AND account = ?2 AND task_id = ?3 AND id <> ?4 LIMIT 1",
        )
        .bind(&job.principal)
        .bind(&job.account)
        .bind(&task.id)
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
        self.list_within(principal, filter, MOST_READ).await
    }

    async fn list_within(&self, principal: &str, filter: &Filter, most: u32) -> Result<Page, StoreError> {
        let end = if filter.searches() { self.last_read(principal, filter, most).await? } else { None };
        let select = either(filter.placed(LISTED), filter.placed(LISTED_POSTGRES));
        let mut query = filter.sift(filter.narrow(select, principal));
        if let Some(end) = &end {
            query = filter.beyond(query, end, true);
        }
        // One row more than requested tells whether there is another page.
        let limit = filter.limit.saturating_add(1);
        query = query.push(&filter.order()).push(" LIMIT ").push_bind(limit);
        let mut rows = query.fetch_all(self.readers()).await.map_err(|error| self.fail(error))?;
        let is_full = rows.len() > filter.limit as usize;
        rows.truncate(filter.limit as usize);
        let last = rows.last().filter(|_| is_full).and_then(place);
        let reads_on = !is_full && end.is_some();
        // A record that a later version wrote differently must not hide all others.
        let jobs = rows.iter().filter_map(|row| self.parse(row).ok()).collect();
        Ok(Page { jobs, next: if reads_on { end } else { last }, reads_on })
    }

    /// The place of the last job that a page may read; `None` if the list ends before. Reads only the index.
    async fn last_read(
        &self,
        principal: &str,
        filter: &Filter,
        most: u32,
    ) -> Result<Option<(i64, String)>, StoreError> {
        let select = filter.placed("SELECT id");
        let query = filter.narrow(either(select.clone(), select), principal);
        let query = query.push(&filter.order()).push(" LIMIT 1 OFFSET ").push_bind(most.saturating_sub(1));
        let row = query.fetch_optional(self.readers()).await.map_err(|error| self.fail(error))?;
        Ok(row.as_ref().and_then(place))
    }
}

/// The place of a row in the order of a list.
fn place(row: &Row) -> Option<(i64, String)> {
    Some((row.try_get("place").ok()?, row.try_get("id").ok()?))
}

#[cfg(test)]
mod tests;
