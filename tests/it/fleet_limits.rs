//! Rate limits that several servers with one PostgreSQL keep together.

use std::time::{Duration, Instant};

use minimax_mcp::sandbox::{Act, RateLimit, Rule};
use serde_json::{Value, json};

use crate::crash::{Victim, until};
use crate::fleet::{Fleet, answers};
use crate::harness::quick;
use crate::postgres;

const IMAGES: &str = "/v1/image_generation";

/// What MiniMax allows.
fn allowed(count: usize, seconds: f64) -> Vec<RateLimit> {
    let path = IMAGES.to_owned();
    vec![RateLimit { path, method: None, count: Some(count), seconds, in_flight: None, retry_after: None }]
}

/// Three servers that know this limit, and keep it.
fn servers(fleet: &Fleet, url: &str, limit: &Value) -> [Victim; 3] {
    let facts = fleet.dir.path().join("facts.json");
    std::fs::write(&facts, json!({ "limits": [limit] }).to_string()).unwrap();
    let facts = facts.display().to_string();
    let settings =
        [("MINIMAX_STORE_URL", url), ("MINIMAX_RATE_LIMITS", "true"), ("MINIMAX_FACTS_FILE", &facts)];
    ["a", "b", "c"].map(|name| fleet.replica(name, &settings))
}

/// Orders `count` images, at the three servers in turn. Returns the ids of the calls for each server.
fn order(servers: &mut [Victim; 3], count: usize, wait_seconds: u32) -> [Vec<u64>; 3] {
    let mut asked = [const { Vec::new() }; 3];
    for number in 0..count {
        let prompt = format!("Fox number {number}");
        let small = json!({ "prompt": prompt, "width": 512, "height": 512, "wait_seconds": wait_seconds });
        let call = json!({ "name": "text_to_image", "arguments": small });
        asked[number % 3].push(servers[number % 3].program.post("tools/call", call));
    }
    asked
}

fn refusals(fleet: &Fleet) -> usize {
    fleet.sandbox.requests().iter().filter(|request| request.code == Some(1002)).count()
}

fn sent(fleet: &Fleet) -> usize {
    fleet.sandbox.requests().iter().filter(|request| request.path == IMAGES).count()
}

fn all_succeed(fleet: &Fleet, servers: &mut [Victim; 3], count: usize) {
    let asked = order(servers, count, 55);
    for (server, ids) in servers.iter().zip(asked) {
        for result in answers(&server.program, ids) {
            assert_eq!(result["structuredContent"]["status"], "succeeded", "{result}: {}", server.log());
        }
    }
    assert_eq!((fleet.sandbox.paid().len(), refusals(fleet)), (count, 0), "{}", servers[0].log());
}

#[test]
fn a_limit_of_ten_lets_ten_through_at_three_servers() {
    let Some(fleet) = Fleet::new(quick()) else { return };
    fleet.sandbox.set_limits(allowed(10, 60.0));
    let limit = json!({ "group": "image", "count": 10, "seconds": 60, "burst": 10, "in_flight": 10 });
    let mut servers = servers(&fleet, &fleet.url, &limit);
    let begun = Instant::now();
    let asked = order(&mut servers, 18, 0);
    let views: Vec<_> =
        servers.iter().zip(asked).flat_map(|(server, ids)| answers(&server.program, ids)).collect();
    until("ten are sent", || sent(&fleet) >= 10);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(refusals(&fleet), 0, "{views:?}");
    // On a loaded machine the next minute may have begun.
    let sent = sent(&fleet);
    assert!(
        sent == 10 || begun.elapsed() > Duration::from_secs(55),
        "{sent} in {:?}: {views:?}",
        begun.elapsed()
    );
    let waiting: Vec<_> =
        views.iter().map(ToString::to_string).filter(|view| view.contains("in line")).collect();
    assert!(waiting.iter().any(|view| view.contains("MiniMax allows 10 a minute")), "{views:?}");
}

