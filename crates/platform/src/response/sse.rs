//! Streams of events (Server-Sent Events), and bodies that turn out to be none.
//!
//! The first letter of a body tells what it is, because servers in between label streams and JSON wrongly.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use reqwest::Response;

use super::body::Unread;
use super::lifted::Lifted;

/// The rest of a body.
pub(crate) type Pieces = BoxStream<'static, Result<Bytes, reqwest::Error>>;

/// Reads a body up to its first letter. Returns the letter and the whole body.
pub(crate) async fn begun(response: Response) -> (Option<u8>, Pieces) {
    let mut pieces = response.bytes_stream().boxed();
    let (mut head, mut first) = (Vec::new(), None);
    while first.is_none() {
        let Some(piece) = pieces.next().await else { break };
        let is_letter = |byte: &&u8| !byte.is_ascii_whitespace() && !b"\xef\xbb\xbf".contains(*byte);
        first = piece.as_ref().ok().and_then(|piece| piece.iter().find(is_letter).copied());
        let is_broken = piece.is_err();
        head.push(piece);
        if is_broken {
            break;
        }
    }
    (first, stream::iter(head).chain(pieces).boxed())
}

/// Whether a body that begins with this letter is a stream of events.
pub(crate) fn is_events(first: Option<u8>, content_type: &str) -> bool {
    match first {
        Some(b'{' | b'[' | b'<') => false,
        // `data`, `event`, `id`, `retry`, or a comment.
        Some(b'd' | b'e' | b'i' | b'r' | b':') => true,
        _ => content_type.starts_with("text/event-stream"),
    }
}

/// A whole body.
pub(crate) async fn collected(mut pieces: Pieces, longest: usize) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    loop {
        match pieces.next().await {
            Some(Ok(piece)) if body.len().saturating_add(piece.len()) > longest => {
                return Err(Unread::Endless(body));
            }
            Some(Ok(piece)) => body.extend_from_slice(&piece),
            Some(Err(error)) => return Err(Unread::Broken(error, body, Lifted::default())),
            None => return Ok(body),
        }
    }
}

/// The lines of a body. The event parser discards a whole piece on an error, so it is fed line by line and the lines before
/// the error count. A last event without an empty line behind it gets one; `ended` tells that it is the last.
pub(crate) fn lines<E>(
    pieces: impl Stream<Item = Result<Bytes, E>>,
    ended: Arc<AtomicBool>,
) -> impl Stream<Item = Result<Bytes, E>> {
    let end = stream::once(async move {
        ended.store(true, Ordering::Relaxed);
        Ok(Bytes::from_static(b"\n\n"))
    });
    let split = |piece: Bytes| {
        let ends = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let lines: Vec<_> = piece.split_inclusive(ends).map(|line| Ok(piece.slice_ref(line))).collect();
        stream::iter(lines)
    };
    pieces.map_ok(split).try_flatten().chain(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_letter_tells_what_a_body_is_and_a_label_only_if_it_does_not() {
        for (first, label, is) in [
            (Some(b'd'), "application/json", true),
            (Some(b':'), "", true),
            (Some(b'{'), "text/event-stream", false),
            (Some(b'<'), "text/event-stream", false),
            (Some(b'x'), "text/event-stream; charset=utf-8", true),
            (Some(b'x'), "text/plain", false),
            (None, "text/event-stream", true),
            (None, "text/plain", false),
        ] {
            assert_eq!(is_events(first, label), is, "{first:?} {label}");
        }
    }
}
