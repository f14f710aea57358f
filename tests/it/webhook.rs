//! `MINIMAX_WEBHOOK_URL`: one signed message for each job that ends, with the real program and a receiver of the test.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use minimax_mcp::sandbox::{Act, Rule};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::crash::{Victim, until};
use crate::postgres::Records;
use crate::storage::Stage;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A message as it arrived.
#[derive(Clone)]
pub struct Received {
    headers: BTreeMap<String, String>,
    body: String,
}

impl Received {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    /// Checks the signature as a receiver would.
    fn verified(&self) -> bool {
        self.verified_with(SECRET)
    }

    fn verified_with(&self, secret: &str) -> bool {
        let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap().as_bytes()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        let signed = format!("{}.{}.{}", self.id(), self.headers["webhook-timestamp"], self.body);
        mac.update(signed.as_bytes());
        let code = BASE64.encode(&mac.finalize().into_bytes());
        self.headers["webhook-signature"] == format!("v1,{code}")
    }
}

/// A receiver on this machine. It answers with the statuses in order, and then with 200.
pub struct Receiver {
    url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    pub fn start(statuses: &'static [u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook-of-hunter2", listener.local_addr().unwrap());
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let (kept, mut statuses, own) = (Arc::clone(&received), statuses.iter().copied(), url.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut reader = BufReader::new(stream.unwrap());
                let mut headers = BTreeMap::new();
                let mut line = String::new();
                // The first line is the request's.
                if reader.read_line(&mut line).unwrap_or_default() == 0 {
                    continue;
                }
                loop {
                    line.clear();
                    reader.read_line(&mut line).unwrap();
                    let Some((name, value)) = line.trim().split_once(": ") else { break };
                    headers.insert(name.to_lowercase(), value.to_owned());
                }
                let length = headers["content-length"].parse().unwrap();
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                kept.lock().unwrap().push(Received { headers, body: String::from_utf8(body).unwrap() });
                let status = statuses.next().unwrap_or(200);
                let answer = format!(
                    "HTTP/1.1 {status} X\r\nLocation: {own}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                );
                let _ = reader.get_mut().write_all(answer.as_bytes());
            }
        });
        Self { url, received }
    }

    pub fn all(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub fn settings(&self) -> Vec<(&str, &str)> {
        vec![
            ("MINIMAX_WEBHOOK_URL", &self.url),
            ("MINIMAX_WEBHOOK_SECRET", SECRET),
            ("MINIMAX_WEBHOOK_PRIVATE", "true"),
        ]
    }

    fn program(&self, stage: &Stage) -> Victim {
        stage.cell.program(&self.settings()).ready()
    }
}

fn image() -> Value {
    json!({ "prompt": "A secret fox", "width": 512, "height": 512, "wait_seconds": 60 })
}

/// Lets the next try come at once.
const AT_ONCE: &str = "UPDATE outbox SET due_at = 0 WHERE is_open = 1";

