//! Broken states, one after another: the first line of `minimax-mcp doctor` that is not `ok` names the cause and the
//! fix, for a person and as JSON, in English and Chinese.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};

use crate::doctor::answering;
use crate::home::{Home, KEY};
use crate::stdio::{Stage, on_stage};

/// What no output may show: parts of the keys and passwords of these tests.
const SECRETS: &[&str] = &["0123456789", "9876543210", "hunter2"];

/// A machine on which everything works, except what a state changes.
struct Machine<'a> {
    stage: &'a Stage,
    home: Home,
    settings: Vec<(String, String)>,
}

impl<'a> Machine<'a> {
    fn new(stage: &'a Stage) -> Self {
        let home = Home::new();
        let player = home.write("bin/mpv", "");
        fs::set_permissions(player, fs::Permissions::from_mode(0o755)).unwrap();
        let mut machine = Self { stage, home, settings: Vec::new() };
        let (bin, out) = (machine.path("bin"), machine.path("out"));
        machine.set("PATH", &bin);
        machine.set("MINIMAX_MCP_BASE_PATH", &out);
        machine.set("MINIMAX_API_HOST", &stage.sandbox.url());
        machine.set("MINIMAX_API_KEY", KEY);
        machine
    }

    fn path(&self, name: &str) -> String {
        self.home.path(name).display().to_string()
    }

    fn set(&mut self, name: &str, value: &str) {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    fn doctor(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let settings: Vec<_> =
            self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let (output, all) = self.home.run(&settings, &[&["doctor"], arguments].concat());
        for secret in SECRETS {
            assert!(!all.contains(secret), "{secret}: {all}");
        }
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }

    /// Asserts that the first finding is this one. Returns its text and fix.
    #[track_caller]
    fn first(&self, check: &str, status: &str, text: &str, fix: &str) -> (String, String) {
        let (code, out) = self.doctor(&["--json"]);
        let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("no JSON: {out}"));
        assert_eq!(code, Some(i32::from(report["status"] == "wrong")), "{report:#}");
        let lines = report["checks"].as_array().unwrap();
        let found = lines.iter().find(|line| line["status"] != "ok").unwrap_or_else(|| panic!("{report:#}"));
        let of = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
        assert_eq!((of("check").as_str(), of("status").as_str()), (check, status), "{report:#}");
        assert!(of("text").contains(text) && of("fix").contains(fix), "{text} / {fix}: {found:#}");

        // A person reads the same, with the mark first and the fix below.
        let (same, shown) = self.doctor(&[]);
        let mut rows = shown.lines().skip(1);
        let row = rows.find(|row| !row.starts_with("ok ") && !row.is_empty()).unwrap();
        assert!(row.starts_with(status) && row.contains(text), "{row}");
        assert!(rows.next().unwrap().contains(fix) && same == code, "{shown}");

        // In Chinese the same check is first, with the same mark and the same names and commands in it.
        let (same, chinese) = self.doctor(&["--lang", "zh"]);
        let row = chinese.lines().skip(1).find(|row| !row.starts_with("正常")).unwrap();
        let mark = if status == "wrong" { "错误" } else { "警告" };
        assert!(row.starts_with(mark) && same == code, "{chinese}");
        (of("text"), of("fix"))
    }

    fn entry(&self, client_file: &str, entries: Value) -> PathBuf {
        self.home.write(client_file, &json!({ "mcpServers": entries }).to_string())
    }
}

fn entry(command: &str) -> Value {
    json!({ "command": command, "args": [], "env": {} })
}

fn program() -> &'static str {
    env!("CARGO_BIN_EXE_minimax-mcp")
}

#[test]
fn a_machine_without_a_fault_has_no_finding() {
    on_stage(|stage| {
        let machine = Machine::new(stage);
        machine.entry(".cursor/mcp.json", json!({ "minimax": entry(program()) }));
        let (code, out) = machine.doctor(&["--json"]);
        let report: Value = serde_json::from_str(&out).unwrap();
        assert!(code == Some(0) && report["status"] == "ok", "{report:#}");
        let (_, chinese) = machine.doctor(&["--lang", "zh"]);
        assert!(chinese.contains("MCP 最高支持") && chinese.contains("密钥"), "{chinese}");
        let lines = chinese.lines().skip(1);
        assert!(lines.clone().count() > 9 && lines.clone().all(|line| line.starts_with("正常")), "{chinese}");
    });
}

