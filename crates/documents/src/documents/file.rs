//! Reads and writes a client's file: follows links, keeps the mode, and never lets a reader see half of it.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::position;
use crate::telemetry::in_words;
use crate::texts::setup as say;

/// Marks the copies that `setup` makes.
const BACKUP: &str = ".bak-minimax-";

/// A client's file as it was read.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    /// The path with all links resolved.
    pub path: PathBuf,
    /// The text with its byte order mark, or `None` if there is no file.
    pub text: Option<String>,
}

impl ConfigFile {
    /// Reads the file. The error does not contain the path.
    pub fn read(path: &Path) -> Result<Self, String> {
        let real = match dunce::canonicalize(path) {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if path.symlink_metadata().is_ok() {
                    return Err(say::dangling_link());
                }
                return Ok(Self { path: behind_links(path), text: None });
            }
            Err(error) => return Err(say::cannot_be_read(in_words(&error))),
        };
        // Reading a pipe would block, and a device has no end.
        if fs::metadata(&real).is_ok_and(|data| !data.is_file() && !data.is_dir()) {
            return Err(say::no_ordinary_file());
        }
        let bytes = fs::read(&real).map_err(|error| say::cannot_be_read(in_words(&error)))?;
        let text = String::from_utf8(bytes).map_err(|error| not_utf8(error.as_bytes()))?;
        Ok(Self { path: real, text: Some(text) })
    }

    /// The topmost folder of the file's path that does not exist.
    pub fn missing_folder(&self) -> Option<PathBuf> {
        let missing = self.path.ancestors().skip(1).take_while(|folder| folder.symlink_metadata().is_err());
        missing.last().map(Path::to_owned)
    }

    /// Replaces the file, if it has not changed since it was read. `private` keeps other users from reading a new file.
    pub fn write(&self, text: &str, private: bool) -> io::Result<()> {
        self.check_unchanged()?;
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        fs::create_dir_all(folder)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".minimax-mcp-");
        #[cfg(unix)]
        if self.text.is_none() && !private {
            // Like for any other new file, the umask decides.
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        }
        #[cfg(not(unix))]
        let _ = private;
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        if self.text.is_some() {
            file.as_file().set_permissions(fs::metadata(&self.path)?.permissions())?;
        }
        file.as_file().sync_all()?;
        self.check_unchanged()?;
        file.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }

    /// Deletes the file, if it has not changed since it was read.
    pub fn delete(&self) -> io::Result<()> {
        self.check_unchanged()?;
        fs::remove_file(&self.path)
    }

    fn check_unchanged(&self) -> io::Result<()> {
        let now = match fs::read(&self.path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if now.as_deref() == self.text.as_deref().map(str::as_bytes) {
            return Ok(());
        }
        Err(io::Error::other(say::changed_meanwhile()))
    }

    /// Copies the file within its folder, unless there is an earlier copy. Returns the new copy.
    pub fn back_up(&self) -> io::Result<Option<PathBuf>> {
        let (Some(name), Some(folder)) = (self.path.file_name(), self.path.parent()) else { return Ok(None) };
        let start = format!("{}{BACKUP}", name.to_string_lossy());
        let is_copy = |entry: io::Result<fs::DirEntry>| {
            entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with(&start))
        };
        if self.text.is_none() || fs::read_dir(folder)?.any(is_copy) {
            return Ok(None);
        }
        let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        let copy = folder.join(format!("{start}{time}"));
        fs::copy(&self.path, &copy)?;
        Ok(Some(copy))
    }
}

/// A path that does not exist yet, with the links in its folders resolved, so that it stays the same once the file exists.
fn behind_links(path: &Path) -> PathBuf {
    let real = path.ancestors().skip(1).find_map(|folder| {
        let rest = path.strip_prefix(folder).ok()?;
        Some(dunce::canonicalize(folder).ok()?.join(rest))
    });
    real.unwrap_or_else(|| path.to_owned())
}

/// The error for bytes that are not UTF-8, with line and column.
fn not_utf8(bytes: &[u8]) -> String {
    let before = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let (line, column) = position(before, before.len());
    // The marks of UTF-16, in which some editors on Windows save.
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return say::is_utf16(line, column);
    }
    say::not_utf8(line, column)
}
