//! Lines, and what they are read as.

use super::*;

async fn read(text: &[u8]) -> Vec<Result<ClientJsonRpcMessage, Unread>> {
    let mut lines = Lines::new(text);
    let mut all = Vec::new();
    while let Some(read) = lines.next().await {
        all.push(match read {
            Read::Message(message) => Ok(*message),
            Read::Unread(unread) => Err(unread),
            Read::Batch(_) => panic!("no batch was written"),
        });
    }
    all
}

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

fn shown(message: &Result<ClientJsonRpcMessage, Unread>) -> String {
    serde_json::to_string(message.as_ref().unwrap()).unwrap()
}

/// Reads a line between two others, and returns the id and the code of its error.
async fn between(line: &[u8]) -> (Option<String>, i32) {
    let mut seen = read(&[PING.as_bytes(), b"\n", line, b"\r\n", PING.as_bytes(), b"\n"].concat()).await;
    assert_eq!((seen.len(), shown(&seen[0]).as_str(), shown(&seen[2]).as_str()), (3, PING, PING));
    let Unread { id, error } = seen.remove(1).unwrap_err();
    assert!(!error.message.is_empty());
    (id.map(|id| serde_json::to_string(&id).unwrap()), error.code.0)
}

#[tokio::test]
async fn a_line_that_is_too_long_is_an_error_with_its_id() {
    let long = "x".repeat(DEFAULT_MAX_LINE_LENGTH);
    for (line, id) in [
        (format!(r#"{{"jsonrpc":"2.0","id":7,"method":"a","params":{{"b":"{long}"}}}}"#), Some("7")),
        (format!(r#"{{ "id" : "s-1", "method":"a","params":{{"b":"{long}"}}}}"#), Some("\"s-1\"")),
        (format!(r#"{{"method":"a","params":{{"b":"{long}"}},"jsonrpc":"2.0","id":8}}"#), Some("8")),
        (format!(r#"{{"method": "a", "params": {{"b": "{long}"}}, "id": 8}}"#), Some("8")),
        (format!(r#"{{"method":"a","params":{{"b":"{long}","id":8}}}}"#), None),
        (format!(r#"{{"jsonrpc":"2.0","method":"a","params":{{"id":9,"b":"{long}"}}}}"#), None),
        (long.clone(), None),
    ] {
        assert_eq!(between(line.as_bytes()).await, (id.map(str::to_owned), -32600), "{line:.60}");
    }
}

#[tokio::test]
async fn the_longest_line_and_one_with_a_mark_are_read_and_an_unfinished_line_is_dropped() {
    let frame = |text: &str| format!(r#"{{"jsonrpc":"2.0","id":8,"method":"a","params":{{"b":"{text}"}}}}"#);
    let room = DEFAULT_MAX_LINE_LENGTH - frame("").len() - 1;
    let fitting = frame(&"x".repeat(room));
    assert_eq!(fitting.len() + 1, DEFAULT_MAX_LINE_LENGTH);
    let seen = read(format!("{fitting}\n\u{feff}{PING}\r\n{PING}").as_bytes()).await;
    assert_eq!(seen.len(), 2, "a line without its end is dropped");
    assert!(seen[0].is_ok());
    assert_eq!(shown(&seen[1]), PING);
}

#[tokio::test]
async fn json_that_is_not_a_message_is_an_error_with_its_id_and_a_notification_is_not() {
    for (line, id) in [
        (r#"{"jsonrpc":"2.0","id":"s","method":5}"#, Some("\"s\"")),
        (r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#, Some("7")),
        (r#"{"id":7,"method":"ping"}"#, Some("7")),
        (r#"{"jsonrpc":"2.0"}"#, None),
        ("7", None),
        ("null", None),
    ] {
        assert_eq!(between(line.as_bytes()).await, (id.map(str::to_owned), -32600), "{line}");
    }
    let line = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":"x"}"#;
    assert_eq!(between(line.as_bytes()).await, (Some("7".to_owned()), -32602));
    let note = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":"x"}"#;
    assert_eq!(read(format!("{note}\n{PING}\n").as_bytes()).await.len(), 1);
}

#[tokio::test]
async fn an_id_of_another_kind_is_an_error_without_an_id_and_not_a_notification() {
    for (id, kind) in [
        ("null", "null"),
        ("1.5", "a number that is no integer of 64 bits"),
        ("99999999999999999999", "a number that is no integer of 64 bits"),
        ("true", "a boolean"),
        ("[1]", "an array"),
        ("{}", "an object"),
    ] {
        for message in [
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#),
            format!(r#"{{"method":"tools/call","params":"x","id":{id},"jsonrpc":"2.0"}}"#),
        ] {
            let mut seen = read(format!("{message}\n").as_bytes()).await;
            let Unread { id, error } = seen.remove(0).unwrap_err();
            assert_eq!((id, error.code), (None, ErrorCode::INVALID_REQUEST), "{message}");
            assert!(error.message.contains(&format!("`id` is {kind};")), "{message}: {error:?}");
        }
    }
    let text = r#"{"jsonrpc":"2.0","id":1.0,"method":"ping"}"#;
    assert!(read(format!("{text}\n").as_bytes()).await.remove(0).is_ok(), "an integer in another form");
}

#[tokio::test]
async fn an_array_is_a_batch() {
    let mut lines = Lines::new(&b"\xef\xbb\xbf [1] \r\n"[..]);
    assert!(matches!(lines.next().await, Some(Read::Batch(text)) if text == b"[1]"));
}

#[tokio::test]
async fn a_blank_line_is_ignored() {
    assert_eq!(read("\n\r\n  \t\r\n\u{feff}\n".as_bytes()).await.len(), 0);
}

#[tokio::test]
async fn a_line_of_too_many_values_is_an_error_with_its_id() {
    let many = format!("[{}0]", "0,".repeat(json::MOST_VALUES));
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for inside in [&many, &deep] {
        for (line, id) in [
            (format!(r#"{{"jsonrpc":"2.0","id":7,"method":"a","params":{{"b":{inside}}}}}"#), Some("7")),
            (format!(r#"{{"params":{{"id":9,"b":{inside}}},"id":"7","x":1}}"#), Some("\"7\"")),
            (format!(r#"{{"params":{inside}}}"#), None),
            (format!(r#"{{"id":[7],"params":{inside}}}"#), None),
            (inside.clone(), None),
            (format!("\u{feff}{{\"id\":8,\"params\":{inside}}}"), Some("8")),
        ] {
            assert_eq!(between(line.as_bytes()).await, (id.map(str::to_owned), -32600), "{line:.60}");
        }
    }
}

#[tokio::test]
async fn a_line_that_is_not_json_is_an_error_with_its_id() {
    for (line, id) in [
        (&br#"{"jsonrpc":"2.0","id":7,"method":"a","params":{"b":"\ud83d"}}"#[..], Some("7")),
        (br#"{"jsonrpc": "2.0", "method": "a", "params": {"b": NaN}, "id": "s"}"#, Some("\"s\"")),
        (br#"{"id":7,"b":1e400}"#, Some("7")),
        (b"{\"id\":7,\"b\":\"\xff\"}", Some("7")),
        (br#"{"id":7,"method":"too"#, Some("7")),
        (b"{bad", None),
        (b"Listening on port 8765", None),
        (b"\xff\xfe\x00\x80", None),
    ] {
        let got = between(line).await;
        assert_eq!(got, (id.map(str::to_owned), -32700), "{}", String::from_utf8_lossy(line));
    }
}
