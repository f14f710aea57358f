//! `doctor` and entries whose program is fetched by `npx` or `uvx`.

use std::fs;

use serde_json::{Value, json};

use crate::home::Home;

#[test]
fn the_doctor_starts_entries_of_npx_and_uvx_and_reports_what_they_still_fetch() {
    use std::os::unix::fs::PermissionsExt as _;

    for (fetcher, args) in
        [("npx", json!(["-y", "minimax-mcp-server"])), ("uvx", json!(["minimax-mcp-server"]))]
    {
        let home = Home::new();
        let entry = json!({ "command": fetcher, "args": args });
        home.write(".gemini/settings.json", &json!({ "mcpServers": { "minimax": entry } }).to_string());
        let path = format!("{}:/usr/bin:/bin", home.path("bin").display());
        let settings = [("MINIMAX_API_HOST", "http://127.0.0.1:9"), ("PATH", path.as_str())];
        let program = env!("CARGO_BIN_EXE_minimax-mcp");
        for (script, status, words) in [
            (format!("exec '{program}'"), "ok", "starts the server in"),
            ("exit 1".to_owned(), "warning", "fetches the package first"),
            ("exec sleep 60".to_owned(), "warning", "no answer in 5 s"),
        ] {
            let file = home.write(&format!("bin/{fetcher}"), &format!("#!/bin/sh\n{script}\n"));
            fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
            let (output, _) = home.run(&settings, &["doctor", "--json"]);
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            let lines = report["checks"].as_array().unwrap().iter();
            let line = lines.clone().find(|line| line["text"].as_str().unwrap().contains("Gemini")).unwrap();
            assert_eq!(line["status"], status, "{script}: {line}");
            assert!(line["text"].as_str().unwrap().contains(words), "{script}: {line}");
            if status == "warning" {
                let again = format!(
                    "{fetcher} {}--version",
                    if fetcher == "npx" { "-y minimax-mcp-server " } else { "minimax-mcp-server " }
                );
                assert!(line["fix"].as_str().unwrap().contains(&again), "{line}");
            }
        }
    }
}
