//! Lines on stdio that are not messages: each is answered, with its id if that can be read, and the server continues.

use std::time::Duration;

use serde_json::{Value, json};

use crate::stdio::on_stage;

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_line_that_is_not_json_is_answered_under_its_id_and_the_next_request_too() {
    on_stage(|stage| {
        let mut program = stage.program();
        for handshake in [false, true] {
            if handshake {
                program.initialize("2025-06-18");
            }
            for (line, id) in [
                (&br#"{"jsonrpc":"2.0","id":901,"method":"tools/call","params":{"name":"chat","arguments":{"prompt":"\ud83d"}}}"#[..], json!(901)),
                (br#"{"jsonrpc": "2.0", "method": "ping", "params": {"a": NaN}, "id": "nine"}"#, json!("nine")),
                (br#"{"jsonrpc":"2.0","id":903,"method":"ping","params":{"a":1e400}}"#, json!(903)),
                (b"{\"jsonrpc\":\"2.0\",\"id\":904,\"method\":\"\xff\xfe\"}", json!(904)),
                (br#"{"jsonrpc":"2.0","id":905,"method":"pi"#, json!(905)),
                (b"{bad", Value::Null),
                (b"\xff\xfe\x00\x80", Value::Null),
                (b"Listening on port 8765", Value::Null),
                (br#"{"jsonrpc":"2.0","id":906,"result":{"a":NaN}}"#, Value::Null),
            ] {
                program.send_bytes(&[line, b"\r\n"].concat());
                let answer = program.next(PATIENCE).expect("an answer");
                let shown = String::from_utf8_lossy(line);
                assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(-32700), &id), "{shown}: {answer}");
                assert!(answer.as_object().unwrap().contains_key("id"), "{answer}");
                assert!(answer["error"]["message"].as_str().unwrap().contains("not JSON"), "{answer}");
            }
            for (line, id) in [
                (r#"{"id":"old","method":"ping"}"#, json!("old")),
                (r#"{"jsonrpc":"2.0","id":908}"#, json!(908)),
                (r#"[{"jsonrpc":"2.0","id":909,"method":"ping"}]"#, Value::Null),
                ("{}", Value::Null),
                ("17", Value::Null),
            ] {
                program.send_raw(line);
                let answer = program.next(PATIENCE).expect("an answer");
                assert_eq!(
                    (&answer["error"]["code"], answer.get("id")),
                    (&json!(-32600), Some(&id)),
                    "{line}"
                );
            }
            // These are no messages and no mistakes, and a notification is never answered.
            program.send_bytes(b"\n\r\n  \t\n\xef\xbb\xbf\n");
            program.send_raw(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":"x"}"#);
            if handshake {
                program.send_bytes(b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"id\":77,\"method\":\"ping\"}\r\n");
                assert_eq!(
                    program.next(PATIENCE).unwrap(),
                    json!({ "jsonrpc": "2.0", "id": 77, "result": {} })
                );
            }
        }
        assert_eq!(stage.sandbox.requests().len(), 0);
        assert!(program.hang_up().success());
    });
}

#[test]
fn a_bad_line_with_the_id_of_a_request_in_flight_does_not_answer_that_request() {
    on_stage(|stage| {
        let mut pace = crate::harness::quick();
        pace.delay_ms = 1500;
        stage.sandbox.set_pace(pace);
        let mut program = stage.program();
        program.initialize("2025-06-18");
        let id =
            program.post("tools/call", json!({ "name": "text_to_image", "arguments": { "prompt": "x" } }));
        program.send_raw(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping","params":NaN}}"#));
        let first = program.next(PATIENCE).unwrap();
        assert_eq!((&first["error"]["code"], &first["id"]), (&json!(-32700), &Value::Null), "{first}");
        let answer = program.answer(id);
        assert_eq!(answer["result"]["structuredContent"]["status"], "succeeded", "{answer}");
    });
}
