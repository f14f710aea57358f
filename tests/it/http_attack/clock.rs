//! Sets the system clock while the server runs, and checks everything that expires.

use std::fs;
use std::path::{Path, PathBuf};

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::{Value, json};

use super::stage::{ADA, BOB, Process, get, on_stage, post, request};
use crate::crash::until;
use crate::http_access::provider::Provider;
use crate::postgres;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const YEARS: i64 = 3_652 * DAY;

struct Clock(PathBuf);

impl Clock {
    fn new(dir: &Path) -> Self {
        let clock = Self(dir.join("clock"));
        clock.set(0);
        clock
    }

    fn set(&self, shift: i64) {
        let fresh = self.0.with_extension("fresh");
        fs::write(&fresh, shift.to_string()).unwrap();
        fs::rename(&fresh, &self.0).unwrap();
    }

    fn start(&self, url: &str, dir: &Path, more: &[(&str, &str)]) -> Process {
        let file = format!("@{}", self.0.display());
        let clock = [("MINIMAX_CRASH_CLOCK", file.as_str())];
        Process::start(url, dir, &[&clock, more].concat())
    }
}

fn link(program: &Process, prompt: &str) -> String {
    let view = program.make(ADA, "text_to_image", json!({ "prompt": prompt }));
    let url = view["files"][0]["download_url"].as_str().unwrap().to_owned();
    url[url.find("/files/").unwrap()..].to_owned()
}

#[test]
fn a_link_is_not_extended_by_a_clock_that_is_set() {
    if postgres::leaves_out("this machine's clock, which servers with PostgreSQL do not follow") {
        return;
    }
    on_stage(|stage| {
        let (url, dir) = (stage.sandbox.url(), stage.dir.path());
        let clock = Clock::new(dir);
        let program = clock.start(&url, dir, &[]);
        let status = |program: &Process, link: &str| program.ask(get(link, "")).unwrap().status;
        let good = link(&program, "A fox");
        for shift in [0, HOUR, -HOUR, -DAY, -YEARS, 0] {
            clock.set(shift);
            assert_eq!(status(&program, &good), 200, "its day is not over: {shift}");
        }
        for shift in [DAY, YEARS] {
            clock.set(shift);
            assert_eq!(status(&program, &good), 410, "{shift}");
        }
        // These links were issued while the clock was ahead, by this server and by one that started then.
        for shift in [DAY, YEARS] {
            clock.set(shift);
            let late = link(&program, &format!("A hen, {shift}"));
            assert_eq!(status(&program, &late), 200, "{shift}");
            let misled = clock.start(&url, dir, &[]);
            let later = link(&misled, &format!("A duck, {shift}"));
            clock.set(0);
            let right = clock.start(&url, dir, &[]);
            for link in [&late, &later] {
                assert_eq!(status(&program, link), 410, "{shift}: good for longer than a day");
                assert_eq!(status(&right, link), 410, "{shift}: good for longer than a day");
            }
        }
        // Set the clock back while no server runs.
        clock.set(-DAY);
        let back = clock.start(&url, dir, &[]);
        assert_eq!(status(&back, &good), 410, "it would be good for two days");
        assert_eq!(status(&back, &link(&back, "A goose")), 200);
    });
}

#[test]
fn a_rate_is_not_renewed_by_a_clock_that_is_set() {
    on_stage(|stage| {
        let (url, dir) = (stage.sandbox.url(), tempfile::tempdir().unwrap());
        let clock = Clock::new(dir.path());
        let tokens = dir.path().join("rates.json");
        fs::write(&tokens, json!([{ "name": "ada", "token": ADA, "rate": 3 }]).to_string()).unwrap();
        let file = tokens.display().to_string();
        let program = clock.start(&url, dir.path(), &[("MINIMAX_MCP_TOKEN_FILE", &file)]);
        for _ in 0..3 {
            program.make(ADA, "list_jobs", json!({}));
        }
        for shift in [0, HOUR, YEARS, -DAY, 0] {
            clock.set(shift);
            let told = program.call(ADA, "list_jobs", json!({}));
            assert_eq!(told["result"]["isError"], true, "{shift}: {told}");
        }
    });
}

