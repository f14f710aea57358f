//! `minimax-mcp login` and `logout`: one place for the key, so that no client's file holds it.

mod stored;

use std::io::{self, IsTerminal as _, Read as _, Write as _};

use secrecy::SecretString;

pub(super) use self::stored::Stored;
use super::doctor;
use super::outcome::Outcome;
use crate::config::{Config, HOSTS, KeyKind, read_key};

/// Longer than any key, with what people paste around it.
const MOST: u64 = 16 << 10;

/// The arguments of `login`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The region of the key. Without it, both regions are asked, which costs nothing.
    #[arg(long, value_parser = ["global", "cn"])]
    region: Option<String>,
}

/// Reads a key, finds the region that takes it, and stores both.
pub(super) async fn run(options: &Options, config: &Config) -> Outcome {
    let text = typed()?;
    let key = SecretString::from(read_key(&text)?);
    let kind = match KeyKind::of(Some(&key)) {
        KeyKind::Plan => "of a subscription plan",
        KeyKind::PayAsYouGo => "that pays from the balance",
        KeyKind::Other | KeyKind::Missing => "of a kind that is not known by its beginning",
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
        doctor::Verdict::Refused(why) => return Err(format!("the key was not stored: {why}").into()),
        doctor::Verdict::Unknown(why) => {
            let Some(region) = &options.region else {
                let hint = "add `--region global` or `--region cn` to store it unchecked";
                return Err(format!("the key was not checked, so it was not stored: {why}; {hint}").into());
            };
            writeln!(io::stderr(), "minimax-mcp: the key was not checked: {why}")?;
            Some(region.clone())
        }
    };
    let path = Stored::write(&config.data_dir, &key, region.as_deref())?;
    let region = region.map(|region| format!(", region `{region}`")).unwrap_or_default();
    writeln!(
        io::stdout(),
        "Stored a key {kind}{region} in {}, which only you can read. The server uses it when MINIMAX_API_KEY is not \
         set.\nNext: `minimax-mcp setup` writes the server into your clients.",
        path.display()
    )?;
    if config.key.is_some() {
        writeln!(io::stderr(), "minimax-mcp: in this shell MINIMAX_API_KEY is set, which takes precedence")?;
    }
    Ok(())
}

/// The text with the key: asked for without an echo at a terminal, else all of stdin.
fn typed() -> io::Result<String> {
    if io::stdin().is_terminal() {
        let question = "MiniMax API key, from platform.minimax.io or platform.minimax.cn (it is not shown): ";
        return rpassword::prompt_password(question);
    }
    let mut text = String::new();
    io::stdin().take(MOST).read_to_string(&mut text)?;
    Ok(text)
}

/// Forgets the stored key.
pub(super) fn forget(config: &Config) -> Outcome {
    let was_there = Stored::forget(&config.data_dir)?;
    let words = if was_there { "The stored key was deleted." } else { "No key is stored." };
    Ok(writeln!(io::stdout(), "{words}")?)
}
