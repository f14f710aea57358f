//! Records that cannot be written: updates go to the spool, so that no paid result is only in memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use minimax_mcp::sandbox::{Act, Pace, Rule};
use serde_json::{Value, json};

use crate::crash::{Victim, until};
use crate::crash_promises::{delivered, listed, nothing_half};
use crate::harness::quick;
use crate::postgres::Records;
use crate::storage::Stage;

/// Simulates a full disk for updates of jobs and purchases. Inserts still work.
pub fn fill(stage: &Stage) {
    let sqlite = "
        CREATE TRIGGER full_for_jobs BEFORE UPDATE ON jobs WHEN NEW.body <> OLD.body
        BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END;
        CREATE TRIGGER full_for_purchases BEFORE UPDATE ON spending
        BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END";
    let postgres = "
        CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
        CREATE TRIGGER full_for_jobs BEFORE UPDATE ON jobs FOR EACH ROW WHEN (NEW.body <> OLD.body) EXECUTE FUNCTION full_disk();
        CREATE TRIGGER full_for_purchases BEFORE UPDATE ON spending FOR EACH ROW EXECUTE FUNCTION full_disk()";
    stage.sql_of(sqlite, Some(postgres));
}

/// Ends [`fill`].
pub fn make_room(stage: &Stage) {
    stage.sql_of(
        "DROP TRIGGER full_for_jobs; DROP TRIGGER full_for_purchases",
        Some("DROP FUNCTION full_disk() CASCADE"),
    );
}

pub const SUBMIT: &str = "/v1/video_generation";

/// A stage with a database, on which a video takes three seconds.
pub fn stage() -> Stage {
    let stage = Stage::new();
    stage.cell.sandbox.set_pace(Pace { polls: 1, seconds: 3.0, ..quick() });
    stage
}

fn started(stage: &Stage) -> Victim {
    let mut program = stage.program();
    assert_eq!(listed(&mut program), Vec::<String>::new());
    program
}

pub fn word(stage: &Stage, sql: &'static str) -> String {
    stage.runtime.block_on(async {
        let records = Records::of(stage.cell.dir.path(), &stage.cell.data()).await;
        records.word(sql).await
    })
}

/// The spool files below the data folder or the output folder.
pub fn spooled(folder: &Path) -> Vec<PathBuf> {
    let folders = ["spool", ".minimax-spool"].map(|name| folder.join(name));
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|it| it == "spool")).collect()
}

/// The entries in the spool files, without their MACs.
pub fn lines(folder: &Path) -> Vec<Value> {
    let texts = spooled(folder).into_iter().filter_map(|path| fs::read_to_string(path).ok());
    let entry = |line: &str| serde_json::from_str(line.split_once(' ').unwrap().1).unwrap();
    texts.flat_map(|text| text.lines().map(entry).collect::<Vec<_>>()).collect()
}

pub fn a_line_with_a_task(folder: &Path) -> bool {
    lines(folder)
        .iter()
        .any(|line| line["task_id"].is_string() && line["job"].is_string() && line["when"].is_i64())
}

/// Orders a video. Runs `meanwhile` before the sandbox answers with the task id.
pub fn order(stage: &Stage, program: &mut Victim, meanwhile: impl FnOnce()) {
    stage.cell.sandbox.script(vec![Rule::once(SUBMIT, Act::Hold)]);
    let arguments = json!({ "prompt": "A fox", "wait_seconds": 0 });
    program.begin("generate_video", &arguments);
    let asked = || stage.cell.sandbox.requests().iter().any(|request| request.path == SUBMIT);
    until("the request", asked);
    meanwhile();
    stage.cell.sandbox.script(Vec::new());
}

/// Checks that the next program delivers the video and drains the spool.
pub fn next_delivers(stage: &Stage) {
    let mut next = stage.cell.program_later().ready();
    let jobs = listed(&mut next);
    let view = next.call("get_job", json!({ "job_id": jobs[0], "wait_seconds": 60 }));
    assert_eq!(delivered(&view["structuredContent"], "the next start"), 1, "{view}");
    assert_eq!(stage.bought(), 1);
    assert_eq!((lines(&stage.cell.data()), lines(&stage.cell.out())), (vec![], vec![]));
    nothing_half(&stage.cell.out(), "the next start");
}

