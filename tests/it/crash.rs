//! Kills the real program at a chosen crash point of a job and starts it again.

use std::fs;
use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use minimax_mcp::sandbox::{Act, Options, Rule, Sandbox};
use serde_json::{Value, json};

use crate::crash_orders::{Order, keyed};
use crate::crash_promises::{delivered, judge, listed, nothing_half, rows};
use crate::harness::{Program, chosen, quick, silent_player};

/// Longer than a lease, in milliseconds. A program whose clock is this far ahead finds the dead program's leases
/// expired.
const AHEAD: &str = "7000";

/// A generous time limit, because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with its own sandbox.
pub struct Cell {
    pub sandbox: Sandbox,
    pub dir: tempfile::TempDir,
}

impl Cell {
    pub fn new(runtime: &tokio::runtime::Runtime) -> Self {
        let sandbox =
            runtime.block_on(Sandbox::start(Options { pace: quick(), ..Options::default() })).unwrap();
        let dir = tempfile::tempdir().unwrap();
        for folder in ["out", "home"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        Self { sandbox, dir }
    }

    pub fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Starts the program on this folder, with `more` in its environment.
    pub fn program(&self, more: &[(&str, &str)]) -> Victim {
        Victim::start(command(&self.sandbox.url(), self.dir.path(), more))
    }

    /// Starts the program after a crash, without having to wait for the old leases to expire.
    pub fn program_later(&self) -> Victim {
        self.program(&[("MINIMAX_CRASH_CLOCK", AHEAD)])
    }
}

/// A command that runs the program with the sandbox at `url` and all its folders below `dir`.
pub fn command(url: &str, dir: &Path, more: &[(&str, &str)]) -> Command {
    let mut command = crate::harness::program();
    let path = |name: &str| dir.join(name).into_os_string();
    command
        // The orders of the crash tests speak aloud.
        .env("PATH", silent_player())
        .env("HOME", path("home"))
        .env("USERPROFILE", path("home"))
        .env("MINIMAX_API_HOST", url)
        .env("MINIMAX_SANDBOX", "true")
        .env("MINIMAX_API_KEY", "sk-api-secret")
        .env("MINIMAX_MCP_BASE_PATH", path("out"))
        .env("MINIMAX_DATA_DIR", path("data"))
        // The inputs of a whole matrix are outside its folders.
        .env("MINIMAX_ALLOWED_DIRS", std::env::temp_dir())
        .env("MINIMAX_POLL_SECONDS", "0.05")
        .envs(chosen(dir))
        .envs(more.iter().copied());
    command
}

/// The program and its stderr.
pub struct Victim {
    pub program: Program,
    said: Receiver<String>,
    log: Arc<Mutex<String>>,
}

impl Victim {
    pub fn start(mut command: Command) -> Self {
        command.stderr(Stdio::piped());
        let mut program = Program::of(command);
        let stderr = program.child.stderr.take().unwrap();
        let (sender, said) = channel();
        let log = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let point = line.strip_prefix("crash point ").map(str::to_owned);
                kept.lock().unwrap().extend([line.as_str(), "\n"]);
                if point.is_some_and(|point| sender.send(point).is_err()) {
                    return;
                }
            }
        });
        Self { program, said, log }
    }

    /// Performs the handshake.
    pub fn ready(mut self) -> Self {
        self.program.initialize("2025-06-18");
        self
    }

    /// Sends a call whose answer nothing waits for.
    pub fn begin(&mut self, tool: &str, arguments: &Value) {
        self.program.post("tools/call", json!({ "name": tool, "arguments": arguments }));
    }

    pub fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let asked = format!("{tool} {arguments}");
        let id = self.program.post("tools/call", json!({ "name": tool, "arguments": arguments }));
        loop {
            match self.program.next(Duration::from_secs(300)) {
                Some(answer) if answer["id"] == id => return answer["result"].clone(),
                Some(_) => {}
                None => panic!("no answer to {asked}\n{}", self.log()),
            }
        }
    }

    /// The next crash point that the program passes; `None` after the patience.
    pub fn point(&self, patience: Duration) -> Option<String> {
        self.said.recv_timeout(patience).ok()
    }

    /// The stderr output so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn kill(self) {
        self.program.kill();
    }
}

/// When to kill the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Death {
    /// At this crash point.
    At(String),
    /// After the sandbox has processed the request, while it holds the response back.
    Held,
    /// After the sandbox has the upload, while it holds the response back.
    UploadHeld,
}

impl Death {
    pub fn name(&self) -> &str {
        match self {
            Self::At(point) => point,
            Self::Held => "minimax has the request",
            Self::UploadHeld => "minimax has the upload",
        }
    }
}

/// The outcome of a cell.
#[derive(Debug)]
pub struct Outcome {
    /// The purchases billed when the program was killed.
    pub bought: usize,
    /// The job's status after the restart; `none` without a record.
    pub status: String,
    /// The number of its files.
    pub files: usize,
    /// The outcome of the same call with the same idempotency key.
    pub repeated: String,
    /// The purchases billed in the end.
    pub in_all: usize,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { bought, status, files, repeated, in_all } = self;
        write!(
            f,
            "bought {bought}, then {status}, {files} files; the call again: {repeated}, bought {in_all} in all"
        )
    }
}

