//! Hostile request bodies.

use super::stage::{ADA, TYPES, on_stage, post, request};
use serde_json::{Value, json};

const LARGEST: usize = 16 * 1024 * 1024;

fn with_type(kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADA}\r\n{kind}\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn json_bytes(body: impl AsRef<[u8]>) -> Vec<u8> {
    with_type("Content-Type: application/json\r\n", body.as_ref())
}

#[test]
fn a_body_that_is_declared_too_large_is_refused_before_any_of_it_is_sent() {
    on_stage(|stage| {
        let head = |path: &str, length: &str| {
            format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADA}\r\n{TYPES}\
                 Content-Length: {length}\r\n\r\n"
            )
        };
        for length in ["16777217", "4294967297", "1000000000000"] {
            for path in ["/mcp", "/messages?sessionId=1"] {
                assert_eq!(stage.program.ask(head(path, length)).unwrap().status, 413, "{path} {length}");
            }
        }
        // A length that does not fit in 64 bits.
        assert_eq!(stage.program.ask(head("/mcp", "18446744073709551615")).unwrap().status / 100, 4);
    });
}

#[test]
fn a_body_that_turns_out_too_large_is_refused_on_the_way() {
    on_stage(|stage| {
        let mut socket = stage.program.connect();
        socket.say(format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADA}\r\n{TYPES}\
             Transfer-Encoding: chunked\r\n\r\n"
        ));
        let piece = [b"100000\r\n".as_slice(), &vec![b' '; 1 << 20], b"\r\n"].concat();
        let mut taken = 0;
        while taken < 64 && socket.say(&piece) {
            taken += 1;
        }
        // There is a response, or the connection is closed because the client was still sending.
        assert_eq!(socket.answer().map_or(413, |answer| answer.status), 413);
        assert!(taken < 64, "it was all taken");
    });
}

#[test]
fn a_body_of_exactly_the_largest_size_is_read() {
    on_stage(|stage| {
        let ping = request("ping", json!({}));
        let body = format!("{ping}{}", " ".repeat(LARGEST - ping.len()));
        assert_eq!(stage.program.ask(post("/mcp", ADA, &body)).unwrap().message()["result"], json!({}));
    });
}

#[test]
fn a_body_that_ends_before_its_declared_length_starts_nothing() {
    on_stage(|stage| {
        let call = request("tools/call", json!({ "name": "text_to_image", "arguments": { "prompt": "x" } }));
        for length in [call.len() + 1, call.len() * 2, LARGEST] {
            let ask = post("/mcp", ADA, &call);
            let lie =
                ask.replace(&format!("Content-Length: {}", call.len()), &format!("Content-Length: {length}"));
            assert_ne!(lie, ask);
            stage.program.connect().say(lie);
        }
        stage.program.is_well();
        assert_eq!(stage.sandbox.paid().len(), 0);
    });
}

#[test]
fn a_body_of_another_kind_is_refused_as_such() {
    on_stage(|stage| {
        let ping = request("ping", json!({}));
        for kind in [
            "",
            "Content-Type:\r\n",
            "Content-Type: text/plain\r\n",
            "Content-Type: application/x-www-form-urlencoded\r\n",
            "Content-Type: multipart/form-data; boundary=x\r\n",
            "Content-Type: application/jsonp\r\n",
            "Content-Type: text/plain; application/json\r\n",
            "Content-Type: \"application/json\"\r\n",
        ] {
            assert_eq!(stage.program.ask(with_type(kind, ping.as_bytes())).unwrap().status, 415, "{kind}");
        }
        // A small gzip body. The server never decompresses request bodies.
        let packed = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xabV\xca*\xce\xcfS\xb2R2\xd23P\xd2Q\xcaLQ\xb22\xd4Q\xcaM-\xc9\xc8\x07\0";
        let kind = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
        assert_eq!(stage.program.ask(with_type(kind, packed)).unwrap().status / 100, 4);
        let accept = post("/mcp", ADA, &ping)
            .replace("Accept: application/json, text/event-stream", "Accept: text/html");
        assert_eq!(stage.program.ask(accept).unwrap().status, 406);
    });
}