#[test]
fn a_video_whose_task_met_a_full_disk_is_delivered_by_the_next_start() {
    let stage = stage();
    let mut program = started(&stage);
    order(&stage, &mut program, || fill(&stage));
    until("the line", || a_line_with_a_task(&stage.cell.data()));
    program.kill();
    assert_eq!(word(&stage, "SELECT status FROM jobs"), "submitting", "it was not written");
    make_room(&stage);
    next_delivers(&stage);
}

#[test]
fn a_video_whose_task_met_locked_records_is_delivered_by_the_next_start() {
    let stage = stage();
    let mut program = started(&stage);
    let (dir, data) = (stage.cell.dir.path().to_owned(), stage.cell.data());
    let (lock, may_lock) = std::sync::mpsc::channel::<()>();
    let (locked, is_locked) = std::sync::mpsc::channel();
    let holder = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut records = Records::of(&dir, &data).await;
            may_lock.recv().unwrap();
            records.lock().await;
            locked.send(()).unwrap();
            // Hold the lock until the other end is dropped.
            let _ = may_lock.recv();
            records.run("COMMIT", None).await;
        });
    });
    order(&stage, &mut program, || {
        lock.send(()).unwrap();
        is_locked.recv().unwrap();
    });
    // This happens long before the server stops waiting for the lock.
    until("the line", || a_line_with_a_task(&stage.cell.data()));
    program.kill();
    drop(lock);
    holder.join().unwrap();
    next_delivers(&stage);
}

#[test]
fn spooled_updates_are_written_as_soon_as_possible() {
    let stage = stage();
    let mut program = started(&stage);
    order(&stage, &mut program, || fill(&stage));
    until("the line", || a_line_with_a_task(&stage.cell.data()));
    // Callers see the state in memory, not the one in the database.
    let list = program.call("list_jobs", json!({}));
    let id = list["structuredContent"]["jobs"][0]["job_id"].clone();
    let view = program.call("get_job", json!({ "job_id": id, "wait_seconds": 60 }));
    assert_eq!(delivered(&view["structuredContent"], "by the same program"), 1, "{view}");
    assert_eq!(word(&stage, "SELECT status FROM jobs"), "submitting");
    let view = program.call("get_job", json!({ "job_id": id }));
    assert_eq!(delivered(&view["structuredContent"], "by the same program"), 1, "{view}");
    make_room(&stage);
    until("the record", || word(&stage, "SELECT status FROM jobs") == "succeeded");
    until("the file is gone", || lines(&stage.cell.data()).is_empty());
    assert_eq!((stage.bought(), word(&stage, "SELECT state FROM spending")), (1, "settled".to_owned()));
}

#[test]
fn a_request_that_was_refused_is_not_unknown_because_its_refusal_could_not_be_written() {
    let stage = stage();
    let mut program = started(&stage);
    let refusal = Act::Refuse { code: 1026, message: None, retry_after: None };
    stage.cell.sandbox.script(vec![Rule::once(SUBMIT, refusal)]);
    // The record can be inserted, but not updated.
    fill(&stage);
    let view = program.call("generate_video", json!({ "prompt": "A fox", "wait_seconds": 60 }));
    assert_eq!(view["structuredContent"]["status"], "failed", "{view}");
    assert_eq!(lines(&stage.cell.data()).len(), 1);
    program.kill();
    assert_eq!(
        word(&stage, "SELECT status || ' ' || (SELECT state FROM spending) FROM jobs"),
        "submitting reserved"
    );
    make_room(&stage);
    let mut next = stage.cell.program_later().ready();
    let jobs = listed(&mut next);
    let view = next.call("get_job", json!({ "job_id": jobs[0] }));
    let view = &view["structuredContent"];
    assert_eq!((&view["status"], &view["error"]["code"]), (&json!("failed"), &json!(1026)), "{view}");
    assert_eq!(word(&stage, "SELECT state FROM spending"), "released");
    assert_eq!((lines(&stage.cell.data()), stage.bought()), (vec![], 0));
}

