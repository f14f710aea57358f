//! Partial files: downloads that are not complete and can be resumed, also by another process.
//!
//! A partial file consists of two hidden files in the target folder: the bytes and a checkpoint. The checkpoint names
//! the version and the length of the remote file. At intervals it records how many bytes are written and their hash.
//! Bytes that do not match the recorded hash, as after a power cut, are not used. Each entry has a MAC under a secret
//! that no tool can read, so bytes from another party are not used either. The writer holds a lock, which ends with
//! its process.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use tempfile::{NamedTempFile, TempPath};

use crate::download::folder::temporary;
use crate::download::validator::Validator;
use crate::media::file_name::{PREFIX, SUFFIX};
use crate::media::input::content;
use crate::media::private;

/// Bytes between two entries of the checkpoint. After a crash, at most this much is downloaded again.
pub(crate) const STEP: u64 = 1024 * 1024;
/// How many known bytes a resumed download requests again, to compare them. Some hosts ignore the requested version
/// and send another one, and two versions must not be joined.
pub(crate) const OVERLAP: u64 = 64 * 1024;
/// The longest checkpoint that is read, in bytes. This program writes none that is longer.
const NOTES_MAX: u64 = 4 * 1024 * 1024;
const BUFFER: usize = 128 * 1024;

/// Identifies an interrupted download, even if its link changes.
#[derive(Clone)]
pub struct Resume {
    /// The name of the download, the same in every process.
    pub name: String,
    /// A secret that only processes of this program know.
    pub secret: [u8; 32],
}

impl Resume {
    /// The MAC of a checkpoint entry for this download and this version.
    fn mac(&self, version: &str, note: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).ok()?;
        for text in ["minimax-mcp part", &self.name, version, note] {
            mac.update(&(text.len() as u64).to_be_bytes());
            mac.update(text.as_bytes());
        }
        Some(mac)
    }

    /// A checkpoint entry with its MAC.
    fn signed(&self, version: &str, note: &str) -> String {
        let mac = self.mac(version, note).map(|mac| HEXLOWER.encode(&mac.finalize().into_bytes()));
        format!("{note} {}", mac.unwrap_or_default())
    }

    /// The content of an entry, if a process with the same secret wrote it.
    fn verified<'a>(&self, version: &str, line: &'a str) -> Option<&'a str> {
        let (note, mac) = line.rsplit_once(' ')?;
        let mac = HEXLOWER.decode(mac.as_bytes()).ok()?;
        self.mac(version, note)?.verify_slice(&mac).ok()?;
        Some(note)
    }
}

/// A partial file. Dropping it removes the file, unless the download can be resumed.
pub(crate) struct PartialFile {
    file: NamedTempFile,
    hasher: Sha256,
    bytes: u64,
    version: Option<Validator>,
    notes: Option<Notes>,
}

struct Notes {
    file: File,
    path: TempPath,
    noted: u64,
    resume: Resume,
}

impl PartialFile {
    /// Creates a partial file that cannot be resumed.
    pub(crate) fn unnamed(folder: &Path) -> io::Result<Self> {
        let file = temporary(folder)?;
        Ok(Self { file, hasher: Sha256::new(), bytes: 0, version: None, notes: None })
    }

    /// Opens the partial file of a download in `folder` with its content so far. Fails with `WouldBlock` if another
    /// process writes it.
    pub(crate) fn named(folder: &Path, resume: &Resume) -> io::Result<Self> {
        let digest = Sha256::digest(&resume.name);
        let name = BASE32_NOPAD.encode(digest.get(..16).unwrap_or_default()).to_lowercase();
        let (path, beside) = (
            folder.join(format!("{PREFIX}{name}{SUFFIX}")),
            folder.join(format!("{PREFIX}{name}.notes{SUFFIX}")),
        );
        let file = open(&path)?;
        file.try_lock()?;
        // Another process may have completed and renamed the file between the opening and the lock.
        if !content::is_same(&file.metadata()?, &path.symlink_metadata()?) {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let path_of_notes = TempPath::try_from_path(beside.clone())?;
        let mut notes = Notes { file: open(&beside)?, path: path_of_notes, noted: 0, resume: resume.clone() };
        let known = notes.read();
        let file = NamedTempFile::from_parts(file, TempPath::try_from_path(path)?);
        let mut part = Self { file, hasher: Sha256::new(), bytes: 0, version: None, notes: Some(notes) };
        match known {
            Some((version, bytes, sha256)) if part.restore(&version, bytes, &sha256)? => {
                part.version = Some(version);
                part.stay();
                part.write_notes()?;
            }
            _ => part.begin(None)?,
        }
        Ok(part)
    }

    /// Restores the state if the first `bytes` match the checkpoint, and cuts off what follows. False if they do not
    /// match.
    fn restore(&mut self, version: &Validator, bytes: u64, sha256: &str) -> io::Result<bool> {
        let file = self.file.as_file_mut();
        if bytes > version.length || file.metadata()?.len() < bytes {
            return Ok(false);
        }
        let (mut buffer, mut left) = (vec![0; BUFFER], bytes);
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
            let read = file.read(buffer.get_mut(..most).unwrap_or_default())?;
            if read == 0 {
                return Ok(false);
            }
            self.hasher.update(buffer.get(..read).unwrap_or_default());
            left = left.saturating_sub(read as u64);
        }
        if self.sha256() != sha256 {
            return Ok(false);
        }
        let file = self.file.as_file_mut();
        file.set_len(bytes)?;
        file.seek(SeekFrom::Start(bytes))?;
        self.bytes = bytes;
        Ok(true)
    }

