//! The lines that name files: modules, and the toolboxes and routes of those that have any. They stand between two
//! comments, and a test writes them from the folders.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{root, rust_files};
use crate::generated;

/// The files that declare the other files of their folder, and how a new line begins. Each `mod.rs` below a folder is one.
const DECLARING: &[(&str, &str)] = &[
    ("crates/jobs/src/jobs/order/mod.rs", "pub "),
    ("crates/minimax-sandbox/src/endpoints", "pub(crate) "),
    ("crates/minimax-sandbox/tests/api/main.rs", ""),
    ("crates/platform/src/api/mod.rs", "pub "),
    ("src/tools", "pub(crate) "),
    ("tests/it/main.rs", ""),
];

const TOOLS: &str = "src/tools";
const ENDPOINTS: &str = "crates/minimax-sandbox/src/endpoints";

/// The name of the module that a line declares.
fn declared(line: &str) -> Option<&str> {
    let (visibility, name) = line.trim().strip_suffix(';')?.split_once("mod ")?;
    let is_name = name.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'_');
    (is_name && (visibility.is_empty() || visibility.starts_with("pub"))).then_some(name)
}

/// The order in which rustfmt puts names: an underscore comes first, and `v9` before `v10`.
fn order(name: &str) -> Vec<(char, u64)> {
    let mut places: Vec<(char, u64)> = Vec::new();
    for letter in name.chars() {
        match (letter, letter.to_digit(10), places.last_mut()) {
            (_, Some(digit), Some(('0', number))) => *number = *number * 10 + u64::from(digit),
            (_, Some(digit), _) => places.push(('0', u64::from(digit))),
            ('_', ..) => places.push((' ', 0)),
            _ => places.push((letter, 0)),
        }
    }
    places
}

/// A text before, between and after the two comments around generated lines.
fn parts<'a>(path: &str, text: &'a str, what: &str) -> [&'a str; 3] {
    let begin = format!("// {what}: `just modules` writes these lines.\n");
    let end = format!("// End of the {}.\n", what.to_lowercase());
    let found = text.find(&begin).zip(text.find(&end));
    let (start, stop) = found.unwrap_or_else(|| panic!("{path} needs the two lines\n{begin}{end}"));
    // The indentation of the last comment is no line between them.
    let stop = text[..stop].rfind('\n').map_or(stop, |line| line + 1);
    let start = start + begin.len();
    [&text[..start], &text[start..stop], &text[stop..]]
}

/// A text with a line for each of these modules. A line that is there keeps its visibility and what stands above it, such as
/// an attribute. A module that is declared elsewhere in the file gets none.
fn with_modules(path: &str, text: &str, modules: &BTreeSet<String>, default: &str) -> String {
    let [before, between, after] = parts(path, text, "Modules");
    let elsewhere: Vec<_> = [before, after].into_iter().flat_map(str::lines).filter_map(declared).collect();
    let (mut known, mut above) = (BTreeMap::new(), String::new());
    for line in between.lines() {
        above.extend([line, "\n"]);
        if let Some(name) = declared(line) {
            known.insert(name, std::mem::take(&mut above));
        }
    }
    assert_eq!(above.trim(), "", "{path}: this belongs to no module");
    let mut names: Vec<_> = modules.iter().filter(|name| !elsewhere.contains(&name.as_str())).collect();
    names.sort_by_key(|name| order(name));
    let line = |name: &&String| {
        known.get(name.as_str()).cloned().unwrap_or_else(|| format!("{default}mod {name};\n"))
    };
    format!("{before}{}{after}", names.iter().map(line).collect::<String>())
}

/// The modules that lie beside a file.
fn modules_beside(path: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let is_module = |entry: &PathBuf| {
        let is_file = entry.extension().is_some_and(|extension| extension == "rs") && entry != path;
        is_file || entry.join("mod.rs").exists()
    };
    let name = |entry: PathBuf| entry.file_stem().unwrap().to_str().unwrap().to_owned();
    entries.filter(is_module).map(name).collect()
}

