//! The sources of the keys that `doctor` checks.

use secrecy::{ExposeSecret as _, SecretString};

use crate::texts::login as say_login;

/// The source of a key.
pub(in crate::cli) struct KeySource {
    pub(super) words: String,
    /// The setting, and its value as it was given.
    pub(super) given: Option<(&'static str, SecretString)>,
}

impl KeySource {
    /// A key that `login` stored, where these words say.
    pub(in crate::cli) fn login(words: String) -> Self {
        Self { words, given: None }
    }

    /// The value of a setting, or the text of the file that it names.
    pub(in crate::cli) fn setting(name: &'static str, text: Option<String>) -> Self {
        let is_file = name.ends_with("_FILE");
        let words = if is_file { say_login::source_file(name) } else { name.to_owned() };
        Self { words, given: text.map(|text| (name, text.into())) }
    }

    /// The setting, if its value contains more than the key and blanks.
    pub(super) fn wrapped_in(&self, key: &SecretString) -> Option<&'static str> {
        let (name, text) = self.given.as_ref()?;
        (text.expose_secret().trim() != key.expose_secret()).then_some(*name)
    }
}

/// The sources of both keys.
pub(in crate::cli) struct Sources {
    pub(in crate::cli) key: KeySource,
    pub(in crate::cli) plan_key: KeySource,
}
