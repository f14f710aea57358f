//! Common mistakes in settings, with the real program: the handshake is answered, and the mistake is reported.

use std::path::Path;
use std::process::{Command, Output};

use minimax_mcp::config::SETTINGS;
use serde_json::{Value, json};

use crate::harness::{Program, program};
use crate::stdio::{Stage, on_stage};

/// What a wrong value leads to.
#[derive(Clone, Copy, PartialEq)]
enum Effect {
    /// Calls that buy are refused.
    Refused,
    /// Calls work, and the mistake is shown beside them.
    Warned,
}
use Effect::{Refused, Warned};

/// Wrong values of every setting, and what the program does. `FILE` stands for a path below which nothing can be made.
/// Settings in which every text is right have none.
fn wrong(name: &str) -> (Effect, &'static [&'static str]) {
    match name {
        "MINIMAX_API_KEY" => {
            (Refused, &["sk-api with a blank", "$KEY", "${input:key}", "your_api_key_here", "<key>"])
        }
        "MINIMAX_API_KEY_FILE" => (Refused, &["relative", "/nowhere/key", "FILE", "${X}"]),
        "MINIMAX_PLAN_KEY" => (Refused, &["sk-cp with a blank", "sk-api-another"]),
        "MINIMAX_PLAN_KEY_FILE" => (Refused, &["relative", "/nowhere/key", "FILE"]),
        "MINIMAX_PLAN_OVERFLOW" => (Refused, &["true"]),
        "MINIMAX_REGION" => (Refused, &["eu", "china"]),
        "MINIMAX_API_HOST" => {
            (Refused, &["ftp://x", "http://example.com", "https://api.minimax.io/x", "%HOST%"])
        }
        "MINIMAX_API_RESOURCE_MODE" => (Refused, &["base64"]),
        "MINIMAX_ALLOWED_DIRS" => (Warned, &["/nowhere/at/all", "FILE", "${workspaceFolder}"]),
        "MINIMAX_SANDBOX" | "MINIMAX_IMAGE_PREVIEW" | "MINIMAX_WEBHOOK_PRIVATE" => (Refused, &["maybe"]),
        "MINIMAX_TOOLSETS" => (Refused, &["images", "${X}"]),
        "MINIMAX_READ_ONLY" => (Refused, &["perhaps", "$X"]),
        "MINIMAX_BUDGET_DAY" | "MINIMAX_BUDGET_CALL" | "MINIMAX_BUDGET_PROCESS" | "MINIMAX_CONFIRM_ABOVE" => {
            (Refused, &["five", "-1", "5 CNY", "${BUDGET}", "REPLACE_ME"])
        }
        // Another one would be sent, and MiniMax would refuse it.
        "MINIMAX_IMAGE_MODEL" => (Warned, &["$MODEL"]),
        "MINIMAX_TEXT_MODEL" | "MINIMAX_SPEECH_MODEL" | "MINIMAX_VIDEO_MODEL" => (Warned, &["foo", "$MODEL"]),
        "MINIMAX_VOICE_ID" => (Warned, &["<voice>"]),
        "MINIMAX_POLL_SECONDS" => (Refused, &["soon", "0", "NaN", "1e9"]),
        "MINIMAX_RATE_LIMITS" => (Refused, &["sometimes"]),
        "MINIMAX_MCP_BASE_PATH" | "MINIMAX_DATA_DIR" => (Refused, &["relative", "FILE", "FILE/x"]),
        "MINIMAX_STORE_URL" => {
            (Refused, &["mysql://db/minimax", "postgres://db", "postgres://db/x?sslmode=require", "${X}"])
        }
        // The last one has no credentials.
        "MINIMAX_FILES_URL" => (
            Refused,
            &["media", "gs://media", "s3://media", "${X}", "s3://media?endpoint=http://127.0.0.1:9"],
        ),
        "MINIMAX_FILES_PUBLIC_URL" => (Warned, &["files.example.com"]),
        "MINIMAX_KEEP_DAYS" => (Refused, &["forever", "-1", "${X}"]),
        "MINIMAX_KEEP_BYTES" => (Refused, &["everything", "20", "-1GB", "${X}"]),
        "MINIMAX_KEEP_FILES" => (Refused, &["some", "${X}"]),
        "MINIMAX_WEBHOOK_URL" => {
            (Refused, &["example.com", "http://example.com", "https://a:b@example.com", "${X}"])
        }
        "MINIMAX_NOTIFY" => (Refused, &["true", "phone"]),
        "MINIMAX_WEBHOOK_SECRET" => (Refused, &["whsec_short", "hunter2", "${X}"]),
        "MINIMAX_WEBHOOK_SECRET_FILE" => (Refused, &["relative", "/nowhere/secret", "FILE"]),
        "MINIMAX_FACTS_FILE" => (Refused, &["relative", "/nowhere/facts.json", "FILE"]),
        "MINIMAX_LOG" => (Warned, &["minimax_mcp=loud"]),
        "OTEL_EXPORTER_OTLP_ENDPOINT" | "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" => {
            (Warned, &["localhost:4318", "collector", "$COLLECTOR"])
        }
        "OTEL_EXPORTER_OTLP_HEADERS" => (Warned, &["authorization: x"]),
        "OTEL_EXPORTER_OTLP_PROTOCOL" => (Warned, &["grpc"]),
        "OTEL_EXPORTER_OTLP_TIMEOUT" => (Warned, &["soon"]),
        "OTEL_SERVICE_NAME" => (Warned, &[]),
        "OTEL_RESOURCE_ATTRIBUTES" => (Warned, &["test"]),
        "MINIMAX_MCP_TOKEN" => (Warned, &["short", "a token with blanks in it", "${TOKEN}"]),
        "MINIMAX_MCP_TOKEN_FILE" => (Warned, &["relative", "$TOKENS"]),
        "MINIMAX_MCP_OAUTH_ISSUER" => (Warned, &["login.example.com", "<issuer>"]),
        // These are wrong without an issuer.
        "MINIMAX_MCP_OAUTH_AUDIENCE" | "MINIMAX_MCP_OAUTH_JWKS" | "MINIMAX_MCP_OAUTH_SCOPES" => {
            (Warned, &["x"])
        }
        "MINIMAX_MCP_CALLER_KEYS" | "MINIMAX_MCP_SHARED_ACCOUNT" => (Warned, &["maybe"]),
        "MINIMAX_MCP_HOSTS" => (Warned, &["https://x"]),
        "MINIMAX_MCP_ORIGINS" => (Warned, &["app.example.com"]),
        "MINIMAX_MCP_PUBLIC_URL" => (Warned, &["media.example.com"]),
        "MINIMAX_MCP_UPLOAD_MAX_MB" | "MINIMAX_MCP_UPLOAD_TOTAL_MB" | "MINIMAX_MCP_UPLOAD_HOURS" => {
            (Warned, &["-1", "many"])
        }
        other => panic!("{other} is a new setting: add wrong values of it here"),
    }
}

