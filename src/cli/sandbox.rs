//! The parts of the command line that need the sandbox.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use minimax_sandbox::Options;
pub(super) use minimax_sandbox::Sandbox;

use super::checks::at;
use super::demo;
use super::outcome::Outcome;
use crate::config::{ConfigError, Places};

/// Starts the sandbox for `--sandbox`, with its state in `dir`. The error is a sentence without its subject, which is
/// the setting of the data folder.
pub(super) async fn start(dir: PathBuf) -> Result<Sandbox, ConfigError> {
    let started = Sandbox::start(Options { dir: Some(dir.clone()), ..Options::default() }).await;
    started.map_err(|error| {
        let problem = format!(
            "cannot be used by the sandbox: {}; choose a folder in which files can be made",
            at(&dir, &error)
        );
        ConfigError { name: "MINIMAX_DATA_DIR", problem }
    })
}

/// Runs only a sandbox, until Ctrl-C.
pub(super) async fn run_alone(port: u16, dir: Option<PathBuf>) -> Outcome {
    let sandbox = Sandbox::start(Options { port, dir: dir.clone(), ..Options::default() }).await;
    let sandbox = sandbox.map_err(|error| match (error.kind(), &dir) {
        (io::ErrorKind::AddrInUse, _) => {
            format!("--port {port} is taken by another program; choose another, or 0 for any free port")
        }
        (io::ErrorKind::PermissionDenied, _) if port > 0 && port < 1024 => {
            format!("--port {port} may be opened by an administrator only; choose one above 1023")
        }
        (_, Some(dir)) => {
            format!("--dir {}; choose a folder in which files can be made", at(dir, &error))
        }
        (_, None) => {
            format!("the sandbox cannot start at 127.0.0.1:{port}: {}", crate::telemetry::in_words(&error))
        }
    })?;
    writeln!(io::stdout(), "{}", sandbox.url())?;
    writeln!(
        io::stderr(),
        "A MiniMax simulator listens at {url}. Point any client at it: MINIMAX_API_HOST={url} and MINIMAX_SANDBOX=true, with any\n\
         MINIMAX_API_KEY. A key such as sandbox-2049 makes it answer with that error code. Ctrl-C ends it.",
        url = sandbox.url()
    )?;
    tokio::signal::ctrl_c().await?;
    sandbox.stop().await;
    Ok(())
}

/// Runs the demo.
pub(super) async fn run_demo(out: &Path, places: &Places) -> Outcome {
    demo::run(out, places).await
}
