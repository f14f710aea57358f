//! The result of a command.

use std::fmt;
use std::io;

use crate::telemetry::in_words;

/// The error is printed to stderr for a person.
pub(super) type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Says what a system error was about: the path or the address, and the option or setting that names it.
pub(super) fn about(what: impl fmt::Display) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{what}: {}", in_words(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_error_names_its_subject_and_has_no_number() {
        let missing = std::fs::read("/nowhere/at/all").unwrap_err();
        assert!(missing.to_string().contains("os error"), "{missing}");
        let said = about("--out /nowhere/at/all")(missing).to_string();
        assert!(said.starts_with("--out /nowhere/at/all: ") && !said.contains("os error"), "{said}");
    }
}
