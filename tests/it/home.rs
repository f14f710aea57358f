//! The real program in its own home folder, for tests of `setup`, `login` and `doctor`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::program;

pub const KEY: &str = "sk-api-0123456789abcdefghijWXYZ";

/// A home folder, and a project in it.
pub struct Home {
    /// Deleted with everything in it at the end.
    dir: TempDir,
}

impl Home {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("app")).unwrap();
        Self { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub fn command(&self, settings: &[(&str, &str)], arguments: &[&str]) -> Command {
        let mut command = program();
        command
            .envs([("HOME", self.dir.path()), ("USERPROFILE", self.dir.path())])
            .env("APPDATA", self.path(".config"))
            .env("MINIMAX_DATA_DIR", self.path("data"))
            .envs(settings.iter().copied())
            .args(arguments)
            .current_dir(self.path("app"))
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, settings: &[(&str, &str)], arguments: &[&str]) -> (Output, String) {
        let output = self.command(settings, arguments).output().unwrap();
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output, text)
    }

    /// Runs a command that has to succeed.
    pub fn good(&self, arguments: &[&str]) -> String {
        let (output, text) = self.run(&[], arguments);
        assert!(output.status.success(), "{arguments:?}: {text}");
        text
    }

    /// Runs a command that has to fail.
    pub fn bad(&self, arguments: &[&str]) -> String {
        let (output, text) = self.run(&[], arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        text
    }

    /// Every file of the home folder with its bytes, but the data folder.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn walk(dir: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
                let path = entry.path();
                if path.is_dir() {
                    walk(&path, files);
                } else {
                    files.insert(path.clone(), fs::read(&path).unwrap());
                }
            }
        }
        let mut files = BTreeMap::new();
        walk(self.dir.path(), &mut files);
        files.retain(|path, _| !path.starts_with(self.path("data")));
        files
    }
}

pub fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}
