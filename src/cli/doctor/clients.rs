//! Checks of the clients on this machine: whether each lists this server exactly once, with a program that starts.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rmcp::ServiceExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use super::account::masked;
use super::entry_settings;
use super::report::Line;
use crate::cli::setup::clients::{CLIENTS, Client, Folders, Scope};
use crate::cli::setup::entry::{NAME, PACKAGE, is_ours, is_this_program, read};
use crate::config::{Config, read_key};
use crate::documents::file::ConfigFile;
use crate::documents::{self as document, Format};
use crate::telemetry::in_words;
use crate::texts::doctor as say;
use crate::texts::setup as say_setup;

/// How long a server may take for its handshake.
const PATIENCE: Duration = Duration::from_secs(5);

const CHECK: &str = "clients";

/// Programs that fetch a package first, which may take longer than a check.
const FETCHERS: &[&str] = &["npx", "uvx", "cmd"];

/// An entry of this server.
struct Found {
    client: &'static Client,
    file: String,
    /// The folder of the project, if the entry is for only one project.
    project: Option<PathBuf>,
    /// Whether `setup` writes entries of this place.
    is_of_setup: bool,
    /// Whether the file belongs to the project, so that others may have written it.
    is_foreign: bool,
    name: String,
    entry: Value,
}

impl Found {
    /// Where the entry is, for a person.
    fn place(&self) -> String {
        match &self.project {
            Some(project) => say::place_in_project(&self.file, project.display()),
            None => self.file.clone(),
        }
    }

    /// The fix for the entry: a command or an instruction.
    fn fix(&self) -> String {
        if self.is_of_setup && self.name == NAME {
            let scope = if self.project.is_some() { " --scope project" } else { "" };
            return say::client_setup_fix(format!("{}{scope}", self.client.id));
        }
        say::client_edit_fix(&self.name, self.place())
    }

    /// Whether the client reads this entry and the other one in the same folder.
    fn meets(&self, other: &Self) -> bool {
        self.project.is_none() || other.project.is_none() || self.project == other.project
    }

    /// The key that the entry has in a setting.
    fn key_in(&self, setting: &str) -> Option<SecretString> {
        let (_, _, env) = read(&self.entry)?;
        let (_, text) = env.into_iter().find(|(name, _)| name == setting)?;
        read_key(&text).ok().map(SecretString::from)
    }

    /// What is wrong with the settings of the entry.
    fn settings(&self, home: &Path) -> Vec<Line> {
        let Some((_, _, env)) = read(&self.entry) else { return Vec::new() };
        let fills_in = !self.client.is_strict && self.client.format != Format::Toml;
        entry_settings::lines(CHECK, (self.client.title, &self.place()), &env, fills_in, home)
    }

    /// A key of the entry.
    fn key(&self) -> Option<SecretString> {
        self.key_in("MINIMAX_API_KEY").or_else(|| self.key_in("MINIMAX_PLAN_KEY"))
    }
}