#[test]
fn the_key_no_key_a_quoted_key_and_the_wrong_region() {
    on_stage(|stage| {
        let mut machine = Machine::new(stage);
        machine.set("MINIMAX_API_KEY", "");
        machine.first("key", "wrong", "no MiniMax API key is set", "`minimax-mcp login`");
        for quoted in [format!("\"{KEY}\""), format!("'{KEY}'"), format!("“{KEY}”"), format!("Bearer {KEY}")]
        {
            machine.set("MINIMAX_API_KEY", &quoted);
            machine.first("key", "warning", "quotes or other text around the key", "MINIMAX_API_KEY");
        }
        machine.set("MINIMAX_API_KEY", "");
        let file = machine.home.write("key", &format!("\"{KEY}\"\n"));
        machine.set("MINIMAX_API_KEY_FILE", file.to_str().unwrap());
        machine.first("key", "warning", "quotes or other text", "MINIMAX_API_KEY_FILE");
        fs::write(file, format!("{KEY}\n")).unwrap();
        assert_eq!(machine.doctor(&[]).0, Some(0));

        let mut machine = Machine::new(stage);
        for key in ["sandbox-2049", "sandbox-1004"] {
            machine.set("MINIMAX_API_KEY", key);
            // The sandbox is not one of MiniMax's two hosts. A unit test of the check covers the text for those hosts.
            let (text, _) = machine.first("region", "wrong", "does not accept the key", "MINIMAX_API_KEY");
            assert!(text.contains(&key[8..]), "{text}");
        }
    });
}

#[test]
fn the_money_a_plan_s_key_for_paid_tools_and_an_empty_balance() {
    on_stage(|stage| {
        let mut machine = Machine::new(stage);
        machine.set("MINIMAX_API_KEY", "sk-cp-0123456789abcdefghijWXYZ");
        machine.first("key", "warning", "everything else is refused (2061)", "pay-as-you-go key");
        let machine = Machine::new(stage);
        let empty = json!({ "available_amount": "0.00", "cash_balance": "0.00" }).to_string();
        machine.stage.sandbox.script(vec![Rule::always("/account/query_balance", Act::Raw { body: empty })]);
        machine.first("account", "wrong", "0.00 USD", "1008");
    });
}

#[test]
fn the_folders_read_only_and_a_file_in_the_place_of_one() {
    on_stage(|stage| {
        for (check, setting) in [("records", "MINIMAX_DATA_DIR"), ("results", "MINIMAX_MCP_BASE_PATH")] {
            let mut machine = Machine::new(stage);
            let locked = machine.home.path("locked");
            fs::create_dir(&locked).unwrap();
            fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
            let is_root = fs::write(locked.join("try"), "").is_ok();
            let fault = if is_root && cfg!(target_os = "linux") { "/proc" } else { locked.to_str().unwrap() };
            for path in [fault.to_owned(), format!("{fault}/new")] {
                machine.set(setting, &path);
                machine.first(check, "wrong", &path, setting);
            }
            let file = machine.home.write("a-file", "");
            machine.set(setting, file.to_str().unwrap());
            machine.first(check, "wrong", "a part of the path is a file", setting);
        }
    });
}

#[test]
fn the_records_older_and_newer_than_this_version() {
    if crate::postgres::leaves_out("SQLite's file") {
        return;
    }
    on_stage(|stage| {
        let mut program = stage.program();
        program.initialize("2025-06-18");
        program.call("text_to_image", json!({ "prompt": "A fox" }));
        program.hang_up();
        let mut machine = Machine::new(stage);
        let data = stage.dir.path().join("data");
        machine.set("MINIMAX_DATA_DIR", data.to_str().unwrap());
        assert_eq!(machine.doctor(&[]).0, Some(0));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let run = |sql: &'static str| {
            runtime.block_on(async {
                let url = format!("sqlite://{}", data.join("jobs.sqlite3").display());
                let mut connection = SqliteConnection::connect(&url).await.unwrap();
                sqlx::query(sql).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            });
        };
        run("DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)");
        machine.first("jobs", "warning", "from an older version", "`minimax-mcp jobs`");
        run(
            "UPDATE _sqlx_migrations SET version = 9999 WHERE version = (SELECT max(version) FROM _sqlx_migrations)",
        );
        machine.first("jobs", "wrong", "belong to another version", "update this one");
        fs::write(data.join("jobs.sqlite3"), vec![b'x'; 8192]).unwrap();
        machine.first("jobs", "wrong", "the job records are damaged", "the next one that starts repairs it");
    });
}

