//! The result of a command.

use std::process::ExitCode;

/// The error is printed to stderr for a person.
pub(super) type Outcome = Result<(), Box<dyn std::error::Error>>;

/// As [`Outcome`], for commands with exit codes of their own.
pub(super) type Coded = Result<ExitCode, Box<dyn std::error::Error>>;
