//! A file in the job view.

use std::time::Duration;

use jiff::Timestamp;
use rmcp::model::Resource;
use schemars::JsonSchema;
use serde::Serialize;

use crate::bucket::Bucket;
use crate::jobs::JobFile;
use crate::media::units;
use crate::result::{link, local_link};

/// A file that a job made.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct FileView {
    /// Input for other tools.
    pub(super) uri: String,
    /// MiniMax's link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url_expires_at: Option<String>,
    /// On the server's machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
    /// From this server, for a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) download_url: Option<String>,
    pub(super) mime_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration_ms: Option<u64>,
}

impl FileView {
    pub(super) fn of(job: &str, file: &JobFile) -> Self {
        let saved = file.saved.as_ref();
        Self {
            uri: format!("minimax://files/{job}/{}", file.name),
            url: file.url.clone(),
            url_expires_at: file.url_expires_at.filter(|_| file.url.is_some()).and_then(time),
            path: saved.map(|saved| saved.path.display().to_string()),
            download_url: None,
            mime_type: saved.map_or(&file.mime_type, |saved| &saved.mime_type).clone(),
            bytes: saved.map(|saved| saved.bytes),
            sha256: saved.map(|saved| saved.sha256.clone()),
            width: saved.and_then(|saved| saved.width).or(file.width),
            height: saved.and_then(|saved| saved.height).or(file.height),
            duration_ms: saved.and_then(|saved| saved.duration_ms).or(file.duration_ms),
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let facts = file_facts(self.width.zip(self.height), self.duration_ms, self.bytes);
        match &self.path {
            Some(path) => [format!("Saved to {path}{facts}"), format!("  {}", self.uri)]
                .into_iter()
                .chain(self.download_url.as_ref().map(|url| format!("  {url}")))
                .collect(),
            // Without a path, a link is the only way to the file.
            None => [format!("{}{facts}", self.uri)]
                .into_iter()
                .chain(self.download_url.as_ref().or(self.url.as_ref()).map(|url| format!("  {url}")))
                .collect(),
        }
    }

    pub(super) fn link(&self) -> Resource {
        let local = self.path.as_deref().and_then(|path| local_link(path, &self.mime_type, self.bytes));
        local.unwrap_or_else(|| {
            let uri = self.download_url.as_ref().or(self.url.as_ref()).unwrap_or(&self.uri);
            let name = self.uri.rsplit('/').next().unwrap_or_default();
            link(uri, name, &self.mime_type, self.bytes)
        })
    }
}

/// A link to an object, valid for a day.
pub(super) fn link_to(bucket: &Bucket, file: &JobFile) -> Option<String> {
    let saved = file.saved.as_ref()?;
    let name = saved.path.file_name().and_then(|name| name.to_str()).unwrap_or(&file.name);
    let link = bucket.link(&saved.object.as_ref()?.key, name, Duration::from_hours(24))?;
    Some(link.into())
}

/// The known facts about a file, in parentheses.
pub(crate) fn file_facts(size: Option<(u32, u32)>, length: Option<u64>, bytes: Option<u64>) -> String {
    let size = size.map(|(width, height)| format!("{width}x{height}"));
    let facts = [length.map(units::length), size, bytes.map(units::size)];
    let facts: Vec<_> = facts.into_iter().flatten().collect();
    if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) }
}

/// A moment in UTC, to the second.
pub(crate) fn time(milliseconds: i64) -> Option<String> {
    let at = Timestamp::from_second(milliseconds / 1000).ok()?;
    Some(at.to_string())
}
