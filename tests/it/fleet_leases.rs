//! Which of several servers with one PostgreSQL works on a job: the lease is renewed by process, and handed over at the end.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use minimax_mcp::sandbox::{Act, Pace, Rule, key_fingerprint};
use serde_json::json;
use sqlx::Row as _;

use crate::crash::until;
use crate::fleet::{Fleet, answers};
use crate::harness::quick;
use crate::postgres;

/// The processes that have polled a task.
fn pollers(fleet: &Fleet) -> BTreeSet<String> {
    let polls = fleet.sandbox.requests().into_iter().filter(|request| request.path.contains("/query/"));
    polls.map(|request| request.agent).collect()
}

#[cfg(unix)]
#[test]
fn a_server_that_is_asked_to_end_hands_its_jobs_over_at_once() {
    let Some(fleet) = Fleet::new(Pace { polls: 400, seconds: 40.0, ..quick() }) else { return };
    let [mut first, mut second] = ["a", "b"].map(|name| fleet.replica(name, &[]));
    second.call("list_jobs", json!({}));
    for number in 0..3 {
        let prompt = format!("Fox number {number}");
        first.call("generate_video", json!({ "prompt": prompt, "wait_seconds": 0 }));
    }
    until("the first one polls", || !pollers(&fleet).is_empty());
    // Longer than a lease: that of a job is its process's from then on.
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(pollers(&fleet).len(), 1, "the others leave the jobs of a live server alone");
    let pid = first.program.child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    first.program.ended();
    let begun = Instant::now();
    until("the second one polls", || pollers(&fleet).len() == 2);
    // A lease that runs out by itself takes six seconds.
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    until("all are the second one's", || {
        fleet.count("SELECT count(DISTINCT lease_owner) FROM jobs WHERE is_open = 1") == 1
    });
    assert_eq!(fleet.sandbox.paid().len(), 3);
}

#[test]
fn open_jobs_are_not_written_while_nothing_happens_to_them() {
    let Some(fleet) = Fleet::new(Pace { polls: 1000, seconds: 100.0, ..quick() }) else { return };
    let mut server = fleet.replica("a", &[("MINIMAX_POLL_SECONDS", "30")]);
    for number in 0..20 {
        let prompt = format!("Fox number {number}");
        server.call("generate_video", json!({ "prompt": prompt, "wait_seconds": 0 }));
    }
    let open = "SELECT count(*) FROM jobs WHERE is_open = 1 AND status = 'running'";
    until("all run", || fleet.count(open) == 20);
    let written = "SELECT CAST(n_tup_upd AS bigint) FROM pg_stat_user_tables WHERE relname = 'jobs'";
    // The first polls may bring changes. The lease of the process is renewed, not that of each job.
    until("nothing is written for longer than a lease", || {
        let before = fleet.count(written);
        std::thread::sleep(Duration::from_secs(7));
        fleet.count(written) == before
    });
    let alive = "SELECT count(*) FROM processes WHERE alive_until > extract(epoch FROM now()) * 1000";
    assert_eq!(fleet.count(alive), 1);
}

/// A hundred thousand open jobs of another live server, and then of a dead one.
#[test]
fn a_hundred_thousand_open_jobs_cost_a_bounded_number_of_queries() {
    let Some(fleet) = Fleet::new(quick()) else { return };
    let mut server = fleet.replica("a", &[]);
    server.call("list_jobs", json!({}));
    // The account is that of the server, which a job of its own names.
    server.call("text_to_image", json!({ "prompt": "A fox" }));
    fleet.run(
        "INSERT INTO processes VALUES ('other', CAST(extract(epoch FROM now()) * 1000 AS bigint) + 50000);
         INSERT INTO jobs SELECT 'j' || n, 'local', (SELECT min(account) FROM jobs), 'video', 'running', 1, 't' || n, NULL, '',
                                 '{}', 'other', 1, n, n FROM generate_series(1, 100000) AS n;
         ANALYZE jobs; ANALYZE processes",
    );
    let queries =
        "SELECT CAST(xact_commit AS bigint) FROM pg_stat_database WHERE datname = current_database()";
    std::thread::sleep(Duration::from_secs(2));
    let before = fleet.count(queries);
    std::thread::sleep(Duration::from_secs(8));
    let a_second = (fleet.count(queries) - before) / 8;
    assert!(a_second <= 12, "{a_second} transactions a second");
    let plan = fleet.runtime.block_on(async {
        let mut connection = postgres::connect(fleet.dir.path()).await;
        let account: String =
            sqlx::query_scalar("SELECT min(account) FROM jobs").fetch_one(&mut connection).await.unwrap();
        let sql = format!(
            "EXPLAIN SELECT id FROM jobs WHERE is_open = 1 AND account = '{account}' AND lease_owner = 'gone'
             AND (lease_owner = 'me' OR lease_until = 0
                  OR EXISTS (SELECT 1 FROM processes WHERE name = lease_owner AND alive_until = 0)) LIMIT 100"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
        rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
    });
    assert!(plan.contains("jobs_by_process") && !plan.contains("Seq Scan on jobs"), "{plan}");
}

/// The plan refuses what two servers order at the same time, and the budget of the balance is for seven.
#[test]
fn orders_that_move_to_the_balance_at_two_servers_at_once_stay_within_its_budget() {
    const PLAN: &str = "sk-cp-the-secret-of-the-plan";
    let Some(fleet) = Fleet::new(quick()) else { return };
    let settings = [
        ("MINIMAX_PLAN_KEY", PLAN),
        ("MINIMAX_PLAN_OVERFLOW", "balance"),
        // An image costs 0.0035 USD.
        ("MINIMAX_BUDGET_DAY", "0.0245"),
    ];
    let mut servers = ["a", "b"].map(|name| fleet.replica(name, &settings));
    let refuse = || Act::Refuse { code: 2056, message: None, retry_after: None };
    // Each order is refused once, by the plan's key: more orders than that never reach MiniMax.
    let mut bought = 0;
    for round in 0..4 {
        fleet.sandbox.script((0..6).map(|_| Rule::once("/v1/image_generation", refuse())).collect());
        let mut asked = [const { Vec::new() }; 2];
        for number in 0..6 {
            let arguments = json!({ "prompt": format!("Fox {round} {number}") });
            let call = json!({ "name": "text_to_image", "arguments": arguments });
            asked[number % 2].push(servers[number % 2].program.post("tools/call", call));
        }
        for (server, ids) in servers.iter_mut().zip(asked) {
            answers(&server.program, ids);
        }
        fleet.sandbox.script(Vec::new());
        bought = fleet.sandbox.paid().len();
    }
    let of_plan =
        fleet.sandbox.paid().iter().filter(|it| it.key_fingerprint == key_fingerprint(PLAN)).count();
    assert!(bought - of_plan <= 7 && bought > 0, "{bought} were bought, {of_plan} of them by the plan");
    let most = "SELECT CAST(coalesce(max(total), 0) AS bigint) FROM (SELECT sum(coalesce(actual, estimate)) AS total FROM spending
                WHERE state <> 'released' GROUP BY account) AS sums";
    assert!(fleet.count(most) <= 24_500, "{}", fleet.count(most));
    let twice = "SELECT count(*) FROM (SELECT 1 FROM spending WHERE state = 'settled' GROUP BY id HAVING count(*) > 1) AS twice";
    assert_eq!(fleet.count(twice), 0);
}
