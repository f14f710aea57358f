//! The tools from the shell, with the real program: results, exit codes, stdout, Ctrl-C.

#[cfg(unix)]
mod terminal;
mod words;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::Value;

use crate::harness::program;
use crate::stdio::{Stage, on_stage};

const KEY: &str = "sk-api-0123456789abcdefghijWXYZ";

/// The program with its folders below the stage's, in a work folder of its own.
fn command(stage: &Stage, arguments: &[&str]) -> Command {
    let path = |name: &str| stage.dir.path().join(name);
    let work = path("home").join("work");
    fs::create_dir_all(&work).unwrap();
    let mut command = program();
    command
        .args(arguments)
        .current_dir(work)
        .stdin(Stdio::null())
        .envs([("HOME", path("home")), ("USERPROFILE", path("home"))])
        .envs([("MINIMAX_MCP_BASE_PATH", path("out")), ("MINIMAX_DATA_DIR", path("data"))])
        .envs([("MINIMAX_API_HOST", stage.sandbox.url().as_str()), ("MINIMAX_API_KEY", KEY)])
        .env("MINIMAX_POLL_SECONDS", "0.1");
    command
}

fn run(stage: &Stage, arguments: &[&str]) -> Output {
    command(stage, arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The output of a command that must succeed and say nothing on stderr.
fn good(stage: &Stage, arguments: &[&str]) -> String {
    let output = run(stage, arguments);
    assert!(output.status.success(), "{arguments:?}: {}{}", stdout(&output), stderr(&output));
    assert_eq!(stderr(&output), "", "{arguments:?}");
    stdout(&output)
}

fn good_json(stage: &Stage, arguments: &[&str]) -> Value {
    serde_json::from_str(&good(stage, arguments)).unwrap()
}

/// A command that must end with this code, with nothing on stdout. Returns stderr.
fn bad(stage: &Stage, arguments: &[&str], code: i32) -> String {
    failed(&run(stage, arguments), arguments, code)
}

fn failed(output: &Output, arguments: &[&str], code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}{}", stdout(output), stderr(output));
    assert_eq!(stdout(output), "", "{arguments:?}");
    assert!(!stderr(output).contains(KEY), "{arguments:?}");
    stderr(output)
}

#[test]
fn a_call_prints_only_the_result_in_each_of_three_forms() {
    on_stage(|stage| {
        let text = good(stage, &["call", "text_to_image", "prompt=A fox", "n=2"]);
        assert!(text.contains("succeeded") && text.contains("Cost:"), "{text}");
        let json =
            good_json(stage, &["call", "text_to_image", "prompt=A fox", "aspect_ratio=16:9", "--json"]);
        assert_eq!(json["status"], "succeeded");
        let paths = good(stage, &["call", "text_to_image", "prompt=A fox", "n=2", "--quiet"]);
        assert_eq!(paths.lines().count(), 2, "{paths}");
        assert!(paths.lines().all(|path| Path::new(path).is_file()), "{paths}");
        let words = good(stage, &["call", "chat", "prompt=Say hello", "-q"]);
        assert!(!words.trim().is_empty() && !words.contains("Cost:"), "{words}");
    });
}

#[test]
fn a_video_is_waited_for_and_a_job_that_runs_has_a_code_of_its_own() {
    on_stage(|stage| {
        let made = good_json(stage, &["call", "generate_video", "prompt=A fox", "--json"]);
        assert_eq!(made["status"], "succeeded", "{made}");
        // A task that takes longer than the command.
        let mut pace = crate::harness::quick();
        pace.polls = 1_000_000;
        stage.sandbox.set_pace(pace);
        let started = run(stage, &["call", "generate_video", "prompt=A bear", "wait_seconds=0", "--json"]);
        let job: Value = serde_json::from_str(&stdout(&started)).unwrap();
        assert_eq!((started.status.code(), job["status"].as_str()), (Some(5), Some("running")), "{job}");
        let id = job["job_id"].as_str().unwrap();
        assert_eq!(run(stage, &["jobs", id]).status.code(), Some(5));
        assert!(good(stage, &["jobs"]).contains(id));
        assert!(good(stage, &["jobs", "--status", "running"]).contains(id));
        assert!(!good(stage, &["jobs", "--status", "failed"]).contains(id));
        stage.sandbox.set_pace(crate::harness::quick());
        let path = good(stage, &["wait", id, "--quiet"]);
        assert!(Path::new(path.trim()).is_file(), "{path}");
        let both = good_json(stage, &["wait", id, made["job_id"].as_str().unwrap(), "--json"]);
        assert_eq!(both["jobs"].as_array().unwrap().len(), 2);
        assert_eq!(stage.sandbox.paid().len(), 2, "waiting buys nothing");
        good(stage, &["call", "cancel_job", &format!("job_id={id}")]);
    });
}

#[test]
fn files_in_the_current_folder_are_inputs_by_name_even_in_the_home_folder() {
    on_stage(|stage| {
        let home = stage.dir.path().join("home");
        let picture = good(stage, &["call", "text_to_image", "prompt=A fox", "--quiet"]);
        for folder in [home.join("work"), home.clone()] {
            fs::create_dir_all(&folder).unwrap();
            fs::copy(picture.trim(), folder.join("fox.jpeg")).unwrap();
            fs::write(folder.join("story.txt"), "Once upon a time.\n").unwrap();
            let play = |arguments: &[&str]| {
                let output = command(stage, arguments).current_dir(&folder).output().unwrap();
                assert!(output.status.success(), "{}: {}", folder.display(), stderr(&output));
            };
            play(&["call", "generate_video", "prompt=It walks", "first_frame_image=fox.jpeg"]);
            play(&["call", "text_to_audio", "text=@story.txt"]);
            let body = stage.sandbox.paid().last().unwrap().body.clone();
            assert!(body.to_string().contains("Once upon a time."), "{body}");
        }
        fs::write(home.join(".secret.jpeg"), "x").unwrap();
        let hidden = ["call", "generate_video", "prompt=x", "first_frame_image=.secret.jpeg"];
        let output = command(stage, &hidden).current_dir(&home).output().unwrap();
        failed(&output, &hidden, 2);
        let outside = ["call", "generate_video", "prompt=x", "first_frame_image=../../a.jpeg"];
        bad(stage, &outside, 2);
    });
}

#[test]
fn values_have_the_types_of_the_schema() {
    on_stage(|stage| {
        let arguments =
            ["call", "text_to_image", "prompt=1", "n=2", "prompt_optimizer=true", "seed:=7", "--quiet"];
        assert_eq!(good(stage, &arguments).lines().count(), 2);
        let body = stage.sandbox.paid().last().unwrap().body.clone();
        assert_eq!(
            (&body["prompt"], &body["n"], &body["seed"]),
            (&"1".into(), &2.into(), &7.into()),
            "{body}"
        );
        assert_eq!(body["prompt_optimizer"], true);
    });
}

#[test]
fn a_wrong_command_line_is_named_costs_nothing_and_has_code_2() {
    on_stage(|stage| {
        for (arguments, part) in [
            (&["call", "text_to_imag", "prompt=x"][..], "did you mean `text_to_image`?"),
            (&["call", "text_to_image", "promt=x"], "prompt"),
            (&["call", "text_to_image", "prompt=x", "n=many"], "`n`"),
            (&["call", "text_to_image", "A fox"], "KEY=VALUE"),
            (&["call", "text_to_image", "prompt=@nowhere.txt"], "nowhere.txt"),
            (&["call", "list_models", "--dry-run"], "dry_run"),
            (&["tools", "text_to_imag"], "did you mean `text_to_image`?"),
            (&["jobs", "no-such-job"], "no-such-job"),
            (&["wait", "no-such-job"], "no-such-job"),
            (&["call"], "TOOL"),
            (&["wait"], "ID"),
            (&["cal"], "call"),
        ] {
            let said = bad(stage, arguments, 2);
            assert!(said.contains(part), "{arguments:?}: {said}");
        }
        assert!(stage.sandbox.paid().is_empty());
        let json = run(stage, &["call", "text_to_image", "promt=x", "--json"]);
        let told: Value = serde_json::from_str(&stdout(&json)).unwrap();
        assert_eq!(
            (json.status.code(), told["error"]["kind"].as_str()),
            (Some(2), Some("argument")),
            "{told}"
        );
    });
}

#[test]
fn each_reason_of_a_failure_has_its_exit_code() {
    on_stage(|stage| {
        let image = ["call", "text_to_image", "prompt=x"];
        let with = |settings: &[(&str, &str)], arguments: &[&str], code| {
            let output = command(stage, arguments).envs(settings.iter().copied()).output().unwrap();
            failed(&output, arguments, code)
        };
        assert!(with(&[("MINIMAX_API_KEY", "")], &image, 3).contains("MINIMAX_API_KEY"));
        with(&[("MINIMAX_REGION", "mars")], &image, 3);
        with(&[("MINIMAX_BUDGET_DAY", "0.001")], &image, 4);
        with(&[("MINIMAX_CONFIRM_ABOVE", "0")], &image, 4);
        with(&[("MINIMAX_CONFIRM_ABOVE", "0")], &["call", "chat", "prompt=hi"], 4);
        assert!(stage.sandbox.paid().is_empty());
        let refuse = |code| {
            Rule::always("/v1/image_generation", Act::Refuse { code, message: None, retry_after: None })
        };
        for (code, exit) in [(2049, 3), (1008, 4), (1026, 1)] {
            stage.sandbox.script(vec![refuse(code)]);
            bad(stage, &image, exit);
        }
        stage.sandbox.script(vec![Rule::always("/v1/image_generation", Act::ResetAfter)]);
        assert!(bad(stage, &image, 6).contains("billed"));
    });
}

#[test]
fn the_sandbox_needs_no_key_and_its_jobs_outlive_the_command() {
    on_stage(|stage| {
        let play = |arguments: &[&str]| {
            let mut command = command(stage, arguments);
            command.env_remove("MINIMAX_API_HOST").env_remove("MINIMAX_API_KEY").output().unwrap()
        };
        let output = play(&["--sandbox", "call", "text_to_image", "prompt=A fox"]);
        assert!(
            output.status.success() && stdout(&output).contains("nothing is billed"),
            "{}",
            stderr(&output)
        );
        let started =
            play(&["call", "generate_video", "prompt=A fox", "wait_seconds=0", "--json", "--sandbox"]);
        let job: Value = serde_json::from_str(&stdout(&started)).unwrap();
        let waited = play(&["wait", job["job_id"].as_str().unwrap(), "--sandbox", "-q"]);
        assert!(
            waited.status.success() && Path::new(stdout(&waited).trim()).is_file(),
            "{}",
            stderr(&waited)
        );
    });
}

#[test]
fn tools_are_listed_with_their_price_and_explained_with_their_parameters() {
    on_stage(|stage| {
        let list = good(stage, &["tools"]);
        for tool in minimax_mcp::tools::catalogue().tools() {
            let off = minimax_mcp::tools::catalogue().toolset_of(&tool.name)
                == Some(minimax_mcp::config::Toolset::Legacy);
            assert_eq!(list.contains(&format!("  {} ", tool.name)), !off, "{}", tool.name);
        }
        let price =
            |name: &str| list.lines().find(|line| line.trim_start().starts_with(name)).unwrap().to_owned();
        assert!(price("text_to_image ").contains("costs money") && price("list_jobs ").contains("free"));
        let one = good(stage, &["tools", "text_to_image"]);
        for part in ["prompt  (text, required)", "n  (whole number 1 to 9", "\n      "] {
            assert!(one.contains(part), "{part}: {one}");
        }
        assert_eq!(good_json(stage, &["tools", "text_to_image", "--json"])["name"], "text_to_image");
        assert!(!good(stage, &["tools", "--read-only"]).contains("text_to_image"));
        assert!(good(stage, &["voices", "english", "narrator"]).contains("narrator"));
        assert!(good(stage, &["account"]).contains("98.00 USD"));
    });
}

#[test]
fn an_option_equals_its_variable_and_takes_precedence() {
    on_stage(|stage| {
        fs::create_dir_all(stage.dir.path().join("home/work")).unwrap();
        fs::write(stage.dir.path().join("home/work/key"), "sk-cp-0123456789abcdefghijABCD\n").unwrap();
        let arguments = ["settings", "--json", "--region=cn", "--base-path", "made", "--api-key-file", "key"];
        let output = command(stage, &arguments).env("MINIMAX_REGION", "global").output().unwrap();
        let rows: Value = serde_json::from_str(&stdout(&output)).unwrap();
        let row =
            |name: &str| rows.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone();
        let shown = |name: &str| {
            let row = row(name);
            (row["value"].as_str().unwrap().to_owned(), row["source"].as_str().unwrap().to_owned())
        };
        assert_eq!(shown("MINIMAX_REGION"), ("cn".into(), "option --region".into()));
        let (path, source) = shown("MINIMAX_MCP_BASE_PATH");
        assert!(Path::new(&path).ends_with("home/work/made") && source == "option --base-path", "{path}");
        let (key, source) = shown("MINIMAX_API_KEY");
        assert!(key == "sk-cp-…ABCD" && source.starts_with("file "), "{key} {source}");
        assert_eq!(shown("MINIMAX_API_HOST").1, "environment");
        assert_eq!(shown("MINIMAX_POLL_SECONDS"), ("0.1".into(), "environment".into()));
        assert_eq!(shown("MINIMAX_TOOLSETS"), ("all".into(), "default".into()));
        // In use: results go below the option's folder.
        let made = good(stage, &["call", "text_to_image", "prompt=x", "--base-path=made", "-q"]);
        let made = Path::new(made.trim()).parent().unwrap().canonicalize().unwrap();
        assert_eq!(made, stage.dir.path().join("home/work/made").canonicalize().unwrap());
        let serve =
            |option: [&str; 2]| bad(stage, &["serve", "--http", "127.0.0.1:0", option[0], option[1]], 1);
        assert!(serve(["--region", "mars"]).contains("MINIMAX_REGION is `mars`"));
        assert!(
            serve(["--base-path", "made"]).contains("MINIMAX_MCP_BASE_PATH is `made`; must be an absolute")
        );
    });
}

#[test]
fn settings_explain_every_setting_and_show_no_secret() {
    on_stage(|stage| {
        let output = command(stage, &["settings"])
            .envs([("MINIMAX_MCP_TOKEN", "hunter2-hunter2-hunter2"), ("MINIMAX_BUDGTE_DAY", "5")])
            .envs([("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hunter2"), ("MINIMAX_KEEP_DAYS", "soon")])
            .env("MINIMAX_PLAN_KEY", "sk-cp-0123456789abcdefghijABCD")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://ada:hunter2@127.0.0.1:1/x?key=hunter2")
            .output()
            .unwrap();
        let text = stdout(&output);
        assert!(output.status.success() && !text.contains("hunter2") && !text.contains(KEY), "{text}");
        for setting in minimax_mcp::config::SETTINGS {
            assert!(
                text.lines().any(|line| line.starts_with(&format!("{} = ", setting.name))),
                "{}",
                setting.name
            );
        }
        for part in [
            "MINIMAX_API_KEY = sk-api-…WXYZ  (environment)",
            "MINIMAX_PLAN_KEY = sk-cp-…ABCD  (environment)",
            "MINIMAX_REGION = global  (default)",
            "MINIMAX_KEEP_DAYS = soon  (environment)",
            "wrong: MINIMAX_KEEP_DAYS is `soon`",
            "did you mean MINIMAX_BUDGET_DAY?",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    });
}

#[test]
fn completions_name_the_tools_and_the_manual_names_the_commands() {
    on_stage(|stage| {
        for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
            let script = good(stage, &["completions", shell]);
            assert!(script.contains("completions") && script.contains("wait"), "{shell}");
        }
        for shell in ["bash", "zsh", "fish"] {
            assert!(good(stage, &["completions", shell]).contains("text_to_image"), "{shell}");
        }
        let page = good(stage, &["man"]);
        assert!(page.contains(".TH minimax") && page.contains("settings"), "{page}");
        assert!(good(stage, &["man", "call"]).contains("Exit codes"));
        assert!(bad(stage, &["man", "cal"], 1).contains("`cal`"));
    });
}

/// The codes of the help, of the page and of the program are the same.
#[test]
fn the_page_and_the_help_explain_the_same_exit_codes() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/shell.md")).unwrap();
    let table = page.split("<!-- exit codes -->").nth(1).unwrap();
    let rows: Vec<_> =
        table.lines().filter(|line| line.starts_with("| ") && !line.contains("Code")).collect();
    on_stage(|stage| {
        let help = good(stage, &["call", "--help"]);
        let codes = help.split("Exit codes:\n").nth(1).unwrap();
        let told: Vec<_> = codes.lines().filter(|line| line.starts_with("  ")).collect();
        assert_eq!(told.len(), rows.len());
        for (line, row) in told.iter().zip(rows) {
            let (code, meaning) = line.trim().split_once(' ').unwrap();
            assert_eq!(row, format!("| {code} | {} |", meaning.trim()));
        }
    });
}

