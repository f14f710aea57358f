//! `minimax-mcp doctor`: broken states one after another, over the real program.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};

use crate::harness::program;
use crate::stdio::{Stage, on_stage};

const KEY: &str = "sk-api-0123456789abcdefghijWXYZ";

/// Runs the doctor with `settings` in place of the usual ones. Returns whether it succeeded, and its report.
fn doctor(stage: &Stage, settings: &[(&str, &str)]) -> (bool, Value) {
    let output = command(stage, settings).args(["doctor", "--json"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"));
    for secret in ["0123456789abcdef", "hunter2"] {
        let shown = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(!shown.contains(secret), "{shown}");
    }
    assert_eq!(output.status.success(), report["status"] != "wrong", "{report}");
    (output.status.success(), report)
}

fn command(stage: &Stage, settings: &[(&str, &str)]) -> Command {
    let path = |name: &str| stage.dir.path().join(name).display().to_string();
    let mut command = program();
    command
        .envs([("HOME", path("home")), ("USERPROFILE", path("home"))])
        .envs([("MINIMAX_MCP_BASE_PATH", path("out")), ("MINIMAX_DATA_DIR", path("data"))])
        .envs([("MINIMAX_API_HOST", stage.sandbox.url().as_str()), ("MINIMAX_API_KEY", KEY)])
        .envs(settings.iter().copied());
    command
}

/// The findings of one check.
fn findings<'a>(report: &'a Value, check: &str) -> Vec<&'a Value> {
    report["checks"].as_array().unwrap().iter().filter(|line| line["check"] == check).collect()
}

/// Asserts that a check has a finding with this status, these words in its text, and these in its fix.
fn found(report: &Value, check: &str, status: &str, text: &str, fix: &str) {
    let fits = |line: &&&Value| {
        line["status"] == status
            && line["text"].as_str().unwrap().contains(text)
            && line["fix"].as_str().unwrap_or_default().contains(fix)
    };
    assert!(
        findings(report, check).iter().any(|line| fits(&line)),
        "{check} {status} {text} {fix}: {report:#}"
    );
}

#[test]
fn the_doctor_finds_nothing_wrong_in_a_good_setup_and_leaves_nothing_behind() {
    on_stage(|stage| {
        let (good, report) = doctor(stage, &[]);
        assert!(good && report["protocol"].as_str().unwrap() >= "2026-07-28", "{report:#}");
        found(&report, "key", "ok", "sk-api-…WXYZ from MINIMAX_API_KEY", "");
        found(&report, "network", "ok", "127.0.0.1", "");
        found(&report, "region", "ok", "accepted", "");
        found(&report, "account", "ok", "98.00 USD", "");
        found(&report, "clock", "ok", "", "");
        found(&report, "results", "ok", "can be written", "");
        found(&report, "jobs", "ok", "no job", "");
        assert_eq!(std::fs::read_dir(stage.dir.path()).unwrap().count(), 0, "nothing was made");
        assert!(stage.sandbox.paid().is_empty());
        let text = command(stage, &[]).arg("doctor").output().unwrap().stdout;
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("minimax-mcp ") && text.contains("\nok       key"), "{text}");
    });
}

#[test]
fn a_missing_and_an_unfilled_key_are_distinguished_and_a_quoted_one_works() {
    on_stage(|stage| {
        let (good, report) = doctor(stage, &[("MINIMAX_API_KEY", "")]);
        assert!(!good);
        found(&report, "key", "wrong", "no MiniMax API key is set", "platform.minimax.io");
        found(&report, "network", "ok", "", "");
        let (_, report) = doctor(stage, &[("MINIMAX_API_KEY", "${input:key}")]);
        found(&report, "key", "wrong", "still the placeholder `${input:key}`", "Set MINIMAX_API_KEY");
        let (good, report) = doctor(stage, &[("MINIMAX_API_KEY", &format!("\"{KEY}\""))]);
        assert!(good, "{report:#}");
        let file = stage.dir.path().join("key");
        std::fs::write(&file, KEY).unwrap();
        let settings = [("MINIMAX_API_KEY", ""), ("MINIMAX_API_KEY_FILE", file.to_str().unwrap())];
        found(&doctor(stage, &settings).1, "key", "ok", "from the file of MINIMAX_API_KEY_FILE", "");
    });
}

