//! Adapts the settings to what the program finds when it starts.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::keys::{KEY_FILE, PLAN_KEY_FILE};
use super::unknown::Unknown;
use super::value::{self, KEY, KeyText, PLAN_KEY};
use super::{Config, ConfigError};

/// The account of the sandbox, and the name of its folders.
const SANDBOX: &str = "sandbox";

/// Finds the key in a text that a person pasted. The error explains what is wrong with the text without showing it.
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
        self.files = None;
        // A key such as `sandbox-2049` asks the sandbox for an error.
        let ours = self.key.as_ref().is_some_and(|key| key.expose_secret().starts_with("sandbox-"));
        let ignored = [(KEY, self.key.is_some() && !ours), (PLAN_KEY, self.plan_key.take().is_some())];
        for (name, _) in ignored.into_iter().filter(|(_, is_ignored)| *is_ignored) {
            let why = "is ignored: with --sandbox nothing is sent to MiniMax, and nothing is billed";
            self.warnings.push(format!("{name} {why}"));
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
            KEY,
            KEY_FILE,
            PLAN_KEY,
            PLAN_KEY_FILE,
            "MINIMAX_STORE_URL",
            "MINIMAX_FILES_URL",
            "MINIMAX_FILES_PUBLIC_URL",
        ];
        let (about_it, others): (Vec<_>, Vec<_>) =
            self.problems.into_iter().partition(|problem| about_the_host.contains(&problem.name));
        self.problems = others;
        let harmless = |problem: &ConfigError| format!("{problem}; with --sandbox nothing depends on it");
        self.warnings.extend(about_it.iter().map(harmless));
        self
    }

    /// Classifies the illegal values in [`Self::ignored`]: over HTTP they end the start, like every other illegal value, and
    /// elsewhere they are warnings.
    pub fn judge_ignored(&mut self, over_http: bool) {
        let ignored = std::mem::take(&mut self.ignored);
        if over_http {
            self.problems.extend(ignored);
        } else {
            self.warnings.extend(ignored.iter().map(ToString::to_string));
        }
    }

    /// True if this program runs the sandbox itself. `MINIMAX_SANDBOX` marks one elsewhere: see [`Config::sandbox`].
    pub fn is_sandbox(&self) -> bool {
        self.account == SANDBOX
    }

    /// Warns of variables that look like settings but are not. `names` are those of the environment.
    pub fn warn_of_unknown(&mut self, names: impl Iterator<Item = String>) {
        let mut unknown: Vec<_> = names.filter_map(|name| Unknown::of(&name)).collect();
        unknown.sort_by(|a, b| a.name.cmp(&b.name));
        for variable in unknown {
            let warning = format!("{} {}", variable.name, variable.problem());
            let is_key = [Some(KEY), Some(PLAN_KEY)].contains(&variable.meant);
            if is_key && self.keys().first.is_none() && self.key_note.is_none() {
                self.key_note = Some(warning.trim_end_matches('?').to_owned());
            }
            self.warnings.push(warning);
        }
    }
}
