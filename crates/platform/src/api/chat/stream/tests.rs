//! Streams in odd pieces, and their errors.

use hyper::http;

use super::*;

async fn heard(pieces: Vec<Bytes>) -> Result<String, ApiError> {
    Ok(replied(Protocol::OpenAi, pieces).await?.text)
}

async fn replied(protocol: Protocol, pieces: Vec<Bytes>) -> Result<Reply, ApiError> {
    let client = Client::new("http://127.0.0.1:9", None);
    let pieces = futures_util::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
    let response = http::Response::builder().header("content-type", "text/event-stream");
    let response = response.body(reqwest::Body::wrap_stream(pieces)).unwrap();
    let mut stream = client.answering(protocol, protocol.path(), response.into()).await?;
    while stream.next().await?.is_some() {}
    Ok(stream.reply())
}

#[tokio::test]
async fn text_before_garbage_in_the_same_piece_is_kept() {
    let good = r#"data: {"choices":[{"delta":{"content":"Hello"},"finish_reason":"stop"}]}"#;
    for garbage in [&b"data: [DONE]\xec\xf5\n\n"[..], b"no colon\n", b"\r\nevent: a\revent: b\r\n"] {
        let whole = Bytes::from([good.as_bytes(), b"\n\n", garbage].concat());
        assert_eq!(heard(vec![whole.clone()]).await.unwrap(), "Hello", "{garbage:?}");
        let bytes = whole.iter().map(|byte| Bytes::copy_from_slice(&[*byte])).collect();
        assert_eq!(heard(bytes).await.unwrap(), "Hello", "{garbage:?}");
    }
    let early = Bytes::from_static(b"data: \xec\n\n");
    assert!(matches!(heard(vec![early]).await, Err(ApiError::Lost { .. })));
}

#[tokio::test]
async fn the_last_event_counts_without_a_line_end_in_every_protocol() {
    let events = [
        (Protocol::OpenAi, r#"{"choices":[{"delta":{"content":"Hello"},"finish_reason":"stop"}]}"#),
        (Protocol::Native, r#"{"choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}]}"#),
        (
            Protocol::Anthropic,
            r#"{"type":"message","content":[{"type":"text","text":"Hello"}],"stop_reason":"end_turn"}"#,
        ),
        (
            Protocol::Responses,
            r#"{"type":"response.completed","response":{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"Hello"}]}]}}"#,
        ),
    ];
    for (protocol, event) in events {
        for end in ["", "\n", "\r", "\n\n"] {
            let whole = Bytes::from(format!("data: {event}{end}"));
            let bytes = whole.iter().map(|byte| Bytes::copy_from_slice(&[*byte])).collect();
            for pieces in [vec![whole.clone()], bytes] {
                assert_eq!(replied(protocol, pieces).await.unwrap().text, "Hello", "{protocol:?} {end:?}");
            }
        }
        let cut = Bytes::from(format!("data: {}", &event[..event.len() - 3]));
        assert!(matches!(replied(protocol, vec![cut]).await, Err(ApiError::Lost { .. })), "{protocol:?}");
    }
}

#[tokio::test]
async fn an_answer_under_a_wrong_label_is_read() {
    let client = Client::new("http://127.0.0.1:9", None);
    let event = r#"{"choices":[{"delta":{"content":"Hello"},"finish_reason":"stop"}]}"#;
    let whole = r#"{"choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}]}"#;
    for (label, body) in [
        ("application/json", format!("data: {event}\n\n")),
        ("text/plain", format!(": alive\n\ndata: {event}\n\n")),
        ("text/event-stream", whole.to_owned()),
        ("text/event-stream", format!("\u{feff}\n{whole}")),
    ] {
        let response = http::Response::builder().header("content-type", label);
        let response = response.body(reqwest::Body::from(body.clone())).unwrap();
        let mut stream = client.answering(Protocol::OpenAi, "/v1/x", response.into()).await.unwrap();
        while stream.next().await.unwrap().is_some() {}
        assert_eq!(stream.reply().text, "Hello", "{label}: {body}");
    }
}

#[tokio::test]
async fn an_event_without_data_does_not_end_an_answer() {
    let event = |text: &str, end: &str| {
        format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":{end}}}]}}\n\n"
        )
    };
    let idle = ["data:\n\n", "data: \n\n", ": alive\n\n", "event: ping\ndata:\n\n"];
    for idle in idle {
        let whole = [idle, &event("Hello, ", "null"), idle, &event("world", "\"stop\""), idle].concat();
        assert_eq!(heard(vec![whole.into()]).await.unwrap(), "Hello, world", "{idle:?}");
    }
}

#[tokio::test]
async fn token_counts_may_be_texts_and_one_that_is_missing_is_unknown() {
    let event = [
        (
            Protocol::OpenAi,
            r#"{"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}],"usage":{usage}}"#,
        ),
        (
            Protocol::Anthropic,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{usage}}"#,
        ),
        (
            Protocol::Responses,
            r#"{"type":"response.completed","response":{"status":"completed","usage":{usage}}}"#,
        ),
    ];
    for (protocol, event) in event {
        let names = match protocol {
            Protocol::OpenAi | Protocol::Native => ("prompt_tokens", "completion_tokens"),
            Protocol::Anthropic | Protocol::Responses => ("input_tokens", "output_tokens"),
        };
        let usage = async |usage: String| {
            let whole = format!("data: {}\n\n", event.replace("{usage}", &usage));
            replied(protocol, vec![whole.into()])
                .await
                .unwrap()
                .usage
                .map(|usage| (usage.input, usage.output))
        };
        let (input, output) = names;
        for (said, known) in [
            (format!(r#"{{"{input}":3,"{output}":5}}"#), Some((3, 5))),
            (format!(r#"{{"{input}":"3","{output}":" 5 "}}"#), Some((3, 5))),
            (format!(r#"{{"{input}":0,"{output}":0}}"#), None),
            (format!(r#"{{"{input}":0,"{output}":5}}"#), None),
            (format!(r#"{{"{input}":3}}"#), None),
            (format!(r#"{{"{output}":5}}"#), None),
            (format!(r#"{{"{input}":"many","{output}":[5]}}"#), None),
            (r#"{"total_tokens":8}"#.to_owned(), None),
            ("{}".to_owned(), None),
        ] {
            assert_eq!(usage(said.clone()).await, known, "{protocol:?} {said}");
        }
    }
}

#[tokio::test]
async fn counts_at_the_start_of_an_answer_are_no_price_and_complete_those_at_the_end() {
    let start = r#"data: {"type":"message_start","message":{"usage":{"input_tokens":10,"output_tokens":1,"cache_read_input_tokens":90}}}"#;
    let words =
        r#"data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":"Hello"}}"#;
    for (usage, known) in [
        ("", None),
        (r#","usage":{}"#, None),
        (r#","usage":{"output_tokens":5}"#, Some((100, 5, Some(90)))),
        (r#","usage":{"input_tokens":20,"output_tokens":5}"#, Some((20, 5, None))),
        (r#","usage":{"input_tokens":0,"output_tokens":5}"#, None),
    ] {
        let end = format!(r#"data: {{"type":"message_delta","delta":{{"stop_reason":"end_turn"}}{usage}}}"#);
        let whole = format!("{start}\n\n{words}\n\n{end}\n\n");
        let reply = replied(Protocol::Anthropic, vec![whole.into()]).await.unwrap();
        let counted = reply.usage.map(|usage| (usage.input, usage.output, usage.cache_read));
        assert_eq!((reply.text.as_str(), counted), ("Hello", known), "{usage}");
    }
}
