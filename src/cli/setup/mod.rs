//! `minimax-mcp setup`: adds this server to the lists of MCP clients, and removes it again.

pub(super) mod clients;
pub(super) mod entry;
mod planned_edit;
pub(super) mod undo;

use std::io::{self, BufRead, IsTerminal as _, Write};
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use secrecy::ExposeSecret as _;
use serde_json::json;

use self::clients::{CLIENTS, Client, Folders, Scope, System};
use self::entry::{Entry, Launch, NAME};
use self::planned_edit::PlannedEdit;
use self::undo::Edits;
use super::login::Stored;
use super::outcome::Outcome;
use crate::config::Config;
use crate::documents::{self as document, Format};
use crate::telemetry::in_words;
use crate::texts::LanguageOption;
use crate::texts::setup as say;

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
    #[arg(long, conflicts_with_all = ["print", "with_key", "notify"])]
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
    /// Write the keys of MINIMAX_API_KEY and MINIMAX_PLAN_KEY into the client's file. Not needed after `minimax-mcp login`.
    #[arg(long)]
    with_key: bool,
    /// Show a notification on the desktop when a job ends (MINIMAX_NOTIFY).
    #[arg(long)]
    notify: bool,
    #[command(flatten)]
    pub(super) language: LanguageOption,
}

/// The facts about this run that `setup` needs besides its arguments.
pub(super) struct Surroundings<'a> {
    pub(super) config: &'a Config,
    /// The keys that `login` stored, if any.
    pub(super) stored: Option<&'a Stored>,
    pub(super) folders: Folders,
    /// The running program.
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
    let mut planned_edits = Vec::new();
    let mut failed = 0;
    for client in targets {
        if client.format == Format::Printed {
            let place = say::place_import();
            if options.remove {
                writeln!(out, "{}", say::remove_yourself(client.title, NAME, place))?;
            } else {
                let text = printed(&entry, client);
                writeln!(out, "{}\n{text}", say::add_yourself(client.title, place))?;
            }
            continue;
        }
        let Some(path) = client.file(options.scope, &around.folders) else {
            writeln!(io::stderr(), "{}", say::no_project_file(client.title))?;
            failed += 1;
            continue;
        };
        let planned = if options.remove {
            PlannedEdit::removal(client, &path, &edits, &entry)
        } else {
            PlannedEdit::addition(client, &path, &edits, &entry)
        };
        match planned {
            Ok(planned) => {
                writeln!(out, "{}", planned.shown())?;
                planned_edits.push(planned);
            }
            Err(problem) => {
                writeln!(io::stderr(), "{}: {problem}", client.title)?;
                failed += 1;
            }
        }
    }
    planned_edits.retain(PlannedEdit::changes);
    if !planned_edits.is_empty() && !options.dry_run {
        if !confirmed(options, planned_edits.len(), &mut out)? {
            return Err(say::nothing_written().into());
        }
        let private = !entry.keys.is_empty();
        let mut written = 0;
        for planned in &planned_edits {
            match planned.carry_out(&mut edits, &around.config.data_dir, private) {
                Ok(said) => {
                    writeln!(out, "{said}")?;
                    written += 1;
                }
                Err(error) => {
                    let why = say::cannot_be_written(in_words(&error));
                    writeln!(io::stderr(), "{}: {} {why}", planned.client.title, planned.path().display())?;
                    failed += 1;
                }
            }
        }
        if written > 0 {
            writeln!(out, "{}", say::restart())?;
        }
    }
    if options.dry_run {
        writeln!(out, "{}", say::dry_run())?;
    }
    if let Some(advice) = advice(options, around).filter(|_| !options.remove) {
        writeln!(out, "{advice}")?;
    }
    match failed {
        0 => Ok(()),
        1 => Err(say::one_left().into()),
        failed => Err(say::some_left(failed).into()),
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
        return Err(say::none_found(ids.join(", ")));
    }
    Ok(found)
}

