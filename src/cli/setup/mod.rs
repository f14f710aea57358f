//! `minimax-mcp setup`: writes this server into the lists of MCP clients, and takes it out again.

pub(super) mod clients;
pub(super) mod document;
pub(super) mod entry;
pub(super) mod file;
mod plan;
pub(super) mod undo;

use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal as _, Write};
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use secrecy::ExposeSecret as _;
use serde_json::json;

use self::clients::{CLIENTS, Client, Folders, Format, Scope, System};
use self::entry::{Entry, Launch, NAME};
use self::plan::Plan;
use self::undo::Edits;
use super::login::Stored;
use super::outcome::Outcome;
use crate::config::Config;

/// The arguments of `setup`.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "one field for each flag")]
pub(super) struct Options {
    /// The clients; without one, all that are found on this machine.
    #[arg(value_name = "CLIENT", value_parser = PossibleValuesParser::new(CLIENTS.iter().map(|client| client.id)))]
    clients: Vec<String>,
    /// The client's file for all projects, or the one in the current folder.
    #[arg(long, value_enum, default_value_t = Scope::User)]
    scope: Scope,
    /// Take the entry out again. A file that only `setup` has changed gets its old bytes back.
    #[arg(long, conflicts_with_all = ["print", "with_key"])]
    remove: bool,
    /// Write without a question.
    #[arg(long, short)]
    yes: bool,
    /// Show what would be written, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print the entry alone, to paste it yourself.
    #[arg(long)]
    print: bool,
    /// Write the key of MINIMAX_API_KEY into the client's file. Not needed after `minimax-mcp login`.
    #[arg(long)]
    with_key: bool,
}

/// What `setup` knows about this run besides its arguments.
pub(super) struct Surroundings<'a> {
    pub(super) config: &'a Config,
    /// The key that `login` stored, if there is one.
    pub(super) stored: Option<&'a Stored>,
    pub(super) folders: Folders,
    /// The program that runs.
    pub(super) program: PathBuf,
    /// Settings of this shell that an entry needs: MINIMAX_DATA_DIR and MINIMAX_REGION, if they are set.
    pub(super) data_dir: Option<String>,
    pub(super) region: Option<String>,
}

/// Runs the command.
pub(super) fn run(options: &Options, around: &Surroundings<'_>) -> Outcome {
    let mut out = io::stdout().lock();
    let entry = entry_for(options, around)?;
    let targets = targets(options, &around.folders)?;
    if options.print {
        for client in &targets {
            write!(out, "{}", printed(&entry, client))?;
        }
        return Ok(());
    }
    let mut edits = Edits::read(&around.config.data_dir);
    let mut plans = Vec::new();
    let mut failed = 0;
    for client in targets {
        if let Format::Printed { place, .. } = client.format {
            if options.remove {
                writeln!(out, "{}: remove the entry `{NAME}` yourself: {place}.", client.title)?;
            } else {
                writeln!(out, "{}: add this yourself: {place}.\n{}", client.title, printed(&entry, client))?;
            }
            continue;
        }
        let Some(path) = client.file(options.scope, &around.folders) else {
            writeln!(io::stderr(), "{}: has no file in a project; leave out --scope project", client.title)?;
            failed += 1;
            continue;
        };
        let plan = if options.remove {
            Plan::removal(client, &path, &edits)
        } else {
            Plan::addition(client, &path, &edits, &entry)
        };
        match plan {
            Ok(plan) => {
                writeln!(out, "{}", plan.shown())?;
                plans.push(plan);
            }
            Err(problem) => {
                writeln!(io::stderr(), "{}: {problem}", client.title)?;
                failed += 1;
            }
        }
    }
    plans.retain(Plan::changes);
    if !plans.is_empty() && !options.dry_run {
        if !confirmed(options, plans.len(), &mut out)? {
            return Err("nothing was written".into());
        }
        let private = entry.key.is_some();
        for plan in &plans {
            match plan.carry_out(&mut edits, &around.config.data_dir, private) {
                Ok(said) => writeln!(out, "{said}")?,
                Err(error) => {
                    writeln!(io::stderr(), "{}: {}: {error}", plan.client.title, plan.path().display())?;
                    failed += 1;
                }
            }
        }
        writeln!(out, "Restart the client, or reload its list of servers.")?;
    }
    if options.dry_run {
        writeln!(out, "Nothing was written (--dry-run).")?;
    }
    if !options.remove {
        write!(out, "{}", advice(options, around))?;
    }
    match failed {
        0 => Ok(()),
        1 => Err("1 client was left as it was".into()),
        failed => Err(format!("{failed} clients were left as they were").into()),
    }
}

