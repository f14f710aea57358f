//! Draws the thumbnails of images, videos and audio.

use std::ops::Range;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::shown::{Shown, shown};
use super::visitor::Visitor;
use crate::jobs::{JobFile, OnDisk};
use crate::media::{self, Resendable};
use crate::stills::thumbnails::{Drawn, Format};
use crate::stills::{NoStill, frame, wave};

/// The longest side of a thumbnail, in pixels.
const SIDE: u32 = 400;

/// The largest JPEG, in bytes.
const LARGEST: usize = 40_000;

/// The largest image that gets a thumbnail, in bytes.
const LARGEST_IMAGE: u64 = 64 * 1024 * 1024;

/// The largest audio file that gets a waveform, in bytes. Drawing it needs the whole file.
const LARGEST_SOUND: u64 = 32 * 1024 * 1024;

/// The format of a file's thumbnail. `None` if it has none.
pub(super) fn format(file: &JobFile) -> Option<Format> {
    let saved = file.saved.as_ref()?;
    match (shown(file), saved.mime_type.as_str()) {
        (Shown::Image, _) => (saved.bytes <= LARGEST_IMAGE).then_some(Format::Jpeg),
        (Shown::Video, "video/mp4" | "video/quicktime") => Some(Format::Jpeg),
        (Shown::Audio, "audio/mpeg" | "audio/wav") => (saved.bytes <= LARGEST_SOUND).then_some(Format::Svg),
        _ => None,
    }
}

/// Draws the thumbnail of a file.
pub(super) async fn draw(visitor: &Visitor, file: &JobFile, record: &OnDisk) -> Drawn {
    let Ok(source) = visitor.server.intact(record).await else { return Drawn::NotNow };
    let (what, mime, bytes) = (shown(file), record.mime_type.clone(), record.bytes);
    if what == Shown::Video {
        let here = Handle::current();
        let read = move |range: Range<u64>| here.block_on(part(&source, range));
        return drawn(spawn_blocking(move || of_video(read, bytes)).await);
    }
    let Some(content) = part(&source, 0..bytes).await else { return Drawn::NotNow };
    let drawing = spawn_blocking(move || match what {
        Shown::Audio => wave(&content, &mime).map(String::into_bytes),
        _ => media::preview(&content, SIDE, LARGEST).ok().map(|preview| preview.jpeg),
    });
    drawn(drawing.await.map(Ok))
}

fn of_video(read: impl FnMut(Range<u64>) -> Option<Bytes>, bytes: u64) -> Result<Option<Vec<u8>>, NoStill> {
    let frame = frame(read, bytes)?;
    Ok(media::shrink(frame.into(), SIDE, LARGEST).ok().map(|preview| preview.jpeg))
}

/// Treats a panic of a decoder, such as on a malicious file, as "no picture".
fn drawn<E>(made: Result<Result<Option<Vec<u8>>, NoStill>, E>) -> Drawn {
    match made {
        Ok(Ok(Some(picture))) => Drawn::Picture(picture),
        Ok(Err(NoStill::Unreadable)) => Drawn::NotNow,
        Ok(Ok(None) | Err(NoStill::None)) | Err(_) => Drawn::Nothing,
    }
}

/// A part of a file.
pub(super) async fn part(source: &Resendable, range: Range<u64>) -> Option<Bytes> {
    let pieces = std::pin::pin!(source.part(range.start, range.end));
    let part = pieces.try_fold(Vec::new(), async |mut all, piece| {
        all.extend_from_slice(&piece);
        Ok(all)
    });
    Some(part.await.ok()?.into())
}
