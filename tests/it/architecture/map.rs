//! The map of ARCHITECTURE.md, and the paths that it and CONTRIBUTING.md name.

use std::collections::BTreeMap;
use std::fs;

use super::{MAY_IMPORT, root, sandbox, sources};

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap().replace("\r\n", "\n")
}

#[test]
fn each_part_is_on_the_map_once_and_imports_only_what_is_to_its_right() {
    let text = page("ARCHITECTURE.md");
    let map = text.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let mut layers: BTreeMap<&str, usize> = BTreeMap::new();
    for (layer, parts) in map.split('→').enumerate() {
        for part in parts.split(',').map(str::trim) {
            assert_eq!(layers.insert(part, layer), None, "`{part}` is there twice");
        }
    }
    for (part, imports) in MAY_IMPORT {
        let layer = |part: &str| *layers.get(part).unwrap_or_else(|| panic!("`{part}` is not on the map"));
        for other in *imports {
            assert!(layer(part) < layer(other), "`{part}` may import `{other}`, which is not to its right");
        }
    }
}

/// Whether a file or a folder has this path, from the root of the repository or from a source folder on.
fn exists(path: &str) -> bool {
    let folders = [root(), sandbox().join("src")].into_iter().chain(sources());
    folders.into_iter().any(|folder| folder.join(path).exists())
}

/// Whether a text in backticks is the path of a file or a folder. `x` stands for the name of something new.
fn is_path(text: &str) -> bool {
    let plain = text.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._-".contains(letter));
    let last = text.rsplit('/').next().unwrap_or_default();
    plain && text.contains('/') && (last.is_empty() || last.contains('.')) && last != "x.rs"
}

#[test]
fn every_path_that_the_pages_for_developers_name_exists() {
    let mut paths = 0;
    for name in ["ARCHITECTURE.md", "CONTRIBUTING.md", "docs/development.md"] {
        for path in page(name).split('`').skip(1).step_by(2).filter(|text| is_path(text)) {
            assert!(exists(path), "{name} names `{path}`, which does not exist");
            paths += 1;
        }
    }
    assert!(paths > 80, "{paths} paths");
}
