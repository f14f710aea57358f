//! The folders that tools may read and write.

use std::io;
use std::path::{Component, Path, PathBuf};

use crate::media::input::client_folders::ClientFolders;
use crate::media::input::error::InputProblem;
use crate::media::input::windows_path::{self, Start};

/// Folders below the home directory in which programs keep private data. On other systems such folders start with a
/// dot.
const PRIVATE: [&str; 2] = ["Library", "AppData"];

/// The usual folders for media, by their names on the three systems.
const USUAL: [&str; 7] = ["Desktop", "Documents", "Downloads", "Pictures", "Music", "Movies", "Videos"];

/// The allowed folders. Nothing outside them is read or written.
///
/// Symbolic links are resolved before each comparison. A folder counts as soon as it exists. The media folders of the home
/// directory count before that, and are created when something is written to them.
///
/// Hidden files and folders below an allowed folder (`.ssh`, `.config`, `.env`, and `Library` and `AppData` in the
/// home directory) are not allowed either, unless the allowed folder is the hidden one or lies inside it. An owner
/// who allows the home directory does not mean to allow the keys in it.
///
/// The server's own files (see [`Roots::without`]) are never allowed.
///
/// The folders that the client has open (see [`Roots::open_in_client`]) count too. All clones share them.
#[derive(Debug, Clone, Default)]
pub struct Roots {
    dirs: Vec<PathBuf>,
    home: Option<PathBuf>,
    /// Files and folders that the server itself uses.
    own: Vec<PathBuf>,
    /// The folders of `MINIMAX_ALLOWED_DIRS`.
    configured: Vec<PathBuf>,
    /// The folder in which the server was started, if it can be a project.
    start: Option<PathBuf>,
    /// The folder in which the server was started, if it cannot be a project.
    not_a_project: Option<PathBuf>,
    client: ClientFolders,
}

impl Roots {
    /// Allows the base folder of results, the usual media folders of the home directory, and `extra` folders from the
    /// settings. Ignores relative folders, because servers are often started in `/`.
    pub fn new(base: &Path, home: Option<&Path>, extra: &[PathBuf]) -> Self {
        let usual = home.into_iter().flat_map(|home| USUAL.map(|name| home.join(name)));
        let mut dirs: Vec<PathBuf> = Vec::new();
        for dir in std::iter::once(base.to_owned()).chain(usual).chain(extra.iter().cloned()) {
            if dir.is_absolute() && !dirs.contains(&dir) {
                dirs.push(dir);
            }
        }
        let configured = extra.iter().filter(|dir| dir.is_absolute()).cloned().collect();
        Self { dirs, home: home.map(Path::to_owned), configured, ..Self::default() }
    }

    /// Allows one more folder.
    #[must_use]
    pub fn with(mut self, dir: &Path) -> Self {
        self.dirs.push(dir.to_owned());
        self
    }

    /// Excludes a file or folder of the server. Callers can neither read nor write in it, except in an allowed folder
    /// that lies inside it.
    #[must_use]
    pub fn without(mut self, own: &Path) -> Self {
        self.own.push(own.to_owned());
        self
    }

    /// Records the folder in which the server was started. It is the project folder if it is allowed. A file system's root
    /// is not a project, and the home directory is one only if the settings allow it: desktop programs start their servers
    /// there.
    #[must_use]
    pub fn started_in(mut self, folder: Option<&Path>) -> Self {
        let real = |path: &Path| dunce::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let home = self.home().map(real);
        let is_project = |folder: &&Path| {
            let is_home =
                home.as_ref() == Some(&real(folder)) && !self.configured.iter().any(|dir| dir == folder);
            folder.is_absolute() && folder.parent().is_some() && !is_home
        };
        self.start = folder.filter(is_project).map(Path::to_owned);
        self.not_a_project =
            folder.filter(|folder| folder.is_absolute() && !is_project(folder)).map(Path::to_owned);
        self
    }

    /// The folder in which the server was started, if it can be a project.
    pub fn start(&self) -> Option<&Path> {
        self.start.as_deref()
    }

    /// Replaces the folders that the client has open, given as `file://` URIs. Blocking.
    ///
    /// Ignores what is not an existing folder, and folders that would open more than a project: see
    /// `ClientFolders::replace`.
    pub fn open_in_client(&self, uris: &[String]) {
        self.client.replace(uris, self.home(), &self.own);
    }

    /// The folder that relative paths are resolved against: the first that the client has open, or the one in which the
    /// server was started if it is allowed. Blocking.
    pub fn project(&self) -> Option<PathBuf> {
        let started =
            || self.start.clone().filter(|start| resolve(start).is_ok_and(|real| self.contains(&real)));
        self.client.dirs().into_iter().next().or_else(started)
    }

