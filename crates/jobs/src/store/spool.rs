//! The spool: updates that the database could not take, in files until it can.
//!
//! Each process has one file, in a folder below the data folder or, if that cannot be written, in a hidden folder below
//! the output folder. Tools and other programs write to the output folder, so a line counts only with a MAC under a key
//! of the database, and it changes only the fields that a running job changes.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::Sha256;

use super::budget::PurchaseState;
use crate::media::private;
use crate::record::State;
use crate::record::{Job, MOST_FILES};

/// Below the data folder.
const FOLDER: &str = "spool";
/// Below the output folder. No tool accepts this name.
const FALLBACK: &str = ".minimax-spool";
const ENDING: &str = "spool";
/// The extension of a file that is being written, or whose process died while writing.
const FRESH: &str = "new";
/// The largest spool file, in bytes.
const LONGEST: u64 = 64 * 1024 * 1024;

/// The file names of earlier versions, in the data folder and in the output folder.
const LEGACY: &str = "unwritten-";
const LEGACY_HIDDEN: &str = ".minimax-unwritten-";
const LEGACY_ENDING: &str = "jsonl";

/// The fields that a running job changes. An entry may change no others.
const KEPT: &[&str] = &[
    "state",
    "files",
    "file_ids",
    "text",
    "voice_id",
    "missing",
    "incomplete",
    "may_be_billed",
    "unread",
    "usage",
    "cost",
    "warnings",
    "model",
    "updated_at",
];

/// One line of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// When the process learned of it, in Unix milliseconds.
    pub when: i64,
    /// The update itself.
    #[serde(flatten)]
    pub what: Update,
}

/// What the database could not take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Update {
    /// The new state of a job's record.
    Job {
        /// The job's id.
        job: String,
        /// Its task id, for a person who reads the file.
        task_id: Option<String>,
        /// What its record should say.
        record: Map<String, Value>,
    },
    /// How a purchase without a job has ended.
    Purchase {
        /// Its id in the ledger.
        purchase: String,
        /// Its last state.
        state: PurchaseState,
        /// Millionths of the purchase's currency.
        actual: Option<i64>,
    },
}

impl Update {
    pub(crate) fn of(job: &Job) -> Self {
        let mut record = match serde_json::to_value(job) {
            Ok(Value::Object(record)) => record,
            _ => Map::new(),
        };
        record.retain(|name, value| KEPT.contains(&name.as_str()) && !value.is_null());
        let task_id = job.state.task().map(|task| task.id.clone());
        Self::Job { job: job.id.clone(), task_id, record }
    }

    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Job { job, .. } => job,
            Self::Purchase { purchase, .. } => purchase,
        }
    }
}

impl Entry {
    /// Applies the entry to the job, unless the job has advanced further. Returns whether the job has changed.
    ///
    /// An entry never changes the owner, the kind or the folder of a job.
    pub(crate) fn amend(&self, job: &mut Job) -> bool {
        let Update::Job { job: id, record, .. } = &self.what else { return false };
        let Ok(Value::Object(mut all)) = serde_json::to_value(&*job) else { return false };
        let kept = record.iter().filter(|(name, _)| KEPT.contains(&name.as_str()));
        all.extend(kept.map(|(name, value)| (name.clone(), value.clone())));
        let Ok(mut known) = serde_json::from_value::<Job>(Value::Object(all)) else { return false };
        // `Submitting` is outdated once the record is newer. Every other state stays true.
        let in_time = !matches!(known.state, State::Submitting { .. }) || known.updated_at > job.updated_at;
        let fits = *id == job.id
            && in_time
            && known.files.len() <= MOST_FILES
            && job.state.gives_way_to(&known.state);
        if fits {
            known.waiting = job.waiting.take();
            *job = known;
        }
        fits
    }
}

/// The key that proves that a server of this data folder wrote a line.
pub(crate) struct SpoolKey(Vec<u8>);

/// Does not show the key.
impl std::fmt::Debug for SpoolKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SpoolKey")
    }
}

impl SpoolKey {
    pub(crate) fn new(secret: Vec<u8>) -> Self {
        Self(secret)
    }

    fn mac(&self, entry: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(b"minimax-mcp spool\n");
        mac.update(entry.as_bytes());
        Some(mac)
    }

    /// The line of an entry: its MAC in hexadecimal digits, a space, and the entry as JSON.
    pub(crate) fn line(&self, entry: &Entry) -> Option<String> {
        let json = serde_json::to_string(entry).ok()?;
        let mac = HEXLOWER.encode(&self.mac(&json)?.finalize().into_bytes());
        Some(format!("{mac} {json}"))
    }

    /// The entry of a line; `None` if no server of this data folder wrote it.
    pub(crate) fn entry(&self, line: &str) -> Option<Entry> {
        let (mac, json) = line.split_once(' ')?;
        self.mac(json)?.verify_slice(&HEXLOWER.decode(mac.as_bytes()).ok()?).ok()?;
        serde_json::from_str(json).ok()
    }
}

/// An entry that a version before the spool wrote, without a MAC.
pub(crate) fn legacy_entry(line: &str) -> Option<Entry> {
    serde_json::from_str(line).ok()
}

/// The folders of spool files: the usual one, and the one that is used if the data folder cannot be written.
pub(crate) fn folders(data: &Path, output: &Path) -> [PathBuf; 2] {
    [data.join(FOLDER), output.join(FALLBACK)]
}

/// The file of a process.
pub(crate) fn file_of(folder: &Path, owner: &str) -> PathBuf {
    folder.join(format!("{owner}.{ENDING}"))
}

