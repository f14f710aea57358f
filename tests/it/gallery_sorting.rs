//! The gallery's queries: jobs in every order, and the names to filter by, each from an index.

use std::path::Path;

use minimax_mcp::store::{Filter, Job, Named, Sorting, Store};
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

/// A job that has ended, with a price in this currency, a file of this length, and this size.
fn job(id: &str, currency: &str, price: f64, length: u64, bytes: u64) -> Value {
    json!({
        "id": id, "principal": "p", "kind": "speech", "tool": "text_to_audio", "model": "", "account": "a",
        "prompt": "", "request": {}, "digest": "", "state": { "at": "done" }, "created_at": 7, "updated_at": 7,
        "cost": { "currency": currency, "estimated": 9.0, "actual": price },
        "files": [
            { "name": "a.mp3", "mime_type": "audio/mpeg",
              "saved": { "path": "/a.mp3", "bytes": bytes, "sha256": "", "mime_type": "audio/mpeg", "duration_ms": length } },
            { "name": "a.srt", "mime_type": "text/plain" },
        ],
    })
}

fn jobs() -> Vec<Value> {
    vec![
        job("a", "USD", 0.5, 3000, 10),
        job("b", "USD", 2.0, 1000, 30),
        job("c", "CNY", 1.0, 2000, 30),
        job("d", "USD", 0.0, 0, 20),
    ]
}

/// The ids, sorted, a job a page.
async fn ids(store: &Store, sorting: Sorting) -> String {
    let (mut ids, mut before) = (Vec::new(), None);
    loop {
        let filter = Filter { sorting, before, limit: 1, ..Filter::default() };
        let page = store.list("p", &filter).await.unwrap();
        ids.extend(page.jobs.into_iter().map(|job| job.id));
        before = page.next;
        if before.is_none() {
            return ids.concat();
        }
    }
}

async fn are_sorted(store: &Store) {
    assert_eq!(ids(store, Sorting::Priciest).await, "cbad", "prices of one currency are together");
    assert_eq!(ids(store, Sorting::Longest).await, "acbd");
    assert_eq!(ids(store, Sorting::Largest).await, "cbda");
    assert_eq!(ids(store, Sorting::Newest).await, "dcba");
    assert_eq!(ids(store, Sorting::Oldest).await, "abcd");
}

#[tokio::test]
async fn jobs_are_sorted_by_price_length_and_size_and_each_page_continues_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "me".to_owned()).await.unwrap();
    for body in jobs() {
        let job: Job = serde_json::from_value(body).unwrap();
        store.insert(&job, None).await.unwrap();
        assert!(store.save_progress(&job).await.unwrap());
    }
    are_sorted(&store).await;
}

#[tokio::test]
async fn records_of_an_earlier_version_are_sorted_too() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/jobs/migrations");
    let all = Migrator::new(folder.as_path()).await.unwrap();
    let earlier = Migrator::with_migrations(all.iter().filter(|step| step.version < 14).cloned().collect());
    let options = SqliteConnectOptions::new().filename(dir.path().join(Store::FILE)).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    earlier.run(&pool).await.unwrap();
    let odd = [json!({ "files": [3, "x", {}], "cost": {} }), json!({ "cost": 1 }), json!("no object")];
    for (number, body) in jobs().into_iter().chain(odd).enumerate() {
        let row = sqlx::query(
            "INSERT INTO jobs (id, principal, account, kind, status, is_open, search, body, created_at, updated_at, bytes)
             VALUES (?1, ?2, 'a', 'speech', 'succeeded', 0, '', ?3, 7, 7, COALESCE(?4, 0))",
        );
        let id = body["id"].as_str().map_or_else(|| number.to_string(), str::to_owned);
        let principal = body["principal"].as_str().unwrap_or("q").to_owned();
        let bytes = body.pointer("/files/0/saved/bytes").and_then(Value::as_i64);
        row.bind(id).bind(principal).bind(body.to_string()).bind(bytes).execute(&pool).await.unwrap();
    }
    pool.close().await;
    are_sorted(&Store::open(dir.path(), "me".to_owned()).await.unwrap()).await;
}

/// New records, and a connection of its own to them.
async fn records(dir: &tempfile::TempDir) -> (Store, SqlitePool) {
    let store = Store::open(dir.path(), "me".to_owned()).await.unwrap();
    let options = SqliteConnectOptions::new().filename(dir.path().join(Store::FILE));
    (store, SqlitePool::connect_with(options).await.unwrap())
}

#[tokio::test]
async fn every_filter_and_every_order_of_the_gallery_reads_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, pool) = records(&dir).await;
    let by_time = ["created_at DESC, id DESC", "created_at, id"];
    let filters = [
        ("", "jobs_by_age"),
        (" AND kind = 'image'", "jobs_by_kind"),
        (" AND status = 'failed'", "jobs_by_status"),
        (" AND model = 'm'", "jobs_by_model"),
        (" AND voice = 'v'", "jobs_by_voice"),
        (" AND created_at >= 1 AND created_at < 2", "jobs_by_age"),
        (" AND kind = 'image' AND (created_at, id) < (5, 'x')", "jobs_by_kind"),
    ];
    let timed = filters.iter().flat_map(|(filter, index)| by_time.map(|order| (*filter, order, *index)));
    let sorted = [
        ("", "price DESC, id DESC", "jobs_by_price"),
        (" AND (price, id) < (5, 'x')", "price DESC, id DESC", "jobs_by_price"),
        ("", "length DESC, id DESC", "jobs_by_length"),
        (" AND (length, id) < (5, 'x')", "length DESC, id DESC", "jobs_by_length"),
        ("", "bytes DESC, id DESC", "jobs_by_size"),
        (" AND (bytes, id) < (5, 'x')", "bytes DESC, id DESC", "jobs_by_size"),
    ];
    for (filter, order, index) in timed.chain(sorted) {
        let sql = format!(
            "EXPLAIN QUERY PLAN SELECT id FROM jobs WHERE principal = 'p'{filter} ORDER BY {order} LIMIT 61"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&pool).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.try_get("detail").unwrap()).collect();
        let plan = plan.join("; ");
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{filter} {order}: {plan}");
    }
}

#[tokio::test]
async fn names_are_those_of_the_principal_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (store, pool) = records(&dir).await;
    for (id, principal, model) in [
        ("a", "p", Some("m2")),
        ("b", "p", Some("m1")),
        ("c", "p", Some("m2")),
        ("d", "q", Some("m3")),
        ("e", "p", None),
    ] {
        let row = sqlx::query(
            "INSERT INTO jobs (id, principal, account, kind, status, is_open, search, body, created_at, updated_at, model)
             VALUES (?1, ?2, 'a', 'image', 'failed', 0, '', '{}', 1, 1, ?3)",
        );
        row.bind(id).bind(principal).bind(model).execute(&pool).await.unwrap();
    }
    assert_eq!(store.names("p", Named::Model).await.unwrap(), ["m1", "m2"]);
    assert!(store.names("p", Named::Voice).await.unwrap().is_empty());
    assert!(store.names("none", Named::Model).await.unwrap().is_empty());
    assert!(!store.remove("q", "a").await.unwrap(), "another's record stays");
    assert!(store.remove("p", "a").await.unwrap() && !store.remove("p", "a").await.unwrap());
}
