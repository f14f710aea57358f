//! Links to results, for callers that sit elsewhere: signed, with an end, good for one file.

use std::sync::OnceLock;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256, Sha512};

use super::resources::is_still;
use super::{Caller, Server};
use crate::jobs::{OnDisk, now};

/// How long a link is good. A fresh one is a `get_job` away.
const LIFE: i64 = 24 * 3_600_000;

/// Where this server can be reached, and what its links are signed with.
#[derive(Debug)]
pub(super) struct Links {
    base: String,
    /// Of the data folder, so that every server on it knows the links of the others; read with the first use.
    key: OnceLock<[u8; 64]>,
}

impl Links {
    /// `base` is scheme, host and port, and a path if a proxy adds one; without a slash at the end.
    pub(super) fn new(base: &str) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), key: OnceLock::new() }
    }

    /// A link to a job's file; `None` before the key is known.
    pub(super) fn to(&self, job: &str, name: &str) -> Option<String> {
        let expires = now().saturating_add(LIFE) / 1000;
        let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        let signature = data_encoding::BASE64URL_NOPAD
            .encode(&self.mac(job, &name.to_string(), expires)?.finalize().into_bytes());
        Some(format!("{}/files/{job}/{name}?expires={expires}&signature={signature}", self.base))
    }

    fn is_good(&self, job: &str, name: &str, expires: i64, signature: &str) -> bool {
        let name =
            percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string();
        let given = data_encoding::BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap_or_default();
        // The comparison takes as long for a wrong signature as for a right one.
        let right = self.mac(job, &name, expires).is_some_and(|mac| mac.verify_slice(&given).is_ok());
        right && expires > now() / 1000
    }

    fn mac(&self, job: &str, name: &str, expires: i64) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new(&(*self.key.get()?).into());
        mac.update(format!("{job}/{name}?{expires}").as_bytes());
        Some(mac)
    }
}

impl Server {
    /// The file behind a link that this server gave out; `None` if the link is not one, has ended, or the file
    /// is gone.
    pub async fn linked_file(&self, job: &str, name: &str, expires: i64, signature: &str) -> Option<OnDisk> {
        let links = self.shared.links.as_ref()?;
        self.prepare_links().await;
        if !links.is_good(job, name, expires, signature) {
            return None;
        }
        // Whoever has the link may read the file, as with MiniMax's own.
        let job = self.jobs().of_anybody(job).await.ok()??;
        let saved = job.files.into_iter().find(|file| file.name == name)?.saved?;
        is_still(&saved).await.then_some(saved)
    }

    /// Reads the key of the links, once. Without records there is nothing to link to.
    pub(super) async fn prepare_links(&self) {
        let Some(links) = &self.shared.links else { return };
        if links.key.get().is_none()
            && let Ok(secret) = self.jobs().seal_key().await
        {
            let key = Sha512::digest([b"links to results".as_slice(), &secret].concat());
            let _ = links.key.set(key.into());
        }
    }

    /// The links for this caller's results; none for one who can open the files themselves.
    pub(super) fn links(&self) -> Option<&Links> {
        let Caller { remote, .. } = &*self.caller;
        self.shared.links.as_ref().filter(|_| *remote)
    }
}
