//! The workflows: every action is pinned to a commit, with its version in a comment.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// File, action, commit and version of every `uses:` line; a part that is missing is empty.
fn uses() -> Vec<(String, String, String, String)> {
    let files = fs::read_dir(root().join(".github/workflows")).unwrap().map(|entry| entry.unwrap().path());
    files
        .flat_map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap();
            let lines =
                text.lines().filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("uses: "));
            lines.map(|line| parts(&name, line)).collect::<Vec<_>>()
        })
        .collect()
}

fn parts(file: &str, line: &str) -> (String, String, String, String) {
    let (action, rest) = line.split_once('@').unwrap_or((line, ""));
    let (commit, version) = rest.split_once(" # ").unwrap_or((rest, ""));
    [file, action, commit, version].map(|part| part.trim().to_owned()).into()
}

#[test]
fn every_action_is_pinned_by_its_commit_and_has_one_in_all_workflows() {
    let uses = uses();
    assert!(uses.len() > 20, "{}", uses.len());
    let mut pins = BTreeMap::new();
    for (file, action, commit, version) in uses {
        let is_commit = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(is_commit, "{file}: {action}@{commit} is not a commit");
        let numbers: Vec<_> = version.trim_start_matches('v').split('.').collect();
        let is_version = version.starts_with('v')
            && numbers.len() == 3
            && numbers.iter().all(|one| one.parse::<u32>().is_ok());
        assert!(is_version, "{file}: {action} has no comment with its whole version: `{version}`");
        let pin = pins.entry(action.clone()).or_insert_with(|| (commit.clone(), version.clone()));
        assert_eq!(*pin, (commit, version), "{file}: {action} has another commit elsewhere");
    }
}

/// `dist generate` writes release.yml from dist-workspace.toml, so an update has to be made there.
#[test]
fn the_release_workflow_has_the_commits_of_its_source() {
    let source = fs::read_to_string(root().join("dist-workspace.toml")).unwrap();
    let source: toml_edit::DocumentMut = source.parse().unwrap();
    let commits = source["dist"]["github-action-commits"].as_table().unwrap();
    for (file, action, commit, version) in uses().into_iter().filter(|(file, ..)| file == "release.yml") {
        let told = commits.get(&action).and_then(toml_edit::Item::as_str);
        let same = format!("{commit} # {version}");
        assert_eq!(
            told,
            Some(same.as_str()),
            "{file}: put {action} into dist-workspace.toml and run `dist generate`"
        );
    }
}
