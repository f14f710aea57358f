//! Tests of what is kept of ended jobs, and what is removed.

use std::path::Path;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::ended::ENDED;
use super::*;
use crate::clock::now;
use crate::money::{Currency, Money};

const DAY: i64 = 24 * 3_600_000;

/// A store with a base folder for results.
struct Stage {
    dir: tempfile::TempDir,
    store: Store,
}

/// A job of a test.
struct Made<'a> {
    id: &'a str,
    state: Value,
    /// Each with whether it was saved.
    files: &'a [(&'a Path, bool)],
    folder: Option<&'a Path>,
    age: i64,
}

impl Stage {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("data"), "me".to_owned()).await.unwrap();
        std::fs::create_dir(dir.path().join("base")).unwrap();
        Self { dir, store }
    }

    fn base(&self) -> std::path::PathBuf {
        dunce::canonicalize(self.dir.path().join("base")).unwrap()
    }

    fn rules(&self, days: Option<u64>, bytes: Option<u64>) -> Retention {
        let age = days.map(|days| Duration::from_hours(days * 24));
        Retention { age, bytes, keeps_files: false, base: self.base(), bucket: None }
    }

    async fn run(&self, sql: String) {
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(self.store.sqlite()).await.unwrap();
    }

    async fn add(&self, made: &Made<'_>) {
        let at = now() - made.age * DAY;
        let files = made.files.iter().map(|(path, saved)| {
            let name = path.file_name().unwrap().to_string_lossy();
            let content = std::fs::read(path).unwrap_or_default();
            let sha256 = HEXLOWER.encode(&Sha256::digest(&content));
            let on_disk =
                json!({ "path": path, "bytes": content.len(), "sha256": sha256, "mime_type": "image/png" });
            json!({ "name": name, "mime_type": "image/png", "saved": saved.then_some(on_disk) })
        });
        let files: Vec<Value> = files.collect();
        let mut job: crate::store::Job = serde_json::from_value(json!({
            "id": made.id, "principal": "local", "kind": "image", "tool": "text_to_image", "model": "", "account": "a",
            "prompt": "", "request": {}, "digest": "", "idempotency_key": format!("key of {}", made.id),
            "state": { "at": "submitting", "sent": true }, "created_at": at, "updated_at": at, "folder": made.folder,
        }))
        .unwrap();
        self.store.insert(&job, None).await.unwrap();
        job.state = serde_json::from_value(made.state.clone()).unwrap();
        job.files = serde_json::from_value(files.into()).unwrap();
        assert!(self.store.save_progress(&job).await.unwrap());
    }

    /// A job whose file of this size is in the base folder.
    async fn add_saved(&self, id: &str, bytes: usize, age: i64) -> std::path::PathBuf {
        let path = self.base().join(id);
        std::fs::write(&path, vec![b'x'; bytes]).unwrap();
        let files = [(path.as_path(), true)];
        self.add(&Made { id, state: done(), files: &files, folder: Some(&self.base()), age }).await;
        path
    }

    async fn add_purchase(&self, id: &str, process: &str, state: &str, price: &str, age: i64) {
        let at = now() - age * DAY;
        self.run(format!(
            "INSERT INTO spending (id, principal, account, process, tool, model, currency, estimate, state, created_at,
                                   updated_at)
             VALUES ('{id}', 'local', 'a', '{process}', 't', 'm', 'USD', {price}, '{state}', {at}, {at})"
        ))
        .await;
    }

    async fn ids(&self, table: &str) -> Vec<String> {
        let sql = format!("SELECT id FROM {table} ORDER BY id");
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(self.store.sqlite()).await.unwrap()
    }

    async fn prune(&self, rules: &Retention) -> Pruned {
        let counted = self.store.prune(rules, now(), true).await.unwrap();
        let before = self.ids("jobs").await.len();
        let pruned = self.store.prune(rules, now(), false).await.unwrap();
        let after = self.ids("jobs").await.len();
        assert_eq!(pruned.jobs, (before - after) as u64);
        assert_eq!(Pruned { purchases: None, ..pruned.clone() }, counted, "a dry run says what will happen");
        pruned
    }
}

fn done() -> Value {
    json!({ "at": "done" })
}

