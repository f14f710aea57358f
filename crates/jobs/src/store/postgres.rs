//! PostgreSQL as the database of several servers.

use std::net::IpAddr;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::PgConnection;
use sqlx::migrate::{MigrateError, Migration};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use tokio::time::timeout;

use super::error::Fault;
use super::inspection::Inspection;
use super::migrations::POSTGRES;
use super::pool::begin_postgres;

/// The connections of one process, in addition to those of [`probe`] and of its heartbeat.
const MOST: u32 = 8;

/// How long a statement waits for a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long `minimax-mcp doctor` waits for all that it asks the server.
const LOOK: Duration = Duration::from_secs(5);

/// The name of the lock that one migration holds.
const MIGRATING: &str = "minimax-mcp migrations";

type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// Connects and migrates the tables. Returns whether they were changed.
pub(super) async fn connect(url: &str) -> Result<(PgPool, bool), Trouble> {
    let pool = pool(url).await?;
    match migrate(&pool).await {
        Ok(was_changed) => Ok((pool, was_changed)),
        Err(error) => {
            // A connection that waits for a pooler cannot be closed.
            let _ = timeout(LOOK, pool.close()).await;
            Err(error.into())
        }
    }
}

async fn pool(url: &str) -> Result<PgPool, Trouble> {
    let options = options(url)?;
    tracing::debug!(host = options.get_host(), database = options.get_database(), "connecting to PostgreSQL");
    let pool =
        PgPoolOptions::new().max_connections(MOST).acquire_timeout(PATIENCE).connect_with(options).await;
    pool.map_err(|error| match error {
        // The server does not listen, or its host does not answer.
        sqlx::Error::PoolTimedOut => Fault::Away.into(),
        error => error.into(),
    })
}

/// One more connection, made when it is first needed. It is lazy because the server was just reached.
pub(super) fn probe(url: &str) -> Result<PgPool, Trouble> {
    Ok(PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).connect_lazy_with(options(url)?))
}

/// Inspects the records and changes nothing. `None` if there are no tables yet.
pub(super) async fn inspect(url: &str) -> Result<Option<Inspection>, Trouble> {
    timeout(LOOK, look(url)).await.unwrap_or_else(|_| Err(Fault::Away.into()))
}

async fn look(url: &str) -> Result<Option<Inspection>, Trouble> {
    let pool = pool(url).await?;
    let mut transaction = begin_postgres(&pool).await?;
    if !has_tables(&mut transaction).await? {
        return Ok(None);
    }
    let is_older = !pending(&mut transaction).await?.is_empty();
    let counts =
        "SELECT count(*), count(*) FILTER (WHERE is_open = 1), count(*) FILTER (WHERE status = 'unknown'),
                         pg_total_relation_size('jobs') FROM jobs";
    let counts = sqlx::query_as(counts).persistent(false).fetch_one(&mut *transaction).await?;
    let (jobs, open, unknown, bytes): (i64, i64, i64, i64) = counts;
    let bytes = u64::try_from(bytes).unwrap_or_default();
    Ok(Some(Inspection { jobs, open, unknown, bytes, is_older }))
}

/// Requires TLS with a verified certificate, unless the URL has `sslmode` or the database is on this machine.
pub(super) fn options(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    let names_mode = url
        .split_once('?')
        .is_some_and(|(_, query)| query.split('&').any(|pair| pair.starts_with("sslmode=")));
    let options = PgConnectOptions::from_str(url)?;
    let host = options.get_host().trim_matches(['[', ']']);
    let is_loopback = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let is_here = options.get_socket().is_some() || is_loopback;
    let options = match (names_mode, is_here) {
        (true, _) => options,
        (false, true) => options.ssl_mode(PgSslMode::Disable),
        (false, false) => options.ssl_mode(PgSslMode::VerifyFull),
    };
    // PgBouncer refuses connections with parameters that it does not know.
    let options = options.extra_float_digits(None).statement_cache_capacity(0);
    Ok(if options.get_application_name().is_none() {
        options.application_name("minimax-mcp")
    } else {
        options
    })
}

/// Migrates the tables in one transaction. Servers that start at the same time wait for each other.
///
/// sqlx's own migrator takes a session lock and uses named statements. Behind a pooler both outlive the transaction and
/// affect another client.
async fn migrate(pool: &PgPool) -> Result<bool, MigrateError> {
    // Behind a pooler without a free connection it would wait for minutes.
    let begun = timeout(PATIENCE, begin_postgres(pool)).await;
    let mut transaction = begun.map_err(|_| MigrateError::Source(Fault::Away.into()))??;
    if has_tables(&mut transaction).await? && pending(&mut transaction).await?.is_empty() {
        return Ok(false);
    }
    // A migration of many rows takes long, and a second server waits for the first.
    sqlx::raw_sql("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '10min'")
        .execute(&mut *transaction)
        .await?;
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
        .persistent(false)
        .bind(MIGRATING)
        .execute(&mut *transaction)
        .await?;
    sqlx::raw_sql(BOOKKEEPING).execute(&mut *transaction).await?;
    let pending = pending(&mut transaction).await?;
    for migration in &pending {
        sqlx::raw_sql(migration.sql.clone())
            .execute(&mut *transaction)
            .await
            .map_err(|error| MigrateError::ExecuteMigration(error, migration.version))?;
        let row = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                   VALUES ($1, $2, TRUE, $3, 0)";
        sqlx::query(row)
            .persistent(false)
            .bind(migration.version)
            .bind(&*migration.description)
            .bind(&*migration.checksum)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(!pending.is_empty())
}

async fn has_tables(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let exists = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL");
    exists.persistent(false).fetch_one(connection).await
}

/// The table in which sqlx records its migrations, so that its command line can show these too.
const BOOKKEEPING: &str = "CREATE TABLE IF NOT EXISTS _sqlx_migrations (
    version        BIGINT PRIMARY KEY,
    description    TEXT NOT NULL,
    installed_on   TIMESTAMPTZ NOT NULL DEFAULT now(),
    success        BOOLEAN NOT NULL,
    checksum       BYTEA NOT NULL,
    execution_time BIGINT NOT NULL
)";

/// The migrations that were not applied yet. Fails if another version of this program has applied others.
async fn pending(connection: &mut PgConnection) -> Result<Vec<&'static Migration>, MigrateError> {
    let applied = sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations ORDER BY version");
    let applied: Vec<(i64, Vec<u8>)> = applied.persistent(false).fetch_all(connection).await?;
    for (version, checksum) in &applied {
        match POSTGRES.iter().find(|migration| migration.version == *version) {
            Some(migration) if *migration.checksum == **checksum => {}
            Some(_) => return Err(MigrateError::VersionMismatch(*version)),
            None => return Err(MigrateError::VersionMissing(*version)),
        }
    }
    let is_applied =
        |migration: &&Migration| applied.iter().any(|(version, _)| *version == migration.version);
    Ok(POSTGRES.iter().filter(|migration| !is_applied(migration)).collect())
}
