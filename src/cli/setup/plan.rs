//! What `setup` is going to do with one file: decided and shown before anything is written.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use super::clients::Client;
use super::document::{self, Place};
use super::entry::{Entry, INPUT, NAME, merged};
use super::file::ConfigFile;
use super::undo::{Edit, Edits};

/// One file and what is to become of it.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) client: &'static Client,
    file: ConfigFile,
    change: Change,
    /// The entry as it is and as it will be.
    entry: (Option<Value>, Option<Value>),
}

#[derive(Debug)]
enum Change {
    /// The file is already right.
    None,
    /// The new text, and the text before all edits of ours, if it is known.
    Write { text: String, original: Original },
    /// The file gets back its text from before our edit, or is deleted if the edit made it.
    Restore { text: Option<String> },
}

#[derive(Debug)]
enum Original {
    Known(Option<String>),
    /// Our entry is older than the other changes in the file: it can only be removed by its name.
    Unknown,
}

/// The input that asks for the key.
pub(super) fn input() -> Value {
    json!({ "type": "promptString", "id": INPUT, "description": "MiniMax API key", "password": true })
}

impl Plan {
    /// The plan that brings the entry into the file.
    pub(super) fn addition(
        client: &'static Client,
        path: &Path,
        edits: &Edits,
        entry: &Entry,
    ) -> Result<Self, String> {
        let (file, old) = read(client, path)?;
        let text = file.text.as_deref().unwrap_or_default();
        let new = merged(old.as_ref(), &entry.value(client));
        if old.as_ref() == Some(&new) {
            return Ok(Self { client, file, change: Change::None, entry: (old, Some(new)) });
        }
        let place = Place { servers: client.servers, name: NAME };
        let input = entry.asks(client).then(input);
        let changed = document::set(client.format, text, place, &new, input.as_ref())
            .map_err(|problem| at(path, &problem))?;
        unharmed(client, text, &changed, Some(&new)).map_err(|problem| at(path, &problem))?;
        let original = match edits.get(&file.path) {
            None => Original::Known(file.text.clone()),
            Some(edit) => match edit.undone(text) {
                Some(before) => Original::Known((!edit.created).then_some(before)),
                None if old.is_none() => Original::Known(file.text.clone()),
                None => Original::Unknown,
            },
        };
        let change = Change::Write { text: changed, original };
        Ok(Self { client, file, change, entry: (old, Some(new)) })
    }

