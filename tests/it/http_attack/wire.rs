//! Malformed HTTP.

use super::stage::{ADA, TYPES, get, on_stage, post, request};
use serde_json::json;

#[test]
fn a_request_of_two_lengths_hides_no_second_one() {
    on_stage(|stage| {
        let hidden = "0\r\n\r\nGET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";
        for lengths in [
            format!("Content-Length: {}\r\nTransfer-Encoding: chunked", hidden.len()),
            format!("Transfer-Encoding: chunked\r\nContent-Length: {}", hidden.len()),
            "Content-Length: 0\r\nTransfer-Encoding: chunked".to_owned(),
        ] {
            let mut socket = stage.program.connect();
            socket.say(format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\n{lengths}\r\n\r\n{hidden}"));
            assert_eq!(socket.answer().map(|answer| answer.status), Some(401), "{lengths}");
            assert!(socket.is_closed(), "what follows may be anybody's: {lengths}");
        }
    });
}

#[test]
fn lengths_that_machines_read_differently_are_refused() {
    on_stage(|stage| {
        for lines in [
            "Content-Length: 5\r\nContent-Length: 6",
            "Content-Length: 5, 6",
            "Content-Length: +5",
            "Content-Length: -1",
            "Content-Length: 0x5",
            "Content-Length: 5 5",
            "Content-Length: 99999999999999999999999",
            "Content-Length:",
            "Content-Length : 5",
            "Transfer-Encoding: identity",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: chunked\x0b",
            "Transfer-Encoding : chunked",
            "Transfer-Encoding:\x0bchunked",
            " Transfer-Encoding: chunked",
            "X: y\r\n folded: chunked",
            "X\0: y",
            "X y: z",
            "X: a\rb",
            ": nothing",
            "no colon",
        ] {
            let ask = format!("POST /healthz HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n\r\n");
            let mut socket = stage.program.connect();
            socket.say(ask);
            assert_eq!(socket.answer().map(|answer| answer.status), Some(400), "{lines:?}");
            assert!(socket.is_closed(), "{lines:?}");
        }
    });
}

#[test]
fn chunks_that_lie_about_themselves_are_refused() {
    on_stage(|stage| {
        let long = format!("1;{}\r\nx\r\n0\r\n\r\n", "x".repeat(1 << 20));
        for body in [
            "fffffffffffffffff\r\nx",
            "-1\r\nx",
            "+1\r\nx\r\n0\r\n\r\n",
            "1 1\r\nx\r\n0\r\n\r\n",
            "g\r\nx",
            "0x1\r\nx\r\n0\r\n\r\n",
            "1\nx\n0\n\n",
            "1\r\nxy\r\n0\r\n\r\n",
            "\r\n\r\n",
            &long,
        ] {
            let mut socket = stage.program.connect();
            socket.say(format!(
                "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADA}\r\n{TYPES}\
                 Transfer-Encoding: chunked\r\n\r\n{body}"
            ));
            let status = socket.answer().map_or(400, |answer| answer.status);
            assert!((400..=500).contains(&status), "{:?}: {status}", &body[..body.len().min(40)]);
            assert!(socket.is_closed());
        }
    });
}

#[test]
fn a_call_in_chunks_with_extensions_and_trailers_is_one_call() {
    on_stage(|stage| {
        let body = request("ping", json!({}));
        let (one, two) = body.split_at(10);
        let mut socket = stage.program.connect();
        socket.say(format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADA}\r\n{TYPES}\
             Transfer-Encoding: chunked\r\n\r\n{:x};a=b\r\n{one}\r\n{:X}\r\n{two}\r\n0\r\nX-Late: Host: evil\r\n\r\n{}",
            one.len(),
            two.len(),
            get("/healthz", "")
        ));
        assert_eq!(socket.answer().unwrap().message()["result"], json!({}));
        assert_eq!(socket.answer().unwrap().text(), "ok\n");
    });
}

#[test]
fn lines_without_their_carriage_return_change_nothing() {
    on_stage(|stage| {
        let evil = stage.program.ask("GET /healthz HTTP/1.1\nHost: evil.example\n\n").unwrap();
        assert_eq!(evil.status, 403);
        let twice = stage
            .program
            .ask("GET /healthz HTTP/1.1\r\nHost: localhost\nHost: evil.example\r\n\r\n")
            .unwrap();
        assert_eq!(twice.status, 403);
    });
}

