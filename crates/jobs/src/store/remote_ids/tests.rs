//! Who owns which id, also in databases of earlier versions.

use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{AssertSqlSafe, migrate::Migrator};

use super::super::migrations::SQLITE;
use super::*;
use crate::record::{Route, Task};

async fn store(dir: &tempfile::TempDir) -> Store {
    Store::open(dir.path(), "test".to_owned()).await.unwrap()
}

fn job(principal: &str, created_at: i64, state: &State) -> Job {
    let body = json!({
        "id": format!("{principal}-{created_at}"), "principal": principal, "kind": "voice", "tool": "voice_clone",
        "model": "", "account": "host", "prompt": "", "request": { "voice_id": "Voice001" }, "digest": "",
        "state": state, "created_at": created_at, "updated_at": created_at,
    });
    serde_json::from_value(body).unwrap()
}

fn leaving() -> State {
    State::Submitting { sent: true, held: None }
}

fn lost() -> State {
    State::Unknown { why: "reset".to_owned(), task: None }
}

async fn record(store: &Store, job: &Job) {
    let mut transaction = store.begin().await.unwrap();
    store.record_ids(&mut transaction, job).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn owner(store: &Store, principal: &str, kind: RemoteKind, id: &str) -> Owner {
    let owners = store.owners(principal, "host", kind, &[id]).await.unwrap();
    owners.get(id).copied().unwrap_or(Owner::Unknown)
}

async fn voice(store: &Store, principal: &str) -> Owner {
    owner(store, principal, RemoteKind::Voice, "Voice001").await
}

#[tokio::test]
async fn a_voice_is_reserved_while_its_request_is_under_way_and_owned_when_it_may_be_there() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let mut ada = job("ada", 1, &leaving());
    record(&store, &ada).await;
    assert_eq!((voice(&store, "ada").await, voice(&store, "bob").await), (Owner::Unknown, Owner::Another));
    // MiniMax refuses Bob's request, which says nothing about Ada's.
    let mut bob = job("bob", 2, &leaving());
    record(&store, &bob).await;
    bob.state = State::Submitting { sent: false, held: Some("no".to_owned()) };
    record(&store, &bob).await;
    assert_eq!(voice(&store, "bob").await, Owner::Another);
    ada.state = lost();
    record(&store, &ada).await;
    assert_eq!((voice(&store, "ada").await, voice(&store, "bob").await), (Owner::Principal, Owner::Another));
    // Later Ada's voice is deleted, and MiniMax makes a new one for Bob.
    bob.state = State::Fetching { task: None };
    bob.voice_id = Some("Voice001".to_owned());
    record(&store, &bob).await;
    record(&store, &ada).await;
    assert_eq!((voice(&store, "ada").await, voice(&store, "bob").await), (Owner::Another, Owner::Principal));
}

#[tokio::test]
async fn a_refused_request_leaves_no_owner() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let mut ada = job("ada", 1, &leaving());
    record(&store, &ada).await;
    ada.state = State::Submitting { sent: false, held: Some("no".to_owned()) };
    record(&store, &ada).await;
    assert_eq!((voice(&store, "ada").await, voice(&store, "bob").await), (Owner::Unknown, Owner::Unknown));
}

#[tokio::test]
async fn ids_are_compared_as_minimax_may_read_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let task = Task { route: Route::VideoV1, id: "0042".to_owned() };
    let mut ada = job("ada", 1, &State::Done { task: Some(task), partial: false });
    ada.voice_id = Some("AdasVoice".to_owned());
    ada.file_ids = vec!["7".to_owned()];
    record(&store, &ada).await;
    for (kind, id) in [
        (RemoteKind::Task, "42"),
        (RemoteKind::Task, "000042"),
        (RemoteKind::File, "7"),
        (RemoteKind::File, "07"),
        (RemoteKind::Voice, "AdasVoice"),
        (RemoteKind::Voice, " AdasVoice"),
    ] {
        assert_eq!(owner(&store, "ada", kind, id).await, Owner::Principal, "{id}");
        assert_eq!(owner(&store, "bob", kind, id).await, Owner::Another, "{id}");
    }
    // Voice ids are case-sensitive, so this one may belong to anyone, and Bob must not get it by guessing.
    assert_eq!(owner(&store, "ada", RemoteKind::Voice, "adasvoice").await, Owner::Unknown);
    assert_eq!(owner(&store, "bob", RemoteKind::Voice, "adasvoice").await, Owner::Another);
    assert_eq!(owner(&store, "bob", RemoteKind::Voice, "42").await, Owner::Unknown);
    assert_eq!(store.owners("ada", "another host", RemoteKind::File, &["7"]).await.unwrap().len(), 0);
}

