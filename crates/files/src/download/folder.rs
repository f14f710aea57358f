//! The folders in which results are saved.

use std::collections::HashMap;
use std::io::{ErrorKind, Write as _};
use std::path::{Component, Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::age;
use crate::media::file_name::{self, PREFIX, SUFFIX};
use crate::media::input::error::or_allow;
use crate::media::input::handle;
use crate::media::input::roots::{Place, Roots, resolve};
use crate::media::input::windows_path;
use crate::media::units::size;

/// No download takes this long, so an older partial file belongs to a process that is gone.
const LEFTOVER: Duration = Duration::from_hours(24);

/// Why a folder cannot take results. The message is a sentence without its subject.
#[derive(Debug, thiserror::Error)]
pub enum OutputProblem {
    /// A part of a relative path that is illegal or has a special meaning on some system.
    #[error(
        "contains `{part}`, which is not allowed in a folder's name; use plain names below the base folder, \
         without `..`"
    )]
    Component {
        /// The part.
        part: String,
    },
    /// The folder is outside the folders that may be written.
    #[error(
        "{} is outside the folders this server may write: {folders}. Give a relative path, which is below the first of \
         them{}",
        path.display(), or_allow(allow.as_deref())
    )]
    Outside {
        /// The path as given.
        path: PathBuf,
        /// The folders, separated by commas. The base folder is the first.
        folders: String,
        /// The line of the client's configuration that would allow it.
        allow: Option<String>,
    },
    /// The server keeps its own files there.
    #[error(
        "{} is part of this server's data folder, and tools do not write there. Give another folder, or change \
         MINIMAX_MCP_BASE_PATH or MINIMAX_DATA_DIR",
        path.display()
    )]
    Own {
        /// The path as given.
        path: PathBuf,
    },
    /// The folder cannot be created or written.
    #[error("{} cannot be written: {reason}", path.display())]
    Unwritable {
        /// The folder.
        path: PathBuf,
        /// The error message of the system.
        reason: String,
    },
    /// The disk is almost full.
    #[error(
        "{} has {} free and needs at least {}. Free some space, or give another folder",
        path.display(), size(*free), size(*least)
    )]
    Full {
        /// The folder.
        path: PathBuf,
        /// The free space in bytes.
        free: u64,
        /// The required space in bytes.
        least: u64,
    },
}

/// Resolves the requested folder without creating it. Reads the disk briefly.
///
/// No request, or `.`, means the base folder. A relative path is below the base folder. An absolute path, or one that
/// starts with `~/`, must be inside `roots` or the base folder. Symbolic links are resolved first, so a link that
/// leads outside is refused. The result contains no links.
pub fn folder(base: &Path, requested: Option<&str>, roots: &Roots) -> Result<PathBuf, OutputProblem> {
    let requested = requested.unwrap_or_default().trim();
    let path = match absolute(requested, roots.home()) {
        Some(path) => path,
        None => base.join(relative(requested)?),
    };
    let folders =
        || roots.all_dirs().iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(", ");
    let outside = || OutputProblem::Outside {
        path: path.clone(),
        folders: folders(),
        allow: roots.setting_for(&path, true),
    };
    if !path.starts_with(base) && !roots.may_touch(&path) {
        return Err(outside());
    }
    if cfg!(windows) && windows_path::is_special(&path.to_string_lossy()) {
        return Err(OutputProblem::Component { part: requested.to_owned() });
    }
    let real = resolve(&path).map_err(|_| outside())?;
    match roots.place(&real, resolve(base).ok().as_deref()) {
        Place::Inside => new_parts_are_plain(&real).map(|()| real),
        Place::Hidden(part) => Err(OutputProblem::Component { part }),
        Place::Own => Err(OutputProblem::Own { path }),
        Place::Outside => Err(outside()),
    }
}

/// True if a folder that [`folder`] returned earlier, and that was recorded since, is still allowed. Reads the disk
/// briefly.
pub fn is_still_allowed(base: &Path, found: &Path, roots: &Roots) -> bool {
    let plain = |part| matches!(part, Component::Prefix(_) | Component::RootDir | Component::Normal(_));
    found.components().all(plain) && roots.place(found, resolve(base).ok().as_deref()) == Place::Inside
}

/// Existing folders keep their names. New ones must have names that are legal on every system.
fn new_parts_are_plain(real: &Path) -> Result<(), OutputProblem> {
    let new = real.ancestors().take_while(|path| path.symlink_metadata().is_err());
    for name in new.filter_map(Path::file_name).map(std::ffi::OsStr::to_string_lossy) {
        if !file_name::is_plain(&name) {
            return Err(OutputProblem::Component { part: name.into_owned() });
        }
    }
    Ok(())
}

fn absolute(requested: &str, home: Option<&Path>) -> Option<PathBuf> {
    if let (Some(rest), Some(home)) = (requested.strip_prefix("~/"), home) {
        return Some(home.join(rest.trim_start_matches('/')));
    }
    let path = Path::new(requested);
    path.is_absolute().then(|| path.to_owned())
}

/// Splits at both kinds of slash on every system, because models write both.
fn relative(requested: &str) -> Result<PathBuf, OutputProblem> {
    let mut path = PathBuf::new();
    let rooted = requested.starts_with(['/', '\\']);
    for part in requested.split(['/', '\\']).filter(|part| !matches!(*part, "" | ".")) {
        if rooted || !file_name::is_plain(part) || part.starts_with('~') {
            return Err(OutputProblem::Component { part: if rooted { requested } else { part }.to_owned() });
        }
        path.push(part);
    }
    // The system's own parser decides in the end.
    let plain = path.components().all(|component| matches!(component, Component::Normal(_)));
    if plain { Ok(path) } else { Err(OutputProblem::Component { part: requested.to_owned() }) }
}

