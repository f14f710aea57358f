//! The `minimax-mcp` program. See `minimax-mcp --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    minimax_mcp::cli::run(std::env::args_os())
}
