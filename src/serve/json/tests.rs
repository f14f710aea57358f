//! Texts that are refused, repaired or measured.

use super::*;

fn read(message: &str) -> Option<Value> {
    Some(serde_json::from_slice(&repaired(message.as_bytes())?).unwrap())
}

#[test]
fn a_cursor_that_is_not_a_string_becomes_one() {
    for (cursor, text) in
        [("5", "5"), ("1.5", "1.5"), ("true", "true"), ("{}", "{}"), (r#"["a"]"#, "[\"a\"]")]
    {
        for method in ["tools/list", "resources/list", "resources/templates/list", "prompts/list"] {
            let read = read(&format!(
                r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{"_meta":{{"a":1}},"cursor":{cursor}}}}}"#
            ));
            let read = read.unwrap();
            assert_eq!((&read["params"]["cursor"], &read["params"]["_meta"]["a"]), (&text.into(), &1.into()));
            assert_eq!((&read["id"], &read["method"]), (&7.into(), &method.into()));
        }
    }
    for message in [
        r#"{"id":7,"method":"tools/list","params":{"cursor":"abc"}}"#,
        r#"{"id":7,"method":"tools/list","params":{"cursor":null}}"#,
        r#"{"id":7,"method":"tools/list","params":{}}"#,
        r#"{"id":7,"method":"tools/list","params":null}"#,
        r#"{"id":7,"method":"tools/list"}"#,
        r#"{"id":7,"method":"tools/call","params":{"cursor":5}}"#,
        r#"{"id":7,"result":{"cursor":5}}"#,
        "[1]",
    ] {
        assert_eq!(read(message), None, "{message}");
    }
}

#[test]
fn arguments_in_a_string_become_an_object() {
    let call = |arguments: &str| {
        format!(r#"{{"id":7,"method":"tools/call","params":{{"name":"chat","arguments":{arguments}}}}}"#)
    };
    let message = read(&call(r#""{\"prompt\": \"a \\u00e9\"}""#)).unwrap();
    assert_eq!(
        (&message["params"]["arguments"]["prompt"], &message["params"]["name"]),
        (&"a é".into(), &"chat".into())
    );
    for arguments in ["{}", "null", r#""""#, r#""words""#, r#""[1]""#, r#""5""#, r#""{bad""#, "5", "[]"] {
        assert_eq!(read(&call(arguments)), None, "{arguments}");
    }
    let long = format!("\"{{\\\"a\\\":\\\"{}\\\"}}\"", "x".repeat(LONGEST_REPAIRED));
    assert_eq!(read(&call(&long)), None);
}

#[test]
fn every_kind_of_value_and_every_key_counts() {
    for (text, values) in [
        ("0", 1),
        (r#""\u0041\n""#, 1),
        ("[]", 1),
        ("[0,1.5,-7,true,null,\"x\"]", 7),
        (r#"{"a":0,"b":{"c":[{}]}}"#, 8),
    ] {
        assert_eq!(count(text.as_bytes()), Ok(values), "{text}");
    }
}

#[test]
fn invalid_json_is_detected_at_any_depth() {
    for text in [
        &b""[..],
        b"Listening on port 8765",
        b"[0,0,x",
        b"{bad",
        b"{} {}",
        br#"{"a":{"b":[1e400]}}"#,
        br#"{"a":NaN}"#,
        br#"{"a":-Infinity}"#,
        br#"{"a":"\ud83d"}"#,
        br#"{"\udc00":1}"#,
        b"{\"a\":\"\xff\xfe\"}",
        b"{\"a\":\"\x01\"}",
        br#"{"a":1,}"#,
        br#"{"a":"cut"#,
    ] {
        let unfit = count(text).unwrap_err();
        assert!(matches!(unfit, Unfit::Syntax(_)), "{unfit}");
        assert_eq!(unfit.code(), ErrorCode::PARSE_ERROR);
    }
}

#[test]
fn a_message_with_too_many_values_is_refused_at_the_limit_and_not_at_its_end() {
    let list = |count: usize| format!("[{}0]", "0,".repeat(count - 2));
    assert_eq!(count(list(MOST_VALUES).as_bytes()), Ok(MOST_VALUES));
    for text in [
        list(MOST_VALUES + 1),
        // These never end, and the counter stops before it would notice.
        format!("[{}", "[],".repeat(MOST_VALUES)),
        format!("{{{}", r#""":"","#.repeat(MOST_VALUES)),
        format!("{{{}", r#""":{"":[]},"#.repeat(MOST_VALUES)),
        format!("[{}", "\"\\u0000\",".repeat(MOST_VALUES)),
    ] {
        assert_eq!(count(text.as_bytes()), Err(Unfit::Values), "{text:.20}");
    }
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(count(nested(DEEPEST).as_bytes()), Ok(DEEPEST));
    assert_eq!(count(nested(DEEPEST + 1).as_bytes()), Err(Unfit::Depth));
    assert_eq!(count("{\"\":".repeat(1_000_000).as_bytes()), Err(Unfit::Depth));
}
