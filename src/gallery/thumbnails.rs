//! Small pictures of images, made once and kept in a folder below the data folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::media::{self, private};

/// The longest side of a thumbnail, in pixels.
const SIDE: u32 = 400;

/// The largest thumbnail, in bytes.
const LARGEST: usize = 40_000;

/// How many are drawn at once. Each may take a second and 256 MiB of memory.
const AT_ONCE: usize = 2;

/// What all kept thumbnails may hold together. The oldest make room when a server starts.
const ALL: u64 = 256 * 1024 * 1024;

/// The kept thumbnails.
#[derive(Debug)]
pub(super) struct Thumbnails {
    folder: PathBuf,
    drawing: Arc<Semaphore>,
    tidied: std::sync::Once,
}

impl Thumbnails {
    pub(super) fn new(data_dir: &Path) -> Self {
        let folder = data_dir.join("thumbnails");
        Self { folder, drawing: Arc::new(Semaphore::new(AT_ONCE)), tidied: std::sync::Once::new() }
    }

    fn path(&self, sha256: &str) -> Option<PathBuf> {
        let is_hash = sha256.len() == 64 && sha256.bytes().all(|letter| letter.is_ascii_hexdigit());
        is_hash.then(|| self.folder.join(format!("{sha256}.jpg")))
    }

    /// The thumbnail of an image with this hash. `image` reads it if there is none yet. `None` if none can be made.
    pub(super) async fn of(&self, sha256: &str, image: impl Future<Output = Option<Bytes>>) -> Option<Bytes> {
        let path = self.path(sha256)?;
        if let Ok(known) = tokio::fs::read(&path).await {
            return Some(known.into());
        }
        let _drawing = self.drawing.acquire().await.ok()?;
        // Another request may have drawn it meanwhile.
        if let Ok(known) = tokio::fs::read(&path).await {
            return Some(known.into());
        }
        let image = image.await?;
        let folder = self.folder.clone();
        let tidies = !self.tidied.is_completed();
        self.tidied.call_once(|| {});
        let drawn = spawn_blocking(move || {
            let drawn = media::preview(&image, SIDE, LARGEST).ok()?.jpeg;
            if let Err(error) = keep(&folder, &path, &drawn, tidies) {
                tracing::debug!(%error, "a thumbnail was not kept");
            }
            Some(drawn)
        });
        drawn.await.ok()?.map(Bytes::from)
    }

    /// Removes the thumbnail of a file that was deleted.
    pub(super) async fn forget(&self, sha256: &str) {
        if let Some(path) = self.path(sha256) {
            let _ = tokio::fs::remove_file(path).await;
        }
    }
}

/// Writes a thumbnail beside its place and moves it there, so that no reader finds a part of it.
fn keep(folder: &Path, path: &Path, jpeg: &[u8], tidies: bool) -> std::io::Result<()> {
    private::subfolder(folder)?;
    if tidies {
        tidy(folder, ALL)?;
    }
    let mut beside = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut beside, jpeg)?;
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
    fn the_oldest_thumbnails_make_room() {
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
        let mut png = std::io::Cursor::new(Vec::new());
        let picture = image::DynamicImage::new_rgb8(900, 300);
        picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
        let png = Bytes::from(png.into_inner());
        let hash = "a".repeat(64);
        let drawn = thumbnails.of(&hash, async { Some(png.clone()) }).await.unwrap();
        let small = image::load_from_memory(&drawn).unwrap();
        assert_eq!((small.width(), small.height()), (400, 133));
        let again = thumbnails.of(&hash, async { panic!("drawn twice") }).await.unwrap();
        assert_eq!(again, drawn);
        assert!(thumbnails.of("../../x", async { Some(png.clone()) }).await.is_none());
        assert!(
            thumbnails.of(&"b".repeat(64), async { Some(Bytes::from_static(b"no image")) }).await.is_none()
        );
        thumbnails.forget(&hash).await;
        assert!(thumbnails.of(&hash, async { None }).await.is_none());
    }
}
