//! The `minimax://` URIs of jobs and their files.

use rmcp::ErrorData;
use serde_json::json;

/// What a URI names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResourceName<'a> {
    Job(&'a str),
    /// The job's id, and the file's name.
    File(&'a str, &'a str),
}

pub(crate) fn parse(uri: &str) -> Option<ResourceName<'_>> {
    match uri.strip_prefix("minimax://")?.split('/').collect::<Vec<_>>().as_slice() {
        ["jobs", id] => Some(ResourceName::Job(id)),
        ["files", id, name] => Some(ResourceName::File(id, name)),
        _ => None,
    }
}

/// The id of the job that a URI names.
pub(crate) fn job_of(uri: &str) -> Option<&str> {
    match parse(uri)? {
        ResourceName::Job(id) => Some(id),
        ResourceName::File(..) => None,
    }
}

/// The error for a URI that names nothing, or nothing of this caller.
pub(crate) fn nothing_at(uri: &str) -> ErrorData {
    let text = "no resource has this URI; resources/list and list_jobs show those that exist";
    ErrorData::resource_not_found(text, Some(json!({ "uri": uri })))
}
