//! Resources: jobs, their files and tables, by their `minimax://` URIs.
//!
//! A caller's toolsets decide which tables the caller sees, as they do for tools. They never hide the caller's own
//! jobs: a paid result stays visible after the token has lost a toolset.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64;
use futures_util::{Stream, TryStreamExt as _};
use rmcp::model::{
    ErrorCode, ListResourcesResult, PaginatedRequestParams, ReadResourceResult, Resource, ResourceContents,
    ResourceTemplate,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};

use crate::jobs::{Filter, Job, JobFile, OnDisk};
use crate::mcp::apps;
use crate::mcp::catalogue::Table;
use crate::mcp::cursor;
use crate::mcp::resource_uri::{ByteRange, ResourceName, nothing_at, parse};
use crate::mcp::server::Server;
use crate::permits::{Exhausted, Reservation};
use crate::telemetry;
use crate::viewer;

/// The name that cursors of this list are marked with.
const LIST: &str = "resources";

/// Jobs on a page; each comes with its files.
const PAGE: u32 = 25;

/// The largest file that an answer contains, in bytes, and the largest part of a file. For larger files the answer says
/// where to get them, because clients cut off messages of many megabytes.
const LARGEST: u64 = 4 * 1024 * 1024;

/// How long an answer waits for memory that other answers of its caller hold.
const PATIENCE: Duration = Duration::from_secs(10);

/// `resources/list`: the viewer for hosts that show it, the tables, then jobs with their files, newest first.
pub(crate) async fn list(
    server: &Server,
    page: Option<PaginatedRequestParams>,
    shows_apps: bool,
) -> Result<ListResourcesResult, ErrorData> {
    let fixed = || {
        let viewer = Some(viewer::resource()).filter(|_| shows_apps && apps::has_use(server));
        viewer.into_iter().chain(table_resources(server)).collect::<Vec<_>>()
    };
    let cursor = page.and_then(|page| page.cursor);
    let before = cursor.as_deref().filter(|given| !given.is_empty()).map(read_cursor).transpose()?;
    let first = before.is_none();
    let filter = Filter { before, limit: PAGE, ..Filter::default() };
    let page = match server.jobs().list(server.principal(), &filter).await {
        Ok(page) => page,
        // If the records cannot be read, the tables are still listed.
        Err(_) if first => return Ok(ListResourcesResult::with_all_items(fixed())),
        Err(error) => return Err(server.presenter.protocol_error(&error)),
    };
    let mut resources = if first { fixed() } else { Vec::new() };
    for job in &page.jobs {
        resources.push(resource_of(job));
        resources.extend(job.files.iter().map(|file| file_resource(job, file)));
    }
    let mut list = ListResourcesResult::with_all_items(resources);
    list.next_cursor = page.next.map(|(at, id)| cursor::give(LIST, &format!("{at}.{id}")));
    Ok(list)
}

/// `resources/read`.
pub(crate) async fn read(
    server: &Server,
    uri: &str,
    call: &RequestContext<RoleServer>,
) -> Result<ReadResourceResult, ErrorData> {
    if let Some(found) = tables(server).find(|table| table.uri == uri) {
        let rows = (found.read)(server).await;
        let rows = rows.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        return Ok(ReadResourceResult::new(vec![table(uri, &rows)]));
    }
    if uri == viewer::URI && apps::are_shown(call) && apps::has_use(server) {
        return Ok(ReadResourceResult::new(vec![viewer::contents()]));
    }
    let contents = match parse(uri) {
        Some(ResourceName::Job(id)) => {
            let job = job_named(server, id, uri).await?;
            table(uri, &serde_json::to_value(server.presenter.job(&job)).unwrap_or_default())
        }
        Some(ResourceName::File(id, name)) => {
            let job = job_named(server, id, uri).await?;
            file_contents(server, uri, &job, name, call).await?
        }
        Some(ResourceName::Part(id, name, range)) => {
            let job = job_named(server, id, uri).await?;
            part_contents(server, uri, &job, name, range, call).await?
        }
        _ => return Err(nothing_at(uri)),
    };
    Ok(ReadResourceResult::new(vec![contents]))
}

