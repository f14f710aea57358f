//! Removes the files of results. This is the only place where paid files are deleted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::bucket::{Bucket, BucketProblem, Object, StoredFile};
use crate::download::integrity::{Recorded, digest_of};
use crate::media::input::content::{is_same, options};

/// The outcome for a recorded file.
#[derive(Debug)]
pub enum Removal {
    /// It was removed, or a dry run found that it would be.
    Removed,
    /// It no longer existed.
    Missing,
    /// It stays, because it is outside the folders where files may be deleted; see [`Reach`].
    Elsewhere,
    /// It stays, because it is not the recorded file: it was edited or replaced, or is a link.
    Changed,
    /// It could not be checked or deleted. A later try may succeed.
    Failed(io::Error),
}

/// Where files may be deleted, relative to the folder for results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Only directly in the folder. Other folders were chosen by callers, so rules about age do not apply there.
    Directly,
    /// Also in the folders below it, because a person has chosen the file.
    Below,
}

/// Deletes a recorded file if it is within the reach of `base` and has not changed since it was written. Does not
/// follow links. With `dry`, only checks. Blocking.
pub fn remove_result(file: Recorded<'_>, base: &Path, reach: Reach, dry: bool) -> Removal {
    let base = match dunce::canonicalize(base) {
        Ok(base) => base,
        // A network folder that is not mounted must not look like an empty folder.
        Err(error) => return Removal::Failed(error),
    };
    let removed = match within(&base, file.path, reach) {
        Ok(Some(path)) => remove(&path, file, dry),
        Ok(None) => Ok(Removal::Elsewhere),
        Err(error) => Err(error),
    };
    match removed {
        Ok(removal) => removal,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Removal::Missing,
        Err(error) => Removal::Failed(error),
    }
}

/// Deletes a recorded object if it has not changed since it was written. With `dry`, only checks.
pub async fn remove_object(bucket: Option<&Bucket>, object: &Object, bytes: u64, dry: bool) -> Removal {
    let Some(bucket) = bucket else {
        return Removal::Failed(io::Error::other(
            "the file is in a bucket, and MINIMAX_FILES_URL is not set",
        ));
    };
    let removed = match StoredFile::open(bucket, object, bytes).await {
        Ok(_) if dry => Ok(()),
        Ok(_) => bucket.delete(&object.key).await,
        Err(problem) => Err(problem),
    };
    match removed {
        Ok(()) => Removal::Removed,
        Err(BucketProblem::Absent) => Removal::Missing,
        Err(BucketProblem::Replaced) => Removal::Changed,
        Err(problem) => Removal::Failed(io::Error::other(problem)),
    }
}

/// The real path of a file, if it is within the reach of `base`. `base` contains no links.
fn within(base: &Path, path: &Path, reach: Reach) -> io::Result<Option<PathBuf>> {
    let (Some(folder), Some(name), true) = (path.parent(), path.file_name(), path.is_absolute()) else {
        return Ok(None);
    };
    let real = dunce::canonicalize(folder)?;
    let is_within = match reach {
        Reach::Directly => real == base,
        Reach::Below => real.starts_with(base),
    };
    Ok(is_within.then(|| real.join(name)))
}

