//! The path of an open file. It comes from the handle, because the original path may lead elsewhere a moment later.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The real path of the open file. `None` if the system does not report it.
pub(crate) fn path_of(file: &File) -> Option<PathBuf> {
    let path = ask(file).ok()?;
    // On Windows, the path of a network share has two forms.
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

/// True if an open file lies directly in `folder`, a path without links. False if a link replaced part of the path
/// before the file was opened.
pub(crate) fn lies_in(file: &File, folder: &Path) -> bool {
    match path_of(file) {
        Some(path) => path.parent() == Some(folder),
        None => dunce::canonicalize(folder).is_ok_and(|now| now == folder),
    }
}
