//! Uploads a stream of bytes as one object.
//!
//! A small object is one request. A larger one is an upload of several parts. After each part, a [`Checkpoint`] holds
//! everything that the rest of the upload needs, so another process can continue from there. The object is visible only
//! when it is complete.

use bytes::Bytes;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::digest::common::hazmat::{SerializableState as _, SerializedState};
use sha2::{Digest as _, Sha256};

use super::client::{Bucket, Object};
use super::problem::BucketProblem;
use super::stored::StoredFile;

/// The size of a part, and of the largest object that is sent in one request. All parts but the last have the same
/// size, because some servers demand that.
pub const PART: usize = 8 * 1024 * 1024;

/// The length of the end of a part that has its own hash. A resumed download is compared with it.
pub const TAIL: usize = 64 * 1024;

/// The greatest number that is appended to a name that is taken.
const NAMES: u32 = 99;

/// An upload up to the end of its last part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The key of the object.
    pub key: String,
    /// The type of the content.
    pub mime: String,
    /// The id that the server gave to the upload.
    pub upload: String,
    /// The tags of the parts, in order.
    pub parts: Vec<String>,
    /// The bytes of the parts.
    pub bytes: u64,
    /// The state of the hash of these bytes.
    hash: String,
    /// The SHA-256 of the last bytes of the last part.
    pub tail: String,
}

/// A complete object.
#[derive(Debug, Clone)]
pub struct Written {
    /// Where it is.
    pub object: Object,
    /// The size in bytes.
    pub bytes: u64,
    /// The SHA-256 of the content, in lower-case hexadecimal.
    pub sha256: String,
    /// The content.
    pub file: StoredFile,
    /// The content of a small object.
    pub whole: Option<Bytes>,
}

/// An object that is being written. Dropping it leaves the parts in the bucket; see [`Self::abandon`].
#[derive(Debug)]
pub struct Upload {
    bucket: Bucket,
    key: String,
    mime: String,
    /// The id of the upload, if there is more than one part.
    id: Option<String>,
    parts: Vec<String>,
    /// The bytes that are not in the bucket yet.
    rest: Vec<u8>,
    /// The bytes of the parts, and their hash.
    sent: u64,
    hash: Sha256,
    /// The state after the last part.
    checkpoint: Option<Checkpoint>,
}

impl Upload {
    /// Begins an object with this key.
    pub fn new(bucket: &Bucket, key: &str, mime: &str) -> Self {
        Self {
            bucket: bucket.clone(),
            key: key.to_owned(),
            mime: mime.to_owned(),
            id: None,
            parts: Vec::new(),
            rest: Vec::new(),
            sent: 0,
            hash: Sha256::new(),
            checkpoint: None,
        }
    }

    /// Continues after the last part. `None` if the checkpoint cannot be read.
    pub fn resumed(bucket: &Bucket, checkpoint: &Checkpoint) -> Option<Self> {
        let state = HEXLOWER.decode(checkpoint.hash.as_bytes()).ok()?;
        let state = SerializedState::<Sha256>::try_from(state.as_slice()).ok()?;
        let hash = Sha256::deserialize(&state).ok()?;
        Some(Self {
            bucket: bucket.clone(),
            key: checkpoint.key.clone(),
            mime: checkpoint.mime.clone(),
            id: Some(checkpoint.upload.clone()),
            parts: checkpoint.parts.clone(),
            rest: Vec::new(),
            sent: checkpoint.bytes,
            hash,
            checkpoint: Some(checkpoint.clone()),
        })
    }

    /// The bytes so far.
    pub fn bytes(&self) -> u64 {
        self.sent.saturating_add(self.rest.len() as u64)
    }

