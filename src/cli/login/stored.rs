//! The file with the keys, which only its owner can read. The system's keyring is not used: a client may start the server
//! while no person is there, and a keyring that is locked, or that does not know this version of the program, asks its user
//! and blocks the start until there is an answer.

use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::cli::setup::undo::write_private;
use crate::cli::texts::login as say;
use crate::config::KeyKind;
use crate::media::private;
use crate::telemetry::in_words;

const FILE: &str = "credentials.json";

/// The largest file that is read, in bytes. Real ones are much smaller.
const MOST: u64 = 64 << 10;

/// The stored keys: a key of the balance, a key of a plan, or both. Both belong to one region.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Stored {
    key: Option<SecretString>,
    plan_key: Option<SecretString>,
    region: Option<String>,
    /// The file that they are in.
    pub(in crate::cli) path: PathBuf,
    /// Whether the server uses the key of the balance in this environment.
    pub(in crate::cli) key_in_use: bool,
    /// Whether it uses the key of the plan.
    pub(in crate::cli) plan_key_in_use: bool,
}

impl Stored {
    /// The stored keys, or `None` if there are none. The error is a warning: it names the file and what to do.
    pub(in crate::cli) fn read(data_dir: &Path) -> Result<Option<Self>, String> {
        let path = data_dir.join(FILE);
        if path.symlink_metadata().is_err() {
            return Ok(None);
        }
        let unused = |why: &str| {
            format!("the stored key in {} is not used: {why}; run `minimax-mcp login` again", path.display())
        };
        let text = private::read(&path, MOST, true).map_err(|error| unused(&error.to_string()))?;
        let value: Value = serde_json::from_str(&text).map_err(|_| unused("the file is damaged"))?;
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let mut stored = Self { region: text("region"), path: path.clone(), ..Self::default() };
        // Earlier versions knew only one key, and wrote a plan's key as `key`.
        for key in [text("plan_key"), text("key")].into_iter().flatten() {
            stored.put(SecretString::from(key));
        }
        if stored.key.is_none() && stored.plan_key.is_none() {
            return Err(unused("the file has no key"));
        }
        Ok(Some(stored))
    }

    /// Replaces the key of the same kind.
    fn put(&mut self, key: SecretString) {
        match KeyKind::of(Some(&key)) {
            KeyKind::Plan => self.plan_key = Some(key),
            KeyKind::PayAsYouGo | KeyKind::Other | KeyKind::Missing => self.key = Some(key),
        }
    }