#[test]
fn a_body_that_is_not_a_message_is_refused_and_nothing_is_called() {
    on_stage(|stage| {
        let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
        let call = |arguments: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"text_to_image","arguments":{arguments}}}}}"#
            )
        };
        let ping = request("ping", json!({}));
        let bodies: Vec<Vec<u8>> = vec![
            b"".into(),
            b"\0".into(),
            b"null".into(),
            b"[]".into(),
            b"{}".into(),
            b"\"ping\"".into(),
            b"\xef\xbb\xbf{}".into(),
            format!("[{ping},{ping}]").into(),
            format!("{ping}{ping}").into(),
            format!("{ping}\0").into(),
            ping[..ping.len() - 1].into(),
            deep("[", "]").into(),
            deep("{\"a\":", "}").into(),
            "[".repeat(1_000_000).into(),
            call(&deep("[", "]")).into(),
            call(&format!("{{\"prompt\":{}}}", deep("[", "]"))).into(),
            call(r#"{"prompt":"\ud800"}"#).into(),
            call(r#"{"prompt":"x","n":1e400}"#).into(),
            call("{\"prompt\":\"a\0b\"}").into(),
            [br#"{"jsonrpc":"2.0","id":1,"method":"ping","x":""#.as_slice(), b"\xff\xfe\"}"].concat(),
            [br#"{"jsonrpc":"2.0","id":1,"method":"ping","x":""#.as_slice(), b"\xed\xa0\x80\"}"].concat(),
            br#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#.into(),
            br#"{"id":1,"method":"ping"}"#.into(),
            br#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#.into(),
            br#"{"jsonrpc":"2.0","id":1e400,"method":"ping"}"#.into(),
            br#"{"jsonrpc":"2.0","id":1,"method":7}"#.into(),
            br#"{"jsonrpc":"2.0","id":1,"result":{}}"#.into(),
            br#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"x"}}"#.into(),
            br#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}"#.into(),
        ];
        for body in bodies {
            let answer = stage.program.ask(json_bytes(&body)).unwrap();
            let shown = String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned();
            assert!((400..500).contains(&answer.status), "{shown}: {answer:?}");
            assert!(answer.body.len() < 1000, "{shown}: nothing is echoed at length");
        }
        assert_eq!(stage.sandbox.requests().len(), 0);
    });
}

#[test]
fn arguments_that_are_odd_are_answered_and_cost_nothing() {
    on_stage(|stage| {
        let long = "x".repeat(1_000_000);
        let many: Vec<_> = (0..10_000).map(|index| json!({ "text": index.to_string() })).collect();
        let wide: serde_json::Map<String, Value> = (0..10_000).map(|n| (n.to_string(), n.into())).collect();
        for (tool, arguments) in [
            ("get_job", json!({ "job_id": "\0" })),
            ("get_job", json!({ "job_id": "../../../etc/passwd" })),
            ("get_job", json!({ "job_id": "' OR 1=1 --" })),
            ("get_job", json!({ "job_id": long })),
            ("get_job", json!({ "job_id": -1 })),
            ("get_job", json!({ "job_id": ["a"] })),
            ("list_jobs", json!({ "cursor": "9223372036854775808.x" })),
            ("list_jobs", json!({ "cursor": long })),
            ("list_jobs", json!({ "limit": -5 })),
            ("list_jobs", json!({ "limit": 1e308 })),
            ("text_to_image", json!(wide)),
            ("text_to_image", json!({ "prompt": long })),
            ("text_to_image", json!({ "prompt": "x", "n": 18_446_744_073_709_551_615_u64 })),
            ("text_to_image", json!({ "prompt": "x", "wait_seconds": 1e300 })),
            (
                "text_to_image",
                json!({ "prompt": "x", "subject_reference": format!("data:image/png;base64,{long}") }),
            ),
            ("chat", json!({ "messages": many })),
            ("view_media", json!({ "uri": "minimax://files/../../x" })),
            (&long, json!({})),
        ] {
            let answer = stage.program.call(ADA, tool, arguments);
            let refused = answer["result"]["isError"] == true || answer["error"]["code"].is_i64();
            assert!(refused, "{:.40}: {:.400}", tool, answer.to_string());
            assert!(answer.to_string().len() < 20_000, "{tool:.40}: what is long is not repeated");
        }
        assert_eq!(stage.sandbox.paid().len(), 0);
    });
}
