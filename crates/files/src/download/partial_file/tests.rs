//! Partial files that are resumed, and ones that are not.

use reqwest::header::{ETAG, HeaderValue};

use super::*;

fn version(length: u64) -> Option<Validator> {
    let headers = [(ETAG, HeaderValue::from_static("\"a\""))].into_iter().collect();
    Validator::of(&headers, Some(length))
}

fn by(secret: u8) -> Resume {
    Resume { name: "k".to_owned(), secret: [secret; 32] }
}

fn written(folder: &Path, bytes: &[u8], length: u64) {
    let mut part = PartialFile::named(folder, &by(7)).unwrap();
    part.begin(version(length)).unwrap();
    part.push(bytes).unwrap();
    part.note();
}

fn count(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_partial_file_is_resumed_at_its_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = vec![7; 300_000];
    written(folder.path(), &bytes, 400_000);
    let mut part = PartialFile::named(folder.path(), &by(7)).unwrap();
    assert_eq!((part.bytes(), part.resumable().unwrap().1), (300_000, 300_000 - OVERLAP));
    // These bytes are not in the checkpoint, as when the process is killed.
    part.push(&[8; 1000]).unwrap();
    drop(part);
    let mut part = PartialFile::named(folder.path(), &by(7)).unwrap();
    assert_eq!((part.bytes(), part.file().metadata().unwrap().len()), (300_000, 300_000));
    part.push(&vec![9; 100_000]).unwrap();
    let whole = [bytes, vec![9; 100_000]].concat();
    assert_eq!(part.sha256(), HEXLOWER.encode(&Sha256::digest(&whole)));
    assert_eq!(std::fs::read(part.into_file().path()).unwrap(), whole);
    assert_eq!(count(folder.path()), 0);
}

#[test]
fn bytes_that_do_not_match_the_checkpoint_are_not_used() {
    for spoil in [
        |bytes: &mut Vec<u8>| bytes[1000] ^= 1,
        |bytes: &mut Vec<u8>| bytes.truncate(200_000),
        |bytes: &mut Vec<u8>| bytes.clear(),
    ] {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), &vec![7; 300_000], 400_000);
        let is_part = |path: &std::path::PathBuf| !path.to_string_lossy().contains(".notes");
        let mut paths = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let path = paths.find(is_part).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        spoil(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        let part = PartialFile::named(folder.path(), &by(7)).unwrap();
        assert_eq!((part.bytes(), part.resumable()), (0, None));
        drop(part);
        assert_eq!(count(folder.path()), 0);
    }
}

#[test]
fn checkpoints_that_cannot_be_read_or_are_torn_are_ignored() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), &vec![7; 300_000], 400_000);
    let mut paths = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let notes = paths.find(|path| path.to_string_lossy().contains(".notes")).unwrap();
    let text = std::fs::read_to_string(&notes).unwrap();
    std::fs::write(&notes, format!("{text}350000 abc")).unwrap();
    assert_eq!(PartialFile::named(folder.path(), &by(7)).unwrap().bytes(), 300_000);
    std::fs::write(&notes, format!("{text}999999999 abc\n")).unwrap();
    assert_eq!(PartialFile::named(folder.path(), &by(7)).unwrap().bytes(), 300_000);
    for bad in ["", "{}\n", "garbage\n1 2\n", &text.replace("300000", "-1")] {
        std::fs::write(&notes, bad).unwrap();
        assert_eq!(PartialFile::named(folder.path(), &by(7)).unwrap().bytes(), 0, "{bad}");
        written(folder.path(), &vec![7; 300_000], 400_000);
    }
}

/// Otherwise another party with write access to the folder could put its own bytes before a paid result.
#[test]
fn bytes_and_checkpoints_of_another_program_are_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let mut part = PartialFile::named(folder.path(), &by(8)).unwrap();
    part.begin(version(400_000)).unwrap();
    part.push(&vec![6; 300_000]).unwrap();
    part.note();
    drop(part);
    assert_eq!(count(folder.path()), 2);
    let part = PartialFile::named(folder.path(), &by(7)).unwrap();
    assert_eq!((part.bytes(), part.resumable()), (0, None));
    drop(part);
    // A valid entry of one download is not valid for another download or another version.
    written(folder.path(), &vec![7; 300_000], 400_000);
    let mut paths = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let notes = paths.find(|path| path.to_string_lossy().contains(".notes")).unwrap();
    let text = std::fs::read_to_string(&notes).unwrap();
    std::fs::write(&notes, text.replace("400000", "900000")).unwrap();
    assert_eq!(PartialFile::named(folder.path(), &by(7)).unwrap().bytes(), 0);
}

#[cfg(unix)]
#[test]
fn a_partial_file_with_a_hard_link_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), &vec![7; 300_000], 400_000);
    let entries: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().path()).collect();
    let other = tempfile::NamedTempFile::new_in(folder.path()).unwrap();
    std::fs::write(other.path(), "mine").unwrap();
    for path in entries {
        std::fs::remove_file(&path).unwrap();
        std::fs::hard_link(other.path(), path).unwrap();
    }
    assert!(PartialFile::named(folder.path(), &by(7)).is_err());
    assert_eq!(std::fs::read(other.path()).unwrap(), b"mine");
}

#[test]
fn a_partial_file_that_another_process_writes_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), &vec![7; 300_000], 400_000);
    let first = PartialFile::named(folder.path(), &by(7)).unwrap();
    let second = PartialFile::named(folder.path(), &by(7)).err().unwrap();
    assert_eq!((first.bytes(), second.kind()), (300_000, io::ErrorKind::WouldBlock));
    assert_eq!(count(folder.path()), 2, "the part and its notes");
}

#[cfg(unix)]
#[test]
fn a_link_in_the_place_of_a_partial_file_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), &vec![7; 300_000], 400_000);
    let other = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(other.path(), "mine").unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
        std::fs::remove_file(entry.path()).unwrap();
        std::os::unix::fs::symlink(other.path(), entry.path()).unwrap();
    }
    assert!(PartialFile::named(folder.path(), &by(7)).is_err());
    assert_eq!(std::fs::read(other.path()).unwrap(), b"mine");
}
