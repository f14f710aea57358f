//! The reference of a cover: a sound of suitable length, or the id of a preprocessed one.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::engine::errors::ApiError;
use crate::engine::field_rules::text;
use crate::engine::media_input;
use crate::engine::media_input::MediaRules;
use crate::engine::state::AppState;
use crate::media::duration;

/// "Music generation > audio_url": 6 seconds to 6 minutes, up to 50 MB.
const SOUND: MediaRules = MediaRules {
    types: &["audio/mpeg", "audio/wav", "audio/flac", "audio/mp4", "audio/aac", "audio/ogg"],
    largest: 50 << 20,
    sides: (0, u32::MAX),
    ratio: (0.0, f64::MAX),
    uploads: false,
};
const SHORTEST: f64 = 6.0;
const LONGEST: f64 = 360.0;
/// The assumed length of a sound on another host.
const ASSUMED: f64 = 182.4;

/// How long the id of a preprocessed sound is valid.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// Checks the reference of a cover.
pub(crate) fn check(state: &AppState, body: &Map<String, Value>) -> Result<(), ApiError> {
    let id = text(body, "cover_feature_id");
    if id.is_empty() {
        return reference(state, body).map(|_| ());
    }
    let path = state.store.media(&name(id));
    let kept = path.and_then(|path| std::fs::metadata(path).ok()?.modified().ok());
    let young = kept.is_some_and(|at| at.elapsed().is_ok_and(|age| age < LIFE));
    if young {
        Ok(())
    } else {
        Err(ApiError::invalid("cover_feature_id is not known, or older than 24 hours"))
    }
}

/// Records that a sound was preprocessed.
pub(crate) fn keep(state: &AppState, id: &str) -> std::io::Result<()> {
    state.store.keep(&name(id), b"{}")
}

fn name(id: &str) -> String {
    format!("cover-{id}.json")
}

/// Checks the reference sound of a request. Returns its length in seconds.
pub(crate) fn reference(state: &AppState, body: &Map<String, Value>) -> Result<f64, ApiError> {
    let base64 = text(body, "audio_base64");
    if base64.is_empty() {
        let bytes = media_input::media(state, "audio_url", text(body, "audio_url"), &SOUND)?;
        return bytes.map_or(Ok(ASSUMED), |bytes| measured("audio_url", &bytes));
    }
    let wrong = |problem: String| ApiError::invalid(format_args!("audio_base64 {problem}"));
    let bytes = data_encoding::BASE64.decode(base64.as_bytes());
    let bytes = bytes.map_err(|problem| wrong(format!("is not valid base64: {problem}")))?;
    media_input::examine(&bytes, &SOUND).map_err(wrong)?;
    measured("audio_base64", &bytes)
}

fn measured(field: &str, bytes: &[u8]) -> Result<f64, ApiError> {
    let seconds = duration::seconds(bytes).unwrap_or_default();
    if (SHORTEST..=LONGEST).contains(&seconds) {
        return Ok(seconds);
    }
    Err(ApiError::invalid(format_args!(
        "{field} is {seconds:.1} s long; it must be {SHORTEST} to {LONGEST} s"
    )))
}
