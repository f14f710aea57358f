//! The place of an entry in a document, and the reasons why a document cannot be edited.

use serde_json::Value;

use crate::texts::setup as say;

/// Why a file is not changed, as the end of a sentence that begins with its path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It cannot be parsed.
    #[error("{}", say::damaged(line, column, message))]
    Damaged {
        /// The line, from 1 on.
        line: usize,
        /// The column, from 1 on.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// It is well-formed, but has something else in the place of the servers.
    #[error("{0}")]
    Unexpected(String),
}

/// The place of an entry: the key that holds the servers, and the name of the entry.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The name of the object with the servers.
    pub servers: &'a str,
    /// The name of the entry.
    pub name: &'a str,
}

/// Entries with their names, in the order of the file.
pub type Entries = Vec<(String, Value)>;

/// Line and column of a byte, both from 1.
pub fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

pub(super) fn unexpected(key: &str) -> Unusable {
    Unusable::Unexpected(say::not_a_table(key))
}