    /// The state after the last part. `None` if the upload has not begun.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref()
    }

    /// Appends bytes. Call [`Self::step`] afterwards until it returns false.
    pub fn push(&mut self, chunk: &[u8]) {
        self.rest.extend_from_slice(chunk);
    }

    /// Begins the upload, or sends a full part. Returns true if it did, because the checkpoint has then changed.
    pub async fn step(&mut self) -> Result<bool, BucketProblem> {
        if self.rest.len() < PART {
            return Ok(false);
        }
        if let Some(id) = self.id.clone() {
            self.send(id, PART).await?;
        } else {
            let id = self.bucket.create_multipart(&self.key, &self.mime).await?;
            self.id = Some(id.clone());
            self.note(id, &[]);
        }
        Ok(true)
    }

    /// Sends the remaining bytes as the last part, if there are other parts. Returns true if it did.
    pub async fn seal(&mut self) -> Result<bool, BucketProblem> {
        match self.id.clone().filter(|_| !self.rest.is_empty()) {
            Some(id) => self.send(id, self.rest.len()).await.map(|()| true),
            None => Ok(false),
        }
    }

    async fn send(&mut self, id: String, length: usize) -> Result<(), BucketProblem> {
        let later = self.rest.split_off(length.min(self.rest.len()));
        let part = Bytes::from(std::mem::replace(&mut self.rest, later));
        if part.len() == PART {
            self.rest.reserve_exact(PART.saturating_add(TAIL).saturating_sub(self.rest.len()));
        }
        self.hash.update(&part);
        self.sent = self.sent.saturating_add(part.len() as u64);
        let tag = self.bucket.put_part(&self.key, &id, self.parts.len(), part.clone()).await?;
        self.parts.push(tag);
        self.note(id, &part);
        Ok(())
    }

    fn note(&mut self, upload: String, part: &[u8]) {
        let tail = part.get(part.len().saturating_sub(TAIL)..).unwrap_or_default();
        self.checkpoint = Some(Checkpoint {
            key: self.key.clone(),
            mime: self.mime.clone(),
            upload,
            parts: self.parts.clone(),
            bytes: self.sent,
            hash: HEXLOWER.encode(&self.hash.serialize()),
            tail: HEXLOWER.encode(&Sha256::digest(tail)),
        });
    }

    /// Makes the object visible. If an object with this name has the same content, that object is used. If it has other
    /// content, the new object gets a number after an underscore.
    pub async fn complete(self) -> Result<Written, BucketProblem> {
        let bytes = self.bytes();
        let Self { bucket, key, mime, id, parts, rest, hash, .. } = self;
        let sha256 = HEXLOWER.encode(&hash.chain_update(&rest).finalize());
        if let Some(id) = id {
            let object = match bucket.complete_multipart(&key, &id, parts).await {
                // A process that died before it recorded the end may have completed the upload. Some servers answer as
                // if a missing upload were forbidden.
                Err(problem @ (BucketProblem::Absent | BucketProblem::Refused(_))) => {
                    same(&bucket, &key, bytes, &sha256).await.map_err(|_| problem)?
                }
                object => object?,
            };
            let file = StoredFile::of(&bucket, &object, bytes);
            return Ok(Written { object, bytes, sha256, file, whole: None });
        }
        let whole = Bytes::from(rest);
        for number in 1..=NAMES {
            let name = numbered(&key, number);
            let object = match bucket.put(&name, whole.clone(), &mime).await {
                Err(BucketProblem::Taken) => match same(&bucket, &name, bytes, &sha256).await {
                    Err(BucketProblem::Replaced | BucketProblem::Absent) => continue,
                    object => object?,
                },
                object => object?,
            };
            let file = StoredFile::of(&bucket, &object, bytes);
            return Ok(Written { object, bytes, sha256, file, whole: Some(whole) });
        }
        Err(BucketProblem::Taken)
    }

    /// Removes the parts.
    pub async fn abandon(self) -> Result<(), BucketProblem> {
        match &self.id {
            Some(id) => self.bucket.abort(&self.key, id).await,
            None => Ok(()),
        }
    }
}

/// The object with this key, if it has this content.
async fn same(bucket: &Bucket, key: &str, bytes: u64, sha256: &str) -> Result<Object, BucketProblem> {
    let (object, length) = bucket.head(key).await?;
    if length != bytes {
        return Err(BucketProblem::Replaced);
    }
    let file = StoredFile::of(bucket, &object, bytes);
    let (mut hash, mut at) = (Sha256::new(), 0_u64);
    while at < bytes {
        let piece = file.piece(at, bytes).await?;
        hash.update(&piece);
        at = at.saturating_add(piece.len() as u64);
    }
    if HEXLOWER.encode(&hash.finalize()) == sha256 { Ok(object) } else { Err(BucketProblem::Replaced) }
}

/// `a/fox.jpg`, then `a/fox_2.jpg`.
fn numbered(key: &str, number: u32) -> String {
    if number <= 1 {
        return key.to_owned();
    }
    let name = key.rfind('/').map_or(0, |slash| slash.saturating_add(1));
    match key.rfind('.').filter(|dot| *dot > name) {
        Some(dot) => {
            let (stem, extension) = key.split_at(dot);
            format!("{stem}_{number}{extension}")
        }
        None => format!("{key}_{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_goes_before_the_extension_and_not_into_a_folder() {
        for (key, second) in [("a/fox.jpg", "a/fox_2.jpg"), ("a.b/fox", "a.b/fox_2"), ("fox", "fox_2")] {
            assert_eq!((numbered(key, 1).as_str(), numbered(key, 2).as_str()), (key, second));
        }
    }

    #[test]
    fn the_state_of_a_hash_survives_as_text() {
        let mut hash = Sha256::new();
        hash.update(vec![7; 1000]);
        let text = HEXLOWER.encode(&hash.serialize());
        let state = HEXLOWER.decode(text.as_bytes()).unwrap();
        let mut again =
            Sha256::deserialize(&SerializedState::<Sha256>::try_from(state.as_slice()).unwrap()).unwrap();
        hash.update("x");
        again.update("x");
        assert_eq!(hash.finalize(), again.finalize());
    }
}
