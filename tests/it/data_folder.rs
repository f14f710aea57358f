//! The data folder: private to its owner, however it was created; and a database that is locked or has no space.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};

use crate::crash::Victim;
use crate::crash_promises::listed;
use crate::storage::Stage;

fn image(prompt: &str) -> Value {
    json!({ "prompt": prompt, "width": 512, "height": 512, "wait_seconds": 60 })
}

fn said(result: &Value) -> String {
    result["content"][0]["text"].as_str().unwrap_or_default().to_owned()
}

/// Locks the database as another program would, until it is dropped.
struct Holder {
    release: Option<std::sync::mpsc::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Holder {
    fn of(stage: &Stage, begin: &'static str) -> Self {
        let url = format!("sqlite://{}", stage.database().display());
        let (release, released) = std::sync::mpsc::channel::<()>();
        let (locked, is_locked) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = SqliteConnection::connect(&url).await.unwrap();
                sqlx::query(begin).execute(&mut connection).await.unwrap();
                locked.send(()).unwrap();
                let _ = released.recv();
                sqlx::query("COMMIT").execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            });
        });
        is_locked.recv().unwrap();
        Self { release: Some(release), thread: Some(thread) }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.release.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The responses to these requests, in the order in which they arrive.
fn answers(program: &mut Victim, ids: &[u64]) -> Vec<(u64, Value)> {
    let mut came = Vec::new();
    while came.len() < ids.len() {
        let message = program.program.next(Duration::from_secs(120)).expect("an answer");
        if let Some(id) = message["id"].as_u64().filter(|id| ids.contains(id)) {
            came.push((id, message["result"].clone()));
        }
    }
    came
}

#[test]
fn readers_are_answered_while_writers_wait_and_the_writers_are_told_of_the_lock() {
    let Some(stage) = Stage::with_file() else { return };
    let mut program = stage.program();
    let made = program.call("text_to_image", image("A fox"));
    let job = made["structuredContent"]["job_id"].clone();
    let holder = Holder::of(&stage, "BEGIN EXCLUSIVE");
    let mut post = |tool: &str, arguments: Value| {
        program.program.post("tools/call", json!({ "name": tool, "arguments": arguments }))
    };
    // These are more writers than connections, and they all come before the readers.
    let writers: Vec<_> = (0..8).map(|n| post("text_to_image", image(&format!("Fox {n}")))).collect();
    std::thread::sleep(Duration::from_millis(500));
    let mut readers = vec![post("check_account", json!({}))];
    for _ in 0..4 {
        readers.extend([post("list_jobs", json!({})), post("get_job", json!({ "job_id": job }))]);
    }
    let all: Vec<_> = writers.iter().chain(&readers).copied().collect();
    let came = answers(&mut program, &all);
    let order: Vec<_> = came.iter().map(|(id, _)| readers.contains(id)).collect();
    let read = order.iter().take_while(|is_reader| **is_reader).count();
    assert_eq!(read, readers.len(), "a reader waited for a writer: {order:?}");
    for (id, result) in &came {
        let text = said(result);
        if readers.contains(id) {
            assert_ne!(result["isError"], true, "{text}");
        } else {
            assert!(text.contains("Another program holds the job records"), "{text}");
            assert!(text.contains("locked") && text.contains("Nothing was sent or billed"), "{text}");
            assert!(!text.contains("pool"), "{text}");
        }
    }
    drop(holder);
    let made = program.call("text_to_image", image("Another fox"));
    assert_eq!(
        (made["structuredContent"]["status"].clone(), stage.bought()),
        (json!("succeeded"), 2),
        "{made}"
    );
}

