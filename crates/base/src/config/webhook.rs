//! The receiver of messages about ended jobs.

use std::io;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use secrecy::{ExposeSecret as _, SecretSlice};
use url::Url;

use super::Config;
use super::reader::Reader;

const URL: &str = "MINIMAX_WEBHOOK_URL";
const SECRET: &str = "MINIMAX_WEBHOOK_SECRET";
const SECRET_FILE: &str = "MINIMAX_WEBHOOK_SECRET_FILE";
const PRIVATE: &str = "MINIMAX_WEBHOOK_PRIVATE";

/// The beginning of a secret.
const PREFIX: &str = "whsec_";

/// The lengths that Standard Webhooks allows for a key.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// The receiver of messages. Its address is secret too: with some services the path is the key.
#[derive(Clone, Default)]
pub struct WebhookSettings {
    /// Where messages go.
    pub url: Option<Url>,
    /// The key that signs them.
    pub secret: Option<SecretSlice<u8>>,
    /// The file that contains the key.
    pub secret_file: Option<PathBuf>,
    /// If true, the address may be on this machine or in a private network.
    pub private: bool,
}

/// A receiver with its key.
#[derive(Clone)]
pub struct Receiver {
    /// Where messages go.
    pub url: Url,
    /// The key that signs them.
    pub secret: SecretSlice<u8>,
}

impl Receiver {
    /// Reads an address and a key. The error begins with the name of the wrong one, and shows neither value.
    pub(super) fn read(url: &str, secret: &str, private: bool) -> Result<Self, String> {
        let url = address(url, private).map_err(|problem| format!("`url` {problem}"))?;
        Ok(Self { url, secret: key(secret).map_err(|problem| format!("`secret` {problem}"))? })
    }
}

/// Shows neither of them.
impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Receiver")
    }
}

impl PartialEq for Receiver {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url && self.secret.expose_secret() == other.secret.expose_secret()
    }
}

impl Eq for Receiver {}

impl WebhookSettings {
    /// The receiver, if there is one.
    pub fn receiver(&self) -> Option<Receiver> {
        let (url, secret) = self.url.clone().zip(self.secret.clone())?;
        Some(Receiver { url, secret })
    }
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    /// Whether to show notifications on the desktop.
    pub(super) fn desktop_notes(&mut self) -> bool {
        const NOTIFY: &str = "MINIMAX_NOTIFY";
        match self.get(NOTIFY).map(|value| value.to_lowercase()).as_deref() {
            None | Some("off") => false,
            Some("desktop") => true,
            Some(other) => {
                self.problem(NOTIFY, format!("is `{other}`; must be `off` or `desktop`"));
                false
            }
        }
    }

    pub(super) fn webhook(&mut self, home: &Path) -> WebhookSettings {
        let private = self.safe_flag(PRIVATE);
        let url = self.get(URL).map(|value| address(&value, private));
        let url = url.and_then(|url| url.map_err(|problem| self.problem(URL, problem)).ok());
        let secret = self.get(SECRET).map(|value| key(&value));
        let is_given = secret.is_some();
        let secret = secret.and_then(|secret| secret.map_err(|problem| self.problem(SECRET, problem)).ok());
        let secret_file = self.file(SECRET_FILE, home);
        if url.is_some() && !is_given && secret_file.is_none() {
            let legal = "is missing: MINIMAX_WEBHOOK_URL needs it, to sign what it sends. `echo whsec_$(openssl rand \
                         -base64 32)` makes one";
            self.problem(SECRET, legal);
        }
        if url.is_none() && (is_given || secret_file.is_some()) && self.get(URL).is_none() {
            self.warnings.push(format!("{SECRET} has no effect without {URL}"));
        }
        WebhookSettings { url, secret, secret_file, private }
    }
}

impl Config {
    /// Whether messages about ended jobs are sent to anyone.
    pub fn announces(&self) -> bool {
        let has_receiver =
            self.webhook.url.is_some() || self.http.tokens.iter().any(|row| row.webhook.is_some());
        has_receiver || self.desktop_notes
    }