/// The entries of this server in all clients, and the files that cannot be read.
pub(super) struct Entries {
    found: Vec<Found>,
    problems: Vec<(&'static Client, Line)>,
    /// Entries that have this server's name and start something else.
    others: Vec<(&'static Client, Line)>,
}

impl Entries {
    /// Reads the files of all clients.
    pub(super) fn find(folders: &Folders) -> Self {
        let mut entries = Self { found: Vec::new(), problems: Vec::new(), others: Vec::new() };
        for client in CLIENTS.iter().filter(|client| client.format != Format::Printed) {
            entries.read(client, Scope::User, folders);
            // In the home folder, the project's file may be the user's file.
            let real = |scope| dunce::canonicalize(client.file(scope, folders)?).ok();
            if real(Scope::Project).is_none_or(|file| Some(file) != real(Scope::User)) {
                entries.read(client, Scope::Project, folders);
            }
        }
        entries
    }

    fn read(&mut self, client: &'static Client, scope: Scope, folders: &Folders) {
        let Some(path) = client.file(scope, folders) else { return };
        let file = path.display().to_string();
        let mut wrong = |problem: String| {
            let text = say::client_file_bad(client.title, &file, problem);
            self.problems.push((client, Line::warning(CHECK, text, say::client_file_fix(&file))));
        };
        let text = match ConfigFile::read(&path) {
            Ok(ConfigFile { text: Some(text), .. }) => text,
            Ok(_) => return,
            Err(problem) => return wrong(problem),
        };
        let entries = match document::entries(client.format, &text, client.servers) {
            Ok(entries) => entries,
            Err(problem) => return wrong(say_setup::cannot_be_read(problem)),
        };
        if let Some(problem) = client.is_strict.then(|| document::not_plain_json(&text)).flatten() {
            wrong(say_setup::cannot_be_read(problem));
        }
        if let Some((name, other)) = entries.iter().find(|(name, entry)| name == NAME && !is_ours(entry)) {
            let started =
                read(other).map_or_else(say::entry_another, |(command, args, _)| launched(&command, &args));
            let text = say::client_other_server(client.title, name, &file, started);
            self.others.push((client, Line::warning(CHECK, text, say::client_other_server_fix(client.id))));
        }
        let project = (scope == Scope::Project).then(|| folders.project().to_owned());
        let mut add = |project: Option<PathBuf>, is_of_setup, entries: document::Entries| {
            let ours = entries.into_iter().filter(|(_, entry)| is_ours(entry));
            self.found.extend(ours.map(|(name, entry)| Found {
                client,
                file: file.clone(),
                project: project.clone(),
                is_of_setup,
                is_foreign: scope == Scope::Project,
                name,
                entry,
            }));
        };
        add(project, true, entries);
        let Some(projects) = client.projects.filter(|_| scope == Scope::User) else { return };
        let by_project = document::project_entries(client.format, &text, projects, client.servers);
        for (folder, entries) in by_project.unwrap_or_default() {
            // Folders that are gone have no effect.
            if Path::new(&folder).is_dir() {
                add(Some(PathBuf::from(folder)), false, entries);
            }
        }
    }

    /// The line in place of "no key is set", if a client has a key.
    pub(super) fn with_key(&self) -> Option<Line> {
        let (found, key) = self.found.iter().find_map(|found| Some((found, found.key()?)))?;
        let text = say::key_of_client(found.client.title, found.place(), masked(&key));
        Some(Line::warning("key", text, say::key_of_client_fix()))
    }

    /// One line for each entry, file that cannot be read, and client without an entry.
    pub(super) async fn lines(&self, config: &Config, folders: &Folders) -> Vec<Line> {
        let mut lines = Vec::new();
        for client in CLIENTS.iter().filter(|client| client.format != Format::Printed) {
            let own: Vec<_> = self.found.iter().filter(|found| found.client.id == client.id).collect();
            let problems: Vec<_> = self
                .problems
                .iter()
                .filter(|(of, _)| of.id == client.id)
                .map(|(_, line)| line.clone())
                .collect();
            let is_found = [Scope::User, Scope::Project].iter().any(|scope| client.is_found(*scope, folders));
            if own.is_empty() && problems.is_empty() && is_found {
                let other = self.others.iter().find(|(of, _)| of.id == client.id);
                let none = || Line::ok(CHECK, say::client_no_entry(client.title, client.id));
                lines.push(other.map_or_else(none, |(_, line)| line.clone()));
            }
            lines.extend(problems);
            lines.extend(duplicates(client, &own));
        }
        lines.extend(self.found.iter().flat_map(|found| found.settings(&config.home)));
        lines.extend(self.found.iter().filter_map(|found| other_key(config, found)));
        lines.extend(join_all(self.found.iter().map(|found| started(found, &config.program_dirs))).await);
        if lines.is_empty() {
            lines.push(Line::ok(CHECK, say::clients_none()));
        }
        lines
    }
}

/// A warning about two entries. With different names they are two servers, and the client lists every tool twice. With the
/// same name, the client uses the project's entry, and the other has no effect there.
fn duplicates(client: &Client, own: &[&Found]) -> Option<Line> {
    let pairs = own.iter().enumerate().flat_map(|(at, first)| {
        own.iter().skip(at + 1).filter(|second| first.meets(second)).map(move |second| (first, second))
    });
    // Duplicate tools are reported before an entry without effect.
    let (first, second) =
        pairs.min_by_key(|(first, second)| first.name == second.name && first.file != second.file)?;
    let fix = if first.name == second.name && first.project != second.project {
        say::client_shadowed_fix()
    } else {
        say::client_twice_fix(NAME)
    };
    let [first, second] = [first, second].map(|found| say::place_named(&found.name, found.place()));
    Some(Line::warning(CHECK, say::client_twice(client.title, own.len(), first, second), fix))
}

fn other_key(config: &Config, found: &Found) -> Option<Line> {
    let settings = [("MINIMAX_API_KEY", config.key.as_ref()), ("MINIMAX_PLAN_KEY", config.plan_key.as_ref())];
    settings.into_iter().find_map(|(setting, ours)| {
        let (theirs, ours) = (found.key_in(setting)?, ours?);
        if theirs.expose_secret() == ours.expose_secret() {
            return None;
        }
        let (title, place) = (found.client.title, found.place());
        let text = say::client_other_key(title, place, setting, masked(&theirs), masked(ours));
        let is_plan = setting == "MINIMAX_PLAN_KEY";
        let fix = if is_plan { say::client_other_plan_key_fix() } else { say::client_other_key_fix() };
        Some(Line::warning(CHECK, text, fix))
    })
}

/// Starts the server of an entry as its client would, for a handshake.
async fn started(found: &Found, dirs: &[PathBuf]) -> Line {
    let (title, place) = (found.client.title, found.place());
    let wrong = |what: String| Line::wrong(CHECK, say::client_bad(title, &place, what), found.fix());
    let Some((command, args, env)) = read(&found.entry) else {
        return wrong(say::entry_no_command());
    };
    let stem = Path::new(&command).file_stem().unwrap_or_default().to_string_lossy();
    // The client fills in variables, with values that only it knows.
    if command.contains("${") {
        return Line::ok(CHECK, say::client_not_tried(title, &place, stem));
    }
    if Path::new(&command).is_absolute() && !Path::new(&command).is_file() {
        return wrong(say::entry_missing_program(command));
    }
    if found.is_foreign && !is_harmless(&command, &args, &env) {
        return Line::ok(CHECK, say::client_not_started(title, &place, command));
    }
    let start = Instant::now();
    if FETCHERS.contains(&&*stem) {
        let Some(program) = on_path(&command, dirs) else {
            let text = say::client_fetcher_missing(title, &place, &stem);
            return Line::warning(CHECK, text, say::client_fetcher_missing_fix(&stem, found.client.id));
        };
        let why = match timeout(PATIENCE, handshake(&program, &args, env)).await {
            Ok(Ok(())) => {
                return Line::ok(CHECK, say::client_good(title, &place, start.elapsed().as_millis()));
            }
            Ok(Err(why)) => why,
            Err(_) => say::client_fetching_late(PATIENCE.as_secs()),
        };
        let end = args.iter().position(|word| word.starts_with(PACKAGE)).map_or(0, |place| place + 1);
        let line: Vec<_> = [&*stem].into_iter().chain(args.iter().take(end).map(String::as_str)).collect();
        let text = say::client_fetching(title, &place, &stem, why);
        return Line::warning(CHECK, text, say::client_fetching_fix(line.join(" ")));
    }
    match timeout(PATIENCE, handshake(Path::new(&command), &args, env)).await {
        Ok(Ok(())) => Line::ok(CHECK, say::client_good(title, &place, start.elapsed().as_millis())),
        Ok(Err(why)) => wrong(say::entry_not_starting(command, why)),
        Err(_) => wrong(say::entry_silent(command, PATIENCE.as_secs())),
    }
}

/// The command of an entry, for a person. It shows a package, but no other arguments, because they may be secret.
fn launched(command: &str, args: &[String]) -> String {
    let stem = Path::new(command).file_stem().unwrap_or_default().to_string_lossy();
    let package = args.iter().find(|word| !word.starts_with(['-', '/']));
    match package.filter(|_| FETCHERS.contains(&&*stem)) {
        Some(package) => format!("{command} {package}"),
        None => command.to_owned(),
    }
}

/// True if the entry only starts this program as a server. A project's file comes with the project, and its author must not
/// decide what runs here.
fn is_harmless(command: &str, args: &[String], env: &[(String, String)]) -> bool {
    is_this_program(Path::new(command))
        && args.iter().all(|word| ["serve", "--sandbox"].contains(&word.as_str()))
        && env.iter().all(|(name, _)| name.starts_with("MINIMAX_"))
}

/// The file of a program in one of the folders of PATH.
fn on_path(command: &str, dirs: &[PathBuf]) -> Option<PathBuf> {
    let names = [command.to_owned(), format!("{command}.exe")];
    let files = dirs.iter().flat_map(|dir| names.iter().map(|name| dir.join(name)));
    [PathBuf::from(command)]
        .into_iter()
        .filter(|path| path.is_absolute())
        .chain(files)
        .find(|file| file.is_file())
}

async fn handshake(command: &Path, args: &[String], env: Vec<(String, String)>) -> Result<(), String> {
    // The server makes its data folder when it starts, so it gets a temporary one: the doctor leaves nothing behind.
    let scratch = tempfile::tempdir().map_err(|error| in_words(&error))?;
    let mut child = Command::new(command)
        .args(args)
        .envs(env)
        .env("MINIMAX_DATA_DIR", scratch.path())
        .current_dir(scratch.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| in_words(&error))?;
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(say::entry_no_pipes());
    };
    let client = ().serve((stdout, stdin)).await.map_err(|error| error.to_string())?;
    let _ = client.cancel().await;
    // Its stdin is closed, so it ends by itself.
    let _ = timeout(Duration::from_secs(1), child.wait()).await;
    Ok(())
}
