//! The record of each edit, with which `setup --remove` restores a file byte by byte.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::media::private;

const FILE: &str = "setup.json";

/// The largest record that is read, in bytes. Real ones are much smaller.
const MOST: u64 = 16 << 20;

/// One edit, as the single range in which two texts differ, and the entry that it changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Edit {
    /// The SHA-256 of the text after the edit. Empty if the text before our first edit is not known.
    after: String,
    offset: usize,
    removed: String,
    inserted: String,
    /// Whether the edit made the file.
    pub(super) created: bool,
    /// The first of the folders that the edit made for the file.
    #[serde(default)]
    pub(super) made_folder: Option<PathBuf>,
    /// The copy that was made before the edit.
    pub(super) backup: Option<PathBuf>,
    /// The entry that was there before `setup` wrote its own.
    #[serde(default)]
    pub(super) replaced: Option<Value>,
    /// The entry as `setup` wrote it.
    #[serde(default)]
    pub(super) entry: Option<Value>,
}

impl Edit {
    pub(super) fn between(before: Option<&str>, after: &str, backup: Option<PathBuf>) -> Self {
        let old = before.unwrap_or_default();
        let same = |pair: &(char, char)| pair.0 == pair.1;
        let length = |letters: &mut dyn Iterator<Item = (char, char)>| -> usize {
            letters.take_while(same).map(|(letter, _)| letter.len_utf8()).sum()
        };
        let start = length(&mut old.chars().zip(after.chars()));
        let (old_rest, new_rest) =
            (old.get(start..).unwrap_or_default(), after.get(start..).unwrap_or_default());
        let end = length(&mut old_rest.chars().rev().zip(new_rest.chars().rev()));
        let middle = |rest: &str| rest.get(..rest.len() - end).unwrap_or_default().to_owned();
        Self {
            after: digest(after),
            offset: start,
            removed: middle(old_rest),
            inserted: middle(new_rest),
            created: before.is_none(),
            made_folder: None,
            backup,
            replaced: None,
            entry: None,
        }
    }

    /// An edit whose text cannot be restored, because other changes lie between our edits.
    pub(super) fn of_entry_alone(backup: Option<PathBuf>) -> Self {
        Self { after: String::new(), backup, ..Self::between(Some(""), "", None) }
    }

    /// The same edit, with the folder that was made for its file.
    pub(super) fn in_folder(self, made_folder: Option<PathBuf>) -> Self {
        Self { made_folder, ..self }
    }

    /// The same edit, with the entry that it replaced and the one that it wrote.
    pub(super) fn of(self, replaced: Option<Value>, entry: Option<Value>) -> Self {
        Self { replaced, entry, ..self }
    }

    /// True if `found` is the entry that `setup` wrote. Fields that a user has added since do not matter.
    pub(super) fn wrote(&self, found: &Value) -> bool {
        self.entry.as_ref().is_some_and(|entry| has_all_of(found, entry))
    }

    /// The text before the edit, if `text` is exactly the text after it.
    pub(super) fn undone(&self, text: &str) -> Option<String> {
        if digest(text) != self.after {
            return None;
        }
        let rest = text.get(self.offset..)?.strip_prefix(self.inserted.as_str())?;
        Some(format!("{}{}{rest}", text.get(..self.offset)?, self.removed))
    }

    /// The text without the inserted piece, if other parts of the file have changed and the piece occurs exactly once.
    pub(super) fn undone_around(&self, text: &str) -> Option<String> {
        let mut places = text.match_indices(self.inserted.as_str());
        let (at, _) = places.next().filter(|_| !self.inserted.is_empty())?;
        if places.next().is_some() {
            return None;
        }
        let rest = text.get(at + self.inserted.len()..)?;
        Some(format!("{}{}{rest}", text.get(..at)?, self.removed))
    }
}

/// True if every field of `wanted` is in `found` with the same value.
fn has_all_of(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(name, value)| found.get(name).is_some_and(|found| has_all_of(found, value)))
        }
        _ => found == wanted,
    }
}

fn digest(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

/// The edits of all files, by path. They are in the data folder, where other users cannot read them, because an edit may
/// contain a key that was in the file before.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Edits {
    #[serde(default)]
    by_path: BTreeMap<PathBuf, Edit>,
}

impl Edits {
    /// The recorded edits; none if there is no readable record.
    pub(super) fn read(data_dir: &Path) -> Self {
        let text = private::read(&data_dir.join(FILE), MOST, true);
        text.ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    pub(super) fn get(&self, path: &Path) -> Option<&Edit> {
        self.by_path.get(path)
    }

    /// Replaces the edit of a file, and writes the record.
    pub(super) fn put(&mut self, data_dir: &Path, path: &Path, edit: Option<Edit>) -> io::Result<()> {
        let old = match edit {
            Some(edit) => self.by_path.insert(path.to_owned(), edit),
            None => self.by_path.remove(path),
        };
        if self.by_path.is_empty() && old.is_none() {
            return Ok(());
        }
        write_private(data_dir, FILE, &serde_json::to_string_pretty(self)?)
    }
}

/// Writes a file in the data folder that only this user can read, in one step.
pub(in crate::cli) fn write_private(data_dir: &Path, name: &str, text: &str) -> io::Result<()> {
    private::folder(data_dir)?;
    // Temporary files are private to their owner.
    let mut file = tempfile::Builder::new().prefix(".minimax-mcp-").tempfile_in(data_dir)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(data_dir.join(name)).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn an_edit_is_undone_exactly(before in ".{0,20}", after in ".{0,20}") {
            let edit = Edit::between(Some(&before), &after, None);
            prop_assert_eq!(edit.undone(&after), Some(before));
        }
    }

    #[test]
    fn an_entry_is_ours_while_our_fields_are_unchanged_even_if_others_were_added() {
        let wrote = json!({ "command": "/bin/x", "args": [], "env": { "A": "." } });
        let edit = Edit::between(None, "{}", None).of(None, Some(wrote.clone()));
        let mut more = wrote.clone();
        more["env"]["B"] = json!("1");
        more["timeout"] = json!(9);
        assert!(edit.wrote(&wrote) && edit.wrote(&more));
        for other in
            [json!({ "command": "/bin/x" }), json!({ "command": "y", "args": [], "env": { "A": "." } })]
        {
            assert!(!edit.wrote(&other), "{other}");
        }
        assert!(!Edit::between(None, "{}", None).wrote(&wrote), "a record without the entry");
        let alone = Edit::of_entry_alone(None).of(None, Some(wrote.clone()));
        assert!(alone.wrote(&wrote) && alone.undone("").is_none() && alone.undone_around("x").is_none());
    }

    #[test]
    fn an_edit_is_undone_even_if_other_parts_have_changed() {
        let edit = Edit::between(Some("a\nb\n"), "a\nMINE\nb\n", None);
        assert_eq!(edit.undone("x\na\nMINE\nb\n"), None);
        assert_eq!(edit.undone_around("x\na\nMINE\nb\n").as_deref(), Some("x\na\nb\n"));
        assert_eq!(edit.undone_around("MINE\nMINE\n"), None, "which one is ours is not known");
    }
}
