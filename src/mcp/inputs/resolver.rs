//! Finds where a media input is: resolves the names of uploads and of earlier results.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::arguments::lengths::is_data_uri;
use crate::bucket::{BucketProblem, Object, StoredFile};
use crate::config::Config;
use crate::download;
use crate::download::{Expect, FetchProblem, Fetcher, Guard, Refused};
use crate::jobs::{Jobs, OnDisk};
use crate::mcp::allowed_folders::AllowedFolders;
use crate::mcp::caller::Caller;
use crate::mcp::caller_key::Payer;
use crate::mcp::error::ToolError;
use crate::mcp::inputs::ownership::Ownership;
use crate::mcp::inputs::work_permits::CallerWork;
use crate::mcp::uploads::Uploads;
use crate::media::{self, Blob, InputProblem, Limits, Opened, Reference, Roots};
use crate::result::job_view::day;

/// The folder below the data folder for copies of objects.
const FETCHED: &str = "fetched";

/// A resolved media input.
#[derive(Debug)]
pub(crate) enum ResolvedInput {
    /// A file at MiniMax, by its id.
    Uploaded(u64),
    /// A link that a caller gives, which the guard checks when it is fetched.
    Link(String),
    /// A link that MiniMax gave for an earlier result.
    Made(String),
    /// Content that came with the call.
    Data(Blob),
    /// A file on this machine. Whether its folder is allowed is checked when it is read.
    Path(PathBuf),
}

/// A readable file, and the folders that it may lie in.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) path: PathBuf,
    pub(crate) roots: Roots,
    /// Holds a fetched file; dropping it removes the file.
    _fetched: Option<TempDir>,
}

/// Finds the media inputs of one caller.
#[derive(Debug, Clone)]
pub(crate) struct InputResolver {
    config: Arc<Config>,
    caller: Arc<Caller>,
    jobs: Jobs,
    folders: AllowedFolders,
    uploads: Uploads,
    work: CallerWork,
    pub(crate) ownership: Ownership,
}

impl InputResolver {
    pub(crate) fn new(
        config: Arc<Config>,
        caller: Arc<Caller>,
        payer: Payer,
        jobs: Jobs,
        folders: AllowedFolders,
        uploads: Uploads,
        work: CallerWork,
    ) -> Self {
        let ownership = Ownership::new(Arc::clone(&config), Arc::clone(&caller), payer, jobs.clone());
        Self { config, caller, jobs, folders, uploads, work, ownership }
    }

    /// The folders that this caller's inputs may lie in.
    pub(crate) fn roots(&self) -> Roots {
        let roots = Roots::clone(self.folders.roots()).with(&self.uploads.folder_of(&self.caller.principal));
        match self.jobs.bucket() {
            Some(_) => roots.with(&self.fetched_folder()),
            None => roots,
        }
    }

    /// Parses the argument `field`. Remote callers may give no paths.
    pub(crate) async fn reference(&self, field: &str, text: &str) -> Result<Reference, ToolError> {
        if let Some(path) = self.uploaded(field, text).await? {
            return Ok(Reference::Path(path));
        }
        if let Some(made) = self.in_bucket(field, text.trim()).await? {
            return Ok(made);
        }
        let home = self.config.home.clone();
        let parsed = if is_data_uri(text) {
            let text = text.to_owned();
            self.work.on_input(field, move || media::parse(&text, Some(&home))).await?
        } else {
            media::parse(text, Some(&home))
        };
        match parsed {
            Ok(Reference::Path(_)) | Err(InputProblem::Relative | InputProblem::NoHome)
                if self.caller.remote =>
            {
                Err(self.no_paths(field))
            }
            Ok(Reference::Path(path)) => {
                self.folders.settled_for(&path).await;
                Ok(Reference::Path(path))
            }
            Err(InputProblem::Relative) => self.in_project(field, text.trim()).await.map(Reference::Path),
            Ok(reference) => Ok(reference),
            Err(problem) => Err(ToolError::argument(field, problem.to_string())),
        }
    }

    /// The path of a file that this caller has uploaded; `None` for a text that names no upload.
    async fn uploaded(&self, field: &str, text: &str) -> Result<Option<PathBuf>, ToolError> {
        let Some((id, name)) = media::handed_in(text) else { return Ok(None) };
        let found = self.uploads.find(&self.caller.principal, id, name).await;
        let found = found.map_err(|problem| ToolError::Transfer(problem.to_string()))?;
        let problem = || {
            let url = self.uploads.url().filter(|_| self.caller.remote);
            let again = url.map(|url| format!("; POST it to {url} again")).unwrap_or_default();
            format!(
                "names an upload that is not here: this server keeps uploads only for a limited time{again}"
            )
        };
        found.map(Some).ok_or_else(|| ToolError::argument(field, problem()))
    }

