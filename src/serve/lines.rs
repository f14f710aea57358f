//! Reads messages from stdin, one per line.
//!
//! A line that is not a message is answered with an error, under the id of the request if that can be read. Without an
//! answer the sender would wait forever.

use std::io;

use rmcp::ErrorData;
use rmcp::model::{ClientJsonRpcMessage, ErrorCode, RequestId};
use rmcp::transport::async_rw::DEFAULT_MAX_LINE_LENGTH;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

use super::batch;
use super::json::{self, without_mark};
use super::outline::Outline;
use super::readable_id::readable_id;

/// How much is kept of each end of a line that is too long, in bytes. The id is usually near one end.
const END: usize = 1024;

/// Reads lines of limited length.
#[derive(Debug)]
pub(super) struct Lines<R> {
    inner: BufReader<R>,
    line: Line,
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

/// A line, as far as it can be read.
#[derive(Debug)]
pub(super) enum Read {
    Message(Box<ClientJsonRpcMessage>),
    /// The text of an array.
    Batch(Vec<u8>),
    Unread(Unread),
}

/// A line that is not a message: the id for the answer, and the error.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) id: Option<RequestId>,
    pub(super) error: ErrorData,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner: BufReader::with_capacity(64 * 1024, inner), line: Line::default() }
    }

    /// The next line that is not blank; `None` at the end of the input. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Read> {
        loop {
            match self.read_line().await {
                Ok(Some(line)) => {
                    if let Some(read) = line.read() {
                        return Some(read);
                    }
                }
                Ok(None) => return None,
                Err(error) => {
                    tracing::error!(%error, "stdin cannot be read");
                    return None;
                }
            }
        }
    }

    /// The next line. An unfinished line at the end of the input is dropped.
    async fn read_line(&mut self) -> io::Result<Option<Line>> {
        loop {
            let available = self.inner.fill_buf().await?;
            if available.is_empty() {
                return Ok(None);
            }
            let end = available.iter().position(|byte| *byte == b'\n').map(|at| at.saturating_add(1));
            let piece = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
            let length = piece.len();
            self.line.add(piece);
            self.inner.consume(length);
            if end.is_some() {
                return Ok(Some(std::mem::take(&mut self.line)));
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

    /// The message, or what is wrong with the line; `None` for a line that needs no answer.
    fn read(self) -> Option<Read> {
        let unread =
            |id, code, why: String| Some(Read::Unread(Unread { id, error: ErrorData::new(code, why, None) }));
        if self.is_too_long() {
            let why = "the message is longer than 16 MiB, so it was not read and nothing was sent or billed; give media as \
                       paths or URLs, and long texts in parts";
            let id = readable_id(&self.head).or_else(|| last_id(&self.tail));
            return unread(id, ErrorCode::INVALID_REQUEST, why.to_owned());
        }
        let text = without_mark(&self.head).trim_ascii();
        if text.is_empty() {
            return None;
        }
        if let Err(unfit) = json::count(text) {
            return unread(readable_id(text), unfit.code(), unfit.to_string());
        }
        if batch::is_batch(text) {
            return Some(Read::Batch(text.to_vec()));
        }
        Some(match message(text)? {
            Ok(message) => Read::Message(Box::new(message)),
            Err(unread) => Read::Unread(unread),
        })
    }
}

/// Reads a message from valid JSON. `None` for a notification that cannot be read, because notifications are never
/// answered (JSON-RPC 2.0, section 4.1).
pub(super) fn message(text: &[u8]) -> Option<Result<ClientJsonRpcMessage, Unread>> {
    let mended = json::repaired(text);
    let text = mended.as_deref().unwrap_or(text);
    let error = match serde_json::from_slice(text) {
        Ok(message) => return Some(Ok(message)),
        Err(error) => error,
    };
    let outline = Outline::of(text);
    if outline.is_notification() {
        tracing::debug!(%error, "a notification cannot be read");
        return None;
    }
    let id = readable_id(text);
    if let Some(error) = outline.problem() {
        return Some(Err(Unread { id, error }));
    }
    let why = format!(
        "the text is JSON, but no MCP message such as {{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \
         \"tools/list\"}}: {error}"
    );
    Some(Err(Unread { id, error: ErrorData::invalid_request(why, None) }))
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
        let frame =
            |text: &str| format!(r#"{{"jsonrpc":"2.0","id":8,"method":"a","params":{{"b":"{text}"}}}}"#);
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
}
