//! Databases and folders that cannot be used: the server reports the problem, buys nothing, and loses nothing.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use minimax_mcp::sandbox::Pace;
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};

use crate::crash::{Cell, Victim, command, until};
use crate::crash_promises::{delivered, listed};
use crate::harness::{offered, quick};
use crate::postgres::Records;

/// A sandbox and folders, with a runtime.
pub struct Stage {
    pub cell: Cell,
    pub runtime: tokio::runtime::Runtime,
}

impl Stage {
    pub fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { cell: Cell::new(&runtime), runtime }
    }

    /// `None` if the records are not in SQLite's file.
    pub fn with_file() -> Option<Self> {
        (!crate::postgres::leaves_out("SQLite's file")).then(Self::new)
    }

    pub fn program(&self) -> Victim {
        self.cell.program(&[]).ready()
    }

    pub fn database(&self) -> PathBuf {
        self.cell.data().join("jobs.sqlite3")
    }

    pub fn bought(&self) -> usize {
        self.cell.sandbox.paid().len()
    }

    /// Makes images and then checkpoints the database into one file. Returns the job ids, newest first.
    fn history(&self, images: usize) -> Vec<String> {
        let mut program = self.program();
        for number in 0..images {
            let made = program.call("text_to_image", image(&format!("Fox number {number}")));
            assert_eq!(made["structuredContent"]["status"], "succeeded", "{made}");
        }
        let ids = listed(&mut program);
        assert!(program.program.hang_up().success());
        assert!(!self.cell.data().join("jobs.sqlite3-wal").exists(), "closed in good order");
        ids
    }

    pub fn sql(&self, sql: &str) {
        self.sql_of(sql, None);
    }

    /// As [`Self::sql`], with another text for PostgreSQL.
    pub fn sql_of(&self, sqlite: &str, postgres: Option<&str>) {
        self.runtime.block_on(async {
            let records = Records::of(self.cell.dir.path(), &self.cell.data()).await;
            records.run(sqlite, postgres).await;
        });
    }

    /// Makes every ended job so old that a rule of age removes it.
    pub fn age(&self) {
        self.sql_of(
            "UPDATE jobs SET updated_at = 1000, body = json_set(body, '$.updated_at', 1000) WHERE is_open = 0",
            Some(
                "UPDATE jobs SET updated_at = 1000,
                 body = CAST(jsonb_set(CAST(body AS jsonb), '{updated_at}', '1000') AS text) WHERE is_open = 0",
            ),
        );
    }

    pub fn beside(&self, part: &str) -> Vec<String> {
        let names = fs::read_dir(self.cell.data()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.filter(|name| name.contains(part)).collect()
    }
}

fn image(prompt: &str) -> Value {
    json!({ "prompt": prompt, "width": 512, "height": 512, "wait_seconds": 60 })
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = fs::File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

/// Pseudorandom bytes, the same each time.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 24) as u8
    };
    (0..count).map(|_| byte()).collect()
}

/// Checks that the tools are listed, that nothing can be bought, and that the text says what to do.
fn refuses(stage: &Stage, mut program: Victim, parts: &[&str]) {
    let before = stage.bought();
    let list = program.program.request("tools/list", json!({}));
    assert_eq!(list["result"]["tools"].as_array().unwrap().len(), offered());
    for (tool, arguments) in [("text_to_image", image("A fox")), ("list_jobs", json!({}))] {
        let result = program.call(tool, arguments);
        let said = result["content"][0]["text"].as_str().unwrap_or_default().to_owned();
        assert_eq!(result["isError"], true, "{tool}: {result}");
        assert!(parts.iter().all(|part| said.contains(part)), "{tool}: {said}");
        if tool == "text_to_image" {
            assert!(said.contains("Nothing was sent or billed"), "{said}");
        }
    }
    assert_eq!(stage.bought(), before);
}

/// Checks that the server works with a damaged database, keeps the damaged file and says so. Returns the ids of its
/// jobs.
fn repaired(stage: &Stage, what: &str) -> Vec<String> {
    let mut program = stage.program();
    let list = program.call("list_jobs", json!({ "limit": 50 }));
    let next =
        list["structuredContent"]["next"].as_str().unwrap_or_else(|| panic!("{what}: {list}")).to_owned();
    assert!(next.contains("have been repaired") && next.contains("billing page"), "{what}: {next}");
    let kept = stage.beside(".damaged-");
    assert!(!kept.is_empty() && kept.iter().any(|name| next.contains(name)), "{what}: {kept:?} {next}");
    assert_eq!(stage.beside("salvage"), Vec::<String>::new(), "{what}");
    let ids = listed(&mut program);
    for id in &ids {
        let view = program.call("get_job", json!({ "job_id": id }));
        assert_eq!(view["structuredContent"]["status"], "succeeded", "{what}: {view}");
        delivered(&view["structuredContent"], what);
    }
    let made = program.call("text_to_image", image("One more"));
    assert_eq!(made["structuredContent"]["status"], "succeeded", "{what}: {made}");
    assert!(made["structuredContent"]["warnings"].to_string().contains("repaired"), "{what}: {made}");
    program.kill();
    // The next program has nothing to repair and nothing to report.
    let mut program = stage.program();
    let list = program.call("list_jobs", json!({}));
    assert!(!list.to_string().contains("repaired"), "{what}: {list}");
    ids
}

