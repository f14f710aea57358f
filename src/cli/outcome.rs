//! How a command ends.

/// The error is for a person: it is printed to stderr.
pub(super) type Outcome = Result<(), Box<dyn std::error::Error>>;
