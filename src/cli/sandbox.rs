//! The parts of the command line that need the sandbox.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use minimax_sandbox::Options;
pub(super) use minimax_sandbox::Sandbox;

use super::demo;
use super::outcome::{Outcome, about};

/// Starts the sandbox for `serve --sandbox`.
pub(super) async fn start(dir: PathBuf) -> Result<Sandbox, Box<dyn std::error::Error>> {
    let problem = about(format!("the sandbox cannot keep its state in {} (MINIMAX_DATA_DIR)", dir.display()));
    Ok(Sandbox::start(Options { dir: Some(dir), ..Options::default() }).await.map_err(problem)?)
}

/// Runs only a sandbox, until Ctrl-C.
pub(super) async fn run_alone(port: u16, dir: Option<PathBuf>) -> Outcome {
    let place = dir.as_ref().map_or_else(String::new, |dir| format!(" --dir {}", dir.display()));
    let sandbox = Sandbox::start(Options { port, dir, ..Options::default() }).await;
    let sandbox = sandbox.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => io::Error::new(
            error.kind(),
            format!("--port {port} is taken by another program; choose another, or 0 for a free one"),
        ),
        _ => about(format!("the sandbox cannot start with --port {port}{place}"))(error),
    })?;
    writeln!(io::stdout(), "{}", sandbox.url())?;
    writeln!(
        io::stderr(),
        "MINIMAX_API_HOST={} and any MINIMAX_API_KEY talk to it; Ctrl-C ends it",
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
