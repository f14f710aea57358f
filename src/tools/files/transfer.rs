//! `upload_file` and `download_file`.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use rmcp::ErrorData;
use rmcp::handler::server::tool::{IntoCallToolResult, schema_for_output};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::CallToolResponse;
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use crate::api::retry::Nature;
use crate::config::Toolset;
use crate::download;
use crate::download::{Expect, FetchProblem, Fetcher, Saved};
use crate::facts::{Rule, Upload, services};
use crate::mcp::ToolSpec;
use crate::mcp::inputs::resolver::{Local, ResolvedInput, link_extension};
use crate::mcp::{Server, ToolError};
use crate::media::units::{size, size_and_limit};
use crate::media::{self, Content, InputProblem, Limits, Opened};
use crate::rate_limit::group;
use crate::result::job_view::file_facts;
use crate::result::{Report, local_link};
use crate::tools::files::manage::{FileInfo, file_id, remote};

pub(crate) const TOOLS: &[ToolSpec] = &[
    ToolSpec::free("upload_file", Toolset::Files),
    // It saves a file on the server's machine, which remote callers cannot read; get_file has a link.
    ToolSpec { remote: false, ..ToolSpec::free("download_file", Toolset::Files) },
];

/// The largest download, in bytes; real results are far smaller.
const LARGEST: u64 = 4 * 1024 * 1024 * 1024;

/// A longer try has received some data: a host that sends nothing is given up earlier, both over https and http.
const BROUGHT_NOTHING: Duration = Duration::from_secs(60);

/// No further try starts after tries without data have lasted this long in total.
const PATIENCE: Duration = Duration::from_secs(25);

#[derive(Debug, Deserialize, JsonSchema)]
struct UploadInput {
    /// The file: path, URL or minimax://.
    file: String,
    /// prompt_audio: for voice_clone. t2a_async_input: text_file. video_understanding: chat. video_generation_input: H3
    /// video.
    #[schemars(extend("enum" = ["voice_clone", "prompt_audio", "t2a_async_input", "video_understanding", "video_generation_input"]))]
    purpose: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct DownloadInput {
    /// Number from list_files. Give file_id or url.
    file_id: Option<String>,
    /// MiniMax result link, in place of file_id.
    url: Option<String>,
    /// Folder. Default: results folder.
    output_directory: Option<String>,
}

/// A file on the server's machine. What is absent is unknown.
#[derive(Debug, Serialize, JsonSchema)]
struct Downloaded {
    #[serde(skip_serializing_if = "Option::is_none")]
    file_id: Option<String>,
    /// Where it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    path: String,
    mime_type: String,
    bytes: u64,
    sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
}

#[tool_router(router = transfer_tools, vis = "pub(crate)")]
impl Server {
    /// Upload a file to MiniMax. Seldom needed: media parameters take a path or URL. Free.
    #[tool(
        title = "Upload file",
        output_schema = schema_for_output::<FileInfo>(),
        annotations(read_only_hint = false, destructive_hint = false, idempotent_hint = false, open_world_hint = true)
    )]
    async fn upload_file(&self, Parameters(input): Parameters<UploadInput>) -> Result<FileInfo, ToolError> {
        self.checkout.ready()?;
        let row = purpose(&input.purpose)?;
        let (opened, _fetched) = suited(self, &input.file, row).await?;
        let mime = opened.mime;
        let mut info = FileInfo::of(self.inputs.upload_opened(&input.purpose, opened).await?);
        info.mime_type = Some(mime.to_owned());
        info.next = format!("Give the mm_file:// address to {}.", row.used_by);
        Ok(info)
    }

    /// Save a file of list_files to disk by file_id, or a MiniMax result link. Files of jobs: get_job. Free.
    #[tool(
        title = "Download file",
        output_schema = schema_for_output::<Downloaded>(),
        annotations(read_only_hint = false, destructive_hint = false, idempotent_hint = true, open_world_hint = true)
    )]
    async fn download_file(
        &self,
        Parameters(input): Parameters<DownloadInput>,
    ) -> Result<Downloaded, ToolError> {
        let directory = input.output_directory.as_deref();
        match (input.file_id, input.url) {
            (Some(id), None) => {
                self.checkout.ready()?;
                let id = file_id(&id)?;
                fetch_remote(self, id, &self.checkout.output.for_file(directory).await?).await
            }
            (None, Some(url)) => {
                self.checkout.configured()?;
                not_a_link(&url)?;
                let folder = self.checkout.output.for_file(directory).await?;
                let link = self.inputs.resolver.secured(url.trim());
                // The query holds a signature that differs in each link to the same file.
                let key = link.split(['?', '#']).next().unwrap_or_default();
                let saved =
                    fetch_link(self, self.jobs().input_fetcher(), "url", &link, "", &folder, key).await?;
                Ok(Downloaded::of(saved, None, Some(url)))
            }
            (Some(_), Some(_)) => Err(ToolError::argument("url", "excludes file_id; give one of the two")),
            (None, None) => Err(ToolError::argument("file_id", "is missing; give it, or url")),
        }
    }
}

