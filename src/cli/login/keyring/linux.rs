//! The Secret Service, which GNOME's keyring, KWallet and KeePassXC offer over D-Bus.

use std::collections::HashMap;
use std::error::Error as _;
use std::future::Future;
use std::io;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use secret_service::{Collection, EncryptionType, Error, Item, SearchItemsResult, SecretService};
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::{PATIENCE, Problem, SERVICE};

/// The name of the entries in the program that shows a keyring.
const LABEL: &str = "MiniMax API key (minimax-mcp)";

const NO_BUS: &str = "there is no D-Bus session";

pub(super) fn read(accounts: &[String]) -> Result<Vec<SecretString>, Problem> {
    run(async {
        let service = connected().await?;
        let mut keys = Vec::new();
        for account in accounts {
            let found = soon(service.search_items(attributes(account))).await?;
            let Some(item) = found.unlocked.first() else {
                return Err(if found.locked.is_empty() { Problem::Missing } else { Problem::Locked });
            };
            let secret = soon(item.get_secret()).await?;
            let text = String::from_utf8(secret).map_err(|_| Problem::Missing)?;
            keys.push(SecretString::from(text));
        }
        Ok(keys)
    })
}

pub(super) fn write(account: &str, key: &SecretString) -> Result<(), Problem> {
    run(async {
        let service = connected().await?;
        let collection = soon(service.get_default_collection()).await?;
        unlocked(&collection).await?;
        let secret = key.expose_secret().as_bytes();
        // KWallet may ask for leave to store something.
        let stored = collection.create_item(LABEL, attributes(account), secret, true, "text/plain");
        stored.await.map_err(|error| problem(&error)).map(|_| ())
    })
}

pub(super) fn delete(accounts: &[String]) -> Result<(), Problem> {
    run(async {
        let service = connected().await?;
        for account in accounts {
            let SearchItemsResult { unlocked, locked } =
                soon(service.search_items(attributes(account))).await?;
            let items: Vec<&Item<'_>> = locked.iter().collect();
            if !items.is_empty() {
                service.unlock_all(&items).await.map_err(|error| problem(&error))?;
            }
            for item in unlocked.iter().chain(&locked) {
                item.delete().await.map_err(|error| problem(&error))?;
            }
        }
        Ok(())
    })
}

/// The service, by a connection whose secrets are encrypted on their way. Without a bus there is an error at once.
async fn connected() -> Result<SecretService<'static>, Problem> {
    let connect = SecretService::connect(EncryptionType::Dh);
    match timeout(PATIENCE, connect).await {
        Ok(connected) => connected.map_err(|error| Problem::Absent(in_short(&error))),
        Err(_) => Err(Problem::Late),
    }
}

/// Unlocks a collection. The keyring asks the person for its password.
async fn unlocked(collection: &Collection<'_>) -> Result<(), Problem> {
    if soon(collection.is_locked()).await? {
        collection.unlock().await.map_err(|error| problem(&error))?;
    }
    Ok(())
}

/// The answer to a request that waits for no person.
async fn soon<T>(request: impl Future<Output = Result<T, Error>>) -> Result<T, Problem> {
    timeout(PATIENCE, request).await.map_err(|_| Problem::Late)?.map_err(|error| problem(&error))
}

fn attributes(account: &str) -> HashMap<&str, &str> {
    HashMap::from([("service", SERVICE), ("username", account)])
}

fn problem(error: &Error) -> Problem {
    match error {
        // The person closed the question, or there is no screen to ask on.
        Error::Locked | Error::Prompt | Error::PromptDisconnected => Problem::Locked,
        Error::NoResult => Problem::Absent("it has no default collection".to_owned()),
        Error::Unavailable => Problem::Absent(in_short(error)),
        _ => Problem::Refused(in_short(error)),
    }
}

/// The error on one line.
fn in_short(error: &Error) -> String {
    match error {
        Error::Unavailable => NO_BUS.to_owned(),
        _ if is_of_connection(error) => NO_BUS.to_owned(),
        _ => error.to_string().lines().collect::<Vec<_>>().join(" "),
    }
}

/// Whether nothing listens at the address of the bus.
fn is_of_connection(error: &Error) -> bool {
    let mut cause = error.source();
    while let Some(found) = cause {
        if found.is::<io::Error>() || found.is::<Arc<io::Error>>() {
            return true;
        }
        cause = found.source();
    }
    false
}

/// Runs on this thread, which may wait.
fn run<T>(work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Problem::Refused(error.to_string()))?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}
