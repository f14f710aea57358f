//! The doctor's report: a line for each check.

use std::fmt::Write as _;

use serde::Serialize;

use crate::texts::doctor as say;

/// The outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// No problem.
    Ok,
    /// Calls work, but something is probably not as intended.
    Warning,
    /// Calls fail.
    Wrong,
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Line {
    pub(super) check: &'static str,
    pub(super) status: Status,
    pub(super) text: String,
    /// The command or the setting that fixes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
}

impl Line {
    pub(super) fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self { check, status: Status::Ok, text: text.into(), fix: None }
    }

    pub(super) fn warning(check: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, status: Status::Warning, text: text.into(), fix: Some(fix.into()) }
    }

    pub(super) fn wrong(check: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, status: Status::Wrong, text: text.into(), fix: Some(fix.into()) }
    }
}

/// All checks, as they are printed.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) version: &'static str,
    pub(super) protocol: String,
    pub(super) status: Status,
    pub(super) checks: Vec<Line>,
}

impl Report {
    pub(super) fn new(protocol: String, checks: Vec<Line>) -> Self {
        let status = checks.iter().map(|line| line.status).max().unwrap_or(Status::Ok);
        Self { version: env!("CARGO_PKG_VERSION"), protocol, status, checks }
    }

    /// How many checks found something wrong.
    pub(super) fn wrong(&self) -> usize {
        self.checks.iter().filter(|line| line.status == Status::Wrong).count()
    }

    /// The report for a person.
    pub(super) fn text(&self) -> String {
        let mut text = say::title(self.version, &self.protocol) + "\n";
        for line in &self.checks {
            let mark = match line.status {
                Status::Ok => say::mark_ok(),
                Status::Warning => say::mark_warning(),
                Status::Wrong => say::mark_wrong(),
            };
            let start = format!("{} {} ", padded(&mark, 8), padded(&name(line.check), 9));
            let _ = writeln!(text, "{start}{}", line.text);
            if let Some(fix) = &line.fix {
                let _ = writeln!(text, "{:18} -> {fix}", "");
            }
        }
        text
    }
}

/// The name of a check for a person.
fn name(check: &str) -> String {
    match check {
        "settings" => say::check_settings(),
        "key" => say::check_key(),
        "network" => say::check_network(),
        "clock" => say::check_clock(),
        "region" => say::check_region(),
        "account" => say::check_account(),
        "records" => say::check_records(),
        "results" => say::check_results(),
        "inputs" => say::check_inputs(),
        "jobs" => say::check_jobs(),
        "player" => say::check_player(),
        "clients" => say::check_clients(),
        other => other.to_owned(),
    }
}

/// The text, padded with blanks to this width. A Chinese character takes two columns.
fn padded(text: &str, width: usize) -> String {
    let columns: usize = text.chars().map(|letter| if letter.is_ascii() { 1 } else { 2 }).sum();
    format!("{text}{}", " ".repeat(width.saturating_sub(columns)))
}
