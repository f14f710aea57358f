//! Which processes have the database open, by a lock on a file beside it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::error::StoreError;
use crate::media::private;

/// Every process that has the database open shares a lock on this file. Only a process with the exclusive lock may replace
/// the database.
const LOCK: &str = "jobs.lock";

/// How long a start waits for that lock. A repair takes longer only for very large records.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// The shared lock. Dropping it releases the lock.
#[derive(Debug)]
pub(super) struct Presence {
    /// `None` where files cannot be locked, as on some network drives.
    _held: Option<Arc<File>>,
}

/// Takes the shared lock. Waits up to [`LOCK_PATIENCE`] while another process repairs the database.
pub(super) async fn enter(folder: &Path) -> io::Result<Presence> {
    let path = folder.join(LOCK);
    let opening = spawn_blocking({
        let path = path.clone();
        move || private::create(&path)
    });
    // A folder that cannot be written fails when the database is opened.
    let Ok(file) = opening.await.map_err(io::Error::other)? else { return Ok(Presence { _held: None }) };
    let start = Instant::now();
    let mut is_told = false;
    loop {
        match file.try_lock_shared() {
            Ok(()) => return Ok(Presence { _held: Some(Arc::new(file)) }),
            Err(TryLockError::Error(_)) => return Ok(Presence { _held: None }),
            Err(TryLockError::WouldBlock) if start.elapsed() >= LOCK_PATIENCE => {
                return Err(io::Error::new(io::ErrorKind::WouldBlock, StoreError::LOCKED_OUT));
            }
            Err(TryLockError::WouldBlock) => {
                if !std::mem::replace(&mut is_told, true) {
                    let (lock, seconds) = (path.display(), LOCK_PATIENCE.as_secs());
                    tracing::warn!(%lock, seconds, "waiting for another program to unlock the job records");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Takes the exclusive lock. `None` if another process has the database open.
pub(super) async fn enter_alone(folder: &Path) -> Option<Presence> {
    let path = folder.join(LOCK);
    let entering = spawn_blocking(move || {
        let file = private::create(&path).ok();
        match file.as_ref().map(File::try_lock) {
            Some(Err(TryLockError::WouldBlock)) => None,
            _ => Some(Presence { _held: file.map(Arc::new) }),
        }
    });
    entering.await.ok().flatten()
}
