//! The change that `setup` will make to one file, decided and shown before anything is written.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use super::clients::Client;
use super::entry::{ENVIRONMENTS, Entry, INPUT, NAME, merged};
use super::undo::{Edit, Edits};
use crate::documents::file::ConfigFile;
use crate::documents::{self as document, Place};
use crate::texts::setup as say;

/// The change that will be made to one file.
#[derive(Debug)]
pub(super) struct PlannedEdit {
    pub(super) client: &'static Client,
    file: ConfigFile,
    change: Change,
    /// The entry before and after the change.
    entry: (Option<Value>, Option<Value>),
}

#[derive(Debug)]
enum Change {
    /// The file is already right.
    None,
    /// The new text, and the original before all our edits.
    Write { text: String, original: Original },
    /// The file gets back its text from before our edit, or is deleted if the edit made it.
    Restore { text: Option<String> },
}

#[derive(Debug)]
struct Original {
    text: OriginalText,
    /// The entry that our first edit replaced.
    entry: Option<Value>,
}

#[derive(Debug)]
enum OriginalText {
    /// The text of the file, or `None` if our edit makes it.
    Known(Option<String>),
    /// Other changes lie between our edits, so only the entry can be restored.
    Unknown,
}

/// The input that asks for the key.
pub(super) fn input() -> Value {
    json!({ "type": "promptString", "id": INPUT, "description": "MiniMax API key", "password": true })
}