#[test]
fn the_machine_no_player_and_a_clock_that_is_off() {
    on_stage(|stage| {
        let mut machine = Machine::new(stage);
        machine.set("PATH", "/nowhere");
        let install = if cfg!(target_os = "macos") { "PATH" } else { "apt install ffmpeg" };
        machine.first("player", "warning", "no audio player is on PATH", install);
        // A server that plays nothing needs no player.
        for (name, value) in [
            ("MINIMAX_TOOLSETS", "image"),
            ("MINIMAX_MCP_CALLER_KEYS", "true"),
            ("MINIMAX_MCP_TOKEN", "0123456789abcdef0123456789abcdef"),
        ] {
            let mut machine = Machine::new(stage);
            machine.set("PATH", "/nowhere");
            machine.set(name, value);
            let (_, report) = machine.doctor(&["--json"]);
            let report: Value = serde_json::from_str(&report).unwrap();
            let line =
                report["checks"].as_array().unwrap().iter().find(|line| line["check"] == "player").unwrap();
            assert!(
                line["status"] == "ok" && line["text"].as_str().unwrap().contains("none is needed"),
                "{line}"
            );
        }
        let mut machine = Machine::new(stage);
        let body = r#"{"object":"list","data":[]}"#;
        for (date, word) in
            [("Wed, 01 Jan 2020 00:00:00 GMT", "ahead"), ("Thu, 01 Jan 2099 00:00:00 GMT", "behind")]
        {
            let host = answering(&format!(
                "HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{body}",
                body.len()
            ));
            machine.set("MINIMAX_API_HOST", &host);
            machine.first("clock", "wrong", word, "clock");
        }
    });
}

