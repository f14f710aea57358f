//! The heartbeat: a process says that it lives, which renews the leases of its jobs.
//!
//! It must not wait for other work of the process, or a busy server would lose its jobs to others. So it has its own
//! task and, with PostgreSQL, its own connection, on which each heartbeat is one message in each direction.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::pool::Pool;
use super::sql::{PRESENT, query};
use crate::clock::{self, now};

/// How long a lease lasts, in milliseconds. The jobs of a dead process are idle for at most this time, or twice as long
/// after the clock was set: then live leases look expired until they are renewed.
pub const LEASE: i64 = 6_000;

/// How long to wait for the server. After that the connection counts as broken, and the next heartbeat makes a new one.
const PATIENCE: Duration = Duration::from_secs(20);

/// The heartbeat of one process.
#[derive(Debug, Default)]
pub(super) struct Heartbeat {
    /// How to reach the PostgreSQL server, if there is one.
    server: Option<PgConnectOptions>,
    /// Locked during each heartbeat, so that none can follow the last one.
    line: Mutex<Line>,
    renewals: std::sync::Mutex<Renewals>,
}

#[derive(Debug, Default)]
struct Line {
    connection: Option<PgConnection>,
    /// The jobs were handed over, so no heartbeat may follow.
    is_over: bool,
}

/// When the row was renewed. Times are those of the monotonic clock.
#[derive(Debug, Clone, Copy, Default)]
struct Renewals {
    /// When the last successful heartbeat left. `None` before the first, and while none are needed.
    last: Option<Duration>,
    /// When a heartbeat found that the row had expired.
    late: Option<Duration>,
    has_failed: bool,
}

impl Heartbeat {
    pub(super) fn to(server: PgConnectOptions) -> Self {
        Self { server: Some(server), ..Self::default() }
    }

    /// Says that this process lives: to the server, or in the file. `false` after its jobs were handed over. With
    /// PostgreSQL, this machine's clock then follows the server's.
    pub(super) async fn renew(&self, owner: &str, file: &Pool) -> Result<bool, sqlx::Error> {
        let mut line = self.line.lock().await;
        if line.is_over {
            return Ok(false);
        }
        let begun = clock::monotonic();
        let renewed = if let Some(server) = &self.server {
            line.renew(server, owner).await
        } else {
            let row = query(
                "INSERT INTO processes (name, alive_until) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET alive_until = excluded.alive_until RETURNING alive_until",
            );
            row.bind(owner).bind_moment(now(), LEASE).fetch_one(file).await.map(drop)
        };
        drop(line);
        let mut renewals = self.renewals();
        renewals.has_failed = renewed.is_err();
        renewed?;
        if renewals.last.is_some_and(is_over) {
            renewals.late = Some(clock::monotonic());
        }
        renewals.last = Some(begun);
        Ok(true)
    }

    /// The last heartbeat: hands the jobs over.
    pub(super) async fn end(&self, owner: &str, file: &Pool) -> Result<(), sqlx::Error> {
        let mut line = self.line.lock().await;
        line.is_over = true;
        let Some(server) = &self.server else {
            let row = query("UPDATE processes SET alive_until = 0 WHERE name = ?1").bind(owner);
            return row.execute(file).await.map(drop);
        };
        let sql = format!("UPDATE processes SET alive_until = 0 WHERE name = '{}'", quoted(owner));
        line.say(server, sql).await?;
        if let Some(connection) = line.connection.take() {
            let _ = timeout(PATIENCE, connection.close()).await;
        }
        Ok(())
    }

    /// For a process that need not say that it lives.
    pub(super) fn pause(&self) {
        *self.renewals() = Renewals::default();
    }

    pub(super) fn has_failed(&self) -> bool {
        self.renewals().has_failed
    }

    /// Whether the row has expired although the process lives, or had expired at a heartbeat within the last lease.
    pub(super) fn is_late(&self) -> bool {
        let Renewals { last, late, .. } = *self.renewals();
        last.is_some_and(is_over) || late.is_some_and(|late| !is_over(late))
    }

    /// As if the last heartbeat had left longer ago than a lease lasts.
    #[cfg(test)]
    pub(super) fn miss(&self) {
        let before = Duration::from_millis(LEASE.unsigned_abs() + 1);
        self.renewals().last = Some(clock::monotonic().saturating_sub(before));
    }

    fn renewals(&self) -> MutexGuard<'_, Renewals> {
        // The times stay usable after a panic elsewhere.
        self.renewals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    async fn renew(&mut self, server: &PgConnectOptions, owner: &str) -> Result<(), sqlx::Error> {
        // A heartbeat need not survive a crash of the database server: the next one follows within about a second.
        let sql = format!(
            "SET LOCAL synchronous_commit = off;
             INSERT INTO processes (name, alive_until) VALUES ('{}', {PRESENT} + {LEASE})
             ON CONFLICT (name) DO UPDATE SET alive_until = excluded.alive_until RETURNING alive_until",
            quoted(owner)
        );
        let until = self.say(server, sql).await?.ok_or(sqlx::Error::RowNotFound)?;
        clock::follow(until - LEASE);
        Ok(())
    }

    /// Runs statements in one transaction, in one message. A connection on which that failed or timed out is closed.
    async fn say(&mut self, server: &PgConnectOptions, sql: String) -> Result<Option<i64>, sqlx::Error> {
        let said = timeout(PATIENCE, async {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => PgConnection::connect_with(server).await?,
            };
            let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut connection).await?;
            self.connection = Some(connection);
            rows.first().map(|row| row.try_get(0)).transpose()
        });
        said.await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }
}

/// Escapes a text for a statement without parameters. Parameters would need more than one message.
fn quoted(text: &str) -> String {
    text.replace('\'', "''")
}

/// Whether a lease that began then is over.
fn is_over(begun: Duration) -> bool {
    clock::monotonic().saturating_sub(begun) > Duration::from_millis(LEASE.unsigned_abs())
}