/// Plays the code blocks of the page as a person would type them.
#[cfg(unix)]
#[test]
fn the_examples_of_the_page_work() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/shell.md")).unwrap();
    let blocks: Vec<_> =
        page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 3);
    on_stage(|stage| {
        for block in blocks {
            let mut shell = command(stage, &[]);
            let environment: Vec<_> =
                shell.get_envs().map(|(name, value)| (name.to_owned(), value.unwrap().to_owned())).collect();
            let folder = shell.get_current_dir().unwrap().to_owned();
            shell = Command::new("/bin/sh");
            let script = format!("set -e\nminimax-mcp() {{ \"$PROGRAM\" \"$@\"; }}\n{block}");
            let script = script.replace("minimax-mcp()", "minimax()").replace("minimax-mcp ", "minimax ");
            let output = shell
                .args(["-c", &script])
                .env_clear()
                .envs(environment)
                .env("PROGRAM", env!("CARGO_BIN_EXE_minimax-mcp"))
                .env("PATH", "/usr/bin:/bin")
                .current_dir(folder)
                .output()
                .unwrap();
            assert!(output.status.success(), "{block}\n{}\n{}", stdout(&output), stderr(&output));
        }
        assert!(stage.dir.path().join("home/work/minimax-mcp-call.1").metadata().unwrap().len() > 500);
    });
}

