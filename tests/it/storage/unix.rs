//! Folders and disks that cannot be written, by means that only Unix has: modes, mounts and signals.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::*;

/// Starts the program as the user `nobody` if the tests run as root, because root may write everywhere.
pub fn program_of_somebody(stage: &Stage) -> Victim {
    const NOBODY: u32 = 65534;
    let dir = stage.cell.dir.path();
    let mut command = command(&stage.cell.sandbox.url(), dir, &[]);
    if fs::metadata(dir).unwrap().uid() == 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
        let out = Command::new("chown").args(["-R", "65534"]).arg(dir.join("out")).status().unwrap();
        let data = Command::new("chown").args(["-R", "65534"]).arg(dir.join("data")).status();
        assert!(out.success() && data.is_ok());
        command.uid(NOBODY);
    }
    Victim::start(command).ready()
}

#[test]
fn records_in_a_folder_that_is_read_only_buy_nothing_and_lose_nothing() {
    let Some(stage) = Stage::with_file() else { return };
    let ids = stage.history(1);
    let allow = |folder: u32, file: u32| {
        fs::set_permissions(stage.database(), fs::Permissions::from_mode(file)).unwrap();
        fs::set_permissions(stage.cell.data(), fs::Permissions::from_mode(folder)).unwrap();
    };
    allow(0o500, 0o400);
    refuses(&stage, program_of_somebody(&stage), &["MINIMAX_DATA_DIR", "writable"]);
    allow(0o700, 0o600);
    assert_eq!(listed(&mut stage.program()), ids);
}

/// Starts a program that cannot write files larger than this, as if the disk were full.
fn program_on_a_full_disk(stage: &Stage, kilobytes: u64) -> Victim {
    let plain = command(&stage.cell.sandbox.url(), stage.cell.dir.path(), &[]);
    let mut command = Command::new("/bin/sh");
    // The limit is in blocks of 512 bytes. Without the trap, a signal would replace the error.
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\"", kilobytes * 2);
    command.args(["-c", &script]).arg(plain.get_program()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Victim::start(command).ready()
}

#[test]
fn records_on_a_full_disk_buy_nothing_and_lose_nothing() {
    let Some(stage) = Stage::with_file() else { return };
    let ids = stage.history(2);
    refuses_to_buy(&stage, program_on_a_full_disk(&stage, 8));
    assert_eq!(listed(&mut stage.program()), ids);
}

fn refuses_to_buy(stage: &Stage, mut program: Victim) {
    let before = stage.bought();
    let list = program.program.request("tools/list", json!({}));
    assert_eq!(list["result"]["tools"].as_array().unwrap().len(), offered());
    let result = program.call("text_to_image", image("A fox"));
    let said = result["content"][0]["text"].as_str().unwrap_or_default();
    assert_eq!(result["isError"], true, "{result}");
    assert!(said.contains("Nothing was sent or billed"), "{said}");
    assert_eq!(stage.bought(), before);
}

#[test]
fn a_result_without_disk_space_is_fetched_when_there_is_some() {
    if crate::s3::leaves_out("the folder for results") {
        return;
    }
    let stage = Stage::new();
    // This is enough for the database and too little for the audio.
    let mut program = program_on_a_full_disk(&stage, 1024);
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(20);
    let arguments = json!({ "text": text, "format": "wav", "sample_rate": 44100, "wait_seconds": 60 });
    let first = program.call("text_to_audio", arguments);
    let view = &first["structuredContent"];
    assert_eq!(view["status"], "succeeded", "{first}");
    assert!(view["files"][0].get("path").is_none(), "{first}");
    assert!(view["next"].as_str().unwrap().contains("get_job"), "{first}");
    let left = fs::read_dir(stage.cell.out()).unwrap().count();
    assert_eq!(left, 0, "nothing half");
    program.kill();
    let mut program = stage.cell.program_later().ready();
    let view = program.call("get_job", json!({ "job_id": view["job_id"], "wait_seconds": 60 }));
    assert_eq!(delivered(&view["structuredContent"], "with room"), 1, "{view}");
    assert_eq!(stage.bought(), 1);
}

/// Like the test above, on a real file system that is full. Needs permission to mount:
/// `cargo test --test it storage -- --ignored --nocapture`
#[cfg(target_os = "linux")]
#[test]
#[ignore = "mounts a small file system"]
fn a_full_file_system_costs_nothing_and_loses_nothing() {
    for full in ["data", "out"] {
        let stage = Stage::new();
        let ids = stage.history(1);
        let small = tempfile::tempdir().unwrap();
        let mount = |arguments: &[&str]| {
            assert!(Command::new("mount").args(arguments).arg(small.path()).status().unwrap().success());
        };
        // The output folder needs some free space at the start.
        let size = if full == "data" { "size=512k,mode=0700" } else { "size=72m,mode=0700" };
        mount(&["-t", "tmpfs", "-o", size, "tmpfs"]);
        let target = stage.cell.dir.path().join(full);
        for entry in fs::read_dir(&target).unwrap().map(Result::unwrap) {
            fs::copy(entry.path(), small.path().join(entry.file_name())).unwrap();
        }
        let name = if full == "data" { "MINIMAX_DATA_DIR" } else { "MINIMAX_MCP_BASE_PATH" };
        let place = small.path().to_str().unwrap();
        let mut program = stage.cell.program(&[(name, place)]).ready();
        assert_eq!(listed(&mut program), ids);
        // Fill it up.
        let mut filler = fs::File::create(small.path().join("filler")).unwrap();
        for piece in [1 << 16, 1 << 10] {
            while filler.write_all(&vec![0; piece]).is_ok() {}
        }
        let result = program.call("text_to_image", image("A fox"));
        let said = result["content"][0]["text"].as_str().unwrap_or_default();
        eprintln!("{full}: {said}");
        assert_eq!(result["isError"], true, "{full}: {result}");
        assert_eq!(stage.bought(), 1, "{full}");
        assert_eq!(listed(&mut program), ids);
        drop(filler);
        fs::remove_file(small.path().join("filler")).unwrap();
        let made = program.call("text_to_image", image("A fox"));
        assert_eq!(made["structuredContent"]["status"], "succeeded", "{full}: {made}");
        program.kill();
        assert!(Command::new("umount").arg(small.path()).status().unwrap().success());
    }
}
