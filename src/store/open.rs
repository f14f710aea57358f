//! Opening the records: by however many processes, in whatever state they are.
//!
//! A damaged database is what stands between a paid task and its result, so it is repaired at once: what can be
//! read is written to a new one, which takes its place, and the damaged one stays beside it. That happens only
//! while no other process has the records open, since that one would go on writing to what nobody reads.

use std::io;
use std::path::{Path, PathBuf};

use tokio::task::spawn_blocking;

use super::connect::{Pools, connect};
use super::database::Store;
use super::error::StoreError;
use super::presence::{Presence, enter, enter_alone};
use super::recovery;
use super::spool::SpoolKey;
use crate::media::private::{self, Found};

/// Everything in the data folder whose name begins so is the records' own.
const OWN: &[&str] = &["jobs.", "salvage.", "spool", "uploads"];

impl Store {
    /// Opens the database in `folder`, making what is missing and repairing what is damaged.
    pub async fn open(folder: &Path, owner: String) -> Result<Self, StoreError> {
        let fail = |source| StoreError::new(folder, source);
        let path = folder.join(Self::FILE);
        make_private(folder).await.map_err(|error| fail(error.into()))?;
        let presence = enter(folder).await.map_err(|error| fail(error.into()))?;
        let damaged = match connect(&path).await {
            Ok(pool) => return Self::with(Pools::around(pool, &path), folder, owner, presence, None).await,
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
        Self::with(Pools::around(pool, &path), folder, owner, presence, note).await
    }

    /// An open database and what there is to say about it.
    async fn with(
        pools: Pools,
        folder: &Path,
        owner: String,
        presence: Presence,
        notice: Option<String>,
    ) -> Result<Self, StoreError> {
        let folder = folder.to_owned();
        let spool_key = SpoolKey::new(Vec::new());
        let mut store = Self { pools, folder, owner, notice, spool_key, _presence: presence };
        store.spool_key = SpoolKey::new(store.secret("spool").await?);
        Ok(store)
    }
}

/// Makes the folder for its owner alone, and takes the rights of others from what is there: records hold prompts,
/// signed links and keys.
async fn make_private(folder: &Path) -> io::Result<()> {
    let folder = folder.to_owned();
    let making = spawn_blocking(move || {
        let mut found = private::folder(&folder)?;
        for path in own_files(&folder) {
            // What cannot be mended, such as the file of another user, has its say when it is opened.
            found = found.max(private::narrow(&path).unwrap_or(Found::Private));
        }
        let folder = folder.display();
        match found {
            Found::Private => {}
            Found::Mended => {
                tracing::warn!(%folder, "other users could read the data folder; it is now for its owner alone");
            }
            Found::Open => {
                tracing::warn!(%folder, "other users may read the data folder, and its file system lets no one change that");
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
