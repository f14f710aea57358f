//! Adapts the settings to what the program finds when it starts.

use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::Config;
use super::reader::KEY;
use super::unknown::Unknown;
use super::value::{self, KeyText};

/// The account of the sandbox, and the name of its folders.
const SANDBOX: &str = "sandbox";

/// Finds the key in a text that a person pasted. The error says what is wrong with the text, without showing it.
pub fn read_key(text: &str) -> Result<String, String> {
    match value::key(text) {
        KeyText::Key(key) => Ok(key),
        KeyText::Empty => Err("no key was given".to_owned()),
        KeyText::Placeholder(shown) => Err(format!("{shown} is a placeholder, not a key")),
        KeyText::Unusable => Err(format!("the text {}", value::UNUSABLE_KEY)),
    }
}

impl Config {
    /// The same settings for the sandbox on this machine. Its jobs and files have folders of their own, so that they
    /// never mix with those of a real account.
    #[must_use]
    pub fn at_sandbox(mut self, url: &str) -> Self {
        url.clone_into(&mut self.host);
        SANDBOX.clone_into(&mut self.account);
        self.base_path.push(SANDBOX);
        self.data_dir.push(SANDBOX);
        self.store_url = None;
        // A key such as `sandbox-2049` asks the sandbox for an error.
        let ours = self.key.as_ref().is_some_and(|key| key.expose_secret().starts_with("sandbox-"));
        if self.key.is_some() && !ours {
            let note =
                "MINIMAX_API_KEY is ignored: with --sandbox nothing reaches MiniMax, and nothing is billed";
            self.warnings.push(note.to_owned());
        }
        if !ours {
            self.key = Some(SecretString::from("sandbox-key"));
        }
        (self.key_note, self.sandbox) = (None, true);
        self.poll = self.poll.min(Duration::from_millis(300));
        let about_the_host = [
            "MINIMAX_API_HOST",
            "MINIMAX_API_BASE",
            "MINIMAX_REGION",
            "MINIMAX_SANDBOX",
            "MINIMAX_API_KEY",
            "MINIMAX_API_KEY_FILE",
            "MINIMAX_STORE_URL",
        ];
        self.problems.retain(|problem| !about_the_host.contains(&problem.name));
        self
    }

    /// True if this program runs the sandbox itself. `MINIMAX_SANDBOX` marks one elsewhere: see [`Config::sandbox`].
    pub fn is_sandbox(&self) -> bool {
        self.account == SANDBOX
    }

    /// Takes the key from the contents of the key file. A key in the environment wins.
    pub fn take_key(&mut self, file: Result<String, std::io::Error>) {
        if self.key.is_some() {
            return;
        }
        match file.map(|text| value::key(&text)) {
            Ok(KeyText::Empty) => {
                self.found(
                    "MINIMAX_API_KEY_FILE",
                    "names a file that is empty; must be a file with the key alone",
                );
            }
            Ok(KeyText::Placeholder(shown)) => {
                let note = format!("the file of MINIMAX_API_KEY_FILE still holds the placeholder {shown}");
                self.key_note = Some(note);
            }
            Ok(KeyText::Unusable) => {
                let problem = format!("names a file whose text {}", value::UNUSABLE_KEY);
                self.found("MINIMAX_API_KEY_FILE", problem);
            }
            Ok(KeyText::Key(key)) => {
                self.key = Some(SecretString::from(key));
                self.read_key_file.clone_from(&self.key_file);
            }
            Err(error) => {
                let file = self.key_file.as_deref().unwrap_or_else(|| Path::new("")).display();
                self.found("MINIMAX_API_KEY_FILE", format!("names {file}, which cannot be read: {error}"));
            }
        }
    }

    /// Warns of variables that look like settings and are none. `names` are those of the environment.
    pub fn warn_of_unknown(&mut self, names: impl Iterator<Item = String>) {
        let mut unknown: Vec<_> = names.filter_map(|name| Unknown::of(&name)).collect();
        unknown.sort_by(|a, b| a.name.cmp(&b.name));
        for variable in unknown {
            let warning = format!("{} {}", variable.name, variable.problem());
            if self.key.is_none() && self.key_note.is_none() && variable.meant == Some(KEY) {
                self.key_note = Some(warning.trim_end_matches('?').to_owned());
            }
            self.warnings.push(warning);
        }
    }
}
