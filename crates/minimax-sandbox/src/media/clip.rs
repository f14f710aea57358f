//! Videos: H.264 in MP4, 24 frames per second, with a moving block.

use std::num::NonZeroU32;

use image::RgbImage;
use rusty_h264_common::YuvFrame;
use rusty_h264_encoder::{Encoder, EncoderConfig};
use shiguredo_mp4::TrackKind;
use shiguredo_mp4::bitstream::aac::{
    AudioObjectType, AudioSpecificConfig, ChannelConfiguration, Mp4aSampleEntryConfig, SamplingFrequency,
    build_mp4a_box,
};
use shiguredo_mp4::bitstream::h264::{
    H264SampleEntryConfig, LengthSize, annexb_to_length_prefixed, build_avc1_box_from_annexb,
};
use shiguredo_mp4::boxes::SampleEntry;
use shiguredo_mp4::mux::{Mp4FileMuxer, Mp4FileMuxerOptions, Sample, estimate_maximum_moov_box_size};

/// The frame rate of every video.
pub const FRAMES_PER_SECOND: u32 = 24;

/// Frames per scene. Each scene starts with a key frame, so it can be repeated without encoding it again.
const SCENE: u32 = FRAMES_PER_SECOND;

/// The sample rate of V2 videos, in stereo ("MiniMax-H3").
const SOUND_RATE: u32 = 32_000;
/// Samples per AAC-LC frame.
const SOUND_FRAME: u32 = 1024;
/// A silent AAC-LC frame in stereo. Silence has no parameters, so the bytes are always the same.
const SILENCE: [u8; 6] = [0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c];

/// The contents of a video. Both pictures have the same size, with even sides.
#[derive(Debug)]
pub struct Clip {
    pub first: RgbImage,
    /// The picture that replaces the first one halfway.
    pub last: Option<RgbImage>,
    pub frames: u32,
    /// Whether there is a silent sound track.
    pub sound: bool,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Clip {
    /// Encodes an MP4 file with its index at the front.
    pub fn encode(&self) -> Result<Vec<u8>, Failure> {
        let (width, height) = (self.first.width() as usize, self.first.height() as usize);
        let mut config = EncoderConfig::baseline(width, height);
        (config.gop_size, config.min_keyint) = (SCENE, SCENE);
        (config.framerate, config.qp) = (24.0, 24);
        let mut encoder = Encoder::new(config).map_err(|failure| format!("{failure:?}"))?;
        let mut scene = |frame: &mut YuvFrame, to: Option<&YuvFrame>| -> Vec<Vec<u8>> {
            (1..=SCENE)
                .map(|number| {
                    if let Some(to) = to {
                        wipe(frame, to, number);
                    }
                    slider(frame, number);
                    encoder.encode(frame)
                })
                .collect()
        };
        let mut frame = planes(&self.first);
        let opening = scene(&mut frame, None);
        let mut acts = vec![opening.as_slice(); self.frames.div_ceil(SCENE) as usize];
        let (change, ending);
        if let Some(last) = self.last.as_ref().map(planes) {
            change = scene(&mut frame, Some(&last));
            ending = scene(&mut frame, None);
            // The picture changes in the middle scene.
            let middle = acts.len() / 2;
            let (_, after) = acts.split_at_mut(middle);
            after.fill(&ending);
            if let Some(first) = after.first_mut() {
                *first = &change;
            }
        }
        let mut writer = Mp4Writer::new(self.frames, self.sound)?;
        let pictures = acts.into_iter().flat_map(|act| act.iter().zip(0..));
        for (picture, number) in pictures.take(self.frames as usize) {
            writer.picture(picture, number == 0)?;
        }
        writer.finish()
    }
}

/// Moves the second picture in from the left, over one scene.
fn wipe(frame: &mut YuvFrame, to: &YuvFrame, number: u32) {
    // Even, because a colour sample covers two columns.
    let edge = |number: u32| (frame.width * number as usize / SCENE as usize) & !1;
    let (start, end) = (edge(number - 1), edge(number));
    copy_columns(frame, to, start, end);
}

fn copy_columns(frame: &mut YuvFrame, from: &YuvFrame, start: usize, end: usize) {
    let copy = |target: &mut [u8], source: &[u8], width: usize, start: usize, end: usize| {
        for (target, source) in target.chunks_exact_mut(width).zip(source.chunks_exact(width)) {
            if let (Some(target), Some(source)) = (target.get_mut(start..end), source.get(start..end)) {
                target.copy_from_slice(source);
            }
        }
    };
    let width = frame.width;
    copy(&mut frame.y, &from.y, width, start, end);
    copy(&mut frame.u, &from.u, width / 2, start / 2, end / 2);
    copy(&mut frame.v, &from.v, width / 2, start / 2, end / 2);
}

/// Draws a bright block that moves along the lower edge once per scene.
fn slider(frame: &mut YuvFrame, number: u32) {
    let fill = |plane: &mut [u8], width: usize, rows: usize, (ground, block): (u8, u8)| {
        let end = width * number as usize / SCENE as usize;
        for line in plane.chunks_exact_mut(width.max(1)).rev().take(rows) {
            line.fill(ground);
            if let Some(part) = line.get_mut(end.saturating_sub(width / 8)..end) {
                part.fill(block);
            }
        }
    };
    let (width, rows) = (frame.width, (frame.height / 40) & !1);
    fill(&mut frame.y, width, rows, (40, 235));
    fill(&mut frame.u, width / 2, rows / 2, (128, 128));
    fill(&mut frame.v, width / 2, rows / 2, (128, 128));
}

/// Converts RGB to limited-range BT.601 planes, in the usual integer approximation.
fn planes(picture: &RgbImage) -> YuvFrame {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let byte = |sum: i32| u8::try_from(sum >> 8).unwrap_or(u8::MAX);
    let mut frame = YuvFrame { width, height, y: Vec::new(), u: Vec::new(), v: Vec::new() };
    frame.y.reserve(width * height);
    for (number, line) in picture.as_raw().chunks_exact((width * 3).max(1)).enumerate() {
        for (column, pixel) in line.chunks_exact(3).enumerate() {
            let &[r, g, b] = pixel else { continue };
            let (r, g, b) = (i32::from(r), i32::from(g), i32::from(b));
            frame.y.push(byte(66 * r + 129 * g + 25 * b + 128 + (16 << 8)));
            // One colour sample per square of four pixels.
            if number % 2 == 0 && column % 2 == 0 {
                frame.u.push(byte(-38 * r - 74 * g + 112 * b + 128 + (128 << 8)));
                frame.v.push(byte(112 * r - 94 * g - 18 * b + 128 + (128 << 8)));
            }
        }
    }
    frame
}

/// Writes an MP4 file.
struct Mp4Writer {
    muxer: Mp4FileMuxer,
    bytes: Vec<u8>,
    /// The description of a track, which its first sample gets.
    picture_entry: Option<SampleEntry>,
    sound_entry: Option<SampleEntry>,
    sound: bool,
    pictures: u32,
    sounds: u32,
}

impl Mp4Writer {
    fn new(frames: u32, sound: bool) -> Result<Self, Failure> {
        let samples = frames as usize;
        let reserved_moov_box_size = estimate_maximum_moov_box_size(&[samples, samples * 2]);
        let options = Mp4FileMuxerOptions { reserved_moov_box_size, ..Mp4FileMuxerOptions::default() };
        let muxer = Mp4FileMuxer::with_options(options)?;
        let bytes = muxer.initial_boxes_bytes().to_vec();
        let sound_entry = if sound { Some(sound_entry()?) } else { None };
        Ok(Self { muxer, bytes, picture_entry: None, sound_entry, sound, pictures: 0, sounds: 0 })
    }

