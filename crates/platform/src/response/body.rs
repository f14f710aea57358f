//! Reading the bodies of responses.

use reqwest::Response;

use super::lifted::{Lifted, Lifter};
use super::raw::whole_again;

/// Why a body was not read.
pub(crate) enum Unread {
    /// The connection broke after this part.
    Broken(reqwest::Error, Vec<u8>, Lifted),
    /// It is larger than the limit. This part was read.
    Endless(Vec<u8>),
}

pub(crate) async fn read(mut response: Response, longest: usize) -> Result<Vec<u8>, Unread> {
    // Reserve the announced size: a growing buffer is copied repeatedly and takes up to twice the memory.
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    let mut body = Vec::with_capacity(announced.unwrap_or_default().min(longest));
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len().saturating_add(chunk.len()) > longest => {
                return Err(Unread::Endless(body));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => return Err(Unread::Broken(error, body, Lifted::default())),
        }
    }
}

/// Like [`read`], for a response that may contain long audio in hex, which is decoded on arrival.
pub(crate) async fn read_lifting(
    mut response: Response,
    longest: usize,
) -> Result<(Vec<u8>, Lifted), Unread> {
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    let (mut lifter, mut arrived) = (Lifter::new(announced.filter(|length| *length <= longest)), 0_usize);
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                arrived = arrived.saturating_add(chunk.len());
                if arrived > longest {
                    let (body, sounds) = lifter.finish();
                    return Err(Unread::Endless(whole_again(body, &sounds)));
                }
                lifter.push(&chunk);
            }
            Ok(None) => return Ok(lifter.finish()),
            Err(error) => {
                let (body, sounds) = lifter.finish();
                return Err(Unread::Broken(error, body, sounds));
            }
        }
    }
}
