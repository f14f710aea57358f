//! The file with the key, for its owner alone. It is a file and not the system's keyring: a client starts the server
//! without a person at hand, and a keyring that is locked, or that does not know this version of the program, asks its
//! user and blocks the start until there is an answer.

use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::cli::setup::undo::write_private;
use crate::cli::texts::login as say;
use crate::config::KeyKind;
use crate::media::private;

const FILE: &str = "credentials.json";

/// Longer than any key.
const MOST: u64 = 64 << 10;

/// A stored key.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Stored {
    key: SecretString,
    region: Option<String>,
    /// The file that it is in.
    pub(in crate::cli) path: PathBuf,
    /// Whether the server uses it in this environment.
    pub(in crate::cli) in_use: bool,
}

impl Stored {
    /// The stored key, or `None` if there is none. The error is a warning: it names the file and what to do.
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
        let key = text("key").ok_or_else(|| unused("the file has no key"))?;
        Ok(Some(Self { key: SecretString::from(key), region: text("region"), path, in_use: false }))
    }

    /// Whether its beginning shows it to be a plan's.
    pub(in crate::cli) fn is_of_plan(&self) -> bool {
        KeyKind::of(Some(&self.key)) == KeyKind::Plan
    }

    /// Stores a key, in place of an earlier one. Returns the file.
    pub(super) fn write(
        data_dir: &Path,
        key: &SecretString,
        region: Option<&str>,
    ) -> Result<PathBuf, String> {
        let text = format!("{:#}\n", json!({ "key": key.expose_secret(), "region": region }));
        let path = data_dir.join(FILE);
        match write_private(data_dir, FILE, &text) {
            Ok(()) => Ok(path),
            Err(error) => Err(say::cannot_store(path.display(), error)),
        }
    }

    /// Deletes the stored key. Returns whether there was one.
    pub(super) fn forget(data_dir: &Path) -> io::Result<bool> {
        match std::fs::remove_file(data_dir.join(FILE)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A variable as it would be with this key in the environment. The region of the key counts if the environment names
    /// neither a region nor a host.
    pub(in crate::cli) fn setting(
        &self,
        name: &str,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Option<String> {
        let is_set = |name: &str| lookup(name).is_some_and(|value| !value.trim().is_empty());
        match name {
            "MINIMAX_API_KEY" => Some(self.key.expose_secret().to_owned()),
            "MINIMAX_REGION"
                if !["MINIMAX_REGION", "MINIMAX_API_HOST", "MINIMAX_API_BASE"]
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
        let key = SecretString::from("sk-api-stored");
        Stored { key, region: region.map(str::to_owned), path: PathBuf::new(), in_use: false }
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
    fn a_key_is_kept_for_its_owner_alone_and_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        assert!(Stored::read(&data).unwrap().is_none() && !Stored::forget(&data).unwrap());
        let path = Stored::write(&data, &SecretString::from("sk-api-stored"), Some("cn")).unwrap();
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
}
