//! Files, or parts of them, that a test makes from the code. `UPDATE=1` makes the test write them.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Whether generated files are written rather than checked.
pub fn are_written() -> bool {
    env::var_os("UPDATE").is_some()
}

/// A file of the repository, with the line ends of Unix. Empty if there is none.
pub fn read(path: &str) -> String {
    fs::read_to_string(place(path)).unwrap_or_default().replace("\r\n", "\n")
}

/// Whether a file of the repository has this text, which `UPDATE=1` writes.
pub fn has(path: &str, fresh: &str) -> bool {
    let is_current = read(path) == fresh;
    if !is_current && are_written() {
        fs::create_dir_all(place(path).parent().unwrap()).unwrap();
        fs::write(place(path), fresh).unwrap();
    }
    is_current || are_written()
}

fn place(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
