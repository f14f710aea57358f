//! The one client that fetches results, built when the first is fetched.

use std::path::Path;
use std::sync::OnceLock;

use crate::media::download::archive::{Temporary, fetch_aside};
use crate::media::download::guard::{Guard, Refused};
use crate::media::download::link::{FetchProblem, fetch};
use crate::media::download::target::{Expect, Saved, download};
use crate::media::input::content::{Blob, Limits};

/// Fetches results. Reading the machine's root certificates takes a while, so nothing is built before the first.
#[derive(Debug)]
pub struct Fetcher {
    guard: Guard,
    client: OnceLock<reqwest::Client>,
}

impl Fetcher {
    /// Fetches what `guard` lets through.
    pub fn new(guard: Guard) -> Self {
        Self { guard: Guard { public_http: true, ..guard }, client: OnceLock::new() }
    }

    /// As [`crate::media::download`]. A plain `http` link is tried as `https` first, and as it is if there is none to
    /// talk to. With a `key`, what breaks off stays in the folder for a day, hidden, and the next download with
    /// the same key goes on with it, if the host still has the same version of the file.
    pub async fn download(
        &self,
        url: &str,
        folder: &Path,
        name: &str,
        expect: &Expect<'_>,
        key: Option<&str>,
    ) -> Result<Saved, FetchProblem> {
        let (client, strict) = (self.client()?, Guard { public_http: false, ..self.guard });
        if let (Some(rest), Err(Refused::Scheme(_))) = (url.strip_prefix("http://"), strict.check(url)) {
            let secure = format!("https://{rest}");
            match download(client, &strict, &secure, folder, name, expect, key).await {
                Err(FetchProblem::Transient { reason, .. }) => {
                    tracing::info!(reason, "not to be had over https; plain http is tried");
                }
                done => return done,
            }
        }
        download(client, &self.guard, url, folder, name, expect, key).await
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
        fetch_aside(self.client()?, &self.guard, url, folder, max_bytes, key).await
    }

    fn client(&self) -> Result<&reqwest::Client, FetchProblem> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let built = self.guard.client().map_err(|error| FetchProblem::Wrong(error.to_string()))?;
        Ok(self.client.get_or_init(|| built))
    }
}