/// Creates the folder and checks, by writing a file and removing it, that results can be written to it. Call this
/// before a paid request. Also removes partial files that are more than a day old.
pub async fn prepare(folder: &Path) -> Result<(), OutputProblem> {
    blocking(folder, |folder| prepare_now(folder).map_err(|error| failed(folder, &error))).await
}

/// Like [`prepare`], before a purchase: if the folder was proved within the last minute, writing a file without a sync
/// is enough. Blocks.
pub fn prepare_next(folder: &Path) -> Result<(), OutputProblem> {
    let prepared = if was_proved(folder) { probe(folder, false) } else { prepare_now(folder) };
    prepared.map_err(|error| failed(folder, &error))
}

/// Like [`prepare`], before a delivery: a folder that was proved within the last minute is only created if it is
/// missing. The delivery itself reports any newer problem. Blocks.
pub fn prepare_delivery(folder: &Path) -> Result<(), OutputProblem> {
    let prepared = if was_proved(folder) { std::fs::create_dir_all(folder) } else { prepare_now(folder) };
    prepared.map_err(|error| failed(folder, &error))
}

/// [`prepare_delivery`] on a blocking thread.
pub async fn prepare_stream(folder: &Path) -> Result<(), OutputProblem> {
    blocking(folder, prepare_delivery).await
}

async fn blocking(
    folder: &Path,
    how: impl FnOnce(&Path) -> Result<(), OutputProblem> + Send + 'static,
) -> Result<(), OutputProblem> {
    let path = folder.to_owned();
    let prepared = tokio::task::spawn_blocking(move || how(&path)).await;
    prepared.unwrap_or_else(|stopped| Err(unwritable(folder, stopped)))
}

fn unwritable(folder: &Path, reason: impl std::fmt::Display) -> OutputProblem {
    OutputProblem::Unwritable { path: folder.to_owned(), reason: reason.to_string() }
}

/// The reason, as people understand it, why a folder cannot be made or written.
fn failed(folder: &Path, error: &std::io::Error) -> OutputProblem {
    match error.kind() {
        ErrorKind::AlreadyExists => unwritable(folder, "it is not a folder"),
        ErrorKind::NotADirectory => unwritable(folder, "a part of its path is not a folder"),
        _ => unwritable(folder, error),
    }
}

/// How long a folder counts as proved.
const PROVED_FOR: Duration = Duration::from_secs(60);

/// The most folders whose proof is remembered.
const PROVED_MOST: usize = 64;

/// When folders were proved.
fn proofs() -> MutexGuard<'static, HashMap<PathBuf, Instant>> {
    static PROOFS: LazyLock<Mutex<HashMap<PathBuf, Instant>>> = LazyLock::new(Mutex::default);
    PROOFS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn was_proved(folder: &Path) -> bool {
    proofs().get(folder).is_some_and(|at| at.elapsed() < PROVED_FOR)
}

/// Like [`prepare_delivery`], for a folder that [`folder`] returned earlier. It may have been removed since, or replaced by a
/// link, which is not followed. Blocks.
pub fn prepare_again(found: &Path) -> Result<(), OutputProblem> {
    prepare_delivery(found)?;
    match found.canonicalize() {
        Ok(real) if dunce::simplified(&real) == found => Ok(()),
        Ok(_) => Err(unwritable(found, "it has become a link to another folder")),
        Err(error) => Err(unwritable(found, error)),
    }
}

fn prepare_now(folder: &Path) -> std::io::Result<()> {
    probe(folder, true)?;
    sweep(folder);
    let mut proofs = proofs();
    if proofs.len() >= PROVED_MOST {
        proofs.clear();
    }
    proofs.insert(folder.to_owned(), Instant::now());
    Ok(())
}

fn probe(folder: &Path, sync: bool) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut proof = temporary(folder)?;
    // A full disk may still accept an empty file.
    proof.write_all(&[0; 4096])?;
    if sync {
        #[cfg(feature = "crash-points")]
        crate::crash::synced("proof");
        proof.as_file().sync_data()?;
    }
    proof.close()
}

/// Creates a temporary file that is removed when dropped. `folder` must contain no links; a link that replaced part
/// of it in the meantime is not followed.
pub(crate) fn temporary(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    as_ordinary(&mut builder);
    let file = builder.tempfile_in(folder)?;
    if handle::lies_in(file.as_file(), folder) {
        return Ok(file);
    }
    Err(std::io::Error::other("it has become a link to another folder"))
}

/// Results are ordinary files that the user's other programs may read. The umask applies.
#[cfg(unix)]
fn as_ordinary(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt as _;

    builder.permissions(std::fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn as_ordinary(_: &mut tempfile::Builder<'_, '_>) {}

/// Best effort: a file that cannot be removed stays.
fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|entry| is_ours(&entry.file_name().to_string_lossy())) {
        let changed =
            entry.metadata().ok().filter(std::fs::Metadata::is_file).and_then(|data| data.modified().ok());
        if changed.is_some_and(|changed| age(changed) > LEFTOVER) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_was_proved_is_tried_again_before_the_next_purchase() {
        let all = tempfile::tempdir().unwrap();
        let folder = all.path().join("out");
        prepare_next(&folder).unwrap();
        assert!(was_proved(&folder));
        std::fs::remove_dir(&folder).unwrap();
        prepare_next(&folder).unwrap();
        std::fs::remove_dir(&folder).unwrap();
        prepare_delivery(&folder).unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::remove_dir(&folder).unwrap();
        std::fs::write(&folder, "").unwrap();
        prepare_next(&folder).unwrap_err();
        prepare_delivery(&folder).unwrap_err();
    }
}
