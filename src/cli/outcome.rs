//! The result of a command.

/// The error is printed to stderr for a person.
pub(super) type Outcome = Result<(), Box<dyn std::error::Error>>;
