//! Retention, with the real program: `minimax-mcp prune`, the sweep of a server, and the answers about a removed job.

use std::path::PathBuf;
use std::process::Output;

use serde_json::{Value, json};

use crate::crash::{command, until};
use crate::s3;
use crate::storage::Stage;

fn image(more: &Value) -> Value {
    let mut call = json!({ "prompt": "A fox", "width": 512, "height": 512, "wait_seconds": 60 });
    call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    call
}

fn prune(stage: &Stage, arguments: &[&str]) -> Output {
    let mut command = command(&stage.cell.sandbox.url(), stage.cell.dir.path(), &[]);
    command.arg("prune").args(arguments).output().unwrap()
}

fn counts(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn path(made: &Value) -> PathBuf {
    s3::place(&made["structuredContent"]["files"][0]["path"])
}

#[test]
fn a_dry_run_says_what_prune_removes_and_a_removed_job_is_not_bought_again() {
    if s3::leaves_out("files in folders; bucket_removal.rs is about objects") {
        return;
    }
    let stage = Stage::new();
    let mut program = stage.program();
    let made = program.call("text_to_image", image(&json!({ "idempotency_key": "one" })));
    let chosen = program.call("text_to_image", image(&json!({ "output_directory": "mine" })));
    let edited = program.call("text_to_image", image(&json!({})));
    let id = made["structuredContent"]["job_id"].clone();
    program.kill();
    std::fs::write(path(&edited), "edited").unwrap();
    stage.age();
    let arguments = ["--keep-days", "10", "--json"];
    let counted = counts(&prune(&stage, &[&arguments[..], &["--dry-run"]].concat()));
    assert_eq!(
        (&counted["jobs"], &counted["files"], &counted["files_kept"]),
        (&json!(3), &json!(1), &json!(1))
    );
    assert_eq!(counted["bytes"], path(&made).metadata().unwrap().len());
    assert_eq!(counted["files_changed"], json!([path(&edited)]));
    assert!(path(&made).exists());
    let mut removed = counts(&prune(&stage, &arguments));
    removed.as_object_mut().unwrap().remove("purchases");
    assert_eq!(removed, counted);
    assert!(!path(&made).exists() && path(&chosen).exists() && path(&edited).exists());
    let bought = stage.bought();
    let mut program = stage.program();
    let gone = program.call("get_job", json!({ "job_id": id }));
    assert!(gone["content"][0]["text"].as_str().unwrap().contains("removed it on 20"), "{gone}");
    let uri = made["structuredContent"]["files"][0]["uri"].clone();
    let reused = program.call("text_to_image", image(&json!({ "subject_reference": uri })));
    assert!(
        reused["content"][0]["text"].as_str().unwrap().contains("which this server removed on 20"),
        "{reused}"
    );
    let again = program.call("text_to_image", image(&json!({ "idempotency_key": "one" })));
    let said = again["content"][0]["text"].as_str().unwrap();
    assert!(said.contains("whose record was removed") && said.contains("nothing was bought"), "{again}");
    let never = program.call("get_job", json!({ "job_id": "image-none" }));
    assert!(!never["content"][0]["text"].as_str().unwrap().contains("removed"), "{never}");
    assert_eq!(stage.bought(), bought);
    let other = program.call("text_to_image", image(&json!({ "idempotency_key": "two" })));
    assert_eq!(other["structuredContent"]["status"], "succeeded", "{other}");
}

#[test]
fn prune_without_a_rule_or_with_a_wrong_one_removes_nothing_and_creates_nothing() {
    let stage = Stage::new();
    for arguments in [&[][..], &["--keep-days", "0"], &["--keep-bytes", "20"], &["--keep-days", "-1"]] {
        let output = prune(&stage, arguments);
        assert!(!output.status.success(), "{arguments:?}: {output:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{arguments:?}: {output:?}");
    }
    assert_eq!(counts(&prune(&stage, &["--keep-days", "1", "--json"]))["jobs"], 0);
    assert!(!stage.database().exists());
}

#[test]
fn a_server_removes_by_its_settings_and_by_default_nothing() {
    let stage = Stage::new();
    let mut program = stage.program();
    let old = program.call("text_to_image", image(&json!({})));
    program.kill();
    stage.age();
    let mut program = stage.program();
    let new = program.call("text_to_image", image(&json!({})));
    assert_eq!(
        program.call("list_jobs", json!({}))["structuredContent"]["jobs"].as_array().unwrap().len(),
        2
    );
    program.kill();
    let mut program = stage.cell.program(&[("MINIMAX_KEEP_DAYS", "30")]).ready();
    let listed = |program: &mut crate::crash::Victim| {
        program.call("list_jobs", json!({}))["structuredContent"]["jobs"].as_array().unwrap().len()
    };
    until("the old job is removed", || listed(&mut program) == 1);
    assert!(!path(&old).exists() && path(&new).exists());
}
