//! `minimax-mcp doctor`: finds what keeps the server from working, and says how to mend it. It costs nothing, changes
//! nothing, and works without a network.

mod account;
mod clients;
mod machine;
mod report;

use std::io::{self, Write};

use rmcp::ServerHandler as _;

pub(super) use self::account::{Proxy, Verdict, masked, probe_key};
use self::report::Report;
use super::outcome::Outcome;
use super::setup::clients::Folders;
use crate::config::Config;
use crate::tools;

/// Where the keys are from.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) key: String,
    pub(super) plan_key: &'static str,
}

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
    let (account, records, clients) = futures_util::future::join3(
        account::lines(&config, sources, proxy.as_ref()),
        machine::records(&config),
        clients::lines(&config, folders),
    )
    .await;
    let mut lines = machine::settings(&config);
    lines.extend(account);
    lines.extend(machine::folders(&config));
    lines.push(records);
    lines.push(machine::player(&config.program_dirs));
    lines.extend(clients);
    let report = Report::new(newest_protocol(config), lines);
    let text = if json { serde_json::to_string_pretty(&report)? + "\n" } else { report.text() };
    write!(io::stdout(), "{text}")?;
    match report.wrong() {
        0 => Ok(()),
        1 => Err("1 check found something wrong".into()),
        wrong => Err(format!("{wrong} checks found something wrong").into()),
    }
}

fn newest_protocol(config: Config) -> String {
    let server = tools::server(config);
    let versions = server.supported_protocol_versions();
    versions.iter().map(ToString::to_string).max().unwrap_or_default()
}
