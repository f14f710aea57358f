//! The file with the keys, for its owner alone. By default it holds the keys themselves and not the system's keyring: a
//! client starts the server without a person at hand, and a keyring that is locked, or that does not know this version of the
//! program, asks its user. With `login --keyring` the file names the keyring's entry in place of the key.

use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

use super::keyring::{self, Problem};
use crate::cli::setup::undo::write_private;
use crate::config::KeyKind;
use crate::media::private;
use crate::telemetry::in_words;
use crate::texts::login as say;

const FILE: &str = "credentials.json";

/// The largest file that is read, in bytes. Real ones are much smaller.
const MOST: u64 = 64 << 10;

/// The fields with the keys, and the one that names entries of the keyring by these fields.
const KEY: &str = "key";
const PLAN_KEY: &str = "plan_key";
const KEYRING: &str = "keyring";

/// Where a key is.
#[derive(Debug, Clone)]
enum Place {
    /// In the file.
    File(SecretString),
    /// In the keyring. The key is there once it has been read.
    Keyring { account: String, key: Option<SecretString> },
}

impl Place {
    fn key(&self) -> Option<&SecretString> {
        match self {
            Self::File(key) => Some(key),
            Self::Keyring { key, .. } => key.as_ref(),
        }
    }

    fn account(&self) -> Option<&str> {
        match self {
            Self::File(_) => None,
            Self::Keyring { account, .. } => Some(account),
        }
    }

    fn text(&self) -> Option<String> {
        self.key().map(|key| key.expose_secret().to_owned())
    }
}

/// The stored keys: that of the balance, that of a plan, or both. Both are of one region.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Stored {
    key: Option<Place>,
    plan_key: Option<Place>,
    region: Option<String>,
    /// The file that they are in.
    pub(in crate::cli) path: PathBuf,
    /// Whether the server uses the key of the balance in this environment.
    pub(in crate::cli) key_in_use: bool,
    /// Whether it uses the key of the plan.
    pub(in crate::cli) plan_key_in_use: bool,
}

/// Why a key was not stored.
pub(super) enum NotStored {
    /// The keyring did not take it.
    Keyring(Problem),
    /// Another reason, for a person.
    Other(String),
}

