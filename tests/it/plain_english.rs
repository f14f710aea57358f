//! The pages use the words of docs/glossary.md and plain English.

use std::fs;
use std::path::{Path, PathBuf};

/// What a page may not say, and what to say instead.
const WORDS: &[(&str, &str)] = &[
    ("imitation", "simulator"),
    ("dearer", "more expensive"),
    ("whose turn", "what to do"),
    ("own voice for", "your voice"),
    ("for good", "permanently"),
    ("handed in", "uploaded"),
    ("the settings say", "configured"),
    ("legal value", "allowed value"),
    ("brings along", "includes"),
    ("anew", "again"),
    ("mended", "fixed"),
    ("mend it", "fix it"),
    ("whoever", "the person or program, by its name"),
    ("nobody", "the person or program, by its name"),
    ("goes on with", "continues"),
    ("is it well", "check that it works"),
    ("and its like", "and similar"),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The Markdown files below a folder, without those of other projects.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let pages = entries.flat_map(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match path.is_dir() {
            true if ["target", "node_modules", ".git", "corpus", "tests"].contains(&name.as_str()) => vec![],
            true => pages(&path),
            false => vec![path],
        }
    });
    let is_page = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "md");
    // The glossary and CONTRIBUTING quote such words on purpose.
    let quotes = ["glossary.md", "CONTRIBUTING.md", "THIRD-PARTY.md"];
    pages.filter(is_page).filter(|path| !quotes.iter().any(|name| path.ends_with(name))).collect()
}

/// The text without code blocks and without what is between backticks, such as names of tests.
fn prose(text: &str) -> String {
    let blocks = text.split("```").step_by(2).collect::<Vec<_>>().join(" ");
    blocks.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

/// The unwanted words of a text, with what is better.
fn found(text: &str) -> Vec<&'static str> {
    let text = prose(text).to_lowercase();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let letters = |at: Option<char>| at.is_some_and(char::is_alphabetic);
    let is_there = |word: &str| {
        text.match_indices(word).any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + word.len()..]);
            !letters(before.chars().next_back())
                && !letters(after.chars().next().filter(|letter| *letter != 's'))
        })
    };
    WORDS.iter().filter(|(word, _)| is_there(word)).map(|(_, better)| *better).collect()
}

#[test]
fn no_page_uses_an_unwanted_word() {
    let pages = pages(&root());
    assert!(pages.len() > 20, "{pages:?}");
    for page in pages {
        let better = found(&fs::read_to_string(&page).unwrap());
        assert!(better.is_empty(), "{}: write {better:?}", page.display());
    }
}

#[test]
fn words_are_found_in_prose_only() {
    assert_eq!(found("Whoever asks, it is\nmended."), ["fixed", "the person or program, by its name"]);
    assert_eq!(found("`nobody_sees_it` manew\n```\nanew\n```\n"), Vec::<&str>::new());
}

/// Words that the pages do not use, and the code neither: not in its names and not in its comments.
const CODE_WORDS: [&str; 5] = ["whoever", "nobody", "imitation", "dearer", "anew"];

/// The sources below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let sources = entries.flat_map(|path| match path.is_dir() {
        true if path.ends_with("target") => vec![],
        true => sources(&path),
        false => vec![path],
    });
    sources.filter(|path| path.extension().is_some_and(|kind| kind == "rs")).collect()
}

/// The unwanted words of a source: in comments, and as parts of the names of functions, types and values.
fn in_code(text: &str) -> Vec<String> {
    let declares = ["fn ", "struct ", "enum ", "mod ", "let ", "const ", "static "];
    let lines = text.lines().filter(|line| {
        let line = line.trim_start().trim_start_matches("pub ").trim_start_matches("async ");
        line.starts_with("//") || declares.iter().any(|word| line.starts_with(word))
    });
    let spoken = |line: &str| line.split('"').next().unwrap_or_default().to_lowercase();
    let words = |line: &str| {
        let line = spoken(line);
        let parts = line.split(|letter: char| !letter.is_alphabetic());
        CODE_WORDS
            .iter()
            .filter(|word| parts.clone().any(|part| part == **word))
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    lines.flat_map(words).collect()
}

#[test]
fn no_name_and_no_comment_uses_an_unwanted_word() {
    for folder in ["src", "crates", "tests", "fuzz/fuzz_targets"] {
        for source in sources(&root().join(folder)) {
            let words = in_code(&fs::read_to_string(&source).unwrap());
            // The user of that name on Unix.
            let is_user =
                |word: &String| word == "nobody" && IS_USER.iter().any(|file| source.ends_with(file));
            let words: Vec<_> = words.into_iter().filter(|word| !is_user(word)).collect();
            assert!(words.is_empty(), "{}: {words:?}", source.display());
        }
    }
}

/// Tests that start programs as the user `nobody`.
const IS_USER: [&str; 4] = ["storage/unix.rs", "data_folder.rs", "postgres.rs", "plain_english.rs"];

#[test]
fn words_are_found_in_names_and_comments() {
    assert_eq!(in_code("fn nobody_sees() {}\n// Whoever asks.\nlet anew = 1;").len(), 3);
    assert_eq!(in_code("call(\"nobody\");\nlet name = \"nobody\";\nfn renewed() {}"), Vec::<String>::new());
}
