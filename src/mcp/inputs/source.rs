//! Where a media input is, once a name of an earlier job's file has been followed.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::mcp::{Server, ToolError};
use crate::media::{self, Blob, Expect, FetchProblem, Guard, InputProblem, Limits, Reference, Roots};

/// A media input that this server reads itself.
#[derive(Debug)]
pub(crate) enum Source {
    /// At MiniMax: its id.
    Uploaded(String),
    /// Elsewhere; judged by the guard when it is fetched.
    Link(String),
    /// In the call.
    Data(Blob),
    /// On this machine; judged by the roots when it is read.
    Path(PathBuf),
}

/// A file to read from, and the folders that it may lie in.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) path: PathBuf,
    pub(crate) roots: Roots,
    /// Holds a fetched file; dropping it removes the file.
    _fetched: Option<TempDir>,
}

impl Server {
    /// What the argument `field` refers to.
    pub(crate) async fn source(&self, field: &str, text: &str) -> Result<Source, ToolError> {
        Ok(match self.reference(field, text)? {
            Reference::Url(link) => Source::Link(link),
            Reference::Uploaded(link) => {
                self.own_file(field, &link).await?;
                Source::Uploaded(link.trim_start_matches("mm_file://").to_owned())
            }
            Reference::Data(blob) => Source::Data(blob),
            Reference::Path(path) => Source::Path(path),
            Reference::Made { job, name } => match self.made(field, &job, &name).await? {
                Ok(path) => Source::Path(path),
                Err(link) => Source::Link(link),
            },
        })
    }

    /// The whole content, checked. Only for limits that fit the memory.
    pub(crate) async fn content(
        &self,
        field: &str,
        source: Source,
        limits: &Limits,
    ) -> Result<Blob, ToolError> {
        let wrong = |problem: InputProblem| ToolError::argument(field, problem.to_string());
        match source {
            Source::Uploaded(_) => Err(ToolError::argument(field, "is at MiniMax and cannot be read here")),
            Source::Data(blob) => media::check(&blob, limits).await.map(|()| blob).map_err(wrong),
            Source::Path(path) => {
                let read = media::load(&path, &self.roots(), limits).await;
                read.map_err(|problem| self.unread(field, &problem))
            }
            Source::Link(link) => {
                let fetched = in_time(self.jobs().fetcher().fetch(&self.secured(&link), limits)).await;
                fetched.map_err(|problem| unfetched(field, problem))
            }
        }
    }

    /// A file on disk with what `source` refers to: a link is fetched piece by piece, however large it is.
    pub(crate) async fn local(&self, field: &str, link: &str, max_bytes: u64) -> Result<Local, ToolError> {
        let failed = |error: std::io::Error| ToolError::argument(field, format!("cannot be kept: {error}"));
        let dir = tokio::task::spawn_blocking(tempfile::tempdir).await;
        let dir = dir.map_err(|error| failed(std::io::Error::other(error)))?.map_err(failed)?;
        let name = media::file_name("input", "", 1, false, link_extension(link));
        let expect = Expect { kind: None, max_bytes, extension: link_extension(link) };
        // Temporary folders often lie behind a symbolic link.
        let folder = dunce::canonicalize(dir.path()).map_err(failed)?;
        let secured = self.secured(link);
        let fetched = in_time(self.jobs().fetcher().download(&secured, &folder, &name, &expect, None)).await;
        let saved = fetched.map_err(|problem| unfetched(field, problem))?;
        let roots = Roots::new(&folder, None, &[]);
        Ok(Local { path: saved.path, roots, _fetched: Some(dir) })
    }

    /// A path of this machine as it is.
    pub(crate) fn at(&self, path: PathBuf) -> Local {
        Local { path, roots: self.roots(), _fetched: None }
    }

    /// Links of MiniMax's come as plain http at times, and their hosts speak https.
    pub(crate) fn secured(&self, link: &str) -> String {
        let guard = Guard { loopback_http: self.config().loopback, ..Guard::default() };
        if guard.check(link).is_ok() { link.to_owned() } else { link.replacen("http://", "https://", 1) }
    }
}

/// The ending of a link's path: `mp4` of `https://host/a/clip.mp4?Expires=1`; empty if there is none.
pub(crate) fn link_extension(link: &str) -> &str {
    let path = link.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    if ending.len() <= 5 && ending.bytes().all(|byte| byte.is_ascii_alphanumeric()) { ending } else { "" }
}

/// How long an input may take on its way here: half a gigabyte on a slow line. A server that sends a byte a minute is
/// not waited for.
const PATIENCE: Duration = Duration::from_mins(30);

/// Gives up on a link that does not come to an end.
pub(crate) async fn in_time<T>(
    fetching: impl Future<Output = Result<T, FetchProblem>>,
) -> Result<T, FetchProblem> {
    let late = || FetchProblem::Transient {
        reason: format!("it did not end within {} minutes", PATIENCE.as_secs() / 60),
        retry_after: None,
    };
    tokio::time::timeout(PATIENCE, fetching).await.unwrap_or_else(|_| Err(late()))
}

/// Whose turn it is when a link cannot be read.
pub(crate) fn unfetched(field: &str, problem: FetchProblem) -> ToolError {
    match problem {
        FetchProblem::Transient { reason, .. } => ToolError::Transfer(reason),
        FetchProblem::Disk(problem) => ToolError::argument("output_directory", problem),
        FetchProblem::Expired { .. } | FetchProblem::Wrong(_) => {
            ToolError::argument(field, format!("cannot be fetched: {problem}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_link_that_never_ends_is_given_up() {
        let problem = in_time(std::future::pending::<Result<(), _>>()).await.unwrap_err();
        assert!(problem.to_string().contains("within 30 minutes"), "{problem}");
        assert!(in_time(async { Ok(()) }).await.is_ok());
    }
}
