//! Replaces the sandbox in builds without the feature `sandbox`.

use std::path::{Path, PathBuf};

use super::outcome::Outcome;
use crate::config::{ConfigError, Places};

const MISSING: &str = "is not in this build; `cargo install --path . --features sandbox` adds `demo`, `sandbox` and `--sandbox`";

/// Cannot be constructed, because [`start`] always fails.
pub(super) enum Sandbox {}

impl Sandbox {
    pub fn url(&self) -> String {
        match *self {}
    }

    #[expect(clippy::unused_async, reason = "the sandbox has the same functions")]
    pub async fn stop(self) {
        match self {}
    }
}

#[expect(clippy::unused_async, reason = "the sandbox has the same functions")]
pub(super) async fn start(_: PathBuf) -> Result<Sandbox, ConfigError> {
    Err(ConfigError { name: "--sandbox", problem: MISSING.to_owned() })
}

#[expect(clippy::unused_async, reason = "the sandbox has the same functions")]
pub(super) async fn run_alone(_: u16, _: Option<PathBuf>) -> Outcome {
    Err(format!("the sandbox {MISSING}").into())
}

#[expect(clippy::unused_async, reason = "the sandbox has the same functions")]
pub(super) async fn run_demo(_: &Path, _: &Places) -> Outcome {
    Err(format!("the demo {MISSING}").into())
}
