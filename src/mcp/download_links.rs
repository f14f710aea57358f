//! Signed download links to results, for remote callers. A link leads to one file, and expires.

use std::sync::OnceLock;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256, Sha512};

use crate::bucket::{BucketProblem, StoredFile};
use crate::clock::latest;
use crate::download::{Recorded, VerifiedFiles};
use crate::jobs::{Jobs, OnDisk};
use crate::mcp::caller::Caller;
use crate::media::Resendable;

/// How long a link is valid, in milliseconds. `get_job` gives a new one.
const LIFE: i64 = 24 * 3_600_000;

/// By how much the clocks of two servers that share a data folder may differ, in milliseconds.
const LEEWAY: i64 = 60_000;

/// The address of this server and the key that signs its links.
#[derive(Debug)]
pub(crate) struct DownloadLinks {
    base: String,
    /// Derived from the data folder's secret, so all servers on one folder accept each other's links. Read on first use.
    key: OnceLock<[u8; 64]>,
}

/// The file behind a link.
#[derive(Debug)]
pub struct Linked {
    /// The file as its record describes it.
    pub record: OnDisk,
    /// The content, as an open file.
    pub content: Resendable,
    /// The name under which its owner's limits are counted.
    pub limited_as: String,
}

/// Why a link leads to no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkProblem {
    /// This server did not make it, or it was changed.
    Foreign,
    /// It has expired.
    Ended,
    /// The file was removed or replaced.
    Gone,
    /// The records cannot be read.
    Records,
    /// The bucket cannot be read.
    Bucket,
}

impl DownloadLinks {
    /// `base` is scheme, host and port, and a path if a proxy adds one; without a slash at the end.
    pub(crate) fn new(base: &str) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), key: OnceLock::new() }
    }

    /// A link to a job's file; `None` before the key is known.
    pub(crate) fn to(&self, job: &str, name: &str) -> Option<String> {
        self.until(job, name, latest().saturating_add(LIFE) / 1000)
    }

    fn until(&self, job: &str, name: &str, expires: i64) -> Option<String> {
        let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        let signature = data_encoding::BASE64URL_NOPAD
            .encode(&self.mac(job, &name.to_string(), expires)?.finalize().into_bytes());
        Some(format!("{}/files/{job}/{name}?expires={expires}&signature={signature}", self.base))
    }

    fn check(&self, job: &str, name: &str, expires: i64, signature: &str) -> Result<(), LinkProblem> {
        let name =
            percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string();
        let given = data_encoding::BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap_or_default();
        let at = latest();
        // Compared in constant time.
        match self.mac(job, &name, expires).map(|mac| mac.verify_slice(&given).is_ok()) {
            None => Err(LinkProblem::Records),
            Some(false) => Err(LinkProblem::Foreign),
            // A link that expires later than a new one would was made while the clock was wrong.
            Some(true) if !(at / 1000 + 1..=(at + LIFE + LEEWAY) / 1000).contains(&expires) => {
                Err(LinkProblem::Ended)
            }
            Some(true) => Ok(()),
        }
    }

    /// Reads the signing key, once. If the records cannot be read, there is nothing to link to.
    pub(crate) async fn prepare(&self, jobs: &Jobs) {
        if self.key.get().is_none()
            && let Ok(secret) = jobs.seal_key().await
        {
            let key = Sha512::digest([b"links to results".as_slice(), &secret].concat());
            let _ = self.key.set(key.into());
        }
    }

    /// The file behind a link that a server on this data folder made, but only if it is as it was recorded.
    pub(crate) async fn open(
        &self,
        jobs: &Jobs,
        kept: &VerifiedFiles,
        (job, name): (&str, &str),
        expires: i64,
        signature: &str,
    ) -> Result<Linked, LinkProblem> {
        self.prepare(jobs).await;
        self.check(job, name, expires, signature)?;
        // As with MiniMax's links, the link itself grants access.
        let job = jobs.of_anybody(job).await.map_err(|_| LinkProblem::Records)?;
        let job = job.ok_or(LinkProblem::Gone)?;
        let file = job.files.into_iter().find(|file| file.name == name);
        let record = file.and_then(|file| file.saved).ok_or(LinkProblem::Gone)?;
        let content = intact(jobs, kept, &record).await?;
        let limited_as = Caller::remote(job.principal).limited_as().to_owned();
        Ok(Linked { record, content, limited_as })
    }

    fn mac(&self, job: &str, name: &str, expires: i64) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new(&(*self.key.get()?).into());
        mac.update(format!("{job}/{name}?{expires}").as_bytes());
        Some(mac)
    }
}

/// The content of a recorded file, if it has not changed since it was written.
pub(crate) async fn intact(
    jobs: &Jobs,
    kept: &VerifiedFiles,
    saved: &OnDisk,
) -> Result<Resendable, LinkProblem> {
    let OnDisk { path, object, bytes, sha256, .. } = saved;
    let Some(object) = object else {
        return kept.open(Recorded { path, bytes: *bytes, sha256 }).await.ok_or(LinkProblem::Gone);
    };
    let bucket = jobs.bucket().ok_or(LinkProblem::Bucket)?;
    match StoredFile::open(bucket, object, *bytes).await {
        Ok(file) => Ok(Resendable::stored(file)),
        Err(BucketProblem::Absent | BucketProblem::Replaced) => Err(LinkProblem::Gone),
        Err(problem) => {
            tracing::warn!(%problem, "a result cannot be read");
            Err(LinkProblem::Bucket)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_valid_until_it_expires() {
        let links = DownloadLinks::new("https://media.example.com/");
        assert_eq!(links.check("a", "b", i64::MAX, "x"), Err(LinkProblem::Records), "no key yet");
        links.key.set([7; 64]).unwrap();
        let (at, life) = (latest() / 1000, LIFE / 1000);
        for (expires, said) in [
            (at + 60, Ok(())),
            (at + life, Ok(())),
            (at, Err(LinkProblem::Ended)),
            (0, Err(LinkProblem::Ended)),
            (-at, Err(LinkProblem::Ended)),
            // Given out by a clock that was ahead.
            (at + life + 120, Err(LinkProblem::Ended)),
            (at + 3650 * life, Err(LinkProblem::Ended)),
            (i64::MAX - 1, Err(LinkProblem::Ended)),
        ] {
            let link = links.until("job", "image-1", expires).unwrap();
            assert!(link.starts_with("https://media.example.com/files/job/image%2D1?"), "{link}");
            let signature = link.rsplit_once('=').unwrap().1;
            assert_eq!(links.check("job", "image-1", expires, signature), said);
            let later = links.check("job", "image-1", expires + 1, signature);
            assert_eq!(later, Err(LinkProblem::Foreign));
            assert_eq!(links.check("job", "image-2", expires, signature), Err(LinkProblem::Foreign));
        }
    }
}
