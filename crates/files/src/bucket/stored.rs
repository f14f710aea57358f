//! Reading objects.

use std::io::{self, Read, Seek, SeekFrom};

use bytes::Bytes;
use tokio::runtime::Handle;

use super::client::{Bucket, Object};
use super::problem::BucketProblem;

/// How much of an object is read at a time.
const PIECE: u64 = 1024 * 1024;

/// How much [`StoredReader`] reads at a time.
const WINDOW: u64 = 256 * 1024;

/// An object to read from. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct StoredFile {
    bucket: Bucket,
    object: Object,
    bytes: u64,
}

impl StoredFile {
    /// Finds an object. Fails if it does not exist, or has changed since it was written.
    pub async fn open(bucket: &Bucket, object: &Object, bytes: u64) -> Result<Self, BucketProblem> {
        let (found, length) = bucket.head(&object.key).await?;
        let is_same = object.etag.is_none() || found.etag.is_none() || object.etag == found.etag;
        if length != bytes || !is_same {
            return Err(BucketProblem::Replaced);
        }
        Ok(Self::of(bucket, object, bytes))
    }

    /// An object that was just written.
    pub(super) fn of(bucket: &Bucket, object: &Object, bytes: u64) -> Self {
        Self { bucket: bucket.clone(), object: object.clone(), bytes }
    }

    /// The size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next piece from `at`, of at most a mebibyte, before `end`. Empty at the end.
    pub async fn piece(&self, at: u64, end: u64) -> Result<Bytes, BucketProblem> {
        self.read(at, end.min(at.saturating_add(PIECE))).await
    }

    async fn read(&self, start: u64, end: u64) -> Result<Bytes, BucketProblem> {
        let end = end.min(self.bytes);
        if start >= end {
            return Ok(Bytes::new());
        }
        let piece = self.bucket.part(&self.object, start, end).await?;
        if piece.len() as u64 != end.saturating_sub(start) {
            return Err(BucketProblem::Replaced);
        }
        Ok(piece)
    }

    /// A reader for code that reads files. Use it on a blocking thread.
    pub fn reader(self) -> StoredReader {
        StoredReader { file: self, runtime: Handle::current(), at: 0, window: Bytes::new(), start: 0 }
    }
}

/// Reads an object like a file, on a blocking thread.
#[derive(Debug)]
pub struct StoredReader {
    file: StoredFile,
    runtime: Handle,
    at: u64,
    /// The bytes that were read last.
    window: Bytes,
    /// Where the window begins in the object.
    start: u64,
}

impl Read for StoredReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let inside = self.at.checked_sub(self.start).and_then(|place| usize::try_from(place).ok());
        let mut rest = inside.and_then(|place| self.window.get(place..)).unwrap_or_default();
        if rest.is_empty() {
            let reading = self.file.read(self.at, self.at.saturating_add(WINDOW));
            self.window = self.runtime.block_on(reading).map_err(io::Error::other)?;
            self.start = self.at;
            rest = &self.window;
        }
        let length = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        self.at = self.at.saturating_add(length as u64);
        Ok(length)
    }
}

impl Seek for StoredReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.file.bytes.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
