//! Opening the database, which several processes may do at once and which may be damaged.
//!
//! A damaged database would keep paid results from their owner, so it is repaired at once: readable rows go to a new
//! file, which takes its place, and the damaged file stays beside it. This happens only while no other process has the
//! database open, because that process would go on writing to the old file.

use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::sqlite::SqlitePool;
use tokio::task::spawn_blocking;

use super::connect::{connect, readers_and_probe};
use super::database::Store;
use super::error::{Place, StoreError};
use super::heartbeat::Heartbeat;
use super::log_sync::LogSync;
use super::pool::{Pool, Pools, ServerPool};
use super::postgres;
use super::presence::{Presence, enter, enter_alone};
use super::recovery;
use super::spool::SpoolKey;
use crate::media::private::{self, Found};

/// The prefixes of the server's own files in the data folder.
const OWN: &[&str] = &["jobs.", "salvage.", "spool", "uploads"];

impl Store {
    /// Opens the database in `folder`. Creates what is missing and repairs what is damaged.
    pub async fn open(folder: &Path, owner: String) -> Result<Self, StoreError> {
        let fail = |source| StoreError::new(folder, source);
        let path = folder.join(Self::FILE);
        make_private(folder).await.map_err(|error| fail(error.into()))?;
        let presence = enter(folder).await.map_err(|error| fail(error.into()))?;
        let damaged = match connect(&path).await {
            Ok(pool) => {
                return Self::with(pools(pool, &path), folder.into(), owner, Some(presence), None).await;
            }
            Err(error) => fail(error),
        };
        if !damaged.is_damaged() {
            return Err(damaged);
        }
        drop(presence);
        let Some(alone) = enter_alone(folder).await else { return Err(damaged.in_use()) };
        // Another process may have repaired it while this one waited.
        let note = match connect(&path).await {
            Ok(pool) => {
                pool.close().await;
                None
            }
            Err(_) => Some(recovery::repair(folder).await.map_err(|error| damaged.unrepaired(&error))?),
        };
        if let Some(note) = &note {
            tracing::warn!("{note}");
        }
        drop(alone);
        let presence = enter(folder).await.map_err(|error| fail(error.into()))?;
        let pool = connect(&path).await.map_err(fail)?;
        Self::with(pools(pool, &path), folder.into(), owner, Some(presence), note).await
    }

    /// Connects to the PostgreSQL database at `url` and creates what is missing. Updates that cannot be written there
    /// wait in the spool in `folder`.
    pub async fn connect(url: &SecretString, folder: &Path, owner: String) -> Result<Self, StoreError> {
        make_private(folder).await.map_err(|error| StoreError::new(folder, error.into()))?;
        let connected = postgres::connect(url.expose_secret()).await;
        let (pool, _) = connected.map_err(|error| StoreError::new(Place::Server, error))?;
        let probe = postgres::probe(url.expose_secret());
        let probe = probe.map_err(|error| StoreError::new(Place::Server, error))?;
        let pool = Pool::Postgres(ServerPool::new(pool));
        let probe = Pool::Postgres(ServerPool::new(probe));
        let pools = Pools { writers: pool.clone(), readers: pool, probe };
        let heartbeat = postgres::options(url.expose_secret());
        let heartbeat = heartbeat.map_err(|error| StoreError::new(Place::Server, error.into()))?;
        let mut store = Self::with(pools, Place::Server, owner, None, None).await?;
        store.heartbeat = Heartbeat::to(heartbeat);
        // So that even the first record has the time of the database server.
        store.renew().await?;
        Ok(store)
    }

    /// An open database, and a notice about it.
    async fn with(
        pools: Pools,
        place: Place,
        owner: String,
        presence: Option<Presence>,
        notice: Option<String>,
    ) -> Result<Self, StoreError> {
        let spool_key = SpoolKey::new(Vec::new());
        let mut store = Self {
            pools,
            heartbeat: Heartbeat::default(),
            place,
            owner,
            notice,
            spool_key,
            announces: false,
            _presence: presence,
        };
        store.spool_key = SpoolKey::new(store.secret("spool").await?);
        Ok(store)
    }
}

/// Creates or migrates the tables in the PostgreSQL database at `url`. Returns whether they were changed.
pub async fn migrate(url: &SecretString) -> Result<bool, StoreError> {
    let connected = postgres::connect(url.expose_secret()).await;
    let (pool, was_changed) = connected.map_err(|error| StoreError::new(Place::Server, error))?;
    pool.close().await;
    Ok(was_changed)
}

fn pools(writers: SqlitePool, path: &Path) -> Pools {
    let (readers, probe) = readers_and_probe(path);
    let log = LogSync::of(path, writers.clone());
    let reading = |pool| Pool::Sqlite(pool, LogSync::default());
    Pools { writers: Pool::Sqlite(writers, log), readers: reading(readers), probe: reading(probe) }
}

/// Creates the folder for its owner only, and removes the rights of others from existing files: the database holds
/// prompts, signed links and keys.
async fn make_private(folder: &Path) -> io::Result<()> {
    let folder = folder.to_owned();
    let making = spawn_blocking(move || {
        let mut found = private::folder(&folder)?;
        for path in own_files(&folder) {
            // A file that cannot be narrowed, such as another user's, fails when it is opened.
            found = found.max(private::narrow(&path).unwrap_or(Found::Private));
        }
        let folder = folder.display();
        match found {
            Found::Private => {}
            Found::Narrowed => {
                tracing::warn!(%folder, "other users could read the data folder; it is now for its owner alone");
            }
            Found::Open => {
                tracing::warn!(
                    %folder,
                    "other users may read the data folder, and its file system lets no one change that"
                );
            }
        }
        Ok(())
    });
    making.await.map_err(io::Error::other)?
}

fn own_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let own = entries.filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        OWN.iter().any(|start| name.starts_with(start))
    });
    own.map(|entry| entry.path()).collect()
}
