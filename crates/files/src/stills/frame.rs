//! The first frame of an H.264 video in an MP4 file. It must be a key frame, which can be decoded without any other frame.

use std::ops::Range;

use bytes::Bytes;
use image::{Rgb, RgbImage};
use rusty_h264_decoder::Decoder;
use shiguredo_mp4::TrackKind;
use shiguredo_mp4::bitstream::h264::{LengthSize, length_prefixed_to_annexb};
use shiguredo_mp4::boxes::{AvccBox, SampleEntry};
use shiguredo_mp4::demux::{Input, Mp4FileDemuxer};

/// How many bytes of a file's index are read at most.
const INDEX: u64 = 16 * 1024 * 1024;

/// The least number of bytes that one read counts as, which bounds the number of reads.
const READING: u64 = 1024;

/// The most bytes of a key frame.
const FRAME: u64 = 8 * 1024 * 1024;

/// How many samples, of video or audio, are examined.
const SAMPLES: usize = 1000;

/// Why there is no picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoStill {
    /// The file has no picture that can be decoded here. A retry will not help.
    None,
    /// The file cannot be read now. A retry may help.
    Unreadable,
}

/// The first frame of a file of `bytes` bytes. `read` returns a part of the file, or `None` if it cannot be read now.
/// Blocking.
pub fn frame(mut read: impl FnMut(Range<u64>) -> Option<Bytes>, bytes: u64) -> Result<RgbImage, NoStill> {
    let mut demuxer = Mp4FileDemuxer::new();
    let mut left = INDEX;
    while let Some(needed) = demuxer.required_input() {
        let start = needed.position;
        let size = needed.size.map_or(bytes, |size| size as u64);
        let end = start.saturating_add(size).min(bytes);
        let length = end.checked_sub(start).filter(|length| *length > 0).ok_or(NoStill::None)?;
        left = left.checked_sub(length.max(READING)).ok_or(NoStill::None)?;
        let data = read(start..end).ok_or(NoStill::Unreadable)?;
        demuxer.handle_input(Input { position: start, data: &data });
    }
    for _ in 0..SAMPLES {
        let Ok(Some(sample)) = demuxer.next_sample() else { return Err(NoStill::None) };
        if sample.track.kind != TrackKind::Video {
            continue;
        }
        let Some(SampleEntry::Avc1(entry)) = sample.sample_entry else { return Err(NoStill::None) };
        let (start, size) = (sample.data_offset, sample.data_size as u64);
        let end = start.checked_add(size).filter(|end| *end <= bytes && size <= FRAME);
        let end = end.filter(|_| sample.keyframe).ok_or(NoStill::None)?;
        let data = read(start..end).ok_or(NoStill::Unreadable)?;
        return decode(&entry.avcc_box, &data).ok_or(NoStill::None);
    }
    Err(NoStill::None)
}

/// Decodes a key frame. The decoder refuses frames of more than 37 million pixels.
fn decode(about: &AvccBox, data: &[u8]) -> Option<RgbImage> {
    let prefix = LengthSize::from_length_size_minus_one(about.length_size_minus_one.get()).ok()?;
    let mut stream = Vec::with_capacity(data.len() + 1024);
    for set in about.sps_list.iter().chain(&about.pps_list) {
        stream.extend_from_slice(&[0, 0, 0, 1]);
        stream.extend_from_slice(set);
    }
    stream.extend(length_prefixed_to_annexb(data, prefix).ok()?);
    let frame = Decoder::new().decode(&stream).ok()??;
    picture((frame.width, frame.height), &frame.y, &frame.u, &frame.v)
}

/// Converts a frame to RGB. Most videos follow this rule: BT.709 from 720 lines on, BT.601 below. What a video says about
/// its colours is not read, because the difference is slight in a small picture.
fn picture((columns, rows): (usize, usize), luma: &[u8], blue: &[u8], red: &[u8]) -> Option<RgbImage> {
    let (width, height) = (u32::try_from(columns).ok()?, u32::try_from(rows).ok()?);
    if width == 0 || height == 0 {
        return None;
    }
    // In parts of 256: the contribution of the red difference to red, of both differences to green, and of the blue
    // difference to blue.
    let [to_red, from_green, blue_from_green, to_blue] =
        if height >= 720 { [459, 136, 55, 541] } else { [409, 208, 100, 516] };
    let half = columns.div_ceil(2);
    let sample = |plane: &[u8], place: usize| plane.get(place).copied().map_or(128, i32::from);
    Some(RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (x as usize, y as usize);
        let light = 298 * (sample(luma, y * columns + x) - 16) + 128;
        let place = (y / 2) * half + x / 2;
        let (blue, red) = (sample(blue, place) - 128, sample(red, place) - 128);
        let part = |value: i32| u8::try_from((value >> 8).clamp(0, 255)).unwrap_or_default();
        let green = light - from_green * red - blue_from_green * blue;
        Rgb([part(light + to_red * red), part(green), part(light + to_blue * blue)])
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with x264: High profile, CABAC, B-frames. Its left half is red, and its right half is blue.
    const VIDEO: &[u8] = include_bytes!("fixtures/high.mp4");

    fn of(file: &[u8]) -> (Result<RgbImage, NoStill>, u64) {
        let mut all = 0;
        let read = |range: Range<u64>| {
            let (start, end) = (usize::try_from(range.start).ok()?, usize::try_from(range.end).ok()?);
            all += range.end - range.start;
            Some(Bytes::copy_from_slice(file.get(start..end)?))
        };
        (frame(read, file.len() as u64), all)
    }

    #[test]
    fn the_first_frame_is_found_with_its_colours_and_little_is_read() {
        let (frame, read) = of(VIDEO);
        let frame = frame.unwrap();
        assert_eq!(frame.dimensions(), (320, 240));
        for (x, expected) in [(40, [220, 20, 20]), (280, [20, 20, 220])] {
            let Rgb(found) = frame.get_pixel(x, 120);
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.abs_diff(expected) < 16, "{found} in place of {expected} at {x}");
            }
        }
        assert!(read < VIDEO.len() as u64 + READING, "{read}");
    }

    #[test]
    fn a_damaged_or_cut_video_gives_a_frame_or_none_and_does_no_harm() {
        let mut seed = 7_u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as usize
        };
        for round in 0..300 {
            let mut damaged = VIDEO.to_vec();
            for _ in 0..=next() % 8 {
                // The index is at the end, and the frame at the beginning.
                let place = next() % if round % 2 == 0 { 400 } else { damaged.len() };
                damaged[place] = u8::try_from(next() % 256).unwrap();
            }
            if round % 5 == 0 {
                damaged.truncate(next() % VIDEO.len());
            }
            let (_, read) = of(&damaged);
            assert!(read <= INDEX + FRAME);
        }
        assert_eq!(of(b"").0, Err(NoStill::None));
        assert_eq!(of(b"no video").0, Err(NoStill::None));
        assert_eq!(frame(|_| None, 100_000), Err(NoStill::Unreadable));
    }

    #[test]
    fn black_white_and_grey_keep_their_values() {
        for (luma, expected) in [(16, 0), (235, 255), (126, 128)] {
            for side in [16, 720] {
                let (light, chroma) = (vec![luma; side * side], vec![128; side * side / 4]);
                let Rgb(found) = *picture((side, side), &light, &chroma, &chroma).unwrap().get_pixel(3, 3);
                assert!(found.iter().all(|part| part.abs_diff(expected) <= 1), "{luma}: {found:?}");
            }
        }
    }
}