fn entry_for(options: &Options, around: &Surroundings<'_>) -> Result<Entry, String> {
    let config = around.config;
    let is_stored = |used: fn(&Stored) -> bool| around.stored.is_some_and(used);
    let mut keys = Vec::new();
    if options.with_key {
        let key = config.key.as_ref().filter(|_| !is_stored(|stored| stored.key_in_use));
        let plan_key = config.plan_key.as_ref().filter(|_| !is_stored(|stored| stored.plan_key_in_use));
        let named = [("MINIMAX_API_KEY", key), ("MINIMAX_PLAN_KEY", plan_key)];
        keys.extend(
            named.into_iter().filter_map(|(name, key)| Some((name, key?.expose_secret().to_owned()))),
        );
        if keys.is_empty() {
            return Err(if around.stored.is_some() { say::with_key_stored() } else { say::with_key_none() });
        }
    }
    let mut env = Vec::new();
    if let Some(region) = around.region.as_ref().filter(|_| !keys.is_empty()) {
        env.push(("MINIMAX_REGION", region.clone()));
    }
    // The stored key and the records are there.
    if around.data_dir.is_some() {
        env.push(("MINIMAX_DATA_DIR", config.data_dir.to_string_lossy().into_owned()));
    }
    if options.notify {
        env.push(("MINIMAX_NOTIFY", "desktop".to_owned()));
    }
    Ok(Entry {
        launch: Launch::of(&around.program, &config.program_dirs, System::HERE),
        keys,
        env,
        ask: around.stored.is_none(),
    })
}

/// The entry in the form in which a person pastes it, inside the list of servers.
fn printed(entry: &Entry, client: &Client) -> String {
    match client.format {
        Format::Json | Format::Printed => {
            let mut whole = json!({ client.servers: { NAME: entry.value(client) } });
            if let (true, Some(fields)) = (entry.asks(client), whole.as_object_mut()) {
                fields.insert("inputs".to_owned(), json!([planned_edit::input()]));
            }
            format!("{whole:#}\n")
        }
        Format::Toml | Format::Yaml => {
            let place = document::Place { servers: client.servers, name: NAME };
            document::set(client.format, "", place, &entry.value(client), None).unwrap_or_default()
        }
    }
}

/// Asks at a terminal. Without a terminal, only `--yes` confirms.
fn confirmed(options: &Options, count: usize, out: &mut impl Write) -> io::Result<bool> {
    if options.yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        writeln!(io::stderr(), "minimax-mcp: {}", say::no_terminal())?;
        return Ok(false);
    }
    let question = if count == 1 { say::change_file() } else { say::change_files(count) };
    ask(&question, &mut io::stdin().lock(), out)
}

/// Asks until there is an answer. The end of the input means no.
pub(super) fn ask(question: &str, input: &mut impl BufRead, out: &mut impl Write) -> io::Result<bool> {
    loop {
        write!(out, "{question}")?;
        out.flush()?;
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(false);
        }
        match line.trim().to_lowercase().as_str() {
            "y" | "yes" | "是" => return Ok(true),
            "n" | "no" | "否" => return Ok(false),
            _ => {}
        }
    }
}

/// How to give the server its key, if that needs a step.
fn advice(options: &Options, around: &Surroundings<'_>) -> Option<String> {
    if options.with_key {
        return (options.scope == Scope::Project).then(say::key_in_project);
    }
    if around.stored.is_some() {
        return None;
    }
    Some(if around.config.keys().first.is_some() { say::shell_key_only() } else { say::no_key_yet() })
}

/// Asks, at a terminal, whether the user wants to enter the key now. Does not ask if nothing will be written, if a key is
/// known, or with `--yes`.
pub(super) fn wants_login(options: &Options, config: &Config) -> io::Result<bool> {
    let is_quiet = options.yes || options.remove || options.dry_run || options.print || options.with_key;
    if is_quiet || config.keys().first.is_some() || !io::stdin().is_terminal() {
        return Ok(false);
    }
    ask(&say::offer_login(), &mut io::stdin().lock(), &mut io::stdout().lock())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_answer_counts_and_no_answer_means_no() {
        for (typed, wanted, asked) in
            [("y\n", true, 1), ("YES\n", true, 1), ("n\n", false, 1), ("hm\n\ny\n", true, 3), ("", false, 1)]
        {
            let mut out = Vec::new();
            assert_eq!(ask("? ", &mut typed.as_bytes(), &mut out).unwrap(), wanted, "{typed:?}");
            assert_eq!(out.len(), asked * 2, "{typed:?}");
        }
    }
}
