//! Files and folders that only this user can access, whatever the umask.
//!
//! Only Unix has file modes. On Windows a new file inherits the permissions of its folder, and the folders in a
//! user's profile belong to that user.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

use crate::media::input::content;

/// How far other users had access to a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Found {
    /// They had none.
    Private,
    /// They had access, and it was removed.
    Narrowed,
    /// They still have access: the file system has no permissions, or is read-only.
    Open,
}

/// Creates the folder, or removes other users' access to an existing one.
///
/// Fails for a folder that belongs to another user or is shared by all users. The error names no path.
pub fn folder(path: &Path) -> io::Result<Found> {
    if path.metadata().is_ok_and(|data| data.is_dir()) {
        return narrow_folder(path);
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    #[cfg(unix)]
    let _ = std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700));
    narrow_folder(path)
}

/// Like [`folder`], but fails if the path is a link or a file.
pub fn subfolder(path: &Path) -> io::Result<Found> {
    match path.symlink_metadata() {
        Ok(data) if !data.is_dir() => Err(io::Error::other("something other than a folder has this name")),
        _ => folder(path),
    }
}

/// Opens a file for writing and creates it if necessary. Does not follow links.
pub fn create(path: &Path) -> io::Result<File> {
    match create_new(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let file = writing().open(path)?;
            narrow_open(&file)?;
            Ok(file)
        }
        made => made,
    }
}

/// Creates a new file. Fails if it exists.
pub fn create_new(path: &Path) -> io::Result<File> {
    let file = writing().create_new(true).open(path)?;
    // The umask may have removed the owner's own rights. Some file systems have no permissions, so errors are
    // ignored.
    #[cfg(unix)]
    let _ = file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600));
    Ok(file)
}

/// Reads a regular file of at most `most` bytes that belongs to this user and has no second name. Does not follow
/// links. With `strict`, fails if other users have access.
pub fn read(path: &Path, most: u64, strict: bool) -> io::Result<String> {
    let file = content::options().open(path)?;
    let data = file.metadata()?;
    if !is_ours_alone(&data) || data.len() > most {
        return Err(io::Error::other(
            "it must be an ordinary file of this user, with a single name, and not too long",
        ));
    }
    if strict && is_open_to_others(&data) {
        return Err(io::Error::other("other users may read or write it"));
    }
    let mut text = String::new();
    file.take(most).read_to_string(&mut text)?;
    Ok(text)
}

/// Removes other users' access to a file or folder. Does not follow links.
pub fn narrow(path: &Path) -> io::Result<Found> {
    let data = path.symlink_metadata()?;
    if data.is_dir() {
        return narrow_folder(path);
    }
    if !data.is_file() || !is_open_to_others(&data) {
        return Ok(Found::Private);
    }
    // Uses the handle, because a link could replace the path in the meantime.
    narrow_open(&content::options().open(path)?)
}

#[cfg(unix)]
fn narrow_folder(path: &Path) -> io::Result<Found> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    const STICKY: u32 = 0o1000;
    let data = path.metadata()?;
    if !is_ours(data.uid()) {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("the folder belongs to another user (uid {})", data.uid()),
        ));
    }
    if data.mode() & STICKY != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the folder is shared by all users"));
    }
    if !is_open_to_others(&data) {
        return Ok(Found::Private);
    }
    let narrowed = std::fs::set_permissions(path, std::fs::Permissions::from_mode(data.mode() & 0o700));
    Ok(if narrowed.is_ok() && !is_open_to_others(&path.metadata()?) { Found::Narrowed } else { Found::Open })
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the twin of what can fail on Unix")]
fn narrow_folder(_: &Path) -> io::Result<Found> {
    Ok(Found::Private)
}