impl Stored {
    /// The stored keys, or `None` if there are none. Those in the keyring are not read. The error is a warning: it names
    /// the file and what to do.
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
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let account = |name: &str| {
            let account = text(value.get(KEYRING)?, name)?;
            Some(Place::Keyring { account, key: None })
        };
        let mut stored = Self {
            key: account(KEY),
            plan_key: account(PLAN_KEY),
            region: text(&value, "region"),
            path: path.clone(),
            ..Self::default()
        };
        // A version that knew one key wrote a plan's key as `key`.
        for key in [text(&value, PLAN_KEY), text(&value, KEY)].into_iter().flatten() {
            let key = SecretString::from(key);
            *stored.place_of(&key) = Some(Place::File(key.clone()));
        }
        if stored.key.is_none() && stored.plan_key.is_none() {
            return Err(unused("the file has no key"));
        }
        Ok(Some(stored))
    }

    /// Reads the keys that the server uses from the keyring, if any of them is there. The error names what to do.
    pub(in crate::cli) fn read_keyring(&mut self) -> Result<(), String> {
        let in_use = [(&mut self.key, self.key_in_use), (&mut self.plan_key, self.plan_key_in_use)];
        let mut wanted = Vec::new();
        for (place, _) in in_use.into_iter().filter(|(_, is_used)| *is_used) {
            if let Some(Place::Keyring { account, key }) = place {
                wanted.push((account.clone(), key));
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let keys = keyring::read(wanted.iter().map(|(account, _)| account.clone()).collect());
        let keys = keys.map_err(|problem| {
            let then = match &problem {
                Problem::Locked => "unlock it and restart the server, or ",
                Problem::Late => "if it asks something, answer it and restart the server, or ",
                Problem::Absent(_) | Problem::Missing | Problem::Refused(_) => "",
            };
            let file = "run `minimax-mcp login` to store the key in a file instead";
            format!("the stored key is in the system's keyring and cannot be read: {problem}; {then}{file}")
        })?;
        for ((_, place), key) in wanted.into_iter().zip(keys) {
            *place = Some(key);
        }
        Ok(())
    }

    /// The place of keys of this kind.
    fn place_of(&mut self, key: &SecretString) -> &mut Option<Place> {
        match KeyKind::of(Some(key)) {
            KeyKind::Plan => &mut self.plan_key,
            KeyKind::PayAsYouGo | KeyKind::Other | KeyKind::Missing => &mut self.key,
        }
    }

    /// Stores a key, in place of an earlier one of its kind. One of the other kind stays where it is, if it is of the same
    /// region. Returns what is stored now, and why the keyring still has the earlier one, if it does.
    pub(super) fn write(
        data_dir: &Path,
        key: &SecretString,
        region: Option<&str>,
        in_keyring: bool,
    ) -> Result<(Self, Option<Problem>), NotStored> {
        // A file that cannot be read has no key that could stay.
        let mut stored = Self::read(data_dir).unwrap_or_default().unwrap_or_default();
        let earlier = stored.place_of(key).take();
        let is_alone = stored.key.is_none() && stored.plan_key.is_none();
        if let (false, Some(old), Some(new)) = (is_alone, stored.region.as_deref(), region)
            && old != new
        {
            return Err(NotStored::Other(say::other_region(old, new)));
        }
        let earlier = earlier.as_ref().and_then(Place::account).map(str::to_owned);
        let place = if in_keyring {
            let account =
                earlier.clone().map_or_else(keyring::new_account, Ok).map_err(NotStored::Keyring)?;
            keyring::write(account.clone(), key.clone()).map_err(NotStored::Keyring)?;
            Place::Keyring { account, key: Some(key.clone()) }
        } else {
            Place::File(key.clone())
        };
        *stored.place_of(key) = Some(place);
        stored.region = region.map(str::to_owned).or(stored.region.filter(|_| !is_alone));
        stored.path = data_dir.join(FILE);
        write_private(data_dir, FILE, &format!("{:#}\n", Value::Object(stored.fields())))
            .map_err(|error| NotStored::Other(say::cannot_store(stored.path.display(), in_words(&error))))?;
        let unneeded = earlier.filter(|_| !in_keyring).into_iter().collect();
        let left = keyring::delete(unneeded).err();
        Ok((stored, left))
    }

    /// The file's fields.
    fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut accounts = Map::new();
        for (name, place) in [(KEY, &self.key), (PLAN_KEY, &self.plan_key)] {
            match place {
                None => {}
                Some(Place::File(key)) => drop(fields.insert(name.to_owned(), json!(key.expose_secret()))),
                Some(Place::Keyring { account, .. }) => {
                    accounts.insert(name.to_owned(), json!(account));
                }
            }
        }
        if !accounts.is_empty() {
            fields.insert(KEYRING.to_owned(), Value::Object(accounts));
        }
        fields.extend(self.region.iter().map(|region| ("region".to_owned(), json!(region))));
        fields
    }

    /// Whether both keys are stored.
    pub(super) fn has_both(&self) -> bool {
        self.key.is_some() && self.plan_key.is_some()
    }

    /// Whether the key of a setting is in the keyring.
    pub(in crate::cli) fn is_in_keyring(&self, setting: &str) -> bool {
        let place = if setting == "MINIMAX_PLAN_KEY" { &self.plan_key } else { &self.key };
        place.as_ref().is_some_and(|place| place.account().is_some())
    }

    /// Where the key of a setting is, in the language of the user.
    pub(in crate::cli) fn place(&self, setting: &str) -> String {
        if self.is_in_keyring(setting) {
            say::source_keyring()
        } else {
            say::source_login(self.path.display())
        }
    }

    /// Where the key of a setting is from, if the server uses it, for the list of settings.
    pub(in crate::cli) fn source(&self, setting: &str) -> Option<String> {
        let is_used = match setting {
            "MINIMAX_API_KEY" => self.key_in_use,
            "MINIMAX_PLAN_KEY" => self.plan_key_in_use,
            _ => false,
        };
        let place = if self.is_in_keyring(setting) {
            "the system's keyring".to_owned()
        } else {
            self.path.display().to_string()
        };
        is_used.then(|| format!("minimax-mcp login, {place}"))
    }

    /// The settings whose keys are used and could not be read.
    pub(in crate::cli) fn unread(&self) -> impl Iterator<Item = &'static str> {
        let places = [
            ("MINIMAX_API_KEY", &self.key, self.key_in_use),
            ("MINIMAX_PLAN_KEY", &self.plan_key, self.plan_key_in_use),
        ];
        let unread = places.map(|(name, place, is_used)| {
            (is_used && place.as_ref().is_some_and(|place| place.key().is_none())).then_some(name)
        });
        unread.into_iter().flatten()
    }

    /// Deletes the stored keys. Returns whether there was one.
    pub(super) fn forget(data_dir: &Path) -> Result<bool, String> {
        let path = data_dir.join(FILE);
        // A file that cannot be read names no entry.
        if let Some(stored) = Self::read(data_dir).unwrap_or_default() {
            let accounts = [&stored.key, &stored.plan_key].into_iter().flatten().filter_map(Place::account);
            keyring::delete(accounts.map(str::to_owned).collect())
                .map_err(|problem| say::cannot_forget(problem.words(), path.display()))?;
        }
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
        match name {
            "MINIMAX_API_KEY" if self.key_in_use => self.key.as_ref().and_then(Place::text),
            "MINIMAX_PLAN_KEY" if self.plan_key_in_use => self.plan_key.as_ref().and_then(Place::text),
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
        let key = Some(Place::File(SecretString::from("sk-api-stored")));
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

    fn in_file(data_dir: &Path, key: &str, region: &str) -> Result<Stored, String> {
        match Stored::write(data_dir, &SecretString::from(key), Some(region), false) {
            Ok((stored, left)) => {
                assert!(left.is_none());
                Ok(stored)
            }
            Err(NotStored::Other(why)) => Err(why),
            Err(NotStored::Keyring(problem)) => panic!("{problem}"),
        }
    }

    #[test]
    fn a_stored_key_is_private_and_can_be_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        assert!(Stored::read(&data).unwrap().is_none() && !Stored::forget(&data).unwrap());
        let path = in_file(&data, "sk-api-stored", "cn").unwrap().path;
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
        let write = |key: &str, region: Option<&str>| in_file(dir.path(), key, region.unwrap());
        let keys = |stored: &Stored| {
            [&stored.key, &stored.plan_key].map(|place| place.as_ref().and_then(Place::text))
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
        let mut both = in_file(dir.path(), "sk-api-new", "cn").unwrap();
        for (has_key, has_plan_key, used) in
            [(false, false, (true, true)), (true, false, (false, false)), (false, true, (true, false))]
        {
            both.use_beside(has_key, has_plan_key);
            assert_eq!((both.key_in_use, both.plan_key_in_use), used, "{has_key} {has_plan_key}");
            assert_eq!(setting(&both, "MINIMAX_REGION").is_some(), used.0);
        }
    }
}