#[test]
fn a_price_that_could_not_be_written_is_written_by_the_next_start() {
    let stage = stage();
    let mut program = started(&stage);
    fill(&stage);
    let answer = program.call("chat", json!({ "prompt": "Hello", "model": "m3" }));
    assert_ne!(answer["isError"], true, "{answer}");
    until("the line", || lines(&stage.cell.data()).iter().any(|line| line["state"] == "settled"));
    program.kill();
    assert_eq!(word(&stage, "SELECT state FROM spending"), "reserved");
    make_room(&stage);
    listed(&mut stage.program());
    assert_eq!(
        word(&stage, "SELECT state || CASE WHEN actual IS NULL THEN '' ELSE ' at a price' END FROM spending"),
        "settled at a price"
    );
    assert_eq!(lines(&stage.cell.data()), Vec::<Value>::new());
}

/// A call without a job dies before its price is written. Its estimate still counts, because MiniMax has answered.
#[test]
fn a_call_that_dies_before_its_price_is_written_keeps_its_reserve() {
    let stage = stage();
    listed(&mut stage.program());
    let mut victim = stage.cell.program(&[("MINIMAX_CRASH_POINT", "settle.before#1")]).ready();
    let arguments = json!({ "name": "chat", "arguments": { "prompt": "Hello", "model": "m3" } });
    victim.program.post("tools/call", arguments);
    assert_eq!(victim.point(Duration::from_secs(60)).as_deref(), Some("settle.before#1"), "{}", victim.log());
    victim.kill();
    let mut next = stage.cell.program_later().ready();
    let account = next.call("check_account", json!({}));
    let day = &account["structuredContent"]["spending"][0]["last_day"];
    assert!(day["reserved"].as_f64().unwrap() > 0.0 && day["total"] == day["reserved"], "{account}");
}

#[test]
fn spooled_lines_of_other_records_are_left_for_their_server() {
    let stage = stage();
    drop(started(&stage));
    let line = json!({ "when": 1, "job": "video-elsewhere", "task_id": "1", "record": {} }).to_string();
    for path in [
        stage.cell.data().join("unwritten-x.jsonl"),
        stage.cell.data().join("spool/x.spool"),
        stage.cell.out().join(".minimax-unwritten-x.jsonl"),
        stage.cell.out().join(".minimax-spool/x.spool"),
    ] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("{line}\nno line of ours\n")).unwrap();
        listed(&mut stage.program());
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{line}\nno line of ours\n"), "{path:?}");
    }
}

/// A job that a newer version wrote is left alone, and logged only once instead of every two seconds.
#[test]
fn an_open_job_that_cannot_be_read_is_logged_once() {
    let stage = stage();
    let mut program = started(&stage);
    program.call("generate_video", json!({ "prompt": "A fox", "wait_seconds": 0 }));
    program.kill();
    stage.sql("UPDATE jobs SET body = '{}'");
    let mut next = stage.cell.program(&[("MINIMAX_CRASH_CLOCK", "7000")]).ready();
    listed(&mut next);
    let complaints = || next.log().matches("cannot be adopted").count();
    until("the complaint", || complaints() == 1);
    // Open jobs are checked every two seconds.
    std::thread::sleep(Duration::from_millis(4500));
    assert_eq!(complaints(), 1, "{}", next.log());
}

#[cfg(unix)]
#[test]
fn updates_that_the_data_folder_cannot_store_are_spooled_to_the_output_folder() {
    use std::os::unix::fs::PermissionsExt as _;

    let stage = stage();
    drop(started(&stage));
    let allow = |mode| fs::set_permissions(stage.cell.data(), fs::Permissions::from_mode(mode)).unwrap();
    let mut program = crate::storage::unix::program_of_somebody(&stage);
    listed(&mut program);
    order(&stage, &mut program, || {
        fill(&stage);
        allow(0o500);
    });
    until("the line", || a_line_with_a_task(&stage.cell.out()));
    assert_eq!(lines(&stage.cell.data()), Vec::<Value>::new());
    program.kill();
    allow(0o700);
    make_room(&stage);
    next_delivers(&stage);
}
