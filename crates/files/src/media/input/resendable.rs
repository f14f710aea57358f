//! The content of a checked input, which can be sent several times.

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};

use crate::bucket::StoredFile;
use crate::media::input::content::Content;

/// How much of a file is in memory at a time.
pub(crate) const PIECE: usize = 256 * 1024;

/// Content that can be read again. The file stays open, so the bytes come from the file that was checked even if its
/// path is replaced.
#[derive(Clone)]
pub struct Resendable(Held);

#[derive(Clone)]
enum Held {
    Memory(Bytes),
    Disk { file: Arc<File>, bytes: u64 },
    Stored(StoredFile),
}

/// Omits the bytes, which may be a person's voice.
impl fmt::Debug for Resendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = match &self.0 {
            Held::Memory(bytes) => bytes.len() as u64,
            Held::Disk { bytes, .. } => *bytes,
            Held::Stored(file) => file.bytes(),
        };
        write!(f, "Resendable({bytes} bytes)")
    }
}

impl Resendable {
    /// Wraps the content of an input of `bytes` bytes.
    pub async fn of(content: Content, bytes: u64) -> Self {
        Self(match content {
            Content::Memory(bytes) => Held::Memory(bytes),
            Content::Disk(file) => Held::Disk { file: Arc::new(file.into_std().await), bytes },
        })
    }

    /// Wraps an open file of `bytes` bytes.
    pub(crate) fn opened(file: File, bytes: u64) -> Self {
        Self(Held::Disk { file: Arc::new(file), bytes })
    }

    /// Wraps an object in the bucket.
    pub fn stored(file: StoredFile) -> Self {
        Self(Held::Stored(file))
    }

    /// Streams the content from its start. Each stream has its own position, so an unfinished one does not affect the
    /// next.
    pub fn chunks(&self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        self.part(0, u64::MAX)
    }

    /// Like [`Self::chunks`], from byte `start` up to but not including `end`, or to the end of the content.
    pub fn part(&self, start: u64, end: u64) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        match self.0.clone() {
            Held::Memory(bytes) => {
                let most = bytes.len();
                let at = |place: u64| usize::try_from(place).unwrap_or(most).min(most);
                let part = bytes.slice(at(start).min(at(end))..at(end));
                stream::iter([Ok(part)]).boxed()
            }
            Held::Disk { file, bytes } => stream::try_unfold(start, move |at| {
                let file = Arc::clone(&file);
                async move { next(file, at, bytes.min(end)).await }
            })
            .boxed(),
            Held::Stored(file) => stream::try_unfold(start, move |at| {
                let file = file.clone();
                async move {
                    let piece = file.piece(at, end).await.map_err(io::Error::other)?;
                    let next = at.saturating_add(piece.len() as u64);
                    Ok((!piece.is_empty()).then_some((piece, next)))
                }
            })
            .boxed(),
        }
    }
}

async fn next(file: Arc<File>, at: u64, end: u64) -> io::Result<Option<(Bytes, u64)>> {
    let left = end.saturating_sub(at);
    if left == 0 {
        return Ok(None);
    }
    let size = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
    let reading = tokio::task::spawn_blocking(move || {
        #[cfg(feature = "crash-points")]
        if at > 0 {
            crate::crash::point("body.part");
        }
        let mut piece = vec![0; size];
        let read = read_at(&file, &mut piece, at)?;
        piece.truncate(read);
        Ok::<_, io::Error>(piece)
    });
    let piece = reading.await.map_err(io::Error::other)??;
    if piece.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the file became shorter while it was read",
        ));
    }
    let next = at.saturating_add(piece.len() as u64);
    Ok(Some((piece.into(), next)))
}

#[cfg(unix)]
pub(crate) fn read_at(file: &File, piece: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, piece, at)
}

#[cfg(windows)]
pub(crate) fn read_at(file: &File, piece: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, piece, at)
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;

    use super::*;

    async fn whole(source: &Resendable) -> io::Result<Vec<u8>> {
        source.chunks().try_fold(Vec::new(), async |all, piece| Ok([all, piece.to_vec()].concat())).await
    }

    #[tokio::test]
    async fn each_stream_starts_at_the_beginning_even_while_an_unfinished_one_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let content: Vec<u8> = (0..=250_u8).cycle().take(3 * PIECE + 17).collect();
        std::fs::write(&path, &content).unwrap();
        let file = tokio::fs::File::open(&path).await.unwrap();
        let source = Resendable::of(Content::Disk(file), content.len() as u64).await;
        std::fs::remove_file(&path).unwrap();
        let mut left = source.chunks();
        assert_eq!(left.next().await.unwrap().unwrap().len(), PIECE);
        assert!(whole(&source).await.unwrap() == content);
        assert!(left.next().await.unwrap().unwrap() == content[PIECE..2 * PIECE]);
        assert!(whole(&source).await.unwrap() == content);
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"12345").unwrap();
        let file = tokio::fs::File::open(&path).await.unwrap();
        let source = Resendable::of(Content::Disk(file), 6).await;
        assert_eq!(whole(&source).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
