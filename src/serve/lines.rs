//! Answers lines on stdio that are no messages.
//!
//! A parser drops a line that is not JSON, one of more than 16 MiB, and one that would take too much memory. Its client
//! would wait forever for a response. The line is therefore replaced by a short message that says what was wrong: a
//! request with the same id, or a notification if the id cannot be read. The transport answers it with an error.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rmcp::ErrorData;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, ErrorCode, JsonRpcMessage, RequestId,
};
use rmcp::transport::async_rw::DEFAULT_MAX_LINE_LENGTH;
use serde_json::{Value, json};
use tokio::io::{AsyncBufRead as _, AsyncRead, BufReader, ReadBuf};

use super::json;
use super::readable_id::{readable_id, without_mark};

/// The method of a substitute.
const UNREAD: &str = "minimax-mcp/unread";

/// How much is kept of each end of a line that is too long, in bytes. The id is usually near one end.
const END: usize = 1024;

/// Reads lines, and replaces each line that is too large by a substitute.
#[derive(Debug)]
pub(super) struct Lines<R> {
    inner: BufReader<R>,
    line: Line,
    /// A checked line that the reader has not consumed yet.
    ready: Vec<u8>,
    /// How much of it was consumed.
    given: usize,
}

/// The line that is being read.
#[derive(Debug, Default)]
struct Line {
    length: usize,
    /// The line so far, or the start of one that is too long.
    head: Vec<u8>,
    /// The end of a line that is too long.
    tail: Vec<u8>,
}

