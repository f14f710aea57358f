//! Fetches links, and classifies what can go wrong.

use std::error::Error;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use reqwest::header::{CONTENT_ENCODING, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use crate::bucket::BucketProblem;
use crate::download::guard::{Guard, Refused};
use crate::media::input::content::{Blob, Limits, check};
use crate::media::probe::sniff::{self, HEAD};
use crate::media::units::{above, size};

/// Why a download failed, grouped by what helps. The message is a sentence. It never contains the query string of a
/// link, which is a secret.
#[derive(Debug, thiserror::Error)]
pub enum FetchProblem {
    /// The link has expired. A fresh link from the service may work.
    #[error("the link has expired or was withdrawn (HTTP {status})")]
    Expired {
        /// 401, 403, 404 or 410.
        status: u16,
    },
    /// The transfer failed for now. The same link may work later.
    #[error("the transfer was broken off: {reason}")]
    Transient {
        /// What happened.
        reason: String,
        /// How long the host asks to wait.
        retry_after: Option<Duration>,
    },
    /// This machine cannot store the file: no space or no permission. Another try may work after the owner has fixed
    /// that.
    #[error("the file cannot be saved: {0}")]
    Disk(String),
    /// The bucket does not take the file. Another try may work later.
    #[error("the file cannot be saved: {0}")]
    Bucket(BucketProblem),
    /// The link leads to a web page instead of a file, often to a log-in page.
    #[error("the link leads to an HTML page instead of a file")]
    Page,
    /// The link leads into a private network, which only the user's own programs reach.
    #[error("the link {0}")]
    Private(Refused),
    /// The content is wrong, or the link is not allowed. Another try does not help.
    #[error("{0}")]
    Wrong(String),
}

impl FetchProblem {
    pub(crate) fn transient(reason: impl Into<String>) -> Self {
        Self::Transient { reason: reason.into(), retry_after: None }
    }

    pub(crate) fn too_large(bytes: u64, limit: u64) -> Self {
        Self::Wrong(format!("the file has {}", above(bytes, limit)))
    }
}

impl From<BucketProblem> for FetchProblem {
    fn from(problem: BucketProblem) -> Self {
        Self::Bucket(problem)
    }
}

impl From<Refused> for FetchProblem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::LocalName(_) | Refused::Address(_) => Self::Private(refused),
            refused => Self::Wrong(format!("the link {refused}")),
        }
    }
}

/// Fetches a link into memory as an input, for endpoints that accept only bytes. Reads at most `limits.max_bytes`,
/// and checks the type before it reads the rest.
pub async fn fetch(
    client: &reqwest::Client,
    guard: &Guard,
    url: &str,
    limits: &Limits,
) -> Result<Blob, FetchProblem> {
    let wrong = |problem| FetchProblem::Wrong(format!("the linked file {problem}"));
    let response = open(client, guard, url).await?;
    let length = response.content_length();
    if let Some(length) = length {
        limits.check_size(length).map_err(wrong)?;
    }
    let mut chunks = Box::pin(response.bytes_stream().map_err(broken));
    let head = read_head(&mut chunks).await?;
    let found = sniff::sniff(&head);
    if found.mime == "text/html" && !limits.mimes.contains(&found.mime) {
        return Err(FetchProblem::Page);
    }
    limits.check_head(&found).map_err(wrong)?;
    let mut bytes = BytesMut::from(head);
    while let Some(chunk) = chunks.try_next().await? {
        bytes.extend_from_slice(&chunk);
        limits.check_size(bytes.len() as u64).map_err(wrong)?;
    }
    check_length(length, bytes.len() as u64)?;
    // Measuring a hostile header may take long, so it runs on a blocking thread.
    let blob = tokio::task::spawn_blocking(move || Blob::new(bytes.freeze())).await;
    let blob = blob.map_err(|_| FetchProblem::transient("the read was stopped"))?;
    check(&blob, limits).await.map_err(wrong)?;
    Ok(blob)
}

/// Requests a link that the guard allows. A response without a file is an error.
pub(crate) async fn open(
    client: &reqwest::Client,
    guard: &Guard,
    url: &str,
) -> Result<Response, FetchProblem> {
    let response = ask(client, guard, url, HeaderMap::new()).await?;
    if response.status() == StatusCode::PARTIAL_CONTENT {
        return Err(FetchProblem::Wrong(
            "the link returned part of the file, although the whole file was requested".into(),
        ));
    }
    accept(&response).map(|()| response)
}

/// Like [`open`], but returns every response.
pub(crate) async fn ask(
    client: &reqwest::Client,
    guard: &Guard,
    url: &str,
    headers: HeaderMap,
) -> Result<Response, FetchProblem> {
    let url = guard.check(url)?;
    client.get(url).headers(headers).send().await.map_err(broken)
}

/// Checks that the response is a file or a part of one.
pub(crate) fn accept(response: &Response) -> Result<(), FetchProblem> {
    let status = response.status();
    if status != StatusCode::OK && status != StatusCode::PARTIAL_CONTENT {
        return Err(refusal(status, response.headers()));
    }
    if let Some(encoding) =
        response.headers().get(CONTENT_ENCODING).filter(|encoding| *encoding != "identity")
    {
        return Err(FetchProblem::Wrong(format!(
            "the file is compressed ({encoding:?}), although no compression was requested"
        )));
    }
    Ok(())
}

fn refusal(status: StatusCode, headers: &HeaderMap) -> FetchProblem {
    match status.as_u16() {
        status @ (401 | 403 | 404 | 410) => FetchProblem::Expired { status },
        408 | 425 | 429 | 500..=599 => FetchProblem::Transient {
            reason: format!("HTTP {}", status.as_u16()),
            retry_after: retry_after(headers),
        },
        status => FetchProblem::Wrong(format!("the link returned HTTP {status} instead of a file")),
    }
}

/// Parses seconds or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::now()).ok(),
    }
}

/// Classifies an error of the client. The guard's refusals are among its causes.
pub(crate) fn broken(error: reqwest::Error) -> FetchProblem {
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(refused) = cause.downcast_ref::<Refused>() {
            return refused.clone().into();
        }
        // The innermost cause says most: "connection refused", "unexpected end of file".
        reason = cause.to_string();
        source = cause.source();
    }
    if error.is_builder() { FetchProblem::Wrong(reason) } else { FetchProblem::transient(reason) }
}

/// Reads enough of the start to recognise the type. The result may be longer, or shorter at the end of the stream.
pub(crate) async fn read_head<S>(chunks: &mut S) -> Result<Bytes, FetchProblem>
where
    S: Stream<Item = Result<Bytes, FetchProblem>> + Unpin,
{
    let mut head = Bytes::new();
    while head.len() < HEAD
        && let Some(chunk) = chunks.next().await
    {
        // The first chunk usually suffices and need not be copied.
        head = if head.is_empty() { chunk? } else { [head, chunk?].concat().into() };
    }
    if head.is_empty() { Err(FetchProblem::transient("the response was empty")) } else { Ok(head) }
}

/// Detects a connection that ended early.
pub(crate) fn check_length(announced: Option<u64>, arrived: u64) -> Result<(), FetchProblem> {
    match announced {
        Some(announced) if announced != arrived => {
            let (arrived, announced) = (size(arrived), size(announced));
            Err(FetchProblem::transient(format!("only {arrived} of {announced} arrived")))
        }
        _ => Ok(()),
    }
}
