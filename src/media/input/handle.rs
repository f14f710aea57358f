//! Where an open file lies. Asked of the handle, because a path may lead elsewhere a moment later.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The real path of what was opened, whatever its name was then. `None` where the system does not tell.
pub(crate) fn path_of(file: &File) -> Option<PathBuf> {
    let path = ask(file).ok()?;
    // Network shares have two ways of being written on Windows.
    Some(dunce::canonicalize(&path).unwrap_or_else(|_| dunce::simplified(&path).to_owned()))
}

#[cfg(any(target_os = "linux", target_os = "macos", windows))]
fn ask(file: &File) -> io::Result<PathBuf> {
    filepath::FilePath::path(file)
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
fn ask(_: &File) -> io::Result<PathBuf> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether an open file lies in `folder` itself, a path without links: none was put in the place of a part of it
/// before the file was opened.
pub(crate) fn lies_in(file: &File, folder: &Path) -> bool {
    match path_of(file) {
        Some(path) => path.parent() == Some(folder),
        None => dunce::canonicalize(folder).is_ok_and(|now| now == folder),
    }
}
