//! `minimax-mcp doctor`: finds what keeps the server from working, and says how to fix it. It costs nothing, changes
//! nothing, and works without a network.

mod account;
mod clients;
mod entry_settings;
mod machine;
mod report;
mod sources;

use std::io::{self, Write};

use rmcp::ServerHandler as _;

pub(super) use self::account::{Proxy, Verdict, masked, probe_key};
use self::report::Report;
pub(super) use self::sources::{KeySource, Sources};
use super::outcome::Outcome;
use super::setup::clients::Folders;
use crate::config::Config;
use crate::texts::doctor as say;
use crate::tools;

/// Runs all checks and prints them. Fails if one of them found something wrong.
pub(super) async fn run(
    mut config: Config,
    sources: &Sources,
    proxy: Option<Proxy>,
    folders: &Folders,
    json: bool,
) -> Outcome {
    // Clients start the server over stdio, which does not use the settings of the HTTP server.
    config.reach_over_stdio();
    let entries = clients::Entries::find(folders);
    let (mut account, records, clients, bucket) = futures_util::future::join4(
        account::lines(&config, sources, proxy.as_ref()),
        machine::records(&config),
        entries.lines(&config, folders),
        machine::bucket(&config),
    )
    .await;
    // A client that has a key works, even if this shell has none.
    if let (None, Some(line)) = (config.keys().first, entries.with_key()) {
        account.iter_mut().filter(|found| found.check == "key").for_each(|found| *found = line.clone());
    }
    let mut lines = machine::settings(&config);
    lines.extend(account);
    lines.extend(machine::folders(&config));
    lines.extend(bucket);
    lines.push(records);
    lines.push(machine::player(&config));
    lines.extend(clients);
    let report = Report::new(newest_protocol(config), lines);
    let text = if json { serde_json::to_string_pretty(&report)? + "\n" } else { report.text() };
    write!(io::stdout(), "{text}")?;
    match report.wrong() {
        0 => Ok(()),
        1 => Err(say::one_wrong().into()),
        wrong => Err(say::some_wrong(wrong).into()),
    }
}

fn newest_protocol(config: Config) -> String {
    let server = tools::server(config);
    let versions = server.supported_protocol_versions();
    versions.iter().map(ToString::to_string).max().unwrap_or_default()
}
