//! Messages that are small on the wire and large in memory, and responses that the client never reads.

use super::stage::{ADA, Process, Socket, Stage, get, on_stage, post, request};
use serde_json::{Value, json};

/// The most values in one message.
const MOST: usize = 200_000;

/// Lists and objects with this many values, of several kinds.
fn kinds(values: usize) -> Vec<String> {
    let list = |item: &str, each: usize| format!("[{}0]", format!("{item},").repeat(values / each));
    let keys = (0..values / 2).fold(String::new(), |keys, n| keys + &format!("\"{n}\":0,"));
    vec![
        list("0", 1),
        list("-1.5e3", 1),
        list("[]", 1),
        list("{}", 1),
        list("[[]]", 2),
        list(r#"{"a":0}"#, 3),
        list(r#""""#, 1),
        list(r#""\u0041\n""#, 1),
        list("null", 1),
        format!("{{{keys}\"x\":0}}"),
    ]
}

/// A message for every method with parameters, with `inside` in them.
fn messages(inside: &str) -> [String; 4] {
    let message = |method: &str, params: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#)
    };
    [
        message("ping", &format!(r#"{{"x":{inside}}}"#)),
        message("tools/list", &format!(r#"{{"_meta":{{"x":{inside}}}}}"#)),
        message("tools/call", &format!(r#"{{"name":"chat","arguments":{{"messages":{inside}}}}}"#)),
        message("no/such/method", inside),
    ]
}

fn peak_is_below(program: &Process, most: u64) {
    if let Some(peak) = program.peak() {
        eprintln!("peak: {peak} MiB");
        assert!(peak < most, "{peak} MiB");
    }
}

#[test]
fn a_message_of_millions_of_values_is_refused_before_it_is_parsed() {
    on_stage(|stage| {
        let program = &stage.program;
        for inside in kinds(1_000_000) {
            let [ping, list, chat, other] = messages(&inside);
            let asked: Vec<_> = [ping, list, chat, other]
                .iter()
                .map(|message| {
                    let mut socket = program.connect();
                    socket.say(post("/mcp", ADA, message));
                    socket
                })
                .collect();
            program.serves_bob();
            for mut socket in asked {
                let answer = socket.answer().unwrap();
                assert_eq!(answer.status, 413, "{:.20}: {}", inside, answer.text());
                assert!(answer.text().contains("200000 JSON values"), "{}", answer.text());
            }
        }
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        for message in messages(&deep) {
            let answer = program.ask(post("/mcp", ADA, &message)).unwrap();
            assert!(answer.status == 413 && answer.text().contains("nested"), "{answer:?}");
        }
        peak_is_below(program, 250);
    });
}

#[test]
fn the_older_transport_has_the_same_bound() {
    on_stage(|stage| {
        let program = &stage.program;
        let mut stream = program.connect();
        stream.say(get("/sse", &format!("Authorization: Bearer {ADA}\r\n")));
        let address = stream.event().unwrap();
        for inside in kinds(1_000_000) {
            let [ping, ..] = messages(&inside);
            let answer = program.ask(post(&address, ADA, &ping)).unwrap();
            assert_eq!(answer.status, 413, "{}", answer.text());
        }
        peak_is_below(program, 200);
    });
}

#[test]
fn requests_within_the_limit_are_answered_and_too_many_at_once_wait() {
    on_stage(|stage| {
        let program = &stage.program;
        let mut asked = Vec::new();
        for inside in kinds(MOST - 20) {
            for message in messages(&inside) {
                let mut socket = program.connect();
                socket.say(post("/mcp", ADA, &message));
                asked.push(socket);
            }
            program.serves_bob();
        }
        let mut answered = 0;
        for mut socket in asked {
            let answer = socket.answer().unwrap();
            assert!([200, 400, 404, 429, 503].contains(&answer.status), "{answer:?}");
            answered += usize::from(answer.status == 200);
            assert!(answer.body.len() < 100_000, "{}", answer.body.len());
            if [429, 503].contains(&answer.status) {
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
            }
        }
        assert!(answered > 3, "{answered}");
        peak_is_below(program, 450);
        assert_eq!(stage.sandbox.requests().len(), 0);
    });
}

#[test]
fn large_texts_at_once_wait_for_their_turn() {
    on_stage(|stage| {
        let program = &stage.program;
        let text = format!("\"{}\"", "x".repeat(15 << 20));
        let escapes = format!("\"{}\"", "\\u0041".repeat((15 << 20) / 6));
        let mut asked = Vec::new();
        for inside in [&text, &escapes] {
            for message in messages(inside) {
                let mut socket = program.connect();
                std::thread::spawn(move || {
                    socket.say(post("/mcp", ADA, &message));
                    socket
                });
            }
        }
        for message in messages(&text) {
            let mut socket = program.connect();
            socket.say(post("/mcp", ADA, &message));
            asked.push(socket);
        }
        program.serves_bob();
        for mut socket in asked {
            let status = socket.answer().unwrap().status;
            assert!([200, 400, 404, 429, 503].contains(&status), "{status}");
        }
        peak_is_below(program, 450);
    });
}

/// Makes a result of some megabytes and returns its resource URI.
fn large_result(stage: &Stage) -> String {
    let made = |letters: usize| {
        let order = json!({ "text": "a ".repeat(letters / 2), "format": "wav", "sample_rate": 44_100 });
        let file = stage.program.make(ADA, "text_to_audio", order)["files"][0].clone();
        (file["bytes"].as_u64().unwrap(), file["uri"].as_str().unwrap().to_owned())
    };
    let few = made(200).0;
    let (bytes, uri) = made(usize::try_from(200 * (7 << 19) / few).unwrap().min(9_900));
    assert!((2 << 20..=4 << 20).contains(&bytes), "{few}, {bytes}");
    uri
}

#[test]
fn unread_answers_take_no_more_memory_than_one_caller_may_have() {
    on_stage(|stage| {
        let program = &stage.program;
        let read = request("resources/read", json!({ "uri": large_result(stage) }));
        let ask = post("/mcp", ADA, &read);
        let whole = program.ask(&ask).unwrap().message();
        assert!(whole["result"]["contents"][0]["blob"].as_str().unwrap().len() > 2 << 20);
        let mut unread: Vec<Socket> = Vec::new();
        for turn in 0..100 {
            let mut socket = program.connect();
            socket.say(&ask);
            unread.push(socket);
            if turn % 25 == 24 {
                program.serves_bob();
            }
        }
        let statuses: Vec<_> =
            unread.iter_mut().map(|socket| socket.head().map(|head| head.status)).collect();
        assert!(statuses.contains(&Some(200)), "{statuses:?}");
        program.serves_bob();
        peak_is_below(program, 350);
        drop(unread);
        crate::crash::until("it may read again", || {
            program.ask(&ask).is_some_and(|answer| {
                answer.status == 200 && answer.message()["result"]["contents"].is_array()
            })
        });
    });
}

#[test]
fn cancelling_does_not_make_room_for_answers_that_are_not_read() {
    on_stage(|stage| {
        let program = &stage.program;
        let uri = large_result(stage);
        let mut stream = program.connect();
        stream.say(get("/sse", &format!("Authorization: Bearer {ADA}\r\n")));
        let address = stream.event().unwrap();
        let say = |body: &Value| program.ask(post(&address, ADA, &body.to_string())).unwrap().status;
        let hello = json!({ "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": { "name": "old", "version": "0" } });
        assert_eq!(
            say(&json!({ "jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": hello })),
            202
        );
        assert!(stream.event().is_some());
        say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
        let mut asked = 0;
        for id in 0..600 {
            let read =
                json!({ "jsonrpc": "2.0", "id": id, "method": "resources/read", "params": { "uri": uri } });
            asked += usize::from(say(&read) == 202);
            // Some are cancelled while they run, and some after they have ended.
            std::thread::sleep(std::time::Duration::from_millis(id % 7 * 5));
            let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } });
            say(&cancel);
            // The server closes a stream that is not read for a minute.
            if std::time::Instant::now() > end {
                break;
            }
        }
        assert!(asked > 10, "{asked}");
        program.serves_bob();
        peak_is_below(program, 350);
        // A client that reads is served again.
        std::thread::spawn(move || while stream.event().is_some() {});
        let ping = json!({ "jsonrpc": "2.0", "id": "again", "method": "ping" });
        crate::crash::until("it may ask again", || say(&ping) == 202);
    });
}