#[test]
fn a_start_waits_a_little_for_the_lock_and_then_says_what_it_waits_for() {
    let Some(stage) = Stage::with_file() else { return };
    listed(&mut stage.program());
    let lock = fs::File::options().write(true).open(stage.cell.data().join("jobs.lock")).unwrap();
    lock.lock().unwrap();
    let mut program = stage.program();
    let start = Instant::now();
    let refused = program.call("text_to_image", image("A fox"));
    assert!(start.elapsed() < Duration::from_secs(60), "it hangs");
    let text = said(&refused);
    assert!(text.contains("jobs.lock is locked") && text.contains("Nothing was sent or billed"), "{text}");
    assert!(text.contains("Try again in a minute"), "{text}");
    assert!(program.log().contains("waiting for another program to unlock"), "{}", program.log());
    lock.unlock().unwrap();
    let made = program.call("text_to_image", image("A fox"));
    assert_eq!(
        (made["structuredContent"]["status"].clone(), stage.bought()),
        (json!("succeeded"), 1),
        "{made}"
    );
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::os::unix::process::CommandExt as _;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use super::*;
    use crate::crash::{command, until};
    use crate::http_attack::Process;
    use crate::unwritten::{a_line_with_a_task, fill, order};

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A folder and everything in it.
    fn all(folder: &Path) -> Vec<PathBuf> {
        let mut found = vec![folder.to_owned()];
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                found.extend(all(&entry.path()));
            } else {
                found.push(entry.path());
            }
        }
        found
    }

    fn is_private(folder: &Path) -> usize {
        let all = all(folder);
        for path in &all {
            let data = path.symlink_metadata().unwrap();
            let right = if data.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(data.mode() & 0o777, right, "{}", path.display());
        }
        all.len()
    }

    /// A command that runs in a shell.
    fn by_shell(stage: &Stage, before: &str) -> Command {
        let plain = command(&stage.cell.sandbox.url(), stage.cell.dir.path(), &[]);
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("{before}; exec \"$0\" \"$@\"")]).arg(plain.get_program()).env_clear();
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    }

    #[test]
    fn with_any_umask_the_data_folder_is_private_to_its_owner() {
        for umask in ["000", "022", "277"] {
            let Some(stage) = Stage::with_file() else { return };
            let mut program = Victim::start(by_shell(&stage, &format!("umask {umask}"))).ready();
            listed(&mut program);
            order(&stage, &mut program, || fill(&stage));
            until("the line", || a_line_with_a_task(&stage.cell.data()));
            // The database, its log and index, the lock, the spool, and the folders.
            assert!(is_private(&stage.cell.data()) >= 7, "{umask}");
        }
    }

    #[test]
    fn copies_that_a_recovery_leaves_are_private_to_their_owner() {
        let Some(stage) = Stage::with_file() else { return };
        let mut program = stage.program();
        program.call("text_to_image", image("A fox"));
        assert!(program.program.hang_up().success());
        fs::write(stage.database(), vec![7; 100_000]).unwrap();
        set(&stage.database(), 0o644);
        let mut program = Victim::start(by_shell(&stage, "umask 000")).ready();
        listed(&mut program);
        assert_eq!(stage.beside(".damaged-").len(), 1);
        is_private(&stage.cell.data());
    }

    #[test]
    fn a_folder_that_others_could_read_is_made_private_and_logged_once() {
        let stage = Stage::new();
        let mut program = stage.program();
        program.call("text_to_image", image("A fox"));
        // Kill it, so that its write-ahead log stays.
        program.kill();
        fs::create_dir_all(stage.cell.data().join("uploads")).unwrap();
        fs::write(stage.cell.data().join("notes.txt"), "somebody's own").unwrap();
        for path in all(&stage.cell.data()) {
            set(&path, if path.is_dir() { 0o755 } else { 0o644 });
        }
        let mut program = stage.program();
        assert_eq!(listed(&mut program).len(), 1);
        let theirs = stage.cell.data().join("notes.txt");
        assert_eq!(theirs.metadata().unwrap().mode() & 0o777, 0o644, "what is not ours is left as it is");
        fs::remove_file(theirs).unwrap();
        is_private(&stage.cell.data());
        assert_eq!(program.log().matches("for its owner alone").count(), 1, "{}", program.log());
        program.kill();
        let mut program = stage.program();
        listed(&mut program);
        assert!(!program.log().contains("for its owner alone"), "{}", program.log());
    }

    #[test]
    fn a_folder_that_all_users_share_is_refused_and_left_as_it_is() {
        let stage = Stage::new();
        let shared = stage.cell.dir.path().join("shared");
        fs::create_dir(&shared).unwrap();
        set(&shared, 0o1777);
        let mut program = stage.cell.program(&[("MINIMAX_DATA_DIR", shared.to_str().unwrap())]).ready();
        let refused = program.call("text_to_image", image("A fox"));
        let text = said(&refused);
        assert!(text.contains("shared by all users") && text.contains("MINIMAX_DATA_DIR"), "{text}");
        assert_eq!(
            (shared.metadata().unwrap().mode() & 0o7777, fs::read_dir(&shared).unwrap().count()),
            (0o1777, 0)
        );
        assert_eq!(stage.bought(), 0);
        // Try the solution that the message names.
        let own = shared.join("minimax");
        let mut program = stage.cell.program(&[("MINIMAX_DATA_DIR", own.to_str().unwrap())]).ready();
        assert_eq!(program.call("text_to_image", image("A fox"))["structuredContent"]["status"], "succeeded");
        is_private(&own);
    }

    /// Needs root, to act as another user.
    #[test]
    fn a_folder_of_another_user_is_refused() {
        const NOBODY: u32 = 65534;
        let stage = Stage::new();
        let dir = stage.cell.dir.path();
        if fs::metadata(dir).unwrap().uid() != 0 {
            return;
        }
        set(dir, 0o755);
        let theirs = dir.join("theirs");
        fs::create_dir(&theirs).unwrap();
        set(&theirs, 0o777);
        let data = [("MINIMAX_DATA_DIR", theirs.to_str().unwrap())];
        let mut command = command(&stage.cell.sandbox.url(), dir, &data);
        command.uid(NOBODY);
        set(&stage.cell.out(), 0o777);
        let mut program = Victim::start(command).ready();
        let refused = program.call("text_to_image", image("A fox"));
        let text = said(&refused);
        assert!(
            text.contains("belongs to another user (uid 0)") && text.contains("MINIMAX_DATA_DIR"),
            "{text}"
        );
        assert_eq!((fs::read_dir(&theirs).unwrap().count(), stage.bought()), (0, 0));
    }

    fn readiness(process: &Process) -> (u16, String) {
        let answer =
            process.ask("GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
    }

    fn is_ready(process: &Process) -> bool {
        readiness(process) == (200, "ready\n".to_owned())
    }

    #[test]
    fn readyz_reports_a_problem_of_the_records_without_details_of_the_machine() {
        let Some(stage) = Stage::with_file() else { return };
        // No file may grow beyond 2 MiB, as if the disk were full. The limit is in blocks of 512 bytes.
        let limited = by_shell(&stage, "trap '' XFSZ; ulimit -f 4096");
        let process = Process::run(limited, stage.cell.dir.path(), &[]);
        assert!(is_ready(&process));
        let unready = |part: &str| {
            let mut last = String::new();
            until(part, || {
                let (status, body) = readiness(&process);
                last = body;
                status == 503 && last.contains(part)
            });
            assert!(!last.contains(stage.cell.dir.path().to_str().unwrap()), "{last}");
        };
        let holder = Holder::of(&stage, "BEGIN EXCLUSIVE");
        unready("locked");
        drop(holder);
        until("it is ready again", || is_ready(&process));
        // Another program's writes make the write-ahead log exceed the limit.
        stage.runtime.block_on(async {
            let url = format!("sqlite://{}", stage.database().display());
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            for sql in [
                "PRAGMA wal_autocheckpoint = 0",
                "INSERT INTO answers VALUES ('x', 'x', 'x', hex(zeroblob(1600000)), 0)",
            ] {
                sqlx::query(sql).execute(&mut connection).await.unwrap();
            }
            unready("disk");
            let call = process.call(crate::http_attack::ADA, "text_to_image", image("A fox"));
            assert_eq!((call["result"]["isError"].clone(), stage.bought()), (json!(true), 0), "{call}");
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await.unwrap();
        });
        until("it is ready once there is room", || is_ready(&process));
        let rows =
            crate::unwritten::word(&stage, "SELECT count(*) || '' FROM answers WHERE digest = 'probe'");
        assert_eq!(rows, "0", "nothing of it stays");
    }
}
