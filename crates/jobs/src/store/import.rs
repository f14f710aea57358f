//! Copies the records of a data folder into PostgreSQL.
//!
//! A row that is already there stays as it is, so a copy that was interrupted can simply be started again.

use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};
use serde::de::IgnoredAny;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, SqliteConnection};

use super::database::Store;
use super::error::{Place, StoreError};
use super::pool::{Pool, ServerPool};
use super::postgres;
use super::presence::enter_alone;
use super::sql::{Query, Value, query, storable_json};

/// The rows of one transaction.
const BATCH: i64 = 200;

type Trouble = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone, Copy)]
enum Column {
    Text(&'static str),
    Integer(&'static str),
    Bytes(&'static str),
    /// A job as JSON.
    Job(&'static str),
    /// The end of a lease. The processes that held one have ended.
    Lease(&'static str),
}

use Column::{Bytes, Integer, Job, Lease, Text};

/// The tables, each with its columns. Keys come first, then purchases, then jobs: a server that starts before the copy
/// is complete must not create its own key, or count less than was spent.
const TABLES: &[(&str, &[Column])] = &[
    ("secrets", &[Text("name"), Bytes("value")]),
    (
        "spending",
        &[
            Text("id"),
            Text("principal"),
            Text("account"),
            Text("process"),
            Text("tool"),
            Text("model"),
            Text("currency"),
            Integer("estimate"),
            Integer("actual"),
            Text("state"),
            Text("consent"),
            Integer("created_at"),
            Integer("updated_at"),
        ],
    ),
    (
        "spending_totals",
        &[
            Text("process"),
            Text("account"),
            Text("currency"),
            Integer("settled"),
            Integer("unknown"),
            Integer("unpriced"),
        ],
    ),
    (
        "remote_ids",
        &[
            Text("account"),
            Text("kind"),
            Text("id"),
            Text("principal"),
            Text("pending_job"),
            Integer("created_at"),
        ],
    ),
    (
        "jobs",
        &[
            Text("id"),
            Text("principal"),
            Text("account"),
            Text("kind"),
            Text("status"),
            Integer("is_open"),
            Text("task_id"),
            Text("idempotency_key"),
            Text("search"),
            Job("body"),
            Text("lease_owner"),
            Lease("lease_until"),
            Integer("created_at"),
            Integer("updated_at"),
            Text("folder"),
            Integer("bytes"),
            Text("model"),
            Text("voice"),
            Integer("price"),
            Integer("length"),
        ],
    ),
    (
        "outbox",
        &[
            Text("id"),
            Text("job"),
            Text("kind"),
            Integer("tries"),
            Integer("due_at"),
            Integer("is_open"),
            Integer("created_at"),
        ],
    ),
    (
        "removed_jobs",
        &[Text("id"), Text("principal"), Text("account"), Text("idempotency_key"), Integer("removed_at")],
    ),
    (
        "conversations",
        &[
            Text("id"),
            Text("principal"),
            Text("api"),
            Text("model"),
            Integer("turns"),
            Text("body"),
            Integer("bytes"),
            Integer("created_at"),
            Integer("updated_at"),
        ],
    ),
    ("answers", &[Text("principal"), Text("account"), Text("digest"), Text("body"), Integer("created_at")]),
];

/// What was copied of one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// The table.
    pub table: &'static str,
    /// Rows that were written.
    pub written: u64,
    /// Rows that were there already.
    pub known: u64,
    /// Rows that cannot be read: a job whose record is damaged.
    pub unreadable: u64,
}

/// Copies the records in `folder` to the PostgreSQL database at `url`. `None` if the folder has none.
pub async fn import(folder: &Path, url: &SecretString) -> Result<Option<Vec<Imported>>, StoreError> {
    let path = folder.join(Store::FILE);
    let fail = |error| StoreError::new(folder, error);
    if !tokio::fs::try_exists(&path).await.map_err(|error| fail(error.into()))? {
        return Ok(None);
    }
    // Rows that a server changes during the copy would be missed.
    let Some(_alone) = enter_alone(folder).await else {
        return Err(fail("another minimax-mcp uses them; end it first".into()));
    };
    // Migrates the tables to this version.
    super::connect::connect(&path).await.map_err(fail)?.close().await;
    let connected = postgres::connect(url.expose_secret()).await;
    let (pool, _) = connected.map_err(|error| StoreError::new(Place::Server, error))?;
    let pool = Pool::Postgres(ServerPool::new(pool));
    let copied = copy_all(&path, &pool).await;
    pool.close().await;
    copied.map(Some).map_err(|error| StoreError::new(Place::Server, error))
}

async fn copy_all(path: &Path, to: &Pool) -> Result<Vec<Imported>, Trouble> {
    let mut from = SqliteConnectOptions::new().filename(path).pragma("query_only", "ON").connect().await?;
    let mut all = Vec::new();
    for (table, columns) in TABLES {
        all.push(copy(&mut from, to, table, columns).await?);
    }
    from.close().await?;
    Ok(all)
}

async fn copy(
    from: &mut SqliteConnection,
    to: &Pool,
    table: &'static str,
    columns: &[Column],
) -> Result<Imported, Trouble> {
    let names: Vec<_> = columns.iter().map(|column| column.name()).collect();
    let names = names.join(", ");
    let read = format!("SELECT rowid, {names} FROM {table} WHERE rowid > ?1 ORDER BY rowid LIMIT ?2");
    let mut counted = Imported { table, ..Imported::default() };
    let mut last = i64::MIN;
    loop {
        let rows = sqlx::query(AssertSqlSafe(read.clone())).bind(last).bind(BATCH);
        let rows = rows.fetch_all(&mut *from).await?;
        let Some(end) = rows.last() else {
            if counted.written > 0 {
                // Otherwise the planner has no statistics about the new rows until autovacuum runs.
                query(format!("ANALYZE {table}")).execute(to).await?;
            }
            return Ok(counted);
        };
        last = end.try_get(0)?;
        let mut transaction = to.begin().await?;
        for row in &rows {
            match insertion(table, &names, columns, row)? {
                None => counted.unreadable += 1,
                Some(insertion) => match insertion.execute(&mut transaction).await? {
                    0 => counted.known += 1,
                    _ => counted.written += 1,
                },
            }
        }
        transaction.commit().await?;
        tracing::debug!(table, counted.written, counted.known, "records are being copied");
    }
}

/// The statement that writes a row. `None` if its record cannot be read.
fn insertion(
    table: &str,
    names: &str,
    columns: &[Column],
    row: &SqliteRow,
) -> Result<Option<Query<'static>>, sqlx::Error> {
    let mut insertion = query(format!("INSERT INTO {table} ({names}) VALUES ("));
    for (number, column) in columns.iter().enumerate() {
        let Some(value) = column.value(row)? else { return Ok(None) };
        insertion = insertion.push(if number == 0 { "" } else { ", " }).push_bind(value);
    }
    Ok(Some(insertion.push(") ON CONFLICT DO NOTHING")))
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Text(name) | Integer(name) | Bytes(name) | Job(name) | Lease(name) => name,
        }
    }

    fn value(self, row: &SqliteRow) -> Result<Option<Value<'static>>, sqlx::Error> {
        Ok(Some(match self {
            Text(name) => Value::Text(row.try_get::<Option<String>, _>(name)?.map(Into::into)),
            Integer(name) => Value::Integer(row.try_get(name)?),
            Bytes(name) => Value::Bytes(row.try_get(name)?),
            Job(name) => {
                let body: String = row.try_get(name)?;
                if serde_json::from_str::<IgnoredAny>(&body).is_err() {
                    return Ok(None);
                }
                Value::from(storable_json(body))
            }
            Lease(_) => Value::from(0_i64),
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::connect::connect;

    #[tokio::test]
    async fn every_column_of_every_table_is_copied_except_those_about_running_processes() {
        let dir = tempfile::tempdir().unwrap();
        let pool = connect(&dir.path().join(Store::FILE)).await.unwrap();
        let stored: Vec<(String, String)> = sqlx::query_as(
            "SELECT one.name, a_column.name FROM sqlite_master AS one, pragma_table_info(one.name) AS a_column
             WHERE one.type = 'table' AND one.name NOT IN ('_sqlx_migrations', 'processes')",
        )
        .fetch_all(&pool)
        .await
        .unwrap();
        pool.close().await;
        let copied = TABLES.iter().flat_map(|(table, columns)| {
            columns.iter().map(|column| ((*table).to_owned(), column.name().to_owned()))
        });
        assert_eq!(copied.collect::<BTreeSet<_>>(), stored.into_iter().collect::<BTreeSet<_>>());
    }
}
