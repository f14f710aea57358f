//! `list_files`, `get_file`, `delete_file`: the files that MiniMax keeps.

use std::collections::HashSet;

use futures_util::future::join_all;
use jiff::Timestamp;
use rmcp::ErrorData;
use rmcp::handler::server::tool::{IntoCallToolResult, schema_for_output};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::CallToolResponse;
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::ApiError;
use crate::api::file::RemoteFile;
use crate::config::Toolset;
use crate::facts::services;
use crate::jobs::{Jobs, PaysWith, RemoteKind};
use crate::mcp::ToolSpec;
use crate::mcp::cursor;
use crate::mcp::{Server, ToolError};
use crate::media;
use crate::media::units::{age, count, size};
use crate::result::Report;
use crate::result::job_view::time;
use crate::tools::each_key::{self, EachKey};

pub(crate) const TOOLS: &[ToolSpec] = &[
    ToolSpec::free("list_files", Toolset::Files),
    ToolSpec::free("get_file", Toolset::Files),
    ToolSpec::free("delete_file", Toolset::Files),
];

#[derive(Debug, Deserialize, JsonSchema)]
struct ListInput {
    /// Only files of this purpose (see upload_file). Default: all.
    purpose: Option<String>,
    /// Files per page, 1-100, default 20.
    #[serde(default = "twenty")]
    #[schemars(range(min = 1, max = 100))]
    limit: usize,
    /// next_cursor of the previous page.
    cursor: Option<String>,
}

fn twenty() -> usize {
    20
}

#[derive(Debug, Deserialize, JsonSchema)]
struct GetInput {
    /// Number of the file, from list_files.
    file_id: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct DeleteInput {
    /// Number of the file, from list_files.
    file_id: String,
    /// Its purpose (see upload_file). Default: looked up.
    purpose: Option<String>,
}

/// A file at MiniMax. What is absent is unknown.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub(crate) struct FileInfo {
    pub(crate) file_id: String,
    /// Input for tools that take it.
    pub(crate) uri: String,
    filename: String,
    purpose: String,
    /// Absent where MiniMax does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    /// The real type, of a file that this call has read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mime_type: Option<String>,
    /// MiniMax's link; uploads have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Days until MiniMax deletes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_days: Option<u32>,
    /// plan or balance, if one key alone has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'static str>,
    /// What to do now.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) next: String,
    // The caller cannot save the file with download_file.
    #[serde(skip)]
    only_link: bool,
}

/// A page of files.
#[derive(Debug, Serialize, JsonSchema)]
struct FileList {
    /// Newest first.
    files: Vec<FileInfo>,
    /// On all pages.
    total: usize,
    /// For the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// A file that is gone.
#[derive(Debug, Serialize, JsonSchema)]
struct Gone {
    file_id: String,
    purpose: String,
    /// Always true.
    deleted: bool,
    /// How the purpose was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[tool_router(router = file_tools, vis = "pub(crate)")]
impl Server {
    /// List files stored at MiniMax, uploads and results. For what this server made use list_jobs. Free.
    #[tool(
        title = "List files",
        output_schema = schema_for_output::<FileList>(),
        annotations(read_only_hint = true, destructive_hint = false, idempotent_hint = true, open_world_hint = true)
    )]
    async fn list_files(&self, Parameters(input): Parameters<ListInput>) -> Result<FileList, ToolError> {
        self.checkout.ready()?;
        let after =
            input.cursor.as_deref().map(|given| cursor::read("list_files", given, after)).transpose()?;
        let (mut files, warnings) = files(self, input.purpose.as_deref()).await?;
        files.sort_by_key(|(file, _)| std::cmp::Reverse(place(file)));
        files.dedup_by(|(one, _), (other, _)| one.file_id == other.file_id);
        let visible = self.inputs.ownership.visible(RemoteKind::File, files, |(file, _)| &file.file_id);
        let mut files = visible.await?;
        let total = files.len();
        files.retain(|(file, _)| after.is_none_or(|after| place(file) < after));
        let limit = input.limit.clamp(1, 100);
        let more = files.len() > limit;
        files.truncate(limit);
        let next_cursor = files.last().filter(|_| more).map(|(file, _)| {
            let (at, id) = place(file);
            cursor::give("list_files", &format!("{at}.{id}"))
        });
        let only_link = !self.policy.offers("download_file");
        let row = |(file, key): KeyedFile| {
            let key = key.map(PaysWith::word);
            FileInfo { key, only_link, ..FileInfo::of(file) }
        };
        Ok(FileList { files: files.into_iter().map(row).collect(), total, next_cursor, warnings })
    }

