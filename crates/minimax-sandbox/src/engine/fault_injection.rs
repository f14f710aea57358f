//! Applies faults to responses.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use futures_util::{StreamExt, stream};

use crate::engine::errors::ApiError;
use crate::engine::faults::{Act, Dropped};
use crate::engine::state::AppState;

/// The response of a fault that prevents processing; `None` if the request should be processed.
pub(crate) fn early_response(act: Option<&Act>) -> Result<Option<Response<Body>>, Dropped> {
    Ok(match act {
        Some(Act::Refuse { code, message, retry_after }) => {
            let default = ApiError::of(*code).retry_after(*retry_after);
            Some(message.clone().map_or(default.clone(), |message| default.saying(message)).into_response())
        }
        Some(Act::Status { status, body, content_type, headers }) => {
            let kind = content_type.as_deref().unwrap_or("text/html; charset=utf-8");
            Some(given(*status, Bytes::from(body.clone()), headers, kind))
        }
        Some(Act::Raw { body }) => {
            let json = serde_json::from_str::<serde::de::IgnoredAny>(body).is_ok();
            let kind = if json { "application/json" } else { "text/html; charset=utf-8" };
            Some(([(header::CONTENT_TYPE, kind)], body.clone()).into_response())
        }
        Some(Act::Bytes { status, base64, headers }) => {
            let bytes = data_encoding::BASE64.decode(base64.as_bytes()).unwrap_or_default();
            Some(given(*status, bytes.into(), headers, "application/json"))
        }
        Some(Act::Flood { head, unit, times, tail }) => Some(flood(head, unit, *times, tail)),
        Some(Act::ResetBefore | Act::ResetUnread) => return Err(Dropped),
        _ => None,
    })
}

fn given(status: u16, body: Bytes, headers: &BTreeMap<String, String>, kind: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    put(response.headers_mut(), [("content-type", kind)]);
    put(response.headers_mut(), headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    response
}

fn put<'a>(all: &mut HeaderMap, more: impl IntoIterator<Item = (&'a str, &'a str)>) {
    for (name, value) in more {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            all.insert(name, value);
        }
    }
}

/// A body that is generated while it is sent.
fn flood(head: &str, unit: &str, times: Option<u64>, tail: &str) -> Response<Body> {
    const PIECE: usize = 64 * 1024;
    let in_one = (PIECE / unit.len().max(1)).max(1);
    let (block, in_one) = (Bytes::from(unit.repeat(in_one)), u64::try_from(in_one).unwrap_or(u64::MAX));
    let width = unit.len();
    let middle = stream::unfold(times, move |left| {
        let block = block.clone();
        async move {
            match left {
                None => Some((block, None)),
                Some(0) => None,
                Some(left) if left >= in_one => Some((block, Some(left - in_one))),
                Some(left) => {
                    let bytes = usize::try_from(left).unwrap_or_default().saturating_mul(width);
                    Some((block.slice(..bytes.min(block.len())), Some(0)))
                }
            }
        }
    });
    let ends = [head, tail].map(|end| stream::once(std::future::ready(Bytes::from(end.to_owned()))));
    let [head, tail] = ends;
    let body = head.chain(middle).chain(tail).map(Ok::<_, Dropped>);
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(body)).into_response()
}

/// Damages the response of a processed request on its way to the client.
pub(crate) async fn damaged(
    state: &Arc<AppState>,
    act: Act,
    response: Response<Body>,
) -> Result<Response<Body>, Dropped> {
    let (mut parts, body) = response.into_parts();
    let body = match act {
        Act::Truncate { bytes } => {
            let whole = whole(body).await?;
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
            broken_off(&whole, bytes)
        }
        Act::CutChunks { bytes } => {
            parts.headers.remove(header::CONTENT_LENGTH);
            broken_off(&whole(body).await?, bytes)
        }
        Act::Freeze { bytes } => {
            let whole = whole(body).await?;
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
            let (kept, stopping) = (whole.slice(..bytes.min(whole.len())), state.stopping.clone());
            let silence = async move {
                stopping.cancelled().await;
                Err(Dropped)
            };
            Body::from_stream(stream::once(async { Ok(kept) }).chain(stream::once(silence)))
        }
        Act::Splice { bytes, tail } => {
            let whole = whole(body).await?;
            let kept = whole.get(..bytes).unwrap_or(&whole);
            parts.headers.remove(header::CONTENT_LENGTH);
            Body::from([kept, tail.as_bytes()].concat())
        }
        Act::Relabel { headers } => {
            put(&mut parts.headers, headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            // A stream has no known length, so hyper trusts the header.
            let whole = whole(body).await?;
            Body::from_stream(stream::once(async { Ok::<_, Dropped>(whole) }))
        }
        Act::Drip { bytes_per_second } => dripping(body, bytes_per_second).await?,
        _ => body,
    };
    Ok(Response::from_parts(parts, body))
}

async fn whole(body: Body) -> Result<Bytes, Dropped> {
    axum::body::to_bytes(body, usize::MAX).await.map_err(|_| Dropped)
}

/// This many bytes, then the end of the connection.
fn broken_off(whole: &Bytes, bytes: usize) -> Body {
    let kept = whole.slice(..bytes.min(whole.len()));
    // Without the pause hyper would drop the bytes together with the connection.
    let cut = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(Dropped)
    };
    Body::from_stream(stream::once(async { Ok(kept) }).chain(stream::once(cut)))
}

/// Sends the body in ten pieces per second.
async fn dripping(body: Body, bytes_per_second: u64) -> Result<Body, Dropped> {
    const TICK: Duration = Duration::from_millis(100);
    let whole = whole(body).await?;
    let piece = usize::try_from(bytes_per_second / 10).unwrap_or(usize::MAX).max(1);
    Ok(Body::from_stream(stream::unfold(whole, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(TICK).await;
        let next = rest.split_to(piece.min(rest.len()));
        Some((Ok::<_, Dropped>(next), rest))
    })))
}
