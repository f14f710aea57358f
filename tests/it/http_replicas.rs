//! Two servers on one data folder, as behind a balancer: every request may go to either of them.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{eventually, quick};
use crate::http::{ADA, Served, answer, post, web};
use crate::http_protocol::modern;
use minimax_mcp::sandbox::Pace;

#[tokio::test]
async fn requests_that_alternate_between_two_servers_are_all_answered() {
    let served = Served::tuned(true, Pace { polls: 2, ..quick() }, |config| {
        config.http.tokens.iter_mut().for_each(|row| row.toolsets = None);
    })
    .await;
    let other = served.neighbour_tuned(true, |_| {}).await;
    let bases = [served.base.clone(), other];
    let mut turn = 0;
    let mut next = || {
        turn += 1;
        bases[turn % 2].clone()
    };
    // A stale session id comes with every request, as from a client that another program knew before.
    let ask = async |base: String, method: &str, params: Value| {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let request = post(&base, Some(ADA), &body).header("Mcp-Session-Id", "of-a-server-that-is-gone");
        let answer = answer(request.send().await.unwrap()).await;
        assert!(answer["result"].is_object(), "{method} at {base}: {answer}");
        answer["result"].clone()
    };
    for _ in 0..2 {
        let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "c", "version": "0" } });
        ask(next(), "initialize", hello).await;
        for method in ["tools/list", "prompts/list", "resources/list", "resources/templates/list", "ping"] {
            ask(next(), method, json!({})).await;
        }
        // A paid call at one, its job at the other, and again at the first.
        let call = |tool: &str, arguments: Value| json!({ "name": tool, "arguments": arguments });
        let made = ask(next(), "tools/call", call("text_to_image", json!({ "prompt": "A fox" }))).await;
        let job = made["structuredContent"]["job_id"].clone();
        let mut links = Vec::new();
        for _ in 0..2 {
            let view = ask(next(), "tools/call", call("get_job", json!({ "job_id": job }))).await;
            assert_eq!(view["structuredContent"]["status"], "succeeded", "{view}");
            links.push(view["structuredContent"]["files"][0]["download_url"].as_str().unwrap().to_owned());
        }
        let path =
            |link: &str| bases.iter().find_map(|base| link.strip_prefix(base.as_str())).unwrap().to_owned();
        let mut picture = Vec::new();
        for link in &links {
            for _ in 0..2 {
                let response = web().get(format!("{}{}", next(), path(link))).send().await.unwrap();
                assert_eq!(response.status(), StatusCode::OK, "{link}");
                picture = response.bytes().await.unwrap().to_vec();
            }
        }
        // A file that one received is an input at both.
        let upload = web().post(format!("{}/uploads?name=fox.jpg", next())).bearer_auth(ADA).body(picture);
        let handed: Value = upload.send().await.unwrap().json().await.unwrap();
        for _ in 0..2 {
            let film = json!({ "prompt": "It walks", "first_frame_image": handed["uri"], "dry_run": true });
            let rehearsed = ask(next(), "tools/call", call("generate_video", film)).await;
            assert_ne!(rehearsed["isError"], true, "{rehearsed}");
        }
        // A task that one started is asked about at both.
        let able = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
        let meta = json!({ "io.modelcontextprotocol/clientCapabilities": able });
        let film = json!({ "name": "generate_video", "arguments": { "prompt": "waves" }, "_meta": meta });
        let order = modern(&next(), "tools/call", Some("generate_video"), film).bearer_auth(ADA);
        let task = answer(order.send().await.unwrap()).await["result"]["taskId"].as_str().unwrap().to_owned();
        for base in [next(), next()] {
            eventually("the task is done", async || {
                let about = json!({ "taskId": task, "_meta": meta });
                let request = modern(&base, "tasks/get", Some(&task), about).bearer_auth(ADA);
                answer(request.send().await.unwrap()).await["result"]["status"] == "completed"
            })
            .await;
        }
        next();
    }
    assert_eq!(served.sandbox.paid().len(), 4, "each order was sent once");
    served.end().await;
}
