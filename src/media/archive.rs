//! Archives of results. What is wanted of one is copied out under names of ours; paths, links and whatever else
//! stands in it mean nothing here.

use std::fs::File;
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::bring::{Arrived, Bring};
use super::guard::Guard;
use super::link::FetchProblem;
use super::name;
use super::output::{Expect, Saved, receive};
use super::space;

/// More entries than this are no result.
const ENTRIES_MAX: usize = 1000;
/// Headers with long names are read whole by the library.
const HEADER_MAX: u64 = 64 * 1024;

/// A file that goes away when dropped.
pub type Temporary = NamedTempFile;

/// Fetches a link to a temporary file in `folder`, which exists. What breaks off is gone on with under the same
/// key.
pub(super) async fn fetch_aside(
    client: &reqwest::Client,
    guard: &Guard,
    url: &str,
    folder: &Path,
    max_bytes: u64,
    key: &str,
) -> Result<Temporary, FetchProblem> {
    let expect = Expect { kind: None, max_bytes, extension: "tar" };
    let bring = Bring { client, guard, url, folder, name: None, expect: &expect, key: Some(key) };
    match bring.run().await? {
        Arrived::Whole(part, _) => Ok(part.into_file()),
        // Nothing without a name is looked for.
        Arrived::Present(saved) => Err(FetchProblem::Disk(format!("{} is in the way", saved.path.display()))),
    }
}

/// A tar file that has been fetched and looked through.
#[derive(Debug)]
pub struct Archive {
    file: Temporary,
    entries: Vec<Entry>,
}

/// An ordinary file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name without folders and ending; for comparing alone.
    pub stem: String,
    /// In lower case, without the dot.
    pub extension: String,
    /// Its length.
    pub bytes: u64,
    start: u64,
}

impl Archive {
    /// Lists the ordinary files. Links, devices and folders are passed over; a file that says of itself what it
    /// cannot hold is refused.
    pub async fn open(file: Temporary) -> Result<Self, FetchProblem> {
        let path = file.path().to_owned();
        let listed = tokio::task::spawn_blocking(move || list(&path)).await;
        let listed = listed.map_err(|_| FetchProblem::Disk("the reading was stopped".into()))?;
        let entries =
            listed.map_err(|error| FetchProblem::Wrong(format!("the archive cannot be read: {error}")))?;
        Ok(Self { file, entries })
    }

    /// What is in it, in its order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Delivers an entry like any other result: see [`super::download`].
    pub async fn save(
        &self,
        entry: &Entry,
        folder: &Path,
        name: &str,
        expect: &Expect<'_>,
    ) -> Result<Saved, FetchProblem> {
        space::check(folder, entry.bytes, 0).await?;
        let content = self.content(entry).await?;
        let chunks = ReaderStream::new(content).map_err(|error| FetchProblem::Disk(error.to_string()));
        receive(chunks, Some(entry.bytes), folder, name, expect).await
    }