fn task() -> Value {
    json!({ "route": "video_v1", "id": "1" })
}

#[tokio::test]
async fn expired_jobs_are_removed_and_jobs_that_may_still_matter_are_kept() {
    let stage = Stage::new().await;
    let (base, out) = (stage.base(), stage.base());
    for name in ["a", "b"] {
        std::fs::write(base.join(name), name).unwrap();
    }
    let (a, b) = (base.join("a"), base.join("b"));
    let saved = [(a.as_path(), true), (b.as_path(), true)];
    let missing = [(a.as_path(), true), (b.as_path(), false)];
    let failed = json!({ "at": "failed", "failure": { "message": "", "blame": "caller", "advice": "" } });
    let cancelled = json!({ "at": "cancelled", "at_minimax": true });
    let running = json!({ "at": "running", "task": task(), "word": "Queueing" });
    let lost = json!({ "at": "unknown", "why": "" });
    let partial = json!({ "at": "done", "partial": true });
    let missing_alone = [(b.as_path(), false)];
    for (id, state, files, folder, age) in [
        ("gone-links", done(), missing_alone.as_slice(), None, 91),
        ("gone-failed", failed, &missing_alone, Some(&*out), 91),
        ("gone-cancelled", cancelled, &missing_alone, Some(&*out), 91),
        ("kept-open", running, &missing, Some(&*out), 400),
        ("kept-unknown", lost, &missing, Some(&*out), 400),
        ("kept-undelivered", partial, &missing, Some(&*out), 400),
        ("kept-unreadable", done(), &saved, Some(&*out), 400),
        ("kept-young", done(), &saved, Some(&*out), 89),
    ] {
        stage.add(&Made { id, state, files, folder, age }).await;
    }
    stage.run("UPDATE jobs SET body = '{' WHERE id = 'kept-unreadable'".to_owned()).await;
    let gone = stage.add_saved("gone-saved", 5, 91).await;
    let nothing = stage.prune(&stage.rules(None, None)).await;
    assert_eq!(
        (stage.ids("jobs").await.len(), nothing),
        (9, Pruned::default()),
        "without a rule everything stays"
    );
    let pruned = stage.prune(&stage.rules(Some(90), None)).await;
    let left = stage.ids("jobs").await;
    assert_eq!(left, ["kept-open", "kept-undelivered", "kept-unknown", "kept-unreadable", "kept-young"]);
    assert_eq!((pruned.jobs, pruned.files, pruned.bytes, pruned.files_kept), (4, 1, 5, 0));
    assert!(!gone.exists() && a.exists() && b.exists());
}

/// MiniMax knows a task for seven days. The owners of files and voices stay.
#[tokio::test]
async fn the_owner_of_a_task_is_removed_with_its_job_unless_minimax_still_knows_the_task() {
    use crate::store::{Owner, RemoteKind};

    let stage = Stage::new().await;
    let done = |id: &str| json!({ "at": "done", "task": { "route": "video_v1", "id": id } });
    for (id, task, age) in [("old", "007", 20), ("young", "8", 7), ("again", "9", 20)] {
        stage.add(&Made { id, state: done(task), files: &[], folder: None, age }).await;
    }
    stage.store.record_upload("local", "a", "7").await.unwrap();
    // A later purchase of another has the task's id now.
    let later =
        "UPDATE remote_ids SET principal = 'ada', created_at = created_at + 1000000000000 WHERE id = '9'";
    stage.run(later.to_owned()).await;
    let owner = async |kind, id| {
        let owners = stage.store.owners("local", "a", kind, &[id]).await.unwrap();
        owners.get(id).copied()
    };
    assert_eq!(owner(RemoteKind::Task, "007").await, Some(Owner::Principal));
    // A limit of bytes removes jobs that are younger than their tasks; here the rule of time does it.
    stage
        .run(
            "UPDATE jobs SET updated_at = 0, body = json_set(body, '$.updated_at', 0) WHERE id = 'young'"
                .to_owned(),
        )
        .await;
    stage.prune(&stage.rules(Some(1), None)).await;
    assert!(stage.ids("jobs").await.is_empty());
    assert_eq!(owner(RemoteKind::Task, "007").await, None);
    assert_eq!(owner(RemoteKind::Task, "8").await, Some(Owner::Principal));
    assert_eq!(owner(RemoteKind::Task, "9").await, Some(Owner::Another));
    assert_eq!(owner(RemoteKind::File, "7").await, Some(Owner::Principal));
}

