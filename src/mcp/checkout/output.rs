//! The folder that the files of a call go to.

use std::path::PathBuf;
use std::sync::Arc;

use crate::bucket::Bucket;
use crate::config::{Config, ConfigError, ResourceMode};
use crate::download;
use crate::jobs::Kind;
use crate::mcp::allowed_folders::AllowedFolders;
use crate::mcp::caller::Caller;
use crate::mcp::error::ToolError;

/// Finds output folders for one caller.
#[derive(Debug, Clone)]
pub(crate) struct OutputFolder {
    config: Arc<Config>,
    caller: Arc<Caller>,
    folders: AllowedFolders,
    /// If set, results go here instead of into folders.
    bucket: Option<Bucket>,
}

impl OutputFolder {
    pub(crate) fn new(
        config: Arc<Config>,
        caller: Arc<Caller>,
        folders: AllowedFolders,
        bucket: Option<Bucket>,
    ) -> Self {
        Self { config, caller, folders, bucket }
    }

    /// Where a job's files go: a folder or the URL of the bucket; `None` if results are only links. With `least`,
    /// checks that it can be written, and that a folder has this many free bytes.
    pub(crate) async fn find(
        &self,
        requested: Option<&str>,
        least: Option<u64>,
    ) -> Result<Option<PathBuf>, ToolError> {
        match &self.bucket {
            Some(bucket) => self.in_bucket(bucket, requested, least.is_some()).await,
            None => self.in_folder(requested, least).await,
        }
    }

    async fn in_bucket(
        &self,
        bucket: &Bucket,
        requested: Option<&str>,
        touch: bool,
    ) -> Result<Option<PathBuf>, ToolError> {
        if requested.is_some_and(|requested| !requested.trim().is_empty()) {
            let problem =
                "is a folder, and this server keeps results in a bucket (MINIMAX_FILES_URL); leave it out";
            return Err(ToolError::argument("output_directory", problem));
        }
        if self.config.mode == ResourceMode::Url {
            return Ok(None);
        }
        if touch {
            let unusable = |problem| ConfigError {
                name: "MINIMAX_FILES_URL",
                problem: format!("cannot be used: {problem}. Nothing was bought"),
            };
            bucket.check().await.map_err(|problem| ToolError::Config(vec![unusable(problem)]))?;
        }
        Ok(Some(bucket.shown().into()))
    }

    async fn in_folder(
        &self,
        requested: Option<&str>,
        least: Option<u64>,
    ) -> Result<Option<PathBuf>, ToolError> {
        if self.caller.remote && requested.is_some() {
            let problem =
                "is a folder of the server's machine, which a caller over HTTP does not choose; leave it out";
            return Err(ToolError::argument("output_directory", problem));
        }
        if self.config.mode == ResourceMode::Url && requested.is_none() {
            return Ok(None);
        }
        if let Some(wanted) = requested.filter(|wanted| !wanted.trim().is_empty()) {
            self.folders.settled_for(&self.named(wanted)).await;
        }
        let (base, roots) = (self.config.base_path.clone(), Arc::clone(self.folders.roots()));
        let wanted = requested.map(str::to_owned);
        // In one blocking task, because each switch to another thread costs as much time as all of this.
        let finding = tokio::task::spawn_blocking(move || {
            let folder = download::folder(&base, wanted.as_deref(), &roots)?;
            if let Some(least) = least {
                download::prepare_next(&folder)?;
                download::room(&folder, least)?;
            }
            Ok(folder)
        });
        let found =
            finding.await.map_err(|_| ToolError::argument("output_directory", "could not be checked"))?;
        found.map(Some).map_err(|problem| unusable(requested, &problem))
    }

    /// The path of a requested folder, only to find out whether it is allowed.
    fn named(&self, wanted: &str) -> PathBuf {
        match wanted.trim().strip_prefix("~/") {
            Some(rest) => self.config.home.join(rest),
            None => self.config.base_path.join(wanted.trim()),
        }
    }

    /// The folder for a result that has to be a file on this machine, even if other results are links or objects.
    pub(crate) async fn for_file(&self, requested: Option<&str>) -> Result<PathBuf, ToolError> {
        let base = self.config.base_path.display().to_string();
        let folder = self.in_folder(Some(requested.unwrap_or(&base)), Some(0)).await?;
        folder.ok_or_else(|| ToolError::argument("output_directory", "is needed"))
    }
}

/// The free space that a purchase needs, in bytes: several times the usual size of such a result.
pub(crate) fn least_space(kind: Kind) -> u64 {
    let mebibytes = if kind == Kind::Video { 256 } else { 64 };
    mebibytes * 1024 * 1024
}

/// The error for an unusable folder: about the argument if the caller chose the folder, or else about the setting.
fn unusable(requested: Option<&str>, problem: &download::OutputProblem) -> ToolError {
    match requested {
        Some(_) => ToolError::argument("output_directory", problem.to_string()),
        None => ToolError::Config(vec![ConfigError {
            name: "MINIMAX_MCP_BASE_PATH",
            problem: format!("cannot be used: {problem}"),
        }]),
    }
}
