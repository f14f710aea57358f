//! Media inputs: turns what a model gives into what an endpoint takes.

pub(crate) mod ownership;
pub(crate) mod resolver;
pub(crate) mod work_permits;

use std::path::PathBuf;
use std::sync::Arc;

use crate::api::ApiError;
use crate::api::file::{RemoteFile, Upload};
use crate::config::Config;
use crate::download;
use crate::download::Fetcher;
use crate::jobs::Jobs;
use crate::mcp::allowed_folders::AllowedFolders;
use crate::mcp::caller::Caller;
use crate::mcp::caller_key::Payer;
use crate::mcp::error::ToolError;
use crate::mcp::uploads::Uploads;
use crate::media::units::size;
use crate::media::{self, Blob, Content, Limits, Opened, Reference};
use crate::telemetry::quoted;
use ownership::Ownership;
use resolver::{InputResolver, ResolvedInput, in_time};
use work_permits::CallerWork;

/// What an endpoint takes as an input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Takes {
    /// Types and sizes, from the endpoint's documentation.
    pub(crate) limits: Limits,
    /// The purpose of uploads, if the endpoint takes them: then `mm_file://ID` may be given, and large files are
    /// uploaded.
    pub(crate) uploads: Option<&'static str>,
}

/// Larger inputs are uploaded if the endpoint takes uploads, because base64 makes a request a third larger.
const UPLOAD_ABOVE: u64 = 4 * 1024 * 1024;

/// Every type that some model can view.
const SEEN: Limits = Limits::new(
    &[
        "image/jpeg",
        "image/png",
        "image/gif",
        "image/webp",
        "video/mp4",
        "video/x-msvideo",
        "video/quicktime",
        "video/x-matroska",
    ],
    512 * 1024 * 1024,
);

/// The media inputs of one caller.
#[derive(Debug, Clone)]
pub(crate) struct Inputs {
    config: Arc<Config>,
    jobs: Jobs,
    pub(crate) resolver: InputResolver,
    pub(crate) ownership: Ownership,
    pub(crate) work: CallerWork,
}

impl Inputs {
    pub(crate) fn new(
        config: Arc<Config>,
        caller: Arc<Caller>,
        payer: Payer,
        jobs: Jobs,
        folders: AllowedFolders,
        uploads: Uploads,
        work: CallerWork,
    ) -> Self {
        let resolver = InputResolver::new(
            Arc::clone(&config),
            caller,
            payer,
            jobs.clone(),
            folders,
            uploads,
            work.clone(),
        );
        let ownership = resolver.ownership.clone();
        Self { config, jobs, resolver, ownership, work }
    }

    /// A link, a data URL or `mm_file://ID` for the argument `field`.
    ///
    /// A link is passed on, and MiniMax fetches it. Everything else is checked against the limits here, and sent as a
    /// data URL with its real type, or uploaded if it is large and the endpoint takes uploads. A `dry` run makes the
    /// same checks and uploads nothing.
    pub(crate) async fn resolve(
        &self,
        field: &str,
        text: &str,
        takes: &Takes,
        dry: bool,
    ) -> Result<String, ToolError> {
        let wrong = |problem: String| ToolError::argument(field, problem);
        match self.resolver.reference(field, text).await? {
            Reference::Url(link) => {
                let guard =
                    download::Guard { loopback_http: self.config.sandbox, ..download::Guard::default() };
                // MiniMax may refuse plain http. An address inside this network must never leave it.
                let checked =
                    guard.check(&link.replacen("http://", "https://", 1)).or_else(|_| guard.check(&link));
                checked.map_err(|refused| self.resolver.unreachable(field, &refused))?;
                Ok(link)
            }
            Reference::Uploaded(id) if takes.uploads.is_some() => {
                self.ownership.check_file(field, id).await?;
                Ok(media::file_uri(id))
            }
            Reference::Uploaded(_) => Err(wrong(
                "is an uploaded file, which this endpoint does not take; give a URL or a path".to_owned(),
            )),
            Reference::Data(blob) => {
                media::check(&blob, &takes.limits).await.map_err(|problem| wrong(problem.to_string()))?;
                self.encoded(field, blob).await
            }
            Reference::Path(path) => self.read(field, path, takes, dry).await,
            Reference::Made { job, name } => match self.resolver.made(field, &job, &name).await? {
                Ok(path) => self.read(field, path, takes, dry).await,
                Err(link) => Ok(link),
            },
        }
    }

    /// A URL that MiniMax calls with progress; it must be reachable from outside.
    pub(crate) fn callback(&self, url: Option<&str>) -> Result<Option<String>, ToolError> {
        let Some(url) = url else { return Ok(None) };
        let guard = download::Guard { loopback_http: self.config.sandbox, ..download::Guard::default() };
        let checked = guard.check(url);
        checked.map_err(|refused| ToolError::argument("callback_url", refused.to_string()))?;
        Ok(Some(url.trim().to_owned()))
    }