#[test]
fn the_way_to_minimax_no_network_and_a_proxy_that_refuses() {
    on_stage(|stage| {
        let mut machine = Machine::new(stage);
        machine.set("MINIMAX_API_HOST", "https://minimax.invalid");
        machine.first(
            "network",
            "wrong",
            "minimax.invalid cannot be resolved",
            "Check the network connection",
        );
        machine.set("MINIMAX_API_HOST", "http://127.0.0.1:9");
        machine.first("network", "wrong", "127.0.0.1:9 cannot be reached", "HTTPS_PROXY");
        for answer in ["403 Forbidden", "407 Proxy Authentication Required"] {
            let proxy = answering(&format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n"));
            machine.set("MINIMAX_API_HOST", "https://api.example.com");
            machine.set("HTTPS_PROXY", &proxy.replace("http://", "http://ada:hunter2@"));
            machine.first(
                "network",
                "wrong",
                "through the proxy http://127.0.0.1",
                "the proxy in HTTPS_PROXY",
            );
        }
    });
}

#[test]
fn the_clients_a_wrong_path_another_key_and_duplicates() {
    on_stage(|stage| {
        let mut machine = Machine::new(stage);
        machine.entry(".cursor/mcp.json", json!({ "minimax": entry("/nowhere/minimax-mcp") }));
        let gone = "/nowhere/minimax-mcp, which does not exist";
        machine.first("clients", "wrong", gone, "`minimax-mcp setup cursor`");
        // The line mends it.
        machine.home.good(&["setup", "cursor", "--yes"]);
        assert_eq!(machine.doctor(&[]).0, Some(0));

        let mut other = entry(program());
        other["env"]["MINIMAX_API_KEY"] = json!("sk-api-9876543210zyxwvutsrqABCD");
        machine.entry(".cursor/mcp.json", json!({ "minimax": other }));
        machine.first("clients", "warning", "another key (sk-api-…ABCD)", "`minimax-mcp login`");
        // A shell without a key is no fault while the client has one.
        machine.set("MINIMAX_API_KEY", "");
        let (text, _) = machine.first("key", "warning", "in this shell", "`minimax-mcp login`");
        assert!(text.contains("Cursor") && text.contains("sk-api-…ABCD"), "{text}");

        let machine = Machine::new(stage);
        machine
            .entry(".cursor/mcp.json", json!({ "minimax": entry(program()), "MiniMax": entry(program()) }));
        machine.first("clients", "warning", "is listed 2 times: as `minimax`", "Remove all but one");
    });
}

#[test]
fn claude_code_s_entries_of_projects_count_and_are_compared_over_scopes() {
    on_stage(|stage| {
        let of_project = |machine: &Machine<'_>, folder: &str, name: &str, entry: Value| {
            let whole = json!({ "mcpServers": {}, "projects": {
                folder: { "allowedTools": [], "mcpServers": { name: entry } },
                "/nowhere/gone": { "mcpServers": { "minimax": { "command": "/nowhere/minimax-mcp" } } },
            } });
            machine.home.write(".claude.json", &whole.to_string());
        };
        let machine = Machine::new(stage);
        let app = fs::canonicalize(machine.home.path("app")).unwrap().display().to_string();
        of_project(&machine, &app, "minimax", entry("/nowhere/minimax-mcp"));
        let (text, _) =
            machine.first("clients", "wrong", "which does not exist", "Correct or remove `minimax`");
        assert!(text.contains(&format!("(project {app})")), "{text}");
        of_project(&machine, &app, "minimax", entry(program()));
        assert_eq!(machine.doctor(&[]).0, Some(0), "one entry is no duplicate");

        // The file of the project, with the same name and with another one.
        machine.entry("app/.mcp.json", json!({ "minimax": entry(program()) }));
        machine.first("clients", "warning", "is listed 2 times", "");
        machine.entry("app/.mcp.json", json!({ "images": entry(program()) }));
        machine.first("clients", "warning", "as `images` in", "Remove all but one");
        fs::remove_file(machine.home.path("app/.mcp.json")).unwrap();

        // Entries of two projects do not collide.
        fs::create_dir(machine.home.path("other")).unwrap();
        let other = fs::canonicalize(machine.home.path("other")).unwrap().display().to_string();
        let both = json!({ "projects": {
            app.as_str(): { "mcpServers": { "minimax": entry(program()) } },
            other.as_str(): { "mcpServers": { "minimax": entry(program()) } },
        } });
        machine.home.write(".claude.json", &both.to_string());
        let (code, out) = machine.doctor(&[]);
        assert!(code == Some(0) && !out.contains("2 times") && out.contains(&other), "{out}");
    });
}

#[test]
fn a_program_in_a_project_s_file_is_started_only_if_it_is_this_one() {
    on_stage(|stage| {
        let machine = Machine::new(stage);
        let marker = machine.path("was-started");
        let script = machine.home.write("app/bin/minimax-mcp", &format!("#!/bin/sh\n: > '{marker}'\n"));
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let [absolute, relative] = [script.to_str().unwrap(), "./bin/minimax-mcp"];
        let more = |name: &str, value: Value| {
            let mut entry = entry(program());
            entry[name] = value;
            entry
        };
        for foreign in [
            entry(absolute),
            entry(relative),
            more("args", json!(["logout"])),
            more("env", json!({ "LD_PRELOAD": "/x.so" })),
        ] {
            for file in ["app/.mcp.json", "app/.cursor/mcp.json"] {
                machine.entry(file, json!({ "minimax": foreign }));
                let (code, out) = machine.doctor(&[]);
                assert!(code == Some(0) && out.contains("because the file belongs to the project"), "{out}");
                fs::remove_file(machine.home.path(file)).unwrap();
            }
        }
        assert!(!machine.home.path("was-started").exists());
        // The user's own file names a program that the user trusts.
        machine.entry(".cursor/mcp.json", json!({ "minimax": entry(absolute) }));
        machine.first("clients", "wrong", "does not start", "`minimax-mcp setup cursor`");
        assert!(machine.home.path("was-started").exists());
    });
}

