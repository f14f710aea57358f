//! Settings of uploads over HTTP.

use std::time::Duration;

use super::reader::Reader;

const MEBIBYTE: u64 = 1024 * 1024;

/// Limits of uploads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadSettings {
    /// The size limit of one file, in bytes. 0 closes the upload route.
    pub largest: u64,
    /// The size limit of all files of one caller, in bytes.
    pub total: u64,
    /// The number of files that one caller may have.
    pub count: usize,
    /// How long an upload is kept.
    pub life: Duration,
}

impl Default for UploadSettings {
    fn default() -> Self {
        // The largest input that MiniMax accepts (File upload > purpose `video_understanding`).
        let (largest, total) = (512 * MEBIBYTE, 2048 * MEBIBYTE);
        Self { largest, total, count: 100, life: Duration::from_hours(24) }
    }
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    pub(super) fn uploads(&mut self) -> UploadSettings {
        let default = UploadSettings::default();
        let mut number = |name, least: u64, most: u64, unit: u64, default| match self.get(name) {
            None => default,
            Some(value) => match value.parse::<u64>() {
                Ok(number) if (least..=most).contains(&number) => number.saturating_mul(unit),
                _ => {
                    self.problem(name, format!("is `{value}`; must be a whole number, {least} to {most}"));
                    default
                }
            },
        };
        let largest = number("MINIMAX_MCP_UPLOAD_MAX_MB", 0, 4096, MEBIBYTE, default.largest);
        let total = number("MINIMAX_MCP_UPLOAD_TOTAL_MB", 1, 1_048_576, MEBIBYTE, default.total);
        let hours = number("MINIMAX_MCP_UPLOAD_HOURS", 1, 720, 3600, default.life.as_secs());
        UploadSettings { largest, total, life: Duration::from_secs(hours), ..default }
    }
}
