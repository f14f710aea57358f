//! Files that `setup` must not edit, and those whose folders it makes.

use std::fs;

use crate::home::Home;

#[cfg(target_os = "linux")]
#[test]
fn a_comment_is_kept_and_named_where_the_client_reads_none() {
    let home = Home::new();
    let file = ".config/Claude/claude_desktop_config.json";
    home.write(file, "{\n  // mine\n  \"mcpServers\": {}\n}\n");
    let said = home.good(&["setup", "claude-desktop", "--yes"]);
    assert!(said.contains("line 2, column 3: This client reads no comments"), "{said}");
    assert!(fs::read_to_string(home.path(file)).unwrap().contains("// mine"));
    let (_, said) = home.run(&[("MINIMAX_API_HOST", "http://127.0.0.1:9")], &["doctor"]);
    assert!(
        said.contains("cannot be read: line 2, column 3") && said.contains("starts the server"),
        "{said}"
    );
    home.write(".cursor/mcp.json", "{\n  // mine\n}\n");
    let said = home.good(&["setup", "cursor", "--yes"]);
    assert!(!said.contains("reads no comments"), "{said}");
}

#[cfg(unix)]
#[test]
fn removal_deletes_the_folders_that_setup_made_even_below_a_linked_folder() {
    let home = Home::new();
    fs::create_dir_all(home.path("dotfiles")).unwrap();
    std::os::unix::fs::symlink(home.path("dotfiles"), home.path(".cursor")).unwrap();
    home.good(&["setup", "cursor", "goose", "--yes"]);
    assert!(home.path("dotfiles/mcp.json").is_file() && home.path(".config/goose/config.yaml").is_file());
    home.good(&["setup", "cursor", "goose", "--remove", "--yes"]);
    assert!(!home.path("dotfiles/mcp.json").exists() && home.path("dotfiles").is_dir());
    assert!(!home.path(".config").exists(), "the folders were made by setup");

    home.good(&["setup", "zed", "--yes"]);
    home.write(".config/zed/keymap.json", "[]");
    home.good(&["setup", "zed", "--remove", "--yes"]);
    assert_eq!(fs::read_dir(home.path(".config/zed")).unwrap().count(), 1, "what others put there stays");
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_edited_is_named_with_the_reason_and_nothing_claims_to_be_written() {
    for (client, file, bytes, wanted) in [
        ("cursor", ".cursor/mcp.json", &b"{\n  \"a\": \"\xff\"}"[..], "not UTF-8 text (line 2, column 9)"),
        ("zed", ".config/zed/settings.json", b"\xff\xfe{\0}\0", "is UTF-16 text (line 1, column 1); save"),
        (
            "gemini",
            ".gemini/settings.json",
            b"{\n  \"theme\": \"dark\n}\n",
            "line 2, column 17: A string does not",
        ),
        ("goose", ".config/goose/config.yaml", b"extensions:\n\tdev: 1\n", "line 2, column 1: "),
        ("goose", ".config/goose/config.yaml", b"a: 1\nb: c: d\n", "line 2, column "),
        (
            "goose",
            ".config/goose/config.yaml",
            b"extensions:\n  a: {}\nextensions:\n  b: {}\n",
            "line 3, column 1: ",
        ),
        (
            "goose",
            ".config/goose/config.yaml",
            b"# mine\na: 1\n---\nb: 2\n",
            "line 3, column 1: Only one YAML document",
        ),
    ] {
        let home = Home::new();
        fs::write(home.write(file, ""), bytes).unwrap();
        let said = home.bad(&["setup", client, "--yes"]);
        assert!(said.contains(wanted), "{wanted}: {said}");
        assert!(!said.contains("Wrote") && !said.contains("Restart"), "{said}");
        assert_eq!(fs::read(home.path(file)).unwrap(), bytes, "{client}");
    }
    // Nothing is read from a pipe, which may never have an end.
    let home = Home::new();
    fs::create_dir_all(home.path(".cursor")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(home.path(".cursor/mcp.json")).status().unwrap();
    assert!(made.success());
    let said = home.bad(&["setup", "cursor", "--yes"]);
    assert!(said.contains("is not an ordinary file"), "{said}");
    // A folder cannot be made in the place of a file.
    let home = Home::new();
    home.write(".codeium", "a file");
    let said = home.bad(&["setup", "windsurf", "--yes"]);
    assert!(said.contains("not a directory") && !said.contains("os error"), "{said}");
}
