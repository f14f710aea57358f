//! The server's keys: a key of the balance, a key of a plan, or both.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::reader::LEFT_EMPTY;
use super::value::{self, KEY, KeyText, PLAN_KEY};
use super::{Config, ConfigError};

/// The settings that name a file with a key.
pub(super) const KEY_FILE: &str = "MINIMAX_API_KEY_FILE";
pub(super) const PLAN_KEY_FILE: &str = "MINIMAX_PLAN_KEY_FILE";

/// The kind of key, as far as its prefix shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// No key is set.
    Missing,
    /// `sk-cp-…`: uses the quota of a subscription.
    Plan,
    /// `sk-api-…`: uses the balance.
    PayAsYouGo,
    /// Older keys, and the key of the sandbox.
    Other,
}

impl KeyKind {
    /// The kind, by the prefix.
    pub fn of(key: Option<&SecretString>) -> Self {
        match key.map(ExposeSecret::expose_secret) {
            None => Self::Missing,
            Some(key) if key.starts_with("sk-cp-") => Self::Plan,
            Some(key) if key.starts_with("sk-api-") => Self::PayAsYouGo,
            Some(_) => Self::Other,
        }
    }
}

/// A key with the setting that holds it.
#[derive(Debug, Clone, Copy)]
pub struct NamedKey<'a> {
    /// `MINIMAX_API_KEY` or `MINIMAX_PLAN_KEY`.
    pub setting: &'static str,
    /// The key.
    pub key: &'a SecretString,
    /// Its kind. A hint, not a check.
    pub kind: KeyKind,
}

/// The server's keys, by what they buy.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a> {
    /// The key that buys everything. With a plan's key beside it, only what plans do not include.
    pub first: Option<&'a SecretString>,
    /// The setting that holds it.
    pub first_setting: &'static str,
    /// Its kind. A hint, not a check.
    pub first_kind: KeyKind,
    /// The file that it came from.
    pub first_file: Option<&'a Path>,
    /// The plan's key, if it differs from the first.
    pub plan: Option<&'a SecretString>,
    /// The file that it came from.
    pub plan_file: Option<&'a Path>,
}

impl Config {
    /// Takes the key from the contents of the key file. A key in the environment wins.
    pub fn take_key(&mut self, file: Result<String, std::io::Error>) {
        if self.key.is_none() {
            self.key = self.key_of(KEY_FILE, file);
            self.read_key_file = self.key_file.clone().filter(|_| self.key.is_some());
        }
        self.check_keys();
    }

    /// Like [`Self::take_key`], for the plan's key.
    pub fn take_plan_key(&mut self, file: Result<String, std::io::Error>) {
        if self.plan_key.is_none() {
            self.plan_key = self.key_of(PLAN_KEY_FILE, file);
            self.read_plan_key_file = self.plan_key_file.clone().filter(|_| self.plan_key.is_some());
        }
        self.check_keys();
    }

    fn key_of(&mut self, name: &'static str, file: Result<String, std::io::Error>) -> Option<SecretString> {
        match file.map(|text| value::key(&text)) {
            Ok(KeyText::Key(key)) => return Some(SecretString::from(key)),
            Ok(KeyText::Empty) => {
                self.found(name, "names a file that is empty; must be a file that contains only the key");
            }
            Ok(KeyText::Placeholder(shown)) => {
                self.key_note = Some(format!("{name} names a file that still holds the placeholder {shown}"));
            }
            Ok(KeyText::Unusable) => {
                self.found(name, format!("names a file whose text {}", value::UNUSABLE_KEY));
            }
            Err(error) => {
                let path = if name == KEY_FILE { &self.key_file } else { &self.plan_key_file };
                let file = path.as_deref().unwrap_or_else(|| Path::new("")).display();
                self.found(name, format!("names {file}, which cannot be read: {error}"));
            }
        }
        None
    }