/// The files of all processes in a folder that belongs to this user. Blocking.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    if folder.symlink_metadata().is_err() {
        return Vec::new();
    }
    if let Err(error) = private::subfolder(folder) {
        tracing::warn!(
            folder = %folder.display(),
            %error,
            "spooled updates are not read from here"
        );
        return Vec::new();
    }
    named(folder, |name| {
        Path::new(name).extension().is_some_and(|ending| ending == ENDING || ending == FRESH)
    })
}

/// The files of versions before the spool. Blocking.
pub(crate) fn legacy_files(folder: &Path) -> Vec<PathBuf> {
    let ours = |name: &str| {
        let ending = Path::new(name).extension();
        let is_whole = ending.is_some_and(|ending| ending == LEGACY_ENDING || ending == FRESH);
        is_whole && (name.starts_with(LEGACY) || name.starts_with(LEGACY_HIDDEN))
    };
    named(folder, ours)
}

/// Whether an earlier version has hidden this file in the output folder.
pub(crate) fn is_legacy_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(LEGACY_HIDDEN))
}

fn named(folder: &Path, ours: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let ours = entries.filter(|entry| ours(&entry.file_name().to_string_lossy()));
    ours.map(|entry| entry.path()).collect()
}

/// Reads a file. `strict` is for files without MACs: no other user may be able to write them. Blocking.
pub(crate) fn read(path: &Path, strict: bool) -> std::io::Result<String> {
    private::read(path, LONGEST, strict)
}

/// Writes a complete file that only this user can read: it may contain links to results. Blocking.
pub(crate) fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        private::subfolder(folder)?;
    }
    let fresh = path.with_extension(FRESH);
    let _ = std::fs::remove_file(&fresh);
    let written = private::create_new(&fresh).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(&fresh, path)).inspect_err(|_| {
        let _ = std::fs::remove_file(&fresh);
    })
}

/// Renames a file before it is read. Its process may write a new file of the old name in the meantime, and that must
/// not be removed with this one. In a folder that cannot be changed, the name stays. Blocking.
pub(crate) fn take(path: &Path, name: &str) -> PathBuf {
    let own = file_of(path.parent().unwrap_or(path), name);
    match std::fs::rename(path, &own) {
        Ok(()) => own,
        Err(_) => path.to_owned(),
    }
}

/// Gives a file its old name back, unless there is a new file of that name. Blocking.
pub(crate) fn put_back(path: PathBuf, known: PathBuf) -> PathBuf {
    if path == known || std::fs::hard_link(&path, &known).is_err() {
        return path;
    }
    remove(&path);
    known
}

/// Removes a file, and the folder in the output folder once it is empty. Blocking.
pub(crate) fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(file = %path.display(), %error, "a file that is no longer needed stays");
    }
    if let Some(folder) = path.parent().filter(|folder| folder.ends_with(FALLBACK)) {
        let _ = std::fs::remove_dir(folder);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry() -> Entry {
        serde_json::from_value(json!({ "when": 7, "purchase": "call-1", "state": "settled", "actual": 3 }))
            .unwrap()
    }

    #[test]
    fn a_purchase_ends_only_in_a_way_that_the_ledger_knows() {
        let line = |state: &str| format!(r#"{{"when":7,"purchase":"call-1","state":"{state}","actual":3}}"#);
        assert_eq!(legacy_entry(&line("settled")), Some(entry()));
        assert_eq!(serde_json::to_string(&entry()).unwrap(), line("settled"));
        assert_eq!(legacy_entry(&line("anything")), None);
    }

    #[test]
    fn a_line_counts_only_as_it_was_written_and_with_the_key_of_its_records() {
        let (key, other) = (SpoolKey::new(vec![1; 32]), SpoolKey::new(vec![2; 32]));
        let line = key.line(&entry()).unwrap();
        assert_eq!(key.entry(&line), Some(entry()));
        assert_eq!(other.entry(&line), None);
        let (mac, json) = line.split_once(' ').unwrap();
        for forged in [
            json.to_owned(),
            format!("{mac} {}", json.replace("settled", "released")),
            format!("{mac}  {json}"),
            format!("{} {json}", &mac[..62]),
            format!(" {json}"),
            format!("{} {json}", "0".repeat(64)),
            String::new(),
        ] {
            assert_eq!(key.entry(&forged), None, "{forged}");
        }
    }

    #[test]
    fn an_entry_never_changes_the_owner_or_the_folder_of_a_job() {
        let blank = json!({
            "id": "image-1", "principal": "ada", "kind": "image", "tool": "text_to_image", "model": "m", "account": "a",
            "prompt": "p", "request": null, "digest": "d", "folder": "/out", "idempotency_key": "k",
            "state": State::NEW, "cost": { "currency": "USD" }, "created_at": 1, "updated_at": 1,
        });
        let mut job: Job = serde_json::from_value(blank.clone()).unwrap();
        let record = json!({
            "id": "image-2", "principal": "bob", "kind": "transcription", "tool": "x", "account": "b", "prompt": "q",
            "request": 1, "digest": "e", "folder": "/elsewhere", "idempotency_key": "l", "created_at": 2, "more": 1,
            "state": { "at": "fetching" }, "updated_at": 5,
        });
        let Value::Object(record) = record else { panic!() };
        let what = Update::Job { job: "image-1".to_owned(), task_id: None, record };
        assert!(Entry { when: 1, what }.amend(&mut job));
        let mut expected = blank;
        expected["state"] = json!({ "at": "fetching" });
        expected["updated_at"] = json!(5);
        let expected: Job = serde_json::from_value(expected).unwrap();
        assert_eq!(serde_json::to_value(&job).unwrap(), serde_json::to_value(&expected).unwrap());
    }
}