#[tokio::test]
async fn files_stay_if_the_caller_chose_their_folder_or_the_setting_keeps_them_or_they_were_changed() {
    let stage = Stage::new().await;
    let chosen = stage.base().join("chosen");
    let outside = stage.dir.path().join("outside");
    for folder in [&chosen, &outside] {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("a"), "a").unwrap();
        let file = folder.join("a");
        let id = folder.file_name().unwrap().to_str().unwrap();
        let files = [(file.as_path(), true)];
        stage.add(&Made { id, state: done(), files: &files, folder: Some(folder), age: 9 }).await;
    }
    let changed = stage.add_saved("changed", 5, 9).await;
    let gone = stage.add_saved("gone", 5, 9).await;
    std::fs::write(&changed, "edited").unwrap();
    std::fs::remove_file(&gone).unwrap();
    let pruned = stage.prune(&stage.rules(Some(8), None)).await;
    assert!(stage.ids("jobs").await.is_empty());
    assert_eq!((pruned.files, pruned.files_kept), (0, 2));
    assert_eq!(pruned.files_changed, std::slice::from_ref(&changed));
    assert!(chosen.join("a").exists() && outside.join("a").exists() && changed.exists());
    let kept = stage.add_saved("kept", 5, 9).await;
    stage.prune(&Retention { keeps_files: true, ..stage.rules(Some(8), Some(1)) }).await;
    assert!(stage.ids("jobs").await.is_empty() && kept.exists());
}

#[tokio::test]
async fn a_job_is_kept_while_the_folder_of_its_files_is_unavailable() {
    let stage = Stage::new().await;
    stage.add_saved("a", 5, 9).await;
    let rules = stage.rules(Some(8), Some(1));
    let away = stage.dir.path().join("away");
    std::fs::rename(stage.base(), &away).unwrap();
    let pruned = stage.store.prune(&rules, now(), false).await.unwrap();
    assert_eq!((pruned.jobs, pruned.jobs_failed, stage.ids("jobs").await.len()), (0, 1, 1));
    std::fs::rename(&away, &rules.base).unwrap();
    assert_eq!(stage.store.prune(&rules, now(), false).await.unwrap().files, 1);
}

#[tokio::test]
async fn above_the_limit_of_bytes_the_oldest_jobs_are_removed_except_those_of_the_last_hour() {
    let stage = Stage::new().await;
    for (id, bytes, age) in [("a", 300, 5), ("b", 300, 4), ("c", 300, 3), ("d", 300, 2), ("new", 300, 0)] {
        stage.add_saved(id, bytes, age).await;
    }
    // An older job whose removal frees nothing.
    let links = [(Path::new("e"), false)];
    stage.add(&Made { id: "links", state: done(), files: &links, folder: None, age: 9 }).await;
    assert_eq!(stage.prune(&stage.rules(None, Some(1500))).await.jobs, 0, "it fits");
    let pruned = stage.prune(&stage.rules(None, Some(1000))).await;
    assert_eq!((pruned.jobs, pruned.files, pruned.bytes), (2, 2, 600));
    assert_eq!(stage.ids("jobs").await, ["c", "d", "links", "new"]);
    stage.prune(&stage.rules(None, Some(1))).await;
    assert_eq!(stage.ids("jobs").await, ["links", "new"]);
    assert!(stage.base().join("new").exists() && !stage.base().join("c").exists());
}

#[tokio::test]
async fn both_limits_together_count_each_job_once() {
    let stage = Stage::new().await;
    for (id, age) in [("a", 20), ("b", 10), ("c", 9), ("d", 8)] {
        stage.add_saved(id, 100, age).await;
    }
    // Its record is removed and no longer counted, although its file stays.
    std::fs::write(stage.base().join("a"), "edited").unwrap();
    let pruned = stage.prune(&stage.rules(Some(15), Some(250))).await;
    assert_eq!((pruned.jobs, pruned.bytes), (2, 100));
    assert_eq!(stage.ids("jobs").await, ["c", "d"]);
}

