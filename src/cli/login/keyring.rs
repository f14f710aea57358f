//! The system's keyring, for `login --keyring`: the Keychain on macOS, the Credential Manager on Windows, the Secret Service
//! on Linux. A keyring may ask a person, or never answer, so each access has a thread of its own and a time limit.

#[cfg(all(feature = "keyring", target_os = "linux"))]
#[path = "keyring/linux.rs"]
mod system;
#[cfg(all(feature = "keyring", any(target_os = "macos", windows)))]
#[path = "keyring/native.rs"]
mod system;
#[cfg(not(all(feature = "keyring", any(target_os = "linux", target_os = "macos", windows))))]
#[path = "keyring/none.rs"]
mod system;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use data_encoding::HEXLOWER;
use secrecy::SecretString;

use crate::texts::login as say;

/// How long a keyring may take to answer. A start waits no longer.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a person at hand may take to answer the keyring's own question.
const PERSON: Duration = Duration::from_secs(60);

/// The service that entries are stored under.
#[cfg_attr(not(feature = "keyring"), allow(dead_code, reason = "only keyrings have entries"))]
const SERVICE: &str = "minimax-mcp";

/// Why the keyring did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(not(feature = "keyring"), allow(dead_code, reason = "only keyrings are locked"))]
pub(in crate::cli) enum Problem {
    /// There is none, or nothing that speaks for it.
    #[error("no keyring can be reached here ({0})")]
    Absent(String),
    /// A person must unlock it first, or has declined to.
    #[error("it is locked")]
    Locked,
    /// No answer in time.
    #[error("it did not answer in time")]
    Late,
    /// The entry is gone.
    #[error("it no longer has the key")]
    Missing,
    /// Anything else that it said.
    #[error("it refused: {0}")]
    Refused(String),
}

impl Problem {
    /// The problem in the language of the user.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Absent(why) => say::keyring_absent(why),
            Self::Locked => say::keyring_locked(),
            Self::Late => say::keyring_late(),
            Self::Missing => say::keyring_missing(),
            Self::Refused(why) => say::keyring_refused(why),
        }
    }
}

/// A name for a new entry. Each data folder has entries of its own.
pub(super) fn new_account() -> Result<String, Problem> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| Problem::Refused(error.to_string()))?;
    Ok(format!("key-{}", HEXLOWER.encode(&bytes)))
}

/// Reads entries. Does not ask for the keyring to be unlocked.
pub(super) fn read(accounts: Vec<String>) -> Result<Vec<SecretString>, Problem> {
    within(PATIENCE, move || system::read(&accounts))
}

/// Writes an entry, in place of an earlier one of the same name. A locked keyring asks for its password first.
pub(super) fn write(account: String, key: SecretString) -> Result<(), Problem> {
    within(PERSON, move || system::write(&account, &key))
}

/// Deletes entries. One that is gone already is no error. A locked keyring asks for its password first.
pub(super) fn delete(accounts: Vec<String>) -> Result<(), Problem> {
    if accounts.is_empty() {
        return Ok(());
    }
    within(PERSON, move || system::delete(&accounts))
}

/// Runs something that may block. After the limit, its thread is left to itself and ends with the process.
fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::Builder::new().name("keyring".to_owned()).spawn(move || sender.send(work()));
    thread.map_err(|error| Problem::Refused(error.to_string()))?;
    receiver.recv_timeout(limit).unwrap_or(Err(Problem::Late))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_that_never_ends_is_given_up() {
        let (held, wait) = mpsc::channel::<()>();
        let read = within(Duration::from_millis(50), move || {
            let _ = wait.recv();
            Ok(())
        });
        assert_eq!(read, Err(Problem::Late));
        drop(held);
        assert_eq!(within(PATIENCE, || Ok(1)), Ok(1));
    }
}
