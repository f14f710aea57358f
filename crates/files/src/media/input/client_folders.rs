//! The folders that the client has open, which the specification calls roots.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use url::Url;

/// The largest number of folders that count. No client has so many open.
const MOST: usize = 1000;

/// The largest number of URIs that are read. It is higher, because many of them may name folders that do not count.
const MOST_NAMED: usize = 10_000;

/// Folders in the home directory where programs keep private data. Others start with a dot.
const OF_PROGRAMS: [&str; 2] = ["Library", "AppData"];

/// How many of the ignored folders are remembered with their reasons.
const MOST_IGNORED: usize = 3;

/// How much of a path or URI an error shows, in characters.
const LONGEST_SHOWN: usize = 256;

/// The folders that the client has open. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientFolders(Arc<RwLock<Named>>);

#[derive(Debug, Default)]
struct Named {
    /// Those that count, as real paths.
    dirs: Vec<PathBuf>,
    /// Some that do not, each with the reason.
    ignored: Vec<String>,
}

impl ClientFolders {
    /// The folders, in the client's order. Leaves out a folder that was moved, or replaced by a link, since the client
    /// named it.
    pub(crate) fn dirs(&self) -> Vec<PathBuf> {
        let dirs = self.0.read().unwrap_or_else(PoisonError::into_inner).dirs.clone();
        dirs.into_iter().filter(|dir| dunce::canonicalize(dir).is_ok_and(|now| now == *dir)).collect()
    }

    /// Some folders that the client named and that do not count, each with the reason, such as `/home/ada is the home
    /// folder`.
    pub(crate) fn ignored(&self) -> Vec<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).ignored.clone()
    }

    /// Replaces the folders by those that the `file://` URIs name. Blocking.
    ///
    /// A folder counts only if it exists and can be a project. Ignored are a file system's root, the home directory and
    /// its parents, the folders of programs in it (`~/.config`, `~/Library`), and folders in `own`, the server's files.
    /// They hold keys and settings that a person does not mean to share by opening a project.
    pub(crate) fn replace(&self, uris: &[String], home: Option<&Path>, own: &[PathBuf]) {
        let home = home.map(real_or_same);
        let own: Vec<_> = own.iter().map(|own| real_or_same(own)).collect();
        let mut named = Named::default();
        for uri in uris.iter().take(MOST_NAMED) {
            if named.dirs.len() == MOST {
                tracing::info!("the client named more than {MOST} folders; the others are ignored");
                break;
            }
            match project_of(uri, home.as_deref(), &own) {
                Ok(dir) if named.dirs.contains(&dir) => {}
                Ok(dir) => named.dirs.push(dir),
                Err(why) => {
                    tracing::info!("a folder of the client was ignored: {why}");
                    if named.ignored.len() < MOST_IGNORED {
                        named.ignored.push(why);
                    }
                }
            }
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = named;
    }
}

fn real_or_same(path: &Path) -> PathBuf {
    dunce::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// A path or URI of the client, as far as an error shows it.
fn shown(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(LONGEST_SHOWN).collect()
}

/// The folder that a URI names, or why it does not count.
fn project_of(uri: &str, home: Option<&Path>, own: &[PathBuf]) -> Result<PathBuf, String> {
    let Some(path) = folder_of(uri) else {
        return Err(format!("{} is not a file:// URI of a folder on this machine", shown(uri)));
    };
    let shown = shown(&path.to_string_lossy());
    let dir = dunce::canonicalize(&path).map_err(|_| format!("{shown} does not exist"))?;
    if !dir.is_dir() {
        return Err(format!("{shown} is not a folder"));
    }
    if own.iter().any(|own| dir.starts_with(own)) {
        return Err(format!("{shown} holds the server's own files"));
    }
    match not_a_project(&dir, home) {
        Some(why) => Err(format!("{shown} {why}")),
        None => Ok(dir),
    }
}

/// Why a folder cannot be a project. Both are real paths.
fn not_a_project(dir: &Path, home: Option<&Path>) -> Option<&'static str> {
    if dir.parent().is_none() {
        return Some("is the root of the file system");
    }
    let home = home?;
    let Ok(below) = dir.strip_prefix(home) else {
        return home.starts_with(dir).then_some("contains the home folder");
    };
    let Some(first) = below.components().next() else { return Some("is the home folder") };
    let first = first.as_os_str().to_string_lossy();
    let of_programs =
        first.starts_with('.') || OF_PROGRAMS.iter().any(|name| first.eq_ignore_ascii_case(name));
    of_programs.then_some("is in a folder of the home folder where programs keep private data")
}

/// The absolute path in a `file://` URI. Some clients do not encode `#` and `?` in paths. Both count as part of the path,
/// because the URI of a folder has no query or fragment.
fn folder_of(uri: &str) -> Option<PathBuf> {
    let encoded = uri.trim().replace('#', "%23").replace('?', "%3F");
    let url = Url::parse(&encoded).ok().filter(|url| url.scheme() == "file")?;
    let path = url.to_file_path().ok()?;
    (path.is_absolute() && !path.to_string_lossy().contains(char::is_control)).then_some(path)
}

#[cfg(test)]
mod tests;
