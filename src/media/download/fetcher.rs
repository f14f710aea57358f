//! The one client that fetches results, built when the first is fetched.

use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};

use crate::media::download::archive::{Temporary, fetch_aside};
use crate::media::download::guard::{Guard, Refused};
use crate::media::download::link::{FetchProblem, fetch};
use crate::media::download::partial_file::Resume;
use crate::media::download::target::{Expect, Saved, download};
use crate::media::input::content::{Blob, Limits};

/// Fetches results. Reading the machine's root certificates takes a while, so nothing is built before the first.
pub struct Fetcher {
    guard: Guard,
    client: OnceLock<reqwest::Client>,
    secret: OnceLock<[u8; 32]>,
}

/// Not the secret.
impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("guard", &self.guard).finish_non_exhaustive()
    }
}

impl Fetcher {
    /// Fetches what `guard` lets through.
    pub fn new(guard: Guard) -> Self {
        Self { guard: Guard { public_http: true, ..guard }, client: OnceLock::new(), secret: OnceLock::new() }
    }

    /// As [`crate::media::download`]. A plain `http` link is tried as `https` first, and as it is if there is none to
    /// talk to. With a `key`, what breaks off stays in the folder for a day, hidden, and the next download with
    /// the same key goes on with it, if the host still has the same version of the file; in another process, if
    /// that has the same secret (see [`Self::resume_with`]).
    pub async fn download(
        &self,
        url: &str,
        folder: &Path,
        name: &str,
        expect: &Expect<'_>,
        key: Option<&str>,
    ) -> Result<Saved, FetchProblem> {
        let (client, strict) = (self.client()?, Guard { public_http: false, ..self.guard });
        let resume = key.map(|key| self.resume(key));
        let resume = resume.as_ref();
        if let (Some(rest), Err(Refused::Scheme(_))) = (url.strip_prefix("http://"), strict.check(url)) {
            let secure = format!("https://{rest}");
            match download(client, &strict, &secure, folder, name, expect, resume).await {
                Err(FetchProblem::Transient { reason, .. }) => {
                    tracing::info!(reason, "not to be had over https; plain http is tried");
                }
                done => return done,
            }
        }
        download(client, &self.guard, url, folder, name, expect, resume).await
    }

    /// As [`fetch`]: a link's content as an input.
    pub async fn fetch(&self, url: &str, limits: &Limits) -> Result<Blob, FetchProblem> {
        let strict = Guard { public_http: false, ..self.guard };
        fetch(self.client()?, &strict, url, limits).await
    }

    /// To a temporary file in `folder`, which exists; at most `max_bytes`. `key`: see [`Self::download`].
    pub async fn fetch_aside(
        &self,
        url: &str,
        folder: &Path,
        max_bytes: u64,
        key: &str,
    ) -> Result<Temporary, FetchProblem> {
        fetch_aside(self.client()?, &self.guard, url, folder, max_bytes, &self.resume(key)).await
    }

    /// Resumes what other processes with the same secret have begun. To be called before the first download; without,
    /// the secret is this fetcher's own.
    pub fn resume_with(&self, secret: [u8; 32]) {
        let _ = self.secret.set(secret);
    }

    fn resume(&self, name: &str) -> Resume {
        let secret = *self.secret.get_or_init(|| {
            let mut fresh = [0; 32];
            // Without randomness nothing may be taken for ours: the time differs at least from process to process.
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