impl<R: AsyncRead> Lines<R> {
    pub(super) fn new(inner: R) -> Self {
        let inner = BufReader::with_capacity(64 * 1024, inner);
        Self { inner, line: Line::default(), ready: Vec::new(), given: 0 }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Lines<R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { inner, line, ready, given } = self.get_mut();
        let mut inner = Pin::new(inner);
        loop {
            let rest = ready.get(*given..).unwrap_or_default();
            if !rest.is_empty() {
                let piece = rest.get(..out.remaining()).unwrap_or(rest);
                out.put_slice(piece);
                *given = given.saturating_add(piece.len());
                return Poll::Ready(Ok(()));
            }
            let available = ready!(inner.as_mut().poll_fill_buf(cx))?;
            let end = available.iter().position(|byte| *byte == b'\n').map(|at| at.saturating_add(1));
            let piece = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
            let (length, over) = (piece.len(), piece.is_empty());
            line.add(piece);
            inner.as_mut().consume(length);
            if end.is_some() {
                (*ready, *given) = (std::mem::take(line).checked(), 0);
            } else if over {
                // The input ended. An unfinished line is dropped.
                (*ready, *given) = (std::mem::take(line).head, 0);
                if ready.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl Line {
    fn is_too_long(&self) -> bool {
        self.length > DEFAULT_MAX_LINE_LENGTH
    }

    fn add(&mut self, piece: &[u8]) {
        self.length = self.length.saturating_add(piece.len());
        if !self.is_too_long() {
            self.head.extend_from_slice(piece);
            return;
        }
        if self.head.len() > END {
            let last = self.head.len().saturating_sub(END);
            self.tail = self.head.split_off(last.max(END));
            self.head.truncate(END);
            self.head.shrink_to_fit();
        }
        self.tail.extend_from_slice(piece.get(piece.len().saturating_sub(END)..).unwrap_or_default());
        self.tail.drain(..self.tail.len().saturating_sub(END));
    }

    /// The line, or its substitute.
    fn checked(self) -> Vec<u8> {
        if self.is_too_long() {
            let why = "the message is longer than 16 MiB, so it was not read and nothing was sent or billed; give media as \
                       paths or URLs, and long texts in parts";
            let id = readable_id(&self.head).or_else(|| last_id(&self.tail));
            return substitute(id, ErrorCode::INVALID_REQUEST, why);
        }
        // The parser after this one skips a byte order mark too.
        let text = without_mark(&self.head);
        if text.trim_ascii().is_empty() {
            return Vec::new();
        }
        match json::count(text) {
            Ok(_) => self.head,
            Err(unfit) => substitute(readable_id(text), unfit.code(), &unfit.to_string()),
        }
    }
}

/// The substitute for a line.
fn substitute(id: Option<RequestId>, code: ErrorCode, why: &str) -> Vec<u8> {
    let mut message = json!({ "jsonrpc": "2.0", "method": UNREAD, "params": { "code": code, "why": why } });
    if let (Some(id), Some(fields)) = (id, message.as_object_mut()) {
        fields.insert("id".to_owned(), json!(id));
    }
    format!("{message}\n").into_bytes()
}

/// The id and the error of a line, if a message is its substitute.
pub(super) fn unread(message: &ClientJsonRpcMessage) -> Option<(Option<RequestId>, ErrorData)> {
    let (id, method, params) = match message {
        JsonRpcMessage::Request(request) => match &request.request {
            ClientRequest::CustomRequest(custom) => (Some(&request.id), &custom.method, &custom.params),
            _ => return None,
        },
        JsonRpcMessage::Notification(note) => match &note.notification {
            ClientNotification::CustomNotification(custom) => (None, &custom.method, &custom.params),
            _ => return None,
        },
        _ => return None,
    };
    if method != UNREAD {
        return None;
    }
    let field = |name| params.as_ref().and_then(|params| params.get(name));
    let code = field("code").and_then(Value::as_i64).and_then(|code| code.try_into().ok());
    let code = code.map_or(ErrorCode::INVALID_REQUEST, ErrorCode);
    let why = field("why").and_then(Value::as_str).unwrap_or_default().to_owned();
    Some((id.cloned(), ErrorData::new(code, why, None)))
}

/// The id of a message, if it is the last field.
fn last_id(tail: &[u8]) -> Option<RequestId> {
    const NAME: &[u8] = b"\"id\"";
    let tail = tail.trim_ascii_end().strip_suffix(b"}")?;
    let at = tail.windows(NAME.len()).rposition(|window| window == NAME)?;
    let (before, after) = tail.split_at_checked(at)?;
    before.trim_ascii_end().strip_suffix(b",")?;
    let value = after.strip_prefix(NAME)?.trim_ascii_start().strip_prefix(b":")?;
    serde_json::from_slice(value).ok()
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    async fn read(lines: &[impl AsRef<[u8]>]) -> Vec<String> {
        let text = lines.iter().map(AsRef::as_ref).collect::<Vec<_>>().concat();
        let mut all = String::new();
        Lines::new(text.as_slice()).read_to_string(&mut all).await.unwrap();
        all.lines().filter(|line| line.len() < 1000).map(str::to_owned).collect()
    }

    /// The id and the code of a substitute.
    fn answer(line: &str) -> (Option<String>, i32) {
        let (id, error) = unread(&serde_json::from_str(line).unwrap()).expect("a substitute");
        assert!(!error.message.is_empty());
        (id.map(|id| serde_json::to_string(&id).unwrap()), error.code.0)
    }

    const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

    /// Reads a line between two others, and returns what its substitute answers.
    async fn between(line: &[u8]) -> (Option<String>, i32) {
        let ping = format!("{PING}\n").into_bytes();
        let seen = read(&[&ping, line, b"\r\n", &ping]).await;
        assert_eq!((seen.len(), seen[0].as_str(), seen[2].as_str()), (3, PING, PING));
        answer(&seen[1])
    }

    #[tokio::test]
    async fn in_the_place_of_a_line_that_is_too_long_comes_one_with_its_id() {
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
    async fn what_is_short_enough_comes_as_it_is() {
        let fitting = format!("\"{}\"\n", "x".repeat(DEFAULT_MAX_LINE_LENGTH - 3));
        assert_eq!(fitting.len(), DEFAULT_MAX_LINE_LENGTH);
        let marked = "\u{feff}{\"id\":8}\r\n";
        let text = format!("{fitting}1\n{marked}b");
        let mut all = String::new();
        Lines::new(text.as_bytes()).read_to_string(&mut all).await.unwrap();
        assert!(all == text);
    }

    #[tokio::test]
    async fn a_blank_line_is_nothing() {
        let blank = ["\n", "\r\n", "  \t\r\n", "\u{feff}\n"];
        assert_eq!(read(&blank).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn in_the_place_of_a_line_that_is_too_much_comes_one_with_its_id() {
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
    async fn in_the_place_of_a_line_that_is_not_json_comes_one_with_its_id() {
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

    #[test]
    fn other_messages_are_no_substitutes() {
        for text in [
            PING,
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"x"}"#,
        ] {
            assert!(unread(&serde_json::from_str(text).unwrap()).is_none(), "{text}");
        }
    }
}
