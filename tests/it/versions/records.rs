//! Records written by released versions: `fixtures/records-VERSION.sqlite3`, each with a description of its content.
//!
//! The version in the name writes the fixture once, and it never changes after that:
//! `cargo test --test it versions::records::writes_the_records_of_this_version -- --ignored`

use std::fs;
use std::path::{Path, PathBuf};

use minimax_mcp::sandbox::{Act, Options, Pace, Rule, Sandbox};
use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::now;
use crate::crash::{Victim, command, until};
use crate::harness::quick;
use crate::http_attack::stage::{ADA, BOB, Process, get, post, request};
use crate::voice::wav;

/// Placeholders for the folder and for MiniMax in a fixture.
const DIR: &str = "@DIR@";
const API: &str = "@API@";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures")
}

async fn connect(database: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite://{}", database.display())).await.unwrap()
}

/// Replaces a text everywhere in the records.
async fn replace(connection: &mut SqliteConnection, from: &str, to: &str) {
    let owners = owners_of(connection).await;
    for (table, column) in [
        ("jobs", "body"),
        ("jobs", "account"),
        ("answers", "body"),
        ("answers", "account"),
        ("spending", "account"),
        (owners, "account"),
        ("conversations", "body"),
    ] {
        let sql = format!("UPDATE {table} SET {column} = replace({column}, ?1, ?2)");
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(from).bind(to);
        query.execute(&mut *connection).await.unwrap();
    }
}