    /// Takes the text of the file with the webhook's key. The setting itself takes precedence.
    pub fn take_webhook_secret(&mut self, file: io::Result<String>) {
        if self.webhook.secret.is_some() {
            return;
        }
        match file.map(|text| key(&text)) {
            Ok(Ok(secret)) => self.webhook.secret = Some(secret),
            Ok(Err(problem)) => self.found(SECRET_FILE, format!("names a file whose text {problem}")),
            Err(error) => {
                let file = self.webhook.secret_file.as_deref().unwrap_or_else(|| Path::new("")).display();
                let problem = format!("names {file}, which cannot be read: {error}");
                self.found(SECRET_FILE, problem);
            }
        }
    }
}

/// Reads an address. The error does not show it.
fn address(value: &str, private: bool) -> Result<Url, String> {
    let legal = "must be like https://example.com/hooks/minimax";
    let url = Url::parse(value).map_err(|error| format!("is not a URL ({error}); {legal}"))?;
    match url.scheme() {
        _ if !url.has_host() => Err(format!("names no host; {legal}")),
        _ if !url.username().is_empty() || url.password().is_some() => {
            Err(format!("has a user name or password; {legal}. The signature proves the sender"))
        }
        "https" => Ok(url),
        "http" if private => Ok(url),
        "http" => Err(format!(
            "is not encrypted; {legal}. For a receiver on this machine or in a private network set {PRIVATE}=true"
        )),
        _ => Err(format!("has another scheme than https; {legal}")),
    }
}

/// Reads a secret. The error does not show it.
fn key(text: &str) -> Result<SecretSlice<u8>, String> {
    let coded = text.trim().strip_prefix(PREFIX).unwrap_or_default();
    let decoded = BASE64.decode(coded.as_bytes()).ok().filter(|key| LENGTHS.contains(&key.len()));
    decoded.map(SecretSlice::from).ok_or_else(|| {
        format!(
            "is not a webhook secret; must be {PREFIX} and {} to {} bytes in base64. `echo whsec_$(openssl rand -base64 \
             32)` makes one",
            LENGTHS.start(),
            LENGTHS.end()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn read(pairs: &[(&str, &str)]) -> (WebhookSettings, Vec<String>) {
        let lookup =
            |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let mut reader = Reader::new(lookup);
        let webhook = reader.webhook(Path::new("/home/ada"));
        (webhook, reader.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_receiver_needs_a_safe_address_and_a_secret() {
        let (webhook, problems) = read(&[(URL, "https://example.com/a?b=c"), (SECRET, GOOD)]);
        assert_eq!((webhook.url.is_some(), webhook.secret.is_some(), problems.len()), (true, true, 0));
        let (webhook, problems) = read(&[(URL, "http://127.0.0.1:9/x"), (SECRET, GOOD), (PRIVATE, "true")]);
        assert_eq!((webhook.private, problems.len()), (true, 0));
        let (_, problems) = read(&[(URL, "https://example.com"), (SECRET_FILE, "/run/secrets/hook")]);
        assert_eq!(problems.len(), 0, "{problems:?}");
        assert_eq!(read(&[]).1.len(), 0);
    }

    #[test]
    fn errors_name_the_setting_and_show_no_secret() {
        for (settings, named) in [
            ([(URL, "https://example.com/hunter2"), (SECRET, "")], SECRET),
            ([(URL, "http://example.com/hunter2"), (SECRET, GOOD)], URL),
            ([(URL, "ftp://example.com/hunter2"), (SECRET, GOOD)], URL),
            ([(URL, "https://ada:hunter2@example.com"), (SECRET, GOOD)], URL),
            ([(URL, "hunter2"), (SECRET, GOOD)], URL),
            ([(URL, "https://example.com"), (SECRET, "hunter2hunter2hunter2hunter2hunter2")], SECRET),
            ([(URL, "https://example.com"), (SECRET, "whsec_hunter2=")], SECRET),
            ([(URL, "https://example.com"), (SECRET, "whsec_c2hvcnQ=")], SECRET),
        ] {
            let (_, problems) = read(&settings);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].starts_with(named) && !problems[0].contains("hunter2"), "{problems:?}");
        }
    }
}