/// Whether the URI names the viewer, a table, or a file that a job has made: a subscription to it is accepted and has nothing to
/// tell.
pub(crate) async fn never_changes(server: &Server, uri: &str) -> Result<bool, ErrorData> {
    if uri == viewer::URI || tables(server).any(|table| table.uri == uri) {
        return Ok(true);
    }
    let Some(ResourceName::File(id, name)) = parse(uri) else { return Ok(false) };
    let job = server.jobs().get(server.principal(), id).await;
    let job = job.map_err(|error| server.presenter.protocol_error(&error))?;
    Ok(job.is_some_and(|job| job.files.iter().any(|file| file.name == name)))
}

async fn job_named(server: &Server, id: &str, uri: &str) -> Result<Job, ErrorData> {
    let job = server.jobs().get(server.principal(), id).await;
    let job = job.map_err(|error| server.presenter.protocol_error(&error))?;
    job.ok_or_else(|| nothing_at(uri))
}

async fn file_contents(
    server: &Server,
    uri: &str,
    job: &Job,
    name: &str,
    call: &RequestContext<RoleServer>,
) -> Result<ResourceContents, ErrorData> {
    let Some(file) = job.files.iter().find(|file| file.name == name) else { return Err(nothing_at(uri)) };
    let small = file.saved.as_ref().filter(|saved| saved.bytes <= LARGEST);
    if let Some(saved) = small {
        make_room(call, saved.bytes).await?;
        if let Some(contents) = unchanged(server, saved, uri).await {
            return Ok(contents.with_mime_type(saved.mime_type.clone()));
        }
    }
    let view = serde_json::to_value(server.presenter.job(job)).unwrap_or_default();
    let files = view.get("files").and_then(Value::as_array);
    let row = files.and_then(|files| files.iter().find(|file| file.get("uri").is_some_and(|it| it == uri)));
    let why = format!(
        "not included: the file has more than {LARGEST} bytes or is not on disk; use one of its links"
    );
    Ok(table(uri, &json!({ "file": row, "note": why })))
}

/// A part of a file, for clients that put together a file that is too large for one answer.
async fn part_contents(
    server: &Server,
    uri: &str,
    job: &Job,
    name: &str,
    range: ByteRange,
    call: &RequestContext<RoleServer>,
) -> Result<ResourceContents, ErrorData> {
    let file = job.files.iter().find(|file| file.name == name);
    let Some(saved) = file.and_then(|file| file.saved.as_ref()) else { return Err(nothing_at(uri)) };
    let end = range.end.min(saved.bytes);
    if range.start >= end || end - range.start > LARGEST {
        let text = format!(
            "`bytes` must be FIRST-LAST within the {} bytes of the file, with at most {LARGEST} bytes",
            saved.bytes
        );
        return Err(ErrorData::invalid_params(text, Some(json!({ "uri": uri }))));
    }
    make_room(call, end - range.start).await?;
    let Ok(source) = server.intact(saved).await else { return Err(nothing_at(uri)) };
    let blob = encoded(source.part(range.start, end), end - range.start).await;
    let blob = blob.ok_or_else(|| ErrorData::internal_error("the file could not be read", None))?;
    Ok(ResourceContents::blob(blob, uri).with_mime_type(saved.mime_type.clone()))
}

/// The whole file as it was written; `None` if it cannot be read or was replaced. Images, audio and video are encoded
/// while they are read, so that memory holds only one copy.
async fn unchanged(server: &Server, saved: &OnDisk, uri: &str) -> Option<ResourceContents> {
    let pieces = std::pin::pin!(server.intact(saved).await.ok()?.chunks());
    let is_media = ["image/", "audio/", "video/"].iter().any(|kind| saved.mime_type.starts_with(kind));
    if !is_media {
        let whole = pieces.try_fold(Vec::new(), async |mut all, piece| {
            all.extend_from_slice(&piece);
            Ok(all)
        });
        return Some(match String::from_utf8(whole.await.ok()?) {
            Ok(text) => ResourceContents::text(text, uri),
            Err(binary) => ResourceContents::blob(BASE64.encode(binary.as_bytes()), uri),
        });
    }
    Some(ResourceContents::blob(encoded(pieces, saved.bytes).await?, uri))
}