    /// Stores a key, and replaces an earlier one of the same kind. A key of the other kind stays if it belongs to the same
    /// region. Returns the keys that are stored now.
    pub(super) fn write(data_dir: &Path, key: &SecretString, region: Option<&str>) -> Result<Self, String> {
        // A file that cannot be read has no key to keep.
        let mut stored = Self::read(data_dir).unwrap_or_default().unwrap_or_default();
        let is_first = {
            let mut others = stored.clone();
            others.put(key.clone());
            others.key.is_none() || others.plan_key.is_none()
        };
        if let (false, Some(old), Some(new)) = (is_first, stored.region.as_deref(), region)
            && old != new
        {
            return Err(say::other_region(old, new));
        }
        stored.put(key.clone());
        stored.region = region.map(str::to_owned).or(stored.region.filter(|_| !is_first));
        stored.path = data_dir.join(FILE);
        let text = |key: &Option<SecretString>| key.as_ref().map(|key| key.expose_secret().to_owned());
        let fields = [
            ("key", text(&stored.key)),
            ("plan_key", text(&stored.plan_key)),
            ("region", stored.region.clone()),
        ];
        let fields: serde_json::Map<_, _> = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), Value::String(value?))))
            .collect();
        match write_private(data_dir, FILE, &format!("{:#}\n", Value::Object(fields))) {
            Ok(()) => Ok(stored),
            Err(error) => Err(say::cannot_store(stored.path.display(), in_words(&error))),
        }
    }

    /// Whether both keys are stored.
    pub(super) fn has_both(&self) -> bool {
        self.key.is_some() && self.plan_key.is_some()
    }

    /// Deletes the stored keys. Returns whether there was one.
    pub(super) fn forget(data_dir: &Path) -> Result<bool, String> {
        let path = data_dir.join(FILE);
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(say::cannot_delete(path.display(), in_words(&error))),
        }
    }

    /// Decides which of the keys the server uses. A key in the environment replaces the stored key of its kind. A key of the
    /// balance replaces both, because it may belong to another account.
    pub(in crate::cli) fn use_beside(&mut self, has_key: bool, has_plan_key: bool) {
        self.key_in_use = self.key.is_some() && !has_key;
        self.plan_key_in_use = self.plan_key.is_some() && !has_key && !has_plan_key;
    }

    /// Whether the server uses at least one of them.
    pub(in crate::cli) fn is_in_use(&self) -> bool {
        self.key_in_use || self.plan_key_in_use
    }

    /// The value of a variable as if the used keys were in the environment. The region of the keys counts if the environment
    /// names neither a region nor a host.
    pub(in crate::cli) fn setting(
        &self,
        name: &str,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Option<String> {
        let is_set = |name: &str| lookup(name).is_some_and(|value| !value.trim().is_empty());
        let text = |key: &Option<SecretString>| key.as_ref().map(|key| key.expose_secret().to_owned());
        match name {
            "MINIMAX_API_KEY" if self.key_in_use => text(&self.key),
            "MINIMAX_PLAN_KEY" if self.plan_key_in_use => text(&self.plan_key),
            "MINIMAX_REGION"
                if self.is_in_use()
                    && !["MINIMAX_REGION", "MINIMAX_API_HOST", "MINIMAX_API_BASE"]
                        .iter()
                        .any(|name| is_set(name)) =>
            {
                self.region.clone()
            }
            _ => lookup(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(region: Option<&str>) -> Stored {
        let key = Some(SecretString::from("sk-api-stored"));
        let mut stored = Stored { key, region: region.map(str::to_owned), ..Stored::default() };
        stored.use_beside(false, false);
        stored
    }

    #[test]
    fn the_region_of_the_key_counts_unless_the_environment_names_one_or_a_host() {
        let none = |_: &str| None;
        assert_eq!(stored(Some("cn")).setting("MINIMAX_REGION", none).as_deref(), Some("cn"));
        assert_eq!(stored(None).setting("MINIMAX_REGION", none), None);
        for (set, wanted) in
            [("MINIMAX_REGION", Some("x")), ("MINIMAX_API_HOST", None), ("MINIMAX_API_BASE", None)]
        {
            let lookup = |name: &str| (name == set).then(|| "x".to_owned());
            assert_eq!(stored(Some("cn")).setting("MINIMAX_REGION", lookup).as_deref(), wanted, "{set}");
        }
        assert_eq!(stored(None).setting("MINIMAX_API_KEY", none).as_deref(), Some("sk-api-stored"));
    }

    #[test]
    fn a_stored_key_is_private_and_can_be_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        assert!(Stored::read(&data).unwrap().is_none() && !Stored::forget(&data).unwrap());
        let path = Stored::write(&data, &SecretString::from("sk-api-stored"), Some("cn")).unwrap().path;
        assert_eq!(Stored::read(&data).unwrap().unwrap().region.as_deref(), Some("cn"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            assert!(Stored::read(&data).unwrap_err().contains("minimax-mcp login"));
        }
        assert!(Stored::forget(&data).unwrap() && !path.exists());
    }

    #[test]
    fn a_new_key_replaces_the_one_of_its_kind_and_both_are_of_one_region() {
        let dir = tempfile::tempdir().unwrap();
        let write = |key: &str, region| Stored::write(dir.path(), &SecretString::from(key), region);
        let keys = |stored: &Stored| {
            [&stored.key, &stored.plan_key].map(|key| key.as_ref().map(|key| key.expose_secret().to_owned()))
        };
        let some = |key: &str| Some(key.to_owned());
        assert_eq!(keys(&write("sk-cp-a", Some("cn")).unwrap()), [None, some("sk-cp-a")]);
        // The only key may be of another region than the one before it.
        assert_eq!(write("sk-cp-b", Some("global")).unwrap().region, some("global"));
        assert_eq!(keys(&write("sk-api-c", Some("global")).unwrap()), [some("sk-api-c"), some("sk-cp-b")]);
        assert_eq!(keys(&write("eyJ-d", Some("global")).unwrap()), [some("eyJ-d"), some("sk-cp-b")]);
        let refusal = write("sk-cp-e", Some("cn")).unwrap_err();
        assert!(refusal.contains("`global`") && refusal.contains("minimax-mcp logout"), "{refusal}");
        let read = Stored::read(dir.path()).unwrap().unwrap();
        assert_eq!((keys(&read), read.region), ([some("eyJ-d"), some("sk-cp-b")], some("global")));
    }

    #[test]
    fn a_plan_key_that_an_older_version_stored_is_one_and_the_environment_decides_which_are_used() {
        let dir = tempfile::tempdir().unwrap();
        write_private(dir.path(), FILE, r#"{"key":"sk-cp-old","region":"cn"}"#).unwrap();
        let mut old = Stored::read(dir.path()).unwrap().unwrap();
        old.use_beside(false, false);
        assert!(!old.key_in_use && old.plan_key_in_use);
        let setting = |stored: &Stored, name: &str| stored.setting(name, |_| None);
        assert_eq!(setting(&old, "MINIMAX_PLAN_KEY").as_deref(), Some("sk-cp-old"));
        assert_eq!(setting(&old, "MINIMAX_API_KEY"), None);
        let mut both = Stored::write(dir.path(), &SecretString::from("sk-api-new"), Some("cn")).unwrap();
        for (has_key, has_plan_key, used) in
            [(false, false, (true, true)), (true, false, (false, false)), (false, true, (true, false))]
        {
            both.use_beside(has_key, has_plan_key);
            assert_eq!((both.key_in_use, both.plan_key_in_use), used, "{has_key} {has_plan_key}");
            assert_eq!(setting(&both, "MINIMAX_REGION").is_some(), used.0);
        }
    }
}
