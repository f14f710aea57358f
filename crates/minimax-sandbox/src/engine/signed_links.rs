//! Download links as object stores issue them: signed, expiring, and valid without an API key.

use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::engine::clock::now;
use crate::engine::ids::new_token;

/// Signs links. The secret is stored with the state, so links survive a restart.
#[derive(Debug)]
pub(crate) struct LinkSigner {
    secret: String,
}

impl LinkSigner {
    pub fn open(dir: &Path) -> io::Result<Self> {
        let path = dir.join("secret");
        // A second sandbox on the same folder must not replace the secret of the first.
        match std::fs::OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => io::Write::write_all(&mut file, new_token().as_bytes())?,
            Err(failure) if failure.kind() == io::ErrorKind::AlreadyExists => {}
            Err(failure) => return Err(failure),
        }
        Ok(Self { secret: std::fs::read_to_string(path)? })
    }

    /// A link to `name` that is valid until `expires`, in Unix seconds.
    pub fn sign(&self, base: &str, name: &str, expires: u64) -> String {
        format!("{base}/cdn/{name}?Expires={expires}&Signature={}", self.signature(name, expires))
    }

    /// The error code for an invalid link; `None` if the link is valid.
    pub fn problem(&self, name: &str, query: &str) -> Option<&'static str> {
        let value = |wanted: &str| {
            url::form_urlencoded::parse(query.as_bytes())
                .find(|(key, _)| key == wanted)
                .map(|(_, value)| value)
        };
        let expires = value("Expires").and_then(|text| text.parse().ok());
        let Some((expires, signature)) = expires.zip(value("Signature")) else {
            return Some("AccessDenied");
        };
        if signature != self.signature(name, expires) {
            return Some("SignatureDoesNotMatch");
        }
        (now().as_secs() >= expires).then_some("RequestHasExpired")
    }

    fn signature(&self, name: &str, expires: u64) -> String {
        let digest = Sha256::digest(format!("{}\n{name}\n{expires}", self.secret));
        data_encoding::BASE64URL_NOPAD.encode(&digest)
    }
}
