//! The Keychain of macOS and the Credential Manager of Windows.

#[cfg(target_os = "macos")]
use apple_native_keyring_store::keychain::Store;
use keyring_core::api::CredentialStoreApi as _;
use keyring_core::{Entry, Error};
use secrecy::{ExposeSecret as _, SecretString};
#[cfg(windows)]
use windows_native_keyring_store::Store;

use super::{Problem, SERVICE};

pub(super) fn read(accounts: &[String]) -> Result<Vec<SecretString>, Problem> {
    let read = |account: &String| {
        let key = entry(account)?.get_password().map_err(|error| problem(&error))?;
        Ok(SecretString::from(key))
    };
    accounts.iter().map(read).collect()
}

pub(super) fn write(account: &str, key: &SecretString) -> Result<(), Problem> {
    entry(account)?.set_password(key.expose_secret()).map_err(|error| problem(&error))
}

pub(super) fn delete(accounts: &[String]) -> Result<(), Problem> {
    for account in accounts {
        match entry(account)?.delete_credential() {
            Ok(()) | Err(Error::NoEntry) => {}
            Err(error) => return Err(problem(&error)),
        }
    }
    Ok(())
}

fn entry(account: &str) -> Result<Entry, Problem> {
    let store = Store::new().map_err(|error| Problem::Absent(error.to_string()))?;
    store.build(SERVICE, account, None).map_err(|error| problem(&error))
}

fn problem(error: &Error) -> Problem {
    match error {
        Error::NoEntry | Error::BadEncoding(_) | Error::BadDataFormat(..) => Problem::Missing,
        Error::NoStorageAccess(_) => Problem::Locked,
        _ => Problem::Refused(error.to_string()),
    }
}