    /// Why a relative path cannot be resolved, and what to do. A sentence without its subject. Blocking.
    pub fn no_project(&self, given: &str) -> String {
        let ignored = self.client.ignored();
        let client = match ignored.as_slice() {
            [] => "the client named none".to_owned(),
            ignored => format!("the folders that the client named are ignored ({})", ignored.join("; ")),
        };
        // Suggest no line of configuration that would open a hidden folder.
        let plain = |part| match part {
            Component::Normal(name) => !name.to_string_lossy().starts_with('.'),
            part => part == Component::CurDir,
        };
        let is_plain = Path::new(given).components().all(plain);
        let meant = |start: &Path| is_plain.then(|| start.join(given).components().collect::<PathBuf>());
        let (started, whole, line) = match (&self.start, &self.not_a_project) {
            (Some(start), _) => (
                "the folder in which it started the server is not allowed".to_owned(),
                None,
                self.setting_for(start, true),
            ),
            (None, Some(start)) => {
                let why =
                    if start.parent().is_none() { "the root of the file system" } else { "the home folder" };
                let whole = meant(start);
                let line = whole.as_deref().and_then(|path| self.setting_for(path, false));
                (
                    format!("it started the server in {}, {why}, which is not a project", start.display()),
                    whole,
                    line,
                )
            }
            (None, None) => ("the server does not know where it was started".to_owned(), None, None),
        };
        let path = whole.map(|path| format!(", such as {}", path.display())).unwrap_or_default();
        let allow = line.map(|line| {
            format!(
                ", {} let the user allow the folder: put {line} into the \"env\" of this server in the client's \
                 configuration, and restart the server",
                if self.start.is_some() { "or" } else { "and" }
            )
        });
        format!(
            "is a relative path, and this server knows no project folder: {client}, and {started}. Give the absolute \
             path{path}{}",
            allow.unwrap_or_default()
        )
    }

    /// True if an existing file, or a folder for results, at this path is allowed. Blocking.
    pub fn allow(&self, path: &Path) -> bool {
        self.may_touch(path) && resolve(path).is_ok_and(|real| self.contains(&real))
    }

    /// The line of the client's configuration that would allow a path outside, with the folders that are configured
    /// already. `None` if no line should be suggested: for the server's own files, for a path that a symbolic link leads
    /// out of an allowed folder, and for a whole file system. Blocking.
    pub fn setting_for(&self, path: &Path, is_folder: bool) -> Option<String> {
        let plain = |part| matches!(part, Component::Prefix(_) | Component::RootDir | Component::Normal(_));
        let within = |dir: &Path| path.starts_with(dir);
        let real_dirs = self.dirs.iter().filter_map(|dir| dunce::canonicalize(dir).ok());
        let mut allowed = self.dirs.iter().cloned().chain(real_dirs).chain(self.client.dirs());
        if !path.is_absolute() || !path.components().all(plain) || allowed.any(|dir| within(&dir)) {
            return None;
        }
        let near = if is_folder { Some(path) } else { path.parent() };
        let project = self.start.as_deref().filter(|start| within(start));
        let folder = project.or(near).filter(|folder| folder.parent().is_some())?;
        let real = resolve(folder).ok()?;
        let in_own = self.own.iter().filter_map(|own| resolve(own).ok()).any(|own| real.starts_with(own));
        if in_own || self.contains(&real) {
            return None;
        }
        let all = std::env::join_paths(self.configured.iter().map(PathBuf::as_path).chain([folder])).ok()?;
        let value = serde_json::to_string(all.to_str()?).ok()?;
        Some(format!("\"MINIMAX_ALLOWED_DIRS\": {value}"))
    }

    /// True if a path is in an allowed folder, so that only [`Self::without`] keeps callers from writing to it. Blocking.
    pub fn surround(&self, path: &Path) -> bool {
        let all = Self { own: Vec::new(), ..self.clone() };
        resolve(path).is_ok_and(|real| all.contains(&real))
    }

    /// The allowed folders as configured, whether they exist or not.
    pub fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// The allowed folders of the settings, and those that the client has open.
    pub(crate) fn all_dirs(&self) -> Vec<PathBuf> {
        let client = self.client.dirs().into_iter().filter(|dir| !self.dirs.contains(dir));
        self.dirs.iter().cloned().chain(client).collect()
    }

    /// The home directory, which replaces `~`.
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// True if a path without symbolic links (see [`Path::canonicalize`]) lies in an allowed folder and is not
    /// hidden.
    pub fn contains(&self, real: &Path) -> bool {
        self.place(real, None) == Place::Inside
    }

