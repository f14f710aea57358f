//! Inspects the records without changing them: nothing is created, migrated or repaired.

use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::database::Store;
use super::error::{Fault, Place, StoreError};
use super::inspection::Inspection;
use super::{migrations, postgres};

/// Inspects the records in `folder`. `None` if there are none yet.
pub async fn inspect(folder: &Path) -> Result<Option<Inspection>, StoreError> {
    let path = folder.join(Store::FILE);
    let Ok(file) = path.metadata() else { return Ok(None) };
    let fail = |source| StoreError::new(folder, source);
    let options = SqliteConnectOptions::new().filename(&path).pragma("query_only", "ON");
    let mut connection = options.connect().await.map_err(|error| fail(error.into()))?;
    let read = look(&mut connection, file.len()).await;
    let _ = connection.close().await;
    read.map(Some).map_err(fail)
}

/// Inspects the records in the PostgreSQL database at `url`. `None` if it has no tables yet.
pub async fn inspect_server(url: &SecretString) -> Result<Option<Inspection>, StoreError> {
    postgres::inspect(url.expose_secret()).await.map_err(|error| StoreError::new(Place::Server, error))
}

type Trouble = Box<dyn std::error::Error + Send + Sync>;

async fn look(connection: &mut SqliteConnection, bytes: u64) -> Result<Inspection, Trouble> {
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut *connection).await?;
    if found != "ok" {
        return Err(Fault::Malformed(found).into());
    }
    let applied: Option<i64> =
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(&mut *connection).await?;
    let newest = migrations::SQLITE.iter().map(|migration| migration.version).max();
    if applied > newest {
        return Err(sqlx::migrate::MigrateError::VersionMissing(applied.unwrap_or_default()).into());
    }
    let counts = "SELECT count(*), coalesce(sum(is_open), 0), coalesce(sum(status = 'unknown'), 0) FROM jobs";
    let (jobs, open, unknown) = sqlx::query_as(counts).fetch_one(connection).await?;
    Ok(Inspection { jobs, open, unknown, bytes, is_older: applied < newest })
}