#[cfg(unix)]
fn narrow_open(file: &File) -> io::Result<Found> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    let data = file.metadata()?;
    if !is_open_to_others(&data) {
        return Ok(Found::Private);
    }
    let narrowed = file.set_permissions(std::fs::Permissions::from_mode(data.mode() & 0o700));
    Ok(if narrowed.is_ok() && !is_open_to_others(&file.metadata()?) { Found::Narrowed } else { Found::Open })
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the twin of what can fail on Unix")]
fn narrow_open(_: &File) -> io::Result<Found> {
    Ok(Found::Private)
}

/// True if the file is regular, belongs to this user and has no second name.
#[cfg(unix)]
pub(crate) fn is_ours_alone(data: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    data.is_file() && is_ours(data.uid()) && data.nlink() == 1
}

#[cfg(not(unix))]
pub(crate) fn is_ours_alone(data: &std::fs::Metadata) -> bool {
    data.is_file()
}

#[cfg(unix)]
fn is_open_to_others(data: &std::fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::mode(data) & 0o077 != 0
}

#[cfg(not(unix))]
fn is_open_to_others(_: &std::fs::Metadata) -> bool {
    false
}

/// True if this user owns it. Root may use a folder that belongs to another user.
#[cfg(unix)]
fn is_ours(owner: u32) -> bool {
    let us = rustix::process::geteuid();
    us.is_root() || us.as_raw() == owner
}

fn writing() -> OpenOptions {
    let mut options = content::options();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.symlink_metadata().unwrap().mode() & 0o7777
    }

    fn set(path: &Path, mode: u32) {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_new_folder_is_private_and_an_open_one_is_made_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        assert_eq!(folder(&path).unwrap(), Found::Private);
        assert_eq!((mode(&path), mode(&dir.path().join("a"))), (0o700, 0o700));
        for wide in [0o755, 0o770, 0o2777, 0o701] {
            set(&path, wide);
            assert_eq!(folder(&path).unwrap(), Found::Narrowed, "{wide:o}");
            assert_eq!(mode(&path) & 0o777, 0o700, "{wide:o}");
        }
        set(&path, 0o500);
        assert_eq!(folder(&path).unwrap(), Found::Private, "one that others cannot enter is left as it is");
        assert_eq!(mode(&path), 0o500);
    }

    #[test]
    fn a_folder_that_all_users_share_is_refused_and_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        set(dir.path(), 0o1777);
        assert!(folder(dir.path()).unwrap_err().to_string().contains("shared by all users"));
        assert_eq!(mode(dir.path()), 0o1777);
    }

    #[test]
    fn links_are_not_followed_for_files_or_folders_of_the_server() {
        let dir = tempfile::tempdir().unwrap();
        let (file, folder, link) =
            (dir.path().join("file"), dir.path().join("folder"), dir.path().join("link"));
        std::fs::write(&file, "mine").unwrap();
        std::fs::create_dir(&folder).unwrap();
        symlink(&file, &link).unwrap();
        assert!(create(&link).is_err() && create_new(&link).is_err() && read(&link, 9, false).is_err());
        set(&file, 0o644);
        assert_eq!(narrow(&link).unwrap(), Found::Private);
        assert_eq!(mode(&file), 0o644);
        std::fs::remove_file(&link).unwrap();
        symlink(&folder, &link).unwrap();
        assert!(subfolder(&link).is_err() && subfolder(&file).is_err());
        assert!(subfolder(&folder).is_ok());
    }

    #[test]
    fn a_file_is_read_only_if_it_is_ordinary_short_enough_and_has_one_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "text").unwrap();
        set(&path, 0o644);
        assert_eq!(read(&path, 4, false).unwrap(), "text");
        assert!(read(&path, 3, false).is_err() && read(&path, 4, true).is_err());
        assert_eq!(narrow(&path).unwrap(), Found::Narrowed);
        assert_eq!((read(&path, 4, true).unwrap().as_str(), mode(&path)), ("text", 0o600));
        std::fs::hard_link(&path, dir.path().join("second")).unwrap();
        assert!(read(&path, 4, true).is_err());
        assert!(read(dir.path(), 4, false).is_err());
    }
}
