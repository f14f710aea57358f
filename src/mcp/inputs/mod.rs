//! Media inputs: whatever a model may write → what an endpoint takes.

pub(crate) mod ownership;
pub(crate) mod source;

use std::path::PathBuf;

use crate::api::{RemoteFile, Upload};
use crate::mcp::inputs::source::{Source, in_time};
use crate::mcp::{Server, ToolError};
use crate::media::{self, Blob, Content, Limits, Opened, Reference};

/// What an endpoint takes of an input, besides its limits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Takes {
    /// Types and sizes (of the endpoint's own page).
    pub(crate) limits: Limits,
    /// Whether `mm_file://ID` may be given, and the purpose to upload for where a file is large.
    pub(crate) uploads: Option<&'static str>,
}

/// Larger inputs are uploaded where the endpoint takes that: base64 makes a request a third larger.
const UPLOAD_ABOVE: u64 = 4 * 1024 * 1024;

/// All that a model can look at, before it is known which limits hold.
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

impl Server {
    /// A link, a data URL or `mm_file://ID` for the argument `field`.
    ///
    /// A link is handed on as it is: MiniMax fetches it. Everything else is checked here against the limits, and
    /// sent as a data URL with its real type, or uploaded if it is large and the endpoint takes uploads. A `dry`
    /// run checks as much and uploads nothing.
    pub(crate) async fn input(
        &self,
        field: &str,
        text: &str,
        takes: &Takes,
        dry: bool,
    ) -> Result<String, ToolError> {
        let wrong = |problem: String| ToolError::argument(field, problem);
        match self.reference(field, text)? {
            Reference::Url(link) => {
                let guard = media::Guard { loopback_http: self.config().loopback, ..media::Guard::default() };
                // Plain http is MiniMax's business, an address inside this network never is.
                let checked =
                    guard.check(&link.replacen("http://", "https://", 1)).or_else(|_| guard.check(&link));
                checked.map_err(|refused| wrong(refused.to_string()))?;
                Ok(link)
            }
            Reference::Uploaded(link) if takes.uploads.is_some() => {
                self.own_file(field, &link).await?;
                Ok(link)
            }
            Reference::Uploaded(_) => Err(wrong(
                "is an uploaded file, which this endpoint does not take; give a URL or a path".to_owned(),
            )),
            Reference::Data(blob) => {
                media::check(&blob, &takes.limits).await.map_err(|problem| wrong(problem.to_string()))?;
                encode(blob).await
            }
            Reference::Path(path) => self.read(field, path, takes, dry).await,
            Reference::Made { job, name } => match self.made(field, &job, &name).await? {
                Ok(path) => self.read(field, path, takes, dry).await,
                Err(link) => Ok(link),
            },
        }
    }

    /// A URL that MiniMax is to tell about progress: one that it can reach.
    pub(crate) fn callback(&self, url: Option<&str>) -> Result<Option<String>, ToolError> {
        let Some(url) = url else { return Ok(None) };
        let guard = media::Guard { loopback_http: self.config().loopback, ..media::Guard::default() };
        let checked = guard.check(url);
        checked.map_err(|refused| ToolError::argument("callback_url", refused.to_string()))?;
        Ok(Some(url.trim().to_owned()))
    }

    /// The playing time of an input in seconds, where that can be told without fetching anything.
    pub(crate) async fn length_of(&self, text: &str, limits: &Limits) -> Option<f64> {
        let path = match self.reference("", text).ok()? {
            Reference::Data(blob) => return blob.duration_ms.map(seconds),
            Reference::Path(path) => path,
            Reference::Made { job, name } => self.made("", &job, &name).await.ok()?.ok()?,
            Reference::Url(_) | Reference::Uploaded(_) => return None,
        };
        self.opened("", path, limits).await.ok()?.duration_ms.map(seconds)
    }

