//! A download host that misbehaves in the ways that real ones do.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How much is written at once.
const PIECE: u64 = 64 * 1024;

/// A video of any length, generated while it is read. Videos with different seeds differ in every byte.
#[derive(Clone, Copy, Debug)]
pub struct Film {
    pub length: u64,
    pub seed: u8,
}

impl Film {
    pub fn new(length: u64) -> Self {
        Self { length, seed: 0 }
    }

    /// The start of the file: the index, then the header of one long box.
    fn head(self) -> Vec<u8> {
        let boxed = |name: &[u8], content: &[u8]| {
            [&u32::try_from(content.len() + 8).unwrap().to_be_bytes(), name, content].concat()
        };
        let front = [boxed(b"ftyp", b"isom\0\0\0\0isomiso2mp41"), boxed(b"moov", &[])].concat();
        let rest = self.length - front.len() as u64;
        [front, b"\0\0\0\x01mdat".to_vec(), rest.to_be_bytes().to_vec()].concat()
    }

    /// The bytes from `start` on, at most one piece.
    fn piece(self, start: u64, end: u64) -> Vec<u8> {
        let block = start / PIECE;
        let end = end.min((block + 1) * PIECE).min(self.length);
        let mut bytes = vec![self.seed; usize::try_from(end - start).unwrap()];
        let mark = |bytes: &mut Vec<u8>, at: u64, what: &[u8]| {
            for (at, byte) in (at..).zip(what) {
                if (start..end).contains(&at) {
                    bytes[usize::try_from(at - start).unwrap()] = *byte;
                }
            }
        };
        mark(&mut bytes, block * PIECE + 100, &block.to_be_bytes());
        mark(&mut bytes, 0, &self.head());
        bytes
    }

    fn pieces(self) -> impl Iterator<Item = Vec<u8>> {
        (0..self.length.div_ceil(PIECE)).map(move |n| self.piece(n * PIECE, self.length))
    }

    pub fn bytes(self) -> Vec<u8> {
        self.pieces().collect::<Vec<_>>().concat()
    }

    pub fn sha256(self) -> String {
        let mut hasher = Sha256::new();
        self.pieces().for_each(|piece| hasher.update(piece));
        data_encoding::HEXLOWER.encode(&hasher.finalize())
    }
}

/// How the host answers a range request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Parts {
    /// Sends the range if `If-Range` matches.
    Sent,
    /// Sends the whole file instead.
    Ignored,
    /// Sends the range without checking `If-Range`.
    Blindly,
    /// Sends a range that starts this much later, and says so.
    Shifted(u64),
    /// Sends the range, and declares a file that is this much longer.
    Longer(u64),
    /// Answers with this status.
    Refused(u16),
}

/// How the end of the body is marked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Frame {
    Length,
    Chunked,
    /// Only by the end of the connection.
    Bare,
}

/// A scripted response.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub film: Film,
    pub tag: &'static str,
    pub parts: Parts,
    pub frame: Frame,
    /// Closes the connection after this many bytes of the body.
    pub cut: Option<u64>,
    /// Sends nothing more after this many bytes of the body, and keeps the connection open.
    pub hold: Option<u64>,
    /// The pause between two pieces.
    pub pause: Duration,
    /// A text to send instead of the video.
    pub text: Option<&'static str>,
}

impl Reply {
    pub fn with(film: Film) -> Self {
        Self {
            status: 200,
            film,
            tag: "ETag: \"one\"\r\n",
            parts: Parts::Sent,
            frame: Frame::Length,
            cut: None,
            hold: None,
            pause: Duration::ZERO,
            text: None,
        }
    }

    pub fn status(status: u16) -> Self {
        Self { status, text: Some("<?xml version=\"1.0\"?><Error/>"), ..Self::with(Film::new(1000)) }
    }
}

/// A received request.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub path: String,
    pub range: Option<String>,
    pub if_range: Option<String>,
}

