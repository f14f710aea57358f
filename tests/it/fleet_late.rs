//! Live servers whose heartbeat is late: others must not call their orders `unknown`.

use std::collections::BTreeSet;
use std::time::Duration;

use minimax_mcp::sandbox::{Act, Pace, Rule};
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};

use crate::crash::{Victim, until};
use crate::fleet::{Fleet, answers};
use crate::harness::quick;
use crate::postgres;

const IMAGES: &str = "/v1/image_generation";

/// Longer than the lease of six seconds, and shorter than a purchase waits for a lock.
const LONG: Duration = Duration::from_secs(9);

/// A connection that a test holds while it goes on.
fn connected(fleet: &Fleet, url: &str) -> PgConnection {
    // PgBouncer refuses connections with parameters that it does not know.
    let options: PgConnectOptions = format!("{url}?sslmode=disable").parse().unwrap();
    let options = options.extra_float_digits(None);
    fleet.runtime.block_on(async { PgConnection::connect_with(&options).await.unwrap() })
}

fn run(fleet: &Fleet, connection: &mut PgConnection, sql: &'static str) {
    fleet.runtime.block_on(async { sqlx::raw_sql(sql).execute(connection).await.unwrap() });
}

/// Orders an image whose answer MiniMax holds back until the rules are replaced. Returns the id of the call.
fn order_held(fleet: &Fleet, server: &mut Victim) -> u64 {
    fleet.sandbox.script(vec![Rule::once(IMAGES, Act::Hold)]);
    let call = json!({ "name": "text_to_image", "arguments": { "prompt": "A slow fox", "idempotency_key": "slow" } });
    let id = server.program.post("tools/call", call);
    until("MiniMax has it", || fleet.sandbox.paid().len() == 1);
    id
}

fn only_job(server: &mut Victim) -> Value {
    let listed = server.call("list_jobs", json!({ "query": "slow fox" }));
    listed["structuredContent"]["jobs"][0].clone()
}

fn paid_once(fleet: &Fleet, number: usize) {
    let paid = fleet.sandbox.paid();
    let prompts: BTreeSet<_> = paid.iter().map(|request| request.body["prompt"].to_string()).collect();
    assert_eq!((prompts.len(), paid.len()), (number, number), "bought twice, or lost");
}

/// Every connection of the server is taken by purchases that wait for a lock, for longer than a lease.
#[test]
fn a_server_whose_connections_are_all_in_use_continues_its_heartbeat() {
    let Some(fleet) = Fleet::new(quick()) else { return };
    let [mut first, mut second] = ["a", "b"].map(|name| fleet.replica(name, &[]));
    second.call("list_jobs", json!({}));
    let slow = order_held(&fleet, &mut first);
    let mut other = connected(&fleet, &fleet.url);
    run(&fleet, &mut other, "BEGIN; LOCK TABLE spending IN EXCLUSIVE MODE");
    let mut asked = Vec::new();
    for number in 0..14 {
        let arguments = json!({ "prompt": format!("Fox number {number}") });
        asked.push(
            first.program.post("tools/call", json!({ "name": "text_to_image", "arguments": arguments })),
        );
    }
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until("all connections wait", || fleet.count(waiting) >= 8);
    let alive = "SELECT count(*) FROM processes WHERE alive_until > extract(epoch FROM now()) * 1000";
    let since = std::time::Instant::now();
    while since.elapsed() < LONG {
        assert_eq!(fleet.count(alive), 2, "a server that lives says so");
        std::thread::sleep(Duration::from_millis(500));
    }
    let connections = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'minimax-mcp'";
    let most = fleet.count(connections);
    assert!(most <= 20, "{most} connections of two servers");
    run(&fleet, &mut other, "ROLLBACK");
    fleet.sandbox.script(Vec::new());
    asked.push(slow);
    let mut bought = 0;
    for result in answers(&first.program, asked) {
        let is_bought = result["structuredContent"]["status"] == "succeeded";
        // One that got no connection for ten seconds is refused.
        assert!(is_bought || result.to_string().contains("Nothing was sent or billed"), "{result}");
        bought += usize::from(is_bought);
    }
    assert_eq!(only_job(&mut second)["status"], "succeeded", "{}", first.log());
    assert!(!second.log().contains("adopted"), "{}", second.log());
    assert!(bought > 8, "{bought}");
    paid_once(&fleet, bought);
}

