//! `minimax-mcp setup`, `login` and `logout`, with the real program in its own home folder.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::home::{Home, KEY, json_of};
use crate::stdio::on_stage;

/// Real files: with comments, odd indentation, other servers, other line ends, and none.
const SAMPLES: &[(&str, &str, &str)] = &[
    (
        "claude-code",
        ".claude.json",
        "{\n  \"numStartups\": 3,\n  \"mcpServers\": {\n    \"other\": {\n      \"command\": \"x\"\n    }\n  },\n  \"projects\": {}\n}",
    ),
    ("claude-code", ".claude.json", ""),
    ("cursor", ".cursor/mcp.json", "{\"mcpServers\":{\"a\":{\"command\":\"a\",\"env\":{\"T\":\"1\"}}}}"),
    (
        "cursor",
        ".cursor/mcp.json",
        "\u{feff}{\r\n\t\"mcpServers\": {\r\n\t\t\"a\": { \"url\": \"http://x\" }\r\n\t}\r\n}\r\n",
    ),
    (
        "gemini",
        ".gemini/settings.json",
        "{\n    // theme\n    \"theme\": \"dark\", /* so */\n    \"mcpServers\": {},\n}\n",
    ),
    (
        "zed",
        ".config/zed/settings.json",
        "// Zed settings\n//\n{\n  \"theme\": {\n    \"mode\": \"system\", // follows\n  },\n  \"context_servers\": {\n    \"b\": { \"source\": \"custom\", \"command\": \"b\", },\n  },\n}\n",
    ),
    (
        "vscode",
        ".config/Code/User/mcp.json",
        "{\n\t\"servers\": {\n\t\t\"a\": {\n\t\t\t\"type\": \"http\",\n\t\t\t\"url\": \"x\"\n\t\t}\n\t},\n\t\"inputs\": []\n}\n",
    ),
    ("opencode", ".config/opencode/opencode.json", "{ \"$schema\": \"https://opencode.ai/config.json\" }\n"),
    ("windsurf", ".codeium/windsurf/mcp_config.json", "{}"),
    ("lm-studio", ".lmstudio/mcp.json", "{\n  \"mcpServers\": {}\n}\n"),
    (
        "codex",
        ".codex/config.toml",
        "model = \"gpt\" # mine\n\n[mcp_servers.a]\ncommand = 'a'\n\n[tui]\ntheme = \"x\"\n# end\n",
    ),
    ("codex", ".codex/config.toml", "model = \"gpt\"\r\n[mcp_servers.a.env]\r\nA = \"1\"\r\n"),
    ("codex", ".codex/config.toml", "[mcp_servers.minimax]\ncommand = \"old\"\nstartup_timeout_sec = 20\n"),
    (
        "goose",
        ".config/goose/config.yaml",
        "# mine\nGOOSE_PROVIDER: openai  # so\nextensions:\n  developer:\n    enabled: true\n    type: builtin\n    timeout: 300\n  # last\nGOOSE_MODEL: x\n",
    ),
    ("goose", ".config/goose/config.yaml", "GOOSE_MODEL: x"),
    ("goose", ".config/goose/config.yaml", "extensions: {\n  a: {cmd: a},\n}\nGOOSE_MODEL: x\n"),
    (
        "vscode-insiders",
        ".config/Code - Insiders/User/mcp.json",
        "{\n  // it's \"open\n  \"a\": \"C:\\\\\", /* \" */\n  \"b\": \"/ // \\\" /* \"\n}\n",
    ),
    (
        "goose",
        ".config/goose/config.yaml",
        "extensions:\r\n  a:\r\n    cmd: 'a' # c\r\n    enabled: false\r\n",
    ),
    (
        "goose",
        ".config/goose/config.yaml",
        "extensions:\n  minimax:\n    cmd: uvx # old\n    args: [minimax-mcp]\n    envs: {}\n    timeout: 900\n",
    ),
    (
        "cursor",
        ".cursor/mcp.json",
        "{\"mcpServers\": {\"minimax\": {\"command\": \"uvx\", \"args\": [\"minimax-mcp\"], \"env\": {\"MINIMAX_BUDGET_DAY\": \"5\"}}}}\n",
    ),
];