/// Starts the program with `settings` in place of the usual ones.
fn start(stage: &Stage, arguments: &[&str], settings: &[(&str, &str)]) -> Program {
    Program::of(command(stage, arguments, settings))
}

fn command(stage: &Stage, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let path = |name| stage.dir.path().join(name).display().to_string();
    let mut command = program();
    command
        .args(arguments)
        .envs([("HOME", path("home")), ("USERPROFILE", path("home"))])
        .envs([("MINIMAX_MCP_BASE_PATH", path("out")), ("MINIMAX_DATA_DIR", path("data"))])
        .envs([("MINIMAX_API_HOST", stage.sandbox.url().as_str()), ("MINIMAX_API_KEY", "sk-api-secret")])
        .envs(settings.iter().copied())
        .stderr(std::process::Stdio::null());
    command
}

fn said(result: &Value) -> String {
    result["content"][0]["text"].as_str().unwrap_or_default().to_owned()
}

fn warnings(program: &mut Program) -> String {
    let models = program.call("list_models", json!({ "kind": "image" }));
    models["structuredContent"]["warnings"].to_string()
}

#[test]
fn with_a_wrong_value_of_any_setting_the_handshake_is_answered_and_the_setting_is_named() {
    on_stage(|stage| {
        let file = stage.dir.path().join("a-file");
        std::fs::write(&file, "no key and no JSON\n").unwrap();
        let mut wrong_effects = Vec::new();
        for setting in SETTINGS {
            let (effect, values) = wrong(setting.name);
            for value in values {
                let value = value.replace("FILE", &file.display().to_string());
                let case = format!("{}={value}", setting.name);
                let mut settings = vec![(setting.name, value.as_str())];
                if setting.name == "MINIMAX_API_KEY_FILE" {
                    settings.push(("MINIMAX_API_KEY", ""));
                }
                if setting.name.starts_with("OTEL_") && setting.name != "OTEL_EXPORTER_OTLP_ENDPOINT" {
                    settings.insert(0, ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"));
                }
                // Elsewhere than at MiniMax and the sandbox, a model may have any name.
                if setting.name.ends_with("_MODEL") {
                    settings.push(("MINIMAX_SANDBOX", "true"));
                }
                let mut program = start(stage, &[], &settings);
                let opened = program.initialize("2025-06-18");
                assert!(opened["result"]["serverInfo"].is_object(), "{case}: {opened}");
                let made = program.request("tools/call", order());
                let refused = made["error"].is_object() || made["result"]["isError"] == true;
                if refused != (effect == Refused) {
                    wrong_effects.push(format!("{case}: {made}"));
                }
                let told = format!("{made} {}", warnings(&mut program));
                if !told.contains(setting.name) {
                    wrong_effects.push(format!("{case} is not named: {told}"));
                }
                assert!(!told.contains("sk-api-secret") && !told.contains("it is `"), "{case}: {told}");
                assert!(program.hang_up().success(), "{case}");
            }
        }
        assert!(wrong_effects.is_empty(), "{wrong_effects:#?}");
    });
}

/// Wrong values with which a server over HTTP starts all the same: what they name may exist later, MiniMax may accept
/// it, and OpenTelemetry's variables belong to the whole machine.
fn starts_over_http(name: &str, value: &str) -> bool {
    let may_be_right = name.ends_with("_MODEL") && !value.starts_with('$');
    let has_no_effect = name == "MINIMAX_FILES_PUBLIC_URL";
    may_be_right || has_no_effect || name.starts_with("OTEL_") || value == "/nowhere/at/all"
}

#[test]
fn over_http_a_wrong_value_of_any_setting_ends_the_start_with_status_1() {
    on_stage(|stage| {
        let file = stage.dir.path().join("a-file");
        std::fs::write(&file, "no key and no JSON\n").unwrap();
        let file = file.display().to_string();
        let same = stage.dir.path().join("data").display().to_string();
        let certificate = "postgres://ada:hunter2@127.0.0.1:1/x?sslrootcert=/nowhere/ca.pem";
        let more = [
            ("MINIMAX_MCP_BASE_PATH", same.as_str()),
            ("MINIMAX_STORE_URL", certificate),
            ("MINIMAX_MCP_TOKEN_FILE", "/nowhere/tokens.json"),
        ];
        let all = SETTINGS.iter().flat_map(|setting| {
            let values = wrong(setting.name).1.iter().map(|value| value.replace("FILE", &file));
            values.map(|value| (setting.name, value)).collect::<Vec<_>>()
        });
        let all = all.chain(more.map(|(name, value)| (name, value.to_owned())));
        let mut wrong_ends = Vec::new();
        for (name, value) in all.filter(|(name, value)| !starts_over_http(name, value)) {
            let mut settings = vec![(name, value.as_str())];
            if name == "MINIMAX_API_KEY_FILE" {
                settings.push(("MINIMAX_API_KEY", ""));
            }
            // A server that starts would run for ever, so its port is taken: that is said after what is wrong.
            let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = taken.local_addr().unwrap().to_string();
            let mut command = command(stage, &["serve", "--http", &address], &settings);
            let output = command.stderr(std::process::Stdio::piped()).output().unwrap();
            let told = String::from_utf8(output.stderr).unwrap();
            let last = told.lines().filter(|line| line.starts_with("minimax-mcp: ")).collect::<String>();
            if output.status.code() != Some(1) || !last.contains(name) || last.contains("is taken") {
                wrong_ends.push(format!("{name}={value}: {told}"));
            }
            for secret in ["sk-api-secret", "hunter2", "os error"] {
                assert!(!told.contains(secret), "{name}={value}: {told}");
            }
        }
        assert!(wrong_ends.is_empty(), "{wrong_ends:#?}");
        if cfg!(target_os = "linux") {
            for name in ["MINIMAX_MCP_BASE_PATH", "MINIMAX_DATA_DIR"] {
                let mut command = command(stage, &["serve", "--http", "127.0.0.1:0"], &[(name, "/proc/x")]);
                let output = command.stderr(std::process::Stdio::piped()).output().unwrap();
                let told = String::from_utf8(output.stderr).unwrap();
                assert_eq!(output.status.code(), Some(1), "{told}");
                assert!(told.contains(&format!("{name} cannot be used: /proc/x: ")), "{told}");
                assert_eq!(told.matches(name).count(), 1, "{told}");
            }
        }
    });
}

fn order() -> Value {
    json!({ "name": "text_to_image", "arguments": { "prompt": "A fox" } })
}

#[test]
fn with_the_sandbox_too_a_folder_that_cannot_be_used_is_named_by_the_call() {
    on_stage(|stage| {
        let file = stage.dir.path().join("a-file");
        std::fs::write(&file, "").unwrap();
        for folder in ["/proc/x".to_owned(), file.display().to_string(), file.join("x").display().to_string()]
        {
            if folder.starts_with("/proc") && cfg!(not(target_os = "linux")) {
                continue;
            }
            let mut program = start(stage, &["--sandbox"], &[("MINIMAX_DATA_DIR", &folder)]);
            assert!(program.initialize("2025-06-18")["result"].is_object(), "{folder}");
            let text = said(&program.call("text_to_image", json!({ "prompt": "A fox" })));
            assert!(text.contains("MINIMAX_DATA_DIR") && text.contains(&folder), "{text}");
            assert!(program.hang_up().success(), "{folder}");
        }
    });
}

#[test]
fn quotes_and_bearer_around_the_key_never_reach_minimax_and_a_placeholder_sends_nothing() {
    on_stage(|stage| {
        let mut program = start(stage, &[], &[]);
        program.initialize("2025-06-18");
        program.call("text_to_image", json!({ "prompt": "A fox" }));
        let clean = stage.sandbox.requests().last().unwrap().clone();
        for key in [
            "\"sk-api-secret\"",
            "'sk-api-secret'",
            "“sk-api-secret”",
            "Bearer sk-api-secret",
            "sk-api-secret\n",
        ] {
            let mut program = start(stage, &[], &[("MINIMAX_API_KEY", key)]);
            program.initialize("2025-06-18");
            let made = program.call("text_to_image", json!({ "prompt": "A fox" }));
            assert_ne!(made["isError"], true, "{key}: {made}");
            assert_eq!(
                stage.sandbox.requests().last().unwrap().key_fingerprint,
                clean.key_fingerprint,
                "{key}"
            );
        }
        let before = stage.sandbox.requests().len();
        for key in
            ["$KEY", "${env:X}", "%KEY%", "{{KEY}}", "<insert-your-api-key-here>", "sk-…", "changeme", "TODO"]
        {
            let mut program = start(stage, &[], &[("MINIMAX_API_KEY", key)]);
            program.initialize("2025-06-18");
            let text = said(&program.call("text_to_image", json!({ "prompt": "A fox" })));
            let note = format!("no MiniMax API key is set: MINIMAX_API_KEY is still the placeholder `{key}`");
            assert!(text.starts_with(&note), "{text}");
        }
        assert_eq!(stage.sandbox.requests().len(), before);
    });
}

#[test]
fn a_misspelt_variable_is_shown_by_the_log_check_account_and_list_models_and_refuses_nothing() {
    on_stage(|stage| {
        let settings = [("MINIMAX_BUDGTE_DAY", "5"), ("MINIMAX_GROUP_ID", "1")];
        let told = "MINIMAX_BUDGTE_DAY is not a setting; did you mean MINIMAX_BUDGET_DAY?";
        let log = stage.dir.path().join("log");
        let mut command = command(stage, &[], &settings);
        command.stderr(std::fs::File::create(&log).unwrap());
        let mut program = Program::of(command);
        program.initialize("2025-06-18");
        let account = program.call("check_account", json!({}));
        assert!(said(&account).contains(told), "{account}");
        let shown = warnings(&mut program);
        assert!(shown.contains(told) && !shown.contains("MINIMAX_GROUP_ID"), "{shown}");
        assert_ne!(program.call("text_to_image", json!({ "prompt": "A fox" }))["isError"], true);
        program.hang_up();
        assert!(std::fs::read_to_string(log).unwrap().contains(told));
    });
}

#[test]
fn a_misspelt_key_variable_explains_why_there_is_no_key() {
    on_stage(|stage| {
        let mut program = start(stage, &[], &[("MINIMAX_API_KEY", ""), ("MINIMAX_API_KYE", "sk-api-secret")]);
        program.initialize("2025-06-18");
        let text = said(&program.call("text_to_image", json!({ "prompt": "A fox" })));
        assert!(text.contains("MINIMAX_API_KYE") && text.contains("did you mean MINIMAX_API_KEY"), "{text}");
        assert!(!text.contains("sk-api-secret"), "{text}");
    });
}

#[test]
fn an_unknown_default_model_is_warned_of_with_the_nearest_and_sent_unchanged() {
    on_stage(|stage| {
        let settings = [("MINIMAX_IMAGE_MODEL", "image-O1"), ("MINIMAX_SANDBOX", "true")];
        let mut program = start(stage, &[], &settings);
        program.initialize("2025-06-18");
        let shown = warnings(&mut program);
        assert!(
            shown.contains("MINIMAX_IMAGE_MODEL is `image-O1`") && shown.contains("did you mean `image-01`"),
            "{shown}"
        );
        program.call("text_to_image", json!({ "prompt": "A fox" }));
        assert_eq!(stage.sandbox.requests().last().unwrap().body["model"], "image-O1");
    });
}

fn below(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().map(Result::unwrap);
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn the_sandbox_says_what_it_is_and_a_real_run_after_it_lists_nothing_of_it() {
    on_stage(|stage| {
        let mut program = start(stage, &["--sandbox"], &[]);
        let opened = program.initialize("2025-06-18")["result"].clone();
        assert_eq!(opened["serverInfo"]["title"], "MiniMax (sandbox)");
        let instructions = opened["instructions"].as_str().unwrap();
        assert!(
            instructions.starts_with("Sandbox") && instructions.contains("Nothing is billed"),
            "{instructions}"
        );
        let made = program.call("text_to_image", json!({ "prompt": "A fox" }));
        assert_eq!(made["structuredContent"]["status"], "succeeded", "{made}");
        for text in [said(&made), made["structuredContent"]["cost"]["basis"].to_string()] {
            assert!(text.contains("sandbox: nothing is billed"), "{text}");
        }
        let rehearsed = program.call("text_to_audio", json!({ "text": "Hello", "dry_run": true }));
        assert!(said(&rehearsed).contains("sandbox: nothing is billed"), "{rehearsed}");
        let account = said(&program.call("check_account", json!({})));
        assert!(account.starts_with("Sandbox at http://127.0.0.1:"), "{account}");
        assert!(account.contains("MINIMAX_API_KEY is ignored"), "{account}");
        assert_eq!(below(&stage.dir.path().join("out")), ["sandbox"]);
        program.hang_up();
        assert_eq!(stage.sandbox.requests().len(), 0, "the set host is not asked");

        let mut real = start(stage, &[], &[]);
        assert_eq!(real.initialize("2025-06-18")["result"]["serverInfo"]["title"], "MiniMax");
        let jobs = real.call("list_jobs", json!({}));
        assert_eq!(jobs["structuredContent"]["jobs"], json!([]), "{jobs}");
        let resources = real.request("resources/list", json!({}))["result"].to_string();
        assert!(!resources.contains("minimax://files/"), "{resources}");
        let made = real.call("text_to_image", json!({ "prompt": "A fox" }));
        assert!(!said(&made).contains("sandbox: nothing"), "{made}");

        let mut again = start(stage, &["serve", "--sandbox"], &[]);
        again.initialize("2025-06-18");
        let jobs = again.call("list_jobs", json!({}));
        assert_eq!(jobs["structuredContent"]["jobs"].as_array().unwrap().len(), 1, "its own: {jobs}");
    });
}

#[test]
fn a_key_that_names_an_error_code_rehearses_that_error() {
    on_stage(|stage| {
        for code in ["1008", "2049", "1026"] {
            let key = format!("sandbox-{code}");
            let mut program = start(stage, &["--sandbox"], &[("MINIMAX_API_KEY", key.as_str())]);
            program.initialize("2025-06-18");
            let refused = program.call("text_to_image", json!({ "prompt": "A fox" }));
            assert_eq!(refused["isError"], true, "{refused}");
            assert_eq!(refused["structuredContent"]["error"]["code"].to_string(), code, "{refused}");
        }
    });
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_minimax-mcp"));
    command.args(arguments).stdin(std::process::Stdio::null()).output().unwrap()
}

fn complaint(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_command_that_cannot_start_names_its_option_and_its_value_without_numbers_of_the_system() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let (file, inside) = (file.display().to_string(), file.join("x").display().to_string());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let sandbox_port = ["sandbox", "--port", port.as_str()];
    for (arguments, parts) in [
        (&["demo", "--out", file.as_str()][..], ["--out", file.as_str()]),
        (&["demo", "--out", inside.as_str()], ["--out", inside.as_str()]),
        (&sandbox_port, ["--port", "taken by another program"]),
        (&["sandbox", "--port", "abc"], ["--port", "0 to 65535"]),
        (&["sandbox", "--dir", inside.as_str()], ["--dir", inside.as_str()]),
        (&["serve", "--http", ":8765"], ["--http", "127.0.0.1:8765"]),
        (&["serve", "--http", "abc"], ["--http", "127.0.0.1:8765"]),
        (&["--sandbox", "demo"], ["--sandbox", "always use the simulator"]),
        (&["sandbox", "--sandbox"], ["--sandbox", "unexpected"]),
    ] {
        let told = complaint(arguments);
        assert!(parts.iter().all(|part| told.contains(part)), "{arguments:?}: {told}");
        assert!(!told.contains("os error") && !told.contains("invalid digit"), "{told}");
    }
}

#[test]
fn the_short_help_fits_on_one_screen_and_the_sandbox_is_offered_where_it_means_something() {
    let help = |arguments: &[&str]| String::from_utf8(run(arguments).stdout).unwrap();
    let short = help(&["-h"]);
    assert!(short.lines().count() <= 36 && short.lines().all(|line| line.len() <= 100), "{short}");
    assert!(short.contains("MINIMAX_API_KEY") && short.contains("minimax-mcp settings"), "{short}");
    for name in short.split([' ', ',', '\n']).filter(|word| word.starts_with("MINIMAX_")) {
        let name = name.trim_end_matches(':');
        assert!(SETTINGS.iter().any(|setting| setting.name == name), "{name}");
    }
    assert!(help(&["serve", "--help"]).contains("--sandbox"));
    for command in ["demo", "sandbox"] {
        assert!(!help(&[command, "--help"]).contains("--sandbox"), "{command}");
    }
}

#[test]
fn the_demo_ends_with_the_folder_and_the_line_for_a_client_and_shows_no_link_that_is_dead() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("made");
    let output = run(&["demo", "--out", out.to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "",
        "the first thing that a newcomer sees has no warning"
    );
    assert!(!said.contains("http://127.0.0.1"), "{said}");
    assert!(said.contains(&format!("Open {}", out.display())), "{said}");
    assert!(said.contains("claude mcp add minimax") && said.contains("sandbox: nothing is billed"), "{said}");
    assert_eq!(below(&out).len(), 3);
}
