//! Two versions of the program on one data folder: one after the other, in both orders, and at the same time.
//!
//! A later version is simulated by what it would leave: one more migration with a column and a table, and fields and
//! states in the records that this version does not know. An earlier version is simulated by records that lack the
//! last migration, and by `fixtures`, which released versions have written.

mod records;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use minimax_mcp::sandbox::{Act, Pace, Rule};
use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _, SqliteConnection};

use crate::crash::until;
use crate::crash_promises::{delivered, listed};
use crate::harness::quick;
use crate::http_attack::stage::{Process, get};
use crate::storage::Stage;

/// The statements of a later version at its start and for its first writes.
const MIGRATION: &[&str] = &[
    "ALTER TABLE jobs ADD COLUMN weight INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE jobs ADD COLUMN note TEXT",
    "ALTER TABLE spending ADD COLUMN part REAL NOT NULL DEFAULT 0.5",
    "CREATE TABLE shelves (id TEXT PRIMARY KEY NOT NULL, job TEXT NOT NULL) STRICT",
    "CREATE INDEX jobs_by_weight ON jobs (weight, created_at)",
    "INSERT INTO shelves VALUES ('one', 'two')",
    "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
     VALUES (9999, 'of the future', 1, x'00', 0)",
];

/// Two open jobs, one of an unknown kind and one in an unknown state, each leased to a later version.
const LATER_JOBS: &str = "
    INSERT INTO jobs (id, principal, account, kind, status, is_open, task_id, search, body, lease_owner, lease_until,
                      created_at, updated_at)
    SELECT 'later-' || value, jobs.principal, jobs.account, 'dream', 'dreaming', 1, 'dream-' || value, 'a dream',
           CASE value WHEN 'kind' THEN json_set(body, '$.id', 'later-kind', '$.kind', 'dream')
                      ELSE json_set(body, '$.id', 'later-state', '$.state', json('{\"at\":\"dreaming\",\"of\":[1]}')) END,
           'later', ?1, jobs.created_at + 1, jobs.updated_at
    FROM (SELECT * FROM jobs LIMIT 1) AS jobs, json_each('[\"kind\", \"state\"]')";

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn image(prompt: &str) -> Value {
    json!({ "prompt": prompt, "width": 512, "height": 512, "wait_seconds": 60 })
}

impl Stage {
    async fn connect(&self) -> SqliteConnection {
        SqliteConnection::connect(&format!("sqlite://{}", self.database().display())).await.unwrap()
    }

