//! Several servers with one PostgreSQL: nothing is bought twice, budgets hold for all of them, and each answers for the
//! jobs of the others.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use minimax_mcp::sandbox::{Options, Pace, Sandbox};
use serde_json::{Value, json};
use sqlx::Row as _;

use crate::crash::{Victim, command, until};
use crate::harness::{Program, quick};
use crate::postgres;
use crate::webhook::Receiver;

/// Servers that share a database and a folder for results, each with a data folder of its own, as on machines of their own.
pub struct Fleet {
    pub runtime: tokio::runtime::Runtime,
    pub sandbox: Sandbox,
    pub dir: tempfile::TempDir,
    pub url: String,
}

impl Fleet {
    /// `None` without PostgreSQL.
    pub fn new(pace: Pace) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let url = postgres::database(dir.path())?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let sandbox = runtime.block_on(Sandbox::start(Options { pace, ..Options::default() })).unwrap();
        for folder in ["out", "home"] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        Some(Self { runtime, sandbox, dir, url })
    }

    pub fn replica(&self, name: &str, settings: &[(&str, &str)]) -> Victim {
        let data = self.dir.path().join(name).display().to_string();
        let mut all = vec![("MINIMAX_STORE_URL", self.url.as_str()), ("MINIMAX_DATA_DIR", &data)];
        all.extend(settings);
        Victim::start(command(&self.sandbox.url(), self.dir.path(), &all)).ready()
    }

    pub fn count(&self, sql: &'static str) -> i64 {
        self.runtime.block_on(async {
            let mut connection = postgres::connect(self.dir.path()).await;
            sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
        })
    }

    pub fn run(&self, sql: &'static str) {
        self.runtime.block_on(async {
            let mut connection = postgres::connect(self.dir.path()).await;
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        });
    }
}

pub fn answers(replica: &Program, ids: impl IntoIterator<Item = u64>) -> Vec<Value> {
    let mut ids: BTreeSet<_> = ids.into_iter().collect();
    let mut found = Vec::new();
    while !ids.is_empty() {
        let message = replica.next(Duration::from_secs(120)).expect("an answer");
        if message["id"].as_u64().is_some_and(|id| ids.remove(&id)) {
            found.push(message["result"].clone());
        }
    }
    found
}

#[test]
fn fifty_calls_at_three_servers_under_a_budget_for_seven_buy_seven() {
    let Some(fleet) = Fleet::new(quick()) else { return };
    // An image costs 0.0035 USD.
    let settings = [("MINIMAX_BUDGET_DAY", "0.0245")];
    let mut replicas = ["a", "b", "c"].map(|name| fleet.replica(name, &settings));
    let mut asked = [const { Vec::new() }; 3];
    for number in 0..50 {
        let arguments = json!({ "prompt": format!("Fox number {number}") });
        let call = json!({ "name": "text_to_image", "arguments": arguments });
        asked[number % 3].push(replicas[number % 3].program.post("tools/call", call));
    }
    let results: Vec<_> =
        replicas.iter().zip(asked).flat_map(|(replica, ids)| answers(&replica.program, ids)).collect();
    let refused = results.iter().filter(|result| result["isError"] == true);
    let refused: Vec<_> = refused.map(ToString::to_string).collect();
    assert!(refused.iter().all(|text| text.contains("MINIMAX_BUDGET_DAY")), "{refused:?}");
    assert_eq!((refused.len(), fleet.sandbox.paid().len()), (43, 7));
    assert_eq!(fleet.count("SELECT count(*) FROM spending WHERE state = 'settled'"), 7);
    for replica in &mut replicas {
        let account = replica.call("check_account", json!({}));
        assert!(account.to_string().contains("0.0245"), "{account}");
    }
}

#[test]
fn one_key_at_three_servers_at_once_is_one_order() {
    let Some(fleet) = Fleet::new(quick()) else { return };
    let mut replicas = ["a", "b", "c"].map(|name| fleet.replica(name, &[]));
    let call = json!({ "name": "text_to_image", "arguments": { "prompt": "A fox", "idempotency_key": "k" } });
    let mut asked = [const { Vec::new() }; 3];
    for (replica, asked) in replicas.iter_mut().zip(&mut asked) {
        asked.extend((0..5).map(|_| replica.program.post("tools/call", call.clone())));
    }
    let results: Vec<_> =
        replicas.iter().zip(asked).flat_map(|(replica, ids)| answers(&replica.program, ids)).collect();
    let jobs: BTreeSet<_> = results.iter().map(|it| it["structuredContent"]["job_id"].to_string()).collect();
    assert_eq!((jobs.len(), fleet.sandbox.paid().len()), (1, 1), "{results:?}");
}

