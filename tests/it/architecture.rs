//! Checks the repository's rules in its source text. It catches mistakes, not deliberate evasion.

mod circles;
mod floats;
mod impls;
mod map;
mod module_lines;
mod walk;

use std::fs;
use std::path::{Path, PathBuf};

use self::circles::import_circles;
use self::floats::money_in_floats;
use self::impls::impl_files;

/// The modules that each module may import. Only `cli` may import a module that is not listed.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("money", &[]),
    ("config", &["money"]),
    ("bucket", &["config"]),
    ("facts", &["money"]),
    ("media", &["bucket"]),
    ("permits", &[]),
    ("stills", &["media"]),
    ("texts", &[]),
    ("documents", &["telemetry", "texts"]),
    ("telemetry", &["config", "money"]),
    ("viewer", &[]),
    ("rate_limit", &["facts"]),
    ("download", &["bucket", "media"]),
    ("response", &[]),
    ("api", &["facts", "money", "rate_limit", "response", "telemetry"]),
    ("record", &["api", "bucket", "download", "facts", "money", "rate_limit"]),
    ("store", &["api", "bucket", "download", "facts", "media", "money", "rate_limit", "record"]),
    (
        "jobs",
        &[
            "api",
            "bucket",
            "download",
            "facts",
            "media",
            "money",
            "rate_limit",
            "record",
            "response",
            "store",
            "telemetry",
        ],
    ),
    ("arguments", &["telemetry"]),
    ("result", &["api", "bucket", "jobs", "media", "money", "rate_limit", "telemetry"]),
    (
        "mcp",
        &[
            "api",
            "arguments",
            "bucket",
            "config",
            "download",
            "facts",
            "jobs",
            "media",
            "money",
            "permits",
            "rate_limit",
            "result",
            "telemetry",
            "viewer",
        ],
    ),
    ("notify", &["config", "download", "jobs", "mcp", "media"]),
    (
        "chat",
        &[
            "api",
            "arguments",
            "config",
            "download",
            "facts",
            "jobs",
            "mcp",
            "media",
            "money",
            "rate_limit",
            "result",
            "telemetry",
        ],
    ),
    ("speech", &["api", "config", "facts", "jobs", "mcp", "media", "money"]),
    (
        "tools",
        &[
            "api",
            "arguments",
            "chat",
            "config",
            "download",
            "facts",
            "jobs",
            "mcp",
            "media",
            "money",
            "rate_limit",
            "result",
            "speech",
            "telemetry",
        ],
    ),
    (
        "serve",
        &[
            "config",
            "download",
            "jobs",
            "mcp",
            "media",
            "money",
            "notify",
            "permits",
            "telemetry",
            "tools",
            "viewer",
        ],
    ),
    (
        "gallery",
        &[
            "api",
            "config",
            "download",
            "jobs",
            "mcp",
            "media",
            "money",
            "serve",
            "stills",
            "telemetry",
            "tools",
        ],
    ),
    (
        "cli",
        &[
            "api",
            "bucket",
            "config",
            "documents",
            "download",
            "facts",
            "gallery",
            "mcp",
            "media",
            "money",
            "serve",
            "speech",
            "store",
            "telemetry",
            "texts",
            "tools",
        ],
    ),
];

/// Crates that only certain modules may use.
const KEPT_BACK: &[(&str, &[&str])] = &[
    ("rmcp", &["arguments", "chat", "result", "mcp", "tools", "serve", "gallery", "cli", "viewer"]),
    ("reqwest", &["api", "download", "response", "telemetry"]),
    ("object_store", &["bucket"]),
    ("sqlx", &["store"]),
    ("axum", &["serve", "gallery"]),
    ("maud", &["gallery"]),
    ("rusty_h264_decoder", &["stills"]),
    ("rusty_mp3", &["stills"]),
    ("hound", &["stills"]),
    ("clap", &["cli", "texts"]),
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

/// The packages of the program below `crates`, with their parts as [`MAY_IMPORT`] has them.
const PACKAGES: &[(&str, &[&str])] = &[
    ("base", &["config", "money", "permits", "telemetry"]),
    ("platform", &["api", "facts", "rate_limit", "response"]),
    ("files", &["bucket", "download", "media", "stills"]),
    ("jobs", &["jobs", "record", "store"]),
    ("arguments", &["arguments"]),
    ("documents", &["documents"]),
    ("texts", &["texts"]),
];

/// The source folders of the program: the package of the server, then those below `crates`.
fn sources() -> Vec<PathBuf> {
    let below = PACKAGES.iter().map(|(package, _)| root().join("crates").join(package).join("src"));
    [root().join("src")].into_iter().chain(below).collect()
}

/// The folder of a module, or its path without `.rs`.
fn place_of(module: &str) -> PathBuf {
    let package = PACKAGES.iter().find(|(_, modules)| modules.contains(&module));
    let src = package
        .map_or_else(|| root().join("src"), |(package, _)| root().join("crates").join(package).join("src"));
    src.join(module)
}

/// The files of a module, with their lines except comments.
fn code_of(module: &str) -> Vec<(PathBuf, Vec<String>)> {
    let folder = place_of(module);
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

/// A larger module is two modules under one name.
const LONGEST_MODULE: usize = 8_000;

#[test]
fn no_module_has_more_than_8000_lines() {
    for (module, _) in MAY_IMPORT {
        let folder = place_of(module);
        let mut files = if folder.is_dir() { rust_files(&folder) } else { Vec::new() };
        files.extend(Some(folder.with_extension("rs")).filter(|file| file.exists()));
        let lines: usize = files.iter().map(|file| fs::read_to_string(file).unwrap().lines().count()).sum();
        assert!(lines > 0 && lines <= LONGEST_MODULE, "`{module}` has {lines} lines");
    }
}

/// A longer file holds two ideas.
const LONGEST_FILE: usize = 500;

#[test]
fn no_file_has_more_than_five_hundred_lines() {
    for folder in ["src", "crates", "tests"] {
        for path in rust_files(&root().join(folder)) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= LONGEST_FILE, "{} has {lines} lines; split it by its ideas", path.display());
        }
    }
}