#[test]
fn protocols_other_than_http_1_get_no_answer_of_the_server() {
    on_stage(|stage| {
        let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        let tls = "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03";
        for bytes in [
            preface,
            tls,
            "GET /healthz\r\n\r\n",
            "GET /healthz HTTP/0.9\r\nHost: localhost\r\n\r\n",
            "GET /healthz HTTP/1.2\r\nHost: localhost\r\n\r\n",
            "GET /healthz HTTP/3\r\nHost: localhost\r\n\r\n",
            "GET  /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET /healthz HTTP/1.1 x\r\nHost: localhost\r\n\r\n",
            "GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "\0\0\0\0\r\n\r\n",
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n\r\n\r\n",
        ] {
            let mut socket = stage.program.connect();
            socket.say(bytes);
            let status = socket.answer().map_or(400, |answer| answer.status);
            assert_eq!(status, 400, "{bytes:?}");
            assert!(socket.is_closed(), "{bytes:?}");
        }
        let old = stage.program.ask("GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        assert_eq!((old.status, old.text().as_str()), (200, "ok\n"));
        assert_eq!(stage.program.ask("GET /healthz HTTP/1.0\r\n\r\n").unwrap().status, 403);
    });
}

#[test]
fn the_server_is_not_a_proxy_an_echo_or_a_tunnel() {
    on_stage(|stage| {
        let line = "Host: localhost\r\nX-Secret: do-not-say-it\r\nContent-Length: 0\r\n";
        for (ask, expected) in [
            (format!("CONNECT evil.example:443 HTTP/1.1\r\n{line}\r\n"), &[403][..]),
            (format!("CONNECT localhost:80 HTTP/1.1\r\n{line}\r\n"), &[400, 404, 405]),
            (format!("TRACE /healthz HTTP/1.1\r\n{line}\r\n"), &[405]),
            (format!("TRACE /mcp HTTP/1.1\r\n{line}Authorization: Bearer {ADA}\r\n\r\n"), &[405]),
            (format!("get /healthz HTTP/1.1\r\n{line}\r\n"), &[405]),
            (format!("DELETE /mcp HTTP/1.1\r\n{line}Authorization: Bearer {ADA}\r\n\r\n"), &[405]),
            (format!("PUT /files/a/b?expires=1&signature=x HTTP/1.1\r\n{line}\r\n"), &[405]),
            (format!("OPTIONS * HTTP/1.1\r\n{line}\r\n"), &[404, 405]),
            (
                format!(
                    "GET /healthz HTTP/1.1\r\n{line}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
                ),
                &[200],
            ),
            (format!("GET /sse HTTP/1.1\r\n{line}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), &[401]),
        ] {
            let answer = stage.program.ask(&ask).unwrap();
            assert!(expected.contains(&answer.status), "{ask}: {}", answer.status);
            assert!(!answer.text().contains("do-not-say-it") && !answer.head.contains("do-not-say-it"));
        }
    });
}

#[test]
fn too_many_headers_too_long_ones_and_too_long_addresses_are_refused() {
    on_stage(|stage| {
        let many = "X-Y: z\r\n".repeat(200);
        let long = "x".repeat(1 << 20);
        for ask in [
            get("/healthz", &many),
            get("/healthz", &format!("X: {long}\r\n")),
            get("/healthz", &format!("{long}: y\r\n")),
            get(&format!("/{long}"), ""),
            get(&format!("/healthz?{long}"), ""),
            long.clone(),
        ] {
            let mut socket = stage.program.connect();
            socket.say(&ask);
            // A client that is still sending may see the connection close before it sees the response.
            let status = socket.answer().map_or(431, |answer| answer.status);
            assert!([400, 414, 431].contains(&status), "{}: {status}", &ask[..40]);
        }
    });
}

#[test]
fn requests_in_one_go_are_answered_one_by_one_in_their_order() {
    on_stage(|stage| {
        let mut socket = stage.program.connect();
        let three = [get("/healthz", ""), get("/readyz", ""), post("/mcp", "wrong", "")].concat();
        socket.say(three.repeat(20));
        for _ in 0..20 {
            assert_eq!(socket.answer().unwrap().text(), "ok\n");
            assert_eq!(socket.answer().unwrap().text(), "ready\n");
            assert_eq!(socket.answer().unwrap().status, 401);
        }
    });
}

#[test]
fn a_caller_without_a_token_is_not_asked_to_send_a_body() {
    on_stage(|stage| {
        let ask = |token: &str| {
            format!(
                "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{TYPES}\
                 Expect: 100-continue\r\nContent-Length: 16000000\r\n\r\n"
            )
        };
        assert_eq!(stage.program.connect_and_head(&ask("wrong")), 401);
        assert_eq!(stage.program.connect_and_head(&ask(ADA)), 100);
    });
}

impl super::stage::Process {
    fn connect_and_head(&self, ask: &str) -> u16 {
        let mut socket = self.connect();
        socket.say(ask);
        socket.head().unwrap().status
    }
}