#[test]
fn a_job_is_known_at_every_server_and_finished_by_another_when_its_own_dies() {
    let Some(fleet) = Fleet::new(Pace { polls: 3, seconds: 6.0, ..quick() }) else { return };
    let [mut first, mut second] = ["a", "b"].map(|name| fleet.replica(name, &[]));
    let arguments =
        json!({ "prompt": "A fox \u{0} of\u{2028}old", "wait_seconds": 0, "idempotency_key": "k" });
    let started = first.call("generate_video", arguments.clone())["structuredContent"].clone();
    let job = json!({ "job_id": started["job_id"], "wait_seconds": 0 });
    assert_eq!(second.call("get_job", job)["structuredContent"]["status"], "running");
    assert_eq!(second.call("generate_video", arguments)["structuredContent"]["job_id"], started["job_id"]);
    let listed = second.call("list_jobs", json!({ "query": "fox" }));
    assert_eq!(listed["structuredContent"]["jobs"][0]["job_id"], started["job_id"], "{listed}");
    first.kill();
    let job = json!({ "job_id": started["job_id"], "wait_seconds": 60 });
    let done = second.call("get_job", job)["structuredContent"].clone();
    assert_eq!(done["status"], "succeeded", "{done}: {}", second.log());
    assert_eq!(fleet.sandbox.paid().len(), 1);
    let mine = fleet.count("SELECT count(*) FROM remote_ids WHERE principal = 'local'");
    assert!(mine >= 1, "its task belongs to somebody");
}

#[test]
fn a_database_that_ends_and_starts_again_loses_and_repeats_nothing() {
    let Some(fleet) = Fleet::new(Pace { polls: 3, seconds: 2.0, ..quick() }) else { return };
    let mut replica = fleet.replica("a", &[]);
    let mut jobs = Vec::new();
    for number in 0..6 {
        let arguments = json!({ "prompt": format!("Fox number {number}"), "wait_seconds": 0 });
        let started = replica.call("generate_video", arguments);
        jobs.extend(started["structuredContent"]["job_id"].as_str().map(str::to_owned));
        // Every connection breaks, as when the server is restarted.
        fleet.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
    }
    for job in &jobs {
        let view = replica.call("get_job", json!({ "job_id": job, "wait_seconds": 60 }));
        assert_eq!(view["structuredContent"]["status"], "succeeded", "{view}: {}", replica.log());
    }
    assert_eq!(fleet.sandbox.paid().len(), jobs.len());
    assert!(jobs.len() >= 5, "{jobs:?}");
}