#[tokio::test]
async fn the_record_of_a_task_stays_for_as_long_as_minimax_knows_it() {
    let stage = Stage::new().await;
    let with_task = json!({ "at": "cancelled", "at_minimax": false, "task": task() });
    for (id, age) in [("gone", 9), ("kept", 7)] {
        stage.add(&Made { id, state: with_task.clone(), files: &[], folder: None, age }).await;
    }
    let cancelled = json!({ "at": "cancelled", "at_minimax": false });
    stage.add(&Made { id: "gone-too", state: cancelled, files: &[], folder: None, age: 7 }).await;
    stage.prune(&stage.rules(Some(1), None)).await;
    assert_eq!(stage.ids("jobs").await, ["kept"]);
}

#[tokio::test]
async fn the_key_of_a_removed_job_buys_nothing_for_its_owner_and_is_free_for_others() {
    let stage = Stage::new().await;
    stage.add_saved("a", 5, 9).await;
    let old = stage.store.get("local", "a").await.unwrap().unwrap();
    stage.prune(&stage.rules(Some(8), None)).await;
    let removed = stage.store.removed("local", "a").await.unwrap().unwrap();
    assert_eq!(removed.id, "a");
    assert_eq!(stage.store.removed("somebody else", "a").await.unwrap(), None);
    let again = crate::store::Job { id: "again".to_owned(), ..old.clone() };
    let inserted = stage.store.insert(&again, None).await.unwrap();
    assert!(matches!(inserted, crate::store::Inserted::Removed(job) if job == removed));
    let other = crate::store::Job { principal: "somebody else".to_owned(), ..again };
    let inserted = stage.store.insert(&other, None).await.unwrap();
    assert!(matches!(inserted, crate::store::Inserted::New));
    // After a year it is forgotten.
    stage.store.prune(&stage.rules(None, None), now() + 366 * DAY, false).await.unwrap();
    assert_eq!(stage.store.removed("local", "a").await.unwrap(), None);
}

#[tokio::test]
async fn a_job_that_another_process_works_on_stays_and_two_sweeps_remove_a_job_once() {
    let stage = Stage::new().await;
    stage.add_saved("leased", 5, 9).await;
    stage.run(format!("UPDATE jobs SET lease_owner = 'you', lease_until = {}", now() + 5_000)).await;
    stage.add_saved("free", 5, 9).await;
    let rules = stage.rules(Some(8), None);
    let other = Store::open(&stage.dir.path().join("data"), "other".to_owned()).await.unwrap();
    let (one, two) = tokio::join!(stage.store.prune(&rules, now(), false), other.prune(&rules, now(), false));
    assert_eq!(one.unwrap().jobs + two.unwrap().jobs, 1);
    assert_eq!(stage.ids("jobs").await, ["leased"]);
}

#[tokio::test]
async fn the_spending_of_a_process_counts_even_after_its_rows_are_removed() {
    let stage = Stage::new().await;
    let lost = json!({ "at": "unknown", "why": "" });
    stage.add(&Made { id: "with-job", state: lost, files: &[], folder: None, age: 400 }).await;
    for (id, process, state, price, age) in [
        ("with-job", "me", "unknown", "1", 400),
        ("old-settled", "me", "settled", "10", 91),
        ("old-unknown", "me", "unknown", "100", 91),
        ("old-unpriced", "me", "settled", "NULL", 91),
        ("old-released", "me", "released", "1000", 91),
        ("old-reserved", "me", "reserved", "10000", 91),
        ("old-other", "you", "settled", "7", 91),
        ("young", "me", "settled", "100000", 1),
    ] {
        stage.add_purchase(id, process, state, price, age).await;
    }
    let store = &stage.store;
    let mut connection = store.readers().acquire().await.unwrap();
    let before = store.spent_by_this_process(&mut connection, Currency::Usd, None).await.unwrap();
    assert_eq!(before.total, Money::from_millionths(110_111, Currency::Usd));
    // If rows were kept for less than the window of the daily budgets, the budgets could be exceeded.
    let rules = stage.rules(Some(0), None);
    store.prune(&rules, now(), false).await.unwrap();
    assert_eq!(stage.ids("spending").await, ["old-reserved", "with-job", "young"]);
    for account in [None, Some("a")] {
        let spent = store.spent_by_this_process(&mut connection, Currency::Usd, account).await.unwrap();
        assert_eq!(spent, before);
    }
    store.prune(&rules, now(), false).await.unwrap();
    assert_eq!(store.spent_by_this_process(&mut connection, Currency::Usd, None).await.unwrap(), before);
}

