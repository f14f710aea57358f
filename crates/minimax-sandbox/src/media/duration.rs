//! The length of a recording.

use std::io::Cursor;

use lofty::file::AudioFile as _;
use lofty::probe::Probe;

/// The playing time in seconds. `None` if it cannot be determined.
pub fn seconds(bytes: &[u8]) -> Option<f64> {
    let probe = Probe::new(Cursor::new(bytes)).guess_file_type().ok()?;
    let length = probe.read().ok()?.properties().duration().as_secs_f64();
    (length > 0.0).then_some(length)
}