#[test]
fn a_wrong_setting_that_hides_a_tool_is_named_in_place_of_the_tool() {
    on_stage(|stage| {
        for (name, value) in [("MINIMAX_READ_ONLY", "maybe"), ("MINIMAX_TOOLSETS", "images")] {
            let arguments = ["call", "text_to_image", "prompt=A fox"];
            let output = command(stage, &arguments).env(name, value).output().unwrap();
            let said = failed(&output, &arguments, 3);
            assert!(said.contains(name) && said.contains(value) && !said.contains("unknown tool"), "{said}");
        }
        assert!(stage.sandbox.paid().is_empty());
        let arguments = ["call", "text_to_image", "prompt=A fox", "--quiet"];
        let output = command(stage, &arguments).env("MINIMAX_BUDGTE_DAY", "5").output().unwrap();
        assert!(output.status.success() && stderr(&output).contains("did you mean MINIMAX_BUDGET_DAY?"));
        assert_eq!(stdout(&output).lines().count(), 1);
    });
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_not_a_failure_but_a_full_disk_is() {
    on_stage(|stage| {
        for arguments in [
            &["settings"][..],
            &["tools", "--json"],
            &["completions", "zsh"],
            &["call", "text_to_image", "prompt=A fox", "--json"],
        ] {
            // The reading end is closed before anything is written.
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let output = command(stage, arguments).stdout(writer).output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
            assert_eq!(stderr(&output), "", "{arguments:?}");
        }
        assert_eq!(stage.sandbox.paid().len(), 1);
        if let Ok(full) = fs::File::options().write(true).open("/dev/full") {
            let output = command(stage, &["settings"]).stdout(full).output().unwrap();
            assert_eq!(output.status.code(), Some(1));
            assert!(stderr(&output).contains("No space left"), "{}", stderr(&output));
        }
    });
}

#[cfg(unix)]
#[test]
fn a_file_that_is_no_key_is_not_read_to_its_end() {
    on_stage(|stage| {
        let arguments = ["account", "--api-key-file", "/dev/zero"];
        let said = failed(&run(stage, &arguments), &arguments, 3);
        assert!(said.contains("MINIMAX_API_KEY_FILE") && said.contains("too long for a key"), "{said}");
    });
}