    /// Each key that is used.
    pub fn each_key(&self) -> impl Iterator<Item = NamedKey<'_>> {
        let Keys { first, first_setting, first_kind, plan, .. } = self.keys();
        let first = first.map(|key| NamedKey { setting: first_setting, key, kind: first_kind });
        let plan = plan.map(|key| NamedKey { setting: PLAN_KEY, key, kind: KeyKind::Plan });
        first.into_iter().chain(plan)
    }

    /// The keys, by what they buy. One key alone buys everything, whichever setting holds it.
    pub fn keys(&self) -> Keys<'_> {
        let (file, plan_file) = (self.read_key_file.as_deref(), self.read_plan_key_file.as_deref());
        match (&self.key, &self.plan_key) {
            (None, Some(plan)) => Keys {
                first: Some(plan),
                first_setting: PLAN_KEY,
                first_kind: KeyKind::Plan,
                first_file: plan_file,
                plan: None,
                plan_file: None,
            },
            (key, plan) => Keys {
                first: key.as_ref(),
                first_setting: KEY,
                first_kind: KeyKind::of(key.as_ref()),
                first_file: file,
                plan_file,
                plan: plan.as_ref().filter(|_| !self.has_one_key_twice()),
            },
        }
    }

    /// The setting that still holds a placeholder, if that is why there is no key.
    pub fn unfilled_key(&self) -> Option<ConfigError> {
        let note = self.key_note.as_deref().filter(|_| self.keys().first.is_none())?;
        let of = |name: &'static str| Some((name, note.strip_prefix(name)?.strip_prefix(' ')?));
        let (name, problem) = [KEY, PLAN_KEY, KEY_FILE, PLAN_KEY_FILE].into_iter().find_map(of)?;
        (!problem.contains(LEFT_EMPTY)).then(|| ConfigError { name, problem: problem.to_owned() })
    }

    /// The kind of the first key.
    pub fn key_kind(&self) -> KeyKind {
        self.keys().first_kind
    }

    fn has_one_key_twice(&self) -> bool {
        let (Some(key), Some(plan)) = (&self.key, &self.plan_key) else { return false };
        key.expose_secret() == plan.expose_secret()
    }

    /// Finds keys whose prefixes show that they are in the wrong setting, where they would pay for the other key's orders.
    pub(super) fn check_keys(&mut self) {
        // A placeholder in one setting leaves the key in the other.
        if let Some(note) = self.key_note.take_if(|_| self.key.is_some() || self.plan_key.is_some())
            && !self.warnings.iter().any(|warning| warning.starts_with(&note))
        {
            self.warnings.push(format!("{note}, which is not a key"));
        }
        if self.has_one_key_twice() {
            let warning = format!("{PLAN_KEY} holds the same key as {KEY}; remove one of the two");
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
            return;
        }
        let (key, plan) = (KeyKind::of(self.key.as_ref()), KeyKind::of(self.plan_key.as_ref()));
        let problem = match (key, plan) {
            (KeyKind::Plan, KeyKind::PayAsYouGo) => ConfigError {
                name: KEY,
                problem: format!(
                    "holds a plan's key (sk-cp-…) and {PLAN_KEY} a pay-as-you-go key (sk-api-…); exchange the two"
                ),
            },
            (_, KeyKind::PayAsYouGo) => ConfigError {
                name: PLAN_KEY,
                problem: format!(
                    "holds a pay-as-you-go key (sk-api-…); it belongs in {KEY}, and a plan's key begins with sk-cp-"
                ),
            },
            (KeyKind::Plan, KeyKind::Plan | KeyKind::Other) => ConfigError {
                name: KEY,
                problem: format!(
                    "holds a plan's key (sk-cp-…), and {PLAN_KEY} holds another; set the pay-as-you-go key (sk-api-…) \
                     in {KEY}, or remove one of the two"
                ),
            },
            _ => return,
        };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::of_pairs as read;

    #[test]
    fn a_single_key_is_the_first_whichever_setting_holds_it() {
        for (name, value, kind) in [
            (KEY, "sk-api-a", KeyKind::PayAsYouGo),
            (KEY, "sk-cp-a", KeyKind::Plan),
            (PLAN_KEY, "sk-cp-a", KeyKind::Plan),
            (PLAN_KEY, "eyJ-a", KeyKind::Plan),
        ] {
            let config = read(&[(name, value)]);
            let keys = config.keys();
            assert_eq!(keys.first.map(ExposeSecret::expose_secret), Some(value), "{name}");
            assert_eq!((keys.first_setting, keys.first_kind, keys.plan.is_some()), (name, kind, false));
            assert_eq!(config.problems, [], "{name}");
        }
    }

    #[test]
    fn keys_in_the_wrong_setting_and_one_key_in_both_are_reported() {
        let both = |key: &str, plan: &str| read(&[(KEY, key), (PLAN_KEY, plan)]);
        for (key, plan) in
            [("sk-api-a", "sk-cp-b"), ("eyJ-a", "sk-cp-b"), ("sk-api-a", "eyJ-b"), ("eyJ-a", "eyJ-b")]
        {
            let config = both(key, plan);
            assert_eq!(config.problems, [], "{key} {plan}");
            assert!(config.keys().plan.is_some() && config.warnings.is_empty());
            assert_eq!(config.each_key().map(|key| key.setting).collect::<Vec<_>>(), [KEY, PLAN_KEY]);
        }
        for (key, plan, name, part) in [
            ("sk-cp-a", "sk-api-b", KEY, "exchange"),
            ("sk-api-a", "sk-api-b", PLAN_KEY, "belongs in MINIMAX_API_KEY"),
            ("sk-cp-a", "sk-cp-b", KEY, "remove one of the two"),
        ] {
            let problems = both(key, plan).problems;
            let first = problems.first().unwrap();
            assert!(first.name == name && first.problem.contains(part), "{first}");
            assert!(!first.problem.contains(key) && problems.len() == 1, "{first}");
        }
        let alone = read(&[(PLAN_KEY, "sk-api-b")]).problems;
        assert_eq!(alone.first().map(|problem| problem.name), Some(PLAN_KEY));
        for same in ["sk-cp-a", "sk-api-a"] {
            let config = both(same, same);
            assert!(config.problems.is_empty() && config.keys().plan.is_none());
            assert!(config.warnings.iter().any(|warning| warning.contains("the same key")));
            assert_eq!(config.each_key().count(), 1);
        }
    }

    #[test]
    fn the_plan_key_is_cleaned_and_checked_like_the_other() {
        for quoted in ["\"sk-cp-a\"", "Bearer sk-cp-a", "MINIMAX_PLAN_KEY=sk-cp-a"] {
            let config = read(&[(PLAN_KEY, quoted)]);
            assert_eq!(config.keys().first.map(ExposeSecret::expose_secret), Some("sk-cp-a"), "{quoted}");
        }
        let unusable = read(&[(PLAN_KEY, "sk-cp-a sk-cp-b")]).problems;
        assert_eq!(unusable.first().map(|problem| problem.name), Some(PLAN_KEY));
        for left in ["${MINIMAX_PLAN_KEY}", "sk-cp-your-key", "MINIMAX_PLAN_KEY"] {
            let alone = read(&[(PLAN_KEY, left)]);
            assert!(alone.keys().first.is_none() && alone.key_note.unwrap().starts_with(PLAN_KEY), "{left}");
            let beside = read(&[(KEY, "sk-api-a"), (PLAN_KEY, left)]);
            assert!(beside.key_note.is_none() && beside.keys().plan.is_none());
            assert!(beside.warnings.iter().any(|warning| warning.starts_with(PLAN_KEY)), "{left}");
        }
        let other = read(&[(KEY, "${KEY}"), (PLAN_KEY, "sk-cp-a")]);
        assert!(other.key_note.is_none() && other.warnings.iter().any(|warning| warning.starts_with(KEY)));
        let mut file = read(&[(PLAN_KEY_FILE, "/k")]);
        file.take_plan_key(Ok("your-key\n".to_owned()));
        assert!(file.key_note.unwrap().starts_with(PLAN_KEY_FILE));
    }

    #[test]
    fn each_key_knows_the_file_that_it_came_from() {
        let files = |config: &Config| {
            let keys = config.keys();
            [keys.first_file, keys.plan_file].map(|file| file.map(|file| file.display().to_string()))
        };
        let named = |name: &str| Some(name.to_owned());
        let mut both = read(&[(KEY_FILE, "/key"), (PLAN_KEY_FILE, "/plan")]);
        both.take_key(Ok("sk-api-a".to_owned()));
        both.take_plan_key(Ok("sk-cp-b".to_owned()));
        assert_eq!(files(&both), [named("/key"), named("/plan")]);
        let mut alone = read(&[(PLAN_KEY_FILE, "/plan")]);
        alone.take_plan_key(Ok("sk-cp-b".to_owned()));
        assert_eq!(files(&alone), [named("/plan"), None], "the only key is the first");
        let mut given = read(&[(KEY, "sk-api-a"), (KEY_FILE, "/key"), (PLAN_KEY_FILE, "/plan")]);
        given.take_key(Ok("sk-api-c".to_owned()));
        given.take_plan_key(Ok("no key".to_owned()));
        assert_eq!(files(&given), [None, None]);
    }

    #[test]
    fn a_key_in_a_file_is_checked_like_one_in_the_environment() {
        let mut config = read(&[(KEY, "sk-api-a")]);
        config.take_plan_key(Ok("sk-api-b\n".to_owned()));
        config.take_key(Ok("unused".to_owned()));
        assert_eq!(config.problems.len(), 1);
        config = read(&[(KEY, "sk-api-a")]);
        config.take_plan_key(Ok(" \n".to_owned()));
        assert_eq!(config.problems.first().map(|problem| problem.name), Some(PLAN_KEY_FILE));
    }
}
