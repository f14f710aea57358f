//! What the headers of a file say: its dimensions and duration, and whether it ends where its format says. Decodes
//! nothing, and reads only a bounded amount of any file.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::num::NonZeroU32;
use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use lofty::config::ParseOptions;
use lofty::file::{AudioFile, FileType};
use lofty::probe::Probe;
use shiguredo_mp4::boxes::{MoovBox, MvhdBox, TkhdBox, TrakBox};
use shiguredo_mp4::{BoxHeader, BoxType, Decode};

use crate::media::probe::sniff::{self, Found};

/// The most bytes that are read of one file. Each seek costs a few bytes as well.
const BUDGET: u64 = 16 * 1024 * 1024;
const SEEK_COST: u64 = 64;
/// The largest MP4 header that is read, in bytes. Real ones have about a hundred.
const BOX_MAX: u64 = 1024;
/// Movies with more boxes are assumed to be complete.
const BOXES_MAX: u32 = 100_000;

/// Files with more pieces than this are assumed to be complete.
const PIECES: usize = 100_000;
/// How many bytes at the end of a file are searched for its end.
const TAIL: u64 = 64 * 1024;

/// What the headers say. A missing or implausible value is `None`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The width in pixels.
    pub width: Option<u32>,
    /// The height in pixels.
    pub height: Option<u32>,
    /// The duration in milliseconds.
    pub duration_ms: Option<u64>,
}

impl Facts {
    /// The type after the headers are read; see [`sniff::refined`].
    pub(crate) fn refine(self, found: Found) -> Found {
        sniff::refined(found, self.width.is_some(), self.duration_ms.is_some())
    }
}

/// Measures a file of a known type (see [`crate::media::probe::sniff::sniff`]). The position of `file` does not
/// matter, and is undefined afterwards. Blocking.
pub fn measure<R: Read + Seek>(file: R, mime: &str) -> Facts {
    // Some parsers panic on malicious files, such as an Ogg Opus file with no channels. Such a file has no facts, and
    // must not kill a job. This needs unwinding panics.
    panic::catch_unwind(AssertUnwindSafe(|| read_facts(file, mime))).unwrap_or_default()
}

fn read_facts<R: Read + Seek>(mut file: R, mime: &str) -> Facts {
    if file.seek(SeekFrom::Start(0)).is_err() {
        return Facts::default();
    }
    let mut file = Budget { inner: file, left: BUDGET };
    match mime {
        "video/mp4" | "video/quicktime" | "audio/mp4" => measure_movie(&mut file).unwrap_or_default(),
        "audio/mpeg" => measure_audio(file, FileType::Mpeg),
        "audio/wav" => measure_audio(file, FileType::Wav),
        "audio/flac" => measure_audio(file, FileType::Flac),
        "audio/aac" => measure_audio(file, FileType::Aac),
        "audio/aiff" => measure_audio(file, FileType::Aiff),
        "audio/ogg" => measure_ogg(file),
        _ if mime.starts_with("image/") => measure_image(file),
        _ => Facts::default(),
    }
}

fn measure_image<R: Read + Seek>(file: Budget<R>) -> Facts {
    // A small buffer, because the parser jumps from header to header.
    let Ok(size) = imagesize::reader_size(BufReader::with_capacity(512, file)) else {
        return Facts::default();
    };
    match (u32::try_from(size.width), u32::try_from(size.height)) {
        (Ok(width @ 1..), Ok(height @ 1..)) => {
            Facts { width: Some(width), height: Some(height), duration_ms: None }
        }
        _ => Facts::default(),
    }
}

fn measure_audio<R: Read + Seek>(file: Budget<R>, sort: FileType) -> Facts {
    let options = ParseOptions::new().read_tags(false).read_cover_art(false);
    let probe = Probe::with_file_type(BufReader::new(file), sort).options(options);
    let duration = probe.read().map(|file| file.properties().duration()).unwrap_or_default();
    Facts { duration_ms: millis(duration), ..Facts::default() }
}

fn measure_ogg<R: Read + Seek>(file: Budget<R>) -> Facts {
    let probe = Probe::new(BufReader::new(file)).guess_file_type();
    let Ok(probe) = probe else { return Facts::default() };
    let options = ParseOptions::new().read_tags(false).read_cover_art(false);
    let duration = probe.options(options).read().map(|file| file.properties().duration()).unwrap_or_default();
    Facts { duration_ms: millis(duration), ..Facts::default() }
}

fn millis(duration: Duration) -> Option<u64> {
    u64::try_from(duration.as_millis()).ok().filter(|millis| *millis > 0)
}