#[test]
fn each_ended_job_is_announced_once_with_a_signature_and_without_its_prompt() {
    let (stage, receiver) = (Stage::new(), Receiver::start(&[]));
    let mut program = receiver.program(&stage);
    let made = program.call("text_to_image", image());
    let view = made["structuredContent"].clone();
    let refuse = Act::Refuse { code: 1026, message: None, retry_after: None };
    stage.cell.sandbox.script(vec![Rule::always("/", refuse)]);
    let failed = program.call("text_to_image", image());
    assert_eq!(failed["structuredContent"]["status"], "failed", "{failed}");
    stage.cell.sandbox.script(Vec::new());
    until("both ends are told", || receiver.all().len() == 2);
    let of = |kind: &str| {
        let all = receiver.all();
        all.into_iter().find(|message| message.json()["type"] == kind).unwrap_or_else(|| panic!("no {kind}"))
    };
    assert_eq!(of("job.failed").json()["data"]["error"]["code"], 1026);
    let told = of("job.succeeded");
    assert!(told.verified(), "{}", told.body);
    assert_eq!(told.headers["content-type"], "application/json");
    let said = told.json();
    assert_eq!(said["type"], "job.succeeded", "{said}");
    let data = &said["data"];
    assert_eq!((&data["job_id"], &data["status"]), (&view["job_id"], &view["status"]));
    assert_eq!((&data["tool"], &data["cost"]), (&json!("text_to_image"), &view["cost"]));
    for name in ["uri", "path", "sha256", "bytes", "mime_type"] {
        assert_eq!(data["files"][0][name], view["files"][0][name], "{name}");
    }
    assert!(data["files"][0].get("url").is_none(), "{said}");
    for secret in ["secret fox", "sk-api-secret", SECRET] {
        assert!(!told.body.contains(secret), "{said}");
    }
    // The same end is not told again.
    program.call("get_job", json!({ "job_id": view["job_id"] }));
    assert!(program.program.hang_up().success());
    let mut program = receiver.program(&stage);
    program.call("text_to_image", image());
    until("the next job is told", || {
        let all = receiver.all();
        all.iter().filter(|message| message.json()["type"] == "job.succeeded").count() == 2
    });
    let mut ids: Vec<_> = receiver.all().iter().map(|message| message.id().to_owned()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "each once");
    let log = program.log();
    assert!(!log.contains("hunter2") && !log.contains(SECRET), "{log}");
}

#[test]
fn a_message_is_sent_again_with_the_same_id_until_it_is_accepted() {
    let (stage, receiver) = (Stage::new(), Receiver::start(&[500, 302]));
    let mut program = receiver.program(&stage);
    let made = program.call("text_to_image", image());
    assert_eq!(made["structuredContent"]["status"], "succeeded", "{made}");
    for tries in 1..=3 {
        until("it is tried", || receiver.all().len() == tries);
        if tries < 3 {
            until("the answer is noted", || program.log().matches("was not delivered").count() == tries);
            stage.sql(AT_ONCE);
        }
    }
    let all = receiver.all();
    assert!(all.iter().all(|message| message.verified() && message.id() == all[0].id()));
    until("it is over", || open_messages(&stage) == 0);
    stage.sql("UPDATE outbox SET due_at = 0");
    // Three pulses.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(receiver.all().len(), 3);
    let log = program.log();
    assert!(!log.contains("hunter2") && !log.contains(SECRET), "{log}");
}

fn open_messages(stage: &Stage) -> i64 {
    stage.runtime.block_on(async {
        let records = Records::of(stage.cell.dir.path(), &stage.cell.data()).await;
        let count = records.word("SELECT CAST(COUNT(*) AS TEXT) FROM outbox WHERE is_open = 1").await;
        count.parse().unwrap()
    })
}

#[test]
fn a_process_that_is_killed_before_or_after_it_sends_loses_no_message() {
    for (point, sent) in [("message.before#1", 0), ("message.sent#1", 1)] {
        let (stage, receiver) = (Stage::new(), Receiver::start(&[]));
        let mut settings = receiver.settings();
        settings.push(("MINIMAX_CRASH_POINT", point));
        let mut program = stage.cell.program(&settings).ready();
        program.begin("text_to_image", &image());
        assert_eq!(program.point(Duration::from_secs(60)).as_deref(), Some(point));
        assert_eq!(receiver.all().len(), sent);
        program.kill();
        // Another process did not send it in the meantime, and sends it when it is due.
        stage.sql(AT_ONCE);
        let mut next = receiver.program(&stage);
        until("it arrives", || receiver.all().len() == sent + 1);
        let all = receiver.all();
        assert!(all.iter().all(|message| message.id() == all[0].id() && message.verified()));
        let listed = next.call("list_jobs", json!({}));
        assert_eq!(all[0].json()["data"]["job_id"], listed["structuredContent"]["jobs"][0]["job_id"]);
    }
}

