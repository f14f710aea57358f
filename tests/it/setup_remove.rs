//! `minimax-mcp setup --remove` removes the entries that `setup` wrote, and nothing else.

use std::fs;

use serde_json::{Value, json};

use crate::home::{Home, json_of};

/// Entries that a user may have written: for another server, by hand, or with the client's own command.
fn entries_of_users() -> Vec<Value> {
    let program = env!("CARGO_BIN_EXE_minimax-mcp");
    vec![
        json!({ "command": "uvx", "args": ["minimax-mcp"], "env": { "MINIMAX_API_KEY": "sk-api-mine" } }),
        json!({ "url": "http://127.0.0.1:8765/mcp" }),
        json!({ "command": program, "args": ["--sandbox"], "env": {} }),
        json!({ "command": program, "args": [], "env": { "MINIMAX_BUDGET_DAY": "5" } }),
        json!({ "command": "/opt/minimax-mcp", "args": [], "env": { "MINIMAX_ALLOWED_DIRS": "." } }),
    ]
}

#[cfg(target_os = "linux")]
#[test]
fn without_a_record_an_entry_of_the_user_stays_and_setup_explains_how_to_remove_it() {
    for (client, file, servers, way) in [
        ("cursor", ".cursor/mcp.json", "mcpServers", "delete `minimax` below `mcpServers`"),
        ("claude-code", ".claude.json", "mcpServers", "run `claude mcp remove minimax`"),
        ("gemini", ".gemini/settings.json", "mcpServers", "run `gemini mcp remove minimax`"),
        ("zed", ".config/zed/settings.json", "context_servers", "delete `minimax` below `context_servers`"),
    ] {
        for entry in entries_of_users() {
            let home = Home::new();
            home.write(file, &json!({ servers: { "minimax": entry } }).to_string());
            let before = home.files();
            let said = home.bad(&["setup", client, "--remove", "--yes"]);
            assert!(said.contains("`setup` did not write, so it stays") && said.contains(way), "{said}");
            assert!(!said.contains("sk-api-mine"), "{said}");
            assert_eq!(home.files(), before, "{client}");
        }
    }
    let home = Home::new();
    home.write(".codex/config.toml", "[mcp_servers.minimax]\ncommand = \"uvx\"\nargs = [\"minimax-mcp\"]\n");
    let before = home.files();
    assert!(home.bad(&["setup", "codex", "--remove", "--yes"]).contains("run `codex mcp remove minimax`"));
    assert_eq!(home.files(), before);
}

#[cfg(target_os = "linux")]
#[test]
fn without_a_record_an_entry_as_setup_writes_it_is_removed() {
    for client in ["cursor", "codex", "vscode", "opencode", "goose"] {
        let home = Home::new();
        home.good(&["setup", client, "--yes"]);
        fs::remove_file(home.path("data/setup.json")).unwrap();
        let said = home.good(&["setup", client, "--remove", "--yes"]);
        assert!(said.contains("Restored"), "{client}: {said}");
        let left: String =
            home.files().values().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
        assert!(!left.contains("minimax"), "{client}: {left}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_entry_that_the_user_wrote_after_setup_stays_too() {
    let home = Home::new();
    home.write(".cursor/mcp.json", "{}\n");
    home.good(&["setup", "cursor", "--yes"]);
    let own = json!({ "mcpServers": { "minimax": { "command": "uvx", "args": ["minimax-mcp"] } } });
    let path = home.write(".cursor/mcp.json", &own.to_string());
    assert!(home.bad(&["setup", "cursor", "--remove", "--yes"]).contains("did not write"));
    assert_eq!(json_of(&path), own);
}

#[cfg(target_os = "linux")]
#[test]
fn an_entry_of_setup_with_additions_of_the_user_is_removed_and_the_earlier_entry_restored() {
    let home = Home::new();
    let old = json!({ "command": "/old", "args": ["x"], "env": { "A": "1" } });
    let path = home.write(".cursor/mcp.json", &json!({ "mcpServers": { "minimax": old } }).to_string());
    home.good(&["setup", "cursor", "--yes"]);
    // Another program writes the whole file again, and the user adds a setting.
    let mut whole = json_of(&path);
    whole["mcpServers"]["minimax"]["env"]["MINIMAX_BUDGET_DAY"] = json!("5");
    whole["mcpServers"]["other"] = json!({ "command": "y" });
    fs::write(&path, format!("{whole:#}")).unwrap();
    home.good(&["setup", "cursor", "--remove", "--yes"]);
    assert_eq!(json_of(&path), json!({ "mcpServers": { "minimax": old, "other": { "command": "y" } } }));
    // The same without an entry before it, and with a second run of setup in between.
    let path = home.write(".gemini/settings.json", "{}");
    home.good(&["setup", "gemini", "--yes"]);
    let mut whole = json_of(&path);
    whole["mcpServers"]["minimax"]["timeout"] = json!(9);
    fs::write(&path, format!("{whole:#}")).unwrap();
    let (output, said) = home.run(&[("MINIMAX_DATA_DIR", "")], &["setup", "gemini", "--yes"]);
    assert!(output.status.success(), "{said}");
    home.good(&["setup", "gemini", "--yes"]);
    home.good(&["setup", "gemini", "--remove", "--yes"]);
    assert!(json_of(&path)["mcpServers"].get("minimax").is_none(), "{}", json_of(&path));
}
