//! Reading the bodies of responses.

use reqwest::Response;

use super::lifted::{Lifted, Lifter};

/// Why a body was not read.
pub(super) enum Unread {
    Broken(reqwest::Error),
    Endless,
}

pub(super) async fn read(mut response: Response, longest: usize) -> Result<Vec<u8>, Unread> {
    // Reserve the announced size: a growing buffer is copied repeatedly and takes up to twice the memory.
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    let mut body = Vec::with_capacity(announced.unwrap_or_default().min(longest));
    while let Some(chunk) = response.chunk().await.map_err(Unread::Broken)? {
        if body.len().saturating_add(chunk.len()) > longest {
            return Err(Unread::Endless);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Like [`read`], for a response that may contain long audio in hex, which is decoded on arrival.
pub(super) async fn read_lifting(
    mut response: Response,
    longest: usize,
) -> Result<(Vec<u8>, Lifted), Unread> {
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    let (mut lifter, mut arrived) = (Lifter::new(announced.filter(|length| *length <= longest)), 0_usize);
    while let Some(chunk) = response.chunk().await.map_err(Unread::Broken)? {
        arrived = arrived.saturating_add(chunk.len());
        if arrived > longest {
            return Err(Unread::Endless);
        }
        lifter.push(&chunk);
    }
    Ok(lifter.finish())
}