    /// Facts about a file at MiniMax with a fresh link; download_file saves it. Free.
    #[tool(
        title = "Get file",
        output_schema = schema_for_output::<FileInfo>(),
        annotations(read_only_hint = true, destructive_hint = false, idempotent_hint = true, open_world_hint = true)
    )]
    async fn get_file(&self, Parameters(input): Parameters<GetInput>) -> Result<FileInfo, ToolError> {
        self.checkout.ready()?;
        let id = file_id(&input.file_id)?;
        let mut info = FileInfo::of(remote(self, id).await?);
        info.only_link = !self.policy.offers("download_file");
        info.next = match (&info.url, info.only_link) {
            (Some(_), false) => "download_file saves it by its file_id, the number.".to_owned(),
            (Some(_), true) => "The link lives for an hour or a few.".to_owned(),
            (None, false) => {
                "An upload has no link; download_file saves it by its file_id, the number.".to_owned()
            }
            (None, true) => "An upload has no link.".to_owned(),
        };
        Ok(info)
    }

    /// Permanently delete a file at MiniMax; copies on disk stay. Free.
    #[tool(
        title = "Delete file",
        output_schema = schema_for_output::<Gone>(),
        annotations(read_only_hint = false, destructive_hint = true, idempotent_hint = true, open_world_hint = true)
    )]
    async fn delete_file(&self, Parameters(input): Parameters<DeleteInput>) -> Result<Gone, ToolError> {
        self.checkout.ready()?;
        let id = file_id(&input.file_id)?;
        self.inputs.ownership.check_file("file_id", id).await?;
        let (purpose, note) = if let Some(purpose) = input.purpose {
            check_purpose(&purpose)?;
            (purpose, None)
        } else {
            let found = remote(self, id).await?.purpose;
            if found.is_empty() {
                let problem = "is needed: MiniMax does not say what this file is for";
                return Err(ToolError::argument("purpose", problem));
            }
            let note = format!("The purpose was looked up: MiniMax has the file as {found}.");
            (found, Some(note))
        };
        check_deletable(&purpose)?;
        // Never retried: a second request for the same file gets an error at MiniMax, although the file is deleted.
        self.api().delete_file(id, &purpose).await?;
        Ok(Gone { file_id: id.to_string(), purpose, deleted: true, note })
    }
}

/// A file, with the key if only one key has it.
type KeyedFile = (RemoteFile, Option<PaysWith>);

