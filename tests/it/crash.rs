//! The real program, killed at a place in a job's life that was chosen beforehand, and started again.

use std::fs;
use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use minimax_mcp::sandbox::{Act, Options, Rule, Sandbox};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, SqliteConnection};

use crate::harness::{Program, quick};
use crate::voice::wav;

/// Longer than a lease, in milliseconds: a program whose clock is so far ahead finds those of the dead run out.
const AHEAD: &str = "7000";

/// How long anything may take on a machine with other things to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// A call of a tool that buys something.
#[derive(Clone, Debug)]
pub struct Order {
    pub name: &'static str,
    pub tool: &'static str,
    pub arguments: Value,
    /// Where the request that is billed goes, if the sandbox can hold its answer back.
    pub path: Option<&'static str>,
    /// Whether an input is uploaded first.
    pub uploads: bool,
}

impl Order {
    /// What is said aloud is said again when it is ordered again.
    fn is_keyed(&self) -> bool {
        self.tool != "speak"
    }
}

const PICTURE: &str = "https://example.com/a.png";
const SONG: &str = "https://example.com/song.mp3";

/// One order of each kind. Inputs are files in `inputs`.
pub fn orders(inputs: &Path) -> Vec<Order> {
    let talk = wav(&inputs.join("talk.wav"), 40);
    let me = wav(&inputs.join("me.wav"), 12);
    let sentences = |count: usize| "The quick brown fox jumps over the lazy dog. ".repeat(count);
    let book = inputs.join("book.txt");
    fs::write(&book, sentences(20)).unwrap();
    let order = |name, tool, path: &'static str, arguments| Order {
        name,
        tool,
        arguments,
        path: (!path.is_empty()).then_some(path),
        uploads: false,
    };
    let film = "https://example.com/a.mp4";
    vec![
        order(
            "image",
            "text_to_image",
            "/v1/image_generation",
            json!({ "prompt": "A fox", "width": 512, "height": 512 }),
        ),
        order("speech", "text_to_audio", "/v1/t2a_v2", json!({ "text": "Good morning." })),
        order(
            "subtitled",
            "text_to_audio",
            "/v1/t2a_v2",
            json!({ "text": "Good morning.", "subtitles": "srt" }),
        ),
        order(
            "streamed",
            "text_to_audio",
            "/v1/t2a_v2",
            json!({ "text": sentences(67), "speed": 2, "sample_rate": 8000 }),
        ),
        order(
            "long",
            "text_to_audio",
            "/v1/t2a_async_v2",
            json!({ "text": sentences(230), "speed": 2, "sample_rate": 8000 }),
        ),
        Order {
            uploads: true,
            ..order(
                "book",
                "text_to_audio",
                "/v1/t2a_async_v2",
                json!({ "text_file": book.display().to_string() }),
            )
        },
        order("aloud", "speak", "", json!({ "text": "Good morning. How are you?" })),
        order("transcript", "speech_to_text", "/v1/speech_to_text", json!({ "file": talk })),
        Order {
            uploads: true,
            ..order(
                "clone",
                "voice_clone",
                "/v1/voice_clone",
                json!({ "voice_id": "MyVoice001", "file": me, "text": "A gentle breeze." }),
            )
        },
        order(
            "design",
            "voice_design",
            "/v1/voice_design",
            json!({ "prompt": "An old sailor", "preview_text": "Ahoy there." }),
        ),
        order("video", "generate_video", "/v1/video_generation", json!({ "prompt": "A fox" })),
        order(
            "video V2",
            "generate_video",
            "/v2/video_generation",
            json!({ "prompt": "A fox", "model": "h3", "duration": 4, "ratio": "1:1" }),
        ),
        order(
            "template",
            "generate_video_from_template",
            "/v1/video_template_generation",
            json!({ "template_id": "Run for Life", "media": [PICTURE], "texts": ["lion"] }),
        ),
        order(
            "prompt",
            "enhance_video_prompt",
            "/v2/h3_context_ir",
            json!({ "prompt": "A fox", "duration": 8 }),
        ),
        order(
            "again",
            "regenerate_video",
            "/v2/video_regeneration",
            json!({ "prompt": "A fox", "video": film, "first_frame_image": PICTURE }),
        ),
        order(
            "music",
            "music_generation",
            "/v1/music_generation",
            json!({ "prompt": "Indie folk", "lyrics": "[Verse]\nStreetlights glow" }),
        ),
        order(
            "cover",
            "music_generation",
            "/v1/music_generation",
            json!({ "prompt": "Jazz with a warm bass", "reference_audio": SONG }),
        ),
        order(
            "cover with words",
            "music_generation",
            "/v1/music_generation",
            json!({ "prompt": "Jazz with a warm bass", "reference_audio": SONG, "lyrics": "[Verse]\nStreetlights glow" }),
        ),
    ]
}