    /// The file of an earlier job that this URL in the bucket names. Results show it as the file's path. `None` for any
    /// other text.
    async fn in_bucket(&self, field: &str, text: &str) -> Result<Option<Reference>, ToolError> {
        let Some(bucket) = self.jobs.bucket() else { return Ok(None) };
        let Some(key) = text.strip_prefix(&bucket.url_of("")) else { return Ok(None) };
        if self.caller.remote {
            return Err(self.no_paths(field));
        }
        // Results are at `PRINCIPAL/JOB/NAME`.
        let found = match key.split('/').nth(1) {
            Some(id) => self.jobs.get(&self.caller.principal, id).await?,
            None => None,
        };
        let made = found.and_then(|job| {
            let is_it = |saved: &OnDisk| saved.object.as_ref().is_some_and(|object| object.key == key);
            let file = job.files.iter().find(|file| file.saved.as_ref().is_some_and(is_it))?;
            Some(Reference::Made { job: job.id.clone(), name: file.name.clone() })
        });
        made.map(Some).ok_or_else(|| {
            ToolError::argument(
                field,
                "is not the file of an earlier job; list_jobs shows the jobs with their files",
            )
        })
    }

    /// Resolves a relative path against the project folder.
    async fn in_project(&self, field: &str, path: &str) -> Result<PathBuf, ToolError> {
        if path.contains(char::is_control) {
            return Err(ToolError::argument(
                field,
                "contains a control character, which no path may contain",
            ));
        }
        match self.folders.project().await {
            Some(project) => Ok(project.join(path)),
            None => Err(ToolError::argument(field, self.folders.no_project(path).await)),
        }
    }

    /// The error for a file on this machine that cannot be read. Remote callers do not learn its path.
    pub(crate) fn unread(&self, field: &str, problem: &InputProblem) -> ToolError {
        let hidden = self.caller.remote && problem.names_a_path();
        let words = || "can no longer be read on the server; give it again".to_owned();
        ToolError::argument(field, if hidden { words() } else { problem.to_string() })
    }

    /// Tells a remote caller how to give a file instead of a path.
    fn no_paths(&self, field: &str) -> ToolError {
        let upload =
            self.how_to_hand_in().map(|how| format!(". To hand a file in: {how}")).unwrap_or_default();
        let problem = format!(
            "is a path, which a server that is reached over HTTP does not read; give an https:// URL, a data: URI, or \
             a minimax:// URI of an earlier result{upload}"
        );
        ToolError::argument(field, problem)
    }

    /// How a remote caller uploads a file to this server. `None` if this caller cannot.
    fn how_to_hand_in(&self) -> Option<String> {
        let url = self.uploads.url().filter(|_| self.caller.remote)?;
        Some(format!(
            "POST {url} with the file as the body (with the same Authorization and X-MiniMax-Api-Key as here), for example \
             curl --data-binary @FILE {url}?name=FILE; the answer has a minimax://uploads/ URI to give here"
        ))
    }

    /// Turns a failed download into the error of the argument `field`.
    pub(crate) fn unfetched(&self, field: &str, problem: FetchProblem) -> ToolError {
        let log_in = match problem {
            FetchProblem::Transient { reason, .. } => return ToolError::Transfer(reason),
            FetchProblem::Disk(problem) => return ToolError::argument("output_directory", problem),
            FetchProblem::Bucket(problem) => return ToolError::Transfer(problem.to_string()),
            FetchProblem::Expired { status: 401 } => "the link needs a log-in (HTTP 401)",
            FetchProblem::Expired { status: 403 } => {
                "the link needs a log-in, or it has expired (HTTP 403); get_job renews the links of a job, get_file those of \
                 a file_id"
            }
            FetchProblem::Page => {
                "the link leads to a web page instead of a file, which often means that it needs a log-in"
            }
            FetchProblem::Private(refused) => return self.unreachable(field, &refused),
            problem @ (FetchProblem::Expired { .. } | FetchProblem::Wrong(_)) => {
                return ToolError::argument(field, format!("cannot be fetched: {problem}"));
            }
        };
        let instead = self.by_hand();
        ToolError::argument(field, format!("cannot be fetched: {log_in}. Let the user {instead}"))
    }

    /// The error for a link that the guard refuses. The user can still upload a file from a private network.
    pub(crate) fn unreachable(&self, field: &str, refused: &Refused) -> ToolError {
        let instead = match refused {
            Refused::LocalName(_) | Refused::Address(_) => format!(", or let the user {}", self.by_hand()),
            _ => String::new(),
        };
        ToolError::argument(field, format!("cannot be fetched: the link {refused}{instead}"))
    }