    /// Empties the file and starts again. Without a version, the download cannot be resumed.
    pub(crate) fn begin(&mut self, version: Option<Validator>) -> io::Result<()> {
        let file = self.file.as_file_mut();
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        (self.hasher, self.bytes, self.version) = (Sha256::new(), 0, version);
        self.stay();
        self.write_notes()
    }

    /// The number of bytes in the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The SHA-256 of all bytes in the file.
    pub(crate) fn sha256(&self) -> String {
        HEXLOWER.encode(&self.hasher.clone().finalize())
    }

    /// The version and the position at which to resume. `None` if that is impossible or not worth it.
    pub(crate) fn resumable(&self) -> Option<(&Validator, u64)> {
        let version = self.version.as_ref().filter(|version| self.bytes <= version.length)?;
        let start = self.bytes.checked_sub(OVERLAP).filter(|start| *start > 0)?;
        Some((version, start))
    }

    /// Reads at most `length` bytes from `start`.
    pub(crate) fn read(&mut self, start: u64, length: u64) -> io::Result<Vec<u8>> {
        let (file, mut bytes) = (self.file.as_file_mut(), Vec::new());
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(file).take(length).read_to_end(&mut bytes)?;
        file.seek(SeekFrom::Start(self.bytes))?;
        Ok(bytes)
    }

    pub(crate) fn push(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.file.as_file_mut().write_all(chunk)?;
        self.hasher.update(chunk);
        self.bytes = self.bytes.saturating_add(chunk.len() as u64);
        let noted = self.notes.as_ref().map_or(self.bytes, |notes| notes.noted);
        if self.bytes.saturating_sub(noted) >= STEP {
            self.note();
        }
        Ok(())
    }

    /// Adds an entry to the checkpoint. A failed write only means that less can be resumed.
    pub(crate) fn note(&mut self) {
        let sha256 = self.sha256();
        if let (Some(notes), Some(version)) = (&mut self.notes, &self.version) {
            notes.noted = self.bytes;
            let Ok(version) = serde_json::to_string(version) else { return };
            let line = notes.resume.signed(&version, &format!("{} {sha256}", self.bytes));
            let _ = writeln!(notes.file, "{line}");
        }
    }

    fn write_notes(&mut self) -> io::Result<()> {
        let (bytes, sha256) = (self.bytes, self.sha256());
        let Some(notes) = &mut self.notes else { return Ok(()) };
        notes.file.set_len(0)?;
        notes.file.seek(SeekFrom::Start(0))?;
        notes.noted = bytes;
        match &self.version {
            Some(version) => {
                let version = serde_json::to_string(version)?;
                let line = notes.resume.signed(&version, &format!("{bytes} {sha256}"));
                write!(notes.file, "{version}\n{line}\n")
            }
            None => Ok(()),
        }
    }

    /// Keeps the files on drop if they can be resumed.
    fn stay(&mut self) {
        let stays = self.notes.is_some() && self.version.is_some();
        self.file.disable_cleanup(stays);
        if let Some(notes) = &mut self.notes {
            notes.path.disable_cleanup(stays);
        }
    }

    /// Removes the files; the download will not be resumed.
    pub(crate) fn discard(mut self) {
        self.version = None;
        self.stay();
    }

    /// Turns the file into a temporary one, which is removed on drop.
    pub(crate) fn into_file(mut self) -> NamedTempFile {
        self.version = None;
        self.stay();
        // On systems where a lock blocks readers, the file could not be opened by its name.
        let _ = self.file.as_file().unlock();
        self.file
    }

    pub(crate) fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Lets `naming` rename the file. If that fails, returns the unchanged partial file.
    pub(crate) fn named_by<E>(
        self,
        naming: impl FnOnce(NamedTempFile) -> Result<(), (NamedTempFile, E)>,
    ) -> Result<(), (Box<Self>, E)> {
        let Self { file, hasher, bytes, version, mut notes } = self;
        match naming(file) {
            Ok(()) => {
                if let Some(notes) = &mut notes {
                    notes.path.disable_cleanup(false);
                }
                Ok(())
            }
            Err((file, error)) => Err((Box::new(Self { file, hasher, bytes, version, notes }), error)),
        }
    }
}

impl Notes {
    /// The version and the last valid entry: the number of bytes and their hash. Incomplete lines and lines without a
    /// valid MAC are skipped.
    fn read(&mut self) -> Option<(Validator, u64, String)> {
        let mut text = String::new();
        Read::by_ref(&mut self.file).take(NOTES_MAX).read_to_string(&mut text).ok()?;
        let mut lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        let version = lines.next()?;
        let note = lines.rev().find_map(|line| self.resume.verified(version, line))?;
        let (bytes, sha256) = note.split_once(' ')?;
        Some((serde_json::from_str(version).ok()?, bytes.parse().ok()?, sha256.to_owned()))
    }
}

/// Opens or creates a regular file that belongs to this user and has no second name. Does not follow links. A file of
/// another user would stay under that user's control, and a hard link could be any file.
fn open(path: &Path) -> io::Result<File> {
    let file = content::options().write(true).create(true).open(path)?;
    if private::is_ours_alone(&file.metadata()?) {
        Ok(file)
    } else {
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

#[cfg(test)]
mod tests;
