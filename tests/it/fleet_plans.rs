//! How PostgreSQL reads the statements whose work could grow with the records.

use std::process::Command;

use sqlx::AssertSqlSafe;

use crate::postgres;

/// Many rows, of which PostgreSQL knows nothing yet: an import or a restore has just ended.
const ROWS: &str = "
    INSERT INTO jobs (id, principal, account, kind, status, is_open, search, body, created_at, updated_at)
    SELECT 'job-' || n, 'local', 'a', CASE n % 100 WHEN 0 THEN 'video' ELSE 'image' END,
           CASE n % 50 WHEN 0 THEN 'failed' ELSE 'succeeded' END, 0, '', '{}', n, n
    FROM generate_series(1, 20000) AS n";

#[tokio::test]
async fn a_page_of_jobs_is_read_in_the_order_of_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let Some(url) = postgres::database(dir.path()) else { return };
    let mut migrate = Command::new(env!("CARGO_BIN_EXE_minimax-mcp"));
    let migrate = migrate.arg("migrate").env_clear().env("HOME", dir.path()).env("MINIMAX_STORE_URL", url);
    assert!(migrate.output().unwrap().status.success());
    let mut connection = postgres::connect(dir.path()).await;
    sqlx::raw_sql(ROWS).execute(&mut connection).await.unwrap();
    for statistics in ["SELECT 1", "ANALYZE jobs"] {
        sqlx::raw_sql(statistics).execute(&mut connection).await.unwrap();
        for wanted in [
            "created_at > 0",
            "kind = 'image'",
            "status = 'failed'",
            "kind = 'image' AND status = 'succeeded'",
            "kind = 'video' AND status = 'failed'",
            "kind = 'speech' AND status = 'failed'",
        ] {
            // Of a single condition PostgreSQL then thinks that few rows match.
            if statistics == "SELECT 1" && !wanted.contains(" AND ") {
                continue;
            }
            let page = format!(
                "EXPLAIN (COSTS OFF) SELECT body FROM jobs WHERE principal = 'local' AND {wanted}
                 ORDER BY created_at DESC, id DESC LIMIT 51"
            );
            let plan: Vec<String> =
                sqlx::query_scalar(AssertSqlSafe(page)).fetch_all(&mut connection).await.unwrap();
            let plan = plan.join("\n");
            assert!(plan.contains("Index Scan") && !plan.contains("Sort"), "{wanted}, {statistics}:\n{plan}");
        }
    }
}
