//! `login --keyring` with a real keyring, a locked one, one that never answers, and none. GNOME's keyring runs on a bus of its
//! own, with an own home folder. On a machine without these programs the tests about it say so and check nothing.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::home::{Home, KEY, json_of};
use crate::setup::log_in;
use crate::setup_terminal::{HIDDEN, at_terminal};
use crate::stdio::on_stage;

const PLAN: &str = "sk-cp-0123456789abcdef0123456789ABCD";
const BUS: &str = "DBUS_SESSION_BUS_ADDRESS";

/// A bus with GNOME's keyring. Both end with this process, however it ends.
struct Keyring {
    dir: tempfile::TempDir,
    keeper: Child,
    stdin: Option<ChildStdin>,
    /// The process of the keyring.
    daemon: String,
}

impl Keyring {
    /// Starts it unlocked. `None` if a program is missing.
    fn start() -> Option<Self> {
        let is_there =
            |name: &&str| ["/usr/bin", "/bin"].iter().any(|dir| fs::exists(format!("{dir}/{name}")).unwrap());
        if let Some(missing) =
            ["dbus-daemon", "dbus-send", "gnome-keyring-daemon"].iter().find(|name| !is_there(name))
        {
            eprintln!("skipped: {missing} is not installed (Debian: apt install dbus gnome-keyring)");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let config = format!(
            "<busconfig><type>session</type><listen>unix:path={}/bus</listen><auth>EXTERNAL</auth><policy context=\"default\">\
             <allow send_destination=\"*\"/><allow receive_sender=\"*\"/><allow own=\"*\"/></policy></busconfig>",
            dir.path().display()
        );
        fs::write(dir.path().join("bus.conf"), config).unwrap();
        let script = "dbus-daemon --config-file=bus.conf --nofork & bus=$!\n\
            until [ -S bus ]; do sleep 0.02; done\n\
            printf password | gnome-keyring-daemon --foreground --components=secrets --unlock >/dev/null & keyring=$!\n\
            echo $keyring; read _; kill -9 $keyring $bus; wait";
        let mut keeper = Command::new("/bin/sh");
        keeper.args(["-c", script]).current_dir(dir.path()).env_clear();
        keeper.env("PATH", "/usr/bin:/bin").env("HOME", dir.path()).env(BUS, Self::address_of(&dir));
        let mut keeper =
            keeper.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdin = keeper.stdin.take();
        let mut daemon = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut daemon).unwrap();
        let keyring = Self { dir, keeper, stdin, daemon: daemon.trim().to_owned() };
        let end = Instant::now() + Duration::from_secs(20);
        while !keyring.ask("ReadAlias", "string:default").contains("/collection/") {
            assert!(Instant::now() < end, "the keyring does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(keyring)
    }

    fn address_of(dir: &tempfile::TempDir) -> String {
        format!("unix:path={}/bus", dir.path().display())
    }

    fn address(&self) -> String {
        Self::address_of(&self.dir)
    }

    /// The answer of the Secret Service to a method.
    fn ask(&self, method: &str, argument: &str) -> String {
        let mut command = Command::new("dbus-send");
        command.args([
            "--session",
            "--print-reply",
            "--dest=org.freedesktop.secrets",
            "/org/freedesktop/secrets",
        ]);
        command
            .arg(format!("org.freedesktop.Secret.Service.{method}"))
            .arg(argument)
            .env(BUS, self.address());
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }

    fn lock(&self) {
        let locked = self.ask("Lock", "array:objpath:/org/freedesktop/secrets/collection/login");
        assert!(locked.contains("collection/login"), "{locked}");
    }

    /// How many keys of ours it has.
    fn count(&self) -> usize {
        self.ask("SearchItems", "dict:string:string:service,minimax-mcp").matches("/collection/").count()
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.daemon]).status().unwrap().success());
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Runs `login --keyring` with this key on stdin.
fn log_in_keyring(home: &Home, settings: &[(&str, &str)], key: &str) -> (bool, String) {
    log_in_with(home, settings, key, &["--keyring"])
}

fn log_in_with(home: &Home, settings: &[(&str, &str)], key: &str, options: &[&str]) -> (bool, String) {
    let mut command = home.command(settings, &[&["login"], options].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(key.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.success(), said(&output))
}

fn said(output: &Output) -> String {
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains("0123456789"), "{text}");
    text
}

fn key_lines(home: &Home, settings: &[(&str, &str)]) -> String {
    let (output, _) = home.run(settings, &["doctor", "--json"]);
    said(&output);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let lines = report["checks"].as_array().unwrap().iter();
    let lines = lines.filter(|line| ["key", "settings"].contains(&line["check"].as_str().unwrap()));
    let texts: Vec<_> =
        lines.map(|line| format!("{} {}", line["text"].as_str().unwrap(), line["fix"])).collect();
    texts.join("\n")
}

/// What a server over stdio answers to a first call. It must have started.
fn first_call(home: &Home, settings: &[(&str, &str)]) -> Value {
    let mut child = home.command(settings, &[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut lines) =
        (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()).lines());
    let mut request = |id: u64, method: &str, params: Value| -> Value {
        writeln!(stdin, "{}", json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
            .unwrap();
        serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap()
    };
    let client = json!({ "name": "t", "version": "1" });
    let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
    assert!(request(1, "initialize", hello)["result"]["serverInfo"].is_object());
    let answer =
        request(2, "tools/call", json!({ "name": "text_to_image", "arguments": { "prompt": "A fox" } }));
    drop(stdin);
    child.wait().unwrap();
    answer["result"].clone()
}

#[test]
fn a_key_in_the_keyring_is_used_shown_replaced_and_deleted_and_no_file_holds_it() {
    let Some(keyring) = Keyring::start() else { return };
    on_stage(|stage| {
        let (home, url, bus) = (Home::new(), stage.sandbox.url(), keyring.address());
        let at = [("MINIMAX_API_HOST", url.as_str()), (BUS, bus.as_str())];
        let (good, text) = log_in_keyring(&home, &at, KEY);
        assert!(good && text.contains("in the system's keyring") && !text.contains("Two keys"), "{text}");
        let file = home.path("data/credentials.json");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let holds_key = || fs::read_to_string(&file).unwrap().contains("0123456789");
        assert!(!holds_key() && json_of(&file)["keyring"]["key"].is_string() && keyring.count() == 1);
        assert!(
            key_lines(&home, &at).contains("sk-api-…WXYZ from `minimax-mcp login` (the system's keyring)")
        );
        let (output, _) = home.run(&at, &["settings", "--json"]);
        let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
        let row = rows.as_array().unwrap().iter().find(|row| row["name"] == "MINIMAX_API_KEY").unwrap();
        assert_eq!(
            (row["value"].as_str().unwrap(), row["source"].as_str().unwrap()),
            ("sk-api-…WXYZ", "minimax-mcp login, the system's keyring")
        );
        // The server and the commands send it.
        assert_ne!(first_call(&home, &at)["isError"], true);
        let (output, text) = home.run(&at, &["account"]);
        assert!(output.status.success(), "{text}");
        let fingerprint = minimax_mcp::sandbox::key_fingerprint(KEY);
        assert!(stage.sandbox.requests().iter().any(|request| request.key_fingerprint == fingerprint));
        let (_, text) = home.run(&at, &["setup", "cursor", "--yes"]);
        assert!(!text.contains("No key is stored") && !text.contains("0123456789"), "{text}");
        // One of the other kind has an entry of its own; another of the same kind takes its place.
        let (good, text) = log_in_keyring(&home, &at, PLAN);
        assert!(good && text.contains("Two keys") && keyring.count() == 2, "{text}");
        let (good, text) = log_in_keyring(&home, &at, &KEY.replace("WXYZ", "1111"));
        assert!(good && keyring.count() == 2 && key_lines(&home, &at).contains("sk-api-…1111"), "{text}");
        // A key in the file takes the place of that in the keyring, and the other one stays.
        let (good, text) = log_in(&home, &at, KEY);
        assert!(good && keyring.count() == 1 && holds_key(), "{text}");
        assert!(
            key_lines(&home, &at).contains("sk-cp-…ABCD from `minimax-mcp login` (the system's keyring)")
        );
        let (output, text) = home.run(&at, &["logout"]);
        assert!(output.status.success() && text.contains("deleted"), "{text}");
        assert!(!file.exists() && keyring.count() == 0);
    });
}

#[test]
fn with_a_locked_keyring_the_server_starts_buys_nothing_and_says_what_to_do() {
    let Some(keyring) = Keyring::start() else { return };
    on_stage(|stage| {
        let (home, url, bus) = (Home::new(), stage.sandbox.url(), keyring.address());
        let at = [("MINIMAX_API_HOST", url.as_str()), (BUS, bus.as_str())];
        assert!(log_in_keyring(&home, &at, PLAN).0);
        keyring.lock();
        let is_told = |text: &str| {
            assert!(text.contains("keyring and cannot be read: it is locked; unlock it"), "{text}");
            assert!(text.contains("`minimax-mcp login`"), "{text}");
        };
        let answer = first_call(&home, &at);
        assert_eq!(answer["isError"], true);
        is_told(&answer.to_string());
        let (output, text) = home.run(&at, &["account"]);
        assert_eq!(output.status.code(), Some(3));
        is_told(&text);
        is_told(&key_lines(&home, &at));
        // The balance does not pay for what the plan includes while the plan's key is out of reach.
        assert!(log_in(&home, &at, KEY).0);
        let answer = first_call(&home, &at);
        assert!(answer["isError"] == true && answer.to_string().contains("MINIMAX_PLAN_KEY"), "{answer}");
        is_told(&answer.to_string());
        assert!(stage.sandbox.paid().is_empty());
        // A key of the environment needs no keyring.
        assert_ne!(first_call(&home, &[&at[..], &[("MINIMAX_API_KEY", KEY)]].concat())["isError"], true);
        // It cannot be unlocked here, so the entry stays, and the file that names it.
        let (output, text) = home.run(&at, &["logout"]);
        assert!(!output.status.success() && text.contains("nothing was deleted"), "{text}");
        assert!(text.contains("credentials.json") && home.path("data/credentials.json").exists(), "{text}");
    });
}

#[test]
fn a_keyring_that_never_answers_delays_a_start_by_seconds_only() {
    let Some(keyring) = Keyring::start() else { return };
    on_stage(|stage| {
        let (home, url, bus) = (Home::new(), stage.sandbox.url(), keyring.address());
        let at = [("MINIMAX_API_HOST", url.as_str()), (BUS, bus.as_str())];
        assert!(log_in_keyring(&home, &at, KEY).0);
        keyring.signal("-STOP");
        let answer = first_call(&home, &at);
        assert!(
            answer["isError"] == true && answer.to_string().contains("did not answer in time"),
            "{answer}"
        );
        let (good, text) = log_in_keyring(&home, &at, KEY);
        assert!(
            !good && text.contains("did not answer in time") && text.contains("without `--keyring`"),
            "{text}"
        );
        keyring.signal("-CONT");
        assert_ne!(first_call(&home, &at)["isError"], true);
    });
}

#[test]
fn a_bus_that_never_answers_is_given_up_and_is_not_asked_for_a_key_that_is_in_the_file() {
    on_stage(|stage| {
        let home = Home::new();
        let socket = home.path("bus");
        let silent = UnixListener::bind(&socket).unwrap();
        silent.set_nonblocking(true).unwrap();
        let (url, bus) = (stage.sandbox.url(), format!("unix:path={}", socket.display()));
        let at = [("MINIMAX_API_HOST", url.as_str()), (BUS, bus.as_str())];
        assert!(log_in(&home, &at, KEY).0);
        assert_ne!(first_call(&home, &at)["isError"], true);
        assert!(silent.accept().is_err(), "nothing connected to the bus");
        home.write("data/credentials.json", r#"{ "keyring": { "key": "key-1" }, "region": "global" }"#);
        fs::set_permissions(home.path("data/credentials.json"), fs::Permissions::from_mode(0o600)).unwrap();
        let answer = first_call(&home, &at);
        assert!(
            answer["isError"] == true && answer.to_string().contains("did not answer in time"),
            "{answer}"
        );
        assert!(silent.accept().is_ok());
    });
}

#[test]
fn without_a_keyring_login_says_so_and_offers_the_file() {
    on_stage(|stage| {
        let (home, url) = (Home::new(), stage.sandbox.url());
        let at = [("MINIMAX_API_HOST", url.as_str()), (BUS, "unix:path=/nowhere/bus")];
        let (good, text) = log_in_keyring(&home, &at, KEY);
        assert!(
            !good && text.contains("no keyring can be reached here (there is no D-Bus session)"),
            "{text}"
        );
        assert!(text.contains("without `--keyring` it is stored in a file"), "{text}");
        let (good, text) = log_in_with(&home, &at, KEY, &["--keyring", "--lang", "zh"]);
        assert!(!good && text.contains("这里没有可用的钥匙串"), "{text}");
        let file = home.path("data/credentials.json");
        assert!(!file.exists());
        // At a terminal it asks, and the key need not be entered again.
        let typed = format!("{KEY}\n");
        for (answer, is_stored) in [("n\n", false), ("y\n", true)] {
            let answers = [(HIDDEN, typed.as_str()), ("in a file that only you can read instead?", answer)];
            let (good, screen) = at_terminal(&home, &at, &["login", "--keyring"], &answers);
            assert_eq!((good, file.exists()), (is_stored, is_stored), "{screen}");
        }
        assert_eq!(json_of(&file)["key"], KEY);
        // A file that names an entry of a keyring that is not there is no obstacle to a new login.
        fs::write(&file, r#"{ "keyring": { "key": "key-1" }, "region": "global" }"#).unwrap();
        let told = key_lines(&home, &at);
        assert!(
            told.contains("no keyring can be reached here") && told.contains("minimax-mcp login"),
            "{told}"
        );
        let (good, text) = log_in(&home, &at, KEY);
        assert!(
            good && text.contains("still in the system's keyring") && json_of(&file)["key"] == KEY,
            "{text}"
        );
    });
}
