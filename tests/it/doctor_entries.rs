//! The settings inside the entries of clients, as `minimax-mcp doctor` judges them.

use serde_json::{Value, json};

use crate::home::{Home, KEY};
use crate::stdio::on_stage;

/// What no output may show: parts of the keys of these tests.
const SECRETS: &[&str] = &["0123456789", "9876543210", "hunter2"];

#[test]
fn the_settings_inside_an_entry_are_judged_and_each_line_names_the_client_the_file_and_the_setting() {
    on_stage(|stage| {
        let home = Home::new();
        let url = stage.sandbox.url();
        let doctor = |option: &[&str]| {
            let settings = [("MINIMAX_API_HOST", url.as_str()), ("MINIMAX_API_KEY", KEY)];
            let (output, all) = home.run(&settings, &[&["doctor"], option].concat());
            assert!(SECRETS.iter().all(|secret| !all.contains(secret)), "{all}");
            String::from_utf8(output.stdout).unwrap()
        };
        let program = env!("CARGO_BIN_EXE_minimax-mcp");
        let lines = |file: &str, env: Value| {
            let entry = json!({ "command": program, "args": [], "env": env });
            home.write(file, &json!({ "mcpServers": { "minimax": entry } }).to_string());
            let report: Value = serde_json::from_str(&doctor(&["--json"])).unwrap();
            let lines = report["checks"].as_array().unwrap().iter().filter(|line| line["check"] == "clients");
            let shown = |line: &Value| {
                let fix = line["fix"].as_str().unwrap_or_default();
                format!("{} {} -> {fix}", line["status"].as_str().unwrap(), line["text"].as_str().unwrap())
            };
            lines.map(shown).collect::<Vec<_>>()
        };
        let file = ".cursor/mcp.json";
        for (env, status, parts) in [
            (
                json!({ "MINIMAX_REGION": "eu" }),
                "wrong",
                ["MINIMAX_REGION is `eu`; must be `global` or `cn`", "calls are refused"],
            ),
            (
                json!({ "MINIMAX_BUDGTE_DAY": "5" }),
                "warning",
                ["did you mean MINIMAX_BUDGET_DAY?", "remove MINIMAX_BUDGTE_DAY in"],
            ),
            (
                json!({ "MINIMAX_PLAN_KEY": "sk-api-98765432109876543210" }),
                "wrong",
                ["MINIMAX_PLAN_KEY holds a pay-as-you-go key", "Correct MINIMAX_PLAN_KEY"],
            ),
            (
                json!({ "MINIMAX_API_KEY": "your-api-key" }),
                "warning",
                ["MINIMAX_API_KEY is still the placeholder", "remove MINIMAX_API_KEY"],
            ),
            (
                json!({ "MINIMAX_API_KEY": format!("'{KEY}'") }),
                "warning",
                ["MINIMAX_API_KEY; the value has quotes", "MINIMAX_API_KEY in"],
            ),
            (
                json!({ "MINIMAX_API_KEY": "hunter2 hunter2" }),
                "wrong",
                ["MINIMAX_API_KEY", "calls are refused"],
            ),
            (
                json!({ "MINIMAX_MCP_TOKEN": "short" }),
                "warning",
                ["only `serve --http` uses it", "MINIMAX_MCP_TOKEN in"],
            ),
        ] {
            let found = lines(file, env.clone());
            let path = home.path(file).display().to_string();
            let fits = |line: &String| {
                line.starts_with(&format!("{status} Cursor: in {path}, "))
                    && parts.iter().all(|part| line.contains(part))
            };
            assert!(found.iter().any(fits), "{env}: {found:#?}");
            let chinese = doctor(&["--lang", "zh"]);
            assert!(chinese.contains(&format!("Cursor：在 {path} 里，")), "{chinese}");
        }
        // What is right, and what the client fills in, is no finding.
        let good = json!({ "MINIMAX_REGION": "cn", "MINIMAX_API_KEY": "${env:KEY}", "MINIMAX_BUDGET_DAY": "5", "HTTPS_PROXY": "x" });
        let found = lines(file, good.clone());
        assert!(found.iter().all(|line| line.starts_with("ok ")), "{found:#?}");
        // Claude Desktop fills in nothing.
        let found = lines(".config/Claude/claude_desktop_config.json", good);
        assert!(
            found
                .iter()
                .any(|line| line.contains("Claude Desktop: in ") && line.contains("still the placeholder")),
            "{found:#?}"
        );
    });
}