    /// What the user can do with a file whose link only the user can open.
    fn by_hand(&self) -> String {
        match self.how_to_hand_in() {
            Some(how) => format!("download it and hand it in: {how}"),
            None if self.caller.remote => "download it and give it as a data: URI".to_owned(),
            None => "download it and give the local path".to_owned(),
        }
    }

    /// Resolves the argument `field`.
    pub(crate) async fn find(&self, field: &str, text: &str) -> Result<ResolvedInput, ToolError> {
        Ok(match self.reference(field, text).await? {
            Reference::Url(link) => ResolvedInput::Link(link),
            Reference::Uploaded(id) => {
                self.ownership.check_file(field, id).await?;
                ResolvedInput::Uploaded(id)
            }
            Reference::Data(blob) => ResolvedInput::Data(blob),
            Reference::Path(path) => ResolvedInput::Path(path),
            Reference::Made { job, name } => match self.made(field, &job, &name).await? {
                Ok(path) => ResolvedInput::Path(path),
                Err(link) => ResolvedInput::Made(link),
            },
        })
    }

    /// Reads the whole content into memory and checks it.
    pub(crate) async fn content(
        &self,
        field: &str,
        source: ResolvedInput,
        limits: &Limits,
    ) -> Result<Blob, ToolError> {
        let wrong = |problem: InputProblem| ToolError::argument(field, problem.to_string());
        match source {
            ResolvedInput::Uploaded(_) => {
                Err(ToolError::argument(field, "is at MiniMax and cannot be read here"))
            }
            ResolvedInput::Data(blob) => media::check(&blob, limits).await.map(|()| blob).map_err(wrong),
            ResolvedInput::Path(path) => self.loaded(field, &path, limits).await,
            ResolvedInput::Link(link) => {
                let _fetching = self.work.link_permit().await?;
                let fetched = in_time(self.jobs.input_fetcher().fetch(&self.secured(&link), limits)).await;
                fetched.map_err(|problem| self.unfetched(field, problem))
            }
            ResolvedInput::Made(link) => {
                let _fetching = self.work.link_permit().await?;
                let fetched = in_time(self.jobs.result_fetcher().fetch(&self.secured(&link), limits)).await;
                fetched.map_err(|problem| self.unfetched(field, problem))
            }
        }
    }

    /// Downloads a link to a temporary file, so it may be larger than memory.
    pub(crate) async fn local(
        &self,
        fetcher: &Fetcher,
        field: &str,
        link: &str,
        max_bytes: u64,
    ) -> Result<Local, ToolError> {
        let failed = |error: std::io::Error| ToolError::argument(field, format!("cannot be saved: {error}"));
        let _fetching = self.work.link_permit().await?;
        let dir = tokio::task::spawn_blocking(tempfile::tempdir).await;
        let dir = dir.map_err(|error| failed(std::io::Error::other(error)))?.map_err(failed)?;
        let name = media::file_name("input", "", 1, false, link_extension(link));
        let expect = Expect { kind: None, max_bytes, extension: link_extension(link) };
        // Temporary folders often lie behind a symbolic link.
        let folder = dunce::canonicalize(dir.path()).map_err(failed)?;
        let secured = self.secured(link);
        let answer = in_time(fetcher.download(&secured, &folder, &name, &expect, None)).await;
        let saved = answer.map_err(|problem| self.unfetched(field, problem))?;
        let roots = Roots::new(&folder, None, &[]);
        Ok(Local { path: saved.path, roots, _fetched: Some(dir) })
    }

    /// Opens a file on this machine and checks it.
    pub(crate) async fn opened(
        &self,
        field: &str,
        path: PathBuf,
        limits: &Limits,
    ) -> Result<Opened, ToolError> {
        let _reading = self.work.input_permit().await?;
        let opened = media::open_input(&path, &self.roots(), limits).await;
        opened.map_err(|problem| self.unread(field, &problem))
    }

    /// Reads a whole file on this machine.
    pub(crate) async fn loaded(&self, field: &str, path: &Path, limits: &Limits) -> Result<Blob, ToolError> {
        let _reading = self.work.input_permit().await?;
        let blob = media::load(path, &self.roots(), limits).await;
        blob.map_err(|problem| self.unread(field, &problem))
    }

    /// A file on this machine, where it is.
    pub(crate) fn at(&self, path: PathBuf) -> Local {
        Local { path, roots: self.roots(), _fetched: None }
    }

    /// Upgrades a plain http link: MiniMax gives some, and its hosts serve https.
    pub(crate) fn secured(&self, link: &str) -> String {
        let guard = Guard { loopback_http: self.config.sandbox, ..Guard::default() };
        // Only the fetcher decides whether a link to the API's own origin is allowed.
        let guard = guard.trusting(url::Url::parse(&self.config.host).ok().as_ref());
        if guard.check(link).is_ok() { link.to_owned() } else { link.replacen("http://", "https://", 1) }
    }

