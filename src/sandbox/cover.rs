//! What a cover is made of: a sound of the right length, or what a preprocess has kept of one.

use std::io::Cursor;
use std::time::Duration;

use lofty::file::AudioFile;
use lofty::probe::Probe;
use serde_json::{Map, Value};

use super::answer::Refusal;
use super::check::text;
use super::input::{self, Rules};
use super::platform::Platform;

/// "Music generation > audio_url": 6 seconds to 6 minutes, up to 50 MB.
const SOUND: Rules = Rules {
    types: &["audio/mpeg", "audio/wav", "audio/flac", "audio/mp4", "audio/aac", "audio/ogg"],
    largest: 50 << 20,
    sides: (0, u32::MAX),
    ratio: (0.0, f64::MAX),
    uploads: false,
};
const SHORTEST: f64 = 6.0;
const LONGEST: f64 = 360.0;
/// A sound elsewhere is taken to be so long.
const ELSEWHERE: f64 = 182.4;

/// What a preprocess has found is good for so long.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// Checks what a cover is to be made of.
pub(super) fn check(platform: &Platform, body: &Map<String, Value>) -> Result<(), Refusal> {
    let id = text(body, "cover_feature_id");
    if id.is_empty() {
        return reference(platform, body).map(|_| ());
    }
    let path = platform.store.media(&name(id));
    let kept = path.and_then(|path| std::fs::metadata(path).ok()?.modified().ok());
    let young = kept.is_some_and(|at| at.elapsed().is_ok_and(|age| age < LIFE));
    if young {
        Ok(())
    } else {
        Err(Refusal::invalid("cover_feature_id is not known, or older than 24 hours"))
    }
}

/// Remembers that a sound was preprocessed.
pub(super) fn keep(platform: &Platform, id: &str) -> std::io::Result<()> {
    platform.store.keep(&name(id), b"{}")
}

fn name(id: &str) -> String {
    format!("cover-{id}.json")
}

/// Checks the sound of a request. Returns its length in seconds.
pub(super) fn reference(platform: &Platform, body: &Map<String, Value>) -> Result<f64, Refusal> {
    let base64 = text(body, "audio_base64");
    if base64.is_empty() {
        let bytes = input::media(platform, "audio_url", text(body, "audio_url"), &SOUND)?;
        return bytes.map_or(Ok(ELSEWHERE), |bytes| measured("audio_url", &bytes));
    }
    let wrong = |problem: String| Refusal::invalid(format_args!("audio_base64 {problem}"));
    let bytes = data_encoding::BASE64.decode(base64.as_bytes());
    let bytes = bytes.map_err(|problem| wrong(format!("is not good base64: {problem}")))?;
    input::examine(&bytes, &SOUND).map_err(wrong)?;
    measured("audio_base64", &bytes)
}

fn measured(field: &str, bytes: &[u8]) -> Result<f64, Refusal> {
    let probe = Probe::new(Cursor::new(bytes)).guess_file_type();
    let length = probe.ok().and_then(|probe| probe.read().ok()).map(|file| file.properties().duration());
    let seconds = length.unwrap_or_default().as_secs_f64();
    if (SHORTEST..=LONGEST).contains(&seconds) {
        return Ok(seconds);
    }
    Err(Refusal::invalid(format_args!(
        "{field} is {seconds:.1} s long; it must be {SHORTEST} to {LONGEST} s"
    )))
}