impl PlannedEdit {
    /// The edit that adds the entry to the file.
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
        let afresh = |old| Original { text: OriginalText::Known(file.text.clone()), entry: old };
        let original = match edits.get(&file.path) {
            None => afresh(old.clone()),
            Some(edit) => match (edit.undone(text), &old) {
                (Some(before), _) => Original {
                    text: OriginalText::Known((!edit.created).then_some(before)),
                    entry: edit.replaced.clone(),
                },
                (None, Some(found)) if edit.wrote(found) => {
                    Original { text: OriginalText::Unknown, entry: edit.replaced.clone() }
                }
                (None, _) => afresh(old.clone()),
            },
        };
        let change = Change::Write { text: changed, original };
        Ok(Self { client, file, change, entry: (old, Some(new)) })
    }

    /// The edit that removes the entry from the file. An entry that `setup` did not write is not changed.
    pub(super) fn removal(
        client: &'static Client,
        path: &Path,
        edits: &Edits,
        entry: &Entry,
    ) -> Result<Self, String> {
        let (file, old) = read(client, path)?;
        let (Some(text), Some(found)) = (file.text.as_deref(), &old) else {
            return Ok(Self { client, file, change: Change::None, entry: (None, None) });
        };
        let edit = edits.get(&file.path);
        if let Some(edit) = edit {
            if let Some(before) = edit.undone(text) {
                let before = (!edit.created || !before.is_empty()).then_some(before);
                let new = before.as_deref().and_then(|before| own_entry(client, before));
                let change = Change::Restore { text: before };
                return Ok(Self { client, file, change, entry: (old, new) });
            }
            let is_safe = |before: &String| unharmed(client, text, before, edit.replaced.as_ref()).is_ok();
            if let Some(before) = edit.undone_around(text).filter(is_safe) {
                let change = Change::Restore { text: Some(before) };
                return Ok(Self { client, file, change, entry: (old, edit.replaced.clone()) });
            }
        }
        let edit = edit.filter(|edit| edit.wrote(found));
        if edit.is_none() && !would_write(client, entry, found) {
            let how = match client.remove {
                Some(command) => say::remove_by_command(command),
                None => say::remove_by_hand(NAME, client.servers),
            };
            return Err(say::not_ours(path.display(), NAME, how));
        }
        let place = Place { servers: client.servers, name: NAME };
        let replaced = edit.and_then(|edit| edit.replaced.clone());
        let changed = match &replaced {
            Some(entry) => document::set(client.format, text, place, entry, None),
            None => document::remove(client.format, text, place, client.has_inputs.then_some(INPUT)),
        };
        let changed = changed.map_err(|problem| at(path, &problem))?;
        unharmed(client, text, &changed, replaced.as_ref()).map_err(|problem| at(path, &problem))?;
        Ok(Self { client, file, change: Change::Restore { text: Some(changed) }, entry: (old, replaced) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.file.path
    }

    /// True if the file will change.
    pub(super) fn changes(&self) -> bool {
        !matches!(self.change, Change::None)
    }

    /// The change, for a person. Shows only our entry of the file, and no key.
    pub(super) fn shown(&self) -> String {
        let (title, path) = (self.client.title, self.path().display());
        let (old, new) = &self.entry;
        let head = match (&self.change, old, new) {
            (Change::None, _, Some(_)) => return say::has_already(title, path),
            (Change::None, _, None) => return say::has_none(title, path, NAME),
            (Change::Restore { text: None }, ..) => say::will_be_deleted(title, path),
            (_, Some(_), Some(_)) => say::will_change(title, path, NAME),
            (_, None, _) => say::will_get(title, path, NAME),
            (_, _, None) => say::will_lose(title, path, NAME),
        };
        let mut text = head + "\n";
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
        let written = match &self.change {
            Change::Write { text, .. } => Some(text),
            Change::None | Change::Restore { .. } => None,
        };
        let problem =
            written.filter(|_| self.client.is_strict).and_then(|text| document::not_plain_json(text));
        if let Some(problem) = problem {
            let _ = write!(text, "\n{title}: {} {}", self.path().display(), say::cannot_be_read(problem));
        }
        text
    }

    /// Writes the file. Returns what was done.
    pub(super) fn carry_out(&self, edits: &mut Edits, data_dir: &Path, private: bool) -> io::Result<String> {
        let path = self.path();
        match &self.change {
            Change::None => Ok(String::new()),
            Change::Write { text, original } => {
                let copy = self.file.back_up()?;
                let earlier = edits.get(path);
                let backup = copy.clone().or_else(|| earlier?.backup.clone());
                let made_folder = earlier.and_then(|edit| edit.made_folder.clone());
                let made_folder = self.file.missing_folder().or(made_folder);
                let edit = match &original.text {
                    OriginalText::Known(before) => Edit::between(before.as_deref(), text, backup),
                    OriginalText::Unknown => Edit::of_entry_alone(backup),
                };
                let edit = edit.in_folder(made_folder);
                let edit = Some(edit.of(original.entry.clone(), self.entry.1.clone()));
                // Write the record before the file: a record without its edit matches no text and does no harm.
                edits.put(data_dir, path, edit)?;
                self.file.write(text, private)?;
                let copy = copy.map(|copy| say::old_text_in(copy.display()));
                Ok(say::wrote(path.display()) + &copy.unwrap_or_default())
            }
            Change::Restore { text } => {
                if let Some(text) = text {
                    self.file.write(text, true)?;
                } else {
                    self.file.delete()?;
                    let made = edits.get(path).and_then(|edit| edit.made_folder.as_deref());
                    remove_empty(path, made);
                }
                let backup = edits.get(path).and_then(|edit| edit.backup.clone());
                // The copy is no longer needed if it equals the file.
                if let (Some(backup), Some(text)) = (backup, text)
                    && std::fs::read(&backup).is_ok_and(|bytes| bytes == text.as_bytes())
                {
                    let _ = std::fs::remove_file(backup);
                }
                edits.put(data_dir, path, None)?;
                Ok(match text {
                    Some(_) => say::restored(path.display()),
                    None => say::deleted_file(path.display()),
                })
            }
        }
    }
}

/// Removes the folders that `setup` made for a file, unless they contain something else by now.
fn remove_empty(path: &Path, made: Option<&Path>) {
    let Some(made) = made else { return };
    let made = path.ancestors().skip(1).take_while(|folder| folder.starts_with(made));
    let _ = made.map(std::fs::remove_dir).take_while(Result::is_ok).count();
}

fn read(client: &'static Client, path: &Path) -> Result<(ConfigFile, Option<Value>), String> {
    let file = ConfigFile::read(path).map_err(|problem| format!("{} {problem}", path.display()))?;
    let text = file.text.as_deref().unwrap_or_default();
    let entries =
        document::entries(client.format, text, client.servers).map_err(|problem| at(path, &problem))?;
    let own = entries.into_iter().rfind(|(name, _)| name == NAME).map(|(_, entry)| entry);
    Ok((file, own))
}

/// True if this is exactly an entry that `setup` writes here: with or without a question for the key, and with
/// or without the data folder.
fn would_write(client: &Client, entry: &Entry, found: &Value) -> bool {
    [true, false].into_iter().any(|ask| {
        let here = Entry { ask, keys: Vec::new(), ..entry.clone() };
        let elsewhere = Entry { env: Vec::new(), ..here.clone() };
        [here, elsewhere].iter().any(|entry| entry.value(client) == *found)
    })
}

fn own_entry(client: &Client, text: &str) -> Option<Value> {
    let entries = document::entries(client.format, text, client.servers).ok()?;
    entries.into_iter().rfind(|(name, _)| name == NAME).map(|(_, entry)| entry)
}

fn at(path: &Path, problem: &document::Unusable) -> String {
    match problem {
        document::Unusable::Damaged { .. } => say::cannot_be_parsed(path.display(), problem),
        document::Unusable::Unexpected(_) => say::left_as_it_is(path.display(), problem),
    }
}

/// Checks an edit by parsing its result: our entry must be as planned, and all others unchanged.
fn unharmed(
    client: &Client,
    before: &str,
    after: &str,
    wanted: Option<&Value>,
) -> Result<(), document::Unusable> {
    let others = |text: &str| -> Result<document::Entries, document::Unusable> {
        let mut entries = document::entries(client.format, text, client.servers)?;
        entries.retain(|(name, _)| name != NAME);
        Ok(entries)
    };
    if others(before)? == others(after)? && own_entry(client, after).as_ref() == wanted {
        return Ok(());
    }
    Err(document::Unusable::Unexpected(say::would_touch_others()))
}

/// The entry as lines, without keys.
fn pretty(entry: Option<&Value>) -> String {
    let Some(entry) = entry else { return String::new() };
    let mut entry = entry.clone();
    for name in ENVIRONMENTS {
        if let Some(Value::Object(env)) = entry.get_mut(name) {
            for (_, value) in env.iter_mut().filter(|(name, _)| is_secret(name)) {
                if value.as_str().is_some_and(|text| !text.starts_with("${")) {
                    *value = json!(say::hidden_key());
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