/// Refuses addresses that are no links, and says which tool takes them.
fn not_a_link(url: &str) -> Result<(), ToolError> {
    let given = url.trim().to_ascii_lowercase();
    let problem = if given.starts_with("minimax://") {
        "is a file of a job, which is on disk already or which get_job saves; url takes a link of MiniMax"
    } else if given.starts_with("mm_file://") {
        "is a file at MiniMax; give its number as file_id instead"
    } else {
        return Ok(());
    };
    Err(ToolError::argument("url", problem))
}

/// Opens the input and checks it by the rules of the purpose. The second part of the result keeps a fetched file on
/// disk.
async fn suited(server: &Server, file: &str, row: &Upload) -> Result<(Opened, Option<Local>), ToolError> {
    let mut misfit = Misfit::default();
    let local = match server.inputs.resolver.find("file", file).await? {
        ResolvedInput::Uploaded(id) => {
            let problem = format!("is at MiniMax already, as file_id {id}");
            return Err(ToolError::argument("file", problem));
        }
        ResolvedInput::Data(blob) => {
            let _reading = server.inputs.work.input_permit().await?;
            for rule in &row.rules {
                match media::check(&blob, &limits(rule)).await {
                    Ok(()) => return Ok((checked_text(Opened::of(blob), rule).await?, None)),
                    Err(problem) => misfit.note(problem, row)?,
                }
            }
            return Err(misfit.error(row));
        }
        ResolvedInput::Path(path) => server.inputs.resolver.at(path),
        ResolvedInput::Link(link) => from_link(server, server.jobs().input_fetcher(), &link, row).await?,
        ResolvedInput::Made(link) => from_link(server, server.jobs().result_fetcher(), &link, row).await?,
    };
    let _reading = server.inputs.work.input_permit().await?;
    for rule in &row.rules {
        match media::open_input(&local.path, &local.roots, &limits(rule)).await {
            Ok(opened) => return Ok((checked_text(opened, rule).await?, Some(local))),
            Err(problem) => misfit.note(problem, row)?,
        }
    }
    Err(misfit.error(row))
}

async fn from_link(server: &Server, fetcher: &Fetcher, link: &str, row: &Upload) -> Result<Local, ToolError> {
    let most = row.rules.iter().map(|rule| rule.max_bytes).max().unwrap_or_default();
    server.inputs.resolver.local(fetcher, "file", link, most).await
}

/// Downloads a file by its id: from its link, or through the API if it has none.
async fn fetch_remote(server: &Server, id: u64, folder: &Path) -> Result<Downloaded, ToolError> {
    let file = remote(server, id).await?;
    let id = id.to_string();
    if let Some(link) = file.download_url {
        let saved =
            fetch_link(server, server.jobs().result_fetcher(), "file_id", &link, &file.filename, folder, &id)
                .await?;
        return Ok(Downloaded::of(saved, Some(id), Some(link)));
    }
    let (name, extension) = name(&file.filename, &id);
    let expect = Expect { kind: None, max_bytes: LARGEST, extension: &extension };
    let api = server.api();
    let content = api.queued(group::READS, Nature::Read, || api.file_content(&id)).await?;
    let _fetching = server.inputs.work.link_permit().await?;
    let chunks = content
        .chunks
        .map(|chunk| chunk.map_err(|reason| FetchProblem::Transient { reason, retry_after: None }));
    let saved = download::save_stream(chunks, folder, &name, &expect).await;
    let saved = saved.map_err(|problem| server.inputs.resolver.unfetched("file_id", problem))?;
    if content.length.is_some_and(|length| length != saved.bytes) {
        return Err(ToolError::Transfer(format!("only {} of it arrived", size(saved.bytes))));
    }
    Ok(Downloaded::of(saved, Some(id), None))
}

/// Downloads a link to `folder`, with retries. A later call with the same `key` resumes an interrupted download.
async fn fetch_link(
    server: &Server,
    fetcher: &Fetcher,
    field: &str,
    link: &str,
    filename: &str,
    folder: &Path,
    key: &str,
) -> Result<Saved, ToolError> {
    let path = link.split(['?', '#']).next().unwrap_or_default();
    let filename = if filename.is_empty() { path.rsplit('/').next().unwrap_or_default() } else { filename };
    let (name, mut extension) = name(filename, "");
    if extension.is_empty() {
        link_extension(link).clone_into(&mut extension);
    }
    let expect = Expect { kind: None, max_bytes: LARGEST, extension: &extension };
    let _fetching = server.inputs.work.link_permit().await?;
    server.jobs().prepare_resume().await;
    let (mut tries, mut silence) = (0_u32, Duration::ZERO);
    loop {
        tries += 1;
        let begun = Instant::now();
        let arrived = fetcher.download(link, folder, &name, &expect, Some(key)).await;
        silence += Some(begun.elapsed()).filter(|time| *time < BROUGHT_NOTHING).unwrap_or_default();
        match arrived {
            Ok(saved) => return Ok(saved),
            Err(FetchProblem::Transient { .. }) if tries < 4 && silence < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(300 * u64::from(tries))).await;
            }
            Err(FetchProblem::Expired { status: status @ (404 | 410) }) => {
                let problem = format!(
                    "is a link that has expired (HTTP {status}); get_job renews the links of a job, get_file \
                     those of a file_id"
                );
                return Err(ToolError::argument(field, problem));
            }
            Err(problem) => return Err(server.inputs.resolver.unfetched(field, problem)),
        }
    }
}