/// The only connection of a pooler is kept from a server for longer than a lease, while MiniMax works on one of its
/// orders and another waits to be sent. The other servers do not use this pooler.
#[test]
fn an_order_of_a_server_that_a_pooler_keeps_waiting_is_not_called_unknown() {
    let Some(fleet) = Fleet::new(Pace { polls: 3, seconds: 1.0, ..quick() }) else { return };
    let Some(pooler) = postgres::Pooler::start(1) else { return };
    let database = fleet.url.rsplit_once('/').unwrap().1;
    let url = format!("postgres://postgres@127.0.0.1:{}/{database}", pooler.port);
    let mut first = fleet.replica("a", &[("MINIMAX_STORE_URL", url.as_str())]);
    let mut second = fleet.replica("b", &[]);
    second.call("list_jobs", json!({}));
    let slow = order_held(&fleet, &mut first);
    // MiniMax answers while the pooler keeps the server from the database.
    let mut other = connected(&fleet, &url);
    run(&fleet, &mut other, "BEGIN");
    let video = json!({ "name": "generate_video", "arguments": { "prompt": "A hen", "wait_seconds": 60 } });
    let video = first.program.post("tools/call", video);
    let since = std::time::Instant::now();
    let mut seen = BTreeSet::new();
    let late = "SELECT count(*) FROM processes WHERE alive_until < extract(epoch FROM now()) * 1000";
    let mut was_late = false;
    while since.elapsed() < LONG {
        seen.insert(only_job(&mut second)["status"].to_string());
        was_late |= fleet.count(late) == 1;
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(was_late, "its lease ran out");
    fleet.sandbox.script(Vec::new());
    std::thread::sleep(Duration::from_millis(500));
    run(&fleet, &mut other, "COMMIT");
    let mut bought = 0;
    for result in answers(&first.program, [slow, video]) {
        let is_bought = result["structuredContent"]["status"] == "succeeded";
        // The video is refused if it got no connection for ten seconds.
        assert!(
            is_bought || result.to_string().contains("Nothing was sent or billed"),
            "{result}: {}",
            first.log()
        );
        bought += usize::from(is_bought);
    }
    until("the others know it", || {
        let status = only_job(&mut second)["status"].clone();
        seen.insert(status.to_string());
        status == "succeeded"
    });
    assert!(!seen.iter().any(|status| status.contains("unknown") || status.contains("failed")), "{seen:?}");
    paid_once(&fleet, bought);
}

/// What another server writes that takes the first one for dead.
const CALLED_UNKNOWN: &str = "UPDATE jobs SET status = 'unknown', is_open = 0, lease_owner = 'other', lease_until = 0,
    body = CAST(jsonb_set(CAST(body AS jsonb), '{state}', '{\"at\": \"unknown\", \"why\": \"it seemed to be dead\"}') AS text)
    WHERE search LIKE '%slow fox%'";

/// The answer comes after another server has called the job `unknown`.
#[test]
fn the_sender_s_outcome_of_an_order_replaces_unknown() {
    for (what, act, status) in [
        ("made", Act::Hold, "succeeded"),
        ("refused", Act::Refuse { code: 1026, message: None, retry_after: None }, "failed"),
        // It would be sent again, but a caller who read `unknown` may have bought it again.
        ("not taken", Act::Refuse { code: 1002, message: None, retry_after: None }, "failed"),
    ] {
        let Some(fleet) = Fleet::new(quick()) else { return };
        let go = fleet.dir.path().join("go");
        let point = format!("post.after#1@{}", go.display());
        let mut server = fleet.replica("a", &[("MINIMAX_CRASH_POINT", &point)]);
        let bought = usize::from(status == "succeeded");
        let rule = Rule::once(IMAGES, act);
        fleet.sandbox.script(if bought == 1 { Vec::new() } else { vec![rule] });
        let call = json!({ "name": "text_to_image", "arguments": { "prompt": "A slow fox" } });
        let id = server.program.post("tools/call", call);
        assert!(server.point(Duration::from_secs(60)).is_some(), "{}", server.log());
        fleet.run(CALLED_UNKNOWN);
        std::fs::write(&go, "").unwrap();
        let result = answers(&server.program, [id]).remove(0);
        assert_eq!(result["structuredContent"]["status"], status, "{what}: {result}: {}", server.log());
        assert_eq!(only_job(&mut server)["status"], status, "{what}");
        let reserved = "SELECT count(*) FROM spending WHERE state IN ('reserved', 'unknown')";
        assert_eq!((fleet.sandbox.paid().len(), fleet.count(reserved)), (bought, 0), "{what}");
    }
}

/// The server stands still between the record that the request leaves and the request, for longer than a lease. Meanwhile
/// another one calls the job `unknown`.
#[test]
fn a_request_whose_job_became_unknown_before_it_was_sent_is_not_sent() {
    let Some(fleet) = Fleet::new(quick()) else { return };
    let go = fleet.dir.path().join("go");
    let point = format!("post.before#1@{}", go.display());
    let mut server = fleet.replica("a", &[("MINIMAX_CRASH_POINT", &point)]);
    let call = json!({ "name": "text_to_image", "arguments": { "prompt": "A slow fox" } });
    let id = server.program.post("tools/call", call);
    assert!(server.point(Duration::from_secs(60)).is_some(), "{}", server.log());
    std::thread::sleep(Duration::from_secs(7));
    fleet.run(CALLED_UNKNOWN);
    std::fs::write(&go, "").unwrap();
    let result = answers(&server.program, [id]).remove(0);
    assert_eq!(result["structuredContent"]["status"], "failed", "{result}: {}", server.log());
    assert!(result.to_string().contains("nothing was bought"), "{result}");
    assert_eq!(fleet.sandbox.paid().len(), 0);
    assert_eq!(only_job(&mut server)["status"], "failed");
}

/// The client has left, and the server waits longer than a lease for the answer to its request.
#[test]
fn a_server_that_waits_for_its_last_answer_keeps_its_lease() {
    let Some(fleet) = Fleet::new(quick()) else { return };
    let [mut first, mut second] = ["a", "b"].map(|name| fleet.replica(name, &[]));
    second.call("list_jobs", json!({}));
    order_held(&fleet, &mut first);
    first.program.leave();
    let alive = "SELECT count(*) FROM processes WHERE alive_until > extract(epoch FROM now()) * 1000";
    let since = std::time::Instant::now();
    while since.elapsed() < LONG {
        assert_eq!(fleet.count(alive), 2, "a server that lives says so: {}", first.log());
        std::thread::sleep(Duration::from_millis(500));
    }
    fleet.sandbox.script(Vec::new());
    until("it is known", || only_job(&mut second)["status"] == "succeeded");
    first.program.ended();
    paid_once(&fleet, 1);
}