/// Reads only the movie header and the track headers. The tables between them can be large, and the duration does not
/// depend on a known codec.
fn measure_movie<R: Read + Seek>(file: &mut R) -> Option<Facts> {
    let end = file.seek(SeekFrom::End(0)).ok()?;
    let movie = boxes(file, 0, end).find(|found| found.sort == MoovBox::TYPE)?;
    let inside: Vec<Span> = boxes_of(file, &movie);
    let mut facts = Facts::default();
    for found in inside {
        if found.sort == MvhdBox::TYPE {
            let header: MvhdBox = decode(file, &found)?;
            facts.duration_ms = movie_millis(header.duration, header.timescale);
        } else if found.sort == TrakBox::TYPE {
            let track = boxes_of(file, &found).into_iter().find(|found| found.sort == TkhdBox::TYPE);
            let header: Option<TkhdBox> = track.and_then(|found| decode(file, &found));
            // Audio tracks have a header too, without a size.
            if let Some((width, height)) = header.as_ref().and_then(shown_size)
                && facts.width.is_none()
            {
                (facts.width, facts.height) = (Some(width), Some(height));
            }
        }
    }
    Some(facts)
}

/// True if the boxes of a movie, or of an image in the same container, reach the end of the file. If `needs_index` is
/// true, the index must be among them.
fn movie_is_whole<R: Read + Seek>(file: &mut R, needs_index: bool) -> bool {
    let Ok(end) = file.seek(SeekFrom::End(0)) else { return true };
    let (mut reached, mut has_index, mut count) = (0, false, 0_u32);
    for found in boxes(file, 0, end) {
        (reached, has_index) = (found.end, has_index || found.sort == MoovBox::TYPE);
        count += 1;
        if count > BOXES_MAX {
            return true;
        }
    }
    reached == end && end > 0 && (has_index || !needs_index)
}

fn movie_millis(duration: u64, timescale: NonZeroU32) -> Option<u64> {
    // All ones mean that the duration is unknown.
    if matches!(duration, 0 | u64::MAX) || duration == u64::from(u32::MAX) {
        return None;
    }
    u64::try_from(u128::from(duration) * 1000 / u128::from(timescale.get())).ok()
}

/// The size as displayed. Phones store an upright video as a horizontal one with a quarter turn.
fn shown_size(header: &TkhdBox) -> Option<(u32, u32)> {
    let stored = |side: u32| (side > 0).then_some(side);
    let side = |whole: i16| stored(u32::from(whole.cast_unsigned()));
    let (width, height) = (side(header.width.integer)?, side(header.height.integer)?);
    let [a, b, _, c, d, ..] = header.matrix;
    if a == 0 && d == 0 && b != 0 && c != 0 { Some((height, width)) } else { Some((width, height)) }
}

/// The position of a box in the file, from the first byte of its header to the byte after its end.
#[derive(Debug, Clone, Copy)]
struct Span {
    sort: BoxType,
    start: u64,
    header: u64,
    end: u64,
}

fn boxes_of<R: Read + Seek>(file: &mut R, parent: &Span) -> Vec<Span> {
    boxes(file, parent.start.saturating_add(parent.header), parent.end).collect()
}

/// The boxes in a range. Ends at the first box that does not fit. Each step advances by at least one header.
fn boxes<R: Read + Seek>(file: &mut R, start: u64, end: u64) -> impl Iterator<Item = Span> {
    let mut at = start;
    std::iter::from_fn(move || {
        let found = read_span(file, at, end)?;
        at = found.end;
        Some(found)
    })
}

fn read_span<R: Read + Seek>(file: &mut R, start: u64, limit: u64) -> Option<Span> {
    if limit.checked_sub(start)? < BoxHeader::MIN_SIZE as u64 {
        return None;
    }
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = Vec::with_capacity(BoxHeader::MAX_SIZE);
    file.by_ref().take((BoxHeader::MAX_SIZE as u64).min(limit - start)).read_to_end(&mut bytes).ok()?;
    let (header, length) = BoxHeader::decode(&bytes).ok()?;
    let end = match header.box_size.get() {
        0 => limit,
        size => start.checked_add(size)?,
    };
    let header_length = length as u64;
    let fits = end <= limit && end >= start.checked_add(header_length)?;
    fits.then_some(Span { sort: header.box_type, start, header: header_length, end })
}

fn decode<T: Decode, R: Read + Seek>(file: &mut R, span: &Span) -> Option<T> {
    let length = span.end.checked_sub(span.start).filter(|length| *length <= BOX_MAX)?;
    file.seek(SeekFrom::Start(span.start)).ok()?;
    let mut bytes = Vec::new();
    file.by_ref().take(length).read_to_end(&mut bytes).ok()?;
    T::decode(&bytes).ok().map(|(decoded, _)| decoded)
}

/// False if the format (see [`crate::media::probe::sniff::sniff`]) shows that the end is missing. True if the format
/// cannot show it: an MP3 may end anywhere. Blocking. Leaves the position of the file undefined.
pub fn is_whole<R: Read + Seek>(mut file: R, mime: &str) -> bool {
    let file = &mut file;
    let looked = match mime {
        "image/png" => png(file),
        "image/jpeg" => jpeg(file),
        "image/gif" => tail(file).map(|tail| trimmed(&tail).last() == Some(&b';')),
        "image/webp" | "audio/wav" | "video/x-msvideo" => riff(file),
        "audio/ogg" => ogg(file),
        "application/x-tar" => tar(file),
        "video/mp4" | "video/quicktime" | "audio/mp4" => Ok(movie_is_whole(file, true)),
        "image/heic" | "image/heif" | "image/avif" => Ok(movie_is_whole(file, false)),
        _ => Ok(true),
    };
    // A file that ends inside a header is incomplete. Other errors prove nothing.
    looked.unwrap_or_else(|error| error.kind() != io::ErrorKind::UnexpectedEof)
}

