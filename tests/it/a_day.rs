//! Simulates a day of the whole server in minutes, and checks that nothing accumulates and that every job ends.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::time::Duration;

use minimax_mcp::mcp::Server;
use minimax_mcp::sandbox::{Options, Sandbox};
use minimax_mcp::tools;
use rmcp::ServiceExt as _;
use rmcp::model::CallToolRequestParams;
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};
use tokio::time::{Instant, sleep_until};
use tokio_util::task::TaskTracker;

use crate::faults::clock::{Clock, SLOW};
use crate::harness::{Listener, config, quick, text};

/// The environment variable with the sandbox's URL. The sandbox is a separate process, so that only the server is
/// measured.
const URL: &str = "A_DAY_URL";

const HOURS: u32 = 24;
/// Rounds per hour.
const ROUNDS: u32 = 2;
const ROUND: Duration = Duration::from_secs(3600 / ROUNDS as u64);

/// Everything that could accumulate.
#[derive(Debug, Clone, Copy)]
struct Figures {
    /// Resident memory in KiB.
    memory: u64,
    open_files: usize,
    /// Tokio tasks.
    tasks: usize,
    followed: usize,
    in_line: usize,
    jobs: i64,
    open_jobs: i64,
    purchases: i64,
    unsettled: i64,
    conversations: i64,
    /// The size of the database.
    bytes: u64,
}

impl Figures {
    async fn of(server: &Server, data: &Path) -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let url = format!("sqlite://{}", data.join("jobs.sqlite3").display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let mut counts = Vec::new();
        for sql in [
            "SELECT count(*) FROM jobs",
            "SELECT count(*) FROM jobs WHERE is_open = 1",
            "SELECT count(*) FROM spending",
            "SELECT count(*) FROM spending WHERE state = 'reserved'",
            "SELECT count(*) FROM conversations",
        ] {
            counts.push(sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut connection).await.unwrap());
        }
        connection.close().await.unwrap();
        let (waiting, in_flight) = server.jobs().api().rate_limiter().counts();
        Self {
            memory: line.trim().trim_end_matches(" kB").parse().unwrap(),
            open_files: std::fs::read_dir("/proc/self/fd").unwrap().count(),
            tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
            followed: server.jobs().active_counts().0,
            in_line: waiting + in_flight,
            jobs: counts[0],
            open_jobs: counts[1],
            purchases: counts[2],
            unsettled: counts[3],
            conversations: counts[4],
            bytes: std::fs::metadata(data.join("jobs.sqlite3")).unwrap().len(),
        }
    }
}

/// A client that stays connected for an hour.
struct Guest {
    client: rmcp::service::RunningService<rmcp::RoleClient, Listener>,
    serving: TaskTracker,
}

impl Guest {
    async fn of(server: &Server) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (handler, serving) = (server.clone(), TaskTracker::new());
        serving.spawn(async move {
            if let Ok(running) = handler.serve(ours).await {
                let _ = running.waiting().await;
            }
        });
        Self { client: Listener::default().serve(theirs).await.unwrap(), serving }
    }

    async fn call(&self, tool: &'static str, arguments: Value) -> Value {
        let call = CallToolRequestParams::new(tool).with_arguments(arguments.as_object().cloned().unwrap());
        let result = self.client.call_tool(call).await.unwrap();
        assert_ne!(result.is_error, Some(true), "{tool}: {}", text(&result));
        result.structured_content.unwrap_or_default()
    }

    async fn leave(self) {
        let _ = self.client.cancel().await;
        self.serving.close();
        self.serving.wait().await;
    }

    /// The calls of one round.
    async fn round(&self, number: u32) {
        let wait = 240;
        let image =
            json!({ "prompt": format!("Fox {number}"), "width": 512, "height": 512, "wait_seconds": wait });
        let speech = json!({ "text": format!("Good morning, number {number}."), "wait_seconds": wait });
        let video = json!({ "prompt": format!("Fox {number}"), "wait_seconds": wait });
        let (image, speech, video) = tokio::join!(
            self.call("text_to_image", image),
            self.call("text_to_audio", speech),
            self.call("generate_video", video),
        );
        for made in [image, speech, video] {
            assert_eq!(made["status"], "succeeded", "{made}");
        }
        let said = self.call("chat", json!({ "prompt": "Hello", "model": "m3" })).await;
        assert!(said["text"].is_string(), "{said}");
        self.call("list_jobs", json!({ "limit": 5 })).await;
        self.call("check_account", json!({})).await;
        // One job without a waiting call, and one that is cancelled.
        self.call("generate_video", json!({ "prompt": "Later", "wait_seconds": 0 })).await;
        let given_up = self.call("generate_video", json!({ "prompt": "Never", "wait_seconds": 0 })).await;
        let cancel = json!({ "job_id": given_up["job_id"] }).as_object().cloned().unwrap();
        // The job may have ended already, so ignore the result.
        let _ = self
            .client
            .call_tool(CallToolRequestParams::new("cancel_job").with_arguments(cancel))
            .await
            .unwrap();
    }
}