    /// The duration of an input in seconds, if it is known without fetching anything.
    pub(crate) async fn length_of(&self, text: &str, limits: &Limits) -> Option<f64> {
        let path = match self.resolver.reference("", text).await.ok()? {
            Reference::Data(blob) => return blob.duration_ms.map(seconds),
            Reference::Path(path) => path,
            Reference::Made { job, name } => self.resolver.made("", &job, &name).await.ok()?.ok()?,
            Reference::Url(_) | Reference::Uploaded(_) => return None,
        };
        self.resolver.opened("", path, limits).await.ok()?.duration_ms.map(seconds)
    }

    /// Whether a media input is an image or a video: by its content if it can be read here, or else by its name.
    pub(crate) async fn kind_of(&self, field: &str, text: &str) -> Result<media::Kind, ToolError> {
        let named = |link: &str| {
            let path = link.split(['?', '#']).next().unwrap_or_default().to_lowercase();
            let film = [".mp4", ".m4v", ".mov", ".avi", ".mkv"].iter().any(|ending| path.ends_with(ending));
            if film { media::Kind::Video } else { media::Kind::Image }
        };
        let path = match self.resolver.reference(field, text).await? {
            Reference::Url(link) => return Ok(named(&link)),
            // Only videos are uploaded for vision models.
            Reference::Uploaded(_) => return Ok(media::Kind::Video),
            Reference::Data(blob) => return Ok(blob.kind),
            Reference::Path(path) => path,
            Reference::Made { job, name } => match self.resolver.made(field, &job, &name).await? {
                Ok(path) => path,
                Err(link) => return Ok(named(&link)),
            },
        };
        let opened = self.resolver.opened(field, path, &SEEN).await?;
        Ok(if opened.mime.starts_with("video/") { media::Kind::Video } else { media::Kind::Image })
    }

    async fn read(&self, field: &str, path: PathBuf, takes: &Takes, dry: bool) -> Result<String, ToolError> {
        if let Some(purpose) = takes.uploads {
            let opened = self.resolver.opened(field, path.clone(), &takes.limits).await?;
            if opened.bytes > UPLOAD_ABOVE {
                let file_id =
                    if dry { "0".to_owned() } else { self.upload_opened(purpose, opened).await?.file_id };
                return Ok(format!("mm_file://{file_id}"));
            }
        }
        let blob = self.resolver.loaded(field, &path, &takes.limits).await?;
        self.encoded(field, blob).await
    }
}

/// An input that is read here.
#[derive(Debug)]
pub(crate) enum Given {
    /// The id of an upload.
    Uploaded(u64),
    /// The bytes.
    Bytes(Blob),
}

/// A file that MiniMax has.
#[derive(Debug)]
pub(crate) struct Uploaded {
    /// MiniMax's id, as text.
    pub(crate) file_id: String,
    /// MiniMax gave the id just now. If false, the caller did.
    pub(crate) is_new: bool,
    /// Its name and size, for the records.
    pub(crate) what: String,
}

impl Uploaded {
    /// The id as a number, for endpoints that take no other.
    pub(crate) fn number(&self, field: &str) -> Result<i64, ToolError> {
        self.file_id.parse().map_err(|_| {
            let id = quoted(&self.file_id);
            if self.is_new {
                return ToolError::Api(odd_id(&id));
            }
            ToolError::argument(field, format!("is the upload {id}, which is no number"))
        })
    }
}

/// The error for an upload that MiniMax gave an id that this endpoint cannot take. The caller cannot help it.
fn odd_id(id: &str) -> ApiError {
    let why = format!(
        "the upload got the file_id {id}, and the request that needs it takes a number, so it was not sent and nothing was \
         bought"
    );
    ApiError::Shape { at: "/v1/files/upload".into(), why, trace_id: None, answer: None }
}

/// A checked input for an endpoint that takes only content.
#[derive(Debug)]
pub(crate) enum Checked {
    /// A file at MiniMax, by its id.
    There(u64),
    /// Content that is here.
    Here(Opened),
}

impl Inputs {
    /// Uploads the argument `field` for `purpose`. Free. Files are streamed from disk; links are fetched here, because
    /// the endpoint takes only uploads.
    pub(crate) async fn upload(
        &self,
        field: &str,
        text: &str,
        purpose: &str,
        limits: &Limits,
    ) -> Result<Uploaded, ToolError> {
        let checked = self.check(field, text, limits).await?;
        self.upload_checked(purpose, checked).await
    }