impl Asked {
    /// The start of the requested range.
    pub fn start(&self) -> Option<u64> {
        self.range.as_ref()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

pub struct Host {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Asked>>>,
    script: Arc<Mutex<VecDeque<Reply>>>,
    stop: CancellationToken,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Host {
    /// Sends the responses of a script in order, and repeats the last one.
    pub async fn with(script: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, script) = (Arc::default(), Arc::new(Mutex::new(VecDeque::from(script))));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let host = Self { address, seen: Arc::clone(&seen), script: Arc::clone(&script), stop: stop.clone() };
        let all = tasks.clone();
        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, script) = (Arc::clone(&seen), Arc::clone(&script));
                let serving = async move { serve(stream, &seen, &script).await };
                all.spawn(stop.clone().run_until_cancelled_owned(serving));
            }
        }));
        host
    }

    pub fn link(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    pub fn seen(&self) -> Vec<Asked> {
        self.seen.lock().unwrap().clone()
    }

    pub fn then(&self, script: Vec<Reply>) {
        *self.script.lock().unwrap() = script.into();
    }
}

async fn serve(
    mut stream: TcpStream,
    seen: &Mutex<Vec<Asked>>,
    script: &Mutex<VecDeque<Reply>>,
) -> io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).await?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let field = |name: &str| {
        let mut fields = head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let asked = Asked { path, range: field("range"), if_range: field("if-range") };
    let reply = {
        let mut script = script.lock().unwrap();
        if script.len() > 1 { script.pop_front() } else { script.front().cloned() }
    };
    let reply = reply.unwrap();
    // Record the request before the response is sent.
    seen.lock().unwrap().push(asked.clone());
    answer(&mut stream, &reply, &asked).await?;
    stream.shutdown().await
}

async fn answer(stream: &mut TcpStream, reply: &Reply, asked: &Asked) -> io::Result<()> {
    let whole = reply.film.length;
    if let Some(text) = reply.text {
        let answer = format!(
            "HTTP/1.1 {} X\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\r\n{text}",
            reply.status,
            text.len()
        );
        return stream.write_all(answer.as_bytes()).await;
    }
    let meant = asked.if_range.as_ref().is_none_or(|tag| reply.tag.contains(tag.as_str()));
    let start = asked.start().filter(|_| meant || reply.parts != Parts::Sent);
    let part = match (start, reply.parts) {
        (None, _) | (_, Parts::Ignored) => None,
        (Some(_), Parts::Refused(status)) => {
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
            return stream.write_all(answer.as_bytes()).await;
        }
        (Some(start), Parts::Shifted(by)) => Some((start + by, whole)),
        (Some(start), Parts::Longer(by)) => Some((start, whole + by)),
        (Some(start), Parts::Sent | Parts::Blindly) => Some((start, whole)),
    };
    let (start, mut head) = match part {
        Some((start, said)) => {
            let range = format!("Content-Range: bytes {start}-{}/{said}\r\n", said - 1);
            (start, format!("HTTP/1.1 206 Partial\r\n{range}"))
        }
        None => (0, "HTTP/1.1 200 OK\r\n".to_owned()),
    };
    head += reply.tag;
    let frame = match reply.frame {
        Frame::Length => format!("Content-Length: {}\r\n", whole - start),
        Frame::Chunked => "Transfer-Encoding: chunked\r\n".to_owned(),
        Frame::Bare => "Connection: close\r\n".to_owned(),
    };
    stream.write_all(format!("{head}{frame}\r\n").as_bytes()).await?;
    let end = reply.cut.map_or(whole, |cut| whole.min(start + cut));
    let mut at = start;
    while at < end {
        if reply.hold.is_some_and(|bytes| at - start >= bytes) {
            std::future::pending::<()>().await;
        }
        let piece = reply.film.piece(at, end);
        at += piece.len() as u64;
        let size = format!("{:x}\r\n", piece.len());
        let framed = match reply.frame {
            Frame::Chunked => [size.as_bytes(), &piece, b"\r\n"].concat(),
            Frame::Length | Frame::Bare => piece,
        };
        stream.write_all(&framed).await?;
        if !reply.pause.is_zero() {
            tokio::time::sleep(reply.pause).await;
        }
    }
    if reply.frame == Frame::Chunked && end == whole {
        stream.write_all(b"0\r\n\r\n").await?;
    }
    Ok(())
}
