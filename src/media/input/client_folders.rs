//! The folders that the client has open, which the specification calls roots.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use url::Url;

/// Further folders are ignored. No client has so many open.
const MOST: usize = 1000;

/// Further URIs are not read. Most of them may name folders that do not count.
const MOST_NAMED: usize = 10_000;

/// Folders of programs in the home directory, beside those that start with a dot.
const OF_PROGRAMS: [&str; 2] = ["Library", "AppData"];

/// The folders that the client has open, as real paths. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientFolders(Arc<RwLock<Vec<PathBuf>>>);

impl ClientFolders {
    /// The folders, in the client's order. Leaves out a folder that was moved, or replaced by a link, since the client
    /// named it.
    pub(crate) fn dirs(&self) -> Vec<PathBuf> {
        let dirs = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        dirs.into_iter().filter(|dir| dunce::canonicalize(dir).is_ok_and(|now| now == *dir)).collect()
    }

    /// Replaces the folders by those that the `file://` URIs name. Blocking.
    ///
    /// Takes a folder only if it exists and can be a project. Not taken are: a file system's root, the home directory
    /// and folders around it, the folders of programs in it (`~/.config`, `~/Library`), and folders inside of `own`,
    /// the server's files. They hold keys and settings that a person does not mean to open with a project.
    pub(crate) fn replace(&self, uris: &[String], home: Option<&Path>, own: &[PathBuf]) {
        let home = home.map(real_or_same);
        let own: Vec<_> = own.iter().map(|own| real_or_same(own)).collect();
        let mut dirs = Vec::new();
        for uri in uris.iter().take(MOST_NAMED) {
            if dirs.len() == MOST {
                tracing::info!("the client named more than {MOST} folders; the others are ignored");
                break;
            }
            let Some(dir) = folder_of(uri).and_then(|path| dunce::canonicalize(path).ok()) else {
                tracing::info!(
                    "a folder of the client was ignored: it is not a file:// URI of an existing folder"
                );
                continue;
            };
            if !dir.is_dir() || dirs.contains(&dir) {
                continue;
            }
            let is_own = own.iter().any(|own| dir.starts_with(own));
            if is_own || !is_project(&dir, home.as_deref()) {
                tracing::info!(folder = %dir.display(), "a folder of the client was ignored: it is not a project");
                continue;
            }
            dirs.push(dir);
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = dirs;
    }
}

fn real_or_same(path: &Path) -> PathBuf {
    dunce::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn is_project(dir: &Path, home: Option<&Path>) -> bool {
    let Some(home) = home else { return dir.parent().is_some() };
    let Ok(below) = dir.strip_prefix(home) else { return dir.parent().is_some() && !home.starts_with(dir) };
    let Some(first) = below.components().next() else { return false };
    let first = first.as_os_str().to_string_lossy();
    !first.starts_with('.') && !OF_PROGRAMS.iter().any(|name| first.eq_ignore_ascii_case(name))
}

/// The absolute path in a `file://` URI. Some clients do not encode `#` and `?`, which paths may contain and the URI of
/// a folder has no other use for.
fn folder_of(uri: &str) -> Option<PathBuf> {
    let encoded = uri.trim().replace('#', "%23").replace('?', "%3F");
    let url = Url::parse(&encoded).ok().filter(|url| url.scheme() == "file")?;
    let path = url.to_file_path().ok()?;
    (path.is_absolute() && !path.to_string_lossy().contains(char::is_control)).then_some(path)
}

#[cfg(test)]
mod tests;