#[test]
fn every_record_of_a_database_with_a_damaged_beginning_is_recovered() {
    for (what, at, length) in [("its first bytes", 0, 100), ("its whole first page", 0, 4096)] {
        let Some(stage) = Stage::with_file() else { return };
        let ids = stage.history(3);
        overwrite(&stage.database(), at, &noise(length));
        assert_eq!(repaired(&stage, what), ids, "{what}");
        assert_eq!(stage.bought(), 4);
    }
}

#[test]
fn all_readable_rows_of_a_damaged_database_are_recovered() {
    let Some(stage) = Stage::with_file() else { return };
    let ids = stage.history(12);
    let length = fs::metadata(stage.database()).unwrap().len();
    let mut all = Vec::new();
    fs::File::open(stage.database()).unwrap().read_to_end(&mut all).unwrap();
    let page = |id: &str| {
        let body = format!("{{\"id\":\"{id}\"");
        all.windows(body.len()).position(|window| window == body.as_bytes()).unwrap() / 4096
    };
    let hit = page(&ids[5]);
    assert!(((hit + 1) * 4096) as u64 <= length);
    overwrite(&stage.database(), (hit * 4096) as u64, &noise(4096));
    let left = repaired(&stage, "a page of records");
    let still: Vec<_> = ids.iter().filter(|id| left.contains(id)).cloned().collect();
    assert_eq!(left, still, "in their order, and nothing else");
    // A page has two or three records, and one of them may have started on another page.
    assert!((ids.len() - 4..=ids.len()).contains(&left.len()), "{left:?}");
}

#[test]
fn the_rows_of_a_truncated_database_are_recovered() {
    let Some(stage) = Stage::with_file() else { return };
    let ids = stage.history(12);
    let length = fs::metadata(stage.database()).unwrap().len();
    let file = fs::File::options().write(true).open(stage.database()).unwrap();
    file.set_len(length / 4096 / 2 * 4096 + 1000).unwrap();
    let left = repaired(&stage, "a file cut in half");
    assert!(left.iter().all(|id| ids.contains(id)), "{left:?}");
}

#[test]
fn a_database_of_noise_is_kept_and_a_new_one_created() {
    let Some(stage) = Stage::with_file() else { return };
    stage.history(1);
    fs::write(stage.database(), noise(100_000)).unwrap();
    assert_eq!(repaired(&stage, "noise"), Vec::<String>::new());
}

/// SQLite itself treats an empty file as a new database.
#[test]
fn an_empty_database_file_is_a_new_database() {
    let Some(stage) = Stage::with_file() else { return };
    stage.history(1);
    fs::write(stage.database(), "").unwrap();
    let mut program = stage.program();
    assert_eq!(listed(&mut program), Vec::<String>::new());
    assert_eq!(program.call("text_to_image", image("A fox"))["structuredContent"]["status"], "succeeded");
}

#[test]
fn a_log_that_is_gone_or_damaged_costs_at_most_what_was_in_it() {
    for what in ["gone", "noise", "cut off"] {
        let Some(stage) = Stage::with_file() else { return };
        let ids = stage.history(2);
        let mut program = stage.program();
        program.call("text_to_image", image("In the log alone"));
        program.kill();
        let log = stage.cell.data().join("jobs.sqlite3-wal");
        let length = fs::metadata(&log).unwrap().len();
        assert!(length > 0);
        match what {
            "gone" => fs::remove_file(&log).unwrap(),
            "noise" => overwrite(&log, 0, &noise(4096)),
            _ => fs::File::options().write(true).open(&log).unwrap().set_len(length / 2).unwrap(),
        }
        let mut program = stage.program();
        let left = listed(&mut program);
        assert!(left.ends_with(&ids), "{what}: {left:?}");
        let made = program.call("text_to_image", image("One more"));
        assert_eq!(made["structuredContent"]["status"], "succeeded", "{what}: {made}");
    }
}

#[test]
fn a_damaged_database_that_another_server_uses_is_left_alone() {
    let Some(stage) = Stage::with_file() else { return };
    stage.history(2);
    let mut other = stage.program();
    listed(&mut other);
    overwrite(&stage.database(), 0, &noise(4096));
    refuses(&stage, stage.program(), &["damaged", "End every minimax-mcp that uses this folder"]);
    assert_eq!(stage.beside(".damaged-"), Vec::<String>::new());
    other.kill();
    assert_eq!(repaired(&stage, "once it is free").len(), 2);
}

#[test]
fn records_of_a_newer_version_are_left_alone() {
    let stage = Stage::new();
    let ids = stage.history(1);
    stage.sql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'of the future', TRUE, '', 0)",
    );
    refuses(&stage, stage.program(), &["newer", "update this one"]);
    stage.sql("DELETE FROM _sqlx_migrations WHERE version = 9999");
    assert_eq!(listed(&mut stage.program()), ids);
}