#[tokio::test]
async fn an_adopted_task_stays_with_its_buyer() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let task = || Some(Task { route: Route::VideoV1, id: "42".to_owned() });
    record(&store, &job("ada", 1, &State::Fetching { task: task() })).await;
    let mut taken_over = job("local", 2, &State::Fetching { task: task() });
    taken_over.request = Value::Null;
    record(&store, &taken_over).await;
    assert_eq!(owner(&store, "ada", RemoteKind::Task, "42").await, Owner::Principal);
}

#[tokio::test]
async fn no_question_of_ownership_reads_every_job_or_every_id() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    for (sql, indexed) in [(FIND, "remote_ids_by_id"), (OTHERS, "INDEX jobs_by_")] {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "EXPLAIN QUERY PLAN {}",
            sql.replace("FROM ?1", "FROM json_each(?1)")
        )))
        .bind("[]")
        .bind("file")
        .bind("host")
        .bind(None::<&str>);
        let rows = rows.fetch_all(store.sqlite()).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| sqlx::Row::get(row, "detail")).collect();
        assert!(plan.iter().any(|step| step.contains(indexed)), "{sql}: {plan:?}");
        for table in ["jobs", "known", "remote_ids"] {
            assert!(!plan.iter().any(|step| step.starts_with(&format!("SCAN {table}"))), "{sql}: {plan:?}");
        }
    }
}

/// A data folder as an earlier release has left it.
async fn of_an_earlier_release(dir: &tempfile::TempDir) -> SqlitePool {
    let earlier = SQLITE.iter().filter(|step| step.version < 8).cloned().collect();
    let earlier = Migrator::with_migrations(earlier);
    let options = SqliteConnectOptions::new().filename(dir.path().join(Store::FILE)).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    earlier.run(&pool).await.unwrap();
    pool
}

#[tokio::test]
async fn records_of_an_earlier_release_give_the_owners_of_their_ids() {
    let dir = tempfile::tempdir().unwrap();
    let pool = of_an_earlier_release(&dir).await;
    sqlx::query("INSERT INTO remote_files VALUES ('host', '1', 'ada', 5)").execute(&pool).await.unwrap();
    for (id, principal, kind, status, task, body) in [
        (
            "a",
            "ada",
            "video",
            "succeeded",
            Some("10"),
            json!({ "request": {}, "files": [{ "file_id": "2" }, {}, 3] }),
        ),
        (
            "b",
            "bob",
            "video",
            "succeeded",
            Some("10"),
            json!({ "request": null, "files": [{ "file_id": 2 }] }),
        ),
        ("c", "ada", "voice", "succeeded", None, json!({ "request": {}, "voice_id": "Made0001" })),
        ("d", "ada", "voice", "unknown", None, json!({ "request": { "voice_id": "Lost0001" } })),
        ("e", "ada", "voice", "failed", None, json!({ "request": { "voice_id": "None0001" } })),
        ("f", "ada", "image", "succeeded", None, json!("no object")),
    ] {
        let row = sqlx::query(
            "INSERT INTO jobs (id, principal, account, kind, status, is_open, task_id, search, body, created_at, updated_at)
             VALUES (?1, ?2, 'host', ?3, ?4, 0, ?5, '', ?6, 1, 1)",
        );
        let row = row.bind(id).bind(principal).bind(kind).bind(status).bind(task).bind(body.to_string());
        row.execute(&pool).await.unwrap();
    }
    sqlx::query("UPDATE jobs SET body = '{garbled' WHERE id = 'f'").execute(&pool).await.unwrap();
    pool.close().await;
    let store = store(&dir).await;
    for (kind, id, mine) in [
        (RemoteKind::File, "1", true),
        (RemoteKind::File, "2", true),
        (RemoteKind::Task, "10", true),
        (RemoteKind::Voice, "Made0001", true),
        (RemoteKind::Voice, "Lost0001", true),
        (RemoteKind::Voice, "None0001", false),
    ] {
        let found = owner(&store, "ada", kind, id).await;
        assert_eq!(found == Owner::Principal, mine, "{id}: {found:?}");
        assert_eq!(owner(&store, "bob", kind, id).await == Owner::Another, mine, "{id}");
    }
}