    /// Whether a media input is a picture or a film: by its bytes where they are here, by its name elsewhere.
    pub(crate) async fn looks(&self, field: &str, text: &str) -> Result<media::Kind, ToolError> {
        let named = |link: &str| {
            let path = link.split(['?', '#']).next().unwrap_or_default().to_lowercase();
            let film = [".mp4", ".m4v", ".mov", ".avi", ".mkv"].iter().any(|ending| path.ends_with(ending));
            if film { media::Kind::Video } else { media::Kind::Image }
        };
        let path = match self.reference(field, text)? {
            Reference::Url(link) => return Ok(named(&link)),
            // Pictures are not uploaded for models that see; films are.
            Reference::Uploaded(_) => return Ok(media::Kind::Video),
            Reference::Data(blob) => return Ok(blob.kind),
            Reference::Path(path) => path,
            Reference::Made { job, name } => match self.made(field, &job, &name).await? {
                Ok(path) => path,
                Err(link) => return Ok(named(&link)),
            },
        };
        let opened = self.opened(field, path, &SEEN).await?;
        Ok(if opened.mime.starts_with("video/") { media::Kind::Video } else { media::Kind::Image })
    }

    async fn read(&self, field: &str, path: PathBuf, takes: &Takes, dry: bool) -> Result<String, ToolError> {
        if let Some(purpose) = takes.uploads {
            let opened = self.opened(field, path.clone(), &takes.limits).await?;
            if opened.bytes > UPLOAD_ABOVE {
                let file_id = if dry { "0".to_owned() } else { self.send_up(purpose, opened).await?.file_id };
                return Ok(format!("mm_file://{file_id}"));
            }
        }
        let blob = media::load(&path, &self.roots(), &takes.limits).await;
        encode(blob.map_err(|problem| self.unread(field, &problem))?).await
    }

    /// A file of an earlier job: its path, or its link if it was never saved.
    pub(crate) async fn made(
        &self,
        field: &str,
        id: &str,
        name: &str,
    ) -> Result<Result<PathBuf, String>, ToolError> {
        let wrong = |problem: String| ToolError::argument(field, problem);
        let Some(job) = self.jobs().get(self.principal(), id).await? else {
            return Err(wrong(format!(
                "names the job {id}, which is not there; list_jobs shows those that are"
            )));
        };
        let Some(file) = job.files.iter().find(|file| file.name == name) else {
            let names: Vec<_> = job.files.iter().map(|file| file.name.as_str()).collect();
            let has = if names.is_empty() { "no files yet".to_owned() } else { names.join(", ") };
            return Err(wrong(format!(
                "names the file {name}; the job {id} is {} and has {has}",
                job.state.status()
            )));
        };
        match (&file.saved, &file.url) {
            (Some(saved), _) if tokio::fs::try_exists(&saved.path).await.unwrap_or(false) => {
                Ok(Ok(saved.path.clone()))
            }
            (_, Some(url)) if file.url_expires_at.is_none_or(|at| at > crate::jobs::now()) => {
                Ok(Err(url.clone()))
            }
            _ => Err(wrong(format!(
                "names the file {name}, which is no longer on disk, and its link has ended"
            ))),
        }
    }
}

/// What was given as an input.
#[derive(Debug)]
pub(crate) enum Given {
    /// The id of an upload.
    Uploaded(String),
    /// The bytes.
    Bytes(Blob),
}

/// A file that MiniMax has now.
#[derive(Debug)]
pub(crate) struct Uploaded {
    /// MiniMax's id: a number, kept as text.
    pub(crate) file_id: String,
    /// What it is, for the records: its name and size.
    pub(crate) what: String,
}

/// A checked input for an endpoint that takes bytes alone.
#[derive(Debug)]
pub(crate) enum Checked {
    /// MiniMax has it; its id.
    There(String),
    /// It is here.
    Here(Opened),
}

impl Server {
    /// Uploads the argument `field` for `purpose` and gives its id. Free. What is on disk is read piece by piece;
    /// a link is fetched by us, because the endpoint takes uploads alone.
    pub(crate) async fn upload(
        &self,
        field: &str,
        text: &str,
        purpose: &str,
        limits: &Limits,
    ) -> Result<Uploaded, ToolError> {
        let checked = self.check(field, text, limits).await?;
        self.deliver(purpose, checked).await
    }

    /// Checks the argument `field` and sends nothing to MiniMax yet. A link is fetched.
    pub(crate) async fn check(&self, field: &str, text: &str, limits: &Limits) -> Result<Checked, ToolError> {
        let wrong = |problem: String| ToolError::argument(field, problem);
        Ok(Checked::Here(match self.reference(field, text)? {
            Reference::Uploaded(link) => {
                self.own_file(field, &link).await?;
                return Ok(Checked::There(link.trim_start_matches("mm_file://").to_owned()));
            }
            Reference::Url(link) => self.fetched(field, &link, limits).await?,
            Reference::Data(blob) => {
                media::check(&blob, limits).await.map_err(|problem| wrong(problem.to_string()))?;
                Opened::of(blob)
            }
            Reference::Path(path) => self.opened(field, path, limits).await?,
            Reference::Made { job, name } => match self.made(field, &job, &name).await? {
                Ok(path) => self.opened(field, path, limits).await?,
                Err(link) => self.fetched(field, &link, limits).await?,
            },
        }))
    }

