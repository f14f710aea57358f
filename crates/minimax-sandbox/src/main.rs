//! `minimax-sandbox`: runs the sandbox until Ctrl-C.

use std::error::Error;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use minimax_sandbox::{Options, Pace, Sandbox};

/// Any key is accepted without `--key`, so the printed environment uses this one.
const ANY_KEY: &str = "sandbox-key";

/// A simulator of the MiniMax (Hailuo) API on this machine, for tests and demos.
///
/// Prints the environment variables that point a client at it, then serves until Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "minimax-sandbox", version)]
struct Arguments {
    /// Where to listen: 127.0.0.1 and a port. Port 0 takes the port that the folder had before, or a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = loopback)]
    listen: SocketAddr,
    /// The folder for tasks, files and media; a temporary one by default.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The only accepted API key; any key by default.
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    key: Option<String>,
    /// How many status queries answer "not yet" before a task is done.
    #[arg(long, value_name = "COUNT", default_value_t = Pace::default().polls)]
    polls: u32,
    /// The minimum time from submission to completion of a task, in seconds.
    #[arg(long, default_value_t = Pace::default().seconds, value_parser = seconds)]
    seconds: f64,
    /// How long every POST waits before it is answered, in milliseconds.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = Pace::default().delay_ms)]
    delay_ms: u64,
    /// How long download links live, in seconds; as documented by MiniMax by default.
    #[arg(long, value_name = "SECONDS")]
    link_seconds: Option<u64>,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let numbers = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    match numbers.as_deref().unwrap_or(text).parse::<SocketAddr>() {
        Ok(address) if address.ip() == Ipv4Addr::LOCALHOST => Ok(address),
        _ => Err("must be 127.0.0.1 and a port, such as 127.0.0.1:9000".to_owned()),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "must be a number from 0 on, such as 1.5".to_owned())
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help goes to stdout, mistakes to stderr.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match serve(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "minimax-sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let Arguments { listen, dir, key, polls, seconds, delay_ms, link_seconds } = arguments;
    let shown_key = key.clone().unwrap_or_else(|| ANY_KEY.to_owned());
    let pace = Pace { polls, seconds, delay_ms, link_seconds };
    let sandbox = Sandbox::start(Options { port: listen.port(), dir, key, pace })
        .await
        .map_err(|error| format!("cannot start at {listen}: {error}"))?;
    writeln!(io::stdout(), "MINIMAX_API_HOST={}\nMINIMAX_API_KEY={shown_key}", sandbox.url())?;
    writeln!(io::stderr(), "minimax-sandbox listens at {}; Ctrl-C stops it", sandbox.url())?;
    tokio::signal::ctrl_c().await?;
    sandbox.stop().await;
    Ok(())
}
