//! The two places where bytes of MiniMax's are first read, for the fuzz targets. No part of any other build.

use bytes::Bytes;
use hyper::http;
use serde_json::Value;

use super::retry::{Nature, pause};
use super::{Accepted, ApiError, CloudTask, Delta, Protocol, RemoteFile, Reply};
use super::{Client, StatusCode};

/// What a client of a key makes of an answer to a plain request.
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

/// The deltas of a streamed answer that comes in these pieces, and the whole that it adds up to.
pub async fn stream(
    client: &Client,
    protocol: Protocol,
    content_type: &str,
    pieces: Vec<Bytes>,
) -> Result<(Vec<Delta>, Reply), ApiError> {
    let pieces = futures_util::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
    let response = http::Response::builder().header("content-type", content_type);
    let response = response.body(reqwest::Body::wrap_stream(pieces));
    let response = response.map_err(|error| ApiError::Unsent { path: "", why: error.to_string() })?;
    let mut stream = client.answering(protocol, response.into()).await?;
    let mut deltas = Vec::new();
    while let Some(more) = stream.next().await? {
        deltas.extend(more);
    }
    Ok((deltas, stream.reply()))
}