/// `cargo test --test it a_day -- --ignored --nocapture`
#[test]
#[ignore = "minutes: a day of the server, at two thousand times its speed"]
fn in_a_day_nothing_accumulates_and_every_row_ends() {
    if let Ok(url) = std::env::var(URL) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(a_day(&url));
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let sandbox = runtime.block_on(Sandbox::start(Options { pace: quick(), ..Options::default() })).unwrap();
    let ended = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "a_day::in_a_day_nothing_accumulates_and_every_row_ends",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(URL, sandbox.url())
        .env("MINIMAX_CRASH_CLOCK", "tokio")
        .status()
        .unwrap();
    assert!(ended.success());
    // Each round has three awaited jobs, two others, and a chat. Nothing was bought twice.
    let rounds = usize::try_from(HOURS * ROUNDS).unwrap();
    let bought = sandbox.paid().len();
    assert!((rounds * 5..=rounds * 6).contains(&bought), "{bought}");
}

async fn a_day(url: &str) {
    let dir = tempfile::tempdir().unwrap();
    let (clock, began, real) = (Clock::start(), Instant::now(), std::time::Instant::now());
    let server = tools::server(config(url, dir.path(), &[]));
    let mut hours: Vec<Figures> = Vec::new();
    for hour in 0..HOURS {
        let guest = Guest::of(&server).await;
        for round in 0..ROUNDS {
            let number = hour * ROUNDS + round;
            guest.round(number).await;
            clock.set(2000);
            sleep_until(began + ROUND * (number + 1)).await;
            clock.set(SLOW);
        }
        guest.leave().await;
        let figures = Figures::of(&server, &dir.path().join("data/minimax-mcp")).await;
        eprintln!("hour {:2} ({:3} s): {figures:?}", hour + 1, real.elapsed().as_secs());
        hours.push(figures);
    }
    let (second, last) = (hours[1], hours[hours.len() - 1]);
    for hour in &hours {
        assert_eq!((hour.open_jobs, hour.unsettled, hour.followed, hour.in_line), (0, 0, 0, 0), "{hour:?}");
        assert!(hour.open_files <= second.open_files + 4, "{hour:?}, before: {second:?}");
        assert!(hour.tasks <= second.tasks + 2, "{hour:?}, before: {second:?}");
    }
    assert!(last.memory < second.memory + 12 * 1024, "{last:?}, before: {second:?}");
    // Records are kept, so their number grows by exactly the number of orders.
    let orders = i64::from(HOURS * ROUNDS);
    assert_eq!((last.jobs, last.purchases), (orders * 5, orders * 6));
    assert_eq!(last.conversations, orders);
    assert!(last.bytes / u64::try_from(last.jobs).unwrap() < 8192, "{last:?}");
    server.jobs().shut_down(Duration::from_secs(5)).await;
}
