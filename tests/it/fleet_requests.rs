//! Three servers over HTTP with one PostgreSQL, each with its own data folder: any request may go to any of them.

#[cfg(unix)]
use std::path::PathBuf;
use std::time::Duration;

use minimax_mcp::sandbox::Pace;
use reqwest::StatusCode;
use serde_json::{Value, json};

#[cfg(unix)]
use crate::crash::until;
use crate::crash::{Victim, command};
use crate::fleet::Fleet;
use crate::harness::quick;
use crate::http::{ADA, answer, post, web};
use crate::http_protocol::modern;
#[cfg(unix)]
use crate::{postgres, s3};

/// A server over HTTP, and its address.
struct Replica {
    base: String,
    victim: Victim,
}

/// They all have the same public address, as behind a proxy.
const PUBLIC: &str = "http://media.example.com";

impl Replica {
    fn start(fleet: &Fleet, name: &str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let data = fleet.dir.path().join(name).display().to_string();
        let settings = [
            ("MINIMAX_STORE_URL", fleet.url.as_str()),
            ("MINIMAX_DATA_DIR", &data),
            ("MINIMAX_MCP_TOKEN", ADA),
            ("MINIMAX_MCP_PUBLIC_URL", PUBLIC),
        ];
        let mut command = command(&fleet.sandbox.url(), fleet.dir.path(), &settings);
        command.args(["serve", "--http", &format!("127.0.0.1:{port}")]);
        let replica = Self { base: format!("http://127.0.0.1:{port}"), victim: Victim::start(command) };
        fleet.runtime.block_on(async {
            while web().get(format!("{}/healthz", replica.base)).send().await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        replica
    }

    async fn ready(&self) -> StatusCode {
        web().get(format!("{}/readyz", self.base)).send().await.unwrap().status()
    }
}

async fn ask(base: &str, method: &str, params: Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let request = post(base, Some(ADA), &body).header("Mcp-Session-Id", "of-a-server-that-is-gone");
    let answer = answer(request.send().await.unwrap()).await;
    assert!(answer["result"].is_object(), "{method} at {base}: {answer}");
    answer["result"].clone()
}

async fn call(base: &str, tool: &str, arguments: Value) -> Value {
    ask(base, "tools/call", json!({ "name": tool, "arguments": arguments })).await
}

#[test]
fn requests_that_alternate_between_three_servers_are_all_answered() {
    let Some(fleet) = Fleet::new(Pace { polls: 4, seconds: 3.0, ..quick() }) else { return };
    let replicas = ["a", "b", "c"].map(|name| Replica::start(&fleet, name));
    let mut turn = 0;
    let mut next = || {
        turn += 1;
        replicas[turn % 3].base.clone()
    };
    fleet.runtime.block_on(async {
        // Each step of four comes to another server in the next round.
        for round in 0..3 {
            let client = json!({ "name": "c", "version": "0" });
            let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
            ask(&next(), "initialize", hello).await;
            ask(&next(), "tools/list", json!({})).await;
            let prompt = format!("A fox in round {round}");
            let made = call(&next(), "text_to_image", json!({ "prompt": prompt })).await;
            let job = &made["structuredContent"]["job_id"];
            for _ in 0..3 {
                let view = call(&next(), "get_job", json!({ "job_id": job })).await;
                assert_eq!(view["structuredContent"]["status"], "succeeded", "{view}");
                let link = view["structuredContent"]["files"][0]["download_url"].as_str().unwrap();
                for replica in &replicas {
                    let file = link.replace(PUBLIC, &replica.base);
                    let response = web().get(&file).send().await.unwrap();
                    assert_eq!(response.status(), StatusCode::OK, "{link} at {}", replica.base);
                }
            }
            let listed = call(&next(), "list_jobs", json!({})).await;
            assert!(
                listed["structuredContent"]["jobs"].to_string().contains(job.as_str().unwrap()),
                "{listed}"
            );
            // A task that one server started can be queried at every server, and a change is reported at a server that
            // does not do the work.
            let able = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
            let meta = json!({ "io.modelcontextprotocol/clientCapabilities": able });
            let film = json!({ "name": "generate_video", "arguments": { "prompt": prompt }, "_meta": meta });
            let order = modern(&next(), "tools/call", Some("generate_video"), film).bearer_auth(ADA);
            let order = answer(order.send().await.unwrap()).await;
            let task = order["result"]["taskId"].as_str().unwrap().to_owned();
            let film = call(&next(), "list_jobs", json!({ "kind": "video" })).await;
            let film = film["structuredContent"]["jobs"][0]["job_id"].as_str().unwrap().to_owned();
            hears(&next(), &format!("minimax://jobs/{film}")).await;
            for replica in &replicas {
                let is_done = async || {
                    let about = json!({ "taskId": task, "_meta": meta });
                    let request = modern(&replica.base, "tasks/get", Some(&task), about).bearer_auth(ADA);
                    answer(request.send().await.unwrap()).await["result"]["status"] == "completed"
                };
                crate::harness::eventually("the task is done", is_done).await;
            }
            next();
        }
        for replica in &replicas {
            assert_eq!(replica.ready().await, StatusCode::OK);
        }
    });
    assert_eq!(fleet.sandbox.paid().len(), 6, "each order was sent once");
}

/// Subscribes, and waits until the server reports a change.
async fn hears(base: &str, uri: &str) {
    let wanted = json!({ "notifications": { "resourceSubscriptions": [uri] } });
    let request = modern(base, "subscriptions/listen", None, wanted).bearer_auth(ADA);
    let mut response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut heard = String::new();
    let hearing = async {
        while !heard.contains("notifications/resources/updated") {
            heard += &String::from_utf8_lossy(&response.chunk().await.unwrap().expect("it goes on"));
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(20), hearing).await;
    assert!(in_time.is_ok(), "nothing is heard of {uri}: {heard}");
}

#[cfg(unix)]
#[test]
fn a_server_without_its_database_is_not_ready_and_delivers_what_it_has_when_it_is_back() {
    let Some(mut fleet) = Fleet::new(Pace { polls: 4, seconds: 4.0, ..quick() }) else { return };
    let Some(mut cluster) = postgres::Cluster::start() else { return };
    fleet.url = cluster.database(fleet.dir.path());
    let replica = Replica::start(&fleet, "a");
    let until_ready = async |wanted: StatusCode| {
        crate::harness::eventually("readiness", async || replica.ready().await == wanted).await;
    };
    let job = fleet.runtime.block_on(async {
        until_ready(StatusCode::OK).await;
        let film = json!({ "prompt": "A fox", "wait_seconds": 0 });
        let started = call(&replica.base, "generate_video", film).await;
        started["structuredContent"]["job_id"].as_str().unwrap().to_owned()
    });
    cluster.kill();
    fleet.runtime.block_on(async {
        until_ready(StatusCode::SERVICE_UNAVAILABLE).await;
        // The process itself is well: it must not be ended for what its database lacks.
        let healthy = web().get(format!("{}/healthz", replica.base)).send().await.unwrap();
        assert_eq!(healthy.status(), StatusCode::OK);
        let refused = call(&replica.base, "text_to_image", json!({ "prompt": "A hen" })).await;
        assert_eq!(refused["isError"], true, "{refused}");
        // The video ends and is delivered meanwhile, or its record waits.
        let path = fleet.dir.path().join("out");
        let is_film = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "mp4");
        let is_there = || s3::results(&path).iter().any(is_film);
        until("the file", is_there);
    });
    cluster.restart();
    fleet.runtime.block_on(async {
        until_ready(StatusCode::OK).await;
        let view = call(&replica.base, "get_job", json!({ "job_id": job, "wait_seconds": 50 })).await;
        assert_eq!(view["structuredContent"]["status"], "succeeded", "{view}: {}", replica.victim.log());
    });
    assert_eq!(fleet.sandbox.paid().len(), 1);
}
