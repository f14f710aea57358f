//! Many programs, cancellations, jobs and calls, and a proxy that must not be used.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use serde_json::{Value, json};

use crate::crash::{Cell, command};
use crate::crash_promises::delivered;
use crate::harness::Program;
use crate::http_attack::stage::{ADA, Process, on_stage, post, request};
use crate::storage::Stage;

fn image(prompt: &str) -> Value {
    json!({ "prompt": prompt, "width": 512, "height": 512, "wait_seconds": 60, "idempotency_key": prompt })
}

/// The resident memory in KiB, if `/proc` exists.
fn memory(program: &Program) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[test]
fn eight_programs_that_start_at_once_on_a_new_folder_stay_within_the_budget() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let cell = Cell::new(&runtime);
    let (all, budget) = (Barrier::new(8), [("MINIMAX_BUDGET_DAY", "0.0105")]);
    // The budget is enough for three of the four orders. Two programs give each order.
    let results: Vec<_> = std::thread::scope(|scope| {
        let start = |number: usize| {
            let (cell, all) = (&cell, &all);
            move || {
                all.wait();
                let mut program = cell.program(&budget).ready();
                program.call("text_to_image", image(&format!("Fox {}", number % 4)))
            }
        };
        let threads: Vec<_> = (0..8).map(|number| scope.spawn(start(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut prompts: Vec<_> =
        cell.sandbox.paid().iter().map(|paid| paid.body["prompt"].to_string()).collect();
    prompts.sort();
    let bought = prompts.len();
    prompts.dedup();
    assert_eq!((bought, prompts.len()), (3, 3), "{results:?}");
    for result in &results {
        let told = result["content"][0]["text"].as_str().unwrap_or_default();
        let view = &result["structuredContent"];
        assert!(delivered(view, "one of eight") == 1 || told.contains("MINIMAX_BUDGET_DAY"), "{result}");
    }
}

/// Requests to this machine must not go through a proxy, which would see the key.
#[test]
fn no_proxy_gets_requests_to_this_machine() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let came = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&came);
    std::thread::spawn(move || {
        for _ in listener.incoming() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let cell = Cell::new(&runtime);
        let mut program = cell.program(&[(name, &proxy)]).ready();
        let made = program.call("text_to_image", image("A fox"))["structuredContent"].clone();
        assert_eq!(delivered(&made, name), 1, "{name}: {made}");
        assert_ne!(program.call("speak", json!({ "text": "Hello." }))["isError"], true, "{name}");
        assert_ne!(program.call("chat", json!({ "prompt": "Hello" }))["isError"], true, "{name}");
        assert_eq!(came.load(Ordering::Relaxed), 0, "{name}");
    }
}

#[test]
fn any_number_of_stray_notifications_leaves_nothing_behind() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let cell = Cell::new(&runtime);
    let mut program = Program::of({
        let mut command = command(&cell.sandbox.url(), cell.dir.path(), &[]);
        command.stderr(std::process::Stdio::null());
        command
    });
    program.initialize("2025-06-18");
    let flood = |program: &mut Program, count: u64| {
        for block in 0..count {
            let mut lines = String::new();
            for number in block * 100..block * 100 + 100 {
                let note = match number % 4 {
                    0 => {
                        json!({ "method": "notifications/cancelled", "params": { "requestId": number + 1_000 } })
                    }
                    1 => {
                        json!({ "method": "notifications/cancelled", "params": { "requestId": format!("r{number}") } })
                    }
                    2 => {
                        json!({ "method": "notifications/progress", "params": { "progressToken": number, "progress": 1 } })
                    }
                    _ => json!({ "method": "notifications/roots/list_changed" }),
                };
                let mut note = note;
                note["jsonrpc"] = json!("2.0");
                lines.push_str(&note.to_string());
                lines.push('\n');
            }
            program.send_bytes(lines.as_bytes());
        }
        // The response is the next line, so none of the earlier messages had one.
        let id = program.post("ping", json!({}));
        let answer = program.next(std::time::Duration::from_secs(120)).expect("an answer");
        assert_eq!(answer["id"], id, "{answer}");
    };
    flood(&mut program, 50);
    let before = memory(&program);
    flood(&mut program, 500);
    if let (Some(before), Some(now)) = (before, memory(&program)) {
        assert!(now < before + 16 * 1024, "{before} KiB, then {now} KiB");
    }
}

#[test]
fn among_twenty_thousand_jobs_each_is_found_and_all_are_counted() {
    let stage = Stage::new();
    let mut program = stage.program();
    let made = program.call("text_to_image", image("Template"));
    assert_eq!(made["structuredContent"]["status"], "succeeded", "{made}");
    program.kill();
    stage.sql_of(
        "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 20000)
         INSERT INTO jobs (id, principal, account, kind, status, is_open, search, body, created_at, updated_at)
         SELECT 'image-' || n, principal, account, kind, status, 0, 'image-' || n || ' needle' || n,
                json_set(body, '$.id', 'image-' || n, '$.prompt', 'needle' || n, '$.idempotency_key', NULL),
                created_at - n, updated_at
         FROM jobs, number",
        Some(
            "INSERT INTO jobs (id, principal, account, kind, status, is_open, search, body, created_at, updated_at)
             SELECT 'image-' || n, principal, account, kind, status, 0, 'image-' || n || ' needle' || n,
                    CAST(CAST(body AS jsonb) || jsonb_build_object('id', 'image-' || n, 'prompt', 'needle' || n,
                         'idempotency_key', NULL) AS text),
                    created_at - n, updated_at
             FROM jobs, generate_series(1, 20000) AS n",
        ),
    );
    let mut program = stage.program();
    let found = program.call("list_jobs", json!({ "query": "needle12345" }));
    let jobs = found["structuredContent"]["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 1, "{found}");
    assert_eq!(jobs[0]["job_id"], "image-12345");
    let oldest = program.call("get_job", json!({ "job_id": "image-20000", "wait_seconds": 0 }));
    assert_eq!(oldest["structuredContent"]["job_id"], "image-20000", "{oldest}");
    let page = program.call("list_jobs", json!({ "limit": 50 }));
    assert_eq!(page["structuredContent"]["jobs"].as_array().unwrap().len(), 50);
    assert!(page["structuredContent"]["next_cursor"].is_string());
    let again = program.call("text_to_image", image("Template"));
    assert_eq!(again["structuredContent"]["job_id"], made["structuredContent"]["job_id"]);
    program.kill();
    let server = Process::start(&stage.cell.sandbox.url(), stage.cell.dir.path(), &[]);
    let figures =
        server.ask(crate::http_attack::stage::get("/metrics", &format!("Authorization: Bearer {ADA}\r\n")));
    let figures = figures.unwrap().text();
    assert!(figures.contains("20001"), "{figures}");
    assert_eq!(stage.bought(), 1);
}

#[test]
fn many_calls_at_once_are_all_answered_and_leave_no_memory_behind() {
    on_stage(|stage| {
        let program = &stage.program;
        let wave = |count: usize, body: &str| {
            std::thread::scope(|scope| {
                let ask = || program.ask(post("/mcp", ADA, body)).map(|answer| answer.status);
                let threads: Vec<_> = (0..count).map(|_| scope.spawn(ask)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
            })
        };
        let ping = request("ping", json!({ "x": "x".repeat(64 * 1024) }));
        assert!(wave(64, &ping).iter().all(|status| *status == Some(200)));
        let before = program.memory();
        for _ in 0..5 {
            assert!(wave(64, &ping).iter().all(|status| *status == Some(200)));
        }
        if let (Some(before), Some(now)) = (before, program.memory()) {
            assert!(now < before + 64 * 1024, "{before} KiB, then {now} KiB");
        }
        // A dry run with a conversation of megabytes.
        let said = json!({ "role": "user", "content": "The quick brown fox. ".repeat(100_000) });
        let long = json!({ "messages": [said], "dry_run": true });
        let long = request("tools/call", json!({ "name": "chat", "arguments": long }));
        for status in wave(12, &long) {
            assert!([Some(200), Some(413), Some(429), Some(503)].contains(&status), "{status:?}");
        }
        assert_eq!(stage.sandbox.requests().len(), 0);
    });
}