    /// A small entry as a whole; `None` if it is larger than `max` bytes.
    pub async fn read(&self, entry: &Entry, max: u64) -> Result<Option<Bytes>, FetchProblem> {
        if entry.bytes > max {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let mut content = self.content(entry).await?;
        content.read_to_end(&mut bytes).await.map_err(|error| FetchProblem::Disk(error.to_string()))?;
        Ok(Some(bytes.into()))
    }

    async fn content(&self, entry: &Entry) -> Result<tokio::io::Take<tokio::fs::File>, FetchProblem> {
        let disk = |error: io::Error| FetchProblem::Disk(error.to_string());
        let mut file = tokio::fs::File::open(self.file.path()).await.map_err(disk)?;
        file.seek(SeekFrom::Start(entry.start)).await.map_err(disk)?;
        Ok(file.take(entry.bytes))
    }
}

fn list(path: &PathBuf) -> io::Result<Vec<Entry>> {
    let refuse = |why: &str| Err(io::Error::new(io::ErrorKind::InvalidData, why));
    let length = std::fs::metadata(path)?.len();
    // First as it lies there, because what follows reads long names whole, however long they say they are.
    for (number, entry) in tar::Archive::new(File::open(path)?).entries_with_seek()?.raw(true).enumerate() {
        let entry = entry?;
        let kind = entry.header().entry_type();
        if number >= ENTRIES_MAX || (!kind.is_file() && entry.size() > HEADER_MAX) {
            return refuse("it has too many entries, or too long a name");
        }
    }
    let mut found = Vec::new();
    for entry in tar::Archive::new(File::open(path)?).entries_with_seek()? {
        let entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let (start, bytes) = (entry.raw_file_position(), entry.size());
        if start.checked_add(bytes).is_none_or(|end| end > length) {
            return refuse("an entry is cut off");
        }
        let named = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let (stem, extension) = name::split(named.rsplit(['/', '\\']).next().unwrap_or_default());
        let extension = extension.to_ascii_lowercase();
        found.push(Entry { stem: stem.to_owned(), extension, bytes, start });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::media::Kind;

    fn plain(name: &[u8], bytes: &[u8]) -> (tar::Header, Vec<u8>) {
        let mut header = tar::Header::new_ustar();
        // Past the library, which writes no bad names.
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        (header, bytes.to_vec())
    }

    async fn archive(entries: Vec<(tar::Header, Vec<u8>)>) -> Result<Archive, FetchProblem> {
        let mut builder = tar::Builder::new(Vec::new());
        for (mut header, bytes) in entries {
            header.set_cksum();
            builder.append(&header, bytes.as_slice()).unwrap();
        }
        let mut file = Temporary::new().unwrap();
        file.write_all(&builder.into_inner().unwrap()).unwrap();
        Archive::open(file).await
    }

    #[tokio::test]
    async fn only_ordinary_files_are_seen_and_their_paths_lead_nowhere() {
        let link = |kind: tar::EntryType| {
            let (mut header, _) = plain(b"link.mp3", b"");
            header.set_entry_type(kind);
            header.set_link_name("/etc/passwd").unwrap();
            (header, Vec::new())
        };
        let entries = vec![
            plain(b"../../etc/cron.d/evil.mp3", b"\xff\xfb\x90d"),
            link(tar::EntryType::Symlink),
            link(tar::EntryType::Link),
            plain(b"/abs/sub\\one.MP3", b"\xff\xfb\x90dy"),
        ];
        let archive = archive(entries).await.unwrap();
        let seen: Vec<_> =
            archive.entries().iter().map(|entry| (&*entry.stem, &*entry.extension, entry.bytes)).collect();
        assert_eq!(seen, [("evil", "mp3", 4), ("one", "mp3", 5)]);
        let folder = tempfile::tempdir().unwrap();
        let expect = Expect { kind: Some(Kind::Audio), max_bytes: 100, extension: "mp3" };
        let entry = archive.entries()[1].clone();
        let saved = archive.save(&entry, folder.path(), "ours.mp3", &expect).await.unwrap();
        assert_eq!((saved.path, saved.bytes), (folder.path().join("ours.mp3"), 5));
        assert_eq!(std::fs::read(folder.path().join("ours.mp3")).unwrap(), b"\xff\xfb\x90dy");
        assert!(archive.save(&entry, folder.path(), "../ours.mp3", &expect).await.is_err());
    }

    #[tokio::test]
    async fn what_promises_more_than_it_holds_is_refused() {
        let (mut header, _) = plain(b"one.mp3", b"");
        header.set_size(1 << 40);
        assert!(archive(vec![(header, vec![0; 10])]).await.is_err());
        let (mut long, _) = plain(b"././@LongLink", b"");
        long.set_entry_type(tar::EntryType::GNULongName);
        long.set_size(HEADER_MAX + 1);
        let name = vec![b'x'; usize::try_from(HEADER_MAX + 1).unwrap()];
        assert!(archive(vec![(long, name), plain(b"one.mp3", b"ID3")]).await.is_err());
        let many = (0..=ENTRIES_MAX).map(|_| plain(b"one.mp3", b"x")).collect();
        assert!(archive(many).await.is_err());
        let mut no_tar = Temporary::new().unwrap();
        no_tar.write_all(&[7; 2000]).unwrap();
        assert!(Archive::open(no_tar).await.is_err());
    }
}