/// Calls `chat` and disconnects when the sandbox has the request. Returns when the answer is cached.
fn leave(program: &Process, arguments: &Value) {
    let kept = || program.log().matches("a caller left before the answer came").count();
    let before = kept();
    let mut socket = program.connect();
    let call = json!({ "name": "chat", "arguments": arguments });
    socket.say(post("/mcp", ADA, &request("tools/call", call)));
    std::thread::sleep(std::time::Duration::from_millis(300));
    drop(socket);
    until("the answer is kept", || kept() > before);
}

#[test]
fn a_paid_answer_and_a_conversation_outlive_a_clock_that_is_set() {
    if postgres::leaves_out("this machine's clock, which servers with PostgreSQL do not follow") {
        return;
    }
    on_stage(|stage| {
        let (url, dir) = (stage.sandbox.url(), tempfile::tempdir().unwrap());
        for shift in [HOUR, 2 * DAY, YEARS, -HOUR, -DAY, -YEARS] {
            let clock = Clock::new(dir.path());
            let program = clock.start(&url, dir.path(), &[]);
            let slow = |times| {
                let rule = Rule::always("/anthropic", Act::Delay { ms: 1_000 });
                let other = Rule::always("/v1/", Act::Delay { ms: 1_000 });
                stage
                    .sandbox
                    .script(vec![Rule { times: Some(times), ..rule }, Rule { times: Some(times), ..other }]);
            };
            let said = program.make(ADA, "chat", json!({ "prompt": "Good morning" }));
            let conversation =
                said["conversation_id"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned();
            let first = json!({ "prompt": format!("Hello at {shift}") });
            slow(1);
            leave(&program, &first);
            clock.set(shift);
            // The next cached answer and the next conversation turn of any caller clean up.
            slow(1);
            leave(&program, &json!({ "prompt": format!("Goodbye at {shift}") }));
            stage.sandbox.script(Vec::new());
            program.make(BOB, "chat", json!({ "prompt": "Hello" }));
            let before = stage.sandbox.paid().len();
            let answer = program.make(ADA, "chat", first.clone());
            assert!(answer.to_string().contains("whose client left before it arrived"), "{shift}: {answer}");
            assert_eq!(stage.sandbox.paid().len(), before, "{shift}");
            let on = json!({ "prompt": "And now?", "conversation_id": conversation });
            program.make(ADA, "chat", on);
        }
    });
}

#[test]
fn a_token_that_has_ended_does_not_begin_again_when_the_clock_is_set_back() {
    if postgres::leaves_out("this machine's clock, which servers with PostgreSQL do not follow") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let provider = runtime.block_on(Provider::start());
    on_stage(|stage| {
        let (url, dir) = (stage.sandbox.url(), tempfile::tempdir().unwrap());
        let clock = Clock::new(dir.path());
        let audience = "https://media.example.com/mcp";
        let settings = [
            ("MINIMAX_MCP_OAUTH_ISSUER", provider.url.as_str()),
            ("MINIMAX_MCP_OAUTH_AUDIENCE", audience),
            ("MINIMAX_MCP_OAUTH_SCOPES", "minimax:all=all"),
        ];
        let token = provider.token(&provider.claims("ada", audience));
        let status = |program: &Process| {
            program.ask(post("/mcp", &token, &request("ping", json!({})))).unwrap().status
        };
        let right = clock.start(&url, dir.path(), &settings);
        for shift in [0, -HOUR, -YEARS, 0] {
            clock.set(shift);
            assert_eq!(status(&right), 200, "{shift}: {}", right.log());
        }
        // The token expired long ago by this program's clock. Then the clock is set back.
        clock.set(2 * HOUR);
        let late = clock.start(&url, dir.path(), &settings);
        for shift in [2 * HOUR, 0] {
            clock.set(shift);
            assert_eq!(status(&late), 401, "{shift}");
        }
    });
}