#[test]
fn every_module_is_in_the_table() {
    // Any part may use these.
    let everywhere = ["clock", "crash"];
    for src in sources() {
        let library = fs::read_to_string(src.join("lib.rs")).unwrap();
        for line in library.lines().filter_map(|line| line.strip_prefix("pub mod ")) {
            let module = line.trim_end_matches(';');
            let known = MAY_IMPORT.iter().any(|(known, _)| *known == module) || everywhere.contains(&module);
            assert!(known, "`{module}` is not in MAY_IMPORT");
            assert!(
                everywhere.contains(&module) || place_of(module).starts_with(&src),
                "`{module}` is not in PACKAGES"
            );
        }
    }
}

fn sandbox() -> PathBuf {
    root().join("crates/minimax-sandbox")
}

#[test]
fn the_sandbox_knows_nothing_of_the_server() {
    for path in rust_files(&sandbox()).into_iter().chain([sandbox().join("Cargo.toml")]) {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().filter(|line| {
            // The address of the repository is no dependency.
            !["//", "repository = ", "homepage = "].iter().any(|start| line.trim_start().starts_with(start))
        });
        let named =
            lines.into_iter().find(|line| line.contains("minimax_mcp") || line.contains("minimax-mcp"));
        assert_eq!(named, None, "{}", path.display());
    }
}

#[test]
fn no_files_of_the_sandbox_import_each_other_in_a_circle() {
    assert_eq!(import_circles(&[sandbox().join("src")]), Vec::<Vec<String>>::new());
}

/// Modules whose `mod.rs` defines the type that their other files extend and use. All others have no circles.
const AROUND_ONE_TYPE: &[&str] = &["config", "facts"];

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut circles = import_circles(&sources());
    let module = |file: &String| file.split("::").next().unwrap_or_default().to_owned();
    circles.retain(|circle| !circle.iter().all(|file| AROUND_ONE_TYPE.contains(&module(file).as_str())));
    assert_eq!(circles, Vec::<Vec<String>>::new());
}

/// Types with a file of methods for each endpoint, group of settings, table of facts or table of the store.
const SPREAD: &[(&str, &str)] =
    &[("api", "Client"), ("config", "Config"), ("config", "Reader"), ("facts", "Facts"), ("store", "Store")];

#[test]
fn a_type_has_its_methods_in_at_most_three_files() {
    let mut types = 0;
    for (module, _) in MAY_IMPORT {
        let files: Vec<_> = code_of(module).into_iter().map(|(path, _)| path).collect();
        let impls = impl_files(&files);
        types += impls.len();
        for (name, files) in impls {
            let may_be_spread = SPREAD.contains(&(*module, name.as_str()));
            assert!(may_be_spread || files.len() <= 3, "`{name}` has its methods in {files:?}");
            assert!(!may_be_spread || files.len() > 3, "`{name}` of `{module}` need not be in SPREAD");
        }
    }
    assert!(types > 300, "{types} types");
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

/// What is special about a tool is data beside the tool, so the machinery names none.
#[test]
fn the_pipeline_names_no_tool() {
    let catalogue = minimax_mcp::tools::catalogue();
    for (path, lines) in ["arguments", "mcp", "result"].into_iter().flat_map(code_of) {
        for name in
            catalogue.specs().flat_map(|spec| [spec.name].into_iter().chain(spec.aliases.iter().copied()))
        {
            let named = lines.iter().find(|line| line.contains(&format!("\"{name}\"")));
            assert_eq!(named, None, "{} names the tool `{name}`", path.display());
        }
    }
}

#[test]
fn no_amount_of_money_is_a_binary_fraction() {
    let files: Vec<_> =
        ["src", "crates"].iter().flat_map(|folder| rust_files(&root().join(folder))).collect();
    assert!(files.len() > 200, "{} files", files.len());
    assert_eq!(money_in_floats(&files), Vec::<String>::new());
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

#[test]
fn no_retired_name_comes_back() {
    let page = fs::read_to_string(root().join("docs/glossary.md")).unwrap();
    let retired = page.split("## Retired names").nth(1).unwrap();
    let (files, types) = retired.split_once("Types:").unwrap();
    let words = |part: &str| part.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let (files, types) = (words(files), words(types));
    assert!(files.len() > 10 && types.len() > 5);
    for path in ["src", "crates"].iter().flat_map(|folder| rust_files(&root().join(folder))) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(!files.contains(&name), "{}: the glossary has another word", path.display());
        for line in fs::read_to_string(&path).unwrap().lines() {
            let item = line.trim_start().trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
            let mut item = item.trim_start_matches("pub ").split(|c: char| !c.is_alphanumeric() && c != '_');
            let is_type = matches!(item.next(), Some("struct" | "enum" | "trait" | "type"));
            let named = item.next().filter(|name| is_type && types.iter().any(|retired| retired == name));
            assert_eq!(named, None, "{}: the glossary has another word", path.display());
        }
    }
}
