//! The folders that tools may read and write.

use std::io;
use std::path::{Path, PathBuf};

use crate::media::input::error::InputProblem;
use crate::media::input::windows_path::{self, Start};

/// Folders below the home directory in which programs keep private data. On other systems such folders start with a
/// dot.
const PRIVATE: [&str; 2] = ["Library", "AppData"];

/// The usual folders for media, by their names on the three systems.
const USUAL: [&str; 7] = ["Desktop", "Documents", "Downloads", "Pictures", "Music", "Movies", "Videos"];

/// The allowed folders. Nothing outside them is read or written.
///
/// Symbolic links are resolved before each comparison. A folder that is created later counts from then on; one that
/// does not exist does not count.
///
/// Hidden files and folders below an allowed folder (`.ssh`, `.config`, `.env`, and `Library` and `AppData` in the
/// home directory) are not allowed either, unless the allowed folder is the hidden one or lies inside it. An owner
/// who allows the home directory does not mean to allow the keys in it.
///
/// The server's own files (see [`Roots::without`]) are never allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roots {
    dirs: Vec<PathBuf>,
    home: Option<PathBuf>,
    /// Files and folders that the server itself uses.
    own: Vec<PathBuf>,
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
        Self { dirs, home: home.map(Path::to_owned), own: Vec::new() }
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

    /// True if callers could write to a path if it were not excluded as the server's own. Blocking.
    pub fn surround(&self, path: &Path) -> bool {
        let all = Self { own: Vec::new(), ..self.clone() };
        resolve(path).is_ok_and(|real| all.contains(&real))
    }

    /// The allowed folders as configured, whether they exist or not.
    pub fn dirs(&self) -> &[PathBuf] {
        &self.dirs
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
        let existing = self.dirs.iter().filter(|dir| dir.is_dir());
        let folders = match existing.map(|dir| dir.display().to_string()).collect::<Vec<_>>() {
            none if none.is_empty() => "none of the allowed ones exists".to_owned(),
            some => some.join(", "),
        };
        InputProblem::Outside { path: path.to_owned(), folders }
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
                self.dirs.iter().any(|dir| windows_path::start(&dir.to_string_lossy()) == share)
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
mod tests {
    use super::*;

    #[test]
    fn no_foreign_host_is_touched_by_a_windows_path() {
        let dirs = vec![PathBuf::from(r"C:\Users\ann\Pictures"), PathBuf::from(r"\\nas\Media\in")];
        let roots = Roots { dirs, ..Roots::default() };
        for path in
            [r"C:\x.png", r"D:\x.png", r"\\NAS\media\x.png", r"\\?\UNC\nas\media\x.png", "//nas/media/x.png"]
        {
            assert!(roots.may_touch_there(path), "{path}");
        }
        for path in [
            r"\\evil\media\x.png",
            "//evil/media/x.png",
            r"\\nas\other\x.png",
            r"\\?\UNC\evil\media\x.png",
            r"\\nas@80\media\x.png",
            r"\\.\pipe\x",
            r"\\?\GLOBALROOT\Device\Mup\evil\media\x.png",
        ] {
            assert!(!roots.may_touch_there(path), "{path}");
        }
    }

    #[test]
    fn the_servers_own_files_are_in_no_folder_but_in_those_inside_of_them() {
        let all = tempfile::tempdir().unwrap();
        let home = dunce::canonicalize(all.path()).unwrap();
        let (data, uploads) = (home.join("data"), home.join("data/uploads/ada"));
        let tokens = home.join("tokens.json");
        std::fs::create_dir_all(&uploads).unwrap();
        for allowed in [&home, &data, &home.join(".")] {
            let roots = Roots::new(allowed, None, &[]).without(&data).without(&tokens).with(&uploads);
            for own in ["data", "data/jobs.sqlite3", "data/uploads/bob/a.png", "data/spool/a"] {
                assert_eq!(roots.place(&home.join(own), None), Place::Own, "{own}");
                assert!(!roots.contains(&home.join(own)) && roots.surround(&home.join(own)), "{own}");
            }
            assert_ne!(roots.place(&tokens, None), Place::Inside);
            assert!(roots.contains(&uploads.join("a.png")));
        }
        assert!(Roots::new(&home, None, &[]).without(&data).contains(&home.join("data.png")));
        let below = data.join("results");
        std::fs::create_dir(&below).unwrap();
        let roots = Roots::new(&below, None, &[]).without(&data);
        assert!(roots.contains(&below.join("a.png")) && !roots.surround(&data));
        // A folder that does not exist yet, and a link to it.
        let later = home.join("later");
        assert!(!Roots::new(&home, None, &[]).without(&later).contains(&later.join("a")));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&data, home.join("link")).unwrap();
            assert!(!Roots::new(&home, None, &[]).without(&home.join("link")).contains(&data.join("a")));
        }
    }

    #[test]
    fn what_is_hidden_is_not_inside_unless_it_was_allowed_by_itself() {
        let all = tempfile::tempdir().unwrap();
        let home = dunce::canonicalize(all.path()).unwrap();
        for folder in [".ssh", ".config/media", "Library/Mail", "Library/Cloud", "appdata", "Pictures/.cache"]
        {
            std::fs::create_dir_all(home.join(folder)).unwrap();
        }
        let extra = [home.clone(), home.join(".config/media"), home.join("Library/Cloud")];
        let roots = Roots::new(&home.join("out"), Some(&home), &extra);
        for inside in
            ["cat.png", "Pictures/a.png", ".config/media/a.png", "Library/Cloud/a.png", "x/Library/a.png"]
        {
            assert!(roots.contains(&home.join(inside)), "{inside}");
        }
        for (hidden, part) in [
            (".ssh/id", ".ssh"),
            (".env", ".env"),
            (".config/gh/hosts.yml", ".config"),
            (".config/media/.x/a.png", ".x"),
            ("Pictures/.cache/a.png", ".cache"),
            ("Library/Mail/a.png", "Library"),
            ("appdata/a.png", "appdata"),
        ] {
            let place = roots.place(&home.join(hidden), None);
            assert_eq!(place, Place::Hidden(part.to_owned()), "{hidden}");
        }
        assert_eq!(roots.place(home.parent().unwrap(), None), Place::Outside);
    }
}