#[test]
fn two_processes_of_one_store_send_each_message_once() {
    let (stage, receiver) = (Stage::new(), Receiver::start(&[]));
    let mut programs = [receiver.program(&stage), receiver.program(&stage)];
    for _ in 0..3 {
        for program in &mut programs {
            let made = program.call("text_to_image", image());
            assert_eq!(made["structuredContent"]["status"], "succeeded", "{made}");
        }
    }
    until("all arrive", || receiver.all().len() >= 6 && open_messages(&stage) == 0);
    let mut ids: Vec<_> = receiver.all().iter().map(|message| message.id().to_owned()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), receiver.all().len()), (6, 6));
}

#[test]
fn a_private_address_is_refused_unless_the_settings_allow_it_and_the_job_continues() {
    let (stage, receiver) = (Stage::new(), Receiver::start(&[]));
    let secure = receiver.url.replace("http://", "https://");
    let settings = [("MINIMAX_WEBHOOK_URL", secure.as_str()), ("MINIMAX_WEBHOOK_SECRET", SECRET)];
    let mut program = stage.cell.program(&settings).ready();
    let made = program.call("text_to_image", image());
    assert_eq!(made["structuredContent"]["status"], "succeeded", "{made}");
    until("it is said", || program.log().contains("MINIMAX_WEBHOOK_URL leads to 127.0.0.1"));
    assert!(receiver.all().is_empty());
    assert_eq!(open_messages(&stage), 1, "it waits for a receiver");
    assert!(program.program.hang_up().success());
    let _program = receiver.program(&stage);
    until("it arrives", || receiver.all().len() == 1);
}

#[test]
fn without_the_setting_nothing_is_written_or_sent() {
    let stage = Stage::new();
    let mut program = stage.program();
    let made = program.call("text_to_image", image());
    assert_eq!(made["structuredContent"]["status"], "succeeded", "{made}");
    assert_eq!(open_messages(&stage), 0);
}

#[test]
fn callers_over_http_are_kept_apart_and_get_links_instead_of_paths() {
    use crate::http_attack::stage::{ADA, BOB, Process};

    let (stage, receiver) = (Stage::new(), Receiver::start(&[]));
    let program = Process::start(&stage.cell.sandbox.url(), stage.cell.dir.path(), &receiver.settings());
    for token in [ADA, BOB] {
        assert_eq!(program.make(token, "text_to_image", image())["status"], "succeeded");
    }
    until("both jobs are told", || receiver.all().len() == 2);
    let mut owners = Vec::new();
    for message in receiver.all() {
        let (said, data) = (message.json(), message.json()["data"].clone());
        assert!(message.verified() && data["files"][0].get("path").is_none(), "{said}");
        assert!(!message.body.contains(stage.cell.dir.path().to_str().unwrap()), "{said}");
        let link = data["files"][0]["download_url"].as_str().unwrap_or_else(|| panic!("{said}"));
        assert!(link.contains(data["job_id"].as_str().unwrap()), "{said}");
        owners.push(data["principal"].as_str().unwrap().to_owned());
        // Only its owner finds the job.
        let wrong = if owners.last().unwrap().contains("ada") { BOB } else { ADA };
        let asked = program.call(wrong, "get_job", json!({ "job_id": data["job_id"] }));
        assert_eq!(asked["result"]["isError"], true, "{asked}");
    }
    owners.sort();
    assert!(owners[0].contains("ada") && owners[1].contains("bob"), "{owners:?}");
    let log = program.log();
    for secret in ["hunter2", SECRET] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
}

/// A key of another receiver.
const OTHER_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