/// An older version that works on a job keeps the fields that a newer version wrote.
#[test]
fn fields_that_a_newer_version_wrote_survive_an_older_one() {
    let Some(stage) = Stage::with_file() else { return };
    let ids = stage.history(1);
    stage.sql(
        "UPDATE jobs SET body = json_set(body, '$.newer', json('{\"a\":1}'), '$.cost.newer', 2, '$.files[0].newer', 3,
                                         '$.files[0].saved.newer', 4)",
    );
    let read = |path: &'static str| {
        stage.runtime.block_on(async {
            let url = format!("sqlite://{}", stage.database().display());
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            let query = sqlx::query_scalar::<_, String>(
                "SELECT coalesce(json_extract(body, ?1), 'none') || '' FROM jobs",
            );
            query.bind(path).fetch_one(&mut connection).await.unwrap()
        })
    };
    // The file is gone, so the job is downloaded and written again.
    let out = fs::read_dir(stage.cell.out()).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(out).unwrap();
    let view = stage.program().call("get_job", json!({ "job_id": ids[0] }));
    assert_eq!(delivered(&view["structuredContent"], "again"), 1);
    assert_eq!(read("$.newer"), "{\"a\":1}");
    assert_eq!((read("$.cost.newer"), read("$.files[0].newer")), ("2".into(), "3".into()));
    assert_eq!(read("$.files[0].saved.newer"), "none", "another file is another file");
}

fn hold_the_records(seconds: u64) {
    let Some(stage) = Stage::with_file() else { return };
    stage.history(1);
    let url = format!("sqlite://{}", stage.database().display());
    let (locked, is_locked) = std::sync::mpsc::channel();
    let holder = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            sqlx::query("BEGIN EXCLUSIVE").execute(&mut connection).await.unwrap();
            locked.send(()).unwrap();
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            sqlx::query("COMMIT").execute(&mut connection).await.unwrap();
        });
    });
    is_locked.recv().unwrap();
    let mut program = stage.program();
    let start = Instant::now();
    let mut result = program.call("text_to_image", image("A fox"));
    if result["isError"] == true {
        let said = result["content"][0]["text"].as_str().unwrap();
        assert!(said.contains("Another program holds the job records"), "{said}");
        assert!(said.contains("Nothing was sent or billed"), "{said}");
        assert_eq!(stage.bought(), 1);
        holder.join().unwrap();
        result = program.call("text_to_image", image("A fox"));
    } else {
        assert!(start.elapsed() >= Duration::from_secs(seconds) / 2, "it was not locked");
        holder.join().unwrap();
    }
    assert_eq!(result["structuredContent"]["status"], "succeeded", "{result}");
    assert_eq!(stage.bought(), 2);
}

#[test]
fn locked_records_are_waited_for() {
    hold_the_records(2);
}

/// `cargo test --test it storage -- --ignored --nocapture`
#[test]
#[ignore = "half a minute of waiting"]
fn records_that_are_locked_for_long_are_waited_for_or_reported() {
    hold_the_records(30);
}

#[test]
fn an_output_folder_that_is_deleted_while_a_video_is_made_is_made_again() {
    let stage = Stage::new();
    stage.cell.sandbox.set_pace(Pace { polls: 1, seconds: 1.0, ..quick() });
    let mut program = stage.program();
    let first = program.call("generate_video", json!({ "prompt": "A fox", "wait_seconds": 0 }));
    fs::remove_dir_all(stage.cell.out()).unwrap();
    let arguments = json!({ "job_id": first["structuredContent"]["job_id"], "wait_seconds": 60 });
    let view = program.call("get_job", arguments);
    assert_eq!(delivered(&view["structuredContent"], "the folder was deleted"), 1, "{view}");
}

#[test]
fn a_clock_that_was_set_back_or_forward_keeps_no_server_from_a_job() {
    const DAY: i64 = 24 * 3_600_000;
    for shift in [-365 * DAY, -DAY, -120_000, DAY / 2] {
        let stage = Stage::new();
        stage.cell.sandbox.set_pace(Pace { polls: 1, seconds: 1.0, ..quick() });
        let mut program = stage.program();
        let arguments = json!({ "prompt": "A fox", "wait_seconds": 0, "idempotency_key": "k" });
        let first = program.call("generate_video", arguments.clone());
        until("the task", || stage.bought() == 1);
        let job = json!({ "job_id": first["structuredContent"]["job_id"], "wait_seconds": 0 });
        until("its id", || program.call("get_job", job.clone())["structuredContent"]["task_id"].is_string());
        program.kill();
        let mut next = stage.cell.program(&[("MINIMAX_CRASH_CLOCK", &shift.to_string())]).ready();
        let job = json!({ "job_id": job["job_id"], "wait_seconds": 60 });
        let view = next.call("get_job", job);
        assert_eq!(delivered(&view["structuredContent"], "another time"), 1, "{shift}: {view}");
        let again = next.call("generate_video", arguments);
        assert_eq!(again["structuredContent"]["job_id"], view["structuredContent"]["job_id"]);
        assert_eq!((stage.bought(), listed(&mut next).len()), (1, 1), "{shift}");
    }
}

#[cfg(unix)]
pub mod unix;
