//! Small pictures of files, made once and kept in a folder below the data folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::media::private;

/// How many are drawn at once. Each may take a few seconds and 256 MiB of memory.
const AT_ONCE: usize = 2;

/// The most bytes of all kept thumbnails. A server removes the oldest when it keeps its first one.
const ALL: u64 = 256 * 1024 * 1024;

/// The form of a thumbnail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A small copy of a picture.
    Jpeg,
    /// A drawn waveform.
    Svg,
}

impl Format {
    const ALL: [Self; 2] = [Self::Jpeg, Self::Svg];

    fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Svg => "svg",
        }
    }

    /// The type for browsers.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Svg => "image/svg+xml",
        }
    }
}

/// The result of drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drawn {
    /// The picture.
    Picture(Vec<u8>),
    /// The file has no picture. This is remembered.
    Nothing,
    /// The file cannot be read now.
    NotNow,
}

/// The kept thumbnails.
#[derive(Debug)]
pub struct Thumbnails {
    folder: PathBuf,
    drawing: Arc<Semaphore>,
    tidied: std::sync::Once,
}

impl Thumbnails {
    /// Thumbnails in `thumbnails` below the data folder.
    pub fn new(data_dir: &Path) -> Self {
        let folder = data_dir.join("thumbnails");
        Self { folder, drawing: Arc::new(Semaphore::new(AT_ONCE)), tidied: std::sync::Once::new() }
    }

    fn path(&self, sha256: &str, format: Format) -> Option<PathBuf> {
        let is_hash = sha256.len() == 64 && sha256.bytes().all(|letter| letter.is_ascii_hexdigit());
        is_hash.then(|| self.folder.join(format!("{sha256}.{}", format.extension())))
    }

    /// The thumbnail of a file with this hash. `draw` makes it if there is none yet. `None` if none can be made.
    pub async fn of(&self, sha256: &str, format: Format, draw: impl Future<Output = Drawn>) -> Option<Bytes> {
        let path = self.path(sha256, format)?;
        if let Ok(known) = tokio::fs::read(&path).await {
            return picture(known);
        }
        let _drawing = self.drawing.acquire().await.ok()?;
        // Another request may have drawn it in the meantime.
        if let Ok(known) = tokio::fs::read(&path).await {
            return picture(known);
        }
        let drawn = match draw.await {
            Drawn::Picture(drawn) => drawn,
            // An empty file records that there is no picture.
            Drawn::Nothing => Vec::new(),
            Drawn::NotNow => return None,
        };
        let folder = self.folder.clone();
        let tidies = !self.tidied.is_completed();
        self.tidied.call_once(|| {});
        let kept = spawn_blocking(move || {
            if let Err(error) = keep(&folder, &path, &drawn, tidies) {
                tracing::debug!(%error, "a thumbnail was not kept");
            }
            drawn
        });
        picture(kept.await.ok()?)
    }

    /// Removes the thumbnails of a file that was deleted.
    pub async fn forget(&self, sha256: &str) {
        for path in Format::ALL.into_iter().filter_map(|format| self.path(sha256, format)) {
            let _ = tokio::fs::remove_file(path).await;
        }
    }
}

fn picture(kept: Vec<u8>) -> Option<Bytes> {
    (!kept.is_empty()).then(|| kept.into())
}

/// Writes a thumbnail under another name and renames it, so that no reader finds half of it.
fn keep(folder: &Path, path: &Path, picture: &[u8], tidies: bool) -> std::io::Result<()> {
    private::subfolder(folder)?;
    if tidies {
        tidy(folder, ALL)?;
    }
    let mut beside = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut beside, picture)?;
    beside.persist(path)?;
    Ok(())
}

/// Removes the oldest files of a folder until the rest holds at most `most` bytes.
fn tidy(folder: &Path, most: u64) -> std::io::Result<()> {
    let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        if about.is_file() {
            files.push((about.modified().unwrap_or(SystemTime::UNIX_EPOCH), about.len(), entry.path()));
        }
    }
    files.sort();
    let mut all: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, bytes, path) in files {
        if all <= most {
            break;
        }
        std::fs::remove_file(path)?;
        all = all.saturating_sub(bytes);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_thumbnails_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        for (name, age) in [("a", 30), ("b", 20), ("c", 10)] {
            let path = dir.path().join(name);
            std::fs::write(&path, [0; 100]).unwrap();
            let then = SystemTime::now() - std::time::Duration::from_secs(age);
            std::fs::File::options().write(true).open(&path).unwrap().set_modified(then).unwrap();
        }
        tidy(dir.path(), 250).unwrap();
        let left = |name: &str| dir.path().join(name).exists();
        assert_eq!([left("a"), left("b"), left("c")], [false, true, true]);
    }

    #[tokio::test]
    async fn a_thumbnail_is_drawn_once_and_only_under_a_hash() {
        let dir = tempfile::tempdir().unwrap();
        let thumbnails = Thumbnails::new(dir.path());
        let hash = "a".repeat(64);
        let picture = || Drawn::Picture(b"picture".to_vec());
        let of = async |hash: &str, format: Format, drawn: Drawn| {
            thumbnails.of(hash, format, async { drawn }).await
        };
        assert_eq!(of(&hash, Format::Jpeg, Drawn::NotNow).await, None);
        assert_eq!(of(&hash, Format::Jpeg, picture()).await.unwrap(), "picture");
        let again = thumbnails.of(&hash, Format::Jpeg, async { panic!("drawn twice") }).await.unwrap();
        assert_eq!(again, "picture");
        assert_eq!(of(&hash, Format::Svg, Drawn::NotNow).await, None, "another picture of the same file");
        assert_eq!(of("../../x", Format::Jpeg, picture()).await, None);
        let other = "b".repeat(64);
        assert_eq!(of(&other, Format::Jpeg, Drawn::Nothing).await, None);
        assert_eq!(of(&other, Format::Jpeg, picture()).await, None, "the missing picture is remembered");
        for hash in [&hash, &other] {
            thumbnails.forget(hash).await;
            assert_eq!(of(hash, Format::Jpeg, Drawn::NotNow).await, None);
        }
        assert_eq!(std::fs::read_dir(dir.path().join("thumbnails")).unwrap().count(), 0);
    }
}