#[cfg(target_os = "linux")]
#[test]
fn setup_and_its_removal_leave_the_same_bytes_and_a_second_run_changes_nothing() {
    for (client, file, text) in SAMPLES {
        let home = Home::new();
        home.write(file, text);
        let before = home.files();
        let said = home.good(&["setup", client, "--yes"]);
        assert!(said.contains("Wrote ") && said.contains("Its old text is in"), "{said}");
        let after = home.files();
        let backups: Vec<_> = after.keys().filter(|path| !before.contains_key(*path)).collect();
        assert_eq!(backups.len(), 1, "{client}: {backups:?}");
        assert!(backups[0].to_string_lossy().contains(".bak-minimax-"), "{backups:?}");
        assert_eq!(after[backups[0]], text.as_bytes());
        let said = home.good(&["setup", client, "--yes"]);
        assert!(said.contains("has the entry already"), "{said}");
        assert_eq!(home.files(), after, "{client}: the second run");
        home.good(&["setup", client, "--remove", "--yes"]);
        assert_eq!(home.files(), before, "{client}: {text}");
        if text.contains("minimax") {
            // This entry was there before setup came.
            let said = home.bad(&["setup", client, "--remove", "--yes"]);
            assert!(said.contains("`setup` did not write"), "{said}");
            assert_eq!(home.files(), before, "{client}: removed twice");
            continue;
        }
        let said = home.good(&["setup", client, "--remove", "--yes"]);
        assert!(!said.contains("Wrote") && !said.contains("Restored"), "{said}");
        assert_eq!(home.files(), before, "{client}: removed twice");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_setup_made_is_removed_with_the_entry() {
    for (client, file) in [("cursor", ".cursor/mcp.json"), ("codex", ".codex/config.toml")] {
        let home = Home::new();
        home.good(&["setup", client, "--yes"]);
        assert!(home.path(file).is_file());
        home.good(&["setup", client, "--remove", "--yes"]);
        assert_eq!(home.files(), BTreeMap::new(), "{client}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn removal_keeps_later_changes_of_others() {
    let home = Home::new();
    let path = home.write(".cursor/mcp.json", "{\n  \"mcpServers\": {\n    \"a\": {}\n  }\n}\n");
    home.good(&["setup", "cursor", "--yes"]);
    let text = fs::read_to_string(&path).unwrap().replace("\"a\": {}", "\"a\": { \"new\": 1 }");
    fs::write(&path, text).unwrap();
    home.good(&["setup", "cursor", "--remove", "--yes"]);
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "{\n  \"mcpServers\": {\n    \"a\": { \"new\": 1 }\n  }\n}\n"
    );
    // An entry that another program reformatted is removed by its name.
    let path = home.write(".codex/config.toml", "a = 1\n");
    home.good(&["setup", "codex", "--yes"]);
    let text = fs::read_to_string(&path).unwrap().replace("command = ", "command  =  ");
    fs::write(&path, format!("{text}\n[tui]\nx = 1\n")).unwrap();
    home.good(&["setup", "codex", "--remove", "--yes"]);
    let left = fs::read_to_string(&path).unwrap();
    assert!(
        left.starts_with("a = 1\n") && left.ends_with("[tui]\nx = 1\n") && !left.contains("minimax"),
        "{left}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn an_entry_names_this_program_and_the_project_folder_and_holds_no_key() {
    let home = Home::new();
    let program = env!("CARGO_BIN_EXE_minimax-mcp");
    let settings = [("MINIMAX_API_KEY", KEY)];
    for (client, file, servers) in [
        ("claude-code", ".claude.json", "mcpServers"),
        ("claude-desktop", ".config/Claude/claude_desktop_config.json", "mcpServers"),
        ("vscode", ".config/Code/User/mcp.json", "servers"),
        ("opencode", ".config/opencode/opencode.json", "mcp"),
        ("zed", ".config/zed/settings.json", "context_servers"),
    ] {
        let (output, said) = home.run(&settings, &["setup", client, "--yes"]);
        assert!(output.status.success() && !said.contains(KEY), "{said}");
        assert!(said.contains("minimax-mcp login"), "{said}");
        let text = fs::read_to_string(home.path(file)).unwrap();
        let whole = json_of(&home.path(file));
        let entry = &whole[servers]["minimax"];
        let (command, env) = match client {
            "opencode" => (&entry["command"][0], &entry["environment"]),
            _ => (&entry["command"], &entry["env"]),
        };
        assert_eq!(command, program, "{text}");
        let allowed = if client == "claude-desktop" { Value::Null } else { json!(".") };
        assert_eq!(env["MINIMAX_ALLOWED_DIRS"], allowed, "{text}");
        assert_eq!(env["MINIMAX_DATA_DIR"], home.path("data").to_str().unwrap(), "{text}");
        assert!(!text.contains(KEY), "{text}");
        assert_eq!(text.contains("${input:minimax-api-key}"), client == "vscode", "{text}");
    }
    assert_eq!(json_of(&home.path(".config/Code/User/mcp.json"))["inputs"][0]["password"], true);
    let (_, said) = home.run(&settings, &["setup", "cursor", "--yes", "--with-key"]);
    assert!(!said.contains(KEY), "{said}");
    assert_eq!(
        json_of(&home.path(".cursor/mcp.json"))["mcpServers"]["minimax"]["env"]["MINIMAX_API_KEY"],
        KEY
    );
    let said = home.bad(&["setup", "cursor", "--yes", "--with-key"]);
    assert!(said.contains("MINIMAX_API_KEY and MINIMAX_PLAN_KEY, and none is set"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn without_a_client_those_that_are_found_are_shown_and_nothing_is_written_without_a_yes() {
    let home = Home::new();
    let said = home.bad(&["setup"]);
    assert!(said.contains("no client was found") && said.contains("claude-desktop"), "{said}");
    home.write(".cursor/argv.json", "{}");
    home.write(".codex/config.toml", "a = 1\n");
    let before = home.files();
    let said = home.bad(&["setup"]);
    for part in ["Cursor: ", "Codex: ", "+ ", "--yes", "nothing was written"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("Zed"), "{said}");
    let said = home.good(&["setup", "--dry-run"]);
    assert!(said.contains("Nothing was written (--dry-run)"), "{said}");
    assert_eq!(home.files(), before);
    home.good(&["setup", "--yes"]);
    assert!(home.path(".cursor/mcp.json").is_file());
    let (output, _) = home.run(&[], &["setup", "cursor", "--print"]);
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed, json_of(&home.path(".cursor/mcp.json")), "stdout has the entry alone");
    assert_eq!(home.run(&[], &["setup", "nowhere"]).0.status.code(), Some(2));
}

#[cfg(target_os = "linux")]
#[test]
fn an_entry_with_other_content_is_shown_as_a_difference_and_keeps_what_the_user_added() {
    let home = Home::new();
    let old = "{\"mcpServers\":{\"minimax\":{\"command\":\"/old\",\"env\":{\"MINIMAX_API_KEY\":\"sk-api-secret\",\"MINIMAX_BUDGET_DAY\":\"5\"}}}}";
    let path = home.write(".cursor/mcp.json", old);
    let said = home.bad(&["setup", "cursor"]);
    assert!(said.contains("another entry") && said.contains("-   \"command\": \"/old\""), "{said}");
    assert!(!said.contains("sk-api-secret"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), old);
    home.good(&["setup", "cursor", "--yes"]);
    let entry = &json_of(&path)["mcpServers"]["minimax"];
    assert_eq!(entry["command"], env!("CARGO_BIN_EXE_minimax-mcp"));
    assert_eq!(entry["env"]["MINIMAX_BUDGET_DAY"], "5");
}

#[cfg(target_os = "linux")]
#[test]
fn a_damaged_file_is_named_with_line_and_column_and_left_and_the_others_are_written() {
    let home = Home::new();
    let damaged = home.write(".cursor/mcp.json", "{\n  \"mcpServers\": {\n    \"a\": oops\n  }\n}\n");
    let binary = home.path(".gemini/settings.json");
    home.write(".gemini/x", "");
    fs::write(&binary, b"\xff\xfe{\0}\0").unwrap();
    home.write(".codex/config.toml", "");
    let said = home.bad(&["setup", "--yes"]);
    assert!(said.contains("mcp.json cannot be parsed and is left as it is: line 3, column 10"), "{said}");
    assert!(said.contains("settings.json is UTF-16 text") && said.contains("2 clients were left"), "{said}");
    assert!(fs::read_to_string(&damaged).unwrap().contains("oops"));
    assert_eq!(fs::read(&binary).unwrap(), b"\xff\xfe{\0}\0");
    assert!(fs::read_to_string(home.path(".codex/config.toml")).unwrap().contains("mcp_servers.minimax"));
    assert!(
        !fs::read_dir(home.path(".cursor"))
            .unwrap()
            .any(|entry| { entry.unwrap().file_name().to_string_lossy().contains("bak") })
    );
}

#[cfg(target_os = "linux")]
#[test]
fn links_are_written_through_and_the_mode_stays() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let home = Home::new();
    let real = home.write("dotfiles/cursor.json", "{}\n");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    fs::create_dir(home.path(".cursor")).unwrap();
    let link = home.path(".cursor/mcp.json");
    symlink(&real, &link).unwrap();
    home.good(&["setup", "cursor", "--yes"]);
    assert!(link.symlink_metadata().unwrap().is_symlink(), "the link stays");
    assert!(fs::read_to_string(&real).unwrap().contains("minimax"));
    assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    home.good(&["setup", "cursor", "--remove", "--yes"]);
    assert_eq!(fs::read_to_string(&real).unwrap(), "{}\n");
    fs::remove_file(&real).unwrap();
    let said = home.bad(&["setup", "cursor", "--yes"]);
    assert!(said.contains("is a link to a file that does not exist"), "{said}");
}

#[test]
fn the_project_s_file_is_written_with_its_scope_and_clients_without_one_say_so() {
    let home = Home::new();
    home.good(&["setup", "claude-code", "--scope", "project", "--yes"]);
    let entry = &json_of(&home.path("app/.mcp.json"))["mcpServers"]["minimax"];
    assert_eq!(entry["type"], "stdio");
    assert!(!home.path(".claude.json").exists());
    let said = home.bad(&["setup", "claude-desktop", "--scope", "project", "--yes"]);
    assert!(said.contains("Claude Desktop") && said.contains("--scope project"), "{said}");
    home.good(&["setup", "claude-code", "--scope", "project", "--yes", "--remove"]);
    assert!(!home.path("app/.mcp.json").exists());
}

#[test]
fn a_client_whose_servers_are_in_no_file_gets_its_entry_printed() {
    let home = Home::new();
    let said = home.good(&["setup", "cherry-studio", "--yes"]);
    assert!(said.contains("\"mcpServers\"") && said.contains("Import from JSON"), "{said}");
    assert_eq!(home.files(), BTreeMap::new());
}

/// Runs `login` with this text on stdin.
pub fn log_in(home: &Home, settings: &[(&str, &str)], typed: &str) -> (bool, String) {
    let mut command = home.command(settings, &["login"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains("0123456789"), "{text}");
    (output.status.success(), text)
}

#[test]
fn a_stored_key_serves_when_the_environment_has_none_until_logout() {
    on_stage(|stage| {
        let home = Home::new();
        let url = stage.sandbox.url();
        let at = [("MINIMAX_API_HOST", url.as_str())];
        let (good, said) = log_in(&home, &at, &format!("  Bearer \"{KEY}\"\n"));
        assert!(
            good && said.contains("pays from the balance") && said.contains("credentials.json"),
            "{said}"
        );
        let report = |settings: &[(&str, &str)]| {
            let (output, _) = home.run(&[&at, settings].concat(), &["doctor", "--json"]);
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            let lines = report["checks"].as_array().unwrap().clone();
            lines.into_iter().find(|line| line["check"] == "key").unwrap()["text"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        assert!(report(&[]).contains("from `minimax-mcp login`"), "{}", report(&[]));
        assert!(report(&[("MINIMAX_API_KEY", "sk-api-other")]).contains("from MINIMAX_API_KEY"));
        assert!(report(&[("MINIMAX_API_KEY", "${input:key}")]).contains("from `minimax-mcp login`"));
        // With a stored key, no client is asked for one.
        home.run(&at, &["setup", "vscode", "--scope", "project", "--yes"]);
        let text = fs::read_to_string(home.path("app/.vscode/mcp.json")).unwrap();
        assert!(!text.contains("MINIMAX_API_KEY") && !text.contains("inputs"), "{text}");
        assert!(home.good(&["logout"]).contains("was deleted"));
        assert!(home.good(&["logout"]).contains("No key is stored"));
        assert!(report(&[]).contains("no MiniMax API key is set"));
    });
}

#[test]
fn a_key_that_is_refused_or_no_key_is_not_stored() {
    on_stage(|stage| {
        let home = Home::new();
        let url = stage.sandbox.url();
        let at = [("MINIMAX_API_HOST", url.as_str())];
        for (typed, why) in [
            ("sandbox-2049", "2049"),
            ("your key", "placeholder"),
            ("", "no key was given"),
            ("sk-api-x y", "key"),
        ] {
            let (good, said) = log_in(&home, &at, typed);
            assert!(!good && said.contains(why), "{typed}: {said}");
        }
        let (good, said) = log_in(&home, &[("MINIMAX_API_HOST", "http://127.0.0.1:9")], KEY);
        assert!(!good && said.contains("--region"), "{said}");
        assert!(!home.path("data/credentials.json").exists());
        assert!(stage.sandbox.paid().is_empty());
    });
}

/// The doctor's findings about clients.
fn client_lines(home: &Home) -> Vec<(String, String)> {
    let (output, _) = home.run(&[("MINIMAX_API_HOST", "http://127.0.0.1:9")], &["doctor", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
    let lines = report["checks"].as_array().unwrap().iter().filter(|line| line["check"] == "clients");
    lines.map(|line| (of(line, "status"), of(line, "text"))).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn the_doctor_starts_each_entry_and_names_wrong_paths_duplicates_and_damage() {
    let home = Home::new();
    let has = |status: &str, words: &[&str]| {
        let lines = client_lines(&home);
        let fits = |(found, text): &(String, String)| {
            found == status && words.iter().all(|word| text.contains(word))
        };
        assert!(lines.iter().any(fits), "{status} {words:?}: {lines:#?}");
    };
    has("ok", &["no client is known"]);
    home.write(".cursor/x", "");
    has("ok", &["Cursor: no entry", "minimax-mcp setup cursor"]);
    let official =
        json!({ "command": "uvx", "args": ["minimax-mcp", "-y"], "env": { "MINIMAX_API_KEY": KEY } });
    home.write(".cursor/mcp.json", &json!({ "mcpServers": { "minimax": official } }).to_string());
    has("warning", &["Cursor: `minimax` in ", "starts uvx minimax-mcp, which is not this server"]);
    home.write(
        ".cursor/mcp.json",
        r#"{ "mcpServers": { "minimax": { "url": "https://example.com/mcp" } } }"#,
    );
    has("warning", &["starts a server at an address, which is not this server"]);
    fs::remove_file(home.path(".cursor/mcp.json")).unwrap();
    home.good(&["setup", "cursor", "codex", "--yes"]);
    has("ok", &["Cursor: ", "starts the server in", "ms"]);
    has("ok", &["Codex: ", "starts the server in", "ms"]);
    assert!(!home.path("data/jobs.sqlite3").exists(), "a handshake leaves no records");
    let entry = |command: &str| json!({ "command": command, "args": [], "env": {} });
    let gone = json!({ "mcpServers": { "minimax": entry("/nowhere/minimax-mcp") } });
    home.write(".cursor/mcp.json", &gone.to_string());
    has("wrong", &["Cursor: ", "/nowhere/minimax-mcp, which does not exist"]);
    let program = env!("CARGO_BIN_EXE_minimax-mcp");
    let twice = json!({ "mcpServers": { "minimax": entry(program), "MiniMax": entry(program) } });
    home.write(".cursor/mcp.json", &twice.to_string());
    has("warning", &["2 times", "`MiniMax`"]);
    home.write(".cursor/mcp.json", "{ oops }");
    has("warning", &["mcp.json cannot be read: line 1, column 3"]);
    let other = home.write("bin/minimax-mcp", "#!/bin/sh\nexit 1\n");
    fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    home.write(
        ".cursor/mcp.json",
        &json!({ "mcpServers": { "m": entry(other.to_str().unwrap()) } }).to_string(),
    );
    has("wrong", &["does not start"]);
}

#[cfg(target_os = "linux")]
#[test]
fn the_doctor_reports_another_key_in_an_entry_without_showing_it() {
    let home = Home::new();
    let entry = json!({ "command": "npx", "args": ["-y", "minimax-mcp-server"],
        "env": { "MINIMAX_API_KEY": "sk-api-9876543210zyxwvutsrqABCD" } });
    home.write(".gemini/settings.json", &json!({ "mcpServers": { "minimax": entry } }).to_string());
    let settings = [("MINIMAX_API_HOST", "http://127.0.0.1:9"), ("MINIMAX_API_KEY", KEY)];
    let (_, text) = home.run(&settings, &["doctor"]);
    assert!(text.contains("another key (sk-api-…ABCD) than this shell (sk-api-…WXYZ)"), "{text}");
    assert!(text.contains("with npx, which is not on the PATH") && !text.contains("9876543210"), "{text}");
}

#[test]
fn notify_writes_the_setting_for_notifications() {
    let home = Home::new();
    for client in ["cursor", "codex", "opencode", "goose"] {
        let setting = |said: &str| said.contains("MINIMAX_NOTIFY") && said.contains("desktop");
        assert!(setting(&home.run(&[], &["setup", client, "--print", "--notify"]).1), "{client}");
        assert!(!setting(&home.run(&[], &["setup", client, "--print"]).1), "{client}");
    }
}