/// Bytes in base64, encoded piece by piece; `None` if they cannot be read.
async fn encoded(pieces: impl Stream<Item = io::Result<Bytes>>, bytes: u64) -> Option<String> {
    let mut pieces = std::pin::pin!(pieces);
    let encoding = BASE64;
    let length = usize::try_from(bytes).map_or(0, |bytes| encoding.encode_len(bytes));
    let mut blob = String::with_capacity(length);
    let mut encoder = encoding.new_encoder(&mut blob);
    while let Some(piece) = pieces.try_next().await.ok()? {
        encoder.append(&piece);
    }
    encoder.finalize();
    Some(blob)
}

/// Reserves memory for the answer before the file is read. Over stdio nothing is reserved, because the client is the
/// owner's.
async fn make_room(call: &RequestContext<RoleServer>, bytes: u64) -> Result<(), ErrorData> {
    let parts = call.extensions.get::<http::request::Parts>();
    let Some(memory) = parts.and_then(|parts| parts.extensions.get::<Reservation>()) else { return Ok(()) };
    // Base64 adds a third, and the answer exists twice: as a value and as the bytes to send.
    let answer = usize::try_from(bytes).unwrap_or(usize::MAX).saturating_mul(3);
    // A cancelled call must not wait for memory.
    let grown = call.ct.run_until_cancelled(memory.grow(answer, PATIENCE)).await;
    grown.unwrap_or(Err(Exhausted::Share)).map_err(|_| {
        let text = "the server has no memory for this answer now: read your earlier answers that are still waiting, or try \
                    again in a moment";
        ErrorData::new(BUSY, text, None)
    })
}

/// One of the codes that JSON-RPC leaves to servers.
const BUSY: ErrorCode = ErrorCode(-32000);

/// The tables that this caller may see: a table is offered to callers of the tool that shows the same.
fn tables(server: &Server) -> impl Iterator<Item = &Table<Server>> {
    server.catalogue().tables.iter().filter(|table| server.policy.offers(table.tool))
}

fn table_resources(server: &Server) -> Vec<Resource> {
    let resource = |table: &Table<Server>| {
        Resource::new(table.uri, table.name)
            .with_title(table.title)
            .with_description(table.description)
            .with_mime_type("application/json")
    };
    tables(server).map(resource).collect()
}

/// `resources/templates/list`.
pub(crate) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new("minimax://jobs/{job_id}", "job")
            .with_title("Job")
            .with_description("A job by its id: status, files and cost, as get_job shows it.")
            .with_mime_type("application/json"),
        ResourceTemplate::new("minimax://files/{job_id}/{name}", "file")
            .with_title("Result")
            .with_description("A file that a job made; of a file above 4 MiB its links."),
    ]
}

fn resource_of(job: &Job) -> Resource {
    let title = telemetry::display(&job.prompt, 60);
    Resource::new(format!("minimax://jobs/{}", job.id), job.id.clone())
        .with_title(format!("{}: {title}", job.kind.word()))
        .with_mime_type("application/json")
}

fn file_resource(job: &Job, file: &JobFile) -> Resource {
    let saved = file.saved.as_ref();
    let on_disk = saved.and_then(|saved| saved.path.file_name()?.to_str());
    let resource =
        Resource::new(format!("minimax://files/{}/{}", job.id, file.name), on_disk.unwrap_or(&file.name))
            .with_mime_type(saved.map_or(&file.mime_type, |saved| &saved.mime_type).clone());
    match saved {
        Some(saved) => resource.with_size(saved.bytes),
        None => resource,
    }
}

fn table(uri: &str, value: &Value) -> ResourceContents {
    ResourceContents::text(value.to_string(), uri).with_mime_type("application/json")
}

fn read_cursor(cursor: &str) -> Result<(i64, String), ErrorData> {
    let place = cursor::place(LIST, cursor).and_then(|place| place.split_once('.'));
    let parts = place.and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())));
    parts.ok_or_else(cursor::unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_viewer_knows_the_largest_answer() {
        let constant = format!("const WHOLE = {} * 1024 * 1024;", LARGEST / 1024 / 1024);
        assert!(include_str!("../viewer/media.js").contains(&constant), "{constant}");
    }
}