    /// Classifies a path without symbolic links. `base` counts as an allowed folder even if it does not exist yet.
    pub(crate) fn place(&self, real: &Path, base: Option<&Path>) -> Place {
        let real_dirs = self.dirs.iter().filter_map(|dir| dunce::canonicalize(dir).ok());
        let real_dirs = real_dirs.chain(self.client.dirs()).chain(self.media_folders_to_make());
        let own: Vec<_> = self.own.iter().filter_map(|own| resolve(own).ok()).collect();
        let is_own = |dir: &Path| {
            own.iter().any(|own| real.starts_with(own) && (dir == own.as_path() || !dir.starts_with(own)))
        };
        let around = real_dirs.chain(base.map(Path::to_owned)).filter(|dir| real.starts_with(dir));
        let (mut place, mut owned) = (Place::Outside, false);
        for dir in around {
            if is_own(&dir) {
                owned = true;
                continue;
            }
            match self.hidden(real, &dir) {
                Some(part) => place = Place::Hidden(part),
                None => return Place::Inside,
            }
        }
        if owned { Place::Own } else { place }
    }

    /// The real paths of the home directory's media folders that do not exist yet.
    fn media_folders_to_make(&self) -> impl Iterator<Item = PathBuf> {
        let usual = self.home().into_iter().flat_map(|home| USUAL.map(|name| home.join(name)));
        usual.filter(|dir| dir.symlink_metadata().is_err()).filter_map(|dir| resolve(&dir).ok())
    }

    /// The part below `dir` that hides `real`.
    fn hidden(&self, real: &Path, dir: &Path) -> Option<String> {
        let below = real.strip_prefix(dir).ok()?;
        let names = below.components().map(|part| part.as_os_str().to_string_lossy());
        let dotted = names.into_iter().find(|name| name.starts_with('.')).map(std::borrow::Cow::into_owned);
        dotted.or_else(|| {
            let home = dunce::canonicalize(self.home()?).ok()?;
            let in_home = |path: &Path| {
                let first = path.strip_prefix(&home).ok()?.components().next()?;
                let first = first.as_os_str().to_string_lossy().into_owned();
                PRIVATE.iter().any(|name| first.eq_ignore_ascii_case(name)).then_some(first)
            };
            in_home(real).filter(|_| in_home(dir).is_none())
        })
    }

    /// The real path of an existing file in an allowed folder. Blocking.
    ///
    /// For a path outside, the error does not reveal whether the file exists.
    pub(crate) fn admit(&self, path: &Path) -> Result<PathBuf, InputProblem> {
        if !path.is_absolute() {
            return Err(InputProblem::Foreign { path: path.to_owned() });
        }
        let outside = || self.outside(path);
        if !self.may_touch(path) {
            return Err(outside());
        }
        if cfg!(windows) && windows_path::is_special(&path.to_string_lossy()) {
            return Err(InputProblem::NotAFile { path: path.to_owned() });
        }
        let real = resolve(path).map_err(|_| outside())?;
        match self.place(&real, None) {
            Place::Inside => {}
            Place::Hidden(part) => return Err(InputProblem::Hidden { path: path.to_owned(), part }),
            Place::Outside | Place::Own => return Err(outside()),
        }
        match std::fs::symlink_metadata(&real) {
            Ok(_) => Ok(real),
            Err(_) => Err(InputProblem::Missing { path: path.to_owned() }),
        }
    }

    fn outside(&self, path: &Path) -> InputProblem {
        let existing = self.all_dirs().into_iter().filter(|dir| dir.is_dir());
        let folders = match existing.map(|dir| dir.display().to_string()).collect::<Vec<_>>() {
            none if none.is_empty() => "none of the allowed ones exists".to_owned(),
            some => some.join(", "),
        };
        InputProblem::Outside { path: path.to_owned(), folders, allow: self.setting_for(path, false) }
    }

    /// False for a Windows path that must not even be looked up: a device, or a share outside the allowed folders.
    /// The lookup of `\\host\share` sends the user's credentials to that host.
    pub(crate) fn may_touch(&self, path: &Path) -> bool {
        !cfg!(windows) || self.may_touch_there(&path.to_string_lossy())
    }

    /// The check for Windows paths, on every system so that it can be tested.
    fn may_touch_there(&self, path: &str) -> bool {
        match windows_path::start(path) {
            Start::Drive => true,
            Start::Device | Start::Relative => false,
            share @ Start::Share(..) => {
                self.all_dirs().iter().any(|dir| windows_path::start(&dir.to_string_lossy()) == share)
            }
        }
    }
}

/// The position of a path relative to the allowed folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In an allowed folder.
    Inside,
    /// In an allowed folder, but hidden by a part with this name.
    Hidden(String),
    /// Among the server's own files.
    Own,
    /// In no allowed folder.
    Outside,
}

/// Resolves all symbolic links in the existing part of a path. Blocking.
///
/// Fails for a broken link, and for `..` after a part that does not exist.
pub(crate) fn resolve(path: &Path) -> io::Result<PathBuf> {
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

#[cfg(test)]
mod tests;