#[test]
fn a_token_with_a_webhook_gets_only_messages_about_its_own_jobs() {
    use crate::http_attack::stage::{ADA, BOB, Process};

    let (stage, common, own) = (Stage::new(), Receiver::start(&[]), Receiver::start(&[500]));
    let tokens = stage.cell.dir.path().join("own-tokens.json");
    let webhook = json!({ "url": own.url, "secret": OTHER_SECRET });
    let rows = json!([{ "name": "ada", "token": ADA, "webhook": webhook }, { "name": "bob", "token": BOB }]);
    std::fs::write(&tokens, rows.to_string()).unwrap();
    let file = ("MINIMAX_MCP_TOKEN_FILE", tokens.to_str().unwrap());
    let all: Vec<_> = common.settings().into_iter().chain([file]).collect();
    let program = Process::start(&stage.cell.sandbox.url(), stage.cell.dir.path(), &all);
    for token in [ADA, BOB] {
        assert_eq!(program.make(token, "text_to_image", image())["status"], "succeeded");
    }
    until("both were told of a job", || common.all().len() == 1 && own.all().len() == 1);
    // It answered with an error, and has the message again.
    stage.sql(AT_ONCE);
    until("it is told again", || own.all().len() == 2);
    for (message, secret, name) in [(&common.all()[0], SECRET, "bob"), (&own.all()[1], OTHER_SECRET, "ada")] {
        assert!(message.verified_with(secret), "{}", message.body);
        assert!(message.json()["data"]["principal"].as_str().unwrap().contains(name), "{}", message.body);
    }
    assert_eq!(own.all()[0].id(), own.all()[1].id());
    until("nothing is open", || open_messages(&stage) == 0);
    drop(program);

    // Without a common receiver, messages about other jobs are dropped.
    let more = [file, ("MINIMAX_WEBHOOK_PRIVATE", "true")];
    let program = Process::start(&stage.cell.sandbox.url(), stage.cell.dir.path(), &more);
    for token in [BOB, ADA] {
        assert_eq!(program.make(token, "text_to_image", image())["status"], "succeeded");
    }
    until("the owner of the webhook is told", || own.all().len() == 3);
    until("nothing is open", || open_messages(&stage) == 0);
    assert_eq!(common.all().len(), 1);
    let log = program.log();
    for secret in ["hunter2", OTHER_SECRET] {
        assert_eq!(log.lines().find(|line| line.contains(secret)), None, "{secret} is in the log");
    }
}

/// A folder with a program that replaces the system's and writes its arguments into a file.
#[cfg(target_os = "linux")]
fn desktop(dir: &std::path::Path) -> (std::path::PathBuf, std::path::PathBuf) {
    use std::os::unix::fs::PermissionsExt as _;

    let (folder, shown) = (dir.join("programs"), dir.join("shown"));
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join("notify-send");
    let script = format!(
        "#!/bin/sh\nfor word in \"$@\"; do printf '%s\\n' \"$word\" >> '{}'; done\n",
        shown.display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    (folder, shown)
}

#[cfg(target_os = "linux")]
#[test]
fn ended_jobs_are_shown_on_the_desktop_over_stdio_but_not_over_http() {
    use crate::http_attack::stage::{ADA, Process};

    let stage = Stage::new();
    let (folder, shown) = desktop(stage.cell.dir.path());
    let settings = [("MINIMAX_NOTIFY", "desktop"), ("PATH", folder.to_str().unwrap())];
    let words = || std::fs::read_to_string(&shown).unwrap_or_default();
    let mut program = stage.cell.program(&settings).ready();
    let made = program.call("text_to_image", image());
    let path = made["structuredContent"]["files"][0]["path"].as_str().unwrap_or_else(|| panic!("{made}"));
    let name = std::path::Path::new(path).file_name().unwrap().to_str().unwrap();
    let expected = format!("--app-name=minimax-mcp\n--\nimage succeeded\n{name}\n");
    until("a note is shown", || words() == expected);
    until("nothing is open", || open_messages(&stage) == 0);
    program.kill();
    let server = Process::start(&stage.cell.sandbox.url(), stage.cell.dir.path(), &settings);
    assert_eq!(server.make(ADA, "text_to_image", image())["status"], "succeeded");
    until("the message has ended", || open_messages(&stage) == 0);
    assert_eq!(words(), expected, "a server over HTTP has no desktop");
    drop(server);
    let mut program = stage.program();
    program.call("text_to_image", image());
    assert_eq!(words(), expected, "it is off by default");
}