/// The lines of those files below a folder that `line` has one for, by the path of their module.
fn lines_of(folder: &str, indent: &str, line: impl Fn(&Path, &str, &str) -> Option<String>) -> String {
    let folder = root().join(folder);
    let mut lines = BTreeMap::new();
    for path in rust_files(&folder) {
        let place = path.strip_prefix(&folder).unwrap().with_extension("");
        let names: Vec<_> = place.iter().map(|name| name.to_str().unwrap()).collect();
        let module = names.join("::");
        let module = module.strip_suffix("::mod").unwrap_or(&module);
        let text = fs::read_to_string(&path).unwrap();
        lines.extend(line(&path, module, &text).map(|line| (order(module), format!("{indent}{line},\n"))));
    }
    lines.into_values().collect()
}

/// The toolbox of a file with tools.
fn toolbox(path: &Path, module: &str, text: &str) -> Option<String> {
    let (_, attribute) = text.split_once("#[tool_router(")?;
    let name = attribute.split_once("router = ").and_then(|(_, rest)| rest.split([',', ')']).next());
    let name = name.unwrap_or_else(|| panic!("{}: tool_router needs `router = …`", path.display()));
    assert!(text.contains("const TOOLS: &[ToolSpec]"), "{} has tools, but no `TOOLS`", path.display());
    Some(format!("(Server::{name}, {module}::TOOLS)"))
}

/// The routes of a file with endpoints of MiniMax. Others have a plain `Router`.
fn routes(_: &Path, module: &str, text: &str) -> Option<String> {
    text.contains("fn routes() -> Routes {").then(|| format!("endpoints::{module}::routes()"))
}

/// Each file with generated lines, as it should be.
fn files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for (place, default) in DECLARING {
        let declaring = match root().join(place) {
            folder if folder.is_dir() => {
                rust_files(&folder).into_iter().filter(|path| path.ends_with("mod.rs")).collect()
            }
            file => vec![file],
        };
        for file in declaring {
            let path = file.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
            let modules = modules_beside(&file);
            if !modules.is_empty() {
                let fresh = with_modules(&path, &generated::read(&path), &modules, default);
                files.push((path, fresh));
            }
        }
    }
    let filled = |path: &str, text: &str, what: &str, lines: String| {
        let [before, _, after] = parts(path, text, what);
        format!("{before}{lines}{after}")
    };
    let (catalogue, router) = ("src/tools/mod.rs", "crates/minimax-sandbox/src/routes.rs");
    let (_, text) = files.iter_mut().find(|(path, _)| path == catalogue).unwrap();
    *text = filled(catalogue, text, "Toolboxes", lines_of(TOOLS, "        ", toolbox));
    let text = filled(router, &generated::read(router), "Routes", lines_of(ENDPOINTS, "        ", routes));
    files.push((router.to_owned(), text));
    files
}

/// How the lines of a file differ from those that it should have.
fn difference(path: &str, there: &str, fresh: &str) -> String {
    let lines = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<BTreeSet<_>>();
    let (there, fresh) = (lines(there), lines(fresh));
    let missing = fresh.difference(&there).map(|line| format!("{path} lacks `{line}`\n"));
    let left =
        there.difference(&fresh).map(|line| format!("{path} has `{line}`, for which there is no file\n"));
    let all: String = missing.chain(left).collect();
    if all.is_empty() { format!("{path} has its lines in another order\n") } else { all }
}

#[test]
fn the_lines_that_name_files_match_the_folders() {
    let mut wrong = String::new();
    for (path, fresh) in files() {
        let there = generated::read(&path);
        if !generated::has(&path, &fresh) {
            wrong += &difference(&path, &there, &fresh);
        }
    }
    let command = "UPDATE=1 cargo test --test it -- the_lines_that_name_files_match_the_folders";
    assert!(wrong.is_empty(), "\n{wrong}`just modules` writes these lines; without just: `{command}`\n");
}

