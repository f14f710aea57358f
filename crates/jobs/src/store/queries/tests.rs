//! Pages, filters and the indexes that they use.

use super::*;
use crate::record::State;

/// A store with jobs of one principal, the job `n` at the time `n`. Every seventh is a video, and every fifth failed.
async fn filled(dir: &std::path::Path, count: i64) -> Store {
    let store = Store::open(dir, "me".to_owned()).await.unwrap();
    let body = serde_json::json!({
        "id": "", "principal": "p", "kind": "video", "tool": "", "model": "m", "account": "a", "prompt": "",
        "request": null, "digest": "", "state": State::NEW, "created_at": 0, "updated_at": 0,
    });
    query(
        "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?1)
         INSERT INTO jobs (id, principal, account, kind, status, is_open, search, body, created_at, updated_at, model)
         SELECT n, 'p', 'a', CASE n % 7 WHEN 0 THEN 'video' ELSE 'image' END,
                CASE n % 5 WHEN 0 THEN 'failed' ELSE 'succeeded' END, 0, 'fox ' || n || '.',
                json_set(?2, '$.id', CAST(n AS TEXT), '$.created_at', n), n, 1, 'm' FROM number",
    )
    .bind(count)
    .bind(body.to_string())
    .execute(store.writers())
    .await
    .unwrap();
    store
}

/// The jobs of all pages, and how many pages there were.
async fn all(store: &Store, filter: Filter, most: u32) -> (Vec<i64>, u32) {
    let (mut filter, mut found, mut pages) = (filter, Vec::new(), 0);
    loop {
        let page = store.list_within("p", &filter, most).await.unwrap();
        found.extend(page.jobs.iter().map(|job| job.created_at));
        pages += 1;
        assert!(page.next.is_some() || !page.reads_on);
        if page.next.is_none() {
            return (found, pages);
        }
        filter.before = page.next;
    }
}

#[tokio::test]
async fn a_search_stops_after_many_jobs_and_the_next_page_continues() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path(), 1000).await;
    let search = |text: &str| Filter { query: Some(text.to_owned()), limit: 10, ..Filter::default() };
    let first = store.list_within("p", &search("fox 7."), 300).await.unwrap();
    assert!(first.jobs.is_empty() && first.reads_on);
    assert_eq!(first.next.unwrap().0, 701);
    assert_eq!(all(&store, search("fox 7."), 300).await, (vec![7], 4));
    assert_eq!(all(&store, search("badger"), 300).await, (vec![], 4));
    let oldest = Filter { sorting: Sorting::Oldest, ..search("fox 7.") };
    assert_eq!(all(&store, oldest, 300).await, (vec![7], 4));
    // A search that fills its page early ends there.
    let full = store.list_within("p", &search("fox"), 300).await.unwrap();
    assert_eq!((full.jobs.len(), full.reads_on, full.next.unwrap().0), (10, false, 991));
    // The last job within the bound is read, and the next page does not read it again.
    assert_eq!(all(&store, search("fox 701."), 300).await, (vec![701], 4));
    assert_eq!(store.list("p", &search("badger")).await.unwrap().next, None);
}

#[tokio::test]
async fn filters_without_an_index_of_their_own_are_bounded_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path(), 1000).await;
    let expected: Vec<i64> = (1..=1000).rev().filter(|n| n % 35 == 0).collect();
    let both = Filter {
        kind: Some("video".to_owned()),
        status: Some("failed".to_owned()),
        limit: 50,
        ..Filter::default()
    };
    // Each page reads fifty of the two hundred failed jobs.
    assert_eq!(all(&store, both.clone(), 50).await, (expected.clone(), 5));
    assert_eq!(all(&store, both.clone(), MOST_READ).await, (expected, 1));
    // A single filter has an index, and needs no bound.
    let one = Filter { status: None, ..both };
    let page = store.list_within("p", &one, 50).await.unwrap();
    assert_eq!((page.jobs.len(), page.reads_on), (50, false));
}

#[tokio::test]
async fn a_search_reads_one_range_of_one_index() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "me".to_owned()).await.unwrap();
    let filter = Filter {
        model: Some("m".to_owned()),
        status: Some("failed".to_owned()),
        before: Some((9, "x".to_owned())),
        ..Filter::default()
    };
    let end = (5, "a".to_owned());
    let query = filter.sift(filter.narrow(either("EXPLAIN QUERY PLAN SELECT body", ""), "p"));
    let query = filter.beyond(query, &end, true);
    let rows = query.push(&filter.order()).fetch_all(store.readers()).await.unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.try_get("detail").unwrap()).collect();
    let bounds =
        "jobs_by_model (principal=? AND model=? AND (created_at,id)>(?,?) AND (created_at,id)<(?,?))";
    assert_eq!(plan.len(), 1, "{plan:?}");
    assert!(plan[0].contains(bounds), "{plan:?}");
}

#[tokio::test]
async fn filters_of_a_list_in_another_order_are_bounded_and_read_in_that_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path(), 1000).await;
    query("UPDATE jobs SET bytes = created_at").execute(store.writers()).await.unwrap();
    let expected: Vec<i64> = (1..=1000).rev().filter(|n| n % 7 == 0 && *n >= 500).collect();
    let largest = Filter {
        kind: Some("video".to_owned()),
        since: Some(500),
        sorting: Sorting::Largest,
        limit: 200,
        ..Filter::default()
    };
    assert_eq!(all(&store, largest.clone(), 400).await, (expected.clone(), 3));
    assert_eq!(all(&store, largest.clone(), MOST_READ).await, (expected, 1));
    let explained = either("EXPLAIN QUERY PLAN SELECT body", "");
    let query = largest.sift(largest.narrow(explained, "p")).push(&largest.order());
    let rows = query.fetch_all(store.readers()).await.unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.try_get("detail").unwrap()).collect();
    assert!(plan.len() == 1 && plan[0].contains("jobs_by_size"), "{plan:?}");
}

#[tokio::test]
async fn an_idempotency_key_is_found_without_reading_the_jobs_of_other_keys() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path(), 3).await;
    let taken =
        "SELECT 1 FROM jobs WHERE principal = ?1 AND account BETWEEN ?2 AND ?3 AND idempotency_key = ?4";
    for sql in [BY_KEY, taken] {
        let mut plan = query(format!("EXPLAIN QUERY PLAN {sql}"));
        for value in ["p", "a", "b", "key"] {
            plan = plan.bind(value);
        }
        let rows = plan.fetch_all(store.readers()).await.unwrap();
        let detail: String = rows[0].try_get("detail").unwrap();
        assert!(detail.contains("jobs_by_idempotency_key (principal=? AND idempotency_key=?"), "{detail}");
    }
}
