//! The HTTP client for results, shared by all downloads.

use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};

use crate::download::archive::{Temporary, fetch_aside};
use crate::download::bucket::{LinkToBucket, ToBucket, Unfinished};
use crate::download::guard::{Guard, Refused};
use crate::download::link::{FetchProblem, fetch};
use crate::download::partial_file::Resume;
use crate::download::resume::ResumableDownload;
use crate::download::writer;
use crate::download::writer::{Expect, Saved, check_name};
use crate::media::input::content::{Blob, Limits};

/// Downloads results. Loading the root certificates takes a while, so the client is built on first use.
pub struct Fetcher {
    guard: Guard,
    client: OnceLock<reqwest::Client>,
    secret: OnceLock<[u8; 32]>,
}

/// Omits the secret.
impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("guard", &self.guard).finish_non_exhaustive()
    }
}

impl Fetcher {
    /// Creates a fetcher for links that `guard` allows.
    pub fn new(guard: Guard) -> Self {
        Self { guard: Guard { public_http: true, ..guard }, client: OnceLock::new(), secret: OnceLock::new() }
    }

    /// Downloads a link like [`crate::download::download()`]. A plain `http` link is tried over `https` first. With a
    /// `key`, a broken download stays in the folder as a hidden file for a day, and the next download with the same
    /// key resumes it if the host still has the same version of the file. Another process can resume it if it has the
    /// same secret (see [`Self::resume_with`]).
    pub async fn download(
        &self,
        url: &str,
        folder: &Path,
        name: &str,
        expect: &Expect<'_>,
        key: Option<&str>,
    ) -> Result<Saved, FetchProblem> {
        let client = self.client()?;
        let resume = key.map(|key| self.resume(key));
        let resume = resume.as_ref();
        let attempt = |guard: Guard, url: String| async move {
            download(client, &guard, &url, folder, name, expect, resume).await
        };
        self.https_first(url, attempt).await
    }

    /// Downloads a link into the bucket. `from` is the upload that an earlier call has noted.
    pub async fn download_to_bucket(
        &self,
        url: &str,
        to: ToBucket<'_>,
        from: Option<Unfinished>,
    ) -> Result<Saved, FetchProblem> {
        let client = self.client()?;
        let attempt = |guard: Guard, url: String| {
            let from = from.clone();
            async move { LinkToBucket { client, guard: &guard, url: &url, to }.run(from).await }
        };
        self.https_first(url, attempt).await
    }

    /// Tries a plain `http` link over `https` first. Plain `http` is tried only if `https` fails for a transient
    /// reason.
    async fn https_first<F>(
        &self,
        url: &str,
        attempt: impl Fn(Guard, String) -> F,
    ) -> Result<Saved, FetchProblem>
    where
        F: Future<Output = Result<Saved, FetchProblem>>,
    {
        let strict = Guard { public_http: false, ..self.guard.clone() };
        if let (Some(rest), Err(Refused::Scheme(_))) = (url.strip_prefix("http://"), strict.check(url)) {
            match attempt(strict, format!("https://{rest}")).await {
                Err(FetchProblem::Transient { reason, .. }) => {
                    tracing::info!(reason, "the download over https failed; trying plain http");
                }
                done => return done,
            }
        }
        attempt(self.guard.clone(), url.to_owned()).await
    }

    /// Fetches the content of a link as an input; see [`fetch`].
    pub async fn fetch(&self, url: &str, limits: &Limits) -> Result<Blob, FetchProblem> {
        let strict = Guard { public_http: false, ..self.guard.clone() };
        fetch(self.client()?, &strict, url, limits).await
    }

    /// Downloads to a temporary file in `folder`, which must exist, with at most `max_bytes`. For `key` see
    /// [`Self::download`].
    pub async fn fetch_aside(
        &self,
        url: &str,
        folder: &Path,
        max_bytes: u64,
        key: &str,
    ) -> Result<Temporary, FetchProblem> {
        fetch_aside(self.client()?, &self.guard, url, folder, max_bytes, &self.resume(key)).await
    }

    /// Sets the secret that lets this process resume downloads of other processes. Must be called before the first
    /// download; otherwise the fetcher makes a secret of its own.
    pub fn resume_with(&self, secret: [u8; 32]) {
        let _ = self.secret.set(secret);
    }

    fn resume(&self, name: &str) -> Resume {
        let secret = *self.secret.get_or_init(|| {
            let mut fresh = [0; 32];
            // Without system randomness the secret comes from the time. It then differs between processes, so no
            // process resumes the download of another.
            if getrandom::fill(&mut fresh).is_err() {
                fresh = Sha256::digest(format!("{:?}", std::time::SystemTime::now())).into();
            }
            fresh
        });
        Resume { name: name.to_owned(), secret }
    }

    fn client(&self) -> Result<&reqwest::Client, FetchProblem> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let built = self.guard.client().map_err(|error| FetchProblem::Wrong(error.to_string()))?;
        Ok(self.client.get_or_init(|| built))
    }
}

/// Downloads a result to a file in `folder`, which must exist (see [`crate::download::prepare`]).
///
/// Never overwrites a file. If a file with the same name and content exists, as after a crash between the rename and
/// its record, that file is the result. The content is downloaded in any case, because the existing file could come
/// from another program. If the content differs, the new file gets a number after an underscore.
///
/// A download that fails or is dropped leaves nothing behind. With `resume`, a broken download stays in the folder as
/// a hidden file for a day. The next download with the same name and secret resumes it if the host still has the same
/// version of the file.
pub async fn download(
    client: &reqwest::Client,
    guard: &Guard,
    url: &str,
    folder: &Path,
    name: &str,
    expect: &Expect<'_>,
    resume: Option<&Resume>,
) -> Result<Saved, FetchProblem> {
    check_name(name)?;
    let download = ResumableDownload { client, guard, url, folder, name: Some(name), expect, resume };
    let (part, target) = download.run().await?;
    writer::settle(part, target).await
}
