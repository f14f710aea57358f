//! What the doctor says: a line for each check.

use std::fmt::Write as _;

use serde::Serialize;

/// The outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// All is well.
    Ok,
    /// Calls work, but something is likely not as it was meant.
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
    /// The command or the setting that mends it.
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
        let mut text = format!("minimax-mcp {}, MCP up to {}\n", self.version, self.protocol);
        for line in &self.checks {
            let mark = match line.status {
                Status::Ok => "ok",
                Status::Warning => "warning",
                Status::Wrong => "wrong",
            };
            let _ = writeln!(text, "{mark:<8} {:<9} {}", line.check, line.text);
            if let Some(fix) = &line.fix {
                let _ = writeln!(text, "{:18} -> {fix}", "");
            }
        }
        text
    }
}
