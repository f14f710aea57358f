//! Files on this machine that wait for the bucket, or for a folder that can be written. Each job has a folder for them below
//! the data folder.
//!
//! A job's record names its files there. Files stay behind when the process dies after the delivery and before the removal, and
//! when another server has delivered the job from MiniMax's link. A sweep removes them when the job is over and its record does
//! not name them, and when the record was removed. A job whose outcome is unknown keeps them: its record may have been lost with
//! the process.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;

use crate::clock::age;
use crate::media::private;
use crate::store::{Job, State, Store};

/// The folder below the data folder.
const FOLDER: &str = "undelivered";

/// The time between two sweeps, and the shortest time that a folder stays after its last change.
const EVERY: Duration = Duration::from_hours(1);

/// The folder in which files of a job wait.
pub(super) fn folder_of(data_dir: &Path, job: &str) -> PathBuf {
    data_dir.join(FOLDER).join(job)
}

/// Creates a folder of [`folder_of`] and its parent, for this user only.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    if let Some(root) = folder.parent() {
        private::folder(root)?;
    }
    private::folder(folder).map(drop)
}

/// Removes files that are delivered now, and their folder if it is empty. Best effort.
pub(super) async fn discard(files: impl IntoIterator<Item = PathBuf>) {
    for file in files {
        if let Err(error) = tokio::fs::remove_file(&file).await {
            tracing::info!(%error, file = %file.display(), "a delivered file stays on the disk");
        }
        if let Some(folder) = file.parent() {
            // Fails while the folder has files.
            let _ = tokio::fs::remove_dir(folder).await;
        }
    }
}

/// Removes folders that are no longer needed, now and every hour.
pub(super) async fn sweep_often(data_dir: PathBuf, store: Arc<Store>) {
    loop {
        sweep(&data_dir, &store, EVERY).await;
        tokio::time::sleep(EVERY).await;
    }
}

async fn sweep(data_dir: &Path, store: &Store, least: Duration) {
    let root = data_dir.join(FOLDER);
    let found = spawn_blocking(move || old_folders(&root, least)).await.unwrap_or_default();
    for (id, folder) in found {
        let needed = match store.of_anybody(&id).await {
            Ok(Some(job)) => is_needed(&job, &folder),
            // Without any record of the job, the folder may belong to another database.
            Ok(None) => !store.was_removed(&id).await.unwrap_or(false),
            Err(_) => true,
        };
        if needed {
            continue;
        }
        match tokio::fs::remove_dir_all(&folder).await {
            Ok(()) => tracing::info!(
                job = id,
                "files that had waited for their delivery were removed; their job is over"
            ),
            Err(error) => {
                tracing::info!(job = id, %error, "files that had waited for their delivery stay on the disk");
            }
        }
    }
}

/// The folders that have not changed for at least this long, each with the id of its job.
fn old_folders(root: &Path, least: Duration) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let old = entries.filter_map(|entry| {
        let data = entry.metadata().ok()?;
        let is_old = data.is_dir() && age(data.modified().ok()?) >= least;
        is_old.then(|| Some((entry.file_name().into_string().ok()?, entry.path())))?
    });
    old.collect()
}

fn is_needed(job: &Job, folder: &Path) -> bool {
    let waits = job.files.iter().filter_map(|file| file.spooled.as_ref());
    let is_settled = job.state.is_over() && !matches!(job.state, State::Unknown { .. });
    !is_settled || waits.into_iter().any(|local| local.path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(id: &str, state: &serde_json::Value, waiting: Option<&Path>) -> Job {
        let waiting = waiting.map(|path| json!({ "path": path, "bytes": 1, "sha256": "", "mime_type": "" }));
        let file = json!({ "name": "a.jpg", "mime_type": "image/jpeg", "spooled": waiting });
        serde_json::from_value(json!({
            "id": id, "principal": "local", "kind": "image", "tool": "text_to_image", "model": "", "account": "a",
            "prompt": "", "request": {}, "digest": "", "state": state, "created_at": 0, "updated_at": 0, "files": [file],
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn only_what_no_record_needs_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "me".to_owned()).await.unwrap();
        let (done, open) = (json!({ "at": "done" }), json!({ "at": "fetching" }));
        let unknown = json!({ "at": "unknown", "why": "the process died" });
        for (id, state, names) in [
            ("delivered", Some(&done), false),
            ("open", Some(&open), false),
            ("waiting", Some(&done), true),
            ("unknown", Some(&unknown), false),
            ("removed", Some(&done), true),
            ("elsewhere", None, false),
        ] {
            let folder = folder_of(dir.path(), id);
            make(&folder).unwrap();
            std::fs::write(folder.join("a.jpg"), "x").unwrap();
            if let Some(state) = state {
                let path = folder.join("a.jpg");
                store.insert(&job(id, state, names.then_some(&*path)), None).await.unwrap();
            }
        }
        let left = || {
            let mut names: Vec<_> = std::fs::read_dir(dir.path().join(FOLDER))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        assert!(store.remove("local", "removed").await.unwrap());
        sweep(dir.path(), &store, EVERY).await;
        assert_eq!(left().len(), 6, "they are new");
        sweep(dir.path(), &store, Duration::ZERO).await;
        assert_eq!(left(), ["elsewhere", "open", "unknown", "waiting"]);
    }

    #[tokio::test]
    async fn the_folder_of_a_job_is_removed_with_its_last_file() {
        let dir = tempfile::tempdir().unwrap();
        let folder = folder_of(dir.path(), "job");
        make(&folder).unwrap();
        let files = ["a", "b"].map(|name| folder.join(name));
        for file in &files {
            std::fs::write(file, "x").unwrap();
        }
        discard([files[0].clone()]).await;
        assert!(files[1].exists());
        discard([files[1].clone()]).await;
        assert!(!folder.exists());
    }
}