/// A path, escaped for a JSON string.
fn escaped(path: &Path) -> String {
    let text = json!(path.display().to_string()).to_string();
    text.trim_matches('"').to_owned()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn job_of(view: &Value) -> String {
    view["job_id"].as_str().unwrap_or_else(|| panic!("{view}")).to_owned()
}

/// Makes a call without waiting for its response.
fn leave(program: &Process, tool: &str, arguments: Value) -> crate::http_attack::stage::Socket {
    let mut socket = program.connect();
    let call = json!({ "name": tool, "arguments": arguments });
    socket.say(post("/mcp", ADA, &request("tools/call", call)));
    socket
}

#[test]
#[ignore = "writes a file of the repository, once for each version"]
fn writes_the_records_of_this_version() {
    let runtime = runtime();
    let options = Options { pace: quick(), ..Options::default() };
    let sandbox = runtime.block_on(Sandbox::start(options)).unwrap();
    let dir = tempfile::Builder::new().prefix("records-").tempdir().unwrap();
    for folder in ["out", "home", "inputs"] {
        fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    let program = Process::start(&sandbox.url(), dir.path(), &[]);
    let fails = |path: &str, act| sandbox.script(vec![Rule::once(path, act)]);
    let picture =
        |prompt: &str| json!({ "prompt": prompt, "width": 512, "height": 512, "idempotency_key": prompt });
    let mut jobs = serde_json::Map::new();
    let mut note = |id: String, status: &str, principal: &str| {
        jobs.insert(id, json!({ "status": status, "principal": principal }));
    };

    let made = program.make(ADA, "text_to_image", picture("A red door"));
    let url = made["files"][0]["download_url"].as_str().unwrap();
    let link = url[url.find("/files/").unwrap()..].to_owned();
    note(job_of(&made), "succeeded", "ada");
    let made =
        program.make(BOB, "text_to_audio", json!({ "text": "Good morning.", "idempotency_key": "speech" }));
    note(job_of(&made), "succeeded", "bob");
    fails("/v1/image_generation", Act::Refuse { code: 1026, message: None, retry_after: None });
    let failed = program.call(ADA, "text_to_image", picture("Refused"));
    note(job_of(&failed["result"]["structuredContent"]), "failed", "ada");
    fails("/v1/image_generation", Act::ResetAfter);
    let unknown = program.call(ADA, "text_to_image", picture("Lost"));
    note(job_of(&unknown["result"]["structuredContent"]), "unknown", "ada");
    sandbox.set_pace(Pace { polls: 1, seconds: 600.0, ..quick() });
    let video = |prompt: &str| json!({ "prompt": prompt, "wait_seconds": 0, "idempotency_key": prompt });
    let cancelled = job_of(&program.make(ADA, "generate_video", video("A hen")));
    let has_task = |id: &str| {
        let view = program.make(ADA, "get_job", json!({ "job_id": id, "wait_seconds": 0 }));
        view["task_id"].is_string()
    };
    until("its task", || has_task(&cancelled));
    program.make(ADA, "cancel_job", json!({ "job_id": cancelled }));
    note(cancelled, "cancelled", "ada");
    let running = job_of(&program.make(ADA, "generate_video", video("A goose")));
    until("its task", || has_task(&running));
    note(running, "running", "ada");

    let said = program.make(ADA, "chat", json!({ "prompt": "Good morning" }));
    let conversation = said["conversation_id"].as_str().unwrap().to_owned();
    let unheard = json!({ "prompt": "Hello, whom nobody heard" });
    let every = |act: Act| sandbox.script(vec![Rule::always("/", act)]);
    every(Act::Delay { ms: 1_000 });
    let before = sandbox.requests().len();
    let socket = leave(&program, "chat", unheard.clone());
    until("it is asked", || sandbox.requests().len() > before);
    drop(socket);
    until("its answer is kept", || program.log().contains("a caller left before the answer came"));
    sandbox.script(Vec::new());

    let talk = wav(&dir.path().join("inputs/me.wav"), 12);
    let mut local = Victim::start(command(&sandbox.url(), dir.path(), &[])).ready();
    let sent = local.call("upload_file", json!({ "file": talk, "purpose": "voice_clone" }));
    assert_ne!(sent["isError"], true, "{sent}");
    local.kill();

    let open = |word: &str| {
        let jobs = program.make(ADA, "list_jobs", json!({ "query": word }))["jobs"].clone();
        jobs.as_array().filter(|jobs| !jobs.is_empty()).map(|jobs| job_of(&jobs[0]))
    };
    fails("/v1/image_generation", Act::Stall);
    let before = sandbox.requests().len();
    let _leaving = leave(&program, "text_to_image", picture("On its way"));
    until("it is on its way", || sandbox.requests().len() > before);
    note(open("On its way").unwrap(), "submitting", "ada");
    let busy = Act::Refuse { code: 1002, message: None, retry_after: Some(600) };
    sandbox.script(vec![Rule::always("/v1/t2a_v2", busy)]);
    let before = sandbox.requests().len();
    let _waiting = leave(&program, "text_to_audio", json!({ "text": "In line.", "idempotency_key": "line" }));
    until("it is refused", || sandbox.requests().len() > before);
    until("it is in line", || open("In line").is_some() && program.log().contains("it is sent again"));
    std::thread::sleep(std::time::Duration::from_millis(500));
    note(open("In line").unwrap(), "in line", "ada");
    drop(program);

    let database = dir.path().join("data/jobs.sqlite3");
    runtime.block_on(async {
        let mut connection = connect(&database).await;
        replace(&mut connection, &escaped(dir.path()), DIR).await;
        replace(&mut connection, &sandbox.url(), API).await;
        for tidy in ["PRAGMA journal_mode = DELETE", "VACUUM"] {
            sqlx::query(tidy).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
    });
    let version = env!("CARGO_PKG_VERSION");
    let about = json!({ "jobs": jobs, "link": link, "conversation": conversation, "unheard": unheard });
    fs::create_dir_all(fixtures()).unwrap();
    fs::copy(&database, fixtures().join(format!("records-{version}.sqlite3"))).unwrap();
    let text = serde_json::to_string_pretty(&about).unwrap() + "\n";
    fs::write(fixtures().join(format!("records-{version}.json")), text).unwrap();
}

#[test]
fn records_of_every_released_version_are_opened_and_nothing_in_them_is_lost_or_bought_again() {
    if crate::postgres::leaves_out("earlier forms of SQLite's file") {
        return;
    }
    let files = fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path());
    let databases: Vec<_> = files.filter(|path| path.extension().is_some_and(|it| it == "sqlite3")).collect();
    assert!(!databases.is_empty());
    for database in databases {
        opens(&database);
    }
}

fn opens(fixture: &Path) {
    let at = fixture.display();
    let about = fs::read_to_string(fixture.with_extension("json")).unwrap();
    let about: Value = serde_json::from_str(&about).unwrap();
    let runtime = runtime();
    let options = Options { pace: quick(), ..Options::default() };
    let sandbox = runtime.block_on(Sandbox::start(options)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for folder in ["out", "home", "data"] {
        fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    let database = dir.path().join("data/jobs.sqlite3");
    fs::copy(fixture, &database).unwrap();
    let known = about["jobs"].as_object().unwrap();
    let in_line: Vec<_> =
        known.iter().filter(|(_, job)| job["status"] == "in line").map(|(id, _)| id).collect();
    // Rewrite the records as if everything had just happened in this folder.
    let (spent, files, purchases) = runtime.block_on(async {
        let mut connection = connect(&database).await;
        replace(&mut connection, DIR, &escaped(dir.path())).await;
        replace(&mut connection, API, &sandbox.url()).await;
        for sql in [
            "UPDATE spending SET created_at = ?1",
            "UPDATE conversations SET updated_at = ?1",
            "UPDATE answers SET created_at = ?1",
        ] {
            sqlx::query(sql).bind(now()).execute(&mut connection).await.unwrap();
        }
        let spent = "SELECT sum(coalesce(actual, estimate)) FROM spending
                     WHERE state <> 'released' AND id NOT IN (SELECT value FROM json_each(?1))";
        let spent =
            sqlx::query(spent).bind(json!(in_line).to_string()).fetch_one(&mut connection).await.unwrap();
        let spent: i64 = spent.get(0);
        let owners = owners_of(&mut connection).await;
        let files = counted(&mut connection, owners).await;
        let purchases = counted(&mut connection, "spending").await;
        for table in ["jobs", "spending", "conversations", "answers", "secrets", owners] {
            assert!(counted(&mut connection, table).await > 0, "{at}: {table} is empty");
        }
        connection.close().await.unwrap();
        (spent, files, purchases)
    });

    let program = Process::start(&sandbox.url(), dir.path(), &[]);
    for (token, name) in [(ADA, "ada"), (BOB, "bob")] {
        let list = program.make(token, "list_jobs", json!({ "limit": 50 }));
        let list = list["jobs"].as_array().unwrap();
        let mut ids: Vec<_> = list.iter().map(job_of).collect();
        let mut own: Vec<_> =
            known.iter().filter(|(_, job)| job["principal"] == name).map(|(id, _)| id).collect();
        ids.sort();
        own.sort();
        assert!(ids.iter().eq(own.iter().copied()), "{at}: {name} has {ids:?}, not {own:?}");
        for id in own {
            let status = || {
                let list = program.make(token, "list_jobs", json!({ "limit": 50 }));
                let list = list["jobs"].as_array().unwrap().clone();
                list.into_iter().find(|job| job["job_id"] == **id).unwrap()["status"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            };
            match known[id]["status"].as_str().unwrap() {
                // The sandbox does not know the task.
                "running" => assert!(["running", "unknown"].contains(&status().as_str()), "{at}: {id}"),
                "submitting" => until("it may have been bought", || status() == "unknown"),
                "in line" => until("it was not bought", || status() == "failed"),
                settled => assert_eq!(status(), settled, "{at}: {id}"),
            }
        }
    }
    let account = program.make(ADA, "check_account", json!({}));
    let total = account["spending"][0]["last_day"]["total"].as_f64().unwrap();
    let spent = f64::from(i32::try_from(spent).unwrap()) / 1e6;
    assert!((total - spent).abs() < 1e-9, "{at}: {total} of {spent}: {account}");
    // The key for signed links is the same, so an expired link is not reported as a foreign one.
    assert_eq!(program.ask(get(about["link"].as_str().unwrap(), "")).unwrap().status, 410, "{at}");
    let heard = program.make(ADA, "chat", about["unheard"].clone());
    assert!(heard.to_string().contains("whose client left before it arrived"), "{at}: {heard}");
    assert_eq!(sandbox.paid().len(), 0, "{at}: nothing is bought again");
    let on = json!({ "prompt": "And now?", "conversation_id": about["conversation"] });
    program.make(ADA, "chat", on);
    assert_eq!(sandbox.paid().len(), 1, "{at}");
    drop(program);
    runtime.block_on(async {
        let mut connection = connect(&database).await;
        let whole = sqlx::query("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
        assert_eq!(whole.get::<String, _>(0), "ok", "{at}");
        assert!(counted(&mut connection, "remote_ids").await >= files, "{at}: an owner is forgotten");
        assert_eq!(counted(&mut connection, "spending").await, purchases + 1, "{at}");
        let jobs = usize::try_from(counted(&mut connection, "jobs").await).unwrap();
        assert_eq!(jobs, known.len(), "{at}");
    });
}

/// The table of remote ids, which was called `remote_files` before it had tasks and voices.
async fn owners_of(connection: &mut SqliteConnection) -> &'static str {
    let older = "SELECT count(*) FROM sqlite_schema WHERE name = 'remote_files'";
    let older: i64 = sqlx::query(older).fetch_one(connection).await.unwrap().get(0);
    if older > 0 { "remote_files" } else { "remote_ids" }
}

async fn counted(connection: &mut SqliteConnection, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(connection).await.unwrap().get(0)
}