/// A folder with a MiniMax of its own.
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

    /// The program on this folder, with `more` in its environment.
    pub fn program(&self, more: &[(&str, &str)]) -> Victim {
        Victim::start(command(&self.sandbox.url(), self.dir.path(), more))
    }

    /// As after a crash, without the wait for the leases of the dead.
    pub fn program_later(&self) -> Victim {
        self.program(&[("MINIMAX_CRASH_CLOCK", AHEAD)])
    }
}

/// The program in front of the sandbox at `url`, with all that it keeps below `dir`.
pub fn command(url: &str, dir: &Path, more: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_minimax-mcp"));
    let path = |name: &str| dir.join(name).into_os_string();
    command
        .env_clear()
        .env("HOME", path("home"))
        .env("USERPROFILE", path("home"))
        .env("MINIMAX_API_HOST", url)
        .env("MINIMAX_API_KEY", "sk-api-secret")
        .env("MINIMAX_MCP_BASE_PATH", path("out"))
        .env("MINIMAX_DATA_DIR", path("data"))
        // Inputs of a whole matrix lie beside its folders.
        .env("MINIMAX_ALLOWED_DIRS", std::env::temp_dir())
        .env("MINIMAX_POLL_SECONDS", "0.05")
        .envs(more.iter().copied());
    if let Some(root) = std::env::var_os("SystemRoot") {
        command.env("SystemRoot", root);
    }
    command
}

