//! The result of a command.

use std::process::ExitCode;

/// The error is printed to stderr for a person.
pub(super) type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Like [`Outcome`], for commands with their own exit codes.
pub(super) type Coded = Result<ExitCode, Box<dyn std::error::Error>>;
