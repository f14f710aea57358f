//! How large and how long a file is, read from its headers. Nothing is decoded, and no file, however it is
//! made, gets more than a fixed amount of reading.

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

/// How much is read of one file at most, in bytes; moving about costs some too.
const BUDGET: u64 = 16 * 1024 * 1024;
const SEEK_COST: u64 = 64;
/// The headers that are read of an MP4 are about a hundred bytes long.
const BOX_MAX: u64 = 1024;
/// A movie of more boxes is not walked through to its end.
const BOXES_MAX: u32 = 100_000;

/// What the headers tell. What they don't tell, or what can't be believed, is `None`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// In pixels.
    pub width: Option<u32>,
    /// In pixels.
    pub height: Option<u32>,
    /// The playing time in milliseconds.
    pub duration_ms: Option<u64>,
}

impl Facts {
    /// The type that a file turns out to be of, once its headers are read.
    pub(crate) fn refine(self, found: Found) -> Found {
        sniff::refined(found, self.width.is_some(), self.duration_ms.is_some())
    }
}

/// Measures a file of a known type (see [`crate::media::probe::sniff::sniff`]) from wherever `file` stands; it is left
/// anywhere. Blocking.
pub fn measure<R: Read + Seek>(file: R, mime: &str) -> Facts {
    // Readers of foreign formats panic on some malicious files (an Ogg Opus of no channels is one). Such a
    // file has no facts; it must not take a job along. (Where panics abort, it would: keep unwinding on.)
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
    // A small buffer: the reader jumps from one header to the next.
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

/// Looks into the movie header and the track headers alone: the tables in between can be large, and a codec
/// that nobody here knows is no reason not to know the length.
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
            // Sound has a track header too, with no size in it.
            if let Some((width, height)) = header.as_ref().and_then(shown_size)
                && facts.width.is_none()
            {
                (facts.width, facts.height) = (Some(width), Some(height));
            }
        }
    }
    Some(facts)
}

/// Whether the boxes of a movie, or of a picture in the same container, reach to its end and, if it is needed,
/// the index is among them.
pub(crate) fn movie_is_whole<R: Read + Seek>(file: &mut R, needs_index: bool) -> bool {
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
    // All ones is how a header says that it does not know.
    if matches!(duration, 0 | u64::MAX) || duration == u64::from(u32::MAX) {
        return None;
    }
    u64::try_from(u128::from(duration) * 1000 / u128::from(timescale.get())).ok()
}

/// As it is played: a phone writes an upright picture as a lying one and a quarter turn.
fn shown_size(header: &TkhdBox) -> Option<(u32, u32)> {
    let stored = |side: u32| (side > 0).then_some(side);
    let side = |whole: i16| stored(u32::from(whole.cast_unsigned()));
    let (width, height) = (side(header.width.integer)?, side(header.height.integer)?);
    let [a, b, _, c, d, ..] = header.matrix;
    if a == 0 && d == 0 && b != 0 && c != 0 { Some((height, width)) } else { Some((width, height)) }
}

/// Where a box lies in the file: from its header's first byte to the byte behind it.
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

/// The boxes between two places. Ends at the first one that does not fit; always gets on by a header at
/// least.
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

/// A reader that tires: whoever wrote the file does not decide how long it is looked at.
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
