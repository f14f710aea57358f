//! THIRD-PARTY.md: the licence texts of the libraries in the released programs.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(page: &str) -> String {
    fs::read_to_string(root().join(page)).unwrap().replace("\r\n", "\n")
}

/// The name of every library under a licence text.
fn named() -> BTreeSet<String> {
    let text = read("THIRD-PARTY.md");
    let libraries = text.lines().filter_map(|line| line.strip_prefix("* "));
    libraries.filter_map(|line| Some(line.split_once(" · ")?.0.to_owned())).collect()
}

/// The name of every library that is compiled into the program on this platform, from Cargo.lock. Versions do not count, so
/// that a routine update needs no new page.
fn shipped() -> BTreeSet<String> {
    let tree = ["tree", "--locked", "--offline", "--package", "minimax-mcp", "--edges", "normal"];
    let shape = ["--prefix", "none", "--format", "{p}"];
    let output = Command::new(env!("CARGO")).args(tree).args(shape).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let parts = lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned);
    parts.filter(|one| !one.starts_with("minimax-")).collect()
}

#[test]
fn every_library_in_the_program_has_its_licence_text() {
    let (named, shipped) = (named(), shipped());
    assert!(shipped.len() > 200, "{}", shipped.len());
    let missing: Vec<_> = shipped.difference(&named).collect();
    assert!(
        missing.is_empty(),
        "`cargo about generate --offline --locked about.hbs --output-file THIRD-PARTY.md` writes the page; it lacks {missing:?}"
    );
}

#[test]
fn the_texts_are_those_that_binaries_have_to_carry() {
    let text = read("THIRD-PARTY.md");
    for part in [
        "## BSD 2-Clause",
        "## ISC License",
        "## Mozilla Public License 2.0",
        "Redistributions in binary form",
    ] {
        assert!(text.contains(part), "{part}");
    }
    let (_, encoder) =
        text.split_once("* rusty_h264-encoder · ").expect("the H.264 encoder is in the programs");
    assert!(encoder.contains("Redistributions in binary form"), "without its conditions");
}

/// A licence that `cargo deny` does not accept is not collected either.
#[test]
fn the_licences_that_are_collected_are_those_that_are_accepted() {
    let list = |text: &str, key: &str| -> BTreeSet<String> {
        let table: toml_edit::DocumentMut = text.parse().unwrap();
        let item = if key == "accepted" { &table[key] } else { &table["licenses"][key] };
        item.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    };
    let mut accepted = list(&read("deny.toml"), "allow");
    accepted.extend(["CC0-1.0", "MPL-2.0"].map(str::to_owned));
    assert_eq!(list(&read("about.toml"), "accepted"), accepted);
}

#[test]
fn every_package_carries_them() {
    let archive: toml_edit::DocumentMut = read("dist-workspace.toml").parse().unwrap();
    let included = archive["dist"]["include"].as_array().unwrap();
    assert!(included.iter().any(|one| one.as_str() == Some("THIRD-PARTY.md")));
    for file in ["packaging/pack.py", "examples/deploy/Dockerfile"] {
        assert!(read(file).contains("THIRD-PARTY.md"), "{file}");
    }
    let source: Value = serde_json::from_str(&read("packaging/source.json")).unwrap();
    let platforms = source["platforms"].as_array().unwrap().iter();
    let built: BTreeSet<_> = platforms.map(|one| one["rust"].as_str().unwrap().to_owned()).collect();
    let about: toml_edit::DocumentMut = read("about.toml").parse().unwrap();
    let collected = about["targets"].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned());
    assert_eq!(collected.collect::<BTreeSet<_>>(), built);
}
