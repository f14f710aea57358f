//! Links to results, for callers that sit elsewhere: signed, with an end, good for one file.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::resources::is_still;
use super::{Caller, Server};
use crate::jobs::{OnDisk, now};

/// How long a link is good. A fresh one is a `get_job` away.
const LIFE: i64 = 24 * 3_600_000;

/// Where this server can be reached, and what its links are signed with.
#[derive(Debug)]
pub(super) struct Links {
    base: String,
    key: [u8; 64],
}

impl Links {
    /// `base` is scheme, host and port, and a path if a proxy adds one; without a slash at the end.
    pub(super) fn new(base: &str, key: [u8; 64]) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), key }
    }

    /// A link to a job's file, and when it ends.
    pub(super) fn to(&self, job: &str, name: &str) -> String {
        let expires = now().saturating_add(LIFE) / 1000;
        let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        let signature = data_encoding::BASE64URL_NOPAD
            .encode(&self.mac(job, &name.to_string(), expires).finalize().into_bytes());
        format!("{}/files/{job}/{name}?expires={expires}&signature={signature}", self.base)
    }

    fn is_good(&self, job: &str, name: &str, expires: i64, signature: &str) -> bool {
        let name =
            percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string();
        let given = data_encoding::BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap_or_default();
        // The comparison takes as long for a wrong signature as for a right one.
        self.mac(job, &name, expires).verify_slice(&given).is_ok() && expires > now() / 1000
    }

    fn mac(&self, job: &str, name: &str, expires: i64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        mac.update(format!("{job}/{name}?{expires}").as_bytes());
        mac
    }
}

impl Server {
    /// The file behind a link that this server gave out; `None` if the link is not one, has ended, or the file
    /// is gone.
    pub async fn linked_file(&self, job: &str, name: &str, expires: i64, signature: &str) -> Option<OnDisk> {
        let links = self.shared.links.as_ref()?;
        if !links.is_good(job, name, expires, signature) {
            return None;
        }
        // Whoever has the link may read the file, as with MiniMax's own.
        let job = self.jobs().of_anybody(job).await.ok()??;
        let saved = job.files.into_iter().find(|file| file.name == name)?.saved?;
        is_still(&saved).await.then_some(saved)
    }

    /// The links for this caller's results; none for one who can open the files themselves.
    pub(super) fn links(&self) -> Option<&Links> {
        let Caller { remote, .. } = &*self.caller;
        self.shared.links.as_ref().filter(|_| *remote)
    }
}