#[test]
fn the_language_is_that_of_the_environment_unless_an_option_names_one() {
    on_stage(|stage| {
        let mut machine = Machine::new(stage);
        machine.set("LANG", "zh_CN.UTF-8");
        assert!(machine.doctor(&[]).1.contains("密钥"));
        assert!(machine.doctor(&["--lang", "en"]).1.contains("\nok       key"));
        let report: Value = serde_json::from_str(&machine.doctor(&["--json"]).1).unwrap();
        assert!(report["checks"][0]["check"] == "settings" && report["status"] == "ok", "{report:#}");
        machine.set("LC_ALL", "C");
        assert!(machine.doctor(&[]).1.contains("\nok       key"));

        let home = Home::new();
        let zh = [("LANG", "zh_CN.UTF-8")];
        let (output, said) = home.run(&zh, &["setup", "cursor", "--yes"]);
        assert!(output.status.success(), "{said}");
        for part in ["将加入条目 `minimax`", "已写入", "请重启客户端", "运行一次 `minimax-mcp login`"]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
        let (_, said) = home.run(&zh, &["setup", "cursor", "--remove", "--yes"]);
        assert!(said.contains("将被删除") && said.contains("已删除"), "{said}");
        assert!(home.run(&zh, &["logout"]).1.contains("没有保存过密钥"));
        let (_, said) = home.run(&zh, &["login"]);
        assert!(said.contains("没有输入密钥"), "{said}");
    });
}

#[test]
fn in_the_home_folder_the_file_of_the_user_is_not_counted_twice() {
    on_stage(|stage| {
        let machine = Machine::new(stage);
        machine.entry(".cursor/mcp.json", json!({ "minimax": entry(program()) }));
        machine.home.write(".gemini/settings.json", "{");
        let settings: Vec<_> =
            machine.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut command = machine.home.command(&settings, &["doctor", "--json"]);
        let output = command.current_dir(machine.home.path("")).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let lines = report["checks"].as_array().unwrap();
        let of = |client: &str| {
            let texts = lines.iter().filter_map(|line| line["text"].as_str());
            texts.filter(|text| text.starts_with(client)).map(str::to_owned).collect::<Vec<_>>()
        };
        assert!(matches!(&of("Cursor")[..], [one] if one.contains("starts the server")), "{report:#}");
        assert_eq!(of("Gemini CLI").len(), 1, "{report:#}");
    });
}

#[test]
fn a_program_with_another_name_is_this_server_in_the_entry_that_it_wrote() {
    on_stage(|stage| {
        let machine = Machine::new(stage);
        let renamed = machine.home.path("bin/minimax-mcp-0.1.0-linux");
        if fs::hard_link(program(), &renamed).is_err() {
            fs::copy(program(), &renamed).unwrap();
        }
        let run = |arguments: &[&str]| {
            let mut command = std::process::Command::new(&renamed);
            command.args(arguments).current_dir(machine.home.path("app")).stdin(std::process::Stdio::null());
            command.envs([("HOME", machine.home.path("")), ("MINIMAX_DATA_DIR", machine.home.path("data"))]);
            command.envs(machine.settings.iter().map(|(name, value)| (name, value)));
            let output = command.output().unwrap();
            (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        assert!(run(&["setup", "cursor", "--yes"]).0);
        let (good, said) = run(&["doctor"]);
        assert!(good && said.contains("starts the server") && !said.contains("is not this server"), "{said}");
    });
}

#[test]
fn a_stored_key_that_is_not_used_is_fixed_by_login() {
    on_stage(|stage| {
        let mut machine = Machine::new(stage);
        machine.set("MINIMAX_API_KEY", "");
        let file = machine.home.write("data/credentials.json", "{bad");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(machine.home.path("data"), fs::Permissions::from_mode(0o700)).unwrap();
        let (_, fix) = machine.first("settings", "warning", "the file is damaged", "minimax-mcp login");
        assert_eq!(fix, "Run `minimax-mcp login` again");
    });
}