    /// The plan that takes the entry out of the file.
    pub(super) fn removal(client: &'static Client, path: &Path, edits: &Edits) -> Result<Self, String> {
        let (file, old) = read(client, path)?;
        let Some(text) = file.text.as_deref().filter(|_| old.is_some()) else {
            return Ok(Self { client, file, change: Change::None, entry: (None, None) });
        };
        let place = Place { servers: client.servers, name: NAME };
        if let Some(edit) = edits.get(&file.path) {
            if let Some(before) = edit.undone(text) {
                let before = (!edit.created || !before.is_empty()).then_some(before);
                let new = before.as_deref().and_then(|before| own_entry(client, before));
                return Ok(Self {
                    client,
                    file,
                    change: Change::Restore { text: before },
                    entry: (old, new),
                });
            }
            let around = edit.undone_around(text);
            if let Some(before) = around.filter(|before| unharmed(client, text, before, None).is_ok()) {
                return Ok(Self {
                    client,
                    file,
                    change: Change::Restore { text: Some(before) },
                    entry: (old, None),
                });
            }
        }
        let changed = document::remove(client.format, text, place, client.has_inputs.then_some(INPUT))
            .map_err(|problem| at(path, &problem))?;
        unharmed(client, text, &changed, None).map_err(|problem| at(path, &problem))?;
        Ok(Self { client, file, change: Change::Restore { text: Some(changed) }, entry: (old, None) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.file.path
    }

    /// True if the file will change.
    pub(super) fn changes(&self) -> bool {
        !matches!(self.change, Change::None)
    }

    /// What will happen, for a person. Shows nothing of the file but our entry, and no key.
    pub(super) fn shown(&self) -> String {
        let (title, path) = (self.client.title, self.path().display());
        let (old, new) = &self.entry;
        let mut text = match (&self.change, old, new) {
            (Change::None, _, Some(_)) => return format!("{title}: {path} has the entry already."),
            (Change::None, _, None) => return format!("{title}: {path} has no entry `{NAME}`."),
            (Change::Restore { text: None }, ..) => {
                format!("{title}: {path} will be deleted; setup made it.\n")
            }
            (_, Some(_), Some(_)) => format!("{title}: {path} has another entry `{NAME}`; it will change:\n"),
            (_, None, _) => format!("{title}: {path} will get the entry `{NAME}`:\n"),
            (_, _, None) => format!("{title}: {path} will lose the entry `{NAME}`:\n"),
        };
        let (old, new) = (pretty(old.as_ref()), pretty(new.as_ref()));
        for change in TextDiff::from_lines(&old, &new).iter_all_changes() {
            let mark = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let _ = writeln!(text, "  {mark} {}", change.value().trim_end());
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// Writes the file. Returns what was done.
    pub(super) fn carry_out(&self, edits: &mut Edits, data_dir: &Path, private: bool) -> io::Result<String> {
        let path = self.path();
        match &self.change {
            Change::None => Ok(String::new()),
            Change::Write { text, original } => {
                let copy = self.file.back_up()?;
                let earlier = edits.get(path).and_then(|edit| edit.backup.clone());
                let edit = match original {
                    Original::Known(before) => {
                        Some(Edit::between(before.as_deref(), text, copy.clone().or(earlier)))
                    }
                    Original::Unknown => None,
                };
                // Before the file: a record without its edit matches no text, and does no harm.
                edits.put(data_dir, path, edit)?;
                self.file.write(text, private)?;
                let copy = copy.map(|copy| format!(" Its old text is in {}.", copy.display()));
                Ok(format!("Wrote {}.{}", path.display(), copy.unwrap_or_default()))
            }
            Change::Restore { text } => {
                match text {
                    Some(text) => self.file.write(text, true)?,
                    None => self.file.delete()?,
                }
                let backup = edits.get(path).and_then(|edit| edit.backup.clone());
                // The copy has served its purpose if it is what stands in the file.
                if let (Some(backup), Some(text)) = (backup, text)
                    && std::fs::read(&backup).is_ok_and(|bytes| bytes == text.as_bytes())
                {
                    let _ = std::fs::remove_file(backup);
                }
                edits.put(data_dir, path, None)?;
                Ok(format!("{} {}.", if text.is_some() { "Restored" } else { "Deleted" }, path.display()))
            }
        }
    }
}

fn read(client: &'static Client, path: &Path) -> Result<(ConfigFile, Option<Value>), String> {
    let file = ConfigFile::read(path).map_err(|problem| format!("{} {problem}", path.display()))?;
    let text = file.text.as_deref().unwrap_or_default();
    let entries =
        document::entries(client.format, text, client.servers).map_err(|problem| at(path, &problem))?;
    let own = entries.into_iter().rfind(|(name, _)| name == NAME).map(|(_, entry)| entry);
    Ok((file, own))
}

fn own_entry(client: &Client, text: &str) -> Option<Value> {
    let entries = document::entries(client.format, text, client.servers).ok()?;
    entries.into_iter().rfind(|(name, _)| name == NAME).map(|(_, entry)| entry)
}

fn at(path: &Path, problem: &document::Unusable) -> String {
    match problem {
        document::Unusable::Damaged { .. } => {
            format!("{} cannot be parsed and is left as it is: {problem}", path.display())
        }
        document::Unusable::Unexpected(_) => format!("{} is left as it is: {problem}", path.display()),
    }
}

/// Checks an edit by parsing its result: the own entry is as it should be, and all others are as they were.
fn unharmed(
    client: &Client,
    before: &str,
    after: &str,
    wanted: Option<&Value>,
) -> Result<(), document::Unusable> {
    let others = |text: &str| -> Result<Vec<(String, Value)>, document::Unusable> {
        let mut entries = document::entries(client.format, text, client.servers)?;
        entries.retain(|(name, _)| name != NAME);
        Ok(entries)
    };
    if others(before)? == others(after)? && own_entry(client, after).as_ref() == wanted {
        return Ok(());
    }
    Err(document::Unusable::Unexpected("the entry cannot be changed without touching others".to_owned()))
}

/// The entry as lines, without keys.
fn pretty(entry: Option<&Value>) -> String {
    let Some(entry) = entry else { return String::new() };
    let mut entry = entry.clone();
    for name in ["env", "environment"] {
        if let Some(Value::Object(env)) = entry.get_mut(name) {
            for (_, value) in env.iter_mut().filter(|(name, _)| is_secret(name)) {
                if value.as_str().is_some_and(|text| !text.starts_with("${")) {
                    *value = json!("(a key)");
                }
            }
        }
    }
    format!("{entry:#}\n")
}

/// True if a variable of this name may hold a secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_uppercase();
    ["KEY", "TOKEN", "SECRET", "PASSWORD", "HEADERS"].iter().any(|part| name.contains(part))
}