    /// The folder for this caller's copies of objects.
    fn fetched_folder(&self) -> PathBuf {
        self.config.data_dir.join(FETCHED).join(media::key_of(&self.caller.principal))
    }

    /// Whether a path leads to a copy of an object. Such a path is of no use to a caller, because copies are removed.
    pub(crate) fn is_copy(&self, path: &Path) -> bool {
        self.jobs.bucket().is_some() && path.starts_with(self.fetched_folder())
    }

    /// Copies an object to a disk of this machine. `None` if it is no longer in the bucket.
    async fn copied(&self, job: &str, saved: &OnDisk, object: &Object) -> Result<Option<PathBuf>, ToolError> {
        let Some(bucket) = self.jobs.bucket() else {
            let problem = "the file is in a bucket, and MINIMAX_FILES_URL is not set";
            return Err(ToolError::Transfer(problem.to_owned()));
        };
        let _fetching = self.work.link_permit().await?;
        let file = match StoredFile::open(bucket, object, saved.bytes).await {
            Ok(file) => file,
            Err(BucketProblem::Absent | BucketProblem::Replaced) => return Ok(None),
            Err(problem) => return Err(ToolError::Transfer(problem.to_string())),
        };
        let name = saved.path.file_name().and_then(|name| name.to_str()).unwrap_or("file.bin");
        download::sweep_fetched(&self.config.data_dir.join(FETCHED)).await;
        let folder = self.fetched_folder().join(job);
        let copied = in_time(download::fetched(&folder, name, file, Some(&saved.sha256))).await;
        copied.map(Some).map_err(|problem| ToolError::Transfer(problem.to_string()))
    }

    /// A file of an earlier job: its path, or its link if it was never saved.
    pub(crate) async fn made(
        &self,
        field: &str,
        id: &str,
        name: &str,
    ) -> Result<Result<PathBuf, String>, ToolError> {
        let wrong = |problem: String| ToolError::argument(field, problem);
        let Some(job) = self.jobs.get(&self.caller.principal, id).await? else {
            if let Some(removed) = self.jobs.removed(&self.caller.principal, id).await? {
                return Err(wrong(format!(
                    "names the job {id}, which this server removed on {}, with its files in the results folder; list_jobs shows \
                     the existing jobs",
                    day(removed.at)
                )));
            }
            return Err(wrong(format!(
                "names the job {id}, which does not exist; list_jobs shows the existing jobs"
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
        if let Some(saved) = &file.saved
            && let Some(object) = &saved.object
        {
            match self.copied(id, saved, object).await {
                Ok(Some(path)) => return Ok(Ok(path)),
                // MiniMax's link may still lead to it.
                Err(problem) if file.url.is_none() => return Err(problem),
                Ok(None) | Err(_) => {}
            }
        }
        match (&file.saved, &file.url) {
            (Some(saved), _) if tokio::fs::try_exists(&saved.path).await.unwrap_or(false) => {
                Ok(Ok(saved.path.clone()))
            }
            (_, Some(url)) if file.url_expires_at.is_none_or(|at| at > crate::jobs::now()) => {
                Ok(Err(url.clone()))
            }
            _ => Err(wrong(format!(
                "names the file {name}, which is no longer on disk, and whose link has expired"
            ))),
        }
    }
}

/// The extension in a link's path: `mp4` for `https://host/a/clip.mp4?Expires=1`; empty if there is none.
pub(crate) fn link_extension(link: &str) -> &str {
    let path = link.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    if ending.len() <= 5 && ending.bytes().all(|byte| byte.is_ascii_alphanumeric()) { ending } else { "" }
}

/// The longest time to fetch an input: enough for half a gigabyte on a slow connection, and a limit for servers that
/// send slowly on purpose.
const PATIENCE: Duration = Duration::from_mins(30);

/// Gives up on a download after [`PATIENCE`].
pub(crate) async fn in_time<T>(
    fetching: impl Future<Output = Result<T, FetchProblem>>,
) -> Result<T, FetchProblem> {
    let late = || FetchProblem::Transient {
        reason: format!("the transfer did not end within {} minutes", PATIENCE.as_secs() / 60),
        retry_after: None,
    };
    tokio::time::timeout(PATIENCE, fetching).await.unwrap_or_else(|_| Err(late()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_download_that_never_ends_is_abandoned() {
        let problem = in_time(std::future::pending::<Result<(), _>>()).await.unwrap_err();
        assert!(problem.to_string().contains("within 30 minutes"), "{problem}");
        assert!(in_time(async { Ok(()) }).await.is_ok());
    }
}
