//! `minimax-mcp migrate` and `minimax-mcp import`: the tables in PostgreSQL, and the records of a folder in them.

use std::io::{self, Write as _};
use std::path::Path;

use secrecy::SecretString;

use super::outcome::Outcome;
use crate::config::Config;
use crate::store::{self, Imported, Store, StoreError};

/// Creates or updates the tables.
pub(super) async fn migrate(config: &Config) -> Outcome {
    let was_changed = store::migrate(url(config)?).await.map_err(|error| in_words(&error))?;
    let words = if was_changed { "the tables are now up to date" } else { "the tables were up to date" };
    writeln!(io::stdout(), "{words}")?;
    Ok(())
}

/// Copies the records of a folder.
pub(super) async fn import(config: &Config, from: Option<&Path>) -> Outcome {
    let (from, url) = (from.unwrap_or(&config.data_dir), url(config)?);
    let Some(tables) = store::import(from, url).await.map_err(|error| in_words(&error))? else {
        return Err(format!("there is no {} in {}", Store::FILE, from.display()).into());
    };
    for copied in tables {
        let Imported { table, written, known, unreadable } = copied;
        let unreadable = if unreadable > 0 { format!(", {unreadable} unreadable") } else { String::new() };
        writeln!(io::stdout(), "{table}: {written} copied, {known} there already{unreadable}")?;
    }
    Ok(())
}

fn url(config: &Config) -> Result<&SecretString, String> {
    if let Some(problem) = config.problems.iter().find(|problem| problem.name == "MINIMAX_STORE_URL") {
        return Err(problem.to_string());
    }
    let none = "MINIMAX_STORE_URL is not set. SQLite's file is updated by the next start";
    config.store_url.as_ref().ok_or_else(|| none.to_owned())
}

fn in_words(error: &StoreError) -> String {
    format!("{error}. {}", error.advice())
}