/// A file that nothing declares is not compiled, and its tests never run.
#[test]
fn no_file_is_forgotten() {
    let mut folders = super::sources();
    folders.extend(["src", "tests/api"].map(|folder| super::sandbox().join(folder)));
    folders.push(root().join("tests/it"));
    let (mut files, mut forgotten) = (0, Vec::new());
    for path in folders.iter().flat_map(|folder| rust_files(folder)) {
        let is_folder = path.ends_with("mod.rs");
        let place = if is_folder { path.parent().unwrap() } else { &path };
        if ["main.rs", "lib.rs"].iter().any(|root| path.ends_with(root)) {
            continue;
        }
        let (name, folder) = (place.file_stem().unwrap().to_str().unwrap(), place.parent().unwrap());
        let mut declaring: Vec<_> =
            ["mod.rs", "lib.rs", "main.rs"].iter().map(|file| folder.join(file)).collect();
        declaring.push(folder.with_extension("rs"));
        let text: String = declaring.iter().filter_map(|file| fs::read_to_string(file).ok()).collect();
        let file = [format!("\"{name}.rs\""), format!("/{name}.rs\"")];
        let by_path = |line: &str| line.contains("path = ") && file.iter().any(|file| line.contains(file));
        files += 1;
        if !text.lines().any(|line| declared(line) == Some(name) || by_path(line)) {
            forgotten.push(path);
        }
    }
    assert!(files > 400, "{files} files");
    assert!(forgotten.is_empty(), "no `mod` line declares these: {forgotten:#?}");
}

#[test]
fn every_test_file_says_in_its_first_line_what_it_is_for() {
    for path in rust_files(&root().join("tests/it")) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} begins without a line `//! …`", path.display());
    }
}

fn rewritten(text: &str, modules: &[&str]) -> String {
    let around = |text: &str| {
        format!(
            "//! All.\n\n// Modules: `just modules` writes these lines.\n{text}// End of the modules.\n\nmod by_hand;\n"
        )
    };
    let modules = modules.iter().map(|name| (*name).to_owned()).collect();
    let whole = with_modules("x/mod.rs", &around(text), &modules, "pub ");
    let [before, between, after] = parts("x/mod.rs", &whole, "Modules");
    assert_eq!(format!("{before}{after}"), around(""));
    between.to_owned()
}

#[test]
fn a_new_file_gets_a_line_and_the_others_keep_theirs() {
    let there = "mod helper;\n#[cfg(target_os = \"linux\")]\n/// Only there.\npub(super) mod place;\n";
    let fresh = rewritten(there, &["helper", "new", "place", "by_hand"]);
    assert_eq!(fresh, there.replace("#[cfg", "pub mod new;\n#[cfg"));
    assert_eq!(rewritten(&fresh, &["helper", "new", "place", "by_hand"]), fresh);
}

#[test]
fn the_line_of_a_file_that_is_gone_goes_with_what_belongs_to_it() {
    let there = "pub mod first;\n#[cfg(unix)]\nmod gone;\n/// Stays.\nmod last;\n";
    assert_eq!(rewritten(there, &["first", "last"]), "pub mod first;\n/// Stays.\nmod last;\n");
}

#[test]
fn names_have_the_order_of_rustfmt() {
    let names = ["a", "a_b", "a2", "a2_b", "a10", "ab", "b"];
    let lines = format!("pub mod {};\n", names.join(";\npub mod "));
    assert_eq!(rewritten("", &names), lines);
}

#[test]
fn a_file_with_tools_or_routes_gets_a_line_with_its_path() {
    let place = Path::new("x.rs");
    let tools = "pub(crate) const TOOLS: &[ToolSpec] = &[];\n#[tool_router(router = x_tools, vis = \"pub(crate)\")]\n";
    assert_eq!(toolbox(place, "a::x", tools).unwrap(), "(Server::x_tools, a::x::TOOLS)");
    assert_eq!(toolbox(place, "a::x", "fn helper() {}"), None);
    let endpoints = "pub(crate) fn routes() -> Routes {\n";
    assert_eq!(routes(place, "a::x", endpoints).unwrap(), "endpoints::a::x::routes()");
    assert_eq!(routes(place, "cdn", "pub(crate) fn routes() -> Router<Arc<AppState>> {\n"), None);
}

#[test]
fn a_difference_names_each_line() {
    let said = difference("x/mod.rs", "mod a;\nmod old;\n", "mod a;\nmod new;\n");
    assert_eq!(said, "x/mod.rs lacks `mod new;`\nx/mod.rs has `mod old;`, for which there is no file\n");
    assert!(difference("x/mod.rs", "mod b;\nmod a;\n", "mod a;\nmod b;\n").contains("another order"));
}