/// The files of one purpose or of all purposes, and warnings about what could not be listed.
async fn files(server: &Server, purpose: Option<&str>) -> Result<(Vec<KeyedFile>, Vec<String>), ToolError> {
    if let Some(purpose) = purpose {
        check_purpose(purpose)?;
        let EachKey { rows, warnings } = list(server, purpose).await?;
        return Ok((rows, warnings));
    }
    // The API lists each purpose separately.
    let purposes = services().purposes().iter().map(|row| row.purpose.as_str());
    let asked = purposes.map(|purpose| async move { (purpose, list(server, purpose).await) });
    let (mut files, mut unlisted, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for (purpose, answer) in join_all(asked).await {
        match answer {
            Ok(mut some) => {
                files.append(&mut some.rows);
                warnings.append(&mut some.warnings);
            }
            Err(error @ ApiError::Refused { code: Some(2013), .. }) => unlisted.push((purpose, error)),
            Err(error) => return Err(error.into()),
        }
    }
    let all = unlisted.len() == services().purposes().len();
    warnings.extend(unlisted.iter().map(|(purpose, _)| format!("MiniMax does not list files for {purpose}")));
    // A key that fails, fails for every purpose.
    let mut seen = HashSet::new();
    warnings.retain(|warning| seen.insert(warning.clone()));
    match unlisted.into_iter().next() {
        Some((_, error)) if all => Err(error.into()),
        _ => Ok((files, warnings)),
    }
}

/// The files of one purpose, merged over all keys.
async fn list(server: &Server, purpose: &str) -> Result<EachKey<RemoteFile>, ApiError> {
    let list = |jobs: Jobs| async move { jobs.api().list_files(purpose).await };
    each_key::ask(server, list, |file| file.file_id.clone()).await
}

/// Metadata and link of a file.
pub(super) async fn remote(server: &Server, id: u64) -> Result<RemoteFile, ToolError> {
    server.inputs.ownership.check_file("file_id", id).await?;
    let (api, file_id) = (server.api(), id.to_string());
    let file = api.retrieve_file(&file_id).await?;
    Ok(RemoteFile { file_id, ..file })
}

/// The sort key: the time in seconds, then the number.
fn place(file: &RemoteFile) -> (i64, u64) {
    (file.created_at, file.file_id.parse().unwrap_or_default())
}

/// The sort key that a cursor names.
fn after(place: &str) -> Option<(i64, u64)> {
    let (at, id) = place.split_once('.')?;
    Some((at.parse().ok()?, id.parse().ok()?))
}

/// Parses an id of MiniMax, which is a number even where it is written as text.
pub(crate) fn file_id(text: &str) -> Result<u64, ToolError> {
    media::file_id(text).ok_or_else(|| {
        let shown: String = text.chars().take(64).collect();
        ToolError::argument("file_id", format!("is `{shown}`; must be a number such as 297990555456911"))
    })
}

/// Checks a purpose against the table, to which the user's facts file can add.
fn check_purpose(purpose: &str) -> Result<(), ToolError> {
    if services().purpose(purpose).is_some() {
        return Ok(());
    }
    let legal: Vec<_> = services().purposes().iter().map(|row| row.purpose.as_str()).collect();
    Err(ToolError::argument("purpose", format!("is {purpose}; must be one of {}", legal.join(", "))))
}

fn check_deletable(purpose: &str) -> Result<(), ToolError> {
    let Some(row) = services().purpose(purpose).filter(|row| !row.deletable) else { return Ok(()) };
    let legal = services().purposes().iter().filter(|row| row.deletable).map(|row| row.purpose.as_str());
    let days =
        row.kept_days.map(|days| format!("; MiniMax deletes it by itself after {}", count(days, "day")));
    let problem = format!(
        "is {purpose}, whose files cannot be deleted{}. Those of {} can",
        days.unwrap_or_default(),
        legal.collect::<Vec<_>>().join(", ")
    );
    Err(ToolError::argument("purpose", problem))
}

impl FileInfo {
    pub(crate) fn of(file: RemoteFile) -> Self {
        Self {
            uri: format!("mm_file://{}", file.file_id),
            kept_days: services().purpose(&file.purpose).and_then(|row| row.kept_days),
            created_at: time(file.created_at.saturating_mul(1000)).filter(|_| file.created_at > 0),
            bytes: Some(file.bytes).filter(|bytes| *bytes > 0),
            file_id: file.file_id,
            filename: file.filename,
            purpose: file.purpose,
            url: file.download_url,
            mime_type: None,
            key: None,
            next: String::new(),
            only_link: false,
        }
    }

    fn report(&self) -> Report {
        let created = self.created_at.as_ref().and_then(|at| Some(at.parse::<Timestamp>().ok()?.as_second()));
        let facts = [
            self.mime_type.clone(),
            self.bytes.map(size),
            created.map(|at| format!("{} ago", age(at.saturating_mul(1000)))),
            self.kept_days.map(|days| format!("kept {}", count(days, "day"))),
            self.key.map(|key| format!("only with the key of the {key}")),
        ];
        Report::default()
            .fact("", Some(&self.uri))
            .fact("", Some(&self.filename))
            .fact("", Some(&self.purpose))
            .head(facts.into_iter().flatten())
            .next(&self.next)
    }

    fn line(&self) -> String {
        self.report().texts().1
    }
}

impl IntoCallToolResult for FileInfo {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let link = self.only_link.then(|| self.url.clone()).flatten();
        Ok(self.report().lines(link).result(&self)?.into())
    }
}

impl IntoCallToolResult for FileList {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let report = Report::default()
            .content(self.files.iter().map(FileInfo::line))
            .head([format!("{} of {}", self.files.len(), count(self.total, "file"))])
            .fact("next_cursor", self.next_cursor.as_deref())
            .notes(&self.warnings)
            .next(match self.files.first() {
                None => "",
                Some(first) if first.only_link => "get_file gives a link to one by its file_id, the number.",
                Some(_) => "download_file saves one by its file_id, the number.",
            });
        Ok(report.result(&self)?.into())
    }
}

impl IntoCallToolResult for Gone {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let report = Report::default()
            .head([format!("Deleted file {} ({})", self.file_id, self.purpose)])
            .next(self.note.as_deref().unwrap_or_default());
        Ok(report.result(&self)?.into())
    }
}
