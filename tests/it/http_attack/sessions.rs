//! The SSE transport: other callers' sessions, too many sessions, and responses that the client never reads.

use super::stage::{ADA, Answer, BOB, Process, Socket, get, on_stage, post, request};
use crate::crash::until;
use serde_json::json;

fn open(program: &Process, token: &str) -> (Socket, Answer) {
    let mut socket = program.connect();
    socket.say(get("/sse", &format!("Authorization: Bearer {token}\r\n")));
    let head = socket.head().expect("an answer");
    (socket, head)
}

/// Opens a stream. Returns it and the address to post to.
fn session(program: &Process, token: &str) -> (Socket, String) {
    let (mut socket, head) = open(program, token);
    assert_eq!(head.status, 200);
    let address = socket.event().unwrap();
    (socket, address)
}

fn say(program: &Process, address: &str, token: &str, body: &str) -> u16 {
    program.ask(post(address, token, body)).unwrap().status
}

fn hello() -> String {
    request(
        "initialize",
        json!({ "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": { "name": "old", "version": "0" } }),
    )
}

#[test]
fn a_session_belongs_to_its_opener_and_is_unknown_to_others() {
    on_stage(|stage| {
        let program = &stage.program;
        let (mut stream, address) = session(program, ADA);
        let ping = hello();
        let none =
            program.ask(post("/messages?sessionId=00000000000000000000000000000000", BOB, &ping)).unwrap();
        let other = program.ask(post(&address, BOB, &ping)).unwrap();
        assert_eq!((other.status, other.text()), (404, none.text()));
        let id = address.split_once('=').unwrap().1.to_owned();
        assert_eq!(id.len(), 32, "128 bits");
        for guess in [
            String::new(),
            id[..31].to_owned(),
            format!("{id}0"),
            format!("{id}%00"),
            id.to_uppercase() + "x",
            "*".to_owned(),
            "%".to_owned(),
            "..".to_owned(),
            "x".repeat(30_000),
        ] {
            let status = say(program, &format!("/messages?sessionId={guess}"), ADA, &ping);
            assert!([400, 404].contains(&status), "{guess:.40}: {status}");
        }
        let mut wrong = program.connect();
        wrong.say(format!("POST {address} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(wrong.answer().unwrap().status, 401);
        for address in ["/messages".to_owned(), format!("{address}&sessionId=1"), "/messages?x=1".to_owned()]
        {
            assert_eq!(say(program, &address, ADA, &ping), 400, "{address}");
        }
        assert_eq!(say(program, &address, ADA, &ping), 202);
        assert!(stream.event().unwrap().contains("2024-11-05"));
        // A session's messages belong to its caller, and no other session receives them.
        let (mut bobs, _) = session(program, BOB);
        bobs.say("");
        drop(stream);
        until("the session has ended", || say(program, &address, ADA, &request("ping", json!({}))) == 404);
    });
}

#[test]
fn a_message_to_a_session_is_checked_like_any_other() {
    on_stage(|stage| {
        let program = &stage.program;
        let (_stream, address) = session(program, ADA);
        for body in
            ["", "null", "[]", "{}", "\0", &"[".repeat(50), r#"{"jsonrpc":"2.0","id":1e400,"method":"ping"}"#]
        {
            assert_eq!(say(program, &address, ADA, body), 400, "{body:.40}");
        }
        assert_eq!(say(program, &address, ADA, &"[".repeat(200_000)), 413);
        let ask = post(&address, ADA, "").replace("Content-Length: 0", "Content-Length: 16777217");
        assert_eq!(program.ask(ask).unwrap().status, 413);
        // A first message other than `initialize` ends the session, but not the server.
        let _ = say(
            program,
            &address,
            ADA,
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#,
        );
        program.is_well();
    });
}

#[test]
fn sessions_are_counted_and_make_room_when_they_end() {
    on_stage(|stage| {
        let mut open_ones = Vec::new();
        let refused = loop {
            let (socket, head) = open(&stage.program, ADA);
            if head.status != 200 {
                break head;
            }
            open_ones.push(socket);
            assert!(open_ones.len() <= 64, "there is no end to it");
        };
        assert!(
            [429, 503].contains(&refused.status) && refused.header("retry-after").is_some(),
            "{refused:?}"
        );
        stage.program.is_well();
        open_ones.clear();
        until("there is room again", || open(&stage.program, ADA).1.status == 200);
    });
}

#[test]
fn a_client_that_asks_and_never_reads_is_stopped_before_the_memory_is_full() {
    on_stage(|stage| {
        let program = &stage.program;
        let (mut stream, address) = session(program, ADA);
        assert_eq!(say(program, &address, ADA, &hello()), 202);
        assert!(stream.event().is_some());
        let note = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        assert_eq!(say(program, &address, ADA, note), 202);
        let before = program.memory();
        let asked = |id: usize| {
            let list = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/list" });
            say(program, &address, ADA, &list.to_string())
        };
        // It stays stopped, and not only while responses are slower than requests.
        let is_stopped = |id: usize| {
            asked(id) != 202 && {
                std::thread::sleep(std::time::Duration::from_secs(1));
                asked(id) != 202
            }
        };
        let stopped = (10..4000).find(|id| is_stopped(*id)).expect("somebody says stop");
        assert_eq!(asked(stopped + 1), 429);
        if let (Some(before), Some(now)) = (before, program.memory()) {
            assert!(now < before + 150 * 1024, "from {before} to {now} KiB");
        }
        // A client that reads is served again.
        for _ in 0..20 {
            assert!(stream.event().is_some());
        }
        until("it may ask again", || {
            let _ = stream.event();
            asked(stopped + 2) == 202
        });
    });
}
