//! Resources: jobs, their files, voices and models, by their `minimax://` URIs.
//!
//! A caller's groups of tools decide what the caller can start and look up, and so which tables there are. They do not
//! hide the caller's own jobs: what was paid for stays with whoever ordered it, also after a token lost a group.

use data_encoding::BASE64;
use futures_util::TryStreamExt as _;
use rmcp::ErrorData;
use rmcp::model::{
    ListResourcesResult, PaginatedRequestParams, ReadResourceResult, Resource, ResourceContents,
    ResourceTemplate,
};
use serde_json::{Value, json};

use crate::jobs::{Filter, Job, JobFile, OnDisk};
use crate::mcp::Server;
use crate::mcp::catalogue::Table;

/// Jobs on a page; each has a few files besides.
const PAGE: u32 = 25;

/// Larger files are answered with where to get them: clients cut off messages of many megabytes.
const LARGEST: u64 = 4 * 1024 * 1024;

/// What a URI names.
enum Name<'a> {
    Job(&'a str),
    File(&'a str, &'a str),
}

fn parse(uri: &str) -> Option<Name<'_>> {
    match uri.strip_prefix("minimax://")?.split('/').collect::<Vec<_>>().as_slice() {
        ["jobs", id] => Some(Name::Job(id)),
        ["files", id, name] => Some(Name::File(id, name)),
        _ => None,
    }
}

/// The id of the job that a subscription is about.
pub(crate) fn job_of(uri: &str) -> Option<&str> {
    match parse(uri)? {
        Name::Job(id) => Some(id),
        _ => None,
    }
}

impl Server {
    /// `resources/list`: the tables, then jobs with their files, newest first.
    pub(crate) async fn resources(
        &self,
        page: Option<PaginatedRequestParams>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let cursor = page.and_then(|page| page.cursor);
        let before = cursor.as_deref().map(read_cursor).transpose()?;
        let first = before.is_none();
        let filter = Filter { before, limit: PAGE, ..Filter::default() };
        let page = match self.jobs().list(self.principal(), &filter).await {
            Ok(page) => page,
            // Without records there are no jobs; the tables are there all the same.
            Err(_) if first => return Ok(ListResourcesResult::with_all_items(self.table_resources())),
            Err(error) => return Err(self.no_records(&error)),
        };
        let mut resources = if first { self.table_resources() } else { Vec::new() };
        for job in &page.jobs {
            resources.push(resource_of(job));
            resources.extend(job.files.iter().map(|file| file_resource(job, file)));
        }
        let mut list = ListResourcesResult::with_all_items(resources);
        list.next_cursor = page.next.map(|(at, id)| format!("{at}.{id}"));
        Ok(list)
    }

    /// `resources/read`.
    pub(crate) async fn resource(&self, uri: &str) -> Result<ReadResourceResult, ErrorData> {
        if let Some(found) = self.tables().find(|table| table.uri == uri) {
            let rows = (found.read)(self).await;
            let rows = rows.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
            return Ok(ReadResourceResult::new(vec![table(uri, &rows)]));
        }
        let contents = match parse(uri) {
            Some(Name::Job(id)) => {
                let job = self.job_named(id, uri).await?;
                table(uri, &serde_json::to_value(self.view(&job)).unwrap_or_default())
            }
            Some(Name::File(id, name)) => {
                let job = self.job_named(id, uri).await?;
                self.file_contents(uri, &job, name).await?
            }
            _ => return Err(nothing_at(uri)),
        };
        Ok(ReadResourceResult::new(vec![contents]))
    }

    async fn job_named(&self, id: &str, uri: &str) -> Result<Job, ErrorData> {
        let job = self.jobs().get(self.principal(), id).await;
        let job = job.map_err(|error| self.no_records(&error))?;
        job.ok_or_else(|| nothing_at(uri))
    }

    async fn file_contents(&self, uri: &str, job: &Job, name: &str) -> Result<ResourceContents, ErrorData> {
        let Some(file) = job.files.iter().find(|file| file.name == name) else { return Err(nothing_at(uri)) };
        let small = file.saved.as_ref().filter(|saved| saved.bytes <= LARGEST);
        if let Some(saved) = small
            && let Some(bytes) = self.unchanged(saved).await
        {
            let contents = match std::str::from_utf8(&bytes) {
                Ok(text) if !saved.mime_type.contains("image") => ResourceContents::text(text, uri),
                _ => ResourceContents::blob(BASE64.encode(&bytes), uri),
            };
            return Ok(contents.with_mime_type(saved.mime_type.clone()));
        }
        let view = serde_json::to_value(self.view(job)).unwrap_or_default();
        let files = view.get("files").and_then(Value::as_array);
        let row =
            files.and_then(|files| files.iter().find(|file| file.get("uri").is_some_and(|it| it == uri)));
        let why = format!(
            "not sent here: it has more than {LARGEST} bytes, or is not on disk; follow a link of it"
        );
        Ok(table(uri, &json!({ "file": row, "note": why })))
    }

    /// The whole file as it was written; `None` if something else stands there now.
    async fn unchanged(&self, saved: &OnDisk) -> Option<Vec<u8>> {
        let pieces = self.intact(saved).await?.chunks();
        let whole = pieces.try_fold(Vec::new(), async |mut all, piece| {
            all.extend_from_slice(&piece);
            Ok(all)
        });
        whole.await.ok()
    }

    /// The tables, each for those who may call the tool that shows the same. A token that is for pictures alone has
    /// no use for voices.
    fn tables(&self) -> impl Iterator<Item = &Table<Self>> {
        self.shared.catalogue.tables.iter().filter(|table| self.has(table.tool))
    }

    fn table_resources(&self) -> Vec<Resource> {
        let resource = |table: &Table<Self>| {
            Resource::new(table.uri, table.name)
                .with_title(table.title)
                .with_description(table.description)
                .with_mime_type("application/json")
        };
        self.tables().map(resource).collect()
    }
}

/// `resources/templates/list`.
pub(crate) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new("minimax://jobs/{job_id}", "job")
            .with_title("Job")
            .with_description("A job's view: status, files, cost.")
            .with_mime_type("application/json"),
        ResourceTemplate::new("minimax://files/{job_id}/{name}", "file")
            .with_title("Result")
            .with_description("A file that a job made; above 4 MiB its links."),
    ]
}

fn resource_of(job: &Job) -> Resource {
    let title: String = job.prompt.chars().take(60).collect();
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
    let parts = cursor.split_once('.').and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())));
    parts.ok_or_else(|| ErrorData::invalid_params("cursor is not one that this list gave", None))
}

pub(crate) fn nothing_at(uri: &str) -> ErrorData {
    let text = "there is nothing at this URI; resources/list and list_jobs show what there is";
    ErrorData::resource_not_found(text, Some(json!({ "uri": uri })))
}
