//! The `minimax://` URIs of jobs and their files.

use rmcp::ErrorData;
use serde_json::json;

/// What a URI names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResourceName<'a> {
    Job(&'a str),
    /// The job's id, and the file's name.
    File(&'a str, &'a str),
    /// The same with `?bytes=FIRST-LAST`: a part of the file.
    Part(&'a str, &'a str, ByteRange),
}

/// The bytes from `start` up to but not including `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteRange {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl ByteRange {
    /// Reads FIRST-LAST, both inclusive, as in a `Range` header.
    fn read(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        let end = last.parse::<u64>().ok()?.checked_add(1)?;
        Some(Self { start: first.parse().ok()?, end })
    }
}

pub(crate) fn parse(uri: &str) -> Option<ResourceName<'_>> {
    match uri.strip_prefix("minimax://")?.split('/').collect::<Vec<_>>().as_slice() {
        ["jobs", id] => Some(ResourceName::Job(id)),
        ["files", id, name] => match name.split_once("?bytes=") {
            Some((name, range)) => Some(ResourceName::Part(id, name, ByteRange::read(range)?)),
            None => Some(ResourceName::File(id, name)),
        },
        _ => None,
    }
}

/// The id of the job that a URI names.
pub(crate) fn job_of(uri: &str) -> Option<&str> {
    match parse(uri)? {
        ResourceName::Job(id) => Some(id),
        ResourceName::File(..) | ResourceName::Part(..) => None,
    }
}

/// The error for a URI that names nothing, or nothing of this caller.
pub(crate) fn nothing_at(uri: &str) -> ErrorData {
    let text = "no resource has this URI; resources/list and list_jobs show those that exist";
    ErrorData::resource_not_found(text, Some(json!({ "uri": uri })))
}
