//! Names that several files want.

use std::io::Write as _;

use super::*;
use crate::download::folder::temporary;

fn file(folder: &Path, content: &str) -> NamedTempFile {
    let mut file = temporary(folder).unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file
}

#[test]
fn a_claim_in_two_steps_overwrites_nothing_and_leaves_no_empty_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fox.jpg");
    claim_in_two_steps(file(folder.path(), "first"), &path).unwrap();
    let refused = claim_in_two_steps(file(folder.path(), "second"), &path).unwrap_err();
    assert_eq!(refused.error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(&path).unwrap(), b"first");
    let gone = folder.path().join("gone/fox.jpg");
    let refused = claim_in_two_steps(refused.file, &gone).unwrap_err();
    assert_eq!(refused.error.kind(), io::ErrorKind::NotFound);
    drop(refused);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn only_one_of_many_concurrent_claims_gets_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fox.jpg");
    let claims: Vec<_> = (0..8).map(|n| file(folder.path(), &n.to_string())).collect();
    let won = std::thread::scope(|scope| {
        let claims: Vec<_> =
            claims.into_iter().map(|file| scope.spawn(|| claim_in_two_steps(file, &path).is_ok())).collect();
        claims.into_iter().map(|claim| claim.join().unwrap()).filter(|won| *won).count()
    });
    assert_eq!(won, 1);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