#[test]
fn requests_that_wait_for_a_shared_limit_arrive_without_a_refusal() {
    let Some(fleet) = Fleet::new(quick()) else { return };
    fleet.sandbox.set_limits(allowed(10, 3.0));
    let limit = json!({ "group": "image", "count": 10, "seconds": 3, "in_flight": 10 });
    let mut servers = servers(&fleet, &fleet.url, &limit);
    all_succeed(&fleet, &mut servers, 24);
}

#[test]
fn a_limit_of_all_servers_holds_behind_a_pooler() {
    let Some(fleet) = Fleet::new(quick()) else { return };
    let Some(pooler) = postgres::Pooler::start(3) else { return };
    let database = fleet.url.rsplit_once('/').unwrap().1;
    let url = format!("postgres://postgres@127.0.0.1:{}/{database}", pooler.port);
    fleet.sandbox.set_limits(allowed(10, 3.0));
    let limit = json!({ "group": "image", "count": 10, "seconds": 3, "in_flight": 10 });
    let mut servers = servers(&fleet, &url, &limit);
    all_succeed(&fleet, &mut servers, 18);
}

#[test]
fn a_refusal_of_one_server_slows_the_others() {
    let Some(fleet) = Fleet::new(quick()) else { return };
    let limit = json!({ "group": "image", "count": 1000, "seconds": 60, "in_flight": 10 });
    let mut servers = servers(&fleet, &fleet.url, &limit);
    let refuse = Act::Refuse { code: 1002, message: None, retry_after: Some(5) };
    fleet.sandbox.script(vec![Rule::once(IMAGES, refuse)]);
    let asked = order(&mut servers, 1, 0);
    answers(&servers[0].program, asked[0].clone());
    until("one is refused", || refusals(&fleet) == 1);
    let limits = "SELECT count(*) FROM rate_limits WHERE name = 'image' AND CAST(body AS json) ->> 'paused_until' <> '0'";
    until("the others can know", || fleet.count(limits) == 1);
    let call = json!({ "name": "text_to_image", "arguments": { "prompt": "A hen", "wait_seconds": 0 } });
    let id = servers[1].program.post("tools/call", call);
    let view = answers(&servers[1].program, [id]).remove(0);
    assert!(view.to_string().contains("in line"), "{view}");
    assert_eq!(sent(&fleet), 1, "{view}");
    until("both are made", || fleet.sandbox.paid().len() == 2);
    assert_eq!(refusals(&fleet), 1);
}

/// Polls cost nothing and continue in small numbers. Purchases wait.
#[cfg(unix)]
#[test]
fn without_the_database_running_jobs_are_polled_and_nothing_is_bought() {
    use minimax_mcp::sandbox::Pace;

    let Some(mut fleet) = Fleet::new(Pace { polls: 6, seconds: 4.0, ..quick() }) else { return };
    let Some(mut cluster) = postgres::Cluster::start() else { return };
    fleet.url = cluster.database(fleet.dir.path());
    let settings = [("MINIMAX_RATE_LIMITS", "true"), ("MINIMAX_POLL_SECONDS", "0.3")];
    let mut server = fleet.replica("a", &settings);
    let started = server.call("generate_video", json!({ "prompt": "A fox", "wait_seconds": 0 }));
    let polls = || fleet.sandbox.requests().iter().filter(|request| request.path.contains("/query/")).count();
    until("it is polled", || polls() > 0);
    cluster.kill();
    let before = polls();
    until("it is polled without the database", || polls() > before + 1);
    let refused = server.call("text_to_image", json!({ "prompt": "A hen" }));
    assert_eq!((&refused["isError"], fleet.sandbox.paid().len()), (&json!(true), 1), "{refused}");
    cluster.restart();
    let job = json!({ "job_id": started["structuredContent"]["job_id"], "wait_seconds": 55 });
    let view = server.call("get_job", job);
    assert_eq!(view["structuredContent"]["status"], "succeeded", "{view}: {}", server.log());
    assert_eq!(fleet.sandbox.paid().len(), 1);
}
