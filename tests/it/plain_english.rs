//! The pages use the words of docs/glossary.md and plain English: none that earlier pages made a reader stop at.

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
fn no_page_uses_a_word_that_stops_a_reader() {
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
