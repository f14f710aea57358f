//! The rules of the repository that a text can show. A fence, not a wall: good enough for people of good will.

mod circles;

use std::fs;
use std::path::{Path, PathBuf};

use self::circles::import_circles;

/// A module, and what it may use of ours. What is not listed may be used by nobody but `cli`.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("config", &[]),
    ("facts", &[]),
    ("media", &[]),
    ("permits", &[]),
    ("telemetry", &["config"]),
    ("api", &["facts", "telemetry"]),
    ("jobs", &["api", "facts", "media", "telemetry"]),
    ("tools", &["api", "config", "facts", "jobs", "media", "permits", "telemetry"]),
    ("serve", &["config", "jobs", "media", "permits", "telemetry", "tools"]),
    ("cli", &["config", "facts", "media", "serve", "telemetry", "tools"]),
];

/// Crates that only some modules may name.
const KEPT_BACK: &[(&str, &[&str])] = &[
    ("rmcp", &["tools", "serve", "cli"]),
    ("reqwest", &["api", "media", "telemetry"]),
    ("sqlx", &["jobs"]),
    ("axum", &["serve"]),
    ("clap", &["cli"]),
    ("minimax_sandbox", &["cli"]),
    ("crate::sandbox", &[]),
    ("jsonwebtoken", &["serve"]),
    ("opentelemetry", &["telemetry"]),
    ("prometheus_client", &["telemetry"]),
    ("tracing_subscriber", &["telemetry"]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Files of a module, with their lines that are no comments.
fn code_of(module: &str) -> Vec<(PathBuf, Vec<String>)> {
    let folder = root().join("src").join(module);
    let files = if folder.is_dir() { rust_files(&folder) } else { vec![folder.with_extension("rs")] };
    let code = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        text.lines().filter(|line| !line.trim_start().starts_with("//")).map(str::to_owned).collect()
    };
    files.into_iter().map(|path| (path.clone(), code(&path))).collect()
}

#[test]
fn modules_import_only_what_their_layer_may() {
    let modules: Vec<_> = MAY_IMPORT.iter().map(|(module, _)| *module).collect();
    for (module, allowed) in MAY_IMPORT {
        for (path, lines) in code_of(module) {
            for line in lines {
                for other in modules.iter().filter(|other| *other != module && !allowed.contains(other)) {
                    let named = line.contains(&format!("crate::{other}::"))
                        || line.contains(&format!("crate::{other};"));
                    assert!(!named, "{}: `{module}` may not use `{other}`: {line}", path.display());
                }
            }
        }
    }
}

#[test]
fn every_module_is_in_the_table() {
    let library = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for line in library.lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let module = line.trim_end_matches(';');
        assert!(MAY_IMPORT.iter().any(|(known, _)| *known == module), "`{module}` is not in MAY_IMPORT");
    }
}

fn sandbox() -> PathBuf {
    root().join("crates/minimax-sandbox")
}

#[test]
fn the_sandbox_knows_nothing_of_the_server() {
    for path in rust_files(&sandbox()).into_iter().chain([sandbox().join("Cargo.toml")]) {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let named =
            lines.into_iter().find(|line| line.contains("minimax_mcp") || line.contains("minimax-mcp"));
        assert_eq!(named, None, "{}", path.display());
    }
}

#[test]
fn no_files_of_the_sandbox_import_each_other_in_a_circle() {
    assert_eq!(import_circles(&sandbox().join("src")), Vec::<Vec<String>>::new());
}

#[test]
fn a_crate_that_belongs_to_a_layer_is_named_there_alone() {
    for (name, owners) in KEPT_BACK {
        for (module, _) in MAY_IMPORT.iter().filter(|(module, _)| !owners.contains(module)) {
            for (path, lines) in code_of(module) {
                let named = lines.iter().find(|line| line.contains(&format!("{name}::")));
                assert_eq!(named, None, "{}: `{name}` belongs to {owners:?}", path.display());
            }
        }
    }
}

#[test]
fn no_test_file_is_forgotten() {
    let tests = root().join("tests/it");
    let main = fs::read_to_string(tests.join("main.rs")).unwrap();
    for entry in fs::read_dir(&tests).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_some_and(|extension| extension == "rs") && name != "main" {
            assert!(main.contains(&format!("mod {name};")), "tests/it/{name}.rs is not in main.rs");
        }
    }
}

#[test]
fn every_test_that_a_page_promises_exists() {
    let sources: String = ["src", "tests", "crates"]
        .iter()
        .flat_map(|folder| rust_files(&root().join(folder)))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for (name, least) in [("SECURITY.md", 30), ("docs/guarantees.md", 30)] {
        let page = fs::read_to_string(root().join(name)).unwrap();
        // The table above this heading of SECURITY.md is a summary, without tests.
        let part = page.split("## What is defended").last().unwrap_or_default();
        let rows =
            part.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.rsplit_once(" | "));
        let tests: Vec<&str> = rows.flat_map(|(_, tests)| tests.split('`').skip(1).step_by(2)).collect();
        assert!(tests.len() >= least, "{name}: {}", tests.len());
        for test in tests {
            assert!(sources.contains(&format!("fn {test}(")), "{name} names `{test}`, which is no test");
        }
    }
}
