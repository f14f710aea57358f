//! Reads archives of results. Entries are copied out under names that this program chooses, so paths, links and special
//! files in an archive have no effect.

use std::fs::File;
use std::io::{self, SeekFrom};
use std::path::Path;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use crate::download::disk_space;
use crate::download::guard::Guard;
use crate::download::link::FetchProblem;
use crate::download::partial_file::Resume;
use crate::download::resume::ResumableDownload;
use crate::download::save::receive;
use crate::download::writer::{Expect, Saved};
use crate::media::file_name;

/// An archive with more entries is refused.
const ENTRIES_MAX: usize = 1000;
/// The size limit of a header that describes the next entry, such as a long name.
const HEADER_MAX: u64 = 64 * 1024;

/// A file that is removed when dropped.
pub type Temporary = NamedTempFile;

/// Downloads a link to a temporary file in `folder`, which must exist. A broken download can be resumed.
pub(crate) async fn fetch_aside(
    client: &reqwest::Client,
    guard: &Guard,
    url: &str,
    folder: &Path,
    max_bytes: u64,
    resume: &Resume,
) -> Result<Temporary, FetchProblem> {
    let expect = Expect { kind: None, max_bytes, extension: "tar" };
    let download =
        ResumableDownload { client, guard, url, folder, name: None, expect: &expect, resume: Some(resume) };
    let (part, _) = download.run().await?;
    Ok(part.into_file())
}

/// A downloaded tar file with its list of entries.
#[derive(Debug)]
pub struct Archive {
    file: Temporary,
    entries: Vec<Entry>,
}

/// A regular file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name without folders and extension. Only for comparisons.
    pub stem: String,
    /// The extension in lower case, without the dot.
    pub extension: String,
    /// The size in bytes.
    pub bytes: u64,
    start: u64,
}

impl Archive {
    /// Lists the regular files and skips links, devices and folders. An archive that contradicts itself about a size
    /// is an error.
    pub async fn open(file: Temporary) -> Result<Self, FetchProblem> {
        let opened = file.reopen().map_err(|error| FetchProblem::Disk(error.to_string()))?;
        let listed = tokio::task::spawn_blocking(move || list(&opened)).await;
        let listed = listed.map_err(|_| FetchProblem::Disk("the read was stopped".into()))?;
        let entries =
            listed.map_err(|error| FetchProblem::Wrong(format!("the archive cannot be read: {error}")))?;
        Ok(Self { file, entries })
    }

    /// The entries in the order of the archive.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Saves an entry like any other result; see [`crate::download::download()`].
    pub async fn save(
        &self,
        entry: &Entry,
        folder: &Path,
        name: &str,
        expect: &Expect<'_>,
    ) -> Result<Saved, FetchProblem> {
        disk_space::check(folder, entry.bytes, 0).await?;
        let content = self.content(entry).await?;
        let chunks = ReaderStream::new(content).map_err(|error| FetchProblem::Disk(error.to_string()));
        receive(chunks, Some(entry.bytes), folder, name, expect).await
    }

    /// The content of an entry. `None` if it is larger than `max` bytes.
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
        // `reopen` fails if another file has taken the path.
        let mut file = tokio::fs::File::from_std(self.file.reopen().map_err(disk)?);
        file.seek(SeekFrom::Start(entry.start)).await.map_err(disk)?;
        Ok(file.take(entry.bytes))
    }
}

/// Reads the raw headers instead of using the library's own handling of extensions. That handling keeps names of any
/// length in memory, and a second size in an extension could move the reader into the content of a file.
fn list(file: &File) -> io::Result<Vec<Entry>> {
    let length = file.metadata()?.len();
    let (mut found, mut told) = (Vec::new(), Told::default());
    for (number, entry) in tar::Archive::new(file).entries_with_seek()?.raw(true).enumerate() {
        let mut entry = entry?;
        if number >= ENTRIES_MAX {
            return refuse("it has too many entries");
        }
        let kind = entry.header().entry_type();
        if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
            told.read(&mut entry)?;
            continue;
        }
        let Told { name, size } = std::mem::take(&mut told);
        if !kind.is_file() {
            continue;
        }
        let (start, bytes) = (entry.raw_file_position(), entry.size());
        if size.is_some_and(|size| size != bytes) {
            return refuse("an entry has two sizes");
        }
        if start.checked_add(bytes).is_none_or(|end| end > length) {
            return refuse("an entry is cut off");
        }
        let named = name.unwrap_or_else(|| String::from_utf8_lossy(&entry.path_bytes()).into_owned());
        let (stem, extension) = file_name::split(named.rsplit(['/', '\\']).next().unwrap_or_default());
        let extension = extension.to_ascii_lowercase();
        found.push(Entry { stem: stem.to_owned(), extension, bytes, start });
    }
    Ok(found)
}

