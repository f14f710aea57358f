//! Checks for free disk space before anything is written or bought.

use std::path::Path;

use crate::download::folder::OutputProblem;
use crate::download::link::FetchProblem;
use crate::media::units::size;

/// Space that a file must leave free, in bytes. A smaller file must leave its own size.
const MARGIN: u64 = 16 * 1024 * 1024;

/// Checks that `least` bytes are free in `folder`, which must exist. Call this before a paid request. Reads the disk
/// briefly.
pub fn room(folder: &Path, least: u64) -> Result<(), OutputProblem> {
    match fs4::available_space(folder) {
        Ok(free) if free < least => Err(OutputProblem::Full { path: folder.to_owned(), free, least }),
        _ => Ok(()),
    }
}

/// Checks that a file of `length` bytes fits into `folder`. `here` bytes of it are already on the disk.
pub(crate) async fn check(folder: &Path, length: u64, here: u64) -> Result<(), FetchProblem> {
    let missing = length.saturating_sub(here);
    if missing == 0 {
        return Ok(());
    }
    match free(folder).await {
        Some(free) if !fits(missing, free) => Err(FetchProblem::Disk(format!(
            "{} more is needed, and only {} is free in {}",
            size(missing),
            size(free),
            folder.display()
        ))),
        _ => Ok(()),
    }
}

fn fits(missing: u64, free: u64) -> bool {
    free >= missing.saturating_add(missing.min(MARGIN))
}

/// `None` if the system does not report it. Then the write itself shows whether there is space.
async fn free(folder: &Path) -> Option<u64> {
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || fs4::available_space(folder)).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_fits_if_a_margin_is_left() {
        assert!(fits(100, 200) && !fits(100, 199));
        assert!(fits(1 << 30, (1 << 30) + MARGIN) && !fits(1 << 30, (1 << 30) + MARGIN - 1));
        assert!(!fits(u64::MAX, u64::MAX - 1));
    }

    #[test]
    fn the_error_about_too_little_space_names_the_folder_and_the_free_space() {
        let folder = tempfile::tempdir().unwrap();
        room(folder.path(), 1).unwrap();
        let said = room(folder.path(), u64::MAX).unwrap_err().to_string();
        assert!(said.contains(&folder.path().display().to_string()) && said.contains("free"), "{said}");
        // A folder whose space cannot be determined is not refused.
        room(Path::new("/no/such/folder"), u64::MAX).unwrap();
    }
}