/// The clients that are named, or those that are found.
fn targets(options: &Options, folders: &Folders) -> Result<Vec<&'static Client>, String> {
    if !options.clients.is_empty() {
        let mut named: Vec<&Client> = Vec::new();
        for client in options.clients.iter().filter_map(|id| Client::named(id)) {
            if !named.iter().any(|known| known.id == client.id) {
                named.push(client);
            }
        }
        return Ok(named);
    }
    let found: Vec<_> = CLIENTS.iter().filter(|client| client.is_found(options.scope, folders)).collect();
    if found.is_empty() {
        let ids: Vec<_> = CLIENTS.iter().map(|client| client.id).collect();
        return Err(format!("no client was found; name one of {}", ids.join(", ")));
    }
    Ok(found)
}

fn entry_for(options: &Options, around: &Surroundings<'_>) -> Result<Entry, String> {
    let config = around.config;
    let key = match (&config.key, around.stored) {
        _ if !options.with_key => None,
        (Some(key), None) => Some(key.expose_secret().to_owned()),
        (Some(key), Some(stored)) if !stored.in_use => Some(key.expose_secret().to_owned()),
        (_, Some(_)) => {
            let words = "--with-key takes the key from MINIMAX_API_KEY, which is not set; the key that `login` stored \
                         needs no place in a client's file";
            return Err(words.to_owned());
        }
        (None, None) => {
            return Err("--with-key takes the key from MINIMAX_API_KEY, which is not set".to_owned());
        }
    };
    let mut env = Vec::new();
    if let Some(region) = around.region.as_ref().filter(|_| key.is_some()) {
        env.push(("MINIMAX_REGION", region.clone()));
    }
    // The stored key and the records are there.
    if around.data_dir.is_some() {
        env.push(("MINIMAX_DATA_DIR", config.data_dir.to_string_lossy().into_owned()));
    }
    Ok(Entry {
        launch: Launch::of(&around.program, &config.program_dirs, System::HERE),
        key,
        env,
        ask: around.stored.is_none(),
    })
}

/// The entry as a person pastes it, with the keys around it.
fn printed(entry: &Entry, client: &Client) -> String {
    match client.format {
        Format::Printed { yaml: true, .. } => entry.yaml(client),
        Format::Json | Format::Printed { .. } => {
            let mut whole = json!({ client.servers: { NAME: entry.value(client) } });
            if let (true, Some(fields)) = (entry.asks(client), whole.as_object_mut()) {
                fields.insert("inputs".to_owned(), json!([plan::input()]));
            }
            format!("{whole:#}\n")
        }
        Format::Toml => {
            let place = document::Place { servers: client.servers, name: NAME };
            document::set(client.format, "", place, &entry.value(client), None).unwrap_or_default()
        }
    }
}

/// Asks at a terminal. Elsewhere only `--yes` agrees.
fn confirmed(options: &Options, count: usize, out: &mut impl Write) -> io::Result<bool> {
    if options.yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        writeln!(io::stderr(), "minimax-mcp: there is no terminal to ask at; add --yes to write this")?;
        return Ok(false);
    }
    let files = if count == 1 { "this file".to_owned() } else { format!("these {count} files") };
    ask(&format!("Change {files}? [y/n] "), &mut io::stdin().lock(), out)
}

/// Puts a question until it is answered. The end of the input is a no.
pub(super) fn ask(question: &str, input: &mut impl BufRead, out: &mut impl Write) -> io::Result<bool> {
    loop {
        write!(out, "{question}")?;
        out.flush()?;
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(false);
        }
        match line.trim().to_lowercase().as_str() {
            "y" | "yes" => return Ok(true),
            "n" | "no" => return Ok(false),
            _ => {}
        }
    }
}

/// Where the server will find its key, if that needs a step.
fn advice(options: &Options, around: &Surroundings<'_>) -> String {
    let mut text = String::new();
    if options.with_key {
        if options.scope == Scope::Project {
            text.push_str("The key is in a file of the project: do not commit it.\n");
        }
    } else if around.stored.is_none() {
        let why = match around.config.key {
            Some(_) => "The key of this shell is not written into a client's file.",
            None => "No key is stored yet.",
        };
        let _ = writeln!(text, "{why} Run `minimax-mcp login` once; then every client has it.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_answer_counts_and_silence_is_a_no() {
        for (typed, wanted, asked) in
            [("y\n", true, 1), ("YES\n", true, 1), ("n\n", false, 1), ("hm\n\ny\n", true, 3), ("", false, 1)]
        {
            let mut out = Vec::new();
            assert_eq!(ask("? ", &mut typed.as_bytes(), &mut out).unwrap(), wanted, "{typed:?}");
            assert_eq!(out.len(), asked * 2, "{typed:?}");
        }
    }
}
