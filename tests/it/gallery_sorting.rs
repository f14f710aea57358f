//! Jobs sorted by price, length and size, in records of this version and of earlier ones.

use minimax_mcp::store::{Filter, Job, Sorting, Store};
use serde_json::{Value, json};
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
async fn jobs_are_sorted_by_price_length_and_size_and_every_page_goes_on_where_the_last_has_ended() {
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
    let mut earlier: Migrator = sqlx::migrate!();
    earlier.migrations = earlier.migrations.iter().filter(|step| step.version < 14).cloned().collect();
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
