//! The way of a call that ARCHITECTURE.md describes.

use std::collections::BTreeSet;
use std::fs;

use super::circles::imports;
use super::{root, sources};

#[test]
fn the_way_of_a_call_leads_from_file_to_file_and_enters_none_twice() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let part = page.split("## The way of a call").nth(1).unwrap().split("## ").next().unwrap();
    let rows: Vec<(&str, &str)> = part
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | `"))
        .collect();
    let files: Vec<String> =
        rows.iter().flat_map(|(_, files)| files.split('`').step_by(2)).map(str::to_owned).collect();
    let answer = rows.last().map_or(0, |(_, files)| files.split('`').step_by(2).count());
    let counted = (files.len() - answer, answer);
    assert!(part.contains(&format!("These {} files", counted.0)), "{counted:?}");
    assert!(part.contains("and three more\nword the answer") && answer == 3, "{counted:?}");
    let once: BTreeSet<_> = files.iter().collect();
    assert_eq!(once.len(), files.len(), "a file is there twice");
    let imports = imports(&sources());
    let module = |file: &String| file.trim_end_matches("/mod").replace('/', "::");
    let imported = |one: &String, other: &String| imports[&module(one)].contains(&module(other));
    let (mut missing, mut alone) = (Vec::new(), Vec::new());
    for (place, file) in files.iter().enumerate() {
        if !imports.contains_key(&module(file))
            || !sources().iter().any(|src| src.join(format!("{file}.rs")).exists())
        {
            missing.push(file);
        } else if !files[..place].iter().any(|before| imported(before, file) || imported(file, before)) {
            alone.push(file);
        }
    }
    assert_eq!((missing, alone), (Vec::<&String>::new(), vec![&files[0]]));
}
