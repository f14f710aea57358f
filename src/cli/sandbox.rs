//! The parts of the command line that need the sandbox.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use minimax_sandbox::Options;
pub(super) use minimax_sandbox::Sandbox;

use super::demo;
use super::outcome::Outcome;

/// Starts the sandbox for `serve --sandbox`.
pub(super) async fn start(dir: PathBuf) -> Result<Sandbox, Box<dyn std::error::Error>> {
    Ok(Sandbox::start(Options { dir: Some(dir), ..Options::default() }).await?)
}

/// Runs only a sandbox, until Ctrl-C.
pub(super) async fn run_alone(port: u16, dir: Option<PathBuf>) -> Outcome {
    let sandbox = Sandbox::start(Options { port, dir, ..Options::default() }).await?;
    writeln!(io::stdout(), "{}", sandbox.url())?;
    writeln!(
        io::stderr(),
        "MINIMAX_API_HOST={}, MINIMAX_SANDBOX=true and any MINIMAX_API_KEY talk to it; Ctrl-C ends it",
        sandbox.url()
    )?;
    tokio::signal::ctrl_c().await?;
    sandbox.stop().await;
    Ok(())
}

/// Runs the demo.
pub(super) async fn run_demo(out: &Path) -> Outcome {
    demo::run(out).await
}
