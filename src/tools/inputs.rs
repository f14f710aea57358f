//! Media inputs: whatever a model may write → what an endpoint takes.

use std::path::PathBuf;

use super::{LOCAL, Server, ToolError};
use crate::media::{self, Blob, Limits, Reference};

/// What an endpoint takes of an input, besides its limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Takes {
    /// Types and sizes (of the endpoint's own page).
    pub(super) limits: Limits,
    /// Whether `mm_file://ID` may be given.
    pub(super) uploads: bool,
}

impl Server {
    /// A link or a data URL for the argument `field`.
    ///
    /// A link is handed on as it is: MiniMax fetches it. Everything else is read here, checked against the limits,
    /// and sent as a data URL with its real type.
    pub(super) async fn input(&self, field: &str, text: &str, takes: &Takes) -> Result<String, ToolError> {
        let wrong = |problem: String| ToolError::argument(field, problem);
        let reference = media::parse(text, Some(&self.config().home));
        match reference.map_err(|problem| wrong(problem.to_string()))? {
            Reference::Url(link) => {
                let guard = media::Guard { loopback_http: self.config().loopback };
                // Plain http is MiniMax's business, an address inside this network never is.
                let checked =
                    guard.check(&link.replacen("http://", "https://", 1)).or_else(|_| guard.check(&link));
                checked.map_err(|refused| wrong(refused.to_string()))?;
                Ok(link)
            }
            Reference::Uploaded(link) if takes.uploads => Ok(link),
            Reference::Uploaded(_) => Err(wrong(
                "is an uploaded file, which this endpoint does not take; give a URL or a path".to_owned(),
            )),
            Reference::Data(blob) => {
                media::check(&blob, &takes.limits).map_err(|problem| wrong(problem.to_string()))?;
                encode(blob).await
            }
            Reference::Path(path) => self.read(field, path, takes).await,
            Reference::Made { job, name } => match self.made(field, &job, &name).await? {
                Ok(path) => self.read(field, path, takes).await,
                Err(link) => Ok(link),
            },
        }
    }

    async fn read(&self, field: &str, path: PathBuf, takes: &Takes) -> Result<String, ToolError> {
        let blob = media::load(&path, &self.shared.roots, &takes.limits).await;
        encode(blob.map_err(|problem| ToolError::argument(field, problem.to_string()))?).await
    }

    /// A file of an earlier job: its path, or its link if it was never saved.
    async fn made(&self, field: &str, id: &str, name: &str) -> Result<Result<PathBuf, String>, ToolError> {
        let wrong = |problem: String| ToolError::argument(field, problem);
        let Some(job) = self.jobs().get(LOCAL, id).await? else {
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

/// Base64 of some megabytes takes long enough to hold up others.
async fn encode(blob: Blob) -> Result<String, ToolError> {
    let encoded = tokio::task::spawn_blocking(move || blob.data_uri()).await;
    encoded.map_err(|_| ToolError::argument("input", "could not be encoded"))
}