/// Whether a file that arrived with its whole announced length is cut short all the same. Only formats that always mark
/// their end can tell: the header of a WAV file, for example, may promise more sound than there is.
pub fn is_cut<R: Read + Seek>(file: R, mime: &str) -> bool {
    let marked = ["image/png", "image/jpeg", "image/gif", "image/webp", "video/mp4", "video/quicktime"];
    marked.contains(&mime) && !is_whole(file, mime)
}

fn bytes<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes).map(|()| bytes)
}

fn length(file: &mut impl Seek) -> io::Result<u64> {
    file.seek(SeekFrom::End(0))
}

/// The last [`TAIL`] bytes.
fn tail<R: Read + Seek>(file: &mut R) -> io::Result<Vec<u8>> {
    let start = length(file)?.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    Ok(tail)
}

/// The bytes without the zeros that some programs append.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default()
}

/// A PNG is complete if its chunks lead to an IEND chunk.
fn png<R: Read + Seek>(file: &mut R) -> io::Result<bool> {
    let end = length(file)?;
    let mut at = 8_u64;
    for _ in 0..PIECES {
        file.seek(SeekFrom::Start(at))?;
        let size = u32::from_be_bytes(bytes(file)?);
        let name: [u8; 4] = bytes(file)?;
        at = at.saturating_add(u64::from(size)).saturating_add(12);
        if at > end {
            return Ok(false);
        }
        if &name == b"IEND" {
            return Ok(true);
        }
    }
    Ok(true)
}

/// A JPEG is complete if an end marker follows the image data. The segments before are skipped, because a preview in
/// them has an end marker too.
fn jpeg<R: Read + Seek>(file: &mut R) -> io::Result<bool> {
    let mut at = 2_u64;
    for _ in 0..PIECES {
        file.seek(SeekFrom::Start(at))?;
        match bytes(file)? {
            // Any number of fill bytes may precede a marker.
            [0xff, 0xff] => at = at.saturating_add(1),
            [0xff, 0xda] => break,
            [0xff, 0xd9] => return Ok(true),
            [0xff, _] => {
                let size = u16::from_be_bytes(bytes(file)?);
                at = at.saturating_add(2).saturating_add(u64::from(size.max(2)));
            }
            // Not a marker, so the segments cannot be followed.
            _ => return Ok(true),
        }
    }
    let behind = length(file)?.saturating_sub(at);
    let tail = tail(file)?;
    let scan = usize::try_from(behind).unwrap_or(usize::MAX).min(tail.len());
    let scan = tail.get(tail.len().saturating_sub(scan)..).unwrap_or_default();
    Ok(scan.windows(2).any(|pair| pair == [0xff, 0xd9]))
}

/// A RIFF file has its length in the header.
fn riff<R: Read + Seek>(file: &mut R) -> io::Result<bool> {
    file.seek(SeekFrom::Start(4))?;
    let size = u32::from_le_bytes(bytes(file)?);
    // All ones mean that the length is unknown.
    Ok(size == u32::MAX || length(file)? >= u64::from(size).saturating_add(8))
}

/// The last page of an Ogg file has a flag that marks it.
fn ogg<R: Read + Seek>(file: &mut R) -> io::Result<bool> {
    let tail = tail(file)?;
    let Some(start) = tail.windows(4).rposition(|four| four == b"OggS") else { return Ok(false) };
    let page = tail.get(start..).unwrap_or_default();
    let (Some(flags), Some(count)) = (page.get(5), page.get(26)) else { return Ok(false) };
    let segments = page.get(27..27 + usize::from(*count)).unwrap_or_default();
    let content: usize = segments.iter().map(|size| usize::from(*size)).sum();
    let whole = segments.len() == usize::from(*count) && page.len() >= 27 + segments.len() + content;
    Ok(whole && flags & 4 != 0)
}

/// A tar file ends with two blocks of zeros.
fn tar<R: Read + Seek>(file: &mut R) -> io::Result<bool> {
    let end = length(file)?;
    let Some(start) = end.checked_sub(1024) else { return Ok(false) };
    file.seek(SeekFrom::Start(start))?;
    let last: [u8; 1024] = bytes(file)?;
    Ok(end.is_multiple_of(512) && last.iter().all(|byte| *byte == 0))
}

/// A reader that fails after a fixed amount of work, so a malicious file cannot make it read forever.
struct Budget<R> {
    inner: R,
    left: u64,
}

impl<R> Budget<R> {
    fn spend(&mut self, cost: u64) -> io::Result<()> {
        self.left = self.left.checked_sub(cost).ok_or_else(|| io::Error::other("too much to read"))?;
        Ok(())
    }
}

impl<R: Read> Read for Budget<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.spend(read as u64 + 1)?;
        Ok(read)
    }
}

impl<R: Seek> Seek for Budget<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.spend(SEEK_COST)?;
        self.inner.seek(to)
    }
}

#[cfg(test)]
mod tests;