/// The program, and what it says on stderr.
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
                *kept.lock().unwrap() += &format!("{line}\n");
                if point.is_some_and(|point| sender.send(point).is_err()) {
                    return;
                }
            }
        });
        Self { program, said, log }
    }

    /// Started and greeted.
    pub fn ready(mut self) -> Self {
        self.program.initialize("2025-06-18");
        self
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

    /// The next crash point that it passed; `None` when it passes none for so long.
    fn point(&self, patience: Duration) -> Option<String> {
        match self.said.recv_timeout(patience) {
            Ok(point) => Some(point),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    /// What it said on stderr so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn kill(self) {
        self.program.kill();
    }
}

/// Where a program is to die.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Death {
    /// At this point.
    At(String),
    /// When MiniMax has processed the request and holds the answer back.
    Held,
    /// When MiniMax has the upload and holds the answer back.
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

/// What came of a cell.
#[derive(Debug)]
pub struct Outcome {
    /// What MiniMax had billed when the program was dead.
    pub bought: usize,
    /// The job's status after the next start; `none` without a record.
    pub status: String,
    /// Files that it has.
    pub files: usize,
    /// What the same call with the same key came to.
    pub repeated: String,
    /// What MiniMax had billed in the end.
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

/// The arguments of an order with a key.
pub fn keyed(order: &Order, key: &str) -> Value {
    let mut arguments = order.arguments.clone();
    if !order.is_keyed() {
        return arguments;
    }
    arguments["idempotency_key"] = json!(key);
    arguments["wait_seconds"] = json!(240);
    arguments
}

/// The points that an undisturbed job passes, in order.
pub fn trace(runtime: &tokio::runtime::Runtime, order: &Order) -> Vec<String> {
    let cell = Cell::new(runtime);
    let mut program = cell.program(&[("MINIMAX_CRASH_POINT", "trace")]).ready();
    let made = program.call(order.tool, keyed(order, "k"));
    assert_eq!(made["structuredContent"]["status"], "succeeded", "{}: {made}", order.name);
    let mut points = Vec::new();
    while let Some(point) = program.point(Duration::from_millis(200)) {
        points.push(point);
    }
    points
}

/// Lets the program die, starts it again, and looks whether every promise was kept.
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

/// The ids of all jobs.
pub fn listed(program: &mut Victim) -> Vec<String> {
    let (mut ids, mut arguments) = (Vec::new(), json!({ "limit": 50 }));
    loop {
        let page = program.call("list_jobs", arguments);
        let page = &page["structuredContent"];
        let jobs = page["jobs"].as_array().unwrap_or_else(|| panic!("{page}: {}", program.log()));
        ids.extend(jobs.iter().map(|job| job["job_id"].as_str().unwrap().to_owned()));
        match page.get("next_cursor") {
            Some(cursor) => arguments = json!({ "limit": 50, "cursor": cursor }),
            None => return ids,
        }
    }
}

/// How many records there are, read past the program.
pub async fn rows(data: &Path) -> usize {
    let url = format!("sqlite://{}", data.join("jobs.sqlite3").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let (count,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM jobs").fetch_one(&mut connection).await.unwrap();
    usize::try_from(count).unwrap()
}

/// What a view may say of a job that its server died under: it has its result, it never left, or it may have left
/// and there is a way to find out.
pub fn judge(view: &Value, bought: usize, at: &str) {
    let next = view["next"].as_str().unwrap_or_default();
    match view["status"].as_str().unwrap_or_default() {
        "succeeded" => assert_eq!(bought, 1, "{at}: {view}"),
        "unknown" => assert!(next.contains("billing page") || next.contains("get_job"), "{at}: {view}"),
        "failed" => {
            assert!(
                bought == 0 && view["error"]["message"].to_string().contains("nothing was bought"),
                "{at}: {view}"
            );
        }
        _ => panic!("{at}: {view}"),
    }
}

/// Every file of a job that is done is on disk as its record says. How many there are.
pub fn delivered(view: &Value, at: &str) -> usize {
    if view["status"] != "succeeded" {
        return 0;
    }
    let none = Vec::new();
    let files = view["files"].as_array().unwrap_or(&none);
    for file in files {
        let path = file["path"].as_str().unwrap_or_else(|| panic!("{at}: not delivered: {view}"));
        let bytes = fs::read(path).unwrap();
        let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes));
        assert_eq!(
            (json!(bytes.len()), json!(hash)),
            (file["bytes"].clone(), file["sha256"].clone()),
            "{at}"
        );
    }
    files.len()
}

/// What stands under a name that people see is whole, recorded or not; and nothing is there twice.
pub fn nothing_half(out: &Path, at: &str) {
    for entry in fs::read_dir(out).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with(".minimax-") {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        assert!(is_whole(&path, &bytes), "{at}: {name} ({} bytes) is not whole", bytes.len());
        // How a second file of one name is called.
        assert!(!name.contains("_2."), "{at}: {name} was saved twice");
    }
}

/// By the structure of its type: lengths add up, and there is an end.
fn is_whole(path: &Path, bytes: &[u8]) -> bool {
    match path.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "jpg" => image::load_from_memory(bytes).is_ok(),
        "mp4" => boxes(bytes)
            .is_some_and(|names| names.contains(&"moov".to_owned()) && names.contains(&"mdat".to_owned())),
        "mp3" => frames(bytes),
        "txt" | "srt" => !bytes.is_empty() && std::str::from_utf8(bytes).is_ok(),
        "wav" => bytes.len() > 44,
        other => panic!("what is a .{other}?"),
    }
}

/// The boxes of an MP4 file, which must fill it to the last byte.
fn boxes(mut bytes: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    while !bytes.is_empty() {
        let size = match u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) {
            1 => usize::try_from(u64::from_be_bytes(bytes.get(8..16)?.try_into().ok()?)).ok()?,
            size => size as usize,
        };
        names.push(String::from_utf8_lossy(bytes.get(4..8)?).into_owned());
        bytes = bytes.get(size.max(8)..)?;
    }
    Some(names)
}

/// MPEG frames that fill the file to the last byte.
fn frames(mut bytes: &[u8]) -> bool {
    const RATES: [[usize; 15]; 2] = [
        [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ];
    while !bytes.is_empty() {
        let &[0xff, second, third, ..] = bytes else { return false };
        let version = second >> 3 & 3;
        let (table, samples) = if version == 3 { (0, 144_000) } else { (1, 72_000) };
        let rate =
            [44_100, 48_000, 32_000, 1][usize::from(third >> 2 & 3)] >> [2, 0, 1, 0][usize::from(version)];
        let Some(kilobits) = RATES[table].get(usize::from(third >> 4)) else { return false };
        let length = samples * kilobits / rate + usize::from(third >> 1 & 1);
        if length == 0 || bytes.len() < length {
            return false;
        }
        bytes = &bytes[length..];
    }
    true
}

/// Does `work` for each, several at a time; the results in the order of `all`. Fails with all that failed.
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
