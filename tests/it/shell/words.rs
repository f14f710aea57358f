//! What a person reads at the shell when a call fails: commands to type, and no sentences for a model.

use super::{bad, command, failed, run, stderr, stdout};
use crate::stdio::on_stage;

/// Words of sentences that are meant for a model.
const FOR_A_MODEL: &[&str] = &[
    "the user",
    "list_jobs shows",
    "check_account shows",
    "list_voices shows",
    "get_job",
    "in this server's configuration",
];

#[test]
fn every_tool_called_wrongly_speaks_to_a_person() {
    on_stage(|stage| {
        let tools = command(stage, &["tools", "--json"]).output().unwrap();
        let tools: serde_json::Value = serde_json::from_slice(&tools.stdout).unwrap();
        for tool in tools.as_array().unwrap() {
            let name = tool["name"].as_str().unwrap();
            let ids: Vec<String> = tool["inputSchema"]["properties"]
                .as_object()
                .unwrap()
                .iter()
                .filter(|(_, schema)| schema["type"] == "string" && schema["enum"].is_null())
                .map(|(name, _)| format!("{name}=/nowhere/x"))
                .collect();
            let ids: Vec<_> = ids.iter().map(String::as_str).collect();
            for arguments in [vec![], vec!["no_such_parameter=1"], ids] {
                let dry: &[&str] =
                    if tool["inputSchema"]["properties"]["dry_run"].is_null() { &[] } else { &["--dry-run"] };
                let whole = [&["call", name][..], &arguments, dry].concat();
                let output = run(stage, &whole);
                let said = format!("{}{}", stdout(&output), stderr(&output));
                for words in FOR_A_MODEL.iter().filter(|words| **words != name) {
                    assert!(!said.contains(words), "{whole:?} says `{words}`: {said}");
                }
            }
        }
        assert!(bad(stage, &["jobs", "image-9"], 2).contains("`minimax-mcp jobs` shows"));
        assert!(stage.sandbox.paid().is_empty());
    });
}

#[test]
fn settings_and_money_that_refuse_a_call_are_said_to_the_person_who_can_change_them() {
    on_stage(|stage| {
        let arguments = ["call", "text_to_image", "prompt=A fox"];
        for (name, value, code, wanted) in [
            ("MINIMAX_API_KEY", "", 3, "Set MINIMAX_API_KEY"),
            ("MINIMAX_REGION", "eu", 3, "Correct the settings"),
            ("MINIMAX_BUDGET_CALL", "0.0001", 4, "Raise or unset MINIMAX_BUDGET_CALL"),
        ] {
            let output = command(stage, &arguments).env(name, value).output().unwrap();
            let said = failed(&output, &arguments, code);
            assert!(said.contains(wanted), "{name}: {said}");
            for words in FOR_A_MODEL {
                assert!(!said.contains(words), "{name} says `{words}`: {said}");
            }
        }
    });
}

#[test]
fn a_parameter_with_dashes_is_shown_as_it_is_written_and_the_frame_speaks_chinese() {
    on_stage(|stage| {
        let arguments = ["call", "text_to_image", "--prompt", "A red fox"];
        let said = bad(stage, &arguments, 2);
        assert!(said.contains("prompt=\"A red fox\"") && !said.contains("-- --prompt"), "{said}");
        let said = bad(stage, &["call", "text_to_image", "prompt=x", "--jsn"], 2);
        assert!(said.contains("'--json'"), "{said}");
        let said = bad(stage, &["doctor", "--jsn", "--lang", "zh"], 2);
        for words in ["错误：无法识别的参数 '--jsn'\n", "相近的参数：'--json'", "用法：minimax-mcp doctor"]
        {
            assert!(said.contains(words), "{words}: {said}");
        }
        let output =
            command(stage, &["call", "x", "--prompt=y"]).env("LANG", "zh_CN.UTF-8").output().unwrap();
        assert!(stderr(&output).contains("工具的参数不带横线：prompt=y"), "{}", stderr(&output));
        assert!(stdout(&run(stage, &["--help"])).contains("Usage:"));
    });
}

#[test]
fn a_file_that_is_too_long_is_named_by_its_setting_and_its_purpose() {
    on_stage(|stage| {
        let file = stage.dir.path().join("long");
        std::fs::write(&file, vec![b'x'; 70_000]).unwrap();
        let arguments = ["call", "text_to_image", "prompt=A fox"];
        let settings = [
            ("MINIMAX_WEBHOOK_URL", "https://example.com/x"),
            ("MINIMAX_WEBHOOK_SECRET_FILE", file.to_str().unwrap()),
        ];
        let output = command(stage, &arguments).envs(settings).output().unwrap();
        let said = failed(&output, &arguments, 3);
        let wanted = "MINIMAX_WEBHOOK_SECRET_FILE names";
        assert!(said.contains(wanted) && said.contains("too long for the secret of a webhook"), "{said}");
    });
}