    /// Runs statements as another program would do.
    fn run(&self, statements: &[&'static str]) {
        for statement in statements {
            self.sql(statement);
        }
    }

    fn rows(&self, sql: &'static str) -> Vec<String> {
        self.runtime.block_on(async {
            let mut connection = self.connect().await;
            let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        })
    }
}

#[test]
fn a_newer_program_that_starts_beside_an_older_one_breaks_none_of_its_paid_jobs() {
    if crate::postgres::leaves_out("earlier forms of SQLite's file") {
        return;
    }
    let stage = Stage::new();
    stage.cell.sandbox.set_pace(Pace { polls: 1, seconds: 3.0, ..quick() });
    let mut older = stage.program();
    let video = older.call("generate_video", json!({ "prompt": "A hen", "wait_seconds": 0 }));
    let video = video["structuredContent"]["job_id"].clone();
    stage.cell.sandbox.script(vec![Rule::once("/v1/image_generation", Act::Delay { ms: 2_000 })]);
    let arguments = json!({ "name": "text_to_image", "arguments": image("On its way") });
    let leaving = older.program.post("tools/call", arguments);
    let asked = || stage.cell.sandbox.requests().iter().any(|it| it.path.starts_with("/v1/image_generation"));
    until("the image is ordered", asked);

    stage.run(MIGRATION);
    // The later version still holds one lease; the other has expired.
    stage.runtime.block_on(async {
        let mut connection = stage.connect().await;
        sqlx::query(LATER_JOBS).bind(now() + 20_000).execute(&mut connection).await.unwrap();
        let over = "UPDATE jobs SET lease_until = 1 WHERE id = 'later-kind'";
        sqlx::query(over).execute(&mut connection).await.unwrap();
    });
    let later = "SELECT body || status || is_open FROM jobs WHERE id LIKE 'later-%' ORDER BY id";
    let before = stage.rows(later);

    let made = older.program.answer(leaving)["result"]["structuredContent"].clone();
    assert_eq!(delivered(&made, "what was on its way"), 1, "{made}");
    let made =
        older.call("get_job", json!({ "job_id": video, "wait_seconds": 60 }))["structuredContent"].clone();
    assert_eq!(delivered(&made, "what was under way"), 1, "{made}");
    let mut order = image("Ordered afterwards");
    order["idempotency_key"] = json!("later");
    for _ in 0..2 {
        let made = older.call("text_to_image", order.clone())["structuredContent"].clone();
        assert_eq!(delivered(&made, "ordered afterwards"), 1, "{made}");
    }
    let said = older.call("chat", json!({ "prompt": "Hello" }))["structuredContent"].clone();
    let on = json!({ "prompt": "And now?", "conversation_id": said["conversation_id"] });
    assert_ne!(older.call("chat", on)["isError"], true);
    // The older version neither lists nor changes what it cannot read, and names the later version.
    assert_eq!(listed(&mut older).len(), 3);
    for id in ["later-kind", "later-state"] {
        let told = older.call("get_job", json!({ "job_id": id, "wait_seconds": 0 }));
        let said = told["content"][0]["text"].as_str().unwrap_or_default();
        assert!(told["isError"] == true && said.contains("newer minimax-mcp"), "{id}: {told}");
    }
    // Wait for two searches for orphaned jobs.
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(stage.rows(later), before);
    let lease = "SELECT lease_owner FROM jobs WHERE id = 'later-state'";
    assert_eq!(stage.rows(lease), ["later"], "its process lives");
    assert_eq!(stage.rows("SELECT id || job FROM shelves"), ["onetwo"]);
    assert_eq!(stage.bought(), 5);

    // Another older program does not start, on stdio or over HTTP, and changes nothing.
    older.kill();
    let all = "SELECT body FROM jobs UNION ALL SELECT state || id FROM spending ORDER BY 1";
    let before = stage.rows(all);
    let mut next = stage.program();
    let told = next.call("text_to_image", image("Too old"));
    let said = told["content"][0]["text"].as_str().unwrap_or_default();
    assert!(told["isError"] == true && said.contains("update this one"), "{told}");
    let (url, dir) = (stage.cell.sandbox.url(), stage.cell.dir.path());
    let server = Process::start(&url, dir, &[]);
    assert_eq!(server.ask(get("/readyz", "")).unwrap().status, 503);
    drop(server);
    next.kill();
    assert_eq!((stage.rows(all), stage.bought()), (before, 5));
}

/// The records lack the last migration, and a live older program works on a video in them.
#[test]
fn a_newer_program_adopts_no_job_of_a_living_older_one() {
    if crate::postgres::leaves_out("earlier forms of SQLite's file") {
        return;
    }
    let stage = Stage::new();
    stage.cell.sandbox.set_pace(Pace { polls: 1, seconds: 1.0, ..quick() });
    let mut program = stage.program();
    let order = json!({ "prompt": "A hen", "wait_seconds": 0, "idempotency_key": "k" });
    let job = program.call("generate_video", order.clone())["structuredContent"]["job_id"].clone();
    let view = json!({ "job_id": job, "wait_seconds": 0 });
    until("its task", || program.call("get_job", view.clone())["structuredContent"]["task_id"].is_string());
    let older = program.program.child.id();
    program.kill();
    stage.run(&[
        "DROP TABLE spending_totals",
        "DROP INDEX jobs_ended",
        "DROP INDEX spending_by_age",
        "DELETE FROM _sqlx_migrations WHERE version = 9",
    ]);
    let lives = Arc::new(AtomicBool::new(true));
    let (alive, database) = (Arc::clone(&lives), stage.database());
    let (begun, has_begun) = std::sync::mpsc::channel();
    let heart = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let options = sqlx::sqlite::SqliteConnectOptions::new();
            let options = options.filename(database).busy_timeout(Duration::from_secs(20));
            let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
            while alive.load(Ordering::Relaxed) {
                let renew = "UPDATE jobs SET lease_owner = 'older', lease_until = ?1 WHERE is_open = 1";
                sqlx::query(renew).bind(now() + 6_000).execute(&mut connection).await.unwrap();
                let _ = begun.send(());
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
    });
    has_begun.recv().unwrap();
    let looks = || {
        let requests = stage.cell.sandbox.requests();
        let of_others = |agent: &str| !agent.ends_with(&format!(" {older}"));
        requests.iter().filter(|it| it.path.starts_with("/v1/query") && of_others(&it.agent)).count()
    };
    let mut newer = stage.program();
    let again = newer.call("generate_video", order.clone());
    assert_eq!(again["structuredContent"]["job_id"], job, "{again}");
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!((looks(), stage.bought()), (0, 1), "the older one lives");
    lives.store(false, Ordering::Relaxed);
    heart.join().unwrap();
    let made =
        newer.call("get_job", json!({ "job_id": job, "wait_seconds": 60 }))["structuredContent"].clone();
    assert_eq!(delivered(&made, "taken over"), 1, "{made}");
    assert_eq!(stage.bought(), 1);
    let migrated = stage.rows("SELECT name FROM sqlite_schema WHERE name = 'spending_totals'");
    assert_eq!(migrated, ["spending_totals"]);
}