    /// Adds the next picture and the sound that accompanies it.
    fn picture(&mut self, annexb: &[u8], key: bool) -> Result<(), Failure> {
        if self.pictures == 0 {
            let config = H264SampleEntryConfig { length_size: LengthSize::FourBytes };
            self.picture_entry = Some(SampleEntry::Avc1(build_avc1_box_from_annexb(annexb, &config)?));
        }
        let data = annexb_to_length_prefixed(annexb, LengthSize::FourBytes)?;
        let entry = self.picture_entry.take();
        self.sample(TrackKind::Video, entry, key, (FRAMES_PER_SECOND, 1), &data)?;
        self.pictures += 1;
        // Only whole sound frames that end before the picture does, so that the sound is not longer than the pictures.
        while self.sound && (self.sounds + 1) * SOUND_FRAME * FRAMES_PER_SECOND <= self.pictures * SOUND_RATE
        {
            let entry = self.sound_entry.take();
            self.sample(TrackKind::Audio, entry, true, (SOUND_RATE, SOUND_FRAME), &SILENCE)?;
            self.sounds += 1;
        }
        Ok(())
    }

    fn sample(
        &mut self,
        track_kind: TrackKind,
        sample_entry: Option<SampleEntry>,
        keyframe: bool,
        (timescale, duration): (u32, u32),
        data: &[u8],
    ) -> Result<(), Failure> {
        self.muxer.append_sample(&Sample {
            track_kind,
            sample_entry,
            keyframe,
            timescale: NonZeroU32::new(timescale).unwrap_or(NonZeroU32::MIN),
            duration,
            composition_time_offset: None,
            data_offset: self.bytes.len() as u64,
            data_size: data.len(),
        })?;
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<u8>, Failure> {
        for (offset, patch) in self.muxer.finalize()?.offset_and_bytes_pairs() {
            let start = usize::try_from(offset)?;
            let end = start + patch.len();
            if self.bytes.len() < end {
                self.bytes.resize(end, 0);
            }
            if let Some(target) = self.bytes.get_mut(start..end) {
                target.copy_from_slice(patch);
            }
        }
        Ok(self.bytes)
    }
}

fn sound_entry() -> Result<SampleEntry, Failure> {
    let asc = AudioSpecificConfig {
        audio_object_type: AudioObjectType::AacLc,
        sampling_frequency: SamplingFrequency::from_hz(SOUND_RATE)?,
        channel_configuration: ChannelConfiguration::Stereo,
    };
    let config = Mp4aSampleEntryConfig { es_id: 1, buffer_size_db: 0, max_bitrate: 0, avg_bitrate: 0 };
    Ok(SampleEntry::Mp4a(build_mp4a_box(&asc, &config)?))
}