#[test]
fn a_refused_key_an_empty_balance_and_a_used_up_plan_are_reported_with_their_codes() {
    on_stage(|stage| {
        let (_, report) = doctor(stage, &[("MINIMAX_API_KEY", "sandbox-2049")]);
        found(&report, "region", "wrong", "2049", "");
        let empty = json!({ "available_amount": "0.00", "cash_balance": "0.00" }).to_string();
        stage.sandbox.script(vec![Rule::always("/account/query_balance", Act::Raw { body: empty })]);
        found(&doctor(stage, &[]).1, "account", "wrong", "0.00 USD", "1008");
        let used = json!({ "model_remains": [{ "model_name": "general", "current_interval_remaining_percent": 0.0,
            "current_interval_total_count": 5, "current_interval_status": 1 }] });
        let used = Act::Raw { body: used.to_string() };
        stage.sandbox.script(vec![Rule::always("/v1/token_plan/remains", used)]);
        let (_, report) = doctor(stage, &[("MINIMAX_API_KEY", "sk-cp-0123456789abcdefghijWXYZ")]);
        found(&report, "account", "warning", "0 % of the short window", "2056");
    });
}

#[test]
fn each_of_two_keys_is_shown_masked_and_probed_and_a_refused_one_is_named() {
    const PLAN: &str = "sk-cp-0123456789abcdefghijABCD";
    on_stage(|stage| {
        let (_, report) = doctor(stage, &[("MINIMAX_PLAN_KEY", PLAN)]);
        found(&report, "key", "ok", "sk-api-…WXYZ from MINIMAX_API_KEY, a pay-as-you-go key", "");
        found(&report, "key", "ok", "sk-cp-…ABCD from MINIMAX_PLAN_KEY, the key of a subscription plan", "");
        for setting in ["MINIMAX_API_KEY", "MINIMAX_PLAN_KEY"] {
            found(&report, "region", "ok", &format!("the key in {setting} is accepted by"), "");
        }
        found(&report, "account", "ok", "58 % of the short window", "");
        found(&report, "account", "ok", "balance: 98.00 USD", "");
        let (_, report) = doctor(stage, &[("MINIMAX_PLAN_KEY", "sandbox-2049")]);
        found(&report, "region", "ok", "the key in MINIMAX_API_KEY is accepted", "");
        found(&report, "region", "wrong", "does not accept the key in MINIMAX_PLAN_KEY", "MINIMAX_PLAN_KEY");
        let (_, report) = doctor(stage, &[("MINIMAX_API_KEY", ""), ("MINIMAX_PLAN_KEY", PLAN)]);
        assert_eq!(findings(&report, "key").len(), 1);
        found(
            &report,
            "key",
            "warning",
            "from MINIMAX_PLAN_KEY, the key of a subscription plan",
            "pay-as-you-go",
        );
        let (_, report) = doctor(stage, &[("MINIMAX_PLAN_KEY", &format!("\"{PLAN}\""))]);
        found(&report, "key", "warning", "from MINIMAX_PLAN_KEY", "Set MINIMAX_PLAN_KEY to the key alone");
        // A file that is not read says nothing about the key.
        let file = stage.dir.path().join("other");
        std::fs::write(&file, "sk-cp-other").unwrap();
        let file = file.to_str().unwrap();
        let files = [("MINIMAX_API_KEY_FILE", file), ("MINIMAX_PLAN_KEY_FILE", file)];
        let (_, report) = doctor(stage, &[&files[..], &[("MINIMAX_PLAN_KEY", PLAN)]].concat());
        found(&report, "key", "ok", "from MINIMAX_API_KEY,", "");
        found(&report, "key", "ok", "from MINIMAX_PLAN_KEY,", "");
    });
}

#[test]
fn a_folder_in_which_nothing_can_be_made_is_named_with_its_setting() {
    on_stage(|stage| {
        let file = stage.dir.path().join("a-file");
        std::fs::write(&file, "").unwrap();
        let inside = file.join("x");
        for (check, setting) in [("results", "MINIMAX_MCP_BASE_PATH"), ("records", "MINIMAX_DATA_DIR")] {
            for path in [&file, &inside] {
                let (_, report) = doctor(stage, &[(setting, path.to_str().unwrap())]);
                found(&report, check, "wrong", path.to_str().unwrap(), setting);
            }
            if cfg!(target_os = "linux") {
                found(&doctor(stage, &[(setting, "/proc/x")]).1, check, "wrong", "/proc/x", setting);
            }
        }
        let (good, report) = doctor(stage, &[("MINIMAX_ALLOWED_DIRS", "/nowhere/at/all")]);
        assert!(good);
        found(
            &report,
            "settings",
            "warning",
            "/nowhere/at/all, which does not exist",
            "MINIMAX_ALLOWED_DIRS",
        );
    });
}

