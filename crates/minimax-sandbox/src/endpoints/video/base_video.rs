//! Measures videos that are inputs: the base video of a regeneration ("Video regeneration > base_video"), and references.

use shiguredo_mp4::TrackKind;
use shiguredo_mp4::boxes::SampleEntry;
use shiguredo_mp4::demux::{Input, Mp4FileDemuxer};

use crate::engine::errors::ApiError;
use crate::engine::media_input;
use crate::engine::state::AppState;

/// The area of a 768P video, in pixels.
const AREA: std::ops::RangeInclusive<u32> = 589_824..=1_032_192;
const FRAMES: std::ops::RangeInclusive<u32> = 107..=362;
/// Frame counts lie on a grid with this step.
const STEP: u32 = 17;

/// The measurements of a base video.
pub(crate) struct Base {
    pub size: (u32, u32),
    pub frames: u32,
}

/// Measures a base video. `None` for a link to another host.
pub(crate) fn measure(state: &AppState, field: &str, url: &str) -> Result<Option<Base>, ApiError> {
    let Some(bytes) = media_input::media(state, field, url, &media_input::VIDEO_V2)? else { return Ok(None) };
    inspected(&bytes).map(Some).map_err(|problem| ApiError::invalid(format_args!("{field} {problem}")))
}

/// The billed seconds of reference videos, each rounded up. A video that cannot be read here counts as 0.
pub(crate) fn seconds(state: &AppState, urls: &[String]) -> u64 {
    let of = |url: &String| {
        let field = "content: reference_video";
        let bytes = media_input::media(state, field, url, &media_input::VIDEO_V2).ok()??;
        let mut file = demuxer(&bytes).ok()?;
        let video = file.tracks().ok()?.iter().find(|track| track.kind == TrackKind::Video)?;
        Some(video.duration.div_ceil(u64::from(video.timescale.get())))
    };
    urls.iter().filter_map(of).sum()
}

fn demuxer(bytes: &[u8]) -> Result<Mp4FileDemuxer, String> {
    let mut file = Mp4FileDemuxer::new();
    while let Some(wanted) = file.required_input() {
        let start = usize::try_from(wanted.position).unwrap_or(usize::MAX);
        let end = wanted.size.map_or(bytes.len(), |size| start.saturating_add(size));
        let data = bytes.get(start..end.min(bytes.len())).ok_or("ends too early")?;
        file.handle_input(Input { position: wanted.position, data });
    }
    Ok(file)
}

fn inspected(bytes: &[u8]) -> Result<Base, String> {
    let mut file = demuxer(bytes)?;
    let unreadable = |failure| format!("cannot be read: {failure}");
    let tracks = file.tracks().map_err(unreadable)?.to_vec();
    if !tracks.iter().any(|track| track.kind == TrackKind::Audio) {
        return Err("has no audio track".to_owned());
    }
    let video = tracks.iter().find(|track| track.kind == TrackKind::Video).ok_or("has no video track")?;
    let (mut frames, mut size) = (0_u32, None);
    while let Some(sample) = file.next_sample().map_err(unreadable)? {
        if sample.track.track_id == video.track_id {
            frames = frames.saturating_add(1);
            size = sample.sample_entry.and_then(pixels).or(size);
        }
    }
    let (width, height) = size.ok_or("has a codec that is not accepted")?;
    let area = width.saturating_mul(height);
    // 24 frames per second, within a tenth of a frame.
    let ticks = u64::from(frames) * u64::from(video.timescale.get()) * 10;
    let rate_is_right = ticks.abs_diff(video.duration * 240) <= video.duration;
    let rules = [
        (width % 32 == 0 && height % 32 == 0, "width and height must be divisible by 32"),
        (AREA.contains(&area), "width x height must be 589824 to 1032192"),
        (rate_is_right, "the frame rate must be 24"),
        (FRAMES.contains(&frames), "there must be 107 to 362 frames"),
        (frames.saturating_sub(*FRAMES.start()) % STEP == 0, "frames must come in steps of 17 from 107"),
    ];
    match rules.iter().find(|(kept, _)| !kept) {
        Some((_, rule)) => Err(format!("is {width}x{height} px with {frames} frames; {rule}")),
        None => Ok(Base { size: (width, height), frames }),
    }
}

fn pixels(entry: &SampleEntry) -> Option<(u32, u32)> {
    let visual = match entry {
        SampleEntry::Avc1(entry) => &entry.visual,
        SampleEntry::Hev1(entry) => &entry.visual,
        SampleEntry::Hvc1(entry) => &entry.visual,
        _ => return None,
    };
    Some((visual.width.into(), visual.height.into()))
}
