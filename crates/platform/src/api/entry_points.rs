//! Entry points for the fuzz targets and the benchmarks: the two parsers that read MiniMax's bytes first. Not compiled into
//! the program.

use bytes::Bytes;
use hyper::http;
use reqwest::StatusCode;
use serde_json::Value;

use super::chat::{Delta, Protocol, Reply};
use super::file::RemoteFile;
use super::retry::{Nature, pause};
use super::video_extras::CloudTask;
use super::{Accepted, ApiError, Client};

/// Parses a response to an ordinary request, and checks that a paid request is retried only if it was not accepted.
pub fn answer(client: &Client, status: u16, body: &[u8]) {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    read::<Value>(client, status, body);
    read::<RemoteFile>(client, status, body);
    read::<CloudTask>(client, status, body);
}

fn read<T: serde::de::DeserializeOwned>(client: &Client, status: StatusCode, body: &[u8]) {
    let Err(error) = client.decode::<T>("/v1/fuzz", status, None, None, body) else { return };
    let _ = (error.to_string(), error.advice(), error.blame());
    for tries in 1..10 {
        let again = pause(Nature::Paid, &error, tries, 0.5);
        assert!(again.is_none() || error.accepted() == Accepted::No, "{error}");
    }
}

/// Parses a streamed response that arrives in these pieces. Returns its deltas and the assembled reply.
pub async fn stream(
    client: &Client,
    protocol: Protocol,
    content_type: &str,
    pieces: Vec<Bytes>,
) -> Result<(Vec<Delta>, Reply), ApiError> {
    let pieces = futures_util::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
    let response = http::Response::builder().header("content-type", content_type);
    let response = response.body(reqwest::Body::wrap_stream(pieces));
    let response = response.map_err(|error| ApiError::Unsent { at: "".into(), why: error.to_string() })?;
    let mut stream = client.answering(protocol, "/v1/fuzz", response.into()).await?;
    let mut deltas = Vec::new();
    while let Some(more) = stream.next().await? {
        deltas.extend(more);
    }
    Ok((deltas, stream.reply()))
}
