//! Which folders of this machine may be read from and written to.

use std::io;
use std::path::{Component, Path, PathBuf, Prefix};

use super::input::InputProblem;

/// Where people keep media, under the names that the three systems use.
const USUAL: [&str; 7] = ["Desktop", "Documents", "Downloads", "Pictures", "Music", "Movies", "Videos"];

/// The folders that belong to the conversation: what lies outside is neither read nor written.
///
/// Folders are compared after symbolic links are resolved, each time anew: a folder that appears later
/// counts, one that does not exist does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roots {
    dirs: Vec<PathBuf>,
    home: Option<PathBuf>,
}

impl Roots {
    /// The base folder of results, the usual media folders of the home directory, and `extra` ones from the
    /// settings. Relative folders are left out: a server is often started in `/`.
    pub fn new(base: &Path, home: Option<&Path>, extra: &[PathBuf]) -> Self {
        let usual = home.into_iter().flat_map(|home| USUAL.map(|name| home.join(name)));
        let mut dirs: Vec<PathBuf> = Vec::new();
        for dir in std::iter::once(base.to_owned()).chain(usual).chain(extra.iter().cloned()) {
            if dir.is_absolute() && !dirs.contains(&dir) {
                dirs.push(dir);
            }
        }
        Self { dirs, home: home.map(Path::to_owned) }
    }

    /// The folders as they were given, whether they exist or not.
    pub fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// The home directory, which `~/` stands for.
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// Whether a path without symbolic links (see [`Path::canonicalize`]) lies in one of the folders.
    pub fn contains(&self, real: &Path) -> bool {
        self.dirs.iter().filter_map(|dir| dunce::canonicalize(dir).ok()).any(|dir| real.starts_with(dir))
    }

    /// The real path of an existing file inside the folders. Blocking.
    ///
    /// A path outside is answered in the same way whether something is there or not.
    pub(super) fn admit(&self, path: &Path) -> Result<PathBuf, InputProblem> {
        if !path.is_absolute() {
            return Err(InputProblem::Foreign { path: path.to_owned() });
        }
        let outside = || self.outside(path);
        if !self.may_touch(path) {
            return Err(outside());
        }
        let real = resolve(path).map_err(|_| outside())?;
        if !self.contains(&real) {
            return Err(outside());
        }
        match std::fs::symlink_metadata(&real) {
            Ok(_) => Ok(real),
            Err(_) => Err(InputProblem::Missing { path: path.to_owned() }),
        }
    }

    fn outside(&self, path: &Path) -> InputProblem {
        let existing = self.dirs.iter().filter(|dir| dir.is_dir());
        let folders = match existing.map(|dir| dir.display().to_string()).collect::<Vec<_>>() {
            none if none.is_empty() => "none of the allowed ones exists".to_owned(),
            some => some.join(", "),
        };
        InputProblem::Outside { path: path.to_owned(), folders }
    }

    /// On Windows the mere look at `\\host\share` sends the user's credentials to that host.
    pub(super) fn may_touch(&self, path: &Path) -> bool {
        match prefix(path) {
            None | Some(Prefix::Disk(_) | Prefix::VerbatimDisk(_)) => true,
            network => self.dirs.iter().any(|dir| prefix(dir) == network),
        }
    }
}

fn prefix(path: &Path) -> Option<Prefix<'_>> {
    match path.components().next() {
        Some(Component::Prefix(prefix)) => Some(prefix.kind()),
        _ => None,
    }
}

/// The path with every symbolic link resolved in the part of it that exists. Blocking.
///
/// Fails for a link that leads nowhere and for `..` behind a part that does not exist.
pub(super) fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut missing = Vec::new();
    let mut existing = path;
    loop {
        match dunce::canonicalize(existing) {
            Ok(real) => return Ok(missing.iter().rev().fold(real, |path, name| path.join(name))),
            Err(error) if error.kind() == io::ErrorKind::NotFound && existing.symlink_metadata().is_err() => {
                let (Some(parent), Some(name)) = (existing.parent(), existing.file_name()) else {
                    return Err(error);
                };
                missing.push(name);
                existing = parent;
            }
            Err(error) => return Err(error),
        }
    }
}