fn purpose(word: &str) -> Result<&'static Upload, ToolError> {
    let row = services().purpose(word).filter(|row| !row.rules.is_empty());
    row.ok_or_else(|| {
        let legal =
            services().purposes().iter().filter(|row| !row.rules.is_empty()).map(|row| row.purpose.as_str());
        let problem = format!("is {word}; files are uploaded for {}", legal.collect::<Vec<_>>().join(", "));
        ToolError::argument("purpose", problem)
    })
}

/// Why no rule of a purpose has matched so far.
#[derive(Debug, Default)]
struct Misfit {
    is: String,
    wanted: Vec<String>,
}

impl Misfit {
    /// Notes a rule for another type of file. A file that breaks a rule for its own type is an error.
    fn note(&mut self, problem: InputProblem, row: &Upload) -> Result<(), ToolError> {
        match problem {
            InputProblem::Type { found, allowed } => {
                self.is = found;
                self.wanted.push(allowed);
                Ok(())
            }
            // The size is checked before the type, and the next rule may allow more.
            InputProblem::TooLarge { bytes, limit } if row.rules.len() > 1 => {
                let (is, most) = size_and_limit(bytes, limit);
                self.is = format!("{is} large");
                self.wanted.push(format!("at most {most}"));
                Ok(())
            }
            problem => Err(ToolError::argument("file", problem.to_string())),
        }
    }

    fn error(self, row: &Upload) -> ToolError {
        let wanted = self.wanted.join(", or ");
        ToolError::argument("file", format!("is {}; for {} the file must be {wanted}", self.is, row.purpose))
    }
}

fn limits(rule: &Rule) -> Limits {
    Limits {
        min_edge: rule.edge.map(|(least, _)| least),
        max_edge: rule.edge.map(|(_, most)| most),
        ratio: rule.ratio,
        duration_ms: rule.milliseconds,
        ..Limits::new(rule.mimes, rule.max_bytes)
    }
}

/// Counts the characters of a text while streaming it, and gives it the extension that MiniMax expects.
async fn checked_text(mut opened: Opened, rule: &Rule) -> Result<Opened, ToolError> {
    let Some(most) = rule.characters.filter(|_| opened.mime == "text/plain") else { return Ok(opened) };
    // A continuation byte of UTF-8 begins with the bits 10.
    let starts = |bytes: &[u8]| bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64;
    let broken = |error: std::io::Error| ToolError::argument("file", format!("cannot be read: {error}"));
    let characters = match &mut opened.content {
        Content::Memory(bytes) => starts(bytes),
        Content::Disk(file) => {
            let (mut buffer, mut sum) = (vec![0; 64 * 1024], 0);
            loop {
                let read = file.read(&mut buffer).await.map_err(broken)?;
                if read == 0 {
                    break sum;
                }
                sum += starts(buffer.get(..read).unwrap_or_default());
            }
        }
    };
    if let Content::Disk(file) = &mut opened.content {
        file.rewind().await.map_err(broken)?;
    }
    if characters > most {
        return Err(ToolError::argument(
            "file",
            format!("has {characters} characters; at most {most} are taken"),
        ));
    }
    let stem = opened.name.rsplit_once('.').map_or(opened.name.as_str(), |(stem, _)| stem);
    opened.name = format!("{stem}.txt");
    Ok(opened)
}

/// A file name, and its extension.
fn name(filename: &str, id: &str) -> (String, String) {
    let (stem, extension) = filename.rsplit_once('.').unwrap_or((filename, ""));
    let extension = if extension.len() > 5 { "" } else { extension };
    (media::file_name(stem, id, 1, false, extension), extension.to_owned())
}

impl Downloaded {
    fn of(saved: Saved, file_id: Option<String>, url: Option<String>) -> Self {
        Self {
            file_id,
            url,
            path: saved.path.display().to_string(),
            mime_type: saved.mime,
            bytes: saved.bytes,
            sha256: saved.sha256,
            width: saved.width,
            height: saved.height,
            duration_ms: saved.duration_ms,
        }
    }
}

impl IntoCallToolResult for Downloaded {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let facts = file_facts(self.width.zip(self.height), self.duration_ms, Some(self.bytes));
        let link = local_link(&self.path, &self.mime_type, Some(self.bytes));
        let report = Report::default()
            .file([format!("Saved to {}{facts}", self.path)], link)
            .next("Tell the user where it is. Other tools take the path.");
        Ok(report.result(&self)?.into())
    }
}