fn remove(path: &Path, record: Recorded<'_>, dry: bool) -> io::Result<Removal> {
    let looked = path.symlink_metadata()?;
    if !looked.is_file() || looked.len() != record.bytes {
        return Ok(Removal::Changed);
    }
    let file = options().open(path)?;
    let opened = file.metadata()?;
    let is_recorded = is_same(&looked, &opened)
        && opened.len() == record.bytes
        && digest_of(&file, record.bytes).is_ok_and(|digest| digest == record.sha256);
    // Windows does not delete open files.
    drop(file);
    // The file may have been replaced while it was read.
    if !is_recorded || !is_same(&path.symlink_metadata()?, &opened) {
        return Ok(Removal::Changed);
    }
    if !dry {
        fs::remove_file(path)?;
    }
    Ok(Removal::Removed)
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn remove(path: &Path, base: &Path, content: &[u8], dry: bool) -> String {
        remove_in(Reach::Directly, path, base, content, dry)
    }

    fn remove_in(reach: Reach, path: &Path, base: &Path, content: &[u8], dry: bool) -> String {
        let sha256 = HEXLOWER.encode(&Sha256::digest(content));
        let record = Recorded { path, bytes: content.len() as u64, sha256: &sha256 };
        match remove_result(record, base, reach, dry) {
            Removal::Failed(error) => format!("{:?}", error.kind()),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn only_the_recorded_file_directly_in_the_base_folder_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (base, other) = (dir.path().join("base"), dir.path().join("other"));
        for folder in [&base, &base.join("chosen"), &other] {
            fs::create_dir(folder).unwrap();
        }
        let (same, edited) = (base.join("same"), base.join("edited"));
        for path in [&same, &base.join("chosen/same"), &other.join("same")] {
            fs::write(path, "12345").unwrap();
        }
        fs::write(&edited, "54321").unwrap();
        for (path, became) in [
            (edited.clone(), "Changed"),
            (base.join("none"), "Missing"),
            (base.join("chosen"), "Changed"),
            (base.join("chosen/same"), "Elsewhere"),
            (other.join("same"), "Elsewhere"),
            (base.join("../other/same"), "Elsewhere"),
            (PathBuf::from("same"), "Elsewhere"),
            (base.join(".."), "Elsewhere"),
            (dir.path().join("gone/same"), "Missing"),
        ] {
            assert_eq!(remove(&path, &base, b"12345", false), became, "{}", path.display());
        }
        assert_eq!(remove(&edited, &base, b"1234", false), "Changed", "another length");
        assert_eq!(
            remove(&same, &dir.path().join("gone"), b"12345", false),
            "NotFound",
            "the folder is away"
        );
        assert_eq!(remove(&same, &base, b"12345", true), "Removed");
        assert!(same.exists(), "a dry run");
        assert_eq!(remove(&same, &base, b"12345", false), "Removed");
        assert!(!same.exists() && edited.exists() && other.join("same").exists());
        assert!(base.join("chosen/same").exists());
    }

    #[test]
    fn a_person_may_also_remove_the_recorded_file_in_a_folder_below() {
        let dir = tempfile::tempdir().unwrap();
        let (base, other) = (dir.path().join("base"), dir.path().join("other"));
        let deep = base.join("mine/today");
        fs::create_dir_all(&deep).unwrap();
        fs::create_dir(&other).unwrap();
        for folder in [&deep, &other] {
            fs::write(folder.join("same"), "12345").unwrap();
        }
        for (path, became) in [
            (other.join("same"), "Elsewhere"),
            (base.join("../other/same"), "Elsewhere"),
            (base.join("mine/.."), "Elsewhere"),
            (base.join("mine"), "Changed"),
            (base.join("gone/same"), "Missing"),
            (deep.join("same"), "Removed"),
        ] {
            let removed = remove_in(Reach::Below, &path, &base, b"12345", false);
            assert_eq!(removed, became, "{}", path.display());
        }
        assert!(!deep.join("same").exists() && other.join("same").exists());
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&other, base.join("folder")).unwrap();
            std::os::unix::fs::symlink(other.join("same"), base.join("link")).unwrap();
            for (name, became) in [("folder/same", "Elsewhere"), ("link", "Changed")] {
                assert_eq!(remove_in(Reach::Below, &base.join(name), &base, b"12345", false), became);
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_the_place_of_a_file_or_of_its_folder_is_not_followed() {
        use std::os::unix::fs::symlink;

        let dir = tempfile::tempdir().unwrap();
        let (base, other) = (dir.path().join("base"), dir.path().join("other"));
        for folder in [&base, &other] {
            fs::create_dir(folder).unwrap();
        }
        fs::write(other.join("a"), "12345").unwrap();
        symlink(other.join("a"), base.join("a")).unwrap();
        symlink(&other, base.join("folder")).unwrap();
        assert_eq!(remove(&base.join("a"), &base, b"12345", false), "Changed");
        assert_eq!(remove(&base.join("folder/a"), &base, b"12345", false), "Elsewhere");
        assert!(other.join("a").exists() && base.join("a").is_symlink());
        // The base folder itself may be a link.
        symlink(&other, dir.path().join("link")).unwrap();
        assert_eq!(remove(&dir.path().join("link/a"), &dir.path().join("link"), b"12345", false), "Removed");
    }
}