/// What an extension header says about the next entry.
#[derive(Default)]
struct Told {
    name: Option<String>,
    size: Option<u64>,
}

impl Told {
    fn read<R: io::Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> io::Result<()> {
        if entry.size() > HEADER_MAX {
            return refuse("a name is too long");
        }
        let is_name = entry.header().entry_type().is_gnu_longname();
        let mut bytes = Vec::new();
        io::Read::read_to_end(entry, &mut bytes)?;
        if is_name {
            self.name = Some(String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned());
            return Ok(());
        }
        for told in tar::PaxExtensions::new(&bytes) {
            // A value with a line break fails to parse and is skipped. No ordinary name or size has one.
            let Ok(told) = told else { continue };
            match told.key_bytes() {
                b"path" => self.name = Some(String::from_utf8_lossy(told.value_bytes()).into_owned()),
                b"size" => {
                    self.size =
                        Some(told.value().ok().and_then(|size| size.parse().ok()).unwrap_or(u64::MAX));
                }
                key if key.starts_with(b"GNU.sparse.") => return refuse("an entry has holes"),
                _ => {}
            }
        }
        Ok(())
    }
}

fn refuse<T>(why: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidData, why))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::media::Kind;

    fn plain(name: &[u8], bytes: &[u8]) -> (tar::Header, Vec<u8>) {
        let mut header = tar::Header::new_ustar();
        // Writes the raw bytes, because the library refuses to write bad names.
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
    async fn an_archive_that_declares_more_than_it_contains_is_refused() {
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

    fn told(kind: tar::EntryType, text: &[u8]) -> (tar::Header, Vec<u8>) {
        let (mut header, bytes) = plain(b"told", text);
        header.set_entry_type(kind);
        (header, bytes)
    }

    #[tokio::test]
    async fn long_names_are_understood_in_both_ways_of_writing_them() {
        let long = format!("{}/{}.MP3", "x".repeat(150), "y".repeat(150));
        // Each line starts with its own length, which has three digits here.
        let pax = format!("{} path={long}\n", long.len() + 10);
        let entries = vec![
            told(tar::EntryType::GNULongName, format!("{long}\0").as_bytes()),
            plain(b"cut", b"ID3"),
            told(tar::EntryType::XHeader, pax.as_bytes()),
            plain(b"cut", b"ID3+"),
            plain(b"own.mp3", b"ID3++"),
        ];
        let archive = archive(entries).await.unwrap();
        let seen: Vec<_> = archive.entries().iter().map(|entry| (&*entry.stem, entry.bytes)).collect();
        let stem = "y".repeat(150);
        assert_eq!(seen, [(&*stem, 3), (&*stem, 4), ("own", 5)]);
    }

    /// A reader that trusted the second size would continue inside the first file, where a name of a gigabyte waits.
    #[tokio::test]
    async fn an_entry_of_two_sizes_or_with_holes_is_refused() {
        let mut inner = plain(b"././@LongLink", b"");
        inner.0.set_entry_type(tar::EntryType::GNULongName);
        inner.0.set_size(1 << 30);
        inner.0.set_cksum();
        let hidden = inner.0.as_bytes().repeat(4);
        let twice = vec![told(tar::EntryType::XHeader, b"9 size=0\n"), plain(b"one.mp3", &hidden)];
        let problem = archive(twice).await.unwrap_err().to_string();
        assert!(problem.contains("two sizes"), "{problem}");
        let holes = b"26 GNU.sparse.realsize=99\n";
        let sparse = vec![told(tar::EntryType::XHeader, holes), plain(b"one.mp3", b"ID3")];
        let problem = archive(sparse).await.unwrap_err().to_string();
        assert!(problem.contains("holes"), "{problem}");
        let mut old = plain(b"one.mp3", b"ID3");
        old.0.set_entry_type(tar::EntryType::GNUSparse);
        assert!(archive(vec![old]).await.unwrap().entries().is_empty());
    }

    /// Names that lead outside on some system are compared, but never used as paths.
    #[tokio::test]
    async fn names_of_every_system_lose_their_folders() {
        let names: [&[u8]; 5] = [
            b"C:\\windows\\a.mp3",
            b"\\\\host\\share\\a.mp3",
            b"a/../../a.mp3",
            b"/dev/a.mp3",
            b"./././a.mp3",
        ];
        let archive = archive(names.iter().map(|name| plain(name, b"ID3")).collect()).await.unwrap();
        assert!(archive.entries().iter().all(|entry| entry.stem == "a" && entry.extension == "mp3"));
        assert_eq!(archive.entries().len(), names.len());
    }
}
