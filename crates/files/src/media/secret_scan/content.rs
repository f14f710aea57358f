//! Scans texts and media files.

use std::io::{self, Read, Seek, SeekFrom};

use super::finding::Finding;
use super::{rules, shape};
use crate::media::encoding::{self, Encoding};
use crate::media::probe::sniff::HEAD;

/// How much of a media file is read at once.
const CHUNK: usize = 1024 * 1024;
/// Larger media files are scanned only at their start and end, this much each.
const ENDS: u64 = 32 * 1024 * 1024;
/// How much of a chunk is scanned again with the next one, so that nothing at the border is missed. Also how much of
/// the end is searched for text.
const TAIL: usize = 128 * 1024;
/// Shorter text after the end of the media is padding.
const TAIL_MIN: usize = 16;

/// Scans a text in any Unicode encoding.
pub(crate) fn text(bytes: &[u8]) -> Option<Finding> {
    let encoding = encoding::of_text(bytes.get(..HEAD).unwrap_or(bytes));
    let text = encoding::decode(bytes, encoding.unwrap_or(Encoding::Utf8));
    rules::scan(&text, false).or_else(|| shape::scan(&text))
}

/// Scans a media file for patterns that cannot occur by chance, and for text after the end of the media. Blocking.
/// Leaves the position of the file undefined.
pub(crate) fn media<R: Read + Seek>(file: &mut R) -> io::Result<Option<Finding>> {
    let length = file.seek(SeekFrom::End(0))?;
    let spans = match length.checked_sub(ENDS) {
        Some(end) if end > ENDS => vec![(0, ENDS), (end, length)],
        _ => vec![(0, length)],
    };
    let mut tail = Vec::new();
    for (start, end) in spans {
        file.seek(SeekFrom::Start(start))?;
        let mut rest = file.by_ref().take(end.saturating_sub(start));
        let mut chunk = Vec::with_capacity(CHUNK + TAIL);
        loop {
            let kept = chunk.len();
            rest.by_ref().take(CHUNK as u64).read_to_end(&mut chunk)?;
            if chunk.len() == kept {
                break;
            }
            if let Some(found) = hidden(&chunk) {
                return Ok(Some(Finding { place: String::new(), ..found }));
            }
            chunk.drain(..chunk.len().saturating_sub(TAIL));
        }
        tail = chunk;
    }
    Ok(trailing(&tail).map(|found| Finding { place: ", behind its end".to_owned(), ..found }))
}

/// Searches other bytes for patterns, in UTF-8 and in UTF-16.
fn hidden(chunk: &[u8]) -> Option<Finding> {
    rules::scan(chunk, true).or_else(|| {
        let narrow = without_zeros(chunk);
        rules::scan(&narrow, true)
    })
}

/// Searches text after the end of a media file. Some formats pad with zeros.
fn trailing(tail: &[u8]) -> Option<Finding> {
    let is_binary = |c: char| c.is_control() && !matches!(c, '\0' | '\t' | '\n' | '\r');
    let last = tail.utf8_chunks().last().map(|chunk| chunk.valid()).unwrap_or_default();
    let text = last.rsplit(is_binary).next().unwrap_or_default().replace('\0', "");
    if text.len() < TAIL_MIN {
        return None;
    }
    rules::scan(text.as_bytes(), false).or_else(|| shape::scan(text.as_bytes()))
}

fn without_zeros(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|byte| *byte != 0).collect()
}

#[cfg(test)]
mod tests;