/// A pooler in transaction mode gives each transaction any of its few connections.
#[test]
fn servers_behind_a_pooler_work_as_without_one() {
    let Some(fleet) = Fleet::new(Pace { polls: 2, seconds: 1.0, ..quick() }) else { return };
    let Some(pooler) = postgres::Pooler::start(3) else { return };
    let database = fleet.url.rsplit_once('/').unwrap().1;
    let url = format!("postgres://postgres@127.0.0.1:{}/{database}", pooler.port);
    let settings = [("MINIMAX_STORE_URL", url.as_str()), ("MINIMAX_BUDGET_DAY", "10")];
    let said: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..3).map(|_| scope.spawn(|| migrate(fleet.dir.path(), &url))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert!(said.iter().all(|(is_done, _)| *is_done), "{said:?}");
    let mut replicas = ["a", "b", "c"].map(|name| fleet.replica(name, &settings));
    let mut asked = [const { Vec::new() }; 3];
    for number in 0..30 {
        let tool = if number % 2 == 0 { "generate_video" } else { "text_to_image" };
        let arguments = json!({ "prompt": format!("Fox number {number}"), "wait_seconds": 60 });
        let call = json!({ "name": tool, "arguments": arguments });
        asked[number % 3].push(replicas[number % 3].program.post("tools/call", call));
    }
    for (replica, ids) in replicas.iter().zip(asked) {
        for result in answers(&replica.program, ids) {
            assert_eq!(result["structuredContent"]["status"], "succeeded", "{result}: {}", replica.log());
        }
        assert!(!replica.log().contains("prepared statement"), "{}", replica.log());
    }
    assert_eq!(fleet.sandbox.paid().len(), 30);
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database =
                     (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(fleet.count(locks), 0, "no lock outlives its transaction");
}

/// Orders arrive while the server of the database is killed and started again.
#[cfg(unix)]
#[test]
fn a_database_that_is_killed_in_the_middle_of_buying_loses_and_repeats_nothing() {
    let Some(mut fleet) = Fleet::new(Pace { polls: 3, seconds: 2.0, ..quick() }) else { return };
    let Some(mut cluster) = postgres::Cluster::start() else { return };
    fleet.url = cluster.database(fleet.dir.path());
    let mut replicas = ["a", "b"].map(|name| fleet.replica(name, &[]));
    for replica in &mut replicas {
        replica.call("list_jobs", json!({}));
    }
    let order = |number: usize| {
        let arguments = json!({ "prompt": format!("Fox number {number}"), "wait_seconds": 0, "idempotency_key": format!("k{number}") });
        json!({ "name": "generate_video", "arguments": arguments })
    };
    for number in 0..16 {
        replicas[number % 2].program.post("tools/call", order(number));
        if number == 7 {
            std::thread::sleep(Duration::from_millis(150));
            cluster.kill();
        }
    }
    std::thread::sleep(Duration::from_secs(2));
    cluster.restart();
    // Whatever the first calls said, the same keys name the same orders.
    for number in 0..16 {
        let id = replicas[0].program.post("tools/call", order(number));
        let started = answers(&replicas[0].program, [id]).remove(0);
        let job = json!({ "job_id": started["structuredContent"]["job_id"], "wait_seconds": 60 });
        let id = replicas[1].program.post("tools/call", json!({ "name": "get_job", "arguments": job }));
        let view = answers(&replicas[1].program, [id]).remove(0);
        let status = view["structuredContent"]["status"].as_str().unwrap_or_default();
        assert!(["succeeded", "unknown"].contains(&status), "{started} {view}: {}", replicas[1].log());
    }
    let paid = fleet.sandbox.paid();
    let prompts: BTreeSet<_> = paid.iter().map(|request| request.body["prompt"].to_string()).collect();
    assert_eq!(prompts.len(), paid.len(), "bought twice");
}

#[cfg(unix)]
#[test]
fn the_certificate_of_the_database_is_checked() {
    let Some(fleet) = Fleet::new(quick()) else { return };
    let Some((cluster, certificate)) = postgres::Cluster::with_tls() else { return };
    let url = cluster.database(fleet.dir.path());
    let here = certificate.display();
    let (is_done, said) = migrate(fleet.dir.path(), &format!("{url}?sslmode=verify-full&sslrootcert={here}"));
    assert!(is_done, "{said}");
    let (is_done, said) = migrate(fleet.dir.path(), &format!("{url}?sslmode=verify-full"));
    assert!(!is_done && said.contains("sslrootcert=FILE"), "no authority has signed it: {said}");
    // The shared server has no TLS.
    let (is_done, said) = migrate(fleet.dir.path(), &format!("{}?sslmode=verify-full", fleet.url));
    assert!(!is_done && said.contains("must have TLS"), "{said}");
    std::fs::remove_file(certificate).unwrap();
}

/// Runs `minimax-mcp migrate`. Returns what it printed, and whether it succeeded.
fn migrate(dir: &Path, url: &str) -> (bool, String) {
    let mut migrate = Command::new(env!("CARGO_BIN_EXE_minimax-mcp"));
    migrate.arg("migrate").env_clear().env("HOME", dir).env("MINIMAX_STORE_URL", url);
    let output = migrate.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn migrations_that_start_at_once_run_once_and_a_newer_database_is_refused() {
    let Some(fleet) = Fleet::new(quick()) else { return };
    let said: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| migrate(fleet.dir.path(), &fleet.url))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert!(said.iter().all(|(is_done, _)| *is_done), "{said:?}");
    assert_eq!(said.iter().filter(|(_, text)| text.contains("now up to date")).count(), 1, "{said:?}");
    fleet.run(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
               VALUES (9999, 'later', TRUE, '', 0)",
    );
    let (is_done, text) = migrate(fleet.dir.path(), &fleet.url);
    assert!(!is_done && text.contains("newer one") && text.contains("update this one"), "{text}");
    let mut replica = fleet.replica("a", &[]);
    let refused = replica.call("text_to_image", json!({ "prompt": "A fox" }));
    assert!(refused["isError"] == true && refused.to_string().contains("update this one"), "{refused}");
    assert_eq!(fleet.sandbox.paid().len(), 0);
}

#[test]
fn with_an_unusable_database_nothing_is_bought_and_its_password_is_never_shown() {
    let Some(fleet) = Fleet::new(quick()) else { return };
    let at = fleet.url.split('@').nth(1).unwrap().rsplit_once('/').unwrap().0;
    for (url, words) in [
        (format!("postgres://postgres:hunter2@{at}/nowhere"), "database in MINIMAX_STORE_URL"),
        (format!("postgres://ada:hunter2@{at}/postgres"), "Correct user, password"),
        // Nothing listens there.
        ("postgres://postgres:hunter2@127.0.0.1:1/minimax".to_owned(), "Start the database server"),
        ("mysql://ada:hunter2@db/minimax".to_owned(), "must be like postgres://"),
    ] {
        let mut replica = fleet.replica("a", &[("MINIMAX_STORE_URL", &url), ("MINIMAX_LOG", "debug")]);
        let refused = replica.call("text_to_image", json!({ "prompt": "A fox" }));
        assert!(refused["isError"] == true && refused.to_string().contains(words), "{url}: {refused}");
        let (is_done, said) = migrate(fleet.dir.path(), &url);
        assert!(!is_done && said.contains(words), "{url}: {said}");
        for text in [refused.to_string(), said, replica.log()] {
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
    assert_eq!(fleet.sandbox.paid().len(), 0);
}

#[test]
fn the_records_of_a_folder_are_copied_once_and_continue_at_every_server() {
    let Some(fleet) = Fleet::new(Pace { polls: 3, seconds: 3.0, ..quick() }) else { return };
    let alone = |settings: &[(&str, &str)]| {
        let data = fleet.dir.path().join("alone").display().to_string();
        let mut all = vec![("MINIMAX_DATA_DIR", data.as_str()), ("MINIMAX_STORE_URL", "")];
        all.extend(settings);
        Victim::start(command(&fleet.sandbox.url(), fleet.dir.path(), &all)).ready()
    };
    let import = || {
        let mut import = Command::new(env!("CARGO_BIN_EXE_minimax-mcp"));
        import.arg("import").arg(fleet.dir.path().join("alone")).env_clear();
        let output =
            import.env("HOME", fleet.dir.path()).env("MINIMAX_STORE_URL", &fleet.url).output().unwrap();
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let mut first = alone(&[]);
    let image = first.call("text_to_image", json!({ "prompt": "A fox \u{0}", "idempotency_key": "k" }));
    let video = first.call("generate_video", json!({ "prompt": "A hen", "wait_seconds": 0 }));
    let (is_done, said) = import();
    assert!(!is_done && said.contains("end it first"), "{said}");
    first.kill();
    let (is_done, said) = import();
    assert!(is_done && said.contains("jobs: 2 copied, 0 there already"), "{said}");
    assert!(said.contains("spending: 2 copied, 0 there already"), "{said}");
    let (is_done, said) = import();
    assert!(is_done && said.contains("jobs: 0 copied, 2 there already"), "{said}");
    let mut replica = fleet.replica("a", &[]);
    let again = replica.call("text_to_image", json!({ "prompt": "A fox \u{0}", "idempotency_key": "k" }));
    assert_eq!(again["structuredContent"]["job_id"], image["structuredContent"]["job_id"], "{again}");
    let job = json!({ "job_id": video["structuredContent"]["job_id"], "wait_seconds": 60 });
    assert_eq!(replica.call("get_job", job)["structuredContent"]["status"], "succeeded", "{}", replica.log());
    assert_eq!(fleet.sandbox.paid().len(), 2);
}

/// Old rows go at one server, and what was spent in them stays counted, also when all servers sweep at once.
#[test]
fn servers_that_remove_old_rows_at_the_same_time_count_them_once() {
    let Some(fleet) = Fleet::new(quick()) else { return };
    assert!(migrate(fleet.dir.path(), &fleet.url).0);
    fleet.run("INSERT INTO spending SELECT 'old' || n, 'local', 'acc', 'proc', 't', 'm', 'USD', 7, NULL, 'settled', NULL, n, n
               FROM generate_series(1, 230) AS n");
    let mut replicas = ["a", "b", "c"].map(|name| fleet.replica(name, &[("MINIMAX_KEEP_DAYS", "3")]));
    for replica in &mut replicas {
        replica.call("list_jobs", json!({}));
    }
    let end = Instant::now() + Duration::from_secs(60);
    while fleet.count("SELECT count(*) FROM spending") > 0 {
        assert!(Instant::now() < end, "the rows stay: {}", replicas[0].log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(fleet.count("SELECT CAST(sum(settled) AS bigint) FROM spending_totals"), 230 * 7);
}

#[test]
fn a_job_is_announced_once_and_its_removal_takes_its_file_and_keeps_its_key() {
    let Some(fleet) = Fleet::new(quick()) else { return };
    let receiver = Receiver::start(&[]);
    for (number, rule) in [("MINIMAX_KEEP_DAYS", "30"), ("MINIMAX_KEEP_BYTES", "1MB")].into_iter().enumerate()
    {
        let mut replicas = ["a", "b", "c"].map(|name| fleet.replica(name, &receiver.settings()));
        let order = json!({ "prompt": "A fox", "idempotency_key": rule.0, "wait_seconds": 60 });
        let made = replicas[0].call("text_to_image", order.clone());
        let path = made["structuredContent"]["files"][0]["path"].as_str().unwrap_or_else(|| panic!("{made}"));
        until("its end is told", || {
            fleet.count("SELECT count(*) FROM outbox") == 1
                && fleet.count("SELECT count(*) FROM outbox WHERE is_open = 1") == 0
        });
        assert_eq!(receiver.all().len(), number + 1);
        for replica in replicas {
            replica.kill();
        }
        fleet.run(
            "UPDATE jobs SET updated_at = 1000, bytes = bytes + 1000000,
                 body = CAST(jsonb_set(CAST(body AS jsonb), '{updated_at}', '1000') AS text)",
        );
        let mut replicas = ["a", "b", "c"].map(|name| fleet.replica(name, &[rule]));
        for replica in &mut replicas {
            replica.call("list_jobs", json!({}));
        }
        until("it is removed", || fleet.count("SELECT count(*) FROM jobs") == 0);
        assert!(!Path::new(path).exists(), "{rule:?}");
        assert_eq!(fleet.count("SELECT count(*) FROM outbox"), 0);
        let again = replicas[1].call("text_to_image", order);
        assert!(again.to_string().contains("nothing was bought"), "{again}");
        assert_eq!(fleet.sandbox.paid().len(), number + 1);
    }
}

/// Questions that are asked every few seconds use an index, whatever the number of rows.
#[test]
fn frequent_queries_read_no_whole_table() {
    let Some(fleet) = Fleet::new(quick()) else { return };
    assert!(migrate(fleet.dir.path(), &fleet.url).0);
    fleet.run("INSERT INTO jobs SELECT 'j' || n, 'local', 'acc', 'image', 'succeeded', 0, 't' || n, NULL, '', '{}', 'x', 0, n, n
               FROM generate_series(1, 20000) AS n; ANALYZE jobs");
    let plans = fleet.runtime.block_on(async {
        let mut connection = postgres::connect(fleet.dir.path()).await;
        let mut plans = Vec::new();
        for sql in [
            "EXPLAIN SELECT body FROM jobs WHERE principal = 'local' AND (created_at, id) < (900, 'j9')
                 ORDER BY created_at DESC, id DESC LIMIT 51",
            "EXPLAIN SELECT body FROM jobs WHERE principal = 'local' AND account = 'acc' AND task_id = 't5'",
        ] {
            let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
            plans.extend(rows.iter().map(|row| row.get::<String, _>(0)));
        }
        plans
    });
    assert!(!plans.iter().any(|step| step.contains("Seq Scan")), "{plans:#?}");
}
