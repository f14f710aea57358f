//! The folder in which the server was started, and the settings that are relative to it.

use std::path::{Path, PathBuf};

use super::{Config, ConfigError};

impl Config {
    /// Resolves the relative folders of `MINIMAX_ALLOWED_DIRS`: `.` is the folder in which the server was started. A file
    /// system's root and the home folder must be named in full, because desktop programs start their servers there. A
    /// relative folder that leads to one of them is an illegal value.
    pub fn start_in(&mut self, folder: &Path) {
        let mut dirs = Vec::new();
        for dir in std::mem::take(&mut self.allowed_dirs) {
            if dir.is_absolute() {
                dirs.push(dir);
                continue;
            }
            let shown = dir.display();
            // `components` drops parts that are `.`.
            let resolved: PathBuf = folder.join(&dir).components().collect();
            if dir.to_string_lossy().starts_with("${") {
                self.ignore(format!(
                    "names `{shown}`, a placeholder that the client did not fill in; name the folder, or `.` for the folder \
                     in which the client starts this server"
                ));
            } else if !folder.is_absolute() || resolved.parent().is_none() || resolved == self.home {
                self.ignore(format!(
                    "names `{shown}`, which is {} here, because this server was started in {}; name the folder in full",
                    resolved.display(),
                    folder.display()
                ));
            } else {
                dirs.push(resolved);
            }
        }
        self.allowed_dirs = dirs;
        self.start_dir = Some(folder.to_owned());
    }

    fn ignore(&mut self, problem: String) {
        self.ignored.push(ConfigError { name: "MINIMAX_ALLOWED_DIRS", problem });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::of_pairs as read;

    #[test]
    fn a_relative_folder_is_resolved_against_the_folder_in_which_the_server_was_started() {
        let started = |value: &str, folder: &str| {
            let mut config = read(&[("MINIMAX_ALLOWED_DIRS", value)]);
            config.start_in(Path::new(folder));
            let warnings: Vec<_> = config.ignored.iter().map(ToString::to_string).collect();
            assert!(config.problems.is_empty(), "{value}");
            (config.allowed_dirs, warnings.join(" "))
        };
        let join = |dirs: &[&str]| std::env::join_paths(dirs).unwrap().into_string().unwrap();
        let app = "/home/ada/code/app";
        for (value, dirs) in [
            (join(&["."]), vec![app]),
            (
                join(&["/art", "./assets", "~/media", "."]),
                vec!["/art", "/home/ada/code/app/assets", "/home/ada/media", app],
            ),
            (join(&[" . "]), vec![app]),
            (String::new(), vec![]),
        ] {
            let (found, warnings) = started(&value, app);
            assert_eq!(found, dirs.iter().map(PathBuf::from).collect::<Vec<_>>(), "{value}");
            assert_eq!(warnings, "", "{value}");
        }
        // A desktop program starts its servers there, where `.` would mean everything.
        for folder in ["/", "/home/ada"] {
            let (found, warnings) = started(&join(&["/art", "."]), folder);
            assert_eq!(found, [PathBuf::from("/art")]);
            assert!(warnings.contains("MINIMAX_ALLOWED_DIRS") && warnings.contains("in full"), "{warnings}");
        }
        let (found, warnings) = started("${workspaceFolder}", app);
        assert_eq!(found, Vec::<PathBuf>::new());
        assert!(warnings.contains("`${workspaceFolder}`, a placeholder"), "{warnings}");
        let (found, warnings) = started(&join(&["${workspaceFolder}/art", "."]), app);
        assert_eq!(found, [PathBuf::from(app)]);
        assert!(warnings.contains("${workspaceFolder}/art"), "{warnings}");
    }
}
