//! Finds secrets that must not be sent: keys, passwords, tokens, settings. A model can be talked into sending the
//! wrong file, and if an endpoint accepts any text, the type of the file says nothing.
//!
//! The table of patterns is `rules.json`. [`shape`] finds secrets that no pattern describes: tables of logins, seed
//! phrases, keys without their first line. The scan finds secrets in ordinary files. It does not stop a person who hides a
//! secret on purpose.

mod archive;
mod content;
mod finding;
mod rules;
mod shape;
mod value;

pub(super) use archive::archive_of_texts;
pub(super) use content::{media, text};
pub(super) use finding::Finding;
