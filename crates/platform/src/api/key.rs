//! The key of a client.
//!
//! A key that comes from a file is read again when MiniMax refuses it, because it may have been replaced while the server
//! runs. MiniMax has not accepted a request whose key it refused, so the request may be sent once more with the new key.

use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use secrecy::{ExposeSecret as _, SecretString};

/// A file that contains the key.
#[derive(Debug)]
pub struct KeyFile {
    /// Where it is.
    pub path: PathBuf,
    /// Finds the key in its text.
    pub read: fn(&str) -> Option<SecretString>,
}

/// The keys that a client has had.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Most recent last. Earlier keys are kept, because they must be removed from MiniMax's texts too.
    all: RwLock<Vec<SecretString>>,
    file: Option<KeyFile>,
}

impl Keys {
    pub(super) fn new(key: Option<SecretString>, file: Option<KeyFile>) -> Self {
        Self { all: RwLock::new(key.into_iter().collect()), file }
    }

    fn all(&self) -> Vec<SecretString> {
        // The list is valid even if a thread panicked while it held the lock.
        self.all.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn count(&self) -> usize {
        self.all.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The key for requests.
    pub(super) fn current(&self) -> Option<SecretString> {
        self.all().pop()
    }

    /// Whether a text has a key.
    pub(super) fn are_in(&self, text: &str) -> bool {
        let all = self.all();
        let mut keys = all.iter().map(SecretString::expose_secret).filter(|key| !key.is_empty());
        keys.any(|key| text.contains(key))
    }

    /// Removes all keys from a text.
    pub(super) fn hidden_in(&self, text: &str) -> String {
        let all = self.all();
        let keys = all.iter().map(SecretString::expose_secret).filter(|key| !key.is_empty());
        keys.fold(text.to_owned(), |text, key| text.replace(key, "[key]"))
    }

    /// Reads the file again, and uses its key from now on if it has changed.
    pub(super) async fn read_again(&self) {
        let Some(KeyFile { path, read }) = &self.file else { return };
        let Ok(text) = tokio::fs::read_to_string(path).await else { return };
        let Some(key) = read(&text) else { return };
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        if all.last().is_none_or(|last| last.expose_secret() != key.expose_secret()) {
            tracing::info!(file = %path.display(), "the key file has a new key, which is used from now on");
            all.push(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{ApiError, Client};

    fn refused(code: i64) -> ApiError {
        ApiError::Refused {
            at: "/v1/x".into(),
            status: 200,
            code: Some(code),
            message: String::new(),
            trace_id: None,
            retry_after: None,
        }
    }

    #[tokio::test]
    async fn a_refused_key_is_newer_only_if_its_file_has_another_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        std::fs::write(&file, "key=sk-api-one\n").unwrap();
        let client = Client::new("http://127.0.0.1:1", Some("sk-api-one".into()));
        assert!(!client.has_newer_key(1, &refused(1004)).await, "there is no file");
        let read = |text: &str| text.trim().strip_prefix("key=").map(SecretString::from);
        let client = client.with_key_file(Some(KeyFile { path: file.clone(), read }));
        assert!(!client.has_newer_key(1, &refused(1004)).await, "the same key");
        for text in ["", "no key", "key=sk-api-one"] {
            std::fs::write(&file, text).unwrap();
            assert!(!client.has_newer_key(1, &refused(2049)).await, "{text}");
        }
        std::fs::write(&file, "key=sk-api-two\r\n").unwrap();
        for code in [1008, 1000, 2013] {
            assert!(!client.has_newer_key(1, &refused(code)).await, "{code}");
        }
        assert!(!client.has_newer_key(1, &ApiError::NoKey).await);
        assert!(client.has_newer_key(1, &refused(2049)).await);
        assert_eq!(client.keys.current().unwrap().expose_secret(), "sk-api-two");
        // A request that had left with the old key in the meantime, and one with the new key.
        assert!(client.has_newer_key(1, &refused(1004)).await);
        assert!(!client.has_newer_key(2, &refused(1004)).await);
        assert_eq!(client.keys.hidden_in("sk-api-one, sk-api-two"), "[key], [key]");
    }
}