#[test]
fn wrong_settings_and_misspelt_names_are_found() {
    on_stage(|stage| {
        let (good, report) = doctor(stage, &[("MINIMAX_BUDGET_DAY", "five"), ("MINIMAX_BUDGTE_CALL", "1")]);
        assert!(!good);
        found(&report, "settings", "wrong", "MINIMAX_BUDGET_DAY is `five`", "MINIMAX_BUDGET_DAY");
        found(&report, "settings", "warning", "did you mean MINIMAX_BUDGET_CALL?", "MINIMAX_BUDGTE_CALL");
        let (good, report) = doctor(stage, &[("MINIMAX_MCP_TOKEN", "short")]);
        assert!(good, "stdio uses no token");
        found(&report, "settings", "warning", "MINIMAX_MCP_TOKEN", "MINIMAX_MCP_TOKEN");
        found(
            &doctor(stage, &[("MINIMAX_API_HOST", "ftp://x")]).1,
            "settings",
            "wrong",
            "ftp",
            "MINIMAX_API_HOST",
        );
    });
}

#[test]
fn records_are_counted_and_damaged_or_newer_ones_are_named() {
    if crate::postgres::leaves_out("SQLite's file") {
        return;
    }
    on_stage(|stage| {
        let mut program = stage.program();
        program.initialize("2025-06-18");
        program.call("text_to_image", json!({ "prompt": "A fox" }));
        found(&doctor(stage, &[]).1, "jobs", "ok", "1 job in", "");
        program.hang_up();
        found(&doctor(stage, &[]).1, "jobs", "ok", "intact", "");
        let database = stage.dir.path().join("data/jobs.sqlite3");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let url = format!("sqlite://{}", database.display());
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            let sql = "UPDATE _sqlx_migrations SET version = 9999 WHERE version = (SELECT max(version) FROM _sqlx_migrations)";
            sqlx::query(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
        found(&doctor(stage, &[]).1, "jobs", "wrong", "", "update this one");
        std::fs::write(&database, vec![b'x'; 8192]).unwrap();
        let before = std::fs::read(&database).unwrap();
        found(&doctor(stage, &[]).1, "jobs", "wrong", "", "");
        assert_eq!(std::fs::read(&database).unwrap(), before, "nothing is repaired by looking");
    });
}

#[test]
fn without_a_network_or_behind_a_refusing_proxy_the_cause_is_reported_in_time() {
    on_stage(|stage| {
        let start = Instant::now();
        let (_, report) = doctor(stage, &[("MINIMAX_API_HOST", "https://minimax.invalid")]);
        found(&report, "network", "wrong", "minimax.invalid", "network");
        found(&report, "region", "warning", "not checked", "");
        assert_eq!(findings(&report, "results").len(), 1, "the rest is checked: {report}");
        assert!(start.elapsed() < Duration::from_secs(10));
        let proxy = answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        let proxy = proxy.replace("http://", "http://ada:hunter2@");
        let settings = [("MINIMAX_API_HOST", "https://api.example.com"), ("HTTPS_PROXY", proxy.as_str())];
        found(
            &doctor(stage, &settings).1,
            "network",
            "wrong",
            "through the proxy http://127.0.0.1",
            "HTTPS_PROXY",
        );
    });
}

#[test]
fn a_wrong_clock_is_detected_by_the_host_s_date() {
    on_stage(|stage| {
        let body = r#"{"object":"list","data":[]}"#;
        let host = answering(&format!(
            "HTTP/1.1 200 OK\r\nDate: Wed, 01 Jan 2020 00:00:00 GMT\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ));
        let (_, report) = doctor(stage, &[("MINIMAX_API_HOST", &host)]);
        found(&report, "clock", "wrong", "minutes ahead", "clock");
    });
}

/// A server that gives this answer to every request. Returns its address.
pub fn answering(answer: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = answer.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    url
}

#[cfg(unix)]
#[test]
fn a_missing_player_is_a_warning_with_the_command_that_installs_one() {
    use std::os::unix::fs::PermissionsExt;

    on_stage(|stage| {
        let (good, report) = doctor(stage, &[("PATH", "/nowhere")]);
        assert!(good);
        found(&report, "player", "warning", "no audio player", "");
        let programs = stage.dir.path().join("bin");
        std::fs::create_dir(&programs).unwrap();
        std::fs::write(programs.join("mpv"), "").unwrap();
        std::fs::set_permissions(programs.join("mpv"), PermissionsExt::from_mode(0o755)).unwrap();
        found(&doctor(stage, &[("PATH", programs.to_str().unwrap())]).1, "player", "ok", "mpv", "");
    });
}
