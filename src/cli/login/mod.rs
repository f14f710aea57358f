//! `minimax-mcp login` and `logout`: one place for the keys, so that no client's file contains them.

mod keyring;
mod stored;

use std::io::{self, IsTerminal as _, Read as _, Write as _};

use secrecy::SecretString;

use self::keyring::Problem;
use self::stored::NotStored;
pub(super) use self::stored::Stored;
use super::doctor;
use super::outcome::Outcome;
use super::setup::ask;
use crate::config::{Config, HOSTS, KeyKind, read_key};
use crate::texts::LanguageOption;
use crate::texts::login as say;

/// The most bytes that are read, more than any key with the text that people paste around it.
const MOST: u64 = 16 << 10;

/// The arguments of `login`.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Options {
    /// The region of the key. Without it, both regions are asked, which costs nothing.
    #[arg(long, value_parser = ["global", "cn"])]
    region: Option<String>,
    /// Store the key in the system's keyring instead of a file. While that is locked, the server starts without the key.
    #[arg(long)]
    keyring: bool,
    #[command(flatten)]
    pub(super) language: LanguageOption,
}

/// Reads a key, finds the region that accepts it, and stores both.
pub(super) async fn run(options: &Options, config: &Config) -> Outcome {
    store(options, config).await?;
    writeln!(io::stdout(), "{}", say::next_step())?;
    Ok(())
}

/// Like [`run`], but does not mention the next step.
pub(super) async fn store(options: &Options, config: &Config) -> Outcome {
    let text = typed()?;
    if text.trim().is_empty() {
        return Err(say::none_given().into());
    }
    let key = SecretString::from(read_key(&text)?);
    let kind = match KeyKind::of(Some(&key)) {
        KeyKind::Plan => say::kind_plan(),
        KeyKind::PayAsYouGo => say::kind_balance(),
        KeyKind::Other | KeyKind::Missing => say::kind_unknown(),
    };
    let hosts: Vec<_> = match &options.region {
        _ if !HOSTS.iter().any(|(.., host)| *host == config.host) => vec![(None, config.host.as_str())],
        Some(region) => {
            let named = HOSTS.iter().filter(|(_, name, _)| name == region);
            named.map(|(_, name, host)| (Some(*name), *host)).collect()
        }
        None => HOSTS.iter().map(|(_, name, host)| (Some(*name), *host)).collect(),
    };
    let verdict = doctor::probe_key(&key, &hosts).await;
    let region = match verdict {
        doctor::Verdict::Accepted(region) => region.map(str::to_owned).or_else(|| options.region.clone()),
        doctor::Verdict::Refused(why) => return Err(say::not_stored(why).into()),
        doctor::Verdict::Unknown(why) => {
            let Some(region) = &options.region else {
                return Err(say::not_checked_not_stored(why).into());
            };
            writeln!(io::stderr(), "minimax-mcp: {}", say::not_checked(why))?;
            Some(region.clone())
        }
    };
    let write = |in_keyring| Stored::write(&config.data_dir, &key, region.as_deref(), in_keyring);
    let written = match write(options.keyring) {
        Err(NotStored::Keyring(problem)) if in_file_instead(&problem)? => write(false),
        written => written,
    };
    let (stored, left) = match written {
        Ok(written) => written,
        Err(NotStored::Other(why)) => return Err(why.into()),
        Err(NotStored::Keyring(problem)) => return Err(not_in_keyring(&problem).into()),
    };
    let is_of_plan = KeyKind::of(Some(&key)) == KeyKind::Plan;
    let setting = if is_of_plan { "MINIMAX_PLAN_KEY" } else { "MINIMAX_API_KEY" };
    let region = region.map(say::stored_region).unwrap_or_default();
    let path = stored.path.display();
    let words = if stored.is_in_keyring(setting) {
        say::stored_in_keyring(kind, region, path)
    } else {
        say::stored(kind, region, path)
    };
    writeln!(io::stdout(), "{words}")?;
    if let Some(problem) = left {
        writeln!(io::stderr(), "minimax-mcp: {}", say::keyring_left(problem.words()))?;
    }
    if stored.has_both() {
        writeln!(io::stdout(), "{}", say::both_stored())?;
    }
    let setting = match (&config.key, &config.plan_key) {
        (Some(_), _) => Some("MINIMAX_API_KEY"),
        (None, Some(_)) if is_of_plan => Some("MINIMAX_PLAN_KEY"),
        (None, _) => None,
    };
    if let Some(setting) = setting {
        writeln!(io::stderr(), "minimax-mcp: {}", say::environment_counts(setting))?;
    }
    Ok(())
}

fn not_in_keyring(problem: &Problem) -> String {
    say::keyring_not_stored(problem.words()) + &say::keyring_use_file()
}

/// Asks, at a terminal, whether the file may take the key that the keyring did not.
fn in_file_instead(problem: &Problem) -> io::Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    writeln!(io::stderr(), "minimax-mcp: {}", say::keyring_not_stored(problem.words()))?;
    ask(&say::keyring_offer_file(), &mut io::stdin().lock(), &mut io::stdout().lock())
}

/// The text with the key: asked for without an echo at a terminal, else all of stdin.
fn typed() -> io::Result<String> {
    if io::stdin().is_terminal() {
        return rpassword::prompt_password(say::key_question());
    }
    let mut text = String::new();
    match io::stdin().take(MOST).read_to_string(&mut text) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(io::Error::other(say::not_text())),
        read => read.map(|_| text),
    }
}

/// Deletes the stored keys.
pub(super) fn forget(config: &Config) -> Outcome {
    let was_there = Stored::forget(&config.data_dir)?;
    let words = if was_there { say::deleted() } else { say::none_stored() };
    Ok(writeln!(io::stdout(), "{words}")?)
}
