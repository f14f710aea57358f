//! Recovery: copies the readable rows of a damaged database into a new one.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

use super::connect::connect;
use super::database::Store;
use crate::clock::now;
use crate::media::units::count;

type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// The most statements for one table. Each damaged page costs a few dozen; only a completely damaged file needs as
/// many.
const PATIENCE: u32 = 200_000;

/// The smallest row, in bytes. It bounds the number of rows by the length of the file.
const SMALLEST_ROW: u64 = 64;

/// Replaces the damaged database in `folder`, which no other process has open. Returns a notice for the operator.
///
/// The new file takes the place of the damaged one in one step, and a copy of the damaged one stays.
pub(super) async fn repair(folder: &Path) -> Result<String, Trouble> {
    let damaged = folder.join(Store::FILE);
    let kept = folder.join(format!("{}.damaged-{}", Store::FILE, now() / 1000));
    let (work, fresh) = (folder.join("salvage.old"), folder.join("salvage.new"));
    for path in [&work, &fresh] {
        remove(path).await;
    }
    for copy in [&kept, &work] {
        tokio::fs::copy(&damaged, copy).await?;
        // The latest writes may be only in the log.
        if tokio::fs::try_exists(log(&damaged)).await? {
            tokio::fs::copy(log(&damaged), log(copy)).await?;
        }
    }
    let pool = connect(&fresh).await?;
    let saved = match pool.acquire().await {
        Ok(mut connection) => recover(&mut connection, &work, &fresh).await,
        Err(error) => Err(error.into()),
    };
    // The last connection merges the log into the file.
    pool.close().await;
    let saved = saved?;
    // A log of the old database must not meet the new one.
    for ending in ["-wal", "-shm"] {
        let _ = tokio::fs::remove_file(beside(&damaged, ending)).await;
    }
    tokio::fs::rename(&fresh, &damaged).await?;
    remove(&work).await;
    tracing::warn!(kept = %kept.display(), saved, "the job records were damaged and have been repaired");
    Ok(format!(
        "the job records were damaged and have been repaired: {} could be saved. The damaged file is kept \
         in the data folder as {}; what is missing may be found on MiniMax's billing page and with list_video_tasks",
        count(saved, "row"),
        kept.file_name().unwrap_or_default().display()
    ))
}

async fn recover(connection: &mut SqliteConnection, work: &Path, fresh: &Path) -> Result<u64, Trouble> {
    // Syncing matters only once the file is complete.
    sqlx::query("PRAGMA synchronous = OFF").execute(&mut *connection).await?;
    if attach(connection, work).await.is_err() {
        // The first page says where the tables are, and they are at the same place in every database of this schema. So
        // the first page of the new database serves.
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut *connection).await?;
        let (from, to) = (fresh.to_owned(), work.to_owned());
        tokio::task::spawn_blocking(move || transplant(&from, &to)).await??;
        if let Err(error) = attach(connection, work).await {
            tracing::warn!(%error, "nothing in the damaged job records can be read");
            return Ok(0);
        }
    }
    let most = tokio::fs::metadata(work).await?.len() / SMALLEST_ROW;
    let tables = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' \
                  AND name NOT LIKE '\\_sqlx%' ESCAPE '\\'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut *connection).await?;
    let mut saved = 0;
    for table in tables {
        saved += copy(connection, &table, i64::try_from(most).unwrap_or(i64::MAX)).await?;
    }
    sqlx::query("DETACH old").execute(&mut *connection).await?;
    Ok(saved)
}

/// Attaches the damaged database as `old`, if its first page is intact.
async fn attach(connection: &mut SqliteConnection, work: &Path) -> Result<(), sqlx::Error> {
    let path = work.to_string_lossy().into_owned();
    sqlx::query("ATTACH ?1 AS old").bind(path).execute(&mut *connection).await?;
    let read = sqlx::query("SELECT count(*) FROM old.sqlite_schema WHERE name = 'jobs'");
    let there = match read.fetch_one(&mut *connection).await {
        Ok(row) if row.try_get::<i64, _>(0)? > 0 => return Ok(()),
        Ok(_) => sqlx::Error::RowNotFound,
        Err(error) => error,
    };
    sqlx::query("DETACH old").execute(&mut *connection).await?;
    Err(there)
}

/// Copies the readable rows of a table: all at once, or else each half separately. Returns how many it copied.
async fn copy(connection: &mut SqliteConnection, table: &str, most: i64) -> Result<u64, Trouble> {
    // Names come from our own migrations.
    let columns = format!("SELECT group_concat(name) FROM pragma_table_info('{table}')");
    let columns: String = sqlx::query_scalar(AssertSqlSafe(columns)).fetch_one(&mut *connection).await?;
    let last = format!("SELECT coalesce(max(rowid), 0) FROM old.{table}");
    let last = sqlx::query_scalar(AssertSqlSafe(last)).fetch_one(&mut *connection).await;
    let insert = format!(
        "INSERT OR IGNORE INTO main.{table} ({columns})
         SELECT {columns} FROM old.{table} WHERE rowid BETWEEN ?1 AND ?2"
    );
    let mut ranges = vec![(0, last.unwrap_or(most).min(most))];
    let mut left = PATIENCE;
    while let (Some((from, to)), Some(fewer)) = (ranges.pop(), left.checked_sub(1)) {
        left = fewer;
        let copied = sqlx::query(AssertSqlSafe(insert.as_str())).bind(from).bind(to);
        if copied.execute(&mut *connection).await.is_err() && from < to {
            let middle = from + (to - from) / 2;
            ranges.extend([(middle + 1, to), (from, middle)]);
        }
    }
    if columns.split(',').any(|column| column == "body") {
        drop_garbled(connection, table).await?;
    }
    let count = format!("SELECT count(*) FROM main.{table}");
    let count: i64 = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut *connection).await?;
    Ok(count.unsigned_abs())
}

/// Removes rows that cannot be parsed: damage in the middle of a row would make the server retry it forever.
async fn drop_garbled(connection: &mut SqliteConnection, table: &str) -> Result<(), Trouble> {
    let ids: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(format!("SELECT rowid FROM main.{table}")))
        .fetch_all(&mut *connection)
        .await?;
    let read = format!("SELECT CAST(body AS BLOB) FROM main.{table} WHERE rowid = ?1");
    let delete = format!("DELETE FROM main.{table} WHERE rowid = ?1");
    for id in ids {
        let body = sqlx::query_scalar(AssertSqlSafe(read.as_str())).bind(id);
        let body: Vec<u8> = body.fetch_one(&mut *connection).await?;
        let text = std::str::from_utf8(&body).unwrap_or_default();
        if serde_json::from_str::<IgnoredAny>(text).is_err() {
            sqlx::query(AssertSqlSafe(delete.as_str())).bind(id).execute(&mut *connection).await?;
        }
    }
    Ok(())
}

/// Copies the first page of another database of the same schema, and corrects the length.
fn transplant(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut page = [0; 4096];
    std::fs::File::open(from)?.read_exact(&mut page)?;
    let mut file = std::fs::File::options().write(true).open(to)?;
    let pages = u32::try_from(file.metadata()?.len() / 4096).unwrap_or(u32::MAX);
    // In the database header: the length in pages, and no free pages.
    for (at, word) in [(28, pages), (32, 0), (36, 0)] {
        if let Some(field) = page.get_mut(at..at + 4) {
            field.copy_from_slice(&word.to_be_bytes());
        }
    }
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&page)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn log(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

async fn remove(path: &Path) {
    for ending in ["", "-wal", "-shm"] {
        let _ = tokio::fs::remove_file(beside(path, ending)).await;
    }
}