    /// Checks the argument `field` and sends nothing to MiniMax. A link is fetched.
    pub(crate) async fn check(&self, field: &str, text: &str, limits: &Limits) -> Result<Checked, ToolError> {
        let wrong = |problem: String| ToolError::argument(field, problem);
        Ok(Checked::Here(match self.resolver.reference(field, text).await? {
            Reference::Uploaded(id) => {
                self.ownership.check_file(field, id).await?;
                return Ok(Checked::There(id));
            }
            Reference::Url(link) => self.fetched(self.jobs.input_fetcher(), field, &link, limits).await?,
            Reference::Data(blob) => {
                media::check(&blob, limits).await.map_err(|problem| wrong(problem.to_string()))?;
                Opened::of(blob)
            }
            Reference::Path(path) => self.resolver.opened(field, path, limits).await?,
            Reference::Made { job, name } => match self.resolver.made(field, &job, &name).await? {
                Ok(path) => self.resolver.opened(field, path, limits).await?,
                Err(link) => self.fetched(self.jobs.result_fetcher(), field, &link, limits).await?,
            },
        }))
    }

    /// Uploads a checked input, unless MiniMax already has it. Free.
    pub(crate) async fn upload_checked(
        &self,
        purpose: &str,
        checked: Checked,
    ) -> Result<Uploaded, ToolError> {
        let what = checked.what();
        match checked {
            Checked::There(id) => Ok(Uploaded { file_id: id.to_string(), is_new: false, what }),
            Checked::Here(opened) => {
                let file_id = self.upload_opened(purpose, opened).await?.file_id;
                Ok(Uploaded { file_id, is_new: true, what })
            }
        }
    }

    /// Reads all of the argument `field`, or returns the id of a file that MiniMax already has.
    pub(crate) async fn load(&self, field: &str, text: &str, limits: &Limits) -> Result<Given, ToolError> {
        Ok(match self.resolver.find(field, text).await? {
            ResolvedInput::Uploaded(file_id) => Given::Uploaded(file_id),
            source => Given::Bytes(self.resolver.content(field, source, limits).await?),
        })
    }

    /// Opens the argument `field`, to play it on this machine.
    pub(crate) async fn playable(
        &self,
        field: &str,
        text: &str,
        limits: &Limits,
    ) -> Result<Opened, ToolError> {
        let wrong = |problem: String| ToolError::argument(field, problem);
        match self.resolver.reference(field, text).await? {
            Reference::Path(path) => self.resolver.opened(field, path, limits).await,
            Reference::Url(link) => self.fetched(self.jobs.input_fetcher(), field, &link, limits).await,
            Reference::Made { job, name } => match self.resolver.made(field, &job, &name).await? {
                Ok(path) => self.resolver.opened(field, path, limits).await,
                Err(link) => self.fetched(self.jobs.result_fetcher(), field, &link, limits).await,
            },
            Reference::Data(_) | Reference::Uploaded(_) => {
                Err(wrong("cannot be played; give an absolute path, a URL or a minimax:// URI".to_owned()))
            }
        }
    }

    /// Uploads an opened file. Free.
    pub(crate) async fn upload_opened(&self, purpose: &str, opened: Opened) -> Result<RemoteFile, ToolError> {
        let Opened { content, bytes, mime, name, .. } = opened;
        let upload = Upload { purpose: purpose.to_owned(), name, mime, bytes };
        let api = self.jobs.api();
        #[cfg(feature = "crash-points")]
        crate::crash::point("upload.before");
        let sent = match content {
            Content::Memory(bytes) => {
                let whole = futures_util::stream::iter([Ok::<_, std::io::Error>(bytes)]);
                api.upload(&upload, whole).await?
            }
            // Sends only the bytes that were checked, in case the file grows.
            file @ Content::Disk(_) => {
                api.upload(&upload, media::Resendable::of(file, bytes).await.chunks()).await?
            }
        };
        #[cfg(feature = "crash-points")]
        crate::crash::point("upload.after");
        self.ownership.record_upload(&sent.file_id).await;
        Ok(sent)
    }

    /// Encodes a blob as a data URL, on a blocking thread: encoding several megabytes would delay other tasks.
    pub(crate) async fn encoded(&self, field: &str, blob: Blob) -> Result<String, ToolError> {
        self.work.on_input(field, move || blob.data_uri()).await
    }

    async fn fetched(
        &self,
        fetcher: &Fetcher,
        field: &str,
        link: &str,
        limits: &Limits,
    ) -> Result<Opened, ToolError> {
        let _fetching = self.work.link_permit().await?;
        let blob = in_time(fetcher.fetch(link, limits)).await;
        blob.map(Opened::of).map_err(|problem| self.resolver.unfetched(field, problem))
    }
}

impl Checked {
    /// Its name and size, for the records.
    pub(crate) fn what(&self) -> String {
        match self {
            Self::There(id) => media::file_uri(*id),
            Self::Here(opened) => format!("{} ({})", opened.name, size(opened.bytes)),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52 milliseconds")]
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}
