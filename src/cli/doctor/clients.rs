//! The clients of this machine: whether this server is in their lists, once, with a program that starts.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rmcp::ServiceExt as _;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use super::account::masked;
use super::report::Line;
use crate::cli::setup::clients::{CLIENTS, Client, Folders, Format, Scope};
use crate::cli::setup::document;
use crate::cli::setup::entry::{NAME, is_ours, read};
use crate::cli::setup::file::ConfigFile;
use crate::config::{Config, read_key};
use crate::telemetry::in_words;

/// How long a server may take for its handshake.
const PATIENCE: Duration = Duration::from_secs(5);

const CHECK: &str = "clients";

/// Programs that fetch a package first, which is more than a check may do.
const FETCHERS: &[&str] = &["npx", "uvx", "cmd"];

/// An entry of this server.
struct Found {
    client: &'static Client,
    file: String,
    name: String,
    entry: Value,
}

/// One line for each entry, file that cannot be read, and client without an entry.
pub(super) async fn lines(config: &Config, folders: &Folders) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut entries = Vec::new();
    for client in CLIENTS {
        let (mut own, problems) = entries_of(client, folders);
        let is_found = [Scope::User, Scope::Project].iter().any(|scope| client.is_found(*scope, folders));
        if own.is_empty()
            && problems.is_empty()
            && is_found
            && !matches!(client.format, Format::Printed { .. })
        {
            let words = format!("{}: no entry; `minimax-mcp setup {}` adds it", client.title, client.id);
            lines.push(Line::ok(CHECK, words));
        }
        lines.extend(problems);
        lines.extend(duplicates(client, &own));
        entries.append(&mut own);
    }
    lines.extend(entries.iter().filter_map(|found| other_key(config, found)));
    lines.extend(join_all(entries.iter().map(started)).await);
    if lines.is_empty() {
        lines.push(Line::ok(
            CHECK,
            "no client is known on this machine; `minimax-mcp setup --help` lists them",
        ));
    }
    lines
}

fn entries_of(client: &'static Client, folders: &Folders) -> (Vec<Found>, Vec<Line>) {
    let (mut own, mut problems) = (Vec::new(), Vec::new());
    if matches!(client.format, Format::Printed { .. }) {
        return (own, problems);
    }
    for path in [Scope::User, Scope::Project].into_iter().filter_map(|scope| client.file(scope, folders)) {
        let file = path.display().to_string();
        let mut wrong = |problem: String| {
            problems.push(Line::warning(
                CHECK,
                format!("{}: {file} {problem}", client.title),
                "Correct the file",
            ));
        };
        let text = match ConfigFile::read(&path) {
            Ok(ConfigFile { text: Some(text), .. }) => text,
            Ok(_) => continue,
            Err(problem) => {
                wrong(problem);
                continue;
            }
        };
        match document::entries(client.format, &text, client.servers) {
            Ok(entries) => {
                let ours = entries.into_iter().filter(|(_, entry)| is_ours(entry));
                own.extend(ours.map(|(name, entry)| Found { client, file: file.clone(), name, entry }));
            }
            Err(problem) => wrong(format!("cannot be read: {problem}")),
        }
    }
    (own, problems)
}

/// Two entries in one file, or with two names, are two servers: the client lists every tool twice.
fn duplicates(client: &Client, own: &[Found]) -> Option<Line> {
    let (first, rest) = own.split_first()?;
    let second = rest.iter().find(|found| found.file == first.file || found.name != first.name)?;
    let text = format!(
        "{}: this server is there {} times: as `{}` in {} and as `{}` in {}",
        client.title,
        own.len(),
        first.name,
        first.file,
        second.name,
        second.file
    );
    Some(Line::warning(CHECK, text, format!("Remove all but one; `{NAME}` is the one that `setup` keeps")))
}

fn other_key(config: &Config, found: &Found) -> Option<Line> {
    let (_, _, env) = read(&found.entry)?;
    let settings = [("MINIMAX_API_KEY", config.key.as_ref()), ("MINIMAX_PLAN_KEY", config.plan_key.as_ref())];
    settings.into_iter().find_map(|(setting, ours)| {
        let (_, text) = env.iter().find(|(name, _)| name == setting)?;
        let (theirs, ours) = (read_key(text).ok()?, ours?);
        if theirs == ours.expose_secret() {
            return None;
        }
        let text = format!(
            "{}: {} has another key in {setting} ({}) than this shell ({})",
            found.client.title,
            found.file,
            masked(&theirs.into()),
            masked(ours)
        );
        let stored = if setting == "MINIMAX_API_KEY" { " and run `minimax-mcp login`" } else { "" };
        let fix = format!("Correct {setting} in the file, or remove it there{stored}");
        Some(Line::warning(CHECK, text, fix))
    })
}

/// Starts the server of an entry as its client would, for a handshake.
async fn started(found: &Found) -> Line {
    let title = found.client.title;
    let setup = format!("Run `minimax-mcp setup {}`", found.client.id);
    let wrong = |what: String| Line::wrong(CHECK, format!("{title}: {} {what}", found.file), setup.clone());
    let Some((command, args, env)) = read(&found.entry) else {
        return wrong("has an entry without a command".to_owned());
    };
    let stem = Path::new(&command).file_stem().unwrap_or_default().to_string_lossy();
    if FETCHERS.contains(&&*stem) {
        let text = format!("{title}: {} starts the server with {stem}, which was not tried", found.file);
        return Line::ok(CHECK, text);
    }
    if Path::new(&command).is_absolute() && !Path::new(&command).is_file() {
        return wrong(format!("names the program {command}, which does not exist"));
    }
    let start = Instant::now();
    match timeout(PATIENCE, handshake(&command, &args, env)).await {
        Ok(Ok(())) => {
            let milliseconds = start.elapsed().as_millis();
            Line::ok(CHECK, format!("{title}: {} starts the server in {milliseconds} ms", found.file))
        }
        Ok(Err(why)) => wrong(format!("names {command}, which does not start: {why}")),
        Err(_) => wrong(format!("names {command}, which does not answer in {} s", PATIENCE.as_secs())),
    }
}

async fn handshake(command: &str, args: &[String], env: Vec<(String, String)>) -> Result<(), String> {
    // The server makes its data folder when it starts. The doctor leaves nothing behind.
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
        return Err("it has no stdin or stdout".to_owned());
    };
    let client = ().serve((stdout, stdin)).await.map_err(|error| error.to_string())?;
    let _ = client.cancel().await;
    // Its stdin is closed, so it ends by itself.
    let _ = timeout(Duration::from_secs(1), child.wait()).await;
    Ok(())
}