    /// Uploads what was checked, unless MiniMax has it. Free.
    pub(crate) async fn deliver(&self, purpose: &str, checked: Checked) -> Result<Uploaded, ToolError> {
        let what = checked.what();
        match checked {
            Checked::There(file_id) => Ok(Uploaded { file_id, what }),
            Checked::Here(opened) => {
                Ok(Uploaded { file_id: self.send_up(purpose, opened).await?.file_id, what })
            }
        }
    }

    /// The whole content of the argument `field`, for an input that is looked into before it is uploaded; the
    /// id of one that MiniMax has already.
    pub(crate) async fn given(&self, field: &str, text: &str, limits: &Limits) -> Result<Given, ToolError> {
        Ok(match self.source(field, text).await? {
            Source::Uploaded(file_id) => Given::Uploaded(file_id),
            source => Given::Bytes(self.content(field, source, limits).await?),
        })
    }

    /// The argument `field` as something to be read on this machine: a file, a link's content, an earlier result.
    pub(crate) async fn playable(
        &self,
        field: &str,
        text: &str,
        limits: &Limits,
    ) -> Result<Opened, ToolError> {
        let wrong = |problem: String| ToolError::argument(field, problem);
        match self.reference(field, text)? {
            Reference::Path(path) => self.opened(field, path, limits).await,
            Reference::Url(link) => self.fetched(field, &link, limits).await,
            Reference::Made { job, name } => match self.made(field, &job, &name).await? {
                Ok(path) => self.opened(field, path, limits).await,
                Err(link) => self.fetched(field, &link, limits).await,
            },
            Reference::Data(_) | Reference::Uploaded(_) => {
                Err(wrong("cannot be played; give an absolute path, a URL or a minimax:// URI".to_owned()))
            }
        }
    }

    /// Uploads what has been checked. Free.
    pub(crate) async fn send_up(&self, purpose: &str, opened: Opened) -> Result<RemoteFile, ToolError> {
        let Opened { content, bytes, mime, name, .. } = opened;
        let upload = Upload { purpose: purpose.to_owned(), name, mime, bytes };
        let api = self.jobs().api();
        #[cfg(feature = "crash-points")]
        crate::crash::point("upload.before");
        let sent = match content {
            Content::Memory(bytes) => {
                let whole = futures_util::stream::iter([Ok::<_, std::io::Error>(bytes)]);
                api.upload(&upload, whole).await?
            }
            // As many bytes as were checked, should it grow meanwhile.
            file @ Content::Disk(_) => {
                api.upload(&upload, media::Source::of(file, bytes).await.chunks()).await?
            }
        };
        #[cfg(feature = "crash-points")]
        crate::crash::point("upload.after");
        self.note_upload(&sent.file_id).await;
        Ok(sent)
    }

    async fn opened(&self, field: &str, path: PathBuf, limits: &Limits) -> Result<Opened, ToolError> {
        let opened = media::open_input(&path, &self.roots(), limits).await;
        opened.map_err(|problem| self.unread(field, &problem))
    }

    async fn fetched(&self, field: &str, link: &str, limits: &Limits) -> Result<Opened, ToolError> {
        let blob = in_time(self.jobs().fetcher().fetch(link, limits)).await;
        blob.map(Opened::of)
            .map_err(|problem| ToolError::argument(field, format!("cannot be fetched: {problem}")))
    }
}

impl Checked {
    /// What it is, for the records.
    pub(crate) fn what(&self) -> String {
        match self {
            Self::There(file_id) => format!("mm_file://{file_id}"),
            Self::Here(opened) => format!("{} ({} bytes)", opened.name, opened.bytes),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52 milliseconds")]
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

/// Base64 of some megabytes takes long enough to hold up others.
async fn encode(blob: Blob) -> Result<String, ToolError> {
    let encoded = tokio::task::spawn_blocking(move || blob.data_uri()).await;
    encoded.map_err(|_| ToolError::argument("input", "could not be encoded"))
}