#[tokio::test]
async fn the_spending_of_a_day_counts_even_after_its_job_is_removed() {
    let stage = Stage::new().await;
    stage.add_saved("a", 500, 0).await;
    stage.add_purchase("a", "me", "settled", "10", 0).await;
    stage.add_saved("b", 500, 3).await;
    let spent = async || stage.store.spent_by("a", "local", Currency::Usd).await.unwrap().total;
    let before = spent().await;
    assert_eq!(before, Money::from_millionths(10, Currency::Usd));
    // Two hours later both are over the limit.
    stage.store.prune(&stage.rules(None, Some(1)), now() + 2 * 3_600_000, false).await.unwrap();
    assert!(stage.ids("jobs").await.is_empty());
    assert_eq!(spent().await, before);
}

#[tokio::test]
async fn conversations_are_kept_no_longer_than_jobs() {
    let stage = Stage::new().await;
    for (id, age) in [("a", 31), ("b", 20), ("c", 1)] {
        let at = now() - age * DAY;
        stage
            .run(format!("INSERT INTO conversations VALUES ('{id}', 'local', '', '', 1, '', 0, {at}, {at})"))
            .await;
    }
    assert_eq!(stage.prune(&stage.rules(None, None)).await.conversations, 1);
    assert_eq!(stage.prune(&stage.rules(Some(10), None)).await.conversations, 1);
    assert_eq!(stage.ids("conversations").await, ["c"]);
}

#[tokio::test]
async fn many_rows_go_in_batches_by_an_index_and_their_pages_are_used_again() {
    let stage = Stage::new().await;
    let cancelled = json!({ "at": "cancelled", "at_minimax": true });
    stage.add(&Made { id: "first", state: cancelled, files: &[], folder: None, age: 91 }).await;
    stage
        .run(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 230)
             INSERT INTO jobs (id, principal, account, kind, status, is_open, search, body, created_at, updated_at)
             SELECT 'x' || i, principal, account, kind, status, 0, '',
                    json_set(body, '$.id', 'x' || i, '$.prompt', printf('%.9000c', 'x')), created_at, updated_at
             FROM jobs, n"
                .to_owned(),
        )
        .await;
    assert_eq!(stage.prune(&stage.rules(Some(90), None)).await.jobs, 231);
    let free: i64 =
        sqlx::query_scalar("PRAGMA freelist_count").fetch_one(stage.store.sqlite()).await.unwrap();
    assert!(free > 400, "{free} pages");
    let ended = format!("{ENDED} ORDER BY updated_at, id LIMIT 50");
    let stored = format!("{ENDED} AND bytes > 0 AND folder = 'x' ORDER BY updated_at, id LIMIT 50");
    let sum = "SELECT SUM(bytes) FROM jobs WHERE folder = ?1 AND bytes > 0".to_owned();
    let expired = [
        (CONVERSATIONS, "id", "updated_at"),
        (ANSWERS, "rowid", "created_at"),
        (REMOVED_JOBS, "id", "removed_at"),
    ];
    let expired = expired.map(|(table, id, time)| super::expired(table, id, time));
    for sql in [ended, stored, sum, OLD_SPENDING.to_owned()].into_iter().chain(expired) {
        let plan = format!("EXPLAIN QUERY PLAN {}", sql.replace(" FOR UPDATE SKIP LOCKED", ""));
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(sqlx::AssertSqlSafe(plan))
            .bind(1)
            .bind(0)
            .fetch_all(stage.store.sqlite())
            .await
            .unwrap();
        let steps: Vec<_> = plan.into_iter().map(|(.., step)| step).collect();
        assert!(
            !steps.iter().any(|step| step.starts_with("SCAN")
                && !step.contains("INDEX")
                && !step.contains("VIRTUAL")
                && !step.contains("json_each")),
            "{sql}: {steps:?}"
        );
    }
}