/// The crash points that an undisturbed job passes, in order.
pub fn trace(runtime: &tokio::runtime::Runtime, order: &Order) -> Vec<String> {
    let cell = Cell::new(runtime);
    let mut program = cell.program(&[("MINIMAX_CRASH_POINT", "trace")]).ready();
    let made = program.call(order.tool, keyed(order, "k"));
    assert_eq!(made["structuredContent"]["status"], "succeeded", "{}: {made}", order.name);
    let mut points = Vec::new();
    while let Some(point) = program.point(Duration::from_millis(200)) {
        points.push(point);
    }
    // Two files are delivered concurrently, so sort their points.
    let rank = |point: &String| {
        ["sealed", "begun", "written", "named", "completed"].iter().position(|step| point.contains(step))
    };
    let delivers = |point: &String| point.starts_with("file.") || point.starts_with("bucket.");
    for files in points.chunk_by_mut(|one, other| delivers(one) && delivers(other)) {
        files.sort_by_key(|point| (rank(point), point.clone()));
    }
    points
}

/// Kills the program, starts it again, and checks that every promise was kept.
pub fn cell(runtime: &tokio::runtime::Runtime, order: &Order, death: &Death) -> Outcome {
    let at = || format!("{} at {}", order.name, death.name());
    let cell = Cell::new(runtime);
    die(&cell, order, death);
    let bought = cell.sandbox.paid().len();
    assert!(bought <= 1, "{}: bought {bought} times", at());

    let mut next = cell.program_later().ready();
    let jobs = listed(&mut next);
    assert!(jobs.len() <= 1, "{}: {jobs:?}", at());
    let (status, files) = match jobs.first() {
        None => ("none".to_owned(), 0),
        Some(job) => {
            let view = next.call("get_job", json!({ "job_id": job, "wait_seconds": 240 }));
            let view = &view["structuredContent"];
            judge(view, bought, &at());
            (view["status"].as_str().unwrap_or_default().to_owned(), delivered(view, &at()))
        }
    };
    let mut repeated = "takes no key".to_owned();
    if order.is_keyed() {
        let again = next.call(order.tool, keyed(order, "k"));
        let again = &again["structuredContent"];
        judge(again, cell.sandbox.paid().len(), &at());
        delivered(again, &at());
        again["status"].as_str().unwrap_or_default().clone_into(&mut repeated);
    }
    let in_all = cell.sandbox.paid().len();
    assert!(in_all <= 1, "{}: bought twice", at());
    let readable = listed(&mut next).len();
    next.kill();
    assert_eq!(runtime.block_on(rows(&cell.data())), readable, "{}: every record is readable", at());
    nothing_half(&cell.out(), &at());
    Outcome { bought, status, files, repeated, in_all }
}

fn die(cell: &Cell, order: &Order, death: &Death) {
    let stall = |path: &str| cell.sandbox.script(vec![Rule::once(path, Act::Stall)]);
    let mut victim = match death {
        Death::At(point) => cell.program(&[("MINIMAX_CRASH_POINT", point)]).ready(),
        Death::Held => {
            stall(order.path.unwrap_or_default());
            cell.program(&[]).ready()
        }
        Death::UploadHeld => {
            stall("/v1/files/upload");
            cell.program(&[]).ready()
        }
    };
    let arguments = json!({ "name": order.tool, "arguments": keyed(order, "k") });
    victim.program.post("tools/call", arguments);
    match death {
        Death::At(point) => {
            let reached = victim.point(PATIENCE);
            assert_eq!(reached.as_ref(), Some(point), "{}: {}", order.name, victim.log());
        }
        Death::Held => until("the request", || cell.sandbox.paid().len() == 1),
        Death::UploadHeld => {
            until("the upload", || cell.sandbox.requests().iter().any(|it| it.path == "/v1/files/upload"));
        }
    }
    victim.kill();
    cell.sandbox.script(Vec::new());
}

pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs `work` for each item on several threads. Returns the results in order, or fails with all failures.
pub fn in_parallel<T: Sync, R: Send>(threads: usize, all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(item) = all.get(index) else { return };
                    let result = catch_unwind(AssertUnwindSafe(|| work(item))).map_err(|panic| {
                        let said = panic.downcast_ref::<String>().cloned();
                        said.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
                            .unwrap_or_default()
                    });
                    results.lock().unwrap().push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort_by_key(|(index, _)| *index);
    let (good, bad): (Vec<_>, Vec<_>) =
        results.into_iter().map(|(_, result)| result).partition(Result::is_ok);
    let bad: Vec<_> = bad.into_iter().filter_map(Result::err).collect();
    assert!(bad.is_empty(), "{} of {} broke a promise:\n{}", bad.len(), all.len(), bad.join("\n"));
    good.into_iter().filter_map(Result::ok).collect()
}
